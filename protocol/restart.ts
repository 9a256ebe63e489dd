/**
 * The restart of a network that has lost more than f validators (SPEC, The restart ceremony): what the authorities sign
 * in place of the old set's finalization, and whether enough of them did. What the old set's certificate in it is worth
 * is judged in `certificate.ts`.
 */
import { type Static, Type } from 'typebox';
import { fromBase64url, toBase64url } from './base64url.js';
import { blockId, encodeHeader, laneStart, readHeader, validatorSet } from './block.js';
import { canonicalBytes } from './canonical.js';
import { decode, fromHex, utf8 } from './codec.js';
import { judgeKey, type PublicKey, rawKeyOf } from './crypto.js';
import { AUTHORITIES_MAX } from './genesis.js';
import { type JwsAlg, keyAlgOf, signingInput } from './jws.js';
import { KEYS_PER_PARTY_MAX, PROTECTED_BYTES_MAX } from './limits.js';
import type { Jwk } from './payload.js';
import {
  encodeSignatures,
  HashText,
  NumberText,
  readSignatures,
  SignaturesSchema,
  ValidatorsSchema,
} from './portable.js';
import { parseShape } from './shape.js';
import {
  type BlockHeader,
  type BlockId,
  type Certificate,
  type Epoch,
  type Height,
  type NetworkId,
  quorum,
  type Root,
  type Thumbprint,
  type Validator,
  type ValidatorIndex,
  type ValidatorSet,
  type View,
} from './types.js';

const RESTART_SIGNATURES_MAX = AUTHORITIES_MAX * KEYS_PER_PARTY_MAX;
/** Notarized blocks that may lie between the last final one that was surveyed and the one that is gone on from. */
export const RESTART_HEADERS_MAX = 1024;
export const RESTART_BYTES_MAX = 16 * 1024 * 1024;
const HEADER_TEXT_MAX = 8 * 1024;

const strict = { additionalProperties: false } as const;

/** What is signed, as RFC 8785 writes it. */
export const RestartStatementSchema = Type.Object(
  {
    format: Type.Literal('causeway-restart/1'),
    network: HashText,
    epoch: NumberText,
    last: Type.Object(
      { epoch: NumberText, view: NumberText, height: NumberText, block: HashText, root: HashText },
      strict,
    ),
    certificate: Type.Optional(
      Type.Object(
        { kind: Type.Union([Type.Literal('notarize'), Type.Literal('finalize')]), signatures: SignaturesSchema },
        strict,
      ),
    ),
    validators: ValidatorsSchema,
  },
  strict,
);
export type RestartStatement = Static<typeof RestartStatementSchema>;

export const RestartSignaturesSchema = Type.Array(
  Type.Object(
    {
      protected: Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength: 2 * PROTECTED_BYTES_MAX }),
      signature: Type.String({ pattern: '^[A-Za-z0-9_-]{86}$', description: 'base64url of 64 bytes' }),
    },
    strict,
  ),
  { minItems: 0, maxItems: RESTART_SIGNATURES_MAX },
);
export type RestartSignaturesText = Static<typeof RestartSignaturesSchema>;

const HeaderSchema = Type.Object(
  {
    alg: Type.Union([Type.Literal('ES256'), Type.Literal('EdDSA'), Type.Literal('Ed25519')]),
    kid: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: "the key's RFC 7638 thumbprint" }),
    typ: Type.Literal('causeway-restart+json'),
  },
  strict,
);

const RestartFileSchema = Type.Object(
  {
    statement: RestartStatementSchema,
    signatures: RestartSignaturesSchema,
    headers: Type.Array(Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength: HEADER_TEXT_MAX }), {
      maxItems: RESTART_HEADERS_MAX,
      description: 'base64url of headers, from a final block (not included) to the last block',
    }),
  },
  strict,
);

/** An authority's signature: a JWS over the statement, without it. */
export interface AuthoritySignature {
  /** The protected header as it was sent. */
  readonly protectedText: string;
  readonly alg: JwsAlg;
  readonly kid: Thumbprint;
  readonly signature: Uint8Array;
}

