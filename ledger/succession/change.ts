/** The open change of validators: who may speak to it, when it is approved, and its execution (SPEC, Change of validators). */
import { validatorSet } from '../../protocol/block.js';
import {
  type Bic,
  type Epoch,
  type InstructionDigest,
  quorum,
  type Thumbprint,
  type Validator,
  type ValidatorIndex,
} from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import type { Change } from '../entries.js';
import { HOUR_MS } from '../memory.js';
import type { Ordered, Posting } from '../posting.js';
import { hasSigned, type Readings, signerOf } from '../rights.js';
import { resolve, resolveAll, stale, waitingFor } from '../settlement/waiting.js';
import type { State } from '../state.js';

/** How long past its `expires` a change stays open: the time to bring new nodes up. */
export const CHANGE_OPEN_MS = 7 * 24 * HOUR_MS;

export const isOver = ({ at }: Posting, { openUntil }: Change): boolean => at.time > openUntil;

/** Whether a member has the vote key that the set in charge lists for it. */
export const keepsVoteKey = (
  current: readonly Validator[],
  { party, voteKey }: { readonly party: string; readonly voteKey: string },
): boolean => current.some((member) => member.party === party && member.voteKey === voteKey);

/** Takes an authority's consent; refuses with `settlement_closed`, `consent_not_required` or `already_consented`. */
export function consentToChange(posting: Posting, change: Change, { instruction, signed }: Ordered): ResultCode {
  const code = judgeConsent(posting, change, instruction.payload.initiator);
  if (code === 'consented') addAuthorities(posting, change.digest, signed);
  return code;
}

function judgeConsent(posting: Posting, change: Change, party: string): ResultCode {
  if (isOver(posting, change)) return 'settlement_closed';
  if (posting.state.participant(party)?.authority !== true) return 'consent_not_required';
  return hasSigned(posting, party, change.consents) ? 'already_consented' : 'consented';
}

/** `withdrawn` for who asked for the change, while it is open. */
export function judgeWithdrawal(posting: Posting, change: Change, party: string): ResultCode {
  if (isOver(posting, change)) return 'settlement_closed';
  return party === change.initiator ? 'withdrawn' : 'not_a_party';
}

/** Adds the keys of authorities among `signed` to the open change of that digest, if it is open. */
export function addAuthorities(posting: Posting, digest: InstructionDigest, signed: readonly Thumbprint[]): void {
  const { state } = posting;
  const change = posting.change(digest);
  if (change === undefined || isOver(posting, change)) return;
  const added = signed.filter((kid, at) => {
    const party = signerOf(state, kid);
    if (party === undefined || change.consents.includes(kid) || signed.indexOf(kid) !== at) return false;
    return state.participant(party)?.authority === true;
  });
  if (added.length === 0) return;
  // Keys revoked meanwhile go, so that the list stays within the keys that all authorities can have.
  const consents = [...change.consents.filter((kid) => signerOf(state, kid) !== undefined), ...added];
  state.tables.changes.set('', { ...change, consents });
}

/** Heeds what waited for the change that this block opened, of one kind. */
export function waitedForChange(posting: Posting, kind: 'consent' | 'withdraw'): void {
  if (posting.news !== 'proposed') return;
  const { digest } = posting.state.openChange() as Change;
  for (const item of waitingFor(posting, digest, kind)) {
    const change = posting.change(digest);
    const code = stale(posting, item) ?? judgeWaited(posting, change, item.initiator, kind);
    if (code === 'consented') addAuthorities(posting, digest, item.kids);
    resolve(posting, digest, item, code);
    if (code === 'withdrawn' && change !== undefined) posting.endChange(change, 'withdrawn');
  }
  if (posting.change(digest) === undefined) resolveAll(posting, digest);
}

function judgeWaited(
  posting: Posting,
  change: Change | undefined,
  party: Bic,
  kind: 'consent' | 'withdraw',
): ResultCode {
  if (change === undefined) return 'settlement_closed';
  return kind === 'consent' ? judgeConsent(posting, change, party) : judgeWithdrawal(posting, change, party);
}

/** Approves the open change once a quorum of the authorities has consented. It stays approved, whatever is revoked later. */
export function approve(posting: Posting): void {
  const { state } = posting;
  const change = state.openChange();
  if (change === null || change.approved || isOver(posting, change)) return;
  if (!isQuorumAmong(posting, change.consents)) return;
  state.tables.changes.set('', { ...change, approved: true });
  posting.news = 'approved';
}

/** Whether a quorum of the authorities has signed with these keys. */
export function isQuorumAmong(readings: Readings, kids: readonly Thumbprint[]): boolean {
  const authorities = readings.state.authorities();
  return authorities.filter((party) => hasSigned(readings, party, kids)).length >= quorum(authorities.length);
}

/** Executes the change if nothing more is needed, or gives the receipt of what the block made of it. */
export function concludeChange(posting: Posting): void {
  const { state, news } = posting;
  const change = state.openChange();
  if (change === null) return;
  if (isOver(posting, change) || !isExecutable(state, change)) {
    if (news !== null) posting.record(change, news, change.until);
    return;
  }
  const epoch = (state.validators.epoch + 1) as Epoch;
  state.setValidators(validatorSet(epoch, change.members));
  posting.endChange(change, 'applied');
}

/**
 * Whether a quorum of the next set is ready, each member with a new vote key among it, and no node that it names has been
 * put out of use: a set must not begin with members that cannot reach each other or have never shown themselves.
 */
function isExecutable(state: State, { members, approved, ready }: Change): boolean {
  if (!approved || ready.length < quorum(members.length)) return false;
  const current = state.members();
  return members.every(
    (member, index) =>
      state.nodes.get(member.networkKey) === member.party &&
      (keepsVoteKey(current, member) || ready.includes(index as ValidatorIndex)),
  );
}
