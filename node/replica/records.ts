/** What the replica keeps on disk: keys and values of each table. Layouts are fixed for ever, or migrated on purpose. */
import {
  decodeCertificate,
  decodeSignedBatch,
  encodeCertificate,
  encodeHeader,
  encodeSignedBatch,
  readHeader,
  readProposal,
  readVote,
  writeProposal,
  writeVote,
} from '../../protocol/block.js';
import { decode, fromHex, Reader, Writer } from '../../protocol/codec.js';
import { BATCH_BYTES_MAX } from '../../protocol/limits.js';
import {
  assert,
  type Bic,
  type BlockHeader,
  type BlockId,
  type Certificate,
  type Epoch,
  type Height,
  type InstructionDigest,
  type NetworkId,
  type Proposal,
  type Root,
  type SignedBatch,
  type TimestampMs,
  type Uetr,
  type ValidatorIndex,
  type View,
  type Vote,
} from '../../protocol/types.js';
import type { Operation, Store } from '../ports.js';

const FORMAT = 1;
const HEADER_BYTES_MAX = 8192;
const CERTIFICATE_BYTES_MAX = 16 * 1024;

const metaKey = (name: string): Uint8Array => new Writer(16).text(name).finish();
const u64Key = (value: number): Uint8Array => new Writer(8).u64(value).finish();
const put = (table: Operation['table'], key: Uint8Array, value: Uint8Array): Operation => ({
  type: 'put',
  table,
  key,
  value,
});

/** The last final block as this node has applied it. */
export interface FinalPointer {
  readonly network: NetworkId;
  readonly epoch: Epoch;
  readonly height: Height;
  readonly view: View;
  readonly block: BlockId;
  readonly root: Root;
}

export const putFinal = (final: FinalPointer): Operation => {
  const writer = new Writer(128).u8(FORMAT).hash(final.network).u64(final.epoch).u64(final.height).u64(final.view);
  return put('meta', metaKey('final'), writer.hash(final.block).hash(final.root).finish());
};

export function getFinal(store: Store): FinalPointer | null {
  const bytes = store.get('meta', metaKey('final'));
  if (bytes === undefined) return null;
  const pointer = decode(bytes, (reader) => {
    const format = reader.u8();
    assert(format === FORMAT, `the data folder is of format ${FORMAT}`);
    return {
      network: reader.hash() as NetworkId,
      epoch: reader.u64() as Epoch,
      height: reader.u64() as Height,
      view: reader.u64() as View,
      block: reader.hash() as BlockId,
      root: reader.hash() as Root,
    };
  });
  assert(pointer !== null, 'the final pointer is whole');
  return pointer;
}

/** A final block with its roots. Of a run of blocks made final at once, the last holds the certificate. */
export interface BlockRecord {
  readonly header: BlockHeader;
  readonly parentRoot: Root;
  readonly receiptsRoot: Root;
  readonly stateRoot: Root;
  readonly root: Root;
  readonly certificate: Certificate | null;
}

export function putBlock(record: BlockRecord): Operation {
  const writer = new Writer(1024).bytes(encodeHeader(record.header)).hash(record.parentRoot);
  writer.hash(record.receiptsRoot).hash(record.stateRoot).hash(record.root);
  writer.bytes(record.certificate === null ? new Uint8Array() : encodeCertificate(record.certificate));
  return put('blocks', u64Key(record.header.height), writer.finish());
}

export function getBlock(store: Store, height: number): BlockRecord | null {
  const bytes = store.get('blocks', u64Key(height));
  if (bytes === undefined) return null;
  const record = decode(bytes, (reader): BlockRecord => {
    const header = readHeader(new Reader(reader.bytes(HEADER_BYTES_MAX)));
    const roots = [reader.hash(), reader.hash(), reader.hash(), reader.hash()] as unknown as [Root, Root, Root, Root];
    const certificate = reader.bytes(CERTIFICATE_BYTES_MAX);
    return {
      header,
      parentRoot: roots[0],
      receiptsRoot: roots[1],
      stateRoot: roots[2],
      root: roots[3],
      certificate: certificate.length === 0 ? null : decodeCertificate(certificate),
    };
  });
  assert(record !== null, `the record of block ${height} is whole`);
  return record;
}

export const putReceipts = (height: Height, packed: Uint8Array): Operation => put('receipts', u64Key(height), packed);
export const getReceipts = (store: Store, height: number): Uint8Array | undefined =>
  store.get('receipts', u64Key(height));

/** Where an instruction's latest receipt is; or that it was ordered and left none, and may take effect until it expires. */
export type Place =
  | { readonly type: 'receipt'; readonly height: number; readonly position: number }
  | { readonly type: 'dropped'; readonly expires: TimestampMs; readonly initiator: Bic; readonly id: Uetr };

