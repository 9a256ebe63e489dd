/**
 * Certificates and hand-overs, checked by whoever holds the set of validators that signed them. How a signature is
 * checked is the caller's: `verifyReference` in a browser, native code on a server; both take these checks as they are.
 */
import { resultRoot, voteSigningBytes } from './block.js';
import { fromHex, Writer } from './codec.js';
import { TAGS } from './hash.js';
import {
  type AuthorityCheck,
  type AuthorityCode,
  authorityChecks,
  type Restart,
  type RestartAuthority,
  statementBytes,
} from './restart.js';
import { VALIDATORS_STATE_KEY, verifyStateProof } from './stateproof.js';
import {
  type BlockId,
  type Certificate,
  type Hash,
  type NetworkId,
  quorum,
  type Root,
  unreachable,
  type ValidatorSet,
} from './types.js';

/** A signature of a validator's vote key. */
export interface VoteKeyCheck {
  readonly alg: 'Ed25519';
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}
/** Votes are checked with it, and the signatures of authorities, whose keys may be of either kind. */
export type SignatureJudge = (check: AuthorityCheck) => boolean;
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

interface Passed {
  /** The set that takes over. */
  readonly set: ValidatorSet;
  /** The last block of the epoch before. */
  readonly block: BlockId;
  /** By a quorum of `set`, over `handOverSigningBytes`. */
  readonly statements: Signatures;
}

/**
 * The set changed by an instruction. `block` is B, the block whose execution changed the set; what is finalized is B, or
 * a closing block after it, which keeps B's root.
 */
export interface ChangeHandOver extends Passed {
  readonly kind: 'change';
  /** By a quorum of the set before. */
  readonly finalization: Finalization;
  /** What B's result root is made of. */
  readonly opening: { readonly parentResultRoot: Root; readonly receiptsRoot: Root; readonly stateRoot: Root };
  /** That B's state names `set`: the siblings of the entry `validators`, root first. */
  readonly siblings: readonly Hash[];
}

/** More than f were lost, and a quorum of the authorities says how it goes on. `set` and `block` are the restart's. */
export interface RestartHandOver extends Passed {
  readonly kind: 'restart';
  readonly restart: Restart;
}

/** How one epoch's set passes the say to the next. */
export type HandOver = ChangeHandOver | RestartHandOver;

export const restartHandOver = (restart: Restart, statements: Signatures = []): RestartHandOver => ({
  kind: 'restart',
  set: restart.set,
  block: restart.last.block,
  restart,
  statements,
});

/** The result root of the last block of the epoch before. */
export function lastRoot(handOver: HandOver): Root {
  switch (handOver.kind) {
    case 'change':
      return handOver.finalization.ballot.root;
    case 'restart':
      return handOver.restart.last.root;
    default:
      return unreachable(handOver);
  }
}

/** What a member of the new set signs, with its vote key, once it holds B's finalization. */
export const handOverSigningBytes = (
  network: NetworkId,
  set: Pick<ValidatorSet, 'epoch' | 'digest'>,
  block: BlockId,
  root: Root,
): Uint8Array =>
  new Writer(192).raw(TAGS.handOver).hash(network).u64(set.epoch).hash(set.digest).hash(block).hash(root).finish();

export type RestartCode =
  | CertificateCode
  | AuthorityCode
  | 'wrong_network'
  | 'wrong_epoch'
  | 'wrong_certificate'
  | 'bad_authority_signature';
export type HandOverCode = CertificateCode | RestartCode | 'wrong_root' | 'unproven_set';

/** What a hand-over is checked against. */
export interface HandOverTrust {
  readonly network: NetworkId;
  /** The set before. */
  readonly set: ValidatorSet;
  /** Whose signatures count on a restart; without them none do. */
  readonly authorities?: readonly RestartAuthority[];
  /** Restarts whose authorities' signatures the holder need not check, having the files from a source that it trusts. */
  readonly vouched?: readonly Restart[];
}

/**
 * Whether `before` passed the say to `handOver.set`. By a change both must speak: a quorum of the old set finalized a
 * state that names the new one (else anybody could make up a set and sign for it), and a quorum of the new set stated
 * from which block it goes on. By a restart the authorities stand in for the old set. Refuses a change with `wrong_epoch`,
 * `wrong_root`, `unproven_set`, or as a certificate does; a restart as `verifyRestart` does.
 */
