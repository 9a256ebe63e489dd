/**
 * A backup as one file: what a node holds at one moment, in frames of which each carries the hash of all before it, so
 * that a byte that changed and an end that is missing are both found, and where.
 *
 * It has the ledger with its certificates, and what only this node knows: what it answered for and no block has. It has
 * no keys and no vote log: whoever restores it must not sign on the strength of it (SPEC, The mark).
 *
 * Layout: 16 bytes `causeway-backup\n`, u32 format; then frames: u32 length, so many bytes, and 32 bytes, the SHA-256
 * over the 32 before (zeros first) and those bytes. A frame begins with a byte for its kind: 0 what the backup is, 1
 * records of a table, 2 the end, with the number of records, 3 that it was broken off, with the reason. Records ascend by
 * key within their table, and only a table's last frame may have less than a full one. The format counts for all of it.
 */
import { DecodeError, decode, fromHex, Reader, toHex, utf8, Writer } from '../../protocol/codec.js';
import { concat, hashOf } from '../../protocol/hash.js';
import {
  assert,
  type BlockId,
  type Epoch,
  type Hash,
  type Height,
  type NetworkId,
  type Root,
  type TimestampMs,
  ZERO_HASH,
} from '../../protocol/types.js';
import type { StoreView, Table } from '../ports.js';
import { Corrupt, EVERYTHING } from './checked.js';
import { DATA_FORMAT, getBlock, getFinal } from './records.js';
import { isInstalling } from './staging.js';

const MAGIC = utf8('causeway-backup\n');
const ARCHIVE_FORMAT = 1;
const START_BYTES = MAGIC.length + 4;
/** In their order in the file. Votes are never in it; a snapshot that is being fetched is fetched again. */
export const ARCHIVE_TABLES = [
  'meta',
  'blocks',
  'receipts',
  'batches',
  'state',
  'ids',
  'index',
  'outbox',
] as const satisfies readonly Table[];
export type ArchiveTable = (typeof ARCHIVE_TABLES)[number];

const HEADER = 0;
const RECORDS = 1;
const END = 2;
const BROKEN_OFF = 3;
const HASH_BYTES = 32;
/** A frame of records is closed once it has so many bytes, or records. One value may be as large as the state's largest. */
const FRAME_BYTES = 256 * 1024;
const FRAME_RECORDS = 1_024;
const ARCHIVE_FRAME_BYTES_MAX = 64 * 1024 * 1024;
const KEY_BYTES_MAX = 256;
const TEXT_BYTES_MAX = 256;

/** What a backup says of itself; what it says of the ledger, its records show. */
export interface ArchiveHeader {
  readonly network: NetworkId;
  /** Whose node made it, with which version, and when by its clock. */
  readonly party: string;
  readonly version: string;
  readonly madeMs: TimestampMs;
  /** Of the records (`DATA_FORMAT`). */
  readonly dataFormat: number;
  /** The last final block. */
  readonly epoch: Epoch;
  readonly height: Height;
  readonly block: BlockId;
  readonly root: Root;
  readonly time: TimestampMs;
}

type Made = Pick<ArchiveHeader, 'party' | 'version' | 'madeMs'>;

const nextLink = (link: Hash, frame: Uint8Array): Hash => hashOf(concat(fromHex(link), frame));

function encodeHeader(header: ArchiveHeader): Uint8Array {
  const writer = new Writer(512).u8(HEADER).hash(header.network).text(header.party).text(header.version);
  writer.u64(header.madeMs).u8(header.dataFormat).u64(header.epoch).u64(header.height);
  return writer.hash(header.block).hash(header.root).u64(header.time).finish();
}

const decodeHeader = (frame: Uint8Array): ArchiveHeader | null =>
  decode(frame, (reader) => {
    if (reader.u8() !== HEADER) throw new DecodeError('another kind of frame');
    return {
      network: reader.hash() as NetworkId,
      party: reader.text(TEXT_BYTES_MAX),
      version: reader.text(TEXT_BYTES_MAX),
      madeMs: reader.u64() as TimestampMs,
      dataFormat: reader.u8(),
      epoch: reader.u64() as Epoch,
      height: reader.u64() as Height,
      block: reader.hash() as BlockId,
      root: reader.hash() as Root,
      time: reader.u64() as TimestampMs,
    };
  });

