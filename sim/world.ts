/** The virtual world under one seed: time, a network between places on earth with its faults, and what was met in it. */

import type { AllowedPeer, Bus, Purpose } from '../node/ports.js';
import { PEER_QUEUE_BYTES_MAX } from '../protocol/limits.js';
import type { PeerKey } from '../protocol/types.js';
import { latencyMs, type PlaceCode } from './geography.js';
import { Cuts, LinkQueue } from './links.js';
import type { SimProcess } from './process.js';
import { Random } from './random.js';
import { type Owner, Scheduler } from './scheduler.js';

export interface NetworkFaults {
  /** Drawn for each frame, on top of what the distance takes. */
  readonly latencyMs: readonly [number, number];
  /** Of a thousand frames. */
  readonly lostPerMille: number;
  readonly duplicatedPerMille: number;
  /** Of a thousand frames so many are overtaken by later ones of their stream; absent means none. */
  readonly reorderedPerMille?: number;
}
export const CALM: NetworkFaults = { latencyMs: [1, 10], lostPerMille: 0, duplicatedPerMille: 0 };

export interface WorldOptions {
  /** Ed25519 in place of the cheap stand-ins. */
  readonly realSignatures?: boolean;
  /** The network when nothing is wrong with it. */
  readonly usual?: NetworkFaults;
}

const START_MS = Date.UTC(2026, 0, 5, 8);
/** How much later than its place in the stream a frame may come that is overtaken. */
const OVERTAKEN_MS_MAX = 300;
/** As the production bus has them: how long a peer that broke the protocol is turned away at first, and at most. */
const PUNISH_MS_MIN = 10_000;
const PUNISH_MS_MAX = 5 * 60_000;
/** Of a thousand partitions that end, so many have broken the connections; the others were too short to be noticed. */
const BROKEN_PER_MILLE = 500;

