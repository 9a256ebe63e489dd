/** The set of validators changes while payments flow: it grows, shrinks, is replaced, and nothing that was answered for is lost. */
import t from 'tap';
import { Stage } from './stage.test-helper.js';

t.test('4, then 7, then 5 validators, while payments flow', async (t) => {
  const stage = new Stage(21);
  const epochs = (): string => `epochs ${stage.nodes.map(stage.epochOf).join()}`;
  await stage.open();
  for (const i of [0, 1, 2]) {
    await stage.registerNode(i);
    const node = stage.join(i);
    await stage.until(() => stage.node(0).running?.replica.chain.final.state.nodeKeys().length === 5 + i);
    await node.start();
  }
  const all = [0, 1, 2, 3, 4, 5, 6];
  await stage.govern(all, [0, 1, 2, 3]);
  t.ok(await stage.until(() => stage.nodes.every((node) => stage.epochOf(node) === 1)), epochs());
  await stage.until(() => false, 5);
  t.strictSame(
    stage.nodes.map(({ running }) => running?.replica.members.size),
    all.map(() => 7),
  );
  await stage.govern([2, 3, 4, 5, 6], all);
  t.ok(await stage.until(() => stage.nodes.every((node) => stage.epochOf(node) === 2)), epochs());
  t.strictSame(
    stage.nodes.map(({ running }) => running?.replica.members.self),
    [null, null, 0, 1, 2, 3, 4],
    'a removed one follows',
  );
  await stage.until(() => false, 5);
  t.ok(await stage.settle(), 'all that was answered for is final');
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
  t.ok(stage.checkers.acknowledged.length > 100);
});

t.test(
  'a standby takes over from a validator that is gone, and the end of an epoch survives crashes of all',
  async (t) => {
    const stage = new Stage(22);
    await stage.open();
    await stage.registerNode(0);
    const standby = stage.join(0);
    await stage.until(() => stage.node(0).running?.replica.chain.final.state.nodeKeys().length === 5);
    await standby.start();
    stage.node(3).crash();
    const [lost] = stage.nodes.splice(3, 1);
    await stage.govern([0, 1, 2, 4], [0, 1, 2, 3]);
    // Whoever comes to the epoch's end is cut off there, at a moment that differs for each.
    let at = 0;
    const isOver = (): boolean => stage.nodes.some((node) => stage.epochOf(node) === 1);
    while (!isOver() && at < 600) {
      at += 1;
      await stage.until(isOver, 0.1);
    }
    for (const node of stage.nodes) node.crash(at % 2 === 0 ? 'power' : 'kill');
    for (const node of stage.nodes) await node.start();
    t.ok(
      await stage.until(() => stage.nodes.every((node) => stage.epochOf(node) === 1)),
      stage.nodes.map(stage.epochOf).join(),
    );
    t.equal(standby.running?.replica.members.self, 3);
    await stage.until(() => false, 5);
    t.ok(await stage.settle(), 'all that was answered for is final');
    await stage.checkers.atEnd(stage.nodes);
    t.strictSame(stage.checkers.violations, []);
    t.equal(lost?.running, null);
  },
);
