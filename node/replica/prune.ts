/**
 * Forgetting old blocks by the operator's rule: their records, receipts and batches, a slice after each final block. What
 * is in the index stays for twice the days, so that who asks for a receipt that is gone is told so; after that the
 * instruction is unknown here, as one that never came. A bundle that was given out needs nothing of this; the genesis
 * block, hand-overs, the state and the memory of ids stay.
 */
import { decode, toHex, Writer } from '../../protocol/codec.js';
import { assert, type BlockHeader, type Height, type InstructionDigest } from '../../protocol/types.js';
import { DAY_MS } from '../../protocol/values.js';
import type { Operation, Store } from '../ports.js';
import { Corrupt, soundEntries, unlessDamaged } from './checked.js';
import { type BlockRecord, getBlock, getPlace, metaKey, type Place } from './records.js';

/** What is kept at least: so many blocks, and so many days of them. Without a rule a node keeps everything. */
export interface Retention {
  readonly blocks: number;
  readonly days: number;
}

/** What waits ends within two days of its order, and what is asked of it must be found; what is open longer is in the state. */
const DAYS_MIN = 3;
/** Blocks, batches and entries of the index that one slice looks at. */
const BLOCKS_AT_ONCE = 4;
const BATCHES_AT_ONCE = 16;
const INDEX_AT_ONCE = 128;
const INDEX_END = new Uint8Array(33).fill(0xff);

/** Notes the lowest height above the genesis whose block is kept here. */
export const putFloor = (floor: number): Operation => ({
  type: 'put',
  table: 'meta',
  key: metaKey('floor'),
  value: new Writer(8).u64(floor).finish(),
});

/** The lowest height above the genesis whose block is kept here. */
export function getFloor(store: Pick<Store, 'get'>): Height {
  const bytes = store.get('meta', metaKey('floor'));
  const floor = bytes === undefined ? 1 : decode(bytes, (reader) => reader.u64());
  assert(floor !== null, 'the floor is whole');
  return floor as Height;
}

/** What one slice found to go; `operations` says what of it may still go when it is written. */
export interface Slice {
  readonly operations: readonly Operation[];
  readonly places: readonly Uint8Array[];
  readonly floor: Height;
  /** Before what the index is done with. */
  readonly cursor: Uint8Array;
}

type Final = Pick<BlockHeader, 'height' | 'time'>;

export class Pruner {
  readonly #store: Store;
  readonly #retention: Retention;
  readonly #onDamage: (corrupt: Corrupt) => void;
  #floor: Height;
  #cursor: Uint8Array = new Uint8Array(0);

  constructor(store: Store, retention: Retention, onDamage: (corrupt: Corrupt) => void) {
    this.#store = store;
    this.#retention = retention;
    this.#onDamage = onDamage;
    this.#floor = getFloor(store);
  }

  /** The lowest height above the genesis whose block, receipts and batches are here. */
  get floor(): Height {
    return this.#floor;
  }

  /** Looks for a slice of what may go, seen from the last final block; null when there is nothing. */
  async find(final: Final): Promise<Slice | null> {
    const operations: Operation[] = [];
    let floor = this.#floor;
    for (let count = 0; count < BLOCKS_AT_ONCE; count++) {
      const header = this.#prunable(floor, final);
      if (header === null) break;
      const batches = header === 'gap' ? [] : await this.#batchesUpTo(header);
      operations.push(...batches);
      // The rest of its batches first: nothing is left behind that no block leads to.
      if (batches.length >= BATCHES_AT_ONCE) break;
      const key = new Writer(8).u64(floor).finish();
      operations.push({ type: 'delete', table: 'blocks', key }, { type: 'delete', table: 'receipts', key });
      floor = (floor + 1) as Height;
    }
    const { places, cursor } = await this.#oldPlaces(final);
    const isIdle = operations.length === 0 && places.length === 0 && cursor.length === 0 && this.#cursor.length === 0;
    return isIdle ? null : { operations, places, floor, cursor };
  }

  /** Called when no write of final blocks is under way: what such a write gave a new place must not go with the old one. */
  operations(slice: Slice, final: Final): Operation[] {
    const operations = [...slice.operations];
    for (const key of slice.places) {
      const place = this.#placeOf(key);
      if (place !== null && this.#isOld(place, final)) operations.push({ type: 'delete', table: 'index', key });
    }
    if (slice.floor !== this.#floor) operations.push(putFloor(slice.floor));
    this.#floor = slice.floor;
    this.#cursor = slice.cursor;
    return operations;
  }

  get #keptMs(): number {
    return Math.max(this.#retention.days, DAYS_MIN) * DAY_MS;
  }

  /** The header of a block that is old enough by both rules; 'gap' for one that a snapshot left out, or the disk has damaged. */
  #prunable(height: Height, final: Final): BlockHeader | 'gap' | null {
    if (final.height - height < Math.max(1, this.#retention.blocks)) return null;
    let record: BlockRecord | null;
    try {
      record = getBlock(this.#store, height);
    } catch (error) {
      if (!(error instanceof Corrupt)) throw error;
      // It is older than the next one; and what is let go of need not be mended.
      if (this.#prunable((height + 1) as Height, final) !== null) return 'gap';
      this.#onDamage(error);
      return null;
    }
    if (record === null) return 'gap';
    return final.time - record.header.time < this.#keptMs ? null : record.header;
  }

  /** Batches that a block's cut and those before it hold, whatever became of them: some of them, if there are many. */
  async #batchesUpTo({ epoch, cut }: BlockHeader): Promise<Operation[]> {
    const ends = cut.map(({ incarnation, number }, lane) => ({
      from: new Writer(10).u64(epoch).u16(lane).finish(),
      to: new Writer(24)
        .u64(epoch)
        .u16(lane)
        .u32(incarnation)
        .u64(number + 1)
        .finish(),
    }));
    const found: Operation[] = [];
    // Earlier epochs are over, with what they never ordered.
    for (const range of [{ from: new Uint8Array(0), to: new Writer(8).u64(epoch).finish() }, ...ends]) {
      const onDamage = ({ table, key }: Corrupt): void => void found.push({ type: 'delete', table, key });
      for await (const [key] of soundEntries(this.#store, 'batches', range, onDamage)) {
        found.push({ type: 'delete', table: 'batches', key });
        if (found.length >= BATCHES_AT_ONCE) return found;
      }
    }
    return found;
  }

  #placeOf(key: Uint8Array): Place | null {
    return unlessDamaged(() => getPlace(this.#store, toHex(key) as InstructionDigest), this.#onDamage);
  }

  #isOld(place: Place, final: Final): boolean {
    if (place.type === 'receipt' && place.height >= this.#floor) return false;
    return (place.type === 'dropped' ? place.expires : place.time) < final.time - 2 * this.#keptMs;
  }

  /** The index is gone through little by little, again and again. */
  async #oldPlaces(final: Final): Promise<{ places: Uint8Array[]; cursor: Uint8Array }> {
    const places: Uint8Array[] = [];
    let seen = 0;
    const range = { from: this.#cursor, to: INDEX_END };
    for await (const [key] of soundEntries(this.#store, 'index', range, this.#onDamage)) {
      seen += 1;
      const place = this.#placeOf(key);
      if (place !== null && this.#isOld(place, final)) places.push(key);
      if (seen >= INDEX_AT_ONCE) return { places, cursor: nextAfter(key) };
    }
    return { places, cursor: new Uint8Array(0) };
  }
}

/** The least key past another. */
function nextAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
