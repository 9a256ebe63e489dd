/** The dates of a settlement that gives few of them; what is refused stands in instruction.test.ts. */
import t from 'tap';
import { readDates } from './dates.js';
import type { PayloadOf } from './payload.js';
import type { TimestampMs } from './types.js';
import { formatTime } from './values.js';

const [ISSUED, EXPIRES] = [1_800_000_000_000, 1_800_000_600_000] as [TimestampMs, TimestampMs];
const DAY = 86_400_000;
const at = (ms: number): string => formatTime(ISSUED + ms);

function datesOf(mode: 'gross' | 'queue', dates: Readonly<Record<string, string>>): object | string {
  const payload = { kind: 'settle', mode, ...dates } as unknown as PayloadOf<'settle'>;
  const read = readDates(payload, { issuedMs: ISSUED, expiresMs: EXPIRES });
  if (!read.ok) return `${read.code} ${read.pointer}`;
  const { notBeforeMs, consentUntilMs, cancelUntilMs, cutoffMs, settleByMs } = read.dates;
  return [notBeforeMs, consentUntilMs, cancelUntilMs, cutoffMs, settleByMs].map((time) => time - ISSUED);
}

const MINUTES_10 = EXPIRES - ISSUED;
const ROWS: readonly (readonly [string, 'gross' | 'queue', Readonly<Record<string, string>>, object | string])[] = [
  ['gross has one date', 'gross', {}, [0, MINUTES_10, MINUTES_10, MINUTES_10, MINUTES_10]],
  ['which may be given', 'gross', { cancelUntil: at(5) }, [0, 5, 5, 5, 5]],
  [
    'a day past expires at most',
    'gross',
    { cancelUntil: at(MINUTES_10 + DAY) },
    Array(5)
      .fill(MINUTES_10 + DAY)
      .with(0, 0),
  ],
  [
    'queue: both cut-offs are its expires',
    'queue',
    { settleBy: at(DAY) },
    [0, MINUTES_10, MINUTES_10, MINUTES_10, DAY],
  ],
  ['or its end, if that is before', 'queue', { settleBy: at(1000) }, [0, 1000, 1000, 1000, 1000]],
  ['the second is the first', 'queue', { settleBy: at(DAY), cancelUntil: at(7) }, [0, 7, 7, 7, DAY]],
  [
    'a forward is cancelled until near its day, but consented to within a day',
    'queue',
    { settleBy: at(90 * DAY), notBefore: at(89 * DAY), cancelUntil: at(88 * DAY), cutoff: at(89 * DAY) },
    [89 * DAY, MINUTES_10 + DAY, 88 * DAY, 89 * DAY, 90 * DAY],
  ],
  ['all may be one moment', 'queue', { settleBy: at(9), cancelUntil: at(9), cutoff: at(9) }, [0, 9, 9, 9, 9]],
  ['400 days at most', 'queue', { settleBy: at(400 * DAY) }, [0, MINUTES_10, MINUTES_10, MINUTES_10, 400 * DAY]],
  ['and no more', 'queue', { settleBy: at(400 * DAY + 1) }, 'dates_out_of_order /settleBy'],
  ['a time is judged before the order', 'queue', { settleBy: at(0), cutoff: 'never' }, 'malformed_time /cutoff'],
];

t.test('what is not given is by default', (t) => {
  for (const [says, mode, dates, expected] of ROWS) t.same(datesOf(mode, dates), expected, says);
  t.end();
});
