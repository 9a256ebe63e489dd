/**
 * Serving snapshots: the state and the memory of ids as they were at one final block, read from the store while the node
 * goes on. Everything is done a slice at a time, one request after another, so that serving never holds up a vote.
 */
import { listKey } from '../../ledger/memory.js';
import {
  CHAIN_START,
  chainAfter,
  encodeEntries,
  encodeLists,
  pathOfKey,
  type StateEntry,
} from '../../ledger/snapshot.js';
import { prefixOf, type Tree } from '../../ledger/tree.js';
import { blockId } from '../../protocol/block.js';
import {
  CHUNK_PART_BYTES_MAX,
  CHUNK_PARTS_MAX,
  type ChunkName,
  encodeManifest,
  type Manifest,
  nameOfChunk,
  SNAPSHOT_DEPTH_MAX,
  type SnapshotMessage,
} from '../../protocol/snapshot.js';
import { assert, type Hash, type Height, type PeerKey, unreachable } from '../../protocol/types.js';
import type { Clock, Ports, Store, StoreView } from '../ports.js';
import { Budget } from './budget.js';
import { Corrupt, EVERYTHING } from './checked.js';
import { type BlockRecord, getBlock, getFinal } from './records.js';
import { recordBytes } from './repair.js';

export type SnapshotRequest = Extract<SnapshotMessage, { type: 'wantSnapshot' | 'wantChunk' }>;

interface Deps extends Pick<Ports, 'store' | 'clock' | 'log'> {
  /** The state tree of the last final block that is durable here. */
  readonly tree: () => Tree;
  readonly send: (to: PeerKey, message: SnapshotMessage) => void;
  /** What a read found damaged, to be repaired. */
  readonly onDamage: (corrupt: Corrupt) => void;
  /** What a chunk has at most, mostly; `CHUNK_BYTES` unless told. All servers of a network have the same. */
  readonly chunkBytes?: number;
}

/** What a chunk has mostly: some milliseconds of checking for who gets it. */
const CHUNK_BYTES = 256 * 1024;
const VIEWS_MAX = 2;
/** A view that nobody asks is closed, and one that others need the place of after less. */
const IDLE_MS = 120_000;
const SPARE_MS = 10_000;
/** What is written since a view was opened cannot be given up by the store before it is closed. */
const AGE_MS = 60 * 60_000;
/** Peers waiting for a view that is being opened. */
const WAITING_MAX = 32;
const QUEUE_PER_PEER_MAX = 8;
/** Entries looked at between two pauses. */
const SLICE = 128;

/** The keys of the state by the first bits of their paths, packed: there are as many as entries. */
class KeysByPath {
  readonly #cells: { bytes: Uint8Array; length: number }[];
  readonly #sizes: number[];

  constructor() {
    this.#cells = Array.from({ length: 2 ** SNAPSHOT_DEPTH_MAX }, () => ({ bytes: new Uint8Array(0), length: 0 }));
    this.#sizes = this.#cells.map(() => 0);
  }

