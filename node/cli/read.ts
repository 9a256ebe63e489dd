/** The commands that only read: where a node or an instruction stands, balances, receipts. */
import { writeFileSync } from 'node:fs';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { type Client, createClient } from '../api/client.js';
import { type NodeOptions, readBic, readDigest, withNode } from './arguments.js';
import { done, failed, type Outcome, refusedBy } from './outcome.js';
import type { Runner } from './runner.js';
import { told } from './submit.js';

export function readCommands(program: Command, run: Runner): void {
  withNode(program.command('status'))
    .description('where a node stands, or an instruction')
    .argument('[digest]', "an instruction's digest", readDigest)
    .addHelpText('after', '\nExample:\n  causeway status --node http://127.0.0.1:8101')
    .action(run(status));
  withNode(program.command('balances'))
    .description("a party's balances")
    .argument('<bic>', 'the party', readBic)
    .addHelpText('after', '\nExample:\n  causeway balances HSBCHKHHXXX')
    .action(run(balances));
  withNode(program.command('receipt'))
    .description('fetch the receipt of an instruction with all that proves it final')
    .argument('<digest>', "the instruction's digest", readDigest)
    .requiredOption('--out <file>', 'where to write it; the file must not exist')
    .addHelpText(
      'after',
      '\nExample:\n  causeway receipt 6acc…d226 --out receipt.json\n  causeway verify receipt.json --genesis genesis.json',
    )
    .action(run(receipt));
}

async function status(digest: string | undefined, { node }: NodeOptions): Promise<Outcome> {
  const client = createClient(node);
  if (digest !== undefined) {
    const found = await client.getInstruction({ digest });
    if (!found.ok) return refusedBy(found.problem);
    // Asked where it stands, it is no failure of the question that the instruction was refused.
    const { text } = told(found.value);
    return done(found.value, text);
  }
  const [answer, set] = await Promise.all([client.getStatus(), client.getValidators()]);
  if (!answer.ok) return refusedBy(answer.problem);
  if (!set.ok) return refusedBy(set.problem);
  const { name, party, version, epoch, height, time, view, ready, halted, network, test, now } = answer.value;
  const table = new Table({ head: ['#', 'validator', 'connected'], style: { head: [], border: [] } });
  for (const { index, party: bic, self, connected } of set.value.validators) {
    table.push([index, bic, self ? 'this node' : connected ? 'yes' : 'no']);
  }
  const state = halted === null ? (ready ? 'ready' : 'not ready') : `halted: ${halted}`;
  const head = `${party} of ${name} (version ${version}) is ${state}\nepoch ${epoch}, height ${height}, view ${view}, time ${time}\nnetwork ${network}`;
  // A node of an earlier version says nothing of it.
  const tested =
    (test ?? null) === null
      ? []
      : [`a test network: its time runs ${test?.timeScale} times as fast as clocks, and is ${now}`];
  const text = [head, ...tested, ...standingLines(answer.value), table.toString()].join('\n');
  return done({ ...answer.value, set: set.value.validators }, text);
}

type Status = Extract<Awaited<ReturnType<Client['getStatus']>>, { ok: true }>['value'];
type Standing = Pick<Status, 'role' | 'votes' | 'unfit' | 'change'>;

/** What the node is in the set, and what changes there. A node of an earlier version does not say. */
function standingLines({ role, votes, unfit, change }: Standing): string[] {
  const lines: string[] = [];
  if (role !== undefined) lines.push(`${role}, ${votes ? 'votes' : 'does not vote'}`);
  if (typeof unfit === 'string')
    lines.push(`its vote key never signs again (${unfit}): replace it with \`causeway govern\``);
  if (typeof change === 'object' && change !== null) {
    const { digest, approved, validators, ready } = change;
    const stage = approved ? `approved; ready are ${ready.join(', ') || 'none yet'}` : 'not approved yet';
    lines.push(`another set of validators is asked for, ${stage}: ${validators.join(', ')}`, `change ${digest}`);
  }
  return lines;
}

async function balances(bic: string, { node }: NodeOptions): Promise<Outcome> {
  const answer = await createClient(node).getBalances({ bic });
  if (!answer.ok) return refusedBy(answer.problem);
  const table = new Table({
    head: ['asset', 'balance', 'held', 'available'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const { asset, balance, held, available } of answer.value.balances)
    table.push([asset, balance, held, available]);
  return done(answer.value, `${bic} at height ${answer.value.height}\n${table.toString()}`);
}

async function receipt(digest: string, { node, out }: NodeOptions & { readonly out: string }): Promise<Outcome> {
  const answer = await createClient(node).getReceipt({ digest });
  if (!answer.ok) return refusedBy(answer.problem);
  try {
    writeFileSync(out, `${JSON.stringify(answer.value)}\n`, { flag: 'wx' });
  } catch (error) {
    return failed('file', 'unwritable', `${out} cannot be written: ${(error as Error).message}.`);
  }
  return done(
    { digest, file: out },
    `${out} holds the receipt. Check it with: causeway verify ${out} --genesis genesis.json`,
  );
}
