/**
 * What more liquidity in one account would let through: the ledger's own netting over the same queue, with it and without,
 * and the difference. A function of what was copied out of a state, so that it runs beside the ledger.
 */
import { WHAT_IF_PASSES_MAX } from '../../protocol/limits.js';
import type { TimestampMs } from '../../protocol/types.js';
import type { BoundSettlement } from '../entries.js';
import type { State } from '../state.js';
import { type Flow, flowWith, NO_FLOW } from './flows.js';
import { type Queue, select } from './netting.js';
import { type NumberedQueue, queueOf } from './pass.js';

/** The queue as a pass at a moment would go through it, and what its numbers stand for. */
export interface QueueCopy extends NumberedQueue {
  readonly settlements: readonly BoundSettlement[];
}

/** Plain numbers, so that it travels to a thread. */
export interface WhatIfQuestion {
  readonly queue: Queue;
  /** By account: a number for its asset, and whether it is the asking party's. */
  readonly assets: readonly number[];
  readonly isOwn: readonly boolean[];
  /** The account that has so much more, minor units. */
  readonly account: number;
  readonly extra: bigint;
  /** How many items of the party are named at most. */
  readonly named: number;
}

/** Of some items: what they come to in sum. */
export interface WhatIfSums {
  readonly count: number;
  /** Of those that move an account of the party. */
  readonly ownCount: number;
  /** The first of these, by place. */
  readonly own: readonly number[];
  /** By asset: what the party is paid in these, and pays. */
  readonly ownFlows: readonly (readonly [asset: number, flow: Flow])[];
  /** By asset: how many move it, and how much changes hands in all; minor units. */
  readonly values: readonly (readonly [asset: number, count: number, minor: bigint])[];
}
export interface WhatIfAnswer {
  /** What settles with it and not without, to its last lot. */
  readonly released: WhatIfSums;
  /** What settles without it and not with it: the netting does not look for the largest set. */
  readonly delayed: WhatIfSums;
  /** Whether both came to an end within the passes that were made. */
  readonly isWhole: boolean;
}

/** Copies the queue out of a state as of a block's time. O(n) in its movements. */
export function copyQueue(state: State, time: TimestampMs): QueueCopy {
  const settlements = state.queue
    .queued()
    .map((digest) => state.boundSettlement(digest))
    .filter(({ terms }) => time <= terms.settleBy);
  return { settlements, ...queueOf(state, settlements) };
}

/** Goes through the queue both ways, pass after pass until nothing settles any more. */
export function whatIf(question: WhatIfQuestion): WhatIfAnswer {
  const { queue, account, extra } = question;
  const funds = queue.funds.map((funds, at) => (at === account ? funds + extra : funds));
  const without = settling(queue);
  const having = settling({ ...queue, funds });
  const released: number[] = [];
  const delayed: number[] = [];
  for (let item = 0; item + 1 < queue.starts.length; item++) {
    if (having.settles[item] === without.settles[item]) continue;
    (having.settles[item] === 1 ? released : delayed).push(item);
  }
  const isWhole = without.isWhole && having.isWhole;
  return { released: sumsOf(question, released), delayed: sumsOf(question, delayed), isWhole };
}

/**
 * Which items settle in the passes to come if nothing else happens, by item, of what comes in lots those of which all lots
 * do; and whether the last pass let nothing through.
 */
function settling(whole: Queue): { readonly settles: Uint8Array; readonly isWhole: boolean } {
  const settles = new Uint8Array(whole.starts.length - 1);
  let queue = whole;
  let numbers = Array.from(settles, (_, item) => item);
  for (let pass = 0; pass < WHAT_IF_PASSES_MAX; pass++) {
    const { rounds, inLots } = select(queue);
    const whole = rounds.flatMap(({ together, alone }) => [...together, ...alone]);
    if (whole.length + inLots.length === 0) return { settles, isWhole: true };
    for (const item of whole) settles[numbers[item] as number] = 1;
    const lots = new Set(inLots);
    queue = rest(queue, (item) => {
      if (settles[numbers[item] as number] === 1) return 'whole';
      return lots.has(item) ? 'lot' : null;
    });
    numbers = numbers.filter((item) => settles[item] === 0);
  }
  return { settles, isWhole: numbers.length === 0 };
}

/** The queue once some of its items have settled, whole or a lot of them. */
function rest(queue: Queue, settled: (item: number) => 'whole' | 'lot' | null): Queue {
  const funds = [...queue.funds];
  const starts = [0];
  const left: number[] = [];
  const [nets, lots]: [bigint[], number[]] = [[], []];
  for (let item = 0; item + 1 < queue.starts.length; item++) {
    const what = settled(item);
    const all = queue.lots[item] as number;
    for (let at = queue.starts[item] as number; at < (queue.starts[item + 1] as number); at++) {
      const account = queue.accounts[at] as number;
      const net = queue.nets[at] as bigint;
      const moved = what === 'whole' ? net : what === 'lot' ? net / BigInt(all) : 0n;
      funds[account] = (funds[account] as bigint) + moved;
      if (what === 'whole') continue;
      left.push(at);
      nets.push(net - moved);
    }
    if (what === 'whole') continue;
    starts.push(left.length);
    lots.push(what === 'lot' ? all - 1 : all);
  }
  const kept = <T>(values: readonly T[]): T[] => left.map((at) => values[at] as T);
  // Accounts in the order in which what is left first touches them: so the ledger's next pass has them.
  const touched = [...new Set(kept(queue.accounts))];
  const numbers = new Map(touched.map((account, number) => [account, number]));
  const byAccount = <T>(values: readonly T[]): T[] => touched.map((account) => values[account] as T);
  return {
    funds: byAccount(funds),
    ordered: byAccount(queue.ordered),
    limiting: byAccount(queue.limiting),
    starts,
    accounts: kept(queue.accounts).map((account) => numbers.get(account) as number),
    nets,
    lots,
    tiers: kept(queue.tiers),
    kept: kept(queue.kept),
  };
}

function sumsOf({ queue, assets, isOwn, named }: WhatIfQuestion, items: readonly number[]): WhatIfSums {
  const { starts, accounts, nets, limiting } = queue;
  const own: number[] = [];
  const ownFlows = new Map<number, Flow>();
  const values = new Map<number, readonly [count: number, minor: bigint]>();
  let ownCount = 0;
  for (const item of items) {
    const moved = new Map<number, bigint>();
    let isOwnItem = false;
    for (let at = starts[item] as number; at < (starts[item + 1] as number); at++) {
      const [account, net] = [accounts[at] as number, nets[at] as bigint];
      if (limiting[account] === true) continue;
      const asset = assets[account] as number;
      moved.set(asset, (moved.get(asset) ?? 0n) + (net > 0n ? net : 0n));
      if (isOwn[account] !== true) continue;
      isOwnItem = true;
      ownFlows.set(asset, flowWith(ownFlows.get(asset) ?? NO_FLOW, net, 1));
    }
    for (const [asset, minor] of moved) {
      const [count, sum] = values.get(asset) ?? [0, 0n];
      values.set(asset, [count + 1, sum + minor]);
    }
    if (!isOwnItem) continue;
    if (own.length < named) own.push(item);
    ownCount += 1;
  }
  return {
    count: items.length,
    ownCount,
    own,
    ownFlows: [...ownFlows],
    values: [...values].map(([asset, [count, minor]]) => [asset, count, minor]),
  };
}