  add(key: Uint8Array, value: Uint8Array): void {
    const index = prefixOf(pathOfKey(key), SNAPSHOT_DEPTH_MAX);
    const cell = this.#cells[index];
    assert(cell !== undefined && key.length <= 255, 'a key of the state is short');
    this.#sizes[index] = (this.#sizes[index] as number) + key.length + value.length + 8;
    const end = cell.length + 1 + key.length;
    if (end > cell.bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * cell.bytes.length));
      grown.set(cell.bytes);
      cell.bytes = grown;
    }
    cell.bytes[cell.length] = key.length;
    cell.bytes.set(key, cell.length + 1);
    cell.length = end;
  }

  /** The least depth at which chunks have their size; a function of the state alone, so that all servers choose the same. */
  depth(chunkBytes: number): number {
    let depth = SNAPSHOT_DEPTH_MAX;
    for (let sizes = this.#sizes; depth > 0; depth--) {
      const above = Array.from({ length: sizes.length / 2 }, (_, i) => (sizes[2 * i] ?? 0) + (sizes[2 * i + 1] ?? 0));
      if (above.some((size) => size > chunkBytes)) break;
      sizes = above;
    }
    return depth;
  }

  /** The keys whose paths begin with `index`, ascending by path. */
  under(depth: number, index: number): Uint8Array[] {
    const width = 2 ** (SNAPSHOT_DEPTH_MAX - depth);
    const keys: { readonly path: Hash; readonly key: Uint8Array }[] = [];
    for (const { bytes, length } of this.#cells.slice(index * width, (index + 1) * width)) {
      for (let at = 0; at < length; at += 1 + (bytes[at] as number)) {
        const key = bytes.subarray(at + 1, at + 1 + (bytes[at] as number));
        keys.push({ path: pathOfKey(key), key });
      }
    }
    return keys.sort((a, b) => (a.path < b.path ? -1 : 1)).map(({ key }) => key);
  }
}

/** The lists of an hour in their order, each with the link of the chain after it. */
interface HourLists {
  readonly hour: number;
  readonly lists: readonly { readonly key: Uint8Array; readonly bytes: number; readonly after: Hash }[];
  readonly places: ReadonlyMap<Hash, number>;
}

interface View {
  readonly store: StoreView;
  readonly height: Height;
  readonly manifest: Uint8Array;
  readonly depth: number;
  readonly keys: KeysByPath;
  readonly openedMs: number;
  askedMs: number;
  /** The hour last asked for. */
  hour: HourLists | null;
}

interface Asked {
  readonly name: ChunkName;
  readonly part: number;
}

