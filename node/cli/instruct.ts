/** The commands that submit an instruction about others: consents and second thoughts, parties, keys and assets, and the set of validators. */
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { minorUnitsOf } from '../../protocol/currencies.js';
import type { Member, NewKey, PayloadOf } from '../../protocol/payload.js';
import type { Bic, NetworkId } from '../../protocol/types.js';
import { createClient } from '../api/client.js';
import {
  gather,
  gatherLegs,
  type LegText,
  type NodeOptions,
  readAmount,
  readAsset,
  readBic,
  readDigest,
  readInstant,
  readJurisdiction,
  readWhole,
  withNode,
} from './arguments.js';
import { memberOf } from './member.js';
import { done, ended, failed, type Outcome, refusedBy, type Step, went } from './outcome.js';
import type { Runner } from './runner.js';
import { instruct, type SigningOptions, withSigning } from './submit.js';

export function instructCommands(program: Command, run: Runner): void {
  settlements(program, run);
  parties(program, run);
  assets(program, run);
  keys(program, run);
  validators(program, run);
}

function settlements(program: Command, run: Runner): void {
  withSigning(program.command('consent'))
    .description('consent to a settlement that another party submitted, or as an authority to a change of validators')
    .argument('<digest>', "the settlement's or the change's digest", readDigest)
    .option('--leg <from:to:asset:amount>', 'a leg that it must have, all of them given once for each', gatherLegs)
    .option('--far <from:to:asset:amount>', 'a leg that its second part must have', gatherLegs)
    .option('--settle-by <time>', 'until when it must settle, exactly', readInstant)
    .addHelpText(
      'after',
      `
With legs it consents to these terms alone: if the settlement is another, it is refused with what differs, and nobody is bound.

Example:
  causeway consent 6acc…d226 --key bkk.pem \\
    --leg HSBCHKHHXXX:BKKBTHBKXXX:HKD:1000000.00 --leg BKKBTHBKXXX:HSBCHKHHXXX:THB:4150000.00`,
    )
    .action(run(consent));
  withSigning(program.command('withdraw'))
    .description('leave a settlement while a consent is missing, which ends it; or take back a change of validators')
    .argument('<digest>', "the settlement's or the change's digest", readDigest)
    .addHelpText('after', '\nExample:\n  causeway withdraw 6acc…d226 --key hsbc.pem')
    .action(run(settlementCommand('withdraw')));
  withSigning(program.command('cancel'))
    .description('leave a settlement: alone before its first cut-off, before its second with all other parties')
    .argument('<digest>', "the settlement's digest", readDigest)
    .addHelpText('after', '\nExample:\n  causeway cancel 6acc…d226 --key hsbc.pem')
    .action(run(settlementCommand('cancel')));
}

function parties(program: Command, run: Runner): void {
  const party = program.command('party').description('parties of the ledger');
  withSigning(party.command('admit'))
    .description("admit a party, as its jurisdiction's authority")
    .requiredOption('--party <bic>', 'who is admitted', readBic)
    .requiredOption('--name <name>', 'its name')
    .requiredOption('--lei <lei>', 'its LEI (ISO 17442)')
    .requiredOption('--jurisdiction <code>', 'its country', readJurisdiction)
    .requiredOption('--proof <file>', 'what `causeway keys prove --json` made; again for each key', gather)
    .option('--threshold <keys>', 'how many of its keys must sign', readWhole(1, 16), 1)
    .addHelpText(
      'after',
      '\nExample:\n  causeway party admit --key hk/keys/authority.pem --party HSBCHKHHXXX --name "HSBC Hong Kong" \\\n    --lei 98450000BANKHSBCHK93 --jurisdiction HK --proof bank.proof.json',
    )
    .action(run(admit));
  withSigning(party.command('solver'))
    .description("let a party offer what of the queue can settle together, as its jurisdiction's authority")
    .requiredOption('--party <bic>', 'whose offers are judged', readBic)
    .option('--revoke', 'no longer')
    .addHelpText('after', '\nExample:\n  causeway party solver --key hk/keys/authority.pem --party HSBCHKHHXXX')
    .action(run(setSolver));
}

function assets(program: Command, run: Runner): void {
  withSigning(program.command('asset').description('assets of the ledger').command('define'))
    .description('define an asset, or change its name or cap, as its issuer')
    .requiredOption('--asset <code>', 'its code: ISO 4217 for central bank money', readAsset)
    .requiredOption('--name <name>', 'its name')
    .requiredOption('--cap <amount>', 'the most that may circulate, in major units', readAmount)
    .requiredOption(
      '--jurisdiction <code>',
      "the country whose authority sets the cap; its key signs too unless it is the issuer's",
      readJurisdiction,
    )
    .addOption(
      new Option('--class <class>', 'what it is')
        .choices(['wcbdc', 'deposit', 'stablecoin', 'security', 'commodity'])
        .default('wcbdc'),
    )
    .option('--decimals <digits>', "digits behind the point; ISO 4217's if absent", readWhole(0, 18))
    .addHelpText(
      'after',
      '\nExample:\n  causeway asset define --key hk/keys/authority.pem --asset HKD --name "Hong Kong dollar" --cap 1000000000.00 --jurisdiction HK',
    )
    .action(run(define));
}