type Entry = readonly [Uint8Array, Uint8Array];

const encodeRecords = (table: ArchiveTable, entries: readonly Entry[], bytes: number): Uint8Array =>
  new Writer(bytes + 8 * entries.length + 64)
    .u8(RECORDS)
    .text(table)
    .list(entries, (writer, [key, value]) => writer.bytes(key).bytes(value))
    .finish();

interface Frame {
  readonly table: ArchiveTable;
  readonly entries: readonly Entry[];
}

function readRecords(frame: Uint8Array): Frame | null {
  return decode(frame, (reader) => {
    if (reader.u8() !== RECORDS) throw new DecodeError('another kind of frame');
    const name = reader.text(TEXT_BYTES_MAX);
    const table = ARCHIVE_TABLES.find((each) => each === name);
    if (table === undefined) throw new DecodeError('an unknown table');
    const entries = reader.list(
      FRAME_RECORDS,
      (r): Entry => [r.bytes(KEY_BYTES_MAX), r.bytes(ARCHIVE_FRAME_BYTES_MAX)],
    );
    return { table, entries };
  });
}

const readEnd = (frame: Uint8Array): number | null =>
  decode(frame, (reader) => {
    if (reader.u8() !== END) throw new DecodeError('another kind of frame');
    return reader.u64();
  });

/** Why a backup that was begun has no end. */
const BREAKS = ['backup_slow', 'record_damaged'] as const;
export type BreakCode = (typeof BREAKS)[number];

const readBreak = (frame: Uint8Array): BreakCode | null =>
  decode(frame, (reader) => {
    if (reader.u8() !== BROKEN_OFF) throw new DecodeError('another kind of frame');
    const code = reader.text(TEXT_BYTES_MAX);
    const known = BREAKS.find((each) => each === code);
    if (known === undefined) throw new DecodeError('an unknown reason');
    return known;
  });

export type NotNow = 'no_ledger' | 'installing';

/** Why nothing can be backed up at this moment: there is no ledger yet, or a snapshot is taking its place. */
export function notNow(view: Pick<StoreView, 'get'>): NotNow | null {
  if (isInstalling(view)) return 'installing';
  const final = getFinal(view);
  if (final === null) return 'no_ledger';
  // While a damaged state is fetched again, the pointer is behind the blocks.
  return getBlock(view, final.height + 1) === null ? null : 'installing';
}

/** What a backup is made under: `pause` lets whatever else the node has to do go first, `isLate` ends it. */
interface Pace {
  readonly pause: () => Promise<void>;
  readonly isLate: () => boolean;
  /** Hears which record the disk has damaged. */
  readonly onDamage: (corrupt: Corrupt) => void;
}

/**
 * The pieces of a backup, in their order, of a view that `notNow` has nothing against. One that is late, or meets a record
 * that the disk has damaged, ends with a frame that says so, and is refused for that: what is damaged is not backed up.
 * Gives why it was broken off, or null.
 */
export async function* archivePieces(
  view: Pick<StoreView, 'get' | 'scan'>,
  made: Made,
  { pause, isLate, onDamage }: Pace,
): AsyncGenerator<Uint8Array, BreakCode | null> {
  let link = ZERO_HASH;
  const framed = (frame: Uint8Array): Uint8Array => {
    link = nextLink(link, frame);
    return new Writer(frame.length + 64).bytes(frame).hash(link).finish();
  };
  const broken = (code: BreakCode): Uint8Array => framed(new Writer(64).u8(BROKEN_OFF).text(code).finish());
  yield new Writer(START_BYTES).raw(MAGIC).u32(ARCHIVE_FORMAT).finish();
  try {
    yield framed(encodeHeader(headerOf(view, made)));
    let records = 0;
    for await (const { table, entries, bytes } of framesOf(view)) {
      if (isLate()) {
        yield broken('backup_slow');
        return 'backup_slow';
      }
      records += entries.length;
      yield framed(encodeRecords(table, entries, bytes));
      await pause();
    }
    yield framed(new Writer(16).u8(END).u64(records).finish());
    return null;
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error;
    onDamage(error);
    yield broken('record_damaged');
    return 'record_damaged';
  }
}

