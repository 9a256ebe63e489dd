/**
 * What this node holds of every validator's lane: batches since the last final cut, how far each lane is stored here
 * without a gap, and how far the others say they hold it. Synchronous; the replica stores and sends.
 */
import { laneStart } from '../../protocol/block.js';
import {
  BLOCK_BATCHES_MAX,
  BLOCK_ITEMS_MAX,
  BLOCK_SIGNATURES_MAX,
  LANE_UNORDERED_BATCHES_MAX,
  LANE_UNORDERED_BYTES_MAX,
} from '../../protocol/limits.js';
import {
  type Batch,
  type BatchDigest,
  type Cut,
  type LanePoint,
  quorum,
  type TimestampMs,
  type ValidatorIndex,
} from '../../protocol/types.js';
import type { LaneItem } from './facts.js';

export interface HeldBatch {
  readonly batch: Batch;
  readonly digest: BatchDigest;
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly items: readonly (LaneItem | null)[];
  /** Whether it is durable here: only then does this node say that it holds it. */
  stored: boolean;
  /** Whether its signatures are being checked right now. */
  learning: boolean;
  readonly sinceMs: number;
  /** The latest `issued` in it: no block before that orders it. */
  readonly dueTimeMs: TimestampMs;
}

/** A batch as `Lanes.add` takes it; `Lanes.stored` marks it durable. */
export function heldBatch(parts: Omit<HeldBatch, 'stored' | 'dueTimeMs'>): HeldBatch {
  const dueTimeMs = parts.items.reduce((latest, item) => Math.max(latest, item?.instruction.issuedMs ?? 0), 0);
  return { ...parts, stored: false, dueTimeMs: dueTimeMs as TimestampMs };
}

/** The batches between two points of a lane, or the first point back from the end that is not held. */
export type LanePath =
  | { readonly ok: true; readonly batches: readonly HeldBatch[] }
  | { readonly ok: false; readonly missing: LanePoint };

export const pointOf = ({ batch, digest }: HeldBatch): LanePoint => ({
  incarnation: batch.incarnation,
  number: batch.number,
  digest,
});

export const samePoint = (a: LanePoint, b: LanePoint): boolean =>
  a.incarnation === b.incarnation && a.number === b.number && a.digest === b.digest;

/** Whether a lane may go from one point to another by its numbers alone. */
export const isOnward = (from: LanePoint, to: LanePoint): boolean =>
  samePoint(from, to) ||
  (to.incarnation === from.incarnation && to.number > from.number) ||
  (to.incarnation > from.incarnation && to.number > 0);

const followKey = (incarnation: number, previous: BatchDigest): string => `${incarnation}/${previous}`;

/** Whether a block may order all of these: batches, items and signatures are bounded. */
export function fitsBlock(batches: readonly HeldBatch[]): boolean {
  let items = 0;
  let signatures = 0;
  for (const held of batches) {
    items += held.items.length;
    for (const item of held.items) signatures += item?.instruction.signatures.length ?? 0;
  }
  return batches.length <= BLOCK_BATCHES_MAX && items <= BLOCK_ITEMS_MAX && signatures <= BLOCK_SIGNATURES_MAX;
}

class Lane {
  readonly held = new Map<BatchDigest, HeldBatch>();
  /** Stored without a gap from the final point on: the first seen where an author made several. */
  tip: LanePoint;
  final: LanePoint;
  readonly heldBy: LanePoint[];
  bytes = 0;

  constructor(n: number, final: LanePoint) {
    this.final = final;
    this.tip = final;
    this.heldBy = Array.from({ length: n }, () => laneStart(0));
  }

  /** Durable batches by what they follow; the first of several that an equivocating author made. */
  readonly #after = new Map<string, HeldBatch>();

