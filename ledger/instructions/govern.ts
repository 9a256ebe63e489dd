/** `govern`: an authority asks for another set of validators. */
import type { PayloadOf } from '../../protocol/payload.js';
import { quorum, type Validator } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { namedOf, type Ordered, type Posting } from '../posting.js';
import { hasSigned, isBegun, screen } from '../rights.js';
import { resolveAll } from '../settlement/waiting.js';
import type { State } from '../state.js';
import { CHANGE_OPEN_MS, isOver, keepsVoteKey } from '../succession/change.js';

/** Opens a change without effect, or records why it cannot be one. */
export function govern(posting: Posting, ordered: Ordered, payload: PayloadOf<'govern'>): void {
  const { instruction } = ordered;
  const { state, at } = posting;
  if (screen(posting, at.time, ordered) !== null) return;
  // Its trigger may be late, and an end is judged by block time.
  const standing = state.openChange();
  if (standing !== null && isOver(posting, standing)) posting.endChange(standing, 'lapsed');
  const members = isBegun(at.time, instruction) ? judge(posting, ordered, payload) : 'not_yet_valid';
  if (typeof members === 'string') {
    posting.conclude(instruction, members);
    resolveAll(posting, instruction.digest);
    return;
  }
  const displaced = state.openChange();
  if (displaced !== null) posting.endChange(displaced, 'displaced');
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

function judge(posting: Posting, ordered: Ordered, payload: PayloadOf<'govern'>): readonly Validator[] | ResultCode {
  const { state } = posting;
  if (state.participant(payload.initiator)?.authority !== true) return 'forbidden';
  if (!givesWay(posting, ordered)) return 'change_pending';
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

/** What a quorum has not approved gives way to what comes with a quorum's signatures, or one authority could keep all others from a change. */
function givesWay(posting: Posting, { signed }: Ordered): boolean {
  const { state } = posting;
  const standing = state.openChange();
  if (standing === null) return true;
  const authorities = state.authorities();
  const signing = authorities.filter((party) => hasSigned(posting, party, signed));
  return !standing.approved && signing.length >= quorum(authorities.length);
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
