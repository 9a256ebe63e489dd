/** One timer that is set anew as often as its time changes. */
import type { Clock } from '../ports.js';

export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #set: { readonly atMs: number; readonly cancel: () => void } | null = null;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings once at `atMs`, at once when that is past, instead of when it was to ring before. */
  setTo(atMs: number): void {
    if (this.#set?.atMs === atMs) return;
    this.cancel();
    const cancel = this.#clock.after(Math.max(0, atMs - this.#clock.elapsed()), () => {
      this.#set = null;
      this.#ring();
    });
    this.#set = { atMs, cancel };
  }

  cancel(): void {
    this.#set?.cancel();
    this.#set = null;
  }
}
