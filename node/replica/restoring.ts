/**
 * The records of a backup that was checked become a data folder. What can be made from what is certified is made anew
 * (reindex.ts), and what nothing shows is left out.
 *
 * What a key signed after the backup was made is not in it, nor the vote log of before: so every count is written as 0, of
 * the keys that the backup names, of all that a set of the ledger has named, and of those that the node has now. A mark
 * above that, or none, then retires a vote key, and begins the lane anew under a later incarnation (mark.ts). Only a key
 * that has never signed may still sign: its mark is there, and 0.
 */
import { hourOfList } from '../../ledger/memory.js';
import { idsOfList } from '../../ledger/snapshot.js';
import { State } from '../../ledger/state.js';
import { Reader, toHex } from '../../protocol/codec.js';
import type { PairHasher } from '../../protocol/hash.js';
import { assert, type Epoch, type Hash } from '../../protocol/types.js';
import type { Operation, Store } from '../ports.js';
import { ARCHIVE_TABLES, type Archive, type ArchiveTable } from './archive.js';
import type { Audit } from './audit.js';
import { putFloor } from './prune.js';
import { heightOfKey, laneOfBatchKey, metaNameOf, putCount, putFinal, putRestored } from './records.js';
import { reindex } from './reindex.js';

/** One write has about so many bytes, and operations at most. */
const WRITE_BYTES = 4 * 1024 * 1024;
const WRITE_OPERATIONS = 4_096;

interface Parts {
  /** Of the backup: nothing was found, and what it says of itself is what is restored. */
  readonly audit: Pick<Audit, 'final' | 'epochs' | 'lowest' | 'hours'>;
  /** Of the node that is restored. */
  readonly keys: readonly Hash[];
  readonly hasher: PairHasher;
}

/**
 * Writes all records into an empty store. What names the last final block goes last, and durably: a store without it has
 * no ledger. Of ids only the lists of `hours` are taken, which lead to what the certified state names, and what they hold is
 * written anew from them; no hand-over that is not shown, no block below the lowest that is shown, and no batch of an epoch
 * that has not begun. `onRecords` hears how many have been written.
 */
export async function restoreRecords(
  backup: Pick<Archive, 'scan'>,
  store: Pick<Store, 'get' | 'write'>,
  { audit, keys, hasher }: Parts,
  onRecords: (written: number) => void = () => undefined,
): Promise<void> {
  const { final, lowest } = audit;
  assert(final !== null, 'a backup says which block was final last');
  const archive = { scan: (table: ArchiveTable) => shownOf(backup, table, lowest) };
  const counted = new Set(keys);
  const state: [Uint8Array, Uint8Array][] = [];
  let operations: Operation[] = [];
  let bytes = 0;
  let written = 0;
  for (const table of ARCHIVE_TABLES) {
    // Made of all the rest.
    if (table === 'index') continue;
    for await (const [key, value] of archive.scan(table)) {
      written += 1;
      const named = table === 'meta' ? metaNameOf(key) : null;
      if (named?.name === 'count') counted.add(toHex(named.rest));
      if (table === 'state') state.push([key.slice(), value.slice()]);
      operations.push(...takenOf(table, key, value, audit));
      bytes += key.length + value.length;
      if (bytes < WRITE_BYTES && operations.length < WRITE_OPERATIONS) continue;
      await store.write(operations, { sync: false });
      [operations, bytes] = [[], 0];
      onRecords(written);
    }
  }
  await store.write(operations, { sync: false });
  const restored = State.load(state, { get: (key) => store.get('ids', key) }, hasher);
  for (const key of keysNamed(restored)) counted.add(key);
  await reindex(archive, store, { final, hours: audit.hours, state: restored });
  const counts = [...counted].map((key) => putCount(key, 0));
  await store.write([...counts, putFloor(lowest), putRestored(final)], { sync: true });
  await store.write([putFinal(final)], { sync: true });
}

/** Of blocks and receipts those that the audit has judged. */
async function* shownOf(
  backup: Pick<Archive, 'scan'>,
  table: ArchiveTable,
  lowest: number,
): AsyncGenerator<[Uint8Array, Uint8Array]> {
  const isByHeight = table === 'blocks' || table === 'receipts';
  for await (const entry of backup.scan(table)) {
    const height = isByHeight ? (heightOfKey(entry[0]) ?? -1) : null;
    if (height === null || height >= lowest || (height === 0 && table === 'blocks')) yield entry;
  }
}

/** What is written of a record of the backup. */
function takenOf(table: ArchiveTable, key: Uint8Array, value: Uint8Array, audit: Parts['audit']): readonly Operation[] {
  const operation = { type: 'put', table, key, value } as const;
  switch (table) {
    case 'meta': {
      const named = metaNameOf(key);
      if (named?.name === 'handOver') return audit.epochs.has(new Reader(named.rest).u64() as Epoch) ? [operation] : [];
      return named?.name === 'incarnation' || named?.name === 'surveyed' ? [operation] : [];
    }
    case 'ids': {
      const hour = hourOfList(key);
      if (hour === null || !audit.hours.has(hour)) return [];
      return [operation, ...idsOfList(value).map((entry): Operation => ({ type: 'put', table, ...entry }))];
    }
    case 'batches':
      return laneOfBatchKey(key).epoch <= (audit.final?.epoch ?? 0) ? [operation] : [];
    default:
      return [operation];
  }
}

/** Every vote key that a set of the ledger has named, or that a change of it may name by now, and all members' network keys. */
function keysNamed(state: State): Hash[] {
  const members = [...state.members(), ...(state.openChange()?.members ?? [])];
  return [
    ...state.tables.voteKeys.entries().map(([key]) => key as Hash),
    ...members.flatMap(({ voteKey, networkKey }) => [voteKey, networkKey as Hash]),
  ];
}