/** What the authorities say: that the network goes on from a block, with a set. */
export interface Restart {
  readonly network: NetworkId;
  /** The set that takes over, of the epoch that begins. */
  readonly set: ValidatorSet;
  /** The highest notarized block of the epoch before that any survivor holds, and its result root as executed. */
  readonly last: {
    readonly epoch: Epoch;
    readonly view: View;
    readonly height: Height;
    readonly block: BlockId;
    readonly root: Root;
  };
  /** The old set's notarization or finalization of it; null where nothing was notarized in that epoch, so that view is 0. */
  readonly certificate: Certificate | null;
  readonly signatures: readonly AuthoritySignature[];
}

/** The file that operators hand round: the headers are what a node may lack of the way to the last block. */
export interface RestartFile {
  readonly restart: Restart;
  /** Oldest first; the last is of the last block. Empty where that is final. */
  readonly headers: readonly BlockHeader[];
}

export type RestartFormCode =
  | 'too_large'
  | 'malformed_json'
  | 'malformed'
  | 'malformed_key'
  | 'weak_key'
  | 'duplicate_key'
  | 'duplicate_party';
export interface RestartRefusal<Code extends string> {
  readonly ok: false;
  readonly code: Code;
  readonly detail: string;
  readonly pointer: string;
}

/** The statement as a JSON value: one value has one text, so this is what is signed. */
export function statementOf({ network, set, last, certificate }: Omit<Restart, 'signatures'>): RestartStatement {
  const signed =
    certificate === null ? null : { kind: kindOf(certificate), signatures: encodeSignatures(certificate.signatures) };
  return {
    format: 'causeway-restart/1',
    network,
    epoch: set.epoch,
    last: { ...last },
    ...(signed !== null && { certificate: signed }),
    validators: set.validators.map(({ party, voteKey, networkKey }) => ({ party, voteKey, networkKey })),
  };
}
const kindOf = ({ ballot }: Certificate): 'notarize' | 'finalize' =>
  ballot.kind === 'finalize' ? 'finalize' : 'notarize';

export const statementBytes = (restart: Omit<Restart, 'signatures'>): Uint8Array =>
  canonicalBytes(statementOf(restart));

/** What an authority's key signs under its protected header (RFC 7515, section 5.1). */
export const restartSigningInput = (restart: Omit<Restart, 'signatures'>, protectedText: string): Uint8Array =>
  signingInput(protectedText, toBase64url(statementBytes(restart)));

/** The protected header of an authority's signature, base64url. */
export const restartProtected = (alg: JwsAlg, kid: string): string =>
  toBase64url(canonicalBytes({ alg, kid, typ: 'causeway-restart+json' }));

export const encodeRestartSignatures = (signatures: readonly AuthoritySignature[]): RestartSignaturesText =>
  signatures.map(({ protectedText, signature }) => ({ protected: protectedText, signature: toBase64url(signature) }));

/** The bytes of a restart file, readable by people. */
export function encodeRestartFile({ restart, headers }: RestartFile): Uint8Array {
  const file = {
    statement: statementOf(restart),
    signatures: encodeRestartSignatures(restart.signatures),
    headers: headers.map((header) => toBase64url(encodeHeader(header))),
  };
  return utf8(`${JSON.stringify(file, null, 2)}\n`);
}

