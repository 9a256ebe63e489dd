/**
 * Mending what the disk got wrong (`Corrupt`), while the node goes on. Blocks with their receipts, and batches, come from
 * peers and are checked against what stands beside them here; entries of the state from memory; the index and the memory
 * of ids from what they were made of. A vote log is never mended from anywhere: who has forgotten what it signed signs no
 * more with that key.
 */

import { nameOfKey } from '../../ledger/codecs.js';
import { leafOf, packReceipts, type Receipt, unpackReceipts } from '../../ledger/receipt.js';
import { idsOfList } from '../../ledger/snapshot.js';
import type { State } from '../../ledger/state.js';
import {
  batchDigest,
  blockId,
  decodeBatch,
  decodeCertificate,
  encodeCertificate,
  encodeHeader,
  readHeader,
  resultRoot,
} from '../../protocol/block.js';
import { certificateChecks, judgeSigners } from '../../protocol/certificate.js';
import { decode, fromHex, Reader, toHex, Writer } from '../../protocol/codec.js';
import { concat } from '../../protocol/hash.js';
import { decodeItem } from '../../protocol/instruction.js';
import { VALIDATORS_MAX } from '../../protocol/limits.js';
import { merkleRoot } from '../../protocol/merkle.js';
import { CHUNK_PART_BYTES_MAX, CHUNK_PARTS_MAX, type SnapshotMessage } from '../../protocol/snapshot.js';
import {
  type BatchDigest,
  type BlockHeader,
  type BlockId,
  type Epoch,
  type Hash,
  type Height,
  type InstructionDigest,
  type LanePoint,
  type NetworkId,
  type PeerKey,
  type Root,
  unreachable,
  type ValidatorIndex,
  type ValidatorSet,
} from '../../protocol/types.js';
import type { Operation, Ports, Store, Table } from '../ports.js';
import { Corrupt, EVERYTHING, soundEntries, unlessDamaged, untold } from './checked.js';
import { placeWithoutTrace } from './ends.js';
import { getFloor } from './prune.js';
import {
  type BlockRecord,
  blockKey,
  getBlock,
  getFinal,
  getReceipts,
  type Place,
  putBatch,
  putBlock,
  putPlace,
  putReceipts,
} from './records.js';

/** A block as it travels: its record, and its receipts. */
interface Travelling {
  readonly record: BlockRecord;
  readonly receipts: Uint8Array;
}
const HEADER_BYTES_MAX = 256 + 44 * VALIDATORS_MAX;
const CERTIFICATE_BYTES_MAX = 16 * 1024;
const CLOSING_MAX = 65_536;
const RECEIPTS_BYTES_MAX = CHUNK_PARTS_MAX * CHUNK_PART_BYTES_MAX;

/** What is stored of a final block, for a peer that lost it; null where it is not here, or pruned. */
export function recordBytes(store: Pick<Store, 'get'>, height: Height): Uint8Array | null {
  const record = getBlock(store, height);
  const receipts = height === 0 ? packReceipts([]) : getReceipts(store, height);
  if (record === null || receipts === undefined) return null;
  const writer = new Writer(1024 + receipts.length).bytes(encodeHeader(record.header)).hash(record.parentRoot);
  writer.hash(record.receiptsRoot).hash(record.stateRoot);
  writer.bytes(record.certificate === null ? new Uint8Array(0) : encodeCertificate(record.certificate));
  writer.list(record.closing, (w, header) => w.bytes(encodeHeader(header)));
  return writer.bytes(receipts).finish();
}

const decodeTravelling = (bytes: Uint8Array): Travelling | null =>
  decode(bytes, (reader) => {
    const header = readHeaderOf(reader);
    const [parentRoot, receiptsRoot, stateRoot] = [reader.hash(), reader.hash(), reader.hash()] as unknown as [
      Root,
      Root,
      Root,
    ];
    const certificate = reader.bytes(CERTIFICATE_BYTES_MAX);
    const closing = reader.list(Math.min(CLOSING_MAX, bytes.length), readHeaderOf);
    const root = resultRoot(parentRoot, receiptsRoot, stateRoot);
    const certified = certificate.length === 0 ? null : decodeCertificate(certificate);
    const record = { header, parentRoot, receiptsRoot, stateRoot, root, certificate: certified, closing };
    return { record, receipts: reader.bytes(RECEIPTS_BYTES_MAX) };
  });

