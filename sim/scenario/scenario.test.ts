/** The library of scenarios in the virtual world: each holds, its sabotaged twin fails for the reason it names, and a seed is a run. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import t from 'tap';
import { inCheckout } from '../../protocol/checkout.test-helper.js';
import { utf8 } from '../../protocol/codec.js';
import { CHECKS } from './audit.js';
import { castOf } from './cast.js';
import { libraryNames, loadScenario, playBoth, runScenario, scenarioCommand, schemaText } from './command.js';
import { parseScenario, type Scenario, sabotaged } from './file.js';
import type { Run } from './play.js';

const SEED = 1;
const silent = (): void => undefined;

function scenarioOf(name: string): Scenario {
  const scenario = loadScenario(name);
  if (typeof scenario === 'string') throw new Error(scenario);
  return scenario;
}

async function played(scenario: Scenario, seed = SEED): Promise<Run> {
  const run = await runScenario(scenario, { world: 'virtual', seed, image: '', nextImage: '' }, silent);
  if (typeof run === 'string') throw new Error(run);
  return run;
}

/** Some that are quick; all of the library with `npm run sim -- scenario-library`. */
for (const name of ['gridlock', 'green-bond', 'intraday-repo', 'leader-censors-bank', 'partition-at-cutoff']) {
  t.test(name, async (t) => {
    const played = await playBoth(name, SEED);
    t.match(played, { name, holds: true, twinFails: true }, JSON.stringify(played));
  });
}

t.test('every file of the library is called as it is, and what it names is there', (t) => {
  for (const name of libraryNames()) {
    const scenario = scenarioOf(name);
    t.equal(scenario.name, name);
    t.match(castOf(scenario), { ok: true }, name);
    t.match(castOf(sabotaged(scenario)), { ok: true }, `the twin of ${name}`);
    const expected = new Set([...scenario.expect.map(({ figure }) => figure), ...Object.keys(CHECKS)]);
    for (const broken of scenario.sabotage.breaks) t.ok(expected.has(broken), `${name}: ${broken} is expected`);
  }
  t.end();
});

t.test('the same seed gives the same run, and another seed another', async (t) => {
  const scenario = scenarioOf('gridlock');
  const [first, again, other] = [await played(scenario), await played(scenario), await played(scenario, 2)];
  t.strictSame(again, first);
  t.notSame(other.series, first.series);
});

t.test('banks validate beside their central bank', async (t) => {
  const scenario = scenarioOf('gridlock');
  const jurisdictions = scenario.jurisdictions.map((each) =>
    each.code === 'HK' ? { ...each, bankNodes: 2, bankValidators: 1 } : each,
  );
  const run = await played({ ...scenario, jurisdictions });
  const seats = run.seats.map(({ name, isValidator }) => `${name} ${isValidator}`);
  t.strictSame(seats, ['HK true', 'HK-1 true', 'CN true', 'TH true', 'AE true', 'HK-2 false']);
  t.strictSame(run.failed, []);
});

t.test('the schema beside the library is the one that files are read by', (t) => {
  const file = inCheckout('sim/scenario/library/scenario.schema.json');
  t.strictSame(
    JSON.parse(readFileSync(file, 'utf8')),
    JSON.parse(schemaText()),
    'npm run sim -- scenario-schema prints it',
  );
  t.end();
});

