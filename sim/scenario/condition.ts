/** In what condition a network was at one time of a run: which faults were at work, and what they did to nodes and links. */
import type { Link, Run } from './play.js';
import { type Numbered, namesOf, sidesOf } from './timeline.js';

export type LinkState = 'open' | 'cut' | 'slow' | 'out';
type Seats = readonly Pick<Run['seats'][number], 'name'>[];

export interface Condition {
  readonly faults: readonly Numbered[];
  /** Whether a node does not run. */
  isOut(name: string): boolean;
  /** What is wrong with these nodes of one place, in a word or two each. */
  notesOf(seats: Seats): readonly string[];
  stateOfLink(between: Link['between']): LinkState;
}

/** The times at which a fault began, each once, ascending. */
export const momentsOf = (faults: readonly Numbered[]): readonly number[] =>
  [...new Set(faults.map(({ fromMs }) => fromMs))].sort((a, b) => a - b);

export const isCalm = (condition: Condition, seats: Seats): boolean => condition.notesOf(seats).length === 0;

const NOTES = {
  kill: 'out',
  lose: 'lost',
  restart: 'restarts',
  upgrade: 'is upgraded',
  slow: 'slow',
  clock: 'wrong clock',
  censor: 'censors',
} as const;

export function conditionAt(all: readonly Numbered[], atMs: number): Condition {
  const faults = all.filter(
    ({ fromMs, untilMs, isForGood }) => fromMs <= atMs && (isForGood || atMs < untilMs || fromMs === atMs),
  );
  const notesOn = (name: string): readonly (keyof typeof NOTES)[] =>
    faults.flatMap(({ asked }) =>
      asked.fault !== 'partition' && namesOf(asked.nodes).includes(name) ? [asked.fault] : [],
    );
  const isOut = (name: string): boolean => notesOn(name).some((note) => note === 'kill' || note === 'lose');
  return {
    faults,
    isOut,
    notesOf: (seats) => {
      const notes = new Set(seats.flatMap(({ name }) => notesOn(name).map((note) => `${name} ${NOTES[note]}`)));
      return notes.size > 2 ? [`${seats[0]?.name.slice(0, 2) ?? ''}: ${notes.size} hit`] : [...notes];
    },
    stateOfLink: ([from, to]) => {
      if ([from, to].some(isOut)) return 'out';
      if (faults.some(({ asked }) => asked.fault === 'partition' && isBetween(sidesOf(asked.between), from, to)))
        return 'cut';
      return [from, to].some((name) => notesOn(name).includes('slow')) ? 'slow' : 'open';
    },
  };
}

/** Whether two jurisdictions are on different sides; one that stands on none is reached by all. */
function isBetween(sides: readonly (readonly string[])[], from: string, to: string): boolean {
  const [one, other] = [from, to].map((code) => sides.findIndex((side) => side.includes(code))) as [number, number];
  return one !== -1 && other !== -1 && one !== other;
}
