/** Production replicas in the virtual world: they agree, lose nothing they acknowledged, and finish once faults end. */
import t from 'tap';
import { SYNC_BLOCKS_MAX } from '../protocol/limits.js';
import type { ValidatorIndex } from '../protocol/types.js';
import { Checkers } from './checkers.js';
import { planOf } from './fuzz/mix.js';
import { REGRESSIONS } from './fuzz/regressions.js';
import { isListed } from './fuzz/situations.js';
import { SimNode } from './node.js';
import { run } from './run.js';
import { readJws, simGenesis, Workload } from './workload.js';
import { World } from './world.js';

t.test('the full mix: crashes, partitions, disks, clocks, liars', async (t) => {
  for (const seed of [1, 2]) {
    const { violations, height, acknowledged, situations } = await run(planOf(seed));
    t.strictSame(violations, [], `seed ${seed}: ${height} blocks`);
    t.ok(acknowledged > 10, 'the network was at work');
    t.strictSame(
      Object.keys(situations).filter((name) => !isListed(name)),
      [],
      'every situation stands in the list',
    );
  }
});

for (const { name, was, plan } of REGRESSIONS) {
  t.test(name, async (t) => {
    const { violations, acknowledged } = await run(plan);
    t.strictSame(violations, [], was);
    t.ok(acknowledged > 10, 'the network was at work');
  });
}

t.test('a node that was away for hundreds of blocks catches up while the others go on', async (t) => {
  const world = new World(11);
  const genesis = simGenesis(world.nowMs - 1000);
  const checkers = new Checkers();
  const nodes = [0, 1, 2, 3].map((self) => new SimNode(world, genesis, self as ValidatorIndex, checkers));
  for (const node of nodes) await node.start();
  const workload = new Workload(world, genesis, 'light');
  const [first, late] = [nodes[0], nodes[3]] as [SimNode, SimNode];
  const heightOf = (node: SimNode): number => node.running?.replica.chain.final.header.height ?? 0;
  for (const stage of await workload.opening()) {
    for (const jws of stage) void first.running?.service.submit(readJws(jws));
    await world.run(world.nowMs + 5000);
  }
  late.crash();
  const away = heightOf(first) + SYNC_BLOCKS_MAX + 50;
  while (heightOf(first) < away) {
    void first.running?.service.submit(readJws(await workload.next()));
    await world.run(world.nowMs + 250);
  }
  await late.start();
  for (let sent = 0; sent < 100; sent++) {
    void first.running?.service.submit(readJws(await workload.next()));
    await world.run(world.nowMs + 200);
  }
  t.ok(heightOf(first) - heightOf(late) < 10, `${heightOf(late)} of ${heightOf(first)} blocks`);
  t.strictSame(checkers.violations, []);
});

t.test('the same seed gives the same run', async (t) => {
  t.strictSame(await run(planOf(7), 50), await run(planOf(7), 50));
});
