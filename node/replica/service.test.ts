/** What is told of an instruction that is open: by the state, however much of the history around it is gone. */
import t from 'tap';
import { ALFA, BOTH, funded, GAMA, HKMA, HOUR, member } from '../../ledger/samples.test-helper.js';
import { noMetrics } from '../metrics/none.js';
import type { Clock } from '../ports.js';
import { MemoryStore } from './memorystore.test-helper.js';
import { putPlace } from './records.js';
import { Service } from './service.js';
import type { Succession } from './succession.js';

t.test('an open settlement or change is pending, though its block is pruned and its place let go of', async (t) => {
  const book = funded();
  const day = 24 * HOUR;
  const settleBy = new Date(book.time + 40 * day).toISOString();
  const queued = book.queue(GAMA, [book.leg(GAMA, ALFA, '10')], [GAMA], { settleBy });
  const proposed = book.queue(ALFA, [book.leg(ALFA, GAMA, '1'), book.leg(GAMA, ALFA, '1', 'THB')], [ALFA], {
    settleBy,
  });
  const change = book.govern(HKMA, [member(HKMA), member(BOTH)]);
  book.block(queued, proposed, change);
  const store = new MemoryStore();
  const final = () => ({ state: book.state, header: { height: book.height, time: book.time } });
  const replica = {
    get chain() {
      return { final: final() };
    },
    admission: { isPending: () => false },
  };
  const succession = { replica, upkeep: { floor: 1_000, note: () => undefined } } as unknown as Succession;
  const service = new Service({
    succession,
    store,
    clock: {} as Clock,
    whatIf: { run: () => Promise.reject(new Error('nobody asks')) },
    metrics: noMetrics,
    genesis: {} as never,
    party: HKMA,
    version: '0',
  });
  const digests = [queued, proposed, change].map(({ instruction }) => instruction.digest);
  const statuses = () => Promise.all(digests.map((digest) => service.status(digest)));
  const before = { height: book.height, time: book.time };
  const told = [
    { status: 'pending', code: 'queued', ...before, missing: [], lock: null },
    { status: 'pending', code: 'proposed', ...before, missing: [GAMA], lock: null },
    { status: 'pending', code: 'proposed', ...before, missing: [], lock: null },
  ];
  t.same(await statuses(), told, 'without a place');
  const place = { type: 'receipt', height: book.height, position: 0, time: book.time } as never;
  await store.write(
    digests.map((digest) => putPlace(digest, place)),
    { sync: true },
  );
  t.same(await statuses(), told, 'with one in a block that is gone');
  book.pass(5 * day);
  t.match(
    (await statuses())[0],
    { status: 'pending', code: 'queued', height: null },
    'its record is forgotten, it is not',
  );
  book.block(book.pay(ALFA, GAMA, '10'));
  t.match((await statuses())[0], { status: 'pruned' }, 'what has ended is told by its place');
});
