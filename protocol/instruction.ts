/**
 * The signed instruction a bank submits: a canonical JSON payload (RFC 8785) under one or several JWS signatures
 * (RFC 7515). Bytes become an `Instruction` here and nowhere else. What is judged is form alone, without any state: the
 * signatures are laid out for checking, and whether keys are registered and may do this is the ledger's to say.
 */
import { Compile } from 'typebox/compile';
import { fromBase64url, toBase64url } from './base64url.js';
import { type Json, parseCanonical } from './canonical.js';
import { decode, fromHex, type Reader, Writer } from './codec.js';
import { judgeKey, jwkOf, type KeyAlg, rawKeyOf, thumbprint } from './crypto.js';
import { judgeDays, notATime, readDates, type Validity } from './dates.js';
import { TAGS, taggedHash } from './hash.js';
import {
  checkSigners,
  type JwsAlg,
  keyAlgOf,
  listStatement,
  parseHeader,
  parseJws,
  possessionStatement,
  type RawJws,
  type RawSignature,
  signingInput,
  voteKeyStatement,
} from './jws.js';
import {
  ITEM_BYTES_MAX,
  LEGS_MAX,
  LIST_PATH_MAX,
  PAYLOAD_BYTES_MAX,
  PROTECTED_BYTES_MAX,
  SIGNATURES_MAX,
  VALIDITY_MS_MAX,
} from './limits.js';
import { type MerklePath, rootOfPath } from './merkle.js';
import { mismatch } from './mismatch.js';
import {
  type Leg,
  type Member,
  type NewKey,
  PAYLOAD_SCHEMAS,
  type Payload,
  type PayloadKind,
  type PayloadOf,
} from './payload.js';
import { type InstructionCode, type Refusal, refuse } from './refusal.js';
import {
  assert,
  type Bic,
  type Hash,
  type InstructionDigest,
  type NetworkId,
  type Thumbprint,
  type TimestampMs,
  unreachable,
  type Validator,
} from './types.js';
import { isLei, parseAmount, parseTime } from './values.js';

export interface SignatureEntry {
  readonly alg: JwsAlg;
  readonly kid: Thumbprint;
  /** The protected header as sent, base64url. */
  readonly protectedText: string;
  /** 64 bytes. */
  readonly signature: Uint8Array;
  readonly signingInput: Uint8Array;
  /** Where the instruction stands in the list that was signed; null when it was signed itself. */
  readonly list: { readonly path: MerklePath } | null;
}

/** A new key's proof that its owner holds it, as a check that is still to be made. */
export interface Possession {
  readonly kid: Thumbprint;
  readonly alg: KeyAlg;
  readonly key: Uint8Array;
  readonly signingInput: Uint8Array;
  readonly signature: Uint8Array;
}

/** An instruction of good form. None of its signatures has been checked. */
export interface Instruction {
  readonly digest: InstructionDigest;
  readonly payload: Payload;
  readonly payloadBytes: Uint8Array;
  readonly issuedMs: TimestampMs;
  readonly expiresMs: TimestampMs;
  readonly signatures: readonly SignatureEntry[];
  readonly possessions: readonly Possession[];
}

type Read = { readonly ok: true; readonly instruction: Instruction } | Refusal;

/** SHA-256 over the domain tag and the payload's bytes: who the instruction is, whoever signs it. */
export const instructionDigest = (payloadBytes: Uint8Array): InstructionDigest =>
  taggedHash(TAGS.instruction, payloadBytes) as InstructionDigest;

/** The leaf of an instruction in a signed list. */
export const listLeaf = (digest: InstructionDigest): Hash => taggedHash(TAGS.listLeaf, fromHex(digest));

/** Reads a JWS in JSON serialization, general or flattened, as it came from outside. */
export function parseInstruction(body: Uint8Array): Read {
  const parsed = parseJws(body);
  const read = parsed.ok ? assemble(parsed.jws) : parsed;
  if (!read.ok) return read;
  for (const [index, key] of read.instruction.possessions.entries()) {
    const refusal = judgeKey(key);
    if (refusal !== null) return refuse(refusal.code, `/keys/${index}/jwk`, refusal.detail);
  }
  return read;
}

/** The JWS of an instruction, in general serialization. */
export function toJws({ payloadBytes, signatures }: Pick<Instruction, 'payloadBytes' | 'signatures'>): JwsJson {
  return {
    payload: toBase64url(payloadBytes),
    signatures: signatures.map(({ protectedText, signature, list }) => ({
      protected: protectedText,
      signature: toBase64url(signature),
      ...(list && { list: { index: list.path.index, count: list.path.size, path: list.path.siblings } }),
    })),
  };
}

