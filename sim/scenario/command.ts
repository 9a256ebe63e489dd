/** `npm run sim -- scenario`: a scenario of the library or of a file, on a world of choice, with its verdict and report. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { type Command, Option } from 'commander';
import { readWhole } from '../../node/cli/arguments.js';
import { EXITS } from '../../node/main/exits.js';
import { libfaketime } from '../network/faketime.js';
import { writable } from '../report/writable.js';
import { castOf } from './cast.js';
import { breaksIn, parseScenario, type Scenario, ScenarioSchema, sabotaged, type WorldName } from './file.js';
import { play, type Run, type Say } from './play.js';
import { reportOf } from './report.js';
import { openStage, type StageOptions } from './stages.js';
import { waitWords } from './waits.js';

const SEED_MAX = 2 ** 31 - 1;
/** The files stand beside the sources, wherever this is run from. */
const LIBRARY = fileURLToPath(new URL('../../../sim/scenario/library/', import.meta.url));
const SUFFIX = '.json';
const SCHEMA = 'scenario.schema.json';
const INTERRUPTED_STATUS = 130;
export const IMAGE = 'causeway:local';
export const NEXT_IMAGE = 'causeway:next';

interface Options {
  readonly world: WorldName;
  readonly seed: number;
  readonly image: string;
  readonly nextImage: string;
  readonly sabotaged: boolean;
  readonly out?: string;
  readonly json: boolean;
}

/** The names of the library's scenarios, ascending. */
export const libraryNames = (): readonly string[] =>
  readdirSync(LIBRARY)
    .filter((file) => file.endsWith(SUFFIX) && file !== SCHEMA)
    .map((file) => basename(file, SUFFIX))
    .sort();

/** A scenario by its name in the library, or by its file; refuses in a sentence. */
export function loadScenario(name: string): Scenario | string {
  const path = name.endsWith(SUFFIX) ? name : `${LIBRARY}${name}${SUFFIX}`;
  if (!existsSync(path)) return `There is no scenario ${name}. The library has ${libraryNames().join(', ')}.`;
  const parsed = parseScenario(readFileSync(path));
  return parsed.ok
    ? parsed.scenario
    : `${path} is no scenario (${parsed.code}): ${parsed.detail}, at ${parsed.pointer || '/'}.`;
}

/** Why a scenario cannot happen in a world, or null; `hasClocks` says whether nodes can have their own in a real one. */
export function reasonAgainst(
  { name, worlds, faults = [] }: Scenario,
  world: WorldName,
  hasClocks: boolean,
): string | null {
  if (worlds?.includes(world) === false) return `The scenario ${name} happens in ${worlds.join(' or ')} alone.`;
  if (world === 'virtual') return null;
  if (faults.some(({ fault }) => fault === 'censor'))
    return 'No node of the product lies: the fault censor happens in the virtual world alone.';
  if (hasClocks || faults.every(({ fault }) => fault !== 'clock')) return null;
  return 'The fault clock needs nodes that are started for the scenario, and libfaketime (Debian: apt-get install faketime).';
}

/** Has a scenario carried out on a stage made for it; a sentence says why it cannot be. */
export async function runScenario(scenario: Scenario, options: StageOptions, say: Say): Promise<Run | string> {
  const { world, seed } = options;
  const cast = castOf(scenario);
  if (!cast.ok)
    return `The scenario ${scenario.name} does not hold together (${cast.code}): ${cast.detail}, at ${cast.pointer}.`;
  const reason = reasonAgainst(scenario, world, libfaketime() !== null);
  if (reason !== null) return reason;
  const { stage, remove } = await openStage(scenario, cast.cast, options, say);
  try {
    return await unlessInterrupted(play(scenario, stage, seed, say));
  } finally {
    await remove();
  }
}

class Interrupted extends Error {}

/** The work, or a rejection when the process is told to stop first: so that what was started is ended and removed. */
async function unlessInterrupted<T>(work: Promise<T>): Promise<T> {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let interrupt: (signal: NodeJS.Signals) => void = () => undefined;
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = (signal) => reject(new Interrupted(`ended by ${signal}`));
  });
  for (const signal of signals) process.once(signal, interrupt);
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

/** The status of a command; what went wrong is a sentence. */
async function statusOf(work: Promise<number>): Promise<void> {
  try {
    process.exitCode = await work;
  } catch (error) {
    console.error((error as Error).message);
    // What was interrupted may still wait for something.
    if (error instanceof Interrupted) process.exit(INTERRUPTED_STATUS);
    process.exitCode = 1;
  }
}

export function scenarioCommand(program: Command): void {
  const command = program
    .command('scenario')
    .description('Play a scenario and judge it. Example: npm run sim -- scenario gridlock --out report.html')
    .argument('[name]', 'one of the library, or a file; without it the library is listed')
    .addOption(
      new Option('--world <world>', 'where it happens')
        .choices(['virtual', 'processes', 'containers'])
        .default('virtual'),
    )
    .option('--seed <number>', 'decides the virtual world, and what banks draw', readWhole(1, SEED_MAX), 1)
    .option('--image <image>', 'of containers; built if it is not there', IMAGE)
    .option('--next-image <image>', 'of containers that are upgraded; built if it is not there', NEXT_IMAGE)
    .option('--sabotaged', 'its spoiled twin, which must fail', false)
    .option('--out <file>', 'write the report there, one HTML file', writable)
    .option('--json', 'the run as one line of JSON', false)
    .action((name: string | undefined, options: Options) => statusOf(carryOut(name, options)));
  command.addHelpText('after', `\nThe library: ${libraryNames().join(', ')}.`);
  program
    .command('scenario-library')
    .description(
      'Play every scenario of the library in the virtual world, and its sabotaged twin, which must fail as it says.',
    )
    .option('--seed <number>', 'decides all of them', readWhole(1, SEED_MAX), 1)
    .option('--json', 'the table as one line of JSON', false)
    .action((options: Pick<Options, 'seed' | 'json'>) => statusOf(playLibrary(options)));
  program
    .command('scenario-schema')
    .description('Print the JSON schema of scenario files, for editors.')
    .action(() => console.log(schemaText()));
}

