/**
 * Proofs that an entry is, or is not, in the state whose root a block certifies.
 *
 * The state is a compact sparse Merkle tree. An entry's path is the tagged hash of its key, walked from its most
 * significant bit: 0 goes left, 1 right. A subtree of one entry is that entry's leaf, whatever its depth; an empty
 * subtree is 32 zero bytes; any other node is the hash of the 64 bytes of its two children. So the same content has
 * one root, whatever its history. A leaf's preimage is longer than an inner node's, so neither passes for the other.
 */
import { fromHex, toHex } from './codec.js';
import { concat, hashPairs, TAGS, taggedHash } from './hash.js';
import { type Hash, type Root, ZERO_HASH } from './types.js';

/** Levels below the root: one for each bit of a path. */
export const STATE_DEPTH_MAX = 256;

/** Where the epoch and the digest of the validator set stand in the state: the byte of its table, and no name. */
export const VALIDATORS_STATE_KEY: Uint8Array = Uint8Array.of(9);

export interface StateProof {
  readonly key: Uint8Array;
  /** The entry's value, or null where the proof is of absence. */
  readonly value: Uint8Array | null;
  /** The siblings along the key's path, root first: `siblings[d]` is the neighbour of the node at depth d + 1. */
  readonly siblings: readonly Hash[];
  /** The leaf that stands alone where an absent key's path ends; null when that subtree is empty, or for a presence. */
  readonly other: { readonly path: Hash; readonly valueHash: Hash } | null;
}

export const statePath = (key: Uint8Array): Hash => taggedHash(TAGS.stateKey, key);
export const stateValueHash = (value: Uint8Array): Hash => taggedHash(TAGS.stateValue, value);
export const stateLeaf = (path: Hash, valueHash: Hash): Hash =>
  taggedHash(TAGS.stateLeaf, fromHex(path), fromHex(valueHash));

/** The bit of a path (32 bytes) at a depth: bit 0 chooses between the root's children. */
export const pathBit = (path: Uint8Array, depth: number): 0 | 1 =>
  (((path[depth >> 3] as number) >> (7 - (depth & 7))) & 1) as 0 | 1;

/**
 * Whether `proof` leads to `root`: that the entry is there with this value, or (value null) that it is not there.
 * The hashes of a proof are lower-case hex, as whoever parsed it has checked.
 */
export function verifyStateProof(root: Root, proof: StateProof): boolean {
  const { siblings } = proof;
  if (siblings.length > STATE_DEPTH_MAX) return false;
  const pathHash = statePath(proof.key);
  const path = fromHex(pathHash);
  const bottom = bottomOf(proof, pathHash, path);
  if (bottom === null) return false;
  let node = fromHex(bottom);
  for (let depth = siblings.length - 1; depth >= 0; depth--) {
    const sibling = fromHex(siblings[depth] as Hash);
    node = hashPairs(pathBit(path, depth) === 1 ? concat(sibling, node) : concat(node, sibling));
  }
  return toHex(node) === root;
}

/** The node in which the proof says the key's path ends, or null when the proof contradicts itself. */
function bottomOf(proof: StateProof, pathHash: Hash, path: Uint8Array): Hash | null {
  const { value, other } = proof;
  if (value !== null) return other === null ? stateLeaf(pathHash, stateValueHash(value)) : null;
  if (other === null) return ZERO_HASH;
  // Another key's leaf shows absence only if it stands on this key's path, and is not this key's own.
  if (other.path === pathHash) return null;
  const otherPath = fromHex(other.path);
  for (let depth = 0; depth < proof.siblings.length; depth++) {
    if (pathBit(otherPath, depth) !== pathBit(path, depth)) return null;
  }
  return stateLeaf(other.path, other.valueHash);
}
