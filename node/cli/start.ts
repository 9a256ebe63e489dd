/** `node`: makes a node's folder, runs a node in this process, or backs it up. */
import type { Command } from 'commander';
import { loadConfig } from '../config.js';
import { backupCommands } from './backup.js';
import { createCommand } from './nodecreate.js';
import { failed, tell } from './outcome.js';
import { run } from './runner.js';

export function nodeCommands(program: Command): void {
  const node = program.command('node').description('make a node, run a node, keep a copy of what it holds');
  createCommand(node, run);
  node
    .command('start')
    .description('run a node until SIGTERM or SIGINT; its log goes to standard error as JSON lines')
    .requiredOption('--config <file>', 'its configuration, as `network create` and `node create` make it')
    .option('--json', 'print one line of JSON when it has started')
    .addHelpText(
      'after',
      '\nEvery member of the configuration may be set in the environment too, as CAUSEWAY_HTTP_PORT=8101.\n\nExample:\n  causeway node start --config ./net/hk/node.toml',
    )
    .action(start);
  backupCommands(node, run);
}

async function start({
  config: path,
  json = false,
}: {
  readonly config: string;
  readonly json?: boolean;
}): Promise<void> {
  const loaded = loadConfig(path, process.env);
  if (!loaded.ok) {
    const detail = loaded.errors.join('\n');
    return tell(failed('config_invalid', 'config_invalid', detail, { errors: loaded.errors }), json);
  }
  const { party } = loaded.config;
  // Loaded here, since a command that only asks a node need not wait for all that a node is made of.
  const { runNode } = await import('../main/process.js');
  const status = await runNode(loaded.config, ({ url, listening }) => {
    const started = { event: 'started', party, url, p2p: listening, pid: process.pid };
    process.stdout.write(
      json ? `${JSON.stringify(started)}\n` : `${party} serves ${url} and listens on ${listening.join(', ')}\n`,
    );
  });
  // A thread or socket of a library may not hold back a node that has stopped.
  process.exit(status);
}