export function verifyHandOver(
  handOver: HandOver,
  trust: HandOverTrust,
  check: SignatureJudge,
): { readonly ok: true } | CertificateRefusal<HandOverCode> {
  const taken = verifyTaken(handOver, trust, check);
  if (!taken.ok) return taken;
  const { set, block } = handOver;
  const message = handOverSigningBytes(trust.network, set, block, lastRoot(handOver));
  return verifyQuorum(handOver.statements, set, message, check);
}

/** The same without the new set's statements, which come a moment after it has taken over. */
export function verifyTaken(
  handOver: HandOver,
  trust: HandOverTrust,
  check: SignatureJudge,
): { readonly ok: true } | CertificateRefusal<HandOverCode> {
  switch (handOver.kind) {
    case 'change':
      return verifyChange(handOver, trust, check);
    case 'restart':
      return verifyRestart(handOver.restart, trust, check);
    default:
      return unreachable(handOver);
  }
}

function verifyChange(
  { set, finalization, opening, siblings }: ChangeHandOver,
  { network, set: before }: HandOverTrust,
  check: SignatureJudge,
): { readonly ok: true } | CertificateRefusal<HandOverCode> {
  if (set.epoch !== before.epoch + 1)
    return refuse('wrong_epoch', `epoch ${set.epoch} does not come after ${before.epoch}`);
  if (resultRoot(opening.parentResultRoot, opening.receiptsRoot, opening.stateRoot) !== finalization.ballot.root) {
    return refuse('wrong_root', 'the opening does not lead to the finalized root');
  }
  const proof = { key: VALIDATORS_STATE_KEY, value: validatorsStateValue(set), siblings, other: null };
  if (!verifyStateProof(opening.stateRoot, proof))
    return refuse('unproven_set', 'the finalized state does not name this set');
  return verifyCertificate(finalization, { network, set: before }, check);
}

/**
 * Whether a restart is of the epoch after `set`'s, over a block that `set` notarized, and signed by a quorum of the
 * authorities. Refuses as `judgeRestart` does, then with `bad_signature`, then with the codes of `authorityChecks` and
 * with `bad_authority_signature`.
 */
function verifyRestart(
  restart: Restart,
  { network, set, authorities = [], vouched = [] }: HandOverTrust,
  check: SignatureJudge,
): { readonly ok: true } | CertificateRefusal<RestartCode> {
  const refusal = judgeRestart(restart, { network, set });
  if (refusal !== null) return refusal;
  const { certificate } = restart;
  if (certificate !== null) {
    const notarized = verifyCertificate(certificate, { network, set }, check);
    if (!notarized.ok) return notarized;
  }
  if (vouched.some((known) => isSameRestart(known, restart))) return { ok: true };
  const owed = authorityChecks(restart, authorities);
  if (!owed.ok) return owed;
  const bad = owed.checks.findIndex((one) => !check(one));
  return bad < 0
    ? { ok: true }
    : refuse('bad_authority_signature', `the signature of ${String(restart.signatures[bad]?.kid)} does not hold`);
}

/**
 * What is wrong with a restart before any signature is checked and whoever signed it, or null: `wrong_network`,
 * `wrong_epoch`, `wrong_certificate` (one where nothing was notarized, or none where something was), and as a
 * certificate's signers are judged.
 */
export function judgeRestart(
  { network, set, last, certificate }: Restart,
  trust: Pick<HandOverTrust, 'network' | 'set'>,
): CertificateRefusal<RestartCode> | null {
  if (network !== trust.network) return refuse('wrong_network', 'the restart is of another network');
  const before = trust.set.epoch;
  if (set.epoch !== before + 1 || last.epoch !== before)
    return refuse('wrong_epoch', `a restart from epoch ${last.epoch} to ${set.epoch} does not come after ${before}`);
  if ((certificate === null) !== (last.view === 0))
    return refuse('wrong_certificate', 'a block of a view past 0 is certified, and no other');
  return certificate === null ? null : judgeSigners(certificate.signatures, trust.set);
}

/** Whether two say the same, whoever signed them. */
export function isSameRestart(a: Restart, b: Restart): boolean {
  const [left, right] = [statementBytes(a), statementBytes(b)];
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

const refuse = <Code extends string>(code: Code, detail: string): CertificateRefusal<Code> => ({
  ok: false,
  code,
  detail,
});
