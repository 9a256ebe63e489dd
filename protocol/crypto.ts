/**
 * Keys and signatures: the one acceptance rule (SPEC, Signatures), as slow and plain code on noble's curve arithmetic.
 * A client checks and signs with it, where nothing native is at hand; what a node checks with natively must give the same
 * verdict on every vector, since validators that differ here would split.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { fromBase64url, toBase64url } from './base64url.js';
import { canonicalBytes } from './canonical.js';
import { fromHex, toHex } from './codec.js';
import { concat, hashOf } from './hash.js';
import type { Jwk } from './payload.js';
import type { Thumbprint } from './types.js';

export type KeyAlg = 'Ed25519' | 'ES256';

/** A key as signatures are checked with it: Ed25519 as its 32 bytes, P-256 as the 64 bytes x || y. */
export interface PublicKey {
  readonly alg: KeyAlg;
  readonly key: Uint8Array;
}

export type KeyRefusal = { readonly ok: false; readonly code: 'malformed_key' | 'weak_key'; readonly detail: string };

/** RFC 7638: SHA-256 over the canonical JSON of a key's required members, as base64url. */
export function thumbprint(jwk: Jwk): Thumbprint {
  const required =
    jwk.kty === 'OKP' ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x } : { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y };
  return toBase64url(fromHex(hashOf(canonicalBytes(required)))) as Thumbprint;
}

/**
 * The raw key of a JWK (RFC 7517, RFC 8037) as it may be registered, with its thumbprint.
 * Refuses with `malformed_key` what names no point (base64url, length, coordinates, curve) and with `weak_key` an Ed25519
 * point outside the group of prime order or its identity, for which libraries' verdicts differ.
 */
export function publicKeyOf(jwk: Jwk): ({ readonly ok: true; readonly kid: Thumbprint } & PublicKey) | KeyRefusal {
  const key = rawKeyOf(jwk);
  return key.ok ? (judgeKey(key) ?? key) : key;
}

/** The same by form alone: whether the bytes are a point that may be registered is still to be judged, which takes long. */
export function rawKeyOf(jwk: Jwk): ({ readonly ok: true; readonly kid: Thumbprint } & PublicKey) | KeyRefusal {
  const x = fromBase64url(jwk.x);
  if (x?.length !== 32) return malformed('x is not base64url of 32 bytes');
  if (jwk.kty === 'OKP') return { ok: true, alg: 'Ed25519', key: x, kid: thumbprint(jwk) };
  const y = fromBase64url(jwk.y);
  if (y?.length !== 32) return malformed('y is not base64url of 32 bytes');
  return { ok: true, alg: 'ES256', key: concat(x, y), kid: thumbprint(jwk) };
}

/** Verdicts that are kept, since a key is judged at the door and again when it is ordered. */
const JUDGED_MAX = 4096;
const judged = new Map<string, KeyRefusal | null>();

/** Judges a raw key for registration: about three milliseconds for an Ed25519 key, the first time. Null when it is good. */
export function judgeKey({ alg, key }: PublicKey): KeyRefusal | null {
  const name = `${alg} ${toHex(key)}`;
  const known = judged.get(name);
  if (known !== undefined) return known;
  const verdict = alg === 'Ed25519' ? judgeEd25519(key) : judgeP256(key);
  if (judged.size >= JUDGED_MAX) judged.clear();
  judged.set(name, verdict);
  return verdict;
}

function judgeP256(key: Uint8Array): KeyRefusal | null {
  try {
    // Refuses coordinates of p or more and points off the curve; the group of P-256 is of prime order.
    p256.Point.fromBytes(uncompressed(key)).assertValidity();
    return null;
  } catch {
    return malformed('x and y are not a point of P-256');
  }
}

/** Judges a raw Ed25519 key for registration: canonical, on the curve, of prime order. Null when it is good. */
function judgeEd25519(key: Uint8Array): KeyRefusal | null {
  const point = decodeEd25519(key);
  if (point === null) return malformed('not the canonical encoding of a point of edwards25519');
  if (point.is0() || !point.isTorsionFree())
    return { ok: false, code: 'weak_key', detail: 'the point is not of prime order' };
  return null;
}

