/** A record of a table that the mix of the fuzzer leaves alone, or of the mark, damaged at rest: the node mends it or says so, and never speaks by it. */
import t, { type Test } from 'tap';
import type { SimNode } from './node.js';
import { Stage } from './stage.test-helper.js';

const ROUNDS = 5;

/** How a start over a damaged vote log ends: no other damage ends one. */
const VOTES_CORRUPT = 'votes_corrupt';

for (const [number, table] of (['meta', 'votes', 'ids', 'outbox', 'the mark'] as const).entries()) {
  t.test(`a damaged record of ${table}`, async (t) => {
    const stage = new Stage(600 + number);
    await stage.open();
    // A validator's outbox is empty but at an epoch's end: it is a participant that has one.
    if (table === 'outbox') await stage.registerNode(0);
    const node = table === 'outbox' ? stage.join(0) : stage.node(3);
    await node.start();
    const harm = (): unknown => (table === 'the mark' ? node.markDisk.corrupt('meta') : node.disk.corrupt(table));
    let harmed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      await stage.until(() => false, 3);
      const exits = node.exits.length;
      node.crash('kill');
      if (harm() !== null) harmed += 1;
      // The final pointer is of this table.
      if (table === 'meta') stage.checkers.refetches(node);
      await node.start();
      if (node.running === null) await reset(stage, node, exits, t);
      const isBack = await stage.until(() => stage.heightOf(node) > stage.heightOf(stage.node(0)) - 3, 60);
      t.ok(isBack, `round ${round}: it follows the others`);
    }
    t.ok(await stage.settle(), 'all that was answered for is final');
    t.ok(harmed > 0, `${harmed} records were damaged`);
    t.equal(
      node.exits.some(({ code }) => code === VOTES_CORRUPT),
      table === 'votes',
    );
    await stage.checkers.atEnd(stage.nodes);
    t.strictSame(stage.checkers.violations, []);
  });
}

/** It has said what is wrong: its operator takes the folder away, and it goes on without its vote. */
async function reset(stage: Stage, node: SimNode, exits: number, t: Test): Promise<void> {
  const ended = node.exits.slice(exits + 1).map(({ code }) => code);
  t.ok(
    ended.length === 1 && ended[0] === VOTES_CORRUPT,
    `it ends with a code of its own: ${JSON.stringify(node.exits.at(-1))}`,
  );
  node.wipe();
  stage.checkers.wiped(node);
  await node.start();
}
