/**
 * `npm run bench`: throughput and time to finality of four real validators on this machine, against what its cores could
 * check of signatures at all. It asserts nothing about time; it fails when anything that was taken is lost or money is.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import { Command, InvalidArgumentError, Option } from 'commander';
import { readWhole } from '../../node/cli/arguments.js';
import { isConserved, need } from '../network/acts.js';
import { LocalNetwork, type Member } from '../network/network.js';
import { describe } from '../network/processes.js';
import { type Circumstances, type Figures, type Measured, measure } from './measure.js';
import { benchNetting, nettingText } from './netting.js';
import { SCENARIOS, type Scenario } from './traffic.js';
import { openWorld } from './world.js';

const SECONDS = 6;
const SECONDS_MAX = 60;
/** Past this the run has hung, whatever it waits for. */
const GRACE_MS = 120_000;

interface Options {
  readonly seconds: number;
  readonly only?: Scenario;
  readonly json?: true;
}

/** Of the two ledgers that the second part of `netting` settles over, the larger's accounts are ten times these. */
const ACCOUNTS = 100_000;

/** What the command line asks for. */
let work: () => Promise<number> | number = main;
const program = new Command('bench')
  .description('Measures four validators on this machine: each as a process, with real networking, storage and HTTP.')
  .option('--seconds <seconds>', 'how long each load lasts', readWhole(1, SECONDS_MAX), SECONDS)
  .addOption(new Option('--only <scenario>', 'one kind of instruction alone').choices(SCENARIOS))
  .option('--json', 'one line of JSON at the end of standard output')
  .action(() => undefined);
program
  .command('netting')
  .description('Measures the ledger alone on one core: passes through long queues, and settlements over large ledgers.')
  .option('--accounts <accounts>', 'of the smaller ledger; the larger has ten times as many', accountsOf, ACCOUNTS)
  .option('--json', 'one line of JSON at the end of standard output')
  .action(({ accounts }: { readonly accounts: number }, command: Command) => {
    work = () => netting(accounts, command.optsWithGlobals<Options>().json === true);
  });
program.parse();
const options = program.opts<Options>();

function accountsOf(text: string): number {
  const accounts = readWhole(1_000, 1_000_000)(text);
  if (accounts % 10 === 0) return accounts;
  throw new InvalidArgumentError('It must be a multiple of ten.');
}

const say = (line: string): void => console.error(line);

async function bench(network: LocalNetwork): Promise<ReadonlyMap<Scenario, Measured>> {
  say('starting four validators, admitting banks, issuing');
  const world = await openWorld(network);
  const measured = new Map<Scenario, Measured>();
  for (const scenario of options.only === undefined ? SCENARIOS : [options.only]) {
    const { seconds } = options;
    measured.set(scenario, await measure({ world, scenario, seconds, say: (line) => say(`${scenario}: ${line}`) }));
  }
  const { height } = need(await (network.members[0] as Member).client.getStatus());
  if (!(await isConserved(network.members, height))) throw new Error('The accounts of an asset do not sum to zero.');
  return measured;
}

const ROWS: readonly (readonly [string, (figures: Figures, circumstances: Circumstances) => number])[] = [
  ['settled a second', ({ tps }) => tps],
  ['what signature checks alone allow', ({ ceilingTps }) => ceilingTps],
  ['share of that', ({ ratio }) => ratio],
  ['finality at half load, p50 ms', ({ finalityMs }) => finalityMs.p50],
  ['finality at half load, p99 ms', ({ finalityMs }) => finalityMs.p99],
  ['CPU for one, each node, µs', ({ cpuUsPerTxPerNode }) => cpuUsPerTxPerNode],
  ['between validators for one, bytes', ({ bytesPerTx }) => bytesPerTx],
  ['settled while measured', (_, { settled }) => settled],
  ['in blocks', (_, { blocks }) => blocks],
  ['followed to finality', (_, { samples }) => samples],
  ['CPU of the driver for one, µs', (_, { driverCpuUsPerTx }) => driverCpuUsPerTx],
];

function show(measured: ReadonlyMap<Scenario, Measured>, write: (text: string) => void): void {
  const table = new Table({ head: ['', ...measured.keys()], style: { head: [], border: [] } });
  for (const [name, valueOf] of ROWS) {
    table.push([name, ...[...measured.values()].map((each) => valueOf(each.figures, each.circumstances))]);
  }
  write(table.toString());
}

/** Payments stand at the top, with PvP beside them; alone, each stands where it would. */
function resultOf(measured: ReadonlyMap<Scenario, Measured>): object {
  const pvp = measured.get('pvp')?.figures;
  return { ...measured.get('payments')?.figures, ...(pvp === undefined ? {} : { pvp }) };
}

/** Rejects when the process is told to stop, or has hung. */
const interrupted = (): Promise<never> =>
  new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => reject(new Error(`ended by ${signal}`)));
    }
    const limitMs = GRACE_MS + 4 * SCENARIOS.length * options.seconds * 1000;
    setTimeout(() => reject(new Error(`not done after ${limitMs / 1000} s`)), limitMs).unref();
  });

function netting(accounts: number, asJson: boolean): number {
  const figures = benchNetting([accounts, 10 * accounts], say);
  (asJson ? say : console.log)(nettingText(figures));
  if (asJson) console.log(JSON.stringify(figures));
  return 0;
}

async function main(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-bench-'));
  let network: LocalNetwork | null = null;
  try {
    network = await LocalNetwork.open(join(folder, 'network'), ({ party }, exit, lastLines) => {
      say([`${party}: ${describe(exit)}`, ...lastLines].join('\n'));
    });
    const measured = await Promise.race([bench(network), interrupted()]);
    show(measured, options.json === true ? say : console.log);
    if (options.json === true) console.log(JSON.stringify(resultOf(measured)));
    return 0;
  } catch (error) {
    const { message } = error as Error;
    if (options.json === true) console.log(JSON.stringify({ error: message }));
    say(message);
    return 1;
  } finally {
    await network?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exit(await work());
