/** Lanes, blocks, votes and certificates: their bytes, their digests, and what is signed. */
import { DecodeError, decode, Reader, Writer } from './codec.js';
import { concat, hashOf, TAGS, taggedHash } from './hash.js';
import { BATCH_BYTES_MAX, BATCH_ITEMS_MAX, ITEM_BYTES_MAX, VALIDATORS_MAX } from './limits.js';
import {
  type Ballot,
  type Batch,
  type BatchDigest,
  type BlockHeader,
  type BlockId,
  type Certificate,
  type Epoch,
  type Hash,
  type Height,
  type LanePoint,
  type NetworkId,
  type Proposal,
  type Root,
  type SignedBatch,
  type TimestampMs,
  type Validator,
  type ValidatorIndex,
  type ValidatorSet,
  type View,
  type Vote,
  type VoteKind,
  ZERO_HASH,
} from './types.js';

/** The empty lane from which every incarnation's first batch goes on. */
export const laneStart = (incarnation: number): LanePoint => ({
  incarnation,
  number: 0,
  digest: ZERO_HASH as BatchDigest,
});

export function writeLanePoint(writer: Writer, point: LanePoint): void {
  writer.u32(point.incarnation).u64(point.number).hash(point.digest);
}
export const readLanePoint = (reader: Reader): LanePoint => ({
  incarnation: reader.u32(),
  number: reader.u64(),
  digest: reader.hash() as BatchDigest,
});

export function encodeBatch(batch: Batch): Uint8Array {
  const writer = new Writer(64 + batch.items.reduce((sum, item) => sum + item.length + 4, 0));
  writer.u16(batch.author).u64(batch.epoch).u32(batch.incarnation).u64(batch.number).hash(batch.previous);
  return writer.list(batch.items, (w, item) => w.bytes(item)).finish();
}

/** A batch from its bytes, or null when they are none or break a bound. */
export const decodeBatch = (bytes: Uint8Array): Batch | null =>
  bytes.length > BATCH_BYTES_MAX
    ? null
    : decode(bytes, (reader) => {
        const batch: Batch = {
          author: reader.u16() as ValidatorIndex,
          epoch: reader.u64() as Epoch,
          incarnation: reader.u32(),
          number: reader.u64(),
          previous: reader.hash() as BatchDigest,
          items: reader.list(BATCH_ITEMS_MAX, (r) => r.bytes(ITEM_BYTES_MAX)),
        };
        // The first of an incarnation follows nothing, and it alone: so what a lane begins with is found by that.
        const isFirst = batch.previous === ZERO_HASH;
        if (batch.number < 1 || isFirst !== (batch.number === 1)) throw new DecodeError('a batch out of its place');
        return batch;
      });

export const batchDigest = (bytes: Uint8Array): BatchDigest => taggedHash(TAGS.batch, bytes) as BatchDigest;

/** What a batch's author signs with its network key. */
export const batchSigningBytes = (network: NetworkId, digest: BatchDigest): Uint8Array =>
  concat(TAGS.batch, new Writer(64).hash(network).hash(digest).finish());

export function encodeSignedBatch(signed: Pick<SignedBatch, 'bytes' | 'signature'>): Uint8Array {
  return new Writer(signed.bytes.length + 80).bytes(signed.bytes).raw(signed.signature).finish();
}
/** The parts of a signed batch; its digest is not computed here, since that is work for off the main thread. */
export const decodeSignedBatch = (bytes: Uint8Array): { bytes: Uint8Array; signature: Uint8Array } | null =>
  decode(bytes, (reader) => ({ bytes: reader.bytes(BATCH_BYTES_MAX), signature: reader.raw(64) }));

export function encodeHeader(header: BlockHeader): Uint8Array {
  const writer = new Writer(256).hash(header.network).u64(header.epoch).u64(header.view).u64(header.height);
  writer.hash(header.parent).u64(header.parentView).list(header.cut, writeLanePoint);
  return writer.u64(header.time).u16(header.proposer).finish();
}

export function readHeader(reader: Reader): BlockHeader {
  return {
    network: reader.hash() as NetworkId,
    epoch: reader.u64() as Epoch,
    view: reader.u64() as View,
    height: reader.u64() as Height,
    parent: reader.hash() as BlockId,
    parentView: reader.u64() as View,
    cut: reader.list(VALIDATORS_MAX, readLanePoint),
    time: reader.u64() as TimestampMs,
    proposer: reader.u16() as ValidatorIndex,
  };
}
export const blockId = (header: BlockHeader): BlockId => taggedHash(TAGS.block, encodeHeader(header)) as BlockId;