t.test('what is wrong with a file is told with its place', (t) => {
  const scenario = scenarioOf('gridlock');
  const rows: readonly (readonly [string, object, string])[] = [
    ['no format', { ...scenario, format: 'other' }, '/format'],
    ['an unknown member', { ...scenario, colour: 'red' }, '/colour'],
    ['no unit', { ...scenario, lasts: '20' }, '/lasts'],
    ['no such act', { ...scenario, workload: [{ act: 'steal', at: '1s' }] }, '/workload/0'],
    ['no such fault', { ...scenario, faults: [{ fault: 'flood', at: '1s' }] }, '/faults/0'],
    [
      'a time for what is for good',
      { ...scenario, faults: [{ fault: 'lose', at: '1s', for: '1s', nodes: 'HK' }] },
      '/faults/0/for',
    ],
    ['no sabotage', { ...scenario, sabotage: undefined }, '/sabotage'],
  ];
  for (const [what, file, pointer] of rows) {
    const read = parseScenario(utf8(JSON.stringify(file)));
    t.match(read, { ok: false }, what);
    t.ok(!read.ok && read.pointer.startsWith(pointer), `${what}: ${JSON.stringify(read)}`);
  }
  t.match(parseScenario(utf8('{')), { ok: false, code: 'malformed_json' });
  t.end();
});

t.test('a file is JSON however it is written, and no member stands twice', (t) => {
  const scenario = scenarioOf('gridlock');
  const text = JSON.stringify({ ...scenario, title: 'Träge' });
  const read = parseScenario(utf8(text.replace('ä', '\\u00e4')));
  t.match(read, { ok: true, scenario: { title: 'Träge' } }, 'an escape');
  const { about } = scenario.sabotage;
  const rows: readonly (readonly [string, string])[] = [
    ['a member twice', text.replace('{', '{"title":"Other",')],
    ['a member twice, once by an escape', text.replace('{', '{"t\\u0069tle":"Other",')],
    ['an escape that JSON has not', text.replace('ä', '\\xe4')],
    ['what nests deep', text.replace(JSON.stringify(about), `${'['.repeat(100_000)}${']'.repeat(100_000)}`)],
    ['no UTF-8', ''],
  ];
  for (const [what, wrong] of rows) {
    const bytes = wrong === '' ? Uint8Array.of(0x22, 0xff, 0x22) : utf8(wrong);
    t.match(parseScenario(bytes), { ok: false, code: 'malformed_json' }, what);
  }
  t.match(parseScenario(new Uint8Array(300_000)), { ok: false, code: 'too_large' });
  t.end();
});

t.test('a sabotaged twin is judged as a scenario is, when the file is read', (t) => {
  const scenario = scenarioOf('gridlock');
  const rows: readonly (readonly [string, Scenario['sabotage']['set'][number], string])[] = [
    ['no such place', { at: '/faults/7/at', to: '1s' }, '/sabotage/set/0/at'],
    ['nothing to remove', { at: '/workload/99' }, '/sabotage/set/0/at'],
    ['an item that is no number', { at: '/workload/first', to: {} }, '/sabotage/set/0/at'],
    ['a place past the end', { at: '/workload/99', to: {} }, '/sabotage/set/0/at'],
    ['a place of every object', { at: '/__proto__/polluted', to: 'yes' }, '/sabotage/set/0/at'],
    ['no unit', { at: '/lasts', to: '20' }, '/lasts'],
    ['an unknown member', { at: '/colour', to: 'red' }, '/colour'],
    ['a member called as none should be', { at: '/__proto__', to: {} }, '/__proto__'],
    ['no such act', { at: '/workload/-', to: { act: 'steal', at: '1s' } }, `/workload/${scenario.workload.length}`],
  ];
  for (const [what, set, pointer] of rows) {
    const sabotage = { ...scenario.sabotage, set: [set] };
    const read = parseScenario(utf8(JSON.stringify({ ...scenario, sabotage })));
    t.match(read, { ok: false, code: 'malformed' }, what);
    t.ok(!read.ok && read.pointer.startsWith(pointer), `${what}: ${JSON.stringify(read)}`);
  }
  t.notOk('polluted' in {});
  t.end();
});

t.test('a report that cannot be written is refused before the run', async (t) => {
  const folder = t.testdir({});
  for (const [out, sentence] of [
    [join(folder, 'nowhere', 'report.html'), /Its folder is not there/],
    [folder, /It is a folder/],
  ] as const) {
    const program = new Command();
    scenarioCommand(program);
    for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
    await t.rejects(program.parseAsync(['scenario', 'gridlock', '--out', out], { from: 'user' }), {
      message: sentence,
    });
  }
});

