/** All links of the network, run by a thread of their own so that no load or check makes them late. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Direction, Quality } from './linkproxy.js';

/** A node as the thread sees it. */
export interface Endpoint {
  /** Where the node listens, and from where it connects. */
  readonly host: string;
  readonly port: number;
  /** The address under which the other nodes know it: the thread listens there, and connects from there. */
  readonly alias: string;
}

export interface LinksData {
  readonly endpoints: readonly Endpoint[];
  readonly seed: number;
}

/** A direction of a link, as places of nodes. */
export type Way = readonly [from: number, to: number];

export type LinksOrder =
  | { readonly type: 'set'; readonly ways: readonly Way[]; readonly quality: Quality }
  | { readonly type: 'reset'; readonly nodes: readonly number[] }
  | { readonly type: 'tell'; readonly ways: readonly Way[] }
  /** Answered by the end of the thread. */
  | { readonly type: 'close' };

export interface Told {
  /** Connections that were reset by this order. */
  readonly resets: number;
  /** On the ways asked for, until now. */
  readonly chunks: Direction['chunks'];
  /** By how much the latest of them left later than was asked. */
  readonly latenessMs: readonly number[];
}

export class Links {
  readonly #thread: Worker;
  #lastAnswer: Promise<unknown> = Promise.resolve();

  private constructor(thread: Worker) {
    this.#thread = thread;
  }

  /** Resolves once every link is there. */
  static async open(data: LinksData): Promise<Links> {
    const program = import.meta.url.endsWith('.ts') ? '../../dist/sim/chaos/linkthread.js' : './linkthread.js';
    const thread = new Worker(new URL(program, import.meta.url), { workerData: data });
    await once(thread, 'message');
    return new Links(thread);
  }

  /** Has the thread obey; answers come in order. Rejects when the thread has failed. */
  ask(order: Exclude<LinksOrder, { type: 'close' }>): Promise<Told> {
    const answer = this.#lastAnswer.then(async () => {
      this.#thread.postMessage(order);
      const [told] = (await once(this.#thread, 'message')) as [Told];
      return told;
    });
    this.#lastAnswer = answer.catch(() => undefined);
    return answer;
  }

  /** The thread closes its sockets and ends by itself: one that is terminated with a connection half made may never end. */
  async close(): Promise<void> {
    const ended = once(this.#thread, 'exit');
    this.#thread.postMessage({ type: 'close' } satisfies LinksOrder);
    await ended;
  }
}