/** The JWK of a raw public key. */
export function jwkOf({ alg, key }: PublicKey): Jwk {
  if (alg === 'Ed25519') return { kty: 'OKP', crv: 'Ed25519', x: toBase64url(key) };
  return { kty: 'EC', crv: 'P-256', x: toBase64url(key.subarray(0, 32)), y: toBase64url(key.subarray(32)) };
}

/**
 * The acceptance rule. Ed25519 (RFC 8032, section 5.1.7, without the cofactor): S below the group order, A and R canonical
 * and not of small order, and the encoding of [S]B - [k]A equal to R byte for byte. ES256 (RFC 7518, section 3.4): 64 bytes
 * r || s, both from 1 to n - 1, either of the two s that fit. A key or signature of another length is refused too.
 */
export function verifyReference(
  check: PublicKey & { readonly message: Uint8Array; readonly signature: Uint8Array },
): boolean {
  const { alg, key, message, signature } = check;
  if (signature.length !== 64) return false;
  if (alg === 'Ed25519') return key.length === 32 && verifyEd25519(key, message, signature);
  if (key.length !== 64) return false;
  try {
    return p256.verify(signature, message, uncompressed(key), { lowS: false, prehash: true, format: 'compact' });
  } catch {
    return false;
  }
}

function verifyEd25519(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const encodedR = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  const a = decodeEd25519(key);
  const r = decodeEd25519(encodedR);
  if (a === null || r === null || s >= ed25519.Point.Fn.ORDER || a.isSmallOrder() || r.isSmallOrder()) return false;
  const k = littleEndian(sha512(concat(encodedR, key, message))) % ed25519.Point.Fn.ORDER;
  // Compared without the cofactor: a signature valid only up to the small group is refused, as libsodium refuses it.
  return ed25519.Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k)).equals(r);
}

/** A new key from the caller's randomness; the protocol has none of its own. `secret` is 32 bytes: a seed, or a scalar. */
export function generateKey(
  alg: KeyAlg,
  randomBytes: (length: number) => Uint8Array,
): { readonly secret: Uint8Array; readonly jwk: Jwk; readonly kid: Thumbprint } & PublicKey {
  // Forty-eight bytes reduced to a scalar leave no bias worth naming (FIPS 186-5, A.2.1).
  const secret = alg === 'Ed25519' ? randomBytes(32) : p256.utils.randomSecretKey(randomBytes(48));
  const key = publicKeyOfSecret(alg, secret);
  const jwk = jwkOf({ alg, key });
  return { alg, key, secret, jwk, kid: thumbprint(jwk) };
}

/** The raw public key of a 32-byte secret. */
export const publicKeyOfSecret = (alg: KeyAlg, secret: Uint8Array): Uint8Array =>
  alg === 'Ed25519' ? ed25519.getPublicKey(secret) : p256.getPublicKey(secret, false).slice(1);

/** RFC 8032, from the 32-byte seed. */
export const signEd25519 = (secret: Uint8Array, message: Uint8Array): Uint8Array => ed25519.sign(message, secret);

/** ES256 with the deterministic nonce of RFC 6979, as r || s. */
export const signEs256 = (secret: Uint8Array, message: Uint8Array): Uint8Array =>
  p256.sign(message, secret, { lowS: false, prehash: true, format: 'compact', extraEntropy: false });

function decodeEd25519(bytes: Uint8Array): InstanceType<typeof ed25519.Point> | null {
  try {
    return bytes.length === 32 ? ed25519.Point.fromBytes(bytes, false) : null;
  } catch {
    return null;
  }
}

const malformed = (detail: string): KeyRefusal => ({ ok: false, code: 'malformed_key', detail });
const uncompressed = (key: Uint8Array): Uint8Array => concat(Uint8Array.of(4), key);

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let at = bytes.length - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[at] as number);
  return value;
}
