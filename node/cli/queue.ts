/** The commands about the queue: what a party is bound to pay in and what it waits for, what it is asked to, how urgent it is, and what is kept. */
import Table from 'cli-table3';
import { type Command, Option } from 'commander';
import { PRIORITIES, type Priority } from '../../protocol/payload.js';
import { type Client, createClient } from '../api/client.js';
import { type NodeOptions, readAmount, readAsset, readBic, readDigest, withNode } from './arguments.js';
import { done, type Outcome, refusedBy } from './outcome.js';
import type { Runner } from './runner.js';
import { instruct, type SigningOptions, withSigning } from './submit.js';

export function queueCommands(program: Command, run: Runner): void {
  const queue = program.command('queue').description('settlements that wait for their time or for funds');
  withNode(queue.command('list'))
    .description('what a party is bound to pay in, the most urgent first, and what each waits for')
    .argument('<bic>', 'the party', readBic)
    .option('--after <cursor>', 'go on where an earlier page ended')
    .addHelpText('after', '\nExample:\n  causeway queue list HSBCHKHHXXX')
    .action(run(list));
  withNode(queue.command('proposals'))
    .description('what a party is asked to pay in, and whose consent each lacks')
    .argument('<bic>', 'the party', readBic)
    .option('--after <cursor>', 'go on where an earlier page ended')
    .addHelpText('after', '\nExample:\n  causeway queue proposals HSBCHKHHXXX')
    .action(run(proposals));
  withSigning(queue.command('reprioritise'))
    .description("say anew how urgent a settlement is in one's own queue")
    .argument('<digest>', "the settlement's digest", readDigest)
    .addOption(new Option('--priority <priority>', 'how urgent').choices(PRIORITIES).makeOptionMandatory())
    .addHelpText('after', '\nExample:\n  causeway queue reprioritise 6acc…d226 --priority urgent --key hsbc.pem')
    .action(run(reprioritise));
  withSigning(program.command('liquidity'))
    .description('say how what one pays in an asset goes through the queue, and what is kept for what is more urgent')
    .requiredOption('--asset <code>', 'the account', readAsset)
    .addOption(
      new Option('--order <order>', 'whether what is funded passes what is as urgent and is not')
        .choices(['bypass', 'fifo'])
        .default('bypass'),
    )
    .option('--urgent <amount>', 'kept for what is urgent', readAmount, ZERO)
    .option('--high <amount>', 'kept, besides, for what is at least high', readAmount, ZERO)
    .addHelpText(
      'after',
      `
It takes the place of what was said before.

Example:
  causeway liquidity --key hsbc.pem --asset HKD --urgent 500000.00 --order fifo`,
    )
    .action(run(liquidity));
}

const ZERO = '0';

interface LiquidityOptions extends SigningOptions {
  readonly asset: string;
  readonly order: 'bypass' | 'fifo';
  readonly urgent: string;
  readonly high: string;
}

const liquidity = ({ asset, order, urgent, high, ...options }: LiquidityOptions): Promise<Outcome> =>
  instruct(options, { kind: 'liquidity', asset, order, reserved: { urgent, high } });

interface PageOptions extends NodeOptions {
  readonly after?: string;
}
const pageOf = (bic: string, after: string | undefined): { readonly bic: string; readonly after?: string } => ({
  bic,
  ...(after !== undefined && { after }),
});

type Queue = Extract<Awaited<ReturnType<Client['getQueue']>>, { ok: true }>['value'];
type Entry = Queue['entries'][number];
type Proposal = Extract<Awaited<ReturnType<Client['getProposals']>>, { ok: true }>['value']['entries'][number];

async function list(bic: string, { node, after }: PageOptions): Promise<Outcome> {
  const answer = await createClient(node).getQueue(pageOf(bic, after));
  if (!answer.ok) return refusedBy(answer.problem);
  const { entries, height, next } = answer.value;
  if (entries.length === 0) return done(answer.value, `${bic} has nothing in the queue at height ${height}.`);
  const table = tableOf(['#', 'priority', 'legs', 'waits for', 'settle by']);
  for (const entry of entries) {
    const { position, priority, settleBy, digest } = entry;
    table.push([position, priority, legsText(entry), waitsFor(entry), settleBy], digestRow(digest, 5));
  }
  return done(answer.value, pageText(`${bic} at height ${height}`, table, next));
}

function waitsFor({ stage, notBefore, lacking, behind }: Entry): string {
  if (stage === 'scheduled') return `its time: ${notBefore}`;
  const lacks = lacking.map(({ party, asset, amount }) => `${amount} ${asset} more of ${party}`);
  const waits = behind.map(({ party, asset }) => `what is more urgent in ${asset} of ${party}`);
  return [...lacks, ...waits].join('\n') || 'the next pass, or what is before it in strict order';
}

async function proposals(bic: string, { node, after }: PageOptions): Promise<Outcome> {
  const answer = await createClient(node).getProposals(pageOf(bic, after));
  if (!answer.ok) return refusedBy(answer.problem);
  const { entries, height, next } = answer.value;
  if (entries.length === 0)
    return done(answer.value, `Nothing that ${bic} pays in lacks a consent at height ${height}.`);
  const table = tableOf(['initiator', 'legs', 'settles', 'lacks the consent of', 'until']);
  for (const entry of entries)
    table.push(
      [entry.initiator, proposalText(entry), settlesText(entry), entry.missing.join('\n'), entry.consentUntil],
      digestRow(entry.digest, 5),
    );
  return done(answer.value, pageText(`${bic} at height ${height}`, table, next));
}

const settlesText = ({ terms }: Proposal): string =>
  terms === null
    ? 'at once'
    : `from ${terms.notBefore}\nby ${terms.settleBy}\nleft alone until ${terms.cancelUntil}\ntogether until ${terms.cutoff}`;

const tableOf = (head: string[]): Table.Table => new Table({ head, style: { head: [], border: [] } });
/** A digest is as wide as a table: it has a row of its own, to be copied from. */
const digestRow = (content: string, colSpan: number) => [{ content, colSpan }];
const legsText = ({ legs, linked }: Pick<Entry, 'legs' | 'linked'>): string =>
  [
    linesOf(legs),
    ...linked.map((part) => `then, from ${part.notBefore} to ${part.settleBy}:\n${linesOf(part.legs)}`),
  ].join('\n');
const proposalText = (entry: Proposal): string => {
  if (entry.amends === null) return legsText(entry);
  const { settlement, part, replaces, legs } = entry.amends;
  const head = `and amends part ${part} of ${settlement.slice(0, 8)}…`;
  return [linesOf(entry.legs), `${head}, from:`, linesOf(replaces), 'to:', linesOf(legs)].join('\n');
};
const linesOf = (legs: Entry['legs']): string =>
  legs.map(({ from, to, asset, amount }) => `${from} > ${to} ${amount} ${asset}`).join('\n');
const pageText = (head: string, table: Table.Table, next: string | null): string =>
  [head, table.toString(), ...(next === null ? [] : [`There is more: --after ${next}`])].join('\n');

const reprioritise = (
  settlement: string,
  { priority, ...options }: SigningOptions & { readonly priority: Priority },
): Promise<Outcome> => instruct(options, { kind: 'reprioritise', settlement, priority });
