/**
 * Brings a participant's instructions to validators: each to one of them first, and to the next when that one is slow,
 * silent, or does not let it through. Which validator says what is never believed: only a final block ends the trying.
 */
import { assert, type InstructionDigest, type PeerKey } from '../../protocol/types.js';
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
/** What one frame brings, and how many a validator is sent at once. */
const SUBMIT_BYTES_MAX = 512 * 1024;
const SUBMIT_ITEMS_MAX = 1_000;
const SUBMIT_FRAMES_MAX = 4;

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
  /** No validator was connected: none is tried before. */
  #restUntilMs = 0;

  constructor(deps: Deps) {
    this.#deps = deps;
    // Participants spread over the validators by their keys.
    this.#first = Number.parseInt(deps.own.slice(0, 8), 16) % Math.max(1, deps.members.others.length);
  }

  /** When it next has something to do, or null. */
  dueMs(): number | null {
    const { outbox, clock } = this.#deps;
    if (outbox.size === 0) return null;
    let due = Number.POSITIVE_INFINITY;
    for (const [digest] of outbox.entries()) {
      const trip = this.#trips.get(digest);
      if (trip === undefined || trip.state === 'unsent') return Math.max(clock.elapsed(), this.#restUntilMs);
      due = Math.min(due, trip.dueMs);
    }
    return Math.max(due, this.#restUntilMs);
  }

  /** A validator says that these are durable in its lane. */
  taken(from: PeerKey, digests: readonly InstructionDigest[]): void {
    const { clock, deltaMs } = this.#deps;
    for (const digest of digests) {
      const trip = this.#trips.get(digest);
      if (trip?.to !== from || trip.state !== 'sent') continue;
      trip.state = 'taken';
      trip.dueMs = clock.elapsed() + this.#patienceMs(trip, FINAL_DELTAS) + deltaMs;
    }
  }

  #patienceMs({ tries }: Trip, deltas: number): number {
    return deltas * this.#deps.deltaMs * 2 ** Math.min(tries, TRIES_DOUBLED_MAX);
  }

  /** Sends what is new or overdue. */
  tend(): void {
    const { outbox, clock, say, deltaMs } = this.#deps;
    const now = clock.elapsed();
    const connected = this.#connected();
    if (connected.size === 0) {
      this.#restUntilMs = now + deltaMs;
      return;
    }
    const frames = new Map<PeerKey, { items: Uint8Array[]; bytes: number; sent: number }>();
    for (const digest of this.#trips.keys()) if (!outbox.has(digest)) this.#trips.delete(digest);
    for (const [digest, copies] of outbox.entries()) {
      const trip = this.#tripOf(digest);
      if (trip.state !== 'unsent' && now < trip.dueMs) continue;
      const tries = trip.state === 'unsent' ? trip.tries : trip.tries + 1;
      const to = this.#next(trip, tries, connected);
      const frame = frames.get(to) ?? { items: [], bytes: 0, sent: 0 };
      if (frame.sent >= SUBMIT_FRAMES_MAX) continue;
      for (const { bytes } of copies) {
        if (frame.items.length >= SUBMIT_ITEMS_MAX || frame.bytes + bytes.length > SUBMIT_BYTES_MAX) {
          say(to, frame.items.splice(0));
          frame.bytes = 0;
          frame.sent += 1;
        }
        frame.items.push(bytes);
        frame.bytes += bytes.length;
      }
      frames.set(to, frame);
      trip.to = to;
      trip.tries = tries;
      trip.state = 'sent';
      trip.dueMs = now + this.#patienceMs(trip, TAKEN_DELTAS);
    }
    for (const [to, { items }] of frames) if (items.length > 0) say(to, items);
  }

  #tripOf(digest: InstructionDigest): Trip {
    const known = this.#trips.get(digest);
    if (known !== undefined) return known;
    const trip: Trip = { tries: 0, to: null, state: 'unsent', dueMs: 0 };
    this.#trips.set(digest, trip);
    return trip;
  }

  #connected(): ReadonlySet<PeerKey> {
    const { members, bus } = this.#deps;
    const peers = bus.peers().flatMap(({ peer, connected }) => (connected ? [peer] : []));
    return new Set(peers.filter((peer) => members.placeOf(peer) !== null));
  }

  /** The validator for the next try: a connected one, and another than the last if there is another. */
  #next(trip: Trip, tries: number, connected: ReadonlySet<PeerKey>): PeerKey {
    const { others } = this.#deps.members;
    // It did not even answer: others are not given to it first.
    if (trip.state === 'sent' && others[this.#first % others.length] === trip.to) this.#first += 1;
    const at = (this.#first + tries) % others.length;
    const turn = [...others.slice(at), ...others.slice(0, at)].filter((peer) => connected.has(peer));
    const to = turn.find((peer) => peer !== trip.to) ?? turn[0];
    assert(to !== undefined, 'somebody is connected');
    return to;
  }
}
