/** The dates of a settlement: which there are, what they are by default, and the order that they must have. */
import {
  CALENDAR_AHEAD_MS_MAX,
  CONSENT_PAST_EXPIRES_MS_MAX,
  LOCK_WITHIN_MS_MAX,
  SETTLE_WITHIN_MS_MAX,
} from './limits.js';
import type { Leg, PayloadOf } from './payload.js';
import { type Refusal, refuse } from './refusal.js';
import type { TimestampMs } from './types.js';
import { DAY_MS, parseDay, parseTime } from './values.js';

/** When a payload may be ordered. */
export interface Validity {
  readonly issuedMs: TimestampMs;
  readonly expiresMs: TimestampMs;
}

/** Each end is the last moment that counts, in block time. */
export interface SettlementDates {
  /** Until then consents count; while one is missing each party leaves alone. */
  readonly consentUntilMs: TimestampMs;
  /** Until then each party leaves alone, also when it is bound. */
  readonly cancelUntilMs: TimestampMs;
  /** Until then all parties together cancel; from then on it is irrevocable. */
  readonly cutoffMs: TimestampMs;
  /** It settles then at the earliest. */
  readonly notBeforeMs: TimestampMs;
  /** Until then it settles; of a lock, its `lockUntil`. */
  readonly settleByMs: TimestampMs;
  /** Of the parts that follow, in their order. */
  readonly linked: readonly PartDates[];
}
export type PartDates = Pick<SettlementDates, 'notBeforeMs' | 'settleByMs'>;

export const notATime = (pointer: string, text: string): Refusal =>
  refuse('malformed_time', pointer, `${text} is not a time of the calendar, 1970 or later, without a leap second`);

const outOfOrder = (member: string, detail: string): Refusal => refuse('dates_out_of_order', `/${member}`, detail);

/** When settlement is possible on a business day, both ends included. */
export interface Hours {
  readonly openMs: TimestampMs;
  readonly closeMs: TimestampMs;
}
/** The hours of a value date (days from 1970) common to all assets of some legs; null where there are none. */
export type HoursOf = (day: number, legs: readonly Leg[]) => Hours | null;

type Read = { readonly ok: true; readonly dates: SettlementDates } | Refusal;

/**
 * The dates of a settlement, those that are not given by default. Refuses with `malformed_time` what is no time, with
 * `malformed_payload` a part with neither or both of `settleBy` and `valueDate`, and with `dates_out_of_order` what breaks
 * issued < cancelUntil <= cutoff <= settleBy, notBefore < settleBy, cancelUntil < lockUntil, the order of linked parts, or
 * their bounds. The hours of value dates are the ledger's to know: without them their order is not judged, but that they are
 * not over, nor too far.
 */
export function readDates(payload: PayloadOf<'settle'>, validity: Validity, hoursOf: HoursOf = anyHours): Read {
  if (payload.mode === 'queue') return readQueue(payload, validity, hoursOf);
  return payload.mode === 'gross' ? readGross(payload, validity) : readLock(payload, validity);
}

/** A day from midnight to midnight by UTC: for assets without a calendar. */
export const wholeDay = (day: number): Hours => ({
  openMs: (day * DAY_MS) as TimestampMs,
  closeMs: ((day + 1) * DAY_MS - 1) as TimestampMs,
});
/** None are known: the ledger has the calendars. */
const anyHours: HoursOf = () => null;

/** What settles, or is held, when it is bound has one date until then. */
function readGross(
  { cancelUntil: text }: Pick<Extract<PayloadOf<'settle'>, { mode: 'gross' | 'lock' }>, 'cancelUntil'>,
  { issuedMs, expiresMs }: Validity,
): Read {
  const given = text === undefined ? expiresMs : parseTime(text);
  if (given === null) return notATime('/cancelUntil', text as string);
  if (given <= issuedMs) return outOfOrder('cancelUntil', 'must be later than issued');
  if (given > expiresMs + CONSENT_PAST_EXPIRES_MS_MAX)
    return outOfOrder('cancelUntil', `must be within ${CONSENT_PAST_EXPIRES_MS_MAX / 3_600_000} hours of expires`);
  const dates = { consentUntilMs: given, cancelUntilMs: given, cutoffMs: given };
  return { ok: true, dates: { ...dates, notBeforeMs: issuedMs, settleByMs: given, linked: [] } };
}

