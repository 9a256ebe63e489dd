/** What-ifs of a running node: one at a time, at a pace, and no more told of others than their number. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { type WhatIfAnswer, type WhatIfQuestion, whatIf } from '../../ledger/queue/whatif.js';
import { ALFA, BETA, type Book, funded, GAMA, HKMA } from '../../ledger/samples.test-helper.js';
import { WHAT_IF_MOVEMENTS_PER_MS } from '../../protocol/limits.js';
import type { AmountMinor, Bic, TimestampMs } from '../../protocol/types.js';
import { createWhatIfs } from '../main/whatif.js';
import type { WhatIfRunner } from '../ports.js';
import { WhatIfs } from './whatif.js';

const inPlace: WhatIfRunner = { run: async (question) => whatIf(question) };

const ask = (whatIfs: WhatIfs, book: Book, party: Bic, extra: bigint, code = 'HKD') => {
  const asset = book.state.asset(code);
  if (asset === undefined) throw new Error('the asset is there');
  return whatIfs.ask(book.state, book.time as TimestampMs, { party, asset, extra: extra as AmountMinor });
};
/** GAMA pays ALFA, who pays BETA with that. */
function waiting(): { book: Book; first: string } {
  const book = funded();
  const first = book.queue(GAMA, [book.leg(GAMA, ALFA, '300')], [GAMA]);
  const second = book.queue(ALFA, [book.leg(ALFA, BETA, '1200')]);
  book.block(first, second);
  return { book, first: first.instruction.digest };
}
const flow = (ins: number, inValue: string, outs: number, outValue: string) => ({
  in: { count: ins, value: inValue },
  out: { count: outs, value: outValue },
});
const NOTHING = { own: { count: 0, assets: [], settlements: [] }, all: { count: 0, assets: [] } };

t.test("a party sees its own, and others' as numbers", async (t) => {
  const { book, first } = waiting();
  const whatIfs = new WhatIfs(inPlace, { elapsed: () => 0 });
  const answered = await ask(whatIfs, book, GAMA, 30_000n);
  t.same(answered, {
    ok: true,
    value: {
      party: GAMA,
      asset: 'HKD',
      amount: '300.00',
      complete: true,
      released: {
        own: { count: 1, assets: [{ asset: 'HKD', ...flow(0, '0.00', 1, '300.00') }], settlements: [first] },
        all: { count: 2, assets: [{ asset: 'HKD', count: 2, value: '1500.00' }] },
      },
      delayed: NOTHING,
    },
  });
});

t.test('where the account pays nothing in the queue, nothing is gone through', async (t) => {
  const { book } = waiting();
  const whatIfs = new WhatIfs({ run: () => Promise.reject(new Error('it is not asked')) }, { elapsed: () => 0 });
  for (const [party, asset] of [
    [BETA, 'HKD'],
    [GAMA, 'THB'],
    [HKMA, 'HKD'],
  ] as const)
    t.match(await ask(whatIfs, book, party, 1n, asset), {
      ok: true,
      value: { complete: true, released: NOTHING, delayed: NOTHING },
    });
});

t.test('one at a time, and at a pace', async (t) => {
  const { book } = waiting();
  const { queuedMovements } = book.state.queue;
  const paceMs = Math.ceil(queuedMovements / WHAT_IF_MOVEMENTS_PER_MS);
  let [nowMs, fails] = [1_000, false];
  const answers: (() => void)[] = [];
  const runner: WhatIfRunner = {
    run: (question: WhatIfQuestion) =>
      new Promise<WhatIfAnswer>((resolve, reject) => {
        answers.push(() => (fails ? reject(new Error('the thread ended')) : resolve(whatIf(question))));
      }),
  };
  const whatIfs = new WhatIfs(runner, { elapsed: () => nowMs });
  const first = ask(whatIfs, book, GAMA, 30_000n);
  t.same(await ask(whatIfs, book, GAMA, 30_000n), { ok: false, retryAfterMs: paceMs }, 'another is under way');
  nowMs += 60_000;
  t.match(await ask(whatIfs, book, ALFA, 1n), { ok: false }, 'however long that takes');
  nowMs -= 60_000;
  answers.pop()?.();
  t.match(await first, { ok: true });
  t.same(await ask(whatIfs, book, GAMA, 30_000n), { ok: false, retryAfterMs: paceMs }, 'it was just now');
  nowMs += paceMs;
  fails = true;
  const failing = ask(whatIfs, book, GAMA, 30_000n);
  answers.pop()?.();
  await t.rejects(failing, /the thread ended/);
  nowMs += paceMs;
  fails = false;
  const again = ask(whatIfs, book, GAMA, 30_000n);
  answers.pop()?.();
  t.match(await again, { ok: true }, 'one that fails does not hold up the next');
});

t.test('on a thread', async (t) => {
  const { book } = waiting();
  const threads = createWhatIfs();
  t.teardown(() => threads.close());
  const [there, here] = [new WhatIfs(threads, { elapsed: () => 0 }), new WhatIfs(inPlace, { elapsed: () => 0 })];
  t.same(await ask(there, book, GAMA, 30_000n), await ask(here, book, GAMA, 30_000n), 'it answers the same');

  const program = join(t.testdir({}), 'mortal.mjs');
  writeFileSync(
    program,
    `import { parentPort } from 'node:worker_threads';
     parentPort.on('message', ({ extra }) => { if (extra === 1n) process.exit(3); parentPort.postMessage({ extra }); });`,
  );
  const mortal = createWhatIfs(pathToFileURL(program));
  const question = (extra: bigint) => ({ extra }) as WhatIfQuestion;
  await t.rejects(mortal.run(question(1n)), /the thread .* ended/, 'a thread that dies fails its question');
  t.same(await mortal.run(question(2n)), { extra: 2n }, 'and the next has another');
  const closed = t.rejects(mortal.run(question(1n)), /ended/);
  await mortal.close();
  await closed;
});
