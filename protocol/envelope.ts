/**
 * What nodes send each other: one frame, one message. Bytes become a message here and nowhere else; what must be signed
 * lists its checks, and the cores see a message only when all of them passed.
 */

import {
  decodeSignedBatch,
  encodeHeader,
  encodeSignedBatch,
  readCertificate,
  readHeader,
  readLanePoint,
  readProposal,
  readVote,
  voteSigningBytes,
  writeCertificate,
  writeLanePoint,
  writeProposal,
  writeVote,
} from './block.js';
import { type HandOver, handOverSigningBytes } from './certificate.js';
import { DecodeError, decode, fromHex, Reader, Writer } from './codec.js';
import { encodeHandOver, readHandOver } from './handover.js';
import { BATCH_ITEMS_MAX, ITEM_BYTES_MAX, SYNC_BLOCKS_MAX, VALIDATORS_MAX } from './limits.js';
import { readSnapshotMessage, SNAPSHOT_MESSAGES, type SnapshotMessage, writeSnapshotMessage } from './snapshot.js';
import {
  type BlockHeader,
  type BlockId,
  type Certificate,
  type Cut,
  type Epoch,
  type Hash,
  type Height,
  type InstructionDigest,
  type LanePoint,
  type NetworkId,
  type Proposal,
  type Root,
  unreachable,
  type ValidatorIndex,
  type ValidatorSet,
  type View,
  type Vote,
} from './types.js';

export type Message =
  | { readonly type: 'proposal'; readonly proposal: Proposal }
  | { readonly type: 'vote'; readonly vote: Vote }
  | { readonly type: 'certificate'; readonly certificate: Certificate }
  /** Asks for the certificates of views from..until. */
  | { readonly type: 'wantCertificates'; readonly from: View; readonly until: View }
  /** How far the sender has durably stored each lane, and its last final height. */
  | { readonly type: 'held'; readonly lanes: Cut; readonly finalHeight: Height }
  | { readonly type: 'batch'; readonly bytes: Uint8Array; readonly signature: Uint8Array }
  /** Asks for a lane's batches after number `after`, up to the one named. */
  | { readonly type: 'wantBatches'; readonly lane: ValidatorIndex; readonly after: number; readonly point: LanePoint }
  | { readonly type: 'wantBlock'; readonly block: BlockId }
  /** Asks for final blocks from a height on. */
  | { readonly type: 'wantFinal'; readonly from: Height }
  /** Consecutive headers of one epoch, the last of them certified final. */
  | { readonly type: 'final'; readonly headers: readonly BlockHeader[]; readonly certificate: Certificate }
  /** A member of the next set says that it goes on from the block that ended the epoch before. */
  | { readonly type: 'statement'; readonly statement: Statement }
  /** Asks how an epoch was opened. */
  | { readonly type: 'wantHandOver'; readonly to: Epoch }
  | { readonly type: 'handOver'; readonly handOver: HandOver }
  /** A node without a lane gives instructions, as lanes carry them, to a validator. */
  | { readonly type: 'submit'; readonly items: readonly Uint8Array[] }
  /** Which of them are durable in the validator's lane. */
  | { readonly type: 'taken'; readonly digests: readonly InstructionDigest[] }
  /** A node that is no validator has final blocks up to this height, and wants `held`; with `push` also new blocks as they come. */
  | { readonly type: 'follow'; readonly height: Height; readonly push: boolean }
  /** The final block of this height is no longer here, or cannot be shown with a certificate in one answer. */
  | { readonly type: 'gone'; readonly height: Height }
  | SnapshotMessage;

/** A message and the epoch that its sender speaks of: places in the set, views and lanes mean something only within one. */
export type Framed = Message & { readonly epoch: Epoch };

/** What a member of a new set signs with its vote key, over `handOverSigningBytes`. */
export interface Statement {
  readonly block: BlockId;
  readonly root: Root;
  readonly signer: ValidatorIndex;
  readonly signature: Uint8Array;
}

const TYPES = [
  'proposal',
  'vote',
  'certificate',
  'wantCertificates',
  'held',
  'batch',
  'wantBatches',
  'wantBlock',
  'wantFinal',
  'final',
  'statement',
  'wantHandOver',
  'handOver',
  'submit',
  'taken',
  'follow',
  ...SNAPSHOT_MESSAGES,
  'gone',
] as const satisfies readonly Message['type'][];

const HEADER_BYTES_MAX = 256 + 44 * VALIDATORS_MAX;

