/**
 * The mark: a count, kept outside the data folder, of what a key has signed and the folder keeps: writes of votes by a vote
 * key, batches by the network key. A folder that counts fewer is missing or an old copy, and may have forgotten some: such
 * a vote key never signs again, and such a lane goes on under a later incarnation. The mark keeps the last one of those,
 * so that none is used twice (SPEC, The mark).
 */
import { decode, Writer } from '../../protocol/codec.js';
import { assert, type Hash } from '../../protocol/types.js';
import type { Operation, Store } from '../ports.js';
import { unlessDamaged, untold } from './checked.js';
import { getCount, putCount } from './records.js';

/** Why a vote key must not sign: there is no log, though it has voted; the log is an old copy; the log's mark is gone; or it was found so before. */
export type Unfit = 'vote_log_missing' | 'vote_log_rolled_back' | 'vote_mark_missing' | 'vote_key_retired';

interface MarkRecord {
  readonly count: number;
  readonly isRetired: boolean;
  /** Of the lane that a network key writes. */
  readonly incarnation: number;
}

const markKey = (key: Hash): Uint8Array => new Writer(64).text('mark').hash(key).finish();

const putMark = (key: Hash, { count, isRetired, incarnation }: MarkRecord): Operation => ({
  type: 'put',
  table: 'meta',
  key: markKey(key),
  value: new Writer(13)
    .u64(count)
    .u8(isRetired ? 1 : 0)
    .u32(incarnation)
    .finish(),
});

function getMark(store: Pick<Store, 'get'>, key: Hash): MarkRecord | null {
  const bytes = store.get('meta', markKey(key));
  if (bytes === undefined) return null;
  const record = decode(bytes, (reader) => ({
    count: reader.u64(),
    isRetired: reader.u8() === 1,
    incarnation: reader.u32(),
  }));
  assert(record !== null, 'a mark is whole');
  return record;
}

export class Mark {
  readonly #mark: Pick<Store, 'get' | 'write'>;
  readonly #key: Hash;
  #count: number;
  #isRetired: boolean;
  readonly #marked: number;
  #incarnation: number;
  #isFolderOld: boolean;
  #unfit: Unfit | null;

  /** `store` is the data folder, `mark` what is kept outside it. */
  constructor(key: Hash, store: Pick<Store, 'get'>, mark: Pick<Store, 'get' | 'write'>) {
    this.#key = key;
    this.#mark = mark;
    // A damaged count is no count.
    const known = unlessDamaged(() => getMark(mark, key), untold);
    const count = unlessDamaged(() => getCount(store, key), untold);
    this.#count = count ?? 0;
    this.#marked = known?.count ?? 0;
    this.#isRetired = known?.isRetired ?? false;
    this.#incarnation = known?.incarnation ?? 0;
    this.#unfit = judge(known, count);
    this.#isFolderOld = (known === null && count !== null) || this.#count < this.#marked;
  }

  /** Why a vote key must not sign, or null. */
  get unfit(): Unfit | null {
    return this.#unfit;
  }

  /** Whether the folder misses what the key has signed, or cannot show that it does not. */
  get isFolderOld(): boolean {
    return this.#isFolderOld;
  }

  /** Writes down that the key must not sign, once and for all. */
  async retire(): Promise<void> {
    this.#isRetired = true;
    this.#unfit ??= 'vote_key_retired';
    await this.advance();
  }

  /** The last incarnation that the key's lane was begun under. */
  get incarnation(): number {
    return this.#incarnation;
  }

  /** The lane begins under a later one: `advance` makes it last, before anything is written under it. */
  beginLane(incarnation: number): void {
    this.#incarnation = incarnation;
  }

  /** What an old folder is written once its age is seen to: from then on it no longer counts as old. */
  seen(): Operation {
    this.#count = Math.max(this.#count, this.#marked);
    this.#isFolderOld = false;
    return putCount(this.#key, this.#count);
  }

  /** The count that goes into the data folder with what the key signs. */
  next(): Operation {
    this.#count += 1;
    return putCount(this.#key, this.#count);
  }

  /**
   * After that write is durable, and before what was signed is said; and before a key first signs, so that a folder that has
   * a count and no mark has lost its mark.
   */
  async advance(): Promise<void> {
    const count = Math.max(this.#count, this.#marked);
    await this.#mark.write(
      [putMark(this.#key, { count, isRetired: this.#isRetired, incarnation: this.#incarnation })],
      { sync: true },
    );
  }
}

/** The mark is there before the key first signs; then the folder is written first, so it may count more than the mark, never fewer. */
function judge(known: MarkRecord | null, count: number | null): Unfit | null {
  if (known === null) return count === null ? null : 'vote_mark_missing';
  if (known.isRetired) return 'vote_key_retired';
  if ((count ?? 0) >= known.count) return null;
  return count === null ? 'vote_log_missing' : 'vote_log_rolled_back';
}
