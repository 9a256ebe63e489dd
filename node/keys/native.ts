/**
 * The acceptance rule of protocol/SPEC.md in native code: what `verifyReference` of protocol/crypto says, fast.
 * Ed25519 is libsodium's; P-256 is OpenSSL's, through node:crypto. A test compares the two on the published vectors.
 */
import { Buffer } from 'node:buffer';
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import sodium from 'sodium-native';
import { toHex } from '../../protocol/codec.js';
import type { SignatureCheck } from '../ports.js';
import { wellFormed } from './wire.js';

/** Imported P-256 keys kept, the least recently used going first: an import costs as much as a seventh of a check. */
const KEYS_MAX = 8_192;

/** A check of signatures with a cache of keys of its own. */
export function createNativeCheck(): (check: SignatureCheck) => boolean {
  const keys = new Map<string, KeyObject | null>();
  const keyObjectOf = (key: Uint8Array): KeyObject | null => {
    const name = toHex(key);
    const known = keys.get(name);
    const keyObject = known === undefined ? importP256(key) : known;
    keys.delete(name);
    keys.set(name, keyObject);
    for (const oldest of keys.keys()) {
      if (keys.size <= KEYS_MAX) break;
      keys.delete(oldest);
    }
    return keyObject;
  };
  return (check) => {
    if (!wellFormed(check)) return false;
    if (check.alg === 'Ed25519') return checkEd25519(check) && (check.registers !== true || isPrimeOrder(check.key));
    const key = keyObjectOf(check.key);
    return key !== null && verify('sha256', check.message, { key, dsaEncoding: 'ieee-p1363' }, check.signature);
  };
}

function checkEd25519({ key, message, signature }: SignatureCheck): boolean {
  // The library once answered `undefined` for shared memory, so only `true` is a yes.
  const verdict: unknown = sodium.crypto_sign_verify_detached(bufferOf(signature), bufferOf(message), bufferOf(key));
  return verdict === true;
}

/** Canonical, on the curve, of prime order: what `judgeKey` of protocol/crypto finds, in native code. */
function isPrimeOrder(key: Uint8Array): boolean {
  const verdict: unknown = sodium.crypto_core_ed25519_is_valid_point(bufferOf(key));
  return verdict === true;
}

/** The key, or null when x and y are no point of the curve. */
function importP256(key: Uint8Array): KeyObject | null {
  const [x, y] = [key.subarray(0, 32), key.subarray(32)].map((half) => bufferOf(half).toString('base64url')) as [
    string,
    string,
  ];
  try {
    return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
  } catch {
    return null;
  }
}

export const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
