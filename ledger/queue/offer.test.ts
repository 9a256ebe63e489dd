/** Offers and net sender limits: a row for each code, and what they let through and hold back. */
import t from 'tap';
import {
  AMOUNT_MINOR_MAX,
  OFFERED_MOVEMENTS_PER_PARTY_MAX,
  OFFERS_PER_PARTY_MAX,
  SENT_MINOR_MAX,
} from '../../protocol/limits.js';
import type { AmountMinor } from '../../protocol/types.js';
import { formatAmount, formatTime } from '../../protocol/values.js';
import type { Ordered } from '../apply.js';
import { encodeEntry, stateKey } from '../codecs.js';
import {
  ALFA,
  BETA,
  BOTH,
  type Book,
  bic,
  codes,
  codesOf,
  type Draft,
  funded,
  GAMA,
  HKMA,
} from '../samples.test-helper.js';
import { State } from '../state.js';

const offer = (book: Book, by: string, ...items: readonly Ordered[]) =>
  book.order({ kind: 'offer', initiator: by, settlements: items.map(({ instruction }) => instruction.digest) });
const keep = (book: Book, by: string, asset: string, urgent: string, more: object = {}) =>
  book.order({ kind: 'liquidity', initiator: by, asset, order: 'bypass', reserved: { urgent, high: '0' }, ...more });
const solver = (book: Book, party: string, is = true) =>
  book.order({ kind: 'participant', action: 'solver', initiator: HKMA, party, solver: is });
const inSeconds = (book: Book, seconds: number): string => formatTime(book.time + 1000 * seconds);
const pvp = (book: Book, a: string, b: string, there: string, back: string) =>
  book.queue(a, [book.leg(a, b, there), book.leg(b, a, back, 'THB')], [a, b]);

/**
 * ALFA has 1,000 HKD. It is to pay 700 to BETA, who lacks THB for its side; 700 to GAMA, who passes both on: these two hold
 * together; and 700 to BETA again. Whether the last or the first goes of what ALFA pays, the one to GAMA goes with it.
 */
function missed(book: Book): Ordered[] {
  const items = [
    pvp(book, ALFA, BETA, '700', '5000'),
    pvp(book, ALFA, GAMA, '700', '100'),
    pvp(book, GAMA, BETA, '700', '100'),
    pvp(book, ALFA, BETA, '700', '5000'),
  ];
  book.block(...items);
  return items;
}

t.test('what a pass has missed settles by an offer, all of it in one block', (t) => {
  const book = funded();
  const [blocked, first, second, last] = missed(book) as [Ordered, Ordered, Ordered, Ordered];
  t.equal(book.state.queue.queued().length, 4, 'no pass finds them');
  t.same(codes(book.block(offer(book, HKMA, first))), ['not_used'], 'one of them alone does not hold');
  t.same(codes(book.block(offer(book, HKMA, blocked, first, second))), ['not_used'], 'nor do three');
  t.same(codes(book.block(offer(book, HKMA, second, first))), ['used', 'settled', 'settled']);
  t.same(book.state.queue.queued(), [blocked.instruction.digest, last.instruction.digest]);
  t.same(codes(book.block(offer(book, HKMA, second, first))), ['not_used'], 'nothing of it remains');
  t.end();
});

const ROWS: readonly (readonly [code: string, says: string, given: (book: Book) => Ordered])[] = [
  ['used', 'by the party of a validator', (b) => offer(b, HKMA, ...missed(b).slice(1, 3))],
  [
    'used',
    'by a solver',
    (b) => {
      t.same(codes(b.block(solver(b, ALFA))), ['applied']);
      return offer(b, ALFA, ...missed(b).slice(1, 3));
    },
  ],
  [
    'forbidden',
    'by who is a solver no more',
    (b) => {
      b.block(solver(b, ALFA));
      b.block(solver(b, ALFA, false));
      return offer(b, ALFA, ...missed(b).slice(1, 3));
    },
  ],
  ['forbidden', 'by a bank', (b) => offer(b, ALFA, ...missed(b).slice(1, 3))],
  [
    'party_suspended',
    'by a suspended solver',
    (b) => {
      b.block(solver(b, GAMA));
      const items = missed(b);
      b.block(b.order({ kind: 'participant', action: 'suspend', initiator: HKMA, party: GAMA }));
      return offer(b, GAMA, ...items.slice(1, 3));
    },
  ],
  ['used', 'what has ended is left out', (b) => offer(b, HKMA, b.pay(ALFA, BETA, '1'), ...missed(b).slice(1, 3))],
  [
    'not_used',
    'what is scheduled is left out',
    (b) => {
      const later = b.queue(ALFA, [b.leg(ALFA, GAMA, '1')], [ALFA], { notBefore: inSeconds(b, 60) });
      b.block(later);
      return offer(b, HKMA, later);
    },
  ],
  [
    'not_used',
    'past what is more urgent to who pays',
    (b) => {
      const items = missed(b);
      b.block(b.queue(ALFA, [b.leg(ALFA, BETA, '5000')], [ALFA], { priority: 'high' }));
      return offer(b, HKMA, ...items.slice(1, 3));
    },
  ],
  [
    'not_used',
    'past what is as urgent and earlier, in strict order',
    (b) => {
      const items = missed(b);
      const reserved = { urgent: '0', high: '0' };
      b.block(b.order({ kind: 'liquidity', initiator: ALFA, asset: 'HKD', order: 'fifo', reserved }));
      return offer(b, HKMA, ...items.slice(1, 3));
    },
  ],
  [
    'not_used',
    'of what is kept for what is more urgent',
    (b) => {
      const items = missed(b);
      b.block(keep(b, ALFA, 'HKD', '301'));
      return offer(b, HKMA, ...items.slice(1, 3));
    },
  ],
  [
    'used',
    'with what is kept left there',
    (b) => {
      const items = missed(b);
      b.block(keep(b, ALFA, 'HKD', '300'));
      return offer(b, HKMA, ...items.slice(1, 3));
    },
  ],
];

