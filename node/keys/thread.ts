/** Starting a thread on a program of ours, compiled or from its source. */
import { Worker } from 'node:worker_threads';

/** Compiled, a thread is a file as any other. Run from its source it must load tsx first: threads inherit no loader. */
export function startThread(program: URL): Worker {
  if (!program.href.endsWith('.ts')) return new Worker(program);
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  const source = JSON.stringify(program.href);
  return new Worker(`import(${loader}).then(({ register }) => { register(); return import(${source}); });`, {
    eval: true,
  });
}

/** The program `name` beside the file of that URL, in the form in which that one runs. */
export const programBeside = (url: string, name: string): URL =>
  new URL(`./${name}.${url.endsWith('.ts') ? 'ts' : 'js'}`, url);
