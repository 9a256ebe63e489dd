/**
 * Brings a participant's instructions to validators: each to one of them first, and to the next when that one is slow,
 * silent, or does not let it through. Which validator says what is never believed: only a final block ends the trying.
 */
import { type InstructionDigest, type PeerKey, unreachable } from '../../protocol/types.js';
import type { Bus, Clock } from '../ports.js';
import type { Members } from './members.js';
import type { Outbox } from './outbox.js';

interface Deps {
  readonly clock: Clock;
  readonly bus: Pick<Bus, 'peers'>;
  readonly members: Members;
  readonly own: PeerKey;
  readonly outbox: Outbox;
  readonly deltaMs: number;
  readonly say: (to: PeerKey, items: readonly Uint8Array[]) => void;
}

/** How long a validator has to say that an instruction is durable in its lane, and then for it to become final, in Δ. */
const TAKEN_DELTAS = 2;
const FINAL_DELTAS = 12;
/** How much longer each further try waits, at most. */
const TRIES_DOUBLED_MAX = 4;
/** What one frame brings, and a few copies more. */
const SUBMIT_BYTES_MAX = 512 * 1024;
const SUBMIT_ITEMS_MAX = 1_000;

interface Trip {
  /** How many validators were tried. */
  tries: number;
  to: PeerKey | null;
  state: 'unsent' | 'sent' | 'taken';
  dueMs: number;
}

export class Courier {
  readonly #deps: Deps;
  readonly #trips = new Map<InstructionDigest, Trip>();
  /** Where new instructions go first: moves on from a validator that does not answer. */
  #first: number;

  constructor(deps: Deps) {
    this.#deps = deps;
    // Participants spread over the validators by their keys.
    this.#first = Number.parseInt(deps.own.slice(0, 8), 16) % Math.max(1, deps.members.others.length);
  }

  /** When it next has something to do, or null. */
  dueMs(): number | null {
    const { outbox, clock } = this.#deps;
    if (outbox.size === 0) return null;
    let due: number | null = null;
    for (const [digest] of outbox.entries()) {
      const trip = this.#trips.get(digest);
      if (trip === undefined || trip.state === 'unsent') return clock.now();
      due = due === null ? trip.dueMs : Math.min(due, trip.dueMs);
    }
    return due;
  }

  /** A validator says that these are durable in its lane. */
  taken(from: PeerKey, digests: readonly InstructionDigest[]): void {
    const { clock, deltaMs } = this.#deps;
    for (const digest of digests) {
      const trip = this.#trips.get(digest);
      if (trip?.to !== from || trip.state !== 'sent') continue;
      trip.state = 'taken';
      trip.dueMs = clock.now() + this.#patienceMs(trip, FINAL_DELTAS) + deltaMs;
    }
  }

  #patienceMs({ tries }: Trip, deltas: number): number {
    return deltas * this.#deps.deltaMs * 2 ** Math.min(tries, TRIES_DOUBLED_MAX);
  }

  /** Sends what is new or overdue. */
  tend(): void {
    const { outbox, clock, say } = this.#deps;
    const now = clock.now();
    const frames = new Map<PeerKey, { items: Uint8Array[]; bytes: number }>();
    for (const digest of this.#trips.keys()) if (!outbox.has(digest)) this.#trips.delete(digest);
    for (const [digest, copies] of outbox.entries()) {
      const trip = this.#tripOf(digest);
      if (trip.state !== 'unsent' && now < trip.dueMs) continue;
      const to = this.#next(trip);
      if (to === null) return;
      const frame = frames.get(to) ?? { items: [], bytes: 0 };
      if (frame.items.length >= SUBMIT_ITEMS_MAX || frame.bytes >= SUBMIT_BYTES_MAX) continue;
      for (const { bytes } of copies) {
        frame.items.push(bytes);
        frame.bytes += bytes.length;
      }
      frames.set(to, frame);
      trip.to = to;
      trip.state = 'sent';
      trip.dueMs = now + this.#patienceMs(trip, TAKEN_DELTAS);
    }
    for (const [to, { items }] of frames) say(to, items);
  }

  #tripOf(digest: InstructionDigest): Trip {
    const known = this.#trips.get(digest);
    if (known !== undefined) return known;
    const trip: Trip = { tries: 0, to: null, state: 'unsent', dueMs: 0 };
    this.#trips.set(digest, trip);
    return trip;
  }

  /** The validator for the next try: one that is connected, and another than the last. */
  #next(trip: Trip): PeerKey | null {
    const { members, bus } = this.#deps;
    switch (trip.state) {
      case 'unsent':
        break;
      case 'sent':
        // It did not even answer: others are not given to it first.
        if (members.others[this.#first % members.others.length] === trip.to) this.#first += 1;
        trip.tries += 1;
        break;
      case 'taken':
        trip.tries += 1;
        break;
      default:
        return unreachable(trip.state);
    }
    const connected = new Set(bus.peers().flatMap(({ peer, connected: is }) => (is ? [peer] : [])));
    const { others } = members;
    for (let at = 0; at < others.length; at++) {
      const peer = others[(this.#first + trip.tries + at) % others.length] as PeerKey;
      if (connected.has(peer) && (peer !== trip.to || others.length === 1)) return peer;
    }
    return others.find((peer) => connected.has(peer)) ?? null;
  }
}
