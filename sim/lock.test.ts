/** Locks in a network: their end comes without anybody's payments, and a preimage that was sent before it is heard. */
import t from 'tap';
import { fromHex } from '../protocol/codec.js';
import { hashOf } from '../protocol/hash.js';
import type { InstructionDigest } from '../protocol/types.js';
import { Stage } from './stage.test-helper.js';
import { readJws } from './workload.js';

const PREIMAGE = '5e'.repeat(32);
const LOCK_MS = 60_000;
/** Some rounds of an idle network, in which each leader has its view. */
const ROUNDS_MS = 5_000;

async function locked(stage: Stage): Promise<InstructionDigest> {
  const { desk } = stage;
  const [from, to] = desk.two(desk.banks);
  const legs = [{ from, to, asset: desk.random.pick(desk.currencies), amount: '5' }];
  const dates = { cancelUntil: desk.inMs(10_000), lockUntil: desk.inMs(LOCK_MS) };
  const fields = { kind: 'settle', mode: 'lock', initiator: from, legs, hash: hashOf(fromHex(PREIMAGE)), ...dates };
  const jws = await desk.make(fields, [from]);
  stage.submit(stage.node(0), jws);
  return readJws(jws).digest;
}

async function told(stage: Stage, digest: InstructionDigest): Promise<string | null> {
  const status = await stage.node(1).running?.service.status(digest);
  return status?.status === 'final' || status?.status === 'pending' ? status.code : null;
}

const pass = (stage: Stage, ms: number): Promise<void> => stage.world.run(stage.world.nowMs + ms);

t.test('an idle network makes the blocks that a lock must have past its end, and then no more', async (t) => {
  for (const isDown of [false, true]) {
    const stage = new Stage(1);
    await stage.open();
    const digest = await locked(stage);
    await pass(stage, LOCK_MS - ROUNDS_MS);
    t.equal(await told(stage, digest), 'locked');
    if (isDown) stage.node(3).crash();
    const before = stage.heightOf(stage.node(1));
    await pass(stage, 2 * ROUNDS_MS);
    t.equal(await told(stage, digest), 'lapsed', `with ${isDown ? 'three' : 'four'} of four`);
    const lapsed = stage.heightOf(stage.node(1));
    t.ok(lapsed <= before + 4, `${lapsed - before} blocks`);
    await pass(stage, ROUNDS_MS);
    t.equal(stage.heightOf(stage.node(1)), lapsed);
    t.same(stage.node(1).running?.replica.chain.final.state.tables.proposers.entries(), []);
  }
});

t.test('a preimage that is sent at the last moment settles its lock', async (t) => {
  const stage = new Stage(2);
  await stage.open();
  const digest = await locked(stage);
  const { desk } = stage;
  const initiator = desk.random.pick(desk.banks);
  await pass(stage, LOCK_MS - 20);
  const jws = await desk.make({ kind: 'reveal', initiator, settlement: digest, preimage: PREIMAGE }, [initiator]);
  stage.submit(stage.node(2), jws);
  await pass(stage, ROUNDS_MS);
  t.equal(await told(stage, digest), 'settled');
  t.ok(await stage.settle());
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
});
