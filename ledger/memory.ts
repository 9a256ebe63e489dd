/**
 * What the ledger remembers of ids (SPEC, Memory): records on disk under (initiator, id), and marks of ended settlements
 * under their digest. This block's are held here until they are durable; older ones are read through `Recall`.
 */
import { decode, Reader } from '../protocol/codec.js';
import type { Bic, Hash, Height, TimestampMs, Uetr } from '../protocol/types.js';
import { CODE_BYTES, type ResultCode } from './codes.js';
import { type Layout, layout } from './layout.js';
import { type Named, readCode, readNamed, writeNamed, writeUetr } from './receipt.js';

/** Reads one of the `ids` that `changes()` gave, at once: it is part of a synchronous core. */
export interface Recall {
  get(key: Uint8Array): Uint8Array | undefined;
}

/** What is remembered of an instruction. `height` and `time` are those of its latest receipt. */
export interface IdRecord extends Named {
  readonly code: ResultCode;
  readonly height: Height;
  readonly time: TimestampMs;
  /** The time of the block that first recorded this instruction under the id; later ends of it leave it as it is. */
  readonly since: TimestampMs;
  /** It counts while block time is not past it. */
  readonly until: TimestampMs;
}

/** That a settlement has ended: nothing that names it waits for it. Under the hash of a lock, that its preimage is known. */
export interface EndMark {
  readonly code: ResultCode;
  readonly until: TimestampMs;
}

export interface IdEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export const HOUR_MS = 60 * 60 * 1000;
/** How long past its last use an id is remembered, the skew bound apart. */
export const MEMORY_MS = 24 * HOUR_MS;
/** The bucket in which something remembered `until` then lies. */
const hourOf = (until: number): number => Math.floor(until / HOUR_MS);

/** First byte of a key: what it names. */
const PREFIX = { list: 0, record: 1, mark: 2 } as const;

const RECORD_KEY_BYTES = 1 + 11 + 16;
const RECORD_BYTES = 8 + 60 + 1 + 8 + 8 + 8;
const MARK_KEY_BYTES = 1 + 32;
const MARK_BYTES = 8 + 1;

function recordKey(initiator: Bic, id: Uetr): Uint8Array {
  writeRecordKey(layout.start(), initiator, id);
  return layout.finish();
}
function markKey(digest: Hash): Uint8Array {
  return layout.start().u8(PREFIX.mark).hash(digest).finish();
}
/** The key of what a block put into an hour's bucket; keys ascend by hour. */
export const listKey = (hour: number, height: number): Uint8Array =>
  layout.start().u8(PREFIX.list).u64(hour).u64(height).finish();

/** The hour of a list's key; null for another key of the table. */
export const hourOfList = (key: Uint8Array): number | null =>
  decode(key, (reader) => {
    if (reader.u8() !== PREFIX.list) return null;
    const hour = reader.u64();
    reader.u64();
    return hour;
  });

/** The hour in which an entry is forgotten, by what stands under its key; null for what is no entry. */
export const hourOfEntry = (value: Uint8Array): number | null =>
  decode(value.subarray(0, 8), (reader) => hourOf(reader.u64()));

/** Past writes of one layer, before they are durable. */
export class Memory {
  readonly #recall: Recall;
  #parent: Memory | null;
  #records = new Map<string, IdRecord>();
  #marks = new Map<string, EndMark>();

  constructor(recall: Recall, parent: Memory | null = null) {
    this.#recall = recall;
    this.#parent = parent;
  }

