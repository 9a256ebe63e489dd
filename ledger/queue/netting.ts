/**
 * What of a queue may settle together, and then one by one (SPEC, A pass through the queue). Every item is a vector of
 * movements over accounts that is posted whole or not at all; the floors are the only limits. Gridlock resolution after
 * Bech and Soramäki, carried to many currencies, where what is more urgent in an account is never passed.
 */
import { assert } from '../../protocol/types.js';
import { LeastFirst } from './heap.js';
import { LastMax } from './lastmax.js';

/** Items by their number, in the order of their places in the queue; accounts by theirs, in the order of first touch. */
export interface Queue {
  /** What each account holds above its floor. */
  readonly funds: readonly bigint[];
  /** Accounts in which nothing passes what is as urgent and has an earlier place (strict FIFO). */
  readonly ordered: readonly boolean[];
  /** Limits of accounts: they hold back as accounts do, and in them nothing goes before anything. */
  readonly limiting: readonly boolean[];
  /** The movements of item i are those from starts[i] up to starts[i + 1]. */
  readonly starts: readonly number[];
  readonly accounts: readonly number[];
  /** Never zero. */
  readonly nets: readonly bigint[];
  /** Of a movement that debits: how urgent its item is in that account; less is more urgent. Otherwise unused. */
  readonly tiers: readonly number[];
  /** Of a movement that debits: what is to be left in the account for what is more urgent. Never less for what is less urgent. */
  readonly kept: readonly bigint[];
  /** The equal lots that each item comes in: 1 of what settles whole or not at all. */
  readonly lots: readonly number[];
}

/** Items that settle, in the order in which they do: those that hold together, then of the rest those that each hold alone. */
interface Round {
  readonly together: readonly number[];
  readonly alone: readonly number[];
}
/** Two rounds, the second over what the first has left. */
export interface Selection {
  readonly rounds: readonly [Round, Round];
  /** Of the others those of which one lot does. */
  readonly inLots: readonly number[];
}

/** What an account pays in the queue: its debits from the most to the least urgent, and of one urgency by place, or against it. */
interface Debits {
  readonly isOrdered: boolean;
  readonly isLimit: boolean;
  movements: number[];
  /** All from here on are out. */
  end: number;
  /** All before this have settled. */
  head: number;
  /** Amounts by position; made when the account is found short. */
  amounts: LastMax | null;
}

/** Two rounds over a queue. O(n log n) in its movements. */
export function select(queue: Queue): Selection {
  const first = new Selecting(queue, 'last goes').round();
  const { left, items } = remainderOf(queue, [...first.together, ...first.alone]);
  const selecting = new Selecting(left, 'first goes');
  const { together, alone } = selecting.round();
  const named = (some: readonly number[]): number[] => some.map((item) => items[item] as number);
  const second = { together: named(together), alone: named(alone) };
  return { rounds: [first, second], inLots: named(selecting.inLots()) };
}

/** A queue once some of its items have settled, and what the items of it were before. */
function remainderOf(queue: Queue, settled: readonly number[]): { readonly left: Queue; readonly items: number[] } {
  const { starts, accounts, nets, tiers, kept, lots } = queue;
  const funds = [...queue.funds];
  const isOver = new Uint8Array(starts.length - 1);
  for (const item of settled) {
    isOver[item] = 1;
    for (let at = starts[item] as number; at < (starts[item + 1] as number); at++) {
      const account = accounts[at] as number;
      funds[account] = (funds[account] as bigint) + (nets[at] as bigint);
    }
  }
  const [items, movements, leftStarts]: [number[], number[], number[]] = [[], [], [0]];
  for (let item = 0; item < isOver.length; item++) {
    if (isOver[item] === 1) continue;
    items.push(item);
    for (let at = starts[item] as number; at < (starts[item + 1] as number); at++) movements.push(at);
    leftStarts.push(movements.length);
  }
  const of = <T>(values: readonly T[]): T[] => movements.map((at) => values[at] as T);
  const left = {
    ...queue,
    funds,
    starts: leftStarts,
    accounts: of(accounts),
    nets: of(nets),
    tiers: of(tiers),
    kept: of(kept),
    lots: items.map((item) => lots[item] as number),
  };
  return { left, items };
}

/** Which of those that are as urgent goes where an account is short and the order is not strict. */
type Yielding = 'last goes' | 'first goes';

