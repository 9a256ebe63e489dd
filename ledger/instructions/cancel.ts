/** `cancel`: a party leaves a settlement, alone before its first cut-off, with all others before its second. */
import type { PayloadOf } from '../../protocol/payload.js';
import type { InstructionDigest } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { endOf, type Settlement } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { screen } from '../rights.js';
import { isParty } from '../settlement/bundle.js';
import { resolveAll } from '../settlement/waiting.js';

/** A suspended party may cancel too: it takes nothing on. Nothing waits for what is not ordered: `withdraw` does. */
export function cancel(posting: Posting, ordered: Ordered, payload: PayloadOf<'cancel'>): void {
  const { instruction } = ordered;
  if (screen(posting, posting.at.time, ordered) !== null) return;
  const settlement = posting.settlement(payload.settlement as InstructionDigest);
  if (settlement === undefined) {
    const hasEnded = posting.hasEnded(payload.settlement as InstructionDigest);
    return posting.conclude(instruction, hasEnded ? 'settlement_closed' : 'not_queued');
  }
  const left = [...(settlement.bound?.leaving ?? []), payload.initiator as Settlement['initiator']];
  const code = judge(posting, settlement, payload.initiator, left);
  posting.conclude(instruction, code);
  if (code === 'cancelled') {
    posting.end(settlement, 'cancelled');
    resolveAll(posting, settlement.digest);
  } else if (code === 'cancel_agreed' && settlement.bound !== null) {
    posting.replace({ ...settlement, bound: { ...settlement.bound, leaving: left } });
  }
}

function judge({ at: { time } }: Posting, settlement: Settlement, party: string, left: readonly string[]): ResultCode {
  const { legs, cancelUntil, terms, bound } = settlement;
  if (time > endOf(settlement)) return 'settlement_closed';
  if (!isParty(legs, party)) return 'not_a_party';
  if (time <= cancelUntil) return 'cancelled';
  // Past its first cut-off, what is open is bound.
  if (terms === null || bound === null || time > terms.cutoff) return 'irrevocable';
  if (bound.leaving.some((other) => other === party)) return 'already_consented';
  return legs.every(({ from, to }) => left.includes(from) && left.includes(to)) ? 'cancelled' : 'cancel_agreed';
}
