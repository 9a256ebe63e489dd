/** Timers of a view: when to propose, when to give up on a leader, on a view, and when to repeat oneself. */
import type { ValidatorIndex, View } from '../types.js';

export interface PacemakerConfig {
  /** Δ in milliseconds when the network is well: more than a message takes. */
  readonly deltaMs: number;
  readonly deltaMaxMs: number;
}

export interface Pacemaker {
  /** Doublings of Δ since the network was last well. */
  backoff: number;
  /** Each is a time or null; all are null while there is no work. */
  proposeAt: number | null;
  leaderAt: number | null;
  viewAt: number | null;
  repeatAt: number | null;
  /** The highest view in which each validator was heard. */
  readonly heard: View[];
}

export const newPacemaker = (n: number): Pacemaker => ({
  backoff: 0,
  proposeAt: null,
  leaderAt: null,
  viewAt: null,
  repeatAt: null,
  heard: Array.from({ length: n }, () => 0 as View),
});

export const delta = (pacemaker: Pacemaker, config: PacemakerConfig): number =>
  Math.min(config.deltaMaxMs, config.deltaMs * 2 ** pacemaker.backoff);

function doublingsMax({ deltaMs, deltaMaxMs }: PacemakerConfig): number {
  let doublings = 0;
  while (deltaMs * 2 ** doublings < deltaMaxMs) doublings += 1;
  return doublings;
}

/** Views without a finalization that are normal: a pipeline in flight. */
const VIEWS_UNFINALIZED_NORMAL = 4;

/** Δ grows with the views since the last finalization, so that nodes which notarize but never finalize do not hold it down. */
export function onEnter(pacemaker: Pacemaker, config: PacemakerConfig, view: View, finalView: View): void {
  const doublings = Math.floor((view - finalView) / VIEWS_UNFINALIZED_NORMAL);
  pacemaker.backoff = Math.max(pacemaker.backoff, Math.min(doublings, doublingsMax(config)));
  stop(pacemaker);
}

export function onFinalization(pacemaker: Pacemaker): void {
  pacemaker.backoff = Math.max(0, pacemaker.backoff - 1);
}

/**
 * Starts the timers of a view. With something to order the leader proposes at once; when all that is left is a block
 * to be made final, it first gives the votes under way a Δ, or an idle network would fill with empty blocks.
 */
export function start(
  pacemaker: Pacemaker,
  config: PacemakerConfig,
  now: number,
  options: { silent: boolean; urgent: boolean },
): void {
  const deltaMs = delta(pacemaker, config);
  pacemaker.proposeAt = options.urgent ? now : now + deltaMs;
  pacemaker.leaderAt = options.silent ? now : now + 2 * deltaMs + (options.urgent ? 0 : deltaMs);
  pacemaker.viewAt = now + 3 * deltaMs + (options.urgent ? 0 : deltaMs);
  pacemaker.repeatAt = null;
}

export function stop(pacemaker: Pacemaker): void {
  pacemaker.proposeAt = null;
  pacemaker.leaderAt = null;
  pacemaker.viewAt = null;
  pacemaker.repeatAt = null;
}

export const running = (pacemaker: Pacemaker): boolean => pacemaker.viewAt !== null || pacemaker.repeatAt !== null;

export function hear(pacemaker: Pacemaker, signer: ValidatorIndex, view: View): void {
  if (view > (pacemaker.heard[signer] ?? 0)) pacemaker.heard[signer] = view;
}

/** A leader is skipped as silent only while a quorum has been active: else everyone would seem silent after a pause. */
export function silent(pacemaker: Pacemaker, leader: ValidatorIndex, view: View, quorum: number): boolean {
  const since = view - 3 * pacemaker.heard.length;
  if (since <= 0) return false;
  const active = pacemaker.heard.filter((heard) => heard >= since).length;
  return active >= quorum && (pacemaker.heard[leader] ?? 0) < since;
}

export function nextDeadline(pacemaker: Pacemaker): number | null {
  const times = [pacemaker.proposeAt, pacemaker.leaderAt, pacemaker.viewAt, pacemaker.repeatAt].filter(
    (time) => time !== null,
  );
  return times.length === 0 ? null : Math.min(...times);
}
