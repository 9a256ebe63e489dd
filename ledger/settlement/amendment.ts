/** A settlement that replaces, as it settles, the legs of what is still to settle of another (SPEC, Amendment). */
import {
  OPEN_MOVEMENTS_PER_PARTY_MAX,
  QUEUE_MOVEMENTS_ASSURED,
  QUEUE_MOVEMENTS_MAX,
  QUEUE_MOVEMENTS_PER_PAYER_MAX,
} from '../../protocol/limits.js';
import type { Bic, InstructionDigest, TimestampMs } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { type Amendment, type BoundLeg, type BoundSettlement, endOf, isBound } from '../entries.js';
import type { Posting } from '../posting.js';
import type { State } from '../state.js';
import { movementsAtMost, outlineOf } from './outline.js';

/** The settlement to be amended, of which a part has settled and another has not; or why there is none of that digest. */
export function targetOf(
  posting: Posting,
  digest: InstructionDigest,
): BoundSettlement | 'settlement_closed' | 'not_queued' {
  const settlement = posting.settlement(digest);
  if (settlement === undefined) return posting.hasEnded(digest) ? 'settlement_closed' : 'not_queued';
  if (posting.at.time > endOf(settlement)) return 'settlement_closed';
  return isBound(settlement) && settlement.partsSettled > 0 ? settlement : 'not_queued';
}

/** Whether the part that is next is the one that was meant, with the legs that were meant: the parties have consented to no other. */
export const isAsMeant = ({ partsSettled, legs }: BoundSettlement, { part, replaces }: Amendment): boolean =>
  partsSettled + 1 === part &&
  legs.length === replaces.length &&
  legs.every((leg, at) => isSameLeg(leg, replaces[at] as BoundLeg));

const isSameLeg = (one: BoundLeg, other: BoundLeg): boolean =>
  one.from === other.from && one.to === other.to && one.asset === other.asset && one.amount === other.amount;

/** Why an amendment does not hold now, or null: what it was meant for is gone, or there is no room for what takes its place. */
export function judgeAmendment(posting: Posting, amends: Amendment): ResultCode | null {
  const target = targetOf(posting, amends.settlement);
  if (typeof target === 'string') return target;
  if (!isAsMeant(target, amends)) return 'part_gone';
  const next = amended(posting, target, amends);
  const asked = new Set([...amends.replaces, ...amends.legs].flatMap(({ from, to }) => [from, to]));
  if (!hasRoom(posting.state, asked, target, next)) return 'too_many_open';
  return hasPlaces(posting.state, asked, target, next) ? null : 'queue_full';
}

/** Puts the new legs in the place of the old ones; the settlement keeps the one that it has in the queue. */
export function amend(posting: Posting, amends: Amendment): void {
  const { state } = posting;
  const target = state.boundSettlement(amends.settlement);
  const next = amended(posting, target, amends);
  state.closeSettlement(target);
  state.open(next);
  if (state.queue.isQueued(next)) state.queue.stir();
  posting.amended.add(next.digest);
}

/**
 * A priority is of who pays; and who had agreed to cancel had agreed to leave other legs. From now on nobody leaves alone:
 * what was paid for the new legs is final. So it is with linked parts anyway.
 */
function amended({ at }: Posting, target: BoundSettlement, { legs }: Amendment): BoundSettlement {
  const { cancelUntil, settleBy } = target.terms;
  const terms = { ...target.terms, cancelUntil: Math.min(cancelUntil, at.time - 1) as TimestampMs, cutoff: settleBy };
  const { payers } = outlineOf({ legs, linked: target.linked, amends: null });
  const priorities = target.bound.priorities.filter(({ party }) => payers.includes(party));
  return { ...target, legs, lots: 1, terms, bound: { ...target.bound, priorities, leaving: [] } };
}

/** More accounts than before count against who began the settlement that is amended, if that one has agreed. */
function hasRoom({ counts }: State, asked: ReadonlySet<Bic>, target: BoundSettlement, next: BoundSettlement): boolean {
  const more = movementsAtMost(next) - movementsAtMost(target);
  if (more > 0 && !asked.has(target.initiator)) return false;
  return more <= 0 || (counts.openMovements.get(target.initiator) ?? 0) + more <= OPEN_MOVEMENTS_PER_PARTY_MAX;
}

/** Whether everyone who is to pay has the places, beyond those that it has taken, and is asked for more. */
function hasPlaces({ queue }: State, asked: ReadonlySet<Bic>, target: BoundSettlement, next: BoundSettlement): boolean {
  const [before, after] = [outlineOf(target), outlineOf(next)];
  const isFull = queue.boundPlaces - before.places + after.places > QUEUE_MOVEMENTS_MAX;
  const most = isFull ? QUEUE_MOVEMENTS_ASSURED : QUEUE_MOVEMENTS_PER_PAYER_MAX;
  return after.payers.every((payer) => {
    const more = after.places - (before.payers.includes(payer) ? before.places : 0);
    return more <= 0 || (asked.has(payer) && queue.reserved(payer) + more <= most);
  });
}

/** What was amended in this block, is still open and has no other receipt in it, has its own. */
export function tellAmended(posting: Posting): void {
  for (const digest of posting.amended) {
    const settlement = posting.state.openSettlement(digest);
    if (settlement === undefined || posting.advanced.has(digest)) continue;
    posting.record(settlement, 'amended', posting.horizon(posting.at.time));
  }
}
