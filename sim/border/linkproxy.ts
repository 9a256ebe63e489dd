/**
 * A link between two nodes as a TCP proxy in user space: what comes in one direction goes on later, slower, in fits and
 * starts, or not at all, and connections are reset. Nothing is lost or reordered within a connection that lasts: what
 * loss and reordering of packets are to a stream is waiting.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from '../random.js';

export interface Quality {
  /** From end to end, one way. Jitter comes on top, evenly from 0 to `jitterMs`. */
  readonly latencyMs: number;
  readonly jitterMs: number;
  /** Shared by all connections of the direction; null: as fast as the machine is. */
  readonly bytesPerSecond: number | null;
  /** Of a thousand chunks so many wait `stallMs` more, and all behind them with them. */
  readonly stallPerMille: number;
  readonly stallMs: number;
  /** Nothing arrives while this is so. */
  readonly held: boolean;
}

export const PERFECT: Quality = {
  latencyMs: 0,
  jitterMs: 0,
  bytesPerSecond: null,
  stallPerMille: 0,
  stallMs: 0,
  held: false,
};

/** What a direction keeps at most for a receiver that is slow or far; past it the sender has to wait. */
const QUEUE_BYTES_MAX = 4 * 1024 * 1024;
/** Latest measurements kept. */
const LATENESS_MAX = 10_000;

