/** The lane of a liar, where it is another than its replica's: batches made anew, forked, begun again, added. */
import { batchDigest, encodeBatch, laneStart } from '../../protocol/block.js';
import type { Batch, BatchDigest, Epoch, LanePoint, ValidatorIndex } from '../../protocol/types.js';
import { Remembered } from './overheard.js';

/** What a batch of a liar's own lane is to be. */
export interface LanePlan {
  readonly items: readonly Uint8Array[];
  /** The lane begins a new incarnation with this batch. */
  readonly begins: boolean;
  /** Items of another batch of the same number, for some of the peers. */
  readonly rival: readonly Uint8Array[] | null;
}

/** A batch that is still to be signed. */
export interface SignedLaneBatch {
  readonly batch: Batch;
  readonly bytes: Uint8Array;
  readonly digest: BatchDigest;
}
/** What goes out for a batch of the replica's: the same to all, or a rival to some, along the `fork` of that number. */
export interface Made {
  readonly main: SignedLaneBatch;
  readonly rival: SignedLaneBatch | null;
  readonly fork: number;
}
/** Where each of the two branches of a lane stands; the same point while it is not forked. */
interface Tips {
  readonly epoch: Epoch;
  main: LanePoint;
  rival: LanePoint;
}

const BATCHES_MAX = 512;

export class LiarLane {
  #tips: Tips | null = null;
  #forks = 0;
  readonly #made = new Remembered<BatchDigest, Made | null>(BATCHES_MAX);
  readonly #byDigest = new Remembered<BatchDigest, SignedLaneBatch>(2 * BATCHES_MAX);
  #last: { readonly epoch: Epoch; readonly author: ValidatorIndex; readonly point: LanePoint } | null = null;

  get isRewritten(): boolean {
    return this.#tips !== null;
  }

  /** How far the lane goes in an epoch, where it is another than its replica's. */
  tip(epoch: Epoch): LanePoint | null {
    return this.#tips?.epoch === epoch ? this.#tips.main : null;
  }

  /**
   * What goes out for a batch of the replica's lane: null for the batch itself, while the lane is as the replica has it
   * and `isChanged` is false; else a batch on this lane's own chain, and perhaps another of the same number.
   */
  follow(
    batch: Batch,
    bytes: Uint8Array,
    isChanged: boolean,
    plan: (items: readonly Uint8Array[]) => LanePlan,
  ): Made | null {
    const digest = batchDigest(bytes);
    return this.#made.made(digest, () => {
      const { author, epoch, incarnation, number, previous } = batch;
      const tips = this.#tips?.epoch === epoch ? this.#tips : null;
      if (tips === null && !isChanged) {
        if ((this.#last?.point.number ?? 0) < number || this.#last?.epoch !== epoch)
          this.#last = { epoch, author, point: { incarnation, number, digest } };
        return null;
      }
      const before: LanePoint = { incarnation, number: number - 1, digest: previous };
      this.#tips = tips ?? { epoch, main: before, rival: before };
      return this.#extend(this.#tips, author, plan(batch.items));
    });
  }

  /** A batch of its own making at the end of the lane. */
  append(author: ValidatorIndex, epoch: Epoch, items: readonly Uint8Array[]): SignedLaneBatch {
    if (this.#tips?.epoch !== epoch) {
      const point = this.#last?.epoch === epoch ? this.#last.point : laneStart(0);
      this.#tips = { epoch, main: point, rival: point };
    }
    return this.#extend(this.#tips, author, { items, begins: false, rival: null }).main;
  }

  /** The batches of this lane from the one named back to number `after`, oldest first; none when it is not of this lane's making. */
  back(digest: BatchDigest, after: number): SignedLaneBatch[] {
    const found: SignedLaneBatch[] = [];
    for (
      let at = this.#byDigest.get(digest);
      at !== undefined && at.batch.number > after;
      at = this.#byDigest.get(at.batch.previous)
    ) {
      found.push(at);
      if (at.batch.number === 1) break;
    }
    return found.reverse();
  }

  #extend(tips: Tips, author: ValidatorIndex, { items, begins, rival }: LanePlan): Made {
    if (begins) tips.main = laneStart(tips.main.incarnation + 1);
    if (begins) tips.rival = tips.main;
    if (rival !== null && tips.rival.digest === tips.main.digest) this.#forks += 1;
    const main = this.#make(tips.main, author, tips.epoch, items);
    const other = rival === null ? null : this.#make(tips.rival, author, tips.epoch, rival);
    tips.main = pointOf(main);
    // A branch that does not grow is left behind: the next fork leaves from the lane as most have it.
    tips.rival = other === null ? tips.main : pointOf(other);
    return { main, rival: other, fork: this.#forks };
  }

  #make(after: LanePoint, author: ValidatorIndex, epoch: Epoch, items: readonly Uint8Array[]): SignedLaneBatch {
    const { incarnation, number, digest: previous } = after;
    const batch: Batch = { author, epoch, incarnation, number: number + 1, previous, items };
    const bytes = encodeBatch(batch);
    const made = { batch, bytes, digest: batchDigest(bytes) };
    this.#byDigest.set(made.digest, made);
    return made;
  }
}

const pointOf = ({ batch, digest }: SignedLaneBatch): LanePoint => ({
  incarnation: batch.incarnation,
  number: batch.number,
  digest,
});
