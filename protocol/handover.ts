/**
 * From one epoch to the next: the block that the new set goes on from, and the bytes of a hand-over as nodes keep and
 * send it. What a hand-over must show stands in `certificate.ts`.
 */
import { readCertificate, validatorSet, writeCertificate } from './block.js';
import { canonicalBytes } from './canonical.js';
import { type Finalization, type HandOver, restartHandOver, type Signatures } from './certificate.js';
import { DecodeError, decode, type Reader, Writer } from './codec.js';
import { TAGS, taggedHash } from './hash.js';
import { VALIDATORS_MAX } from './limits.js';
import {
  encodeRestartSignatures,
  RESTART_BYTES_MAX,
  type Restart,
  RestartSignaturesSchema,
  RestartStatementSchema,
  readRestart,
  statementBytes,
} from './restart.js';
import { parseShape } from './shape.js';
import {
  type Bic,
  type BlockId,
  type Epoch,
  type PeerKey,
  type Root,
  unreachable,
  type Validator,
  type ValidatorIndex,
  type ValidatorSet,
} from './types.js';

/** The block of view 0 that an epoch grows from: it names B, the last block of the epoch before, its root, and the new set. */
export const openingId = (set: Pick<ValidatorSet, 'epoch' | 'digest'>, last: BlockId, root: Root): BlockId =>
  taggedHash(TAGS.opening, new Writer(128).u64(set.epoch).hash(set.digest).hash(last).hash(root).finish()) as BlockId;

const SIBLINGS_MAX = 256;
const BIC_BYTES = 11;

function writeValidators(writer: Writer, validators: readonly Validator[]): void {
  writer.list(validators, (w, { party, voteKey, networkKey }) => w.text(party).hash(voteKey).hash(networkKey));
}
const readValidators = (reader: Reader): Validator[] =>
  reader.list(VALIDATORS_MAX, (r) => ({
    party: r.text(BIC_BYTES) as Bic,
    voteKey: r.hash(),
    networkKey: r.hash() as PeerKey,
  }));

const CHANGE = 0;
const RESTART = 1;

export function encodeHandOver(handOver: HandOver): Uint8Array {
  const writer = new Writer(1024);
  switch (handOver.kind) {
    case 'change': {
      const { set, block, finalization, opening, siblings } = handOver;
      writer.u8(CHANGE).u64(set.epoch);
      writeValidators(writer, set.validators);
      writeCertificate(writer.hash(block), finalization);
      writer.hash(opening.parentResultRoot).hash(opening.receiptsRoot).hash(opening.stateRoot);
      writer.list(siblings, (w, sibling) => w.hash(sibling));
      break;
    }
    case 'restart': {
      const { restart } = handOver;
      const signatures = canonicalBytes(encodeRestartSignatures(restart.signatures));
      writer.u8(RESTART).bytes(statementBytes(restart)).bytes(signatures);
      break;
    }
    default:
      unreachable(handOver);
  }
  return writer.list(handOver.statements, (w, { signer, signature }) => w.u16(signer).raw(signature)).finish();
}

export function readHandOver(reader: Reader): HandOver {
  const kind = reader.u8();
  if (kind === CHANGE) return readChange(reader);
  if (kind !== RESTART) throw new DecodeError('an unknown kind of hand-over');
  const restart = readStatement(reader);
  return restartHandOver(restart, readStatements(reader));
}

function readChange(reader: Reader): HandOver {
  const epoch = reader.u64() as Epoch;
  const set = validatorSet(epoch, readValidators(reader));
  const block = reader.hash() as BlockId;
  const finalization = readCertificate(reader);
  if (finalization.ballot.kind !== 'finalize') throw new DecodeError('a hand-over has a finalization');
  const roots = [reader.hash(), reader.hash(), reader.hash()] as unknown as [Root, Root, Root];
  const siblings = reader.list(SIBLINGS_MAX, (r) => r.hash());
  return {
    kind: 'change',
    set,
    block,
    finalization: finalization as Finalization,
    opening: { parentResultRoot: roots[0], receiptsRoot: roots[1], stateRoot: roots[2] },
    siblings,
    statements: readStatements(reader),
  };
}

const readStatements = (reader: Reader): Signatures =>
  reader.list(VALIDATORS_MAX, (r) => ({
    signer: r.u16() as ValidatorIndex,
    signature: new Uint8Array(r.raw(64)),
  }));

/** Statement and signatures as RFC 8785 writes them: the bytes that are signed travel as they are. */
function readStatement(reader: Reader): Restart {
  const [statement, signatures] = [reader.bytes(RESTART_BYTES_MAX), reader.bytes(RESTART_BYTES_MAX)];
  const said = parseShape(RestartStatementSchema, statement, RESTART_BYTES_MAX);
  const signed = parseShape(RestartSignaturesSchema, signatures, RESTART_BYTES_MAX);
  const read = said.ok && signed.ok ? readRestart(said.value, signed.value) : null;
  if (read?.ok !== true) throw new DecodeError('no restart');
  const again = canonicalBytes(encodeRestartSignatures(read.restart.signatures));
  if (!areSame(statementBytes(read.restart), statement) || !areSame(again, signatures))
    throw new DecodeError('a restart in another form than its own');
  return read.restart;
}

const areSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, at) => byte === b[at]);

export const decodeHandOver = (bytes: Uint8Array): HandOver | null => decode(bytes, readHandOver);
