/** What a node says has settled: of which blocks, and that it says no more than it has counted. */
import t from 'tap';
import { ALFA, BETA, type Book, funded, HKMA, HOUR } from '../../ledger/samples.test-helper.js';
import type { Bic, BlockHeader } from '../../protocol/types.js';
import { DAY_MS, formatTime } from '../../protocol/values.js';
import { settledViews, unsettledViews } from './positionview.js';
import { Turnover } from './turnover.js';

const at = ({ height, time }: Book) => ({ height, time }) as Pick<BlockHeader, 'height' | 'time'>;

/** A block of these payments, counted. */
function settle(book: Book, turnover: Turnover, pairs: readonly (readonly [Bic, Bic, string])[], afterMs = 1000): void {
  const issuedMs = book.time + afterMs - 1000;
  const dates = { issued: formatTime(issuedMs), expires: formatTime(issuedMs + HOUR) };
  const pay = ([from, to, amount]: (typeof pairs)[number]) =>
    book.settle(from, [book.leg(from, to, amount)], [from], dates);
  const applied = book.lanes([pairs.map(pay)], afterMs);
  turnover.take(at(book), applied.settled);
}
const told = (book: Book, turnover: Turnover, party: Bic): string[] =>
  settledViews(book.state, party, turnover.upTo(at(book))).map(({ date, fromHeight, whole, assets }) =>
    [
      `${date} from ${fromHeight}${whole ? ', whole' : ''}`,
      ...assets.map((each) => `${each.asset} +${each.in.count} ${each.in.value} -${each.out.count} ${each.out.value}`),
    ].join(': '),
  );

t.test('what has settled is counted from the block after the one that the node started at', (t) => {
  const book = funded();
  const turnover = new Turnover(at(book));
  t.same(told(book, turnover, ALFA), ['2027-01-15 from 3']);
  settle(book, turnover, [
    [ALFA, BETA, '10'],
    [BETA, ALFA, '2.5'],
    [ALFA, HKMA, '1'],
  ]);
  t.same(told(book, turnover, ALFA), ['2027-01-15 from 3: HKD +1 2.50 -2 11.00']);
  t.same(told(book, turnover, HKMA), ['2027-01-15 from 3: HKD +1 1.00 -0 0.00']);

  settle(book, turnover, [[BETA, ALFA, '4']], DAY_MS);
  t.same(told(book, turnover, ALFA), [
    '2027-01-16 from 4, whole: HKD +1 4.00 -0 0.00',
    '2027-01-15 from 3: HKD +1 2.50 -2 11.00',
  ]);
  settle(book, turnover, [], DAY_MS);
  t.same(
    told(book, turnover, ALFA),
    ['2027-01-17 from 5, whole', '2027-01-16 from 4, whole: HKD +1 4.00 -0 0.00'],
    'no more than two days are kept',
  );
  t.end();
});

t.test('a count that lacks a block is begun anew', (t) => {
  const book = funded();
  const turnover = new Turnover(at(book));
  settle(book, turnover, [[ALFA, BETA, '10']]);
  book.block(book.pay(ALFA, BETA, '100'));
  t.same(told(book, turnover, ALFA), ['2027-01-15 from 5'], 'a snapshot brought the node to block 4');
  settle(book, turnover, [[ALFA, BETA, '1']]);
  t.same(told(book, turnover, ALFA), ['2027-01-15 from 5: HKD +0 0.00 -1 1.00']);
  book.block(book.pay(ALFA, BETA, '100'));
  settle(book, turnover, [[ALFA, BETA, '2']], DAY_MS);
  t.same(told(book, turnover, ALFA), ['2027-01-16 from 7: HKD +0 0.00 -1 2.00'], 'nor is the day whole then');
  const closing = at(book);
  turnover.take(closing, []);
  t.same(told(book, turnover, ALFA), ['2027-01-16 from 7: HKD +0 0.00 -1 2.00'], 'what closes an epoch has its height');
  t.end();
});

t.test('from the genesis on the first day is whole', (t) => {
  const turnover = new Turnover({ height: 0, time: 5 * DAY_MS } as never);
  t.equal(turnover.upTo({ height: 0, time: 5 * DAY_MS } as never)[0]?.isWhole, true);
  t.end();
});

t.test('what settles in parts, in sum, and of the queue is counted; and what is open is told by how it stands', (t) => {
  const book = funded();
  const turnover = new Turnover(at(book));
  const far = { legs: [book.leg(BETA, ALFA, '31')], settleBy: new Date(book.time + 5 * DAY_MS).toISOString() };
  const later = new Date(book.time + 3 * DAY_MS).toISOString();
  const swap = book.queue(ALFA, [book.leg(ALFA, BETA, '50'), book.leg(BETA, ALFA, '20')], [ALFA, BETA], {
    linked: [{ ...far, notBefore: later }],
  });
  const inQueue = book.queue(ALFA, [book.leg(ALFA, BETA, '2000')]);
  const scheduled = book.queue(BETA, [book.leg(BETA, ALFA, '7')], [BETA], {
    notBefore: later,
    settleBy: new Date(book.time + 4 * DAY_MS).toISOString(),
  });
  const forward = book.queue(BETA, [book.leg(BETA, ALFA, '5')], [ALFA, BETA], {
    notBefore: later,
    settleBy: new Date(book.time + 4 * DAY_MS).toISOString(),
    linked: [
      {
        legs: [book.leg(ALFA, BETA, '6')],
        notBefore: new Date(book.time + 4.5 * DAY_MS).toISOString(),
        settleBy: far.settleBy,
      },
    ],
  });
  const proposed = book.settle(ALFA, [book.leg(ALFA, BETA, '3'), book.leg(BETA, ALFA, '9', 'THB')]);
  const { settled } = book.block(swap, inQueue, scheduled, forward, proposed);
  turnover.take(at(book), settled);
  t.same(told(book, turnover, ALFA), ['2027-01-15 from 3: HKD +0 0.00 -1 30.00']);
  const none = { count: 0, value: '0.00' };
  const one = (value: string) => ({ count: 1, value });
  const nothing = { in: none, out: none };
  t.same(unsettledViews(book.state, ALFA), [
    {
      asset: 'HKD',
      proposed: { in: none, out: one('3.00') },
      scheduled: { in: { count: 3, value: '43.00' }, out: none },
      queued: { in: none, out: one('2000.00') },
      locked: nothing,
      linked: { in: none, out: one('6.00') },
    },
    {
      asset: 'THB',
      proposed: { in: one('9.00'), out: none },
      scheduled: nothing,
      queued: nothing,
      locked: nothing,
      linked: nothing,
    },
  ]);
  t.end();
});