t.test('a row for each answer to an offer', (t) => {
  for (const [code, says, given] of ROWS) {
    const book = funded();
    const made = given(book);
    t.same(codesOf(book.block(made), made), [code], says);
  }
  const book = funded();
  const items = missed(book).slice(1, 3);
  const many = Array.from({ length: OFFERS_PER_PARTY_MAX + 1 }, () => offer(book, HKMA, items[0] as Ordered));
  const [first, ...others] = codes(book.block(...many)).reverse();
  t.equal(first, 'too_many_offers');
  t.same(new Set(others), new Set(['not_used']));
  t.same(codes(book.block(offer(book, HKMA, ...items))), ['used', 'settled', 'settled'], 'in the next block');
  t.end();
});

t.test('a pass goes first, then offers in their order', (t) => {
  const book = funded();
  const [, first, second] = missed(book) as [Ordered, Ordered, Ordered];
  const done = book.block(book.pay(BOTH, BETA, '9000', 'THB'), offer(book, HKMA, first, second));
  t.same(codes(done), ['settled', 'settled', 'not_used'], 'the pass had the money of ALFA for what came first');
  t.end();
});

const LIMIT = { multilateral: '500' };
const toBeta = (amount: string) => ({ bilateral: [{ to: BETA, amount }] });
const limited = (book: Book, limits: object, by: string = ALFA) => keep(book, by, 'HKD', '0', { limits });
const pays = (book: Book, from: string, to: string, amount: string, more: Partial<Draft> = {}) =>
  book.queue(from, [book.leg(from, to, amount)], [from], more);

t.test('a net sender limit holds back what is queued, and what comes back gives it back', (t) => {
  for (const [limits, other] of [
    [toBeta('500'), 'settled'],
    [LIMIT, 'queued'],
  ] as const) {
    const book = funded();
    t.same(codes(book.block(limited(book, limits))), ['applied']);
    t.same(codes(book.block(pays(book, ALFA, BETA, '400'))), ['settled']);
    const second = pays(book, ALFA, BETA, '400');
    t.same(codes(book.block(second)), ['queued'], 'past the limit');
    t.same(codes(book.block(pays(book, ALFA, GAMA, '150'))), [other], 'to another');
    t.same(codes(book.block(pays(book, BETA, ALFA, '100'))).at(0), 'settled');
    t.equal(book.state.queue.queued().includes(second.instruction.digest), true, 'not enough came back');
    const loaded = State.load(book.disk.entries(), book.disk);
    t.equal(loaded.root, book.state.root);
    t.same(codesOf(book.block(pays(book, BETA, ALFA, '400')), second), ['settled']);
  }
  t.end();
});

t.test('what settles in mode gross takes no notice of a limit, and counts in it', (t) => {
  const book = funded();
  book.block(limited(book, toBeta('500')));
  t.same(codes(book.block(book.pay(ALFA, BETA, '700'))), ['settled']);
  const next = pays(book, ALFA, BETA, '1');
  t.same(codes(book.block(next)), ['queued']);
  t.same(codes(book.block(book.pay(BETA, ALFA, '200'))), ['settled'], '500 sent, and nothing more');
  t.same(codes(book.block(limited(book, toBeta('100')))), ['applied', 'settled'], 'said again it counts anew');
  t.same(codes(book.block(pays(book, ALFA, BETA, '200'))), ['queued']);
  t.same(codes(book.block(keep(book, ALFA, 'HKD', '0'))), ['applied', 'settled'], 'without limits there are none');
  t.end();
});

