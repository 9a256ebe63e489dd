/**
 * The envelope of an instruction: JWS JSON serialization (RFC 7515, section 7.2), general or flattened, read so strictly
 * that no two readers can take it for different things. Not the payload's meaning, and no signature is checked here.
 */
import { fromBase64url, toBase64url } from './base64url.js';
import { canonicalBytes, type Json } from './canonical.js';
import { fromUtf8, utf8, Writer } from './codec.js';
import type { KeyAlg } from './crypto.js';
import {
  INSTRUCTION_JSON_BYTES_MAX,
  LIST_PATH_MAX,
  PAYLOAD_BYTES_MAX,
  PROTECTED_BYTES_MAX,
  SIGNATURES_MAX,
} from './limits.js';
import type { MerklePath } from './merkle.js';
import { type Refusal, refuse } from './refusal.js';
import type { Bic, Hash, NetworkId, Root, Thumbprint, Validator } from './types.js';

/** The three algorithms: ECDSA on P-256 (RFC 7518), and Ed25519 under its old name (RFC 8037) and its full one (RFC 9864). */
const ALGORITHMS = { ES256: 'ES256', EdDSA: 'Ed25519', Ed25519: 'Ed25519' } as const satisfies Record<string, KeyAlg>;
export type JwsAlg = keyof typeof ALGORITHMS;
/** Which kind of key checks a signature of this `alg`. */
export const keyAlgOf = (alg: JwsAlg): KeyAlg => ALGORITHMS[alg];

/** What a signature is over: one instruction, the root of a list of them, or a new key's own name. */
export type JwsType = 'causeway+json' | 'causeway-list+json' | 'causeway-possession+json';

export interface Header {
  readonly alg: JwsAlg;
  readonly kid: Thumbprint;
  readonly typ: JwsType;
}

/** A signature with its header as sent, before what it signs is known. */
export interface RawSignature {
  readonly header: Header;
  readonly protectedText: string;
  readonly signature: Uint8Array;
  readonly list: MerklePath | null;
}

export interface RawJws {
  readonly payloadBytes: Uint8Array;
  readonly payloadText: string;
  readonly signatures: readonly RawSignature[];
}

/** RFC 7515, section 5.1: the ASCII bytes of protected header, dot and payload, both as base64url. */
export const signingInput = (protectedText: string, payloadText: string): Uint8Array =>
  utf8(`${protectedText}.${payloadText}`);

/** A protected header as its maker writes it, base64url. */
export const protectedTextOf = ({ alg, kid, typ }: Header): string => toBase64url(canonicalBytes({ alg, kid, typ }));

/** What a list signature is over, as payload text: how many instructions, on which network, under which root. */
export const listStatement = (network: NetworkId, count: number, root: Root): string =>
  toBase64url(canonicalBytes({ count, network, root }));

/** What a new key signs to show that its owner holds it, as payload text. */
export const possessionStatement = (network: NetworkId, party: Bic, kid: Thumbprint): string =>
  toBase64url(canonicalBytes({ kid, network, party }));

const VOTE_KEY_TAG = utf8('causeway/vote-key/1\0');
/**
 * What a new vote key signs to show that its owner holds it: raw bytes and no JWS, since a vote key signs nothing that is
 * not of its network and under a tag.
 */
export const voteKeyStatement = (
  network: NetworkId,
  { party, voteKey }: Pick<Validator, 'party' | 'voteKey'>,
): Uint8Array => new Writer(128).raw(VOTE_KEY_TAG).hash(network).text(party).hash(voteKey).finish();

