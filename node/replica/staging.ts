/**
 * A snapshot on its way in: what has come of it and was checked lies in a table of its own, so that a crash loses none of
 * it; then it takes the place of the state and of the memory of ids. That takes many writes: a mark, written first, tells
 * recovery to do them all again, and the write that names the new final block takes the mark away.
 */
import { type IdRecord, listKey, recordOf } from '../../ledger/memory.js';
import {
  bucketsAmong,
  CHAIN_START,
  checkedLists,
  decodeEntries,
  decodeLists,
  idsOfList,
  type Lists,
} from '../../ledger/snapshot.js';
import { Reader, toHex, Writer } from '../../protocol/codec.js';
import { concat } from '../../protocol/hash.js';
import { decodeItem } from '../../protocol/instruction.js';
import {
  decodeManifest,
  encodeManifest,
  hashOfNode,
  type Manifest,
  type ManifestNode,
} from '../../protocol/snapshot.js';
import { assert, type BlockHeader, type Hash, type InstructionDigest, type TimestampMs } from '../../protocol/types.js';
import type { Operation, Store, Table } from '../ports.js';
import { Corrupt, EVERYTHING, soundEntries, unlessDamaged, untold } from './checked.js';
import { isPastMemory, rememberedAs } from './ends.js';
import {
  type FinalPointer,
  getBlock,
  getFinal,
  getPlace,
  loadOutbox,
  type Place,
  putBlock,
  putFinal,
  putPlace,
} from './records.js';

/** Keys of the table: what a byte stands for. */
const MANIFEST = Uint8Array.of(0);
const STATE = 1;
const IDS = 2;
const MARK = Uint8Array.of(3);
/** Operations and about how many bytes of values one write of an installation has. */
const WRITE_OPERATIONS = 2_000;
const WRITE_BYTES = 1024 * 1024;

const stateKey = (depth: number, index: number): Uint8Array => new Writer(8).u8(STATE).u8(depth).u32(index).finish();
/** An hour's runs of lists, the newest first. */
const runKey = (hour: number, place: number): Uint8Array => new Writer(16).u8(IDS).u64(hour).u32(place).finish();

/** An hour's lists as far as they have come, from the newest back. */
export interface HourStaged {
  readonly hour: number;
  /** The bucket's chain that they were fetched for. */
  readonly end: Hash;
  /** The link before the oldest that is here: what is to be fetched next, or `CHAIN_START`. */
  before: Hash;
  /** How many runs there are. */
  runs: number;
}

/** What is staged, read when a node starts and kept up with what is added. */
export class Staging {
  readonly #store: Store;
  #manifest: Manifest | null = null;
  /** Chunks of the state that are here, by index. */
  #have = new Set<number>();
  /** The chain of each hour's bucket, from the chunks that are here. */
  #buckets = new Map<number, Hash>();
  #hours = new Map<number, HourStaged>();

  constructor(store: Store) {
    this.#store = store;
  }

  get manifest(): Manifest | null {
    return this.#manifest;
  }

