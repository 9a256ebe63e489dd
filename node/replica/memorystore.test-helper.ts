/** A store in memory for tests, that can lose its process at any write. */
import { fromHex, toHex } from '../../protocol/codec.js';
import type { Operation, Store, StoreView, Table } from '../ports.js';

type Entries = Map<string, Uint8Array>;

export class MemoryStore implements Store {
  readonly entries: Entries;
  /** Writes that are done before the power goes: then none resolves any more. */
  writesLeft = Number.POSITIVE_INFINITY;
  /** Resolves when the power goes. */
  readonly powerLost: Promise<'power lost'>;
  #lose: () => void = () => {};
  writes = 0;
  views = 0;

  constructor(entries: Entries = new Map()) {
    this.entries = entries;
    this.powerLost = new Promise((resolve) => {
      this.#lose = () => resolve('power lost');
    });
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return this.entries.get(`${table}/${toHex(key)}`)?.slice();
  }

  scan(table: Table, range: Parameters<Store['scan']>[1]): AsyncIterable<[Uint8Array, Uint8Array]> {
    return scanned(this.entries, table, range);
  }

  write(operations: readonly Operation[], _options: { sync: boolean }): Promise<void> {
    if (this.writesLeft <= 0) {
      this.#lose();
      return new Promise(() => {});
    }
    this.writesLeft -= 1;
    this.writes += 1;
    for (const operation of operations) {
      const key = `${operation.table}/${toHex(operation.key)}`;
      if (operation.type === 'put') this.entries.set(key, operation.value.slice());
      else this.entries.delete(key);
    }
    return Promise.resolve();
  }

  snapshot(): StoreView {
    this.views += 1;
    const then = new MemoryStore(new Map(this.entries));
    return {
      get: (table, key) => then.get(table, key),
      scan: (table, range) => then.scan(table, range),
      close: () => {
        this.views -= 1;
        return Promise.resolve();
      },
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** What a table holds, by key in hex. */
  table(table: Table): Map<string, Uint8Array> {
    const prefix = `${table}/`;
    return new Map(
      [...this.entries].flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])),
    );
  }
}

async function* scanned(
  entries: Entries,
  table: Table,
  { from, to, reverse = false, limit = Number.MAX_SAFE_INTEGER }: Parameters<Store['scan']>[1],
): AsyncGenerator<[Uint8Array, Uint8Array]> {
  const [first, last] = [`${table}/${toHex(from)}`, `${table}/${toHex(to)}`];
  const found = [...entries].filter(([key]) => key >= first && key < last).sort(([a], [b]) => (a < b ? -1 : 1));
  if (reverse) found.reverse();
  for (const [key, value] of found.slice(0, limit)) {
    await Promise.resolve();
    yield [fromHex(key.slice(table.length + 1)), value.slice()];
  }
}
