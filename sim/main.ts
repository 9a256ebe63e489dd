/** `npm run sim -- fuzz`: many seeds of the virtual world, one after another. A failing run is its seed. */
import { Command, InvalidArgumentError } from 'commander';
import { type RunResult, run } from './run.js';

interface FuzzOptions {
  readonly seed: number;
  readonly seeds: number;
  readonly minutes: number;
  readonly faultSeconds: number;
  readonly json: boolean;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('A whole number from 1 on is needed.');
  return value;
}

async function fuzz(options: FuzzOptions): Promise<void> {
  const started = performance.now();
  const wallSeconds = (): number => (performance.now() - started) / 1000;
  const failures: { readonly seed: number; readonly violations: readonly string[] }[] = [];
  let virtualSeconds = 0;
  let done = 0;
  let last: RunResult | null = null;
  for (let seed = options.seed; done < options.seeds && wallSeconds() < 60 * options.minutes; seed++) {
    last = await run({ seed, faultMs: 1000 * options.faultSeconds, instructions: 10 * options.faultSeconds });
    virtualSeconds += last.virtualMs / 1000;
    done += 1;
    const { violations, height, acknowledged, crashes } = last;
    if (violations.length > 0) failures.push({ seed, violations });
    if (!options.json) {
      const verdict = violations.length === 0 ? 'ok' : `FAILED: ${violations.join('; ')}`;
      console.log(`seed ${seed}: ${height} blocks, ${acknowledged} acknowledged, ${crashes} crashes: ${verdict}`);
    }
  }
  const summary = {
    seeds: done,
    failures,
    traceHash: last?.traceHash ?? '',
    virtualSeconds: Math.round(virtualSeconds),
    wallSeconds: Math.round(wallSeconds()),
  };
  if (options.json) console.log(JSON.stringify(summary));
  else
    console.log(
      `${done} seeds, ${failures.length} failed, ${summary.virtualSeconds} virtual seconds in ${summary.wallSeconds} real ones`,
    );
  if (failures.length > 0) process.exitCode = 1;
}

const program = new Command('sim').description(
  'Break the network in a virtual world: every run is decided by its seed.',
);
program
  .command('fuzz')
  .description('Run seeds one after another. Example: npm run sim -- fuzz --seeds 20')
  .option('--seed <n>', 'the first seed', wholeNumber, 1)
  .option('--seeds <n>', 'how many seeds at most', wholeNumber, 20)
  .option('--minutes <n>', 'how long at most', wholeNumber, 10)
  .option('--fault-seconds <n>', 'virtual time under faults in each run', wholeNumber, 20)
  .option('--json', 'the summary as one line of JSON', false)
  .action(fuzz);
await program.parseAsync();
