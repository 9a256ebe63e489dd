/** `restart`: the ceremony by which a network goes on that has lost more validators than it can bear (deploy/runbooks/lose-a-jurisdiction.md). */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { verifyReference } from '../../protocol/crypto.js';
import { type Genesis, parseGenesis } from '../../protocol/genesis.js';
import { ValidatorsSchema } from '../../protocol/portable.js';
import {
  authorityChecks,
  encodeRestartFile,
  parseRestartFile,
  RESTART_BYTES_MAX,
  type RestartFile,
  restartProtected,
  restartSigningInput,
} from '../../protocol/restart.js';
import { parseShape } from '../../protocol/shape.js';
import { encodeSurvey, parseSurvey, proposeRestart, type Survey } from '../../protocol/survey.js';
import { quorum, type Validator } from '../../protocol/types.js';
import { loadConfig } from '../config.js';
import { loadBankKey } from '../keys/files.js';
import { Failure } from '../main/exits.js';
import { gather } from './arguments.js';
import { done, ended, failed, type Outcome, type Step, went } from './outcome.js';
import type { Runner } from './runner.js';

export function restartCommands(program: Command, run: Runner): void {
  const restart = program
    .command('restart')
    .description(
      'go on after more validators were lost than the network can bear (deploy/runbooks/lose-a-jurisdiction.md)',
    );
  restart
    .command('survey')
    .description('tell where a stopped node came to; it votes no more in this epoch')
    .requiredOption('--config <file>', "the node's configuration")
    .requiredOption('--out <file>', 'the survey to write')
    .option('--with <file>', "another survivor's survey, to complete this one; again for more", gather, [])
    .addHelpText('after', '\nExample:\n  causeway restart survey --config ./net/hk/node.toml --out hk.survey.json')
    .action(run(survey));
  restart
    .command('cancel')
    .description('let a surveyed node vote again, when no restart was signed')
    .requiredOption('--config <file>', "the node's configuration")
    .addHelpText('after', '\nExample:\n  causeway restart cancel --config ./net/hk/node.toml')
    .action(run(cancel));
  restart
    .command('propose')
    .description('make the statement that follows from the surveys of all survivors')
    .requiredOption('--genesis <file>', "the network's genesis file")
    .requiredOption('--survey <file>', "a survivor's survey; once for each survivor", gather)
    .requiredOption('--validators <file>', 'the set that takes over: a JSON array of {party, voteKey, networkKey}')
    .requiredOption('--out <file>', 'the restart file to write')
    .addHelpText(
      'after',
      '\nExample:\n  causeway restart propose --genesis genesis.json --survey hk.survey.json --survey th.survey.json --validators set.json --out restart.json',
    )
    .action(run(propose));
  restart
    .command('sign')
    .description("add an authority's signature to a restart file")
    .argument('<file>', 'the restart file')
    .requiredOption('--key <file>', 'a key of the authority, PEM PKCS#8')
    .addHelpText('after', '\nExample:\n  causeway restart sign restart.json --key authority.pem')
    .action(run(sign));
  restart
    .command('show')
    .description('tell what a restart file says, and whether enough authorities have signed it')
    .argument('<file>', 'the restart file')
    .requiredOption('--genesis <file>', "the network's genesis file")
    .addHelpText('after', '\nExample:\n  causeway restart show restart.json --genesis genesis.json')
    .action(run(show));
}

