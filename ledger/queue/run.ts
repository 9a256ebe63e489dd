/** A settlement on its way through the queue: bound, released at its time, let through with others or alone (SPEC, The queue). */
import {
  OPEN_SETTLEMENTS_PER_PARTY_MAX,
  QUEUE_MOVEMENTS_ASSURED,
  QUEUE_MOVEMENTS_MAX,
  QUEUE_MOVEMENTS_PER_PAYER_MAX,
} from '../../protocol/limits.js';
import { assert, type InstructionDigest } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import type { BoundSettlement, Liquidity, QueueTerms, Settlement } from '../entries.js';
import type { Posting } from '../posting.js';
import { availableIn, settle } from '../settlement/bundle.js';
import { outlineOf } from '../settlement/outline.js';
import type { State } from '../state.js';
import { tierOf } from './book.js';
import { type Queue, select } from './netting.js';

/** What waited for its time and need not any longer joins the queue: all of it, since no block may be too early for it. */
export function release(posting: Posting): void {
  const { state, at } = posting;
  let scheduled = state.book.nextScheduled();
  if (scheduled === null || scheduled.notBefore > at.time) return;
  for (; scheduled !== null && scheduled.notBefore <= at.time; scheduled = state.book.nextScheduled())
    state.book.release(boundOf(state, scheduled.settlement));
  state.markQueue({ releasedTo: at.time });
  state.stir();
}

/** The last consent is there: it settles at once if it can, else has its place in the queue, or is refused for good. */
export function enter(posting: Posting, settlement: Settlement & { readonly terms: QueueTerms }): void {
  const { state, at } = posting;
  const place = state.queueMark.next;
  const bound: BoundSettlement = { ...settlement, bound: { place, moved: [], leaving: [] } };
  const isDue = settlement.terms.notBefore <= at.time;
  if (isDue && holdsAlone(state, bound)) return settle(posting, settlement);
  const refusal = refusalOf(posting, settlement);
  if (refusal !== null) {
    posting.end(settlement, refusal);
    return;
  }
  // Before it is taken in: whether its time has come is told by how far the queue has been released.
  state.markQueue({ next: place + 1, releasedTo: at.time });
  posting.bind(settlement, bound);
  if (isDue) state.stir();
}

/** Whether a settlement holds by itself, takes nothing that is kept, and passes nothing that it must not. */
function holdsAlone(state: State, settlement: BoundSettlement): boolean {
  return outlineOf(settlement).movements.every((movement) => {
    if (movement.net >= 0n) return true;
    const liquidity = state.liquidity(movement.name);
    const kept = keptFrom(liquidity, tierOf(settlement, movement.party));
    if (availableIn(state, movement) + movement.net < kept) return false;
    return !state.book.isPassed(settlement, movement, liquidity.isFifo);
  });
}

/** What an account keeps from a settlement of that urgency: nothing from an urgent one. */
export function keptFrom({ urgent, high }: Liquidity, tier: number): bigint {
  if (tier === 0) return 0n;
  return tier === 1 ? urgent : urgent + high;
}

function refusalOf({ state, fresh }: Posting, settlement: Settlement): ResultCode | null {
  const open = state.counts.open.get(settlement.initiator) ?? 0;
  if (fresh.has(settlement.digest) && open >= OPEN_SETTLEMENTS_PER_PARTY_MAX) return 'too_many_open';
  const { movements, payers } = outlineOf(settlement);
  const isFull = state.book.reserved('') + movements.length > QUEUE_MOVEMENTS_MAX;
  const most = isFull ? QUEUE_MOVEMENTS_ASSURED : QUEUE_MOVEMENTS_PER_PAYER_MAX;
  return payers.some((payer) => state.book.reserved(payer) + movements.length > most) ? 'queue_full' : null;
}

/** Goes through the queue if something has changed and its pace allows it: what can settle, settles. */
export function pass(posting: Posting): void {
  const { state, at } = posting;
  const due = state.nextPass();
  if (due === null || due > at.time) return;
  const settlements = state.book.queued().flatMap((digest) => {
    const settlement = boundOf(state, digest);
    // Its lapse is late: it has ended all the same.
    return settlement.terms.settleBy < at.time ? [] : [settlement];
  });
  const { together, alone } = select(queueOf(state, settlements));
  const chosen = [...together, ...alone];
  for (const item of chosen) settle(posting, settlements[item] as BoundSettlement);
  // What has settled may let others through: the next pass tells.
  state.markQueue({ passedAt: at.time, stirred: chosen.length > 0 && state.book.queuedMovements > 0 });
}

/** The queue in the numbers that netting works on. */
function queueOf(state: State, settlements: readonly BoundSettlement[]): Queue {
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

function boundOf(state: State, digest: InstructionDigest): BoundSettlement {
  const settlement = state.openSettlement(digest);
  assert(settlement?.bound != null && settlement.terms !== null, 'what is in the queue is open and bound');
  return settlement as BoundSettlement;
}

/** What was bound in this block and is still open has its receipt now: it has one in a block. */
export function tellBound(posting: Posting): void {
  const { state } = posting;
  for (const digest of posting.bound) {
    const settlement = state.openSettlement(digest);
    if (settlement === undefined) continue;
    const isDue = state.isDue(settlement as BoundSettlement);
    posting.record(settlement, isDue ? 'queued' : 'scheduled', settlement.until);
  }
}
