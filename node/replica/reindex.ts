/**
 * The index of a restored folder, made of what is certified: the receipts that are here, what the ledger remembers of ids,
 * and what ordered batches hold that left neither. Of what a backup's own index says beside that nothing can be shown: that
 * an instruction never took effect, above all, is not told to a bank on such a ground. It is told as being in blocks that
 * are not here, so that whoever asks asks another node.
 */
import { HOUR_MS, hourOfList, MEMORY_MS, recordOf } from '../../ledger/memory.js';
import { unpackReceipts } from '../../ledger/receipt.js';
import { idsOfList } from '../../ledger/snapshot.js';
import type { State } from '../../ledger/state.js';
import { toHex } from '../../protocol/codec.js';
import { decodeItem } from '../../protocol/instruction.js';
import { VALIDITY_MS_MAX } from '../../protocol/limits.js';
import { assert, type BlockHeader, type InstructionDigest, type SignedBatch } from '../../protocol/types.js';
import type { Operation, Store } from '../ports.js';
import type { Archive } from './archive.js';
import { isUnordered, signedBatch } from './auditown.js';
import { placeWithoutTrace, rememberedAs } from './ends.js';
import { type BlockRecord, decodeBlock, type FinalPointer, getPlace, heightOfKey, putPlace } from './records.js';
import { isKnown } from './staging.js';

const WRITE_OPERATIONS = 4_096;
/** What a block older than this orders has expired so long ago that the ledger remembers nothing of it. */
const TOLD_MS = VALIDITY_MS_MAX + MEMORY_MS + HOUR_MS;

interface Parts {
  readonly final: FinalPointer;
  /** Of ids: their lists are certified. */
  readonly hours: ReadonlySet<number>;
  readonly state: State;
}

/** Writes the index into a store that has all else of the backup already. */
export async function reindex(
  archive: Pick<Archive, 'scan'>,
  store: Pick<Store, 'get' | 'write'>,
  parts: Parts,
): Promise<void> {
  const writes = new Writes(store);
  for await (const [key, packed] of archive.scan('receipts')) {
    const height = heightOfKey(key) ?? 0;
    for (const [position, { digest, time }] of (unpackReceipts(packed) ?? []).entries())
      await writes.add(putPlace(digest, { type: 'receipt', height, time, position }));
  }
  await writes.flush();
  await addRemembered(archive, store, writes, parts);
  const { old, last } = await blocksOf(archive, parts.final);
  const before = { type: 'before', height: parts.final.height, time: last.header.time } as const;
  for await (const [key] of archive.scan('index')) {
    const digest = toHex(key) as InstructionDigest;
    if (getPlace(store, digest) === null) await writes.add(putPlace(digest, before));
  }
  await writes.flush();
  await addUntraced(archive, store, writes, { ...parts, old, last });
  await writes.flush();
}

class Writes {
  readonly #store: Pick<Store, 'write'>;
  #operations: Operation[] = [];

  constructor(store: Pick<Store, 'write'>) {
    this.#store = store;
  }

  async add(operation: Operation): Promise<void> {
    this.#operations.push(operation);
    if (this.#operations.length >= WRITE_OPERATIONS) await this.flush();
  }

  /** What was added can be read from then on. */
  async flush(): Promise<void> {
    const operations = this.#operations;
    this.#operations = [];
    if (operations.length > 0) await this.#store.write(operations, { sync: false });
  }
}

/** Outcomes that the ledger remembers, of which the receipt is not here. */
async function addRemembered(
  archive: Pick<Archive, 'scan'>,
  store: Pick<Store, 'get'>,
  writes: Writes,
  { hours }: Parts,
): Promise<void> {
  for await (const [key, list] of archive.scan('ids')) {
    const hour = hourOfList(key);
    if (hour === null || !hours.has(hour)) continue;
    for (const entry of idsOfList(list)) {
      const record = recordOf(entry);
      if (record !== null && !isKnown(store, record)) await writes.add(putPlace(record.digest, rememberedAs(record)));
    }
  }
  await writes.flush();
}

interface Blocks {
  /** The header of the last block of which nothing is remembered any more. */
  readonly old: BlockHeader | null;
  readonly last: BlockRecord;
}

async function blocksOf(archive: Pick<Archive, 'scan'>, { height }: FinalPointer): Promise<Blocks> {
  let last: BlockRecord | null = null;
  for await (const record of recordsOf(archive)) if (record.header.height === height) last = record;
  assert(last !== null, 'the last final block is in a backup that was checked');
  const oldMs = last.header.time - TOLD_MS;
  let old: BlockHeader | null = null;
  for await (const { header } of recordsOf(archive)) {
    if (header.time >= oldMs) break;
    old = header;
  }
  return { old, last };
}

async function* recordsOf(archive: Pick<Archive, 'scan'>): AsyncGenerator<BlockRecord> {
  for await (const [, bytes] of archive.scan('blocks')) {
    const record = decodeBlock(bytes);
    assert(record !== null, 'a block of a backup that was checked is whole');
    yield record;
  }
}

/** What ordered batches hold that has no receipt, and is no older than the ledger's memory. */
async function addUntraced(
  archive: Pick<Archive, 'scan'>,
  store: Pick<Store, 'get'>,
  writes: Writes,
  { final, state, old, last }: Parts & Blocks,
): Promise<void> {
  for await (const [, value] of archive.scan('batches')) {
    const signed = signedBatch(value);
    if (signed === null || signed.batch.epoch > final.epoch || isUnordered(signed, { final, last })) continue;
    if (old !== null && isBefore(signed, old)) continue;
    for (const item of signed.batch.items) {
      const read = decodeItem(item);
      if (!read.ok) continue;
      const { digest } = read.instruction;
      const known = getPlace(store, digest)?.type ?? 'before';
      if (known === 'before')
        await writes.add(putPlace(digest, placeWithoutTrace(read.instruction, state, last.header)));
    }
  }
}

/** Whether a block orders a batch, or one before it did. */
const isBefore = ({ batch }: SignedBatch, { epoch, cut }: BlockHeader): boolean => {
  const point = cut[batch.author];
  if (batch.epoch !== epoch || point === undefined) return batch.epoch < epoch;
  return (
    batch.incarnation < point.incarnation || (batch.incarnation === point.incarnation && batch.number <= point.number)
  );
};
