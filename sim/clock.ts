/** The clock port in virtual time: wall clocks that are off, drift and are set, and timers that only drift. */
import type { Clock } from '../node/ports.js';
import type { TimestampMs } from '../protocol/types.js';
import type { SimProcess } from './process.js';
import type { Scheduler } from './scheduler.js';

/** As the production clock has them: a timer takes a millisecond at least, and a delay of at most 31 bits. */
const TIMER_MS_MIN = 1;
const TIMER_MS_MAX = 2 ** 31 - 1;
const MILLION = 1_000_000;

/** The oscillator and the time of day of a machine: they outlive its processes. */
export class MachineTime {
  readonly #time: Pick<Scheduler, 'nowMs'>;
  /** Of a million: how much faster than true time it runs; negative when it is slower. */
  #driftPpm: number;
  /** What the wall clock and the oscillator showed when the drift was set, and when that was. */
  #shownMs: number;
  #ranMs: number;
  #sinceMs: number;

  constructor(time: Pick<Scheduler, 'nowMs'>, offsetMs = 0, driftPpm = 0) {
    this.#time = time;
    this.#driftPpm = driftPpm;
    this.#sinceMs = time.nowMs;
    this.#shownMs = time.nowMs + offsetMs;
    this.#ranMs = time.nowMs;
  }

  /** The time of day that the machine shows. */
  get shownMs(): number {
    return this.#shownMs + this.#sinceThen;
  }

  /** What its oscillator has counted: it drifts, and cannot be set. */
  get ranMs(): number {
    return this.#ranMs + this.#sinceThen;
  }

  get #sinceThen(): number {
    return (this.#time.nowMs - this.#sinceMs) * (1 + this.#driftPpm / MILLION);
  }

  /** How far that is from true time, positive when ahead. */
  get offsetMs(): number {
    return this.shownMs - this.#time.nowMs;
  }

  set driftPpm(driftPpm: number) {
    this.#shownMs = this.shownMs;
    this.#ranMs = this.ranMs;
    this.#sinceMs = this.#time.nowMs;
    this.#driftPpm = driftPpm;
  }

  /** The wall clock is set: timers do not move. */
  jump(byMs: number): void {
    this.#shownMs += byMs;
  }

  /** The true time that a delay takes here. */
  stretch(delayMs: number): number {
    return delayMs / (1 + this.#driftPpm / MILLION);
  }
}

/** What a process has of the machine's time. */
export const simClock = (scheduler: Scheduler, machine: MachineTime, life: SimProcess): Clock => ({
  now: () => Math.floor(machine.shownMs) as TimestampMs,
  elapsed: () => Math.floor(machine.ranMs),
  after: (delayMs, callback) =>
    scheduler.after(
      machine.stretch(Math.min(Math.max(TIMER_MS_MIN, Math.floor(delayMs)), TIMER_MS_MAX)),
      () => {
        if (life.enter('timer')) callback();
      },
      life,
    ),
});