/** What is held when it is bound has that date, and the end of the lock. */
function readLock(payload: Extract<PayloadOf<'settle'>, { mode: 'lock' }>, validity: Validity): Read {
  const read = readGross(payload, validity);
  if (!read.ok) return read;
  const settleByMs = parseTime(payload.lockUntil);
  if (settleByMs === null) return notATime('/lockUntil', payload.lockUntil);
  if (settleByMs <= read.dates.consentUntilMs)
    return outOfOrder('lockUntil', 'must be later than cancelUntil, by default expires');
  if (settleByMs > validity.issuedMs + LOCK_WITHIN_MS_MAX)
    return outOfOrder('lockUntil', `must be within ${LOCK_WITHIN_MS_MAX / DAY_MS} days of issued`);
  return { ok: true, dates: { ...read.dates, settleByMs } };
}

type Queued = Extract<PayloadOf<'settle'>, { mode: 'queue' }>;
type PartPayload = Pick<Queued, 'legs' | 'notBefore' | 'settleBy' | 'valueDate'>;

function readQueue(payload: Queued, { issuedMs, expiresMs }: Validity, hoursOf: HoursOf): Read {
  const last = (issuedMs + SETTLE_WITHIN_MS_MAX) as TimestampMs;
  const first = readPart(payload, issuedMs, '', hoursOf);
  if ('code' in first) return first;
  const given: { cancelUntil?: TimestampMs; cutoff?: TimestampMs } = {};
  for (const name of ['cancelUntil', 'cutoff'] as const) {
    const text = payload[name];
    if (text === undefined) continue;
    const time = parseTime(text);
    if (time === null) return notATime(`/${name}`, text);
    given[name] = time;
  }
  const { notBeforeMs, settleByMs, isKnown } = first;
  const cancelUntilMs = given.cancelUntil ?? earlier(expiresMs, settleByMs);
  const cutoffMs = given.cutoff ?? cancelUntilMs;
  if (settleByMs <= issuedMs) return outOfOrder(memberOf(payload), 'must be later than issued');
  if (settleByMs > last) return outOfOrder(memberOf(payload), WITHIN);
  if (cancelUntilMs <= issuedMs) return outOfOrder('cancelUntil', 'must be later than issued');
  if (cutoffMs < cancelUntilMs)
    return outOfOrder('cutoff', 'must not be earlier than cancelUntil, by default the earlier of expires and settleBy');
  if (isKnown && cutoffMs > settleByMs)
    return outOfOrder(
      given.cutoff === undefined ? 'cancelUntil' : 'cutoff',
      'must not be later than settleBy, or than its value date closes',
    );
  if (notBeforeMs >= settleByMs) return outOfOrder('notBefore', 'must be earlier than settleBy');
  const linked = readLinked(payload.linked ?? [], first, last, hoursOf);
  if (!Array.isArray(linked)) return linked;
  const consentUntilMs = earlier(cancelUntilMs, (expiresMs + CONSENT_PAST_EXPIRES_MS_MAX) as TimestampMs);
  return { ok: true, dates: { consentUntilMs, cancelUntilMs, cutoffMs, notBeforeMs, settleByMs, linked } };
}

const WITHIN = `must be within ${SETTLE_WITHIN_MS_MAX / DAY_MS} days of issued`;
const memberOf = ({ valueDate }: PartPayload): string => (valueDate === undefined ? 'settleBy' : 'valueDate');

/** The time of a part; `isKnown` unless it is a value date whose hours are not known. */
interface PartTime extends PartDates {
  readonly isKnown: boolean;
}

