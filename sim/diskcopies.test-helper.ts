/** Disks of the virtual world as they lie there, with no process over them: copied at each final block, and checked. */
import { hashPairsNative } from '../node/main/hasher.js';
import type { Operation, Store } from '../node/ports.js';
import { type Audit, audit } from '../node/replica/audit.js';
import { checked } from '../node/replica/checked.js';
import type { Records } from '../node/replica/findings.js';
import { metaKey } from '../node/replica/records.js';
import type { Genesis } from '../protocol/genesis.js';
import { NETWORK_TIME_MS_MAX } from '../protocol/limits.js';
import type { TimestampMs } from '../protocol/types.js';
import { cheapVerifier } from './crypto.js';
import type { SimDisk } from './disk.js';

/** A disk as it lies there, with no process over it. */
export function storeOf(disk: SimDisk): Store {
  const store: Store = {
    get: (table, key) => disk.table(table).get(key),
    async *scan(table, { from, to, reverse = false, limit = Number.MAX_SAFE_INTEGER }) {
      yield* disk.table(table).range(from, to, { reverse, limit });
    },
    write: async (operations) => {
      disk.write(operations);
      disk.sync();
    },
    snapshot: () => ({ ...store, close: () => Promise.resolve() }),
    close: () => Promise.resolve(),
  };
  return checked(store);
}

export const auditOf = (records: Records, genesis: Genesis): Promise<Audit> =>
  audit(records, {
    genesis,
    verifier: cheapVerifier,
    hasher: hashPairsNative,
    vouched: [],
    now: NETWORK_TIME_MS_MAX as TimestampMs,
  });

/** Copies of a disk after each write that names the last final block: the last `kept` of them. */
export function copiesOf(disk: SimDisk, kept: number): SimDisk[] {
  const copies: SimDisk[] = [];
  const write = disk.write.bind(disk);
  const final = Buffer.from(metaKey('final'));
  disk.write = (operations: readonly Operation[]): void => {
    write(operations);
    if (!operations.some(({ table, key }) => table === 'meta' && final.equals(key))) return;
    copies.push(disk.fork());
    if (copies.length > kept) copies.shift();
  };
  return copies;
}
