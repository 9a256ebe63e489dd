/** What is wrong with the links of a stage: cuts and worse links, each until it is undone, whatever else is undone before. */
import type { Worse } from './stage.js';

/** Groups of nodes, by their places, between which nothing passes. */
export type Sides = readonly (readonly number[])[];
export interface Slowed {
  readonly nodes: readonly number[];
  readonly worse: Worse;
}
export interface Broken {
  readonly cuts: readonly Sides[];
  readonly worse: readonly Slowed[];
}
export const WHOLE: Broken = { cuts: [], worse: [] };

export class BrokenLinks {
  readonly #cuts: Set<Sides>;
  readonly #worse: Set<Slowed>;
  readonly #changed: () => void;

  /** `changed` is called after each change. */
  constructor(broken: Broken, changed: () => void) {
    this.#cuts = new Set(broken.cuts);
    this.#worse = new Set(broken.worse);
    this.#changed = changed;
  }

  /** What it gives undoes it. */
  cut(sides: Sides): () => void {
    // An object of its own: the same sides may be cut twice at a time.
    return this.#until(this.#cuts, [...sides]);
  }
  worsen(nodes: readonly number[], worse: Worse): () => void {
    return this.#until(this.#worse, { nodes, worse });
  }

  #until<T>(all: Set<T>, one: T): () => void {
    all.add(one);
    this.#changed();
    return () => {
      all.delete(one);
      this.#changed();
    };
  }

  isCut(from: number, to: number): boolean {
    return [...this.#cuts].some((sides) => {
      const [a, b] = [from, to].map((at) => sides.findIndex((side) => side.includes(at))) as [number, number];
      return a !== -1 && b !== -1 && a !== b;
    });
  }

  /** All that makes a link worse, together: what takes longer adds up, of what is lost and what passes the worst counts. */
  worseOf(from: number, to: number): Worse {
    const own = [...this.#worse]
      .filter(({ nodes }) => nodes.includes(from) || nodes.includes(to))
      .map(({ worse }) => worse);
    const widths = own.flatMap(({ kilobytesPerSecond }) => (kilobytesPerSecond === null ? [] : [kilobytesPerSecond]));
    return {
      latencyMs: own.reduce((sum, each) => sum + each.latencyMs, 0),
      jitterMs: own.reduce((sum, each) => sum + each.jitterMs, 0),
      lossPerMille: Math.max(0, ...own.map(({ lossPerMille }) => lossPerMille)),
      kilobytesPerSecond: widths.length === 0 ? null : Math.min(...widths),
    };
  }
}
