/** The clock port on the machine's own time. */
import type { TimestampMs } from '../protocol/types.js';
import type { Clock } from './ports.js';

/** Longest delay a Node timer takes: a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Wall-clock time, time that is never set, and timers that keep the process alive only while something else does. */
export function createClock(): Clock {
  return {
    now: () => Date.now() as TimestampMs,
    elapsed: () => Math.floor(performance.timeOrigin + performance.now()),
    after(delayMs, callback) {
      const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), TIMER_MS_MAX));
      // A stopped node must be able to exit while a timer of minutes still runs; sockets and servers keep a running one.
      timer.unref();
      return () => clearTimeout(timer);
    },
  };
}
