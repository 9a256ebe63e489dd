/** The commands by which a treasurer sees what comes and goes: positions by day, totals, and what more money would let through. */
import Table from 'cli-table3';
import type { Command } from 'commander';
import { type Client, createClient } from '../api/client.js';
import { type NodeOptions, readAmount, readAsset, readBic, withNode } from './arguments.js';
import { done, type Outcome, refusedBy } from './outcome.js';
import type { Runner } from './runner.js';

/** Under `causeway queue`. */
export function positionCommands(queue: Command, run: Runner): void {
  withNode(queue.command('positions'))
    .description("where a party's accounts come to, day by day, if all that is bound settles as early as it may")
    .argument('<bic>', 'the party', readBic)
    .addHelpText('after', '\nExample:\n  causeway queue positions HSBCHKHHXXX')
    .action(run(positions));
  withNode(queue.command('totals'))
    .description('what is open for a party, and what has settled today')
    .argument('<bic>', 'the party', readBic)
    .addHelpText('after', '\nExample:\n  causeway queue totals HSBCHKHHXXX')
    .action(run(totals));
  withNode(queue.command('what-if'))
    .description('what of the queue would settle now if a party had so much more, and does not without')
    .argument('<bic>', 'the party', readBic)
    .requiredOption('--asset <code>', 'the account', readAsset)
    .requiredOption('--amount <amount>', 'how much more it would hold', readAmount)
    .addHelpText('after', '\nExample:\n  causeway queue what-if HSBCHKHHXXX --asset HKD --amount 5000.00')
    .action(run(whatIf));
}

type ValueOf<K extends 'getPositions' | 'getTotals' | 'getWhatIf'> = Extract<
  Awaited<ReturnType<Client[K]>>,
  { ok: true }
>['value'];
type Sums = ValueOf<'getWhatIf'>['released'];
type Flow = Pick<Sums['own']['assets'][number], 'in' | 'out'>;

const tableOf = (head: string[], words = 1): Table.Table =>
  new Table({
    head,
    colAligns: head.map((_, at) => (at < words ? 'left' : 'right')),
    style: { head: [], border: [] },
  });

async function positions(bic: string, { node }: NodeOptions): Promise<Outcome> {
  const answer = await createClient(node).getPositions({ bic });
  if (!answer.ok) return refusedBy(answer.problem);
  const { height, time, positions: found } = answer.value;
  if (found.length === 0) return done(answer.value, `${bic} has no account and nothing to come at height ${height}.`);
  const table = tableOf(['asset', 'day', 'in', 'out', 'net', 'projected', 'if only paid out'], 2);
  for (const { asset, balance, days, lowest } of found) {
    table.push([asset, 'now', '', '', '', balance, '']);
    for (const day of days)
      table.push(['', day.date, day.in.value, day.out.value, day.net, day.projected, day.outflowsOnly]);
    table.push(['', 'in the end', '', '', '', '', lowest]);
  }
  return done(answer.value, `${bic} at height ${height}, ${time}; days by UTC\n${table.toString()}`);
}

async function totals(bic: string, { node }: NodeOptions): Promise<Outcome> {
  const answer = await createClient(node).getTotals({ bic });
  if (!answer.ok) return refusedBy(answer.problem);
  const { height, time, unsettled, settled } = answer.value;
  const head = ['asset', '', 'in', 'value', 'out', 'value'];
  const open = tableOf(head, 2);
  for (const { asset, proposed, scheduled, queued, locked, linked } of unsettled) {
    const waiting = { proposed, scheduled, queued, locked, linked };
    const standings = Object.entries(waiting).filter(([, flow]) => isMoving(flow));
    for (const [standing, flow] of standings) open.push([asset, standing, ...flowCells(flow)]);
  }
  const days = settled.map(({ date, fromHeight, whole, assets }) => {
    const counted = whole ? 'all of it' : `of block ${fromHeight} and after, which this node has counted`;
    const table = tableOf(head, 2);
    for (const each of assets) table.push([each.asset, 'settled', ...flowCells(each)]);
    return [
      `settled on ${date}, ${counted}${assets.length === 0 ? ': nothing' : ''}`,
      ...(assets.length === 0 ? [] : [table.toString()]),
    ];
  });
  const lines = [
    `${bic} at height ${height}, ${time}; days by UTC`,
    unsettled.length === 0 ? 'nothing is open' : open.toString(),
    ...days.flat(),
  ];
  return done(answer.value, lines.join('\n'));
}

const isMoving = (flow: Flow): boolean => flow.in.count + flow.out.count > 0;
const flowCells = (flow: Flow): (string | number)[] => [flow.in.count, flow.in.value, flow.out.count, flow.out.value];

interface WhatIfOptions extends NodeOptions {
  readonly asset: string;
  readonly amount: string;
}

async function whatIf(bic: string, { node, asset, amount }: WhatIfOptions): Promise<Outcome> {
  const answer = await createClient(node).getWhatIf({ bic, asset, amount });
  if (!answer.ok) return refusedBy(answer.problem);
  const { height, released, delayed, complete } = answer.value;
  const lines = [
    `With ${answer.value.amount} ${asset} more in ${bic} at height ${height}:`,
    ...(released.all.count === 0 ? ['nothing settles that would not without it'] : sumsLines('would settle', released)),
    ...(delayed.all.count === 0 ? [] : sumsLines('would wait, for what goes first then', delayed)),
    ...(complete ? [] : ['Further passes may let more through.']),
  ];
  return done(answer.value, lines.join('\n'));
}

function sumsLines(what: string, { own, all }: Sums): string[] {
  const table = tableOf(['asset', 'in', 'value', 'out', 'value', 'of all', 'value']);
  for (const { asset, count, value } of all.assets) {
    const flow = own.assets.find((each) => each.asset === asset);
    table.push([asset, ...(flow === undefined ? ['', '', '', ''] : flowCells(flow)), count, value]);
  }
  const named = own.settlements.length < own.count ? [...own.settlements, '…'] : own.settlements;
  return [`${own.count} of its own and ${all.count} in all ${what}`, table.toString(), ...named];
}
