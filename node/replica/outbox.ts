/**
 * Instructions that this node has answered for and that stand in no lane of its own: a participant's, and those that an
 * epoch's end left unordered. They are durable here until a final block has them, or they have expired.
 */
import { isOpen } from '../../ledger/codes.js';
import { decodeItem, type Instruction } from '../../protocol/instruction.js';
import { LANE_UNORDERED_BYTES_MAX } from '../../protocol/limits.js';
import type { Bic, InstructionDigest, TimestampMs, Uetr } from '../../protocol/types.js';
import type { Operation, Store } from '../ports.js';
import { Corrupt } from './checked.js';
import { deleteOutbox, getPlace, putOutbox, putPlace } from './records.js';

export interface OutboxItem {
  readonly instruction: Instruction;
  /** As a lane carries it. */
  readonly bytes: Uint8Array;
}

/** Instructions at most; in bytes it may hold what a lane may. */
const INSTRUCTIONS_MAX = 20_000;
/** What has expired is looked for once in so many writes of final blocks. */
const SWEEP_WRITES = 16;

const areSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

export class Outbox {
  readonly #store: Pick<Store, 'get'>;
  readonly #items = new Map<InstructionDigest, OutboxItem[]>();
  readonly #onDamage: (corrupt: Corrupt) => void;
  #bytes = 0;
  #writes = 0;

  /** `stored` is what the store holds of it; `onDamage` is told of a record that the disk has damaged. */
  constructor(store: Pick<Store, 'get'>, stored: readonly Uint8Array[], onDamage: (corrupt: Corrupt) => void) {
    this.#store = store;
    this.#onDamage = onDamage;
    for (const bytes of stored) {
      const read = decodeItem(bytes);
      if (read.ok && !this.#hasEnded(read.instruction.digest)) this.#keep({ instruction: read.instruction, bytes });
    }
  }

  /** Whether a snapshot brought its end, in a block that this node never saw. */
  #hasEnded(digest: InstructionDigest): boolean {
    try {
      const place = getPlace(this.#store, digest);
      return place?.type === 'remembered' && !isOpen(place.code);
    } catch (error) {
      if (!(error instanceof Corrupt)) throw error;
      this.#onDamage(error);
      return false;
    }
  }

  #keep(item: OutboxItem): void {
    const { digest } = item.instruction;
    this.#items.set(digest, [...(this.#items.get(digest) ?? []), item]);
    this.#bytes += item.bytes.length;
  }

  /** Keeps an instruction; it is durable once the operations are; none when it is there already. A copy with further signatures is kept beside the first. */
  put(item: OutboxItem): Operation[] {
    const { digest } = item.instruction;
    const copies = this.#items.get(digest) ?? [];
    if (copies.some(({ bytes }) => areSame(bytes, item.bytes))) return [];
    this.#keep(item);
    return [putOutbox(digest, copies.length, item.bytes)];
  }

  has(digest: InstructionDigest): boolean {
    return this.#items.has(digest);
  }

  get size(): number {
    return this.#items.size;
  }

  /** Past it the door says `lane_full`. */
  get isFull(): boolean {
    return this.size >= INSTRUCTIONS_MAX || this.#bytes >= LANE_UNORDERED_BYTES_MAX;
  }

  /** Everything in it, oldest first: the copies of an instruction differ in their signatures. */
  entries(): IterableIterator<[InstructionDigest, readonly OutboxItem[]]> {
    return this.#items.entries();
  }

  /**
   * Blocks are about to become final, up to this time. What they ordered leaves with the operations, and so does what can
   * be ordered no more: the expired ones, which nobody waits for any longer.
   */
  onFinal(
    ordered: Iterable<InstructionDigest>,
    time: TimestampMs,
  ): { readonly operations: Operation[]; readonly expired: readonly Instruction[] } {
    const operations: Operation[] = [];
    const expired: Instruction[] = [];
    for (const digest of ordered) operations.push(...this.#remove(digest));
    this.#writes += 1;
    if (this.#writes % SWEEP_WRITES !== 0) return { operations, expired };
    for (const [digest, [first]] of this.#items) {
      if (first === undefined || time <= first.instruction.expiresMs) continue;
      const hasPlace = this.#hasPlace(digest);
      // Until a damaged place is mended nothing is written over it.
      if (hasPlace === null) continue;
      const { payload, expiresMs } = first.instruction;
      const place = { expires: expiresMs, initiator: payload.initiator as Bic, id: payload.id as Uetr };
      if (!hasPlace) operations.push(putPlace(digest, { type: 'dropped', ...place }));
      operations.push(...this.#remove(digest));
      expired.push(first.instruction);
    }
    return { operations, expired };
  }

  /** Whether the index knows what became of an instruction; null when that record is damaged. */
  #hasPlace(digest: InstructionDigest): boolean | null {
    try {
      return getPlace(this.#store, digest) !== null;
    } catch (error) {
      if (!(error instanceof Corrupt)) throw error;
      this.#onDamage(error);
      return null;
    }
  }

  #remove(digest: InstructionDigest): Operation[] {
    const copies = this.#items.get(digest) ?? [];
    this.#items.delete(digest);
    for (const { bytes } of copies) this.#bytes -= bytes.length;
    return copies.map((_, copy) => deleteOutbox(digest, copy));
  }
}
