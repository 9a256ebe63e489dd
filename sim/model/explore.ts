/** Every state that the model can reach, breadth first, so that the first violation found has the shortest history. */
import { happen, type Local, type Rules, textOf } from './local.js';
import { type Available, Network } from './network.js';
import { describeWay, type Known, type Macro, Place } from './place.js';
import { stall } from './progress.js';
import { States } from './states.js';

export interface Bounds {
  readonly liar: number;
  /** 1 to 3: honest nodes do nothing in a later view. */
  readonly views: number;
  /** Of all honest nodes together. */
  readonly restartsMax: number;
  readonly statesMax: number;
  /** From every so manieth state, honest nodes must go on by themselves. */
  readonly continuedEvery: number;
}

interface Violation {
  readonly what: string;
  /** One line for each vote or restart, with what its node took in before. */
  readonly trace: readonly string[];
}

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  /** Of the three honest nodes, each by itself. */
  readonly localStates: number;
  /** Of these, by any messages in any order: whether no node can contradict itself. */
  readonly aloneStates: number;
  /** Votes and restarts in the longest of the shortest histories. */
  readonly depth: number;
  readonly continued: number;
  /** False when a violation or the bound of states came first. */
  readonly isExhausted: boolean;
  readonly violation: Violation | null;
}

const ALONE_VIEWS_MAX = 2;

type Three<T> = readonly [T, T, T];

class Explorer {
  readonly #bounds: Bounds;
  readonly #network: Network;
  readonly #places: Three<Place>;
  readonly #states = new States();
  #transitions = 0;
  #continued = 0;
  #depth = 0;

  constructor(rules: Rules, bounds: Bounds) {
    this.#bounds = bounds;
    this.#network = new Network(rules, bounds.liar, bounds.views);
    const [a, b, c] = this.#network.honest.map((self) => new Place(this.#network, self, bounds.restartsMax > 0));
    this.#places = [a, b, c] as Three<Place>;
    this.#states.add(0, 0, 0, -1, -1);
  }

  run(progress: (states: number, open: number) => void): Exploration {
    let levelEnd = 1;
    for (let open = 0; open < this.#states.size; open++) {
      if (this.#states.size > this.#bounds.statesMax) return this.#result(null, false);
      if (open === levelEnd) {
        this.#depth += 1;
        levelEnd = this.#states.size;
      }
      const violation = this.#visit(open);
      if (violation !== null) return this.#result(violation, false);
      if (open % 100_000 === 0) progress(this.#states.size, open);
    }
    return this.#result(this.#alone(), true);
  }

  /**
   * A vote for what is certified already is left out above, since it makes no new message. That no node contradicts
   * itself even by such a vote is looked at here: each node by itself, in any order of all messages there ever are. Two
   * views show it, and one with restarts, since contradictions are within a view.
   */
  #alone(): Violation | null {
    const { views, statesMax } = this.#bounds;
    if (views > ALONE_VIEWS_MAX) return null;
    const restartsMax = views === 1 ? this.#bounds.restartsMax : 0;
    for (const [i, place] of this.#places.entries()) {
      const wrong = place.wrongWith(this.#network.messages, restartsMax, statesMax);
      if (wrong !== null) return { what: `${this.#network.honest[i]} alone ${wrong}`, trace: [] };
    }
    return null;
  }

  #result(violation: Violation | null, isExhausted: boolean): Exploration {
    return {
      states: this.#states.size,
      transitions: this.#transitions,
      localStates: this.#places.reduce((sum, place) => sum + place.states.length, 0),
      aloneStates: this.#places.reduce((sum, place) => sum + place.aloneStates, 0),
      depth: this.#depth,
      continued: this.#continued,
      isExhausted,
      violation,
    };
  }

  #known(row: readonly number[]): Three<Known> {
    return this.#places.map((place, i) => place.get(row[i] as number)) as unknown as Three<Known>;
  }

  #available([a, b, c]: Three<Known>): Available {
    return this.#network.available([a.signed, b.signed, c.signed]);
  }

  #visit(id: number): Violation | null {
    const row = this.#states.row(id);
    const known = this.#known(row);
    const available = this.#available(known);
    if (available.violation !== null) return { what: available.violation, trace: this.#trace(id) };
    if (id % this.#bounds.continuedEvery === 0) {
      this.#continued += 1;
      const locals = known.map(({ local }) => local);
      const stalled = this.#stall(locals, available, this.#continued % 2 === 0);
      if (stalled !== null) return { what: stalled, trace: this.#trace(id) };
    }
    const restarts = known.reduce((sum, { local }) => sum + local.restarts, 0);
    for (const [i, place] of this.#places.entries()) {
      for (const macro of place.macros(row[i] as number, available)) {
        if (macro.restarts && restarts >= this.#bounds.restartsMax) continue;
        if (macro.wrong === null && isSecondNamedFirst(macro, known)) continue;
        const violation = this.#take(id, i, macro);
        if (violation !== null) return violation;
      }
    }
    return null;
  }

  #take(from: number, actor: number, { to, way, wrong }: Macro): Violation | null {
    this.#transitions += 1;
    if (wrong !== null) {
      const self = this.#network.honest[actor];
      return { what: `${self} ${wrong}`, trace: [...this.#trace(from), `${self}: ${describeWay(way)}: ${wrong}`] };
    }
    const row = this.#states.row(from);
    const [a, b, c] = [0, 1, 2].map((i) => (i === actor ? to : row[i])) as [number, number, number];
    this.#states.add(a, b, c, from, actor);
    return null;
  }

  /** From as little knowledge as the state needs, or (`eager`) from all that can be known in it. */
  #stall(locals: readonly Local[], available: Available, eager: boolean): string | null {
    const { rules } = this.#network;
    const informed = eager
      ? locals.map((local) => available.messages.reduce((at, message) => happen(rules, at, message).local, local))
      : locals;
    return stall(rules, informed);
  }

  /** The history of a state. */
  #trace(id: number): string[] {
    const lines: string[] = [];
    for (let at = id; at > 0; ) {
      const row = this.#states.row(at);
      const [, , , parent, actor] = row;
      const before = this.#states.row(parent);
      const known = this.#known(before);
      const place = this.#places[actor] as Place;
      const macros = place.macros(before[actor] as number, this.#available(known));
      const way = macros.find(({ to }) => to === row[actor])?.way ?? null;
      const earlier = new Set((known[actor] as Known).local.signed.map(textOf));
      const signed = place.get(row[actor] as number).local.signed.map(textOf);
      const casts = signed.filter((text) => !earlier.has(text));
      const said = casts.length === 0 ? '' : `: signs ${casts.join(' and ')}`;
      lines.unshift(`${this.#network.honest[actor]}: ${describeWay(way)}${said}`);
      at = parent;
    }
    return lines;
  }
}

/**
 * Of a liar's two blocks on one parent the names mean nothing: in one half of all histories `a` is voted for first, and
 * the other half is the same with the names exchanged.
 */
const isSecondNamedFirst = ({ casts }: Macro, known: Three<Known>): boolean =>
  casts.some(({ kind, block }) => {
    if (kind !== 'notarize' || block[1] !== 'b') return false;
    const twin = `${block[0]}a${block.slice(2)}`;
    return !known.some(({ local }) => local.signed.some((other) => other.kind === 'notarize' && other.block === twin));
  });

/** Goes through the model under these rules until all is seen, a bound is met, or something is wrong. */
export const explore = (
  rules: Rules,
  bounds: Bounds,
  progress: (states: number, open: number) => void = () => undefined,
): Exploration => new Explorer(rules, bounds).run(progress);
