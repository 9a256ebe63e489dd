/** A thread that signs a share of the load beforehand, then sends it: as fast as it is taken, or at a rate. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert, unreachable } from '../../protocol/types.js';
import { Connection } from './connection.js';
import { CONTROL, type DriverData, type DriverOrder, type DriverReport } from './orders.js';
import { httpPost, httpWaitFinal, type Scenario, Traffic } from './traffic.js';

const RETRY_MS = 20;
const PAUSE_MS = 2;
const TICK_MS = 2;
const FINAL_MS_MAX = 30_000;

interface Signed {
  readonly digest: string;
  readonly post: Uint8Array;
}

const { network, banks, ports, control } = workerData as DriverData;
const words = new Int32Array(control);
const port = parentPort;
assert(port !== null, 'this file runs as a thread');
const traffic = new Traffic(network, banks);
/** What is signed and not yet sent, by node, the next one last. */
const signed: Signed[][] = ports.map(() => []);

const delay = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
const isStopped = (): boolean => Atomics.load(words, CONTROL.STOP) === 1;

async function sign(scenario: Scenario, count: number): Promise<void> {
  for (const queue of signed) queue.length = 0;
  for (let i = 0; i < count; i++) {
    const request = await traffic.next(scenario);
    signed[request.node]?.push({ digest: request.digest, post: httpPost(request) });
  }
}

class Run {
  readonly accepted: string[] = [];
  readonly finalityMs: number[] = [];
  readonly refused: string[] = [];

  /** Sends one until it is accepted or refused for good; "not now" is repeated, as a bank would. */
  async submit(connection: Connection, { digest, post }: Signed): Promise<boolean> {
    for (;;) {
      const { status, body } = await connection.ask(post);
      if (status === 202) {
        this.accepted.push(digest);
        Atomics.add(words, CONTROL.ACCEPTED, 1);
        return true;
      }
      if (status !== 503) {
        this.refused.push(body);
        return false;
      }
      await delay(RETRY_MS);
    }
  }

  async followToFinality(connection: Connection, digest: string, dueMs: number): Promise<void> {
    const { status, body } = await connection.ask(httpWaitFinal(digest, FINAL_MS_MAX));
    if (status === 200 && (JSON.parse(body) as { status: string }).status === 'final') {
      this.finalityMs.push(performance.now() - dueMs);
    } else this.refused.push(body);
  }
}

const openAll = (perNode: number): Promise<Connection[][]> =>
  Promise.all(ports.map((each) => Promise.all(Array.from({ length: perNode }, () => Connection.open(each)))));

async function saturate(run: Run, connections: readonly (readonly Connection[])[]): Promise<void> {
  const keepBusy = async (connection: Connection, queue: Signed[]): Promise<void> => {
    while (!isStopped()) {
      if (Atomics.load(words, CONTROL.PAUSE) === 1) {
        await delay(PAUSE_MS);
        continue;
      }
      const next = queue.pop();
      if (next === undefined) {
        Atomics.store(words, CONTROL.EXHAUSTED, 1);
        return;
      }
      await run.submit(connection, next);
    }
  };
  await Promise.all(
    connections.flatMap((ofNode, node) => ofNode.map((each) => keepBusy(each, signed[node] as Signed[]))),
  );
}

async function steady(
  run: Run,
  connections: readonly Connection[][],
  { perSecond, sampleEvery }: { readonly perSecond: number; readonly sampleEvery: number },
): Promise<void> {
  const total = Math.min(...signed.map(({ length }) => length)) * signed.length;
  const underWay = new Set<Promise<void>>();
  const startMs = performance.now();
  const send = async (at: number): Promise<void> => {
    const node = at % ports.length;
    const idle = connections[node] as Connection[];
    // Late for want of a connection counts as late: it was due.
    while (idle.length === 0) await delay(TICK_MS);
    const connection = idle.pop() as Connection;
    const next = (signed[node] as Signed[]).pop() as Signed;
    const taken = await run.submit(connection, next);
    if (taken && at % sampleEvery === 0) {
      await run.followToFinality(connection, next.digest, startMs + (at * 1000) / perSecond);
    }
    idle.push(connection);
  };
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startMs) * perSecond) / 1000));
    for (; sent < due; sent++) {
      const sending = send(sent);
      underWay.add(sending);
      void sending.finally(() => underWay.delete(sending));
    }
    await delay(TICK_MS);
  }
  await Promise.all(underWay);
}

async function obey(order: DriverOrder): Promise<DriverReport | 'signed'> {
  if (order.type === 'sign') {
    await sign(order.scenario, order.count);
    return 'signed';
  }
  const run = new Run();
  const connections = await openAll(order.perNode);
  const all = connections.flat();
  try {
    switch (order.type) {
      case 'saturate':
        await saturate(run, connections);
        break;
      case 'steady':
        await steady(run, connections, order);
        break;
      default:
        unreachable(order);
    }
  } finally {
    for (const connection of all) connection.close();
  }
  return { accepted: run.accepted, finalityMs: run.finalityMs, refused: run.refused };
}

port.on('message', (order: DriverOrder) => {
  // A failure ends the thread, and whoever waits for its answer hears of it.
  void obey(order).then((answer) => port.postMessage(answer));
});
