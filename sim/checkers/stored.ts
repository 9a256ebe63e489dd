/** Final blocks as they lie on a node's disk, for those that it made final and died before it told of. */
import type { Store } from '../../node/ports.js';
import { checked, unlessDamaged, untold } from '../../node/replica/checked.js';
import { getBatch, getBlock } from '../../node/replica/records.js';
import { decodeBatch, laneStart } from '../../protocol/block.js';
import type { BlockHeader, ValidatorIndex } from '../../protocol/types.js';
import type { OrderedBlock } from '../naive/ledger.js';
import type { StoredTables } from './watched.js';

/** The block of a height with the items that its cut adds, or null when the disk does not have it whole. */
export function storedBlock(disk: StoredTables, height: number): OrderedBlock | null {
  const store = checked({ get: (table, key) => disk.table(table).get(key) } as Pick<Store, 'get'> as Store);
  return unlessDamaged(() => blockOf(store, height), untold);
}

function blockOf(store: Pick<Store, 'get'>, height: number): OrderedBlock | null {
  const header = getBlock(store, height)?.header;
  const parent = getBlock(store, height - 1)?.header;
  if (header === undefined || parent === undefined) return null;
  const lanes: Uint8Array[][] = [];
  for (const lane of header.cut.keys()) {
    const items = itemsOf(store, header, parent, lane as ValidatorIndex);
    if (items === null) return null;
    lanes.push(items);
  }
  return { height, time: header.time, proposer: header.proposer, lanes };
}

function itemsOf(
  store: Pick<Store, 'get'>,
  { epoch, cut }: BlockHeader,
  parent: BlockHeader,
  lane: ValidatorIndex,
): Uint8Array[] | null {
  // Lanes start anew in each epoch.
  const from = (parent.epoch === epoch ? parent.cut[lane] : undefined) ?? laneStart(0);
  const batches: (readonly Uint8Array[])[] = [];
  let at = cut[lane];
  while (at !== undefined && at.number > 0 && at.digest !== from.digest) {
    const stored = getBatch(store, epoch, lane, at);
    const batch = stored === null ? null : decodeBatch(stored.bytes);
    if (batch === null) return null;
    batches.unshift(batch.items);
    at = { incarnation: batch.incarnation, number: batch.number - 1, digest: batch.previous };
  }
  return batches.flat();
}
