/** Four production replicas in the virtual world: they agree, lose nothing they acknowledged, and finish once faults end. */
import t from 'tap';
import { run } from './run.js';

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

t.test('the same seed gives the same run', async (t) => {
  const [first, second] = [await run({ seed: 7, ...BRIEF }), await run({ seed: 7, ...BRIEF })];
  t.strictSame(first, second);
});
