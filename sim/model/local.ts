/** One honest node of the model: a production core, what its key ever signed, and the inputs that may come next. */

import type * as production from '../../protocol/bft/core.js';
import type { BlockRef, Core, Effect, Input, Restored } from '../../protocol/bft/core.js';
import type { Round } from '../../protocol/bft/round.js';
import type { Certificate as BftCertificate } from '../../protocol/types.js';
import {
  assert,
  type Ballot,
  type BlockId,
  type Root,
  type TimestampMs,
  unreachable,
  type ValidatorIndex,
  type View,
  type Vote,
} from '../../protocol/types.js';

/** The rules under check: production's, or a copy of them with one rule broken. */
export type Rules = Pick<typeof production, 'newCore' | 'step' | 'leaderOf' | 'certificatesBetween' | 'deadline'>;

export const N = 4;
export const GENESIS = 'genesis' as BlockId;
const GENESIS_ROOT = 'root of genesis' as Root;
const DELTA_MS = 100;
/** Past every timer that a core starts at time 0. */
const LATE_MS = 1_000_000 as TimestampMs;
const START_MS = 0 as TimestampMs;
const SIGNATURE = new Uint8Array(0);

export const rootOf = (block: BlockId): Root => `root of ${block}` as Root;
export const voteOf = (ballot: Ballot, signer: number): Vote => ({
  ballot,
  signer: signer as ValidatorIndex,
  signature: SIGNATURE,
});
export const certificateOf = (ballot: Ballot, signers: readonly number[]): BftCertificate => ({
  ballot,
  signatures: signers.map((signer) => ({ signer: signer as ValidatorIndex, signature: SIGNATURE })),
});

/** The name of a block says all of it: `2a-1b` is view 2's block a on view 1's block b; without a parent it is on genesis. */
export function blockOf(view: number, variant: string, parent: BlockId, parentView: number): BlockRef {
  const id = (parent === GENESIS ? `${view}${variant}` : `${view}${variant}-${parent}`) as BlockId;
  return { id, view: view as View, parent, parentView: parentView as View, proposer: (view % N) as ValidatorIndex };
}

export const contentOf = ({ view, block, root }: Ballot): string => {
  if (block === null) return `${view}`;
  return root === null || root === rootOf(block) ? `${view}, ${block}` : `${view}, ${block}, ${root}`;
};
export const textOf = (ballot: Ballot): string => `${ballot.kind}(${contentOf(ballot)})`;

/** What may happen to a node: a message arrives, its replica answers, a timer runs out, it is killed and started again. */
export type Happening =
  | { readonly type: 'message'; readonly id: number; readonly text: string; readonly input: Input }
  /** The replica finds the proposal of this view valid and held, or not. */
  | { readonly type: 'validated'; readonly view: View; readonly valid: boolean }
  /** The replica has executed the block notarized in this view. */
  | { readonly type: 'applied'; readonly view: View }
  /** There is something to order: a leader proposes. */
  | { readonly type: 'work' }
  | { readonly type: 'timeout' }
  /** Kept: all that was written was synced. Lost: the votes alone were. */
  | { readonly type: 'restart'; readonly log: 'kept' | 'lost' };

export interface Local {
  readonly self: ValidatorIndex;
  readonly core: Core;
  /** Every ballot its key ever signed, sorted by text. */
  readonly signed: readonly Ballot[];
  readonly restarts: number;
}

export interface Outcome {
  readonly local: Local;
  readonly casts: readonly Ballot[];
  /** What no honest node may do, or null. */
  readonly wrong: string | null;
}

export function firstLocal(rules: Rules, self: number): Local {
  const final = { view: 0 as View, block: GENESIS, root: GENESIS_ROOT, certificate: null };
  return {
    self: self as ValidatorIndex,
    core: startCore(rules, self, { final, votes: [], certificates: [] }),
    signed: [],
    restarts: 0,
  };
}

const startCore = (rules: Rules, self: number, restored: Restored): Core =>
  rules.newCore({ n: N, self: self as ValidatorIndex, deltaMs: DELTA_MS, deltaMaxMs: 16 * DELTA_MS }, restored);

