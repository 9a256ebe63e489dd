/**
 * How far from the best the mechanisms stay: small random queues, each solved exactly as an integer program by HiGHS. It
 * is the bank clearing problem (Güntzer, Jungnickel and Leclerc, 1998) with the ledger's rule of urgency: choose what
 * settles at once, of the most worth, so that no account ends below its floor and nothing passes what is more urgent.
 */
import type { Highs } from 'highs';
import { assert } from '../../protocol/types.js';
import { Random } from '../random.js';
import { Day } from './day.js';
import { MECHANISMS, pass, Settling } from './mechanisms.js';
import { ratio } from './study.js';
import type { Instruction, Movement, Traffic } from './traffic.js';

/** Small enough that amounts are exact in the solver's floating point, and that it ends at once. */
const [BANKS, CURRENCIES] = [5, 3];
const [ITEMS_MIN, ITEMS_MAX] = [6, 20];
const WORTH_MAX = 1_000;

/** What is compared: the ledger's pass over the whole queue by itself, and the mechanisms, which try each alone first. */
export const COMPARED = ['pass', ...MECHANISMS] as const;
type Compared = (typeof COMPARED)[number];

/** What is settled of what is best, over all instances. */
export interface Gap {
  readonly instances: number;
  /** From 0 to 1: worth settled / worth of the best set. */
  readonly shareOfBest: Readonly<Record<Compared, number>>;
  /** In so many instances it found as much as the best. */
  readonly best: Readonly<Record<Compared, number>>;
  /** Of one instance, the largest 1 - share of best. */
  readonly worst: Readonly<Record<Compared, number>>;
}

/** A queue at one moment: all waits, and money is scarce. */
export function instanceOf(seed: number): Day {
  const random = new Random(seed);
  const account = (bank: number, currency: number): number => bank * CURRENCIES + currency;
  const instructions = Array.from({ length: random.between(ITEMS_MIN, ITEMS_MAX) }, (): Instruction => {
    const from = random.between(0, BANKS - 1);
    const to = (from + random.between(1, BANKS - 1)) % BANKS;
    const x = random.between(0, CURRENCIES - 1);
    const y = (x + random.between(1, CURRENCIES - 1)) % CURRENCIES;
    const worth = BigInt(random.between(1, WORTH_MAX));
    const leg = (payer: number, payee: number, currency: number): Movement[] => {
      const tier = random.chance(100) ? random.between(0, 1) : 2;
      return [
        { account: account(payer, currency), net: -worth, tier },
        { account: account(payee, currency), net: worth, tier },
      ];
    };
    const isPvp = random.chance(600);
    const movements = [...leg(from, to, x), ...(isPvp ? leg(to, from, y) : [])];
    return { dueTick: 0, movements, banks: [from, to], worth: isPvp ? 2n * worth : worth };
  });
  const traffic: Traffic = {
    parameters: { banks: BANKS, currencies: CURRENCIES, order: 'bypass' },
    rates: Array.from({ length: CURRENCIES }, () => 1n),
    instructions,
  };
  const funds = Array.from({ length: BANKS * CURRENCIES }, () => BigInt(random.between(0, WORTH_MAX / 2)));
  const day = new Day(traffic, funds);
  day.join(instructions.map((_, item) => item));
  return day;
}

/** A queue as the solver reads it (CPLEX's LP format): a variable of 0 or 1 for each item. */
function programOf(day: Day): string {
  const items = day.waiting();
  const sum = (terms: readonly (readonly [bigint | number, number])[]): string =>
    terms.map(([factor, item]) => `${factor < 0 ? '-' : '+'} ${factor < 0 ? -factor : factor} x${item}`).join(' ');
  const floors = day.funds.flatMap((funds, account) => {
    const terms = items.flatMap((item) =>
      day
        .instruction(item)
        .movements.filter((movement) => movement.account === account)
        .map(({ net }) => [net, item] as const),
    );
    return terms.length === 0 ? [] : [` floor${account}: ${sum(terms)} >= ${-funds}`];
  });
  const orders = items.flatMap((item) =>
    day
      .instruction(item)
      .movements.filter(({ net }) => net < 0n)
      .flatMap((movement) =>
        [...day.ahead(item, movement)].map(
          (other) =>
            ` ${sum([
              [1, other],
              [-1, item],
            ])} >= 0`,
        ),
      ),
  );
  return [
    'Maximize',
    ` worth: ${sum(items.map((item) => [day.instruction(item).worth, item]))}`,
    'Subject To',
    ...floors,
    ...orders,
    'Binary',
    ` ${items.map((item) => `x${item}`).join(' ')}`,
    'End',
    '',
  ].join('\n');
}

/** The best set of what waits. The solver reckons in floating point: what it says is judged here before it counts. */
export function bestOf(day: Day, solver: Pick<Highs, 'solve'>): number[] {
  const { Status, Columns } = solver.solve(programOf(day), { mip_rel_gap: 0, mip_abs_gap: 0.5, output_flag: false });
  assert(Status === 'Optimal', `the solver ends with the optimum: ${Status}`);
  const best = day.waiting().filter((item) => Math.round(Columns[`x${item}`]?.Primal ?? 0) === 1);
  const refusal = day.refusal(best);
  assert(refusal === null, `the best set holds: ${refusal}`);
  return best;
}

/** Loads the solver, which is a development dependency: whoever never asks for the gap needs none. */
export async function loadSolver(): Promise<Pick<Highs, 'solve'>> {
  // Its types say CommonJS and its code is a module: the loader is the default export.
  const { default: load } = (await import('highs')) as unknown as { readonly default: () => Promise<Highs> };
  return load();
}

/** Compares with the best over so many instances. */
export function gapOf(seed: number, instances: number, solver: Pick<Highs, 'solve'>): Gap {
  const found = Array.from({ length: instances }, (_, at) => outcomeOf(seed + at, solver));
  const by = (figure: (compared: Compared) => number): Record<Compared, number> =>
    Object.fromEntries(COMPARED.map((compared) => [compared, figure(compared)])) as Record<Compared, number>;
  const sum = (worths: readonly bigint[]): bigint => worths.reduce((sum, worth) => sum + worth, 0n);
  const best = sum(found.map(({ best }) => best));
  return {
    instances,
    shareOfBest: by((compared) => ratio(sum(found.map(({ settled }) => settled[compared])), best)),
    best: by((compared) => found.filter(({ best, settled }) => settled[compared] === best).length),
    worst: by((compared) => Math.max(...found.map(({ best, settled }) => ratio(best - settled[compared], best)))),
  };
}

interface Outcome {
  readonly best: bigint;
  readonly settled: Readonly<Record<Compared, bigint>>;
}

/** Worth of the best set, and of what each way settles: which in sum is a set that the best could have been. */
export function outcomeOf(seed: number, solver: Pick<Highs, 'solve'>): Outcome {
  const settled = COMPARED.map((compared) => {
    const day = instanceOf(seed);
    const items = day.waiting();
    if (compared === 'pass') pass(day);
    else new Settling(day, compared).resume();
    return [compared, day.worthOf(items.filter((item) => !day.isWaiting(item)))] as const;
  });
  const day = instanceOf(seed);
  return { best: day.worthOf(bestOf(day, solver)), settled: Object.fromEntries(settled) as Outcome['settled'] };
}
