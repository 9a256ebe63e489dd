/** What the replica keeps on disk: keys and values of each table. Layouts are fixed for ever, or migrated on purpose. */
import { CODE_BYTES, type ResultCode } from '../../ledger/codes.js';
import { readCode } from '../../ledger/receipt.js';
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
import type { HandOver } from '../../protocol/certificate.js';
import { DecodeError, decode, fromHex, Reader, Writer } from '../../protocol/codec.js';
import { decodeHandOver, encodeHandOver } from '../../protocol/handover.js';
import { hashOf } from '../../protocol/hash.js';
import { BATCH_BYTES_MAX } from '../../protocol/limits.js';
import {
  assert,
  type BlockHeader,
  type BlockId,
  type Certificate,
  type Epoch,
  type Hash,
  type Height,
  type InstructionDigest,
  type NetworkId,
  type Proposal,
  type Root,
  type SignedBatch,
  type TimestampMs,
  type ValidatorIndex,
  type View,
  type Vote,
} from '../../protocol/types.js';
import type { Operation, Store } from '../ports.js';
import { type Corrupt, EVERYTHING, soundEntries } from './checked.js';

/** 3: an open settlement's entry has its lots, what it amends and its lock; the state has limits and offers. */
export const DATA_FORMAT = 3;
const HEADER_BYTES_MAX = 8192;
const CERTIFICATE_BYTES_MAX = 16 * 1024;
/** More closing blocks than any run of views makes. */
const CLOSING_MAX = 65_536;

/** The records of the table `meta`: `handOver` has one for each epoch, `count` one for each key. */
const META_NAMES = ['final', 'handOver', 'floor', 'count', 'incarnation', 'surveyed', 'restored'] as const;
type MetaName = (typeof META_NAMES)[number];

/** The key of a record of the table `meta` that there is once. */
export const metaKey = (name: Exclude<MetaName, 'handOver' | 'count'>): Uint8Array =>
  new Writer(16).text(name).finish();

/** What a key of the table `meta` names, and what stands in it behind the name; null where no node writes such a key. */
export function metaNameOf(key: Uint8Array): { readonly name: MetaName; readonly rest: Uint8Array } | null {
  const name = META_NAMES.find((each) => isSame(key.subarray(0, 4 + each.length), new Writer(16).text(each).finish()));
  if (name === undefined) return null;
  const rest = key.subarray(4 + name.length);
  return rest.length === (name === 'handOver' ? 8 : name === 'count' ? 32 : 0) ? { name, rest } : null;
}

/** The key of a block, and of its receipts. */
export const blockKey = (height: number): Uint8Array => new Writer(8).u64(height).finish();
/** The height of such a key; null for another. */
export const heightOfKey = (key: Uint8Array): Height | null => decode(key, (reader) => reader.u64() as Height);
export const isSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);
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
  const writer = new Writer(128).u8(DATA_FORMAT).hash(final.network).u64(final.epoch).u64(final.height).u64(final.view);
  return put('meta', metaKey('final'), writer.hash(final.block).hash(final.root).finish());
};

export const deleteFinal = (): Operation => ({ type: 'delete', table: 'meta', key: metaKey('final') });

export function getFinal(store: Pick<Store, 'get'>): FinalPointer | null {
  const bytes = store.get('meta', metaKey('final'));
  if (bytes === undefined) return null;
  const [format] = bytes;
  assert(format === DATA_FORMAT, `the data folder is of format ${format}, and this program's is ${DATA_FORMAT}`);
  const pointer = decodeFinal(bytes);
  assert(pointer !== null, 'the final pointer is whole');
  return pointer;
}

export const decodeFinal = (bytes: Uint8Array): FinalPointer | null =>
  decode(bytes, (reader) => {
    if (reader.u8() !== DATA_FORMAT) throw new DecodeError('another format');
    return {
      network: reader.hash() as NetworkId,
      epoch: reader.u64() as Epoch,
      height: reader.u64() as Height,
      view: reader.u64() as View,
      block: reader.hash() as BlockId,
      root: reader.hash() as Root,
    };
  });

const handOverKey = (epoch: number): Uint8Array => new Writer(24).text('handOver').u64(epoch).finish();

/** How an epoch began: kept for ever, since every later certificate is checked through it. */
export const putHandOver = (handOver: HandOver): Operation =>
  put('meta', handOverKey(handOver.set.epoch), encodeHandOver(handOver));

