/**
 * The verifier port: a pool of threads that check signatures.
 *
 * Work waits in four queues and is taken from the first that has any: votes and certificates, then batches, then the
 * instructions in them, then those at the door, which yet has a turn of its own every so often. A parcel to a thread is
 * small and each thread holds few, so a vote waits for some milliseconds of bulk at most, however much there is. Votes
 * of one turn travel together, and the rest of one round of the event loop.
 */
import { Worker } from 'node:worker_threads';
import { assert, type BatchDigest } from '../../protocol/types.js';
import type { BatchCheck, Metrics, SignatureCheck, Urgency, Verifier } from '../ports.js';
import { packBatch, packChecks, readBatchAnswer, wellFormed } from './wire.js';

/** Checks in a parcel at most: about three milliseconds of work. */
const PARCEL_CHECKS_MAX = 32;
/** Checks that are worth a message to a thread of their own. */
const PARCEL_CHECKS_MIN = 8;
/** One parcel in so many begins at the door, so that no flood of batches shuts it. */
const DOOR_EVERY = 8;
/** Parcels a thread holds: one to work on, and one so that it never waits for the next. */
const PARCELS_PER_THREAD = 2;
/** Deaths of a thread in a row, without an answer between them, after which the pool gives up. */
const DEATHS_MAX = 3;

const QUEUES = ['vote', 'batch', 'lane', 'door'] as const;
const DOOR_FIRST = ['vote', 'door', 'batch', 'lane'] as const;
type Queue = Urgency | 'batch';

interface CheckCall {
  readonly kind: 'checks';
  readonly queue: Queue;
  readonly checks: readonly SignatureCheck[];
  /** Places in `checks` of those that go to a thread; the others are refused already. */
  readonly places: readonly number[];
  readonly verdicts: boolean[];
  unanswered: number;
  readonly resolve: (verdicts: boolean[]) => void;
  readonly reject: (error: Error) => void;
}
interface BatchCall {
  readonly kind: 'batch';
  readonly queue: Queue;
  readonly signed: BatchCheck;
  readonly resolve: (answer: { digest: BatchDigest; valid: boolean }) => void;
  readonly reject: (error: Error) => void;
}
/** Some of a call's checks, by their places in `places`; a batch is one piece. */
type Piece =
  | { readonly call: CheckCall; readonly from: number; readonly to: number }
  | { readonly call: BatchCall; readonly from: 0; readonly to: 1 };

interface Thread {
  worker: Worker;
  /** What it was sent and has not answered, in the order in which it will. */
  readonly parcels: Piece[][];
  deaths: number;
}

export interface VerifierPool extends Verifier {
  /** Checks and batches that wait for a verdict. */
  queueLength(): number;
  /** Ends the threads; what still waits is rejected. */
  close(): Promise<void>;
}

/**
 * A pool of `threads` threads. A thread that dies is replaced and its work done again, which is safe since a check
 * has no effect. When that does not help, every call is rejected: the process cannot do its work and should stop.
 * `workerUrl` runs another program in the threads than worker.ts, which a test does to see them die.
 */
export function createVerifier({
  threads,
  workerUrl = new URL('./worker.js', import.meta.url),
  metrics = { count: () => undefined },
}: {
  readonly threads: number;
  readonly workerUrl?: URL;
  readonly metrics?: Pick<Metrics, 'count'>;
}): VerifierPool {
  assert(Number.isInteger(threads) && threads >= 1, 'a verifier has a thread');
  return new Pool(threads, () => new Worker(workerUrl), metrics);
}

class Pool implements VerifierPool {
  readonly #queues: Readonly<Record<Queue, Piece[]>> = { vote: [], batch: [], lane: [], door: [] };
  #parcels = 0;
  readonly #threads: Thread[] = [];
  #waiting = 0;
  #inFlight = 0;
  #pumping = false;
  #pumpingAfterInput = false;
  #failure: Error | null = null;

  readonly #startWorker: () => Worker;

  readonly #metrics: Pick<Metrics, 'count'>;

  constructor(threadCount: number, start: () => Worker, metrics: Pick<Metrics, 'count'>) {
    this.#startWorker = start;
    this.#metrics = metrics;
    for (let i = 0; i < threadCount; i++) this.#threads.push(this.#start());
  }

  verify(
    checks: readonly SignatureCheck[],
    { urgency: queue }: { readonly urgency: Urgency } = { urgency: 'vote' },
  ): Promise<boolean[]> {
    const verdicts = new Array<boolean>(checks.length).fill(false);
    const places: number[] = [];
    for (const [place, check] of checks.entries()) if (wellFormed(check)) places.push(place);
    if (places.length === 0) return Promise.resolve(verdicts);
    return new Promise((resolve, reject) => {
      const call: CheckCall = {
        kind: 'checks',
        queue,
        checks,
        places,
        verdicts,
        unanswered: places.length,
        resolve,
        reject,
      };
      this.#enqueue({ call, from: 0, to: places.length });
    });
  }

  batch(signed: BatchCheck): Promise<{ digest: BatchDigest; valid: boolean }> {
    assert(wellFormed({ alg: 'Ed25519', ...signed }), "a batch's signature and its author's key have their lengths");
    return new Promise((resolve, reject) => {
      this.#enqueue({ call: { kind: 'batch', queue: 'batch', signed, resolve, reject }, from: 0, to: 1 });
    });
  }