/** Numbers that ascend, by tier: an order in as many steps as there are numbers, since tiers are few. */
function byTier(
  ascending: readonly number[],
  tierOf: (each: number) => number,
  yielding: Yielding = 'last goes',
): number[] {
  const tiers: number[][] = [];
  for (const each of ascending) {
    const tier = tierOf(each);
    while (tiers.length <= tier) tiers.push([]);
    (tiers[tier] as number[]).push(each);
  }
  return yielding === 'last goes' ? tiers.flat() : tiers.flatMap((tier) => tier.reverse());
}

const shareOf = (net: bigint, lots: number): bigint => (lots === 1 ? net : net / BigInt(lots));

class Selecting {
  readonly #queue: Queue;
  readonly #itemOf: Int32Array;
  /** Of movements that debit: where in its account's debits. */
  readonly #positions: Int32Array;
  readonly #debits: readonly Debits[];
  /** By item: whether it settles, as far as is known. */
  readonly #isIn: Uint8Array;
  /** What each account would hold above its floor if all that is left settled. */
  readonly #sums: bigint[];
  readonly #short: LeastFirst;

  constructor(queue: Queue, yielding: Yielding) {
    this.#queue = queue;
    const { funds, ordered, limiting, starts, accounts, nets } = queue;
    this.#itemOf = new Int32Array(nets.length);
    this.#positions = new Int32Array(nets.length);
    this.#isIn = new Uint8Array(starts.length - 1).fill(1);
    this.#sums = [...funds];
    this.#short = new LeastFirst(funds.length);
    this.#debits = ordered.map((isOrdered, account) => {
      const isLimit = limiting[account] as boolean;
      return { isOrdered, isLimit, movements: [], end: 0, head: 0, amounts: null };
    });
    for (let item = 0; item + 1 < starts.length; item++) {
      for (let at = starts[item] as number; at < (starts[item + 1] as number); at++) {
        const [account, net] = [accounts[at] as number, nets[at] as bigint];
        this.#itemOf[at] = item;
        this.#sums[account] = (this.#sums[account] as bigint) + net;
        if (net < 0n) (this.#debits[account] as Debits).movements.push(at);
      }
    }
    for (const debits of this.#debits) this.#arrange(debits, debits.isOrdered ? 'last goes' : yielding);
  }

  /** What goes first where there is too little stands last. */
  #arrange(debits: Debits, yielding: Yielding): void {
    const { tiers } = this.#queue;
    debits.movements = byTier(debits.movements, (movement) => tiers[movement] as number, yielding);
    debits.end = debits.movements.length;
    for (let at = 0; at < debits.end; at++) this.#positions[debits.movements[at] as number] = at;
  }

  round(): Round {
    const together = this.#together();
    return { together, alone: this.#alone() };
  }

  /** The items left once no account is short: all of them can settle at once. */
  #together(): number[] {
    for (let account = 0; account < this.#sums.length; account++) this.#short.add(account);
    for (let account = this.#short.take(); account >= 0; account = this.#short.take()) {
      const debits = this.#debits[account] as Debits;
      const last = this.#lastIn(debits);
      if (last === undefined) {
        const isWithin = (this.#sums[account] as bigint) >= 0n;
        assert(isWithin || debits.isLimit, 'what nothing debits is not below its floor');
        continue;
      }
      const lacking = (this.#queue.kept[last] as bigint) - (this.#sums[account] as bigint);
      if (lacking > 0n) this.#drop(this.#victim(debits, last, lacking));
    }
    const left: number[] = [];
    for (let item = 0; item < this.#isIn.length; item++) if (this.#isIn[item] === 1) left.push(item);
    return left;
  }

  /** The least urgent that is left in an account, and of these the last; lets go of what is out at the end. */
  #lastIn(debits: Debits): number | undefined {
    while (debits.end > 0 && !this.#settles(debits.movements[debits.end - 1] as number)) debits.end -= 1;
    return debits.movements[debits.end - 1];
  }

  #settles(movement: number): boolean {
    return this.#isIn[this.#itemOf[movement] as number] === 1;
  }

  /** Of the least urgent left that debit an account: the last that alone covers what is lacking, else the last. */
  #victim(debits: Debits, last: number, lacking: bigint): number {
    const { tiers, nets } = this.#queue;
    if (debits.isOrdered) return this.#itemOf[last] as number;
    debits.amounts ??= new LastMax(
      debits.movements.map((movement) => (this.#settles(movement) ? -(nets[movement] as bigint) : 0n)),
    );
    const covers = debits.movements[debits.amounts.last(lacking)];
    const isCovered = covers !== undefined && tiers[covers] === tiers[last];
    return this.#itemOf[isCovered ? covers : last] as number;
  }

  /** Takes an item out, and with it what is less urgent in each account that it debits, and so on. */
  #drop(first: number): void {
    const { starts, accounts, nets } = this.#queue;
    const dropped = [first];
    this.#isIn[first] = 0;
    for (let item = dropped.pop(); item !== undefined; item = dropped.pop()) {
      for (let at = starts[item] as number; at < (starts[item + 1] as number); at++) {
        const account = accounts[at] as number;
        this.#sums[account] = (this.#sums[account] as bigint) - (nets[at] as bigint);
        this.#short.add(account);
        if ((nets[at] as bigint) < 0n) this.#dropBehind(at, this.#debits[account] as Debits, dropped);
      }
    }
  }

  #dropBehind(movement: number, debits: Debits, dropped: number[]): void {
    debits.amounts?.clear(this.#positions[movement] as number);
    for (; debits.end > 0; debits.end -= 1) {
      const behind = debits.movements[debits.end - 1] as number;
      if (!this.#mustWaitFor(debits, behind, movement)) return;
      if (!this.#settles(behind)) continue;
      this.#isIn[this.#itemOf[behind] as number] = 0;
      dropped.push(this.#itemOf[behind] as number);
    }
  }

  /** Whether one that debits an account does not settle before another that waits there. */
  #mustWaitFor({ isOrdered, isLimit }: Debits, movement: number, other: number): boolean {
    if (isLimit) return false;
    const { tiers } = this.#queue;
    const [own, others] = [tiers[movement] as number, tiers[other] as number];
    return others < own || (isOrdered && others === own && other < movement);
  }

  /** What has not settled, the most urgent first and then by place. */
  #waiting(): number[] {
    const waiting: number[] = [];
    for (let item = 0; item < this.#isIn.length; item++) if (this.#isIn[item] === 0) waiting.push(item);
    return byTier(waiting, (item) => this.#rank(item));
  }

  /** What else can settle, each by itself, once round. */
  #alone(): number[] {
    const settled: number[] = [];
    for (const item of this.#waiting()) {
      if (!this.#isFunded(item, 1) || this.#isBehind(item)) continue;
      settled.push(item);
      this.#isIn[item] = 1;
      this.#move(item, 1);
    }
    return settled;
  }

  /** After a round: of what comes in lots one each, once round. The rest of it waits on. */
  inLots(): number[] {
    const settled: number[] = [];
    for (const item of this.#waiting()) {
      const lots = this.#lotsOf(item);
      if (lots === 1 || !this.#isFunded(item, lots) || this.#isBehind(item)) continue;
      settled.push(item);
      this.#move(item, lots);
    }
    return settled;
  }

  #lotsOf(item: number): number {
    return this.#queue.lots[item] as number;
  }

  /** Posts one of so many equal lots of an item. */
  #move(item: number, lots: number): void {
    const { starts, accounts, nets } = this.#queue;
    for (let at = starts[item] as number; at < (starts[item + 1] as number); at++) {
      const account = accounts[at] as number;
      this.#sums[account] = (this.#sums[account] as bigint) + shareOf(nets[at] as bigint, lots);
    }
  }

  /** The most urgent that an item is to anyone it debits. */
  #rank(item: number): number {
    const { starts, nets, tiers } = this.#queue;
    let rank = Number.MAX_SAFE_INTEGER;
    for (let at = starts[item] as number; at < (starts[item + 1] as number); at++)
      if ((nets[at] as bigint) < 0n) rank = Math.min(rank, tiers[at] as number);
    return rank;
  }

  /** Whether every account that an item debits has the funds for one of so many equal lots of it. */
  #isFunded(item: number, lots: number): boolean {
    const { starts, accounts, nets, kept } = this.#queue;
    for (let at = starts[item] as number; at < (starts[item + 1] as number); at++) {
      const net = nets[at] as bigint;
      if (net > 0n) continue;
      if ((this.#sums[accounts[at] as number] as bigint) + shareOf(net, lots) < (kept[at] as bigint)) return false;
    }
    return true;
  }

  /** Whether something waits in an account that goes before an item that it debits. */
  #isBehind(item: number): boolean {
    const { starts, accounts, nets } = this.#queue;
    for (let at = starts[item] as number; at < (starts[item + 1] as number); at++) {
      if ((nets[at] as bigint) > 0n) continue;
      const debits = this.#debits[accounts[at] as number] as Debits;
      // It ends at this item at the latest, which has not settled.
      while (this.#settles(debits.movements[debits.head] as number)) debits.head += 1;
      if (this.#mustWaitFor(debits, at, debits.movements[debits.head] as number)) return true;
    }
    return false;
  }
}
