/** The log port: JSON lines on standard error, since standard output belongs to the command line's answers. */
import { destination, pino, stdSerializers } from 'pino';
import type { Log } from './ports.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Names of members whose values never reach a log, however deep in the fields they stand (to `DEPTH_MAX`). */
const SECRET_NAMES = ['key', 'secret', 'seed', 'privateKey'];
const DEPTH_MAX = 4;

function secretPaths(): string[] {
  const paths: string[] = [];
  for (let depth = 0; depth < DEPTH_MAX; depth += 1) {
    for (const name of SECRET_NAMES) paths.push('*.'.repeat(depth) + name);
  }
  return paths;
}

/**
 * A log of one node.
 *
 * @param level least level that is written; `silent` writes nothing
 * @param party the node's BIC, on every line
 * @param fileDescriptor where the lines go: standard error unless told
 */
export function createLog({
  level,
  party,
  fileDescriptor = 2,
}: {
  readonly level: LogLevel;
  readonly party: string;
  readonly fileDescriptor?: number;
}): Log {
  const logger = pino(
    {
      level,
      base: { party },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.err },
      redact: { paths: secretPaths(), censor: '[redacted]' },
    },
    // Written at once: what a process said before it crashed is what explains the crash.
    destination({ fd: fileDescriptor, sync: true }),
  );
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}
