/** Where the nodes of a run stand, and what lies between them: undisturbed, and at the time of each fault. */
import { PLACES, type Place } from '../geography.js';
import { Boxes, boxOfText } from '../report/boxes.js';
import { at, both, escaped, NARROW, text, WIDE } from '../report/shapes.js';
import { duration } from '../report/words.js';
import { type Condition, conditionAt, isCalm, momentsOf } from './condition.js';
import type { Link, Run } from './play.js';
import { numbered, wordsOf } from './timeline.js';

const SMALL = 280;
/** So many moments are drawn; further faults stand in the list alone. */
const MOMENTS_MAX = 12;

interface Spot {
  readonly code: Place['code'];
  readonly city: string;
  readonly x: number;
  readonly y: number;
}
interface Sheet {
  readonly width: number;
  readonly height: number;
  readonly spots: readonly Spot[];
  readonly boxes: Boxes;
  readonly parts: string[];
}

export function mapHtml(run: Run): string {
  return both((width) => drawMap(run, width, null));
}

/** A small map for each time at which a fault began; empty where none did. */
export function faultMapsHtml(run: Run): string {
  const faults = numbered(run);
  const all = momentsOf(faults);
  const moments = all.slice(0, MOMENTS_MAX);
  const maps = moments.map((atMs) => {
    const condition = conditionAt(faults, atMs);
    const words = condition.faults.map(({ number, asked }) => `${number}: ${wordsOf(asked)}`);
    const title = `At ${duration(atMs)}: ${words.join('; ')}`;
    return `<li>${drawMap(run, SMALL, condition, title)}
<p><strong>At ${escaped(duration(atMs))}</strong><br>${words.map((each) => escaped(each)).join('<br>')}</p></li>`;
  });
  const more =
    all.length > moments.length ? `<p class="about">The first ${moments.length} of ${all.length} times.</p>\n` : '';
  return maps.length === 0 ? '' : `${more}<ul class="maps">\n${maps.join('\n')}\n</ul>`;
}

function drawMap(run: Run, width: number, condition: Condition | null, title = ''): string {
  const sheet = sheetOf(run, width);
  const { height, spots, boxes, parts } = sheet;
  // Places first: nothing may stand where a node does.
  for (const { x, y } of spots) boxes.take({ left: x - 7, right: x + 7, top: y - 7, bottom: y + 7 });
  const names = spots.map((spot) => drawName(sheet, spot, labelOf(run, spot, width, condition)));
  const labels = run.links.map((link) => drawLink(sheet, link, condition));
  parts.push(...labels);
  for (const spot of spots) parts.push(drawSpot(run, spot, condition));
  const label = title === '' ? `The places of the nodes: ${spots.map(({ city }) => city).join(', ')}` : title;
  return `<svg class="map" viewBox="0 0 ${width} ${at(height)}" role="img" aria-label="${escaped(label)}">${parts.join('')}${names.join('')}</svg>`;
}

/** Degrees shown at least, so that nodes of one city are not alone on a blank sheet. */
const [LONGITUDES_LEAST, LATITUDES_LEAST] = [30, 14];

/** The part of the earth where the nodes are, a degree as wide as it is high, with its net of lines. */
function sheetOf(run: Run, width: number): Sheet {
  const places = PLACES.filter(({ code }) => run.seats.some(({ place }) => place === code));
  const pad = width === WIDE ? { x: 118, top: 54, bottom: 44 } : { x: 34, top: 34, bottom: 36 };
  const [west, east] = rangeOf(
    places.map(({ longitude }) => longitude),
    LONGITUDES_LEAST,
  );
  const [south, north] = rangeOf(
    places.map(({ latitude }) => latitude),
    LATITUDES_LEAST,
  );
  const scale = Math.min((width - 2 * pad.x) / (east - west), (width === WIDE ? 280 : width * 0.5) / (north - south));
  const height = (north - south) * scale + pad.top + pad.bottom;
  const toX = (longitude: number): number => width / 2 + (longitude - (west + east) / 2) * scale;
  const toY = (latitude: number): number => pad.top + (north - latitude) * scale;
  const boxes = new Boxes(width, height);
  const step = [10, 20, 30, 60].find((degrees) => degrees * scale >= 52) ?? 90;
  const parts = [`<rect class="sea" x="0" y="0" width="${width}" height="${at(height)}"/>`];
  const net = degreesBy(step);
  const meridians = net.map((longitude) => ({ longitude, x: toX(longitude) })).filter(({ x }) => x > 0 && x < width);
  const parallels = net.map((latitude) => ({ latitude, y: toY(latitude) })).filter(({ y }) => y > 0 && y < height);
  for (const { x } of meridians)
    parts.push(`<line class="grid" x1="${at(x)}" x2="${at(x)}" y1="0" y2="${at(height)}"/>`);
  for (const { y } of parallels) parts.push(`<line class="grid" x1="0" x2="${width}" y1="${at(y)}" y2="${at(y)}"/>`);
  for (const { longitude, x } of meridians)
    drawText(boxes, parts, x, height - 6, degrees(longitude, 'E', 'W'), 'middle', 'degrees');
  for (const { latitude, y } of parallels)
    drawText(boxes, parts, 4, y - 4, degrees(latitude, 'N', 'S'), 'start', 'degrees');
  const spots = places.map(({ code, city, latitude, longitude }) => ({
    code,
    city,
    x: toX(longitude),
    y: toY(latitude),
  }));
  return { width, height, spots, boxes, parts };
}

