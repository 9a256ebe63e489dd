/** A thread of the fuzzer: plans come in, results go out. It is bundled whole when a mutant is run. */
import { parentPort } from 'node:worker_threads';
import { run } from '../run.js';
import type { Done, Job } from './thread.js';

async function carryOut({ plan, traceLines }: Job): Promise<void> {
  const done: Done = await run(plan, traceLines);
  parentPort?.postMessage(done);
}

parentPort?.on('message', (job: Job) => void carryOut(job));
