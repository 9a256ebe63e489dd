/** Whether a signature of the virtual world holds, as a fact for the checkers: cheap or real, as the world has them. */
import { fromHex, utf8 } from '../../protocol/codec.js';
import { verifyReference } from '../../protocol/crypto.js';
import { concat, taggedHash } from '../../protocol/hash.js';
import type { SignatureFact } from '../naive/ledger.js';

const TAG = utf8('causeway/simulated-signature/1\0');

export const cheapFact: SignatureFact = ({ key, message, signature }) => {
  const half = fromHex(taggedHash(TAG, key, message));
  return Buffer.compare(concat(half, half), signature) === 0;
};

const FACTS_MAX = 10_000;
const facts = new Map<string, boolean>();

/** By the acceptance rule's own code, which is slow and shares nothing with what nodes check with; once for each. */
export const realFact: SignatureFact = (check) => {
  const name = taggedHash(TAG, utf8(check.alg), check.key, check.signature, check.message);
  const known = facts.get(name);
  if (known !== undefined) return known;
  const fact = verifyReference(check);
  if (facts.size >= FACTS_MAX) facts.clear();
  facts.set(name, fact);
  return fact;
};