export interface JwsJson {
  readonly payload: string;
  readonly signatures: readonly {
    readonly protected: string;
    readonly signature: string;
    readonly list?: { readonly index: number; readonly count: number; readonly path: readonly Hash[] };
  }[];
}

/** An instruction as it travels in a lane: payload, then each signature with its header's bytes and its place in a list. */
export function encodeItem({ payloadBytes, signatures }: Pick<Instruction, 'payloadBytes' | 'signatures'>): Uint8Array {
  const writer = new Writer(payloadBytes.length + signatures.length * 256 + 16).bytes(payloadBytes);
  writer.list(signatures, (w, { protectedText, signature, list }) => {
    const header = fromBase64url(protectedText);
    assert(header !== null, 'a header that was read is base64url');
    w.bytes(header)
      .raw(signature)
      .u8(list === null ? 0 : 1);
    if (list !== null)
      w.u32(list.path.index)
        .u32(list.path.size)
        .list(list.path.siblings, (v, sibling) => v.hash(sibling));
  });
  return writer.finish();
}

/**
 * Reads an item of a lane, checking all that `parseInstruction` checks: who put it there may have checked nothing. Only
 * whether new keys are good points is left to the check of their possession, since that work is for off the main thread.
 */
export function decodeItem(bytes: Uint8Array): Read {
  if (bytes.length > ITEM_BYTES_MAX)
    return refuse('too_large', '', `${bytes.length} bytes, where ${ITEM_BYTES_MAX} are the most`);
  // A copy, so that an instruction does not keep the batch it came in. `slice` of a Node Buffer would be a view again.
  const own = new Uint8Array(bytes);
  const item = decode(own, (reader) => ({
    payloadBytes: reader.bytes(PAYLOAD_BYTES_MAX),
    parts: reader.list(SIGNATURES_MAX, readPart),
  }));
  if (item === null || item.parts.length === 0 || item.parts.some(({ list }) => list === undefined)) {
    return refuse('malformed_item', '', 'not the encoding of a payload and its signatures');
  }
  const signatures: RawSignature[] = [];
  for (const [index, { protectedBytes, signature, list }] of item.parts.entries()) {
    const parsed = parseHeader(protectedBytes, `/signatures/${index}/protected`);
    if (!parsed.ok) return parsed;
    signatures.push({
      header: parsed.header,
      protectedText: toBase64url(protectedBytes),
      signature,
      list: list ?? null,
    });
  }
  const twice = checkSigners(signatures);
  return (
    twice ?? assemble({ payloadBytes: item.payloadBytes, payloadText: toBase64url(item.payloadBytes), signatures })
  );
}

/** `list` is undefined when the flag before it is neither 0 nor 1. */
function readPart(reader: Reader): {
  protectedBytes: Uint8Array;
  signature: Uint8Array;
  list: MerklePath | null | undefined;
} {
  const protectedBytes = reader.bytes(PROTECTED_BYTES_MAX);
  const signature = reader.raw(64);
  const flag = reader.u8();
  if (flag !== 1) return { protectedBytes, signature, list: flag === 0 ? null : undefined };
  const path = { index: reader.u32(), size: reader.u32(), siblings: reader.list(LIST_PATH_MAX, (r) => r.hash()) };
  return { protectedBytes, signature, list: path };
}

/**
 * The signatures of two copies of an instruction (the same payload, so the same digest), one for each key: where both hold a
 * key's, the first's counts. At most SIGNATURES_MAX are kept, the first's before the second's.
 */
export function mergeSignatures(first: Instruction, second: Instruction): Instruction {
  assert(first.digest === second.digest, 'only signatures on the same payload are merged');
  const known = new Set(first.signatures.map(({ kid }) => kid));
  const added = second.signatures.filter(({ kid }) => !known.has(kid));
  return { ...first, signatures: [...first.signatures, ...added].slice(0, SIGNATURES_MAX) };
}

function assemble({ payloadBytes, payloadText, signatures }: RawJws): Read {
  const read = readPayload(payloadBytes);
  if (!read.ok) return read;
  const digest = instructionDigest(payloadBytes);
  const entries: SignatureEntry[] = [];
  for (const [index, { header, protectedText, signature, list }] of signatures.entries()) {
    const signed = signedText(header.typ, list, { digest, payloadText, network: read.payload.network as NetworkId });
    if (signed === null) return refuse('malformed_list', `/signatures/${index}`, LIST_RULE);
    entries.push({
      alg: header.alg,
      kid: header.kid,
      protectedText,
      signature,
      signingInput: signingInput(protectedText, signed),
      list: list && { path: list },
    });
  }
  const { payload, issuedMs, expiresMs, possessions } = read;
  return {
    ok: true,
    instruction: { digest, payload, payloadBytes, issuedMs, expiresMs, signatures: entries, possessions },
  };
}

