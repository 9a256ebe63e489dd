/** Who has consented to an open settlement, and what happens when another does. */
import type { Bic, Thumbprint } from '../../protocol/types.js';
import type { Settlement } from '../entries.js';
import type { Posting } from '../posting.js';
import { hasSigned, type Readings, signerOf } from '../rights.js';
import type { State } from '../state.js';
import { requiredParties, settle } from './bundle.js';

/** The required parties whose consent is not there, in the order of the legs, as a sealed state has it. */
export const missingConsents = (state: State, settlement: Settlement): Bic[] =>
  missing({ parent: state, state }, settlement);

export const hasConsented = (readings: Readings, settlement: Settlement, party: string): boolean =>
  hasSigned(readings, party, settlement.consents);

/** Adds the keys among `signed` that belong to parties whose consent is required and which are not suspended. */
export function addConsents(posting: Posting, settlement: Settlement, signed: readonly Thumbprint[]): Settlement {
  const { state } = posting;
  const required = requiredParties(settlement.legs);
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
 * Settles if every required consent is there now. Consents are counted anew each time, so those by a key revoked
 * meanwhile are void, and a threshold holds as it then stands.
 */
export function settleIfBound(posting: Posting, settlement: Settlement): void {
  if (missing(posting, settlement).length === 0) settle(posting, settlement);
}

const missing = (readings: Readings, settlement: Settlement): Bic[] =>
  requiredParties(settlement.legs).filter((party) => !hasConsented(readings, settlement, party));
