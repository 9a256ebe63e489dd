/** Faults of a scenario that meet each other, in the virtual world. */
import t from 'tap';
import { BrokenLinks, WHOLE } from './broken.js';
import { loadScenario, reasonAgainst, runScenario } from './command.js';
import { breaksIn, type Fault, type Scenario } from './file.js';
import type { Run } from './play.js';

const gridlock = loadScenario('gridlock');
if (typeof gridlock === 'string') throw new Error(gridlock);

/** Hong Kong's first bank pays Thailand's once in a while. */
const STEADY: Scenario = {
  ...gridlock,
  name: 'steady',
  lasts: '14s',
  opening: [{ asset: 'HKD', to: 'HK-1', amount: '1000.00' }],
  workload: [
    {
      act: 'payment',
      name: 'steady',
      from: '0s',
      until: '13s',
      every: '500ms',
      asset: 'HKD',
      payers: 'HK-1',
      payees: 'TH-1',
      amount: ['1.00', '2.00'],
    },
  ],
  faults: [],
  expect: [{ figure: 'steady.settled', least: 27, most: 27, why: 'all of it settles when it can' }],
};

async function played(faults: readonly Fault[], more: Partial<Scenario> = {}): Promise<Run> {
  const options = { world: 'virtual', seed: 1, image: '', nextImage: '' } as const;
  const run = await runScenario({ ...STEADY, ...more, faults: [...faults] }, options, () => undefined);
  if (typeof run === 'string') throw new Error(run);
  return run;
}

t.test('what one partition cuts is cut until that one is over', async (t) => {
  const run = await played([
    { fault: 'partition', at: '2s', for: '8s', between: 'HK|CN,TH,AE' },
    { fault: 'partition', at: '4s', for: '1s', between: 'HK,CN|TH,AE' },
  ]);
  t.strictSame(run.failed, []);
  // Sent as the first began, it waits until that one is over; the second ends five seconds before.
  t.ok((run.figures['steady.delayMostMs'] as number) > 7_000, `${run.figures['steady.delayMostMs']} ms`);
});

t.test('a node that is lost while it is down stays lost', async (t) => {
  const run = await played([
    { fault: 'kill', at: '2s', for: '4s', nodes: 'AE' },
    { fault: 'lose', at: '3s', nodes: 'AE' },
  ]);
  t.strictSame(run.failed, []);
  const [lost, other] = ['AE', 'CN'].map((name) => run.seats.find((seat) => seat.name === name)?.height as number);
  t.ok((lost as number) < (other as number), `${lost} of ${other} blocks`);
  t.strictSame(
    run.timeline.map(({ fault, untilMs }) => [fault, untilMs]),
    [
      ['kill', 6_000],
      ['lose', null],
    ],
  );
});

t.test('a node that two faults keep down starts when the last of them is over', async (t) => {
  const run = await played(
    [
      { fault: 'kill', at: '2s', for: '8s', nodes: 'AE,CN' },
      { fault: 'kill', at: '3s', for: '1s', nodes: 'AE,CN' },
      { fault: 'restart', at: '5s', nodes: 'AE,CN' },
      { fault: 'clock', at: '6s', for: '4s', nodes: 'TH', aheadMs: 900 },
      { fault: 'clock', at: '7s', for: '1s', nodes: 'TH', aheadMs: -900 },
    ],
    {
      expect: [...STEADY.expect, { figure: 'pauseAfter.killMs', least: 7_500, why: 'two of four are down till then' }],
    },
  );
  t.strictSame(run.failed, []);
});

t.test('a restart is over when the last node serves again', async (t) => {
  const run = await played([{ fault: 'restart', at: '2s', nodes: 'CN,TH' }]);
  t.strictSame(run.failed, []);
  const [{ untilMs } = { untilMs: null }] = run.timeline;
  t.ok(untilMs !== null && untilMs < 10_000, `over at ${untilMs} ms`);
});