const LIST_RULE = `typ "causeway+json" goes without a list; "causeway-list+json" with one of at most 2^${LIST_PATH_MAX} instructions, index below count, and the path that these demand`;

/** The payload text that a signature is over: the instruction's own, or the statement of the list it stands in. */
function signedText(
  typ: string,
  list: MerklePath | null,
  of: { digest: InstructionDigest; payloadText: string; network: NetworkId },
): string | null {
  if (typ === 'causeway+json') return list === null ? of.payloadText : null;
  if (typ !== 'causeway-list+json' || list === null || list.size > 2 ** LIST_PATH_MAX) return null;
  const root = rootOfPath(listLeaf(of.digest), list);
  return root === null ? null : listStatement(of.network, list.size, root);
}

interface ReadPayload extends Pick<Instruction, 'payload' | 'issuedMs' | 'expiresMs' | 'possessions'> {
  readonly ok: true;
}

function readPayload(bytes: Uint8Array): ReadPayload | Refusal {
  const parsed = parseCanonical(bytes);
  if (!parsed.ok) return refuse('not_canonical', '', parsed.detail);
  const shaped = checkShape(parsed.value);
  if (!shaped.ok) return shaped;
  const { payload } = shaped;
  const issuedMs = parseTime(payload.issued);
  if (issuedMs === null) return notATime('/issued', payload.issued);
  const expiresMs = parseTime(payload.expires);
  if (expiresMs === null) return notATime('/expires', payload.expires);
  if (expiresMs <= issuedMs) return refuse('malformed_time', '/expires', 'must be later than issued');
  if (expiresMs - issuedMs > VALIDITY_MS_MAX)
    return refuse('validity_too_long', '/expires', `must be within ${VALIDITY_MS_MAX / 3_600_000} hours of issued`);
  const checked = checkKind(payload, { issuedMs, expiresMs });
  return checked.ok ? { ok: true, payload, issuedMs, expiresMs, possessions: checked.possessions } : checked;
}

type Check = (value: unknown) => boolean;
const compiled = new Map<PayloadKind, Check>();

/** The compiled shape of a kind; compiled when first needed, since a client may need none. */
function shapeOf(kind: PayloadKind): Check {
  const known = compiled.get(kind);
  if (known !== undefined) return known;
  const validator = Compile(PAYLOAD_SCHEMAS[kind]);
  const check: Check = (value) => validator.Check(value);
  compiled.set(kind, check);
  return check;
}

const isKind = (kind: unknown): kind is PayloadKind => typeof kind === 'string' && Object.hasOwn(PAYLOAD_SCHEMAS, kind);

function checkShape(value: Json): { readonly ok: true; readonly payload: Payload } | Refusal {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse('malformed_payload', '', 'must be an object');
  const kind = (value as { readonly kind?: Json }).kind;
  if (kind === undefined) return refuse('malformed_payload', '/kind', 'the member kind is missing');
  if (!isKind(kind))
    return refuse('unknown_kind', '/kind', `must be one of ${Object.keys(PAYLOAD_SCHEMAS).join(', ')}`);
  if (shapeOf(kind)(value)) return { ok: true, payload: value as unknown as Payload };
  const found = mismatch(PAYLOAD_SCHEMAS[kind], value);
  assert(found !== null, 'what the compiled schema refuses has a mismatch');
  const member = found.pointer.slice(found.pointer.lastIndexOf('/') + 1);
  const code = found.present && Object.hasOwn(CODE_OF_MEMBER, member) ? CODE_OF_MEMBER[member] : undefined;
  return refuse(code ?? 'malformed_payload', found.pointer, found.detail);
}

/** A member whose value has the wrong form gets the code of its kind of value. */
const CODE_OF_MEMBER: Readonly<Record<string, InstructionCode>> = {
  id: 'malformed_id',
  initiator: 'malformed_party',
  from: 'malformed_party',
  to: 'malformed_party',
  party: 'malformed_party',
  issuer: 'malformed_party',
  asset: 'malformed_asset',
  amount: 'malformed_amount',
  cap: 'malformed_amount',
  urgent: 'malformed_amount',
  high: 'malformed_amount',
  multilateral: 'malformed_amount',
  issued: 'malformed_time',
  expires: 'malformed_time',
  notBefore: 'malformed_time',
  cancelUntil: 'malformed_time',
  cutoff: 'malformed_time',
  settleBy: 'malformed_time',
  lockUntil: 'malformed_time',
  valueDate: 'malformed_time',
  date: 'malformed_time',
  open: 'malformed_time',
  close: 'malformed_time',
  lei: 'malformed_lei',
  jwk: 'malformed_key',
  kty: 'malformed_key',
  crv: 'malformed_key',
  x: 'malformed_key',
  y: 'malformed_key',
  threshold: 'malformed_threshold',
  voteKey: 'malformed_key',
  networkKey: 'malformed_key',
  possession: 'malformed_possession',
};