function readHeaderOf(reader: Reader): BlockHeader {
  const inner = new Reader(reader.bytes(HEADER_BYTES_MAX));
  const header = readHeader(inner);
  inner.end();
  return header;
}

interface Deps extends Pick<Ports, 'store' | 'clock' | 'log' | 'verifier'> {
  readonly network: NetworkId;
  readonly deltaMs: number;
  readonly peers: () => readonly PeerKey[];
  readonly setOf: (epoch: Epoch) => ValidatorSet | null;
  /** The state of the last final block; null while a write of later ones is under way: what that writes must not be undone. */
  readonly state: () => State | null;
  readonly final: () => Pick<BlockHeader, 'height' | 'time'>;
  /** The id by which the next block names this one: its own, or the opening of the next epoch. */
  readonly idFor: (header: BlockHeader, root: Root, epoch: Epoch) => BlockId;
  readonly send: (to: PeerKey, message: SnapshotMessage) => void;
  /** Asks a peer for one batch. */
  readonly wantBatch: (to: PeerKey, epoch: Epoch, lane: ValidatorIndex, point: LanePoint) => void;
  readonly punish: (peer: PeerKey, reason: string) => void;
  /** Told of what is lost here. */
  readonly onLost: (what: Lost) => void;
}

/**
 * What cannot be mended: a vote log, so its key must not sign again; what `meta` holds, read at the start alone; an
 * instruction waiting to be sent; or an id whose lists are damaged too, so that a snapshot is needed.
 */
export type Lost = 'votes' | 'meta' | 'outbox' | 'ids';

/** What a block must be, by what comes after it. */
interface After {
  readonly id: BlockId;
  readonly root: Root;
  /** Of what follows: it names a block that ended an epoch otherwise than that epoch's own did. */
  readonly epoch: Epoch;
}

/** What a search came to: what to write again; that the record was of no more use; or that only a snapshot helps. */
type Found = Operation | 'nothing' | 'lost';

interface Damage {
  readonly corrupt: Corrupt;
  asked: { readonly peer: PeerKey; readonly parts: Uint8Array[] } | null;
  times: number;
  atMs: number;
  busy: boolean;
}

/** Asked for in one tick. */
const UNDER_WAY_MAX = 16;
/** Known at once: what is beyond is found again when it is read. */
const DAMAGES_MAX = 4_096;
/** How many Δ a search or a request may take. A request's doubles with each try, so often: a network may be slower than Δ. */
const PATIENCE_DELTAS = 4;
const TRIES_DOUBLED_MAX = 3;
const FROM_PEERS: ReadonlySet<Table> = new Set<Table>(['blocks', 'receipts', 'batches']);
const SLICE = 64;
const LISTS = { from: Uint8Array.of(0), to: Uint8Array.of(1) };

export class Repair {
  readonly #deps: Deps;
  readonly #damages = new Map<string, Damage>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Records that are known to be damaged and not mended yet. */
  get open(): number {
    return this.#damages.size;
  }

