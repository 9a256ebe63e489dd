/** After the faults stop, everything pending at an honest node is final within a bounded number of views, and of time. */
import type { Report, Watched } from './watched.js';

/** Δ doubles every 4 views without finality, up to 16 times what is configured. */
const VIEWS_TO_GREATEST_DELTA = 4 * 4;
/** A leader counts as silent, and costs no time, only when it was not heard for so many times n views. */
const VIEWS_TO_SILENCE = 3;
/** A block for what is notarized, one for what was in lanes, one for what comes of that, one to make it final. */
const BLOCKS_TO_SETTLE = 4;

/**
 * Views from the end of faults until all is final, at most: Δ grows past what the network needs, the silence of leaders
 * is found out, and of any f + 1 views in a row one has an honest leader (protocol/SPEC.md, Why it goes on). `blocks` is
 * how many full blocks wait to be ordered.
 */
export const viewsToSettle = (n: number, blocks = 0): number =>
  VIEWS_TO_GREATEST_DELTA + VIEWS_TO_SILENCE * n + (BLOCKS_TO_SETTLE + blocks) * (Math.floor((n - 1) / 3) + 1);

/**
 * Virtual time from the end of faults until all is final, at most. A view takes 4Δ at its longest and Δ is 3.2 s at its
 * greatest, f + 1 of them bring a block, and each block halves Δ; the rest is for nodes that fetch what they missed.
 */
export const SETTLE_MS_MAX = 120_000;

const epochOf = (nodes: readonly Watched[]): number =>
  Math.max(0, ...nodes.map(({ running }) => running?.replica.members.set.epoch ?? 0));

/** The highest in the latest epoch: who is behind by one counts the views of another. */
function viewOf(nodes: readonly Watched[]): number {
  const epoch = epochOf(nodes);
  const views = nodes.map(({ running }) =>
    running?.replica.members.set.epoch === epoch ? running.replica.core.view : 0,
  );
  return Math.max(0, ...views);
}

export class Liveness {
  readonly #report: Report;
  #healed: { readonly nowMs: number; readonly view: number; readonly epoch: number } | null = null;
  #isReported = false;
  /** Views that it took each time. */
  readonly views: number[] = [];

  constructor(report: Report) {
    this.#report = report;
  }

  /** The faults have stopped, and every honest node is up. */
  onHealed(nowMs: number, nodes: readonly Watched[]): void {
    this.#healed = { nowMs, view: viewOf(nodes), epoch: epochOf(nodes) };
    this.#isReported = false;
  }

  /** New faults, or new business: nothing is owed until they stop again. */
  onHarmed(): void {
    this.#healed = null;
  }

  observe(nowMs: number, nodes: readonly Watched[], isSettled: boolean): void {
    const healed = this.#healed;
    if (healed === null || this.#isReported) return;
    // Views are counted anew in each epoch.
    const views = epochOf(nodes) === healed.epoch ? viewOf(nodes) - healed.view : 0;
    const passedMs = nowMs - healed.nowMs;
    if (isSettled) {
      this.views.push(views);
      this.#healed = null;
      return;
    }
    const n = Math.max(1, ...nodes.map(({ running }) => running?.replica.members.size ?? 1));
    const bound = viewsToSettle(n);
    if (views <= bound && passedMs <= SETTLE_MS_MAX) return;
    this.#isReported = true;
    this.#report(`liveness: not all is final ${views} views (of ${bound}) and ${passedMs} ms after the faults stopped`);
  }
}
