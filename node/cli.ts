#!/usr/bin/env node
/** `causeway`: the command line. Each command's help has an example; the exit statuses stand under the help of all. */
import { Command, CommanderError } from 'commander';
import { calendarCommands } from './cli/calendar.js';
import { instructCommands } from './cli/instruct.js';
import { keysCommands } from './cli/keys.js';
import { lockCommands } from './cli/lock.js';
import { networkCommands } from './cli/network.js';
import { failed, tell } from './cli/outcome.js';
import { queueCommands } from './cli/queue.js';
import { readCommands } from './cli/read.js';
import { repoCommands } from './cli/repo.js';
import { restartCommands } from './cli/restart.js';
import { run } from './cli/runner.js';
import { settleCommands } from './cli/settle.js';
import { simCommands } from './cli/sim.js';
import { nodeCommands } from './cli/start.js';
import { sweepCommands } from './cli/sweep.js';
import { verifyCommands } from './cli/verify.js';
import { EXITS } from './main/exits.js';
import { readVersion } from './main/version.js';

const exitStatuses = Object.values(EXITS)
  .map(({ status, says }) => `  ${String(status).padStart(2)}  ${says}`)
  .join('\n');

const program = new Command('causeway')
  .description('A node for payments across the currencies of several central banks, and the tools around it.')
  .version(readVersion(), '--version', 'print the version')
  .addHelpText('after', `\nExit statuses:\n${exitStatuses}`)
  // What is wrong with the command line is told below, as any other failure is.
  .configureOutput({ outputError: () => undefined })
  .enablePositionalOptions()
  .exitOverride();
networkCommands(program, run);
nodeCommands(program);
keysCommands(program, run);
settleCommands(program, run);
lockCommands(program, run);
sweepCommands(program, run);
repoCommands(program, run);
queueCommands(program, run);
calendarCommands(program, run);
instructCommands(program, run);
readCommands(program, run);
verifyCommands(program, run);
restartCommands(program, run);
simCommands(program);
prepare(program);

/** Settings that commander does not hand down to commands made with `command`, and the option that all of them have. */
function prepare(command: Command): void {
  for (const each of command.commands) {
    if (each.commands.length === 0 && !each.options.some(({ long }) => long === '--json')) {
      each.option('--json', 'print one line of JSON');
    }
    prepare(each);
  }
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Commander has printed the help that was asked for.
  if (error.exitCode !== 0) {
    const detail = error.message.replace(/^error: /, '');
    tell(
      failed('usage', 'usage', detail === '(outputHelp)' ? 'Name a command.' : detail),
      process.argv.includes('--json'),
    );
  }
}
