/**
 * Twins: one key, two processes with disks of their own, both honest code. Their peers are shared out between them anew
 * at each turn, some to both: so each twin goes on with a part of the network, and what the one votes the other never hears.
 */
import type { Bus, Ports } from '../../node/ports.js';
import type { PeerKey } from '../../protocol/types.js';
import type { Random } from '../random.js';

type Which = 0 | 1;

export class Twins {
  readonly #random: Random;
  readonly #met: (situation: string) => void;
  readonly #shares = new Map<PeerKey, readonly Which[]>();

  constructor({ random, met }: { readonly random: Random; readonly met: (situation: string) => void }) {
    this.#random = random;
    this.#met = met;
  }

  /** Shares the peers out anew. */
  turn(): void {
    this.#shares.clear();
  }

  /** The ports of one of the two: its own, but for the peers that it talks to. Give it to `SimNode` as its `wrap`. */
  wrap(which: Which): (ports: Ports) => Ports {
    return (ports) => ({ ...ports, bus: this.#bus(which, ports.bus) });
  }

  #bus(which: Which, bus: Bus): Bus {
    return {
      send: (to, purpose, frame) => {
        if (this.#shareOf(to).includes(which)) bus.send(to, purpose, frame);
      },
      onFrame: (handler) =>
        bus.onFrame((from, purpose, frame) => {
          if (!this.#shareOf(from).includes(which)) return;
          this.#met('lie_twins');
          handler(from, purpose, frame);
        }),
      onPeer: (handler) => bus.onPeer(handler),
      punish: (peer, reason) => bus.punish(peer, reason),
      allow: (peers) => bus.allow(peers),
      peers: () => bus.peers(),
    };
  }

  #shareOf(peer: PeerKey): readonly Which[] {
    const known = this.#shares.get(peer);
    if (known !== undefined) return known;
    const share = this.#random.pick<readonly Which[]>([[0], [1], [0, 1]]);
    this.#shares.set(peer, share);
    return share;
  }
}
