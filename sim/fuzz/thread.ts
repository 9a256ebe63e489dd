/** Runs plans on a thread of its own, one at a time: what hangs or dies there is a result like any other. */
import { Worker } from 'node:worker_threads';
import type { RunResult } from '../run.js';
import type { Plan } from './plan.js';

export interface Job {
  readonly plan: Plan;
  /** How many lines of the trace are wanted. */
  readonly traceLines: number;
}

export type Done = RunResult;

/** The program of a thread. */
const WORKER = new URL('./worker.js', import.meta.url);

/** Real time past which a run hangs. */
const RUN_MS_MAX = 180_000;

export class Thread {
  readonly #program: URL;
  #worker: Worker | null = null;

  constructor(program: URL = WORKER) {
    this.#program = program;
  }

  async run(plan: Plan, traceLines = 0): Promise<Done> {
    this.#worker ??= new Worker(this.#program);
    const worker = this.#worker;
    const job: Job = { plan, traceLines };
    const done = await new Promise<Done>((resolve) => {
      const failed = (error: Error): void => end(ended(plan, `failed: ${error.message}`));
      const exited = (status: number): void => end(ended(plan, `failed: the thread ended with status ${status}`));
      const end = (result: Done): void => {
        clearTimeout(timer);
        worker.off('message', end).off('error', failed).off('exit', exited);
        resolve(result);
      };
      const timer = setTimeout(() => end(ended(plan, `hung: no end within ${RUN_MS_MAX / 1000} seconds`)), RUN_MS_MAX);
      worker.on('message', end).on('error', failed).on('exit', exited);
      worker.postMessage(job);
    });
    if (done.traceHash === '') await this.close();
    return done;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }
}

/** The result of a run that gave none. */
const ended = ({ seed }: Plan, violation: string): Done => ({
  seed,
  violations: [violation],
  traceHash: '',
  virtualMs: 0,
  height: 0,
  acknowledged: 0,
  crashes: 0,
  situations: {},
  trace: [],
});
