/**
 * The mark: a count, kept outside the data folder, of the writes of votes by a key. A folder that counts fewer is missing
 * or an old copy, and may have forgotten what the key has signed: such a key never signs again (SPEC, Persistence).
 */
import { decode, Writer } from '../../protocol/codec.js';
import { assert, type Hash } from '../../protocol/types.js';
import type { Operation, Store } from '../ports.js';
import { getVoteCount, putVoteCount } from './records.js';

/** Why a key must not vote: there is no log, though it has voted; the log is an old copy; the log's mark is gone; or it was found so before. */
export type Unfit = 'vote_log_missing' | 'vote_log_rolled_back' | 'vote_mark_missing' | 'vote_key_retired';

interface MarkRecord {
  readonly count: number;
  readonly isRetired: boolean;
}

const markKey = (key: Hash): Uint8Array => new Writer(64).text('mark').hash(key).finish();

const putMark = (key: Hash, { count, isRetired }: MarkRecord): Operation => ({
  type: 'put',
  table: 'meta',
  key: markKey(key),
  value: new Writer(9)
    .u64(count)
    .u8(isRetired ? 1 : 0)
    .finish(),
});

function getMark(store: Pick<Store, 'get'>, key: Hash): MarkRecord | null {
  const bytes = store.get('meta', markKey(key));
  if (bytes === undefined) return null;
  const record = decode(bytes, (reader) => ({ count: reader.u64(), isRetired: reader.u8() === 1 }));
  assert(record !== null, 'a mark is whole');
  return record;
}

export class VoteMark {
  readonly #mark: Pick<Store, 'get' | 'write'>;
  readonly #key: Hash;
  #count: number;
  readonly #isNew: boolean;
  /** Why the key must not vote, or null. */
  readonly unfit: Unfit | null;

  /** `store` is the data folder, `mark` what is kept outside it. */
  constructor(key: Hash, store: Pick<Store, 'get'>, mark: Pick<Store, 'get' | 'write'>) {
    this.#key = key;
    this.#mark = mark;
    const known = getMark(mark, key);
    const count = getVoteCount(store, key);
    this.#count = count ?? 0;
    this.#isNew = known === null && count === null;
    this.unfit = judge(known, count);
  }

  /** Before the first vote: from now on a folder that counts votes without a mark has lost its mark. */
  async begin(): Promise<void> {
    if (this.#isNew) await this.advance();
  }

  /** Writes down that the key must not vote, once and for all. */
  async retire(): Promise<void> {
    await this.#mark.write([putMark(this.#key, { count: this.#count, isRetired: true })], { sync: true });
  }

  /** The count that goes into the data folder with votes about to be written. */
  next(): Operation {
    this.#count += 1;
    return putVoteCount(this.#key, this.#count);
  }

  /** After that write is durable, and before a vote is said. */
  async advance(): Promise<void> {
    await this.#mark.write([putMark(this.#key, { count: this.#count, isRetired: false })], { sync: true });
  }
}

/** The mark is there before the first vote; then the folder is written first, so it may count more than the mark, never fewer. */
function judge(known: MarkRecord | null, count: number | null): Unfit | null {
  if (known === null) return count === null ? null : 'vote_mark_missing';
  if (known.isRetired) return 'vote_key_retired';
  if ((count ?? 0) >= known.count) return null;
  return count === null ? 'vote_log_missing' : 'vote_log_rolled_back';
}
