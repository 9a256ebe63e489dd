/** `node backup`, `node restore`, `node verify-data`: a copy of what a node holds, and whether it holds together. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { type Genesis, parseGenesis } from '../../protocol/genesis.js';
import { formatTime } from '../../protocol/values.js';
import { type Config, loadConfig } from '../config.js';
import { Failure } from '../main/exits.js';
import type { Verified } from '../main/restore.js';
import { gather } from './arguments.js';
import { done, ended, failed, type Outcome, type Step, went } from './outcome.js';
import type { Runner } from './runner.js';

const MIB = 1024 * 1024;
/** A terminal is written to at most so often. */
const PROGRESS_MS = 100;

export function backupCommands(node: Command, run: Runner): void {
  node
    .command('backup')
    .description('copy all that a node holds but its keys and votes into one file, while it runs or not')
    .requiredOption('--config <file>', "the node's configuration")
    .requiredOption('--out <file>', 'the backup to write; it must not be there')
    .addHelpText('after', '\nExample:\n  causeway node backup --config ./net/hk/node.toml --out hk.backup')
    .action(run(backup));
  node
    .command('restore')
    .description('put a backup into the empty data folder of a node; its vote keys do not sign again')
    .argument('<file>', 'the backup')
    .requiredOption('--config <file>', "the node's configuration")
    .addHelpText('after', '\nExample:\n  causeway node restore hk.backup --config ./net/hk/node.toml')
    .action(run(restore));
  node
    .command('verify-data')
    .description(
      "check a stopped node's data folder, or a backup: every record, certificate and sum; it changes nothing",
    )
    .option('--config <file>', 'the configuration of the node whose folder it is')
    .option('--backup <file>', 'the backup to check, in place of a folder')
    .option('--genesis <file>', "the network's genesis file, with --backup")
    .option(
      '--restart <file>',
      'with --backup, a restart file that you trust, as its authorities have changed keys; again for more',
      gather,
      [],
    )
    .addHelpText(
      'after',
      '\nExamples:\n  causeway node verify-data --config ./net/hk/node.toml\n  causeway node verify-data --backup hk.backup --genesis genesis.json',
    )
    .action(run(verifyData));
}

async function backup({ config: path, out }: { readonly config: string; readonly out: string }): Promise<Outcome> {
  const config = configOf(path);
  if (!config.ok) return config.outcome;
  const unwritable = missing(dirname(resolve(out)), constants.W_OK);
  if (unwritable !== null) return unwritable;
  // Loaded here, since a command that only asks a node need not wait for all that a node is made of.
  const { backupNode } = await import('../main/backup.js');
  return attempt(async (show) => {
    const made = await backupNode(config.value, out, (bytes) => show(`${mebibytes(bytes)} written`));
    if (!made.ok) return failed('refused', made.code, made.detail);
    const { header, bytes, records, isLive } = made.backup;
    const { network, height, time, madeMs } = header;
    const said = { out, network, height, time: formatTime(time), made: formatTime(madeMs), bytes, records, isLive };
    return done(
      said,
      `${out}: the ledger up to block ${height} (${formatTime(time)}), ${records} records, ${mebibytes(bytes)}. It holds no keys.`,
    );
  });
}

async function restore(file: string, { config: path }: { readonly config: string }): Promise<Outcome> {
  const config = configOf(path);
  if (!config.ok) return config.outcome;
  const unreadable = missing(file, constants.R_OK);
  if (unreadable !== null) return unreadable;
  const { restoreNode } = await import('../main/restore.js');
  return attempt(async (show) => {
    const restored = await restoreNode(config.value, file, showing(show));
    if (!restored.ok) return failed('refused', restored.code, restored.detail);
    const { header, audit, retired } = restored;
    const [height, time, made] = [header.height, formatTime(header.time), formatTime(header.madeMs)];
    const { data } = config.value;
    const lines = [
      `${data} holds the ledger up to block ${height} (${time}), as it was backed up at ${made}. What came since, the node fetches from others.`,
      `${audit.outbox} instructions answered for and in no block then are with it. What was answered 202 after ${made} and is in no block is not: let whoever sent it send it again.`,
      ...retired.map((key) => `Vote key ${key} does not sign again, if it ever signed: make a new one.`),
      `Nor does any other that the ledger has named up to block ${height}. Of a key that came into use later this folder knows nothing: never name one here that has signed anywhere, but make a new one.`,
    ];
    return done({ data, height, time, made, outbox: audit.outbox, retired }, lines.join('\n'));
  });
}

interface VerifyOptions {
  readonly config?: string;
  readonly backup?: string;
  readonly genesis?: string;
  readonly restart: readonly string[];
}

