/** Rules that need the world to be judged: who led, what time it was, and who should have kept silent. */
import type { Committed } from '../checkers/watched.js';
import type { SimNode } from '../node.js';

export class Rules {
  readonly #report: (violation: string) => void;
  readonly #skewMs: number;
  readonly #blocks = new Map<number, { readonly time: number }>();
  /** Vote keys that their node has set apart, by node and key. */
  readonly #retired = new Set<string>();
  #clocksMs = 0;

  constructor(report: (violation: string) => void, skewMs: number) {
    this.#report = report;
    this.#skewMs = skewMs;
  }

  /** The furthest that the clock of an honest node has shown. */
  tick(honest: readonly Pick<SimNode, 'nowMs'>[]): void {
    for (const { nowMs } of honest) this.#clocksMs = Math.max(this.#clocksMs, nowMs);
  }

  /** Its view's leader made it, time goes on, nothing is ordered early, and no quorum of honest clocks was that far behind. */
  onFinal({ block: { header }, executed }: Committed): void {
    const { height, view, proposer, time, cut } = header;
    if (this.#blocks.has(height)) return;
    this.#blocks.set(height, { time });
    // A cut has a point for each lane, and each validator a lane.
    const validators = cut.length;
    if (proposer !== view % validators)
      this.#report(`leader: ${proposer} of ${validators} made the final block of view ${view}`);
    for (const item of executed.lanes.flat().flatMap(({ items }) => items))
      if (item !== null && item.instruction.issuedMs > time)
        this.#report(`time: block ${height} orders ${item.instruction.digest} before it is issued`);
    const parent = this.#blocks.get(height - 1);
    if (parent === undefined) return;
    if (time < parent.time) this.#report(`time: block ${height} is before its parent`);
    if (time === parent.time) this.#report(`time: block ${height} is of the same time as its parent`);
    if (time > this.#clocksMs + this.#skewMs && time !== parent.time + 1)
      this.#report(`time: block ${height} is ${time - this.#clocksMs} ms ahead of every honest clock`);
  }

  onSend({ self, running }: Pick<SimNode, 'self' | 'running'>): void {
    const halted = running?.replica.halted ?? null;
    if (halted !== null) this.#report(`spoke: node ${self} sends frames after it halted: ${halted}`);
    for (const key of running?.succession.unfit.keys() ?? []) this.#retired.add(`${self}/${key}`);
    const voteKey = running?.replica.members.voteKey ?? null;
    if (voteKey === null || !this.#retired.delete(`${self}/${voteKey}`)) return;
    this.#report(`retired: node ${self} may vote with ${voteKey} again, which it had set apart for good`);
  }
}
