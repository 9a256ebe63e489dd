/** Clocks that are wrong, and payloads that are issued for later: nothing ends for that. */
import t from 'tap';
import type { InstructionDigest } from '../protocol/types.js';
import type { SimNode } from './node.js';
import { Stage } from './stage.test-helper.js';
import { readJws } from './workload.js';

/** Far longer than anything waits. */
const SET_MS = 600_000;
const SETTLE_MS = 3_000;
const BEHIND_MS = 38_000;
/** Longer than what signing code dates a payload back, so that a block of the time of its parent comes before it. */
const IDLE_MS = 12_000;

interface Dated {
  readonly aheadMs: number;
  readonly validityMs: number;
}

/** A payment, given to a node; `aheadMs` is when it is issued, from now on. */
async function pay(stage: Stage, node: SimNode, { aheadMs, validityMs }: Dated): Promise<InstructionDigest> {
  const { desk } = stage;
  const [from, to] = desk.two(desk.banks);
  const legs = [{ from, to, asset: desk.random.pick(desk.currencies), amount: '1' }];
  const dates = { issued: desk.inMs(aheadMs), expires: desk.inMs(aheadMs + validityMs) };
  const jws = await desk.make({ kind: 'settle', mode: 'gross', initiator: from, legs, ...dates }, [from]);
  stage.submit(node, jws);
  return readJws(jws).digest;
}

const ISSUED_NOW = { aheadMs: 0, validityMs: 60_000 };

/** What node 1 tells of it once `ms` have passed: its code, or how it stands. */
async function told(stage: Stage, digest: InstructionDigest, ms: number): Promise<string> {
  await stage.world.run(stage.world.nowMs + ms);
  const status = await stage.node(1).running?.service.status(digest);
  return (status?.status === 'final' ? status.code : status?.status) ?? 'none';
}

async function violationsAtEnd(stage: Stage): Promise<readonly string[]> {
  const settled = await stage.settle();
  await stage.checkers.atEnd(stage.nodes);
  return settled ? stage.checkers.violations : ['not settled', ...stage.checkers.violations];
}

for (const byMs of [-SET_MS, SET_MS]) {
  t.test(`a clock that is set by ${byMs / 60_000} minutes keeps nothing from being ordered`, async (t) => {
    const stage = new Stage(1);
    await stage.open();
    stage.node(0).jumpClock(byMs);
    for (let round = 0; round < 5; round++) {
      // Issued before the last final block, which tells who is behind what time it is; long enough for who is ahead.
      const before = stage.checkers.acknowledged.length;
      const digest = await pay(stage, stage.node(0), { aheadMs: -60_000, validityMs: 2 * SET_MS });
      t.equal(await told(stage, digest, SETTLE_MS), 'settled');
      t.equal(stage.checkers.acknowledged.length, before + 1);
    }
    stage.node(0).jumpClock(-byMs);
    t.strictSame(await violationsAtEnd(stage), []);
  });
}

t.test('what is issued after the clock of a leader that is behind is ordered all the same', async (t) => {
  const stage = new Stage(1);
  await stage.open();
  stage.node(0).jumpClock(-BEHIND_MS);
  const ends: string[] = [];
  for (let round = 0; round < 12; round++) {
    await stage.world.run(stage.world.nowMs + IDLE_MS);
    const digest = await pay(stage, stage.node(1 + (round % 3)), ISSUED_NOW);
    ends.push(await told(stage, digest, IDLE_MS));
  }
  t.strictSame(
    ends,
    ends.map(() => 'settled'),
  );
  stage.node(0).jumpClock(BEHIND_MS);
  t.strictSame(await violationsAtEnd(stage), []);
});

t.test('an author whose clock is ahead holds back its own lane, through crashes, and nobody else’s', async (t) => {
  const stage = new Stage(2);
  await stage.open();
  const node = stage.node(0);
  node.jumpClock(BEHIND_MS);
  const early = await pay(stage, node, { aheadMs: BEHIND_MS - 2_000, validityMs: 60_000 });
  t.equal(await told(stage, early, 500), 'unknown', 'known only where it was taken');
  const behind = await pay(stage, node, { aheadMs: 0, validityMs: 120_000 });
  t.equal(await told(stage, await pay(stage, stage.node(2), ISSUED_NOW), SETTLE_MS), 'settled');
  const status = async (digest: InstructionDigest) => (await node.running?.service.status(digest))?.status;
  for (const how of ['kill', 'power'] as const) {
    t.equal(await status(early), 'pending');
    t.equal(await status(behind), 'pending');
    node.crash(how);
    await node.start();
  }
  // A network in which nothing is due does nothing.
  const before = stage.heightOf(stage.node(2));
  await stage.world.run(stage.world.nowMs + 10_000);
  t.equal(stage.heightOf(stage.node(2)), before);
  t.equal(await told(stage, early, BEHIND_MS), 'settled');
  t.equal(await told(stage, behind, 0), 'settled');
  node.jumpClock(-BEHIND_MS);
  t.strictSame(await violationsAtEnd(stage), []);
});

t.test('what is issued a little later waits at the door, and longer is refused', async (t) => {
  const stage = new Stage(3);
  await stage.open();
  const taken = (): number => stage.checkers.acknowledged.length;
  const before = taken();
  const soon = await pay(stage, stage.node(0), { aheadMs: 900, validityMs: 60_000 });
  const now = await pay(stage, stage.node(0), ISSUED_NOW);
  t.equal(await told(stage, now, 700), 'settled', 'what comes behind it does not wait for it');
  t.equal(taken(), before + 1);
  t.equal(await told(stage, soon, SETTLE_MS), 'settled');
  t.equal(taken(), before + 2);
  const late = await pay(stage, stage.node(0), { aheadMs: 1_500, validityMs: 60_000 });
  t.equal(await told(stage, late, SETTLE_MS), 'unknown');
  t.equal(taken(), before + 2);
  t.strictSame(await violationsAtEnd(stage), []);
});
