/** What lies between two peers of the virtual world: which ways are cut, and what waits on a slow one. */

/** Pairs of peers, as `from>to`, between which nothing passes. Whoever set it is told which pairs are open again. */
export class Cuts extends Set<string> {
  readonly #onHealed: (pairs: readonly string[]) => void;
  /** Pairs that have stopped a frame since they were cut. */
  readonly #seen = new Set<string>();

  constructor(onHealed: (pairs: readonly string[]) => void) {
    super();
    this.#onHealed = onHealed;
  }

  /** Whether a cut pair stops a frame for the first time. */
  isFresh(pair: string): boolean {
    if (!this.has(pair) || this.#seen.has(pair)) return false;
    this.#seen.add(pair);
    return true;
  }

  override delete(pair: string): boolean {
    const wasCut = super.delete(pair);
    this.#seen.delete(pair);
    if (wasCut) this.#onHealed([pair]);
    return wasCut;
  }

  override clear(): void {
    const pairs = [...this];
    super.clear();
    this.#seen.clear();
    if (pairs.length > 0) this.#onHealed(pairs);
  }
}

/** Frames of one purpose on their way from one peer to another. */
export class LinkQueue {
  /** When the last of those that keep their order arrives. */
  lastMs = 0;
  isSending = false;
  readonly #frames: Uint8Array[] = [];
  #bytes = 0;

  get isIdle(): boolean {
    return !this.isSending && this.#frames.length === 0;
  }

  /** Gives how many of the oldest had to go. */
  push(frame: Uint8Array, bytesMax: number): number {
    this.#frames.push(frame);
    this.#bytes += frame.length;
    let dropped = 0;
    for (; this.#bytes > bytesMax; dropped++) this.shift();
    return dropped;
  }

  shift(): Uint8Array | undefined {
    const frame = this.#frames.shift();
    this.#bytes -= frame?.length ?? 0;
    return frame;
  }
}
