/** Virtual time and a virtual network under one seed. Events run in order of time, then of their making. */

import type { AllowedPeer, Bus, Clock, Purpose } from '../node/ports.js';
import type { PeerKey, TimestampMs } from '../protocol/types.js';
import { Random } from './random.js';

export interface NetworkFaults {
  readonly latencyMs: readonly [number, number];
  /** Of a thousand frames. */
  readonly lostPerMille: number;
  readonly duplicatedPerMille: number;
}
export const CALM: NetworkFaults = { latencyMs: [1, 20], lostPerMille: 0, duplicatedPerMille: 0 };

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class World {
  readonly random: Random;
  faults: NetworkFaults = CALM;
  nowMs = Date.UTC(2026, 0, 5, 8);
  eventCount = 0;
  /** A number that every event changes: two runs of one seed end with the same. */
  trace = 0;
  readonly #heap: Event[] = [];
  #order = 0;
  readonly #endpoints = new Map<PeerKey, SimBus>();
  /** Pairs of nodes, as `from>to`, between which nothing passes. */
  readonly cut = new Set<string>();

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** Calls back at a virtual time; the returned function cancels. */
  after(delayMs: number, run: () => void): () => void {
    let live = true;
    this.#push({ atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, run: () => live && run() });
    return () => {
      live = false;
    };
  }

  /** Runs events until virtual time reaches `untilMs`, or `done` says so. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs && !done(); next = this.#heap[0]) {
      this.#pop();
      this.nowMs = next.atMs;
      this.eventCount += 1;
      this.trace = (Math.imul(this.trace, 31) + next.order + next.atMs) | 0;
      next.run();
      // Promises settle before the next event: what they do belongs to this one.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!done()) this.nowMs = Math.max(this.nowMs, untilMs);
  }

  bus(self: PeerKey): SimBus {
    const bus = new SimBus(this, self);
    this.#endpoints.set(self, bus);
    for (const other of this.#endpoints.values()) {
      if (other === bus) continue;
      this.after(1, () => other.connected(self));
      this.after(1, () => bus.connected(other.self));
    }
    return bus;
  }

  others(self: PeerKey): SimBus[] {
    return [...this.#endpoints.values()].filter((bus) => bus.self !== self);
  }

  deliver(from: PeerKey, to: PeerKey, purpose: Purpose, frame: Uint8Array): void {
    const copies = this.random.chance(this.faults.duplicatedPerMille) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.random.chance(this.faults.lostPerMille)) continue;
      const [least, most] = this.faults.latencyMs;
      this.after(this.random.between(least, most), () => {
        if (!this.cut.has(`${from}>${to}`)) this.#endpoints.get(to)?.receive(from, purpose, frame);
      });
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    heap.push(event);
    for (let at = heap.length - 1; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!before(heap[at] as Event, heap[parent] as Event)) break;
      [heap[at], heap[parent]] = [heap[parent] as Event, heap[at] as Event];
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      let least = at;
      for (const child of [left, left + 1]) {
        if (child < heap.length && before(heap[child] as Event, heap[least] as Event)) least = child;
      }
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least] as Event, heap[at] as Event];
      at = least;
    }
  }
}

const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

export class SimBus implements Bus {
  readonly self: PeerKey;
  readonly #world: World;
  #onFrame: (from: PeerKey, purpose: Purpose, frame: Uint8Array) => void = () => {};
  #onPeer: (peer: PeerKey) => void = () => {};
  /** Why this node punished others: an honest network has no reason to. */
  readonly punished: string[] = [];
  down = false;
  /** Sees every frame before it is sent. */
  onSend: (frame: Uint8Array) => void = () => {};

  constructor(world: World, self: PeerKey) {
    this.#world = world;
    this.self = self;
  }

  send(to: PeerKey, purpose: Purpose, frame: Uint8Array): void {
    if (this.down) return;
    this.onSend(frame);
    this.#world.deliver(this.self, to, purpose, frame);
  }
  onFrame(handler: (from: PeerKey, purpose: Purpose, frame: Uint8Array) => void): void {
    this.#onFrame = handler;
  }
  onPeer(handler: (peer: PeerKey) => void): void {
    this.#onPeer = handler;
  }
  receive(from: PeerKey, purpose: Purpose, frame: Uint8Array): void {
    if (!this.down) this.#onFrame(from, purpose, frame);
  }
  connected(peer: PeerKey): void {
    if (!this.down) this.#onPeer(peer);
  }
  allow(_peers: readonly AllowedPeer[]): void {}
  punish(peer: PeerKey, reason: string): void {
    this.punished.push(`${this.self} punished ${peer}: ${reason}`);
  }
  peers(): readonly { readonly peer: PeerKey; readonly connected: boolean }[] {
    return this.#world.others(this.self).map(({ self, down }) => ({ peer: self, connected: !down }));
  }
}

/** A clock of the virtual world; a crashed node's calls back no more. */
export class SimClock implements Clock {
  readonly #world: World;
  down = false;

  constructor(world: World) {
    this.#world = world;
  }
  now(): TimestampMs {
    return this.#world.nowMs as TimestampMs;
  }
  after(delayMs: number, callback: () => void): () => void {
    return this.#world.after(delayMs, () => {
      if (!this.down) callback();
    });
  }
}
