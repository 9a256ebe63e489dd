/** A settlement on its way through the queue: bound, released at its time, let through with others or alone (SPEC, The queue). */
import {
  LOT_MOVEMENTS_PER_PASS_MAX,
  QUEUE_MOVEMENTS_ASSURED,
  QUEUE_MOVEMENTS_MAX,
  QUEUE_MOVEMENTS_PER_PAYER_MAX,
} from '../../protocol/limits.js';
import type { ResultCode } from '../codes.js';
import { type BoundSettlement, isBound, type Liquidity, type QueueTerms, type Settlement } from '../entries.js';
import type { Posting } from '../posting.js';
import { availableIn, settle, settleLot } from '../settlement/bundle.js';
import { type Movement, outlineOf, weightOf } from '../settlement/outline.js';
import { hasRoom } from '../settlement/room.js';
import type { State } from '../state.js';
import { tierOf } from './book.js';
import { limitClaims } from './limits.js';
import { type Queue, select } from './netting.js';

/**
 * What waited for its time does so no longer, all of it: what holds by itself settles at once, in the order of their times
 * and then of their places, and the rest joins the queue. So no pass, and nobody else's queue, is waited for.
 */
export function release(posting: Posting): void {
  const { state, at } = posting;
  let due = state.queue.nextScheduled();
  if (due === null || due.notBefore > at.time) return;
  for (; due !== null && due.notBefore <= at.time; due = state.queue.nextScheduled()) {
    const settlement = state.boundSettlement(due.settlement);
    if (at.time <= settlement.terms.settleBy && holdsAlone(state, settlement)) settle(posting, settlement);
    else state.join(settlement);
  }
  state.queue.released(at.time);
  state.queue.stir();
}

/**
 * The last consent is there: it settles at once if it can, else has its place, scheduled or in the queue. Without one it is
 * refused for good, with `too_many_open` or `queue_full`.
 */
export function settleOrQueue(posting: Posting, settlement: Settlement & { readonly terms: QueueTerms }): void {
  const { state, at } = posting;
  const bound = boundAt(settlement, state.queue.mark.nextPlace);
  const settles = settlement.terms.notBefore <= at.time && holdsAlone(state, bound);
  // Where parts follow, the next one takes the place.
  const refusal = settles && settlement.linked.length === 0 ? null : refusalOf(posting, settlement);
  if (refusal !== null) {
    posting.end(settlement, refusal);
    return;
  }
  if (settles) return settle(posting, settlement);
  // Before it is taken in: whether its time has come is told by how far the queue has been released.
  state.queue.released(at.time);
  posting.bind(settlement, boundAt(settlement, state.queue.takePlace()));
  if (state.queue.isQueued(bound)) state.queue.stir();
}

const boundAt = (settlement: Settlement & { readonly terms: QueueTerms }, place: number): BoundSettlement => ({
  ...settlement,
  bound: { place, priorities: [], leaving: [] },
});

/** Whether a settlement holds by itself, takes nothing that is kept, and passes nothing that it must not. */
function holdsAlone(state: State, settlement: BoundSettlement): boolean {
  return outlineOf(settlement).movements.every((movement) => {
    const claims = limitClaims(state, settlement.legs, movement);
    if (claims.some(({ net, headroom }) => net < 0n && headroom + net < 0n)) return false;
    if (movement.net >= 0n) return true;
    const liquidity = state.liquidity(movement.name);
    const kept = keptFrom(liquidity, tierOf(settlement, movement.party));
    if (availableIn(state, movement) + movement.net < kept) return false;
    return !state.queue.isBehind(settlement, movement, liquidity.isFifo);
  });
}

/** What an account keeps from a settlement of that urgency: nothing from an urgent one. */
export function keptFrom({ urgent, high }: Liquidity, tier: number): bigint {
  if (tier === 0) return 0n;
  return tier === 1 ? urgent : urgent + high;
}

function refusalOf({ state, fresh }: Posting, settlement: Settlement): ResultCode | null {
  // What was open before is counted there already.
  if (fresh.has(settlement.digest) && !hasRoom(state, settlement)) return 'too_many_open';
  const { places, payers } = outlineOf(settlement);
  const isFull = state.queue.boundPlaces + places > QUEUE_MOVEMENTS_MAX;
  const most = isFull ? QUEUE_MOVEMENTS_ASSURED : QUEUE_MOVEMENTS_PER_PAYER_MAX;
  return payers.some((payer) => state.queue.reserved(payer) + places > most) ? 'queue_full' : null;
}

