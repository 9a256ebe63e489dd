/** The commands of what has a second part: swaps, repos, a central bank's credit for the day; and what changes a repo. */
import type { Command } from 'commander';
import { DAY_MS, formatTime } from '../../protocol/values.js';
import type { Client } from '../api/client.js';
import {
  differenceOf,
  gatherLegs,
  type LegText,
  readAmount,
  readAsset,
  readDate,
  readDigest,
  readLeg,
  readMoment,
  sumOf,
} from './arguments.js';
import { ended, failed, type Outcome, refusedBy, type Step, went } from './outcome.js';
import type { Runner } from './runner.js';
import { areOpposite, issuerOf, type SettleOptions, submitLegs, withTerms } from './settle.js';
import { instruct, openDesk, type SigningOptions, withSigning } from './submit.js';

export function repoCommands(program: Command, run: Runner): void {
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
With both times on one day it is an in/out swap: it brings what a bank lacks to get its queue moving, and takes it back.

Example:
  causeway fx-swap --key hsbc.pem --key bkk.pem --settle-by 1h --return-from 30d --return-by 31d \\
    --near HSBCHKHHXXX:BKKBTHBKXXX:HKD:1000000.00 --near BKKBTHBKXXX:HSBCHKHHXXX:THB:4150000.00 \\
    --far BKKBTHBKXXX:HSBCHKHHXXX:HKD:1000000.00 --far HSBCHKHHXXX:BKKBTHBKXXX:THB:4140000.00`,
    )
    .action(run(fxSwap));
  const repos = program
    .command('repo')
    .description('a repo: cash against collateral now, and back later; with `substitute` or `margin`, a change of it');
  withReturn(repos.command('open', { isDefault: true }))
    .description('a repo: cash against collateral now, the collateral against the cash and its interest later')
    .requiredOption('--collateral <from:to:asset:amount>', 'what the borrower of cash gives', readLeg)
    .requiredOption('--cash <from:to:asset:amount>', 'what the lender pays for it', readLeg)
    .requiredOption('--interest <amount>', 'paid with the cash that goes back, in major units', readAmount)
    .addHelpText(
      'after',
      `
Example:
  causeway repo open --key hsbc.pem --key bkk.pem --settle-by 10m --return-from 8h --return-by 10h --interest 55.00 \\
    --collateral HSBCHKHHXXX:BKKBTHBKXXX:HKGB2030:1000 --cash BKKBTHBKXXX:HSBCHKHHXXX:HKD:980000.00`,
    )
    .action(run(repo));
  collateralCommands(repos, run);
  withReturn(program.command('credit'))
    .description("a central bank's credit for the day: its money against collateral, redeemed when that goes back")
    .requiredOption('--collateral <from:to:asset:amount>', 'what the bank gives, to the issuer of the money', readLeg)
    .requiredOption('--asset <code>', 'the money', readAsset)
    .requiredOption('--amount <amount>', 'how much of it, in major units', readAmount)
    .option('--interest <amount>', 'paid with what goes back', readAmount, '0')
    .addHelpText(
      'after',
      `
It is a repo whose lender issues the money. Not paid back by the end, the collateral stays with the central bank.
It is drawn within ten minutes, unless --settle-by says otherwise.

Example:
  causeway credit --key hsbc.pem --key hk/keys/authority.pem --asset HKD --amount 500000.00 \\
    --collateral HSBCHKHHXXX:HKMAHKHHXXX:HKGB2030:5500 --return-from 6h --return-by 8h`,
    )
    .action(run(credit));
}

/** What changes a repo while its second part is still to settle. */
function collateralCommands(repos: Command, run: Runner): void {
  withSigning(repos.command('substitute'))
    .description('other collateral in the place of what was given: both move at once, and the new one goes back')
    .argument('<digest>', "the repo's digest", readDigest)
    .requiredOption('--collateral <from:to:asset:amount>', 'what the borrower gives now', readLeg)
    .requiredOption('--returned <from:to:asset:amount>', 'what the lender gives back for it', readLeg)
    .addHelpText(
      'after',
      `
Both parties sign, here or with \`causeway consent DIGEST\`; at no moment is the lender without collateral.

Example:
  causeway repo substitute 6acc…d226 --key hsbc.pem --key bkk.pem \\
    --collateral HSBCHKHHXXX:BKKBTHBKXXX:HKGB2032:1050 --returned BKKBTHBKXXX:HSBCHKHHXXX:HKGB2030:1000`,
    )
    .action(run(substitute));
  withSigning(repos.command('margin'))
    .description('more collateral, or some of it back: what goes back in the end is changed with it')
    .argument('<digest>', "the repo's digest", readDigest)
    .requiredOption('--collateral <from:to:asset:amount>', 'what moves now, from the borrower or back to it', readLeg)
    .addHelpText(
      'after',
      `
Example:
  causeway repo margin 6acc…d226 --key hsbc.pem --key bkk.pem --collateral HSBCHKHHXXX:BKKBTHBKXXX:HKGB2030:50`,
    )
    .action(run(margin));
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