/**
 * A copy that `step` may change. Its timers are stopped and start anew with the next input: time is abstract, any
 * timer may run out at any moment or never.
 */
export function copyCore(core: Core): Core {
  const rounds = new Map<View, Round>();
  for (const [view, round] of core.rounds) {
    const { notarize, nullify, finalize } = round.votes;
    rounds.set(view, {
      ...round,
      votes: { notarize: copyMap(notarize), nullify: copyMap(nullify), finalize: copyMap(finalize) },
      shown: round.shown.size === 0 ? new Set() : new Set(round.shown),
      cast: { ...round.cast },
    });
  }
  const { heard, backoff } = core.pacemaker;
  const pacemaker = { backoff, heard: [...heard], proposeAt: null, leaderAt: null, viewAt: null, repeatAt: null };
  return { ...core, rounds, pacemaker, work: false, answered: copyMap(core.answered) };
}

/** Most maps are empty, and an empty one is quickest made anew. */
const copyMap = <K, V>(map: ReadonlyMap<K, V>): Map<K, V> => (map.size === 0 ? new Map<K, V>() : new Map(map));

/**
 * Equal keys mean equal futures. Left out is what no vote depends on: timers, who was heard or answered, evidence,
 * requests; the proposal, once the node has voted on it or left its view; the root found, after the last word in a view.
 */
export function keyOf({ core, signed, restarts }: Local): string {
  const rounds = [...core.rounds.values()].sort((a, b) => a.view - b.view).map((round) => keyOfRound(round, core.view));
  const { view, block, root } = core.final;
  const last = [core.view, view, block, root, restarts].join();
  return [last, ...rounds.filter((text) => text !== ''), ...signed.map(textOf)].join('|');
}

function keyOfRound(round: Round, currentView: View): string {
  const { notarization, nullification, finalization, cast } = round;
  const isOver = round.view < currentView || cast.nullify || cast.notarize !== null;
  const isDone = cast.nullify || cast.finalize !== null;
  const parts = [
    isOver ? '' : `${round.proposal?.id ?? ''},${round.verdict},${round.building ? 'building' : ''}`,
    `${notarization?.ballot.block ?? ''},${nullification === null ? '' : 'nullified'},${finalization?.ballot.block ?? ''}`,
    `${cast.notarize ?? ''},${cast.nullify ? 'nullify' : ''},${cast.finalize?.block ?? ''}`,
    isDone ? '' : (round.applied ?? ''),
  ];
  const text = parts.join(';');
  return text === ',none,;,,;,,;' || text === ';,,;,,;' ? '' : `${round.view}:${text}`;
}

/** Inputs that need nobody else. Views past `views` are not part of the model: nothing begins there. */
export function ownHappenings({ self, core }: Local, rules: Rules, views: number): Happening[] {
  const found: Happening[] = [];
  if (core.view <= views) {
    const round = core.rounds.get(core.view);
    found.push({ type: 'timeout' });
    if (rules.leaderOf(core.view, N) === self && round?.building !== true) found.push({ type: 'work' });
  }
  for (const { view, verdict, applied, notarization, finalization } of core.rounds.values()) {
    if (verdict === 'asked')
      found.push({ type: 'validated', view, valid: true }, { type: 'validated', view, valid: false });
    if ((notarization ?? finalization) !== null && applied === null) found.push({ type: 'applied', view });
  }
  return found;
}

/**
 * Whether a message need not be given to the node now: a certificate that it has, or of a view that is final to it; a
 * proposal of another view than its own, since early ones only wait for their view, and late ones are never voted for.
 */
export function isNoNews({ core }: Local, input: Input): boolean {
  if (input.type === 'proposal') return input.block.view !== core.view;
  if (input.type !== 'certificate') return false;
  const { view, kind, block } = input.certificate.ballot;
  const round = core.rounds.get(view);
  if (view <= core.final.view) return true;
  const known = { notarize: round?.notarization, nullify: round?.nullification, finalize: round?.finalization }[kind];
  return known?.ballot.block === block;
}