  queueLength(): number {
    return this.#waiting + this.#inFlight;
  }

  async close(): Promise<void> {
    this.#fail(new Error('the verifier is closed'));
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #enqueue(piece: Piece): void {
    if (this.#failure !== null) {
      piece.call.reject(this.#failure);
      return;
    }
    this.#queues[piece.call.queue].push(piece);
    this.#waiting += piece.to - piece.from;
    if (piece.call.queue === 'vote') this.#pumpSoon();
    else this.#pumpAfterInput();
  }

  /** Once the calls of this turn are all there. */
  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** Once the sockets that are ready have been read: what they bring together costs one message to a thread. */
  #pumpAfterInput(): void {
    if (this.#pumpingAfterInput) return;
    this.#pumpingAfterInput = true;
    setImmediate(() => {
      this.#pumpingAfterInput = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#waiting > 0 && this.#failure === null) {
      const thread = this.#threads.reduce((least, other) =>
        other.parcels.length < least.parcels.length ? other : least,
      );
      if (thread.parcels.length >= PARCELS_PER_THREAD) return;
      this.#send(thread, this.#take());
    }
  }

  /** The next parcel: a batch, or checks of as many calls as fit. Little work is spread over all threads. */
  #take(): Piece[] {
    const share = Math.ceil(this.#waiting / this.#threads.length);
    let room = Math.min(PARCEL_CHECKS_MAX, Math.max(PARCEL_CHECKS_MIN, share));
    const parcel: Piece[] = [];
    this.#parcels += 1;
    for (const name of this.#parcels % DOOR_EVERY === 0 ? DOOR_FIRST : QUEUES) {
      const queue = this.#queues[name];
      // A batch travels alone, after the votes that wait and before bulk.
      if (name === 'batch' && queue.length > 0) {
        if (parcel.length > 0) break;
        parcel.push(queue.shift() as Piece);
        room = 0;
      }
      while (room > 0 && queue.length > 0) {
        const piece = queue[0] as Piece & { call: CheckCall };
        const to = Math.min(piece.to, piece.from + room);
        parcel.push({ call: piece.call, from: piece.from, to });
        room -= to - piece.from;
        if (to === piece.to) queue.shift();
        else queue[0] = { call: piece.call, from: to, to: piece.to };
      }
    }
    const size = sizeOf(parcel);
    this.#waiting -= size;
    this.#inFlight += size;
    return parcel;
  }

  #send(thread: Thread, parcel: Piece[]): void {
    thread.parcels.push(parcel);
    const buffer = pack(parcel);
    thread.worker.postMessage(buffer, [buffer]);
  }

  #start(): Thread {
    const thread: Thread = { worker: this.#startWorker(), parcels: [], deaths: 0 };
    this.#listen(thread);
    return thread;
  }

  #listen(thread: Thread): void {
    const { worker } = thread;
    let reason: unknown = 'it exited';
    worker.on('message', (out: Uint8Array) => {
      if (this.#failure !== null) return;
      const parcel = thread.parcels.shift();
      assert(parcel !== undefined, 'a thread answers what it was sent');
      thread.deaths = 0;
      this.#inFlight -= sizeOf(parcel);
      this.#metrics.count('signatures_checked', sizeOf(parcel));
      settle(parcel, out);
      this.#pumpSoon();
    });
    worker.on('error', (error: unknown) => {
      reason = error;
    });
    worker.once('exit', () => this.#replace(thread, reason));
  }

  #replace(thread: Thread, reason: unknown): void {
    if (this.#failure !== null) return;
    thread.deaths += 1;
    if (thread.deaths >= DEATHS_MAX) {
      this.#fail(new Error(`a thread that checks signatures died ${DEATHS_MAX} times in a row`, { cause: reason }));
      return;
    }
    const lost = thread.parcels.splice(0).flat();
    for (const piece of lost.reverse()) {
      this.#queues[piece.call.queue].unshift(piece);
      this.#waiting += piece.to - piece.from;
      this.#inFlight -= piece.to - piece.from;
    }
    thread.worker = this.#startWorker();
    this.#listen(thread);
    this.#pumpSoon();
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    const pieces = [
      ...QUEUES.flatMap((name) => this.#queues[name].splice(0)),
      ...this.#threads.flatMap((thread) => thread.parcels.flat()),
    ];
    for (const { call } of pieces) call.reject(error);
    this.#waiting = 0;
    this.#inFlight = 0;
  }
}

const sizeOf = (parcel: readonly Piece[]): number => parcel.reduce((sum, { from, to }) => sum + to - from, 0);

function pack(parcel: readonly Piece[]): ArrayBuffer {
  const checks: SignatureCheck[] = [];
  for (const { call, from, to } of parcel) {
    if (call.kind === 'batch') return packBatch(call.signed);
    for (let i = from; i < to; i++) checks.push(call.checks[call.places[i] as number] as SignatureCheck);
  }
  return packChecks(checks);
}

function settle(parcel: readonly Piece[], out: Uint8Array): void {
  let at = 0;
  for (const { call, from, to } of parcel) {
    if (call.kind === 'batch') {
      call.resolve(readBatchAnswer(out));
      continue;
    }
    for (let i = from; i < to; i++) call.verdicts[call.places[i] as number] = out[at++] === 1;
    call.unanswered -= to - from;
    if (call.unanswered === 0) call.resolve(call.verdicts);
  }
}