export class World extends Scheduler {
  readonly seed: number;
  readonly random: Random;
  readonly realSignatures: boolean;
  readonly usual: NetworkFaults;
  faults: NetworkFaults;
  /** How often each named situation was met. */
  readonly situations = new Map<string, number>();
  /** Pairs of peers, as `from>to`, between which nothing passes. */
  readonly cut = new Cuts((pairs) => this.#healed(pairs));
  /** What checking signatures takes, in milliseconds from and to. */
  verifyMs: readonly [number, number] = [0, 0];
  /** Bytes a second of pairs of peers, as `from>to`; others take all at once. */
  readonly slow = new Map<string, number>();
  /** What pairs of peers, as `from>to`, have besides the faults of all. */
  readonly worse = new Map<
    string,
    { readonly latencyMs: number; readonly jitterMs: number; readonly lossPerMille: number }
  >();
  readonly #network: Random;
  readonly #buses = new Map<string, SimBus>();

  constructor(seed: number, { realSignatures = false, usual = CALM }: WorldOptions = {}) {
    super(START_MS);
    this.seed = seed;
    this.usual = usual;
    this.faults = usual;
    this.random = new Random(seed);
    // Of their own, so that leaving out a part of a run's plan changes as little of the rest as can be.
    this.#network = new Random(seed ^ 0x4e45_5457);
    this.realSignatures = realSignatures;
  }

  /** A named situation was met. */
  met(name: string): void {
    this.situations.set(name, (this.situations.get(name) ?? 0) + 1);
  }

  /** Resolves after so much virtual time, or never when the owner is gone by then. */
  pause(delayMs: number, owner: Owner | null = null): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve, owner);
    });
  }

  /** A bus for a process. `name` tells apart nodes that have one key; a node's new bus takes the place of its old one. */
  bus(self: PeerKey, place: PlaceCode, life: SimProcess, name: string = self): SimBus {
    const bus = new SimBus(this, self, place, life, name);
    this.#buses.set(name, bus);
    return bus;
  }

  /** Buses of running processes but one's own. */
  others(self: SimBus): SimBus[] {
    return [...this.#buses.values()].filter((bus) => bus !== self && bus.life.isAlive);
  }

  /** Cuts off what goes from one peer to another, and leaves the way back. */
  cutOneWay(from: PeerKey, to: PeerKey): void {
    this.cut.add(pairOf(from, to));
  }

  /** Cuts a pair of peers both ways. */
  cutPair(a: PeerKey, b: PeerKey): void {
    this.cutOneWay(a, b);
    this.cutOneWay(b, a);
  }

  /** Nothing passes between peers of different groups. */
  split(groups: readonly (readonly PeerKey[])[]): void {
    for (const [i, group] of groups.entries()) {
      for (const other of groups.slice(i + 1)) for (const a of group) for (const b of other) this.cutPair(a, b);
    }
  }

  /** All partitions, slow links and losses end. */
  heal(): void {
    this.faults = this.usual;
    this.slow.clear();
    this.worse.clear();
    this.cut.clear();
  }

  /** Two peers' streams come up, once both may talk to each other and nothing is in the way. */
  connect(a: SimBus, b: SimBus): void {
    const roundTripMs = 2 * latencyMs(a.place, b.place) + this.#network.between(1, 20);
    const come = (own: SimBus, other: SimBus): void => {
      this.after(
        roundTripMs,
        () => {
          if (this.#isOpen(a, b) && this.#isOpen(b, a)) own.connected(other.self);
        },
        own.life,
      );
    };
    come(a, b);
    come(b, a);
  }

  isConnected(a: SimBus, b: SimBus): boolean {
    return this.#isOpen(a, b) && this.#isOpen(b, a);
  }

  deliver(from: SimBus, to: PeerKey, purpose: Purpose, frame: Uint8Array): void {
    for (const bus of this.#buses.values()) {
      if (bus.self !== to || bus === from || !bus.life.isAlive) continue;
      const bytesPerSecond = this.slow.size === 0 ? undefined : this.slow.get(pairOf(from.self, to));
      const queue = from.queueTo(bus, purpose);
      if (bytesPerSecond === undefined && queue.isIdle) this.#launch(from, bus, queue, purpose, frame);
      else this.#queue(from, bus, queue, purpose, frame);
    }
  }

  /** On a slow link frames of one purpose wait for each other; past the bound the oldest goes. */
  #queue(from: SimBus, to: SimBus, queue: LinkQueue, purpose: Purpose, frame: Uint8Array): void {
    this.met('slow_link');
    if (queue.push(frame, PEER_QUEUE_BYTES_MAX) > 0) this.met('queue_overflow');
    if (queue.isSending) return;
    const next = (): void => {
      const waiting = queue.shift();
      queue.isSending = waiting !== undefined;
      if (waiting === undefined) return;
      const bytesPerSecond = this.slow.get(pairOf(from.self, to.self));
      const takesMs = bytesPerSecond === undefined ? 0 : (1000 * waiting.length) / bytesPerSecond;
      this.after(
        takesMs,
        () => {
          this.#launch(from, to, queue, purpose, waiting);
          next();
        },
        from.life,
      );
    };
    next();
  }

  #launch(from: SimBus, to: SimBus, queue: LinkQueue, purpose: Purpose, frame: Uint8Array): void {
    const random = this.#network;
    const { latencyMs: jitterMs, lostPerMille, duplicatedPerMille, reorderedPerMille = 0 } = this.faults;
    const own = this.worse.size === 0 ? undefined : this.worse.get(pairOf(from.self, to.self));
    const isTwice = duplicatedPerMille > 0 && random.chance(duplicatedPerMille);
    if (isTwice) this.met('frame_duplicated');
    this.note(frame.length);
    for (let copy = 0; copy < (isTwice ? 2 : 1); copy++) {
      if (lostPerMille > 0 && random.chance(lostPerMille)) {
        this.met('frame_lost');
        continue;
      }
      if (own !== undefined && random.chance(own.lossPerMille)) continue;
      const ownMoreMs = own === undefined ? 0 : own.latencyMs + random.between(0, own.jitterMs);
      const isOvertaken = reorderedPerMille > 0 && random.chance(reorderedPerMille);
      const [least, most] = jitterMs;
      const wayMs = latencyMs(from.place, to.place) + ownMoreMs;
      const ownMs = this.nowMs + Math.ceil(wayMs + random.between(least, most));
      // A stream keeps its order: a frame that was quicker waits for those before it.
      const atMs = isOvertaken ? ownMs + random.between(1, OVERTAKEN_MS_MAX) : Math.max(ownMs, queue.lastMs);
      if (isOvertaken) this.met('frame_reordered');
      else queue.lastMs = atMs;
      this.after(atMs - this.nowMs, () => this.#arrive(from, to, purpose, frame), to.life);
    }
  }

  #arrive(from: SimBus, to: SimBus, purpose: Purpose, frame: Uint8Array): void {
    if (this.#isOpen(from, to)) to.receive(from.self, purpose, frame);
    else if (this.cut.isFresh(pairOf(from.self, to.self))) this.#meetPartition(from, to);
  }

  #isOpen(from: SimBus, to: SimBus): boolean {
    if (!from.mayTalkTo(to.self) || !to.mayTalkTo(from.self)) return false;
    return this.cut.size === 0 || !this.cut.has(pairOf(from.self, to.self));
  }

  /** Which kind of partition it was that stopped a frame, once for each pair. */
  #meetPartition(from: SimBus, to: SimBus): void {
    const isCut = (a: SimBus, b: SimBus): boolean => this.cut.has(pairOf(a.self, b.self));
    if (!isCut(to, from)) this.met('partition_one_way');
    const sees = (bus: SimBus, other: SimBus): boolean => !isCut(bus, other) && !isCut(other, bus);
    const isPartial = this.others(from).some((third) => third !== to && sees(third, from) && sees(third, to));
    this.met(isPartial ? 'partition_partial' : 'partition_full');
  }

  #healed(pairs: readonly string[]): void {
    if (!this.#network.chance(BROKEN_PER_MILLE)) return;
    const healed = new Set(pairs);
    const alive = [...this.#buses.values()].filter(({ life }) => life.isAlive);
    for (const [i, a] of alive.entries()) {
      for (const b of alive.slice(i + 1)) {
        if (healed.has(pairOf(a.self, b.self)) || healed.has(pairOf(b.self, a.self))) this.connect(a, b);
      }
    }
  }
}

