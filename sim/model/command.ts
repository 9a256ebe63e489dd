/** `npm run sim -- model`: every interleaving of a small network under the production rules of consensus. */
import type { Command } from 'commander';
import { readWhole } from '../../node/cli/arguments.js';
import * as rules from '../../protocol/bft/core.js';
import { type Bounds, type Exploration, explore } from './explore.js';
import { N } from './local.js';
import { VIEWS_MAX } from './place.js';

interface Options {
  readonly views?: number;
  readonly restarts?: number;
  readonly states: number;
  readonly json: boolean;
}

/** What is gone through by default: the views with as many restarts as can be exhausted in minutes. */
const PARTS: readonly Pick<Bounds, 'views' | 'restartsMax'>[] = [
  { views: 1, restartsMax: 2 },
  { views: 2, restartsMax: 1 },
  { views: 3, restartsMax: 0 },
];
const STATES_MAX = 50_000_000;
const CONTINUED_EVERY = 500;

interface Run extends Bounds, Exploration {
  readonly seconds: number;
}

function check(bounds: Bounds, isQuiet: boolean): Run {
  const started = performance.now();
  const show = (states: number, open: number): void => {
    if (!isQuiet && process.stderr.isTTY) process.stderr.write(`\r  ${states} states, ${states - open} of them open `);
  };
  const exploration = explore(rules, bounds, show);
  if (!isQuiet && process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  return { ...bounds, ...exploration, seconds: Math.round((performance.now() - started) / 100) / 10 };
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

function print(run: Run): void {
  const { views, restartsMax, liar, states, transitions, aloneStates, depth, continued, isExhausted, seconds } = run;
  const verdict = run.violation !== null ? 'VIOLATED' : isExhausted ? 'exhausted' : 'bound met';
  console.log(
    `${counted(views, 'view')}, ${counted(restartsMax, 'restart')}, validator ${liar} lies: ${verdict}; ${states} states, ${transitions} ` +
      `transitions, depth ${depth}; ${aloneStates} of a node alone; ${continued} continued; ${seconds} s`,
  );
  if (run.violation === null) return;
  console.log(`  ${run.violation.what}`);
  for (const line of run.violation.trace) console.log(`    ${line}`);
}

function model({ views, restarts, states, json }: Options): void {
  const parts = PARTS.filter((part) => views === undefined || part.views === views).map((part) => ({
    ...part,
    restartsMax: restarts ?? part.restartsMax,
  }));
  const runs: Run[] = [];
  for (const part of parts) {
    for (let liar = 0; liar < N; liar++) {
      const run = check({ ...part, liar, statesMax: states, continuedEvery: CONTINUED_EVERY }, json);
      runs.push(run);
      if (!json) print(run);
    }
  }
  const violations = runs.filter(({ violation }) => violation !== null).length;
  // What was not gone through is not known to hold.
  const unfinished = runs.filter(({ isExhausted }) => !isExhausted).length;
  if (json) console.log(JSON.stringify({ runs, violations }));
  if (violations + unfinished > 0) process.exitCode = 1;
}

/** Adds `model` to the simulator's command line. A violation, or a bound met before all was gone through, makes the exit status 1. */
export function modelCommand(program: Command): void {
  program
    .command('model')
    .description('Go through every interleaving of four validators, one of them lying, over one to three views.')
    .option('--views <n>', 'only this many views', readWhole(1, VIEWS_MAX))
    .option('--restarts <n>', 'honest nodes killed and started again, at most', readWhole(0, 3))
    .option('--states <n>', 'states at most in each configuration', readWhole(1, STATES_MAX), STATES_MAX)
    .option('--json', 'the outcome as one line of JSON', false)
    .action(model);
}
