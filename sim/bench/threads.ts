/** Threads of the bench. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** A thread that runs one of the programs beside this file. */
export function startThread(program: 'bareloop' | 'driver', workerData: unknown): Worker {
  return new Worker(new URL(`./${program}.js`, import.meta.url), { workerData });
}

/** The next message of a thread; rejects when it fails. */
export async function answerOf<Answer>(thread: Worker): Promise<Answer> {
  const [answer] = (await once(thread, 'message')) as [Answer];
  return answer;
}