function headerOf(view: Pick<StoreView, 'get'>, made: Made): ArchiveHeader {
  const pointer = getFinal(view);
  const record = pointer === null ? null : getBlock(view, pointer.height);
  assert(pointer !== null && record !== null, 'the last final block is stored');
  const { network, epoch, height, block, root } = pointer;
  return { ...made, network, dataFormat: DATA_FORMAT, epoch, height, block, root, time: record.header.time };
}

/** All records, a frame's at a time. */
async function* framesOf(view: Pick<StoreView, 'scan'>): AsyncGenerator<Frame & { readonly bytes: number }> {
  for (const table of ARCHIVE_TABLES) {
    let entries: Entry[] = [];
    let bytes = 0;
    for await (const entry of view.scan(table, EVERYTHING)) {
      entries.push(entry);
      bytes += entry[0].length + entry[1].length;
      if (bytes < FRAME_BYTES && entries.length < FRAME_RECORDS) continue;
      yield { table, entries, bytes };
      [entries, bytes] = [[], 0];
    }
    if (entries.length > 0) yield { table, entries, bytes };
  }
}

/** So many bytes of the file from a place on; fewer only where it ends. */
export type ReadAt = (from: number, length: number) => Promise<Uint8Array>;

export type ArchiveCode =
  | 'not_a_backup'
  | 'newer_format'
  | 'older_format'
  | 'archive_truncated'
  | 'archive_damaged'
  | 'archive_broken_off';
export interface ArchiveRefusal {
  readonly ok: false;
  readonly code: ArchiveCode;
  /** Why whoever made it broke it off. */
  readonly why?: BreakCode;
  readonly detail: string;
}

const refuse = (code: ArchiveCode, detail: string): ArchiveRefusal => ({ ok: false, code, detail });
const cutShort = (at: number): ArchiveRefusal =>
  refuse('archive_truncated', `the file ends at byte ${at}, before the backup does`);
const damagedAt = (at: number): ArchiveRefusal =>
  refuse('archive_damaged', `what stands from byte ${at} on is not what was written`);

const brokenOff = (why: BreakCode): ArchiveRefusal =>
  refuse('archive_broken_off', `the node broke this backup off before its end (${why})`);

/** A backup whose frames have all been read and found whole. */
export class Archive {
  readonly header: ArchiveHeader;
  readonly records: number;
  readonly #readAt: ReadAt;
  readonly #frames: ReadonlyMap<ArchiveTable, readonly Place[]>;

  constructor(
    header: ArchiveHeader,
    records: number,
    readAt: ReadAt,
    frames: ReadonlyMap<ArchiveTable, readonly Place[]>,
  ) {
    this.header = header;
    this.records = records;
    this.#readAt = readAt;
    this.#frames = frames;
  }

