/**
 * What is measured, scenario by scenario: the ceiling while nothing else runs, throughput with as much offered as the
 * nodes take, and time to finality at half of that. Every instruction that a node took must have settled in the end.
 */
import type { Worker } from 'node:worker_threads';
import { assert } from '../../protocol/types.js';
import type { Member } from '../network/network.js';
import { percentileOf } from '../percentile.js';
import { measureCeiling } from './ceiling.js';
import { CONTROL, CONTROL_BYTES, type DriverData, type DriverOrder, type DriverReport } from './orders.js';
import { answerOf, startThread } from './threads.js';
import type { Scenario } from './traffic.js';
import { type BenchWorld, finalizedOn, outcomesOf, type Spent, spentUntilNow } from './world.js';

const DRIVERS = 2;
/** Requests under way at each node from each driver. */
const SATURATION_PER_NODE = 32;
const STEADY_PER_NODE = 64;
/** Accepted and not yet final at most, over all nodes: more would only wait. */
const BACKLOG_MAX = 3_000;
const BACKLOG_STEP_MS = 50;
/** Until a node has settled so many, it runs code that is not compiled yet. */
const WARM_UP_INSTRUCTIONS = 2_000;
const WARM_UP_MS_MAX = 15_000;
/** Blocks that a measure of throughput spans, where thrice the time allows. */
const BLOCKS_MIN = 10;
/** So long a first block is waited for: nothing would be measured without. */
const FIRST_BLOCK_MS_MAX = 30_000;
const BLOCKS_STEP_MS = 500;
const DRAIN_MS_MAX = 30_000;
const CEILING_MS = 1_000;
/** Of a steady load, one in so many is followed to its finality. Prime to the number of nodes, so that each has its share. */
const SAMPLE_EVERY = 7;
/** A steady load is no smaller: a driver follows some of it on every node. */
const STEADY_INSTRUCTIONS_MIN = 128;

export interface Figures {
  /** Instructions settled a second, at saturation. */
  readonly tps: number;
  /** From the moment a request is due to be sent to its client seeing it final, at half that load. */
  readonly finalityMs: { readonly p50: number; readonly p99: number };
  readonly ceilingTps: number;
  readonly ratio: number;
  readonly cpuUsPerTxPerNode: number;
  /** Sent between validators, all four together. */
  readonly bytesPerTx: number;
  readonly algorithm: 'Ed25519';
}

/** What says more about a run than its figures do. */
export interface Circumstances {
  readonly settled: number;
  readonly blocks: number;
  readonly samples: number;
  /** CPU of the driver for each instruction it sent, on the same cores as the nodes. */
  readonly driverCpuUsPerTx: number;
}

export interface Measured {
  readonly figures: Figures;
  readonly circumstances: Circumstances;
}

interface Settings {
  readonly world: BenchWorld;
  readonly scenario: Scenario;
  readonly seconds: number;
  readonly say: (line: string) => void;
}

/** Measures one scenario. Rejects when anything that was taken did not settle, or nothing settled at all. */
export async function measure({ world, scenario, seconds, say }: Settings): Promise<Measured> {
  const { network, id, banks } = world;
  say('checking signatures in a bare loop on every core');
  const loop = { network: id, banks, scenario, durationMs: CEILING_MS };
  const ceilingTps = await measureCeiling(loop, network.members.length);
  const drivers = new Drivers(world);
  try {
    const saturated = await saturate(drivers, { world, scenario, seconds, say }, ceilingTps);
    say(`${Math.round(saturated.tps)} settled a second; now half of that`);
    const finalityMs = await steady(drivers, { world, scenario, seconds, say }, saturated.tps / 2);
    const { tps, cpuUsPerTxPerNode, bytesPerTx, settled, blocks, driverCpuUsPerTx } = saturated;
    const [p50, p99] = [percentileOf(finalityMs, 0.5), percentileOf(finalityMs, 0.99)];
    assert(p50 !== null && p99 !== null, 'what was sent at a steady rate settled');
    return {
      figures: {
        tps: rounded(tps),
        finalityMs: { p50: rounded(p50), p99: rounded(p99) },
        ceilingTps: rounded(ceilingTps),
        ratio: Math.round((tps / ceilingTps) * 1000) / 1000,
        cpuUsPerTxPerNode: rounded(cpuUsPerTxPerNode),
        bytesPerTx: Math.round(bytesPerTx),
        algorithm: 'Ed25519',
      },
      circumstances: { settled, blocks, samples: finalityMs.length, driverCpuUsPerTx: rounded(driverCpuUsPerTx) },
    };
  } finally {
    await drivers.close();
  }
}

