/** Who has signed, and what is not even recorded. */
import type { Payload, PayloadOf } from '../protocol/payload.js';
import type { Bic, Thumbprint, TimestampMs, Uetr } from '../protocol/types.js';
import type { SilentCode } from './codes.js';
import type { Participant } from './entries.js';
import type { IdRecord } from './memory.js';
import type { Ordered, Posting } from './posting.js';
import type { State } from './state.js';

/**
 * Whether a party has signed: as many distinct keys of it as its threshold. Which keys and which threshold are the
 * parent's, less what this block has revoked: a key counts from the block after the one that registers it.
 */
export function hasSigned({ parent, state }: Readings, party: string, signed: readonly Thumbprint[]): boolean {
  const threshold = parent.participant(party)?.threshold;
  if (threshold === undefined) return false;
  let count = 0;
  for (let at = 0; at < signed.length; at++) {
    const kid = signed[at] as Thumbprint;
    if (signerOf(state, kid) === party && signed.indexOf(kid) === at) count++;
  }
  return count >= threshold;
}

/** The party that a key may sign for: none if it is a node's or revoked, for a node key never speaks for its party. */
export function signerOf(state: State, kid: Thumbprint): Bic | undefined {
  const key = state.key(kid);
  return key === undefined || key.revoked || key.role !== 'instruction' ? undefined : key.party;
}

/** Whether a key's signature counts for an instruction's initiator: on `ready` its node's, on all else its own. */
export function countsForInitiator(
  state: State,
  { kind, initiator }: Pick<Payload, 'kind' | 'initiator'>,
  kid: Thumbprint,
): boolean {
  if (kind !== 'ready') return signerOf(state, kid) === initiator;
  const key = state.key(kid);
  return key !== undefined && key.role === 'node' && !key.revoked && key.party === initiator;
}

/**
 * The record that stands in the way of a payload under its initiator's id, or undefined. A `ready` stands in nobody's way
 * but another's, or who holds a node key could use up the ids of its bank's payments.
 */
export function recordAgainst(
  state: Pick<State, 'record'>,
  time: TimestampMs,
  { kind, initiator, id }: Pick<Payload, 'kind' | 'initiator' | 'id'>,
): IdRecord | undefined {
  const record = state.record(initiator as Bic, id as Uetr);
  if (record === undefined || time > record.until) return undefined;
  return record.kind === 'ready' && kind !== 'ready' ? undefined : record;
}

/** The states that a right is judged by: `parent` for thresholds, `state` for what has been revoked since. */
export type Readings = Pick<Posting, 'parent' | 'state'>;

/** The authority under which a party stands. */
export const authorityFor = (state: State, party: Participant): Bic | undefined =>
  state.authorityOf(party.jurisdiction);

/** Whether `initiator` may act on `party`'s keys: the party itself, or its jurisdiction's authority (for lost keys). */
export const mayManage = (state: State, initiator: string, party: Participant): boolean =>
  initiator === party.party || initiator === authorityFor(state, party);

/**
 * Why an ordered instruction would leave no trace, or null when it is to be judged and recorded. `repeat` is a payload
 * that is recorded already: of it only further signatures on an open settlement count.
 */
export function screen(
  readings: Readings,
  time: TimestampMs,
  { instruction, signed }: Pick<Ordered, 'instruction' | 'signed'>,
): SilentCode | null {
  const { payload } = instruction;
  const { parent, state } = readings;
  if (payload.network !== parent.parameters.network) return 'wrong_network';
  const record = recordAgainst(state, time, payload);
  if (record !== undefined) return record.digest === instruction.digest ? 'repeat' : 'duplicate_id';
  if (time > instruction.expiresMs) return 'expired';
  if (time < instruction.issuedMs) return 'not_yet_valid';
  const isSigned =
    payload.kind === 'ready'
      ? signed.some((kid) => countsForInitiator(state, payload, kid))
      : hasSigned(readings, payload.initiator, signed);
  if (!isSigned) return 'initiator_signature_missing';
  if (payload.kind === 'asset' && needsAuthority(state, payload) && !authoritySigned(readings, payload, signed))
    return 'authority_signature_missing';
  return null;
}

/** Whether an instruction defines an asset that its issuer's signature alone cannot define. */
function needsAuthority(state: State, payload: PayloadOf<'asset'>): boolean {
  const authority = state.authorityOf(payload.jurisdiction);
  return state.asset(payload.asset) === undefined && authority !== undefined && authority !== payload.initiator;
}

// Not recorded when it is missing, so that who strips a signature on the way cannot use up the id.
function authoritySigned(readings: Readings, payload: PayloadOf<'asset'>, signed: Ordered['signed']): boolean {
  const authority = readings.state.authorityOf(payload.jurisdiction);
  return authority !== undefined && hasSigned(readings, authority, signed);
}
