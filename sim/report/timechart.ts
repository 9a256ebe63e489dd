/** What happened over the time of a run: a value for each span, and bands for as long as something was wrong. */
import { at, escaped, line, MARGIN, mark, NARROW, seriesClass, text, ticksTo } from './shapes.js';

export interface Band {
  /** A number, or what is as short. */
  readonly label: string;
  readonly title: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Lines have gaps where there is no value; steps and columns are flat over a span. */
export type TimeShape = 'line' | 'steps' | 'columns';

export interface TimeChart {
  readonly kind: 'times';
  readonly title: string;
  readonly y: {
    readonly title: string;
    readonly most: number;
    readonly format: (value: number) => string;
    /** On a logarithmic scale its least value; what is less stands there too. */
    readonly logFrom?: number;
  };
  readonly lastsMs: number;
  readonly bands: readonly Band[];
  /** Each with a value for every span; the spans divide the whole time evenly. */
  readonly series: readonly {
    readonly name: string;
    readonly shape: TimeShape;
    readonly values: readonly (number | null)[];
  }[];
}

interface Unit {
  readonly name: string;
  readonly ms: number;
}
const SECONDS: Unit = { name: 'seconds', ms: 1_000 };
const LONGER: readonly Unit[] = [
  { name: 'hours', ms: 3_600_000 },
  { name: 'minutes', ms: 60_000 },
];
/** The largest unit of which a run has at least as many. */
const LEAST = 3;

const unitOf = (lastsMs: number): Unit => LONGER.find(({ ms }) => lastsMs >= LEAST * ms) ?? SECONDS;

export const timeAxisTitle = (lastsMs: number): string => `Time after the opening, ${unitOf(lastsMs).name}`;

/** From time to place on a drawing so wide. */
export const timeScale =
  (lastsMs: number, width: number): ((ms: number) => number) =>
  (ms) =>
    MARGIN.left + ((width - MARGIN.left - MARGIN.right) * Math.min(Math.max(ms, 0), lastsMs)) / lastsMs;

/** The numbers under the axis. */
export function timeTicks(lastsMs: number, width: number, y: number): string {
  const { ms } = unitOf(lastsMs);
  const toX = timeScale(lastsMs, width);
  return ticksTo(lastsMs / ms, width > NARROW ? 10 : 5)
    .map((value) => text(toX(value * ms), y, String(value), 'middle'))
    .join('');
}

/** Bands behind what is drawn, each with its label at the top where there is room for it. */
export function drawBands(bands: readonly Band[], lastsMs: number, width: number, top: number, bottom: number): string {
  const toX = timeScale(lastsMs, width);
  const ordered = [...bands].sort((a, b) => a.fromMs - b.fromMs);
  const rect = (kind: string, fromMs: number, untilMs: number, inside: string): string => {
    const [left, right] = [toX(fromMs), Math.max(toX(untilMs), toX(fromMs) + 1.5)];
    return `<rect class="${kind}" x="${at(left)}" y="${at(top)}" width="${at(right - left)}" height="${at(bottom - top)}">${inside}</rect>`;
  };
  let freeFrom = 0;
  const outlines = ordered.map(({ label, title, fromMs, untilMs }) => {
    const middle = (toX(fromMs) + toX(untilMs)) / 2;
    const half = 4 * label.length;
    const hasRoom = middle - half > freeFrom;
    if (hasRoom) freeFrom = middle + half + 2;
    const name = hasRoom ? text(middle, top - 3, label, 'middle', 'band-label') : '';
    return rect('band', fromMs, untilMs, `<title>${escaped(title)}</title>`) + name;
  });
  // Filled where any of them was: one on another they would grow dark, and hide what is drawn over them.
  const fills = unionOf(ordered).map(({ fromMs, untilMs }) => rect('band-fill', fromMs, untilMs, ''));
  return [...fills, ...outlines].join('');
}

/** The times at which there was any, without overlaps; `ordered` is by the beginning. */
function unionOf(ordered: readonly Pick<Band, 'fromMs' | 'untilMs'>[]): Pick<Band, 'fromMs' | 'untilMs'>[] {
  const union: { fromMs: number; untilMs: number }[] = [];
  for (const { fromMs, untilMs } of ordered) {
    const last = union.at(-1);
    if (last !== undefined && fromMs <= last.untilMs) last.untilMs = Math.max(last.untilMs, untilMs);
    else union.push({ fromMs, untilMs });
  }
  return union;
}

/** The series, between `top` and `bottom`. */
export function times(chart: TimeChart, width: number, toY: (value: number) => number): string[] {
  const toX = timeScale(chart.lastsMs, width);
  return chart.series.map(({ name, shape, values }, number) => {
    const spanMs = chart.lastsMs / values.length;
    const draw = { line: drawLine, steps: drawSteps, columns: drawColumns }[shape];
    return `<g data-series="${escaped(name)}">${draw(values, number, (nth) => toX(nth * spanMs), toY)}</g>`;
  });
}

type Draw = (
  values: readonly (number | null)[],
  number: number,
  toX: (nth: number) => number,
  toY: (value: number) => number,
) => string;

/** Neighbours are joined; one that stands alone is a mark. */
const drawLine: Draw = (values, number, toX, toY) => {
  const runs: (readonly [number, number])[][] = [[]];
  for (const [nth, value] of values.entries()) {
    if (value === null) runs.push([]);
    else runs.at(-1)?.push([toX(nth + 0.5), toY(value)]);
  }
  return runs
    .filter((run) => run.length > 0)
    .map((run) => (run.length > 1 ? line(run, number) : '') + run.map(([x, y]) => mark(x, y, number)).join(''))
    .join('');
};

const drawSteps: Draw = (values, number, toX, toY) =>
  line(
    values.flatMap((value, nth) => [[toX(nth), toY(value ?? 0)] as const, [toX(nth + 1), toY(value ?? 0)] as const]),
    number,
  );

const drawColumns: Draw = (values, number, toX, toY) =>
  values
    .map((value, nth) => {
      if (value === null || value === 0) return '';
      const [left, right, top, base] = [toX(nth), toX(nth + 1), toY(value), toY(0)];
      return `<rect class="bar ${seriesClass(number)}" x="${at(left + 0.5)}" y="${at(top)}" width="${at(Math.max(1, right - left - 1))}" height="${at(base - top)}"/>`;
    })
    .join('');
