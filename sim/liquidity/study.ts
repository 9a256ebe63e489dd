/**
 * The study: one day of traffic, run at each level of liquidity under each mechanism, and what comes of it.
 *
 * What `--json` prints is a `Study` with the `gap` of `exact.ts`. Worths are whole numbers of the unit of account, as
 * decimal strings; shares and ratios are numbers; delays are minutes. The same parameters give the same text.
 */
import { assert } from '../../protocol/types.js';
import { Day } from './day.js';
import { dueByTick, fundsOf, type Level, type Needs, needsOf, totalWorth } from './levels.js';
import { MECHANISMS, type Mechanism, Settling } from './mechanisms.js';
import { type Parameters, TICK_MINUTES, TICKS, type Traffic, trafficOf, worthIn } from './traffic.js';

/** Gridlock is measured at the end of every so many ticks. */
const GRIDLOCK_EVERY = 12;
/** Mean delays, in minutes, that the liquidity needed is given for. */
const DELAY_TARGETS = [120, 60, 30, 15, 5] as const;

/** One day under one mechanism. */
export interface Point {
  readonly mechanism: Mechanism;
  readonly level: Level;
  /** What all accounts begin with, in the unit of account, and as a share of the gross need. */
  readonly liquidity: string;
  readonly liquidityShare: number;
  /** Of what was due, by the end of the day, by worth and by number. */
  readonly settledShare: number;
  readonly settledCountShare: number;
  /** From due to settled, each weighted by its worth; what did not settle waited until the end of the day. */
  readonly delayMinutes: number;
  /** Worth settled for each unit of liquidity that accounts were drawn down by, at the most. Null when nothing was. */
  readonly turnover: number | null;
  /**
   * Of the worth that waits once the mechanism has found nothing more, the part that belongs to sets which could settle
   * at that moment: those that `improved` finds from there. Summed over moments an hour apart. What no search finds is
   * not counted, so for `improved` it is 0 by definition, and for the others a lower bound.
   */
  readonly gridlockShare: number;
}

/** The liquidity that a mechanism needs for something, between levels of the scale `between` by straight lines. */
export interface Needed {
  readonly mechanism: Mechanism;
  readonly liquidity: string;
  readonly liquidityShare: number;
  /** Against `gross`: 1 - needed / needed by gross. */
  readonly saving: number;
}
export interface Target {
  /** At most so many minutes of mean delay; or null, and all settled by the end of the day. */
  readonly delayMinutes: number | null;
  /** By mechanism, gross first; those that do not get there at any level are left out. */
  readonly needed: readonly Needed[];
}

export interface Study {
  readonly parameters: Parameters;
  /** Worth of all legs. */
  readonly worth: string;
  readonly grossNeed: string;
  readonly lowerBound: string;
  /** 1 - liquidity / worth settled with it, for all to settle: at the lower bound, and by mechanism where it gets there. */
  readonly nettingEfficiency: readonly { readonly of: 'lower bound' | Mechanism; readonly efficiency: number }[];
  readonly points: readonly Point[];
  readonly targets: readonly Target[];
}

const SCALE = 10_000n;
/** A quotient to four digits after the point. */
export const ratio = (over: bigint, under: bigint): number =>
  under === 0n ? 0 : Number((SCALE * over + under / 2n) / under) / Number(SCALE);

/** Runs it all; `onPoint` is told after each day how many are done. */
export function study(
  parameters: Parameters,
  levels: readonly Level[],
  onPoint: (done: number, of: number) => void = () => {},
): Study {
  const traffic = trafficOf(parameters);
  const needs = needsOf(traffic);
  const points: Point[] = [];
  for (const level of levels) {
    for (const mechanism of MECHANISMS) {
      points.push(runDay(traffic, needs, level, mechanism).point);
      onPoint(points.length, levels.length * MECHANISMS.length);
    }
  }
  const worth = worthOfAll(traffic);
  const [grossNeed, lowerBound] = [totalWorth(traffic, needs.gross), totalWorth(traffic, needs.bound)];
  const targets = [...DELAY_TARGETS, null].map((minutes) => targetOf(points, minutes, grossNeed));
  const efficiency = (liquidity: bigint): number => ratio(worth - liquidity, worth);
  const all = targets.at(-1)?.needed ?? [];
  return {
    parameters,
    worth: String(worth),
    grossNeed: String(grossNeed),
    lowerBound: String(lowerBound),
    nettingEfficiency: [
      { of: 'lower bound', efficiency: efficiency(lowerBound) },
      ...all.map(({ mechanism, liquidity }) => ({ of: mechanism, efficiency: efficiency(BigInt(liquidity)) })),
    ],
    points,
    targets,
  };
}

const worthOfAll = ({ instructions }: Traffic): bigint => instructions.reduce((sum, { worth }) => sum + worth, 0n);

interface Run {
  readonly day: Day;
  readonly point: Point;
}

