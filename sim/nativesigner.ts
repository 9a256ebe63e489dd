/** Keys of banks on real networks, in native code: who tests shares the machine's cores with what is tested. */
import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { type InstructionSigner, keySigner } from '../node/api/signing.js';
import type { Jwk } from '../protocol/payload.js';

/** RFC 8410: what stands before an Ed25519 seed in PKCS #8. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

export const keyObjectOf = (seed: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });

/** As the SDK's own signer of a seed. */
export function nativeSigner(seed: Uint8Array): InstructionSigner & { readonly jwk: Jwk } {
  const { kid, alg, jwk } = keySigner('Ed25519', seed);
  const key = keyObjectOf(seed);
  return { kid, alg, jwk, sign: async (bytes) => new Uint8Array(sign(null, bytes, key)) };
}