  /** A read found a record damaged. It is mended from now on. */
  note(corrupt: Corrupt): void {
    const { table, key } = corrupt;
    const isLost = table === 'votes' || table === 'meta' || table === 'outbox';
    if (!isLost && !this.#open(corrupt)) return;
    this.#deps.log.error({ table, key: toHex(key) }, 'a stored record is damaged: check the disk; it is being mended');
    if (isLost) this.#deps.onLost(table);
  }

  /** False when it is known already, or too many are. Receipts come with their block. */
  #open(corrupt: Corrupt): boolean {
    const name = nameOf(corrupt.table === 'receipts' ? 'blocks' : corrupt.table, corrupt.key);
    if (this.#damages.has(name) || this.#damages.size >= DAMAGES_MAX) return false;
    this.#damages.set(name, { corrupt, asked: null, times: 0, atMs: Number.NEGATIVE_INFINITY, busy: false });
    return true;
  }

  /** Goes on with what is damaged; called about once in a Δ. */
  tick(): void {
    const now = this.#deps.clock.elapsed();
    let asked = 0;
    for (const [name, damage] of [...this.#damages]) {
      const tries = FROM_PEERS.has(damage.corrupt.table) ? Math.min(damage.times, TRIES_DOUBLED_MAX) : 0;
      if (damage.busy || now - damage.atMs < PATIENCE_DELTAS * this.#deps.deltaMs * 2 ** tries) continue;
      asked += 1;
      if (asked > UNDER_WAY_MAX) return;
      damage.atMs = now;
      damage.times += 1;
      // To the end of the line: what nobody has must not keep the rest waiting.
      this.#damages.delete(name);
      this.#damages.set(name, damage);
      this.#mend(name, damage);
    }
  }

  #mend(name: string, damage: Damage): void {
    const { table, key } = damage.corrupt;
    const peers = this.#deps.peers();
    const peer = peers[damage.times % Math.max(1, peers.length)];
    switch (table) {
      case 'blocks':
      case 'receipts':
        if (peer === undefined) return;
        damage.asked = { peer, parts: [] };
        this.#askRecord(peer, heightOf(key), 0);
        break;
      case 'batches': {
        const { epoch, lane, point } = batchOf(key);
        if (peer !== undefined) this.#deps.wantBatch(peer, epoch, lane, point);
        break;
      }
      case 'state':
        this.#mendState(name, key);
        break;
      case 'index':
        this.#search(name, damage, () => this.#findPlace(toHex(key) as InstructionDigest));
        break;
      case 'ids':
        this.#search(name, damage, () => this.#findId(key));
        break;
      case 'snapshot':
        this.#mended(name, [{ type: 'delete', table, key }]);
        break;
      case 'votes':
      case 'meta':
      case 'outbox':
        break;
      default:
        unreachable(table);
    }
  }

  #askRecord(peer: PeerKey, height: Height, part: number): void {
    this.#deps.send(peer, { type: 'wantChunk', name: { kind: 'record', height }, part });
  }

  #mended(name: string, operations: readonly Operation[]): void {
    this.#damages.delete(name);
    void this.#deps.store.write(operations, { sync: false });
  }

