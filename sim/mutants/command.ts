/** `npm run sim -- mutants`: plants the bugs of the catalogue one at a time, and says how soon each is found. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { readCount } from '../fuzz/command.js';
import { planOf } from '../fuzz/mix.js';
import { Thread } from '../fuzz/thread.js';
import { MUTANTS } from './catalogue.js';
import { type Mutant, planted } from './mutant.js';

interface Options {
  readonly only?: string;
  readonly seeds: number;
  readonly workers: number;
  readonly json: boolean;
}

interface Verdict {
  readonly name: string;
  /** How many seeds it took; null when none of them found it. */
  readonly seeds: number | null;
  readonly caughtBy: string;
}

interface Planter {
  prepare(root: string, folder: string): void;
  plant(options: {
    readonly root: string;
    readonly changed: ReadonlyMap<string, string>;
    readonly outfile: string;
  }): Promise<number>;
}

const SEEDS = 200;
/** By then a situation of the usual kind is met many times. */
const HIDDEN_SEEDS = 60;

/** Where our sources are: bugs are planted in those, not in the build. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export const mutantsCommand = (program: Command): Command =>
  program
    .command('mutants')
    .description('Plant bugs one at a time and count the seeds until each is found.')
    .option('--only <name>', 'one of them, or those whose name has this in it')
    .option('--seeds <n>', 'how many seeds a bug may survive', readCount, SEEDS)
    .option('--workers <n>', 'threads', readCount, Math.min(8, availableParallelism()))
    .option('--json', 'the table as one line of JSON', false)
    .action(mutants);

async function mutants({ only = '', seeds, workers, json }: Options, command: Command): Promise<void> {
  const exact = MUTANTS.filter(({ name }) => name === only);
  const chosen = exact.length > 0 ? exact : MUTANTS.filter(({ name }) => name.includes(only));
  if (chosen.length === 0) command.error(`error: the catalogue has no mutant of this name: ${only}`, { exitCode: 2 });
  const folder = mkdtempSync(join(tmpdir(), 'causeway-mutants-'));
  const verdicts: Verdict[] = [];
  try {
    const waiting = [...chosen];
    const work = async (): Promise<void> => {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const verdict = await judge(mutant, folder, seeds);
        verdicts.push(verdict);
        console.error(
          `${verdict.seeds === null ? 'SURVIVED' : `${verdict.seeds} seeds`}  ${verdict.name}: ${verdict.caughtBy}`,
        );
      }
    };
    await Promise.all(Array.from({ length: Math.min(workers, chosen.length) }, work));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  tell(
    chosen.map(({ name }) => verdicts.find((verdict) => verdict.name === name) as Verdict),
    json,
  );
}

/** The changed texts of a mutant's files. */
export function changedBy({ edits }: Mutant): Map<string, string> {
  const changed = new Map<string, string>();
  for (const edit of edits) {
    const { file } = edit;
    changed.set(file, planted(changed.get(file) ?? readFileSync(join(ROOT, file), 'utf8'), edit));
  }
  return changed;
}

/** Builds a thread of the fuzzer with the mutant in it; answers where it is. */
export async function plantIn(folder: string, mutant: Mutant): Promise<string> {
  const planter = (await import(pathToFileURL(join(ROOT, 'sim/mutants/plant.mjs')).href)) as Planter;
  planter.prepare(ROOT, folder);
  const outfile = join(folder, `${mutant.name}.mjs`);
  const changed = changedBy(mutant);
  const used = await planter.plant({ root: ROOT, changed, outfile });
  if (used !== changed.size) throw new Error(`${mutant.name}: a file that the fuzzer does not run was changed`);
  return outfile;
}

async function judge(mutant: Mutant, folder: string, seeds: number): Promise<Verdict> {
  const { name, besides = [], hides } = mutant;
  const met = new Set<string>();
  const thread = new Thread(pathToFileURL(await plantIn(folder, mutant)));
  try {
    for (let seed = 1; seed <= seeds; seed++) {
      const { violations, situations } = await thread.run(planOf(seed));
      for (const situation of Object.keys(situations)) met.add(situation);
      const caughtBy = violations.find((violation) => !besides.some((text) => violation.includes(text)));
      if (caughtBy !== undefined) return { name, seeds: seed, caughtBy };
      if (hides !== undefined && seed >= HIDDEN_SEEDS && !met.has(hides))
        return { name, seeds: seed, caughtBy: `never met: ${hides}` };
    }
  } finally {
    await thread.close();
  }
  return { name, seeds: null, caughtBy: `survived ${seeds} seeds; it breaks: ${mutant.breaks}` };
}

function tell(verdicts: readonly Verdict[], json: boolean): void {
  const survivors = verdicts.filter(({ seeds }) => seeds === null);
  if (json) console.log(JSON.stringify({ mutants: verdicts, survivors: survivors.map(({ name }) => name) }));
  else {
    const table = new Table({
      head: ['mutant', 'seeds', 'caught by'],
      style: { head: [], border: [] },
      wordWrap: true,
      colWidths: [36, 8, 70],
    });
    for (const { name, seeds, caughtBy } of verdicts)
      table.push([name, seeds === null ? '-' : String(seeds), caughtBy.slice(0, 200)]);
    console.log(table.toString());
    console.log(`${verdicts.length - survivors.length} of ${verdicts.length} found`);
  }
  if (survivors.length > 0) process.exitCode = 1;
}