const pairOf = (from: PeerKey, to: PeerKey): string => `${from}>${to}`;

export class SimBus implements Bus {
  readonly self: PeerKey;
  readonly place: PlaceCode;
  readonly life: SimProcess;
  readonly name: string;
  readonly #world: World;
  readonly #queues = new Map<SimBus, Record<Purpose, LinkQueue>>();
  #onFrame: (from: PeerKey, purpose: Purpose, frame: Uint8Array) => void = () => {};
  #onPeer: (peer: PeerKey) => void = () => {};
  #allowed: ReadonlySet<PeerKey> = new Set();
  /** How often each peer was punished, and until when it is turned away. */
  readonly #refused = new Map<PeerKey, { readonly times: number; readonly untilMs: number }>();
  /** Why this node punished others: an honest network has no reason to. */
  readonly punished: string[] = [];
  /** Sees every frame before it is sent. */
  onSend: (frame: Uint8Array) => void = () => {};

  constructor(world: World, self: PeerKey, place: PlaceCode, life: SimProcess, name: string) {
    this.#world = world;
    this.self = self;
    this.place = place;
    this.life = life;
    this.name = name;
  }

  send(to: PeerKey, purpose: Purpose, frame: Uint8Array): void {
    if (!this.life.enter('bus.send')) return;
    this.onSend(frame);
    if (this.mayTalkTo(to)) this.#world.deliver(this, to, purpose, frame);
  }
  onFrame(handler: (from: PeerKey, purpose: Purpose, frame: Uint8Array) => void): void {
    this.#onFrame = handler;
  }
  onPeer(handler: (peer: PeerKey) => void): void {
    this.#onPeer = handler;
  }
  receive(from: PeerKey, purpose: Purpose, frame: Uint8Array): void {
    if (this.life.enter('bus.frame')) this.#onFrame(from, purpose, frame);
  }
  connected(peer: PeerKey): void {
    if (this.life.isAlive) this.#onPeer(peer);
  }
  allow(peers: readonly AllowedPeer[]): void {
    const before = this.#allowed;
    this.#allowed = new Set(peers.map(({ peer }) => peer));
    for (const other of this.#world.others(this)) {
      if (this.#allowed.has(other.self) && !before.has(other.self)) this.#world.connect(this, other);
    }
  }
  /** Turned away for ten seconds, and for twice as long each time again. */
  punish(peer: PeerKey, reason: string): void {
    this.punished.push(`${this.self} punished ${peer}: ${reason}`);
    const times = (this.#refused.get(peer)?.times ?? 0) + 1;
    const forMs = Math.min(PUNISH_MS_MAX, PUNISH_MS_MIN * 2 ** (times - 1));
    this.#refused.set(peer, { times, untilMs: this.#world.nowMs + forMs });
    this.#world.after(
      forMs,
      () => {
        for (const other of this.#world.others(this)) if (other.self === peer) this.#world.connect(this, other);
      },
      this.life,
    );
  }
  peers(): readonly { readonly peer: PeerKey; readonly connected: boolean }[] {
    const others = this.#world.others(this);
    return [...this.#allowed]
      .filter((peer) => peer !== this.self)
      .map((peer) => ({
        peer,
        connected: others.some((other) => other.self === peer && this.#world.isConnected(this, other)),
      }));
  }

  mayTalkTo(peer: PeerKey): boolean {
    return this.#allowed.has(peer) && (this.#refused.get(peer)?.untilMs ?? 0) <= this.#world.nowMs;
  }

  queueTo(other: SimBus, purpose: Purpose): LinkQueue {
    let queues = this.#queues.get(other);
    if (queues === undefined) {
      queues = { consensus: new LinkQueue(), batches: new LinkQueue(), sync: new LinkQueue() };
      this.#queues.set(other, queues);
    }
    return queues[purpose];
  }
}
