/** `sim`: the simulator beside the node, run as a process of its own: clusters of containers, scenarios, and what breaks them. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { failed, tell } from './outcome.js';

/** As it is built; the image of a node has none. */
const PROGRAM = fileURLToPath(new URL('../../sim/main.js', import.meta.url));

export function simCommands(program: Command): void {
  program
    .command('sim')
    .description('launch clusters of containers, and play scenarios on them or elsewhere')
    .argument('[command...]', 'up, status, down, logs, partition, slow, kill, heal, exec, scenario; `help` lists all')
    // What follows is the simulator's to read.
    .passThroughOptions()
    .allowUnknownOption()
    .addHelpText(
      'after',
      '\nExample:\n  causeway sim up --jurisdictions HK,CN,TH,AE --banks 5 --profile wan\n  causeway sim exec gridlock\n  causeway sim down',
    )
    .action(start);
}

async function start(args: readonly string[]): Promise<void> {
  if (!existsSync(PROGRAM)) {
    const detail = 'The simulator is not here: it comes with the sources, and not with the image of a node.';
    return tell(failed('refused', 'no_simulator', detail), args.includes('--json'));
  }
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: 'inherit' });
  // A terminal's Ctrl-C reaches both; whoever ends this one alone means the other.
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => undefined);
  process.exitCode = await new Promise<number>((resolve) => child.once('exit', (status) => resolve(status ?? 1)));
}
