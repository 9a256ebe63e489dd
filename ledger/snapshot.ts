/** A snapshot's chunks: how entries of the state and lists of ids travel, and whether they are what was certified. */
import { decode, Reader } from '../protocol/codec.js';
import { hashPairs, type PairHasher, TAGS } from '../protocol/hash.js';
import {
  CHUNK_PART_BYTES_MAX,
  CHUNK_PARTS_MAX,
  ENTRY_KEY_BYTES_MAX,
  ENTRY_VALUE_BYTES_MAX,
} from '../protocol/snapshot.js';
import { type Hash, ZERO_HASH } from '../protocol/types.js';
import { decodeEntry, nameOfKey } from './codecs.js';
import type { Bucket } from './entries.js';
import { layout } from './layout.js';
import type { IdEntry } from './memory.js';
import { prefixOf, subtreeHash } from './tree.js';

export interface StateEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}
const LIST_BYTES_MAX = CHUNK_PARTS_MAX * CHUNK_PART_BYTES_MAX;
/** The least that an entry and a list take: more of them than fit the bytes are none. */
const ENTRY_BYTES_MIN = 8;

export const pathOfKey = (key: Uint8Array): Hash => layout.start(TAGS.stateKey).raw(key).digest();

/** Entries of the state, ascending by path. */
export const encodeEntries = (entries: readonly StateEntry[]): Uint8Array =>
  layout
    .start()
    .list(entries, (to, { key, value }) => to.bytes(key).bytes(value))
    .finish();

/** The entries of a chunk, as views into its bytes, or null when they are none. */
export const decodeEntries = (bytes: Uint8Array): StateEntry[] | null =>
  decode(bytes, (reader) =>
    reader.list(Math.floor(bytes.length / ENTRY_BYTES_MIN), (r) => ({
      key: r.bytes(ENTRY_KEY_BYTES_MAX),
      value: r.bytes(ENTRY_VALUE_BYTES_MAX),
    })),
  );

/**
 * The entries of a chunk of the state, if they are all that stand under `index` at `depth` of the state whose subtree
 * there has this hash, in the order of their paths; else null.
 */
export function checkedEntries(
  bytes: Uint8Array,
  expected: { readonly depth: number; readonly index: number; readonly hash: Hash },
  hasher: PairHasher = hashPairs,
): StateEntry[] | null {
  const entries = decodeEntries(bytes);
  if (entries === null) return null;
  const leaves: { readonly path: Hash; readonly valueHash: Hash }[] = [];
  for (const { key, value } of entries) {
    const path = pathOfKey(key);
    const before = leaves.at(-1);
    if (prefixOf(path, expected.depth) !== expected.index || (before !== undefined && before.path >= path)) return null;
    leaves.push({ path, valueHash: layout.start(TAGS.stateValue).raw(value).digest() });
  }
  return subtreeHash(leaves, expected.depth, hasher) === expected.hash ? entries : null;
}

/** The buckets among entries of the state: which lists of ids a snapshot must have. */
export function bucketsAmong(entries: readonly StateEntry[]): Bucket[] {
  const buckets: Bucket[] = [];
  for (const { key, value } of entries) {
    const place = nameOfKey(key);
    if (place?.table === 'buckets') buckets.push(decodeEntry('buckets', place.name, value));
  }
  return buckets;
}

/** The link of a bucket's chain after a list. */
export const chainAfter = (chain: Hash, list: Uint8Array): Hash =>
  layout.start(TAGS.bucket).hash(chain).raw(list).digest();
/** The chain of a bucket that nothing was put into. */
export const CHAIN_START: Hash = ZERO_HASH;

/** Consecutive lists of one hour's bucket, oldest first, with the link of its chain before them. */
export interface Lists {
  readonly before: Hash;
  readonly lists: readonly Uint8Array[];
}

export const encodeLists = ({ before, lists }: Lists): Uint8Array =>
  layout
    .start()
    .hash(before)
    .list(lists, (to, list) => to.bytes(list))
    .finish();

/**
 * The lists of a chunk, if they lead the bucket's chain to `after`; else null. Since each link is the hash of the one
 * before, this shows `before`, too: who follows a chain from its end finds out each lie at once.
 */
export function checkedLists(bytes: Uint8Array, after: Hash): Lists | null {
  const chunk = decodeLists(bytes);
  if (chunk === null || chunk.lists.length === 0) return null;
  let chain = chunk.before;
  for (const list of chunk.lists) chain = chainAfter(chain, list);
  return chain === after ? chunk : null;
}

export const decodeLists = (bytes: Uint8Array): Lists | null =>
  decode(bytes, (reader) => ({
    before: reader.hash(),
    lists: reader.list(Math.floor(bytes.length / 4), (r) => r.bytes(LIST_BYTES_MAX)),
  }));

/** What a list holds: the entries that the block which made it wrote into the table `ids`. Throws a DecodeError on what is no list. */
export function idsOfList(list: Uint8Array): IdEntry[] {
  const reader = new Reader(list);
  const entries = reader.list(list.length, (r) => ({ key: r.bytes(64), value: r.bytes(256) }));
  reader.end();
  return entries;
}