export function getHandOver(store: Pick<Store, 'get'>, epoch: number): HandOver | null {
  const bytes = store.get('meta', handOverKey(epoch));
  if (bytes === undefined) return null;
  const handOver = decodeHandOver(bytes);
  assert(handOver !== null, `the hand-over to epoch ${epoch} is whole`);
  return handOver;
}

/** A final block with its roots. Of a run of blocks made final at once, the last holds the certificate. */
export interface BlockRecord {
  readonly header: BlockHeader;
  readonly parentRoot: Root;
  readonly receiptsRoot: Root;
  readonly stateRoot: Root;
  readonly root: Root;
  readonly certificate: Certificate | null;
  /** Of the block that ended an epoch: the closing blocks up to the one that the certificate names. */
  readonly closing: readonly BlockHeader[];
}

export const putBlock = (record: BlockRecord): Operation =>
  put('blocks', blockKey(record.header.height), encodeBlock(record));

export function encodeBlock(record: BlockRecord): Uint8Array {
  const writer = new Writer(1024).bytes(encodeHeader(record.header)).hash(record.parentRoot);
  writer.hash(record.receiptsRoot).hash(record.stateRoot).hash(record.root);
  writer.bytes(record.certificate === null ? new Uint8Array() : encodeCertificate(record.certificate));
  writer.list(record.closing, (w, header) => w.bytes(encodeHeader(header)));
  return writer.finish();
}

export const decodeBlock = (bytes: Uint8Array): BlockRecord | null =>
  decode(bytes, (reader): BlockRecord => {
    const header = readHeaderOf(reader);
    const roots = [reader.hash(), reader.hash(), reader.hash(), reader.hash()] as unknown as [Root, Root, Root, Root];
    const certificate = reader.bytes(CERTIFICATE_BYTES_MAX);
    const closing = reader.list(CLOSING_MAX, readHeaderOf);
    return {
      header,
      parentRoot: roots[0],
      receiptsRoot: roots[1],
      stateRoot: roots[2],
      root: roots[3],
      certificate: certificate.length === 0 ? null : wholeCertificate(certificate),
      closing,
    };
  });

function readHeaderOf(reader: Reader): BlockHeader {
  const inner = new Reader(reader.bytes(HEADER_BYTES_MAX));
  const header = readHeader(inner);
  inner.end();
  return header;
}

function wholeCertificate(bytes: Uint8Array): Certificate {
  const certificate = decodeCertificate(bytes);
  if (certificate === null) throw new DecodeError('no certificate');
  return certificate;
}

export function getBlock(store: Pick<Store, 'get'>, height: number): BlockRecord | null {
  const bytes = store.get('blocks', blockKey(height));
  if (bytes === undefined) return null;
  const record = decodeBlock(bytes);
  assert(record !== null, `the record of block ${height} is whole`);
  return record;
}

export const putReceipts = (height: Height, packed: Uint8Array): Operation => put('receipts', blockKey(height), packed);
export const getReceipts = (store: Pick<Store, 'get'>, height: number): Uint8Array | undefined =>
  store.get('receipts', blockKey(height));

/** Where an instruction's latest receipt is; or what became of it without one here. */
export type Place =
  | { readonly type: 'receipt'; readonly height: number; readonly time: TimestampMs; readonly position: number }
  /** It never took effect, since its id was another's by that block. */
  | { readonly type: 'taken'; readonly height: Height; readonly time: TimestampMs }
  /** Ordered without a trace, or never: it may take effect until it expires. */
  | { readonly type: 'dropped'; readonly expires: TimestampMs }
  /** Its outcome is known; a receipt is with nodes that have the block, if there is one. */
  | { readonly type: 'remembered'; readonly code: ResultCode; readonly height: Height; readonly time: TimestampMs }
  /** Its outcome, if it has one, is in a block up to this one that never was here. */
  | { readonly type: 'before'; readonly height: Height; readonly time: TimestampMs };

/** First byte of an entry of the index. */
const PLACE_BYTES = { receipt: 1, dropped: 2, remembered: 3, before: 4, taken: 5 } as const satisfies Record<
  Place['type'],
  number
>;

