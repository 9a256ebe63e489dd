/** Which signatures count is a matter of the parent state, not of what a node happens to have learned. */
import t from 'tap';
import { utf8 } from '../../protocol/codec.js';
import { generateKey } from '../../protocol/crypto.js';
import { parseInstruction } from '../../protocol/instruction.js';
import type { Thumbprint } from '../../protocol/types.js';
import { buildInstruction, type PayloadFields, signInstruction } from '../api/signing.js';
import type { KeyLookup, Verifier } from '../ports.js';
import { areFactsKnown, laneItem, learnFacts, ordered } from './facts.js';

const keys = [1, 2].map((fill) => generateKey('Ed25519', (length) => new Uint8Array(length).fill(fill)));
const [first, second] = keys.map(({ kid }) => kid) as [Thumbprint, Thumbprint];
const lookup =
  (...known: Thumbprint[]): KeyLookup =>
  (kid) =>
    known.includes(kid) ? keys.find((key) => key.kid === kid) : undefined;
const believing: Verifier = {
  verify: (checks) => Promise.resolve(checks.map(() => true)),
  batch: () => Promise.reject(new Error('not asked')),
};

async function item() {
  const fields = { kind: 'withdraw', network: 'ab'.repeat(32), initiator: 'ALFAHKHHXXX', settlement: 'cd'.repeat(32) };
  const built = buildInstruction(fields as PayloadFields, { nowMs: 1_767_600_000_000 });
  const signers = keys.map(({ kid }) => ({
    kid,
    alg: 'EdDSA' as const,
    sign: () => Promise.resolve(new Uint8Array(64)),
  }));
  const read = parseInstruction(utf8(JSON.stringify(await signInstruction(built, signers))));
  if (!read.ok) throw new Error(read.detail);
  return laneItem(read.instruction);
}

t.test('facts of other branches and of earlier states do not count', async (t) => {
  const wide = await item();
  await learnFacts([wide], lookup(second), believing, 'lane');
  await learnFacts([wide], lookup(first), believing, 'lane');
  const narrow = await item();
  await learnFacts([narrow], lookup(first), believing, 'lane');
  t.same(ordered(wide, lookup(first))?.signed, [first], 'a key that the parent does not have');
  t.same(
    ordered(wide, lookup(first))?.signed,
    ordered(narrow, lookup(first))?.signed,
    'two nodes, two histories, one result',
  );
  t.same(
    ordered(wide, lookup(first, second))?.signed,
    [first, second],
    'in the order of the signatures, however learned',
  );
  t.same(
    areFactsKnown([narrow], lookup(first, second)),
    false,
    'what is not known is asked for before the block is applied',
  );
  t.equal(ordered(null, lookup(first)), null);
});
