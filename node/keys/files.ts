/**
 * Key files: one private key each, PEM PKCS#8 (RFC 7468, RFC 8410), which OpenSSL and HSM tools read too.
 * Only their owner may read them, or the group that root has given one to; one that others can read is refused, since it
 * may have been copied already.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { fromBase64url } from '../../protocol/base64url.js';
import { toHex } from '../../protocol/codec.js';
import { thumbprint } from '../../protocol/crypto.js';
import type { Jwk } from '../../protocol/payload.js';
import { assert, type Hash, type Thumbprint } from '../../protocol/types.js';
import { isTooOpen } from './mode.js';

export type KeyFileAlg = 'Ed25519' | 'ES256';
export type KeyFileCode = 'exists' | 'missing' | 'too_open' | 'malformed' | 'unreadable' | 'unwritable';
/** `detail` is a sentence for the operator that names the file and the mend. */
export interface KeyFileRefusal {
  readonly ok: false;
  readonly code: KeyFileCode;
  readonly detail: string;
}

/** The key of a bank: it signs instructions. */
export interface BankKey {
  /** As a JWS names it: `EdDSA` is what every JOSE library knows for Ed25519 (RFC 8037). */
  readonly alg: 'ES256' | 'EdDSA';
  readonly kid: Thumbprint;
  /** The public key. */
  readonly jwk: Jwk;
  /** The signature, 64 bytes; for ES256 as r || s. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

const OWNER_ONLY = 0o600;
const PEM_BYTES_MAX = 4096;

/**
 * Makes a key and writes it to a new file with mode 0600, synced. Refuses with `exists`: a key is never overwritten;
 * or with `unwritable`.
 */
export function createKeyFile(
  path: string,
  alg: KeyFileAlg,
): { readonly ok: true; readonly jwk: Jwk; readonly kid: Thumbprint } | KeyFileRefusal {
  const { privateKey } =
    alg === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  try {
    const file = openSync(path, 'wx', OWNER_ONLY);
    try {
      writeFileSync(file, privateKey.export({ format: 'pem', type: 'pkcs8' }));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      return refuse(
        'exists',
        `${path} exists already and is not overwritten: move it away first if a new key is really meant`,
      );
    }
    return refuse(
      'unwritable',
      `${path} cannot be written (${codeOf(error)}): does its folder exist, and may this user write there?`,
    );
  }
  const jwk = publicJwk(privateKey);
  return { ok: true, jwk, kid: thumbprint(jwk) };
}

/** A validator's vote or network key: its 32-byte seed, and the public key as lower-case hex. */
export function loadSeed(
  path: string,
): { readonly ok: true; readonly seed: Uint8Array; readonly publicKey: Hash } | KeyFileRefusal {
  const loaded = loadPrivateKey(path);
  if (!loaded.ok) return loaded;
  const { crv, d, x } = loaded.key.export({ format: 'jwk' });
  if (crv !== 'Ed25519') return refuse('malformed', `${path} holds a ${crv} key: a validator's keys are Ed25519`);
  return { ok: true, seed: bytesOf(d), publicKey: toHex(bytesOf(x)) };
}

/** A bank's key, Ed25519 or P-256. */
export function loadBankKey(path: string): { readonly ok: true; readonly key: BankKey } | KeyFileRefusal {
  const loaded = loadPrivateKey(path);
  if (!loaded.ok) return loaded;
  const jwk = publicJwk(loaded.key);
  const alg = jwk.kty === 'OKP' ? 'EdDSA' : 'ES256';
  const digest = alg === 'ES256' ? 'sha256' : null;
  const key = { key: loaded.key, dsaEncoding: 'ieee-p1363' } as const;
  return {
    ok: true,
    key: { alg, kid: thumbprint(jwk), jwk, sign: (bytes) => Promise.resolve(new Uint8Array(sign(digest, bytes, key))) },
  };
}

function loadPrivateKey(path: string): { readonly ok: true; readonly key: KeyObject } | KeyFileRefusal {
  const text = readOwnerOnly(path);
  if (typeof text !== 'string') return text;
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: text, format: 'pem' });
  } catch {
    return refuse(
      'malformed',
      `${path} is no private key: expected is PEM PKCS#8 without a passphrase, as \`causeway keys\` makes it`,
    );
  }
  const known = key.asymmetricKeyType === 'ed25519' || key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  return known
    ? { ok: true, key }
    : refuse('malformed', `${path} holds a key of another kind: expected is Ed25519 or P-256`);
}

/** Reads through one open file, so that what is judged and what is read are the same. */
function readOwnerOnly(path: string): string | KeyFileRefusal {
  try {
    const file = openSync(path, 'r');
    try {
      const { mode, uid, size } = fstatSync(file);
      if (isTooOpen({ mode, uid })) {
        return refuse(
          'too_open',
          `${path} can be read by others (mode ${(mode & 0o777).toString(8)}): run \`chmod 600 ${path}\`, and replace the key if it may have been copied`,
        );
      }
      return size > PEM_BYTES_MAX
        ? refuse('malformed', `${path} is no key file: it has ${size} bytes`)
        : readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT')
      return refuse('missing', `${path} does not exist: make it with \`causeway keys\`, or correct the path`);
    return refuse(
      'unreadable',
      `${path} cannot be read (${codeOf(error)}): it must be a file of the user that runs the node`,
    );
  }
}

function publicJwk(key: KeyObject): Jwk {
  const { crv, x, y } = createPublicKey(key).export({ format: 'jwk' });
  assert(x !== undefined, 'a public key has a point');
  if (crv === 'Ed25519') return { kty: 'OKP', crv, x };
  assert(crv === 'P-256' && y !== undefined, 'a key file holds Ed25519 or P-256');
  return { kty: 'EC', crv, x, y };
}

function bytesOf(text: string | undefined): Uint8Array {
  const bytes = text === undefined ? null : fromBase64url(text);
  assert(bytes?.length === 32, 'an Ed25519 key has 32 bytes');
  return bytes;
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);
const refuse = (code: KeyFileCode, detail: string): KeyFileRefusal => ({ ok: false, code, detail });
