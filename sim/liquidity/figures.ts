/** The figures of a study as charts and tables, each with what it shows in words. */
import type { Figure } from '../report/page.js';
import { COMPARED, type Gap } from './exact.js';
import type { Scale } from './levels.js';
import { MECHANISMS } from './mechanisms.js';
import type { Point, Study } from './study.js';

export const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;
const minutes = (value: number): string => `${Number(value.toFixed(1))}`;
const times = (value: number): string => `${Number(value.toFixed(2))}`;

/** Published, by others, of other systems and other traffic: to see of what size such figures are. */
export const PUBLISHED = [
  {
    short: 'CHAPS, live: 20 %',
    value: 0.2,
    says: 'CHAPS saved 20 % of liquidity live by two streams of payments, urgent and not',
    source: 'Bank of England Quarterly Bulletin 2014 Q2',
  },
  {
    short: 'CHAPS, simulated: 30 %',
    value: 0.3,
    says: 'about 30 % in simulation before that',
    source: 'Bank of England Quarterly Bulletin 2014 Q2',
  },
  {
    short: 'CLS, up to 96 %',
    value: 0.96,
    says: 'CLS nets up to 96 % of what it settles before it is funded',
    source: "e-forex, 'Casting light on CLSSettlement and CLSNet'",
  },
] as const;
const [CHAPS_LIVE, CHAPS_SIMULATED, CLS] = PUBLISHED;

interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly about: string;
  readonly of: (point: Point) => number | null;
  readonly format: (value: number) => string;
  readonly most?: number;
}
const DELAY: Measure = {
  name: 'Mean delay',
  unit: 'Delay, minutes, weighted by value',
  about: 'From due to settled, weighted by value; what has not settled waited until the end of the day.',
  of: ({ delayMinutes }) => delayMinutes,
  format: minutes,
};
const SETTLED: Measure = {
  name: 'Settled by the end of the day',
  unit: 'Settled, % of value',
  about: 'Of the value that was due.',
  of: ({ settledShare }) => settledShare,
  format: percent,
  most: 1,
};
const COUNT: Measure = {
  name: 'Settled by the end of the day, by number',
  unit: 'Settled, % of instructions',
  about: 'Of the instructions that were due.',
  of: ({ settledCountShare }) => settledCountShare,
  format: percent,
  most: 1,
};
const TURNOVER: Measure = {
  name: 'Turnover',
  unit: 'Value settled / liquidity used',
  about: 'What settled for each unit that accounts were drawn down by at the most. Read it beside what settled at all.',
  of: ({ turnover }) => turnover,
  format: times,
};
const GRIDLOCK: Measure = {
  name: 'Gridlock',
  unit: 'Gridlocked, % of the value that waits',
  about:
    'Of what waits at the end of each hour, the part in sets that could settle at that moment, as far as the search of ' +
    '“improved” finds them; for “improved” itself it is 0 by definition, for the others a lower bound.',
  of: ({ gridlockShare }) => gridlockShare,
  format: percent,
};
const SCALE_TEXTS: Readonly<Record<Scale, string>> = {
  between: 'from the lower bound to the gross need',
  share: 'a share of the gross need in each account',
  bound: 'multiples of the lower bound in each account',
};

/** All figures of a study, in the order of the report. */
export function figuresOf(study: Study, gap: Gap): Figure[] {
  const on = (scale: Scale, measures: readonly Measure[]): Figure[] =>
    measures.map((measure) => curves(study, scale, measure));
  return [
    ...on('between', [DELAY, SETTLED, TURNOVER, GRIDLOCK]),
    savings(study),
    efficiency(study),
    gapFigure(gap),
    ...on('share', [DELAY, SETTLED, COUNT, TURNOVER]),
    ...on('bound', [DELAY, SETTLED]),
  ];
}

