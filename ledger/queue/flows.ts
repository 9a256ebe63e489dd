/**
 * What open settlements would do to each account, as sums by how they stand and by the day from which they may settle: so
 * that what a party can expect costs the same to tell however much waits, and whoever pays. Derived from the settlements, in layers like the state.
 */
import { DAY_MS } from '../../protocol/values.js';
import { isBound, type Settlement } from '../entries.js';
import { type Movement, outlineOf } from '../settlement/outline.js';
import { Table } from '../table.js';

/** What moves an account: how often and how much, minor units. What leaves it as it is in sum is not counted. */
export interface Flow {
  readonly ins: number;
  readonly inMinor: bigint;
  readonly outs: number;
  readonly outMinor: bigint;
}
export const NO_FLOW: Flow = { ins: 0, inMinor: 0n, outs: 0, outMinor: 0n };

/** How an open settlement stands; `linked` are parts of a bound one that follow the part that is next. */
type Standing = 'proposed' | 'scheduled' | 'queued' | 'locked' | 'linked';

const STANDINGS: readonly Standing[] = ['proposed', 'scheduled', 'queued', 'locked', 'linked'];

export interface DayFlow {
  /** From 1970, by UTC. */
  readonly day: number;
  readonly flow: Flow;
}
/** What an account can expect of what is open; each part of a settlement counts by itself. */
export interface Expected extends Readonly<Record<Standing, Flow>> {
  /** What is bound and waits for its time, linked parts too, by the day on which that comes; ascending. */
  readonly days: readonly DayFlow[];
}
export const NOTHING_EXPECTED: Expected = {
  proposed: NO_FLOW,
  scheduled: NO_FLOW,
  queued: NO_FLOW,
  locked: NO_FLOW,
  linked: NO_FLOW,
  days: [],
};

/** The day of a moment, counted from 1970 by UTC. */
export const dayOf = (timeMs: number): number => Math.floor(timeMs / DAY_MS);

/** A flow with a movement more, or with one less. */
export function flowWith(flow: Flow, net: bigint, by: 1 | -1): Flow {
  const sign = BigInt(by);
  if (net > 0n) return { ...flow, ins: flow.ins + by, inMinor: flow.inMinor + sign * net };
  if (net < 0n) return { ...flow, outs: flow.outs + by, outMinor: flow.outMinor - sign * net };
  return flow;
}

export const sumOfFlows = (a: Flow, b: Flow): Flow => ({
  ins: a.ins + b.ins,
  inMinor: a.inMinor + b.inMinor,
  outs: a.outs + b.outs,
  outMinor: a.outMinor + b.outMinor,
});

const isNothing = ({ ins, outs }: Flow): boolean => ins === 0 && outs === 0;

export class Flows {
  /** By account. */
  readonly #expected: Table<Expected>;

  private constructor(expected: Table<Expected>) {
    this.#expected = expected;
  }

  static empty(): Flows {
    return new Flows(Table.over(new Map<string, Expected>()));
  }
  /** A layer over this one. */
  child(): Flows {
    return new Flows(this.#expected.child());
  }
  freeze(): void {
    this.#expected.freeze();
  }
  fold(): void {
    this.#expected.fold();
  }

  of(account: string): Expected {
    return this.#expected.get(account) ?? NOTHING_EXPECTED;
  }

  /** Takes in a settlement that stands so from now on, or lets go of one that did. */
  note(settlement: Settlement, standing: Exclude<Standing, 'linked'>, by: 1 | -1): void {
    this.noteNext(settlement, standing, by);
    for (const [at, { legs, notBefore }] of settlement.linked.entries()) {
      // What its outline will be once it is next: parts before it are gone then.
      const { movements } = outlineOf({ legs, linked: settlement.linked.slice(at + 1), amends: null });
      if (isBound(settlement)) this.#add(movements, 'linked', dayOf(notBefore), by);
      else this.#add(movements, standing, null, by);
    }
  }

  /** The same of the part that is next alone. */
  noteNext(settlement: Settlement, standing: Exclude<Standing, 'linked'>, by: 1 | -1): void {
    const day = isBound(settlement) && standing === 'scheduled' ? dayOf(settlement.terms.notBefore) : null;
    this.#add(outlineOf(settlement).movements, standing, day, by);
  }

  #add(movements: readonly Movement[], standing: Standing, day: number | null, by: 1 | -1): void {
    for (const { name, net } of movements) {
      if (net === 0n) continue;
      const before = this.of(name);
      const flow = flowWith(before[standing], net, by);
      const days = day === null ? before.days : daysWith(before.days, day, net, by);
      const after = { ...before, [standing]: flow, days };
      if (by === -1 && isNothing(flow) && STANDINGS.every((each) => isNothing(after[each])))
        this.#expected.delete(name);
      else this.#expected.set(name, after);
    }
  }
}

function daysWith(days: readonly DayFlow[], day: number, net: bigint, by: 1 | -1): readonly DayFlow[] {
  const at = days.findIndex((each) => each.day >= day);
  const [before, rest] = at < 0 ? [days, []] : [days.slice(0, at), days.slice(at)];
  const found = rest[0]?.day === day ? rest[0] : null;
  const flow = flowWith(found?.flow ?? NO_FLOW, net, by);
  const after = found === null ? rest : rest.slice(1);
  return isNothing(flow) ? [...before, ...after] : [...before, { day, flow }, ...after];
}