/** One day at one level under one mechanism. What went in is what came out, and no account was below its floor. */
export function runDay(traffic: Traffic, needs: Needs, level: Level, mechanism: Mechanism): Run {
  const funds = fundsOf(needs, level);
  const day = new Day(traffic, funds);
  const settling = new Settling(day, mechanism);
  let [waited, stuck] = [0n, 0n];
  for (const due of dueByTick(traffic)) {
    settling.run(due);
    if (day.tick % GRIDLOCK_EVERY === GRIDLOCK_EVERY - 1) {
      const waiting = day.waiting();
      waited += day.worthOf(waiting);
      stuck += mechanism === 'improved' ? 0n : gridlocked(day, waiting);
    }
    day.tick += 1;
  }
  assertConserved(day, funds);
  return { day, point: pointOf(day, funds, { level, mechanism, needs, gridlockShare: ratio(stuck, waited) }) };
}

/** The worth of what could settle now, and waits. */
function gridlocked(day: Day, waiting: readonly number[]): bigint {
  if (waiting.length === 0) return 0n;
  const tried = day.copy();
  new Settling(tried, 'improved').resume();
  return day.worthOf(waiting.filter((item) => !tried.isWaiting(item)));
}

function assertConserved({ traffic, funds, lows }: Day, before: readonly bigint[]): void {
  const { currencies } = traffic.parameters;
  assert(
    lows.every((low) => low >= 0n),
    'no account was below its floor',
  );
  for (let currency = 0; currency < currencies; currency++) {
    const sum = (amounts: readonly bigint[]): bigint =>
      amounts.reduce((sum, amount, account) => (account % currencies === currency ? sum + amount : sum), 0n);
    assert(sum(before) === sum(funds), 'of each currency there is as much at the end as at the beginning');
  }
}

function pointOf(
  day: Day,
  funds: readonly bigint[],
  about: Pick<Point, 'level' | 'mechanism' | 'gridlockShare'> & { readonly needs: Needs },
): Point {
  const { traffic, lows, settledTicks } = day;
  const { level, mechanism, needs, gridlockShare } = about;
  let [settled, delayed, count] = [0n, 0n, 0];
  traffic.instructions.forEach(({ worth, dueTick }, item) => {
    const tick = settledTicks[item] as number;
    if (tick >= 0) [settled, count] = [settled + worth, count + 1];
    delayed += worth * BigInt((tick < 0 ? TICKS : tick) - dueTick);
  });
  const worth = worthOfAll(traffic);
  const liquidity = totalWorth(traffic, funds);
  const used = lows.reduce(
    (sum, low, account) => sum + worthIn(traffic, account, (funds[account] as bigint) - low),
    0n,
  );
  return {
    mechanism,
    level,
    liquidity: String(liquidity),
    liquidityShare: ratio(liquidity, totalWorth(traffic, needs.gross)),
    settledShare: ratio(settled, worth),
    settledCountShare: count / traffic.instructions.length,
    delayMinutes: ratio(BigInt(TICK_MINUTES) * delayed, worth),
    turnover: used === 0n ? null : ratio(settled, used),
    gridlockShare,
  };
}

function targetOf(points: readonly Point[], delayMinutes: number | null, grossNeed: bigint): Target {
  const found = MECHANISMS.flatMap((mechanism) => {
    const curve = points.filter(({ level, ...point }) => point.mechanism === mechanism && isOnCurve(level));
    curve.sort((a, b) => a.liquidityShare - b.liquidityShare);
    const liquidity = neededFor(curve, delayMinutes);
    return liquidity === null ? [] : [{ mechanism, liquidity }];
  });
  const gross = found.find(({ mechanism }) => mechanism === 'gross')?.liquidity;
  return {
    delayMinutes,
    needed: found.map(({ mechanism, liquidity }) => ({
      mechanism,
      liquidity: String(liquidity),
      liquidityShare: ratio(liquidity, grossNeed),
      saving: gross === undefined ? 0 : ratio(gross - liquidity, gross),
    })),
  };
}

/** The scale on which everything can settle at its low end and does settle gross at its high one. */
const isOnCurve = ({ scale, percent }: Level): boolean => scale === 'between' || (scale === 'share' && percent === 100);

/** From which liquidity on, going down from the most, a target is still met. */
function neededFor(curve: readonly Point[], delayMinutes: number | null): bigint | null {
  const misses = (point: Point): boolean =>
    delayMinutes === null ? point.settledCountShare < 1 : point.delayMinutes > delayMinutes;
  const at = curve.findLastIndex(misses);
  const [below, above] = [curve[at], curve[at + 1]];
  if (above === undefined) return null;
  const most = BigInt(above.liquidity);
  if (below === undefined || delayMinutes === null) return most;
  // A straight line between the two, in hundredths of the step.
  const least = BigInt(below.liquidity);
  const part = (below.delayMinutes - delayMinutes) / (below.delayMinutes - above.delayMinutes);
  return least + ((most - least) * BigInt(Math.round(100 * part))) / 100n;
}