/** Reads a JWS that came from outside. Refuses with the codes up to `duplicate_signer`. */
export function parseJws(body: Uint8Array): { readonly ok: true; readonly jws: RawJws } | Refusal {
  if (body.length > INSTRUCTION_JSON_BYTES_MAX)
    return refuse('too_large', '', `${body.length} bytes, where ${INSTRUCTION_JSON_BYTES_MAX} are the most`);
  const parsed = parseOuter(body);
  if (!parsed.ok) return parsed;
  const { payload, signatures, flattened } = parsed;
  const payloadBytes = fromBase64url(payload);
  if (payloadBytes === null)
    return refuse('malformed_jws', '/payload', 'must be base64url without padding or stray bits');
  if (payloadBytes.length > PAYLOAD_BYTES_MAX) {
    return refuse('too_large', '/payload', `${payloadBytes.length} bytes, where ${PAYLOAD_BYTES_MAX} are the most`);
  }
  const read: RawSignature[] = [];
  for (const [index, entry] of signatures.entries()) {
    const at = flattened ? '' : `/signatures/${index}`;
    const protectedBytes = fromBase64url(entry.protected);
    if (protectedBytes === null)
      return refuse('malformed_header', `${at}/protected`, 'must be base64url without padding or stray bits');
    const header = parseHeader(protectedBytes, `${at}/protected`);
    if (!header.ok) return header;
    const signature = fromBase64url(entry.signature);
    if (signature?.length !== 64)
      return refuse('malformed_signature', `${at}/signature`, 'must be base64url of 64 bytes');
    const list =
      entry.list === undefined ? null : { index: entry.list.index, size: entry.list.count, siblings: entry.list.path };
    read.push({ header: header.header, protectedText: entry.protected, signature, list });
  }
  const twice = checkSigners(read);
  return twice ?? { ok: true, jws: { payloadBytes, payloadText: payload, signatures: read } };
}

export function checkSigners(signatures: readonly RawSignature[]): Refusal | null {
  const seen = new Set<Thumbprint>();
  for (const [index, { header }] of signatures.entries()) {
    if (seen.has(header.kid))
      return refuse('duplicate_signer', `/signatures/${index}`, `the key ${header.kid} signs twice`);
    seen.add(header.kid);
  }
  return null;
}

/** A protected header from its bytes: exactly `alg`, `kid` and `typ`, in any order. Refuses with `malformed_header` and `unsupported_alg`. */
export function parseHeader(
  bytes: Uint8Array,
  pointer: string,
): { readonly ok: true; readonly header: Header } | Refusal {
  const malformed = (detail: string) => refuse('malformed_header', pointer, detail);
  if (bytes.length > PROTECTED_BYTES_MAX)
    return malformed(`${bytes.length} bytes, where ${PROTECTED_BYTES_MAX} are the most`);
  const parsed = parseText(bytes);
  if (parsed === null || !isObject(parsed.value)) return malformed('must be a JSON object in UTF-8');
  const { alg, kid, typ } = parsed.value;
  // First of all: `none` and the HMAC algorithms are told what they are, whatever else is wrong.
  if (typeof alg === 'string' && !Object.hasOwn(ALGORITHMS, alg)) {
    return refuse(
      'unsupported_alg',
      pointer,
      `alg must be one of ${Object.keys(ALGORITHMS).join(', ')}; it is ${JSON.stringify(alg.slice(0, 40))}`,
    );
  }
  const names = Object.keys(parsed.value);
  const unknown = names.find((name) => name !== 'alg' && name !== 'kid' && name !== 'typ');
  if (unknown !== undefined)
    return malformed(`holds ${JSON.stringify(unknown)}; it must hold exactly alg, kid and typ`);
  if (typeof alg !== 'string') return malformed('alg must be a string');
  if (typeof kid !== 'string' || !isThumbprint(kid))
    return malformed("kid must be the key's RFC 7638 thumbprint: base64url of 32 bytes");
  if (typ !== 'causeway+json' && typ !== 'causeway-list+json' && typ !== 'causeway-possession+json')
    return malformed('typ must be "causeway+json" or "causeway-list+json"');
  // No value holds white space, so this refuses duplicate members and escapes and leaves order and spacing free.
  if (!isPlain(parsed.text, parsed.value)) return malformed('a member is written twice, or with escapes');
  return { ok: true, header: { alg: alg as JwsAlg, kid: kid as Thumbprint, typ } };
}

interface OuterSignature {
  readonly protected: string;
  readonly signature: string;
  readonly list?: { readonly index: number; readonly count: number; readonly path: readonly Hash[] };
}

type Outer = {
  readonly ok: true;
  readonly payload: string;
  readonly signatures: readonly OuterSignature[];
  readonly flattened: boolean;
};

