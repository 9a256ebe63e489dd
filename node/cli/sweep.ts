/** The command that sends home what a party holds of an asset and does not need: never what it is bound to pay, or keeps. */
import type { Command } from 'commander';
import { formatTime } from '../../protocol/values.js';
import { differenceOf, readAmount, readAsset, readBic } from './arguments.js';
import { done, ended, type Outcome, refusedBy, type Step, went } from './outcome.js';
import type { Runner } from './runner.js';
import { type Desk, openDesk, type SigningOptions, submitAs, withSigning } from './submit.js';

export function sweepCommands(program: Command, run: Runner): void {
  withSigning(program.command('sweep'))
    .description(
      'send what a party holds of an asset and is not bound to pay: to its issuer, which redeems it, or to another',
    )
    .requiredOption('--from <bic>', 'whose account is swept', readBic)
    .requiredOption('--to <bic>', 'who gets it', readBic)
    .requiredOption('--asset <code>', 'what is swept', readAsset)
    .option('--keep <amount>', 'what stays, besides', readAmount, '0')
    .addHelpText(
      'after',
      `
What is held for locks and all that the party is bound to pay, today and later, stays where it is, as if nothing were paid
in before. It goes through the queue as the least urgent and waits no longer than ${WAIT_MS / 1000} s: what \`causeway liquidity\` keeps stays
too. At the end of a day, run it by the clock of the currency's hours.

Example:
  causeway sweep --key bkk.pem --from BKKBTHBKXXX --to HKMAHKHHXXX --asset HKD --keep 1000.00`,
    )
    .action(run(sweep));
}

/** A sweep is of what is there now: what cannot go soon stays for the next one. */
const WAIT_MS = 60_000;

interface SweepOptions extends SigningOptions {
  readonly from: string;
  readonly to: string;
  readonly asset: string;
  readonly keep: string;
}

async function sweep({ from, to, asset, keep, ...options }: SweepOptions): Promise<Outcome> {
  const desk = await openDesk(options);
  if (!desk.ok) return desk.outcome;
  const amount = await freeIn(desk.value, from, asset, keep);
  if (!amount.ok) return amount.outcome;
  const { nowMs, timeScale } = desk.value.dating;
  const settleBy = formatTime(nowMs + WAIT_MS * timeScale);
  const legs = [{ from, to, asset, amount: amount.value }];
  return submitAs(desk.value, from, { kind: 'settle', mode: 'queue', priority: 'normal', settleBy, legs }, options);
}

/** What an account has over what is held, bound to be paid, and to be kept; or that it is nothing. */
async function freeIn({ client }: Desk, bic: string, asset: string, keep: string): Promise<Step<string>> {
  const positions = await client.getPositions({ bic });
  if (!positions.ok) return ended(refusedBy(positions.problem));
  const lowest = positions.value.positions.find((each) => each.asset === asset)?.lowest ?? '0';
  const amount = differenceOf(lowest, keep);
  if (amount !== null && /[1-9]/.test(amount)) return went(amount);
  const json = { party: bic, asset, lowest, keep };
  return ended(done(json, `${bic} holds no ${asset} over what it is bound to pay and keeps.`));
}
