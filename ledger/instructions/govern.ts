/** `govern`: an authority asks for another set of validators. */
import type { PayloadOf } from '../../protocol/payload.js';
import type { Validator } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { namedOf, type Ordered, type Posting } from '../posting.js';
import { screen } from '../rights.js';
import { resolveAll } from '../settlement/waiting.js';
import type { State } from '../state.js';
import { CHANGE_OPEN_MS, isOver, isQuorumAmong, keepsVoteKey } from '../succession/change.js';

/** Opens a change without effect, or records why it cannot be one. */
export function govern(posting: Posting, ordered: Ordered, payload: PayloadOf<'govern'>): void {
  const { instruction } = ordered;
  const { state, at } = posting;
  if (screen(posting, at.time, ordered) !== null) return;
  // Its trigger may be late, and an end is judged by block time.
  const standing = state.openChange();
  if (standing !== null && isOver(posting, standing)) posting.endChange(standing, 'lapsed');
  const members = judge(posting, ordered, payload);
  if (members === 'authority_signature_missing') return;
  if (typeof members === 'string') {
    posting.conclude(instruction, members);
    resolveAll(posting, instruction.digest);
    return;
  }
  const displaced = state.openChange();
  if (displaced !== null) {
    posting.endChange(displaced, 'displaced');
    // One that this block opened may still be waited for.
    resolveAll(posting, displaced.digest);
  }
  const openUntil = (instruction.expiresMs + CHANGE_OPEN_MS) as typeof at.time;
  const change = {
    ...namedOf(instruction),
    members,
    consents: [],
    approved: false,
    ready: [],
    openUntil,
    until: posting.horizon(openUntil),
  };
  state.beginChange(change);
  posting.news = 'proposed';
  // Remembered at once, so that another payload under the same id later in this block finds it.
  posting.remember(change, 'proposed', change.until);
}

function judge(
  posting: Posting,
  ordered: Ordered,
  payload: PayloadOf<'govern'>,
): readonly Validator[] | ResultCode | 'authority_signature_missing' {
  const { state } = posting;
  if (state.participant(payload.initiator)?.authority !== true) return 'forbidden';
  const standing = state.openChange();
  if (standing?.approved === true) return 'change_pending';
  // What no quorum has approved gives way to what comes with the signatures of one: no authority keeps the others from a
  // change. A copy without them leaves no trace, or it would use up the id of the one that has them.
  if (standing !== null && !isQuorumAmong(posting, ordered.signed)) return 'authority_signature_missing';
  const members = payload.change.validators.map(
    ({ party, voteKey, networkKey }) => ({ party, voteKey, networkKey }) as Validator,
  );
  const current = state.members();
  if (members.length === current.length && members.every((member, at) => isSame(member, current[at])))
    return 'change_empty';
  const refusal = voteKeysRefusal(state, current, ordered, payload);
  if (refusal !== null) return refusal;
  return members.every(({ party, networkKey }) => state.nodes.get(networkKey) === party) ? members : 'unknown_key';
}

const isSame = (member: Validator, other: Validator | undefined): boolean =>
  member.party === other?.party && member.voteKey === other.voteKey && member.networkKey === other.networkKey;

/** A member keeps its vote key, or brings one that proves itself and never served for anything. */
function voteKeysRefusal(
  state: State,
  current: readonly Validator[],
  { instruction: { possessions }, possessed }: Ordered,
  { change: { validators } }: PayloadOf<'govern'>,
): ResultCode | null {
  const added = validators.filter((member) => !keepsVoteKey(current, member));
  const isProven =
    added.every(({ possession }) => possession !== undefined) &&
    possessions.every(({ kid }) => possessed.includes(kid));
  if (!isProven) return 'possession_unproven';
  const isTaken =
    added.some(({ voteKey }) => state.tables.voteKeys.get(voteKey) !== undefined) ||
    possessions.some(({ kid }) => state.key(kid) !== undefined);
  return isTaken ? 'key_taken' : null;
}
