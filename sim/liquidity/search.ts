/**
 * A search outside the ledger for what can settle together and the ledger's pass did not find: the problem is NP-hard
 * without strict order (Güntzer and others, 1998), so there is always something to look for. What it finds is an offer,
 * judged like anything else before it is posted.
 */
import { select } from '../../ledger/queue/netting.js';
import type { Day } from './day.js';

/** Of the largest that wait, so many are each made the beginning of a ring. */
const SEEDS_MAX = 48;
/** Instructions in one ring at most. */
const RING_MAX = 32;

/** Finds and posts what it can; nothing may be left that the ledger's pass would find. */
export function offer(day: Day): void {
  const waiting = day.waiting();
  if (waiting.length === 0) return;
  if (day.traffic.parameters.order === 'bypass') day.settle(reordered(day, waiting));
  growRings(day);
}

/**
 * The ledger's pass again over the same queue in other orders: where it has a choice it lets the last go, so the order
 * decides. The better of largest first and smallest first. In strict order there is one best set, and it has been found.
 */
function reordered(day: Day, waiting: readonly number[]): number[] {
  const worths = new Map(waiting.map((item) => [item, day.instruction(item).worth]));
  const byWorth = [...waiting].sort((a, b) => {
    const [first, second] = [worths.get(a) as bigint, worths.get(b) as bigint];
    return first === second ? a - b : first > second ? -1 : 1;
  });
  const [first = [], second = []] = [byWorth, byWorth.toReversed()].map((order) => {
    const { rounds } = select(day.queue(order));
    return rounds.flatMap(({ together, alone }) => [...together, ...alone]).map((at) => order[at] as number);
  });
  return day.worthOf(second) > day.worthOf(first) ? second : first;
}

/** From each of the largest that wait: what credits the account that is short is added, until no account is. */
function growRings(day: Day): void {
  const ranked = day.waiting().map((item) => ({ item, worth: day.instruction(item).worth }));
  ranked.sort((a, b) => (a.worth === b.worth ? a.item - b.item : a.worth > b.worth ? -1 : 1));
  for (const { item } of ranked.slice(0, SEEDS_MAX)) {
    if (!day.isWaiting(item)) continue;
    const ring = new Ring(day).grow(item);
    if (ring !== null) day.settle(ring);
  }
}

class Ring {
  readonly #day: Day;
  readonly #members = new Set<number>();
  readonly #ends = new Map<number, bigint>();

  constructor(day: Day) {
    this.#day = day;
  }

  /** A set with this instruction in it that holds, or null. */
  grow(seed: number): number[] | null {
    for (let next: number | null = seed; next !== null; ) {
      if (!this.#add(next)) return null;
      const short = this.#mostShort();
      if (short === null) return [...this.#members];
      next = this.#creditor(short.account, short.lacking);
    }
    return null;
  }

  /** Adds one and all that must settle no later. False when that is too much. */
  #add(first: number): boolean {
    const adding = [first];
    for (let item = adding.pop(); item !== undefined; item = adding.pop()) {
      if (this.#members.has(item)) continue;
      if (this.#members.size >= RING_MAX) return false;
      this.#members.add(item);
      for (const movement of this.#day.instruction(item).movements) {
        const { account, net } = movement;
        this.#ends.set(account, (this.#ends.get(account) ?? this.#day.funds[account] ?? 0n) + net);
        if (net > 0n) continue;
        for (const other of this.#day.ahead(item, movement)) {
          if (adding.length > RING_MAX) return false;
          adding.push(other);
        }
      }
    }
    return true;
  }

  #mostShort(): { readonly account: number; readonly lacking: bigint } | null {
    let [most, lacking] = [-1, 0n];
    for (const [account, end] of this.#ends) if (-end > lacking) [most, lacking] = [account, -end];
    return most < 0 ? null : { account: most, lacking };
  }

  /** Of what would credit an account: the least that covers what is lacking, else the largest. */
  #creditor(account: number, lacking: bigint): number | null {
    let [best, bestNet]: [number | null, bigint] = [null, 0n];
    for (const item of this.#day.waitingToCredit(account)) {
      if (this.#members.has(item)) continue;
      const net = this.#day.instruction(item).movements.find((movement) => movement.account === account)?.net ?? 0n;
      const isBetter = bestNet >= lacking ? net >= lacking && net < bestNet : net > bestNet;
      if (isBetter) [best, bestNet] = [item, net];
    }
    return best;
  }
}