async function survey(options: {
  readonly config: string;
  readonly out: string;
  readonly with: readonly string[];
}): Promise<Outcome> {
  const loaded = loadConfig(options.config, process.env);
  if (!loaded.ok) return failed('config_invalid', 'config_invalid', loaded.errors.join('\n'));
  const others = readSurveys(options.with);
  if (!others.ok) return others.outcome;
  // Loaded here, since a command that opens no folder need not wait for all that a node is made of.
  const { surveyFolder } = await import('../main/survey.js');
  try {
    const surveyed = await surveyFolder(loaded.config, others.value);
    if (!surveyed.ok) return failed('refused', surveyed.code, surveyed.detail);
    const { set, final, notarization, root, restored } = surveyed.survey;
    const written = write(options.out, encodeSurvey(surveyed.survey));
    if (!written.ok) return written.outcome;
    const view = notarization?.ballot.view ?? final.view;
    const lines = [
      `Epoch ${set.epoch}: block ${final.height} is final here; the highest notarized is of view ${view}.`,
      root === null
        ? 'It cannot be executed here: batches or blocks are missing. See the runbook, When a block is not whole.'
        : `Its result root is ${root}.`,
      ...(restored === null ? [] : [restoredText('This data folder', restored)]),
      `This node does not vote in epoch ${set.epoch} any more. Give ${options.out} to who makes the statement.`,
    ];
    const said = { out: options.out, epoch: set.epoch, finalHeight: final.height, view, root, restored };
    return done(said, lines.join('\n'));
  } catch (error) {
    return failedBy(error);
  }
}

async function cancel({ config }: { readonly config: string }): Promise<Outcome> {
  const loaded = loadConfig(config, process.env);
  if (!loaded.ok) return failed('config_invalid', 'config_invalid', loaded.errors.join('\n'));
  const { forgetSurvey } = await import('../main/survey.js');
  try {
    await forgetSurvey(loaded.config);
    return done(
      { cancelled: true },
      'This node votes again when it is started, unless its configuration names a restart.',
    );
  } catch (error) {
    return failedBy(error);
  }
}

async function propose(options: {
  readonly genesis: string;
  readonly survey: readonly string[];
  readonly validators: string;
  readonly out: string;
}): Promise<Outcome> {
  const genesis = readGenesis(options.genesis);
  if (!genesis.ok) return genesis.outcome;
  const surveys = readSurveys(options.survey);
  if (!surveys.ok) return surveys.outcome;
  const bytes = read(options.validators);
  if (!bytes.ok) return bytes.outcome;
  const next = parseShape(ValidatorsSchema, bytes.value, RESTART_BYTES_MAX);
  if (!next.ok) return failed('refused', next.code, `${options.validators}${at(next.pointer)}: ${next.detail}.`);
  const { network, validators, authorities } = genesis.value;
  const trust = { network, validators, authorities };
  const proposed = proposeRestart(surveys.value, next.value as unknown as Validator[], trust, verifyReference);
  if (!proposed.ok) {
    const { code, detail, pointer } = proposed;
    const [, index] = /^\/(\d+)/.exec(pointer) ?? [];
    const file = index === undefined ? '' : `${options.survey[Number(index)]}: `;
    return failed('refused', code, `${file}${detail}${at(pointer)}.`);
  }
  const written = write(options.out, encodeRestartFile(proposed.file));
  if (!written.ok) return written.outcome;
  const restored = surveys.value.flatMap(({ restored: from }, index) =>
    from === null ? [] : [{ survey: options.survey[index] as string, ...from }],
  );
  const lines = restored.map(({ survey: path, ...from }) => restoredText(path, from));
  return done(
    { out: options.out, ...summary(proposed.file, genesis.value), restored },
    [text(proposed.file, genesis.value), ...lines].join('\n'),
  );
}

/** What was surveyed is no survivor, as far as its votes are concerned. */
const restoredText = (what: string, { epoch, height }: NonNullable<Survey['restored']>): string =>
  `${what} was restored from a backup of block ${height}, epoch ${epoch}: of what its node signed before it was restored it has nothing, so it does not count among the survivors.`;

async function sign(path: string, options: { readonly key: string }): Promise<Outcome> {
  const file = readFileOf(path);
  if (!file.ok) return file.outcome;
  const loaded = loadBankKey(options.key);
  if (!loaded.ok) return failed('file', loaded.code, `${loaded.detail}.`);
  const { alg, kid } = loaded.key;
  const { restart, headers } = file.value;
  if (restart.signatures.some((signature) => signature.kid === kid))
    return done({ signed: false, kid }, `${kid} has signed ${path} already.`);
  const protectedText = restartProtected(alg, kid);
  const signature = await loaded.key.sign(restartSigningInput(restart, protectedText));
  const signatures = [...restart.signatures, { protectedText, alg, kid, signature }];
  const written = write(path, encodeRestartFile({ restart: { ...restart, signatures }, headers }), 'w');
  if (!written.ok) return written.outcome;
  return done(
    { signed: true, kid, signatures: signatures.length },
    `${kid} has signed ${path}: ${signatures.length} in all.`,
  );
}

