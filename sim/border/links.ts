/**
 * All links of a network, run by a process of their own so that no load or check makes them late. Not by a thread: one
 * whose sockets were reset while they were ending may never end itself. Orders go to it as lines of JSON.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Direction, Quality } from './linkproxy.js';

interface Address {
  readonly host: string;
  /** 0, where something listens: any free one. */
  readonly port: number;
}

/** A place where the process listens in a node's stead. */
export interface Gate extends Address {
  /** The node, by its place. */
  readonly to: number;
  readonly target: Address;
  /** Who comes in here, by its address; null for whoever it is, where only one knows the gate. */
  readonly callers: readonly {
    readonly address: string | null;
    readonly from: number;
    /** Under which it goes on to the node. */
    readonly localAddress?: string;
  }[];
}

export interface LinksData {
  readonly nodes: number;
  readonly gates: readonly Gate[];
  readonly seed: number;
  /** Where it takes orders. */
  readonly control: Address;
  /** Whether it goes on when whoever started it is gone. */
  readonly stays: boolean;
}

/** What the process prints once every gate is open. */
export interface Opened {
  readonly controlPort: number;
  /** In the order of the gates. */
  readonly ports: readonly number[];
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

export const LINK_PROGRAM = fileURLToPath(new URL('./linkprocess.js', import.meta.url));

export class Links {
  /** By gate, the port that it has. */
  readonly ports: readonly number[];
  readonly #socket: Socket;
  readonly #answers: AsyncIterator<string, undefined>;
  readonly #process: ChildProcess | null;
  #lastAnswer: Promise<unknown> = Promise.resolve();

  private constructor(ports: readonly number[], socket: Socket, process: ChildProcess | null) {
    this.ports = ports;
    this.#socket = socket;
    this.#answers = linesOf(socket)[Symbol.asyncIterator]() as AsyncIterator<string, undefined>;
    this.#process = process;
  }

  /** A process of this machine; resolves once every gate is open. */
  static async open(data: LinksData): Promise<Links> {
    const child = spawn(process.execPath, [LINK_PROGRAM, JSON.stringify(data)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const { controlPort, ports } = await openedBy(child.stdout);
    return new Links(ports, await dial({ ...data.control, port: controlPort }), child);
  }

  /** One that runs elsewhere, by where it takes orders. */
  static async attach(control: Address, ports: readonly number[]): Promise<Links> {
    return new Links(ports, await dial(control), null);
  }

  /** Has the process obey; answers come in order. */
  ask(order: LinksOrder): Promise<Told> {
    const told = this.#lastAnswer.then(async () => {
      this.#socket.write(`${JSON.stringify(order)}\n`);
      const answer = await this.#answers.next();
      if (answer.done === true) throw new Error('The process that runs the links has ended.');
      return JSON.parse(answer.value) as Told;
    });
    this.#lastAnswer = told.catch(() => undefined);
    return told;
  }

  /** The process ends with whoever started it; one that runs elsewhere goes on. */
  async close(): Promise<void> {
    this.#socket.destroy();
    if (this.#process === null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}

/** What it prints first. */
async function openedBy(output: Readable): Promise<Opened> {
  for await (const line of linesOf(output)) return JSON.parse(line) as Opened;
  throw new Error('The process that runs the links ended before it was ready.');
}

const linesOf = (input: Readable): Interface => createInterface({ input });

async function dial(address: Address): Promise<Socket> {
  const socket = connect({ ...address, noDelay: true });
  await once(socket, 'connect');
  // What ends it is seen by who waits for an answer.
  socket.on('error', () => undefined);
  return socket;
}