/** What becomes of the node. The argument stays as it was. */
export function happen(rules: Rules, local: Local, happening: Happening): Outcome {
  if (happening.type === 'restart') return restart(rules, local, happening.log);
  const core = copyCore(local.core);
  const casts: Ballot[] = [];
  const wrong = feed(rules, core, local, inputsOf(core, happening), casts);
  const signed = casts.length === 0 ? local.signed : sortedBallots([...local.signed, ...casts]);
  return { local: { ...local, core, signed }, casts, wrong: wrong ?? contradiction(signed) };
}

function inputsOf(core: Core, happening: Exclude<Happening, { type: 'restart' }>): [Input, TimestampMs][] {
  switch (happening.type) {
    case 'message':
      return [[happening.input, START_MS]];
    case 'validated': {
      const block = core.rounds.get(happening.view)?.proposal?.id;
      assert(block !== undefined, 'a proposal was asked about');
      return [[{ ...happening, block }, START_MS]];
    }
    case 'applied': {
      const round = core.rounds.get(happening.view);
      const block = (round?.notarization ?? round?.finalization)?.ballot.block ?? null;
      assert(block !== null, 'a certified block is executed');
      return [[{ ...happening, block, root: rootOf(block) }, START_MS]];
    }
    case 'work':
      return [[{ type: 'work', has: true }, START_MS]];
    case 'timeout':
      return [
        [{ type: 'work', has: true }, START_MS],
        [{ type: 'tick' }, LATE_MS],
      ];
    default:
      return unreachable(happening);
  }
}

/** Steps the core, answers `build` at once, and gives a vote back as the replica does once it is durable. Returns what is wrong. */
function feed(
  rules: Rules,
  core: Core,
  { self, restarts }: Local,
  inputs: [Input, TimestampMs][],
  casts: Ballot[],
): string | null {
  const queue = [...inputs];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [input, now] = next;
    for (const effect of rules.step(core, input, now)) {
      if (effect.type === 'halt') return `halts: ${effect.detail}`;
      const answer = answerTo(effect, self, restarts);
      if (answer !== null) queue.push([answer, now]);
      if (effect.type === 'cast') casts.push(effect.ballot);
    }
  }
  return null;
}

/** A leader that was started again builds another block than before. */
function answerTo(effect: Effect, self: number, restarts: number): Input | null {
  if (effect.type === 'cast') return { type: 'vote', vote: voteOf(effect.ballot, self) };
  if (effect.type !== 'build') return null;
  return { type: 'built', block: blockOf(effect.view, restarts === 0 ? 'a' : 'c', effect.parent, effect.parentView) };
}

function restart(rules: Rules, local: Local, log: 'kept' | 'lost'): Outcome {
  const { core, self } = local;
  const known = [...core.rounds.values()].flatMap(({ notarization, nullification }) =>
    [notarization, nullification].filter((certificate) => certificate !== null),
  );
  const certificates = log === 'kept' ? known : [];
  const genesis = { view: 0 as View, block: GENESIS, root: GENESIS_ROOT, certificate: null };
  const final = log === 'kept' ? core.final : genesis;
  const votes = local.signed.filter(({ view }) => view > final.view).map((ballot) => voteOf(ballot, self));
  const started = startCore(rules, self, { final, votes, certificates });
  return { local: { ...local, core: copyCore(started), restarts: local.restarts + 1 }, casts: [], wrong: null };
}

const sortedBallots = (ballots: readonly Ballot[]): Ballot[] =>
  [...ballots].sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1));

/** How a complaint about votes that contradict each other begins. */
export const SIGNS = 'signs';

function contradiction(signed: readonly Ballot[]): string | null {
  for (const [i, a] of signed.entries()) {
    for (const b of signed.slice(i + 1)) {
      if (a.view !== b.view) continue;
      const kinds = [a.kind, b.kind];
      const isWrong =
        a.kind === b.kind ? textOf(a) !== textOf(b) : kinds.includes('finalize') && kinds.includes('nullify');
      if (isWrong) return `${SIGNS} ${textOf(a)} and ${textOf(b)}`;
    }
  }
  return null;
}
