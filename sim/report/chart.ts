/** Charts as SVG text, each drawn for a wide and for a narrow page. */
import { unreachable } from '../../protocol/types.js';
import { at, both, escaped, line, logTicks, MARGIN, mark, NARROW, seriesClass, text, ticksTo } from './shapes.js';
import { drawBands, type TimeChart, timeAxisTitle, times, timeTicks } from './timechart.js';

interface Axis {
  readonly title: string;
  readonly most: number;
  readonly format: (value: number) => string;
}
interface Common {
  readonly title: string;
  readonly y: Axis;
  /** Lines across at a value of y: what somebody else has published. */
  readonly references?: readonly { readonly label: string; readonly value: number }[];
}
export interface Series {
  readonly name: string;
  readonly values: readonly (readonly [x: number, y: number])[];
}
export interface LineChart extends Common {
  readonly kind: 'lines';
  readonly x: Axis;
  readonly series: readonly Series[];
}
export interface BarChart extends Common {
  readonly kind: 'bars';
  readonly x: { readonly title: string };
  /** Side by side, one of each series; null is not drawn, and one that stands alone is in the middle. */
  readonly groups: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
  readonly series: readonly { readonly name: string }[];
}
export type Chart = LineChart | BarChart | TimeChart;

const HEIGHT = 340;
/** Those over time stand in a column, one under the other. */
const TIMES_HEIGHT = 210;

/** So high at least is the room between two lines across a logarithmic scale. */
const LOG_TICK_HEIGHT = 20;

/** Both drawings of a chart. */
export const drawings = (chart: Chart): string => both((width) => draw(chart, width));

/** The drawing for a narrow page alone: it can stand beside others of its kind. */
export const smallDrawing = (chart: Chart): string => draw(chart, NARROW);

function draw(chart: Chart, width: number): string {
  const height = chart.kind === 'times' ? TIMES_HEIGHT : HEIGHT;
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const top = chart.kind === 'times' ? MARGIN.top + 6 : MARGIN.top;
  const logFrom = chart.kind === 'times' ? chart.y.logFrom : undefined;
  const shareOf = (value: number): number =>
    logFrom === undefined
      ? value / chart.y.most
      : Math.log(Math.max(value, logFrom) / logFrom) / Math.log(chart.y.most / logFrom);
  const toY = (value: number): number => bottom - (bottom - top) * shareOf(value);
  const ticks =
    logFrom === undefined
      ? ticksTo(chart.y.most, chart.kind === 'times' ? 4 : 5)
      : logTicks(logFrom, chart.y.most, (bottom - top) / LOG_TICK_HEIGHT);
  const parts = [
    chart.kind === 'times' ? drawBands(chart.bands, chart.lastsMs, width, top, bottom) : '',
    ...ticks.map(
      (value) =>
        `<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${at(toY(value))}" y2="${at(toY(value))}"/>` +
        text(MARGIN.left - 7, toY(value) + 4, chart.y.format(value), 'end'),
    ),
    ...seriesOf(chart, width, bottom, toY),
    ...('references' in chart ? (chart.references ?? []) : []).map((reference) =>
      drawReference(reference, toY(reference.value), right),
    ),
    `<line class="axis" x1="${MARGIN.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    text(
      (MARGIN.left + right) / 2,
      height - 10,
      chart.kind === 'times' ? timeAxisTitle(chart.lastsMs) : chart.x.title,
      'middle',
    ),
    `<text class="title" text-anchor="middle" transform="translate(14 ${(top + bottom) / 2}) rotate(-90)">${escaped(chart.y.title)}</text>`,
  ];
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(chart.title)}">${parts.join('')}</svg>`;
}

function seriesOf(chart: Chart, width: number, bottom: number, toY: (value: number) => number): string[] {
  switch (chart.kind) {
    case 'lines':
      return lines(chart, width, toY);
    case 'bars':
      return bars(chart, width, toY);
    case 'times':
      return [timeTicks(chart.lastsMs, width, bottom + 18), ...times(chart, width, toY)];
    default:
      return unreachable(chart);
  }
}

function lines(chart: LineChart, width: number, toY: (value: number) => number): string[] {
  const span = width - MARGIN.left - MARGIN.right;
  const toX = (value: number): number => MARGIN.left + (span * value) / chart.x.most;
  const ticks = ticksTo(chart.x.most, width > NARROW ? 10 : 5).map((value) =>
    text(toX(value), HEIGHT - MARGIN.bottom + 18, chart.x.format(value), 'middle'),
  );
  return [
    ...ticks,
    ...chart.series.map(({ name, values }, number) => {
      const places = values.map(([x, y]) => [toX(x), toY(y)] as const);
      const marks = values.map(([x, y]) =>
        mark(toX(x), toY(y), number, `${name}: ${chart.x.format(x)}, ${chart.y.format(y)}`),
      );
      return `<g data-series="${escaped(name)}">${line(places, number)}${marks.join('')}</g>`;
    }),
  ];
}

function bars(chart: BarChart, width: number, toY: (value: number) => number): string[] {
  const slot = (width - MARGIN.left - MARGIN.right) / chart.groups.length;
  const bar = (slot * 0.72) / chart.series.length;
  return chart.groups.map(({ name, values }, group) => {
    const left = MARGIN.left + slot * group + slot * 0.14;
    const isAlone = values.filter((value) => value !== null).length === 1;
    const drawn = values.map((value, number) => {
      if (value === null) return '';
      const place = isAlone ? (chart.series.length - 1) / 2 : number;
      const [top, base] = [toY(Math.max(0, value)), toY(0)];
      const label = `${chart.series[number]?.name ?? ''}, ${name}: ${chart.y.format(value)}`;
      return (
        `<rect class="bar ${seriesClass(number)}" x="${at(left + bar * place)}" y="${at(top)}" width="${at(bar * 0.92)}" ` +
        `height="${at(Math.max(0, base - top))}"><title>${escaped(label)}</title></rect>`
      );
    });
    return drawn.join('') + text(MARGIN.left + slot * (group + 0.5), HEIGHT - MARGIN.bottom + 18, name, 'middle');
  });
}

const drawReference = ({ label }: { readonly label: string }, y: number, right: number): string =>
  `<line class="reference" x1="${MARGIN.left}" x2="${right}" y1="${at(y)}" y2="${at(y)}"/>` +
  `<text class="reference-label" x="${MARGIN.left + 6}" y="${at(y - 5)}">${escaped(label)}</text>`;