interface CreditOptions extends LinkedOptions {
  readonly collateral: LegText;
  readonly asset: string;
  readonly amount: string;
  readonly interest: string;
}

async function credit({ asset, amount, ...options }: CreditOptions): Promise<Outcome> {
  const desk = await openDesk(options);
  if (!desk.ok) return desk.outcome;
  const issuer = await issuerOf(desk.value, asset);
  if (!issuer.ok) return issuer.outcome;
  const { from, to } = options.collateral;
  if (to !== issuer.value)
    return failed('usage', 'usage', `The collateral goes to ${issuer.value}, the issuer of ${asset}, not to ${to}.`);
  const { nowMs, timeScale } = desk.value.dating;
  const drawnWithinMs = Math.min(DRAWN_WITHIN_MS * timeScale, DAY_MS / 4);
  const isDated = (options.settleBy ?? options.valueDate) !== undefined;
  const cash = { from: to, to: from, asset, amount };
  return repo({ ...options, cash, ...(isDated ? {} : { settleBy: formatTime(nowMs + drawnWithinMs) }) });
}
const DRAWN_WITHIN_MS = 10 * 60 * 1_000;

interface ChangeOptions extends SigningOptions {
  readonly collateral: LegText;
}

async function substitute(
  digest: string,
  { collateral, returned, ...options }: ChangeOptions & { readonly returned: LegText },
): Promise<Outcome> {
  if (!areOpposite(collateral, returned))
    return failed(
      'usage',
      'usage',
      'Who is given the new collateral gives the old one back: the legs go opposite ways.',
    );
  return change(digest, [collateral, returned], options);
}

const margin = (digest: string, { collateral, ...options }: ChangeOptions): Promise<Outcome> =>
  change(digest, [collateral], options);

/** Moves collateral now, and amends what goes back with the part that is still to settle. */
async function change(digest: string, moved: readonly LegText[], options: SigningOptions): Promise<Outcome> {
  const desk = await openDesk(options);
  if (!desk.ok) return desk.outcome;
  const [{ from, to }] = moved as readonly [LegText];
  const open = await openPart(desk.value.client, digest, [from, to]);
  if (!open.ok) return open.outcome;
  const { part, legs: replaces } = open.value;
  let legs = replaces;
  for (const leg of moved) {
    const next = afterMove(legs, leg);
    if (next === null) {
      const detail = `Less than ${leg.amount} ${leg.asset} is to go back to ${leg.to} in the end, so no more can go back now.`;
      return failed('refused', 'part_gone', detail);
    }
    legs = next;
  }
  const amends = { settlement: digest, part, replaces: [...replaces], legs: [...legs] };
  return instruct(options, { kind: 'settle', mode: 'gross', legs: [...moved], amends });
}

interface OpenPart {
  readonly part: number;
  readonly legs: readonly LegText[];
}

/** The part of a settlement that is still to settle after another: found in the queue of one of those who pay in it. */
async function openPart(client: Client, digest: string, parties: readonly string[]): Promise<Step<OpenPart>> {
  for (const bic of parties) {
    for (let after: string | null = ''; after !== null; ) {
      const answer = await client.getQueue({ bic, ...(after !== '' && { after }) });
      if (!answer.ok) return ended(refusedBy(answer.problem));
      const entry = answer.value.entries.find((each) => each.digest === digest);
      if (entry !== undefined && entry.part > 1) return went(entry);
      after = entry === undefined ? answer.value.next : null;
    }
  }
  const detail = `No settlement ${digest} in which ${parties.join(' or ')} pays has a part that has settled, and another that has not.`;
  return ended(failed('refused', 'not_queued', detail));
}

/**
 * The legs that settle what is then held: what is given now comes back with them, and what comes back now no longer does.
 * Null where more comes back than there is.
 */
export function afterMove(legs: readonly LegText[], { from, to, asset, amount }: LegText): readonly LegText[] | null {
  const find = (payer: string, payee: string): LegText | undefined =>
    legs.find((leg) => leg.from === payer && leg.to === payee && leg.asset === asset);
  const [taken, given] = [find(from, to), find(to, from)];
  const put = (old: LegText, next: readonly LegText[]): readonly LegText[] =>
    legs.flatMap((leg) => (leg === old ? next : [leg]));
  if (taken !== undefined) {
    const left = differenceOf(taken.amount, amount);
    if (left === null) return null;
    return put(taken, /[1-9]/.test(left) ? [{ ...taken, amount: left }] : []);
  }
  if (given !== undefined) return put(given, [{ ...given, amount: sumOf(given.amount, amount) }]);
  return [{ from: to, to: from, asset, amount }, ...legs];
}
