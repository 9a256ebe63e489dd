/**
 * A disk of the virtual world: what outlives a process. Writes that are not synced lie in the machine's memory: they
 * survive the end of a process, and a loss of power takes them away in whole writes and from the end. A torn last write
 * is a lost one, since LevelDB's log recovers to the last record whose checksum holds.
 */
import type { Operation, Table } from '../node/ports.js';
import { Random } from './random.js';
import { SortedTable } from './sorted.js';

/** How long a sync takes: usually, and once in a while. */
export interface SyncTimes {
  readonly usualMs: readonly [number, number];
  readonly slowPerMille: number;
  readonly slowMs: readonly [number, number];
}
export const QUICK_SYNCS: SyncTimes = { usualMs: [1, 4], slowPerMille: 0, slowMs: [0, 0] };

interface Change {
  readonly table: Table;
  readonly key: Uint8Array;
  readonly before: Uint8Array | null;
  readonly after: Uint8Array | null;
}

/** Tables of which a checker asks whether a value is durable. */
const WATCHED: ReadonlySet<Table> = new Set(['votes', 'batches']);
/** The checksum that the product puts behind each value. */
const CHECKSUM_BYTES = 4;
/** Values of these tables end in a signature, by a part of which they are found. */
const TAIL_BYTES = 16;

export interface Damage {
  readonly table: Table;
  readonly key: Uint8Array;
}

export class SimDisk {
  /** Writes are refused while it is full. */
  full = false;
  syncTimes: SyncTimes = QUICK_SYNCS;
  readonly random: Random;
  #tables = new Map<Table, SortedTable>();
  /** What each write that is not synced has changed, oldest first. */
  #unsynced: (readonly Change[])[] = [];
  readonly #durable = new Map<string, Uint8Array[]>();

  constructor(random: Random = new Random(0)) {
    this.random = random;
  }

  table(name: Table): SortedTable {
    let table = this.#tables.get(name);
    if (table === undefined) this.#tables.set(name, (table = new SortedTable()));
    return table;
  }

  /** Whether a value of the table `votes` or `batches` is durable, under any key. */
  holds(table: Table, value: Uint8Array): boolean {
    const alike = this.#durable.get(watchName(table, value)) ?? [];
    return alike.some((stored) => Buffer.compare(contentOf(stored), value) === 0);
  }

  get unsyncedCount(): number {
    return this.#unsynced.length;
  }

  /** One write, all of it. It can be read from now on, and is durable with the next `sync`. */
  write(operations: readonly Operation[]): void {
    this.#unsynced.push(
      operations.map((operation) => {
        const { table, key } = operation;
        const after = operation.type === 'put' ? operation.value : null;
        return { table, key, before: this.table(table).set(key, after), after };
      }),
    );
  }

  sync(): void {
    for (const write of this.#unsynced.splice(0)) for (const change of write) this.#watch(change);
  }

  /** The power fails: of the writes that are not synced the first `kept` are on the platter. */
  losePower(kept: number): void {
    for (const write of this.#unsynced.splice(kept).reverse()) {
      for (const { table, key, before } of [...write].reverse()) this.table(table).set(key, before);
    }
    this.sync();
  }

  wipe(): void {
    this.#tables = new Map();
    this.#unsynced = [];
    this.#durable.clear();
  }

  /** A copy of what a process would find on it now. */
  fork(): SimDisk {
    const copy = new SimDisk(new Random(this.random.between(0, 0x7fff_ffff)));
    for (const [name, table] of this.#tables) copy.#tables.set(name, table.copy());
    for (const [name, values] of this.#durable) copy.#durable.set(name, [...values]);
    copy.syncTimes = this.syncTimes;
    return copy;
  }

  /** A record at rest is flipped in a bit. Gives where, or null when the table is empty. */
  corrupt(name: Table): Damage | null {
    const table = this.table(name);
    if (table.size === 0) return null;
    const [key, value] = table.at(this.random.between(0, table.size - 1));
    const flipped = Uint8Array.from(value.length === 0 ? [0] : value);
    const at = this.random.between(0, flipped.length - 1);
    flipped[at] = (flipped[at] as number) ^ (1 << this.random.between(0, 7));
    table.set(key, flipped);
    return { table: name, key };
  }

  /** A record at rest has the value of another one. Gives where, or null when the table has no two values. */
  misdirect(name: Table): Damage | null {
    const table = this.table(name);
    if (table.size < 2) return null;
    const place = this.random.between(0, table.size - 2);
    const [[key, value], [, other]] = [table.at(place), table.at(place + 1)];
    if (Buffer.compare(value, other) === 0) return null;
    // A copy: what is mended here is not taken from the other record, which is durable as it was.
    table.set(key, Uint8Array.from(other));
    return { table: name, key };
  }

  #watch({ table, before, after }: Change): void {
    if (!WATCHED.has(table)) return;
    if (before !== null) {
      const name = watchName(table, contentOf(before));
      const left = (this.#durable.get(name) ?? []).filter((value) => value !== before);
      if (left.length > 0) this.#durable.set(name, left);
      else this.#durable.delete(name);
    }
    if (after === null) return;
    const name = watchName(table, contentOf(after));
    this.#durable.set(name, [...(this.#durable.get(name) ?? []), after]);
  }
}

const contentOf = (stored: Uint8Array): Uint8Array => stored.subarray(0, Math.max(0, stored.length - CHECKSUM_BYTES));

const watchName = (table: Table, value: Uint8Array): string => {
  const tail = value.subarray(Math.max(0, value.length - TAIL_BYTES));
  return `${table}/${Buffer.from(tail.buffer, tail.byteOffset, tail.length).toString('latin1')}`;
};
