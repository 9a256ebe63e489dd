/**
 * Keys and signatures of the virtual world. The cheap stand-in is a hash over public key and message: it binds what a
 * real signature binds, costs a hundredth, and is behind the same ports; no liar of the world makes one for a key that is
 * not its own. A world may ask for real ones instead: Ed25519 by OpenSSL, ES256 by the protocol's plain code.
 */

import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { InstructionSigner } from '../node/api/signing.js';
import type { SignatureCheck, Signer, Verifier } from '../node/ports.js';
import { batchDigest, batchSigningBytes } from '../protocol/block.js';
import { fromHex, toHex, utf8 } from '../protocol/codec.js';
import { judgeKey, jwkOf, type PublicKey, thumbprint, verifyReference } from '../protocol/crypto.js';
import { concat, taggedHash } from '../protocol/hash.js';
import type { Jwk } from '../protocol/payload.js';
import { assert, type Hash, type Thumbprint } from '../protocol/types.js';
import { Random } from './random.js';

const TAG = utf8('causeway/simulated-signature/1\0');

function cheapSignature(key: Uint8Array, message: Uint8Array): Uint8Array {
  const half = fromHex(taggedHash(TAG, key, message));
  return concat(half, half);
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

export const cheapVerifier: Verifier = {
  verify: (checks) =>
    Promise.resolve(checks.map(({ key, message, signature }) => same(signature, cheapSignature(key, message)))),
  batch: ({ network, key, bytes, signature }) => {
    const digest = batchDigest(bytes);
    return Promise.resolve({ digest, valid: same(signature, cheapSignature(key, batchSigningBytes(network, digest))) });
  },
};

/** The public keys that a node signs with: the secrets of all are the world's. */
export interface SignerKeys {
  readonly voteKeys: readonly Hash[];
  readonly networkKey: Hash;
}

export const cheapSigner = (keys: SignerKeys): Signer => signerBy(cheapSignature, keys);

export const realVerifier: Verifier = {
  verify: (checks) => Promise.resolve(checks.map(isValid)),
  batch: ({ network, key, bytes, signature }) => {
    const digest = batchDigest(bytes);
    const message = batchSigningBytes(network, digest);
    return Promise.resolve({ digest, valid: isValid({ alg: 'Ed25519', key, message, signature }) });
  },
};

/** Of keys that `simKey` has made. */
export const realSigner = (keys: SignerKeys): Signer => signerBy(realSignature, keys);

function signerBy(by: typeof cheapSignature, { voteKeys, networkKey }: SignerKeys): Signer {
  const network = fromHex(networkKey);
  return {
    voteKeys,
    vote: (bytes, key) => {
      assert(voteKeys.includes(key), 'a node votes with a key that it holds');
      return Promise.resolve(by(fromHex(key), bytes));
    },
    network: (bytes) => Promise.resolve(by(network, bytes)),
  };
}

/** Whether a real signature holds, as a fact: by OpenSSL where it can, which no node checks with. */
export const nativeFact = (check: Omit<SignatureCheck, 'registers'>): boolean => isValid(check);

function isValid({ alg, key, message, signature, registers = false }: SignatureCheck): boolean {
  if (registers && judgeKey({ alg, key }) !== null) return false;
  if (alg !== 'Ed25519') return verifyReference({ alg, key, message, signature });
  const object = publicObject(key);
  return object !== null && signature.length === 64 && verify(null, message, object, signature);
}

function realSignature(key: Uint8Array, message: Uint8Array): Uint8Array {
  const secret = secrets.get(toHex(key));
  assert(secret !== undefined, 'only the keys of the world sign in it');
  return new Uint8Array(sign(null, message, secret));
}

/** RFC 8410: what stands before a raw key in its DER form. */
const SPKI = fromHex('302a300506032b6570032100');
const PKCS8 = fromHex('302e020100300506032b657004220420');
const publicObjects = new Map<string, KeyObject | null>();

/** Null for what is no key. */
function publicObject(key: Uint8Array): KeyObject | null {
  const name = toHex(key);
  let object = publicObjects.get(name);
  if (object !== undefined) return object;
  try {
    object = createPublicKey({ key: Buffer.from(concat(SPKI, key)), format: 'der', type: 'spki' });
  } catch {
    object = null;
  }
  publicObjects.set(name, object);
  return object;
}

export interface SimKey extends PublicKey {
  readonly jwk: Jwk;
  readonly kid: Thumbprint;
  /** Signs by the cheap stand-in. */
  readonly signer: InstructionSigner;
  /** Signs for a world that has real signatures. */
  readonly realSigner: InstructionSigner;
}

// Real keys, since the ledger judges them; the same ones in every seed.
const random = new Random(20260105);
const made: SimKey[] = [];
/** By the raw public key, in hex. */
const secrets = new Map<string, KeyObject>();

/** The world's key of a number. */
export function simKey(index: number): SimKey {
  for (let next = made.length; next <= index; next++) {
    // In native code: a workload that changes keys makes many.
    const der = Buffer.from(concat(PKCS8, random.bytes(32)));
    const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(secret).export({ format: 'der', type: 'spki' });
    const key = new Uint8Array(spki.subarray(SPKI.length));
    secrets.set(toHex(key), secret);
    const jwk = jwkOf({ alg: 'Ed25519', key });
    const kid = thumbprint(jwk);
    const signs = (by: typeof cheapSignature): InstructionSigner => ({
      kid,
      alg: 'EdDSA',
      sign: (bytes) => Promise.resolve(by(key, bytes)),
    });
    made.push({ jwk, kid, alg: 'Ed25519', key, signer: signs(cheapSignature), realSigner: signs(realSignature) });
  }
  return made[index] as SimKey;
}
