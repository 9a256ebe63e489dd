/**
 * What charts and maps are drawn with, as SVG text. Colours are classes, which the page's style sheet gives for light and
 * dark; each series has a mark and a dash of its own too, so that colour alone tells nothing.
 */

/** Drawings for a wide and for a narrow page: drawn once and scaled, letters would be too small on one of them. */
export const [WIDE, NARROW] = [760, 350];
export const MARGIN = { top: 14, right: 26, bottom: 52, left: 62 };

const DASHES = ['', '7 4', '2 3', '10 3 2 3'] as const;

/** Text that can stand in an element or in an attribute between double quotes. */
export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** A place to a tenth of a pixel. */
export const at = (place: number): string => String(Math.round(place * 10) / 10);

/** Where a series stands among its fellows is its colour; `number` is from 0. */
export const seriesClass = (number: number): string => `s${number}`;

export const text = (x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end', kind = ''): string =>
  `<text${kind === '' ? '' : ` class="${kind}"`} x="${at(x)}" y="${at(y)}" text-anchor="${anchor}">${escaped(content)}</text>`;

/** Both drawings of something, of which the page shows the one that fits. */
export const both = (draw: (width: number) => string): string =>
  `<div class="wide">${draw(WIDE)}</div><div class="narrow">${draw(NARROW)}</div>`;

/** At most so many round values from 0 up to `most`. */
export function ticksTo(most: number, count: number): number[] {
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, at) => Number((at * step).toPrecision(12)));
}

/** Round values of a logarithmic scale, at most so many: by ones, twos and fives, or by tens, or by hundreds. */
export function logTicks(least: number, most: number, count: number): number[] {
  const decades = Array.from({ length: 16 }, (_, power) => 10 ** power);
  const choices = [
    decades.flatMap((ten) => [ten, 2 * ten, 5 * ten]),
    decades,
    decades.filter((_, power) => power % 2 === 0),
  ].map((all) => all.filter((value) => value >= least && value <= most));
  return choices.find((all) => all.length <= count) ?? [];
}

export function line(places: readonly (readonly [number, number])[], number: number): string {
  const dash = DASHES[number % DASHES.length] ?? '';
  const points = places.map(([x, y]) => `${at(x)},${at(y)}`).join(' ');
  return `<polyline class="line ${seriesClass(number)}" points="${points}"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}/>`;
}

/** The corners of a square, a triangle and a diamond; none is a circle. */
const CORNERS: readonly (readonly (readonly [number, number])[])[] = [
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

/** A circle, a square, a triangle or a diamond. */
export function mark(x: number, y: number, number: number, title = ''): string {
  const inside = title === '' ? '' : `<title>${escaped(title)}</title>`;
  const shape = CORNERS[number % CORNERS.length] ?? [];
  if (shape.length === 0)
    return `<circle class="mark ${seriesClass(number)}" cx="${at(x)}" cy="${at(y)}" r="4">${inside}</circle>`;
  const points = shape.map(([dx, dy]) => `${at(x + dx)},${at(y + dy)}`).join(' ');
  return `<polygon class="mark ${seriesClass(number)}" points="${points}">${inside}</polygon>`;
}

/** A sample of a series for a legend: its line and mark, or its column. */
export function sample(number: number, isColumn = false): string {
  const drawn = isColumn
    ? `<rect class="bar ${seriesClass(number)}" x="11" y="0" width="12" height="12"/>`
    : line(
        [
          [1, 6],
          [33, 6],
        ],
        number,
      ) + mark(17, 6, number);
  return `<svg class="sample" viewBox="0 0 34 12" width="34" height="12" aria-hidden="true">${drawn}</svg>`;
}
