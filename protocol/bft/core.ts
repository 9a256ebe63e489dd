/**
 * Simplex (Chan and Pass, ePrint 2023/463) with results certified, as protocol/SPEC.md states it.
 *
 *     effects = step(core, input, now)
 *
 * A synchronous function of its arguments: the state is changed in place, and what the world must do is returned in
 * order. The replica persists what the effects say before it performs any of them.
 *
 * - notarize(v, b): the leader's first proposal in v, when its parent is notarized in its stated view, skipped views
 *   are nullified, and the replica finds its content valid and held. One block only in a view; never after nullify(v).
 * - nullify(v): on a time-out or an invalid proposal. Allowed after notarize(v), never after finalize(v).
 * - notarization(v) or nullification(v): forward, enter v + 1.
 * - finalize(v, b, root): after notarization(v), unless nullify(v) was cast.
 */
import { VIEWS_AHEAD_MAX } from '../limits.js';
import {
  type Ballot,
  type BlockId,
  type Certificate,
  faultsMax,
  quorum,
  type Root,
  unreachable,
  type ValidatorIndex,
  type View,
  type Vote,
} from '../types.js';
import * as pace from './pacemaker.js';
import {
  addCertificate,
  addVote,
  type BlockRef,
  certify,
  differingRoots,
  newRound,
  notarizedBlock,
  type Round,
  sameBallot,
} from './round.js';

export { type BlockRef, sameBallot } from './round.js';

export const areSameVote = (a: Vote, b: Vote): boolean => a.signer === b.signer && sameBallot(a.ballot, b.ballot);

export interface CoreConfig extends pace.PacemakerConfig {
  readonly n: number;
  /** This node's place in the set; null follows without a vote. */
  readonly self: ValidatorIndex | null;
}

/** Everything in it has passed its signature check. */
export type Input =
  /** A block with its leader's notarize vote, which stands for the leader's signature. */
  | { readonly type: 'proposal'; readonly block: BlockRef; readonly vote: Vote }
  | { readonly type: 'vote'; readonly vote: Vote }
  | { readonly type: 'certificate'; readonly certificate: Certificate }
  /** The replica's answer to `validate`. It may come late, or never: then the view times out. */
  | { readonly type: 'validated'; readonly view: View; readonly block: BlockId; readonly valid: boolean }
  /** The replica's answer to `apply`: the block is executed on its branch. */
  | { readonly type: 'applied'; readonly view: View; readonly block: BlockId; readonly root: Root }
  /** The replica's answer to `build`. */
  | { readonly type: 'built'; readonly block: BlockRef }
  /** Whether there are unordered batches or due triggers. */
  | { readonly type: 'work'; readonly has: boolean }
  | { readonly type: 'tick' };

export type Effect =
  /** Persist and sync, then sign and send to all; the signed vote comes back as input. */
  | { readonly type: 'cast'; readonly ballot: Ballot }
  | { readonly type: 'build'; readonly view: View; readonly parent: BlockId; readonly parentView: View }
  | { readonly type: 'validate'; readonly block: BlockRef }
  | { readonly type: 'apply'; readonly view: View; readonly block: BlockId }
  /** A certificate new to this node: persist, and forward to all. */
  | { readonly type: 'certified'; readonly certificate: Certificate }
  /** The certified block and its ancestors are final. */
  | { readonly type: 'finalized'; readonly certificate: Certificate }
  /** Send own votes of the current view again, with the certificates that led here. */
  | {
      readonly type: 'repeat';
      readonly view: View;
      readonly votes: readonly Vote[];
      readonly certificates: readonly Certificate[];
    }
  /** Certificates for a peer that votes in a view that is over. */
  | { readonly type: 'answer'; readonly to: ValidatorIndex; readonly certificates: readonly Certificate[] }
  /** Ask a peer (null: all) for the certificates of views from..until, which a proposal builds on. */
  | { readonly type: 'request'; readonly to: ValidatorIndex | null; readonly from: View; readonly until: View }
  | { readonly type: 'evidence'; readonly first: Vote; readonly second: Vote }
  | { readonly type: 'halt'; readonly reason: 'state_divergence'; readonly detail: string };

