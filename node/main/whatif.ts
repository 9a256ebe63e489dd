/**
 * The thread that goes through copies of the queue: begun with the first question, since few nodes are ever asked one.
 * A thread of its own, not one of the verifier's: a what-if takes longer than any vote may wait.
 */
import { Worker } from 'node:worker_threads';
import type { WhatIfAnswer, WhatIfQuestion } from '../../ledger/queue/whatif.js';
import { assert } from '../../protocol/types.js';
import type { WhatIfRunner } from '../ports.js';

export interface WhatIfThread extends WhatIfRunner {
  /** Ends the thread; a question under way is rejected. */
  close(): Promise<void>;
}

/** `program` is another one than whatifworker.ts where a test lets it die. */
export function createWhatIfs(program: URL = new URL('./whatifworker.js', import.meta.url)): WhatIfThread {
  let thread: Worker | null = null;
  let isUnderWay = false;

  /** A thread that dies takes its question with it, and the next one has another thread. */
  const start = (): Worker => {
    const started = new Worker(program);
    started.once('exit', () => {
      if (thread === started) thread = null;
    });
    // Whoever waits for an answer is told; a thread that dies idle is nobody's concern.
    started.on('error', () => undefined);
    return started;
  };

  return {
    async run(question: WhatIfQuestion): Promise<WhatIfAnswer> {
      assert(!isUnderWay, 'one question is under way at a time');
      isUnderWay = true;
      thread ??= start();
      const asked = thread;
      // The process stays for an answer that it waits for, and not for a thread that is idle.
      asked.ref();
      try {
        return await answerOf(asked, question);
      } finally {
        asked.unref();
        isUnderWay = false;
      }
    },
    async close() {
      await thread?.terminate();
    },
  };
}

function answerOf(thread: Worker, question: WhatIfQuestion): Promise<WhatIfAnswer> {
  return new Promise((resolve, reject) => {
    let reason: unknown = 'it exited';
    const onError = (error: unknown): void => {
      reason = error;
    };
    const onAnswer = (answer: WhatIfAnswer): void => {
      thread.off('error', onError).off('exit', onExit);
      resolve(answer);
    };
    const onExit = (): void => {
      thread.off('message', onAnswer);
      reject(new Error('the thread that goes through copies of the queue ended', { cause: reason }));
    };
    thread.once('message', onAnswer).once('error', onError).once('exit', onExit);
    thread.postMessage(question);
  });
}