/** Reads a restart file. What it says is judged by nobody yet but for its form; headers must lead to the last block. */
export function parseRestartFile(
  bytes: Uint8Array,
): { readonly ok: true; readonly file: RestartFile } | RestartRefusal<RestartFormCode> {
  const shaped = parseShape(RestartFileSchema, bytes, RESTART_BYTES_MAX);
  if (!shaped.ok) return shaped;
  const read = readRestart(shaped.value.statement, shaped.value.signatures);
  if (!read.ok) return read;
  const { restart } = read;
  const weak = weakKeyRefusal(restart.set.validators);
  if (weak !== null) return weak;
  const headers: BlockHeader[] = [];
  for (const [at, text] of shaped.value.headers.entries()) {
    const raw = fromBase64url(text);
    const header = raw === null ? null : decode(raw, readHeader);
    const before = headers.at(-1);
    if (
      header === null ||
      header.network !== restart.network ||
      header.epoch !== restart.last.epoch ||
      (before !== undefined && header.parent !== blockId(before))
    )
      return refuse('malformed', 'this is no header that goes on from the one before', `/headers/${at}`);
    headers.push(header);
  }
  const end = headers.at(-1);
  if (end !== undefined && blockId(end) !== restart.last.block)
    return refuse('malformed', 'the headers do not end with the last block', '/headers');
  return { ok: true, file: { restart, headers } };
}

/** A restart from its JSON parts, whose shape was checked. Parties and keys must be distinct; that keys are good points is judged where files are made and read. */
export function readRestart(
  statement: RestartStatement,
  written: RestartSignaturesText,
): { readonly ok: true; readonly restart: Restart } | RestartRefusal<RestartFormCode> {
  const { network, epoch, certificate } = statement;
  const validators = statement.validators as unknown as readonly Validator[];
  const refusal = repeatedRefusal(validators);
  if (refusal !== null) return refusal;
  const last = statement.last as Restart['last'];
  if (last.epoch + 1 !== epoch)
    return refuse('malformed', `epoch ${epoch} does not begin over a block of epoch ${last.epoch}`, '/statement/epoch');
  const votes = certificate === undefined ? null : readSignatures(certificate.signatures);
  if (certificate !== undefined && votes === null)
    return refuse('malformed', 'a signature is not strict base64url', '/statement/certificate/signatures');
  const signatures: AuthoritySignature[] = [];
  for (const [at, one] of written.entries()) {
    const read = readSignature(one, `/signatures/${at}`);
    if (!read.ok) return read;
    signatures.push(read.signature);
  }
  const restart = {
    network: network as NetworkId,
    set: validatorSet(epoch as Epoch, validators),
    last,
    certificate: votes === null || certificate === undefined ? null : certificateOf(last, certificate.kind, votes),
    signatures,
  };
  return { ok: true, restart };
}

function certificateOf(
  { view, block, root }: Restart['last'],
  kind: 'notarize' | 'finalize',
  signatures: Certificate['signatures'],
): Certificate {
  const ballot =
    kind === 'finalize' ? ({ kind, view, block, root } as const) : ({ kind, view, block, root: null } as const);
  return { ballot, signatures };
}

function readSignature(
  written: RestartSignaturesText[number],
  pointer: string,
): { readonly ok: true; readonly signature: AuthoritySignature } | RestartRefusal<RestartFormCode> {
  const bytes = fromBase64url(written.protected);
  const signature = fromBase64url(written.signature);
  if (bytes === null || signature === null) return refuse('malformed', 'this is not strict base64url', pointer);
  const header = parseShape(HeaderSchema, bytes, PROTECTED_BYTES_MAX);
  if (!header.ok) return refuse('malformed', `the protected header: ${header.detail}`, `${pointer}/protected`);
  const { alg, kid } = header.value;
  return { ok: true, signature: { protectedText: written.protected, alg, kid: kid as Thumbprint, signature } };
}

/** Parties and keys stand in the set once. */
function repeatedRefusal(validators: readonly Validator[]): RestartRefusal<RestartFormCode> | null {
  const parties = new Set<string>();
  const keys = new Set<string>();
  for (const [at, validator] of validators.entries()) {
    const pointer = `/statement/validators/${at}`;
    if (parties.has(validator.party))
      return refuse('duplicate_party', 'this party has a seat already', `${pointer}/party`);
    parties.add(validator.party);
    for (const role of ['voteKey', 'networkKey'] as const) {
      if (keys.has(validator[role]))
        return refuse('duplicate_key', 'this key stands in the set already', `${pointer}/${role}`);
      keys.add(validator[role]);
    }
  }
  return null;
}