/** Goes through the queue if something has changed and its pace allows it: what can settle, settles. */
export function pass(posting: Posting): void {
  const { state, at } = posting;
  const due = state.queue.nextPass();
  if (due === null || due > at.time) return;
  const settlements = state.queue
    .queued()
    .map((digest) => state.boundSettlement(digest))
    // Where a lapse is late: it has ended all the same.
    .filter(({ terms }) => at.time <= terms.settleBy);
  const { rounds, inLots } = select(queueOf(state, settlements).queue);
  const chosen = rounds.flatMap(({ together, alone }) => [...together, ...alone]);
  for (const item of chosen) settle(posting, settlements[item] as BoundSettlement);
  const lots = withinLots(inLots.map((item) => settlements[item] as BoundSettlement));
  for (const settlement of lots) settleLot(posting, settlement);
  // What has settled may let others through: the next pass tells.
  state.queue.passed(at.time, chosen.length + lots.length > 0);
}

/** The first of those of which a lot is to settle, as many as one pass may. Each took the ones before it as settled, none the ones after. */
function withinLots(settlements: readonly BoundSettlement[]): readonly BoundSettlement[] {
  let weight = 0;
  const end = settlements.findIndex(({ legs }) => {
    weight += weightOf(legs);
    return weight > LOT_MOVEMENTS_PER_PASS_MAX;
  });
  return end < 0 ? settlements : settlements.slice(0, end);
}

/** A queue in numbers, and by account, or limit of one, a movement of that account. */
export interface NumberedQueue {
  readonly queue: Queue;
  readonly touched: readonly Movement[];
}

/** The queue in the numbers that netting works on: accounts, and with each the limits that its owner has set. */
export function queueOf(state: State, settlements: readonly BoundSettlement[]): NumberedQueue {
  const known = new Map<string, number>();
  const [funds, ordered, limiting]: [bigint[], boolean[], boolean[]] = [[], [], []];
  const [starts, accounts, nets, tiers, kept]: [number[], number[], bigint[], number[], bigint[]] = [
    [0],
    [],
    [],
    [],
    [],
  ];
  const touched: Movement[] = [];
  const numberOf = (name: string, of: Movement, isLimit: boolean, available: () => bigint): number => {
    const number = known.get(name) ?? funds.length;
    if (number < funds.length) return number;
    known.set(name, number);
    funds.push(available());
    ordered.push(state.liquidity(of.name).isFifo);
    limiting.push(isLimit);
    touched.push(of);
    return number;
  };
  for (const settlement of settlements) {
    for (const movement of outlineOf(settlement).movements) {
      const { name, party, net } = movement;
      const liquidity = state.liquidity(name);
      const tier = tierOf(settlement, party);
      if (net !== 0n) {
        accounts.push(numberOf(name, movement, false, () => availableIn(state, movement)));
        nets.push(net);
        tiers.push(tier);
        kept.push(keptFrom(liquidity, tier));
      }
      for (const claim of limitClaims(state, settlement.legs, movement)) {
        accounts.push(numberOf(claim.name, movement, true, () => claim.headroom));
        nets.push(claim.net);
        tiers.push(tier);
        kept.push(0n);
      }
    }
    starts.push(nets.length);
  }
  const lots = settlements.map((settlement) => settlement.lots);
  return { queue: { funds, ordered, limiting, starts, accounts, nets, tiers, kept, lots }, touched };
}

/** What was bound in this block and is still open has its receipt now, `scheduled` or `queued`: it has one in a block. */
export function tellBound(posting: Posting): void {
  const { state, at } = posting;
  for (const { digest } of posting.bound) {
    const settlement = state.openSettlement(digest);
    // Where a part of it, or some lots, have settled since, it has its receipt.
    if (settlement === undefined || !isBound(settlement) || posting.advanced.has(digest)) continue;
    const code = state.queue.isQueued(settlement) ? 'queued' : 'scheduled';
    posting.record(settlement, code, posting.horizon(at.time));
  }
}
