/**
 * What once failed, as plans of their own: a seed means another run whenever the mix changes. Each is cut down to what
 * the bug needed, with what it was.
 */
import { CALM_PLAN, type Deed, type Plan, type Step } from './plan.js';

export interface Regression {
  readonly name: string;
  /** What was wrong. */
  readonly was: string;
  readonly plan: Plan;
}

const NODES = [0, 1, 2, 3];

const at = (atMs: number, ...deeds: readonly Deed[]): Step[] => deeds.map((deed) => ({ atMs, deed }));
/** Instructions at even distances, by way of all nodes in turn, or of the one named. */
const business = (fromMs: number, untilMs: number, everyMs: number, node: number | null = null): Step[] =>
  Array.from({ length: Math.floor((untilMs - fromMs) / everyMs) }, (_, i) => ({
    atMs: fromMs + i * everyMs,
    deed: { do: 'submit', node: node ?? i, chance: fromMs + i },
  }));
const startAll = (atMs: number): Step[] => at(atMs, ...NODES.map((node): Deed => ({ do: 'start', node })));
const inOrder = (...parts: readonly (readonly Step[])[]): Step[] => parts.flat().sort((a, b) => a.atMs - b.atMs);

export const REGRESSIONS: readonly Regression[] = [
  {
    name: 'an end without a trace, and a restart',
    was: 'the end of an instruction that was ordered without a trace was forgotten in a restart',
    plan: {
      ...CALM_PLAN,
      profile: 'hostile',
      faultMs: 8000,
      steps: inOrder(
        business(0, 4000, 40),
        at(5500, { do: 'crash', nodes: NODES, how: 'power' }),
        startAll(5600),
        business(7000, 8000, 100),
      ),
    },
  },
  {
    name: 'one id at two nodes',
    was: 'an id used up by way of another node left the loser pending until it expired; it is told duplicate_id',
    plan: {
      ...CALM_PLAN,
      seed: 2,
      profile: 'hostile',
      faultMs: 6000,
      steps: inOrder(
        at(500, {
          do: 'cut',
          links: [
            [0, 1],
            [1, 0],
            [0, 2],
            [2, 0],
          ],
        }),
        business(0, 3000, 30),
        at(3000, { do: 'mend' }),
        business(3000, 6000, 60),
      ),
    },
  },
  {
    name: 'all down with votes under way, three times',
    was: 'certificates lost with memory must form anew from the votes on disk, or a view never ends',
    plan: {
      ...CALM_PLAN,
      seed: 3,
      faultMs: 9000,
      steps: inOrder(
        business(0, 9000, 60),
        ...[1500, 4000, 6500].flatMap((atMs) => [
          at(atMs, { do: 'crash', nodes: NODES, how: 'power' }),
          ...NODES.map((node) => at(atMs + 100 + 200 * node, { do: 'start', node })),
        ]),
      ),
    },
  },
];
