/**
 * How a queue is worked through in one tick, in four ways. All try by itself what is new, and what waits for an account
 * that was credited; what all but `gross` add is what may settle together.
 */
import { select } from '../../ledger/queue/netting.js';
import type { Day } from './day.js';
import { offer } from './search.js';

/** From the least to the most that is taken together. */
export const MECHANISMS = ['gross', 'bilateral', 'multilateral', 'improved'] as const;
export type Mechanism = (typeof MECHANISMS)[number];

/** How each works, for who reads the report. */
export const EXPLAINED: Readonly<Record<Mechanism, string>> = {
  gross: 'each instruction by itself, when it is due and again on each credit to an account that it debits',
  bilateral: 'gross, and then all that waits between two banks at once, pair by pair',
  multilateral: "gross, and the ledger's pass: gridlock resolution over all banks and currencies, then each alone",
  improved: 'multilateral, and sets found by a search outside the ledger over what is left',
};

/** One mechanism over a day: what it remembers from tick to tick is what it need not look at again. */
export class Settling {
  readonly #day: Day;
  readonly #mechanism: Mechanism;
  /** The version of the day at which each pair of banks was last gone through. */
  readonly #pairs = new Map<number, number>();

  constructor(day: Day, mechanism: Mechanism) {
    this.#day = day;
    this.#mechanism = mechanism;
  }

  /** What is due is tried and joins, one after another, and then all settles that this mechanism finds, until it finds nothing more. */
  run(due: readonly number[]): void {
    const day = this.#day;
    const moved = new Set<number>();
    for (const item of due) {
      day.join([item]);
      if (day.holdsAlone(item)) settleAlone(day, item, moved);
    }
    this.#work(moved);
  }

  /** The same of what is in the queue already. */
  resume(): void {
    this.#work(this.#day.changedAfter(0));
  }

  #work(moved: Iterable<number>): void {
    const day = this.#day;
    grossFrom(day, moved);
    for (;;) {
      const before = day.version;
      this.#together();
      if (day.version === before) return;
      grossFrom(day, day.changedAfter(before));
    }
  }

  #together(): void {
    switch (this.#mechanism) {
      case 'gross':
        return;
      case 'bilateral':
        this.#bilateral();
        return;
      case 'multilateral':
        pass(this.#day);
        return;
      case 'improved': {
        const before = this.#day.version;
        pass(this.#day);
        if (this.#day.version === before) offer(this.#day);
      }
    }
  }

  #bilateral(): void {
    const day = this.#day;
    const pairs = new Map<number, number[]>();
    for (const item of day.waiting()) {
      const [a, b] = day.instruction(item).banks;
      const pair = Math.min(a, b) * day.traffic.parameters.banks + Math.max(a, b);
      const items = pairs.get(pair);
      if (items === undefined) pairs.set(pair, [item]);
      else items.push(item);
    }
    for (const [pair, items] of pairs) {
      const seenAt = this.#pairs.get(pair) ?? -1;
      if (items.length < 2 || !items.some((item) => day.isChanged(item, seenAt))) continue;
      this.#pairs.set(pair, day.version);
      const free = closed(day, items);
      settleSelected(day, free);
    }
  }
}

/** Those of a set that need nothing outside it to settle first. */
function closed(day: Day, items: readonly number[]): readonly number[] {
  for (let left = items; ; ) {
    const members = new Set(left);
    const kept = left.filter((item) => day.passesNothingBut(item, members));
    if (kept.length === left.length) return kept;
    left = kept;
  }
}

/** The ledger's pass over all that waits. */
export function pass(day: Day): void {
  settleSelected(day, day.waiting());
}

/** Settles what the ledger's netting selects of some items. */
function settleSelected(day: Day, items: readonly number[]): void {
  for (const { together, alone } of select(day.queue(items)).rounds) {
    day.settle(together.map((at) => items[at] as number));
    for (const at of alone) day.settle([items[at] as number]);
  }
}

function settleAlone(day: Day, item: number, moved: Set<number>): void {
  day.settle([item]);
  for (const { account } of day.instruction(item).movements) moved.add(account);
}

/** Tries by itself each that waits to debit an account that has moved, the most urgent first and then by place, and so on. */
function grossFrom(day: Day, accounts: Iterable<number>): void {
  for (let moved = new Set(accounts); moved.size > 0; ) {
    const items = new Set([...moved].flatMap((account) => day.waitingToDebit(account)));
    const ranked = [...items].map((item) => ({ item, rank: day.rank(item) }));
    ranked.sort((a, b) => a.rank - b.rank || a.item - b.item);
    moved = new Set();
    for (const { item } of ranked) if (day.holdsAlone(item)) settleAlone(day, item, moved);
  }
}
