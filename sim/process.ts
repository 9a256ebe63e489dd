/**
 * One life of a node's process. Every call of a port is a point at which it can die: what it was doing then never comes
 * back, its timers are gone, and nobody hears from it any more.
 */
import type { Owner } from './scheduler.js';

/** Where a process can die: at the call of a port, or when a write is on the platter and the process does not know. */
export const CRASH_POINTS = [
  'store.read',
  'store.write',
  'store.durable',
  'signer',
  'verifier',
  'bus.send',
  'bus.frame',
  'timer',
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

export class SimProcess implements Owner {
  isAlive = true;
  readonly #onFailed: (error: unknown) => void;
  #armed: { readonly point: CrashPoint | null; left: number; readonly die: (point: CrashPoint) => void } | null = null;
  readonly #onEnd = new Set<() => void>();

  constructor(onFailed: (error: unknown) => void) {
    this.#onFailed = onFailed;
  }

  /** What nobody caught: the process ends with it. One that is gone already fails no more. */
  failed(error: unknown): void {
    if (this.isAlive) this.#onFailed(error);
  }

  /** Dies at the `calls`-th call from now, 1 being the next, of one point or of any. */
  crashAt(point: CrashPoint | null, calls: number, die: (point: CrashPoint) => void): void {
    this.#armed = { point, left: calls, die };
  }

  /** It dies of itself no more. */
  disarm(): void {
    this.#armed = null;
  }

  /** A port is called. False when the process dies of it, or is dead: then nothing may come of the call. */
  enter(point: CrashPoint): boolean {
    const armed = this.#armed;
    if (armed === null || !this.isAlive || (armed.point !== null && armed.point !== point)) return this.isAlive;
    armed.left -= 1;
    if (armed.left > 0) return true;
    this.#armed = null;
    armed.die(point);
    return this.isAlive;
  }

  /** A promise that never comes back when the process dies at this point. */
  async<T>(point: CrashPoint, work: () => T | Promise<T>): Promise<T> {
    return this.enter(point) ? Promise.resolve(work()) : new Promise(() => {});
  }

  /** Calls back when the process ends; the returned function forgets that. */
  onEnd(callback: () => void): () => void {
    this.#onEnd.add(callback);
    return () => this.#onEnd.delete(callback);
  }

  end(): void {
    this.isAlive = false;
    for (const callback of this.#onEnd) callback();
    this.#onEnd.clear();
  }
}