async function verifyData(options: VerifyOptions): Promise<Outcome> {
  const { verifyArchive, verifyFolder } = await import('../main/restore.js');
  const { config: path, backup: file } = options;
  if (path !== undefined && options.restart.length > 0)
    return failed(
      'usage',
      'usage',
      'Name --restart with --backup alone: a folder is checked with the restart that its configuration names.',
    );
  if (path !== undefined && file === undefined && options.genesis === undefined) {
    const config = configOf(path);
    const genesis = config.ok ? genesisOf(config.value.genesis) : config;
    if (!config.ok || !genesis.ok) return (genesis as { readonly outcome: Outcome }).outcome;
    return attempt(async (show) =>
      told(config.value.data, await verifyFolder(config.value, genesis.value, showing(show))),
    );
  }
  if (path !== undefined || file === undefined || options.genesis === undefined)
    return failed('usage', 'usage', 'Name --config, or --backup with --genesis.');
  const genesis = genesisOf(options.genesis);
  if (!genesis.ok) return genesis.outcome;
  const unreadable = missing(file, constants.R_OK);
  if (unreadable !== null) return unreadable;
  const { readRestart } = await import('../main/restartfile.js');
  return attempt(async (show) => {
    const vouched = options.restart.map((each) => readRestart(each).restart);
    const against = { genesis: genesis.value, vouched, verifierThreads: 2 };
    return told(file, await verifyArchive(file, against, showing(show)));
  });
}

function told(place: string, verified: Verified): Outcome {
  if (!verified.ok) return failed('refused', verified.code, verified.detail);
  const { audit, header } = verified;
  const { findings, found, final, time, blocks, assets, accounts, outbox } = audit;
  const made = header === null ? {} : { made: formatTime(header.madeMs), party: header.party };
  const said = { place, height: final?.height ?? null, time: time === null ? null : formatTime(time), ...made };
  if (found > 0) {
    const lines = findings.map(({ code, table, where, detail }) => `${code}: ${table}, ${where}: ${detail}`);
    const more = found > findings.length ? [`… and ${found - findings.length} more`] : [];
    return failed('refused', 'data_unsound', [`${place} does not hold together.`, ...lines, ...more].join('\n'), {
      ...said,
      found,
      findings,
    });
  }
  const text = `${place} holds together: block ${final?.height ?? 0} (${said.time ?? 'no time'}) is certified, ${blocks} blocks lead to it, ${accounts} accounts of ${assets} assets sum to zero. ${outbox} instructions wait for a block.`;
  return done({ ...said, blocks, assets, accounts, outbox, sound: true }, text);
}

type Show = (text: string) => void;

/** Runs a command's work, with its progress on standard error when that is a terminal. */
async function attempt(work: (show: Show) => Promise<Outcome>): Promise<Outcome> {
  const isTerminal = process.stderr.isTTY;
  let shownMs = Number.NEGATIVE_INFINITY;
  const show: Show = (text) => {
    if (!isTerminal || performance.now() - shownMs < PROGRESS_MS) return;
    shownMs = performance.now();
    process.stderr.write(`\r\u001b[K${text}`);
  };
  try {
    return await work(show);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return failed(error.code, error.code, error.message);
  } finally {
    if (isTerminal) process.stderr.write('\r\u001b[K');
  }
}

const showing =
  (show: Show) =>
  (step: 'reading' | 'checking' | 'writing', at: number | string, of: number | null): void =>
    show(
      typeof at === 'string'
        ? `${step} ${at}`
        : `${step}: ${of === null || of === 0 ? at : `${Math.floor((100 * at) / of)} %`}`,
    );

const mebibytes = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;

/** What ends a command whose file is not to be had; null when it is. */
function missing(path: string, mode: number): Outcome | null {
  try {
    accessSync(path, mode);
    return null;
  } catch (error) {
    const code = mode === constants.R_OK ? 'unreadable' : 'unwritable';
    return failed(
      'file',
      code,
      `${path} cannot be ${mode === constants.R_OK ? 'read' : 'written to'}: ${(error as Error).message}.`,
    );
  }
}

function configOf(path: string): Step<Config> {
  const loaded = loadConfig(path, process.env);
  return loaded.ok ? went(loaded.config) : ended(failed('config_invalid', 'config_invalid', loaded.errors.join('\n')));
}

function genesisOf(path: string): Step<Genesis> {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    return ended(failed('file', 'unreadable', `${path} cannot be read: ${(error as Error).message}.`));
  }
  const parsed = parseGenesis(bytes);
  if (parsed.ok) return went(parsed.genesis);
  return ended(failed('refused', parsed.code, `The genesis file is refused: ${parsed.detail}.`));
}