function parseOuter(body: Uint8Array): Outer | Refusal {
  const parsed = parseText(body);
  if (parsed === null)
    return refuse('malformed_json', '', 'must be JSON in UTF-8: a JWS in JSON serialization, not compact');
  const { value, text } = parsed;
  if (!isObject(value)) return refuse('malformed_jws', '', 'must be a JSON object: a JWS in JSON serialization');
  const flattened = !Object.hasOwn(value, 'signatures');
  const outer = checkMembers(
    value,
    flattened ? ['payload', 'protected', 'signature'] : ['payload', 'signatures'],
    flattened ? ['list'] : [],
    '',
  );
  if (outer !== null) return outer;
  const { payload, signatures } = value;
  if (!isWord(payload)) return refuse('malformed_jws', '/payload', 'must be a string of base64url');
  const entries: Json = flattened ? [withoutPayload(value)] : (signatures as Json);
  if (!Array.isArray(entries)) return refuse('malformed_jws', '/signatures', 'must be an array');
  if (entries.length === 0) return refuse('malformed_jws', '/signatures', 'must hold a signature');
  if (entries.length > SIGNATURES_MAX)
    return refuse(
      'too_many_signatures',
      '/signatures',
      `${entries.length} signatures, where ${SIGNATURES_MAX} are the most`,
    );
  for (const [index, entry] of (entries as readonly Json[]).entries()) {
    const refusal = checkOuterSignature(entry, flattened ? '' : `/signatures/${index}`);
    if (refusal !== null) return refusal;
  }
  // By now no string in it holds white space or anything to escape, and its depth is bounded.
  if (!isPlain(text, value))
    return refuse('malformed_json', '', 'a member is written twice, or a string or number is not in its plain form');
  return { ok: true, payload, signatures: entries as unknown as readonly OuterSignature[], flattened };
}

function checkOuterSignature(entry: Json, at: string): Refusal | null {
  if (!isObject(entry)) return refuse('malformed_jws', at, 'must be an object');
  const refusal = checkMembers(entry, ['protected', 'signature'], ['list'], at);
  if (refusal !== null) return refusal;
  if (!isWord(entry['protected'])) return refuse('malformed_jws', `${at}/protected`, 'must be a string of base64url');
  if (!isWord(entry['signature'])) return refuse('malformed_jws', `${at}/signature`, 'must be a string of base64url');
  return entry['list'] === undefined ? null : checkOuterList(entry['list'], `${at}/list`);
}

function checkOuterList(list: Json, at: string): Refusal | null {
  if (!isObject(list)) return refuse('malformed_jws', at, 'must be an object');
  const refusal = checkMembers(list, ['index', 'count', 'path'], [], at);
  if (refusal !== null) return refusal;
  const { index, count, path } = list;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(count))
    return refuse('malformed_jws', at, 'index and count must be whole numbers');
  if (!Array.isArray(path) || path.length > LIST_PATH_MAX)
    return refuse('malformed_jws', `${at}/path`, `must be an array of at most ${LIST_PATH_MAX} hashes`);
  const isHash = (item: Json) => typeof item === 'string' && /^[0-9a-f]{64}$/.test(item);
  return (path as readonly Json[]).every(isHash)
    ? null
    : refuse('malformed_jws', `${at}/path`, 'must hold lower-case hex of 32 bytes');
}

function checkMembers(
  value: JsonObject,
  required: readonly string[],
  optional: readonly string[],
  at: string,
): Refusal | null {
  const unknown = Object.keys(value).find((name) => !required.includes(name) && !optional.includes(name));
  if (unknown !== undefined) {
    const said =
      unknown === 'header'
        ? 'unprotected headers are not taken'
        : `must hold ${[...required, ...optional.map((name) => `${name} (optional)`)].join(', ')} and nothing else`;
    return refuse('malformed_jws', `${at}/${unknown.slice(0, 40).replaceAll('~', '~0').replaceAll('/', '~1')}`, said);
  }
  const missing = required.find((name) => !Object.hasOwn(value, name));
  return missing === undefined ? null : refuse('malformed_jws', `${at}/${missing}`, `the member ${missing} is missing`);
}

type JsonObject = Readonly<Record<string, Json>>;
const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isWord = (value: Json | undefined): value is string =>
  typeof value === 'string' && /^[A-Za-z0-9_-]+$/.test(value);
// 43 characters hold 258 bits: the last two are zero, so the last character is one of sixteen.
const isThumbprint = (text: string): boolean => /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(text);
const isPlain = (text: string, value: Json): boolean => JSON.stringify(value) === text.replace(/[ \t\r\n]+/g, '');

function withoutPayload({ payload: _payload, ...entry }: JsonObject): JsonObject {
  return entry;
}

function parseText(bytes: Uint8Array): { readonly text: string; readonly value: Json } | null {
  try {
    const text = fromUtf8(bytes);
    return { text, value: JSON.parse(text) as Json };
  } catch {
    return null;
  }
}