/** One direction of a link: its quality now, and what became of what was sent. */
export class Direction {
  /** Chunks that came, that drew a stall, and that came while the direction was held. */
  readonly chunks = { came: 0, stalled: 0, held: 0 };
  /** By how much chunks left later than they were due, in milliseconds. */
  readonly latenessMs: number[] = [];
  readonly #random: Random;
  readonly #pipes = new Set<Pipe>();
  #quality: Quality = PERFECT;
  #lineFreeAtMs = 0;
  #measured = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get quality(): Quality {
    return this.#quality;
  }

  /** From now on; what is on its way keeps the time it was given. */
  set(quality: Quality): void {
    this.#quality = quality;
    for (const pipe of this.#pipes) pipe.goOn();
  }

  /** A chunk came at `nowMs`: when it is due at the other end. */
  dueMs(nowMs: number, bytes: number): number {
    const { latencyMs, jitterMs, bytesPerSecond, stallPerMille, stallMs, held } = this.#quality;
    let leavesAtMs = nowMs;
    if (bytesPerSecond !== null) {
      this.#lineFreeAtMs = Math.max(this.#lineFreeAtMs, nowMs) + (bytes * 1_000) / bytesPerSecond;
      leavesAtMs = this.#lineFreeAtMs;
    }
    const jitter = jitterMs === 0 ? 0 : this.#random.between(0, jitterMs);
    const isStalled = stallPerMille > 0 && this.#random.chance(stallPerMille);
    this.chunks.came += 1;
    if (isStalled) this.chunks.stalled += 1;
    if (held) this.chunks.held += 1;
    return leavesAtMs + latencyMs + jitter + (isStalled ? stallMs : 0);
  }

  /** A chunk that waited left so much later than it was due, by no fault of this link's quality or receiver. */
  late(ms: number): void {
    this.latenessMs[this.#measured % LATENESS_MAX] = ms;
    this.#measured += 1;
  }

  open(from: Socket, to: Socket): void {
    const pipe = new Pipe(this, from, to);
    this.#pipes.add(pipe);
    to.once('close', () => this.#pipes.delete(pipe));
  }
}

/** One direction of one connection. */
class Pipe {
  readonly #direction: Direction;
  readonly #from: Socket;
  readonly #to: Socket;
  /** What is on its way; null is the sender's end of stream. */
  readonly #queue: { readonly chunk: Buffer | null; readonly cameMs: number; readonly dueMs: number }[] = [];
  #queuedBytes = 0;
  #lastDueMs = 0;
  #timer: NodeJS.Timeout | null = null;
  /** The receiver takes nothing more for now. */
  #isFull = false;
  /** When it was last held up: by its receiver, or by being held. */
  #blockedMs = 0;

  constructor(direction: Direction, from: Socket, to: Socket) {
    this.#direction = direction;
    this.#from = from;
    this.#to = to;
    from.on('data', (chunk: Buffer) => this.#push(chunk));
    from.on('end', () => this.#push(null));
    to.on('drain', () => {
      this.#isFull = false;
      this.goOn();
    });
    // What is on its way still arrives when its sender is gone.
    to.once('close', () => {
      if (this.#timer !== null) clearTimeout(this.#timer);
    });
  }

  #push(chunk: Buffer | null): void {
    const nowMs = performance.now();
    const bytes = chunk?.length ?? 0;
    // Behind the one before it, however jitter falls: what waits for that one is not late.
    this.#lastDueMs = Math.max(this.#lastDueMs, this.#direction.dueMs(nowMs, bytes));
    this.#queue.push({ chunk, cameMs: nowMs, dueMs: this.#lastDueMs });
    this.#queuedBytes += bytes;
    if (this.#queuedBytes > QUEUE_BYTES_MAX) this.#from.pause();
    this.pump();
  }

  /** After the receiver, or a change of the link, may have held it up: what is overdue now was not late. */
  goOn(): void {
    this.#blockedMs = performance.now();
    this.pump();
  }

  /** Hands on all that is due, and sets a timer for the next. */
  pump(): void {
    for (let [head] = this.#queue; head !== undefined; [head] = this.#queue) {
      if (this.#isFull || this.#direction.quality.held || this.#to.destroyed) return;
      const nowMs = performance.now();
      const { chunk, cameMs, dueMs } = head;
      if (dueMs > nowMs) {
        this.#wait(dueMs - nowMs);
        return;
      }
      this.#queue.shift();
      if (dueMs > cameMs && dueMs > this.#blockedMs) this.#direction.late(nowMs - dueMs);
      if (chunk === null) this.#to.end();
      else this.#write(chunk);
    }
  }

  #write(chunk: Buffer): void {
    this.#isFull = !this.#to.write(chunk);
    this.#queuedBytes -= chunk.length;
    if (this.#from.isPaused() && this.#queuedBytes < QUEUE_BYTES_MAX / 2) this.#from.resume();
  }

  #wait(ms: number): void {
    if (this.#timer !== null) return;
    // Timers count whole milliseconds and may come early by a part of one.
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.pump();
    }, Math.ceil(ms));
  }
}

/** Where a connection goes on, and over which directions. */
export interface Route {
  /** The node that comes, by its place. */
  readonly from: number;
  readonly host: string;
  readonly port: number;
  /** The address that it comes from, as the receiver sees it. */
  readonly localAddress?: string;
  readonly there: Direction;
  readonly back: Direction;
}

export interface LinkProxyOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** For whoever connects from this address; null refuses. */
  readonly routeOf: (remoteAddress: string) => Route | null;
}

/** A socket that is still connecting would wait for that first, and there may be nobody to connect to. */
function reset(socket: Socket): void {
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

/** Listens in a node's stead and passes connections on to it. */
export class LinkProxy {
  readonly #options: LinkProxyOptions;
  readonly #server: Server;
  readonly #connections = new Set<{ readonly from: number; readonly sockets: readonly [Socket, Socket] }>();

  constructor(options: LinkProxyOptions) {
    this.#options = options;
    // Half-open: an end of stream travels as slowly as what came before it.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Resolves with the port once it listens. */
  start(): Promise<number> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve((this.#server.address() as { port: number }).port));
    });
  }

  async stop(): Promise<void> {
    this.reset(() => true);
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Resets the connections that came from such nodes; gives how many. */
  reset(isMeant: (from: number) => boolean): number {
    const meant = [...this.#connections].filter(({ from }) => isMeant(from));
    for (const { sockets } of meant) for (const socket of sockets) reset(socket);
    return meant.length;
  }

  #accept(near: Socket): void {
    const route = this.#options.routeOf(near.remoteAddress ?? '');
    if (route === null) {
      near.resetAndDestroy();
      return;
    }
    const { from, host, port, localAddress, there, back } = route;
    const far = connect({
      host,
      port,
      noDelay: true,
      allowHalfOpen: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    const connection = { from, sockets: [near, far] as const };
    this.#connections.add(connection);
    there.open(near, far);
    back.open(far, near);
    for (const [one, other] of [connection.sockets, [far, near] as const]) {
      // The end of one side that failed is the other's at once; what was on its way is lost, as with a real reset.
      one.on('error', () => reset(other));
      one.on('close', () => this.#connections.delete(connection));
    }
  }
}
