/**
 * Signatures of the virtual world: a hash over public key and message. They bind what real ones bind, cost a
 * hundredth, and are behind the same ports; no liar of the world makes one for a key that is not its own.
 */

import type { InstructionSigner } from '../node/api/signing.js';
import type { Signer, Verifier } from '../node/ports.js';
import { batchDigest, batchSigningBytes } from '../protocol/block.js';
import { fromHex, utf8 } from '../protocol/codec.js';
import { generateKey, type PublicKey } from '../protocol/crypto.js';
import { concat, taggedHash } from '../protocol/hash.js';
import type { Jwk } from '../protocol/payload.js';
import type { Thumbprint } from '../protocol/types.js';
import { Random } from './random.js';

const TAG = utf8('causeway/simulated-signature/1\0');

function cheapSignature(key: Uint8Array, message: Uint8Array): Uint8Array {
  const half = fromHex(taggedHash(TAG, key, message));
  return concat(half, half);
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

export const cheapVerifier: Verifier = {
  verify: (checks) =>
    Promise.resolve(checks.map(({ key, message, signature }) => same(signature, cheapSignature(key, message)))),
  batch: ({ network, key, bytes, signature }) => {
    const digest = batchDigest(bytes);
    return Promise.resolve({ digest, valid: same(signature, cheapSignature(key, batchSigningBytes(network, digest))) });
  },
};

export const cheapSigner = (keys: { readonly vote: Uint8Array; readonly network: Uint8Array }): Signer => ({
  vote: (bytes) => Promise.resolve(cheapSignature(keys.vote, bytes)),
  network: (bytes) => Promise.resolve(cheapSignature(keys.network, bytes)),
});

export interface SimKey extends PublicKey {
  readonly jwk: Jwk;
  readonly kid: Thumbprint;
  readonly signer: InstructionSigner;
}

// Real keys, since the ledger judges them; the same ones in every seed, since making them takes long.
const random = new Random(20260105);
const made: SimKey[] = [];

/** The world's key of a number. */
export function simKey(index: number): SimKey {
  for (let next = made.length; next <= index; next++) {
    const { jwk, kid, alg, key } = generateKey('Ed25519', (length) => random.bytes(length));
    const signer: InstructionSigner = {
      kid,
      alg: 'EdDSA',
      sign: (bytes) => Promise.resolve(cheapSignature(key, bytes)),
    };
    made.push({ jwk, kid, alg, key, signer });
  }
  return made[index] as SimKey;
}
