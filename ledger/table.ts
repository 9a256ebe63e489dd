/**
 * A table of the state in layers: a block's changes lie over its parent's table and are folded into the base when the
 * block is final. Several unfinalized blocks, on branches, so share one base.
 */
import { assert } from '../protocol/types.js';

export class Table<V> {
  readonly #base: Map<string, V>;
  #parent: Table<V> | null;
  /** Null where this layer deletes. */
  #changes = new Map<string, V | null>();
  #frozen = false;

  private constructor(base: Map<string, V>, parent: Table<V> | null) {
    this.#base = base;
    this.#parent = parent;
  }

  static over<V>(base: Map<string, V>): Table<V> {
    return new Table<V>(base, null);
  }

  /** A layer over this one, which is frozen. Layers without changes are left out, so that reading costs none of them. */
  child(): Table<V> {
    let below: Table<V> | null = this;
    while (below !== null && below.#changes.size === 0) below = below.#parent;
    return new Table<V>(this.#base, below);
  }

  get(key: string): V | undefined {
    for (let layer: Table<V> | null = this; layer !== null; layer = layer.#parent) {
      const value = layer.#changes.get(key);
      if (value !== undefined) return value ?? undefined;
    }
    return this.#base.get(key);
  }

  set(key: string, value: V): void {
    assert(!this.#frozen, 'a sealed layer does not change');
    this.#changes.set(key, value);
  }

  delete(key: string): void {
    assert(!this.#frozen, 'a sealed layer does not change');
    // What only this layer knows goes without a trace.
    const below = this.#parent === null ? this.#base.get(key) : this.#parent.get(key);
    if (below === undefined) this.#changes.delete(key);
    else this.#changes.set(key, null);
  }

  /** What this layer changes, in the order of first change; null where it deletes. */
  changes(): IterableIterator<[string, V | null]> {
    return this.#changes.entries();
  }

  /** All entries, ascending by key. */
  entries(): [string, V][] {
    const keys = new Set(this.#base.keys());
    for (let layer: Table<V> | null = this; layer !== null; layer = layer.#parent) {
      for (const key of layer.#changes.keys()) keys.add(key);
    }
    const out: [string, V][] = [];
    for (const key of [...keys].sort(byCodeUnit)) {
      const value = this.get(key);
      if (value !== undefined) out.push([key, value]);
    }
    return out;
  }

  freeze(): void {
    this.#frozen = true;
  }

  /** Folds this layer into the base; its parent has been folded before, and its other children are gone. */
  fold(): void {
    for (const [key, value] of this.#changes) {
      if (value === null) this.#base.delete(key);
      else this.#base.set(key, value);
    }
    this.#changes = new Map();
    this.#parent = null;
  }
}

export const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
