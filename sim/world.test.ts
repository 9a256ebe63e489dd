/** Four production replicas in the virtual world: they agree, lose nothing they acknowledged, and finish once faults end. */
import t from 'tap';
import { SYNC_BLOCKS_MAX } from '../protocol/limits.js';
import type { ValidatorIndex } from '../protocol/types.js';
import { Checkers } from './checkers.js';
import { SimNode } from './node.js';
import { run } from './run.js';
import { readJws, simGenesis, Workload } from './workload.js';
import { World } from './world.js';

// A fixed bug stays here by its seed, with what it was.
const NAMED_SEEDS: readonly (readonly [number, string])[] = [
  [101, 'the end of an instruction that was ordered without a trace was forgotten in a restart'],
  [102, 'an id used up by another node: the loser is told duplicate_id, not left pending until it expires'],
];

const BRIEF = { faultMs: 10_000, instructions: 100 } as const;

t.test('losses, duplicates, one-way partitions and crashes at any moment', async (t) => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const result = await run({ seed, ...BRIEF });
    t.strictSame(result.violations, [], `seed ${seed}: ${result.height} blocks, ${result.crashes} crashes`);
    t.ok(result.acknowledged > 30, 'the network was at work');
  }
});

t.test('seeds that once failed', async (t) => {
  for (const [seed, title] of NAMED_SEEDS) {
    const result = await run({ seed, faultMs: 20_000, instructions: 200 });
    t.strictSame(result.violations, [], title);
  }
});

t.test('a node that was away for hundreds of blocks catches up while the others go on', async (t) => {
  const world = new World(11);
  const genesis = simGenesis(world.nowMs - 1000);
  const checkers = new Checkers();
  const nodes = [0, 1, 2, 3].map((self) => new SimNode(world, genesis, self as ValidatorIndex, checkers));
  for (const node of nodes) await node.start();
  const workload = new Workload(world, genesis);
  const [first, late] = [nodes[0], nodes[3]] as [SimNode, SimNode];
  const heightOf = (node: SimNode): number => node.running?.replica.chain.final.header.height ?? 0;
  for (const stage of await workload.opening()) {
    for (const jws of stage) void first.running?.service.submit(readJws(jws));
    await world.run(world.nowMs + 2000);
  }
  late.crash();
  const away = heightOf(first) + SYNC_BLOCKS_MAX + 50;
  while (heightOf(first) < away) {
    void first.running?.service.submit(readJws(await workload.next()));
    await world.run(world.nowMs + 40);
  }
  await late.start();
  for (let sent = 0; sent < 200; sent++) {
    void first.running?.service.submit(readJws(await workload.next()));
    await world.run(world.nowMs + 50);
  }
  t.ok(heightOf(first) - heightOf(late) < 10, `${heightOf(late)} of ${heightOf(first)} blocks`);
  t.strictSame(checkers.violations, []);
});

t.test('the same seed gives the same run', async (t) => {
  const [first, second] = [await run({ seed: 7, ...BRIEF }), await run({ seed: 7, ...BRIEF })];
  t.strictSame(first, second);
});
