/** Clocks that are set hold nothing up: pace and patience run on a time that is never set. */
import t from 'tap';
import { Stage } from './stage.test-helper.js';
import { readJws } from './workload.js';

/** Far longer than anything waits. */
const SET_BACK_MS = 600_000;
/** Shorter than what signing code dates a payload back: a leader whose clock is behind times its block right after the last. */
const SETTLE_MS = 3_000;

for (const byMs of [-SET_BACK_MS, SET_BACK_MS]) {
  t.test(
    `a clock that is set by ${byMs / 60_000} minutes keeps no instruction from being taken and ordered`,
    async (t) => {
      const stage = new Stage(1);
      await stage.open();
      const node = stage.node(0);
      node.jumpClock(byMs);
      const { desk, world } = stage;
      for (let time = 0; time < 5; time++) {
        const [from, to] = desk.two(desk.banks);
        const legs = [{ from, to, asset: desk.random.pick(desk.currencies), amount: '1' }];
        // Long enough for a clock that is ahead.
        const jws = await desk.make({ kind: 'settle', mode: 'gross', initiator: from, legs }, [from], 2 * SET_BACK_MS);
        const before = stage.checkers.acknowledged.length;
        stage.submit(node, jws);
        await world.run(world.nowMs + SETTLE_MS);
        t.equal(stage.checkers.acknowledged.length, before + 1, 'taken');
        const status = await stage.node(1).running?.service.status(readJws(jws).digest);
        t.match(status, { status: 'final', code: 'settled' });
      }
      node.jumpClock(-byMs);
      t.ok(await stage.settle());
      await stage.checkers.atEnd(stage.nodes);
      t.strictSame(stage.checkers.violations, []);
    },
  );
}
