/**
 * The link to one peer: its queues, its outgoing streams, and getting them back when they are lost.
 *
 * A session is one connection with an outgoing stream for each purpose. Both sides may open connections; each side
 * keeps one session and reads what comes on any connection.
 */
import type { Connection, PeerId, Stream } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { FRAME_BYTES_MAX, PEER_QUEUE_BYTES_MAX } from '../../protocol/limits.js';
import type { PeerKey } from '../../protocol/types.js';
import type { Clock, Log, Metrics, Purpose } from '../ports.js';
import { FrameReader, HEARTBEAT, HEARTBEAT_BYTES, Outbox } from './framing.js';

/** In this order streams are opened and written: the first comes before bulk when a connection is full. */
export const PURPOSES = ['consensus', 'batches', 'sync'] as const satisfies readonly Purpose[];

export const PROTOCOL_IDS: Record<Purpose, string> = {
  consensus: '/causeway/1/consensus',
  batches: '/causeway/1/batches',
  sync: '/causeway/1/sync',
};

const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 5_000;
/** How much later than the lower key the higher one dials, so that two connections at once are rare. */
const HIGHER_WAITS_MS = 1_000;
/** A session that lived so long was a success: the next back-off begins anew, and a new connection may replace it. */
const STABLE_MS = 5_000;
const PUNISH_MS_MIN = 10_000;
const PUNISH_MS_MAX = 5 * 60_000;
const DIAL_MS_MAX = 10_000;
/** All streams of a session, each after a round trip or two. */
const OPEN_MS_MAX = 20_000;
/**
 * A heartbeat goes out this often; after so many without an answer or other progress the connection is dead. Counted
 * in heartbeats and not in time, so that a process that was stopped or busy hears its peers out before it judges them.
 */
const HEARTBEAT_MS = 10_000;
const UNANSWERED_HEARTBEATS_MAX = 3;
/** A queue keeps less for a peer that is away: what is old is asked for again when it comes back. */
const AWAY_QUEUE_BYTES_MAX = 2 * FRAME_BYTES_MAX;

/** What a link needs of the bus. */
export interface LinkPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly dial: (address: Multiaddr, signal: AbortSignal) => Promise<Connection>;
  /** Connections to the peer, open ones and others. */
  readonly connections: (peerId: PeerId) => Connection[];
  readonly onFrame: (from: PeerKey, purpose: Purpose, frame: Uint8Array) => void;
  /** The outgoing streams came up, or were lost. */
  readonly onChange: (link: PeerLink, up: boolean) => void;
}

/** Where a peer is found. */
export interface Place {
  readonly peer: PeerKey;
  /** Null when it is not known: then only the peer can dial. */
  readonly address: Multiaddr | null;
  /** Of two peers one dials at once. */
  readonly dialsFirst: boolean;
}

interface Session {
  readonly connection: Connection;
  readonly streams: Map<Purpose, Stream>;
  up: boolean;
  /** Seen for a while: it was no flicker. */
  stable: boolean;
  unanswered: number;
  readonly timers: Partial<Record<'open' | 'stable' | 'heartbeat', () => void>>;
}

