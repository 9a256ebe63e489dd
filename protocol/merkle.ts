/**
 * Merkle trees over a list: the shape of RFC 9162, section 2.1 (an odd node rises as it is), SHA-256.
 * A leaf is already a hash under a domain tag of its own; an inner node is the hash of its 64 bytes,
 * which begin with a hash and so never with a tag.
 */

import { fromHex, toHex } from './codec.js';
import { concat, hashPairs, type PairHasher } from './hash.js';
import { assert, type Hash, type Root, ZERO_HASH } from './types.js';

/** The siblings from a leaf to the root, lowest first, with the leaf's place. */
export interface MerklePath {
  readonly index: number;
  readonly size: number;
  readonly siblings: readonly Hash[];
}

/** Root over `leaves`; of an empty list it is 32 zero bytes. */
export function merkleRoot(leaves: readonly Hash[], hasher: PairHasher = hashPairs): Root {
  if (leaves.length === 0) return ZERO_HASH as Hash & Root;
  let level = packed(leaves);
  while (level.length > 32) level = above(level, hasher);
  return toHex(level) as Hash & Root;
}

/** The path of the leaf at `index`. */
export function merklePath(leaves: readonly Hash[], index: number, hasher: PairHasher = hashPairs): MerklePath {
  assert(index >= 0 && index < leaves.length, 'the leaf is in the list');
  const siblings: Hash[] = [];
  let level = packed(leaves);
  for (let at = index; level.length > 32; at >>= 1) {
    const sibling = at ^ 1;
    if (32 * sibling < level.length) siblings.push(toHex(level.subarray(32 * sibling, 32 * sibling + 32)));
    level = above(level, hasher);
  }
  return { index, size: leaves.length, siblings };
}

/** The root that a leaf and its path lead to, or null when the path has not the form its index and size demand. */
export function rootOfPath(leaf: Hash, path: MerklePath): Root | null {
  const { index, size, siblings } = path;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size || size > 2 ** 31)
    return null;
  let node: Uint8Array = fromHex(leaf);
  let used = 0;
  for (let at = index, width = size; width > 1; at >>= 1, width = (width + 1) >> 1) {
    if ((at ^ 1) >= width) continue;
    const sibling = siblings[used++];
    if (sibling === undefined) return null;
    const other = fromHex(sibling);
    node = hashPairs(at & 1 ? concat(other, node) : concat(node, other));
  }
  return used === siblings.length ? (toHex(node) as Hash & Root) : null;
}

function packed(leaves: readonly Hash[]): Uint8Array {
  const out = new Uint8Array(32 * leaves.length);
  leaves.forEach((leaf, i) => out.set(fromHex(leaf), 32 * i));
  return out;
}

function above(level: Uint8Array, hasher: PairHasher): Uint8Array {
  const whole = level.length - (level.length % 64);
  const parents = hasher(level.subarray(0, whole));
  return whole === level.length ? parents : concat(parents, level.subarray(whole));
}
