/** What is locked: how much of each account is held, and whose time is over first; derived from the settlements, in layers like the state. */
import type { InstructionDigest, TimestampMs } from '../../protocol/types.js';
import type { LockedSettlement } from '../entries.js';
import { ascendingText, EMPTY_SET, enter, first, leadingNumber, type OrderedSet, strike } from '../orderedset.js';
import { Table } from '../table.js';
import { outlineOf } from './outline.js';

const atEnd = ({ lock, digest }: LockedSettlement): string => `${ascendingText(lock.until)} ${digest}`;

export class LockBook {
  /** By account, minor units. */
  readonly #held: Table<bigint>;
  /** What is locked, by the end of its time and then by digest. */
  #byEnd: OrderedSet;

  private constructor(held: Table<bigint>, byEnd: OrderedSet) {
    this.#held = held;
    this.#byEnd = byEnd;
  }

  static empty(): LockBook {
    return new LockBook(Table.over(new Map<string, bigint>()), EMPTY_SET);
  }
  child(): LockBook {
    return new LockBook(this.#held.child(), this.#byEnd);
  }
  freeze(): void {
    this.#held.freeze();
  }
  fold(): void {
    this.#held.fold();
  }

  /** What an account keeps for locks: it is in the balance, and nothing else may take it. */
  held(account: string): bigint {
    return this.#held.get(account) ?? 0n;
  }

  /** Holds what a settlement debits each account in sum. */
  open(settlement: LockedSettlement): void {
    this.#byEnd = enter(this.#byEnd, atEnd(settlement));
    this.#count(settlement, 1n);
  }
  /** Gives back what was held. */
  close(settlement: LockedSettlement): void {
    this.#byEnd = strike(this.#byEnd, atEnd(settlement));
    this.#count(settlement, -1n);
  }
  #count(settlement: LockedSettlement, by: 1n | -1n): void {
    for (const { name, net } of outlineOf(settlement).movements) {
      if (net >= 0n) continue;
      const held = this.held(name) - by * net;
      if (held === 0n) this.#held.delete(name);
      else this.#held.set(name, held);
    }
  }

  /** The lock whose time is over first, or null where nothing is locked. */
  next(): { readonly settlement: InstructionDigest; readonly until: TimestampMs } | null {
    const text = first(this.#byEnd);
    if (text === null) return null;
    return {
      settlement: text.slice(text.indexOf(' ') + 1) as InstructionDigest,
      until: leadingNumber(text) as TimestampMs,
    };
  }
}