type Checked = { readonly ok: true; readonly possessions: readonly Possession[] } | Refusal;
const GOOD: Checked = { ok: true, possessions: [] };

/** What a schema cannot say of a payload's form. */
function checkKind(payload: Payload, validity: Validity): Checked {
  switch (payload.kind) {
    case 'settle':
      return checkSettle(payload, validity) ?? GOOD;
    case 'calendar':
      return judgeDays(payload, validity) ?? GOOD;
    case 'asset':
      if (parseAmount(payload.cap, payload.decimals) !== null) return GOOD;
      return refuse(
        'malformed_amount',
        '/cap',
        `must have at most ${payload.decimals} decimals and stay below 2^96 minor units`,
      );
    case 'participant':
      return payload.action === 'admit' ? checkAdmission(payload) : GOOD;
    case 'key':
      return payload.action === 'add' || payload.action === 'node'
        ? checkKeys(payload.network, payload.party, payload.keys)
        : GOOD;
    case 'govern':
      return checkMembers(payload);
    case 'liquidity':
      return checkLimits(payload) ?? GOOD;
    case 'offer':
      return checkOffer(payload) ?? GOOD;
    case 'consent':
      return checkTerms(payload) ?? GOOD;
    case 'withdraw':
    case 'cancel':
    case 'reveal':
    case 'reprioritise':
    case 'ready':
      return GOOD;
    default:
      return unreachable(payload);
  }
}

function checkLimits({ initiator, limits }: PayloadOf<'liquidity'>): Refusal | null {
  if (limits !== undefined && Object.keys(limits).length === 0)
    return refuse('malformed_payload', '/limits', 'must have a limit, or not be there');
  let before = '';
  for (const [at, { to }] of (limits?.bilateral ?? []).entries()) {
    const pointer = `/limits/bilateral/${at}/to`;
    if (to === initiator) return refuse('malformed_party', pointer, 'must be another party');
    if (to <= before)
      return refuse('malformed_party', pointer, 'must come after the one before it: ascending, each once');
    before = to;
  }
  return null;
}

/** What a party takes a settlement to be has the form of one. */
function checkTerms({ terms = [] }: PayloadOf<'consent'>): Refusal | null {
  const count = terms.reduce((sum, { legs }) => sum + legs.length, 0);
  if (count > LEGS_MAX)
    return refuse('malformed_payload', '/terms', `must leave at most ${LEGS_MAX} legs in all, not ${count}`);
  for (const [at, { legs, ...dates }] of terms.entries()) {
    const refusal = checkLegs(legs, `/terms/${at}/legs`);
    if (refusal !== null) return refusal;
    for (const [member, text] of Object.entries(dates))
      if (parseTime(text) === null) return notATime(`/terms/${at}/${member}`, text);
  }
  return null;
}

function checkOffer({ settlements }: PayloadOf<'offer'>): Refusal | null {
  const twice = settlements.findIndex((digest, at) => settlements.indexOf(digest) !== at);
  return twice < 0 ? null : refuse('malformed_payload', `/settlements/${twice}`, 'must not be named twice');
}

function checkSettle(payload: PayloadOf<'settle'>, validity: Validity): Refusal | null {
  const read = readDates(payload, validity);
  if (!read.ok) return read;
  const linked = payload.mode === 'queue' ? (payload.linked ?? []) : [];
  if (linked.length > 0 && payload.mode === 'queue' && payload.lots !== undefined)
    return refuse(
      'malformed_payload',
      '/lots',
      'must not stand beside linked: what has parts settles each of them whole',
    );
  const others = linked.map(({ legs }, at) => ({ legs, pointer: `/linked/${at}/legs` }));
  if (payload.mode === 'gross' && payload.amends !== undefined) {
    others.push({ legs: payload.amends.replaces, pointer: '/amends/replaces' });
    others.push({ legs: payload.amends.legs, pointer: '/amends/legs' });
  }
  const count = others.reduce((sum, { legs }) => sum + legs.length, payload.legs.length);
  if (count > LEGS_MAX) {
    const pointer = payload.mode === 'gross' ? '/amends' : '/linked';
    return refuse('malformed_payload', pointer, `must leave at most ${LEGS_MAX} legs in all, not ${count}`);
  }
  let refusal = checkLegs(payload.legs, '/legs');
  for (const { legs, pointer } of others) refusal ??= checkLegs(legs, pointer);
  return refusal;
}