export class PeerLink {
  readonly peerId: PeerId;
  readonly #ports: LinkPorts;
  readonly #outboxes: Record<Purpose, Outbox> = {
    consensus: new Outbox(),
    batches: new Outbox(),
    sync: new Outbox(),
  };
  readonly #readers = new Set<FrameReader>();
  /** Connections given up: not to be taken for open ones until they are gone. */
  readonly #givenUp = new WeakSet<Connection>();
  #place: Place;
  #session: Session | null = null;
  #failures = 0;
  #cancelWake: (() => void) | null = null;
  #flushing = false;
  #refusals = 0;
  #refused = false;
  #cancelRefusal: () => void = () => undefined;
  #closed = false;

  constructor(peerId: PeerId, place: Place, ports: LinkPorts) {
    this.peerId = peerId;
    this.#place = place;
    this.#ports = ports;
  }

  get peer(): PeerKey {
    return this.#place.peer;
  }

  /** True while frames can leave. */
  get up(): boolean {
    return this.#session?.up === true;
  }

  /** True while the peer's connections are turned away. */
  get refused(): boolean {
    return this.#refused || this.#closed;
  }

  move(place: Place): void {
    this.#place = place;
  }

  start(): void {
    this.#wakeAfter(this.#place.dialsFirst ? 0 : HIGHER_WAITS_MS);
  }

  send(purpose: Purpose, frame: Uint8Array): void {
    const dropped = this.#outboxes[purpose].push(frame, this.up ? PEER_QUEUE_BYTES_MAX : AWAY_QUEUE_BYTES_MAX);
    this.#countDropped(dropped);
    if (!this.up || this.#flushing) return;
    this.#flushing = true;
    // At the turn's end all it sent goes together: a send costs the same whatever its size.
    setImmediate(() => this.#flush());
  }

  /** A connection to the peer is open: the session from now on if there is none, or if the peer gave up the old one. */
  offer(connection: Connection): void {
    if (this.refused) {
      this.#giveUp(connection, 'the peer is refused for now');
      return;
    }
    if (connection.status !== 'open' || this.#givenUp.has(connection) || connection === this.#session?.connection)
      return;
    if (this.#session !== null) {
      // A peer dials only when it has lost us: a session of some age is then one whose end has not been noticed here.
      if (connection.direction === 'outbound' || !this.#session.stable) return;
      this.#lose(this.#session, 'the peer connected anew');
    }
    void this.#open(connection);
  }

  /** Reads frames from a stream that the peer opened. */
  accept(purpose: Purpose, stream: Stream): void {
    if (this.refused) {
      stream.abort(new Error('the peer is refused for now'));
      return;
    }
    const { metrics, onFrame } = this.#ports;
    const reader = new FrameReader((frame) => {
      if (frame.length === 0) {
        answer(stream);
        return;
      }
      metrics.count('frames_in');
      metrics.count('bytes_in', frame.length);
      onFrame(this.peer, purpose, frame);
    });
    this.#readers.add(reader);
    stream.addEventListener('close', () => this.#readers.delete(reader));
    stream.addEventListener('message', ({ data }) => {
      for (const part of data instanceof Uint8Array ? [data] : data) {
        if (reader.read(part)) continue;
        // Not for a reader that was stopped because the peer is cut off already.
        if (!this.refused) this.punish('frame_length');
        return;
      }
    });
  }

  /** Cuts the peer off and turns it away: 10 s the first time, then twice as long each time, up to 5 min. */
  punish(reason: string): void {
    if (this.refused) return;
    const refuseMs = Math.min(PUNISH_MS_MAX, PUNISH_MS_MIN * 2 ** this.#refusals);
    this.#refusals += 1;
    this.#refused = true;
    this.#ports.metrics.count('peers_punished');
    this.#ports.log.warn({ peer: this.peer, reason, refuseMs }, 'a peer broke the protocol and is cut off');
    this.#disconnect(reason);
    this.#cancelRefusal = this.#ports.clock.after(refuseMs, () => {
      this.#refused = false;
      this.#wakeAfter(0);
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancelRefusal();
    this.#disconnect('the link is closed');
  }

  #disconnect(reason: string): void {
    for (const reader of this.#readers) reader.stop();
    this.#readers.clear();
    if (this.#session !== null) this.#lose(this.#session, reason);
    this.#cancelWake?.();
    this.#cancelWake = null;
    for (const connection of this.#ports.connections(this.peerId)) this.#giveUp(connection, reason);
  }

  /**
   * Closes a connection, after this turn: often it is the connection's own event that leads here, and the library
   * throws where nobody catches when a connection is aborted while it aborts.
   */
  #giveUp(connection: Connection, reason: string): void {
    if (this.#givenUp.has(connection)) return;
    this.#givenUp.add(connection);
    setImmediate(() => connection.abort(new Error(reason)));
  }

  #wakeAfter(delayMs: number): void {
    if (this.refused || this.#cancelWake !== null) return;
    this.#cancelWake = this.#ports.clock.after(delayMs, () => {
      this.#cancelWake = null;
      void this.#connect();
    });
  }

  #retry(): void {
    const backoffMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    // Jitter, so that peers of a node that comes back do not all come at once.
    const jitteredMs = backoffMs * (0.5 + Math.random() / 2);
    this.#wakeAfter(jitteredMs + (this.#place.dialsFirst ? 0 : HIGHER_WAITS_MS));
  }

  async #connect(): Promise<void> {
    if (this.refused || this.#session !== null) return;
    const open = this.#ports
      .connections(this.peerId)
      .find((connection) => connection.status === 'open' && !this.#givenUp.has(connection));
    const { address } = this.#place;
    const controller = new AbortController();
    const cancelTimeout = this.#ports.clock.after(DIAL_MS_MAX, () => controller.abort());
    try {
      if (open !== undefined) this.offer(open);
      else if (address !== null) this.offer(await this.#ports.dial(address, controller.signal));
    } catch (error) {
      this.#ports.log.debug({ peer: this.peer, address: address?.toString(), error }, 'could not dial a peer');
    } finally {
      cancelTimeout();
    }
    if (this.#session === null) this.#retry();
  }

  async #open(connection: Connection): Promise<void> {
    const { clock } = this.#ports;
    const session: Session = { connection, streams: new Map(), up: false, stable: false, unanswered: 0, timers: {} };
    this.#session = session;
    session.timers.open = clock.after(OPEN_MS_MAX, () => this.#lose(session, 'its streams took too long to open'));
    try {
      for (const purpose of PURPOSES) {
        const stream = await connection.newStream(PROTOCOL_IDS[purpose]);
        if (this.#session !== session) return;
        this.#useStream(session, purpose, stream);
      }
    } catch (error) {
      this.#lose(session, `a stream could not be opened: ${String(error)}`);
      return;
    }
    if (this.#session !== session) return;
    session.up = true;
    session.timers.open?.();
    session.timers.stable = clock.after(STABLE_MS, () => {
      session.stable = true;
      this.#failures = 0;
    });
    session.timers.heartbeat = clock.after(HEARTBEAT_MS, () => this.#beat(session));
    this.#ports.onChange(this, true);
    this.#flush();
  }

  #beat(session: Session): void {
    if (session.unanswered >= UNANSWERED_HEARTBEATS_MAX) {
      this.#lose(session, 'no heartbeat was answered');
      return;
    }
    session.unanswered += 1;
    this.send('consensus', HEARTBEAT);
    session.timers.heartbeat = this.#ports.clock.after(HEARTBEAT_MS, () => this.#beat(session));
  }

  #useStream(session: Session, purpose: Purpose, stream: Stream): void {
    session.streams.set(purpose, stream);
    stream.addEventListener('close', () => this.#lose(session, `the ${purpose} stream closed`));
    stream.addEventListener('drain', () => {
      // The peer takes what it is sent: a heartbeat may wait behind bulk for longer than an answer takes.
      session.unanswered = 0;
      // The stream sends what it holds in a microtask of its own, queued before this one.
      queueMicrotask(() => this.#pump(session, purpose));
    });
    // Frames flow one way on a stream; only answers to heartbeats come back, and it does not matter what they say.
    stream.addEventListener('message', () => {
      session.unanswered = 0;
    });
    if (stream.status !== 'open') this.#lose(session, `the ${purpose} stream closed at once`);
  }

  #lose(session: Session, reason: string): void {
    if (this.#session !== session) return;
    this.#session = null;
    for (const cancel of Object.values(session.timers)) cancel();
    this.#giveUp(session.connection, reason);
    for (const purpose of PURPOSES) {
      const outbox = this.#outboxes[purpose];
      this.#countDropped(outbox.abandon() + outbox.trim(AWAY_QUEUE_BYTES_MAX));
    }
    this.#ports.log.debug({ peer: this.peer, reason }, 'a session with a peer ended');
    if (session.up) this.#ports.onChange(this, false);
    this.#retry();
  }

  #flush(): void {
    this.#flushing = false;
    const session = this.#session;
    if (session === null || !session.up) return;
    for (const purpose of PURPOSES) this.#pump(session, purpose);
  }

  /** Hands over chunks while the stream takes them. It keeps what it cannot send, one chunk at most; `drain` follows. */
  #pump(session: Session, purpose: Purpose): void {
    const stream = session.streams.get(purpose);
    if (!session.up || stream === undefined) return;
    while (this.#session === session && !stream.writableNeedsDrain) {
      const chunk = this.#outboxes[purpose].takeChunk();
      if (chunk === null) return;
      this.#ports.metrics.count('frames_out', chunk.frames);
      this.#ports.metrics.count('bytes_out', chunk.bytes.length);
      try {
        stream.send(chunk.bytes);
      } catch (error) {
        this.#lose(session, `sending failed: ${String(error)}`);
      }
    }
  }

  #countDropped(frames: number): void {
    if (frames > 0) this.#ports.metrics.count('frames_dropped', frames);
  }
}

/** Answers a heartbeat, unless the peer leaves its answers unread: those may not gather here. */
function answer(stream: Stream): void {
  if (stream.writableNeedsDrain) return;
  try {
    stream.send(HEARTBEAT_BYTES);
  } catch {
    // The stream is closing; who asked will notice by itself.
  }
}
