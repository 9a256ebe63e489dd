/** State proofs against a tree written down naively: what is there, what is not, and no lie about either. */

import t from 'tap';
import { fromHex, utf8 } from './codec.js';
import { concat, hashOf } from './hash.js';
import { fc } from './property.test-helper.js';
import { pathBit, type StateProof, stateLeaf, statePath, stateValueHash, verifyStateProof } from './stateproof.js';
import { type Hash, type Root, ZERO_HASH } from './types.js';

interface Leaf {
  readonly path: Hash;
  readonly valueHash: Hash;
}
const leavesOf = (entries: ReadonlyMap<string, Uint8Array>): Leaf[] =>
  [...entries].map(([key, value]) => ({ path: statePath(utf8(key)), valueHash: stateValueHash(value) }));
const side = (leaves: readonly Leaf[], depth: number, bit: 0 | 1): Leaf[] =>
  leaves.filter(({ path }) => pathBit(fromHex(path), depth) === bit);

function naiveRoot(leaves: readonly Leaf[], depth = 0): Hash {
  const [only] = leaves;
  if (only === undefined) return ZERO_HASH;
  if (leaves.length === 1) return stateLeaf(only.path, only.valueHash);
  const children = ([0, 1] as const).map((bit) => fromHex(naiveRoot(side(leaves, depth, bit), depth + 1)));
  return hashOf(concat(...children));
}

function naiveProof(entries: ReadonlyMap<string, Uint8Array>, key: string): StateProof {
  const path = fromHex(statePath(utf8(key)));
  const siblings: Hash[] = [];
  let leaves = leavesOf(entries);
  for (let depth = 0; leaves.length > 1; depth++) {
    const bit = pathBit(path, depth);
    siblings.push(naiveRoot(side(leaves, depth, bit === 0 ? 1 : 0), depth + 1));
    leaves = side(leaves, depth, bit);
  }
  const value = entries.get(key) ?? null;
  const [alone] = leaves;
  return { key: utf8(key), value, siblings, other: value === null && alone !== undefined ? alone : null };
}

const rootOf = (entries: ReadonlyMap<string, Uint8Array>): Root => naiveRoot(leavesOf(entries)) as Hash & Root;
const flipped = (hash: Hash): Hash => `${hash[0] === '0' ? '1' : '0'}${hash.slice(1)}` as Hash;

t.test('every entry has a proof, every other key one of absence, and none can be bent', (t) => {
  const entriesOf = fc.uniqueArray(fc.string({ maxLength: 4 }), { maxLength: 24 });
  fc.assert(
    fc.property(entriesOf, fc.string({ maxLength: 6 }), (keys, asked) => {
      const entries = new Map(keys.map((key, i) => [key, Uint8Array.of(i)]));
      const root = rootOf(entries);
      for (const key of [...keys, asked]) {
        const proof = naiveProof(entries, key);
        const lies: StateProof[] = [
          { ...proof, value: proof.value === null ? Uint8Array.of(0) : null },
          { ...proof, value: proof.value === null ? Uint8Array.of(0) : null, other: null },
          { ...proof, value: Uint8Array.of(200), other: null },
          ...(proof.value === null ? [] : [{ ...proof, key: utf8(`${key}!`) }]),
          { ...proof, siblings: [...proof.siblings, ZERO_HASH] },
          ...proof.siblings.map((sibling, i) => ({ ...proof, siblings: proof.siblings.with(i, flipped(sibling)) })),
          ...proof.siblings.map((_, i) => ({ ...proof, siblings: proof.siblings.toSpliced(i, 1) })),
          ...(proof.other === null
            ? []
            : [{ ...proof, other: { ...proof.other, valueHash: flipped(proof.other.valueHash) } }]),
          // That another entry stands somewhere shows nothing about this key.
          { ...proof, value: null, other: { path: statePath(proof.key), valueHash: stateValueHash(Uint8Array.of(0)) } },
        ];
        if (!verifyStateProof(root, proof)) return false;
        if (lies.some((lie) => verifyStateProof(root, lie))) return false;
      }
      return true;
    }),
    { numRuns: 60 },
  );
  t.end();
});

t.test("another key's leaf is no proof off that key's path", (t) => {
  const entries = new Map('abcdefgh'.split('').map((key) => [key, utf8(key)]));
  for (const present of entries.keys()) {
    for (const neighbour of entries.keys()) {
      if (neighbour === present) continue;
      const stolen = naiveProof(entries, neighbour);
      const other = { path: statePath(utf8(neighbour)), valueHash: stateValueHash(utf8(neighbour)) };
      const lie: StateProof = { key: utf8(present), value: null, siblings: stolen.siblings, other };
      t.notOk(verifyStateProof(rootOf(entries), lie), `${neighbour} does not hide ${present}`);
    }
  }
  t.end();
});

t.test('roots and depths', (t) => {
  t.equal(rootOf(new Map()), ZERO_HASH, 'the root of nothing is zero');
  t.ok(
    verifyStateProof(ZERO_HASH as Hash & Root, { key: utf8('a'), value: null, siblings: [], other: null }),
    'nothing is in it',
  );
  const deep: StateProof = {
    key: utf8('a'),
    value: utf8('a'),
    siblings: Array.from({ length: 257 }, () => ZERO_HASH),
    other: null,
  };
  t.notOk(verifyStateProof(ZERO_HASH as Hash & Root, deep), 'a path has 256 bits');
  const sample = new Map('causeway'.split('').map((key, i) => [`${key}${i}`, Uint8Array.of(i)]));
  t.equal(rootOf(sample), '2595f6c19e2b108b7f582a4517fb2cba37c9ffa2706525fa96e3216ddbd2c8fe', 'golden root');
  t.end();
});