export interface Core {
  readonly config: CoreConfig;
  view: View;
  /** The last final block: nothing before its view matters any more. */
  final: { view: View; block: BlockId; root: Root; certificate: Certificate | null };
  readonly rounds: Map<View, Round>;
  readonly pacemaker: pace.Pacemaker;
  work: boolean;
  /** When each lagging peer was last answered: once in 2Δ is enough. */
  readonly answered: Map<ValidatorIndex, number>;
}

/** What a restart gives back: the last final block, this node's own votes after it, and the certificates it had. */
export interface Restored {
  readonly final: Core['final'];
  readonly votes: readonly Vote[];
  readonly certificates: readonly Certificate[];
}

export function newCore(config: CoreConfig, restored: Restored): Core {
  const core: Core = {
    config,
    view: (restored.final.view + 1) as View,
    final: restored.final,
    rounds: new Map(),
    pacemaker: pace.newPacemaker(config.n),
    work: false,
    answered: new Map(),
  };
  for (const certificate of restored.certificates) {
    const { view } = certificate.ballot;
    if (view <= core.final.view) continue;
    addCertificate(roundOf(core, view), certificate);
    if (view >= core.view) core.view = (view + 1) as View;
  }
  for (const vote of restored.votes) {
    const { ballot } = vote;
    if (ballot.view <= core.final.view) continue;
    const round = roundOf(core, ballot.view);
    addVote(round, vote);
    if (ballot.kind === 'notarize') round.cast.notarize = ballot.block;
    else if (ballot.kind === 'nullify') round.cast.nullify = true;
    else round.cast.finalize = { block: ballot.block, root: ballot.root };
    if (ballot.view > core.view) core.view = ballot.view;
  }
  return core;
}

/** What to do first after a restart: notarized blocks are executed again, and voted final where that was still to come. */
export const resume = (core: Core): Effect[] =>
  roundsAscending(core).flatMap((round): Effect[] => {
    const block = round.notarization?.ballot.block ?? null;
    return block === null ? [] : [{ type: 'apply', view: round.view, block }];
  });

export const leaderOf = (view: View, n: number): ValidatorIndex => (view % n) as ValidatorIndex;

/** When `step` wants a tick next, or null while nothing is under way. */
export const deadline = (core: Core): number | null => pace.nextDeadline(core.pacemaker);

/** Own votes after the last final block: sent to all after a restart, so that certificates lost with memory form again. */
export function ownVotes(core: Core): Vote[] {
  const { self } = core.config;
  if (self === null) return [];
  return roundsAscending(core).flatMap(({ votes }) =>
    [votes.notarize, votes.nullify, votes.finalize].flatMap((byKind) => byKind.get(self) ?? []),
  );
}

/** The certificates of views from..until, and the last finalization: what a peer that is behind needs. */
export function certificatesBetween(core: Core, from: View, until: View, most: number): Certificate[] {
  const found = core.final.certificate === null ? [] : [core.final.certificate];
  for (const round of roundsAscending(core)) {
    if (round.view < from || round.view > until) continue;
    for (const certificate of [round.notarization, round.nullification]) {
      if (certificate !== null && found.length < most) found.push(certificate);
    }
  }
  return found;
}

export function step(core: Core, input: Input, now: number): Effect[] {
  const effects: Effect[] = [];
  switch (input.type) {
    case 'proposal':
      onProposal(core, input.block, input.vote, effects);
      break;
    case 'vote':
      onVote(core, input.vote, now, effects);
      break;
    case 'certificate':
      onCertificate(core, input.certificate, effects);
      break;
    case 'validated':
      onValidated(core, input, effects);
      break;
    case 'applied':
      onApplied(core, input, effects);
      break;
    case 'built':
      onBuilt(core, input.block, effects);
      break;
    case 'work':
      core.work = input.has;
      break;
    case 'tick':
      break;
    default:
      return unreachable(input);
  }
  advance(core, now, effects);
  return effects;
}

