/**
 * The state tree in memory: a compact sparse Merkle tree (its definition stands in protocol/stateproof.ts), persistent.
 * An update gives a new tree that shares what did not change with the old one, so blocks on rival branches are cheap.
 * A block's updates come as one batch, and its new inner nodes are hashed level by level through one `PairHasher`.
 */
import { toHex } from '../protocol/codec.js';
import { hashPairs, type PairHasher, TAGS } from '../protocol/hash.js';
import type { ManifestNode } from '../protocol/snapshot.js';
import { assert, type Hash, type Root, ZERO_HASH } from '../protocol/types.js';
import { layout, putHex } from './layout.js';

/** An entry's new value hash at its path, or null where the entry goes. */
export interface TreeUpdate {
  readonly path: Hash;
  readonly valueHash: Hash | null;
}

/** The way down to a path: the siblings, root first, and the leaf in which it ends. */
export interface TreePath {
  readonly siblings: readonly Hash[];
  readonly end: { readonly path: Hash; readonly valueHash: Hash } | null;
}

/**
 * A node's hash, as eight words in fields of the node itself: a byte array of its own would cost several times its content.
 * The words are in the machine's byte order; they only ever pass between buffers.
 */
class HashWords {
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;
  w4 = 0;
  w5 = 0;
  w6 = 0;
  w7 = 0;

  take(words: Int32Array, at: number): void {
    this.w0 = words[at] as number;
    this.w1 = words[at + 1] as number;
    this.w2 = words[at + 2] as number;
    this.w3 = words[at + 3] as number;
    this.w4 = words[at + 4] as number;
    this.w5 = words[at + 5] as number;
    this.w6 = words[at + 6] as number;
    this.w7 = words[at + 7] as number;
  }

  give(words: Int32Array, at: number): void {
    words[at] = this.w0;
    words[at + 1] = this.w1;
    words[at + 2] = this.w2;
    words[at + 3] = this.w3;
    words[at + 4] = this.w4;
    words[at + 5] = this.w5;
    words[at + 6] = this.w6;
    words[at + 7] = this.w7;
  }
}

const LEAF_BYTES = new Uint8Array(32);
const LEAF_WORDS = new Int32Array(LEAF_BYTES.buffer);

class Leaf extends HashWords {
  readonly path: Hash;
  readonly valueHash: Hash;

  constructor(path: Hash, valueHash: Hash) {
    super();
    this.path = path;
    this.valueHash = valueHash;
    // The definition of stateproof.ts, through the shared buffer.
    putHex(LEAF_BYTES, 0, layout.start(TAGS.stateLeaf).hash(path).hash(valueHash).digest());
    this.take(LEAF_WORDS, 0);
  }
}

class Inner extends HashWords {
  readonly left: Node;
  readonly right: Node;

  constructor(left: Node, right: Node) {
    super();
    this.left = left;
    this.right = right;
  }
}

type Node = Inner | Leaf | null;

export class Tree {
  readonly root: Root;
  readonly #top: Node;
  readonly #hasher: PairHasher;

  private constructor(top: Node, hasher: PairHasher) {
    this.#top = top;
    this.#hasher = hasher;
    this.root = hexOf(top) as Hash & Root;
  }

  static empty(hasher: PairHasher = hashPairs): Tree {
    return new Tree(null, hasher);
  }

