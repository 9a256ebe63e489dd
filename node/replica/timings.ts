/** How long instructions handed in at this node take until a final block orders them. */
import type { InstructionDigest } from '../../protocol/types.js';
import type { Ports } from '../ports.js';

/** Under way at once, at most: what is never ordered makes room for others. */
const UNDER_WAY_MAX = 20_000;

export class Timings {
  readonly #ports: Pick<Ports, 'clock'> & { readonly metrics: Pick<Ports['metrics'], 'observe'> };
  /** When each was handed in, the oldest first. */
  readonly #startedMs = new Map<InstructionDigest, number>();

  constructor(ports: Pick<Ports, 'clock'> & { readonly metrics: Pick<Ports['metrics'], 'observe'> }) {
    this.#ports = ports;
  }

  /** It was handed in then; of one that comes again the first time counts. */
  begin(digest: InstructionDigest, startedMs: number): void {
    if (this.#startedMs.has(digest)) return;
    this.#startedMs.set(digest, startedMs);
    const [oldest] = this.#startedMs.keys();
    if (this.#startedMs.size > UNDER_WAY_MAX && oldest !== undefined) this.#startedMs.delete(oldest);
  }

  /** A final block has it. */
  end(digest: InstructionDigest): void {
    const startedMs = this.#startedMs.get(digest);
    if (startedMs === undefined) return;
    this.#startedMs.delete(digest);
    this.#ports.metrics.observe('finality', (this.#ports.clock.elapsed() - startedMs) / 1000);
  }
}
