/**
 * Instructions that this node has answered for and that stand in no lane of its own: a participant's, and those that an
 * epoch's end left unordered. They are durable here until a final block has them, or they have expired.
 */
import { isOpen } from '../../ledger/codes.js';
import type { State } from '../../ledger/state.js';
import { decodeItem, type Instruction } from '../../protocol/instruction.js';
import { LANE_UNORDERED_BYTES_MAX } from '../../protocol/limits.js';
import type { BlockHeader, InstructionDigest } from '../../protocol/types.js';
import type { Operation, Store } from '../ports.js';
import { type Corrupt, unlessDamaged } from './checked.js';
import { placeWithoutTrace } from './ends.js';
import { deleteOutbox, getPlace, putOutbox, putPlace } from './records.js';

type Final = Pick<BlockHeader, 'height' | 'time'>;

export interface OutboxItem {
  readonly instruction: Instruction;
  /** As a lane carries it. */
  readonly bytes: Uint8Array;
}

/** Instructions at most; in bytes it may hold what a lane may. */
const INSTRUCTIONS_MAX = 20_000;
/** Instructions whose end is looked for with each write of final blocks: all of them in turn. */
const LOOKED_AT_ONCE = 64;

const areSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

export class Outbox {
  readonly #store: Pick<Store, 'get'>;
  readonly #items = new Map<InstructionDigest, OutboxItem[]>();
  readonly #onDamage: (corrupt: Corrupt) => void;
  #bytes = 0;
  /** Where the looking for ends has got to. */
  #looking: IterableIterator<[InstructionDigest, OutboxItem[]]> | null = null;

  /** `stored` is what the store holds of it; `onDamage` is told of a record that the disk has damaged. */
  constructor(store: Pick<Store, 'get'>, stored: readonly Uint8Array[], onDamage: (corrupt: Corrupt) => void) {
    this.#store = store;
    this.#onDamage = onDamage;
    for (const bytes of stored) {
      const read = decodeItem(bytes);
      if (read.ok) this.#keep({ instruction: read.instruction, bytes });
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
    return [putOutbox(digest, item.bytes)];
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
   * Blocks are about to become final, with this state, the last of them being `final`. What they ended leaves with the
   * operations, and so does what can have no effect any more: nobody waits for it any longer.
   */
  onFinal(
    ended: Iterable<InstructionDigest>,
    state: State,
    final: Final,
  ): { readonly operations: Operation[]; readonly over: readonly Instruction[] } {
    const operations: Operation[] = [];
    const over: Instruction[] = [];
    for (const digest of ended) {
      const [first] = this.#items.get(digest) ?? [];
      if (first !== undefined) over.push(first.instruction);
      operations.push(...this.#remove(digest));
    }
    for (let looked = 0; looked < LOOKED_AT_ONCE; looked++) {
      this.#looking ??= this.#items.entries();
      const next = this.#looking.next();
      if (next.done === true) {
        this.#looking = null;
        break;
      }
      const [digest, [first]] = next.value;
      // Until a damaged record is mended nothing is made of it.
      const found =
        first === undefined ? null : unlessDamaged(() => this.#over(first.instruction, state, final), this.#onDamage);
      if (first === undefined || found === null) continue;
      operations.push(...found, ...this.#remove(digest));
      over.push(first.instruction);
    }
    return { operations, over };
  }

  /** What is to be written of an instruction that can have no effect any more; null while it still may. */
  #over(instruction: Instruction, state: State, final: Final): Operation[] | null {
    const { digest, expiresMs } = instruction;
    const place = placeWithoutTrace(instruction, state, final);
    const hasEnded = place.type === 'taken' || (place.type === 'remembered' && !isOpen(place.code));
    if (final.time <= expiresMs && !hasEnded) return null;
    return getPlace(this.#store, digest) === null ? [putPlace(digest, place)] : [];
  }

  #remove(digest: InstructionDigest): Operation[] {
    const copies = this.#items.get(digest) ?? [];
    this.#items.delete(digest);
    for (const { bytes } of copies) this.#bytes -= bytes.length;
    return copies.map(({ bytes }) => deleteOutbox(digest, bytes));
  }
}
