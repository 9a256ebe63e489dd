/** `npm run sim -- liquidity`: what it prints and writes, and what it refuses. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import t, { type Test } from 'tap';
import { inCheckout, startPlainly } from '../../protocol/checkout.test-helper.js';
import { ticksTo } from '../report/shapes.js';
import { liquidityCommand } from './command.js';
import type { Gap } from './exact.js';
import { figuresOf } from './figures.js';
import { MECHANISMS } from './mechanisms.js';
import type { Study } from './study.js';

// A process that loads the whole simulator: longer than the half minute that a test has when it is run by itself.
t.setTimeout(120_000);
const folder = mkdtempSync(join(tmpdir(), 'causeway-liquidity-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** The command in this process: what it printed. A refusal is thrown. */
async function run(t: Test, ...args: string[]): Promise<string> {
  const lines = t.capture(console, 'log', () => {});
  const program = new Command();
  liquidityCommand(program);
  for (const command of [program, ...program.commands])
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  try {
    await program.parseAsync(['liquidity', ...args], { from: 'user' });
  } finally {
    lines.restore();
  }
  return lines.args().join('\n');
}

t.test('as a process: JSON on standard output, silence on the other; and status 2 for what it refuses', async (t) => {
  startPlainly();
  const start = async (...args: string[]): Promise<unknown> => {
    const child = spawn(process.execPath, [inCheckout('dist/sim/main.js'), 'liquidity', ...args], { stdio: 'pipe' });
    let [printed, said] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return { status, printed, said };
  };
  const [study, refused] = await Promise.all([
    start('--quick', '--instructions', '100', '--json'),
    start('--quick', '--banks', '19'),
  ]);
  t.match(study, { status: 0, printed: /^\{"parameters":\{"seed":1,.*"gap":\{.*\}\}\n$/, said: /^$/ });
  t.match(refused, { status: 2, printed: /^$/, said: /'--banks <n>'.* whole number from 20 to 200/ });
});

t.test('the quick study: the same seed the same JSON, and a page that has it all', async (t) => {
  const out = join(folder, 'liquidity.html');
  const small = ['--quick', '--seed', '7', '--instructions', '200', '--json'];
  const printed = await run(t, ...small, '--out', out);
  t.equal(await run(t, ...small), printed);
  const found = JSON.parse(printed) as Study & { readonly gap: Gap };
  t.match(found.parameters, { seed: 7, banks: 20, currencies: 4, instructions: 200 });
  t.match(found.gap, { instances: 20 });
  for (const { settledShare, gridlockShare, delayMinutes } of found.points)
    t.ok(settledShare >= 0 && settledShare <= 1 && gridlockShare >= 0 && gridlockShare <= 1 && delayMinutes >= 0);

  const page = readFileSync(out, 'utf8');
  const figures = figuresOf(found, found.gap);
  t.ok(figures.length >= 10);
  for (const { chart, rows } of figures) {
    t.ok(page.includes(chart.title), chart.title);
    t.ok(rows.every((row) => page.includes(`<td>${row[0] ?? ''}</td>`)));
  }
  for (const name of MECHANISMS) {
    const drawn = page.split(`<g data-series="${name}">`).length - 1;
    t.equal(drawn, 2 * figures.filter(({ chart }) => chart.kind === 'lines').length, `${name}: wide and narrow`);
  }
  t.match(page, 'npm run sim -- liquidity --quick --seed 7 --banks 20 --currencies 4 --instructions 200');
  t.match(page, 'Bank of England Quarterly Bulletin 2014 Q2');
  t.match(page, 'prefers-color-scheme: dark');
  t.notMatch(
    page,
    /https?:|\b(src|href)=|url\(|@import|<script|NaN|Infinity|undefined/,
    'nothing from elsewhere, and no hole',
  );
});

t.test('it prints a table of each figure', async (t) => {
  const out = join(folder, 'again.html');
  const printed = await run(t, '--quick', '--instructions', '100', '--order', 'fifo', '--out', out);
  for (const name of ['Mean delay', 'Turnover', 'Gridlock', 'Liquidity saved', 'Netting efficiency', ...MECHANISMS])
    t.match(printed, name);
  t.match(printed, `The report is in ${out}.`);
});

t.test('what is asked for wrongly is refused with a sentence', async (t) => {
  const rows: readonly (readonly [sentence: RegExp, ...args: string[]])[] = [
    [/'--banks <n>'.* whole number from 20 to 200/, '--banks', '19'],
    [/'--currencies <n>'.* whole number from 4 to 18/, '--currencies', '1.5e1'],
    [/'--instructions <n>'.* whole number from 100 to 20000/, '--instructions', '20001'],
    [/'--seed <n>'.* whole number from 1/, '--seed', '0'],
    [/'--pvp <percent>'.* whole number from 0 to 100/, '--pvp', '101'],
    [/must come to 100 at most together/, '--urgent', '60', '--high', '41'],
    [/Allowed choices are bypass, fifo/, '--order', 'lifo'],
    [/Its folder is not there/, '--out', join(folder, 'nowhere', 'report.html')],
    [/It is a folder; a file is needed/, '--out', folder],
    [/unknown option/, '--fast'],
  ];
  for (const [sentence, ...args] of rows) {
    const refused = await run(t, ...args).catch((error: unknown) => error);
    t.ok(refused instanceof CommanderError, args.join(' '));
    t.match(refused, { message: sentence, exitCode: 1 }, args.join(' '));
  }
});

t.test('ticks are round', async (t) => {
  t.strictSame(ticksTo(1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  t.strictSame(ticksTo(400, 5), [0, 100, 200, 300, 400]);
  t.strictSame(ticksTo(11.24, 5), [0, 5, 10]);
});
