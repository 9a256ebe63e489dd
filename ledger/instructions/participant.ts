/** `participant`: a jurisdiction's authority admits, suspends, reinstates, and says who is a solver. */
import type { PayloadOf } from '../../protocol/payload.js';
import type { Bic, Jurisdiction } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import type { Ordered, Posting } from '../posting.js';
import { authorityFor, screen } from '../rights.js';
import type { State } from '../state.js';
import { newKeysRefusal, registerKeys } from './key.js';

type ParticipantPayload = PayloadOf<'participant'>;

export function participant(posting: Posting, ordered: Ordered, payload: ParticipantPayload): void {
  const { instruction } = ordered;
  const { state, at } = posting;
  if (screen(posting, at.time, ordered) !== null) return;
  const refusal =
    payload.action === 'admit'
      ? admit(state, ordered, payload)
      : payload.action === 'solver'
        ? setSolver(state, payload)
        : setSuspended(state, payload, payload.action === 'suspend');
  posting.conclude(instruction, refusal ?? 'applied');
}

function admit(
  state: State,
  { instruction, possessed }: Ordered,
  payload: Extract<ParticipantPayload, { action: 'admit' }>,
): ResultCode | null {
  const party = payload.party as Bic;
  if (state.authorityOf(payload.jurisdiction) !== payload.initiator) return 'forbidden';
  if (state.participant(party) !== undefined) return 'party_exists';
  const refusal = newKeysRefusal(state, instruction.possessions, possessed);
  if (refusal !== null) return refusal;
  if (payload.threshold > instruction.possessions.length) return 'threshold_out_of_reach';
  const { name, lei, threshold } = payload;
  const kids = registerKeys(state, party, 'instruction', instruction.possessions);
  state.tables.participants.set(party, {
    party,
    name,
    lei,
    jurisdiction: payload.jurisdiction as Jurisdiction,
    authority: false,
    suspended: false,
    solver: false,
    threshold,
    kids,
  });
  return null;
}

/** What is so already is not refused. An authority is not suspended: it could not be reinstated by its own jurisdiction. */
function setSuspended(
  state: State,
  payload: Extract<ParticipantPayload, { action: 'suspend' | 'reinstate' }>,
  suspended: boolean,
): ResultCode | null {
  const standing = state.participant(payload.party);
  if (standing === undefined) return 'unknown_party';
  if (standing.authority || authorityFor(state, standing) !== payload.initiator) return 'forbidden';
  state.tables.participants.set(standing.party, { ...standing, suspended });
  return null;
}

function setSolver(state: State, payload: Extract<ParticipantPayload, { action: 'solver' }>): ResultCode | null {
  const standing = state.participant(payload.party);
  if (standing === undefined) return 'unknown_party';
  if (authorityFor(state, standing) !== payload.initiator) return 'forbidden';
  state.tables.participants.set(standing.party, { ...standing, solver: payload.solver });
  return null;
}
