/** `reprioritise`: who pays says anew how urgent a settlement is in its own queue. */
import type { PayloadOf } from '../../protocol/payload.js';
import type { Bic, InstructionDigest } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { type BoundSettlement, endOf } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { screen } from '../rights.js';
import { outlineOf } from '../settlement/outline.js';

/** Its place among what is as urgent stays what it was. */
export function reprioritise(posting: Posting, ordered: Ordered, payload: PayloadOf<'reprioritise'>): void {
  if (screen(posting, posting.at.time, ordered) !== null) return;
  const { state } = posting;
  const settlement = posting.settlement(payload.settlement as InstructionDigest);
  const code = judge(posting, payload);
  posting.conclude(ordered.instruction, code);
  if (code !== 'applied') return;
  const { bound } = settlement as BoundSettlement;
  const party = payload.initiator as Bic;
  const others = bound.moved.filter((move) => move.party !== party);
  state.move(settlement as BoundSettlement, [...others, { party, priority: payload.priority }]);
}

function judge(posting: Posting, { settlement: digest, initiator }: PayloadOf<'reprioritise'>): ResultCode {
  const { state, at } = posting;
  if (state.participant(initiator)?.suspended === true) return 'party_suspended';
  const settlement = posting.settlement(digest as InstructionDigest);
  if (settlement === undefined)
    return posting.hasEnded(digest as InstructionDigest) ? 'settlement_closed' : 'not_queued';
  if (!outlineOf(settlement).payers.some((payer) => payer === initiator)) return 'forbidden';
  if (at.time > endOf(settlement)) return 'settlement_closed';
  return settlement.bound === null ? 'not_queued' : 'applied';
}