export function putPlace(digest: InstructionDigest, place: Place): Operation {
  const writer = new Writer(80);
  if (place.type === 'receipt') writer.u8(1).u64(place.height).u32(place.position);
  else writer.u8(2).u64(place.expires).text(place.initiator).text(place.id);
  return put('index', fromHex(digest), writer.finish());
}

export function getPlace(store: Pick<Store, 'get'>, digest: InstructionDigest): Place | null {
  const bytes = store.get('index', fromHex(digest));
  if (bytes === undefined) return null;
  const place = decode(
    bytes,
    (reader): Place =>
      reader.u8() === 1
        ? { type: 'receipt', height: reader.u64(), position: reader.u32() }
        : {
            type: 'dropped',
            expires: reader.u64() as TimestampMs,
            initiator: reader.text(11) as Bic,
            id: reader.text(36) as Uetr,
          },
  );
  assert(place !== null, 'an index entry is whole');
  return place;
}

const batchKey = (lane: ValidatorIndex, incarnation: number, number: number, digest: Uint8Array): Uint8Array =>
  new Writer(48).u16(lane).u32(incarnation).u64(number).raw(digest).finish();

export const putBatch = ({ batch, digest, bytes, signature }: SignedBatch): Operation =>
  put(
    'batches',
    batchKey(batch.author, batch.incarnation, batch.number, fromHex(digest)),
    encodeSignedBatch({ bytes, signature }),
  );

/** A stored batch of a known digest. */
export function getBatch(
  store: Store,
  lane: ValidatorIndex,
  point: { incarnation: number; number: number; digest: SignedBatch['digest'] },
): { bytes: Uint8Array; signature: Uint8Array } | null {
  const bytes = store.get('batches', batchKey(lane, point.incarnation, point.number, fromHex(point.digest)));
  return bytes === undefined ? null : decodeSignedBatch(bytes);
}

/** The stored batches of a lane past a point, oldest first. */
export async function* batchesAfter(
  store: Store,
  lane: ValidatorIndex,
  incarnation: number,
  number: number,
): AsyncIterable<{ bytes: Uint8Array; signature: Uint8Array }> {
  const none = new Uint8Array(0);
  const range = { from: batchKey(lane, incarnation, number + 1, none), to: new Writer(2).u16(lane + 1).finish() };
  for await (const [, value] of store.scan('batches', range)) {
    assert(value.length <= BATCH_BYTES_MAX + 80, 'a stored batch keeps the bounds');
    const signed = decodeSignedBatch(value);
    if (signed !== null) yield signed;
  }
}

// The vote log: own votes, the proposals they were for, and certificates, by view.
const VOTE = 0;
const PROPOSAL = 1;
const CERTIFICATE = 2;
const KINDS = { notarize: 0, nullify: 1, finalize: 2 } as const;
const logKey = (view: View, type: number, kind: number): Uint8Array =>
  new Writer(10).u64(view).u8(type).u8(kind).finish();

export function putVote(vote: Vote): Operation {
  const writer = new Writer(160);
  writeVote(writer, vote);
  return put('votes', logKey(vote.ballot.view, VOTE, KINDS[vote.ballot.kind]), writer.finish());
}

export function putProposal(proposal: Proposal): Operation {
  const writer = new Writer(512);
  writeProposal(writer, proposal);
  return put('votes', logKey(proposal.header.view, PROPOSAL, 0), writer.finish());
}

export const putCertificate = (certificate: Certificate): Operation =>
  put(
    'votes',
    logKey(certificate.ballot.view, CERTIFICATE, KINDS[certificate.ballot.kind]),
    encodeCertificate(certificate),
  );

export interface VoteLog {
  readonly votes: Vote[];
  readonly proposals: Proposal[];
  readonly certificates: Certificate[];
  /** Every key of the log, so that it can be pruned. */
  readonly keys: Uint8Array[];
}

export async function loadVoteLog(store: Store): Promise<VoteLog> {
  const log: VoteLog = { votes: [], proposals: [], certificates: [], keys: [] };
  for await (const [key, value] of store.scan('votes', {
    from: new Uint8Array(0),
    to: new Uint8Array(10).fill(0xff),
  })) {
    log.keys.push(key);
    const type = key[8];
    const vote = type === VOTE ? decode(value, readVote) : null;
    const proposal = type === PROPOSAL ? decode(value, readProposal) : null;
    const certificate = type === CERTIFICATE ? decodeCertificate(value) : null;
    assert(vote !== null || proposal !== null || certificate !== null, 'every record of the vote log is whole');
    if (vote !== null) log.votes.push(vote);
    if (proposal !== null) log.proposals.push(proposal);
    if (certificate !== null) log.certificates.push(certificate);
  }
  return log;
}

/** The view that a key of the vote log is of. */
export const viewOfLogKey = (key: Uint8Array): View => new Reader(key).u64() as View;
export const deleteLogged = (key: Uint8Array): Operation => ({ type: 'delete', table: 'votes', key });