const rounded = (value: number): number => Math.round(value * 10) / 10;

/** The threads that send, and the words that they share with this one. */
class Drivers {
  readonly #threads: readonly Worker[];
  readonly #words: Int32Array;

  constructor({ network, id, banks }: BenchWorld) {
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    this.#words = new Int32Array(control);
    const ports = network.members.map(({ url }) => Number(new URL(url).port));
    const data: DriverData = { network: id, banks, ports, control };
    this.#threads = Array.from({ length: DRIVERS }, () => startThread('driver', data));
  }

  async sign(scenario: Scenario, count: number): Promise<void> {
    await this.#all({ type: 'sign', scenario, count: Math.ceil(count / DRIVERS) });
  }

  /** Begins to send; the promise is of what came of it. */
  run(order: DriverOrder): Promise<DriverReport> {
    this.#words.fill(0);
    return this.#all(order).then((reports) => {
      const whole = reports.filter((report) => report !== 'signed');
      return {
        accepted: whole.flatMap(({ accepted }) => accepted),
        finalityMs: whole.flatMap(({ finalityMs }) => finalityMs),
        refused: whole.flatMap(({ refused }) => refused),
      };
    });
  }

  #all(order: DriverOrder): Promise<(DriverReport | 'signed')[]> {
    return Promise.all(
      this.#threads.map((thread) => {
        thread.postMessage(order);
        return answerOf<DriverReport | 'signed'>(thread);
      }),
    );
  }

  get accepted(): number {
    return Atomics.load(this.#words, CONTROL.ACCEPTED);
  }
  get isExhausted(): boolean {
    return Atomics.load(this.#words, CONTROL.EXHAUSTED) === 1;
  }
  pause(isPaused: boolean): void {
    Atomics.store(this.#words, CONTROL.PAUSE, isPaused ? 1 : 0);
  }
  stop(): void {
    Atomics.store(this.#words, CONTROL.STOP, 1);
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }
}

interface Saturated extends Omit<Circumstances, 'samples'> {
  readonly tps: number;
  readonly cpuUsPerTxPerNode: number;
  readonly bytesPerTx: number;
}

async function saturate(
  drivers: Drivers,
  { world, scenario, seconds, say }: Settings,
  ceilingTps: number,
): Promise<Saturated> {
  const { network } = world;
  const first = network.members[0] as Member;
  // The nodes cannot settle more than the ceiling, so this much lasts.
  const count = Math.ceil(ceilingTps * seconds) + WARM_UP_INSTRUCTIONS + 2 * BACKLOG_MAX;
  say(`signing ${count} instructions`);
  await drivers.sign(scenario, count);
  say(`${seconds} s of as much as the nodes take`);
  const before = await spentUntilNow(network);
  const finalBefore = await finalizedOn(first);
  const running = drivers.run({ type: 'saturate', perNode: SATURATION_PER_NODE });
  const ended = running.then(() => 'ended' as const);
  const keepUp = async (durationMs: number, instructions = Number.POSITIVE_INFINITY): Promise<void> => {
    const until = performance.now() + durationMs;
    for (let final = 0; final < instructions && performance.now() < until && !drivers.isExhausted; ) {
      final = (await finalizedOn(first)) - finalBefore;
      drivers.pause(drivers.accepted - final > BACKLOG_MAX);
      if ((await Promise.race([delay(BACKLOG_STEP_MS), ended])) === 'ended') return;
    }
  };
  await keepUp(WARM_UP_MS_MAX, WARM_UP_INSTRUCTIONS);
  const [start, driverStart, sentStart] = [await spentUntilNow(network), process.cpuUsage(), drivers.accepted];
  await keepUp(seconds * 1000);
  let end = await spentUntilNow(network);
  // On a machine that is busy with other things a block may take seconds, and one more or less would be the result.
  const isShort = (): boolean => {
    const [blocks, durationMs] = [end.height - start.height, end.atMs - start.atMs];
    return blocks < BLOCKS_MIN && durationMs < Math.max(3000 * seconds, blocks === 0 ? FIRST_BLOCK_MS_MAX : 0);
  };
  while (isShort() && !drivers.isExhausted) {
    await keepUp(BLOCKS_STEP_MS);
    end = await spentUntilNow(network);
  }
  const [driver, sentEnd] = [process.cpuUsage(driverStart), drivers.accepted];
  drivers.stop();
  const settledAt = await allSettled(world, await running, before);
  const settled = settledAt.filter((height) => height > start.height && height <= end.height).length;
  if (settled === 0) throw new Error(`Nothing settled in ${Math.round((end.atMs - start.atMs) / 1000)} s.`);
  return {
    tps: (settled * 1000) / (end.atMs - start.atMs),
    cpuUsPerTxPerNode: ((end.cpuSeconds - start.cpuSeconds) * 1e6) / settled / network.members.length,
    bytesPerTx: (end.bytesOut - start.bytesOut) / settled,
    settled,
    blocks: end.height - start.height,
    driverCpuUsPerTx: (driver.user + driver.system) / (sentEnd - sentStart),
  };
}

async function steady(drivers: Drivers, { world, scenario, seconds }: Settings, tps: number): Promise<number[]> {
  const before = await spentUntilNow(world.network);
  await drivers.sign(scenario, Math.max(STEADY_INSTRUCTIONS_MIN, Math.ceil(tps * seconds)));
  const report = await drivers.run({
    type: 'steady',
    perSecond: tps / DRIVERS,
    sampleEvery: SAMPLE_EVERY,
    perNode: STEADY_PER_NODE,
  });
  await allSettled(world, report, before);
  return [...report.finalityMs];
}

/** The heights at which what was taken settled, once all of it did; rejects when anything was refused, lost or left over. */
async function allSettled({ network }: BenchWorld, report: DriverReport, before: Spent): Promise<number[]> {
  const { accepted, refused } = report;
  if (refused.length > 0) throw new Error(`${refused.length} instructions were refused, the first so: ${refused[0]}`);
  const first = network.members[0] as Member;
  const outcomes = new Map<string, { readonly code: string; readonly height: number }>();
  const until = performance.now() + DRAIN_MS_MAX;
  let open: readonly string[] = accepted;
  for (let read = before.height; open.length > 0; ) {
    const { height } = await spentUntilNow(network);
    for (const [digest, outcome] of await outcomesOf(first, read + 1, height)) outcomes.set(digest, outcome);
    read = height;
    open = open.filter((digest) => !outcomes.has(digest));
    if (open.length > 0 && performance.now() > until) {
      throw new Error(`${open.length} of ${accepted.length} accepted instructions are lost, ${open[0]} for one.`);
    }
    if (open.length > 0) await delay(BACKLOG_STEP_MS);
  }
  return accepted.map((digest) => {
    const outcome = outcomes.get(digest);
    if (outcome?.code === 'settled') return outcome.height;
    throw new Error(`Instruction ${digest} ended as ${outcome?.code}.`);
  });
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
