/** The commands that move money: issuance, payments, payment versus payment, delivery versus payment; at once or through the queue. */
import { type Command, Option } from 'commander';
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
  sumOf,
} from './arguments.js';
import { failed, type Outcome, refusedBy } from './outcome.js';
import type { Runner } from './runner.js';
import { type Asked, instruct, openDesk, type SigningOptions, submitAs, withSigning } from './submit.js';

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
  linkedCommands(program, run);
}

/** The commands whose settlement has a second part, which is due once the first has settled. */
function linkedCommands(program: Command, run: Runner): void {
  withReturn(program.command('fx-swap'))
    .description(
      'an FX swap: legs now and legs back later, bound together; the far ones are due once the near have settled',
    )
    .requiredOption('--near <from:to:asset:amount>', 'a near leg; given once for each', gatherLegs)
    .requiredOption('--far <from:to:asset:amount>', 'a far leg; given once for each', gatherLegs)
    .addHelpText(
      'after',
      `
Until the near legs settle it is cancelled, or lapses, whole. From then on the far legs stand, unless all parties cancel.

Example:
  causeway fx-swap --key hsbc.pem --key bkk.pem --settle-by 1h --return-from 30d --return-by 31d \\
    --near HSBCHKHHXXX:BKKBTHBKXXX:HKD:1000000.00 --near BKKBTHBKXXX:HSBCHKHHXXX:THB:4150000.00 \\
    --far BKKBTHBKXXX:HSBCHKHHXXX:HKD:1000000.00 --far HSBCHKHHXXX:BKKBTHBKXXX:THB:4140000.00`,
    )
    .action(run(fxSwap));
  withReturn(program.command('repo'))
    .description('a repo: cash against collateral now, the collateral against the cash and its interest later')
    .requiredOption('--collateral <from:to:asset:amount>', 'what the borrower of cash gives', readLeg)
    .requiredOption('--cash <from:to:asset:amount>', 'what the lender pays for it', readLeg)
    .requiredOption('--interest <amount>', 'paid with the cash that goes back, in major units', readAmount)
    .addHelpText(
      'after',
      `
Example:
  causeway repo --key hsbc.pem --key bkk.pem --settle-by 10m --return-from 8h --return-by 10h --interest 55.00 \\
    --collateral HSBCHKHHXXX:BKKBTHBKXXX:HKGB2030:1000 --cash BKKBTHBKXXX:HSBCHKHHXXX:HKD:980000.00`,
    )
    .action(run(repo));
}

/** The first part waits for funds until `--settle-by`; the second has dates of its own. */
const withReturn = (command: Command): Command =>
  withTerms(command)
    .option('--return-from <time>', 'when the second part settles at the earliest', readMoment)
    .option('--return-by <time>', 'until when it does', readMoment)
    .option('--return-value-date <date>', 'on which business day it does, in the place of both', readDate);

interface ReturnOptions {
  readonly returnFrom?: string;
  readonly returnBy?: string;
  readonly returnValueDate?: string;
}
type LinkedOptions = SettleOptions & ReturnOptions;

async function submitTwo(near: readonly LegText[], far: readonly LegText[], options: LinkedOptions): Promise<Outcome> {
  const { returnFrom, returnBy, returnValueDate, ...terms } = options;
  const hasDates = returnFrom !== undefined && returnBy !== undefined;
  if (hasDates === (returnValueDate !== undefined) || (!hasDates && (returnFrom ?? returnBy) !== undefined))
    return failed('usage', 'usage', 'The second part needs --return-from and --return-by, or --return-value-date.');
  const time = hasDates ? { notBefore: returnFrom, settleBy: returnBy } : { valueDate: returnValueDate as string };
  return submitLegs(near, { ...terms, linked: [{ legs: [...far], ...time }] });
}

const fxSwap = ({
  near,
  far,
  ...options
}: LinkedOptions & { readonly near: readonly LegText[]; readonly far: readonly LegText[] }): Promise<Outcome> =>
  submitTwo(near, far, options);

interface RepoOptions extends LinkedOptions {
  readonly collateral: LegText;
  readonly cash: LegText;
  readonly interest: string;
}

async function repo({ collateral, cash, interest, ...options }: RepoOptions): Promise<Outcome> {
  if (!areOpposite(collateral, cash))
    return failed(
      'usage',
      'usage',
      'Who takes the collateral pays the cash to who gives it: the legs go opposite ways.',
    );
  const back = (leg: LegText): LegText => ({ ...leg, from: leg.to, to: leg.from });
  const repaid = { ...back(cash), amount: sumOf(cash.amount, interest) };
  return submitTwo([collateral, cash], [back(collateral), repaid], options);
}

const areOpposite = (one: LegText, other: LegText): boolean => one.from === other.to && one.to === other.from;

/** What the options of a command say of its time in the queue. */
interface TermOptions {
  readonly settleBy?: string;
  readonly valueDate?: string;
  readonly notBefore?: string;
  readonly cancelUntil?: string;
  readonly cutoff?: string;
  readonly priority?: Priority;
  readonly linked?: readonly {
    readonly legs: LegText[];
    readonly notBefore?: string;
    readonly settleBy?: string;
    readonly valueDate?: string;
  }[];
}

const withTerms = (command: Command): Command =>
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
    .addOption(new Option('--priority <priority>', 'how urgent it is in the queue').choices(PRIORITIES));

/** Legs and terms as a `settle`, or which option goes only with another. */
function settle(legs: readonly LegText[], terms: TermOptions): Asked | string {
  const { settleBy, valueDate, notBefore, cancelUntil, cutoff, priority, linked } = terms;
  if (valueDate !== undefined && (settleBy ?? notBefore) !== undefined)
    return '--value-date goes without --settle-by and --not-before.';
  const given = { legs: [...legs], ...(cancelUntil !== undefined && { cancelUntil }) };
  const common = { kind: 'settle' as const, ...given };
  if (settleBy === undefined && valueDate === undefined) {
    const alone = Object.entries({ 'not-before': notBefore, cutoff, priority, 'return-from': linked }).find(
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
    ...(linked !== undefined && { linked: [...linked] }),
  };
}

type SettleOptions = SigningOptions & TermOptions;

async function submitLegs(legs: readonly LegText[], options: SettleOptions): Promise<Outcome> {
  const asked = settle(legs, options);
  return typeof asked === 'string' ? failed('usage', 'usage', asked) : instruct(options, asked);
}

const pay = ({ from, to, asset, amount, ...options }: SettleOptions & LegText): Promise<Outcome> =>
  submitLegs([{ from, to, asset, amount }], options);

const pvp = ({ leg, ...options }: SettleOptions & { readonly leg: readonly LegText[] }): Promise<Outcome> =>
  submitLegs(leg, options);

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
  const asked = settle([{ from: issuer, to, asset: code, amount }], options);
  return typeof asked === 'string' ? failed('usage', 'usage', asked) : submitAs(desk.value, issuer, asked, options);
}
