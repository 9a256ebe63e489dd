/**
 * What a node does beside agreeing: it serves snapshots and fetches one when it is too far behind, mends records that its
 * disk has damaged, follows hand-overs, and lets go of old history. None of it holds up a vote.
 */
import { blockId } from '../../protocol/block.js';
import { type HandOver, verifyHandOver } from '../../protocol/certificate.js';
import { encodeMessage, type Message } from '../../protocol/envelope.js';
import { openingId } from '../../protocol/handover.js';
import type { PairHasher } from '../../protocol/hash.js';
import type { Restart } from '../../protocol/restart.js';
import {
  type BlockHeader,
  type BlockId,
  type Epoch,
  faultsMax,
  type Height,
  type NetworkId,
  type PeerKey,
  type Root,
  unreachable,
  type ValidatorSet,
} from '../../protocol/types.js';
import type { Ports, SignatureCheck } from '../ports.js';
import type { Corrupt } from './checked.js';
import { Pruner, type Retention } from './prune.js';
import { getHandOver, putHandOver } from './records.js';
import { Repair } from './repair.js';
import type { Replica } from './replica.js';
import { authoritiesOf } from './restart.js';
import { SnapshotServer } from './snapshot.js';
import { SnapshotSync } from './snapshotsync.js';
import type { UpkeepMessage, UpkeepPort } from './turn.js';

export interface UpkeepConfig {
  readonly network: NetworkId;
  /** The set of the first epoch. */
  readonly genesisSet: ValidatorSet;
  readonly hasher: PairHasher;
  readonly deltaMs: number;
  /** A node that is more blocks behind than this fetches a snapshot instead. */
  readonly snapshotBlocks: number;
  /** What is kept of history; null keeps everything. */
  readonly retention: Retention | null;
  /** Restarts whose files the operator has put there. */
  readonly vouched: readonly Restart[];
}

/** A node so few blocks behind needs no snapshot. */
const CAUGHT_UP_BLOCKS = 8;
/** So many Δ without a new final block: more than it takes to connect again and to ask everybody. */
const STOOD_DELTAS = 30;

export class Upkeep implements UpkeepPort {
  readonly #config: UpkeepConfig;
  readonly #ports: Ports;
  readonly #current: () => Replica;
  readonly #server: SnapshotServer;
  readonly #sync: SnapshotSync;
  readonly #repair: Repair;
  readonly #pruner: Pruner | null;
  #isPruning = false;
  /** Hand-overs up to this epoch are whole here. */
  #wholeUntil: Epoch;
  /** Whether only a snapshot brings back what the disk has damaged. */
  #lacksIds = false;
  /** Who said that it no longer has the block after `height`, the last final one here at the time. */
  #goneAfter: { readonly height: Height; readonly peers: Set<PeerKey> } = { height: 0 as Height, peers: new Set() };
  /** The height at which this node stands, and since when. */
  #stood = { height: -1, sinceMs: 0 };
  /** The last block before a gap for which a snapshot was begun; null when it was begun for being far behind. */
  #gap: number | null = null;

