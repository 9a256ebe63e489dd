/** The commands that move money: issuance, payments, payment versus payment, delivery versus payment; at once or through the queue. */
import { type Command, Option } from 'commander';
import { LOTS_MAX } from '../../protocol/limits.js';
import { PRIORITIES, type Priority } from '../../protocol/payload.js';
import {
  gatherLegs,
  type LegText,
  readAmount,
  readAsset,
  readBic,
  readDate,
  readLeg,
  readMoment,
  readWhole,
} from './arguments.js';
import { ended, failed, type Outcome, refusedBy, type Step, went } from './outcome.js';
import type { Runner } from './runner.js';
import { type Asked, type Desk, instruct, openDesk, type SigningOptions, submitAs, withSigning } from './submit.js';

export function settleCommands(program: Command, run: Runner): void {
  withTerms(program.command('issue'))
    .description("issue an asset out of its issuer's own account")
    .requiredOption('--asset <code>', 'what is issued', readAsset)
    .requiredOption('--to <bic>', 'who gets it', readBic)
    .requiredOption('--amount <amount>', 'in major units', readAmount)
    .addHelpText(
      'after',
      '\nExample:\n  causeway issue --key hk/keys/authority.pem --asset HKD --to HSBCHKHHXXX --amount 1000000.00',
    )
    .action(run(issue));
  withTerms(program.command('pay'))
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
  withTerms(program.command('pvp'))
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
  withTerms(program.command('dvp'))
    .description('delivery versus payment: a security or token against money, both or neither')
    .requiredOption('--deliver <from:to:asset:amount>', 'what the seller delivers', readLeg)
    .requiredOption('--against <from:to:asset:amount>', 'what the buyer pays', readLeg)
    .addHelpText(
      'after',
      `
The owner of the first key submits it; the other consents with \`causeway consent DIGEST\`, or signs here too.

Example:
  causeway dvp --key hsbc.pem --key bkk.pem \\
    --deliver HSBCHKHHXXX:BKKBTHBKXXX:HKGB2030:100 --against BKKBTHBKXXX:HSBCHKHHXXX:HKD:100000.00`,
    )
    .action(run(dvp));
}

/** What the options of a command say of its time in the queue. */
interface TermOptions {
  readonly settleBy?: string;
  readonly valueDate?: string;
  readonly notBefore?: string;
  readonly cancelUntil?: string;
  readonly cutoff?: string;
  readonly priority?: Priority;
  readonly lots?: number;
  readonly linked?: readonly {
    readonly legs: LegText[];
    readonly notBefore?: string;
    readonly settleBy?: string;
    readonly valueDate?: string;
  }[];
}

export const withTerms = (command: Command): Command =>
  withSigning(command)
    .option(
      '--settle-by <time>',
      'wait in the queue for funds until then: a time in UTC, or from now as 10m, 2h, 1d; without it or --value-date, settle at once or be refused',
      readMoment,
    )
    .option('--value-date <date>', 'settle on that business day of all currencies, or not at all', readDate)
    .option('--not-before <time>', 'settle then at the earliest', readMoment)
    .option(
      '--cancel-until <time>',
      'lacking a consent then it lapses, and until then each party leaves alone',
      readMoment,
    )
    .option('--cutoff <time>', 'until then all parties together cancel, and from then on it is irrevocable', readMoment)
    .addOption(new Option('--priority <priority>', 'how urgent it is in the queue').choices(PRIORITIES))
    .option(
      '--lots <count>',
      'so many equal lots, which may settle one by one: what cannot be had whole',
      readWhole(2, LOTS_MAX),
    );

/** Legs and terms as a `settle`, or which option goes only with another. */
function settle(legs: readonly LegText[], terms: TermOptions): Asked | string {
  const { settleBy, valueDate, notBefore, cancelUntil, cutoff, priority, lots, linked } = terms;
  if (valueDate !== undefined && (settleBy ?? notBefore) !== undefined)
    return '--value-date goes without --settle-by and --not-before.';
  if (lots !== undefined && linked !== undefined) return '--lots goes without a second part.';
  const given = { legs: [...legs], ...(cancelUntil !== undefined && { cancelUntil }) };
  const common = { kind: 'settle' as const, ...given };
  if (settleBy === undefined && valueDate === undefined) {
    if (linked !== undefined) return 'What has a second part goes only with --settle-by or --value-date.';
    const alone = Object.entries({ 'not-before': notBefore, cutoff, priority, lots }).find(
      ([, value]) => value !== undefined,
    );
    return alone === undefined
      ? { ...common, mode: 'gross' }
      : `--${alone[0]} goes only with --settle-by or --value-date.`;
  }
  return {
    ...common,
    mode: 'queue',
    ...(settleBy !== undefined && { settleBy }),
    ...(valueDate !== undefined && { valueDate }),
    ...(notBefore !== undefined && { notBefore }),
    ...(cutoff !== undefined && { cutoff }),
    ...(priority !== undefined && { priority }),
    ...(lots !== undefined && { lots }),
    ...(linked !== undefined && { linked: [...linked] }),
  };
}

export type SettleOptions = SigningOptions & TermOptions;

export async function submitLegs(legs: readonly LegText[], options: SettleOptions): Promise<Outcome> {
  const asked = settle(legs, options);
  return typeof asked === 'string' ? failed('usage', 'usage', asked) : instruct(options, asked);
}

const pay = ({ from, to, asset, amount, ...options }: SettleOptions & LegText): Promise<Outcome> =>
  submitLegs([{ from, to, asset, amount }], options);

const pvp = ({ leg, ...options }: SettleOptions & { readonly leg: readonly LegText[] }): Promise<Outcome> =>
  submitLegs(leg, options);

export const areOpposite = (one: LegText, other: LegText): boolean => one.from === other.to && one.to === other.from;

async function dvp({
  deliver,
  against,
  ...options
}: SettleOptions & { readonly deliver: LegText; readonly against: LegText }): Promise<Outcome> {
  if (!areOpposite(deliver, against))
    return failed('usage', 'usage', 'Who is delivered to pays who delivers: the two legs go opposite ways.');
  return submitLegs([deliver, against], options);
}

async function issue(options: SettleOptions & Omit<LegText, 'from'>): Promise<Outcome> {
  const { to, asset: code, amount } = options;
  const desk = await openDesk(options);
  if (!desk.ok) return desk.outcome;
  const found = await issuerOf(desk.value, code);
  if (!found.ok) return found.outcome;
  const issuer = found.value;
  const asked = settle([{ from: issuer, to, asset: code, amount }], options);
  return typeof asked === 'string' ? failed('usage', 'usage', asked) : submitAs(desk.value, issuer, asked, options);
}

/** Who issues an asset, as the desk's node has it. */
export async function issuerOf({ client }: Desk, code: string): Promise<Step<string>> {
  const answer = await client.getAssets();
  if (!answer.ok) return ended(refusedBy(answer.problem));
  const asset = answer.value.assets.find((each) => each.asset === code);
  if (asset !== undefined) return went(asset.issuer);
  const detail = `No asset ${code} is on the ledger. Its issuer defines it with \`causeway asset define\`.`;
  return ended(failed('refused', 'unknown_asset', detail));
}
