/** Network time: a machine's own on a network of record, and on a test network faster, from its creation to the year 9999. */
import t from 'tap';
import { machineDelayMs, networkTime, timeScaleOf } from './networktime.js';
import type { TimestampMs } from './types.js';
import { formatTime } from './values.js';

const created = Date.UTC(2026, 0, 5, 8) as TimestampMs;
const DAY_MS = 24 * 60 * 60 * 1000;
const record = { created, test: null };
const tested = { created, test: { timeScale: 17_280 } };

t.test('on a network of record it is what the machine shows, whatever that is', (t) => {
  for (const machineMs of [-1, 0, created - 5, created, 2 ** 50]) t.equal(networkTime(record, machineMs), machineMs);
  t.equal(timeScaleOf(record), 1);
  t.end();
});

t.test('on a test network a day passes in five seconds, counted from its creation', (t) => {
  t.equal(timeScaleOf(tested), 17_280);
  const rows: [number, number][] = [
    [0, created],
    [1, created + 17_280],
    [5_000, created + DAY_MS],
    [42 * 5_000, created + 42 * DAY_MS],
    [-1_000, created - 17_280_000],
  ];
  for (const [passedMs, time] of rows) t.equal(networkTime(tested, created + passedMs), time);
  t.equal(networkTime({ created, test: { timeScale: 1 } }, created + 7), created + 7);
  t.end();
});

t.test('it is a time that can be written, whatever a clock is set to', (t) => {
  t.equal(networkTime(tested, 0), 0);
  t.equal(networkTime(tested, Number.MIN_SAFE_INTEGER), 0);
  t.equal(formatTime(networkTime(tested, created + 400 * DAY_MS)), '9999-01-01T00:00:00.000Z');
  t.equal(networkTime(tested, Number.MAX_SAFE_INTEGER), networkTime(tested, created + 400 * DAY_MS));
  t.end();
});

t.test('a delay is as short in the machine’s time as time is scaled, and never too short', (t) => {
  const rows: [number, number, number][] = [
    [1, 250, 250],
    [1, 0, 0],
    [17_280, DAY_MS, 5_000],
    [17_280, 1, 1],
    [17_280, 17_281, 2],
    [17_280, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    [17_280, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ];
  for (const [timeScale, networkMs, machineMs] of rows) t.equal(machineDelayMs(timeScale, networkMs), machineMs);
  for (const networkMs of [1, 17_279, 17_280, 999_999, DAY_MS - 1]) {
    const later = created + 77 + machineDelayMs(17_280, networkMs);
    t.ok(networkTime(tested, later) >= networkTime(tested, created + 77) + networkMs);
  }
  t.end();
});