  follow(held: HeldBatch): void {
    const key = followKey(held.batch.incarnation, held.batch.previous);
    if (!this.#after.has(key)) this.#after.set(key, held);
  }

  forget(held: HeldBatch): void {
    if (this.held.delete(held.digest)) this.bytes -= held.bytes.length;
    const key = followKey(held.batch.incarnation, held.batch.previous);
    if (this.#after.get(key) === held) this.#after.delete(key);
  }

  following({ incarnation, previous }: Pick<Batch, 'incarnation' | 'previous'>): HeldBatch | undefined {
    return this.#after.get(followKey(incarnation, previous));
  }

  next(point: LanePoint): HeldBatch | null {
    const next = this.#after.get(followKey(point.incarnation, point.digest));
    if (next !== undefined && next.batch.number === point.number + 1) return next;
    // The lane ends here: a later incarnation, of an author that lost its log, may go on.
    const firsts = [...this.#after.values()].filter(
      ({ batch }) => batch.incarnation > point.incarnation && batch.number === 1,
    );
    return firsts.sort((a, b) => a.batch.incarnation - b.batch.incarnation)[0] ?? null;
  }

  /** The first batch of the path to the tip, without walking it; null where there is none. */
  first(from: LanePoint): HeldBatch | null {
    const { tip } = this;
    if (tip.incarnation < from.incarnation) return null;
    const { incarnation, number, digest } = tip.incarnation === from.incarnation ? from : laneStart(tip.incarnation);
    const first = this.#after.get(followKey(incarnation, digest));
    return first?.batch.number === number + 1 ? first : null;
  }

  path(from: LanePoint, to: LanePoint): LanePath {
    const batches: HeldBatch[] = [];
    let at = to;
    while (!samePoint(at, from)) {
      const held = this.held.get(at.digest);
      if (held === undefined || !held.stored) return { ok: false, missing: at };
      const { incarnation, number, previous } = held.batch;
      // A chain that runs past its start without meeting it belongs to another branch of a lying author.
      if (incarnation !== at.incarnation || number !== at.number) return { ok: false, missing: at };
      batches.push(held);
      if (number === 1 && incarnation > from.incarnation) break;
      if (number <= (incarnation === from.incarnation ? from.number : 0) + 1 && previous !== from.digest)
        return { ok: false, missing: at };
      at = { incarnation, number: number - 1, digest: previous };
    }
    return { ok: true, batches: batches.reverse() };
  }
}

export class Lanes {
  readonly #lanes: Lane[];
  /** This node's own lane; null for a node without one. */
  readonly self: ValidatorIndex | null;

  constructor(self: ValidatorIndex | null, finalCut: Cut) {
    this.self = self;
    this.#lanes = finalCut.map((point) => new Lane(finalCut.length, point));
  }

  #lane(index: number): Lane {
    return this.#lanes[index] as Lane;
  }

  has(lane: ValidatorIndex, digest: BatchDigest): boolean {
    return this.#lane(lane).held.has(digest);
  }

  get(lane: ValidatorIndex, digest: BatchDigest): HeldBatch | undefined {
    return this.#lane(lane).held.get(digest);
  }

  /** Whether the batch that this signature is for is held: told without hashing, which is work for off the main thread. */
  isKnown(batch: Pick<Batch, 'author' | 'incarnation' | 'previous'>, signature: Uint8Array): boolean {
    const held = this.#lane(batch.author).following(batch);
    return held !== undefined && held.signature.every((byte, i) => byte === signature[i]);
  }

  /** Whether a batch of this number is wanted: past the final cut, and not so far ahead that memory would be at an author's mercy. */
  isWanted(lane: ValidatorIndex, point: Pick<LanePoint, 'incarnation' | 'number'>): boolean {
    const { final, held, bytes } = this.#lane(lane);
    if (held.size >= 2 * LANE_UNORDERED_BATCHES_MAX || bytes >= LANE_UNORDERED_BYTES_MAX) return false;
    if (point.incarnation === final.incarnation)
      return point.number > final.number && point.number <= final.number + LANE_UNORDERED_BATCHES_MAX;
    return point.incarnation > final.incarnation && point.number <= LANE_UNORDERED_BATCHES_MAX;
  }

  /** Whether batches that were asked for are taken whatever their digest: within twice the bounds of a lane. */
  hasRoom(lane: ValidatorIndex): boolean {
    const { held, bytes } = this.#lane(lane);
    return held.size < 4 * LANE_UNORDERED_BATCHES_MAX && bytes < 2 * LANE_UNORDERED_BYTES_MAX;
  }

  /** Keeps a batch, not yet durable. */
  add(held: HeldBatch): void {
    const lane = this.#lane(held.batch.author);
    lane.held.set(held.digest, held);
    lane.bytes += held.bytes.length;
  }

  /** Bytes of a lane past the final cut. */
  unorderedBytes(lane: ValidatorIndex): number {
    return this.#lane(lane).bytes;
  }

  /** The batch is durable now: the lane's tip goes on as far as it can. Returns whether it moved. */
  stored(held: HeldBatch): boolean {
    held.stored = true;
    const lane = this.#lane(held.batch.author);
    lane.follow(held);
    return this.#advance(lane);
  }

  #advance(lane: Lane): boolean {
    const before = lane.tip;
    for (let next = lane.next(lane.tip); next !== null; next = lane.next(lane.tip)) lane.tip = pointOf(next);
    if (this.self !== null) lane.heldBy[this.self] = lane.tip;
    return !samePoint(before, lane.tip);
  }