/** All round degrees of the globe. */
const degreesBy = (step: number): number[] =>
  Array.from({ length: Math.floor(360 / step) + 1 }, (_, nth) => (nth - Math.floor(180 / step)) * step);

function rangeOf(values: readonly number[], least: number): readonly [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const more = Math.max(0, least - (high - low)) / 2;
  return [low - more, high + more];
}

const degrees = (value: number, positive: string, negative: string): string =>
  value === 0 ? '0°' : `${Math.abs(value)}° ${value > 0 ? positive : negative}`;

/** Draws it where there is room. */
function drawText(
  boxes: Boxes,
  parts: string[],
  x: number,
  y: number,
  content: string,
  anchor: 'start' | 'middle' | 'end',
  kind: string,
): void {
  if (boxes.take(boxOfText(x, y, content, anchor))) parts.push(text(x, y, content, anchor, kind));
}

/** Names of places, and of what is wrong there: the code alone where there is little room. */
function labelOf(run: Run, { code, city }: Spot, width: number, condition: Condition | null): readonly string[] {
  const notes = condition === null ? [] : condition.notesOf(run.seats.filter(({ place }) => place === code));
  if (notes.length > 0) return [notes.join(', '), notes[0] ?? code, code];
  const guests = run.seats.filter(({ place, isValidator }) => place === code && !isValidator).length;
  const more = guests === 0 ? '' : ` +${guests}`;
  return width === WIDE ? [`${code} ${city}${more}`, `${code}${more}`] : [`${code}${more}`];
}

/** Right of the place, left, below, above, and further off until there is room. */
function drawName({ boxes, parts }: Sheet, { x, y }: Spot, labels: readonly string[]): string {
  for (const label of labels) {
    for (const far of [12, 24, 38, 54]) {
      const choices = [
        [x + far, y + 4, 'start'],
        [x - far, y + 4, 'end'],
        [x, y + far + 10, 'middle'],
        [x, y - far, 'middle'],
        [x + far, y + far + 6, 'start'],
        [x - far, y - far + 2, 'end'],
        [x + far, y - far + 2, 'start'],
        [x - far, y + far + 6, 'end'],
      ] as const;
      const found = choices.find(([left, base, anchor]) => boxes.take(boxOfText(left, base, label, anchor, true)));
      if (found === undefined) continue;
      const [left, base, anchor] = found;
      if (far > 12)
        parts.push(`<line class="leader" x1="${at(x)}" y1="${at(y)}" x2="${at(left)}" y2="${at(base - 4)}"/>`);
      return text(left, base, label, anchor, 'place');
    }
  }
  return '';
}

/** A bow from place to place, broken where nothing passes. Gives its time where there is room for it, to be drawn later. */
function drawLink({ spots, boxes, parts, width }: Sheet, link: Link, condition: Condition | null): string {
  const [from, to] = link.between.map((code) => spots.find((spot) => spot.code === code)) as [Spot, Spot];
  const bow = Math.hypot(to.x - from.x, to.y - from.y) * 0.16;
  const [middleX, middleY] = [(from.x + to.x) / 2, (from.y + to.y) / 2 - bow];
  const state = condition === null ? 'open' : condition.stateOfLink(link.between);
  const path = `M${at(from.x)} ${at(from.y)}Q${at(middleX)} ${at(middleY)} ${at(to.x)} ${at(to.y)}`;
  const time = link.latencyMs === null ? '' : `: ${duration(link.latencyMs)} one way`;
  parts.push(
    `<path class="link ${state}" d="${path}"><title>${escaped(`${from.code} – ${to.code}${time}${state === 'open' ? '' : `, ${state}`}`)}</title></path>`,
  );
  const on = (share: number): readonly [number, number] => {
    const rest = 1 - share;
    const of = (a: number, b: number, c: number): number => rest * rest * a + 2 * rest * share * b + share * share * c;
    return [of(from.x, middleX, to.x), of(from.y, middleY, to.y)];
  };
  if (state === 'cut') parts.push(cross(...on(0.5), 'cut', 4.5));
  if (condition !== null || link.latencyMs === null || width < NARROW) return '';
  const label = `${Math.round(link.latencyMs)} ms`;
  for (const share of [0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73]) {
    const [x, y] = on(share);
    if (boxes.take(boxOfText(x, y + 4, label, 'middle'))) return text(x, y + 4, label, 'middle', 'latency');
  }
  return '';
}

const cross = (x: number, y: number, kind: string, half: number): string =>
  `<path class="cross ${kind}" d="M${at(x - half)} ${at(y - half)}L${at(x + half)} ${at(y + half)}M${at(x - half)} ${at(y + half)}L${at(x + half)} ${at(y - half)}"/>`;

/** A disc where all is well, a ring where something is wrong, a cross where a node is out. */
function drawSpot(run: Run, { code, city, x, y }: Spot, condition: Condition | null): string {
  const seats = run.seats.filter(({ place }) => place === code);
  const title = `<title>${escaped(`${city}: ${seats.map(({ name }) => name).join(', ')}`)}</title>`;
  const isOut = condition !== null && seats.some(({ name }) => condition.isOut(name));
  const isWell = condition === null || isCalm(condition, seats);
  const disc = `<circle class="spot ${isWell ? 'well' : 'wrong'}" cx="${at(x)}" cy="${at(y)}" r="6">${title}</circle>`;
  return disc + (isOut ? cross(x, y, 'out', 6.5) : '');
}