t.test('two that limit what they send each other settle together what either alone does not', (t) => {
  const book = funded();
  book.block(limited(book, toBeta('10')), limited(book, { bilateral: [{ to: ALFA, amount: '10' }] }, BETA));
  t.same(codes(book.block(pays(book, ALFA, BETA, '300'))), ['queued']);
  t.same(codes(book.block(pays(book, BETA, ALFA, '305'))), ['queued', 'settled', 'settled'].slice(1), 'net of 5');
  t.same(book.state.tables.limits.get(`${ALFA}/HKD`), {
    multilateral: null,
    bilateral: [{ to: BETA, most: 1000n, sent: -500n }],
  });
  t.end();
});

t.test('in strict order what a limit holds back holds back what is behind it', (t) => {
  const book = funded();
  const fifo = { order: 'fifo', limits: toBeta('10') };
  book.block(keep(book, ALFA, 'HKD', '0', fifo));
  t.same(codes(book.block(pays(book, ALFA, BETA, '20'), pays(book, ALFA, GAMA, '1'))), ['queued', 'queued']);
  t.same(codes(book.block(keep(book, ALFA, 'HKD', '0', { limits: toBeta('10') }))), ['applied', 'settled']);
  t.end();
});

t.test('what comes back of a limit lets through also what takes nothing from the account in sum', (t) => {
  const book = funded();
  book.block(limited(book, toBeta('10')));
  const through = book.queue(
    ALFA,
    [book.leg(ALFA, BETA, '20'), book.leg(BETA, ALFA, '20', 'THB'), book.leg(GAMA, ALFA, '20')],
    [ALFA, BETA, GAMA],
  );
  book.block(book.pay(HKMA, GAMA, '20'));
  t.same(codes(book.block(through)), ['queued'], 'it is funded, and past the limit');
  t.same(codes(book.block(book.pay(BETA, ALFA, '10'))), ['settled', 'settled']);
  t.end();
});

t.test('what offers name is bounded for each party, so that none takes the others their turn', (t) => {
  const book = funded();
  const parties = Array.from({ length: 63 }, (_, i) => bic(`b${String(i).padStart(3, '0')}`));
  for (const party of parties) book.block(book.admit(party));
  const [, first, second] = missed(book) as [Ordered, Ordered, Ordered];
  // Each weighs 126, and lacks the funds.
  const wide = Array.from({ length: 2 * Math.floor(OFFERED_MOVEMENTS_PER_PARTY_MAX / 126) }, () =>
    book.queue(
      GAMA,
      parties.map((to) => book.leg(GAMA, to, '5000')),
      [GAMA],
    ),
  );
  book.block(...wide);
  const half = wide.slice(wide.length / 2);
  const offers = [
    offer(book, HKMA, ...half),
    offer(book, HKMA, ...half),
    offer(book, HKMA, first, second),
    offer(book, BOTH, first, second),
  ];
  t.same(codes(book.block(...offers)), ['not_used', 'too_many_offers', 'used', 'settled', 'settled', 'not_used']);
  t.same(codes(book.block(offer(book, HKMA, ...wide))), ['too_many_offers'], 'one that is too much by itself');
  t.end();
});

t.test('what a limit counts has an end, past any limit', (t) => {
  const book = funded();
  book.block(limited(book, toBeta('1')));
  const name = `${ALFA}/HKD`;
  // As after very many rings that need no money: A to B to C to A.
  const bilateral = [{ to: BETA, most: 100n as AmountMinor, sent: SENT_MINOR_MAX - 1n }];
  const value = encodeEntry('limits', { multilateral: null, bilateral });
  book.disk.write({ state: [{ key: stateKey('limits', name), value }], ids: [], expired: null });
  book.state = State.load(book.disk.entries(), book.disk);
  const amount = formatAmount(AMOUNT_MINOR_MAX, 2);
  const ring = [book.leg(ALFA, BETA, amount), book.leg(BETA, GAMA, amount), book.leg(GAMA, ALFA, amount)];
  t.same(codes(book.block(book.settle(ALFA, ring, [ALFA, BETA, GAMA]))), ['settled'], 'with no money at all');
  t.equal(book.state.tables.limits.get(name)?.bilateral[0]?.sent, SENT_MINOR_MAX);
  t.end();
});

t.test('limits are refused as amounts and parties are', (t) => {
  const cases: readonly (readonly [string, object])[] = [
    ['unknown_party', { bilateral: [{ to: bic('none'), amount: '1' }] }],
    ['amount_precision', { multilateral: '1.001' }],
    ['amount_precision', toBeta('1.001')],
    ['amount_too_large', { multilateral: '9'.repeat(29) }],
    ['amount_too_large', toBeta('9'.repeat(29))],
  ];
  for (const [code, limits] of cases) {
    const book = funded();
    t.same(codes(book.block(limited(book, limits))), [code]);
    t.equal(book.state.tables.limits.get(`${ALFA}/HKD`), undefined);
  }
  t.end();
});