interface Played {
  readonly name: string;
  readonly holds: boolean;
  /** Whether the twin failed by exactly what its sabotage names. */
  readonly twinFails: boolean;
  readonly failed: readonly string[];
  readonly twinFailed: readonly string[];
}

async function playLibrary({ seed, json }: Pick<Options, 'seed' | 'json'>): Promise<number> {
  const scenarios: Played[] = [];
  for (const name of libraryNames()) {
    const played = await playBoth(name, seed);
    if (typeof played === 'string') return refuse(played);
    scenarios.push(played);
    console.error(`${played.holds && played.twinFails ? 'ok    ' : 'FAILED'} ${name}`);
  }
  const table = new Table({ ...plain, head: ['scenario', 'failed', 'its twin failed'] });
  for (const { name, failed, twinFailed } of scenarios)
    table.push([name, failed.join(', ') || '-', twinFailed.join(', ')]);
  console.log(json ? JSON.stringify({ seed, scenarios }) : table.toString());
  return scenarios.every(({ holds, twinFails }) => holds && twinFails) ? 0 : 1;
}

/** A scenario of the library and its twin; a sentence says why one of them cannot be played. */
export async function playBoth(name: string, seed: number): Promise<Played | string> {
  const scenario = loadScenario(name);
  if (typeof scenario === 'string') return scenario;
  const options: StageOptions = { world: 'virtual', seed, image: IMAGE, nextImage: NEXT_IMAGE };
  const silent: Say = () => undefined;
  const run = await runScenario(scenario, options, silent);
  if (typeof run === 'string') return run;
  const twin = await runScenario(sabotaged(scenario), options, silent);
  if (typeof twin === 'string') return twin;
  const twinFails = [...twin.failed].sort().join() === [...breaksIn(scenario, 'virtual')].sort().join();
  return { name, holds: run.failed.length === 0, twinFails, failed: run.failed, twinFailed: twin.failed };
}

export const schemaText = (): string => JSON.stringify(ScenarioSchema, null, 2);

async function carryOut(name: string | undefined, options: Options): Promise<number> {
  if (name === undefined) {
    console.log(libraryText());
    return 0;
  }
  const loaded = loadScenario(name);
  if (typeof loaded === 'string') return refuse(loaded);
  const scenario = options.sabotaged ? sabotaged(loaded) : loaded;
  const say: Say = (line) => console.error(line);
  const played = await runScenario(scenario, options, say);
  if (typeof played === 'string') return refuse(played);
  const { about } = loaded.sabotage;
  const sabotage = { about, breaks: [...breaksIn(loaded, options.world)] };
  const run: Run = options.sabotaged ? { ...played, sabotage } : played;
  const text = tellRun(run, options.out);
  console.log(options.json ? JSON.stringify(run) : text);
  return run.failed.length === 0 ? 0 : 1;
}

/** Writes the report where that is asked for; gives what people read in the terminal. */
export function tellRun(run: Run, out: string | undefined): string {
  if (out !== undefined) writeFileSync(out, reportOf(run));
  return verdictText(run);
}

function refuse(sentence: string): number {
  console.error(sentence);
  return EXITS.usage.status;
}

function libraryText(): string {
  const table = new Table({ head: ['scenario', 'what'], style: { head: [], border: [] } });
  for (const name of libraryNames()) {
    const scenario = loadScenario(name);
    table.push([name, typeof scenario === 'string' ? scenario : scenario.title]);
  }
  return table.toString();
}

const plain = { style: { head: [], border: [] }, wordWrap: true };

function verdictText(run: Run): string {
  const checks = new Table({ ...plain, head: ['check', 'judged', 'violations', 'says'], colWidths: [14, 9, 12, 70] });
  for (const { check, judged, violations, says } of run.verdicts) checks.push([check, judged, violations.length, says]);
  const expected = new Table({ ...plain, head: ['figure', 'expected', 'got', 'why'], colWidths: [28, 16, 12, 50] });
  for (const { figure, least, most, got, holds, why } of run.expectations)
    expected.push([figure, `${least ?? ''} … ${most ?? ''}`, `${got ?? 'none'}${holds ? '' : ' FAILED'}`, why]);
  const others = run.published.map(
    ({ figure, ours, value, says, source }) =>
      `${figure}: ${ours ?? 'none'} here; ${value} published: ${says} (${source})`,
  );
  const waiting = run.waits.map(waitWords).map(({ act, who, what }) => `waits: ${act} of ${who}, for ${what}`);
  const violations = run.verdicts.flatMap((each) =>
    each.violations.map((text) => `VIOLATION of ${each.check}: ${text}`),
  );
  const { scenario, world, seed, figures, failed } = run;
  return [
    `${scenario.title} (${world}, seed ${seed}): ${figures['settled']} settled, finality ${figures['finalityP50Ms']} ms at p50, ${figures['finalityP99Ms']} at p99`,
    checks.toString(),
    expected.toString(),
    ...waiting,
    ...others,
    ...violations,
    failed.length === 0 ? 'All checks and expectations hold.' : `FAILED: ${failed.join(', ')}`,
  ].join('\n');
}