  /** The tree after a batch of updates, at most one for a path, in any order. */
  update(updates: readonly TreeUpdate[]): Tree {
    const batch = new Batch(updates);
    const top = batch.into(this.#top);
    batch.hash(this.#hasher);
    return new Tree(top, this.#hasher);
  }

  /** What a proof of the entry at `path`, or of its absence, is made of. */
  walk(path: Hash): TreePath {
    const siblings: Hash[] = [];
    let node = this.#top;
    for (let depth = 0; node instanceof Inner; depth++) {
      const right = bitAt(path, depth) === 1;
      siblings.push(hexOf(right ? node.left : node.right));
      node = right ? node.right : node.left;
    }
    return { siblings, end: node };
  }

  /** The subtrees under each prefix of `depth` bits, ascending: 2^depth of them. */
  subtrees(depth: number): ManifestNode[] {
    const subtrees = Array.from({ length: 2 ** depth }, (): ManifestNode => ({ type: 'empty' }));
    const descend = (node: Node, level: number, prefix: number): void => {
      if (node instanceof Inner && level < depth) {
        descend(node.left, level + 1, 2 * prefix);
        descend(node.right, level + 1, 2 * prefix + 1);
      } else if (node instanceof Inner) subtrees[prefix] = { type: 'inner', hash: hexOf(node) };
      // A leaf may stand higher up, and belongs where its path leads.
      else if (node !== null) {
        subtrees[prefixOf(node.path, depth)] = { type: 'leaf', path: node.path, valueHash: node.valueHash };
      }
    };
    descend(this.#top, 0, 0);
    return subtrees;
  }
}

/** The hash of the subtree at `depth` that holds these entries, whose paths ascend and agree in so many bits. */
export function subtreeHash(
  entries: readonly { readonly path: Hash; readonly valueHash: Hash }[],
  depth: number,
  hasher: PairHasher = hashPairs,
): Hash {
  const batch = new Batch(entries);
  const node = batch.into(null, depth);
  batch.hash(hasher);
  return hexOf(node);
}

/** One batch of updates on its way into a tree, and the nodes that it made, by depth, which still lack their hashes. */
class Batch {
  readonly #updates: readonly TreeUpdate[];
  readonly #made: Inner[][] = [];

  constructor(updates: readonly TreeUpdate[]) {
    this.#updates = updates.toSorted((a, b) => (a.path < b.path ? -1 : 1));
    for (let at = 1; at < updates.length; at++) {
      assert(this.#updates[at]?.path !== this.#updates[at - 1]?.path, 'a batch names a path once');
    }
  }

  into(top: Node, depth = 0): Node {
    return this.#apply(top, 0, this.#updates.length, depth);
  }

  /** Deepest first, so that a node's children have theirs. */
  hash(hasher: PairHasher): void {
    for (let depth = this.#made.length - 1; depth >= 0; depth--) {
      const nodes = this.#made[depth] as Inner[];
      if (nodes.length === 0) continue;
      const pairs = new Int32Array(16 * nodes.length);
      for (let at = 0; at < nodes.length; at++) {
        const node = nodes[at] as Inner;
        node.left?.give(pairs, 16 * at);
        node.right?.give(pairs, 16 * at + 8);
      }
      const hashes = wordsOf(hasher(new Uint8Array(pairs.buffer)));
      for (let at = 0; at < nodes.length; at++) (nodes[at] as Inner).take(hashes, 8 * at);
    }
  }

  /** The node that updates [from, to) make of `node` at `depth`. */
  #apply(node: Node, from: number, to: number, depth: number): Node {
    if (from === to) return node;
    if (!(node instanceof Inner)) return this.#build(this.#leaves(node, from, to), depth);
    const middle = firstRight(this.#updates, from, to, depth);
    const left = this.#apply(node.left, from, middle, depth + 1);
    const right = this.#apply(node.right, middle, to, depth + 1);
    return left === node.left && right === node.right ? node : this.#join(left, right, depth);
  }

  /** The leaves that updates [from, to) leave where one leaf, or nothing, stood; ascending. */
  #leaves(standing: Leaf | null, from: number, to: number): Leaf[] {
    const leaves: Leaf[] = [];
    let kept = standing;
    for (let at = from; at < to; at++) {
      const { path, valueHash } = this.#updates[at] as TreeUpdate;
      if (kept !== null && kept.path <= path) {
        if (kept.path < path) leaves.push(kept);
        kept = null;
      }
      if (valueHash !== null) leaves.push(new Leaf(path, valueHash));
    }
    if (kept !== null) leaves.push(kept);
    return leaves;
  }

  #build(leaves: readonly Leaf[], depth: number, from = 0, to = leaves.length): Node {
    if (to - from <= 1) return leaves[from === to ? -1 : from] ?? null;
    const middle = firstRight(leaves, from, to, depth);
    return this.#join(this.#build(leaves, depth + 1, from, middle), this.#build(leaves, depth + 1, middle, to), depth);
  }

  /** A subtree of one leaf is that leaf, and an empty one is nothing. */
  #join(left: Node, right: Node, depth: number): Node {
    if (right === null && !(left instanceof Inner)) return left;
    if (left === null && !(right instanceof Inner)) return right;
    const inner = new Inner(left, right);
    while (this.#made.length <= depth) this.#made.push([]);
    (this.#made[depth] as Inner[]).push(inner);
    return inner;
  }
}

/** Among ascending paths that agree above `depth`, the first that goes right there. */
function firstRight(items: readonly { readonly path: Hash }[], from: number, to: number, depth: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bitAt((items[middle] as { path: Hash }).path, depth) === 1) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The bit of a path in hex at a depth, most significant first. */
function bitAt(path: Hash, depth: number): number {
  const code = path.charCodeAt(depth >> 2);
  return ((code < 58 ? code - 48 : code - 87) >> (3 - (depth & 3))) & 1;
}

/** The first bits of a path as a number; at most 32 of them. */
export function prefixOf(path: Hash, bits: number): number {
  return bits === 0 ? 0 : Number.parseInt(path.slice(0, 8), 16) >>> (32 - bits);
}

function wordsOf(bytes: Uint8Array): Int32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}

function hexOf(node: Node): Hash {
  if (node === null) return ZERO_HASH;
  const words = new Int32Array(8);
  node.give(words, 0);
  return toHex(new Uint8Array(words.buffer));
}