  /** Takes up what an earlier process left. What is damaged is fetched again. */
  async load(): Promise<void> {
    const manifest = stagedManifest(this.#store);
    if (manifest !== null) await this.#takeUp(manifest);
  }

  /** Begins with a manifest, or goes on with another: what is the same in both is kept. The manifest was verified. */
  async begin(manifest: Manifest): Promise<void> {
    await this.#store.write([{ type: 'put', table: 'snapshot', key: MANIFEST, value: encodeManifest(manifest) }], {
      sync: false,
    });
    await this.#takeUp(manifest);
  }

  async #takeUp(manifest: Manifest): Promise<void> {
    this.#manifest = manifest;
    this.#have = new Set();
    this.#buckets = new Map();
    this.#hours = new Map();
    const stale: Operation[] = [];
    const drop = (key: Uint8Array): void => void stale.push({ type: 'delete', table: 'snapshot', key });
    for await (const [key, value] of soundEntries(this.#store, 'snapshot', range(STATE), (it) => drop(it.key))) {
      const reader = new Reader(key.subarray(1));
      const [depth, index] = [reader.u8(), reader.u32()];
      const node = depth === manifest.depth ? manifest.nodes[index] : undefined;
      if (node === undefined || toHex(value.subarray(0, 32)) !== hashOfNode(node)) drop(key);
      else this.#note(index, value.subarray(32));
    }
    await this.#loadRuns(drop);
    if (stale.length > 0) await this.#store.write(stale, { sync: false });
  }

  /** Runs are of use while the first of them leads to the chain that the hour's bucket has, and each to the one after it. */
  async #loadRuns(drop: (key: Uint8Array) => void): Promise<void> {
    const isStateWhole = this.isStateWhole;
    for await (const [key, value] of soundEntries(this.#store, 'snapshot', range(IDS), (it) => drop(it.key))) {
      const reader = new Reader(key.subarray(1));
      const [hour, place] = [reader.u64(), reader.u32()];
      const end = toHex(value.subarray(0, 32));
      // One whose bucket is not known yet waits for the chunk that says so.
      const isMoot = isStateWhole ? this.#buckets.get(hour) !== end : (this.#buckets.get(hour) ?? end) !== end;
      const staged = this.#hours.get(hour) ?? { hour, end, before: end, runs: 0 };
      const run =
        isMoot || staged.end !== end || staged.runs !== place ? null : checkedLists(value.subarray(32), staged.before);
      if (run === null) drop(key);
      else {
        staged.before = run.before;
        staged.runs += 1;
        this.#hours.set(hour, staged);
      }
    }
  }

  #note(index: number, bytes: Uint8Array): void {
    this.#have.add(index);
    for (const { hour, chain } of bucketsAmong(decodeEntries(bytes) ?? [])) this.#buckets.set(hour, chain);
  }

  /** Whether every chunk of the state is here. */
  get isStateWhole(): boolean {
    return this.#manifest !== null && this.missingState(1, () => false).length === 0;
  }

  /** The next chunks of the state that are missing, at most so many of those that `isAsked` does not know. */
  missingState(most: number, isAsked: (index: number) => boolean): number[] {
    const missing: number[] = [];
    const nodes: readonly ManifestNode[] = this.#manifest?.nodes ?? [];
    for (let index = 0; index < nodes.length && missing.length < most; index++) {
      if (nodes[index]?.type !== 'empty' && !this.#have.has(index) && !isAsked(index)) missing.push(index);
    }
    return missing;
  }

  /** Hours whose lists are not all here; known once the state is. */
  missingHours(): HourStaged[] {
    return [...this.#buckets].flatMap(([hour, chain]) => {
      const staged = this.#hours.get(hour);
      const hours = staged?.end === chain ? staged : { hour, end: chain, before: chain, runs: 0 };
      this.#hours.set(hour, hours);
      return hours.before === CHAIN_START ? [] : [hours];
    });
  }

  /** A chunk of the state, which was checked against its node. */
  async addState(index: number, bytes: Uint8Array): Promise<void> {
    const node = this.#manifest?.nodes[index];
    assert(this.#manifest !== null && node !== undefined, 'a chunk is of the manifest');
    const value = concat(new Writer(32).hash(hashOfNode(node)).finish(), bytes);
    const key = stateKey(this.#manifest.depth, index);
    this.#note(index, bytes);
    await this.#store.write([{ type: 'put', table: 'snapshot', key, value }], { sync: false });
  }

  /** Lists of an hour, which were checked against `before` of what is here. */
  async addLists(hour: number, run: Lists, bytes: Uint8Array): Promise<void> {
    const staged = this.#hours.get(hour);
    assert(staged !== undefined, 'lists are of a bucket of the state');
    const key = runKey(hour, staged.runs);
    staged.runs += 1;
    staged.before = run.before;
    const value = concat(new Writer(32).hash(staged.end).finish(), bytes);
    await this.#store.write([{ type: 'put', table: 'snapshot', key, value }], { sync: false });
  }

  /** Whether all is there; read once more, for what was staged for an earlier manifest may still lie among it. */
  async isWhole(): Promise<boolean> {
    if (this.#manifest === null) return false;
    await this.#takeUp(this.#manifest);
    return this.isStateWhole && this.missingHours().length === 0;
  }

  /**
   * From this write on the snapshot takes the place of what the node had, through any crash. False when what is staged
   * turns out not to be whole, or the node has meanwhile come as far by itself: nothing final is ever undone.
   * Called when nothing makes blocks final any more.
   */
  async seal(): Promise<boolean> {
    const manifest = this.#manifest;
    if (manifest === null || !isPast(manifest, getFinal(this.#store)) || !(await this.isWhole())) return false;
    await this.#store.write([{ type: 'put', table: 'snapshot', key: MARK, value: new Uint8Array(0) }], { sync: true });
    return true;
  }
}

const range = (kind: number): { from: Uint8Array; to: Uint8Array } => ({
  from: Uint8Array.of(kind),
  to: Uint8Array.of(kind + 1),
});

/** Whether a snapshot is of a later block than the node's last final one. */
const isPast = ({ header }: Manifest, pointer: FinalPointer | null): boolean =>
  pointer === null || (header.epoch >= pointer.epoch && header.height > pointer.height);

/** Collects operations and writes them a bounded number at a time. */
class Slices {
  readonly #store: Store;
  #operations: Operation[] = [];
  #bytes = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  async add(operation: Operation): Promise<void> {
    this.#operations.push(operation);
    if (operation.type === 'put') this.#bytes += operation.value.length;
    if (this.#operations.length >= WRITE_OPERATIONS || this.#bytes >= WRITE_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    const operations = this.#operations;
    this.#operations = [];
    this.#bytes = 0;
    // Not synced: the last write of the installation is, and a log keeps the order of writes.
    if (operations.length > 0) await this.#store.write(operations, { sync: false });
  }
}

/**
 * Finishes an installation whose mark stands, from its beginning; true when there was one. What was staged goes, too,
 * once it is no longer ahead of what the node has. Called before anything else reads the store.
 */
export async function finishInstall(store: Store): Promise<boolean> {
  const isMarked = isInstalling(store);
  try {
    const manifest = isMarked ? stagedManifest(store) : null;
    // A final block that became durable after the mark is never undone.
    if (manifest !== null && isPast(manifest, getFinal(store))) await install(store, manifest);
    else if (isMarked) await unmark(store);
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error;
    // What is left has not the root that the last final block has, so recovery asks for another snapshot.
    await unmark(store);
  }
  await dropStale(store);
  return isMarked;
}

const unmark = (store: Store): Promise<void> =>
  store.write(
    [
      { type: 'delete', table: 'snapshot', key: MARK },
      { type: 'delete', table: 'snapshot', key: MANIFEST },
    ],
    { sync: true },
  );

/** Whether a snapshot is taking the place of the state: until that is done, what lies there is neither. */
export const isInstalling = (store: Pick<Store, 'get'>): boolean => store.get('snapshot', MARK) !== undefined;

async function install(store: Store, manifest: Manifest): Promise<void> {
  const slices = new Slices(store);
  // The state goes first, and wholly: a node whose installation fails must not take the rest for its own.
  for (const table of ['state', 'ids'] as const) {
    for await (const [key] of keysOf(store, table)) await slices.add({ type: 'delete', table, key });
    await slices.flush();
  }
  await installState(store, slices);
  await installIds(store, slices);
  await slices.flush();
  await installEnds(store, slices, finalTime(store), manifest.header);
  await slices.flush();
  const { header, parentRoot, receiptsRoot, stateRoot, certificate } = manifest;
  const { ballot } = certificate;
  assert(ballot.kind === 'finalize', 'a manifest is of a final block');
  const { network, epoch, height } = header;
  const { view, block, root } = ballot;
  const pointer: FinalPointer = { network, epoch, height, view, block, root };
  const record = { header, parentRoot, receiptsRoot, stateRoot, root, certificate, closing: [] };
  const done: Operation = { type: 'delete', table: 'snapshot', key: MARK };
  await store.write([putBlock(record), putFinal(pointer), done], { sync: true });
}

/** The time of the last final block here; 0 where that is damaged, so that all that is later is doubted. */
function finalTime(store: Store): TimestampMs {
  const height = getFinal(store)?.height ?? 0;
  return (unlessDamaged(() => getBlock(store, height)?.header.time ?? null, untold) ?? 0) as TimestampMs;
}

function stagedManifest(store: Store): Manifest | null {
  const bytes = store.get('snapshot', MANIFEST);
  return bytes === undefined ? null : decodeManifest(bytes);
}

/** The keys of a table, those of damaged records too. */
async function* keysOf(store: Store, table: Table): AsyncGenerator<[Uint8Array]> {
  const damaged: Uint8Array[] = [];
  for await (const [key] of soundEntries(store, table, EVERYTHING, (it) => damaged.push(it.key))) yield [key];
  for (const key of damaged) yield [key];
}

async function installState(store: Store, slices: Slices): Promise<void> {
  for await (const [, value] of store.scan('snapshot', range(STATE))) {
    const entries = decodeEntries(value.subarray(32));
    assert(entries !== null, 'a staged chunk is whole');
    for (const { key, value: entry } of entries) await slices.add({ type: 'put', table: 'state', key, value: entry });
  }
}

/** Lists get heights of this node's own, from 1 on: they keep their order, and are no more than there were blocks. */
async function installIds(store: Store, slices: Slices): Promise<void> {
  const runs: { readonly key: Uint8Array; readonly hour: number; readonly place: number }[] = [];
  for await (const [key] of store.scan('snapshot', range(IDS))) {
    const reader = new Reader(key.subarray(1));
    runs.push({ key, hour: reader.u64(), place: reader.u32() });
  }
  // Of an id that was written again the later entry counts, which is in a later list, of the same hour or a later one.
  runs.sort((a, b) => a.hour - b.hour || b.place - a.place);
  let [hour, height] = [-1, 0];
  for (const run of runs) {
    if (run.hour !== hour) [hour, height] = [run.hour, 0];
    const value = store.get('snapshot', run.key);
    const lists = value === undefined ? null : decodeLists(value.subarray(32));
    assert(lists !== null, 'a staged run is whole');
    for (const list of lists.lists) {
      height += 1;
      await slices.add({ type: 'put', table: 'ids', key: listKey(hour, height), value: list });
      for (const entry of idsOfList(list)) {
        await slices.add({ type: 'put', table: 'ids', ...entry });
        const record = recordOf(entry);
        // What this node took in and others ordered meanwhile: its outcome is told, though its receipt is not here.
        if (record !== null && !isKnown(store, record)) await slices.add(putPlace(record.digest, rememberedAs(record)));
      }
    }
  }
}

/**
 * What this node answered for, or noted as ordered without a trace, so long ago that the snapshot remembers no outcome may
 * have had one all the same, in the blocks that are skipped: those after `since`.
 */
async function installEnds(store: Store, slices: Slices, since: TimestampMs, header: BlockHeader): Promise<void> {
  const { height, time } = header;
  const before: Place = { type: 'before', height, time };
  for (const item of await loadOutbox(store, untold)) {
    const read = decodeItem(item);
    if (!read.ok || !isPastMemory(read.instruction, time)) continue;
    const { digest } = read.instruction;
    if (knownPlace(store, digest) === null) await slices.add(putPlace(digest, before));
  }
  for await (const [key] of soundEntries(store, 'index', EVERYTHING, untold)) {
    const digest = toHex(key) as InstructionDigest;
    const place = knownPlace(store, digest);
    if (place?.type !== 'dropped' || place.expires < since) continue;
    if (isPastMemory({ expiresMs: place.expires }, time)) await slices.add(putPlace(digest, before));
  }
}

/** A damaged place is as good as none: what the snapshot has takes its place. */
const knownPlace = (store: Pick<Store, 'get'>, digest: InstructionDigest): Place | null =>
  unlessDamaged(() => getPlace(store, digest), untold);

/** Whether the index has a receipt as late as a record. */
export function isKnown(store: Pick<Store, 'get'>, { digest, height }: IdRecord): boolean {
  const place = knownPlace(store, digest);
  return place?.type === 'receipt' && place.height >= height;
}

/** Removes what is staged for a block that the node has passed. */
async function dropStale(store: Store): Promise<void> {
  let manifest: Manifest | null = null;
  let height = -1;
  try {
    manifest = stagedManifest(store);
    height = getFinal(store)?.height ?? -1;
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error;
  }
  if (manifest !== null && manifest.header.height > height) return;
  const slices = new Slices(store);
  // The manifest goes last: a crash between leaves it to be found, and all of this to be done again.
  const keys: Uint8Array[] = [];
  for await (const [key] of keysOf(store, 'snapshot')) {
    if (key[0] === MANIFEST[0]) keys.push(key);
    else await slices.add({ type: 'delete', table: 'snapshot', key });
  }
  for (const key of keys) await slices.add({ type: 'delete', table: 'snapshot', key });
  await slices.flush();
}
