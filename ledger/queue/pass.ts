/** A settlement on its way through the queue: bound, released at its time, let through with others or alone (SPEC, The queue). */
import { QUEUE_MOVEMENTS_ASSURED, QUEUE_MOVEMENTS_MAX, QUEUE_MOVEMENTS_PER_PAYER_MAX } from '../../protocol/limits.js';
import type { ResultCode } from '../codes.js';
import { type BoundSettlement, isBound, type Liquidity, type QueueTerms, type Settlement } from '../entries.js';
import type { Posting } from '../posting.js';
import { availableIn, settle } from '../settlement/bundle.js';
import { outlineOf } from '../settlement/outline.js';
import { hasRoom } from '../settlement/room.js';
import type { State } from '../state.js';
import { tierOf } from './book.js';
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
  const { together, alone } = select(queueOf(state, settlements));
  const chosen = [...together, ...alone];
  for (const item of chosen) settle(posting, settlements[item] as BoundSettlement);
  // What has settled may let others through: the next pass tells.
  state.queue.passed(at.time, chosen.length > 0);
}

/** The queue in the numbers that netting works on. */
export function queueOf(state: State, settlements: readonly BoundSettlement[]): Queue {
  const known = new Map<string, number>();
  const funds: bigint[] = [];
  const ordered: boolean[] = [];
  const [starts, accounts, nets, tiers, kept]: [number[], number[], bigint[], number[], bigint[]] = [
    [0],
    [],
    [],
    [],
    [],
  ];
  for (const settlement of settlements) {
    for (const movement of outlineOf(settlement).movements) {
      if (movement.net === 0n) continue;
      const { name, party, net } = movement;
      let account = known.get(name);
      if (account === undefined) {
        account = funds.push(availableIn(state, movement)) - 1;
        known.set(name, account);
        ordered.push(state.liquidity(name).isFifo);
      }
      const tier = net < 0n ? tierOf(settlement, party) : 0;
      accounts.push(account);
      nets.push(net);
      tiers.push(tier);
      kept.push(keptFrom(state.liquidity(name), tier));
    }
    starts.push(nets.length);
  }
  return { funds, ordered, starts, accounts, nets, tiers, kept };
}

/** What was bound in this block and is still open has its receipt now, `scheduled` or `queued`: it has one in a block. */
export function tellBound(posting: Posting): void {
  const { state, at } = posting;
  for (const { digest, bound } of posting.bound) {
    const settlement = state.openSettlement(digest);
    // A part of it may have settled since: then it has another place.
    if (settlement?.bound?.place !== bound.place || !isBound(settlement)) continue;
    const code = state.queue.isQueued(settlement) ? 'queued' : 'scheduled';
    posting.record(settlement, code, posting.horizon(at.time));
  }
}
