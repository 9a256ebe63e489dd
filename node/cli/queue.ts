/** The commands about the queue: what a party is bound to pay in and what it waits for, what it is asked to consent to, how urgent it is, what is kept and what is limited, and offers. */
import Table from 'cli-table3';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PRIORITIES, type Priority } from '../../protocol/payload.js';
import { type Client, createClient } from '../api/client.js';
import { type NodeOptions, readAmount, readAsset, readBic, readDigest, withNode } from './arguments.js';
import { done, type Outcome, refusedBy } from './outcome.js';
import { positionCommands } from './position.js';
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
    .description('what a party is asked to consent to, and whose consent each lacks')
    .argument('<bic>', 'the party', readBic)
    .option('--after <cursor>', 'go on where an earlier page ended')
    .addHelpText('after', '\nExample:\n  causeway queue proposals HSBCHKHHXXX')
    .action(run(proposals));
  positionCommands(queue, run);
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
    .option('--multilateral <amount>', 'the most to be sent through the queue, net, from here on', readAmount)
    .option('--bilateral <bic:amount>', 'the most to be sent to one party, net; may be given again', readLimit, [])
    .addHelpText(
      'after',
      `
It takes the place of what was said before.

Example:
  causeway liquidity --key hsbc.pem --asset HKD --urgent 500000.00 --bilateral ICBKCNBJXXX:2000000.00`,
    )
    .action(run(liquidity));
  withSigning(program.command('offer'))
    .description('offer what can settle together and no pass has found; of a validator or a solver')
    .argument('<digests...>', 'digests of settlements in the queue', gatherDigests)
    .addHelpText('after', '\nExample:\n  causeway offer 6acc…d226 91f0…03ab --key hkma.pem')
    .action(run(offer));
}

interface Limit {
  readonly to: string;
  readonly amount: string;
}
/** `BIC:AMOUNT`, ascending as the payload wants them. */
function readLimit(text: string, before: readonly Limit[]): Limit[] {
  const [to = '', amount = ''] = text.split(':');
  const limit = { to: readBic(to), amount: readAmount(amount) };
  if (before.some((other) => other.to === to)) throw new InvalidArgumentError(`${to} has a limit already.`);
  return [...before, limit].sort((a, b) => (a.to < b.to ? -1 : 1));
}

const gatherDigests = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  readDigest(text),
];

const offer = (digests: readonly string[], options: SigningOptions): Promise<Outcome> =>
  instruct(options, { kind: 'offer', settlements: [...digests] });

const ZERO = '0';

interface LiquidityOptions extends SigningOptions {
  readonly asset: string;
  readonly order: 'bypass' | 'fifo';
  readonly urgent: string;
  readonly high: string;
  readonly multilateral?: string;
  readonly bilateral: readonly Limit[];
}

function liquidity(options: LiquidityOptions): Promise<Outcome> {
  const { asset, order, urgent, high, multilateral, bilateral, ...signing } = options;
  const limits = {
    ...(multilateral !== undefined && { multilateral }),
    ...(bilateral.length > 0 && { bilateral: [...bilateral] }),
  };
  const hasLimits = Object.keys(limits).length > 0;
  const reserved = { urgent, high };
  return instruct(signing, { kind: 'liquidity', asset, order, reserved, ...(hasLimits && { limits }) });
}

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

function waitsFor({ stage, notBefore, lacking, limited, behind }: Entry): string {
  if (stage === 'scheduled') return `its time: ${notBefore}`;
  const lacks = lacking.map(({ party, asset, amount }) => `${amount} ${asset} more of ${party}`);
  const past = limited.map(
    ({ party, asset, to, amount }) => `${amount} ${asset} under what ${party} lets itself send ${to ?? 'in all'}`,
  );
  const waits = behind.map(({ party, asset }) => `what goes before it in ${asset} of ${party}`);
  return [...lacks, ...past, ...waits].join('\n') || 'the next pass';
}

async function proposals(bic: string, { node, after }: PageOptions): Promise<Outcome> {
  const answer = await createClient(node).getProposals(pageOf(bic, after));
  if (!answer.ok) return refusedBy(answer.problem);
  const { entries, height, next } = answer.value;
  if (entries.length === 0) return done(answer.value, `${bic} is asked to consent to nothing at height ${height}.`);
  const table = tableOf(['initiator', 'legs', 'settles', 'lacks the consent of', 'until']);
  for (const entry of entries)
    table.push(
      [entry.initiator, proposalText(entry), settlesText(entry), entry.missing.join('\n'), entry.consentUntil],
      digestRow(entry.digest, 5),
    );
  return done(answer.value, pageText(`${bic} at height ${height}`, table, next));
}

function settlesText({ terms, lock }: Proposal): string {
  if (lock !== null) return `with its preimage\nheld until ${lock.lockUntil}\nhash ${lock.hash.slice(0, 8)}…`;
  if (terms === null) return 'at once';
  return `from ${terms.notBefore}\nby ${terms.settleBy}\nleft alone until ${terms.cancelUntil}\ntogether until ${terms.cutoff}`;
}

const tableOf = (head: string[]): Table.Table => new Table({ head, style: { head: [], border: [] } });
/** A digest is as wide as a table: it has a row of its own, to be copied from. */
const digestRow = (content: string, colSpan: number) => [{ content, colSpan }];
const legsText = ({ legs, lots, linked }: Pick<Entry, 'legs' | 'lots' | 'linked'>): string =>
  [
    linesOf(legs),
    ...(lots === 1 ? [] : [`in ${lots} lots`]),
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
