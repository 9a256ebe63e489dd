/** A disk of the virtual world: what is not synced may be lost in a crash, in whole writes and from the end. */

import type { Operation, Store, Table } from '../node/ports.js';
import { fromHex, toHex } from '../protocol/codec.js';
import type { World } from './world.js';

type Entries = Map<string, Uint8Array>;

/** What outlives a crash: the platter. */
export class SimDisk {
  readonly entries: Entries = new Map();

  /** Whether a value is durable under any key of a table. */
  holds(table: Table, value: Uint8Array): boolean {
    const wanted = toHex(value);
    return [...this.entries].some(([key, bytes]) => key.startsWith(`${table}/`) && toHex(bytes) === wanted);
  }
}

export class SimStore implements Store {
  readonly #world: World;
  readonly #disk: SimDisk;
  /** The disk as this process sees it: synced or not. */
  readonly #seen: Entries;
  readonly #unsynced: (readonly Operation[])[] = [];
  readonly #queue: { readonly operations: readonly Operation[]; readonly sync: boolean; readonly done: () => void }[] =
    [];
  #busy = false;
  #down = false;

  constructor(world: World, disk: SimDisk) {
    this.#world = world;
    this.#disk = disk;
    this.#seen = new Map(disk.entries);
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return this.#seen.get(`${table}/${toHex(key)}`);
  }

  async *scan(
    table: Table,
    { from, to, reverse = false, limit = Number.MAX_SAFE_INTEGER }: Parameters<Store['scan']>[1],
  ): AsyncIterable<[Uint8Array, Uint8Array]> {
    const [first, last] = [`${table}/${toHex(from)}`, `${table}/${toHex(to)}`];
    const keys = [...this.#seen.keys()].filter((key) => key >= first && key < last).sort();
    if (reverse) keys.reverse();
    for (const key of keys.slice(0, limit))
      yield [fromHex(key.slice(table.length + 1)), this.#seen.get(key) as Uint8Array];
  }

  write(operations: readonly Operation[], { sync }: { sync: boolean }): Promise<void> {
    return new Promise((done) => {
      this.#queue.push({ operations, sync, done });
      this.#next();
    });
  }

  #next(): void {
    const write = this.#queue[0];
    if (this.#busy || write === undefined) return;
    this.#busy = true;
    this.#world.after(write.sync ? this.#world.random.between(1, 4) : 0, () => {
      if (this.#down) return;
      this.#queue.shift();
      this.#busy = false;
      apply(this.#seen, write.operations);
      this.#unsynced.push(write.operations);
      if (write.sync) for (const operations of this.#unsynced.splice(0)) apply(this.#disk.entries, operations);
      write.done();
      this.#next();
    });
  }

  /** The process is gone. The writes under way and those not synced have reached the platter up to some point, or not at all. */
  crash(): void {
    this.#down = true;
    const lost = [...this.#unsynced, ...this.#queue.map(({ operations }) => operations)];
    const kept = this.#world.random.between(0, lost.length);
    for (const operations of lost.slice(0, kept)) apply(this.#disk.entries, operations);
  }

  async close(): Promise<void> {}
}

function apply(entries: Entries, operations: readonly Operation[]): void {
  for (const operation of operations) {
    const key = `${operation.table}/${toHex(operation.key)}`;
    if (operation.type === 'put') entries.set(key, operation.value);
    else entries.delete(key);
  }
}
