/** The dates of a settlement: which there are, what they are by default, and the order that they must have. */
import { SETTLE_WITHIN_MS_MAX, VALIDITY_MS_MAX } from './limits.js';
import type { PayloadOf } from './payload.js';
import { type Refusal, refuse } from './refusal.js';
import type { TimestampMs } from './types.js';
import { parseTime } from './values.js';

/** When a payload may be ordered. */
export interface Validity {
  readonly issuedMs: TimestampMs;
  readonly expiresMs: TimestampMs;
}

export interface SettlementDates {
  /** It settles then at the earliest. */
  readonly notBefore: TimestampMs;
  /** Until then consents count, and each party leaves alone. */
  readonly cancelUntil: TimestampMs;
  /** Until then all parties together cancel; from then on it is irrevocable. */
  readonly cutoff: TimestampMs;
  /** Until then it settles. */
  readonly settleBy: TimestampMs;
}

export const notATime = (pointer: string, text: string): Refusal =>
  refuse('malformed_time', pointer, `${text} is not a time of the calendar, 1970 or later, without a leap second`);

const outOfOrder = (member: string, detail: string): Refusal => refuse('dates_out_of_order', `/${member}`, detail);

type DateName = keyof SettlementDates;
type Given = Partial<Record<DateName, TimestampMs>>;
type Read = { readonly ok: true; readonly dates: SettlementDates } | Refusal;

/**
 * The dates of a settlement, those that are not given by default. Refuses with `malformed_time` what is no time, and with
 * `dates_out_of_order` what breaks issued < cancelUntil <= cutoff <= settleBy, notBefore < settleBy, or their bounds.
 */
export function readDates(payload: PayloadOf<'settle'>, validity: Validity): Read {
  const given: Given = {};
  const members: Readonly<Record<string, unknown>> = payload;
  for (const name of ['notBefore', 'cancelUntil', 'cutoff', 'settleBy'] as const) {
    const text = members[name];
    if (typeof text !== 'string') continue;
    const time = parseTime(text);
    if (time === null) return notATime(`/${name}`, text);
    given[name] = time;
  }
  return payload.mode === 'gross' ? readGross(given, validity) : readQueue(given, validity);
}

/** What settles when it is bound has one date alone. */
function readGross({ cancelUntil: given }: Given, { issuedMs, expiresMs }: Validity): Read {
  const cancelUntil = given ?? expiresMs;
  if (cancelUntil <= issuedMs) return outOfOrder('cancelUntil', 'must be later than issued');
  if (cancelUntil > expiresMs + VALIDITY_MS_MAX)
    return outOfOrder('cancelUntil', `must be within ${VALIDITY_MS_MAX / 3_600_000} hours of expires`);
  return { ok: true, dates: { notBefore: issuedMs, cancelUntil, cutoff: cancelUntil, settleBy: cancelUntil } };
}

function readQueue(given: Given, { issuedMs, expiresMs }: Validity): Read {
  const settleBy = given.settleBy ?? expiresMs;
  const cancelUntil = given.cancelUntil ?? (Math.min(expiresMs, settleBy) as TimestampMs);
  const cutoff = given.cutoff ?? cancelUntil;
  const notBefore = given.notBefore ?? issuedMs;
  if (settleBy <= issuedMs) return outOfOrder('settleBy', 'must be later than issued');
  if (settleBy > issuedMs + SETTLE_WITHIN_MS_MAX)
    return outOfOrder('settleBy', `must be within ${SETTLE_WITHIN_MS_MAX / 86_400_000} days of issued`);
  if (cancelUntil <= issuedMs) return outOfOrder('cancelUntil', 'must be later than issued');
  if (cutoff < cancelUntil)
    return outOfOrder('cutoff', 'must not be earlier than cancelUntil, which is by default `expires`');
  if (cutoff > settleBy)
    return outOfOrder(given.cutoff === undefined ? 'cancelUntil' : 'cutoff', 'must not be later than settleBy');
  if (notBefore >= settleBy) return outOfOrder('notBefore', 'must be earlier than settleBy');
  return { ok: true, dates: { notBefore, cancelUntil, cutoff, settleBy } };
}
