/** Business days from local hours: the zone database of this machine makes moments of them, and the ledger is told those. */

import { DAY_MS } from '../../protocol/values.js';

/** The zone's name with the version of the database that its hours are taken from. */
export const zoneText = (zone: string): string => `${zone} (tzdata ${process.versions['tz'] ?? 'unknown'})`;

export const isZone = (zone: string): boolean => {
  try {
    // It throws for what is no zone.
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone.length > 0;
  } catch {
    return false;
  }
};

/**
 * The moment at which clocks of a zone show a time of day, `hh:mm`, on a date. Where they change, a time that they skip is
 * taken by the offset before or after it, and one that they show twice is either: no payment system opens then.
 */
export function momentIn(zone: string, date: string, time: string): number {
  const wanted = Date.parse(`${date}T${time}:00Z`);
  // The offset at a guess, and again at what that gives: they differ where the clocks change in between.
  const guess = wanted - offsetMs(zone, wanted);
  return wanted - offsetMs(zone, guess);
}

/** By how much the clocks of a zone are ahead of UTC at a moment. */
function offsetMs(zone: string, ms: number): number {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).formatToParts(ms);
  const of = (type: Intl.DateTimeFormatPartTypes): string => parts.find((part) => part.type === type)?.value ?? '';
  const local = `${of('year')}-${of('month')}-${of('day')}T${of('hour')}:${of('minute')}:${of('second')}Z`;
  return Date.parse(local) - Math.floor(ms / 1000) * 1000;
}

/** Dates from one to another, but for those that are closed and those of the weekend; days of the week from Sunday, 0. */
export function businessDates(
  { from, to }: { readonly from: string; readonly to: string },
  closed: readonly string[],
  weekend: readonly number[],
): string[] {
  const dates: string[] = [];
  for (let at = Date.parse(`${from}T00:00:00Z`); at <= Date.parse(`${to}T00:00:00Z`); at += DAY_MS) {
    const date = new Date(at);
    const text = date.toISOString().slice(0, 10);
    if (!weekend.includes(date.getUTCDay()) && !closed.includes(text)) dates.push(text);
  }
  return dates;
}
