/** `cancel`: a party leaves a settlement, alone until its `cancelUntil`, with all others until its `cutoff` or the end of its lock. */
import type { PayloadOf } from '../../protocol/payload.js';
import { assert, type Bic, type InstructionDigest } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { type BoundSettlement, isBound, isLocked, type LockedSettlement, type Settlement } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { screen } from '../rights.js';
import { allLegs, isParty } from '../settlement/outline.js';
import { resolveAll } from '../settlement/waiting.js';

/**
 * A suspended party may cancel too: it takes nothing on. Refuses with `not_queued` (no open settlement has the digest: a
 * cancellation waits for nothing), `settlement_closed`, `not_a_party`, `already_consented` and `irrevocable`.
 */
export function cancel(posting: Posting, ordered: Ordered, payload: PayloadOf<'cancel'>): void {
  const { instruction } = ordered;
  if (screen(posting, posting.at.time, ordered) !== null) return;
  const settlement = posting.settlement(payload.settlement as InstructionDigest);
  if (settlement === undefined) {
    const hasEnded = posting.hasEnded(payload.settlement as InstructionDigest);
    return posting.conclude(instruction, hasEnded ? 'settlement_closed' : 'not_queued');
  }
  const party = payload.initiator as Bic;
  const code = judge(posting, settlement, party);
  posting.conclude(instruction, code);
  if (code === 'cancelled') {
    posting.end(settlement, 'cancelled');
    resolveAll(posting, settlement.digest);
  } else if (code === 'cancel_agreed') {
    posting.replace(agreedBy(settlement, party));
  }
}

function agreedBy(settlement: Settlement, party: Bic): Settlement {
  const { bound, lock } = settlement;
  if (bound !== null) return { ...settlement, bound: { ...bound, leaving: [...bound.leaving, party] } };
  assert(lock !== null, 'what all leave together is bound or locked');
  return { ...settlement, lock: { ...lock, leaving: [...(lock.leaving ?? []), party] } };
}

function judge(posting: Posting, settlement: Settlement, party: Bic): ResultCode {
  if (isLocked(settlement)) return judgeLocked(posting, settlement, party);
  return isBound(settlement) ? judgeBound(posting, settlement, party) : judgeProposed(posting, settlement, party);
}

function judgeProposed({ at: { time } }: Posting, settlement: Settlement, party: Bic): ResultCode {
  if (time > settlement.consentUntil) return 'settlement_closed';
  return isParty(settlement, party) ? 'cancelled' : 'not_a_party';
}

function judgeBound({ at: { time }, advanced }: Posting, settlement: BoundSettlement, party: Bic): ResultCode {
  const { terms, bound } = settlement;
  if (time > terms.settleBy) return 'settlement_closed';
  if (!isParty(settlement, party)) return 'not_a_party';
  if (time <= terms.cancelUntil) return 'cancelled';
  if (bound.leaving.includes(party)) return 'already_consented';
  // In the block in which a part has settled it has its receipt, and no other.
  if (time > terms.cutoff || advanced.has(settlement.digest)) return 'irrevocable';
  return withAll(settlement, party, bound.leaving);
}

/** What is held for a party is its promise: nobody takes it back alone. */
function judgeLocked({ at: { time } }: Posting, settlement: LockedSettlement, party: Bic): ResultCode {
  const { until, leaving } = settlement.lock;
  if (time > until) return 'settlement_closed';
  if (!isParty(settlement, party)) return 'not_a_party';
  return leaving.includes(party) ? 'already_consented' : withAll(settlement, party, leaving);
}

/** Whether a party is the last to leave, or the others are waited for. */
function withAll(settlement: Settlement, party: Bic, leaving: readonly Bic[]): 'cancelled' | 'cancel_agreed' {
  const hasLeft = (other: Bic): boolean => other === party || leaving.includes(other);
  return allLegs(settlement).every(({ from, to }) => hasLeft(from) && hasLeft(to)) ? 'cancelled' : 'cancel_agreed';
}
