/**
 * Letting go of remembered ids whose time is over: a few lists at each commit, so that it keeps up and never holds a block
 * up. When they go, no outcome depends on (`forgotten`).
 */
import { forgotten } from '../../ledger/memory.js';
import type { Store } from '../ports.js';
import type { Expired } from './chain.js';
import { Corrupt, unlessDamaged } from './checked.js';

/** A list of ids that expired, as the store has it: its key and its value. */
export type ExpiredList = readonly [Uint8Array, Uint8Array];

/** Lists, a block's each, that are deleted at once. */
const LISTS_AT_ONCE = 8;

interface Deps {
  readonly store: Pick<Store, 'get' | 'scan' | 'write'>;
  /** A record that the disk has damaged: its list stays until it is mended. */
  readonly onDamage: (corrupt: Corrupt) => void;
}

export class Expiry {
  readonly #deps: Deps;
  #range: Expired | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** The time of all lists in this range is over; a later range holds all earlier ones. */
  begin(range: Expired): void {
    this.#range = range;
  }

  /** The next lists to let go, fewer than the most when they are the last; null when there is nothing to do. */
  async find(): Promise<ExpiredList[] | null> {
    if (this.#range === null) return null;
    const { store, onDamage } = this.#deps;
    const lists: ExpiredList[] = [];
    try {
      for await (const entry of store.scan('ids', { ...this.#range, limit: LISTS_AT_ONCE })) lists.push(entry);
    } catch (error) {
      if (!(error instanceof Corrupt)) throw error;
      onDamage(error);
    }
    return lists;
  }

  /** Not while a final write is under way: what that writes again must not be deleted after it. */
  forget(lists: readonly ExpiredList[]): void {
    if (lists.length < LISTS_AT_ONCE) this.#range = null;
    const keys = lists.flatMap((list) => this.#keysOf(list));
    if (keys.length === 0) return;
    void this.#deps.store.write(
      keys.map((key) => ({ type: 'delete', table: 'ids', key })),
      { sync: false },
    );
  }

  #keysOf([key, list]: ExpiredList): Uint8Array[] {
    const { store, onDamage } = this.#deps;
    return unlessDamaged(() => forgotten(key, list, { get: (id) => store.get('ids', id) }), onDamage) ?? [];
  }
}
