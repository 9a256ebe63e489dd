/**
 * All links of the network, run by a process of their own so that no load or check makes them late. Not by a thread: one
 * whose sockets were reset while they were ending may never end itself.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Direction, Quality } from './linkproxy.js';

/** A node as that process sees it. */
export interface Endpoint {
  /** Where the node listens, and from where it connects. */
  readonly host: string;
  readonly port: number;
  /** The address under which the other nodes know it: the process listens there, and connects from there. */
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
  | { readonly type: 'tell'; readonly ways: readonly Way[] };

export interface Told {
  /** Connections that were reset by this order. */
  readonly resets: number;
  /** On the ways asked for, until now. */
  readonly chunks: Direction['chunks'];
  /** By how much the latest of them left later than was asked. */
  readonly latenessMs: readonly number[];
}

export class Links {
  readonly #process: ChildProcess;
  #lastAnswer: Promise<unknown> = Promise.resolve();

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** Resolves once every link is there. */
  static async open(data: LinksData): Promise<Links> {
    const program = import.meta.url.endsWith('.ts') ? '../../dist/sim/chaos/linkprocess.js' : './linkprocess.js';
    const child = fork(fileURLToPath(new URL(program, import.meta.url)), [JSON.stringify(data)]);
    await once(child, 'message');
    return new Links(child);
  }

  /** Has the process obey; answers come in order. */
  ask(order: LinksOrder): Promise<Told> {
    const answer = this.#lastAnswer.then(async () => {
      this.#process.send(order);
      const [told] = (await once(this.#process, 'message')) as [Told];
      return told;
    });
    this.#lastAnswer = answer.catch(() => undefined);
    return answer;
  }

  async close(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}
