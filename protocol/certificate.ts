/**
 * Certificates and hand-overs, checked by whoever holds the set of validators that signed them. How a signature is
 * checked is the caller's: `verifyReference` in a browser, native code on a server; both take these checks as they are.
 */
import { resultRoot, voteSigningBytes } from './block.js';
import { fromHex, Writer } from './codec.js';
import { TAGS } from './hash.js';
import { VALIDATORS_STATE_KEY, verifyStateProof } from './stateproof.js';
import {
  type BlockId,
  type Certificate,
  type Hash,
  type NetworkId,
  quorum,
  type Root,
  type ValidatorSet,
} from './types.js';

/** A signature of a validator's vote key. */
export interface VoteKeyCheck {
  readonly alg: 'Ed25519';
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}
export type SignatureJudge = (check: VoteKeyCheck) => boolean;
export type Signatures = Certificate['signatures'];
/** A finalization: the certificate that a bank takes away. */
export type Finalization = Certificate & { readonly ballot: Extract<Certificate['ballot'], { kind: 'finalize' }> };

export type CertificateCode = 'signers_not_ascending' | 'unknown_signer' | 'no_quorum' | 'bad_signature';
export interface CertificateRefusal<Code extends string = CertificateCode> {
  readonly ok: false;
  readonly code: Code;
  readonly detail: string;
}

/**
 * Whether a quorum of `set` signed the certificate's ballot in `network`. Refuses, in this order, with
 * `signers_not_ascending` (so each counts once), `unknown_signer`, `no_quorum` and `bad_signature`: one bad signature
 * refuses the whole, even where enough others remain, so that a certificate has one verdict.
 */
export function verifyCertificate(
  certificate: Certificate,
  { network, set }: { readonly network: NetworkId; readonly set: ValidatorSet },
  check: SignatureJudge,
): { readonly ok: true } | CertificateRefusal {
  return verifyQuorum(certificate.signatures, set, voteSigningBytes(network, set, certificate.ballot), check);
}

/** What is wrong with the signers of a certificate before any signature is checked, or null. */
export function judgeSigners(signatures: Signatures, set: ValidatorSet): CertificateRefusal | null {
  const size = set.validators.length;
  let before = -1;
  for (const { signer } of signatures) {
    if (signer <= before) return refuse('signers_not_ascending', `signer ${signer} comes after signer ${before}`);
    if (signer >= size) return refuse('unknown_signer', `signer ${signer} of a set of ${size}`);
    before = signer;
  }
  return signatures.length < quorum(size)
    ? refuse('no_quorum', `${signatures.length} signed, and ${quorum(size)} of ${size} must`)
    : null;
}

/** The checks that a certificate owes, once its signers are judged: for a caller that checks off its thread. */
export function certificateChecks(certificate: Certificate, network: NetworkId, set: ValidatorSet): VoteKeyCheck[] {
  return quorumChecks(certificate.signatures, set, voteSigningBytes(network, set, certificate.ballot));
}

function quorumChecks(signatures: Signatures, set: ValidatorSet, message: Uint8Array): VoteKeyCheck[] {
  return signatures.map(({ signer, signature }) => {
    const validator = set.validators[signer];
    return {
      alg: 'Ed25519',
      key: validator === undefined ? new Uint8Array(0) : fromHex(validator.voteKey),
      message,
      signature,
    };
  });
}

function verifyQuorum(
  signatures: Signatures,
  set: ValidatorSet,
  message: Uint8Array,
  check: SignatureJudge,
): { readonly ok: true } | CertificateRefusal {
  const refusal = judgeSigners(signatures, set);
  if (refusal !== null) return refusal;
  const bad = quorumChecks(signatures, set, message).findIndex((owed) => !check(owed));
  return bad < 0
    ? { ok: true }
    : refuse('bad_signature', `the signature of signer ${String(signatures[bad]?.signer)} does not hold`);
}

/** The value of the state's entry `validators`: which set has the say after the block that this state belongs to. */
export const validatorsStateValue = (set: Pick<ValidatorSet, 'epoch' | 'digest'>): Uint8Array =>
  new Writer(40).u64(set.epoch).hash(set.digest).finish();

/**
 * How one epoch's set passes the say to the next. `block` is B, the block whose execution changed the set; what is
 * finalized is B, or a closing block after it, which keeps B's root.
 */
export interface HandOver {
  /** The set that takes over. */
  readonly set: ValidatorSet;
  readonly block: BlockId;
  /** By a quorum of the set before. */
  readonly finalization: Finalization;
  /** What B's result root is made of. */
  readonly opening: { readonly parentResultRoot: Root; readonly receiptsRoot: Root; readonly stateRoot: Root };
  /** That B's state names `set`: the siblings of the entry `validators`, root first. */
  readonly siblings: readonly Hash[];
  /** By a quorum of `set`, over `handOverSigningBytes`. */
  readonly statements: Signatures;
}

/** What a member of the new set signs, with its vote key, once it holds B's finalization. */
export const handOverSigningBytes = (
  network: NetworkId,
  set: Pick<ValidatorSet, 'epoch' | 'digest'>,
  block: BlockId,
  root: Root,
): Uint8Array =>
  new Writer(192).raw(TAGS.handOver).hash(network).u64(set.epoch).hash(set.digest).hash(block).hash(root).finish();

export type HandOverCode = CertificateCode | 'wrong_epoch' | 'wrong_root' | 'unproven_set';

/**
 * Whether `before` passed the say to `handOver.set`. Both must speak: a quorum of the old set finalized a state that
 * names the new one (else anybody could make up a set and sign for it), and a quorum of the new set stated from which
 * block it goes on. Refuses with `wrong_epoch`, `wrong_root`, `unproven_set`, or as a certificate does.
 */
export function verifyHandOver(
  handOver: HandOver,
  { network, set: before }: { readonly network: NetworkId; readonly set: ValidatorSet },
  check: SignatureJudge,
): { readonly ok: true } | CertificateRefusal<HandOverCode> {
  const { set, finalization, opening, siblings } = handOver;
  const { root } = finalization.ballot;
  if (set.epoch !== before.epoch + 1)
    return refuse('wrong_epoch', `epoch ${set.epoch} does not come after ${before.epoch}`);
  if (resultRoot(opening.parentResultRoot, opening.receiptsRoot, opening.stateRoot) !== root) {
    return refuse('wrong_root', 'the opening does not lead to the finalized root');
  }
  const proof = { key: VALIDATORS_STATE_KEY, value: validatorsStateValue(set), siblings, other: null };
  if (!verifyStateProof(opening.stateRoot, proof))
    return refuse('unproven_set', 'the finalized state does not name this set');
  const finalized = verifyCertificate(finalization, { network, set: before }, check);
  if (!finalized.ok) return finalized;
  return verifyQuorum(handOver.statements, set, handOverSigningBytes(network, set, handOver.block, root), check);
}

const refuse = <Code extends string>(code: Code, detail: string): CertificateRefusal<Code> => ({
  ok: false,
  code,
  detail,
});