/** The anchor that epoch 0 grows from: block of height 0, view 0. Only the network fixes it. */
export const genesisBlockId = (network: NetworkId): BlockId =>
  taggedHash(TAGS.block, new Writer(32).hash(network).finish()) as BlockId;

export function validatorSet(epoch: Epoch, validators: readonly Validator[]): ValidatorSet {
  const writer = new Writer(256).u64(epoch);
  writer.list(validators, (w, v) => w.text(v.party).hash(v.voteKey).hash(v.networkKey));
  return { epoch, validators, digest: taggedHash(TAGS.validatorSet, writer.finish()) };
}

const VOTE_KINDS = ['notarize', 'nullify', 'finalize'] as const satisfies readonly VoteKind[];

function writeBallot(writer: Writer, ballot: Ballot): void {
  writer.u8(VOTE_KINDS.indexOf(ballot.kind)).u64(ballot.view);
  if (ballot.block !== null) writer.hash(ballot.block);
  if (ballot.root !== null) writer.hash(ballot.root);
}

function readBallot(reader: Reader): Ballot {
  const kind = VOTE_KINDS[reader.u8()];
  const view = reader.u64() as View;
  if (kind === 'notarize') return { kind, view, block: reader.hash() as BlockId, root: null };
  if (kind === 'finalize') return { kind, view, block: reader.hash() as BlockId, root: reader.hash() as Root };
  if (kind === 'nullify') return { kind, view, block: null, root: null };
  throw new DecodeError('an unknown kind of vote');
}

/** What a validator signs with its vote key: tag, network, epoch, set, view, kind, content. */
export function voteSigningBytes(
  network: NetworkId,
  set: Pick<ValidatorSet, 'epoch' | 'digest'>,
  ballot: Ballot,
): Uint8Array {
  const writer = new Writer(192).raw(TAGS.vote).hash(network).u64(set.epoch).hash(set.digest);
  writeBallot(writer, ballot);
  return writer.finish();
}

export function writeVote(writer: Writer, vote: Vote): void {
  writeBallot(writer, vote.ballot);
  writer.u16(vote.signer).raw(vote.signature);
}
export const readVote = (reader: Reader): Vote => ({
  ballot: readBallot(reader),
  signer: reader.u16() as ValidatorIndex,
  signature: new Uint8Array(reader.raw(64)),
});

export function writeCertificate(writer: Writer, certificate: Certificate): void {
  writeBallot(writer, certificate.ballot);
  writer.list(certificate.signatures, (w, s) => w.u16(s.signer).raw(s.signature));
}
export function readCertificate(reader: Reader): Certificate {
  const ballot = readBallot(reader);
  const signatures = reader.list(VALIDATORS_MAX, (r) => ({
    signer: r.u16() as ValidatorIndex,
    signature: new Uint8Array(r.raw(64)),
  }));
  return { ballot, signatures };
}
export const encodeCertificate = (certificate: Certificate): Uint8Array => {
  const writer = new Writer(128 + 66 * certificate.signatures.length);
  writeCertificate(writer, certificate);
  return writer.finish();
};
export const decodeCertificate = (bytes: Uint8Array): Certificate | null => decode(bytes, readCertificate);

export function writeProposal(writer: Writer, proposal: Proposal): void {
  writer.bytes(encodeHeader(proposal.header));
  writeVote(writer, proposal.vote);
}
const HEADER_BYTES_MAX = 256 + 44 * VALIDATORS_MAX;
export function readProposal(reader: Reader): Proposal {
  const header = new Reader(reader.bytes(HEADER_BYTES_MAX));
  const read = readHeader(header);
  header.end();
  return { header: read, id: blockId(read), vote: readVote(reader) };
}

/** One certificate vouches for every ancestor's receipts: each root holds the one before. */
export const resultRoot = (parent: Root, receiptsRoot: Root, stateRoot: Root): Root =>
  taggedHash(TAGS.resultRoot, new Writer(96).hash(parent).hash(receiptsRoot).hash(stateRoot).finish()) as Hash & Root;

/** The root before any block: over no receipts and the genesis state. */
export const genesisResultRoot = (stateRoot: Root): Root =>
  resultRoot(ZERO_HASH as Hash & Root, ZERO_HASH as Hash & Root, stateRoot);

export const networkId = (canonicalGenesis: Uint8Array): NetworkId =>
  hashOf(concat(TAGS.network, canonicalGenesis)) as NetworkId;
