/** A node as a process: it stops when told, and what ends it otherwise is said with an exit status of its own. */
import type { Config } from '../config.js';
import { failureOf, logOf, type RunningNode, startNode } from '../main.js';
import type { Log } from '../ports.js';
import { EXITS, type Failure } from './exits.js';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
const SIGNAL_NUMBERS = { SIGTERM: 15, SIGINT: 2 } as const;

/**
 * Runs a node until SIGTERM or SIGINT; resolves with the exit status. A second signal ends the process at once, as does
 * an error that nobody handled: what is on disk is whole at any moment, and what is in memory may not be.
 */
export async function runNode(config: Config, onStarted: (node: RunningNode) => void): Promise<number> {
  const log = logOf(config);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => process.exit(report(error, log)));
  }
  const told = untilTold();
  let node: RunningNode;
  try {
    node = await startNode(config, log);
  } catch (error) {
    return report(error, log);
  }
  onStarted(node);
  const reason = await told;
  log.info({ reason }, 'the node is stopping');
  await node.stop();
  log.info({}, 'the node has stopped');
  return EXITS.ok.status;
}

/** Resolves when the process is to stop. A parent that started it with a channel, and is gone, wants that too. */
function untilTold(): Promise<string> {
  return new Promise((resolve) => {
    let isTold = false;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (isTold) process.exit(128 + SIGNAL_NUMBERS[signal]);
        isTold = true;
        resolve(signal);
      });
    }
    process.on('disconnect', () => resolve('the parent process is gone'));
  });
}

function report(error: unknown, log: Log): number {
  const failure = failureOf(error);
  if (failure === null) {
    log.error({ error }, 'this is a bug: the node stops rather than go on in a state that nobody knows');
    return EXITS.bug.status;
  }
  process.stderr.write(`${sentenceOf(failure)}\n`);
  return EXITS[failure.code].status;
}

const sentenceOf = ({ code, message }: Failure): string => `causeway: ${code}: ${message}`;