export function putPlace(digest: InstructionDigest, place: Place): Operation {
  const writer = new Writer(24).u8(PLACE_BYTES[place.type]);
  if (place.type === 'dropped') writer.u64(place.expires);
  else writer.u64(place.height).u64(place.time);
  if (place.type === 'receipt') writer.u32(place.position);
  if (place.type === 'remembered') writer.u8(CODE_BYTES[place.code]);
  return put('index', fromHex(digest), writer.finish());
}

function readPlace(reader: Reader): Place {
  const byte = reader.u8();
  if (byte === PLACE_BYTES.dropped) return { type: 'dropped', expires: reader.u64() as TimestampMs };
  const block = { height: reader.u64() as Height, time: reader.u64() as TimestampMs };
  switch (byte) {
    case PLACE_BYTES.receipt:
      return { type: 'receipt', ...block, position: reader.u32() };
    case PLACE_BYTES.remembered:
      return { type: 'remembered', ...block, code: readCode(reader) };
    case PLACE_BYTES.before:
      return { type: 'before', ...block };
    case PLACE_BYTES.taken:
      return { type: 'taken', ...block };
    default:
      throw new DecodeError('an unknown kind of place');
  }
}

export function getPlace(store: Pick<Store, 'get'>, digest: InstructionDigest): Place | null {
  const bytes = store.get('index', fromHex(digest));
  if (bytes === undefined) return null;
  const place = decodePlace(bytes);
  assert(place !== null, 'an index entry is whole');
  return place;
}

/** An entry of the index from its bytes, or null when they are none. */
export const decodePlace = (bytes: Uint8Array): Place | null => decode(bytes, readPlace);

const batchKey = (
  epoch: Epoch,
  lane: ValidatorIndex,
  incarnation: number,
  number: number,
  digest: Uint8Array,
): Uint8Array => new Writer(56).u64(epoch).u16(lane).u32(incarnation).u64(number).raw(digest).finish();

export const putBatch = ({ batch, digest, bytes, signature }: SignedBatch): Operation =>
  put(
    'batches',
    batchKey(batch.epoch, batch.author, batch.incarnation, batch.number, fromHex(digest)),
    encodeSignedBatch({ bytes, signature }),
  );

/** Of which lane a stored batch is, told from its key. */
export function laneOfBatchKey(key: Uint8Array): { readonly epoch: Epoch; readonly lane: ValidatorIndex } {
  const reader = new Reader(key);
  return { epoch: reader.u64() as Epoch, lane: reader.u16() as ValidatorIndex };
}

/** A stored batch of a known digest. */
export function getBatch(
  store: Pick<Store, 'get'>,
  epoch: Epoch,
  lane: ValidatorIndex,
  point: { incarnation: number; number: number; digest: SignedBatch['digest'] },
): { bytes: Uint8Array; signature: Uint8Array } | null {
  const bytes = store.get('batches', batchKey(epoch, lane, point.incarnation, point.number, fromHex(point.digest)));
  return bytes === undefined ? null : decodeSignedBatch(bytes);
}