function checkLegs(legs: readonly Leg[], pointer: string): Refusal | null {
  for (const [index, { from, to, amount }] of legs.entries()) {
    if (from === to) return refuse('malformed_leg', `${pointer}/${index}/to`, 'must be another party than from');
    if (!/[1-9]/.test(amount)) return refuse('malformed_amount', `${pointer}/${index}/amount`, 'must be above zero');
  }
  return null;
}

function checkAdmission({
  network,
  party,
  lei,
  keys,
  threshold,
}: Extract<PayloadOf<'participant'>, { action: 'admit' }>): Checked {
  if (!isLei(lei)) return refuse('malformed_lei', '/lei', 'the check digits do not hold (ISO 17442)');
  const checked = checkKeys(network, party, keys);
  if (checked.ok && threshold > keys.length)
    return refuse('malformed_threshold', '/threshold', `must be at most the number of keys, ${keys.length}`);
  return checked;
}

function checkKeys(network: string, party: string, keys: readonly NewKey[]): Checked {
  const possessions: Possession[] = [];
  for (const [index, { jwk, possession }] of keys.entries()) {
    const at = `/keys/${index}`;
    const publicKey = rawKeyOf(jwk);
    if (!publicKey.ok) return refuse(publicKey.code, `${at}/jwk`, publicKey.detail);
    const { kid, alg, key } = publicKey;
    if (possessions.some((other) => other.kid === kid))
      return refuse('duplicate_key', `${at}/jwk`, `the key ${kid} is there twice`);
    const malformed = (member: string, detail: string) =>
      refuse('malformed_possession', `${at}/possession/${member}`, detail);
    const protectedBytes = fromBase64url(possession.protected);
    const parsed = protectedBytes && parseHeader(protectedBytes, '');
    if (!parsed?.ok) return malformed('protected', parsed?.detail ?? 'must be base64url without padding or stray bits');
    const { header } = parsed;
    if (header.typ !== 'causeway-possession+json')
      return malformed('protected', 'typ must be "causeway-possession+json"');
    if (header.kid !== kid || keyAlgOf(header.alg) !== alg)
      return malformed('protected', `kid and alg must be those of the key itself, ${kid}`);
    const signature = fromBase64url(possession.signature);
    if (signature?.length !== 64) return malformed('signature', 'must be base64url of 64 bytes');
    const statement = possessionStatement(network as NetworkId, party as Bic, kid);
    possessions.push({ kid, alg, key, signingInput: signingInput(possession.protected, statement), signature });
  }
  return { ok: true, possessions };
}

/** A party stands in a set once, and so does a key, whatever its role. Refuses with `malformed_payload` and `duplicate_key`. */
function checkMembers({ network, change: { validators } }: PayloadOf<'govern'>): Checked {
  const parties = new Set<string>();
  const keys = new Set<string>();
  for (const [index, member] of validators.entries()) {
    const at = `/change/validators/${index}`;
    if (parties.has(member.party)) return refuse('malformed_payload', `${at}/party`, `${member.party} is there twice`);
    parties.add(member.party);
    for (const role of ['voteKey', 'networkKey'] as const) {
      if (keys.has(member[role])) return refuse('duplicate_key', `${at}/${role}`, 'this key is there twice');
      keys.add(member[role]);
    }
  }
  const possessions = validators.flatMap((member) => {
    const possession = votePossession(network as NetworkId, member);
    return possession === null ? [] : [possession];
  });
  return { ok: true, possessions };
}

/** The check of a new vote key; null of one that its member keeps, and so comes without a proof. */
function votePossession(network: NetworkId, { party, voteKey, possession }: Member): Possession | null {
  if (possession === undefined) return null;
  const key = fromHex(voteKey);
  const kid = ed25519Thumbprint(key);
  const statement = voteKeyStatement(network, { party, voteKey } as Pick<Validator, 'party' | 'voteKey'>);
  return { kid, alg: 'Ed25519', key, signingInput: statement, signature: fromHex(possession) };
}

/** The name of a raw Ed25519 key, under which proofs of it and registered keys are found. */
export const ed25519Thumbprint = (key: Uint8Array): Thumbprint => thumbprint(jwkOf({ alg: 'Ed25519', key }));
