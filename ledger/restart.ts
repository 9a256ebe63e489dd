/** The state with which a restarted epoch begins: that of the last block, with another set in charge (protocol/SPEC.md, The restart ceremony). */
import { fromHex } from '../protocol/codec.js';
import { ed25519Thumbprint } from '../protocol/instruction.js';
import type { Hash, Height, Validator, ValidatorSet } from '../protocol/types.js';
import type { State } from './state.js';
import { keepsVoteKey } from './succession/change.js';

/**
 * A key of the set that cannot have its role, or null: a vote key that was ever in a set and is not that member's in the
 * set before, or that is registered for anything; a network key that is registered for another party or purpose, or
 * revoked.
 */
export function takenKey(last: State, before: readonly Validator[], set: ValidatorSet): Hash | null {
  for (const member of set.validators) {
    const { party, voteKey, networkKey } = member;
    const isUsed = last.tables.voteKeys.get(voteKey) !== undefined || last.key(ed25519Thumbprint(fromHex(voteKey)));
    if (isUsed && !keepsVoteKey([...before, ...last.members()], member)) return voteKey;
    const node = last.key(ed25519Thumbprint(fromHex(networkKey)));
    if (node !== undefined && (node.party !== party || node.role !== 'node' || node.revoked)) return networkKey;
  }
  return null;
}

/** The state of the block that begins the epoch, sealed. Its members' network keys are registered where they are not. */
export function restartState(last: State, set: ValidatorSet, height: Height): State {
  const state = last.child();
  state.setValidators(set);
  for (const { party, networkKey } of set.validators) {
    const key = fromHex(networkKey);
    const kid = ed25519Thumbprint(key);
    if (state.key(kid) === undefined)
      state.registerKey(kid, { party, role: 'node', alg: 'Ed25519', key, revoked: false });
  }
  state.seal(height);
  return state;
}