  child(): Memory {
    return new Memory(this.#recall, this);
  }

  record(initiator: Bic, id: Uetr): IdRecord | undefined {
    const name = initiator + id;
    for (let layer: Memory | null = this; layer !== null; layer = layer.#parent) {
      const record = layer.#records.get(name);
      if (record !== undefined) return record;
    }
    const bytes = this.#recall.get(recordKey(initiator, id));
    return bytes === undefined ? undefined : whole(bytes, readRecord);
  }

  mark(digest: Hash): EndMark | undefined {
    for (let layer: Memory | null = this; layer !== null; layer = layer.#parent) {
      const mark = layer.#marks.get(digest);
      if (mark !== undefined) return mark;
    }
    const bytes = this.#recall.get(markKey(digest));
    return bytes === undefined ? undefined : whole(bytes, readMark);
  }

  setRecord(record: IdRecord): void {
    this.#records.set(record.initiator + record.id, record);
  }
  setMark(digest: Hash, mark: EndMark): void {
    this.#marks.set(digest, mark);
  }

  /** What this layer remembers, by the hour in which it is forgotten, ascending. */
  byHour(): BucketShare[] {
    const hours = new Map<number, { records: IdRecord[]; marks: [string, EndMark][] }>();
    const shareOf = (until: number) => {
      const hour = hourOf(until);
      const share = hours.get(hour) ?? { records: [], marks: [] };
      hours.set(hour, share);
      return share;
    };
    for (const record of this.#records.values()) shareOf(record.until).records.push(record);
    for (const mark of this.#marks) shareOf(mark[1].until).marks.push(mark);
    return [...hours]
      .sort(([a], [b]) => a - b)
      .map(([hour, { records, marks }]) => ({ hour, ...encodeShare(records, marks) }));
  }

  /** Called when this layer's writes are durable: `Recall` has them from now on. */
  release(): void {
    this.#records = new Map();
    this.#marks = new Map();
    this.#parent = null;
  }
}

/** What one block puts into an hour's bucket: records, then marks, in the order in which they were first written. */
export interface BucketShare {
  readonly hour: number;
  /** What the bucket's hash chain takes in, and the store keeps to forget by: the entries as one list. */
  readonly list: Uint8Array;
  /** The entries, as views into the list. */
  readonly entries: readonly IdEntry[];
}

function encodeShare(
  records: readonly IdRecord[],
  marks: readonly [string, EndMark][],
): Pick<BucketShare, 'list' | 'entries'> {
  const ends: number[] = [];
  layout.start().u32(records.length + marks.length);
  for (const record of records) {
    layout.u32(RECORD_KEY_BYTES);
    writeRecordKey(layout, record.initiator, record.id);
    ends.push(layout.length);
    layout.u32(RECORD_BYTES).u64(record.until);
    writeNamed(layout, record);
    layout.u8(CODE_BYTES[record.code]).u64(record.height).u64(record.time).u64(record.since);
    ends.push(layout.length);
  }
  for (const [digest, mark] of marks) {
    layout
      .u32(MARK_KEY_BYTES)
      .u8(PREFIX.mark)
      .hash(digest as Hash);
    ends.push(layout.length);
    layout.u32(MARK_BYTES).u64(mark.until).u8(CODE_BYTES[mark.code]);
    ends.push(layout.length);
  }
  const list = layout.finish();
  const entries: IdEntry[] = [];
  for (let at = 0; at < ends.length; at += 2) {
    const isRecord = at < 2 * records.length;
    const [keyEnd, valueEnd] = [ends[at] as number, ends[at + 1] as number];
    const key = list.subarray(keyEnd - (isRecord ? RECORD_KEY_BYTES : MARK_KEY_BYTES), keyEnd);
    entries.push({ key, value: list.subarray(valueEnd - (isRecord ? RECORD_BYTES : MARK_BYTES), valueEnd) });
  }
  return { list, entries };
}

/** The record that an entry of a list is, or null: it may be the mark of an ended settlement. */
export const recordOf = ({ key, value }: IdEntry): IdRecord | null =>
  key[0] === PREFIX.record ? whole(value, readRecord) : null;

const readList = (reader: Reader): IdEntry[] =>
  reader.list(0xffff_ffff, (r) => ({ key: r.bytes(64), value: r.bytes(256) }));

/**
 * The keys to delete, given one expired list (its key and value): its own, and those of its entries that have not been
 * written again since with a later hour. No outcome depends on when, or whether, they go.
 */
export function forgotten(key: Uint8Array, list: Uint8Array, recall: Recall): Uint8Array[] {
  const hour = new Reader(key.subarray(1)).u64();
  const entries = whole(list, readList);
  const old = entries.filter((entry) => {
    const value = recall.get(entry.key);
    return value !== undefined && hourOf(new Reader(value).u64()) <= hour;
  });
  return [...old.map((entry) => entry.key), key];
}

function writeRecordKey(to: Layout, initiator: Bic, id: Uetr): void {
  writeUetr(to.u8(PREFIX.record).ascii(initiator), id);
}
function readRecord(reader: Reader): IdRecord {
  const until = reader.u64() as TimestampMs;
  return {
    ...readNamed(reader),
    code: readCode(reader),
    height: reader.u64() as Height,
    time: reader.u64() as TimestampMs,
    since: reader.u64() as TimestampMs,
    until,
  };
}
function readMark(reader: Reader): EndMark {
  const until = reader.u64() as TimestampMs;
  return { code: readCode(reader), until };
}

/** Bytes from the node's own store: what cannot be read is a bug or a damaged disk, never an absence. */
function whole<T>(bytes: Uint8Array, read: (reader: Reader) => T): T {
  const reader = new Reader(bytes);
  const value = read(reader);
  reader.end();
  return value;
}
