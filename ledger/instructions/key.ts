/** `key`: a party's keys, how many of them must sign, and its nodes' keys, changed by the party or, for lost keys, by its authority. */
import { toHex } from '../../protocol/codec.js';
import type { Possession } from '../../protocol/instruction.js';
import { KEYS_PER_PARTY_MAX } from '../../protocol/limits.js';
import type { PayloadOf } from '../../protocol/payload.js';
import { type Bic, type Thumbprint, unreachable } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import type { KeyRole, Participant } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { mayManage, screen } from '../rights.js';
import type { State } from '../state.js';

type KeyPayload = PayloadOf<'key'>;

export function key(posting: Posting, ordered: Ordered, payload: KeyPayload): void {
  const { instruction } = ordered;
  const { state, at } = posting;
  if (screen(posting, at.time, ordered) !== null) return;
  posting.conclude(instruction, judge(state, ordered, payload) ?? 'applied');
}

function judge(state: State, ordered: Ordered, payload: KeyPayload): ResultCode | null {
  const standing = state.participant(payload.party);
  if (standing === undefined) return 'unknown_party';
  // A suspended party may still put its keys out of use.
  if (payload.action !== 'revoke' && state.participant(payload.initiator)?.suspended === true) return 'party_suspended';
  if (!mayManage(state, payload.initiator, standing)) return 'forbidden';
  switch (payload.action) {
    case 'add':
      return add(state, standing, ordered);
    case 'node':
      return addNodes(state, standing, ordered);
    case 'revoke':
      return revoke(state, standing, payload.kid as Thumbprint);
    case 'threshold':
      if (payload.threshold > standing.kids.length) return 'threshold_out_of_reach';
      state.tables.participants.set(standing.party, { ...standing, threshold: payload.threshold });
      return null;
    default:
      return unreachable(payload);
  }
}

function add(state: State, standing: Participant, { instruction, possessed }: Ordered): ResultCode | null {
  const refusal = newKeysRefusal(state, instruction.possessions, possessed);
  if (refusal !== null) return refusal;
  if (standing.kids.length + instruction.possessions.length > KEYS_PER_PARTY_MAX) return 'too_many_keys';
  const added = registerKeys(state, standing.party, 'instruction', instruction.possessions);
  state.tables.participants.set(standing.party, { ...standing, kids: [...standing.kids, ...added] });
  return null;
}

/** Keys of nodes are none that sign for the party: neither its list of keys nor its threshold knows them. */
function addNodes(state: State, standing: Participant, { instruction, possessed }: Ordered): ResultCode | null {
  const refusal = newKeysRefusal(state, instruction.possessions, possessed);
  if (refusal !== null) return refusal;
  const count = state.counts.nodes.get(standing.party) ?? 0;
  if (count + instruction.possessions.length > KEYS_PER_PARTY_MAX) return 'too_many_keys';
  registerKeys(state, standing.party, 'node', instruction.possessions);
  return null;
}

function revoke(state: State, standing: Participant, kid: Thumbprint): ResultCode | null {
  const registered = state.key(kid);
  if (registered === undefined || registered.revoked || registered.party !== standing.party) return 'unknown_key';
  if (registered.role === 'node') {
    // Validators are put in and out by `govern` alone: who is in charge of a party's keys must not cut one off.
    const network = toHex(registered.key);
    if (state.members().some(({ networkKey }) => networkKey === network)) return 'key_in_use';
    state.revokeKey(kid, registered);
    return null;
  }
  if (standing.kids.length - 1 < standing.threshold) return 'threshold_out_of_reach';
  state.revokeKey(kid, registered);
  state.tables.participants.set(standing.party, { ...standing, kids: standing.kids.filter((other) => other !== kid) });
  return null;
}

/**
 * Why keys cannot be registered: `possession_unproven`, or `key_taken` by whoever had it first, revoked or not. A vote key
 * votes and does nothing else, from when a change names it.
 */
export function newKeysRefusal(
  state: State,
  keys: readonly Possession[],
  possessed: readonly Thumbprint[],
): ResultCode | null {
  if (keys.some(({ kid }) => !possessed.includes(kid))) return 'possession_unproven';
  return keys.some((key) => state.key(key.kid) !== undefined || isVoteKey(state, key)) ? 'key_taken' : null;
}

function isVoteKey(state: State, { alg, key: raw }: Possession): boolean {
  if (alg !== 'Ed25519') return false;
  const name = toHex(raw);
  if (state.tables.voteKeys.get(name) !== undefined) return true;
  return state.openChange()?.members.some(({ voteKey }) => voteKey === name) === true;
}

/** Registers keys, judged before, for a party; answers their thumbprints. */
export function registerKeys(state: State, party: Bic, role: KeyRole, keys: readonly Possession[]): Thumbprint[] {
  for (const { kid, alg, key: raw } of keys) state.registerKey(kid, { party, role, alg, key: raw, revoked: false });
  return keys.map(({ kid }) => kid);
}