export class SnapshotServer {
  readonly #deps: Deps;
  readonly #chunkBytes: number;
  #views: View[] = [];
  /** Who is told when the view that is being opened can be served. */
  #waiting: { readonly to: PeerKey; readonly minHeight: Height }[] | null = null;
  /** What each peer has asked for; peers are answered in turn. */
  readonly #queues = new Map<PeerKey, Asked[]>();
  readonly #budget: Budget;
  #running: Promise<void> | null = null;
  #stopped = false;
  /** The chunk that was made last: its other parts are asked for next. */
  #last: { readonly name: string; readonly bytes: Uint8Array } | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#chunkBytes = deps.chunkBytes ?? CHUNK_BYTES;
    this.#budget = new Budget(deps.clock);
  }

  /** Takes a peer's request. What is too much is dropped: it is asked for again. */
  receive(from: PeerKey, message: SnapshotRequest): void {
    if (this.#stopped || !this.#budget.mayAsk(from)) return;
    if (message.type === 'wantSnapshot') this.#offer(from, message.minHeight);
    else {
      const queue = this.#queues.get(from) ?? [];
      if (queue.length >= QUEUE_PER_PEER_MAX) return;
      queue.push({ name: message.name, part: message.part });
      this.#queues.set(from, queue);
      this.#running ??= this.#run();
    }
  }

  /** The first request of the peer whose turn it is; that peer then goes to the end of the line. */
  #next(): { readonly to: PeerKey; readonly asked: Asked } | null {
    const [first] = this.#queues;
    if (first === undefined) return null;
    const [to, [asked, ...rest]] = first;
    assert(asked !== undefined, 'a peer in the line has asked for something');
    this.#queues.delete(to);
    if (rest.length > 0) this.#queues.set(to, rest);
    return { to, asked };
  }

  /** Closes what nobody asks for; called now and then. */
  tend(): void {
    const now = this.#deps.clock.elapsed();
    this.#keep((view) => now - view.askedMs < IDLE_MS && now - view.openedMs < AGE_MS);
  }

  /** Closes everything. Resolves when no read is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queues.clear();
    await this.#running;
    this.#keep(() => false);
  }

  #keep(isKept: (view: View) => boolean): void {
    const gone = this.#views.filter((view) => !isKept(view));
    this.#views = this.#views.filter(isKept);
    for (const view of gone) void view.store.close();
  }

  #offer(to: PeerKey, minHeight: Height): void {
    const view = this.#views.find(({ height }) => height >= minHeight);
    if (view !== undefined) {
      view.askedMs = this.#deps.clock.elapsed();
      this.#deps.send(to, { type: 'snapshot', height: view.height });
    } else if (this.#waiting !== null) {
      if (this.#waiting.length < WAITING_MAX) this.#waiting.push({ to, minHeight });
    } else {
      this.#waiting = [{ to, minHeight }];
      this.#running ??= this.#run();
    }
  }

  async #run(): Promise<void> {
    await Promise.resolve();
    while (!this.#stopped && (this.#waiting !== null || this.#queues.size > 0)) {
      try {
        if (this.#waiting !== null) await this.#openFor(this.#waiting);
        const next = this.#next();
        if (next !== null) await this.#answer(next.to, next.asked);
      } catch (error) {
        // Whoever asked gets no answer; what is asked must never end the node.
        if (error instanceof Corrupt) this.#deps.onDamage(error);
        else this.#deps.log.error({ error }, 'a snapshot could not be served');
        this.#keep(() => false);
        this.#waiting = null;
      }
    }
    this.#running = null;
  }

  async #openFor(waiting: readonly { readonly to: PeerKey; readonly minHeight: Height }[]): Promise<void> {
    const now = this.#deps.clock.elapsed();
    if (this.#views.length >= VIEWS_MAX) this.#keep((view) => now - view.askedMs < SPARE_MS);
    const view = this.#views.length >= VIEWS_MAX ? null : await this.#open(waiting[0]?.minHeight ?? (0 as Height));
    this.#waiting = null;
    if (view === null) return;
    if (this.#stopped) return void view.store.close();
    this.#views.push(view);
    for (const { to, minHeight } of waiting) {
      if (view.height >= minHeight) this.#deps.send(to, { type: 'snapshot', height: view.height });
    }
  }

  /** A view of the last final block, or null when there is none to be served: its certificate must be its own. */
  async #open(minHeight: Height): Promise<View | null> {
    const store = this.#deps.store.snapshot();
    const tree = this.#deps.tree();
    const height = getFinal(store)?.height ?? (0 as Height);
    const record = height < Math.max(1, minHeight) ? null : getBlock(store, height);
    // Between a write of final blocks and the word of it the tree is behind: whoever asks does so again.
    const isServed = record !== null && record.stateRoot === tree.root && isOwn(record);
    if (!isServed) {
      await store.close();
      return null;
    }
    try {
      const keys = await this.#keysOf(store);
      const depth = keys.depth(this.#chunkBytes);
      const manifest = encodeManifest(manifestOf(record, tree, depth));
      const now = this.#deps.clock.elapsed();
      return { store, height, manifest, depth, keys, openedMs: now, askedMs: now, hour: null };
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  async #keysOf(store: StoreView): Promise<KeysByPath> {
    const keys = new KeysByPath();
    let seen = 0;
    for await (const [key, value] of store.scan('state', EVERYTHING)) {
      keys.add(key, value);
      seen += 1;
      if (seen % SLICE === 0) await pause(this.#deps.clock);
    }
    return keys;
  }

  async #answer(to: PeerKey, { name, part }: Asked): Promise<void> {
    const text = nameOfChunk(name);
    const bytes = this.#last?.name === text ? this.#last.bytes : await this.#make(name);
    if (bytes === null || this.#stopped) return;
    this.#last = { name: text, bytes };
    const parts = Math.max(1, Math.ceil(bytes.length / CHUNK_PART_BYTES_MAX));
    if (parts > CHUNK_PARTS_MAX) {
      this.#deps.log.warn({ name, bytes: bytes.length }, 'a chunk of a snapshot is larger than messages may carry');
      return;
    }
    const from = part * CHUNK_PART_BYTES_MAX;
    if (part < parts) {
      const piece = bytes.subarray(from, from + CHUNK_PART_BYTES_MAX);
      this.#budget.spend(to, piece.length);
      this.#deps.send(to, { type: 'chunk', name, part, parts, bytes: piece });
    }
  }

  /** The bytes of a chunk, or null when it is not to be had here. */
  async #make(name: ChunkName): Promise<Uint8Array | null> {
    const view = this.#views.find(({ height }) => height === name.height);
    if (view !== undefined) view.askedMs = this.#deps.clock.elapsed();
    switch (name.kind) {
      case 'manifest':
        return view?.manifest ?? null;
      case 'state':
        return view === undefined || view.depth !== name.depth ? null : this.#stateChunk(view, name.index);
      case 'ids':
        return view === undefined ? null : this.#listsChunk(view, name.hour, name.chain);
      case 'record':
        return recordBytes(this.#deps.store, name.height);
      default:
        return unreachable(name);
    }
  }

  async #stateChunk({ store, depth, keys }: View, index: number): Promise<Uint8Array> {
    const entries: StateEntry[] = [];
    for (const key of keys.under(depth, index)) {
      const value = store.get('state', key);
      assert(value !== undefined, 'a view holds what was found in it');
      entries.push({ key, value });
      if (entries.length % SLICE === 0) await pause(this.#deps.clock);
    }
    return encodeEntries(entries);
  }

  /** The lists up to the one that leads the hour's chain to `chain`, as many as one chunk has. */
  async #listsChunk(view: View, hour: number, chain: Hash): Promise<Uint8Array | null> {
    if (view.hour?.hour !== hour) view.hour = await this.#hourOf(view.store, hour);
    const { lists, places } = view.hour;
    const last = places.get(chain);
    if (last === undefined) return null;
    let first = last;
    for (let bytes = lists[last]?.bytes ?? 0; first > 0; first--) {
      bytes += lists[first - 1]?.bytes ?? 0;
      if (bytes > this.#chunkBytes) break;
    }
    const values: Uint8Array[] = [];
    for (const { key } of lists.slice(first, last + 1)) {
      const value = view.store.get('ids', key);
      assert(value !== undefined, 'a view holds what was found in it');
      values.push(value);
      if (values.length % SLICE === 0) await pause(this.#deps.clock);
    }
    return encodeLists({ before: lists[first - 1]?.after ?? CHAIN_START, lists: values });
  }

  async #hourOf(store: Pick<Store, 'scan'>, hour: number): Promise<HourLists> {
    const lists: { key: Uint8Array; bytes: number; after: Hash }[] = [];
    const places = new Map<Hash, number>();
    let chain = CHAIN_START;
    for await (const [key, list] of store.scan('ids', { from: listKey(hour, 0), to: listKey(hour + 1, 0) })) {
      chain = chainAfter(chain, list);
      places.set(chain, lists.length);
      lists.push({ key, bytes: list.length + 4, after: chain });
      if (lists.length % SLICE === 0) await pause(this.#deps.clock);
    }
    return { hour, lists, places };
  }
}

/** A manifest is checked against its block's own certificate. The block that ends an epoch may be certified by one after it. */
const isOwn = ({ header, certificate }: BlockRecord): boolean => certificate?.ballot.block === blockId(header);

function manifestOf(record: BlockRecord, tree: Tree, depth: number): Manifest {
  const { header, parentRoot, receiptsRoot, stateRoot, certificate } = record;
  assert(certificate !== null, 'a block that is served is certified');
  return { header, parentRoot, receiptsRoot, stateRoot, certificate, depth, nodes: tree.subtrees(depth) };
}

/** Lets everything else run that waits. */
const pause = (clock: Clock): Promise<void> =>
  new Promise((resolve) => {
    clock.after(0, resolve);
  });
