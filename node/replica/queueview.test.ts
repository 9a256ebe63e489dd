/** What a party is told of its queue: places, what each waits for, and pages that go on where the one before ended. */
import t from 'tap';
import { ALFA, BETA, type Book, funded, GAMA, HKMA, HOUR, hash, kidsOf } from '../../ledger/samples.test-helper.js';
import { formatTime } from '../../protocol/values.js';
import { QUEUE_PAGE_ENTRIES_MAX, type QueuedView } from '../ports.js';
import { lockView, proposalsPage, queuePage } from './queueview.js';

const pay = (book: Book, amount: string, more = {}) => book.queue(GAMA, [book.leg(GAMA, ALFA, amount)], [GAMA], more);

t.test('each entry says what it waits for', (t) => {
  const book = funded();
  const later = formatTime(book.time + 60_000);
  const pvp = book.queue(GAMA, [book.leg(GAMA, BETA, '10'), book.leg(BETA, GAMA, '1001', 'THB')], [GAMA, BETA]);
  const [normal, urgent, scheduled] = [
    pay(book, '1'),
    pay(book, '2', { priority: 'urgent' }),
    pay(book, '3', { priority: 'high', notBefore: later }),
  ];
  book.block(pvp, normal, urgent, scheduled);
  const { entries, next } = queuePage(book.state, GAMA);
  t.equal(next, null);
  const brief = ({ digest, position, stage, priority, lacking, behind }: QueuedView) => ({
    digest,
    position,
    stage,
    priority,
    lacking: lacking.map(({ party, amount }) => `${party} ${amount}`),
    behind: behind.map(({ party, asset }) => `${party} ${asset}`),
  });
  t.same(entries.map(brief), [
    {
      digest: urgent.instruction.digest,
      position: 1,
      stage: 'queued',
      priority: 'urgent',
      lacking: [`${GAMA} 2.00`],
      behind: [],
    },
    {
      digest: scheduled.instruction.digest,
      position: 2,
      stage: 'scheduled',
      priority: 'high',
      lacking: [`${GAMA} 3.00`],
      behind: [`${GAMA} HKD`],
    },
    {
      digest: pvp.instruction.digest,
      position: 3,
      stage: 'queued',
      priority: 'normal',
      lacking: [`${GAMA} 10.00`, `${BETA} 1.00`],
      behind: [`${GAMA} HKD`],
    },
    {
      digest: normal.instruction.digest,
      position: 4,
      stage: 'queued',
      priority: 'normal',
      lacking: [`${GAMA} 1.00`],
      behind: [`${GAMA} HKD`],
    },
  ]);
  t.match(entries[1], { id: scheduled.instruction.payload.id, initiator: GAMA, legs: [{ amount: '3.00' }] });
  t.same(
    queuePage(book.state, BETA).entries.map(({ digest, position }) => [digest, position]),
    [[pvp.instruction.digest, 1]],
    'who else pays has a place of its own',
  );
  t.same(queuePage(book.state, ALFA).entries, [], 'who is only paid has none');
  const reserved = { urgent: '0', high: '0' };
  book.block(book.order({ kind: 'liquidity', initiator: BETA, asset: 'THB', order: 'fifo', reserved }));
  const [first, second] = [
    book.queue(BETA, [book.leg(BETA, ALFA, '1', 'THB')]),
    book.queue(BETA, [book.leg(BETA, ALFA, '1', 'THB')]),
  ];
  book.block(first, second);
  t.same(
    queuePage(book.state, BETA).entries.map(({ behind }) => behind.map(({ asset }) => asset)),
    [['HKD'], ['THB'], ['THB']],
    'in strict order also what is earlier is before it; the first of all has nothing before it there',
  );
  t.same(proposalsPage(book.state, GAMA).entries, []);

  const half = book.queue(ALFA, [book.leg(ALFA, GAMA, '1'), book.leg(GAMA, ALFA, '1', 'THB')]);
  const gross = book.settle(ALFA, [book.leg(ALFA, GAMA, '1'), book.leg(GAMA, ALFA, '1', 'THB')]);
  book.block(half, gross);
  const expected = [half, gross].map(({ instruction }) => ({ digest: instruction.digest, missing: [GAMA] }));
  t.match(
    proposalsPage(book.state, GAMA).entries,
    expected.sort((a, b) => (a.digest < b.digest ? -1 : 1)),
  );
  t.same(proposalsPage(book.state, ALFA), proposalsPage(book.state, GAMA), 'to who has consented, too');
  t.same(proposalsPage(book.state, HKMA).entries, []);
  t.end();
});