/** What holds whatever the input was: timers run while there is work, and a leader with work proposes. */
function advance(core: Core, now: number, effects: Effect[]): void {
  const round = roundOf(core, core.view);
  considerProposal(core, round, effects);
  if (!hasWork(core, round)) {
    pace.stop(core.pacemaker);
    return;
  }
  const urgent = isUrgent(core, round);
  if (!pace.running(core.pacemaker)) {
    const leader = leaderOf(core.view, core.config.n);
    const silent = leader !== core.config.self && pace.silent(core.pacemaker, leader, core.view, quorum(core.config.n));
    pace.start(core.pacemaker, core.config, now, { silent, urgent });
  } else if (urgent && core.pacemaker.proposeAt !== null) {
    core.pacemaker.proposeAt = Math.min(core.pacemaker.proposeAt, now);
  }
  propose(core, round, now, effects);
  timeOut(core, round, now, effects);
}

const isUrgent = (core: Core, round: Round): boolean =>
  core.work || round.votes.nullify.size > faultsMax(core.config.n);

/** What is due (batches, triggers, the heartbeat); nullifies from f + 1; a notarized block that is not yet final. */
const hasWork = (core: Core, round: Round): boolean =>
  isUrgent(core, round) || highestNotarized(core).view > core.final.view;

function propose(core: Core, round: Round, now: number, effects: Effect[]): void {
  const { self, n } = core.config;
  const { proposeAt } = core.pacemaker;
  if (proposeAt === null || now < proposeAt) return;
  core.pacemaker.proposeAt = null;
  if (self === null || leaderOf(round.view, n) !== self) return;
  if (round.building || round.cast.nullify || round.cast.notarize !== null) return;
  const parent = highestNotarized(core);
  const missing = missingNullification(core, parent.view, round.view);
  if (missing !== null) {
    core.pacemaker.proposeAt = now + pace.delta(core.pacemaker, core.config);
    effects.push({ type: 'request', to: null, from: missing, until: (round.view - 1) as View });
    return;
  }
  round.building = true;
  effects.push({ type: 'build', view: round.view, parent: parent.block, parentView: parent.view });
}

function onBuilt(core: Core, block: BlockRef, effects: Effect[]): void {
  const round = core.rounds.get(block.view);
  if (block.view !== core.view || round === undefined || round.cast.notarize !== null || round.cast.nullify) return;
  if (round.proposal !== null) return;
  round.proposal = block;
  round.verdict = 'valid';
  core.pacemaker.leaderAt = null;
  castNotarize(core, round, block.id, effects);
}

function onProposal(core: Core, block: BlockRef, vote: Vote, effects: Effect[]): void {
  const leader = leaderOf(block.view, core.config.n);
  const fits = vote.ballot.kind === 'notarize' && vote.ballot.block === block.id && vote.ballot.view === block.view;
  if (!fits || vote.signer !== leader || block.proposer !== leader || !isKept(core, block.view)) return;
  const round = roundOf(core, block.view);
  if (round.proposal === null && leader !== core.config.self) round.proposal = block;
  pace.hear(core.pacemaker, leader, block.view);
  recordVote(core, round, vote, effects);
}

/** Asks the replica about the proposal of the current view, once all it stands on is certified here. */
function considerProposal(core: Core, round: Round, effects: Effect[]): void {
  const { proposal } = round;
  if (proposal === null || round.verdict !== 'none' || round.cast.notarize !== null || round.cast.nullify) return;
  if (proposal.parentView >= proposal.view || proposal.parentView < core.final.view) {
    round.verdict = 'invalid';
    castNullify(core, round, effects);
    return;
  }
  const parent = notarizedIn(core, proposal.parentView);
  const missing = missingNullification(core, proposal.parentView, proposal.view);
  if (parent === null || missing !== null) {
    if (!round.requested && core.config.self !== null) {
      round.requested = true;
      effects.push({
        type: 'request',
        to: proposal.proposer,
        from: parent === null ? proposal.parentView : (missing as View),
        until: (proposal.view - 1) as View,
      });
    }
    return;
  }
  if (parent !== proposal.parent) {
    round.verdict = 'invalid';
    castNullify(core, round, effects);
    return;
  }
  round.verdict = 'asked';
  effects.push({ type: 'validate', block: proposal });
}

function onValidated(core: Core, input: { view: View; block: BlockId; valid: boolean }, effects: Effect[]): void {
  const round = core.rounds.get(input.view);
  if (round === undefined || round.proposal?.id !== input.block || round.verdict !== 'asked') return;
  round.verdict = input.valid ? 'valid' : 'invalid';
  if (input.view !== core.view) return;
  if (!input.valid) {
    castNullify(core, round, effects);
    return;
  }
  core.pacemaker.leaderAt = null;
  castNotarize(core, round, input.block, effects);
}

