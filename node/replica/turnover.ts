/**
 * What has settled in each account today and on the day before, by UTC and block time: counted as blocks become final here.
 * The state keeps no such sums, and receipts name no amounts, so a node tells what it has seen itself, and from which block
 * on: a count that is not of every block in between is begun anew.
 */
import { dayOf, type Flow, flowWith, NO_FLOW } from '../../ledger/queue/flows.js';
import type { Movement } from '../../ledger/settlement/outline.js';
import type { BlockHeader } from '../../protocol/types.js';

type At = Pick<BlockHeader, 'height' | 'time'>;

/** Today, and the day before. */
const DAYS_KEPT = 2;

export interface DayTurnover {
  readonly day: number;
  /** The first block that is counted: all final ones from there on are, of that day. */
  readonly fromHeight: number;
  /** Whether that is all blocks of the day so far. */
  readonly isWhole: boolean;
  /** By account. */
  readonly flows: ReadonlyMap<string, Flow>;
}
type Counting = DayTurnover & { readonly flows: Map<string, Flow> };

export class Turnover {
  #last: At;
  /** The latest first. */
  #days: Counting[];

  /** Counts from the block after the last final one. */
  constructor(final: At) {
    this.#last = final;
    this.#days = [countingFrom(final.height + 1, final.time, final.height === 0)];
  }

  /** A block is final: what each settlement in it did to accounts. */
  take({ height, time }: At, settled: readonly (readonly Movement[])[]): void {
    // What closes an epoch has the height of its last block, and settles nothing.
    if (height === this.#last.height) return;
    const follows = height === this.#last.height + 1;
    if (!follows) this.#days = [countingFrom(height, time, false)];
    else if (dayOf(time) !== this.#days[0]?.day)
      this.#days = [countingFrom(height, time, true), ...this.#days].slice(0, DAYS_KEPT);
    this.#last = { height, time };
    const flows = this.#days[0]?.flows;
    for (const { name, net } of settled.flat()) flows?.set(name, flowWith(flows.get(name) ?? NO_FLOW, net, 1));
  }

  /** The days that are counted up to a final block, the latest first. */
  upTo(final: At): readonly DayTurnover[] {
    // The node has skipped blocks by a snapshot, and none has come since.
    if (final.height !== this.#last.height) {
      this.#last = final;
      this.#days = [countingFrom(final.height + 1, final.time, false)];
    }
    return this.#days;
  }
}

const countingFrom = (fromHeight: number, time: number, isWhole: boolean): Counting => ({
  day: dayOf(time),
  fromHeight,
  isWhole,
  flows: new Map(),
});