function keys(program: Command, run: Runner): void {
  const key = program.command('key').description('keys of a party on the ledger');
  withSigning(key.command('add'))
    .description('register a further key that signs for a party, as the party itself or, for lost keys, its authority')
    .requiredOption('--party <bic>', 'whose key it is', readBic)
    .requiredOption('--proof <file>', 'what `causeway keys prove --json` made of it; again for each', gather)
    .addHelpText(
      'after',
      '\nExample:\n  causeway keys prove new.pem --party HSBCHKHHXXX --json > new.proof.json\n  causeway key add --key hsbc.pem --party HSBCHKHHXXX --proof new.proof.json',
    )
    .action(run(addKey));
  withSigning(key.command('add-node'))
    .description(
      "register a node's network key for a party: others let the node take part, and it may become a validator",
    )
    .requiredOption('--party <bic>', 'whose node it is', readBic)
    .requiredOption(
      '--proof <file>',
      'what `causeway keys prove --json` made of its network key; again for each',
      gather,
    )
    .addHelpText(
      'after',
      '\nExample:\n  causeway keys prove network.pem --party HSBCHKHHXXX --json > node.proof.json\n  causeway key add-node --key hsbc.pem --party HSBCHKHHXXX --proof node.proof.json',
    )
    .action(run(addNode));
  withSigning(key.command('revoke'))
    .description(
      "put a key of a party, or of a node of it, out of use for ever; a validator's node is put out with `govern`",
    )
    .requiredOption('--party <bic>', 'whose key it is', readBic)
    .requiredOption('--kid <thumbprint>', 'its thumbprint (RFC 7638)', readThumbprint)
    .addHelpText(
      'after',
      '\nExample:\n  causeway key revoke --key hsbc.pem --party HSBCHKHHXXX --kid UDReOZl1ipXAfp9wYsm13sDBMK5og--QWdBjzuf6o4',
    )
    .action(run(revokeKey));
}

function validators(program: Command, run: Runner): void {
  const govern = program.command('govern').description('the set of validators');
  withNode(govern.command('member'))
    .description('describe a validator to be, with the proof that it holds its new vote key; run where its keys are')
    .requiredOption('--party <bic>', 'whose validator it is', readBic)
    .requiredOption('--vote-key <file>', 'its vote key, PEM PKCS#8')
    .requiredOption('--network-key <file>', 'its network key, registered with `causeway key add-node`')
    .addHelpText(
      'after',
      '\nExample:\n  causeway govern member --party HSBCHKHHXXX --vote-key vote.pem --network-key network.pem --json > hsbc.member.json',
    )
    .action(run(describeMember));
  withSigning(govern.command('validators'))
    .description('ask for another set of validators, as an authority')
    .option(
      '--add <file>',
      'what `causeway govern member --json` made; takes the place of a member of that party',
      gather,
    )
    .option('--remove <bic>', 'whose validator goes; again for each', gatherBics)
    .addHelpText(
      'after',
      `
Whoever is not named stays as it is. A quorum of the authorities must agree: each further --key signs at once, others
run \`causeway consent DIGEST\`. The new set takes over when it is ready.

Example:
  causeway govern validators --key hk/keys/authority.pem --add hsbc.member.json --remove BKKBTHBKXXX`,
    )
    .action(run(changeValidators));
}

const gatherBics = (text: string, before: readonly string[] = []): readonly string[] => [...before, readBic(text)];

