/** The dates of a settlement: which there are, what they are by default, and the order that they must have. */
import { CONSENT_PAST_EXPIRES_MS_MAX, SETTLE_WITHIN_MS_MAX } from './limits.js';
import type { PayloadOf } from './payload.js';
import { type Refusal, refuse } from './refusal.js';
import type { TimestampMs } from './types.js';
import { parseTime } from './values.js';

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
  /** Until then it settles. */
  readonly settleByMs: TimestampMs;
  /** Of the parts that follow, in their order. */
  readonly linked: readonly PartDates[];
}
export type PartDates = Pick<SettlementDates, 'notBeforeMs' | 'settleByMs'>;

export const notATime = (pointer: string, text: string): Refusal =>
  refuse('malformed_time', pointer, `${text} is not a time of the calendar, 1970 or later, without a leap second`);

const outOfOrder = (member: string, detail: string): Refusal => refuse('dates_out_of_order', `/${member}`, detail);

type Read = { readonly ok: true; readonly dates: SettlementDates } | Refusal;

/**
 * The dates of a settlement, those that are not given by default. Refuses with `malformed_time` what is no time, and with
 * `dates_out_of_order` what breaks issued < cancelUntil <= cutoff <= settleBy, notBefore < settleBy, the order of linked parts,
 * or their bounds.
 */
export function readDates(payload: PayloadOf<'settle'>, validity: Validity): Read {
  return payload.mode === 'gross' ? readGross(payload, validity) : readQueue(payload, validity);
}

/** What settles when it is bound has one date alone. */
function readGross(
  { cancelUntil: text }: Extract<PayloadOf<'settle'>, { mode: 'gross' }>,
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

function readQueue(payload: Extract<PayloadOf<'settle'>, { mode: 'queue' }>, { issuedMs, expiresMs }: Validity): Read {
  const given: { notBefore?: TimestampMs; cancelUntil?: TimestampMs; cutoff?: TimestampMs; settleBy?: TimestampMs } =
    {};
  for (const name of ['notBefore', 'cancelUntil', 'cutoff', 'settleBy'] as const) {
    const text = payload[name];
    if (text === undefined) continue;
    const time = parseTime(text);
    if (time === null) return notATime(`/${name}`, text);
    given[name] = time;
  }
  const settleByMs = given.settleBy as TimestampMs;
  const cancelUntilMs = given.cancelUntil ?? earlier(expiresMs, settleByMs);
  const cutoffMs = given.cutoff ?? cancelUntilMs;
  const notBeforeMs = given.notBefore ?? issuedMs;
  if (settleByMs <= issuedMs) return outOfOrder('settleBy', 'must be later than issued');
  if (settleByMs > issuedMs + SETTLE_WITHIN_MS_MAX)
    return outOfOrder('settleBy', `must be within ${SETTLE_WITHIN_MS_MAX / 86_400_000} days of issued`);
  if (cancelUntilMs <= issuedMs) return outOfOrder('cancelUntil', 'must be later than issued');
  if (cutoffMs < cancelUntilMs)
    return outOfOrder('cutoff', 'must not be earlier than cancelUntil, by default the earlier of expires and settleBy');
  if (cutoffMs > settleByMs)
    return outOfOrder(given.cutoff === undefined ? 'cancelUntil' : 'cutoff', 'must not be later than settleBy');
  if (notBeforeMs >= settleByMs) return outOfOrder('notBefore', 'must be earlier than settleBy');
  const consentUntilMs = earlier(cancelUntilMs, (expiresMs + CONSENT_PAST_EXPIRES_MS_MAX) as TimestampMs);
  const linked = readLinked(payload.linked ?? [], settleByMs, (issuedMs + SETTLE_WITHIN_MS_MAX) as TimestampMs);
  if (!Array.isArray(linked)) return linked;
  return { ok: true, dates: { consentUntilMs, cancelUntilMs, cutoffMs, notBeforeMs, settleByMs, linked } };
}

type Linked = NonNullable<Extract<PayloadOf<'settle'>, { mode: 'queue' }>['linked']>;

/** Each part is due after the one before must have settled. */
function readLinked(parts: Linked, firstBy: TimestampMs, last: TimestampMs): PartDates[] | Refusal {
  const read: PartDates[] = [];
  let before = firstBy;
  for (const [at, { notBefore, settleBy }] of parts.entries()) {
    const [notBeforeMs, settleByMs] = [parseTime(notBefore), parseTime(settleBy)];
    if (notBeforeMs === null) return notATime(`/linked/${at}/notBefore`, notBefore);
    if (settleByMs === null) return notATime(`/linked/${at}/settleBy`, settleBy);
    if (notBeforeMs <= before)
      return outOfOrder(`linked/${at}/notBefore`, 'must be later than settleBy of the part before');
    if (settleByMs <= notBeforeMs) return outOfOrder(`linked/${at}/settleBy`, 'must be later than its notBefore');
    if (settleByMs > last)
      return outOfOrder(`linked/${at}/settleBy`, `must be within ${SETTLE_WITHIN_MS_MAX / 86_400_000} days of issued`);
    read.push({ notBeforeMs, settleByMs });
    before = settleByMs;
  }
  return read;
}

const earlier = (a: TimestampMs, b: TimestampMs): TimestampMs => (a < b ? a : b);
