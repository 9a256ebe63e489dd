/**
 * What validators send each other: one frame, one message. Bytes become a message here and nowhere else; what must be
 * signed lists its checks, and the cores see a message only when all of them passed.
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
import { DecodeError, decode, fromHex, Reader, Writer } from './codec.js';
import { SYNC_BLOCKS_MAX, VALIDATORS_MAX } from './limits.js';
import {
  type BlockHeader,
  type BlockId,
  type Certificate,
  type Cut,
  type Height,
  type LanePoint,
  type NetworkId,
  type Proposal,
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
  /** Consecutive headers, the last of them certified final. */
  | { readonly type: 'final'; readonly headers: readonly BlockHeader[]; readonly certificate: Certificate };

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
] as const satisfies readonly Message['type'][];

const HEADER_BYTES_MAX = 256 + 44 * VALIDATORS_MAX;

export function encodeMessage(message: Message): Uint8Array {
  const writer = new Writer(512).u8(TYPES.indexOf(message.type));
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
    default:
      return unreachable(message);
  }
  return writer.finish();
}

/** A message from a frame, or null when the bytes are none. Nothing in it is verified yet. */
export function decodeMessage(frame: Uint8Array): Message | null {
  return decode(frame, (reader) => {
    const type = TYPES[reader.u8()];
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
        const signed = decodeSignedBatch(reader.raw(frame.length - 1));
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
      case undefined:
        throw new DecodeError('an unknown message');
      default:
        return unreachable(type);
    }
  });
}

/** An Ed25519 signature to check, with the raw key of a validator. */
export interface ValidatorCheck {
  readonly alg: 'Ed25519';
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

export function voteCheck(network: NetworkId, set: ValidatorSet, vote: Vote): ValidatorCheck | null {
  const signer = set.validators[vote.signer];
  if (signer === undefined) return null;
  const message = voteSigningBytes(network, set, vote.ballot);
  return { alg: 'Ed25519', key: fromHex(signer.voteKey), message, signature: vote.signature };
}