async function show(path: string, options: { readonly genesis: string }): Promise<Outcome> {
  const genesis = readGenesis(options.genesis);
  if (!genesis.ok) return genesis.outcome;
  const file = readFileOf(path);
  return file.ok ? done(summary(file.value, genesis.value), text(file.value, genesis.value)) : file.outcome;
}

/** What stands in the file; whether enough have signed is told by the keys of the genesis file alone. */
function summary({ restart }: RestartFile, { authorities }: Genesis): { readonly [member: string]: unknown } {
  const owed = authorityChecks(restart, authorities);
  const isEnough = owed.ok && owed.checks.every((check) => verifyReference(check));
  const { network, set, last, signatures } = restart;
  const validators = set.validators.map(({ party }) => party);
  return { network, epoch: set.epoch, last, validators, signatures: signatures.length, isEnough };
}

function text(file: RestartFile, genesis: Genesis): string {
  const { set, last, signatures } = file.restart;
  const needed = quorum(genesis.authorities.length);
  return [
    `Epoch ${set.epoch} begins over block ${last.height} (view ${last.view} of epoch ${last.epoch}), ${last.block},`,
    `with result root ${last.root}.`,
    ...set.validators.map(
      ({ party, voteKey, networkKey }) => `${party}: vote key ${voteKey}, network key ${networkKey}`,
    ),
    `${signatures.length} keys have signed; ${needed} of ${genesis.authorities.length} authorities must.`,
    summary(file, genesis)['isEnough'] === true
      ? 'By the keys of the genesis file that is enough.'
      : 'By the keys of the genesis file that is not enough; an authority that has changed its keys since is counted by its present ones when a node starts.',
  ].join('\n');
}

function readSurveys(paths: readonly string[]): Step<Survey[]> {
  const surveys: Survey[] = [];
  for (const path of paths) {
    const bytes = read(path);
    if (!bytes.ok) return bytes;
    const parsed = parseSurvey(bytes.value);
    if (!parsed.ok) return ended(failed('refused', parsed.code, `${path}${at(parsed.pointer)}: ${parsed.detail}.`));
    surveys.push(parsed.survey);
  }
  return went(surveys);
}

function readFileOf(path: string): Step<RestartFile> {
  const bytes = read(path);
  if (!bytes.ok) return bytes;
  const parsed = parseRestartFile(bytes.value);
  if (parsed.ok) return went(parsed.file);
  return ended(failed('refused', parsed.code, `${path}${at(parsed.pointer)}: ${parsed.detail}.`));
}

function readGenesis(path: string): Step<Genesis> {
  const bytes = read(path);
  if (!bytes.ok) return bytes;
  const parsed = parseGenesis(bytes.value);
  if (parsed.ok) return went(parsed.genesis);
  return ended(failed('refused', parsed.code, `The genesis file is refused: ${parsed.detail}.`));
}

function read(path: string): Step<Uint8Array> {
  try {
    return went(readFileSync(path));
  } catch (error) {
    return ended(failed('file', 'unreadable', `${path} cannot be read: ${(error as Error).message}.`));
  }
}

/** A new file, unless one is to be replaced. */
function write(path: string, bytes: Uint8Array, flag: 'wx' | 'w' = 'wx'): Step<null> {
  try {
    writeFileSync(path, bytes, { flag });
    return went(null);
  } catch (error) {
    return ended(failed('file', 'unwritable', `${path} cannot be written: ${(error as Error).message}.`));
  }
}

function failedBy(error: unknown): Outcome {
  if (!(error instanceof Failure)) throw error;
  return failed(error.code, error.code, error.message);
}

const at = (pointer: string): string => (pointer === '' ? '' : ` (${pointer})`);
