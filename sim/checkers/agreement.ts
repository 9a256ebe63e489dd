/** One block and one result root at each height, on every honest node and for ever; each node makes each final once. */
import type { Committed, Report, Watched } from './watched.js';

interface Final {
  readonly id: string;
  readonly root: string;
  readonly node: number;
}

export class Agreement {
  readonly #report: Report;
  readonly #blocks = new Map<number, Final>();
  /** By node: the last height that it made final on its disk. */
  readonly #heights = new Map<number, number>();
  /** By node: how often its state was damaged, which it may notice at any later start, and each by itself. */
  readonly #damages = new Map<number, number>();

  constructor(report: Report) {
    this.#report = report;
  }

  get height(): number {
    return this.#blocks.size;
  }

  /** Whether this is the first that anybody tells of the height. */
  onFinal({ self }: Watched, { block: { id, header }, executed: { root } }: Committed): boolean {
    const { height } = header;
    const last = this.#heights.get(self);
    const isAnew = last !== undefined && height <= last;
    const damages = this.#damages.get(self) ?? 0;
    // Once for each: from then on it counts up again.
    if (isAnew && damages > 0) this.#damages.set(self, damages - 1);
    else if (isAnew)
      this.#report(`undone: node ${self} makes height ${height} final, where it had made ${last} final already`);
    this.#heights.set(self, height);
    const known = this.#blocks.get(height);
    if (known === undefined) this.#blocks.set(height, { id, root, node: self });
    else if (known.id !== id)
      this.#report(`disagreement: node ${self} made ${id} final at height ${height}, node ${known.node} ${known.id}`);
    else if (known.root !== root)
      this.#report(`disagreement: node ${self} has root ${root} at height ${height}, node ${known.node} ${known.root}`);
    return known === undefined;
  }

  /** A node showed a client this block. */
  onShown(self: number, { height, id, resultRoot }: { height: number; id: string; resultRoot: string }): void {
    const known = this.#blocks.get(height);
    if (known !== undefined && (known.id !== id || known.root !== resultRoot))
      this.#report(
        `disagreement: node ${self} shows ${id} with root ${resultRoot} at height ${height}, where ${known.id} is final with ${known.root}`,
      );
  }

  /** The node lost its disk, and may make everything final anew. */
  wiped(self: number): void {
    this.#heights.delete(self);
  }

  /** The node's state is damaged: it may make everything final anew, once for each damage. */
  damaged(self: number): void {
    this.#damages.set(self, (this.#damages.get(self) ?? 0) + 1);
  }

  /** What a running node has as its last final block must be what the others have there, and not before its own last. */
  atEnd({ self, running }: Watched): void {
    if (running === null) return;
    const { header, id, root } = running.replica.chain.final;
    const known = this.#blocks.get(header.height);
    if (known !== undefined && known.root !== root)
      this.#report(`disagreement: node ${self} stands on ${id} with root ${root} at height ${header.height}`);
    if (header.height < (this.#heights.get(self) ?? 0))
      this.#report(`undone: node ${self} is back at height ${header.height}, where it had ${this.#heights.get(self)}`);
  }
}
