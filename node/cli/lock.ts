/** The commands for an exchange with a ledger outside: hold money under a hash, reveal what settles it, read what was revealed. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { fromHex, toHex, utf8 } from '../../protocol/codec.js';
import { hashOf } from '../../protocol/hash.js';
import { parseInstruction } from '../../protocol/instruction.js';
import { createClient } from '../api/client.js';
import { gatherLegs, type LegText, type NodeOptions, readDigest, readHash, readMoment, withNode } from './arguments.js';
import { done, ended, failed, type Outcome, refusedBy, type Step, went } from './outcome.js';
import type { Runner } from './runner.js';
import { instruct, type SigningOptions, withSigning } from './submit.js';

export function lockCommands(program: Command, run: Runner): void {
  withSigning(program.command('lock'))
    .description(
      'hold money for an exchange with another ledger: all legs settle once the preimage of a hash is revealed',
    )
    .requiredOption('--leg <from:to:asset:amount>', 'a leg; given once for each', gatherLegs)
    .requiredOption('--hash <hash>', 'SHA-256 of the preimage, 64 hex digits', readHash)
    .requiredOption('--lock-until <time>', 'not revealed then, it lapses: within 7 days, as 2h or 1d', readMoment)
    .option('--cancel-until <time>', 'lacking a consent then it lapses', readMoment)
    .addHelpText(
      'after',
      `
When every debited party has consented, what they pay is held: nothing else may take it, and only all parties together
cancel. Who makes the preimage ends its own lock here later than the one it is paid by elsewhere.

Example:
  causeway lock --key hsbc.pem --leg HSBCHKHHXXX:BKKBTHBKXXX:HKD:1000000.00 --hash 9c3f…51aa --lock-until 12h`,
    )
    .action(run(lock));
  withSigning(program.command('reveal'))
    .description('reveal the preimage of a lock, which settles it')
    .argument('<digest>', "the settlement's digest", readDigest)
    .requiredOption('--preimage-file <file>', 'holds the preimage, 64 hex digits; - for standard input')
    .addHelpText(
      'after',
      `
From then on everybody knows it: it settles what is locked with it anywhere.

Example:
  causeway reveal 6acc…d226 --preimage-file swap.preimage --key bkk.pem`,
    )
    .action(run(reveal));
  const preimage = program.command('preimage').description('what settles a lock');
  preimage
    .command('make')
    .description('make a new one in a file, and tell its hash')
    .argument('<file>', 'where to write it; the file must not exist')
    .addHelpText('after', '\nExample:\n  causeway preimage make swap.preimage')
    .action(run(make));
  withNode(preimage.command('read'))
    .description('read the one with which a lock has settled, to use it on the other ledger')
    .argument('<digest>', "the settlement's digest", readDigest)
    .addHelpText('after', '\nExample:\n  causeway preimage read 6acc…d226')
    .action(run(read));
}

interface LockOptions extends SigningOptions {
  readonly leg: readonly LegText[];
  readonly hash: string;
  readonly lockUntil: string;
  readonly cancelUntil?: string;
}

const lock = ({ leg, hash, lockUntil, cancelUntil, ...options }: LockOptions): Promise<Outcome> =>
  instruct(options, {
    kind: 'settle',
    mode: 'lock',
    legs: [...leg],
    hash,
    lockUntil,
    ...(cancelUntil !== undefined && { cancelUntil }),
  });

async function reveal(
  settlement: string,
  { preimageFile, ...options }: SigningOptions & { readonly preimageFile: string },
): Promise<Outcome> {
  const preimage = readPreimage(preimageFile);
  return preimage.ok ? instruct(options, { kind: 'reveal', settlement, preimage: preimage.value }) : preimage.outcome;
}

/** Never an argument: what runs on a machine can be seen there with its arguments. */
function readPreimage(file: string): Step<string> {
  const name = file === '-' ? 'Standard input' : file;
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8').trim();
  } catch (error) {
    return ended(failed('file', 'unreadable', `${name} cannot be read: ${(error as Error).message}.`));
  }
  if (/^[0-9a-f]{64}$/.test(text)) return went(text);
  return ended(failed('file', 'unreadable', `${name} does not hold a preimage, 64 lower-case hex digits.`));
}

async function make(file: string): Promise<Outcome> {
  const preimage = randomBytes(32);
  try {
    writeFileSync(file, `${toHex(preimage)}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    return failed('file', 'unwritable', `${file} cannot be written: ${(error as Error).message}.`);
  }
  const hash = hashOf(preimage);
  return done({ file, hash }, `${file} holds the preimage; who has it settles what is locked with its hash:\n${hash}`);
}

async function read(digest: string, { node }: NodeOptions): Promise<Outcome> {
  const client = createClient(node);
  const status = await client.getInstruction({ digest });
  if (!status.ok) return refusedBy(status.problem);
  const { code, height } = status.value;
  if (code !== 'settled' || height === null)
    return failed('refused', 'not_revealed', `${digest} is ${code ?? 'pending'}: no preimage has settled it.`);
  const block = await client.getBlock({ height: String(height) });
  if (!block.ok) return refusedBy(block.problem);
  const { instructions } = block.value;
  if (instructions === null)
    return failed('refused', 'pruned', `The node does not keep what block ${height} ordered: ask another.`);
  for (const jws of instructions) {
    const parsed = parseInstruction(utf8(JSON.stringify(jws)));
    if (!parsed.ok || parsed.instruction.payload.kind !== 'reveal') continue;
    const { settlement, preimage } = parsed.instruction.payload;
    const isRight = block.value.receipts.some(
      (receipt) => receipt.digest === parsed.instruction.digest && receipt.code === 'revealed',
    );
    if (settlement === digest && isRight)
      return done(
        { digest, preimage, hash: hashOf(fromHex(preimage)) },
        `${digest} settled with the preimage\n${preimage}`,
      );
  }
  return failed('refused', 'not_revealed', `${digest} settled in block ${height} without a preimage: it is no lock.`);
}
