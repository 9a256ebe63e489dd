/** Plans are data made from their seed, a failing one is cut down to what it needs, and the lists are whole. */
import t from 'tap';
import { faultsMax } from '../../protocol/types.js';
import { planOf } from './mix.js';
import { CALM_PLAN, type Step } from './plan.js';
import { kindOf, shrink } from './shrink.js';
import { isListed, SITUATIONS } from './situations.js';

t.test('a seed has one plan, with no more liars than a protocol bears', (t) => {
  const deeds = new Set<string>();
  for (let seed = 1; seed <= 60; seed++) {
    const plan = planOf(seed);
    t.equal(JSON.stringify(plan), JSON.stringify(planOf(seed)));
    t.ok(plan.liars.length + plan.twins.length <= faultsMax(plan.validators));
    t.ok(plan.steps.every(({ atMs }, i) => atMs >= (plan.steps[i - 1]?.atMs ?? 0)));
  }
  for (let seed = 1; deeds.size < 24 && seed <= 2_000; seed++) {
    for (const { deed } of planOf(seed).steps) deeds.add(deed.do);
  }
  t.equal(deeds.size, 24, [...deeds].join(' '));
  t.notSame(planOf(1).steps, planOf(2).steps);
  t.end();
});

t.test('a plan is cut down to the steps that it needs to fail', async (t) => {
  const steps = Array.from({ length: 60 }, (_, i): Step => ({ atMs: i, deed: { do: 'start', node: i } }));
  const needed = [7, 31, 32];
  let runs = 0;
  const { plan } = await shrink(
    { ...CALM_PLAN, steps },
    async ({ steps: left }) => {
      runs += 1;
      return needed.every((atMs) => left.some((step) => step.atMs === atMs));
    },
    () => false,
  );
  t.strictSame(
    plan.steps.map(({ atMs }) => atMs),
    needed,
  );
  t.ok(runs < 120, `${runs} runs`);

  let left = 5;
  const cut = await shrink(
    { ...CALM_PLAN, steps },
    async () => true,
    () => left-- <= 0,
  );
  t.ok(cut.plan.steps.length < 60 && cut.runs <= 5, 'it ends when its time is over');
});

t.test('violations are of one kind when they differ in names and numbers alone', (t) => {
  t.equal(kindOf('undone: node 3 makes height 12 final'), kindOf('undone: node 0 makes height 7 final'));
  t.equal(kindOf(`202: ${'ab'.repeat(32)} was lost`), kindOf(`202: ${'0c'.repeat(32)} was lost`));
  t.not(kindOf('halted: node 1'), kindOf('down: node 1'));
  t.end();
});

t.test('every situation has its sentence', (t) => {
  for (const [name, sentence] of SITUATIONS) {
    t.match(name, /^[a-z0-9_]+$/);
    t.ok(sentence.length > 10, name);
  }
  t.ok(isListed('outcome_settled') && isListed('lie_twins') && !isListed('never_heard_of'));
  t.end();
});
