/** The hash of tree levels on the processor's SHA instructions, many pairs at once. */
import { hash } from '@chainsafe/hashtree';
import type { PairHasher } from '../../protocol/hash.js';

export const hashPairsNative: PairHasher = (pairs) => (pairs.length === 0 ? new Uint8Array(0) : hash(pairs));
