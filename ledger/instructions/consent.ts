/** `consent`: a debited party binds itself to a settlement, or an authority agrees to a change of validators. */
import type { PayloadOf } from '../../protocol/payload.js';
import type { InstructionDigest } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { endOf, isAgreed, type Settlement } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { screen, signerOf } from '../rights.js';
import { addConsents, hasConsented, settleIfBound } from '../settlement/consent.js';
import { mismatchOf } from '../settlement/matching.js';
import { mustConsent } from '../settlement/outline.js';
import { resolve, stale, wait, waitingFor } from '../settlement/waiting.js';
import { consentToChange } from '../succession/change.js';

/**
 * Takes a party's consent; a settlement settles here if it was the last. One that says what it takes the settlement to be
 * waits for nothing, and is refused with what differs: `party_mismatch`, `asset_mismatch`, `amount_mismatch`, `date_mismatch`.
 */
export function consent(posting: Posting, ordered: Ordered, payload: PayloadOf<'consent'>): void {
  const { instruction, signed } = ordered;
  const { state, at } = posting;
  if (screen(posting, at.time, ordered) !== null) return;
  if (state.participant(payload.initiator)?.suspended === true) return posting.conclude(instruction, 'party_suspended');
  const settlement = posting.settlement(payload.settlement as InstructionDigest);
  if (settlement === undefined) {
    const change = posting.change(payload.settlement as InstructionDigest);
    if (change !== undefined && payload.terms === undefined)
      return posting.conclude(instruction, consentToChange(posting, change, ordered));
    if (posting.hasEnded(payload.settlement as InstructionDigest))
      return posting.conclude(instruction, 'settlement_closed');
    if (payload.terms !== undefined) return posting.conclude(instruction, 'not_queued');
    return wait(posting, ordered, payload);
  }
  const judged = judge(posting, settlement, payload.initiator);
  const terms = judged === 'consented' ? payload.terms : undefined;
  const code = (terms && mismatchOf(state, settlement, terms)) ?? judged;
  posting.conclude(instruction, code);
  // Also when it is not the first: what it lacked may have been a threshold that has since come down.
  // Its initiator's keys alone: who else signed it has not said so of the settlement, and what waits has no other keys either.
  const own = signed.filter((kid) => signerOf(state, kid) === payload.initiator);
  if (code === 'consented') settleIfBound(posting, addConsents(posting, settlement, own));
  else if (code === 'already_consented') settleIfBound(posting, settlement);
}

/** Counts the consents that waited for what this block registered. Each settles, if it does, at its own turn. */
export function consentsThatWaited(posting: Posting): void {
  for (const digest of [...posting.fresh.keys()]) {
    for (const item of waitingFor(posting, digest as InstructionDigest, 'consent')) {
      const settlement = posting.settlement(digest as InstructionDigest) as Settlement;
      const suspended = posting.state.participant(item.initiator)?.suspended === true;
      const code = stale(posting, item) ?? (suspended ? 'party_suspended' : judge(posting, settlement, item.initiator));
      if (code === 'consented') addConsents(posting, settlement, item.kids);
      resolve(posting, settlement.digest, item, code);
    }
  }
}

function judge(posting: Posting, settlement: Settlement, party: string): ResultCode {
  if (posting.at.time > endOf(settlement)) return 'settlement_closed';
  if (!mustConsent(settlement, party)) return 'consent_not_required';
  const isThere = isAgreed(settlement) || hasConsented(posting, settlement, party);
  return isThere ? 'already_consented' : 'consented';
}
