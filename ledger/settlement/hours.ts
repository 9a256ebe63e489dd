/** When settlements of a value date may settle: within the hours that all assets of their legs have in common. */
import { type Hours, wholeDay } from '../../protocol/dates.js';
import type { Leg } from '../../protocol/payload.js';
import type { TimestampMs } from '../../protocol/types.js';
import type { State } from '../state.js';

/** Null on a day that is no business day of one of them, or where their hours do not meet. */
export function commonHours(state: State, day: number, legs: readonly Leg[]): Hours | null {
  let common: Hours | null = null;
  for (const { asset } of legs) {
    const calendar = state.tables.calendars.get(asset);
    if (calendar === undefined) continue;
    const own = calendar.days.find((each) => each.day === day);
    if (own === undefined) return null;
    common = common === null ? own : meeting(common, own);
  }
  const { openMs, closeMs } = common ?? wholeDay(day);
  return openMs < closeMs ? { openMs, closeMs } : null;
}

const meeting = (a: Hours, b: Hours): Hours => ({
  openMs: Math.max(a.openMs, b.openMs) as TimestampMs,
  closeMs: Math.min(a.closeMs, b.closeMs) as TimestampMs,
});
