/** `npm run sim -- fuzz`: many seeds on several threads. A failing run is its seed, cut down and told. */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { readWhole } from '../../node/cli/arguments.js';
import { utf8 } from '../../protocol/codec.js';
import { hashOf } from '../../protocol/hash.js';
import { planOf } from './mix.js';
import type { Plan } from './plan.js';
import { kindOf, shrink } from './shrink.js';
import { isListed, SITUATIONS } from './situations.js';
import { describePlan } from './story.js';
import { type Done, Thread } from './thread.js';

interface Options {
  readonly seed?: number;
  readonly seeds?: number;
  readonly minutes: number;
  readonly workers: number;
  readonly shrinkSeconds: number;
  readonly traceLines: number;
  readonly strict: boolean;
  readonly json: boolean;
}

interface Failure {
  readonly seed: number | null;
  readonly violations: readonly string[];
  /** What of the seed's plan is needed to fail. */
  readonly plan: Plan | null;
}

/** From so many seeds on every situation must have been met. */
const STRICT_SEEDS = 1_000;
const SEEDS = 20;

/** Of seeds, and of how many. */
export const readCount = readWhole(1, 2 ** 31 - 1);

export const fuzzCommand = (program: Command): Command =>
  program
    .command('fuzz')
    .description('Run seeds, each with its own faults. Example: npm run sim -- fuzz --seeds 20')
    .option('--seed <n>', 'the first seed; alone, the only one', readCount)
    .option('--seeds <n>', `how many seeds at most (default: ${SEEDS})`, readCount)
    .option('--minutes <n>', 'how long at most', readCount, 60)
    .option('--workers <n>', 'threads', readCount, Math.min(8, availableParallelism()))
    .option('--shrink-seconds <n>', 'how long a failure is cut down', readCount, 60)
    .option('--trace-lines <n>', 'how much of the trace of a failure is shown', readCount, 60)
    .option('--strict', `a situation never met is a failure, as from ${STRICT_SEEDS} seeds on`, false)
    .option('--json', 'a summary as one line of JSON at the end of standard output', false)
    .action(fuzz);

async function fuzz(options: Options): Promise<void> {
  const first = options.seed ?? 1;
  const seeds = options.seeds ?? (options.seed === undefined ? SEEDS : 1);
  const campaign = new Campaign(options);
  const last = first + seeds - 1;
  let next = first;
  const work = async (): Promise<void> => {
    const thread = new Thread();
    while (next <= last && !campaign.isOver) await campaign.take(await thread.run(planOf(next++)), thread);
    await thread.close();
  };
  await Promise.all(Array.from({ length: Math.min(options.workers, seeds) }, work));
  campaign.finish(options.strict || seeds >= STRICT_SEEDS);
}

class Campaign {
  readonly #options: Options;
  readonly #started = performance.now();
  readonly #failures: Failure[] = [];
  readonly #hashes = new Map<number, string>();
  readonly #situations = new Map<string, number>();
  #virtualMs = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  get #seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  get isOver(): boolean {
    return this.#seconds >= 60 * this.#options.minutes;
  }

  async take(done: Done, thread: Thread): Promise<void> {
    const { seed, traceHash, virtualMs, situations, violations } = done;
    this.#hashes.set(seed, traceHash);
    this.#virtualMs += virtualMs;
    for (const [name, times] of Object.entries(situations))
      this.#situations.set(name, (this.#situations.get(name) ?? 0) + times);
    if (violations.length > 0) await this.#fail(done, thread);
    this.#progress();
  }

  /** The failure is cut down and told, while other threads go on. */
  async #fail({ seed, violations }: Done, thread: Thread): Promise<void> {
    const kind = kindOf(violations[0] ?? '');
    this.#say(`seed ${seed} failed:`);
    for (const violation of violations.slice(0, 10)) this.#say(`  ${violation}`);
    const untilSeconds = this.#seconds + this.#options.shrinkSeconds;
    const { plan, runs } = await shrink(
      planOf(seed),
      async (shorter) => (await thread.run(shorter)).violations.some((violation) => kindOf(violation) === kind),
      () => this.#seconds >= untilSeconds,
    );
    this.#failures.push({ seed, violations, plan });
    const { trace } = await thread.run(plan, this.#options.traceLines);
    this.#say(`what of its plan is needed (${plan.steps.length} of ${planOf(seed).steps.length} steps, ${runs} runs):`);
    for (const line of describePlan(plan)) this.#say(line);
    this.#say('what the nodes then did, the last of it:');
    for (const line of trace) this.#say(line);
    this.#say(`the whole again: npm run sim -- fuzz --seed ${seed}`);
  }

  finish(isStrict: boolean): void {
    const missing = [...SITUATIONS.keys()].filter((name) => !this.#situations.has(name));
    const unlisted = [...this.#situations.keys()].filter((name) => !isListed(name));
    if (isStrict && missing.length > 0) this.#note(missing.map((name) => `never met: ${name}`));
    if (unlisted.length > 0) this.#note(unlisted.map((name) => `a situation that the list does not have: ${name}`));
    const hashes = [...this.#hashes].sort(([a], [b]) => a - b);
    const summary = {
      seeds: hashes.length,
      failures: this.#failures,
      traceHash: hashOf(utf8(JSON.stringify(hashes))).slice(0, 16),
      virtualSeconds: Math.round(this.#virtualMs / 1000),
      wallSeconds: Math.max(1, Math.round(this.#seconds)),
      situations: Object.fromEntries([...SITUATIONS.keys()].map((name) => [name, this.#situations.get(name) ?? 0])),
    };
    if (process.stderr.isTTY) process.stderr.write('\n');
    if (this.#options.json) console.log(JSON.stringify(summary));
    else this.#tell(summary);
    if (this.#failures.length > 0) process.exitCode = 1;
  }

  #note(violations: readonly string[]): void {
    this.#failures.push({ seed: null, violations, plan: null });
  }

  #tell({ seeds, failures, situations, virtualSeconds, wallSeconds, traceHash }: Summary): void {
    for (const [name, times] of Object.entries(situations)) console.log(`${String(times).padStart(9)}  ${name}`);
    for (const { seed, violations } of failures) {
      for (const violation of violations) console.log(`FAILED ${seed === null ? '' : `seed ${seed}: `}${violation}`);
    }
    const pace = `${(seeds / wallSeconds).toFixed(2)} seeds a second, ${(virtualSeconds / wallSeconds).toFixed(1)} virtual hours an hour`;
    console.log(
      `${seeds} seeds, ${failures.length} failed, ${virtualSeconds} virtual seconds in ${wallSeconds} real ones (${pace}), trace ${traceHash}`,
    );
  }

  #progress(): void {
    if (!process.stderr.isTTY) return;
    const done = this.#hashes.size;
    const seconds = this.#seconds;
    const hours = this.#virtualMs / 1000 / seconds;
    process.stderr.write(
      `\r${done} seeds, ${(done / seconds).toFixed(2)} a second, ${hours.toFixed(1)} virtual hours an hour, ${this.#failures.length} failed `,
    );
  }

  /** With `--json` standard output belongs to the summary. */
  #say(line: string): void {
    if (this.#options.json) console.error(line);
    else console.log(line);
  }
}

interface Summary {
  readonly seeds: number;
  readonly failures: readonly Failure[];
  readonly traceHash: string;
  readonly virtualSeconds: number;
  readonly wallSeconds: number;
  readonly situations: Readonly<Record<string, number>>;
}
