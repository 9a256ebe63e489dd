/** `verify`: checks a receipt offline, with the genesis file and nothing else. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { decodeReceipt } from '../../ledger/receipt.js';
import { verifyBundle } from '../../protocol/bundle.js';
import { verifyReference } from '../../protocol/crypto.js';
import { parseGenesis } from '../../protocol/genesis.js';
import { parseRestartFile, type Restart } from '../../protocol/restart.js';
import { formatTime } from '../../protocol/values.js';
import { gather, readDigest } from './arguments.js';
import { done, failed, type Outcome } from './outcome.js';
import type { Runner } from './runner.js';

interface VerifyOptions {
  readonly genesis: string;
  readonly restart: readonly string[];
  readonly digest?: string;
}

export function verifyCommands(program: Command, run: Runner): void {
  program
    .command('verify')
    .description('check a receipt offline: what is certified, and by whom')
    .argument('<bundle>', 'the receipt, as `causeway receipt` writes it')
    .requiredOption('--genesis <file>', "the network's genesis file")
    .option(
      '--restart <file>',
      'a restart file that you trust, as its authorities have changed keys; again for more',
      gather,
      [],
    )
    .option('--digest <digest>', 'the instruction it must be the receipt of', readDigest)
    .addHelpText('after', '\nExample:\n  causeway verify receipt.json --genesis genesis.json')
    .action(run(verify));
}

async function verify(
  path: string,
  { genesis: genesisPath, digest: expected, restart: restartPaths }: VerifyOptions,
): Promise<Outcome> {
  const [bundle, genesisBytes] = [readFile(path), readFile(genesisPath)];
  if (typeof bundle === 'string') return failed('file', 'unreadable', bundle);
  if (typeof genesisBytes === 'string') return failed('file', 'unreadable', genesisBytes);
  const genesis = parseGenesis(genesisBytes);
  if (!genesis.ok) return doesNotHold(genesis.code, `The genesis file is refused: ${genesis.detail}.`);
  const { network, name, test, validators, authorities } = genesis.genesis;
  const vouched: Restart[] = [];
  for (const restartPath of restartPaths) {
    const bytes = readFile(restartPath);
    if (typeof bytes === 'string') return failed('file', 'unreadable', bytes);
    const parsed = parseRestartFile(bytes);
    if (!parsed.ok) return doesNotHold(parsed.code, `${restartPath} is no restart file: ${parsed.detail}.`);
    vouched.push(parsed.file.restart);
  }
  const certified = verifyBundle(bundle, { network, validators, authorities, vouched }, verifyReference);
  if (!certified.ok) {
    const { code, detail, pointer } = certified;
    return doesNotHold(code, `The receipt does not hold${pointer === '' ? '' : ` (${pointer})`}: ${detail}.`);
  }
  const receipt = decodeReceipt(certified.receipt);
  if (receipt === null) return doesNotHold('malformed', 'What is certified is no receipt that this version can read.');
  if (expected !== undefined && receipt.digest !== expected) {
    return doesNotHold('other_instruction', `The receipt is that of ${receipt.digest}, not of ${expected}.`);
  }
  const { set, signers, epoch, view, block, root, blocksAfter } = certified;
  const parties = signers.map((at) => set.validators[at]?.party ?? String(at));
  const { digest, kind, initiator, id, code, height } = receipt;
  const time = formatTime(receipt.time);
  const text = [
    `${code}: ${kind} ${id} of ${initiator}, in block ${height} at ${time}`,
    `digest ${digest}`,
    `certified by ${parties.length} of ${set.validators.length} validators: ${parties.join(', ')}`,
    `network ${name}, ${network}`,
    ...(test === null ? [] : ['a test network: what settles on it is no money']),
  ].join('\n');
  const said = { digest, kind, initiator, id, code, height, time };
  return done(
    {
      verified: true,
      ...said,
      signers: parties,
      validators: set.validators.length,
      epoch,
      view,
      block,
      resultRoot: root,
      blocksAfter,
      network,
      test,
    },
    text,
  );
}

const doesNotHold = (code: string, detail: string): Outcome => failed('refused', code, detail, { verified: false });

/** A file's bytes, or a sentence that says why there are none. */
function readFile(path: string): Uint8Array | string {
  try {
    return readFileSync(path);
  } catch (error) {
    return `${path} cannot be read: ${(error as Error).message}.`;
  }
}
