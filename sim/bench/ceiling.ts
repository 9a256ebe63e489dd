/**
 * What signatures alone allow: the fastest library in a bare loop on every core of this machine, divided by the checks
 * that its four validators owe, each of whom checks each signature once.
 */
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { assert } from '../../protocol/types.js';
import type { BareLoopAnswer, BareLoopData } from './bareloop.js';
import { answerOf, startThread } from './threads.js';
import { SIGNATURES } from './traffic.js';

/** Instructions a second that four validators on this machine's cores could check, if they did nothing else. */
export async function measureCeiling(data: BareLoopData, validators: number): Promise<number> {
  const threads: Worker[] = [];
  try {
    for (let core = 0; core < availableParallelism(); core++) threads.push(startThread('bareloop', data));
    await Promise.all(threads.map(answerOf<BareLoopAnswer>));
    for (const thread of threads) thread.postMessage('go');
    const rates = await Promise.all(
      threads.map(async (thread) => {
        const answer = await answerOf<BareLoopAnswer>(thread);
        assert(answer !== 'ready', 'a loop is ready once');
        return (answer.checks * 1000) / answer.elapsedMs;
      }),
    );
    return rates.reduce((sum, rate) => sum + rate, 0) / (validators * SIGNATURES[data.scenario]);
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}
