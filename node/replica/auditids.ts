/** The check of what is remembered of ids: lists lead to the chains that the state names, and under each key stands what they say last. */
import { hourOfList } from '../../ledger/memory.js';
import { CHAIN_START, chainAfter, idsOfList } from '../../ledger/snapshot.js';
import { DecodeError, toHex } from '../../protocol/codec.js';
import type { Hash } from '../../protocol/types.js';
import { crc32c } from './checked.js';
import type { Findings, SoundRecords } from './findings.js';
import { isSame } from './records.js';

/** So many entries are held at once, about: each such share is a pass over the table. */
const ENTRIES_AT_ONCE = 250_000;

/** `again` reads what `records` has read, and tells nothing of it a second time. */
export async function auditIds(
  records: SoundRecords,
  again: SoundRecords,
  buckets: ReadonlyMap<number, Hash>,
  findings: Findings,
): Promise<void> {
  const before = findings.count;
  const chains = new Map<number, Hash>();
  let entries = 0;
  for await (const [key, value] of records.scan('ids')) {
    entries += 1;
    if (key[0] !== 0) continue;
    const hour = hourOfList(key);
    if (hour === null || entriesOf(value) === null)
      findings.add('record_malformed', 'ids', key, 'this is no list of ids');
    else chains.set(hour, chainAfter(chains.get(hour) ?? CHAIN_START, value));
  }
  for (const [hour, chain] of buckets) {
    if ((chains.get(hour) ?? CHAIN_START) !== chain)
      findings.add(
        'ids_differ',
        'ids',
        `hour ${hour}`,
        'the ids remembered for this hour are not those that the state names',
      );
  }
  // By lists that are damaged or false nothing else is judged.
  if (findings.count > before) return;
  const shares = Math.max(1, Math.ceil(entries / ENTRIES_AT_ONCE));
  for (let share = 0; share < shares; share++)
    await auditShare(again, (key) => crc32c(key) % shares === share, buckets, findings);
}

/** The entries under keys of a share, held against the lists, which come before them. */
async function auditShare(
  records: SoundRecords,
  isOf: (key: Uint8Array) => boolean,
  buckets: ReadonlyMap<number, Hash>,
  findings: Findings,
): Promise<void> {
  const latest = new Map<string, { readonly key: Uint8Array; readonly value: Uint8Array; readonly hour: number }>();
  for await (const [key, value] of records.scan('ids')) {
    const hour = hourOfList(key);
    if (hour !== null) {
      // Copies: a view would hold all that was read with it.
      for (const entry of entriesOf(value) ?? [])
        if (isOf(entry.key)) latest.set(toHex(entry.key), { key: entry.key.slice(), value: entry.value.slice(), hour });
      continue;
    }
    if (!isOf(key)) continue;
    const name = toHex(key);
    const listed = latest.get(name);
    if (listed === undefined || !isSame(listed.value, value))
      findings.add('ids_differ', 'ids', key, 'this is not what the lists of ids say last');
    latest.delete(name);
  }
  for (const { key, hour } of latest.values()) {
    // What the state names no more is let go of list by list, and an entry goes with the first that has it.
    if (buckets.has(hour)) findings.add('record_missing', 'ids', key, 'what a list of ids has is not under its key');
  }
}

/** What a list holds, or null when it is none. */
function entriesOf(list: Uint8Array): ReturnType<typeof idsOfList> | null {
  try {
    return idsOfList(list);
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}
