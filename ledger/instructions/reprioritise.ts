/** `reprioritise`: who pays says anew how urgent a settlement is in its own queue. */
import type { PayloadOf } from '../../protocol/payload.js';
import type { Bic, InstructionDigest } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { type BoundSettlement, endOf, isBound } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { screen } from '../rights.js';
import { allLegs } from '../settlement/outline.js';

/**
 * Its place among what is as urgent stays what it was. Refuses with `party_suspended`, `forbidden` (who asks is not debited
 * in it), `settlement_closed` and `not_queued`.
 */
export function reprioritise(posting: Posting, ordered: Ordered, payload: PayloadOf<'reprioritise'>): void {
  if (screen(posting, posting.at.time, ordered) !== null) return;
  const judged = judge(posting, payload);
  posting.conclude(ordered.instruction, typeof judged === 'string' ? judged : 'applied');
  if (typeof judged === 'string') return;
  const { bound } = judged;
  const party = payload.initiator as Bic;
  const others = bound.priorities.filter((given) => given.party !== party);
  posting.state.reprioritise(judged, [...others, { party, priority: payload.priority }]);
}

function judge(posting: Posting, payload: PayloadOf<'reprioritise'>): BoundSettlement | ResultCode {
  const { state, at } = posting;
  const digest = payload.settlement as InstructionDigest;
  if (state.participant(payload.initiator)?.suspended === true) return 'party_suspended';
  const settlement = posting.settlement(digest);
  if (settlement === undefined) return posting.hasEnded(digest) ? 'settlement_closed' : 'not_queued';
  if (!allLegs(settlement).some(({ from }) => from === payload.initiator)) return 'forbidden';
  if (at.time > endOf(settlement)) return 'settlement_closed';
  return isBound(settlement) ? settlement : 'not_queued';
}