function readPart(part: PartPayload, earliest: TimestampMs, at: string, hoursOf: HoursOf): PartTime | Refusal {
  const { notBefore, settleBy, valueDate } = part;
  if (valueDate !== undefined) {
    if (notBefore !== undefined || settleBy !== undefined)
      return refuse('malformed_payload', `${at}/valueDate`, 'goes without notBefore and settleBy');
    const day = parseDay(valueDate);
    if (day === null) return refuse('malformed_time', `${at}/valueDate`, `${valueDate} is no date of the calendar`);
    const hours = hoursOf(day, part.legs);
    // Anywhere on earth, and with hours past midnight: no more is known of it.
    const { openMs } = hours ?? wholeDay(day - 1);
    const { closeMs } = hours ?? wholeDay(day + 1);
    return { notBeforeMs: openMs, settleByMs: closeMs, isKnown: hours !== null };
  }
  if (settleBy === undefined) return refuse('malformed_payload', `${at}/settleBy`, 'settleBy or valueDate is missing');
  const notBeforeMs = notBefore === undefined ? earliest : parseTime(notBefore);
  if (notBeforeMs === null) return notATime(`${at}/notBefore`, notBefore as string);
  const settleByMs = parseTime(settleBy);
  if (settleByMs === null) return notATime(`${at}/settleBy`, settleBy);
  return { notBeforeMs, settleByMs, isKnown: true };
}

/** Each part is due after the one before must have settled. */
function readLinked(
  parts: readonly PartPayload[],
  first: PartTime,
  last: TimestampMs,
  hoursOf: HoursOf,
): PartDates[] | Refusal {
  const read: PartDates[] = [];
  let before = first;
  for (const [at, part] of parts.entries()) {
    const pointer = `linked/${at}`;
    const time = readPart(part, (before.settleByMs + 1) as TimestampMs, `/${pointer}`, hoursOf);
    if ('code' in time) return time;
    const { notBeforeMs, settleByMs, isKnown } = time;
    const member = part.valueDate === undefined ? 'notBefore' : 'valueDate';
    if (isKnown && before.isKnown && notBeforeMs <= before.settleByMs)
      return outOfOrder(`${pointer}/${member}`, 'must be later than the part before is to settle by');
    if (settleByMs <= notBeforeMs) return outOfOrder(`${pointer}/settleBy`, 'must be later than its notBefore');
    if (settleByMs > last) return outOfOrder(`${pointer}/${memberOf(part)}`, WITHIN);
    read.push({ notBeforeMs, settleByMs });
    before = time;
  }
  return read;
}

const earlier = (a: TimestampMs, b: TimestampMs): TimestampMs => (a < b ? a : b);

/**
 * Whether the days of a calendar are days, ascend, and are open for a while about their date: refuses with `malformed_time`
 * and `dates_out_of_order`.
 */
export function judgeDays({ days }: PayloadOf<'calendar'>, { issuedMs }: Validity): Refusal | null {
  let before = -1;
  for (const [at, { date, open, close }] of days.entries()) {
    const pointer = `days/${at}`;
    const [day, openMs, closeMs] = [parseDay(date), parseTime(open), parseTime(close)];
    if (day === null) return refuse('malformed_time', `/${pointer}/date`, `${date} is no date of the calendar`);
    if (openMs === null) return notATime(`/${pointer}/open`, open);
    if (closeMs === null) return notATime(`/${pointer}/close`, close);
    if (day <= before) return outOfOrder(`${pointer}/date`, 'must be later than the day before it in the list');
    if (day * DAY_MS > issuedMs + CALENDAR_AHEAD_MS_MAX)
      return outOfOrder(`${pointer}/date`, `must be within ${CALENDAR_AHEAD_MS_MAX / DAY_MS} days of issued`);
    // A day of the easternmost zones begins fourteen hours early by UTC, and one of the westernmost ends twelve hours late.
    if (openMs < (day - 1) * DAY_MS)
      return outOfOrder(`${pointer}/open`, 'must be at most a day before the date, in UTC');
    if (closeMs <= openMs) return outOfOrder(`${pointer}/close`, 'must be later than open');
    if (closeMs >= (day + 2) * DAY_MS)
      return outOfOrder(`${pointer}/close`, 'must be at most a day after the date, in UTC');
    before = day;
  }
  return null;
}
