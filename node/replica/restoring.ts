/**
 * The records of a backup become a data folder. What a key signed after the backup was made is not in it, nor the vote log
 * of before: so every count is written as 0, of the keys that the backup names and of those that the node has now. A mark
 * above that, or none, then retires a vote key, and begins the lane anew under a later incarnation (mark.ts). Only a key
 * that has never signed may still sign: its mark is there, and 0.
 */
import { hourOfList } from '../../ledger/memory.js';
import { idsOfList } from '../../ledger/snapshot.js';
import { toHex } from '../../protocol/codec.js';
import { assert, type Hash } from '../../protocol/types.js';
import type { Operation, Store } from '../ports.js';
import { ARCHIVE_TABLES, type Archive } from './archive.js';
import { isCountKey, isFinalKey, isHandOverPast, putCount } from './records.js';

/** One write has about so many bytes, and operations at most. */
const WRITE_BYTES = 4 * 1024 * 1024;
const WRITE_OPERATIONS = 4_096;

/**
 * Writes all records into an empty store. What names the last final block goes last, and durably: a store without it has
 * no ledger. Of ids only the lists of `hours` are taken, which lead to what the certified state names, and what they hold is
 * written anew from them; and no hand-over past the last final block's epoch, which nothing in the backup proves.
 * `onRecords` hears how many have been written.
 */
export async function restoreRecords(
  archive: Archive,
  store: Pick<Store, 'write'>,
  keys: readonly Hash[],
  hours: ReadonlySet<number>,
  onRecords: (written: number) => void = () => undefined,
): Promise<void> {
  const counted = new Set(keys);
  let final: Operation | null = null;
  let operations: Operation[] = [];
  let bytes = 0;
  let written = 0;
  for (const table of ARCHIVE_TABLES) {
    for await (const [key, value] of archive.scan(table)) {
      written += 1;
      const operation = { type: 'put', table, key, value } as const;
      if (table === 'meta' && isCountKey(key)) counted.add(toHex(key.subarray(-32)));
      else if (table === 'meta' && isFinalKey(key)) final = operation;
      else if (table === 'meta' && isHandOverPast(key, archive.header.epoch)) continue;
      else if (table === 'ids') operations.push(...idsOf(operation, hours));
      else operations.push(operation);
      bytes += key.length + value.length;
      if (bytes < WRITE_BYTES && operations.length < WRITE_OPERATIONS) continue;
      await store.write(operations, { sync: false });
      [operations, bytes] = [[], 0];
      onRecords(written);
    }
  }
  assert(final !== null, 'a backup says which block was final last');
  await store.write([...operations, ...[...counted].map((key) => putCount(key, 0))], { sync: true });
  await store.write([final], { sync: true });
}

/** A list and the entries that it holds; nothing else of the table is believed, or needed. */
function idsOf(list: Extract<Operation, { type: 'put' }>, hours: ReadonlySet<number>): Operation[] {
  const hour = hourOfList(list.key);
  if (hour === null || !hours.has(hour)) return [];
  return [list, ...idsOfList(list.value).map((entry): Operation => ({ type: 'put', table: 'ids', ...entry }))];
}