t.test('an act may be called as the opening is', async (t) => {
  const scenario = scenarioOf('gridlock');
  const workload = scenario.workload.map((act) => ({ ...act, name: 'opening' }));
  const run = await played({ ...scenario, workload });
  t.equal(run.figures['opening.sent'], run.figures['sent']);
  t.ok((run.figures['sent'] ?? 0) > 0);
});

t.test('what a file names must be there', (t) => {
  const scenario = scenarioOf('gridlock');
  const [issue] = scenario.workload.filter(({ act }) => act === 'issue');
  const rows: readonly (readonly [string, Partial<Scenario>, string])[] = [
    [
      'too fine an amount',
      { workload: [{ ...issue, amount: '1.005' } as Scenario['workload'][number]] },
      '/workload/0/amount',
    ],
    ['too fine an opening', { opening: [{ asset: 'HKD', to: 'HK-1', amount: '1.005' }] }, '/opening/0/amount'],
    [
      'nobody else to pay',
      { workload: [{ act: 'payment', at: '1s', asset: 'HKD', payers: 'HK-*', payees: 'HK-1', amount: ['1', '2'] }] },
      '/workload/0/payees',
    ],
    ['a jurisdiction nobody knows', { jurisdictions: [{ code: 'XX', banks: 1 }] }, '/jurisdictions/0/code'],
    ['one twice', { jurisdictions: [...scenario.jurisdictions, { code: 'HK', banks: 1 }] }, '/jurisdictions/4/code'],
    ['no validator', { jurisdictions: [{ code: 'HK', banks: 1, validator: false }] }, '/jurisdictions'],
    [
      'more nodes than banks',
      { jurisdictions: [{ code: 'HK', banks: 1, bankNodes: 2 }] },
      '/jurisdictions/0/bankNodes',
    ],
    [
      'more validators than nodes',
      { jurisdictions: [{ code: 'HK', banks: 2, bankNodes: 1, bankValidators: 2 }] },
      '/jurisdictions/0/bankValidators',
    ],
    ['an asset', { opening: [{ asset: 'XAU', to: '*', amount: '1' }] }, '/opening/0/asset'],
    ['a bank', { opening: [{ asset: 'HKD', to: 'HK-9', amount: '1' }] }, '/opening/0/to'],
    ['an issuer', { assets: [{ asset: 'GOLD', class: 'commodity', issuer: 'HK-9', decimals: 0 }] }, '/assets/0/issuer'],
    ['a party of an act', { workload: [{ ...issue, to: 'CN-7' } as Scenario['workload'][number]] }, '/workload/0/to'],
    ['a time', { workload: [{ ...issue, at: undefined } as unknown as Scenario['workload'][number]] }, '/workload/0'],
    ['a node', { faults: [{ fault: 'kill', at: '1s', nodes: 'HK-1' }] }, '/faults/0/nodes'],
    [
      'an act that is cancelled',
      { workload: [{ act: 'cancel', at: '1s', what: 'nothing', by: 'HK-1' }] },
      '/workload/0/what',
    ],
    ['a rate', { worth: { in: 'HKD', rates: [{ asset: 'XAU', rate: '1' }] } }, '/worth/rates/0/asset'],
    ['a victim of censors', { faults: [{ fault: 'censor', at: '1s', nodes: 'HK', victim: 'SA' }] }, '/faults/0/victim'],
    ['a side', { faults: [{ fault: 'partition', at: '1s', between: 'HK|SA' }] }, '/faults/0/between'],
  ];
  for (const [what, changed, pointer] of rows)
    t.match(castOf({ ...scenario, ...changed }), { ok: false, code: 'unknown_name', pointer }, what);
  t.end();
});
