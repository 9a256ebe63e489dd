/**
 * Charts as SVG text. Colours are classes, which the page's style sheet gives for light and dark; each series has a mark
 * and a dash of its own too, so that colour alone tells nothing. Each chart is drawn twice, for a wide and a narrow page:
 * drawn once and scaled, its letters would be too small on one of them.
 */

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
export type Chart = LineChart | BarChart;

const [WIDE, NARROW] = [760, 350];
const HEIGHT = 340;
const MARGIN = { top: 14, right: 26, bottom: 52, left: 62 };
const DASHES = ['', '7 4', '2 3', '10 3 2 3'] as const;

export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** Where a series stands among the mechanisms is its colour; `number` is from 0. */
const seriesClass = (number: number): string => `s${number}`;

/** Both drawings of a chart. */
export const drawings = (chart: Chart): string =>
  `<div class="wide">${draw(chart, WIDE)}</div><div class="narrow">${draw(chart, NARROW)}</div>`;

/** A sample of a series' line and mark, for a legend. */
export const sample = (number: number): string =>
  `<svg class="sample" viewBox="0 0 34 12" width="34" height="12" aria-hidden="true">${line(
    [
      [1, 6],
      [33, 6],
    ],
    number,
  )}${mark(17, 6, number)}</svg>`;

/** At most so many round values from 0 up to `most`. */
export function ticksTo(most: number, count: number): number[] {
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, at) => Number((at * step).toPrecision(12)));
}

function draw(chart: Chart, width: number): string {
  const right = width - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const toY = (value: number): number => bottom - ((bottom - MARGIN.top) * value) / chart.y.most;
  const parts = [
    ...ticksTo(chart.y.most, 5).map(
      (value) =>
        `<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${at(toY(value))}" y2="${at(toY(value))}"/>` +
        text(MARGIN.left - 7, toY(value) + 4, chart.y.format(value), 'end'),
    ),
    ...(chart.kind === 'lines' ? lines(chart, width, toY) : bars(chart, width, toY)),
    ...(chart.references ?? []).map((reference) => drawReference(reference, toY(reference.value), right)),
    `<line class="axis" x1="${MARGIN.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    text((MARGIN.left + right) / 2, HEIGHT - 10, chart.x.title, 'middle'),
    `<text class="title" text-anchor="middle" transform="translate(14 ${(MARGIN.top + bottom) / 2}) rotate(-90)">${escaped(chart.y.title)}</text>`,
  ];
  return `<svg viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-label="${escaped(chart.title)}">${parts.join('')}</svg>`;
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

function line(places: readonly (readonly [number, number])[], number: number): string {
  const dash = DASHES[number % DASHES.length] ?? '';
  const points = places.map(([x, y]) => `${at(x)},${at(y)}`).join(' ');
  return `<polyline class="line ${seriesClass(number)}" points="${points}"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}/>`;
}

/** A circle, a square, a triangle or a diamond. */
function mark(x: number, y: number, number: number, title = ''): string {
  const corners: readonly (readonly (readonly [number, number])[])[] = [
    [],
    [
      [-3.5, -3.5],
      [3.5, -3.5],
      [3.5, 3.5],
      [-3.5, 3.5],
    ],
    [
      [0, -4.5],
      [4.5, 3.5],
      [-4.5, 3.5],
    ],
    [
      [0, -5],
      [5, 0],
      [0, 5],
      [-5, 0],
    ],
  ];
  const inside = title === '' ? '' : `<title>${escaped(title)}</title>`;
  const shape = corners[number % corners.length] ?? [];
  if (shape.length === 0)
    return `<circle class="mark ${seriesClass(number)}" cx="${at(x)}" cy="${at(y)}" r="4">${inside}</circle>`;
  const points = shape.map(([dx, dy]) => `${at(x + dx)},${at(y + dy)}`).join(' ');
  return `<polygon class="mark ${seriesClass(number)}" points="${points}">${inside}</polygon>`;
}

const text = (x: number, y: number, content: string, anchor: 'end' | 'middle'): string =>
  `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}">${escaped(content)}</text>`;

/** A place to a tenth of a pixel. */
const at = (place: number): string => String(Math.round(place * 10) / 10);