  /** How far this node holds each lane. */
  tips(): Cut {
    return this.#lanes.map((lane) => lane.tip);
  }

  /** What a peer says it holds. */
  acknowledge(peer: ValidatorIndex, points: Cut): void {
    this.#lanes.forEach((lane, i) => {
      const point = points[i];
      if (point !== undefined) lane.heldBy[peer] = point;
    });
  }

  heldBy(lane: ValidatorIndex, peer: ValidatorIndex): LanePoint {
    return this.#lane(lane).heldBy[peer] as LanePoint;
  }

  /** The batches from one point to another, oldest first. */
  path(lane: ValidatorIndex, from: LanePoint, to: LanePoint): LanePath {
    return this.#lane(lane).path(from, to);
  }

  /** Batches past the final cut that this node holds, oldest first: what may have to be sent again. */
  unordered(lane: ValidatorIndex): readonly HeldBatch[] {
    const { final, tip } = this.#lane(lane);
    const path = this.path(lane, final, tip);
    return path.ok ? path.batches : [];
  }

  /**
   * The cut a leader proposes on a parent's, for a block of that time: for each lane the furthest batch that is due by then
   * and that a quorum says it holds, lanes taking turns, within the bounds of a block. What others hold is a guess that
   * serves liveness only: each vote rests on what its node holds.
   */
  propose(parent: Cut, time: TimestampMs): Cut {
    const queues = this.#lanes.map((lane, i) => {
      const path = lane.path(parent[i] as LanePoint, lane.tip);
      const batches = path.ok ? path.batches : [];
      const end = batches.findIndex((held) => held.dueTimeMs > time || !this.#isWidelyHeld(lane, pointOf(held)));
      return end === -1 ? batches : batches.slice(0, end);
    });
    const cut = [...parent];
    const chosen: HeldBatch[] = [];
    for (let round = 0; queues.some((queue) => round < queue.length); round++) {
      for (const [i, queue] of queues.entries()) {
        const held = queue[round];
        if (held === undefined) continue;
        chosen.push(held);
        if (chosen.length > 1 && !fitsBlock(chosen)) return cut;
        cut[i] = pointOf(held);
      }
    }
    return cut;
  }

  /** The earliest time of a block in which a leader would have anything to order on this cut; null when there is nothing. */
  dueTimeMs(cut: Cut): TimestampMs | null {
    let earliest: TimestampMs | null = null;
    for (const [i, lane] of this.#lanes.entries()) {
      const from = cut[i] as LanePoint;
      if (samePoint(from, lane.tip)) continue;
      // What `propose` would begin with: else an empty block follows another, for ever.
      const first = lane.first(from);
      if (first === null || !this.#isWidelyHeld(lane, pointOf(first))) continue;
      if (earliest === null || first.dueTimeMs < earliest) earliest = first.dueTimeMs;
    }
    return earliest;
  }

  /** Whether a quorum says that it holds a lane up to this point. */
  isHeldByQuorum(lane: ValidatorIndex, point: LanePoint): boolean {
    return this.#isWidelyHeld(this.#lane(lane), point);
  }

  #isWidelyHeld(lane: Lane, point: LanePoint): boolean {
    const holders = lane.heldBy.filter(
      ({ incarnation, number }) =>
        incarnation > point.incarnation || (incarnation === point.incarnation && number >= point.number),
    );
    return holders.length >= quorum(this.#lanes.length);
  }

  /** The cut is final: what it covers leaves memory. */
  finalize(cut: Cut): void {
    this.#lanes.forEach((lane, i) => {
      const final = cut[i] as LanePoint;
      lane.final = final;
      for (const held of [...lane.held.values()]) {
        const { incarnation, number } = held.batch;
        if (incarnation > final.incarnation || (incarnation === final.incarnation && number > final.number)) continue;
        lane.forget(held);
      }
      if (!lane.path(final, lane.tip).ok) lane.tip = final;
      this.#advance(lane);
    });
  }

  /** By lane: batches past the final cut, with those that other branches of it have. */
  unorderedCounts(): number[] {
    return this.#lanes.map((lane) => lane.held.size);
  }
}