export function encodeMessage(message: Framed): Uint8Array {
  const writer = new Writer(512).u8(TYPES.indexOf(message.type)).u64(message.epoch);
  switch (message.type) {
    case 'proposal':
      writeProposal(writer, message.proposal);
      break;
    case 'vote':
      writeVote(writer, message.vote);
      break;
    case 'certificate':
      writeCertificate(writer, message.certificate);
      break;
    case 'wantCertificates':
      writer.u64(message.from).u64(message.until);
      break;
    case 'held':
      writer.list(message.lanes, writeLanePoint).u64(message.finalHeight);
      break;
    case 'batch':
      writer.raw(encodeSignedBatch(message));
      break;
    case 'wantBatches':
      writer.u16(message.lane).u64(message.after);
      writeLanePoint(writer, message.point);
      break;
    case 'wantBlock':
      writer.hash(message.block);
      break;
    case 'wantFinal':
      writer.u64(message.from);
      break;
    case 'final':
      writer.list(message.headers, (w, header) => w.bytes(encodeHeader(header)));
      writeCertificate(writer, message.certificate);
      break;
    case 'statement': {
      const { block, root, signer, signature } = message.statement;
      writer.hash(block).hash(root).u16(signer).raw(signature);
      break;
    }
    case 'wantHandOver':
      writer.u64(message.to);
      break;
    case 'handOver':
      writer.raw(encodeHandOver(message.handOver));
      break;
    case 'submit':
      writer.list(message.items, (w, item) => w.bytes(item));
      break;
    case 'taken':
      writer.list(message.digests, (w, digest) => w.hash(digest));
      break;
    case 'follow':
      writer.u64(message.height).u8(message.push ? 1 : 0);
      break;
    case 'gone':
      writer.u64(message.height);
      break;
    case 'wantSnapshot':
    case 'snapshot':
    case 'wantChunk':
    case 'chunk':
      writeSnapshotMessage(writer, message);
      break;
    default:
      return unreachable(message);
  }
  return writer.finish();
}

/** A message from a frame, or null when the bytes are none. Nothing in it is verified yet. */
export const decodeMessage = (frame: Uint8Array): Framed | null =>
  decode(frame, (reader) => {
    const type = TYPES[reader.u8()];
    const epoch = reader.u64() as Epoch;
    return { ...readBody(type, reader, frame.length), epoch };
  });

const FRAME_HEADER_BYTES = 9;

function readBody(type: Message['type'] | undefined, reader: Reader, frameBytes: number): Message {
  switch (type) {
    case 'proposal':
      return { type, proposal: readProposal(reader) };
    case 'vote':
      return { type, vote: readVote(reader) };
    case 'certificate':
      return { type, certificate: readCertificate(reader) };
    case 'wantCertificates':
      return { type, from: reader.u64() as View, until: reader.u64() as View };
    case 'held':
      return { type, lanes: reader.list(VALIDATORS_MAX, readLanePoint), finalHeight: reader.u64() as Height };
    case 'batch': {
      const signed = decodeSignedBatch(reader.raw(frameBytes - FRAME_HEADER_BYTES));
      if (signed === null) throw new DecodeError('no signed batch');
      return { type, ...signed };
    }
    case 'wantBatches':
      return { type, lane: reader.u16() as ValidatorIndex, after: reader.u64(), point: readLanePoint(reader) };
    case 'wantBlock':
      return { type, block: reader.hash() as BlockId };
    case 'wantFinal':
      return { type, from: reader.u64() as Height };
    case 'final': {
      const headers = reader.list(SYNC_BLOCKS_MAX, (r) => {
        const inner = new Reader(r.bytes(HEADER_BYTES_MAX));
        const header = readHeader(inner);
        inner.end();
        return header;
      });
      return { type, headers, certificate: readCertificate(reader) };
    }
    case 'statement': {
      const [block, root] = [reader.hash() as BlockId, reader.hash() as Hash & Root];
      const signer = reader.u16() as ValidatorIndex;
      return { type, statement: { block, root, signer, signature: new Uint8Array(reader.raw(64)) } };
    }
    case 'wantHandOver':
      return { type, to: reader.u64() as Epoch };
    case 'handOver':
      return { type, handOver: readHandOver(reader) };
    case 'submit':
      return { type, items: reader.list(BATCH_ITEMS_MAX, (r) => r.bytes(ITEM_BYTES_MAX)) };
    case 'taken':
      return { type, digests: reader.list(BATCH_ITEMS_MAX, (r) => r.hash() as InstructionDigest) };
    case 'follow':
      return { type, height: reader.u64() as Height, push: readFlag(reader) };
    case 'gone':
      return { type, height: reader.u64() as Height };
    case 'wantSnapshot':
    case 'snapshot':
    case 'wantChunk':
    case 'chunk':
      return readSnapshotMessage(type, reader);
    case undefined:
      throw new DecodeError('an unknown message');
    default:
      return unreachable(type);
  }
}

/** An Ed25519 signature to check, with the raw key of a validator. */
export interface ValidatorCheck {
  readonly alg: 'Ed25519';
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

function readFlag(reader: Reader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new DecodeError('a flag is 0 or 1');
  return flag === 1;
}

export function statementCheck(network: NetworkId, set: ValidatorSet, statement: Statement): ValidatorCheck | null {
  const signer = set.validators[statement.signer];
  if (signer === undefined) return null;
  const message = handOverSigningBytes(network, set, statement.block, statement.root);
  return { alg: 'Ed25519', key: fromHex(signer.voteKey), message, signature: statement.signature };
}

export function voteCheck(network: NetworkId, set: ValidatorSet, vote: Vote): ValidatorCheck | null {
  const signer = set.validators[vote.signer];
  if (signer === undefined) return null;
  const message = voteSigningBytes(network, set, vote.ballot);
  return { alg: 'Ed25519', key: fromHex(signer.voteKey), message, signature: vote.signature };
}