function readThumbprint(text: string): string {
  if (/^[A-Za-z0-9_-]{43}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be a thumbprint, 43 characters of base64url.');
}

interface ConsentOptions extends SigningOptions {
  readonly leg?: readonly LegText[];
  readonly far?: readonly LegText[];
  readonly settleBy?: string;
}

async function consent(settlement: string, { leg, far, settleBy, ...options }: ConsentOptions): Promise<Outcome> {
  if (leg === undefined) {
    if ((far ?? settleBy) !== undefined) return failed('usage', 'usage', '--far and --settle-by go only with --leg.');
    return instruct(options, { kind: 'consent', settlement });
  }
  const first = { legs: [...leg], ...(settleBy !== undefined && { settleBy }) };
  const terms = far === undefined ? [first] : [first, { legs: [...far] }];
  return instruct(options, { kind: 'consent', settlement, terms });
}

const settlementCommand =
  (kind: 'withdraw' | 'cancel') =>
  (settlement: string, options: SigningOptions): Promise<Outcome> =>
    instruct(options, { kind, settlement });

interface AdmitOptions extends SigningOptions {
  readonly party: string;
  readonly name: string;
  readonly lei: string;
  readonly jurisdiction: string;
  readonly proof: readonly string[];
  readonly threshold: number;
}

const setSolver = ({
  party,
  revoke,
  ...options
}: SigningOptions & { readonly party: string; readonly revoke?: true }): Promise<Outcome> =>
  instruct(options, { kind: 'participant', action: 'solver', party, solver: revoke !== true });

async function admit({ party, name, lei, jurisdiction, proof, threshold, ...options }: AdmitOptions): Promise<Outcome> {
  const keys = readAll<NewKey>(proof, 'causeway keys prove --json');
  if (!keys.ok) return keys.outcome;
  const asked = { party, name, lei, jurisdiction, keys: keys.value, threshold };
  return instruct(options, { kind: 'participant', action: 'admit', ...asked });
}

/** The JSON of files that a command of ours wrote; the node judges what is in it. */
function readAll<T>(files: readonly string[], command: string): Step<T[]> {
  const read: T[] = [];
  for (const file of files) {
    try {
      read.push(JSON.parse(readFileSync(file, 'utf8')) as T);
    } catch (error) {
      const detail = `${file} is not what \`${command}\` writes: ${(error as Error).message}.`;
      return ended(failed('file', 'unreadable', detail));
    }
  }
  return went(read);
}

interface AddKeyOptions extends SigningOptions {
  readonly party: string;
  readonly proof: readonly string[];
}

type NodeKeys = Extract<PayloadOf<'key'>, { readonly action: 'node' }>['keys'];

async function addKey({ party, proof, ...options }: AddKeyOptions): Promise<Outcome> {
  const keys = readAll<NewKey>(proof, 'causeway keys prove --json');
  return keys.ok ? instruct(options, { kind: 'key', action: 'add', party, keys: keys.value }) : keys.outcome;
}

async function addNode({ party, proof, ...options }: AddKeyOptions): Promise<Outcome> {
  const keys = readAll<NodeKeys[number]>(proof, 'causeway keys prove --json');
  return keys.ok ? instruct(options, { kind: 'key', action: 'node', party, keys: keys.value }) : keys.outcome;
}

const revokeKey = ({
  party,
  kid,
  ...options
}: SigningOptions & { readonly party: string; readonly kid: string }): Promise<Outcome> =>
  instruct(options, { kind: 'key', action: 'revoke', party, kid });

interface MemberOptions extends NodeOptions {
  readonly party: string;
  readonly voteKey: string;
  readonly networkKey: string;
}

async function describeMember({ node, party, ...files }: MemberOptions): Promise<Outcome> {
  const status = await createClient(node).getStatus();
  if (!status.ok) return refusedBy(status.problem);
  const member = memberOf(status.value.network as NetworkId, party as Bic, files);
  return member.ok ? done(member.value, JSON.stringify(member.value)) : member.outcome;
}

interface ValidatorsOptions extends SigningOptions {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
}

async function changeValidators({ add = [], remove = [], ...options }: ValidatorsOptions): Promise<Outcome> {
  const added = readAll<Member>(add, 'causeway govern member --json');
  if (!added.ok) return added.outcome;
  const answer = await createClient(options.node).getValidators();
  if (!answer.ok) return refusedBy(answer.problem);
  const standing = answer.value.validators;
  const absent = remove.find((party) => !standing.some((member) => member.party === party));
  if (absent !== undefined) return failed('usage', 'unknown_party', `${absent} has no validator to remove.`);
  return instruct(options, {
    kind: 'govern',
    change: { type: 'validators', validators: next(standing, added.value, remove) },
  });
}

/** The standing set without those removed, with those added in the place of their party's, or at the end. */
function next(
  standing: readonly { readonly party: string; readonly voteKey: string; readonly networkKey: string }[],
  added: readonly Member[],
  removed: readonly string[],
): Member[] {
  const kept = standing
    .filter(({ party }) => !removed.includes(party))
    .map(
      ({ party, voteKey, networkKey }) => added.find((each) => each.party === party) ?? { party, voteKey, networkKey },
    );
  const isNew = ({ party }: Member) => !kept.some((member) => member.party === party);
  return [...kept, ...added.filter(isNew)];
}

interface DefineOptions extends SigningOptions {
  readonly asset: string;
  readonly name: string;
  readonly cap: string;
  readonly jurisdiction: string;
  readonly class: PayloadOf<'asset'>['class'];
  readonly decimals?: number;
}

async function define({
  asset,
  name,
  cap,
  jurisdiction,
  class: kind,
  decimals: given,
  ...options
}: DefineOptions): Promise<Outcome> {
  const decimals = given ?? minorUnitsOf(asset);
  if (decimals === null) {
    return failed(
      'usage',
      'decimals_missing',
      `${asset} is no currency of ISO 4217, so say how many decimals it has, with --decimals.`,
    );
  }
  return instruct(options, (issuer) => ({
    kind: 'asset',
    asset,
    class: kind,
    name,
    issuer,
    jurisdiction,
    decimals,
    cap,
  }));
}
