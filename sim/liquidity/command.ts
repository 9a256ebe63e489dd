/** `npm run sim -- liquidity`: what it costs in delay to save liquidity, by mechanism, over a day made from a seed. */
import { writeFileSync } from 'node:fs';
import Table from 'cli-table3';
import { type Command, Option } from 'commander';
import { readWhole } from '../../node/cli/arguments.js';
import { writable } from '../report/writable.js';
import { type Gap, gapOf, loadSolver } from './exact.js';
import { figuresOf } from './figures.js';
import { LEVELS, QUICK_LEVELS } from './levels.js';
import { commandOf, reportOf } from './report.js';
import { type Study, study } from './study.js';
import { BOUNDS, DEFAULTS, type Parameters } from './traffic.js';

interface Options {
  readonly seed: number;
  readonly banks?: number;
  readonly currencies?: number;
  readonly instructions?: number;
  readonly pvp: number;
  readonly valueDated: number;
  readonly urgent: number;
  readonly high: number;
  readonly order: Parameters['order'];
  readonly quick: boolean;
  readonly out?: string;
  readonly json: boolean;
}

/** With `--quick`, what is not asked for otherwise. */
const QUICK = { banks: 20, currencies: 4, instructions: 600 } as const;
/** Small queues that are compared with the best. */
const [INSTANCES, QUICK_INSTANCES] = [200, 20];

/** Adds `liquidity` to the simulator's command line. */
export function liquidityCommand(program: Command): void {
  const range = ([least, most]: readonly [number, number]): string => `${least} to ${most}`;
  const percents = readWhole(...BOUNDS.percent);
  const command = program
    .command('liquidity')
    .description(
      'Liquidity against delay in interbank FX traffic. Example: npm run sim -- liquidity --out liquidity.html',
    )
    .option('--seed <n>', 'what the traffic is drawn from', readWhole(...BOUNDS.seed), DEFAULTS.seed)
    .option('--banks <n>', `${range(BOUNDS.banks)} (default: ${DEFAULTS.banks})`, readWhole(...BOUNDS.banks))
    .option(
      '--currencies <n>',
      `${range(BOUNDS.currencies)} (default: ${DEFAULTS.currencies})`,
      readWhole(...BOUNDS.currencies),
    )
    .option(
      '--instructions <n>',
      `${range(BOUNDS.instructions)} (default: ${DEFAULTS.instructions})`,
      readWhole(...BOUNDS.instructions),
    )
    .option('--pvp <percent>', 'how many are PvP; the others are payments', percents, DEFAULTS.pvpPercent)
    .option('--value-dated <percent>', 'how many come before the day', percents, DEFAULTS.valueDatedPercent)
    .option('--urgent <percent>', 'how many of the small are urgent', percents, DEFAULTS.urgentPercent)
    .option('--high <percent>', 'how many of the small are high', percents, DEFAULTS.highPercent)
    .addOption(
      new Option('--order <order>', 'whether what is funded passes what is as urgent')
        .choices(['bypass', 'fifo'])
        .default(DEFAULTS.order),
    )
    .option('--quick', 'small, in a few seconds', false)
    .option('--out <file>', 'write the report there, as one page of HTML', writable)
    .option('--json', 'the figures as one line of JSON', false);
  command.action((options: Options) => liquidity(options, command));
}

async function liquidity(options: Options, command: Command): Promise<void> {
  const { quick, out, json } = options;
  if (options.urgent + options.high > 100)
    command.error("error: options '--urgent' and '--high' must come to 100 at most together.");
  const parameters = parametersOf(options);
  const solver = await loadSolver().catch(() =>
    command.error('error: the solver is not installed: `npm ci` with development dependencies brings it.'),
  );
  const show = process.stderr.isTTY
    ? (done: number, of: number): void => void process.stderr.write(`\r  ${done} of ${of} days `)
    : undefined;
  const found = study(parameters, quick ? QUICK_LEVELS : LEVELS, show);
  const gap = gapOf(parameters.seed, quick ? QUICK_INSTANCES : INSTANCES, solver);
  if (show !== undefined) process.stderr.write('\r\x1b[K');
  if (json) console.log(JSON.stringify({ ...found, gap }));
  else console.log(textOf(found, gap));
  if (out === undefined) return;
  writeFileSync(out, reportOf(found, gap, commandOf(parameters, quick)));
  if (!json) console.log(`The report is in ${out}.`);
}

function parametersOf(options: Options): Parameters {
  const { seed, pvp, valueDated, urgent, high, order, quick } = options;
  const sizes = quick ? QUICK : DEFAULTS;
  return {
    seed,
    banks: options.banks ?? sizes.banks,
    currencies: options.currencies ?? sizes.currencies,
    instructions: options.instructions ?? sizes.instructions,
    pvpPercent: pvp,
    valueDatedPercent: valueDated,
    urgentPercent: urgent,
    highPercent: high,
    order,
  };
}

/** The tables of the report, for a terminal. */
function textOf(found: Study, gap: Gap): string {
  const style = { head: [], border: [] };
  return figuresOf(found, gap)
    .map(({ chart, head, rows }) => {
      const table = new Table({ head: [...head], style });
      table.push(...rows.map((row) => [...row]));
      return `${chart.title}; ${chart.y.title.toLowerCase()}\n${table.toString()}`;
    })
    .join('\n\n');
}