function onVote(core: Core, vote: Vote, now: number, effects: Effect[]): void {
  const { view } = vote.ballot;
  pace.hear(core.pacemaker, vote.signer, view);
  if (vote.ballot.kind === 'nullify' && isBehind(core, view)) answer(core, vote.signer, now, effects);
  if (!isKept(core, view)) return;
  const round = roundOf(core, view);
  recordVote(core, round, vote, effects);
  const certificate = certify(round, vote.ballot, quorum(core.config.n));
  if (certificate !== null) onCertificate(core, certificate, effects);
  else if (vote.ballot.kind === 'finalize') checkDivergence(core, round, effects);
}

/** Who gives up on a view that is over, or on the current one while this node has nothing to do, has missed something. */
const isBehind = (core: Core, view: View): boolean =>
  view < core.view || (view === core.view && !hasWork(core, roundOf(core, view)));

function recordVote(core: Core, round: Round, vote: Vote, effects: Effect[]): void {
  const { conflicts } = addVote(round, vote);
  if (conflicts !== null && vote.signer !== core.config.self && !round.shown.has(vote.signer)) {
    round.shown.add(vote.signer);
    effects.push({ type: 'evidence', first: conflicts, second: vote });
  }
}

function onCertificate(core: Core, certificate: Certificate, effects: Effect[]): void {
  const { ballot } = certificate;
  if (ballot.view <= core.final.view) return;
  const round = roundOf(core, ballot.view);
  if (!addCertificate(round, certificate)) return;
  for (const { signer } of certificate.signatures) pace.hear(core.pacemaker, signer, ballot.view);
  effects.push({ type: 'certified', certificate });
  if (ballot.kind === 'finalize') {
    if (round.applied !== null && round.applied !== ballot.root) {
      effects.push(divergence(round, `a quorum finalized ${ballot.root}`));
      return;
    }
    onFinal(core, certificate, effects);
  } else if (ballot.kind === 'notarize') {
    effects.push({ type: 'apply', view: ballot.view, block: ballot.block });
  }
  if (ballot.view >= core.view) enter(core, (ballot.view + 1) as View);
}

function onFinal(core: Core, certificate: Certificate, effects: Effect[]): void {
  const { ballot } = certificate;
  if (ballot.kind !== 'finalize') return;
  core.final = { view: ballot.view, block: ballot.block, root: ballot.root, certificate };
  for (const view of [...core.rounds.keys()]) {
    if (view <= ballot.view) core.rounds.delete(view);
  }
  pace.onFinalization(core.pacemaker);
  effects.push({ type: 'finalized', certificate });
}

function enter(core: Core, view: View): void {
  core.view = view;
  // Whether there is work is judged anew on the block that the next leader builds on, or each would propose an empty one.
  core.work = false;
  pace.onEnter(core.pacemaker, core.config, view, core.final.view);
}

/** The notarized block is executed here: say so, unless this node had already given up on the view. */
function onApplied(core: Core, input: { view: View; block: BlockId; root: Root }, effects: Effect[]): void {
  const round = core.rounds.get(input.view);
  if (round === undefined || notarizedBlock(round) !== input.block || round.applied !== null) return;
  round.applied = input.root;
  if (checkDivergence(core, round, effects)) return;
  if (core.config.self === null || round.cast.nullify || round.cast.finalize !== null) return;
  round.cast.finalize = { block: input.block, root: input.root };
  effects.push({ type: 'cast', ballot: { kind: 'finalize', view: input.view, block: input.block, root: input.root } });
}

/** f + 1 other roots hold an honest one among them: this node and an honest one executed the same block differently. */
function checkDivergence(core: Core, round: Round, effects: Effect[]): boolean {
  const block = notarizedBlock(round);
  if (round.applied === null || block === null) return false;
  const differing = differingRoots(round, block, round.applied);
  if (differing <= faultsMax(core.config.n)) return false;
  effects.push(divergence(round, `${differing} validators found other roots`));
  return true;
}

