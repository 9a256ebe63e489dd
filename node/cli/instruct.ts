/** The commands that submit an instruction: payments, PvP and consents, parties and assets. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { minorUnitsOf } from '../../protocol/currencies.js';
import type { NewKey, PayloadOf } from '../../protocol/payload.js';
import type { PayloadFields } from '../api/signing.js';
import {
  gather,
  gatherLegs,
  type LegText,
  readAmount,
  readAsset,
  readBic,
  readDigest,
  readJurisdiction,
  readWhole,
  withNode,
} from './arguments.js';
import { failed, type Outcome, refusedBy } from './outcome.js';
import type { Runner } from './runner.js';
import { type Desk, initiatorOf, openDesk, type SigningOptions, submit } from './submit.js';

const TIMEOUT_S_MAX = 3_600;

/** Options of every command that signs. */
const withSigning = (command: Command): Command =>
  withNode(command)
    .requiredOption('--key <file>', 'key file that signs; again for each further key', gather)
    .option('--no-wait', 'do not wait until it is final')
    .option('--timeout <seconds>', 'how long to wait', (text) => 1_000 * readWhole(1, TIMEOUT_S_MAX)(text), 60_000);

export function instructCommands(program: Command, run: Runner): void {
  payments(program, run);
  withSigning(program.command('consent'))
    .description('consent to a settlement that another party submitted')
    .argument('<digest>', "the settlement's digest", readDigest)
    .addHelpText('after', '\nExample:\n  causeway consent 6acc…d226 --key bkk.pem')
    .action(run(settlementCommand('consent')));
  withSigning(program.command('withdraw'))
    .description('leave a settlement while a consent is missing, which ends it')
    .argument('<digest>', "the settlement's digest", readDigest)
    .addHelpText('after', '\nExample:\n  causeway withdraw 6acc…d226 --key hsbc.pem')
    .action(run(settlementCommand('withdraw')));
  withSigning(program.command('party').description('parties of the ledger').command('admit'))
    .description("admit a party, as its jurisdiction's authority")
    .requiredOption('--party <bic>', 'who is admitted', readBic)
    .requiredOption('--name <name>', 'its name')
    .requiredOption('--lei <lei>', 'its LEI (ISO 17442)')
    .requiredOption('--jurisdiction <code>', 'its country', readJurisdiction)
    .requiredOption('--proof <file>', 'what `causeway keys prove --json` made; again for each key', gather)
    .option('--threshold <keys>', 'how many of its keys must sign', readWhole(1, 16), 1)
    .addHelpText(
      'after',
      '\nExample:\n  causeway party admit --key hk/keys/authority.pem --party HSBCHKHHXXX --name "HSBC Hong Kong" \\\n    --lei 5493001KJTIIGC8Y1R12 --jurisdiction HK --proof bank.proof.json',
    )
    .action(run(admit));
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

function payments(program: Command, run: Runner): void {
  withSigning(program.command('issue'))
    .description("issue an asset out of its issuer's own account")
    .requiredOption('--asset <code>', 'what is issued', readAsset)
    .requiredOption('--to <bic>', 'who gets it', readBic)
    .requiredOption('--amount <amount>', 'in major units', readAmount)
    .addHelpText(
      'after',
      '\nExample:\n  causeway issue --key hk/keys/authority.pem --asset HKD --to HSBCHKHHXXX --amount 1000000.00',
    )
    .action(run(issue));
  withSigning(program.command('pay'))
    .description('pay: one leg')
    .requiredOption('--from <bic>', 'who pays', readBic)
    .requiredOption('--to <bic>', 'who is paid', readBic)
    .requiredOption('--asset <code>', 'what is paid', readAsset)
    .requiredOption('--amount <amount>', 'in major units', readAmount)
    .addHelpText(
      'after',
      '\nExample:\n  causeway pay --key hsbc.pem --from HSBCHKHHXXX --to BKKBTHBKXXX --asset HKD --amount 250.00',
    )
    .action(run(pay));
  withSigning(program.command('pvp'))
    .description('payment versus payment: all legs or none, once every debited party has consented')
    .requiredOption('--leg <from:to:asset:amount>', 'a leg; given once for each', gatherLegs)
    .addHelpText(
      'after',
      `
The owner of the first key submits it. Whose key is not given here consents later, with \`causeway consent DIGEST\`.

Example:
  causeway pvp --key hsbc.pem --key bkk.pem \\
    --leg HSBCHKHHXXX:BKKBTHBKXXX:HKD:1000000.00 --leg BKKBTHBKXXX:HSBCHKHHXXX:THB:4150000.00`,
    )
    .action(run(pvp));
}

type Without<P, Names extends string> = P extends unknown ? Omit<P, Names> : never;
/** What an instruction asks, without who asks it and where. */
type Asked = Without<PayloadFields, 'network' | 'initiator'>;

/** Opens the desk, and submits what is asked in the name of the first key's party. */
async function instruct(options: SigningOptions, asked: Asked | ((initiator: string) => Asked)): Promise<Outcome> {
  const desk = await openDesk(options);
  if (!desk.ok) return desk.outcome;
  const initiator = initiatorOf(desk.value);
  if (!initiator.ok) return initiator.outcome;
  return submitAs(desk.value, initiator.value, typeof asked === 'function' ? asked(initiator.value) : asked, options);
}

const submitAs = (desk: Desk, initiator: string, asked: Asked, options: SigningOptions): Promise<Outcome> =>
  submit(desk, { ...asked, network: desk.network, initiator }, options);

const settlementCommand =
  (kind: 'consent' | 'withdraw') =>
  (settlement: string, options: SigningOptions): Promise<Outcome> =>
    instruct(options, { kind, settlement });

const settle = (legs: readonly LegText[]): Asked => ({ kind: 'settle', mode: 'gross', legs: [...legs] });

const pay = ({ from, to, asset, amount, ...options }: SigningOptions & LegText): Promise<Outcome> =>
  instruct(options, settle([{ from, to, asset, amount }]));

const pvp = ({ leg, ...options }: SigningOptions & { readonly leg: readonly LegText[] }): Promise<Outcome> =>
  instruct(options, settle(leg));

async function issue(options: SigningOptions & Omit<LegText, 'from'>): Promise<Outcome> {
  const { to, asset: code, amount } = options;
  const desk = await openDesk(options);
  if (!desk.ok) return desk.outcome;
  const answer = await desk.value.client.getAssets();
  if (!answer.ok) return refusedBy(answer.problem);
  const asset = answer.value.assets.find((each) => each.asset === code);
  if (asset === undefined) {
    return failed(
      'refused',
      'unknown_asset',
      `No asset ${code} is on the ledger. Its issuer defines it with \`causeway asset define\`.`,
    );
  }
  const { issuer } = asset;
  return submitAs(desk.value, issuer, settle([{ from: issuer, to, asset: code, amount }]), options);
}

interface AdmitOptions extends SigningOptions {
  readonly party: string;
  readonly name: string;
  readonly lei: string;
  readonly jurisdiction: string;
  readonly proof: readonly string[];
  readonly threshold: number;
}

async function admit({ party, name, lei, jurisdiction, proof, threshold, ...options }: AdmitOptions): Promise<Outcome> {
  const keys: NewKey[] = [];
  for (const file of proof) {
    try {
      keys.push(JSON.parse(readFileSync(file, 'utf8')) as NewKey);
    } catch (error) {
      return failed(
        'file',
        'unreadable',
        `${file} is not what \`causeway keys prove --json\` writes: ${(error as Error).message}.`,
      );
    }
  }
  return instruct(options, { kind: 'participant', action: 'admit', party, name, lei, jurisdiction, keys, threshold });
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
