/**
 * `npm run chaos`: four real validators in network namespaces of their own, broken in every way the machine allows while
 * banks pay, and then checked. A schedule is its seed; what real processes make of it differs from run to run.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { run, unshareArguments } from './lab.js';
import type { Orders } from './orders.js';

const MINUTES = 3;
const MINUTES_MAX = 24 * 60;
const RATE = 40;
const RATE_MAX = 1_000;
const SEED_MAX = 2 ** 31 - 1;
/** The machine cannot have it, and --require was there. */
const SKIPPED_STATUS = 3;
const PREFIX = 'causeway-chaos-';
const UNSHARE = 'unshare';
/** What a run needs inside its namespaces. */
const PROBE = 'mount -t tmpfs probe /run && ip link add probe type bridge && ip netns add probe && nft list tables';

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly rate: number;
  readonly json?: true;
  readonly require?: true;
}

const options = new Command('chaos')
  .description('Breaks four real validators under load, and checks what banks saw. Needs Linux, iproute2 and nftables.')
  .option('--minutes <n>', 'how long things break', numberOf(0.1, MINUTES_MAX), MINUTES)
  .option('--seed <n>', 'of the schedule of faults; a new one if absent', numberOf(1, SEED_MAX), randomInt(1, SEED_MAX))
  .option('--rate <n>', 'instructions a second', numberOf(1, RATE_MAX), RATE)
  .option('--json', 'one line of JSON at the end of standard output')
  .option('--require', `where the machine does not allow it, exit with ${SKIPPED_STATUS} instead of 0`)
  .parse()
  .opts<Options>();

function numberOf(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It is a number from ${least} to ${most}.`);
  };
}

const namespaces = unshareArguments(process.getuid?.() === 0);

/** Why this machine cannot have a network of namespaces, or null. */
async function reasonToSkip(): Promise<string | null> {
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux';
  try {
    await run(UNSHARE, [...namespaces, 'sh', '-c', PROBE]);
    return null;
  } catch (error) {
    return `no network namespaces here: ${(error as Error).message}`;
  }
}

/** Folders of runs that were killed. Namespaces need nobody to remove them: they end with their processes. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir()).filter((each) => each.startsWith(PREFIX))) {
    const pid = Number(name.slice(PREFIX.length).split('-')[0]);
    if (!isAlive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function startInside(orders: Orders): ChildProcess {
  const program = fileURLToPath(new URL('./inside.js', import.meta.url));
  return spawn(UNSHARE, [...namespaces, process.execPath, program, JSON.stringify(orders)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

async function main(): Promise<number> {
  const reason = await reasonToSkip();
  if (reason !== null) {
    console.error(`SKIPPED chaos: ${reason}`);
    if (options.json === true) console.log(JSON.stringify({ skipped: reason }));
    return options.require === true ? SKIPPED_STATUS : 0;
  }
  removeLeftovers();
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const { minutes, seed, rate, json = false } = options;
  const inside = startInside({ folder, minutes, seed, rate, json });
  // With `unshare` the kernel ends everything that runs inside.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => inside.kill('SIGKILL'));
  try {
    return await new Promise<number>((resolve, reject) => {
      inside.once('error', reject);
      inside.once('exit', (status) => resolve(status ?? 1));
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exit(await main());