t.test('an upgrade where there is one program alone brings no other version', async (t) => {
  const expect = [
    { figure: 'upgraded', least: 2, why: 'only where there is another image', worlds: ['containers' as const] },
    { figure: 'versions', least: 1, most: 1, why: 'all run one' },
  ];
  const run = await played([{ fault: 'upgrade', at: '2s', nodes: 'CN,TH' }], { expect });
  t.strictSame(run.failed, []);
  t.match(run.figures, { upgraded: 0, versions: 1 });
  t.strictSame(
    run.expectations.map(({ figure }) => figure),
    ['versions'],
    'what is expected of another world is not judged here',
  );
});

t.test('what cannot happen in a world is said before anything is made for it', (t) => {
  const clock: Scenario = { ...STEADY, faults: [{ fault: 'clock', at: '1s', nodes: 'CN', aheadMs: 1 }] };
  const censor: Scenario = { ...STEADY, faults: [{ fault: 'censor', at: '1s', nodes: 'CN', victim: 'HK' }] };
  t.equal(reasonAgainst(clock, 'virtual', false), null);
  t.equal(reasonAgainst(clock, 'containers', true), null);
  t.match(reasonAgainst(clock, 'containers', false), /libfaketime/);
  t.equal(reasonAgainst(censor, 'virtual', false), null);
  t.match(reasonAgainst(censor, 'processes', true), /in the virtual world alone/);
  t.match(reasonAgainst({ ...STEADY, worlds: ['virtual'] }, 'processes', true), /in virtual alone/);
  t.end();
});

t.test('of a twin nothing must fail that its world does not judge', (t) => {
  const expect = [
    { figure: 'a', most: 1, why: '-' },
    { figure: 'b', most: 1, why: '-', worlds: ['virtual' as const] },
  ];
  const scenario = { expect, sabotage: { about: '-', set: [], breaks: ['a', 'b', 'progress'] } };
  t.strictSame(breaksIn(scenario, 'virtual'), ['a', 'b', 'progress']);
  t.strictSame(breaksIn(scenario, 'processes'), ['a', 'progress']);
  t.end();
});

t.test('the profile lan has no distance', async (t) => {
  const [near, far] = [await played([], { profile: 'lan' }), await played([], { profile: 'wan' })];
  const finality = ({ figures }: Run): number => figures['finalityP50Ms'] as number;
  t.ok(finality(near) < finality(far), `${finality(near)} ms, and ${finality(far)} ms`);
  t.ok(near.links.every(({ latencyMs }) => latencyMs === null));
  t.ok(far.links.every(({ latencyMs }) => latencyMs !== null));
});

t.test('what makes a link worse adds up, and goes as it came', (t) => {
  let changes = 0;
  const links = new BrokenLinks(WHOLE, () => {
    changes += 1;
  });
  const slow = { latencyMs: 100, jitterMs: 5, lossPerMille: 10, kilobytesPerSecond: null };
  const undo = links.worsen([0], slow);
  links.worsen([0, 1], { ...slow, lossPerMille: 30, kilobytesPerSecond: 64 });
  const both = { latencyMs: 200, jitterMs: 10, lossPerMille: 30, kilobytesPerSecond: 64 };
  t.strictSame(links.worseOf(0, 2), both);
  t.strictSame(links.worseOf(2, 3), { latencyMs: 0, jitterMs: 0, lossPerMille: 0, kilobytesPerSecond: null });
  undo();
  t.strictSame(links.worseOf(0, 2), { ...slow, lossPerMille: 30, kilobytesPerSecond: 64 });
  const sides = [[0], [1, 2]];
  const [first, second] = [links.cut(sides), links.cut(sides)];
  first();
  t.ok(links.isCut(2, 0), 'the same sides, cut twice, are cut until both are undone');
  t.notOk(links.isCut(1, 2) || links.isCut(0, 3), 'one side, and who stands on none');
  second();
  t.notOk(links.isCut(2, 0));
  t.equal(changes, 7);
  t.end();
});