t.test('a lock that lacks a consent is among the proposals, and no longer once it holds', (t) => {
  const book = funded();
  const dates = { cancelUntil: formatTime(book.time + HOUR), lockUntil: formatTime(book.time + 2 * HOUR) };
  const legs = [book.leg(ALFA, GAMA, '1'), book.leg(BETA, ALFA, '1', 'THB')];
  const lock = book.settle(ALFA, legs, [ALFA], { mode: 'lock', hash: hash('preimage'), ...dates });
  book.block(lock);
  const told = { hash: hash('preimage'), lockUntil: book.time - 1000 + 2 * HOUR, leaving: [] };
  t.match(proposalsPage(book.state, BETA).entries, [{ missing: [BETA], terms: null, lock: told }]);
  book.block(book.order({ kind: 'consent', initiator: BETA, settlement: lock.instruction.digest }));
  t.same(proposalsPage(book.state, BETA).entries, []);
  t.same(queuePage(book.state, BETA).entries, [], 'it waits for no funds');
  const settlement = book.state.openSettlement(lock.instruction.digest);
  t.same(settlement && lockView(settlement), told);
  t.end();
});

t.test(
  'an amendment that lacks a consent shows what it replaces, and by what; the part amended is told by its number',
  (t) => {
    const book = funded();
    const there = [book.leg(ALFA, BETA, '100'), book.leg(BETA, ALFA, '400', 'THB')];
    const back = [book.leg(BETA, ALFA, '100'), book.leg(ALFA, BETA, '400', 'THB')];
    const at = (seconds: number): string => formatTime(book.time + 1000 * seconds);
    const linked = [{ legs: back, notBefore: at(100), settleBy: at(200) }];
    const swap = book.queue(ALFA, there, [ALFA, BETA], { settleBy: at(50), linked });
    book.block(swap);
    const { digest } = swap.instruction;
    const more = [book.leg(BETA, ALFA, '110'), book.leg(ALFA, BETA, '400', 'THB')];
    const amends = { settlement: digest, part: 2, replaces: back, legs: more };
    const asked = book.settle(ALFA, [book.leg(ALFA, BETA, '10')], [ALFA], { amends });
    book.block(asked);
    t.match(proposalsPage(book.state, BETA).entries, [
      {
        digest: asked.instruction.digest,
        part: 1,
        missing: [BETA],
        terms: null,
        amends: { settlement: digest, part: 2, replaces: [{ amount: '100.00' }, {}], legs: [{ amount: '110.00' }, {}] },
      },
    ]);
    t.match(queuePage(book.state, BETA).entries, [
      { digest, part: 2, stage: 'scheduled', legs: [{ amount: '100.00' }, {}] },
    ]);
    book.block({ ...asked, signed: kidsOf(BETA) });
    t.match(queuePage(book.state, BETA).entries, [{ digest, part: 2, legs: [{ amount: '110.00' }, {}] }]);
    t.same(proposalsPage(book.state, BETA).entries, []);
    t.end();
  },
);

t.test('pages', (t) => {
  const book = funded();
  const made = Array.from({ length: 2 * QUEUE_PAGE_ENTRIES_MAX + 1 }, (_, i) =>
    pay(book, '1', { priority: i % 2 === 0 ? 'normal' : 'high' }),
  );
  const proposed = made.map(() => book.queue(ALFA, [book.leg(ALFA, GAMA, '1'), book.leg(GAMA, ALFA, '1', 'THB')]));
  book.block(...made, ...proposed);
  const [first, second, third] = [
    queuePage(book.state, GAMA),
    queuePage(book.state, GAMA, queuePage(book.state, GAMA).next ?? undefined),
    queuePage(book.state, GAMA, queuePage(book.state, GAMA, queuePage(book.state, GAMA).next ?? undefined).next ?? ''),
  ];
  t.same(
    [first, second, third].map(({ entries }) => entries.length),
    [QUEUE_PAGE_ENTRIES_MAX, QUEUE_PAGE_ENTRIES_MAX, 1],
  );
  t.equal(third.next, null);
  const all = [...first.entries, ...second.entries, ...third.entries];
  t.same(
    all.map(({ position }) => position),
    made.map((_, i) => i + 1),
  );
  t.equal(new Set(all.map(({ digest }) => digest)).size, made.length);
  t.same(queuePage(book.state, GAMA, '2.999999.101'), { entries: [], next: null }, 'past the last');

  const seen: string[] = [];
  for (let after: string | null = ''; after !== null; ) {
    const page = proposalsPage(book.state, GAMA, after);
    seen.push(...page.entries.map(({ digest }) => digest));
    after = page.next;
  }
  t.same(
    seen,
    proposed.map(({ instruction }) => instruction.digest).sort((a, b) => (a < b ? -1 : 1)),
  );
  t.end();
});