  /** What lies in the state is in memory, too. */
  #mendState(name: string, key: Uint8Array): void {
    const state = this.#deps.state();
    const place = nameOfKey(key);
    if (state === null) return;
    const value = place === null ? null : state.prove(place.table, place.name).value;
    const table = 'state';
    this.#mended(name, [value === null ? { type: 'delete', table, key } : { type: 'put', table, key, value }]);
  }

  /** Looks for what a record was made of, and writes it again unless somebody has done so meanwhile. */
  #search(name: string, damage: Damage, find: () => Promise<Found>): void {
    damage.busy = true;
    void find().then((found) => {
      damage.busy = false;
      if (this.#deps.state() === null || found === 'lost') return;
      const { table, key } = damage.corrupt;
      const isStill = isDamaged(this.#deps.store, table, key);
      this.#mended(name, !isStill ? [] : [found === 'nothing' ? { type: 'delete', table, key } : found]);
    });
  }

  /** The latest receipt of an instruction; or that it was ordered and left none. */
  async #findPlace(digest: InstructionDigest): Promise<Found> {
    const { store } = this.#deps;
    let place: Place | null = null;
    let seen = 0;
    for await (const [key, packed] of soundEntries(store, 'receipts', EVERYTHING, (it) => this.note(it))) {
      const receipts = unpackReceipts(packed) ?? [];
      const position = receipts.findIndex((receipt) => receipt.digest === digest);
      const time = receipts[position]?.time;
      if (time !== undefined) place = { type: 'receipt', height: heightOf(key), time, position };
      seen += 1;
      if (seen % SLICE === 0) await this.#pause();
    }
    place ??= await this.#findDropped(digest);
    // A write of final blocks is under way: it is looked for again.
    if (place === null && this.#deps.state() === null) return 'lost';
    const final = this.#deps.final();
    // It had a place: what became of it is in blocks that are not here.
    return putPlace(digest, place ?? { type: 'before', height: final.height, time: final.time });
  }

  async #findDropped(digest: InstructionDigest): Promise<Place | null> {
    for await (const [, value] of soundEntries(this.#deps.store, 'batches', EVERYTHING, (it) => this.note(it))) {
      const batch = decode(value, (reader) => {
        const bytes = reader.bytes(value.length);
        reader.raw(64);
        return decodeBatch(bytes);
      });
      for (const [at, item] of (batch?.items ?? []).entries()) {
        if (at % SLICE === 0) await this.#pause();
        const read = decodeItem(item);
        if (!read.ok || read.instruction.digest !== digest) continue;
        const state = this.#deps.state();
        return state === null ? null : placeWithoutTrace(read.instruction, state, this.#deps.final());
      }
    }
    return null;
  }

  /**
   * A record or a mark is in the list of the block that wrote it last: the latest of the latest hour. A list itself is
   * only read to serve snapshots and to be forgotten: it goes, and with it this node's serving of that hour.
   */
  async #findId(key: Uint8Array): Promise<Found> {
    if (key[0] === 0) return 'nothing';
    let found: Found = 'lost';
    let isCertain = true;
    const wanted = toHex(key);
    let seen = 0;
    const doubt = (): void => {
      isCertain = false;
    };
    for await (const [, list] of soundEntries(this.#deps.store, 'ids', LISTS, doubt)) {
      for (const entry of idsOfList(list)) {
        if (entry.key.length === key.length && toHex(entry.key) === wanted)
          found = { type: 'put', table: 'ids', ...entry };
      }
      seen += 1;
      if (seen % 8 === 0) await this.#pause();
    }
    // A guess would make this node's outcome differ from all others'.
    if (found === 'lost' || !isCertain) this.#deps.onLost('ids');
    return isCertain ? found : 'lost';
  }

  /** A part of a block's record that a peer sent. */
  receive(from: PeerKey, message: Extract<SnapshotMessage, { type: 'chunk' }>): void {
    if (message.name.kind !== 'record') return;
    const { height } = message.name;
    const name = nameOf('blocks', blockKey(height));
    const damage = this.#damages.get(name);
    const asked = damage?.asked;
    if (damage === undefined || asked == null || asked.peer !== from || message.part !== asked.parts.length) return;
    asked.parts.push(message.bytes);
    damage.atMs = this.#deps.clock.elapsed();
    if (asked.parts.length < message.parts) {
      this.#askRecord(from, height, asked.parts.length);
      return;
    }
    damage.asked = null;
    damage.busy = true;
    void this.#judge(height, concat(...asked.parts)).then((verdict) => {
      damage.busy = false;
      if (verdict === 'later') return;
      if (verdict === 'lie') {
        damage.atMs = Number.NEGATIVE_INFINITY;
        this.#deps.punish(from, 'a record that is not of the block asked for');
      } else this.#mended(name, this.#recordMended(height, verdict));
    });
  }

  /** What was pruned while it was asked for is not wanted any more; a block that a snapshot brought has no receipts here. */
  #recordMended(height: Height, { record, receipts }: Travelling): readonly Operation[] {
    const { store } = this.#deps;
    if (height > 0 && height < (unlessDamaged(() => getFloor(store), untold) ?? 1)) return [];
    const hadReceipts = unlessDamaged(() => getReceipts(store, height) !== undefined, untold) ?? true;
    return hadReceipts ? [putBlock(record), putReceipts(height, receipts)] : [putBlock(record)];
  }

  /**
   * A record is held against the block after it, or against the final pointer; its own certificate must hold, too. Below the
   * gap that a snapshot left there is only the certificate, or that of a block further on.
   */
  async #judge(height: Height, bytes: Uint8Array): Promise<Travelling | 'lie' | 'later'> {
    const travelling = decodeTravelling(bytes);
    if (travelling === null || travelling.record.header.height !== height) return 'lie';
    const { record, receipts } = travelling;
    const { header, root } = record;
    const unpacked = unpackReceipts(receipts);
    if (unpacked === null || merkleRoot(leavesOf(unpacked)) !== record.receiptsRoot) return 'lie';
    const { certificate } = record;
    const after = this.#after(height);
    if (after === 'damaged') return 'later';
    if (after === 'absent' && certificate === null) {
      // Not damaged, but fetched as if it were: what follows must vouch for it.
      this.#open(new Corrupt('blocks', blockKey(height + 1)));
      return 'later';
    }
    if (after !== 'absent') {
      const id = height === 0 ? after.id : this.#deps.idFor(header, root, after.epoch);
      if (after.root !== root || after.id !== id) return 'lie';
    }
    if (certificate === null) return travelling;
    const set = this.#deps.setOf(header.epoch);
    const { ballot } = certificate;
    if (set === null || ballot.kind !== 'finalize' || ballot.block !== certifiedId(record)) return 'lie';
    if (judgeSigners(certificate.signatures, set) !== null) return 'lie';
    const verdicts = await this.#deps.verifier.verify(certificateChecks(certificate, this.#deps.network, set));
    return verdicts.every((verdict) => verdict) ? travelling : 'lie';
  }

  /** What must be true of a block by the one after it, or by the pointer to the last; or why that cannot be told. */
  #after(height: Height): After | 'damaged' | 'absent' {
    const { store } = this.#deps;
    const after = unlessDamaged(
      (): After | 'absent' => {
        const next = getBlock(store, height + 1);
        if (next !== null) return { id: next.header.parent, root: next.parentRoot, epoch: next.header.epoch };
        const pointer = getFinal(store);
        return pointer?.height === height ? { id: pointer.block, root: pointer.root, epoch: pointer.epoch } : 'absent';
      },
      (corrupt) => this.note(corrupt),
    );
    return after ?? 'damaged';
  }

  /** Takes a batch if it is one that is damaged here; true when it was. */
  takeBatch(
    from: PeerKey,
    { bytes, signature }: { readonly bytes: Uint8Array; readonly signature: Uint8Array },
  ): boolean {
    if (![...this.#damages.values()].some(({ corrupt }) => corrupt.table === 'batches')) return false;
    const batch = decodeBatch(bytes);
    if (batch === null) return false;
    const digest = batchDigest(bytes);
    const operation = putBatch({ batch, digest, bytes, signature });
    const name = nameOf('batches', operation.key);
    const key = this.#deps.setOf(batch.epoch)?.validators[batch.author]?.networkKey;
    if (!this.#damages.has(name) || key === undefined) return false;
    const { network, verifier } = this.#deps;
    void verifier.batch({ network, key: fromHex(key), bytes, signature }).then(({ valid }) => {
      if (valid) this.#mended(name, [operation]);
      else this.#deps.punish(from, 'a batch that its author did not sign');
    });
    return true;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#deps.clock.after(0, resolve);
    });
  }
}

