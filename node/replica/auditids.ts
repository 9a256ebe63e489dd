/** The check of what is remembered of ids: lists lead to the chains that the state names, and under each key stands what they say last. */
import { hourOfEntry, hourOfList } from '../../ledger/memory.js';
import { CHAIN_START, chainAfter, idsOfList } from '../../ledger/snapshot.js';
import { DecodeError } from '../../protocol/codec.js';
import type { Hash } from '../../protocol/types.js';
import { unlessDamaged, untold } from './checked.js';
import type { Findings, Records, SoundRecords } from './findings.js';
import { isSame } from './records.js';

/**
 * Each list is read once, and looked up under its keys where `get` can: of a backup nothing but the lists is believed. Two
 * lists of one hour that have one key are not told apart.
 */
export async function auditIds(
  records: SoundRecords,
  get: Records['get'],
  buckets: ReadonlyMap<number, Hash>,
  findings: Findings,
): Promise<void> {
  const chains = new Map<number, Hash>();
  let unlisted = 0;
  for await (const [key, value] of records.scan('ids')) {
    if (key[0] !== 0) {
      // What outlived its hour, as where the disk damaged a list, counts for nothing any more.
      const until = hourOfEntry(value);
      if (until === null || buckets.has(until)) unlisted += 1;
      continue;
    }
    const hour = hourOfList(key);
    const entries = entriesOf(value);
    if (hour === null || entries === null) {
      findings.add('record_malformed', 'ids', key, 'this is no list of ids');
      continue;
    }
    chains.set(hour, chainAfter(chains.get(hour) ?? CHAIN_START, value));
    if (get === undefined) continue;
    for (const entry of entries) {
      const there = unlessDamaged(() => get('ids', entry.key) ?? 'nothing', untold);
      // Of what is damaged the scan tells.
      if (there === null) continue;
      if (there === 'nothing') {
        // What the state names no more is let go of list by list, and an entry goes with the first that has it.
        if (buckets.has(hour))
          findings.add('record_missing', 'ids', entry.key, 'what a list of ids has is not under its key');
      } else if (isSame(there, entry.value)) {
        if (buckets.has(hourOfEntry(there) ?? -1)) unlisted -= 1;
      } else if ((hourOfEntry(there) ?? -1) < hour) {
        findings.add('ids_differ', 'ids', entry.key, 'this is not what the lists of ids say last');
      }
    }
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
  if (get !== undefined && unlisted > 0)
    findings.add('ids_differ', 'ids', 'all hours', `${unlisted} records under keys are in no list of ids`);
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