const divergence = (round: Round, detail: string): Effect => ({
  type: 'halt',
  reason: 'state_divergence',
  detail: `in view ${round.view} this node found root ${round.applied}; ${detail}`,
});

function timeOut(core: Core, round: Round, now: number, effects: Effect[]): void {
  const { pacemaker } = core;
  const late = (at: number | null): boolean => at !== null && now >= at;
  if (late(pacemaker.leaderAt) || late(pacemaker.viewAt)) {
    if (late(pacemaker.leaderAt)) pacemaker.leaderAt = null;
    if (late(pacemaker.viewAt)) pacemaker.viewAt = null;
    castNullify(core, round, effects);
    pacemaker.repeatAt ??= now + 2 * pace.delta(pacemaker, core.config);
  }
  if (late(pacemaker.repeatAt)) {
    pacemaker.repeatAt = now + 2 * pace.delta(pacemaker, core.config);
    castNullify(core, round, effects);
    round.requested = false;
    effects.push({ type: 'repeat', view: core.view, votes: ownVotesIn(core, round), certificates: entering(core) });
  }
}

function ownVotesIn(core: Core, round: Round): Vote[] {
  const { self } = core.config;
  if (self === null) return [];
  return [round.votes.notarize, round.votes.nullify, round.votes.finalize].flatMap((votes) => votes.get(self) ?? []);
}

function castNotarize(core: Core, round: Round, block: BlockId, effects: Effect[]): void {
  if (core.config.self === null || round.cast.notarize !== null || round.cast.nullify) return;
  round.cast.notarize = block;
  effects.push({ type: 'cast', ballot: { kind: 'notarize', view: round.view, block, root: null } });
}

function castNullify(core: Core, round: Round, effects: Effect[]): void {
  if (core.config.self === null || round.cast.nullify || round.cast.finalize !== null) return;
  round.cast.nullify = true;
  effects.push({ type: 'cast', ballot: { kind: 'nullify', view: round.view, block: null, root: null } });
}

function answer(core: Core, to: ValidatorIndex, now: number, effects: Effect[]): void {
  const lastMs = core.answered.get(to);
  const pauseMs = 2 * pace.delta(core.pacemaker, core.config);
  if (to === core.config.self || (lastMs !== undefined && now - lastMs < pauseMs)) return;
  const certificates = entering(core);
  if (certificates.length === 0) return;
  core.answered.set(to, now);
  effects.push({ type: 'answer', to, certificates });
}

/** The certificates that lead to the current view: the last finalization, the highest notarization, what ended the view before. */
function entering(core: Core): Certificate[] {
  const highest = core.rounds.get(highestNotarized(core).view)?.notarization ?? null;
  const before = core.rounds.get((core.view - 1) as View);
  const all = [core.final.certificate, highest, before?.nullification ?? null, before?.notarization ?? null];
  return [...new Set(all.filter((certificate) => certificate !== null))];
}

function highestNotarized(core: Core): { view: View; block: BlockId } {
  let highest: { view: View; block: BlockId } = core.final;
  for (const round of core.rounds.values()) {
    if (round.view <= highest.view || round.view >= core.view) continue;
    const block = notarizedBlock(round);
    if (block !== null) highest = { view: round.view, block };
  }
  return highest;
}

function notarizedIn(core: Core, view: View): BlockId | null {
  if (view === core.final.view) return core.final.block;
  const round = core.rounds.get(view);
  return round === undefined ? null : notarizedBlock(round);
}

/** The first view strictly between the two that is not known to be nullified. */
function missingNullification(core: Core, parentView: View, view: View): View | null {
  for (let between = parentView + 1; between < view; between++) {
    if ((core.rounds.get(between as View)?.nullification ?? null) === null) return between as View;
  }
  return null;
}

const isKept = (core: Core, view: View): boolean => view > core.final.view && view <= core.view + VIEWS_AHEAD_MAX;

function roundOf(core: Core, view: View): Round {
  const known = core.rounds.get(view);
  if (known !== undefined) return known;
  const round = newRound(view);
  core.rounds.set(view, round);
  return round;
}

const roundsAscending = (core: Core): Round[] => [...core.rounds.values()].sort((a, b) => a.view - b.view);