  /** The records of a table, ascending by key. */
  async *scan(table: Table): AsyncGenerator<[Uint8Array, Uint8Array]> {
    const name = ARCHIVE_TABLES.find((each) => each === table);
    for (const { at, link } of name === undefined ? [] : (this.#frames.get(name) ?? [])) {
      const read = await readFrame(this.#readAt, at, link);
      if (!read.ok) throw new ArchiveChanged(read);
      const frame = readRecords(read.frame);
      assert(frame !== null, 'a frame that was found whole is read again as it was');
      for (const [key, value] of frame.entries) yield [key, value];
    }
  }
}

/** A frame is not any more what was found whole: what is restored is what was checked, or nothing. */
export class ArchiveChanged extends Error {
  readonly refusal: ArchiveRefusal;

  constructor(refusal: ArchiveRefusal) {
    super(refusal.detail);
    this.refusal = refusal;
  }
}

/** Of a frame: where it begins, and the hash of all before it. */
interface Place {
  readonly at: number;
  readonly link: Hash;
}

/** Reads a backup from its beginning to its end. Nothing of it counts before all of it was found whole. `onBytes` hears how far it has come. */
export async function openArchive(
  readAt: ReadAt,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<{ readonly ok: true; readonly archive: Archive } | ArchiveRefusal> {
  const start = await readAt(0, START_BYTES);
  const refusal = judgeStart(start);
  if (refusal !== null) return refusal;
  const frames = new Map<ArchiveTable, Place[]>();
  let header: ArchiveHeader | null = null;
  let records = 0;
  let before: Before | null = null;
  let link = ZERO_HASH;
  for (let at = START_BYTES; ; ) {
    const read = await readFrame(readAt, at, link);
    if (!read.ok) return read;
    const { frame } = read;
    if (header === null) {
      header = decodeHeader(frame);
      if (header === null) return damagedAt(at);
      const { dataFormat } = header;
      if (dataFormat !== DATA_FORMAT) return otherData(dataFormat);
    } else {
      const end = readEnd(frame);
      if (end !== null) return closed(new Archive(header, records, readAt, frames), end, readAt, read.next);
      const why = readBreak(frame);
      if (why !== null) return { ...brokenOff(why), why };
      const found = readRecords(frame);
      if (found === null || !follows(before, found)) return damagedAt(at);
      before = { ...found, bytes: frame.length };
      records += found.entries.length;
      const places = frames.get(found.table) ?? [];
      frames.set(found.table, places);
      places.push({ at, link });
    }
    link = read.link;
    at = read.next;
    onBytes(at);
  }
}

type Before = Frame & { readonly bytes: number };

/**
 * Whether a frame may come after another. Each has records, ascending by key over all frames of a table, and of a table
 * all but the last are full: so there are no more frames than the file is large, and no key twice.
 */
function follows(before: Before | null, { table, entries }: Frame): boolean {
  const keys = entries.map(([key]) => key);
  if (before !== null && before.table === table) {
    if (before.bytes < FRAME_BYTES && before.entries.length < FRAME_RECORDS) return false;
    keys.unshift((before.entries.at(-1) as Entry)[0]);
  } else if (before !== null && ARCHIVE_TABLES.indexOf(table) < ARCHIVE_TABLES.indexOf(before.table)) return false;
  return entries.length > 0 && keys.every((key, at) => at === 0 || Buffer.compare(keys[at - 1] as Uint8Array, key) < 0);
}

/** Nothing may stand behind the end, and all records that it counts before it. */
async function closed(
  archive: Archive,
  records: number,
  readAt: ReadAt,
  end: number,
): Promise<{ readonly ok: true; readonly archive: Archive } | ArchiveRefusal> {
  const more = await readAt(end, 1);
  return more.length > 0 || archive.records !== records ? damagedAt(end) : { ok: true, archive };
}

function judgeStart(start: Uint8Array): ArchiveRefusal | null {
  const isOurs = MAGIC.every((byte, at) => at >= start.length || start[at] === byte);
  if (!isOurs || start.length === 0) return refuse('not_a_backup', 'the file does not begin as a backup does');
  if (start.length < START_BYTES) return cutShort(start.length);
  const format = new Reader(start.subarray(MAGIC.length)).u32();
  if (format === ARCHIVE_FORMAT) return null;
  return format > ARCHIVE_FORMAT
    ? refuse('newer_format', `the backup has format ${format}, and this program knows ${ARCHIVE_FORMAT}`)
    : damagedAt(MAGIC.length);
}

const otherData = (format: number): ArchiveRefusal =>
  refuse(
    format > DATA_FORMAT ? 'newer_format' : 'older_format',
    `the backup's records have format ${format}, and this program's ${DATA_FORMAT}`,
  );

type ReadFrame = { readonly ok: true; readonly frame: Uint8Array; readonly link: Hash; readonly next: number };

async function readFrame(readAt: ReadAt, at: number, link: Hash): Promise<ReadFrame | ArchiveRefusal> {
  const prefix = await readAt(at, 4);
  if (prefix.length < 4) return cutShort(at + prefix.length);
  const length = new Reader(prefix).u32();
  if (length > ARCHIVE_FRAME_BYTES_MAX) return damagedAt(at);
  const bytes = await readAt(at + 4, length + HASH_BYTES);
  if (bytes.length < length + HASH_BYTES) return cutShort(at + 4 + bytes.length);
  const frame = bytes.subarray(0, length);
  const next = nextLink(link, frame);
  if (toHex(bytes.subarray(length)) !== next) return damagedAt(at);
  return { ok: true, frame, link: next, next: at + 4 + length + HASH_BYTES };
}