const nameOf = (table: string, key: Uint8Array): string => `${table}/${toHex(key)}`;
const heightOf = (key: Uint8Array): Height => new Reader(key).u64() as Height;

/** What the key of a stored batch says (records.ts). */
function batchOf(key: Uint8Array): { epoch: Epoch; lane: ValidatorIndex; point: LanePoint } {
  const reader = new Reader(key);
  const [epoch, lane] = [reader.u64() as Epoch, reader.u16() as ValidatorIndex];
  return {
    epoch,
    lane,
    point: { incarnation: reader.u32(), number: reader.u64(), digest: reader.hash() as BatchDigest },
  };
}

const leavesOf = (receipts: readonly Receipt[]): Hash[] => receipts.map((receipt) => leafOf(receipt));

/** The id that a record's certificate must name; null when it has another root, or none. */
export const certifiedId = (record: BlockRecord): BlockId | null =>
  record.certificate?.ballot.root === record.root ? closedId(record) : null;

/** The id of a block, or of the last closing block after it; null when these are no chain. */
export function closedId({ header, closing }: Pick<BlockRecord, 'header' | 'closing'>): BlockId | null {
  let id = blockId(header);
  for (const block of closing) {
    if (block.parent !== id) return null;
    id = blockId(block);
  }
  return id;
}

function isDamaged(store: Pick<Store, 'get'>, table: Table, key: Uint8Array): boolean {
  try {
    store.get(table, key);
    return false;
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error;
    return true;
  }
}
