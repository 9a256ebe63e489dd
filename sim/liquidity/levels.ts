/** How much liquidity a day begins with, and what the day would need at the least and at the most. */
import { unreachable } from '../../protocol/types.js';
import { Day } from './day.js';
import { Settling } from './mechanisms.js';
import { accountsOf, TICKS, type Traffic, worthIn } from './traffic.js';

/** What the days of a study need, by account in minor units. */
export interface Needs {
  /** With which everything settles gross the moment it is due: the most that an account is ever out of pocket then. */
  readonly gross: readonly bigint[];
  /** Without which not all can settle by any mechanism: what an account pays over the day beyond what it receives. */
  readonly bound: readonly bigint[];
}

/** A level of one of three scales, in per cent of it. */
export interface Level {
  readonly scale: Scale;
  readonly percent: number;
}
/**
 * `share`: so much of the gross need, in every account. `between`: the lower bound, and so much of what the gross need
 * is beyond it. `bound`: a multiple of the lower bound.
 */
export type Scale = 'share' | 'between' | 'bound';

export const LEVELS: readonly Level[] = [
  ...[5, 10, 20, 30, 40, 60, 80, 100].map((percent): Level => ({ scale: 'share', percent })),
  ...[0, 5, 10, 20, 30, 40, 60, 80, 90].map((percent): Level => ({ scale: 'between', percent })),
  ...[100, 150, 200, 300].map((percent): Level => ({ scale: 'bound', percent })),
];
/** Enough to see every curve bend. */
export const QUICK_LEVELS: readonly Level[] = [
  ...[10, 30, 60, 100].map((percent): Level => ({ scale: 'share', percent })),
  ...[0, 10, 30, 60].map((percent): Level => ({ scale: 'between', percent })),
  ...[100, 150, 200].map((percent): Level => ({ scale: 'bound', percent })),
];

/** What comes due in each tick, by place. */
export function dueByTick({ instructions }: Traffic): number[][] {
  const ticks: number[][] = Array.from({ length: TICKS }, () => []);
  instructions.forEach(({ dueTick }, item) => void ticks[dueTick]?.push(item));
  return ticks;
}

/** The gross need is what gross settlement did draw on when nothing was ever short. */
export function needsOf(traffic: Traffic): Needs {
  const accounts = accountsOf(traffic);
  const plenty = traffic.instructions
    .flatMap(({ movements }) => movements)
    .reduce((sum, { net }) => (net > 0n ? sum + net : sum), 0n);
  const day = new Day(
    traffic,
    Array.from({ length: accounts }, () => plenty),
  );
  const settling = new Settling(day, 'gross');
  for (const due of dueByTick(traffic)) {
    settling.run(due);
    day.tick += 1;
  }
  return {
    gross: day.lows.map((low) => plenty - low),
    bound: day.funds.map((end) => (end < plenty ? plenty - end : 0n)),
  };
}

/** What each account begins with. Rounded up, so that all of a need is never a unit short. */
export function fundsOf(needs: Needs, { scale, percent }: Level): bigint[] {
  const part = (amount: bigint): bigint => (amount * BigInt(percent) + 99n) / 100n;
  const { gross, bound } = needs;
  switch (scale) {
    case 'share':
      return gross.map(part);
    case 'between':
      return bound.map((least, account) => least + part((gross[account] ?? least) - least));
    case 'bound':
      return bound.map(part);
    default:
      return unreachable(scale);
  }
}

/** What amounts of all accounts are worth together. */
export const totalWorth = (traffic: Traffic, amounts: readonly bigint[]): bigint =>
  amounts.reduce((sum, amount, account) => sum + worthIn(traffic, account, amount), 0n);
