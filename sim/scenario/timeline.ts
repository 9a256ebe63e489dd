/** The faults of a run: numbered in the order of time, in words, and as a strip over the time of the run. */
import { unreachable } from '../../protocol/types.js';
import { at, both, escaped, MARGIN, text } from '../report/shapes.js';
import { type Band, timeAxisTitle, timeScale, timeTicks } from '../report/timechart.js';
import { counted, duration, listed } from '../report/words.js';
import type { Fault } from './file.js';
import type { Run } from './play.js';

/** A fault of a run's timeline with its number, which stands wherever it is drawn. */
export interface Numbered {
  readonly number: number;
  readonly asked: Fault;
  readonly says: string;
  readonly fromMs: number;
  /** The end of the run where it was never undone. */
  readonly untilMs: number;
  readonly isForGood: boolean;
}

export const numbered = ({ timeline, lastedMs }: Run): readonly Numbered[] =>
  [...timeline]
    .sort((a, b) => a.fromMs - b.fromMs)
    .map(({ asked, says, fromMs, untilMs }, nth) => ({
      number: nth + 1,
      asked,
      says,
      fromMs,
      untilMs: untilMs ?? lastedMs,
      isForGood: untilMs === null,
    }));

export const namesOf = (names: string): readonly string[] => names.split(',');
export const sidesOf = (between: string): readonly (readonly string[])[] => between.split('|').map(namesOf);

/** What a fault means, in words. */
export function wordsOf(fault: Fault): string {
  switch (fault.fault) {
    case 'partition':
      return `Nothing passes between ${listed(sidesOf(fault.between).map((side) => `(${side.join(', ')})`))}`;
    case 'kill':
      return `${nodesIn(fault.nodes)} out, as by a loss of power`;
    case 'lose':
      return `${nodesIn(fault.nodes)} lost for good`;
    case 'upgrade':
      return `${nodesIn(fault.nodes)} brought to the next version, one after the other`;
    case 'restart':
      return `${nodesIn(fault.nodes)} restarted by the operator, one after the other`;
    case 'slow':
      return `Links of ${listed(namesOf(fault.nodes))} slow: ${listed(worseOf(fault))}`;
    case 'clock': {
      const { aheadMs } = fault;
      return `The clock of ${listed(namesOf(fault.nodes))} is ${duration(Math.abs(aheadMs))} ${aheadMs < 0 ? 'behind' : 'ahead'}`;
    }
    case 'censor':
      return `${listed(namesOf(fault.nodes))} leaves out what ${fault.victim} has taken from its banks`;
    default:
      return unreachable(fault);
  }
}

const nodesIn = (names: string): string =>
  `${namesOf(names).length === 1 ? 'Node' : 'Nodes'} ${listed(namesOf(names))}`;

function worseOf(fault: Extract<Fault, { fault: 'slow' }>): string[] {
  const { latencyMs, jitterMs, lossPerMille, kilobytesPerSecond } = fault;
  return [
    latencyMs !== undefined && `${duration(latencyMs)} more each way`,
    jitterMs !== undefined && `up to ${duration(jitterMs)} of jitter`,
    lossPerMille !== undefined && `${lossPerMille} of 1000 messages lost`,
    kilobytesPerSecond !== undefined && `${kilobytesPerSecond} kB/s`,
  ].filter((each) => each !== false);
}

export const bandsOf = (faults: readonly Numbered[]): readonly Band[] =>
  faults.map(({ number, asked, fromMs, untilMs }) => ({
    label: String(number),
    title: `${number}: ${wordsOf(asked)}`,
    fromMs,
    untilMs,
  }));

const whenOf = ({ fromMs, untilMs, isForGood }: Numbered): string =>
  isForGood
    ? `from ${duration(fromMs)} on`
    : `${duration(fromMs)} to ${duration(untilMs)} (${duration(untilMs - fromMs)})`;

const LANE = 24;
const BAR_LEAST = 24;

/** The strip, and the faults as a list. */
export function timelineHtml(run: Run): string {
  const faults = numbered(run);
  if (faults.length === 0) return '<p>No fault was done to this network: it ran undisturbed.</p>';
  const items = faults.map(
    (fault) =>
      `<li value="${fault.number}"><strong>${escaped(wordsOf(fault.asked))}</strong><br>` +
      `<span class="about">${escaped(whenOf(fault))} · <code>${escaped(fault.says)}</code></span></li>`,
  );
  return `<p>${counted(faults.length, 'fault')} in ${duration(run.lastedMs)}. Each stands under its number here, in the charts and on the maps.</p>
<div class="chart">${both((width) => strip(faults, run.lastedMs, width))}</div>
<ol class="faults">
${items.join('\n')}
</ol>`;
}

/** Each fault a bar with its number; those of one time under one another. */
function strip(faults: readonly Numbered[], lastedMs: number, width: number): string {
  const toX = timeScale(lastedMs, width);
  const free: number[] = [];
  const placed = faults.map((fault) => {
    // A bar that is too short for its number is drawn as long as it takes, and where it would leave the page, to its left.
    const left = Math.min(toX(fault.fromMs), width - MARGIN.right - BAR_LEAST);
    const right = Math.max(toX(fault.untilMs), left + BAR_LEAST);
    const found = free.findIndex((until) => until <= left);
    const lane = found === -1 ? free.length : found;
    free[lane] = right + 3;
    return { fault, left, right, lane };
  });
  const bottom = free.length * LANE + 6;
  const bars = placed.map(({ fault, left, right, lane }) => {
    const top = 4 + lane * LANE;
    return (
      `<rect class="fault" x="${at(left)}" y="${top}" width="${at(right - left)}" height="${LANE - 5}" rx="3"><title>${escaped(`${fault.number}: ${wordsOf(fault.asked)}, ${whenOf(fault)}`)}</title></rect>` +
      text((left + right) / 2, top + 14, String(fault.number), 'middle', 'fault-label')
    );
  });
  const axis =
    `<line class="axis" x1="${MARGIN.left}" x2="${width - MARGIN.right}" y1="${bottom}" y2="${bottom}"/>` +
    timeTicks(lastedMs, width, bottom + 16) +
    text((MARGIN.left + width - MARGIN.right) / 2, bottom + 36, timeAxisTitle(lastedMs), 'middle');
  return `<svg viewBox="0 0 ${width} ${bottom + 44}" role="img" aria-label="When each fault was">${bars.join('')}${axis}</svg>`;
}
