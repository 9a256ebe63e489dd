/** Who has consented to an open settlement, and what happens when another does. */
import type { Bic, InstructionDigest, Thumbprint } from '../../protocol/types.js';
import { isAgreed, type Settlement } from '../entries.js';
import type { Posting } from '../posting.js';
import { settleOrQueue } from '../queue/pass.js';
import { hasSigned, type Readings, signerOf } from '../rights.js';
import type { State } from '../state.js';
import { amend, judgeAmendment } from './amendment.js';
import { hasSuspended, judgeFunds, settle } from './bundle.js';
import { hold } from './lock.js';
import { mustConsent, outlineOf } from './outline.js';

/** The required parties whose consent is not there, in the order of the legs, as a sealed state has it. */
export const missingConsents = (state: State, settlement: Settlement): Bic[] =>
  isAgreed(settlement) ? [] : missing({ parent: state, state }, settlement);

/** Whether a further signature on the open settlement or change of a digest may add a consent; an unknown key's is told as unknown. */
export function mayAddConsent(state: State, digest: InstructionDigest, kid: Thumbprint): boolean {
  const change = state.openChange();
  if (change?.digest === digest) return !change.consents.includes(kid);
  const settlement = state.openSettlement(digest);
  if (settlement === undefined || isAgreed(settlement) || settlement.consents.includes(kid)) return false;
  const party = signerOf(state, kid);
  return party === undefined || mustConsent(settlement, party);
}

export const hasConsented = (readings: Readings, settlement: Settlement, party: string): boolean =>
  hasSigned(readings, party, settlement.consents);

/** Adds the keys among `signed` that belong to parties whose consent is required and which are not suspended. */
export function addConsents(posting: Posting, settlement: Settlement, signed: readonly Thumbprint[]): Settlement {
  const { state } = posting;
  const required = outlineOf(settlement).payers;
  const added = signed.filter((kid, at) => {
    const party = signerOf(state, kid);
    if (party === undefined || !required.includes(party)) return false;
    if (settlement.consents.includes(kid) || signed.indexOf(kid) !== at) return false;
    return state.participant(party)?.suspended === false;
  });
  if (added.length === 0) return settlement;
  // Keys revoked meanwhile go, so that the list stays within the keys that the required parties can have.
  const consents = [...settlement.consents.filter((kid) => state.key(kid)?.revoked === false), ...added];
  const next = { ...settlement, consents };
  posting.replace(next);
  return next;
}

/**
 * Settles, locks, or puts into the queue, if every required consent is there now. Consents are counted anew each time, so
 * those by a key revoked meanwhile are void, and a threshold holds as it then stands.
 */
export function settleIfBound(posting: Posting, settlement: Settlement): void {
  const { terms, lock, amends } = settlement;
  if (isAgreed(settlement) || missing(posting, settlement).length > 0) return;
  if (hasSuspended(posting.state, settlement)) {
    posting.end(settlement, 'party_suspended');
    return;
  }
  if (terms !== null) return settleOrQueue(posting, { ...settlement, terms });
  if (lock !== null) return hold(posting, { ...settlement, lock });
  const refusal = (amends && judgeAmendment(posting, amends)) ?? judgeFunds(posting.state, settlement);
  if (refusal !== null) {
    posting.end(settlement, refusal);
    return;
  }
  settle(posting, settlement);
  if (amends !== null) amend(posting, amends);
}

const missing = (readings: Readings, settlement: Settlement): Bic[] =>
  outlineOf(settlement).payers.filter((party) => !hasConsented(readings, settlement, party));
