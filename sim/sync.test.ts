/** A node that is far behind, new, or whose disk lies: it comes back by a snapshot or by repair while the others go on. */
import t from 'tap';
import { Stage } from './stage.test-helper.js';

t.test(
  'a wiped validator comes back, by blocks or a snapshot, never votes with its old key, and loses nothing',
  async (t) => {
    const stage = new Stage(31, { snapshotBlocks: 40 });
    await stage.open();
    const late = stage.node(3);
    await stage.until(() => stage.heightOf(stage.node(0)) > 30);
    late.crash();
    const voteKey = stage.genesis.validators.validators[3]?.voteKey;
    late.wipe();
    stage.checkers.wiped(late);
    await stage.until(() => stage.heightOf(stage.node(0)) > 120, 120);
    await late.start();
    t.ok(await stage.until(() => stage.heightOf(late) > stage.heightOf(stage.node(0)) - 5, 120), 'it caught up');
    t.strictSame([...(late.running?.succession.unfit ?? [])], [[voteKey, 'vote_log_missing']]);
    t.equal(late.running?.replica.members.voteKey, null);
    t.ok(await stage.settle(), 'all that was answered for is final');
    await stage.checkers.atEnd(stage.nodes);
    t.strictSame(stage.checkers.violations, []);
  },
);

t.test(
  'a validator whose folder is an old copy knows it, votes no more, and its key is replaced in the next epoch',
  async (t) => {
    const stage = new Stage(32);
    await stage.open();
    const restored = stage.node(2);
    const backup = restored.disk.fork();
    await stage.until(() => false, 10);
    restored.crash();
    restored.rollBack(backup);
    stage.checkers.wiped(restored);
    await restored.start();
    const reasons = (): unknown[] => [...(restored.running?.succession.unfit.values() ?? [])];
    t.strictSame(reasons(), ['vote_log_rolled_back']);
    await stage.until(() => false, 10);
    t.ok(stage.heightOf(restored) > stage.heightOf(stage.node(0)) - 5, 'it follows, and still serves its bank');
    restored.crash();
    await restored.start();
    t.strictSame(reasons(), ['vote_key_retired'], 'for good');
    t.ok(await stage.settle(), 'all that was answered for is final');
    t.strictSame(stage.checkers.violations, []);
  },
);

t.test('records that the disk has damaged are noticed, and mended from peers', async (t) => {
  const stage = new Stage(33);
  await stage.open();
  await stage.until(() => stage.heightOf(stage.node(0)) > 40);
  const damaged = stage.node(1);
  damaged.crash();
  for (const table of ['blocks', 'receipts', 'batches', 'index'] as const) {
    for (let times = 0; times < 3; times++) damaged.disk.corrupt(table);
    damaged.disk.misdirect(table);
  }
  await damaged.start();
  await stage.until(() => false, 5);
  // Whoever reads it finds it; what is found is mended.
  const heights = Array.from({ length: 40 }, (_, at) => at + 1);
  for (let round = 0; round < 8; round++) {
    for (const height of heights) await damaged.running?.service.block(height).catch(() => null);
    await stage.until(() => false, 3);
  }
  for (const height of heights) {
    const [own, other] = await Promise.all([
      damaged.running?.service.block(height),
      stage.node(0).running?.service.block(height),
    ]);
    t.strictSame(own, other, `block ${height}`);
  }
  t.ok(await stage.settle(), 'all that was answered for is final');
  t.strictSame(stage.checkers.violations, []);
});

t.test('a copied folder started a second time is noticed, and neither machine votes again', async (t) => {
  const stage = new Stage(35);
  await stage.open();
  const original = stage.node(2);
  const twin = original.fork({ name: 'twin' });
  await twin.start();
  const halted = (): unknown[] => [original, twin].map(({ running }) => running?.replica.halted?.split(':')[0]);
  await stage.until(() => halted().some((reason) => reason !== undefined), 120);
  t.ok(
    halted().some((reason) => reason === 'vote_key_elsewhere'),
    String(halted()),
  );
  t.ok(await stage.until(() => stage.heightOf(stage.node(0)) > 60, 120), 'the others go on');
});