  /** `current` is the present replica; `onSnapshot` is told when a snapshot is whole and waits to be installed. */
  constructor(config: UpkeepConfig, ports: Ports, current: () => Replica, onSnapshot: () => void) {
    this.#config = config;
    this.#wholeUntil = config.genesisSet.epoch;
    this.#ports = ports;
    this.#current = current;
    const { store, bus } = ports;
    const note = (corrupt: Corrupt): void => this.note(corrupt);
    const parts = {
      ...ports,
      ...config,
      peers: () => current().members.others,
      setOf: (epoch: Epoch) => this.#setOf(epoch),
      send: (to: PeerKey, message: Message) => this.#send(to, message),
      punish: (peer: PeerKey, reason: string) => bus.punish(peer, reason),
    };
    this.#server = new SnapshotServer({ ...parts, tree: () => current().chain.final.state.tree, onDamage: note });
    this.#sync = new SnapshotSync({ ...parts, peers: () => this.#sources(), onReady: onSnapshot });
    this.#repair = new Repair({
      ...parts,
      state: () => (current().chain.isWriting ? null : current().chain.final.state),
      final: () => current().chain.final.header,
      idFor: (header, root, epoch) => this.#idFor(header, root, epoch),
      wantBatch: (to, epoch, lane, point) =>
        bus.send(
          to,
          'sync',
          encodeMessage({ type: 'wantBatches', lane, after: Math.max(0, point.number - 1), point, epoch }),
        ),
      onLost: (what) => {
        ports.log.error({ what }, 'a damaged record cannot be mended from peers');
        if (what !== 'ids') return;
        this.#lacksIds = true;
        this.#sync.begin((current().chain.final.header.height + 1) as Height);
      },
    });
    this.#pruner = config.retention === null ? null : new Pruner(store, config.retention, note);
  }

  #send(to: PeerKey, message: Message): void {
    const { epoch } = this.#current().members.set;
    this.#ports.bus.send(to, 'sync', encodeMessage({ ...message, epoch }));
  }

  /** A read found a record that is not what was written. */
  note(corrupt: Corrupt): void {
    this.#repair.note(corrupt);
  }

  /** The lowest height whose block and receipts are kept here. */
  get floor(): number {
    return this.#pruner?.floor ?? 1;
  }

  receive(from: PeerKey, message: UpkeepMessage): void {
    switch (message.type) {
      case 'wantSnapshot':
      case 'wantChunk':
        this.#server.receive(from, message);
        break;
      case 'gone':
        this.#noteGone(from, message.height);
        break;
      case 'snapshot':
        this.#sync.receive(from, message);
        break;
      case 'chunk':
        if (message.name.kind === 'record') this.#repair.receive(from, message);
        else this.#sync.receive(from, message);
        break;
      case 'handOver':
        this.#handOver(from, message.handOver);
        break;
      default:
        unreachable(message);
    }
  }

  /** True when the batch is one that is damaged here, and so not news. */
  takeBatch(from: PeerKey, batch: { readonly bytes: Uint8Array; readonly signature: Uint8Array }): boolean {
    return this.#repair.open > 0 && this.#repair.takeBatch(from, batch);
  }

  /** Goes on with whatever is under way; called about once in a Δ while the node is busy, and now and then else. */
  tend(): void {
    const { chain, highestFinal } = this.#current();
    this.#server.tend();
    const { height } = chain.final.header;
    const { snapshotBlocks } = this.#config;
    if (highestFinal - height > snapshotBlocks) this.#behind();
    this.#judgeGap();
    if (this.#sync.isActive) {
      // Blocks come meanwhile: a snapshot of what is final here by now is of no use, and none is when the node is there, or
      // when there is no gap after all.
      const blocks = this.#gap === null ? CAUGHT_UP_BLOCKS : snapshotBlocks;
      const isNear = highestFinal - height <= blocks && this.#gap !== height;
      if (isNear && !this.#lacksIds) {
        this.#sync.end();
        this.#gap = null;
      } else this.#sync.begin((height + 1) as Height);
    }
    this.#sync.tick();
    this.#wantHandOver();
    if (this.#repair.open > 0) this.#repair.tick();
    void this.#prune();
  }

  /** A peer has let go of a block. Of the one that this node needs next, f + 1 of its set are believed at once. */
  #noteGone(from: PeerKey, gone: Height): void {
    const { chain, members } = this.#current();
    const { height } = chain.final.header;
    if (gone !== height + 1) return;
    if (this.#goneAfter.height !== height) this.#goneAfter = { height, peers: new Set() };
    const { peers } = this.#goneAfter;
    if (peers.has(from)) return;
    peers.add(from);
    const ofSet = [...peers].filter((peer) => members.placeOf(peer) !== null);
    // At least one honest validator has let go of it: who lacks few blocks may have been away for long.
    if (ofSet.length > faultsMax(members.size)) this.#beginPastGap();
  }

  /** Whether somebody said of the very block that this node needs next that it is gone. */
  get #isToldGone(): boolean {
    return this.#goneAfter.height === this.#current().chain.final.header.height && this.#goneAfter.peers.size > 0;
  }

  /**
   * Who stands still for so long has nobody who serves it the block, be it that its set is long gone or silent: then
   * anybody's word that it is gone counts. A liar's leads to a snapshot as well, which is checked; who serves the block
   * makes this node move before.
   */
  #judgeGap(): void {
    const { chain } = this.#current();
    const { clock } = this.#ports;
    const { height } = chain.final.header;
    if (this.#stood.height !== height) this.#stood = { height, sinceMs: clock.elapsed() };
    const stoodMs = clock.elapsed() - this.#stood.sinceMs;
    if (this.#isToldGone && stoodMs >= STOOD_DELTAS * this.#config.deltaMs) this.#beginPastGap();
  }

  #beginPastGap(): void {
    this.#gap = this.#current().chain.final.header.height;
    this.#behind();
  }

  /** Whom to ask for what leads past a gap: this epoch's other validators, and who said that there is one. */
  #sources(): readonly PeerKey[] {
    const { others } = this.#current().members;
    return this.#isToldGone ? [...new Set([...others, ...this.#goneAfter.peers])] : others;
  }

  #behind(): void {
    if (!this.#sync.isActive) this.#sync.begin((this.#current().chain.final.header.height + 1) as Height);
  }

  /** Marks a whole snapshot to be installed. Only when it has been stopped, and nothing makes blocks final. */
  seal(): Promise<boolean> {
    return this.#sync.seal();
  }

  /** Resolves when nothing of it uses the store any more. */
  async stop(): Promise<void> {
    await this.#server.stop();
    await this.#sync.settled();
  }

  #setOf(epoch: Epoch): ValidatorSet | null {
    const { genesisSet } = this.#config;
    return epoch === genesisSet.epoch ? genesisSet : (getHandOver(this.#ports.store, epoch)?.set ?? null);
  }

  /** The id by which the next block names one: its own, or the opening of the next epoch over it. */
  #idFor(header: BlockHeader, root: Root, epoch: Epoch): BlockId {
    const handOver = epoch === header.epoch ? null : getHandOver(this.#ports.store, epoch);
    if (handOver === null) return blockId(header);
    // A restart's own block names the last one as it is.
    return handOver.kind === 'restart' ? handOver.block : openingId(handOver.set, blockId(header), root);
  }

  /** Whether a hand-over is here with the new set's statements, so that it can be shown to others. */
  #isWhole(epoch: Epoch): boolean {
    return (getHandOver(this.#ports.store, epoch)?.statements.length ?? 0) > 0;
  }

  /**
   * Asks for the first hand-over that is not whole here: on the way to a snapshot's epoch, or because this node follows,
   * or was away, and did not hear the new set's statements. Receipts of that epoch could not be shown without.
   */
  #wantHandOver(): void {
    const { epoch } = this.#current().members.set;
    const until = Math.max(epoch, this.#sync.isActive ? (this.#sync.unknownEpoch ?? 0) : 0);
    for (let to = this.#wholeUntil + 1; to <= until; to++) {
      if (this.#isWhole(to as Epoch)) {
        this.#wholeUntil = to as Epoch;
        continue;
      }
      for (const peer of this.#sources()) this.#send(peer, { type: 'wantHandOver', to: to as Epoch });
      return;
    }
  }

  #handOver(from: PeerKey, handOver: HandOver): void {
    const { epoch } = handOver.set;
    const before = epoch === 0 ? null : this.#setOf((epoch - 1) as Epoch);
    if (before === null || this.#isWhole(epoch)) return;
    if (this.#setOf(epoch) === null && !this.#sync.isActive) return;
    const { network } = this.#config;
    const { verifier, store, bus } = this.#ports;
    // Its shape is judged here, its signatures on the threads.
    const owed: SignatureCheck[] = [];
    const authorities = authoritiesOf(this.#current().chain.final.state);
    const trust = { network, set: before, authorities, vouched: this.#config.vouched };
    const verdict = verifyHandOver(handOver, trust, (check) => owed.push(check) > 0);
    // Authorities may have changed their keys in blocks that are still to come here.
    if (!verdict.ok && verdict.code === 'unknown_authority_key') return;
    if (!verdict.ok) {
      bus.punish(from, `a hand-over that is none: ${verdict.code}`);
      return;
    }
    void verifier.verify(owed).then(async (verdicts) => {
      if (!verdicts.every((isValid) => isValid)) bus.punish(from, 'a hand-over whose signatures do not hold');
      else if (!this.#isWhole(epoch)) await store.write([putHandOver(handOver)], { sync: true });
    });
  }

  async #prune(): Promise<void> {
    const { chain } = this.#current();
    if (this.#pruner === null || this.#isPruning) return;
    this.#isPruning = true;
    const { header } = chain.final;
    const slice = await this.#pruner.find(header);
    this.#isPruning = false;
    // What a final write under way puts down again must not go after it.
    if (slice === null || this.#current().chain.isWriting) return;
    void this.#ports.store.write(this.#pruner.operations(slice, header), { sync: false });
  }
}