/** A key of the set that is no good point; it takes milliseconds a key to find out, so this is not asked of what comes from a peer. */
export function weakKeyRefusal(validators: readonly Validator[]): RestartRefusal<RestartFormCode> | null {
  for (const [at, validator] of validators.entries()) {
    for (const role of ['voteKey', 'networkKey'] as const) {
      const weak = judgeKey({ alg: 'Ed25519', key: fromHex(validator[role]) });
      if (weak !== null) return refuse(weak.code, weak.detail, `/statement/validators/${at}/${role}`);
    }
  }
  return null;
}

/** An authority's instruction keys, as the genesis file or a state has them. */
export interface RestartAuthority {
  readonly party: string;
  readonly threshold: number;
  readonly keys: readonly Jwk[];
}

/** An authority's signature to be checked. */
export type AuthorityCheck = PublicKey & { readonly message: Uint8Array; readonly signature: Uint8Array };
export type AuthorityCode = 'duplicate_signer' | 'unknown_authority_key' | 'no_authority_quorum';

/**
 * The checks that a restart owes to its authorities' signatures, all of which must hold. Refuses, in this order, with
 * `duplicate_signer`, `unknown_authority_key` (a key that is none of theirs, or under an `alg` not of its type) and
 * `no_authority_quorum`: n - ⌊(n - 1)/3⌋ authorities must sign, each with as many keys as its threshold.
 */
export function authorityChecks(
  restart: Restart,
  authorities: readonly RestartAuthority[],
): { readonly ok: true; readonly checks: readonly AuthorityCheck[] } | Omit<RestartRefusal<AuthorityCode>, 'pointer'> {
  const keys = new Map<string, PublicKey & { readonly party: string }>();
  for (const { party, keys: jwks } of authorities) {
    for (const jwk of jwks) {
      const key = rawKeyOf(jwk);
      if (key.ok) keys.set(key.kid, { alg: key.alg, key: key.key, party });
    }
  }
  const seen = new Set<string>();
  const counts = new Map<string, number>();
  const checks: AuthorityCheck[] = [];
  for (const { kid, alg, protectedText, signature } of restart.signatures) {
    if (seen.has(kid)) return { ok: false, code: 'duplicate_signer', detail: `the key ${kid} signs twice` };
    seen.add(kid);
    const key = keys.get(kid);
    if (key === undefined || key.alg !== keyAlgOf(alg))
      return { ok: false, code: 'unknown_authority_key', detail: `${kid} is no key of an authority` };
    counts.set(key.party, (counts.get(key.party) ?? 0) + 1);
    checks.push({ alg: key.alg, key: key.key, message: restartSigningInput(restart, protectedText), signature });
  }
  const signed = authorities.filter(({ party, threshold }) => (counts.get(party) ?? 0) >= threshold).length;
  const needed = quorum(authorities.length);
  if (authorities.length === 0 || signed < needed) {
    const detail = `${signed} authorities signed, and ${needed} of ${authorities.length} must`;
    return { ok: false, code: 'no_authority_quorum', detail };
  }
  return { ok: true, checks };
}

/**
 * The block of view 0 with which the epoch begins: it orders nothing, keeps the last block's time, and changes the state
 * only in who validates. Its root is `H(result-root, root of the last, 32 zero bytes, state root)`.
 */
export const restartHeader = ({ network, set, last }: Restart, time: BlockHeader['time']): BlockHeader => ({
  network,
  epoch: set.epoch,
  view: 0 as View,
  height: (last.height + 1) as Height,
  parent: last.block,
  parentView: last.view,
  cut: set.validators.map(() => laneStart(0)),
  time,
  proposer: 0 as ValidatorIndex,
});

const refuse = <Code extends string>(code: Code, detail: string, pointer: string): RestartRefusal<Code> => ({
  ok: false,
  code,
  detail,
  pointer,
});
