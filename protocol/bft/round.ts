/** One view's votes and certificates. */
import {
  assert,
  type Ballot,
  type BlockId,
  type Certificate,
  type Root,
  type ValidatorIndex,
  type View,
  type Vote,
  type VoteKind,
} from '../types.js';

/** What consensus needs of a block: everything else in it is opaque here. */
export interface BlockRef {
  readonly id: BlockId;
  readonly view: View;
  readonly parent: BlockId;
  readonly parentView: View;
  readonly proposer: ValidatorIndex;
}

export interface Round {
  readonly view: View;
  /** The leader's first proposal. A second one is evidence, and never voted for. */
  proposal: BlockRef | null;
  verdict: 'none' | 'asked' | 'valid' | 'invalid';
  readonly votes: Record<VoteKind, Map<ValidatorIndex, Vote>>;
  notarization: Certificate | null;
  nullification: Certificate | null;
  finalization: Certificate | null;
  /** Signers of whom there is evidence in this view: once is enough. */
  readonly shown: Set<ValidatorIndex>;
  /** What this node has cast, set before the vote is signed and never unset. */
  readonly cast: { notarize: BlockId | null; nullify: boolean; finalize: { block: BlockId; root: Root } | null };
  /** Root of the notarized block as executed here. */
  applied: Root | null;
  /** Whether the leader (this node) has been asked to build. */
  building: boolean;
  /** Whether certificates that the proposal needs were asked for. */
  requested: boolean;
}

export function newRound(view: View): Round {
  return {
    view,
    proposal: null,
    verdict: 'none',
    votes: { notarize: new Map(), nullify: new Map(), finalize: new Map() },
    notarization: null,
    nullification: null,
    finalization: null,
    shown: new Set(),
    cast: { notarize: null, nullify: false, finalize: null },
    applied: null,
    building: false,
    requested: false,
  };
}

export const sameBallot = (a: Ballot, b: Ballot): boolean =>
  a.kind === b.kind && a.view === b.view && a.block === b.block && a.root === b.root;

/** Two votes of one signer in one view that no honest validator casts both of. */
function conflict(a: Vote, b: Vote): boolean {
  const kinds = new Set([a.ballot.kind, b.ballot.kind]);
  if (kinds.size === 1) return !sameBallot(a.ballot, b.ballot);
  return kinds.has('finalize') && kinds.has('nullify');
}

/**
 * Keeps a vote. The first of a signer and kind counts; a later one that differs never does.
 * Returns the earlier vote it contradicts, if any.
 */
export function addVote(round: Round, vote: Vote): { readonly added: boolean; readonly conflicts: Vote | null } {
  const { kind } = vote.ballot;
  const earlier = [...Object.values(round.votes)].flatMap((votes) => votes.get(vote.signer) ?? []);
  const conflicts = earlier.find((other) => conflict(other, vote)) ?? null;
  if (round.votes[kind].has(vote.signer)) return { added: false, conflicts };
  round.votes[kind].set(vote.signer, vote);
  return { added: true, conflicts };
}

/** The certificate that the votes of this ballot make, once a quorum has cast it: signers ascending. */
export function certify(round: Round, ballot: Ballot, quorum: number): Certificate | null {
  const signatures = [...round.votes[ballot.kind].values()]
    .filter((vote) => sameBallot(vote.ballot, ballot))
    .map(({ signer, signature }) => ({ signer, signature }))
    .sort((a, b) => a.signer - b.signer)
    .slice(0, quorum);
  return signatures.length === quorum ? { ballot, signatures } : null;
}

/** Keeps a certificate; false when the view already has one of its kind. */
export function addCertificate(round: Round, certificate: Certificate): boolean {
  const { kind } = certificate.ballot;
  if (kind === 'notarize') {
    if (round.notarization !== null) return false;
    round.notarization = certificate;
  } else if (kind === 'nullify') {
    if (round.nullification !== null) return false;
    round.nullification = certificate;
  } else {
    if (round.finalization !== null) return false;
    round.finalization = certificate;
  }
  return true;
}

/** The block that a quorum notarized (or finalized) in this view. */
export function notarizedBlock(round: Round): BlockId | null {
  const block = (round.notarization ?? round.finalization)?.ballot.block ?? null;
  if (round.notarization !== null && round.finalization !== null) {
    assert(round.notarization.ballot.block === round.finalization.ballot.block, 'one block is certified in a view');
  }
  return block;
}

/** Signers whose finalize vote names this block with another root than `root`. */
export function differingRoots(round: Round, block: BlockId, root: Root): number {
  let count = 0;
  for (const vote of round.votes.finalize.values()) {
    if (vote.ballot.block === block && vote.ballot.root !== root) count += 1;
  }
  return count;
}
