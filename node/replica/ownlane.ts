/** The lane that this node itself writes: when its next batch is due, and the batch. */
import { batchDigest, batchSigningBytes, encodeBatch, laneStart } from '../../protocol/block.js';
import { LANE_UNORDERED_BATCHES_MAX, LANE_UNORDERED_BYTES_MAX } from '../../protocol/limits.js';
import type { Batch, Cut, LanePoint, NetworkId, ValidatorIndex, ValidatorSet } from '../../protocol/types.js';
import type { Ports } from '../ports.js';
import type { Pending } from './admission.js';
import { type HeldBatch, heldBatch, type Lanes, pointOf } from './lanes.js';

/** How many times `batchMs` a batch waits for a quorum to hold the one before it. */
const BATCH_PATIENCE = 10;

interface Deps extends Pick<Ports, 'clock' | 'signer'> {
  readonly self: ValidatorIndex;
  readonly set: ValidatorSet;
  readonly network: NetworkId;
  readonly batchMs: number;
  readonly lanes: Lanes;
}

export class OwnLane {
  readonly #deps: Deps;
  #tip: LanePoint;
  #nextMs = 0;
  /** Whether it begins a new incarnation: what `lanes` holds of it is of an earlier one, and no longer its own to go on from. */
  readonly isFresh: boolean;

  /** Goes on from what `lanes` holds of it, or begins a new incarnation, when what was written before may be lost. */
  constructor(deps: Deps, incarnation: number | null) {
    this.#deps = deps;
    const tip = deps.lanes.tips()[deps.self] as LanePoint;
    this.isFresh = incarnation !== null && tip.incarnation < incarnation;
    this.#tip = incarnation !== null && this.isFresh ? laneStart(incarnation) : tip;
  }

  /** At half of what others hold of a lane: so much that an honest author never finds its batches unwanted. */
  isFull(final: Cut): boolean {
    const { self, lanes } = this.#deps;
    const since = final[self];
    const ahead = this.#tip.number - (since?.incarnation === this.#tip.incarnation ? since.number : 0);
    return ahead >= LANE_UNORDERED_BATCHES_MAX / 2 || lanes.unorderedBytes(self) >= LANE_UNORDERED_BYTES_MAX / 2;
  }

  /** Until a quorum holds the last batch the next one grows, for a while: under load there are fewer, and each costs writes everywhere. */
  dueMs(): number {
    const { self, lanes, batchMs } = this.#deps;
    return lanes.isHeldByQuorum(self, this.#tip) ? this.#nextMs : this.#nextMs + (BATCH_PATIENCE - 1) * batchMs;
  }

  /** The lane's next batch, signed and held, not yet durable. */
  async write(taken: readonly Pending[]): Promise<HeldBatch> {
    const { self, set, network, signer, clock, lanes, batchMs } = this.#deps;
    this.#nextMs = clock.elapsed() + batchMs;
    const { incarnation, number, digest: previous } = this.#tip;
    const items = taken.map(({ bytes }) => bytes);
    const batch: Batch = { author: self, epoch: set.epoch, incarnation, number: number + 1, previous, items };
    const bytes = encodeBatch(batch);
    const digest = batchDigest(bytes);
    const signature = await signer.network(batchSigningBytes(network, digest));
    const held = heldBatch({
      batch,
      digest,
      bytes,
      signature,
      items: taken.map(({ item }) => item),
      learning: false,
      sinceMs: clock.elapsed(),
    });
    lanes.add(held);
    this.#tip = pointOf(held);
    return held;
  }
}
