/**
 * A day under way: what each account holds, what waits, and what has settled. Whatever a mechanism chooses is judged here
 * before it is posted, by the rules of ledger/SPEC.md (The queue): floors, and that nothing passes what is more urgent.
 */
import type { Queue } from '../../ledger/queue/netting.js';
import { assert } from '../../protocol/types.js';
import { accountsOf, type Instruction, type Movement, type Traffic } from './traffic.js';

const TIERS = 3;
/** Of an instruction: not due yet, in the queue, settled. */
const [AHEAD, WAITING, SETTLED] = [0, 1, 2];

export class Day {
  readonly traffic: Traffic;
  readonly funds: bigint[];
  /** The least that each account has held. */
  readonly lows: bigint[];
  /** By instruction: the tick in which it settled, or -1. */
  readonly settledTicks: Int32Array;
  tick = 0;
  /** Grows with each change. */
  version = 0;
  /** By account: the version at which it, or what waits there, last changed. */
  readonly #changedAt: Int32Array;
  readonly #states: Uint8Array;
  /** What waits to debit each account, for each tier, by place; and what waits to credit it. */
  readonly #debits: number[][];
  readonly #credits: number[][];

  constructor(traffic: Traffic, funds: readonly bigint[]) {
    const accounts = accountsOf(traffic);
    this.traffic = traffic;
    this.funds = [...funds];
    this.lows = [...funds];
    this.settledTicks = new Int32Array(traffic.instructions.length).fill(-1);
    this.#changedAt = new Int32Array(accounts);
    this.#states = new Uint8Array(traffic.instructions.length);
    this.#debits = Array.from({ length: TIERS * accounts }, () => []);
    this.#credits = Array.from({ length: accounts }, () => []);
  }

  /** A day that has in its queue what waits here, to try on it what may not be posted here. */
  copy(): Day {
    const copy = new Day(this.traffic, this.funds);
    copy.join(this.waiting());
    return copy;
  }

  instruction(item: number): Instruction {
    return this.traffic.instructions[item] as Instruction;
  }

  /** What has come due joins the queue. */
  join(items: readonly number[]): void {
    for (const item of items) {
      assert(this.#states[item] === AHEAD, 'an instruction comes due once');
      this.#states[item] = WAITING;
      for (const movement of this.instruction(item).movements) insert(this.#lineOf(movement), item);
      this.#changed(item);
    }
  }

  isWaiting(item: number): boolean {
    return this.#states[item] === WAITING;
  }

  /** Accounts that changed after a version. */
  changedAfter(version: number): number[] {
    const accounts: number[] = [];
    this.#changedAt.forEach((at, account) => {
      if (at > version) accounts.push(account);
    });
    return accounts;
  }

