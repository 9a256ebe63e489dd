/** The local states of one honest node, and what it can do next that the others see. */
import { type Ballot, unreachable } from '../../protocol/types.js';
import {
  firstLocal,
  type Happening,
  happen,
  isNoNews,
  keyOf,
  type Local,
  type Outcome,
  ownHappenings,
  SIGNS,
  textOf,
} from './local.js';
import type { Available, Message, Network } from './network.js';

const RESTARTS: readonly Happening[] = [
  { type: 'restart', log: 'lost' },
  { type: 'restart', log: 'kept' },
];

/** As many as block names and slots have room for. */
export const VIEWS_MAX = 3;

/** What a node took in, the last first. */
type Way = { readonly before: Way; readonly happening: Happening; readonly length: number } | null;

/** A part of a run that others can see: a node takes in what it likes, then votes or is killed. */
export interface Macro {
  readonly to: number;
  readonly casts: readonly Ballot[];
  readonly way: NonNullable<Way>;
  readonly restarts: boolean;
  readonly wrong: string | null;
}

interface Step {
  readonly to: number;
  readonly isSilent: boolean;
  readonly casts: readonly Ballot[];
  readonly wrong: string | null;
}

export interface Known {
  readonly local: Local;
  /** The place in its slot of what was signed of it, for each slot. */
  readonly signed: Uint8Array;
  /** By the number of what happens. */
  readonly steps: (Step | undefined)[];
  readonly own: readonly Happening[];
  readonly macros: Map<number, readonly Macro[]>;
}

/** The local states of one honest place, found as they are needed. */
export class Place {
  readonly states: Known[] = [];
  /** How many states `wrongWith` went through. */
  aloneStates = 0;
  readonly #ids = new Map<string, number>();
  readonly #network: Network;
  /** Whether it may be killed and started again: each time is a choice of its own. */
  readonly #restarts: boolean;

  constructor(network: Network, self: number, restarts: boolean) {
    this.#network = network;
    this.#restarts = restarts;
    this.#intern(firstLocal(network.rules, self));
  }

  #intern(local: Local): number {
    const key = keyOf(local);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const { rules, views, slots } = this.#network;
    const signed = new Uint8Array(slots);
    for (const ballot of local.signed) {
      const { slot, number } = this.#network.ballotNumber(ballot);
      signed[slot] = number;
    }
    const own = ownHappenings(local, rules, views);
    const id = this.states.push({ local, signed, steps: [], own, macros: new Map() }) - 1;
    this.#ids.set(key, id);
    return id;
  }

  get(id: number): Known {
    return this.states[id] as Known;
  }

  step(from: number, happening: Happening): Step {
    const { steps, local } = this.get(from);
    const number = numberOf(happening);
    const done = steps[number];
    if (done !== undefined) return done;
    const { local: after, casts, wrong } = this.#happen(local, happening);
    const to = wrong === null ? this.#intern(after) : -1;
    const step = { to, isSilent: casts.length === 0 && wrong === null, casts, wrong };
    steps[number] = step;
    return step;
  }

  /** A core that fails an assertion has been brought where it never should be. */
  #happen(local: Local, happening: Happening): Outcome {
    try {
      return happen(this.#network.rules, local, happening);
    } catch (error) {
      return { local, casts: [], wrong: `fails: ${error instanceof Error ? error.message : String(error)}` };
    }
  }

  /**
   * Takes in anything of these messages at any time, whether or not they can all be there together, and goes on from
   * every vote: true of this node alone, whatever the others do. Returns what no honest node may do, if it can.
   */
  wrongWith(messages: readonly Message[], restartsMax: number, statesMax: number): string | null {
    const reached = new Set<number>([0]);
    for (const at of reached) {
      if (reached.size > statesMax) break;
      const { own, local } = this.get(at);
      const restarts = local.restarts < restartsMax ? RESTARTS : [];
      for (const happening of [...own, ...messages, ...restarts]) {
        const { to, wrong } = this.step(at, happening);
        if (wrong === null) reached.add(to);
        // Else certificates contradict each other, which cannot be there together: the core halts or asserts.
        else if (wrong.startsWith(SIGNS)) return wrong;
      }
    }
    this.aloneStates = reached.size;
    return null;
  }

  /** All that the node can come to know of what is available, without voting; each with the way there. */
  #silently(from: number, available: Available): { readonly reached: Map<number, Way>; readonly visible: Macro[] } {
    const reached = new Map<number, Way>([[from, null]]);
    const visible: Macro[] = [];
    for (const [at, way] of reached) {
      const consider = (happening: Happening): void => {
        const { to, isSilent, wrong, casts } = this.step(at, happening);
        if (to === at) return;
        const onward = { before: way, happening, length: (way?.length ?? 0) + 1 };
        if (isSilent) {
          if (!reached.has(to)) reached.set(to, onward);
        } else if (wrong !== null || casts.some((ballot) => !available.certified.has(textOf(ballot)))) {
          visible.push({ to, casts, way: onward, restarts: false, wrong });
        }
      };
      for (const happening of this.get(at).own) consider(happening);
      for (const message of available.messages) if (!isNoNews(this.get(at).local, message.input)) consider(message);
    }
    return { reached, visible };
  }

  /**
   * What the node can do next that others see, from this state and with these messages. What it need not know yet it
   * takes in later: of two ways to the same, the one from which the other is reached silently stands for both.
   */
  macros(from: number, available: Available): readonly Macro[] {
    const { macros } = this.get(from);
    const done = macros.get(available.id);
    if (done !== undefined) return done;
    const { visible } = this.#silently(from, available);
    visible.sort((a, b) => a.way.length - b.way.length);
    const restarts = (this.#restarts ? RESTARTS : []).map((happening): Macro => {
      const { to, wrong } = this.step(from, happening);
      return { to, casts: [], way: { before: null, happening, length: 1 }, restarts: true, wrong };
    });
    const kept: Macro[] = [];
    const covered = new Set<number>();
    for (const macro of [...visible, ...restarts]) {
      if (macro.wrong === null && covered.has(macro.to)) continue;
      kept.push(macro);
      if (macro.wrong === null) for (const id of this.#silently(macro.to, available).reached.keys()) covered.add(id);
    }
    macros.set(available.id, kept);
    return kept;
  }
}

/** A small number for each thing that may happen, so that what came of it stands in an array. */
function numberOf(happening: Happening): number {
  switch (happening.type) {
    case 'work':
      return 0;
    case 'timeout':
      return 1;
    case 'restart':
      return happening.log === 'lost' ? 2 : 3;
    case 'validated':
      return 3 * happening.view + (happening.valid ? 1 : 2);
    case 'applied':
      return 3 * happening.view + 3;
    case 'message':
      return 3 * VIEWS_MAX + 4 + happening.id;
    default:
      return unreachable(happening);
  }
}

export function describeWay(way: Way): string {
  const texts: string[] = [];
  for (let at = way; at !== null; at = at.before) texts.unshift(describe(at.happening));
  return texts.join(', ');
}

const describe = (happening: Happening): string => {
  switch (happening.type) {
    case 'message':
      return happening.text;
    case 'validated':
      return happening.valid
        ? `finds the proposal of ${happening.view} valid`
        : `finds the proposal of ${happening.view} invalid`;
    case 'applied':
      return `has executed the block of ${happening.view}`;
    case 'work':
      return 'has work';
    case 'timeout':
      return 'gives up waiting';
    case 'restart':
      return happening.log === 'kept'
        ? 'is killed and restarts with all it knew'
        : 'is killed and restarts with its votes alone';
    default:
      return unreachable(happening);
  }
};
