/** The charts of a run: what settled, how long it took, what waited, what the ledger did, and the money of each asset. */
import type { Figure } from '../report/page.js';
import type { TimeChart, TimeShape } from '../report/timechart.js';
import { duration, short } from '../report/words.js';
import type { Run } from './play.js';
import type { Series, SeriesOfAsset } from './series.js';
import { bandsOf, numbered } from './timeline.js';

/** Of so many assets the money is drawn; the others stand in the table of assets. */
const ASSETS_MAX = 12;

/** What a settlement takes at the least, on a drawing. */
const FINALITY_FROM_MS = 50;

interface Drawn {
  readonly name: string;
  readonly shape: TimeShape;
  readonly of: (series: Series) => number | null;
}

interface Asked {
  readonly title: string;
  readonly about: string;
  readonly unit: string;
  readonly drawn: readonly Drawn[];
  readonly format: (value: number) => string;
  readonly inTable?: (value: number) => string;
  /** The axis goes at least so far. */
  readonly least: number;
  readonly isLogarithmic?: boolean;
}

function figureOf(
  run: Run,
  { title, about, unit, drawn, format, inTable = format, least, isLogarithmic = false }: Asked,
  isSmall = false,
): Figure {
  const { series, lastedMs } = run;
  const columns = drawn.map(({ of }) => series.map(of));
  const most = Math.max(least, ...columns.flat().map((value) => value ?? 0));
  const chart: TimeChart = {
    kind: 'times',
    title,
    y: {
      title: unit,
      most: most * (isLogarithmic ? 1.5 : 1.05),
      format,
      ...(isLogarithmic && { logFrom: FINALITY_FROM_MS }),
    },
    lastsMs: lastedMs,
    bands: bandsOf(numbered(run)),
    series: drawn.map(({ name, shape }, at) => ({ name, shape, values: columns[at] ?? [] })),
  };
  const cell = (value: number | null | undefined): string =>
    value === null || value === undefined ? '–' : inTable(value);
  const rows = series.map(({ atMs }, nth) => [duration(atMs), ...columns.map((column) => cell(column[nth]))]);
  return { chart, about, head: ['at', ...drawn.map(({ name }) => name)], rows, isSmall };
}

/** Over the whole width of the page, one under the other, on one axis of time. */
export function timeFiguresOf(run: Run): readonly Figure[] {
  const spanMs = run.lastedMs / run.series.length;
  const all: readonly Asked[] = [
    {
      title: 'Throughput',
      about: `Settlements that became final, per second, over spans of ${duration(spanMs)}.`,
      unit: 'Settled per second',
      drawn: [{ name: 'settled', shape: 'columns', of: ({ settled }) => settled / (spanMs / 1_000) }],
      format: short,
      least: 1,
    },
    {
      title: 'Finality',
      about:
        'From sending an instruction to the first receipt that its sender saw, of the receipts seen in each span; on a logarithmic scale.',
      unit: 'Seconds',
      drawn: [
        { name: 'half within (p50)', shape: 'line', of: ({ finalityMs }) => finalityMs },
        { name: '99 of 100 within (p99)', shape: 'line', of: ({ finalityP99Ms }) => finalityP99Ms },
      ],
      format: (ms) => short(ms / 1_000),
      inTable: duration,
      least: 1_000,
      isLogarithmic: true,
    },
    {
      title: 'Queue',
      about: 'Settlements that are bound and wait for funds or for their time, at the end of each span.',
      unit: 'Waiting',
      drawn: [{ name: 'waiting', shape: 'steps', of: ({ waiting }) => waiting }],
      format: short,
      least: 4,
    },
    {
      title: 'Ledger',
      about: 'Blocks that became final in each span, and views in which the validators agreed on none.',
      unit: 'In each span',
      drawn: [
        { name: 'blocks', shape: 'columns', of: ({ blocks }) => blocks },
        { name: 'views without a block', shape: 'line', of: ({ nullified }) => (nullified === 0 ? null : nullified) },
      ],
      format: short,
      least: 4,
    },
  ];
  return all.map((each) => figureOf(run, each));
}

/** Whether there is anything to draw: something waited for it, or it settled and was there before or after. */
const isDrawn = ({ waiting, settled, issued }: SeriesOfAsset): boolean => waiting > 0 || (settled > 0 && issued > 0);

/** Small, side by side: what banks had of each asset, and what waited for it. */
export function liquidityFiguresOf(run: Run): readonly Figure[] {
  return run.assets
    .filter(({ asset }) => run.series.some(({ assets }) => assets[asset] !== undefined && isDrawn(assets[asset])))
    .sort((a, b) => b.settlements - a.settlements)
    .slice(0, ASSETS_MAX)
    .map(({ asset }) =>
      figureOf(
        run,
        {
          title: asset,
          about: `In circulation, and the ${asset} legs of settlements that wait, at the end of each span.`,
          unit: asset,
          drawn: [
            { name: 'waiting', shape: 'columns', of: ({ assets }) => assets[asset]?.waiting ?? 0 },
            { name: 'in circulation', shape: 'steps', of: ({ assets }) => assets[asset]?.issued ?? 0 },
          ],
          format: short,
          least: 1,
        },
        true,
      ),
    );
}