function curves({ points }: Study, scale: Scale, { name, unit, about, of, format, most }: Measure): Figure {
  const ofMechanism = (mechanism: string): Point[] =>
    points
      .filter(
        (point) =>
          point.mechanism === mechanism &&
          (point.level.scale === scale ||
            (scale === 'between' && point.level.scale === 'share' && point.level.percent === 100)),
      )
      .sort((a, b) => a.liquidityShare - b.liquidityShare);
  const columns = MECHANISMS.map(ofMechanism);
  const series = MECHANISMS.map((name, at) => ({
    name,
    values: (columns[at] ?? []).flatMap((point): (readonly [number, number])[] => {
      const value = of(point);
      return value === null ? [] : [[point.liquidityShare, value]];
    }),
  }));
  const values = series.flatMap(({ values }) => values);
  return {
    chart: {
      kind: 'lines',
      title: `${name} (${SCALE_TEXTS[scale]})`,
      x: { title: 'Liquidity, % of the gross need', most: Math.max(1, ...values.map(([x]) => x)), format: percent },
      y: { title: unit, most: most ?? (Math.max(0, ...values.map(([, y]) => y)) * 1.05 || 1), format },
      series,
    },
    about,
    head: ['liquidity', ...MECHANISMS],
    rows: (columns[0] ?? []).map((point, row) => [
      percent(point.liquidityShare),
      ...columns.map((column) => shown(column[row] === undefined ? null : of(column[row]), format)),
    ]),
  };
}

const shown = (value: number | null | undefined, format: (value: number) => string): string =>
  value === null || value === undefined ? '–' : format(value);

function savings({ targets }: Study): Figure {
  const groups = targets.map(({ delayMinutes, needed }) => ({
    name: delayMinutes === null ? 'all' : `${delayMinutes}`,
    limit: delayMinutes === null ? 'all settled' : `${delayMinutes} minutes`,
    values: MECHANISMS.map((name) => needed.find(({ mechanism }) => mechanism === name)?.saving ?? null),
    needs: MECHANISMS.map((name) => needed.find(({ mechanism }) => mechanism === name)?.liquidityShare),
  }));
  const most = Math.max(0.35, ...groups.flatMap(({ values }) => values.map((value) => value ?? 0)));
  return {
    chart: {
      kind: 'bars',
      title: 'Liquidity saved against gross',
      x: { title: 'Mean delay at most, minutes; or all settled' },
      y: { title: 'Saved, % of what gross needs', most: most * 1.05, format: percent },
      groups,
      series: MECHANISMS.map((name) => ({ name })),
      references: [CHAPS_LIVE, CHAPS_SIMULATED].map(({ short, value }) => ({ label: short, value })),
    },
    about:
      'Between the lower bound and the gross need, along a straight line from level to level. The table has the liquidity ' +
      'needed, as a share of the gross need, and in brackets what is saved against gross.',
    head: ['at most', ...MECHANISMS],
    rows: groups.map(({ limit, values, needs }) => [
      limit,
      ...values.map((value, at) => (value === null ? '–' : `${shown(needs[at], percent)} (${percent(value)})`)),
    ]),
  };
}

function efficiency({ nettingEfficiency }: Study): Figure {
  const of = (name: string): number | null => nettingEfficiency.find((each) => each.of === name)?.efficiency ?? null;
  return {
    chart: {
      kind: 'bars',
      title: 'Netting efficiency',
      x: { title: 'With the least liquidity with which all settles' },
      y: { title: '1 - liquidity / value settled', most: 1, format: percent },
      groups: MECHANISMS.map((name, place) => ({
        name,
        values: MECHANISMS.map((_, at) => (at === place ? of(name) : null)),
      })),
      series: MECHANISMS.map((name) => ({ name })),
      references: [{ label: CLS.short, value: CLS.value }],
    },
    about:
      'How much of the value need not be there as liquidity for all to settle by the end of the day. No mechanism does better ' +
      'than the lower bound: what each account pays over the day beyond what it receives.',
    head: ['mechanism', 'netting efficiency'],
    rows: nettingEfficiency.map((each) => [each.of, percent(each.efficiency)]),
  };
}

function gapFigure({ instances, shareOfBest, best, worst }: Gap): Figure {
  return {
    chart: {
      kind: 'bars',
      title: 'What is settled of the best',
      x: { title: 'By mechanism, on small queues' },
      y: { title: 'Settled, % of the best set', most: 1, format: percent },
      groups: MECHANISMS.map((name, place) => ({
        name,
        values: MECHANISMS.map((_, at) => (at === place ? shareOfBest[name] : null)),
      })),
      series: MECHANISMS.map((name) => ({ name })),
    },
    about:
      `${instances} random queues of 6 to 20 instructions at one moment; the best set is that of an integer program with ` +
      'the same floors and the same rule of urgency, solved exactly by HiGHS. “pass” is one pass of the ledger by itself; ' +
      'the mechanisms have tried each instruction alone before.',
    head: ['mechanism', 'of the best, by value', 'as good as the best, queues', 'furthest from it'],
    rows: COMPARED.map((name) => [
      name,
      percent(shareOfBest[name]),
      `${best[name]} of ${instances}`,
      percent(worst[name]),
    ]),
  };
}
