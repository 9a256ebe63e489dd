/**
 * Virtual time: events in order of time, then of their making. All that an event sets off, to the last promise and
 * rejection, is done before the next one: each runs as an immediate of its own, and Node empties the queues of promises
 * between two immediates. Many are put in line at once, since a turn of the event loop costs ten times what they do.
 */

/** Whose events are passed over once it is no more: a process of the virtual world. */
export interface Owner {
  readonly isAlive: boolean;
  /** What nobody caught, thrown by one of its events or by a promise that such an event set off. */
  failed(error: unknown): void;
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly owner: Owner | null;
  run: (() => void) | null;
}

const IMMEDIATES_MAX = 256;

export class Scheduler {
  nowMs: number;
  eventCount = 0;
  /** A number that every event changes: two runs of one seed end with the same. */
  trace = 0;
  readonly #heap: Event[] = [];
  #order = 0;
  #isRunning = false;

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  /** Calls back at a virtual time, unless the owner is gone by then; the returned function cancels. */
  after(delayMs: number, run: () => void, owner: Owner | null = null): () => void {
    const event: Event = { atMs: this.nowMs + Math.max(0, Math.ceil(delayMs)), order: this.#order++, owner, run };
    this.#push(event);
    return () => {
      event.run = null;
    };
  }

  /** Mixes what an event is about into the trace. */
  note(value: number): void {
    this.trace = (Math.imul(this.trace, 31) + value) | 0;
  }

  /**
   * Runs events until virtual time reaches `untilMs`, or `done` says so. One run at a time, and never from an event.
   * Rejects with what an event threw that nobody owns.
   */
  run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    if (this.#isRunning) throw new Error('virtual time runs already: an event cannot run it');
    this.#isRunning = true;
    return new Promise<void>((resolve, reject) => {
      let owner: Owner | null = null;
      let inLine = 0;
      let isOver = false;
      const end = (error?: unknown): void => {
        if (isOver) return;
        isOver = true;
        this.#isRunning = false;
        process.off('unhandledRejection', failed);
        if (error === undefined) resolve();
        else reject(error instanceof Error ? error : new Error('a rejection that is no error'));
      };
      const failed = (error: unknown): void => {
        if (owner === null) end(error);
        else owner.failed(error);
      };
      let lineLength = 1;
      const line = (): void => {
        inLine = lineLength;
        lineLength = Math.min(IMMEDIATES_MAX, 2 * lineLength);
        for (let i = 0; i < inLine; i++) setImmediate(turn);
      };
      const turn = (): void => {
        inLine -= 1;
        if (isOver) return;
        const event = done() ? null : this.#next(untilMs);
        if (event === null) {
          if (!done()) this.nowMs = Math.max(this.nowMs, untilMs);
          end();
          return;
        }
        owner = event.owner;
        try {
          event.run?.();
        } catch (error) {
          failed(error);
        }
        if (inLine === 0) line();
      };
      process.on('unhandledRejection', failed);
      line();
    });
  }

  /** The next event up to `untilMs` that was not cancelled and has its owner still, with time moved on to it. */
  #next(untilMs: number): Event | null {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop();
      if (next.run === null || next.owner?.isAlive === false) continue;
      this.nowMs = next.atMs;
      this.eventCount += 1;
      this.note(next.order + next.atMs);
      return next;
    }
    return null;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Event;
      if (!before(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!before(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
