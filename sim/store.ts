/**
 * The store port over a disk of the virtual world. As LevelDB's adapter does, it writes one group at a time, and what
 * comes while one is under way waits; a write can be read once its promise resolves.
 */
import type { Operation, Store, StoreView, Table } from '../node/ports.js';
import type { SimDisk } from './disk.js';
import type { SimProcess } from './process.js';
import type { World } from './world.js';

/** The disk refused a write: the process must end, with the exit status of this code. */
export class SimStoreError extends Error {
  readonly code = 'disk_full';
  constructor() {
    super('The disk is full: free space on it, then start the node again.');
    this.name = 'SimStoreError';
  }
}

interface Write {
  readonly operations: readonly Operation[];
  readonly sync: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What a write is for: `speech` is what the node says once it is durable, `final` makes blocks final. */
type WriteKind = 'speech' | 'final' | 'other';

export class SimStore implements Store {
  readonly #world: World;
  readonly #disk: SimDisk;
  readonly #life: SimProcess;
  #waiting: Write[] = [];
  #underWay: readonly Write[] = [];
  #isBusy = false;
  #failed: SimStoreError | null = null;

  constructor(world: World, disk: SimDisk, life: SimProcess) {
    this.#world = world;
    this.#disk = disk;
    this.#life = life;
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    this.#life.enter('store.read');
    return this.#disk.table(table).get(key);
  }

  async *scan(
    table: Table,
    { from, to, reverse = false, limit = Number.MAX_SAFE_INTEGER }: Parameters<Store['scan']>[1],
  ): AsyncGenerator<[Uint8Array, Uint8Array]> {
    // As of now, whatever is written while the reader takes its time.
    const entries = this.#disk.table(table).range(from, to, { reverse, limit });
    await this.#life.async('store.read', () => this.#world.pause(this.#disk.random.between(0, 1), this.#life));
    yield* entries;
  }

  write(operations: readonly Operation[], { sync }: { sync: boolean }): Promise<void> {
    return new Promise((resolve, reject) => {
      const write = { operations, sync, resolve, reject };
      const wasAlive = this.#life.isAlive;
      if (!this.#life.enter('store.write')) {
        if (wasAlive && kindOf([write]) === 'speech') this.#world.met('crash_before_sync');
        return;
      }
      if (this.#failed !== null) return reject(this.#failed);
      this.#waiting.push(write);
      if (this.#isBusy) return;
      this.#isBusy = true;
      // The writes of this turn go together.
      queueMicrotask(() => this.#begin());
    });
  }

  snapshot(): StoreView {
    const disk = this.#disk.fork();
    const view = new SimStore(this.#world, disk, this.#life);
    return { get: view.get.bind(view), scan: view.scan.bind(view), close: () => Promise.resolve() };
  }

  async close(): Promise<void> {
    while (this.#isBusy) await this.#world.pause(1, this.#life);
  }

  /** The process is gone: gives what was under way or waited, none of which the disk has seen yet. */
  abandon(): { readonly kind: WriteKind; readonly writes: readonly (readonly Operation[])[] } {
    const all = [...this.#underWay, ...this.#waiting];
    this.#underWay = [];
    this.#waiting = [];
    return { kind: kindOf(all), writes: all.map(({ operations }) => operations) };
  }

  /** A group is what waits now, and all of it one record of the log. */
  #begin(): void {
    const group = this.#waiting;
    const isSync = group.some(({ sync }) => sync);
    this.#waiting = [];
    this.#underWay = group;
    this.#world.after(isSync ? this.#syncMs() : 0, () => this.#written(group, isSync), this.#life);
  }

  #written(group: readonly Write[], isSync: boolean): void {
    this.#underWay = [];
    if (this.#disk.full) {
      this.#fail(group);
      return;
    }
    for (const { operations } of group) this.#disk.write(operations);
    if (isSync) {
      this.#disk.sync();
      const kind = kindOf(group);
      if (!this.#life.enter('store.durable')) {
        if (kind === 'speech') this.#world.met('crash_between_sync_and_send');
        if (kind === 'final') this.#world.met('crash_in_final_write');
        return;
      }
    }
    for (const { resolve } of group) resolve();
    this.#isBusy = this.#waiting.length > 0;
    if (this.#isBusy) this.#begin();
  }

  /** What a failed write left on disk is unknown, so nothing may be written after it. */
  #fail(group: readonly Write[]): void {
    const error = new SimStoreError();
    this.#failed = error;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of [...group, ...waiting]) reject(error);
  }

  #syncMs(): number {
    const { random, syncTimes } = this.#disk;
    const { usualMs, slowPerMille, slowMs } = syncTimes;
    const isSlow = slowPerMille > 0 && random.chance(slowPerMille);
    if (isSlow) this.#world.met('slow_sync');
    const [least, most] = isSlow ? slowMs : usualMs;
    return random.between(least, most);
  }
}

/** By the tables: final blocks are written by final writes alone, and votes and batches are said once they are durable. */
function kindOf(group: readonly Pick<Write, 'operations' | 'sync'>[]): WriteKind {
  const puts = (table: Table): boolean =>
    group.some(
      ({ sync, operations }) => sync && operations.some((each) => each.table === table && each.type === 'put'),
    );
  if (puts('blocks')) return 'final';
  return puts('votes') || puts('batches') ? 'speech' : 'other';
}
