/**
 * Instructions that this node has answered for and that stand in no lane of its own: a participant's, and those that an
 * epoch's end left unordered. They are durable here until a final block has them, or they have expired.
 */
import { decodeItem, type Instruction } from '../../protocol/instruction.js';
import type { Bic, InstructionDigest, TimestampMs, Uetr } from '../../protocol/types.js';
import type { Operation, Store } from '../ports.js';
import { deleteOutbox, getPlace, putOutbox, putPlace } from './records.js';

export interface OutboxItem {
  readonly instruction: Instruction;
  /** As a lane carries it. */
  readonly bytes: Uint8Array;
}

/** What has expired is looked for once in so many blocks. */
const SWEEP_BLOCKS = 16;

const areSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

export class Outbox {
  readonly #store: Pick<Store, 'get'>;
  readonly #items = new Map<InstructionDigest, OutboxItem[]>();
  #blocks = 0;

  constructor(store: Pick<Store, 'get'>, stored: readonly Uint8Array[]) {
    this.#store = store;
    for (const bytes of stored) {
      const read = decodeItem(bytes);
      if (read.ok) this.#keep({ instruction: read.instruction, bytes });
    }
  }

  #keep(item: OutboxItem): void {
    const { digest } = item.instruction;
    this.#items.set(digest, [...(this.#items.get(digest) ?? []), item]);
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

  /** Everything in it, oldest first: the copies of an instruction differ in their signatures. */
  entries(): IterableIterator<[InstructionDigest, readonly OutboxItem[]]> {
    return this.#items.entries();
  }

  /** Blocks became final: what they ordered leaves, and so does what can be ordered no more, which is told as expired. */
  onFinal(ordered: Iterable<InstructionDigest>, time: TimestampMs): Operation[] {
    const operations: Operation[] = [];
    for (const digest of ordered) operations.push(...this.#remove(digest));
    this.#blocks += 1;
    if (this.#blocks % SWEEP_BLOCKS !== 0) return operations;
    for (const [digest, [first]] of this.#items) {
      if (first === undefined || time <= first.instruction.expiresMs) continue;
      const { payload, expiresMs } = first.instruction;
      const place = { expires: expiresMs, initiator: payload.initiator as Bic, id: payload.id as Uetr };
      if (getPlace(this.#store, digest) === null) operations.push(putPlace(digest, { type: 'dropped', ...place }));
      operations.push(...this.#remove(digest));
    }
    return operations;
  }

  #remove(digest: InstructionDigest): Operation[] {
    const copies = this.#items.get(digest) ?? [];
    this.#items.delete(digest);
    return copies.map((_, copy) => deleteOutbox(digest, copy));
  }
}
