import t from 'tap';
import { fromHex, toHex } from '../protocol/codec.js';
import { concat, hashPairs } from '../protocol/hash.js';
import { fc } from '../protocol/property.test-helper.js';
import { hashOfNode } from '../protocol/snapshot.js';
import { stateLeaf, statePath, stateValueHash, verifyStateProof } from '../protocol/stateproof.js';
import { type Hash, ZERO_HASH } from '../protocol/types.js';
import { prefixOf, subtreeHash, Tree } from './tree.js';

type Content = ReadonlyMap<string, string>;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The root by its definition, without any sharing. */
function naiveRoot(content: Content): Hash {
  const leaves = [...content].map(([key, value]) => ({
    path: statePath(bytes(key)),
    valueHash: stateValueHash(bytes(value)),
  }));
  const rootOf = (some: readonly { path: Hash; valueHash: Hash }[], depth: number): Hash => {
    if (some.length === 0) return ZERO_HASH;
    if (some.length === 1) return stateLeaf(some[0]!.path, some[0]!.valueHash);
    const bit = (path: Hash) => ((fromHex(path)[depth >> 3] as number) >> (7 - (depth & 7))) & 1;
    const [left, right] = [0, 1].map((side) =>
      rootOf(
        some.filter(({ path }) => bit(path) === side),
        depth + 1,
      ),
    );
    return toHex(hashPairs(concat(fromHex(left!), fromHex(right!))));
  };
  return rootOf(leaves, 0);
}

const keys = fc.integer({ min: 0, max: 60 }).map((at) => `key ${at}`);
const batches = fc.array(fc.dictionary(keys, fc.option(fc.integer({ min: 0, max: 3 }).map(String)), { maxKeys: 40 }), {
  maxLength: 6,
});
const updatesOf = (batch: Record<string, string | null>) =>
  Object.entries(batch).map(([key, value]) => ({
    path: statePath(bytes(key)),
    valueHash: value === null ? null : stateValueHash(bytes(value)),
  }));

function after(content: Content, batch: Record<string, string | null>): Content {
  const next = new Map(content);
  for (const [key, value] of Object.entries(batch)) {
    if (value === null) next.delete(key);
    else next.set(key, value);
  }
  return next;
}

t.test('a tree has the root of its content, whatever its history, and proves each entry and absence', (t) => {
  fc.assert(
    fc.property(batches, (history) => {
      let tree = Tree.empty();
      let content: Content = new Map();
      const past: [Tree, Hash][] = [];
      for (const batch of history) {
        tree = tree.update(updatesOf(batch));
        content = after(content, batch);
        past.push([tree, naiveRoot(content)]);
      }
      // Old versions stay what they were: the branches of unfinalized blocks rest on it.
      for (const [version, root] of past) if (version.root !== root) throw new Error('not the root of its content');
      const fresh = Tree.empty().update(updatesOf(Object.fromEntries(content)));
      if (fresh.root !== tree.root) throw new Error('history shows in the root');
      for (let at = 0; at < 60; at++) prove(tree, content, `key ${at}`);
    }),
    { numRuns: 60 },
  );
  t.end();
});

function prove(tree: Tree, content: Content, key: string): void {
  const path = statePath(bytes(key));
  const { siblings, end } = tree.walk(path);
  const value = content.get(key);
  const proof =
    value === undefined
      ? {
          key: bytes(key),
          value: null,
          siblings,
          other: end === null ? null : { path: end.path, valueHash: end.valueHash },
        }
      : { key: bytes(key), value: bytes(value), siblings, other: null };
  if (!verifyStateProof(tree.root, proof)) throw new Error(`no proof of ${key}`);
  if (verifyStateProof(tree.root, { ...proof, value: bytes('another') })) throw new Error(`a false proof of ${key}`);
}

t.test('the subtrees at a depth are those of the entries whose paths begin so, and one entry is a leaf', (t) => {
  fc.assert(
    fc.property(batches, fc.nat({ max: 7 }), (history, depth) => {
      const content = history.reduce(after, new Map() as Content);
      const leaves = updatesOf(Object.fromEntries(content)).sort((a, b) => (a.path < b.path ? -1 : 1));
      const some = leaves.flatMap(({ path, valueHash }) => (valueHash === null ? [] : [{ path, valueHash }]));
      for (const [index, node] of Tree.empty().update(leaves).subtrees(depth).entries()) {
        const under = some.filter(({ path }) => prefixOf(path, depth) === index);
        const type = under.length === 0 ? 'empty' : under.length === 1 ? 'leaf' : 'inner';
        if (node.type !== type) throw new Error(`a subtree of ${under.length} is ${node.type}`);
        if (hashOfNode(node) !== subtreeHash(under, depth)) throw new Error('another hash');
      }
    }),
    { numRuns: 60 },
  );
  t.end();
});

t.test('a hasher may hand back bytes at any offset; a batch names a path once', (t) => {
  const updates = updatesOf(Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`key ${at}`, 'x'])));
  const shifted = (pairs: Uint8Array) => concat(Uint8Array.of(0), hashPairs(pairs)).subarray(1);
  t.equal(Tree.empty(shifted).update(updates).root, Tree.empty().update(updates).root);
  t.equal(Tree.empty().root, ZERO_HASH);
  t.throws(() => Tree.empty().update([updates[0]!, updates[0]!]), /names a path once/);
  t.end();
});