/** The stored batches of an epoch's lane past a point, oldest first. */
export async function* batchesAfter(
  store: Store,
  epoch: Epoch,
  lane: ValidatorIndex,
  incarnation: number,
  number: number,
  onDamage: (corrupt: Corrupt) => void,
): AsyncIterable<{ bytes: Uint8Array; signature: Uint8Array }> {
  const none = new Uint8Array(0);
  const range = {
    from: batchKey(epoch, lane, incarnation, number + 1, none),
    to: new Writer(10)
      .u64(epoch)
      .u16(lane + 1)
      .finish(),
  };
  for await (const [, value] of soundEntries(store, 'batches', range, onDamage)) {
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
const logKey = (epoch: Epoch, view: View, type: number, kind: number): Uint8Array =>
  new Writer(18).u64(epoch).u64(view).u8(type).u8(kind).finish();

export function putVote(epoch: Epoch, vote: Vote): Operation {
  const writer = new Writer(160);
  writeVote(writer, vote);
  return put('votes', logKey(epoch, vote.ballot.view, VOTE, KINDS[vote.ballot.kind]), writer.finish());
}

export function putProposal(proposal: Proposal): Operation {
  const writer = new Writer(512);
  writeProposal(writer, proposal);
  return put('votes', logKey(proposal.header.epoch, proposal.header.view, PROPOSAL, 0), writer.finish());
}

export const putCertificate = (epoch: Epoch, certificate: Certificate): Operation =>
  put(
    'votes',
    logKey(epoch, certificate.ballot.view, CERTIFICATE, KINDS[certificate.ballot.kind]),
    encodeCertificate(certificate),
  );

/** The vote log as it is stored. */
export interface StoredVotes {
  readonly votes: Vote[];
  readonly proposals: Proposal[];
  readonly certificates: Certificate[];
  /** Every key of the log, so that it can be pruned. */
  readonly keys: Uint8Array[];
}

/** The vote log of an epoch. */
export async function loadVoteLog(store: Pick<Store, 'scan'>, epoch: Epoch): Promise<StoredVotes> {
  const log: StoredVotes = { votes: [], proposals: [], certificates: [], keys: [] };
  for await (const [key, value] of store.scan('votes', {
    from: new Writer(8).u64(epoch).finish(),
    to: new Writer(8).u64(epoch + 1).finish(),
  })) {
    log.keys.push(key);
    const type = key[16];
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
export const viewOfLogKey = (key: Uint8Array): View => new Reader(key.subarray(8)).u64() as View;

/** Keys of the vote logs of epochs before one. */
export async function loggedBefore(store: Pick<Store, 'scan'>, epoch: Epoch): Promise<Uint8Array[]> {
  const keys: Uint8Array[] = [];
  const range = { from: new Uint8Array(0), to: new Writer(8).u64(epoch).finish() };
  for await (const [key] of store.scan('votes', range)) keys.push(key);
  return keys;
}

export const deleteLogged = (key: Uint8Array): Operation => ({ type: 'delete', table: 'votes', key });

const raise = (corrupt: Corrupt): never => {
  throw corrupt;
};

const outboxKey = (digest: InstructionDigest, item: Uint8Array): Uint8Array =>
  new Writer(64).hash(digest).hash(hashOf(item)).finish();

/** An instruction that this node has answered for and has in no lane; copies differ in their signatures. */
export const putOutbox = (digest: InstructionDigest, item: Uint8Array): Operation =>
  put('outbox', outboxKey(digest, item), item);
export const deleteOutbox = (digest: InstructionDigest, item: Uint8Array): Operation => ({
  type: 'delete',
  table: 'outbox',
  key: outboxKey(digest, item),
});

/** A damaged item is passed over and told of. */
export async function loadOutbox(store: Store, onDamage: (corrupt: Corrupt) => void = raise): Promise<Uint8Array[]> {
  const items: Uint8Array[] = [];
  for await (const [, item] of soundEntries(store, 'outbox', EVERYTHING, onDamage)) items.push(item);
  return items;
}

const countKey = (key: Hash): Uint8Array => new Writer(64).text('count').hash(key).finish();

/** How often what this key signed was written: `mark.ts` keeps the same count outside the folder. */
export const putCount = (key: Hash, count: number): Operation =>
  put('meta', countKey(key), new Writer(8).u64(count).finish());

export function getCount(store: Pick<Store, 'get'>, key: Hash): number | null {
  const bytes = store.get('meta', countKey(key));
  if (bytes === undefined) return null;
  const count = decode(bytes, (reader) => reader.u64());
  assert(count !== null, 'a count is whole');
  return count;
}

/** The least incarnation of this node's own lane, in whatever epoch: it may have lost what it wrote under earlier ones. */
export const putIncarnation = (incarnation: number): Operation =>
  put('meta', metaKey('incarnation'), new Writer(4).u32(incarnation).finish());

/** That the folder was made from a backup: its last final block then. What this node signed before is not in it. */
export interface RestoredFrom {
  readonly epoch: Epoch;
  readonly height: Height;
}

export const putRestored = ({ epoch, height }: RestoredFrom): Operation =>
  put('meta', metaKey('restored'), new Writer(16).u64(epoch).u64(height).finish());

export const decodeRestored = (bytes: Uint8Array): RestoredFrom | null =>
  decode(bytes, (reader) => ({ epoch: reader.u64() as Epoch, height: reader.u64() as Height }));

export function getRestored(store: Pick<Store, 'get'>): RestoredFrom | null {
  const bytes = store.get('meta', metaKey('restored'));
  return bytes === undefined ? null : decodeRestored(bytes);
}

export function getIncarnation(store: Pick<Store, 'get'>): number | null {
  const bytes = store.get('meta', metaKey('incarnation'));
  return bytes === undefined ? null : decode(bytes, (reader) => reader.u32());
}
