/** Making and signing instructions on the client's side, in a browser too: keys stay with whoever signs. */
import { fromBase64url, toBase64url } from '../../protocol/base64url.js';
import { canonicalBytes } from '../../protocol/canonical.js';
import { jwkOf, type KeyAlg, publicKeyOfSecret, signEd25519, signEs256, thumbprint } from '../../protocol/crypto.js';
import { instructionDigest, type JwsJson } from '../../protocol/instruction.js';
import { type JwsAlg, type JwsType, possessionStatement, protectedTextOf, signingInput } from '../../protocol/jws.js';
import { VALIDITY_MS_MAX } from '../../protocol/limits.js';
import type { Jwk, NewKey, Payload } from '../../protocol/payload.js';
import { assert, type Bic, type InstructionDigest, type NetworkId, type Thumbprint } from '../../protocol/types.js';
import { formatTime } from '../../protocol/values.js';

/** Whoever holds a key: this SDK, an HSM, a signing service. */
export interface InstructionSigner {
  /** RFC 7638 thumbprint of the public key. */
  readonly kid: Thumbprint;
  readonly alg: JwsAlg;
  /** Signs the bytes themselves (ES256 hashes them with SHA-256) and gives 64 bytes: R || S, or r || s. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

type Given = 'id' | 'issued' | 'expires';
type FieldsOf<P> = P extends unknown ? Omit<P, Given> & { readonly [K in Given]?: string } : never;
/** A payload, of which `id` (a random UUID), `issued` (5 s ago by the clock of a machine) and `expires` (issued + validityMs) are filled in when absent. */
export type PayloadFields = FieldsOf<Payload>;

export interface BuiltInstruction {
  readonly payload: Payload;
  /** Canonical JSON (RFC 8785): what the digest names and keys sign. */
  readonly payloadBytes: Uint8Array;
  readonly digest: InstructionDigest;
}

const VALIDITY_MS = 10 * 60 * 1000;
/** So that a node or leader whose clock is this far behind the client's neither refuses the payload nor makes it wait. */
export const ISSUED_EARLIER_MS = 5_000;
/** Where time is scaled, so much of what an instruction may live at most. */
const ISSUED_EARLIER_MS_MAX = VALIDITY_MS_MAX / 8;

/** By what time a payload is dated: by default the client's own clock, which is right on every network of record. */
export interface Dating {
  readonly nowMs?: number;
  /** How many times faster than clocks the network's time runs: 1 but on a test network. */
  readonly timeScale?: number;
  /** 10 minutes of the machine's time if absent, as far as instructions may live so long. */
  readonly validityMs?: number;
}

/** What a node's status says of its network's time. A node of an earlier version says nothing of it. */
export interface NetworkTimeAnswer {
  readonly now?: string;
  readonly test?: { readonly timeScale: number } | null;
}

/** How a network wants payloads dated: where its status says that it is a test network, by the network's own time. */
export const datingOf = ({
  now,
  test = null,
}: NetworkTimeAnswer): { readonly nowMs: number; readonly timeScale: number } =>
  test === null || now === undefined
    ? { nowMs: Date.now(), timeScale: 1 }
    : { nowMs: Date.parse(now), timeScale: test.timeScale };

/** The canonical bytes of a payload and their digest. Nothing is checked that the node checks. */
export function buildInstruction(
  fields: PayloadFields,
  { nowMs = Date.now(), timeScale = 1, validityMs = Math.min(VALIDITY_MS * timeScale, VALIDITY_MS_MAX) }: Dating = {},
): BuiltInstruction {
  const issuedMs = nowMs - Math.min(ISSUED_EARLIER_MS * timeScale, ISSUED_EARLIER_MS_MAX);
  const payload: Payload = {
    ...fields,
    id: fields.id ?? globalThis.crypto.randomUUID(),
    issued: fields.issued ?? formatTime(issuedMs),
    expires: fields.expires ?? formatTime(issuedMs + validityMs),
  };
  const payloadBytes = canonicalBytes(payload);
  return { payload, payloadBytes, digest: instructionDigest(payloadBytes) };
}

/** Signs a payload with each of the signers, in their order. */
export async function signInstruction(
  { payloadBytes }: Pick<BuiltInstruction, 'payloadBytes'>,
  signers: readonly InstructionSigner[],
): Promise<JwsJson> {
  const payload = toBase64url(payloadBytes);
  return {
    payload,
    signatures: await Promise.all(signers.map((signer) => signatureOf(payload, 'causeway+json', signer))),
  };
}

/** The same instruction with further signatures: how a second bank consents to what the first one sent it. */
export async function cosignInstruction(jws: JwsJson, signers: readonly InstructionSigner[]): Promise<JwsJson> {
  const added = await Promise.all(signers.map((signer) => signatureOf(jws.payload, 'causeway+json', signer)));
  return { payload: jws.payload, signatures: [...jws.signatures, ...added] };
}

/** The digest of a signed instruction, or null when its payload is no base64url. */
export function digestOf(jws: Pick<JwsJson, 'payload'>): InstructionDigest | null {
  const payloadBytes = fromBase64url(jws.payload);
  return payloadBytes === null ? null : instructionDigest(payloadBytes);
}

/** A key for `participant` admit or `key` add: its JWK with the proof that `signer` holds it, for one party of one network. */
export async function proveKey(
  { network, party, jwk }: { readonly network: string; readonly party: string; readonly jwk: Jwk },
  signer: InstructionSigner,
): Promise<NewKey> {
  assert(signer.kid === thumbprint(jwk), 'the key that signs is the key that is proven');
  const statement = possessionStatement(network as NetworkId, party as Bic, signer.kid);
  return { jwk, possession: await signatureOf(statement, 'causeway-possession+json', signer) };
}

/** A signer with the 32-byte secret in memory: an Ed25519 seed, or a P-256 scalar. */
export function keySigner(alg: KeyAlg, secret: Uint8Array): InstructionSigner & { readonly jwk: Jwk } {
  const jwk = jwkOf({ alg, key: publicKeyOfSecret(alg, secret) });
  const sign = alg === 'Ed25519' ? signEd25519 : signEs256;
  return { kid: thumbprint(jwk), alg, jwk, sign: async (bytes) => sign(secret, bytes) };
}

async function signatureOf(
  payloadText: string,
  typ: JwsType,
  signer: InstructionSigner,
): Promise<{ protected: string; signature: string }> {
  const header = protectedTextOf({ alg: signer.alg, kid: signer.kid, typ });
  return { protected: header, signature: toBase64url(await signer.sign(signingInput(header, payloadText))) };
}
