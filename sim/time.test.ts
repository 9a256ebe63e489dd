/** Clocks that are wrong, and leaders that lie about the time, end no instruction: what comes early is ordered again. */
import t from 'tap';
import type { InstructionDigest } from '../protocol/types.js';
import { Stage } from './stage.test-helper.js';
import { readJws } from './workload.js';

const BEHIND_MS = 38_000;
/** Longer than what signing code dates a payload back, so that a block of the time of its parent comes before it. */
const IDLE_MS = 12_000;

async function payment(stage: Stage): Promise<InstructionDigest> {
  const { desk } = stage;
  const [from, to] = desk.two(desk.banks);
  const legs = [{ from, to, asset: desk.random.pick(desk.currencies), amount: '1' }];
  const jws = await desk.make({ kind: 'settle', mode: 'gross', initiator: from, legs }, [from]);
  // By way of a node whose clock is right.
  stage.submit(stage.node(1 + desk.random.between(0, 2)), jws);
  return readJws(jws).digest;
}

async function pays(stage: Stage, times: number): Promise<string[]> {
  const ends: string[] = [];
  for (let time = 0; time < times; time++) {
    await stage.world.run(stage.world.nowMs + IDLE_MS);
    const digest = await payment(stage);
    await stage.world.run(stage.world.nowMs + IDLE_MS);
    const status = await stage.node(1).running?.service.status(digest);
    ends.push(status?.status === 'final' ? status.code : (status?.status ?? 'none'));
  }
  return ends;
}

t.test('a leader whose clock is behind orders payments before their time, and they settle all the same', async (t) => {
  const stage = new Stage(1);
  await stage.open();
  stage.node(0).jumpClock(-BEHIND_MS);
  const ends = await pays(stage, 12);
  t.strictSame(
    ends,
    ends.map(() => 'settled'),
  );
  t.equal(stage.checkers.acknowledged.length > ends.length, true);
  stage.node(0).jumpClock(BEHIND_MS);
  t.ok(await stage.settle());
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
});

t.test('what was ordered before its time is durable until it has an end, through any crash', async (t) => {
  const stage = new Stage(2);
  await stage.open();
  for (const at of [0, 2, 3]) stage.node(at).jumpClock(-BEHIND_MS);
  const node = stage.node(1);
  await stage.world.run(stage.world.nowMs + IDLE_MS);
  const { desk } = stage;
  const [from, to] = desk.two(desk.banks);
  const legs = [{ from, to, asset: desk.random.pick(desk.currencies), amount: '1' }];
  const jws = await desk.make({ kind: 'settle', mode: 'gross', initiator: from, legs }, [from]);
  const { digest } = readJws(jws);
  stage.submit(node, jws);
  await stage.world.run(stage.world.nowMs + 1000);
  let crashes = 0;
  for (let calls = 1; calls <= 40; calls++) {
    node.crashAt(null, calls, calls % 2 === 0 ? 'power' : 'kill');
    await stage.world.run(stage.world.nowMs + 500, () => !node.isUp);
    crashes += node.isUp ? 0 : 1;
    await node.start();
    t.match(await node.running?.service.status(digest), { status: 'pending' }, `after a crash at call ${calls}`);
  }
  node.crashAt(null, Number.MAX_SAFE_INTEGER);
  t.ok(crashes > 30, `${crashes} crashes`);
  for (const at of [0, 2, 3]) stage.node(at).jumpClock(BEHIND_MS);
  t.ok(await stage.settle());
  t.match(await node.running?.service.status(digest), { status: 'final', code: 'settled' });
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
});

t.test('at the door a payload that is issued for later is refused, by the bound of the clocks', async (t) => {
  const stage = new Stage(3);
  await stage.open();
  const { desk, genesis, world } = stage;
  const [from, to] = desk.two(desk.banks);
  const answer = async (aheadMs: number): Promise<unknown> => {
    const legs = [{ from, to, asset: desk.random.pick(desk.currencies), amount: '1' }];
    const dates = { issued: desk.inMs(aheadMs), expires: desk.inMs(aheadMs + 60_000) };
    const jws = await desk.make({ kind: 'settle', mode: 'gross', initiator: from, legs, ...dates }, [from]);
    const told = stage.node(0).running?.service.submit(readJws(jws));
    await world.run(world.nowMs + 2_000);
    return told;
  };
  const { skewMs } = genesis.parameters;
  t.match(await answer(2 * skewMs), { accepted: false, code: 'not_yet_valid' });
  t.match(await answer(0), { accepted: true });
  t.ok(await stage.settle());
  t.strictSame(stage.checkers.violations, []);
});
