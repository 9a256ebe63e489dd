/**
 * A store that notices what its disk got wrong: a value that changed at rest, or that was written for another key.
 *
 * Each value ends with a checksum over its table, key and content. It is CRC-32C (RFC 3720, appendix B.4), which finds
 * every error of up to 32 bits in a row; in plain code, eight bytes a step, since most values are a hundred bytes and a
 * call into native code costs more than they do. What a signature or root covers is checked by that, too; this tells the
 * fault of one's own disk from a lie, and names the record, so that it alone is fetched again.
 */
import { concat } from '../../protocol/hash.js';
import type { Operation, Store, StoreView, Table } from '../ports.js';

/** A record that is not what was written. Whoever reads lets it through to `Repair`. */
export class Corrupt extends Error {
  readonly table: Table;
  readonly key: Uint8Array;

  constructor(table: Table, key: Uint8Array) {
    super(`the stored record ${table}/${hex(key)} is damaged`);
    this.name = 'Corrupt';
    this.table = table;
    this.key = key;
  }
}

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const CHECKSUM_BYTES = 4;
/** A byte for each table: what is read from another table than it was written to is damaged. */
const TABLE_BYTES: Readonly<Record<Table, number>> = {
  meta: 1,
  votes: 2,
  batches: 3,
  blocks: 4,
  receipts: 5,
  state: 6,
  ids: 7,
  index: 8,
  snapshot: 9,
  outbox: 10,
};

/** Reversed polynomial 0x82f63b78; `TABLES[n]` is for a byte with n more behind it. */
const TABLES: readonly Int32Array[] = makeTables();

function makeTables(): Int32Array[] {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  const [first] = tables as [Int32Array];
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    first[byte] = crc;
  }
  for (let n = 1; n < 8; n++) {
    const [table, before] = [tables[n] as Int32Array, tables[n - 1] as Int32Array];
    for (let byte = 0; byte < 256; byte++) {
      const crc = before[byte] as number;
      table[byte] = (first[crc & 255] as number) ^ (crc >>> 8);
    }
  }
  return tables;
}
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as unknown as readonly [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

/** Goes on from `crc` over the first `length` bytes; begins and ends with all bits turned, as the caller does. */
function over(crc: number, bytes: Uint8Array, length: number): number {
  let at = 0;
  let sum = crc;
  for (; at + 8 <= length; at += 8) {
    const low =
      sum ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    sum =
      (T7[low & 255] as number) ^
      (T6[(low >>> 8) & 255] as number) ^
      (T5[(low >>> 16) & 255] as number) ^
      (T4[low >>> 24] as number) ^
      (T3[bytes[at + 4] as number] as number) ^
      (T2[bytes[at + 5] as number] as number) ^
      (T1[bytes[at + 6] as number] as number) ^
      (T0[bytes[at + 7] as number] as number);
  }
  for (; at < length; at++) sum = (T0[(sum ^ (bytes[at] as number)) & 255] as number) ^ (sum >>> 8);
  return sum;
}

/** CRC-32C of bytes. */
export const crc32c = (bytes: Uint8Array): number => ~over(-1, bytes, bytes.length) >>> 0;

/** The key's length comes before it, so that no byte of a key passes for one of the value. */
const PLACE = new Uint8Array(4);
function checksum(table: Table, key: Uint8Array, value: Uint8Array, length: number): number {
  PLACE[0] = TABLE_BYTES[table];
  PLACE[1] = key.length;
  PLACE[2] = key.length >>> 8;
  PLACE[3] = key.length >>> 16;
  return ~over(over(over(-1, PLACE, 4), key, key.length), value, length);
}

/** The operations with their checksums, all values in one piece of memory: an allocation for each costs more than its checksum. */
function sealed(operations: readonly Operation[]): Operation[] {
  let bytes = 0;
  for (const operation of operations) if (operation.type === 'put') bytes += operation.value.length + CHECKSUM_BYTES;
  const slab = new Uint8Array(bytes);
  let at = 0;
  return operations.map((operation) => {
    if (operation.type === 'delete') return operation;
    const { table, key, value } = operation;
    const sum = checksum(table, key, value, value.length);
    const end = at + value.length;
    slab.set(value, at);
    slab[end] = sum >>> 24;
    slab[end + 1] = sum >>> 16;
    slab[end + 2] = sum >>> 8;
    slab[end + 3] = sum;
    const stored = slab.subarray(at, end + CHECKSUM_BYTES);
    at = end + CHECKSUM_BYTES;
    return { type: 'put', table, key, value: stored };
  });
}

/** The value without its checksum. */
function opened(table: Table, key: Uint8Array, stored: Uint8Array): Uint8Array {
  const length = stored.length - CHECKSUM_BYTES;
  if (length < 0) throw new Corrupt(table, key);
  const sum = checksum(table, key, stored, length);
  const at = (i: number): number => stored[length + i] as number;
  if (((at(0) << 24) | (at(1) << 16) | (at(2) << 8) | at(3)) !== sum) throw new Corrupt(table, key);
  return stored.subarray(0, length);
}

function checkedReads({ get, scan }: Pick<Store, 'get' | 'scan'>): Pick<Store, 'get' | 'scan'> {
  return {
    get(table, key) {
      const stored = get(table, key);
      return stored === undefined ? undefined : opened(table, key, stored);
    },
    async *scan(table, range) {
      for await (const [key, stored] of scan(table, range)) yield [key, opened(table, key, stored)];
    },
  };
}

const readsOf = (store: Pick<Store, 'get' | 'scan'>): Pick<Store, 'get' | 'scan'> => ({
  get: (table, key) => store.get(table, key),
  scan: (table, range) => store.scan(table, range),
});

/** The store with a checksum on every value. What it reads that is not what was written throws `Corrupt`. */
export function checked(store: Store): Store {
  return {
    ...checkedReads(readsOf(store)),
    write: (operations, options) => store.write(sealed(operations), options),
    snapshot(): StoreView {
      const view = store.snapshot();
      return { ...checkedReads(readsOf(view)), close: () => view.close() };
    },
    close: () => store.close(),
  };
}

/** For reads of which the damage is told elsewhere, or that put something else in its place. */
export const untold = (): void => undefined;

/** What `read` gives, or null when it met a record that is damaged, which is told of. */
export function unlessDamaged<T>(read: () => T, onDamage: (corrupt: Corrupt) => void): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error;
    onDamage(error);
    return null;
  }
}

/** The range of all keys of a table: none is as long as its end. */
export const EVERYTHING = { from: new Uint8Array(0), to: new Uint8Array(512).fill(0xff) };

/** A scan that passes over what is damaged and tells of it. */
export async function* soundEntries(
  store: Pick<Store, 'scan'>,
  table: Table,
  range: { readonly from: Uint8Array; readonly to: Uint8Array },
  onDamage: (corrupt: Corrupt) => void,
): AsyncGenerator<[Uint8Array, Uint8Array]> {
  let { from } = range;
  for (;;) {
    try {
      yield* store.scan(table, { from, to: range.to });
      return;
    } catch (error) {
      if (!(error instanceof Corrupt)) throw error;
      onDamage(error);
      // The least key past the damaged one.
      from = concat(error.key, new Uint8Array(1));
    }
  }
}
