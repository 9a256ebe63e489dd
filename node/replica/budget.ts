/** What one peer may cost this node in a while: so that asking cannot be made to cost more than it is worth. */
import type { PeerKey } from '../../protocol/types.js';
import type { Clock } from '../ports.js';

/** In so long, whatever Δ is, in bytes of what it is sent or of what it submits. */
const WINDOW_MS = 500;
const BYTES_MAX = 8 * 1024 * 1024;
/** What a request counts for by itself. */
const ASKING_BYTES = 128 * 1024;

export class Budget {
  readonly #clock: Pick<Clock, 'elapsed'>;
  /** What each peer was given since its window opened. */
  readonly #spent = new Map<PeerKey, { readonly sinceMs: number; bytes: number }>();

  constructor(clock: Pick<Clock, 'elapsed'>) {
    this.#clock = clock;
  }

  /** Whether a peer may ask now; if so, its asking is counted. */
  mayAsk(peer: PeerKey): boolean {
    const now = this.#clock.elapsed();
    const spent = this.#spent.get(peer);
    if (spent === undefined || now - spent.sinceMs >= WINDOW_MS)
      this.#spent.set(peer, { sinceMs: now, bytes: ASKING_BYTES });
    else if (spent.bytes > BYTES_MAX) return false;
    else spent.bytes += ASKING_BYTES;
    return true;
  }

  /** Counts what a peer has cost since it asked. */
  spend(peer: PeerKey, bytes: number): void {
    const spent = this.#spent.get(peer);
    if (spent !== undefined) spent.bytes += bytes;
  }
}