  /** Whether an account of an instruction changed after a version. */
  isChanged(item: number, version: number): boolean {
    return this.instruction(item).movements.some(({ account }) => (this.#changedAt[account] as number) > version);
  }

  /** All that waits, by place. */
  waiting(): number[] {
    const items: number[] = [];
    for (let item = 0; item < this.#states.length; item++) if (this.#states[item] === WAITING) items.push(item);
    return items;
  }

  waitingToDebit(account: number): number[] {
    return Array.from({ length: TIERS }, (_, tier) => this.#debits[TIERS * account + tier] as number[]).flat();
  }

  waitingToCredit(account: number): readonly number[] {
    return this.#credits[account] as number[];
  }

  /** What must settle no later than a debit does, in its account. */
  *ahead(item: number, { account, tier }: Movement): Generator<number> {
    for (let urgent = 0; urgent < tier; urgent++) yield* this.#debits[TIERS * account + urgent] as number[];
    if (this.traffic.parameters.order === 'bypass') return;
    for (const other of this.#debits[TIERS * account + tier] as number[]) {
      if (other >= item) return;
      yield other;
    }
  }

  /** The most urgent that an instruction is to anyone who pays. */
  rank(item: number): number {
    let rank = TIERS;
    for (const { net, tier } of this.instruction(item).movements) if (net < 0n) rank = Math.min(rank, tier);
    return rank;
  }

  /** Whether an instruction can settle by itself now. */
  holdsAlone(item: number): boolean {
    return this.instruction(item).movements.every(
      (movement) =>
        movement.net > 0n ||
        ((this.funds[movement.account] as bigint) + movement.net >= 0n &&
          this.ahead(item, movement).next().done === true),
    );
  }

  /** What stands between a set and its settling at once: null when nothing does. */
  refusal(items: readonly number[]): 'not_waiting' | 'insufficient_funds' | 'passes_more_urgent' | null {
    const members = new Set(items);
    if (members.size !== items.length || !items.every((item) => this.isWaiting(item))) return 'not_waiting';
    for (const end of this.ends(items).values()) if (end < 0n) return 'insufficient_funds';
    return items.every((item) => this.passesNothingBut(item, members)) ? null : 'passes_more_urgent';
  }

  passesNothingBut(item: number, members: ReadonlySet<number>): boolean {
    for (const movement of this.instruction(item).movements) {
      if (movement.net > 0n) continue;
      for (const other of this.ahead(item, movement)) if (!members.has(other)) return false;
    }
    return true;
  }

  /** What each account that a set touches would hold if it settled at once. */
  ends(items: readonly number[]): Map<number, bigint> {
    const ends = new Map<number, bigint>();
    for (const item of items) {
      for (const { account, net } of this.instruction(item).movements)
        ends.set(account, (ends.get(account) ?? this.funds[account] ?? 0n) + net);
    }
    return ends;
  }

  /** Posts a set at once. It must hold. */
  settle(items: readonly number[]): void {
    if (items.length === 0) return;
    const refusal = this.refusal(items);
    assert(refusal === null, `what a mechanism settles holds: ${refusal}`);
    for (const [account, end] of this.ends(items)) {
      this.funds[account] = end;
      if (end < (this.lows[account] as bigint)) this.lows[account] = end;
    }
    for (const item of items) {
      this.#states[item] = SETTLED;
      this.settledTicks[item] = this.tick;
      for (const movement of this.instruction(item).movements) remove(this.#lineOf(movement), item);
      this.#changed(item);
    }
  }

  /** What waits, or some of it in an order of one's own, as the ledger's netting takes it. */
  queue(items: readonly number[]): Queue {
    const known = new Map<number, number>();
    const funds: bigint[] = [];
    const [starts, accounts, nets, tiers]: [number[], number[], bigint[], number[]] = [[0], [], [], []];
    for (const item of items) {
      for (const { account, net, tier } of this.instruction(item).movements) {
        let at = known.get(account);
        if (at === undefined) known.set(account, (at = funds.push(this.funds[account] as bigint) - 1));
        accounts.push(at);
        nets.push(net);
        tiers.push(tier);
      }
      starts.push(nets.length);
    }
    const isOrdered = this.traffic.parameters.order === 'fifo';
    return {
      funds,
      ordered: funds.map(() => isOrdered),
      limiting: funds.map(() => false),
      starts,
      accounts,
      nets,
      tiers,
      kept: nets.map(() => 0n),
      lots: starts.slice(1).map(() => 1),
    };
  }

  worthOf(items: readonly number[]): bigint {
    return items.reduce((sum, item) => sum + this.instruction(item).worth, 0n);
  }

  #lineOf({ account, net, tier }: Movement): number[] {
    return (net < 0n ? this.#debits[TIERS * account + tier] : this.#credits[account]) as number[];
  }

  #changed(item: number): void {
    this.version += 1;
    for (const { account } of this.instruction(item).movements) this.#changedAt[account] = this.version;
  }
}

/** Where an item stands in a line by place, or would. */
function positionIn(line: readonly number[], item: number): number {
  let [low, high] = [0, line.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((line[middle] as number) < item) low = middle + 1;
    else high = middle;
  }
  return low;
}

const insert = (line: number[], item: number): void => void line.splice(positionIn(line, item), 0, item);
const remove = (line: number[], item: number): void => void line.splice(positionIn(line, item), 1);
