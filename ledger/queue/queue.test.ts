/** The life of a settlement in mode `queue`: a row for each code, and each way on from where it stands. */
import { strict as assert } from 'node:assert';
import t, { type Test } from 'tap';
import {
  OPEN_MOVEMENTS_PER_PARTY_MAX,
  PASS_MOVEMENTS_PER_MS,
  QUEUE_MOVEMENTS_ASSURED,
  QUEUE_MOVEMENTS_MAX,
  QUEUE_MOVEMENTS_PER_PAYER_MAX,
  TRIGGERS_PER_BLOCK_MAX,
} from '../../protocol/limits.js';
import type { InstructionDigest } from '../../protocol/types.js';
import { formatDay, formatTime } from '../../protocol/values.js';
import { applyBlock, type Ordered } from '../apply.js';
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
  HOUR,
  hash,
} from '../samples.test-helper.js';
import { missingConsents } from '../settlement/consent.js';
import { State } from '../state.js';

/** GAMA has no money: what it is to pay waits for funds. */
const unfunded = (book: Book, more: Partial<Draft> = {}, amount = '10') =>
  book.queue(GAMA, [book.leg(GAMA, ALFA, amount)], [GAMA], more);
const inQueue = (book: Book, more: Partial<Draft> = {}, amount = '10') => {
  const settlement = unfunded(book, more, amount);
  assert(codes(book.block(settlement))[0] === 'queued', 'it is queued');
  return settlement;
};
const at = (book: Book, seconds: number): string => formatTime(book.time + 1000 * seconds);
/** A PvP that GAMA is still to sign. */
const half = (book: Book, more: Partial<Draft> = {}) => {
  const pvp = book.queue(ALFA, [book.leg(ALFA, GAMA, '1'), book.leg(GAMA, ALFA, '1', 'THB')], [ALFA], more);
  book.block(pvp);
  return pvp;
};
const suspend = (book: Book, party: string) =>
  book.block(book.order({ kind: 'participant', action: 'suspend', initiator: HKMA, party }));
const name = (book: Book, kind: 'cancel' | 'withdraw' | 'consent', by: string, { instruction }: Ordered) =>
  book.order({ kind, initiator: by, settlement: instruction.digest });
const move = (book: Book, by: string, { instruction }: Ordered, priority: string) =>
  book.order({ kind: 'reprioritise', initiator: by, settlement: instruction.digest, priority });
const keep = (book: Book, order: 'fifo' | 'bypass', urgent = '0', high = '0', by: string = ALFA, asset = 'HKD') =>
  book.order({ kind: 'liquidity', initiator: by, asset, order, reserved: { urgent, high } });
const open = (book: Book, { instruction }: Ordered) => book.state.openSettlement(instruction.digest);

interface Row {
  readonly code: string;
  readonly says: string;
  readonly given: (book: Book) => Ordered;
}
const ROWS: readonly Row[] = [
  { code: 'settled', says: 'funded, at once', given: (b) => b.queue(ALFA, [b.leg(ALFA, GAMA, '10')]) },
  { code: 'queued', says: 'unfunded', given: (b) => unfunded(b) },
  { code: 'scheduled', says: 'before its time', given: (b) => unfunded(b, { notBefore: at(b, 60) }) },
  {
    code: 'scheduled',
    says: 'before its time, though funded',
    given: (b) => b.queue(ALFA, [b.leg(ALFA, GAMA, '10')], [ALFA], { notBefore: at(b, 60) }),
  },
  {
    code: 'proposed',
    says: 'a consent is missing',
    given: (b) => b.queue(ALFA, [b.leg(ALFA, GAMA, '1'), b.leg(GAMA, ALFA, '1', 'THB')]),
  },
  {
    code: 'lapsed',
    says: 'ordered after its first cut-off',
    given: (b) => unfunded(b, { cancelUntil: formatTime(b.time + 999) }),
  },
  {
    code: 'queued',
    says: 'behind what is more urgent, though funded',
    given: (b) => {
      b.block(b.queue(ALFA, [b.leg(ALFA, GAMA, '5000')], [ALFA], { priority: 'high' }));
      return b.queue(ALFA, [b.leg(ALFA, GAMA, '1')]);
    },
  },
  {
    code: 'settled',
    says: 'past what is as urgent and lacks funds',
    given: (b) => {
      b.block(b.queue(ALFA, [b.leg(ALFA, GAMA, '5000')]));
      return b.queue(ALFA, [b.leg(ALFA, GAMA, '1')]);
    },
  },
  {
    code: 'settled',
    says: 'past what is more urgent, and only scheduled',
    given: (b) => {
      b.block(b.queue(ALFA, [b.leg(ALFA, GAMA, '5000')], [ALFA], { priority: 'high', notBefore: at(b, 60) }));
      return b.queue(ALFA, [b.leg(ALFA, GAMA, '1')]);
    },
  },
  {
    code: 'queued',
    says: 'an issuance past the cap',
    given: (b) => b.queue(HKMA, [b.leg(HKMA, ALFA, '999000')]),
  },
  { code: 'cancelled', says: 'alone, before the first cut-off', given: (b) => name(b, 'cancel', GAMA, inQueue(b)) },
  {
    code: 'cancelled',
    says: 'by who is only credited',
    given: (b) => name(b, 'cancel', ALFA, inQueue(b)),
  },
  {
    code: 'cancelled',
    says: 'while a consent is missing',
    given: (b) => {
      const pvp = b.settle(ALFA, [b.leg(ALFA, BETA, '1'), b.leg(BETA, ALFA, '1', 'THB')]);
      b.block(pvp);
      return name(b, 'cancel', BETA, pvp);
    },
  },
  {
    code: 'cancelled',
    says: 'before its time',
    given: (b) => {
      const later = unfunded(b, { notBefore: at(b, 60) });
      b.block(later);
      return name(b, 'cancel', GAMA, later);
    },
  },
  {
    code: 'cancelled',
    says: 'by a suspended party',
    given: (b) => {
      const settlement = inQueue(b);
      b.block(b.order({ kind: 'participant', action: 'suspend', initiator: HKMA, party: GAMA }));
      return name(b, 'cancel', GAMA, settlement);
    },
  },
  {
    code: 'cancel_agreed',
    says: 'the first, between the cut-offs',
    given: (b) => name(b, 'cancel', GAMA, inQueue(b, { cancelUntil: at(b, 1), cutoff: at(b, 60) })),
  },
  {
    code: 'cancelled',
    says: 'the last, between the cut-offs',
    given: (b) => {
      const settlement = inQueue(b, { cancelUntil: at(b, 1), cutoff: at(b, 60) });
      b.block(name(b, 'cancel', GAMA, settlement));
      return name(b, 'cancel', ALFA, settlement);
    },
  },
  {
    code: 'already_consented',
    says: 'to cancel, twice',
    given: (b) => {
      const settlement = inQueue(b, { cancelUntil: at(b, 1), cutoff: at(b, 60) });
      b.block(name(b, 'cancel', GAMA, settlement));
      return name(b, 'cancel', GAMA, settlement);
    },
  },
  {
    code: 'irrevocable',
    says: 'past the second cut-off',
    given: (b) => name(b, 'cancel', GAMA, inQueue(b, { cancelUntil: at(b, 1), cutoff: at(b, 1) })),
  },
  { code: 'not_a_party', says: 'a stranger cancels', given: (b) => name(b, 'cancel', BETA, inQueue(b)) },
  {
    code: 'not_a_party',
    says: 'a stranger cancels past the cut-offs',
    given: (b) => name(b, 'cancel', BETA, inQueue(b, { cancelUntil: at(b, 1), cutoff: at(b, 1) })),
  },
  {
    code: 'settlement_closed',
    says: 'cancelled once it has settled',
    given: (b) => {
      const pay = b.pay(ALFA, BETA, '1');
      b.block(pay);
      return name(b, 'cancel', ALFA, pay);
    },
  },
  {
    code: 'not_queued',
    says: 'cancel of what nobody knows',
    given: (b) => b.order({ kind: 'cancel', initiator: ALFA, settlement: hash('none') }),
  },
  { code: 'already_bound', says: 'withdrawn from the queue', given: (b) => name(b, 'withdraw', GAMA, inQueue(b)) },
  { code: 'not_a_party', says: 'a stranger withdraws', given: (b) => name(b, 'withdraw', BETA, inQueue(b)) },
  { code: 'already_consented', says: 'once it is bound', given: (b) => name(b, 'consent', GAMA, inQueue(b)) },
  { code: 'consent_not_required', says: 'of who is credited', given: (b) => name(b, 'consent', ALFA, inQueue(b)) },
  { code: 'applied', says: 'more urgent', given: (b) => move(b, GAMA, inQueue(b), 'urgent') },
  { code: 'forbidden', says: 'moved by who is only credited', given: (b) => move(b, ALFA, inQueue(b), 'urgent') },
  {
    code: 'party_suspended',
    says: 'moved by a suspended party',
    given: (b) => {
      const settlement = inQueue(b);
      b.block(b.order({ kind: 'participant', action: 'suspend', initiator: HKMA, party: GAMA }));
      return move(b, GAMA, settlement, 'urgent');
    },
  },
  {
    code: 'not_queued',
    says: 'moved while a consent is missing',
    given: (b) => {
      const pvp = b.queue(ALFA, [b.leg(ALFA, BETA, '1'), b.leg(BETA, ALFA, '1', 'THB')]);
      b.block(pvp);
      return move(b, ALFA, pvp, 'urgent');
    },
  },
  {
    code: 'not_queued',
    says: 'a move of what nobody knows',
    given: (b) => b.order({ kind: 'reprioritise', initiator: ALFA, settlement: hash('none'), priority: 'high' }),
  },
  {
    code: 'settlement_closed',
    says: 'moved once it has settled',
    given: (b) => {
      const pay = b.pay(ALFA, BETA, '1');
      b.block(pay);
      return move(b, ALFA, pay, 'urgent');
    },
  },
];

/** What is asked of a settlement at the last moment that counts, and a millisecond later. */
const LAST_MOMENTS: readonly (readonly [
  date: 'cancelUntil' | 'cutoff' | 'settleBy',
  asked: string,
  until: string,
  then: string,
])[] = [
  ['cancelUntil', 'cancel', 'cancelled', 'cancel_agreed'],
  ['cutoff', 'cancel', 'cancel_agreed', 'irrevocable'],
  ['settleBy', 'reprioritise', 'applied', 'settlement_closed'],
];

t.test('each date counts to its last millisecond', (t) => {
  for (const [date, asked, until, then] of LAST_MOMENTS) {
    for (const [code, late] of [
      [until, 0],
      [then, 1],
    ] as const) {
      const book = funded();
      const dates = { cancelUntil: at(book, 10), cutoff: at(book, 20), settleBy: at(book, 30) };
      const settlement = inQueue(book, dates);
      const due = { cancelUntil: 10, cutoff: 20, settleBy: 30 }[date] * 1000 - 1000 + late;
      const item = asked === 'cancel' ? name(book, 'cancel', GAMA, settlement) : move(book, GAMA, settlement, 'urgent');
      t.same(codesOf(book.lanes([[item]], due), item), [code], `${date}, ${late} ms late`);
    }
  }
  const book = funded();
  const settlement = inQueue(book, { settleBy: at(book, 30) });
  const credit = book.pay(ALFA, GAMA, '10');
  t.same(codes(book.lanes([[credit]], 29_000)), ['settled', 'settled'], 'funds in the last one settle it');
  t.equal(open(book, settlement), undefined);
  t.end();
});

t.test('what lacks a consent: it comes, it does not, or a party leaves', (t) => {
  const book = funded();
  book.block(book.pay(ALFA, GAMA, '5', 'THB'));
  const [now, later, left, lapsing] = [
    half(book),
    half(book, { notBefore: at(book, 600) }),
    half(book),
    half(book, { cancelUntil: at(book, 60), cutoff: at(book, 90) }),
  ];
  t.same(codes(book.block(name(book, 'consent', GAMA, now))), ['consented', 'settled']);
  t.same(codes(book.block(name(book, 'consent', GAMA, later))), ['consented', 'scheduled']);
  t.same(codes(book.block(name(book, 'withdraw', ALFA, left))), ['withdrawn', 'withdrawn']);
  t.same(codesOf(book.pass(60_000), lapsing), ['lapsed'], 'past its cancelUntil, whatever its settleBy');
  const far = half(book, { cancelUntil: at(book, 60 * 3600), settleBy: at(book, 90 * 3600) });
  t.same(codesOf(book.pass(25 * HOUR), far), ['lapsed'], 'consents come within a day of its expires');

  const suspended = half(book);
  suspend(book, ALFA);
  t.same(codes(book.block(name(book, 'consent', GAMA, suspended))), ['consented', 'party_suspended']);
  sameAfterRestart(t, book);
  t.end();
});

t.test('what is scheduled: it is cancelled, moved, lapses unseen, or joins the queue without a receipt', (t) => {
  const book = funded();
  const dates = { notBefore: at(book, 600), cancelUntil: at(book, 10), cutoff: at(book, 300), settleBy: at(book, 900) };
  const [together, stays] = [unfunded(book, dates), unfunded(book, dates)];
  book.block(together, stays);
  t.same(codes(book.block(move(book, GAMA, stays, 'urgent'), move(book, GAMA, stays, 'high'))), ['applied', 'applied']);
  t.match(open(book, stays)?.bound?.priorities, [{ party: GAMA, priority: 'high' }]);
  book.pass(60_000);
  t.same(codes(book.block(name(book, 'cancel', GAMA, together))), ['cancel_agreed']);
  sameAfterRestart(t, book);
  t.same(codes(book.block(name(book, 'cancel', ALFA, together))), ['cancelled', 'cancelled']);
  book.pass(300_000);
  t.same(codes(book.block(name(book, 'cancel', GAMA, stays))), ['irrevocable']);
  t.same(codes(book.pass(300_000)), []);
  t.same(book.state.queue.queued(), [stays.instruction.digest], 'its time has come');
  sameAfterRestart(t, book);
  t.same(codes(book.block(book.pay(ALFA, GAMA, '10'))), ['settled', 'settled']);

  const unseen = unfunded(book, { notBefore: at(book, 60), settleBy: at(book, 90) });
  book.block(unseen);
  t.same(codes(book.pass(HOUR)), ['lapsed'], 'no block came in its time');
  t.equal(book.state.queue.boundPlaces, 0);

  const agreed = inQueue(book, { cancelUntil: at(book, 1), cutoff: at(book, 60) });
  book.block(name(book, 'cancel', GAMA, agreed));
  t.same(
    codes(book.block(book.pay(ALFA, GAMA, '10'))),
    ['settled', 'settled'],
    'one agreement to cancel holds nothing',
  );
  t.end();
});

t.test('a pass is owed when a cap goes up, money comes home, and what was in the way leaves', (t) => {
  const book = funded();
  const issue = book.queue(HKMA, [book.leg(HKMA, ALFA, '999000')]);
  book.block(issue);
  t.same(codes(book.block(book.pay(ALFA, HKMA, '500'))), ['settled'], 'not enough has come home');
  t.same(codes(book.block(book.pay(BETA, HKMA, '500'))), ['settled', 'settled']);
  const another = book.queue(HKMA, [book.leg(HKMA, ALFA, '999000')]);
  book.block(another);
  t.same(codes(book.block(book.asset('HKD', HKMA, { cap: '2000000.00' }))), ['applied', 'settled']);

  const urgent = { priority: 'urgent', settleBy: at(book, 60) };
  const big = book.queue(BETA, [book.leg(BETA, GAMA, '5000', 'THB')], [BETA], urgent);
  const small = () => book.queue(BETA, [book.leg(BETA, GAMA, '1', 'THB')]);
  t.same(codes(book.block(big, small())), ['queued', 'queued']);
  t.same(codes(book.block(name(book, 'cancel', BETA, big))), ['cancelled', 'cancelled', 'settled']);
  const second = book.queue(BETA, [book.leg(BETA, GAMA, '5000', 'THB')], [BETA], urgent);
  book.block(second, small());
  t.same(codes(book.pass(60_000)), ['lapsed', 'settled']);
  t.end();
});

t.test('an id is taken as long as what it began is open, and a day longer', (t) => {
  const book = funded();
  const settlement = inQueue(book, { settleBy: at(book, 40 * 24 * 3600) });
  const { id } = settlement.instruction.payload;
  const other = () => book.queue(GAMA, [book.leg(GAMA, BETA, '1')], [GAMA], { id });
  book.pass(10 * 24 * HOUR);
  t.same(codes(book.block(other())), [], 'after ten days');
  sameAfterRestart(t, book);
  t.match(book.state.record(GAMA, id as never), { digest: settlement.instruction.digest, code: 'queued' });
  const registered = open(book, settlement)?.since;
  t.same(codes(book.block(book.pay(ALFA, GAMA, '10'))), ['settled', 'settled']);
  const record = book.state.record(GAMA, id as never);
  t.match(record, { code: 'settled', since: registered });
  t.equal(record?.until, book.time + 24 * HOUR + 2_000, 'no longer than what settles at once');
  t.same(codes(book.block(other(), settlement)), []);
  book.pass(25 * HOUR);
  t.same(codes(book.block(other())), ['queued'], 'then it is free');
  t.end();
});

t.test('what is due and holds by itself waits for no pass, and so for nobody else', (t) => {
  const book = funded();
  const parties = Array.from({ length: 63 }, (_, i) => bic(`b${String(i).padStart(3, '0')}`));
  for (const party of parties) book.block(book.admit(party));
  const notBefore = at(book, 60);
  const pvp = book.queue(ALFA, [book.leg(ALFA, BETA, '1'), book.leg(BETA, ALFA, '1', 'THB')], [ALFA, BETA], {
    notBefore,
    settleBy: formatTime(book.time + 60_001),
  });
  const others = Array.from({ length: 150 }, () => wide(book, parties, GAMA));
  book.block(pvp, ...others);
  book.pass(58_990);
  const moved = move(book, GAMA, others[0]!, 'urgent');
  book.lanes([[moved]], 5);
  t.equal(book.state.queue.mark.passedAt, book.time, 'a pass was just made: the next is some way off');
  t.same(codesOf(book.pass(5), pvp), ['settled']);
  t.end();
});

t.test('what is due is let through by time, then by place', (t) => {
  const book = funded();
  const after = (seconds: number) =>
    book.queue(ALFA, [book.leg(ALFA, GAMA, '600')], [ALFA], { notBefore: at(book, seconds) });
  const late = after(60);
  // Against the order of their digests, which must not count.
  const early = [30, 30, 30].map(after).sort((a, b) => (a.instruction.digest < b.instruction.digest ? 1 : -1));
  book.block(late, ...early);
  t.same(codesOf(book.pass(90_000), early[0]!), ['settled'], 'the earliest time, and of these the first');
  const rest = [late, ...early.slice(1)].map(({ instruction }) => instruction.digest);
  t.same(book.state.queue.queued(), rest, 'the others stand by place');
  t.end();
});

t.test('what is due goes by its place in strict order: before what came later, behind what came earlier', (t) => {
  const book = funded();
  const parties = Array.from({ length: 63 }, (_, i) => bic(`b${String(i).padStart(3, '0')}`));
  for (const party of parties) book.block(book.admit(party));
  book.block(keep(book, 'fifo', '0', '0', ALFA, 'THB'));
  const after = (seconds: number) =>
    book.queue(ALFA, [book.leg(ALFA, BETA, '1', 'THB')], [ALFA], { notBefore: at(book, seconds) });
  const early = after(60);
  const unfunded = book.queue(ALFA, [book.leg(ALFA, BETA, '5000', 'THB')]);
  const late = after(60);
  const others = Array.from({ length: 150 }, () => wide(book, parties, GAMA));
  book.block(early, unfunded, late, ...others);
  book.pass(58_990);
  book.lanes([[move(book, GAMA, others[0]!, 'urgent')]], 5);
  t.same(codes(book.pass(5)), ['settled'], 'the next pass is some way off');
  t.equal(open(book, early), undefined);
  t.same(codes(book.pass(200)), [], 'nor does a pass let the other through');
  t.not(open(book, late), undefined, 'it came after what is unfunded');
  t.end();
});

/** ALFA sells HKD to BETA for THB, and buys them back 100 s later. */
const swap = (book: Book, signers: readonly string[] = [ALFA, BETA], amount = '100', more: Partial<Draft> = {}) => {
  const legs = (from: string, to: string) => [book.leg(from, to, amount), book.leg(to, from, '400', 'THB')];
  const far = { legs: legs(BETA, ALFA), notBefore: at(book, 100), settleBy: at(book, 200) };
  return book.queue(ALFA, legs(ALFA, BETA), signers, { settleBy: at(book, 50), linked: [far], ...more });
};

t.test('linked parts: near legs, then far legs, under one digest', (t) => {
  const book = funded();
  const both = () => [ALFA, BETA].flatMap((party) => [book.balance(party), book.balance(party, 'THB')]);
  const before = both();
  const first = swap(book);
  t.same(codes(book.block(first)), ['part_settled']);
  t.same(both(), [90_000n, 140_000n, 110_000n, 60_000n]);
  t.match(open(book, first), { linked: [], bound: { place: 0 }, since: book.time });
  sameAfterRestart(t, book);
  t.same(codes(book.block(first, name(book, 'consent', BETA, first))), ['already_consented'], 'a copy adds nothing');
  t.same(codes(book.block(name(book, 'cancel', ALFA, first))), ['cancel_agreed'], 'nobody leaves alone now');
  t.same(codes(book.pass(96_000)), []);
  t.same(codes(book.pass(1_000)), ['settled']);
  t.same(both(), before);
  t.equal(open(book, first), undefined);
  t.equal(book.state.queue.boundPlaces, 0);

  const left = swap(book);
  t.same(codes(book.block(left)), ['part_settled']);
  const leave = [name(book, 'cancel', ALFA, left), name(book, 'cancel', BETA, left)];
  t.same(codes(book.block(...leave)), ['cancel_agreed', 'cancelled', 'part_cancelled'], 'all together do');
  t.same(both(), [90_000n, 140_000n, 110_000n, 60_000n], 'and what has settled stands');
  t.end();
});

t.test(
  'linked parts: until the first settles they are cancelled, and lapse, whole; then what has settled stands',
  (t) => {
    const book = funded();
    const [cancelled, lapsed, half_] = [
      swap(book, [ALFA, BETA], '5000'),
      swap(book, [ALFA, BETA], '5000'),
      swap(book, [ALFA]),
    ];
    t.same(codes(book.block(cancelled, lapsed, half_)), ['proposed', 'queued', 'queued']);
    t.equal(book.state.queue.boundPlaces, 8, 'so many as the largest part');
    t.same(codes(book.block(name(book, 'cancel', BETA, cancelled))), ['cancelled', 'cancelled']);
    t.same(codesOf(book.block(name(book, 'consent', BETA, half_)), half_), ['part_settled']);
    t.same(codesOf(book.pass(50_000), lapsed), ['lapsed']);
    book.block(book.pay(BETA, GAMA, '1100'));
    t.same(codes(book.pass(60_000)), [], 'BETA has spent what it is to give back');
    t.same(book.state.queue.queued(), [half_.instruction.digest]);
    sameAfterRestart(t, book);
    t.same(codes(book.pass(100_000)), ['part_lapsed'], 'and it is told so');
    t.equal(book.balance(ALFA), 90_000n);

    const queued = swap(book, [ALFA, BETA], '950');
    t.same(codes(book.block(queued)), ['queued']);
    t.same(codes(book.block(book.pay(GAMA, ALFA, '100'))), ['settled', 'part_settled'], 'in a pass, too');
    t.same(codes(book.lanes([[]], 97_000)), [], 'one receipt, and then no more until its time');
    t.same(codes(book.pass(2_000)), ['settled']);
    t.end();
  },
);

t.test('linked parts: a priority given to one part is the next one’s too', (t) => {
  const book = funded();
  const later = swap(book, [ALFA, BETA], '100', { notBefore: at(book, 20) });
  book.block(later);
  t.same(codes(book.block(move(book, ALFA, later, 'urgent'))), ['applied']);
  t.same(codes(book.pass(30_000)), ['part_settled']);
  book.block(book.pay(ALFA, GAMA, '1300', 'THB'));
  t.same(codes(book.pass(70_000)), [], 'ALFA lacks what it is to give back');
  t.same(book.state.queue.queued(), [later.instruction.digest]);
  const less = (priority: string) => book.queue(ALFA, [book.leg(ALFA, GAMA, '1', 'THB')], [ALFA], { priority });
  t.same(codes(book.block(less('high'))), ['queued']);
  t.same(codes(book.block(less('urgent'))), ['settled'], 'it is urgent still');
  t.end();
});

t.test('linked parts: nobody leaves in the block in which a part settles', (t) => {
  const book = funded();
  const later = swap(book, [ALFA, BETA], '100', {
    notBefore: at(book, 20),
    cancelUntil: at(book, 5),
    cutoff: at(book, 5),
  });
  t.same(codes(book.block(later)), ['scheduled']);
  book.pass(10_000);
  t.same(codes(book.block(name(book, 'cancel', BETA, later))), ['irrevocable']);
  const all = [name(book, 'cancel', BETA, later), name(book, 'cancel', ALFA, later)];
  t.same(
    codes(book.lanes([all], 8_000)),
    ['part_settled', 'irrevocable', 'irrevocable'],
    'one receipt for it in a block',
  );
  const alone = name(book, 'cancel', BETA, later);
  t.same(codes(book.lanes([[alone]], 1)), ['cancel_agreed'], 'and nobody alone in the next');
  t.same(codes(book.block(name(book, 'cancel', ALFA, later))), ['cancelled', 'part_cancelled']);
  t.end();
});

t.test(
  'an id stays with what is open though its lapse is late, and with who has it when what waited ends late',
  (t) => {
    const book = funded();
    const settleBy = at(book, 10 * 24 * 3600);
    const many = Array.from({ length: TRIGGERS_PER_BLOCK_MAX + 20 }, () => unfunded(book, { settleBy }));
    book.block(...many);
    const [first, ...others] = many.map(({ instruction }) => instruction.payload.id);
    t.ok(first !== undefined && others.length > 0);
    book.lanes([], 10 * 24 * HOUR - 1000);
    book.lanes([], 1);
    const left = many.filter((each) => open(book, each) !== undefined);
    t.equal(left.length, 20, 'their lapse is late');
    const again = (of: Ordered) =>
      book.queue(GAMA, [book.leg(GAMA, BETA, '1')], [GAMA], { id: of.instruction.payload.id });
    t.same(
      codes(book.try([left.map(again)], 1)).filter((code) => code !== 'lapsed'),
      [],
      'their ids are still theirs',
    );
    book.lanes([], 1);
    sameAfterRestart(t, book);
    book.pass(25 * HOUR);
    t.same(codes(book.block(again(left[0]!))), ['queued'], 'a day later they are free');
    sameAfterRestart(t, book);
    t.end();
  },
);

t.test('linked parts: whoever pays in any must consent, may leave, and has its places', (t) => {
  const book = funded();
  // GAMA pays in the far part alone.
  const far = { legs: [book.leg(GAMA, ALFA, '1')], notBefore: at(book, 100), settleBy: at(book, 200) };
  const ask = () => book.queue(ALFA, [book.leg(ALFA, BETA, '1')], [ALFA], { settleBy: at(book, 50), linked: [far] });
  const [settles, leaves] = [ask(), ask()];
  t.same(codes(book.block(settles, leaves)), ['proposed', 'proposed']);
  t.same(missingConsents(book.state, open(book, settles)!), [GAMA]);
  t.same(codes(book.block(name(book, 'withdraw', GAMA, leaves))), ['withdrawn', 'withdrawn']);
  t.same(codes(book.block(name(book, 'consent', GAMA, settles))), ['consented', 'part_settled']);
  t.equal(book.state.queue.reserved(GAMA), 2);
  t.same(codes(book.block(move(book, GAMA, settles, 'urgent'))), ['applied']);
  suspend(book, GAMA);
  const third = ask();
  t.same(codes(book.block(third)), ['party_suspended'], 'of any part');
  t.same(codes(book.block(book.pay(BETA, ALFA, '1'))), ['settled']);
  for (const [code, amount] of [
    ['amount_precision', '0.001'],
    ['amount_too_large', '9'.repeat(29)],
  ] as const) {
    const wrong = { ...far, legs: [book.leg(BETA, ALFA, amount)] };
    const more = { settleBy: at(book, 50), linked: [wrong] };
    t.same(codes(book.block(book.queue(ALFA, [book.leg(ALFA, BETA, '1')], [ALFA, BETA], more))), [code], 'in any part');
  }
  t.end();
});

const DAY = 24 * HOUR;
/** The date so many days from the book's. */
const dateAt = (book: Book, days: number): string => formatDay(Math.floor(book.time / DAY) + days);
/** Business days of an asset, open from one hour to another, by UTC. */
const hours = (book: Book, asset: string, days: readonly number[], from: number, to: number, by?: string) =>
  book.order({
    kind: 'calendar',
    initiator: by ?? (asset === 'THB' ? BOTH : HKMA),
    asset,
    zone: 'UTC',
    days: days.map((day) => {
      const midnight = (Math.floor(book.time / DAY) + day) * DAY;
      return {
        date: dateAt(book, day),
        open: formatTime(midnight + from * HOUR),
        close: formatTime(midnight + to * HOUR),
      };
    }),
  });
const onDay = (book: Book, valueDate: string, more: Partial<Draft> = {}) =>
  book.settle(ALFA, [book.leg(ALFA, BETA, '1'), book.leg(BETA, ALFA, '4', 'THB')], [ALFA, BETA], {
    mode: 'queue',
    valueDate,
    ...more,
  });

t.test('a row for each code of calendars and value dates', (t) => {
  const rows: readonly Row[] = [
    { code: 'applied', says: 'business days', given: (b) => hours(b, 'HKD', [1, 2], 8, 17) },
    { code: 'unknown_asset', says: 'of what is not defined', given: (b) => hours(b, 'USD', [1], 8, 17) },
    { code: 'forbidden', says: 'by another authority', given: (b) => hours(b, 'HKD', [1], 8, 17, BOTH) },
    { code: 'forbidden', says: 'by a bank', given: (b) => hours(b, 'HKD', [1], 8, 17, ALFA) },
    { code: 'scheduled', says: 'without calendars, any day', given: (b) => onDay(b, dateAt(b, 1)) },
    { code: 'settled', says: 'without calendars, today', given: (b) => onDay(b, dateAt(b, 0)) },
    {
      code: 'value_date_closed',
      says: 'a holiday in one of two currencies',
      given: (b) => (b.block(hours(b, 'HKD', [1, 3], 8, 17)), onDay(b, dateAt(b, 2))),
    },
    {
      code: 'value_date_closed',
      says: 'past what was published',
      given: (b) => (b.block(hours(b, 'HKD', [1, 3], 8, 17)), onDay(b, dateAt(b, 4))),
    },
    {
      code: 'value_date_closed',
      says: 'hours that do not meet',
      given: (b) => (b.block(hours(b, 'HKD', [1], 8, 12), hours(b, 'THB', [1], 12, 17)), onDay(b, dateAt(b, 1))),
    },
    { code: 'value_date_closed', says: 'yesterday', given: (b) => onDay(b, dateAt(b, -1)) },
    {
      code: 'value_date_closed',
      says: 'a cut-off past the close',
      given: (b) => {
        b.block(hours(b, 'HKD', [1], 8, 12));
        const late = formatTime((Math.floor(b.time / DAY) + 1) * DAY + 13 * HOUR);
        return onDay(b, dateAt(b, 1), { cancelUntil: late });
      },
    },
    {
      code: 'value_date_closed',
      says: 'a far leg on a holiday',
      given: (b) => {
        b.block(hours(b, 'THB', [1, 3], 8, 17));
        const far = { legs: [b.leg(BETA, ALFA, '1', 'THB')], valueDate: dateAt(b, 2) };
        return onDay(b, dateAt(b, 1), { linked: [far] });
      },
    },
    {
      code: 'value_date_closed',
      says: 'a far value date before the near one',
      given: (b) => {
        const far = { legs: [b.leg(BETA, ALFA, '1', 'THB')], valueDate: dateAt(b, 1) };
        return onDay(b, dateAt(b, 1), { linked: [far] });
      },
    },
    {
      code: 'scheduled',
      says: 'near and far legs on business days of both',
      given: (b) => {
        b.block(hours(b, 'THB', [1, 3], 8, 17), hours(b, 'HKD', [1, 2, 3], 2, 10));
        const far = { legs: [b.leg(BETA, ALFA, '1', 'THB')], valueDate: dateAt(b, 3) };
        return onDay(b, dateAt(b, 1), { linked: [far] });
      },
    },
  ];
  for (const { code, says, given } of rows) {
    const book = funded();
    const ordered = given(book);
    t.same(codesOf(book.block(ordered), ordered), [code], `${code}: ${says}`);
    sameAfterRestart(t, book);
    t.same(codes(book.block(ordered)), [], 'and once more it has no effect');
  }
  t.end();
});

t.test('a value date: it settles in the hours that all have in common, and keeps them', (t) => {
  const book = funded();
  book.block(hours(book, 'HKD', [1, 2, 3], 1, 9), hours(book, 'THB', [1, 3], 2, 10));
  const [trade, unfunded_] = [
    onDay(book, dateAt(book, 1)),
    onDay(book, dateAt(book, 1), { legs: [book.leg(ALFA, BETA, '5000')] }),
  ];
  t.same(codes(book.block(trade, unfunded_)), ['scheduled', 'scheduled']);
  const midnight = (Math.floor(book.time / DAY) + 1) * DAY;
  // The authority makes it a holiday, too late for what was begun.
  t.same(codes(book.block(hours(book, 'THB', [2, 3], 2, 10))), ['applied']);
  t.same(
    book.state.tables.calendars.get('THB')?.days.map(({ day }) => day - midnight / DAY),
    [0, 1, 2],
  );
  t.same(codes(book.block(hours(book, 'THB', [0, 2], 3, 9))), ['applied']);
  t.same(
    book.state.tables.calendars
      .get('THB')
      ?.days.map(({ day, openMs }) => [day - midnight / DAY, (openMs % DAY) / HOUR]),
    [
      [-1, 3],
      [1, 3],
      [2, 2],
    ],
    'what it says of the days between takes the place of what it said',
  );
  t.same(codesOf(book.lanes([], midnight + 2 * HOUR - 1 - book.time), trade), []);
  t.same(codesOf(book.lanes([], 1), trade), ['settled'], 'when the last of them opens');
  t.same(codesOf(book.lanes([], midnight + 9 * HOUR - book.time), unfunded_), []);
  t.same(codesOf(book.lanes([], 1), unfunded_), ['lapsed'], 'when the first of them has closed');
  book.pass(20 * DAY);
  book.block(hours(book, 'THB', [1], 3, 9));
  t.equal(book.state.tables.calendars.get('THB')?.days.length, 1, 'days that are long over go');
  t.end();
});

const LIQUIDITY_ROWS: readonly Row[] = [
  { code: 'applied', says: 'strict order', given: (b) => keep(b, 'fifo') },
  { code: 'unknown_asset', says: 'of what is not defined', given: (b) => keep(b, 'fifo', '0', '0', ALFA, 'USD') },
  { code: 'amount_precision', says: 'a tenth of a cent', given: (b) => keep(b, 'fifo', '0.001') },
  {
    code: 'amount_precision',
    says: 'before what is too large',
    given: (b) => keep(b, 'fifo', '9'.repeat(29), '0.001'),
  },
  { code: 'amount_too_large', says: 'more than there can be', given: (b) => keep(b, 'fifo', '0', '9'.repeat(29)) },
  {
    code: 'party_suspended',
    says: 'by a suspended party',
    given: (b) => {
      b.block(b.order({ kind: 'participant', action: 'suspend', initiator: HKMA, party: ALFA }));
      return keep(b, 'fifo');
    },
  },
  {
    code: 'queued',
    says: 'normal, into what is kept for high',
    given: (b) => {
      b.block(keep(b, 'bypass', '100', '200'));
      return b.queue(ALFA, [b.leg(ALFA, GAMA, '700.01')]);
    },
  },
  {
    code: 'settled',
    says: 'normal, up to what is kept',
    given: (b) => {
      b.block(keep(b, 'bypass', '100', '200'));
      return b.queue(ALFA, [b.leg(ALFA, GAMA, '700')]);
    },
  },
  {
    code: 'queued',
    says: 'high, into what is kept for urgent',
    given: (b) => {
      b.block(keep(b, 'bypass', '100', '200'));
      return b.queue(ALFA, [b.leg(ALFA, GAMA, '900.01')], [ALFA], { priority: 'high' });
    },
  },
  {
    code: 'settled',
    says: 'urgent, all there is',
    given: (b) => {
      b.block(keep(b, 'bypass', '100', '200'));
      return b.queue(ALFA, [b.leg(ALFA, GAMA, '1000')], [ALFA], { priority: 'urgent' });
    },
  },
  {
    code: 'settled',
    says: 'gross, all there is',
    given: (b) => (b.block(keep(b, 'bypass', '100', '200')), b.pay(ALFA, GAMA, '1000')),
  },
  {
    code: 'queued',
    says: 'behind what is as urgent, in strict order',
    given: (b) => {
      b.block(keep(b, 'fifo'), b.queue(ALFA, [b.leg(ALFA, GAMA, '5000')]));
      return b.queue(ALFA, [b.leg(ALFA, GAMA, '1')]);
    },
  },
  {
    code: 'settled',
    says: 'past what is less urgent, in strict order',
    given: (b) => {
      b.block(keep(b, 'fifo'), b.queue(ALFA, [b.leg(ALFA, GAMA, '5000')]));
      return b.queue(ALFA, [b.leg(ALFA, GAMA, '1')], [ALFA], { priority: 'high' });
    },
  },
];

/** What is derived from the settlements is found again on the disk, and goes on in the same way. */
function sameAfterRestart(t: Test, book: Book): void {
  const loaded = State.load(book.disk.entries(), book.disk);
  const derived = ({ queue, counts, openIds }: State) => ({
    mark: queue.mark,
    queued: queue.queued(),
    scheduled: queue.nextScheduled(),
    movements: [queue.boundPlaces, queue.queuedMovements],
    byParty: [ALFA, BETA, GAMA, HKMA, BOTH].map((party) => [
      queue.reserved(party),
      queue.boundBy(party, null, 99),
      queue.proposedTo(party, '', 99),
      counts.open.get(party),
      counts.openMovements.get(party),
    ]),
    ids: openIds.entries(),
  });
  t.same(derived(loaded), derived(book.state));
  t.equal(loaded.nextTrigger(), book.state.nextTrigger(), 'what is due is the same after a restart');
  const next = book.next(60_000);
  t.equal(applyBlock(loaded, next, []).stateRoot, book.try([], 60_000).stateRoot, 'and so is what follows');
}

t.test('a row for each code of the queue', (t) => {
  for (const { code, says, given } of [...ROWS, ...LIQUIDITY_ROWS]) {
    const book = funded();
    const ordered = given(book);
    const applied = book.block(ordered);
    t.same(codesOf(applied, ordered), [code], `${code}: ${says}`);
    sameAfterRestart(t, book);
    t.same(codes(book.block(ordered)), [], 'and once more it has no effect');
  }
  t.end();
});

t.test('what ends a settlement of the queue', (t) => {
  const book = funded();
  const settlement = inQueue(book, { settleBy: at(book, 30) });
  t.same(codes(book.pass(29_000)), [], 'to its last moment it stands');
  t.same(codes(book.pass(1)), ['lapsed']);
  t.equal(open(book, settlement), undefined);
  t.equal(book.state.queue.reserved(GAMA), 0);

  const credited = inQueue(book);
  t.same(codes(book.block(book.pay(ALFA, GAMA, '9'))), ['settled'], 'too little');
  t.same(codes(book.block(book.pay(ALFA, GAMA, '1'))), ['settled', 'settled'], 'in the block that brings the funds');
  t.equal(open(book, credited), undefined);
  t.equal(book.balance(GAMA), 0n);
  t.equal(book.state.queue.nextPass(), null, 'nothing is left to be done');

  const later = unfunded(book, { notBefore: at(book, 60), settleBy: at(book, 90) });
  book.block(later, book.pay(ALFA, GAMA, '10'));
  t.same(codes(book.pass(58_999)), [], 'before its time it does not settle');
  t.equal(book.state.nextTrigger(), book.time + 1);
  t.same(codes(book.pass(1)), ['settled'], 'in its time it does, and nobody need ask');

  const together = inQueue(book, { cancelUntil: at(book, 5), cutoff: at(book, 60) });
  t.same(codes(book.block(name(book, 'cancel', GAMA, together))), ['cancelled', 'cancelled']);
  t.end();
});

t.test('a withdrawal, a cancellation and a consent in one block', (t) => {
  const book = funded();
  const pvp = book.queue(ALFA, [book.leg(ALFA, GAMA, '1'), book.leg(GAMA, ALFA, '1', 'THB')]);
  book.block(pvp);
  t.same(missingConsents(book.state, open(book, pvp)!), [GAMA]);
  const [consent, cancel] = [name(book, 'consent', GAMA, pvp), name(book, 'cancel', ALFA, pvp)];
  t.same(codes(book.block(consent, cancel)), ['cancelled', 'cancelled', 'settlement_closed'], 'who leaves goes first');

  const second = book.queue(ALFA, [book.leg(ALFA, GAMA, '1'), book.leg(GAMA, ALFA, '1', 'THB')]);
  book.block(second);
  t.same(codes(book.block(name(book, 'consent', GAMA, second))), ['consented', 'queued'], 'bound, it has its place');
  t.same(missingConsents(book.state, open(book, second)!), []);
  const third = book.queue(ALFA, [book.leg(ALFA, GAMA, '1')], [ALFA]);
  book.block(name(book, 'withdraw', ALFA, third));
  t.same(codes(book.block(third)), ['withdrawn', 'withdrawn'], 'a withdrawal that waited is heeded before it is bound');
  t.end();
});

t.test('a gridlock of three banks in three currencies, none of which can move alone, settles in one block', (t) => {
  const book = funded();
  book.block(book.asset('GOLDX', GAMA, { class: 'commodity', issuer: GAMA, cap: '1000.00' }, GAMA, HKMA));
  book.block(book.pay(GAMA, ALFA, '5', 'GOLDX'), book.pay(ALFA, BETA, '1000'), book.pay(BETA, ALFA, '1000', 'THB'));
  // ALFA has THB and GOLDX, BETA has HKD, GAMA has nothing.
  const legs = [
    [book.leg(ALFA, BETA, '2000'), book.leg(BETA, ALFA, '3', 'GOLDX')],
    [book.leg(BETA, GAMA, '2000'), book.leg(GAMA, BETA, '2500', 'THB')],
    [book.leg(GAMA, ALFA, '2000'), book.leg(ALFA, GAMA, '2500', 'THB')],
  ] as const;
  const parties = [
    [ALFA, BETA],
    [BETA, GAMA],
    [GAMA, ALFA],
  ] as const;
  const ring = legs.map((pair, i) => book.queue(parties[i]![0], [...pair], [...parties[i]!]));
  book.block(book.pay(ALFA, BETA, '3', 'GOLDX'), book.pay(ALFA, BETA, '500', 'THB'));
  t.same(codes(book.block(ring[0]!)), ['queued']);
  t.same(codes(book.block(ring[1]!)), ['queued']);
  const before = [ALFA, BETA, GAMA].map((party) => book.balance(party));
  const applied = book.block(ring[2]!);
  t.same(codes(applied), ['queued'], 'not while a currency lacks');
  t.same(codes(book.block(book.pay(BOTH, GAMA, '500', 'THB'))), ['settled']);
  t.same(codes(book.block(book.pay(BOTH, ALFA, '2000', 'THB'))), ['settled', 'settled', 'settled', 'settled']);
  t.same(
    [ALFA, BETA, GAMA].map((party) => book.balance(party)),
    before,
    'of HKD each has as much as before',
  );
  t.end();
});

t.test('priorities', (t) => {
  const book = funded();
  const [first, second] = [inQueue(book, {}, '7'), inQueue(book, {}, '6')];
  t.same(codes(book.block(book.pay(ALFA, GAMA, '6'))), ['settled', 'settled'], 'what is funded passes what is not');
  t.equal(open(book, second), undefined);
  const third = inQueue(book, {}, '5');
  const moved = move(book, GAMA, first, 'urgent');
  t.same(codes(book.block(moved)), ['applied']);
  t.same(codes(book.block(book.pay(ALFA, GAMA, '6'))), ['settled'], 'nothing passes what is more urgent');
  t.same(codes(book.block(move(book, GAMA, third, 'urgent'))), ['applied', 'settled'], 'among the urgent it does');
  t.same(codes(book.block(book.pay(ALFA, GAMA, '6'))), ['settled', 'settled']);
  t.end();
});

t.test('reservations and strict order are of the account, and what is taken back lets through', (t) => {
  const book = funded();
  book.block(keep(book, 'bypass', '100', '200'), keep(book, 'fifo', '0', '0', ALFA, 'THB'));
  const [normal, high] = [
    book.queue(ALFA, [book.leg(ALFA, GAMA, '800')]),
    book.queue(ALFA, [book.leg(ALFA, GAMA, '50')], [ALFA], { priority: 'high' }),
  ];
  t.same(codes(book.block(normal, high)), ['settled', 'queued'], 'high goes first, though it came later');
  t.same(codes(book.block(keep(book, 'bypass', '100', '100'))), ['applied']);
  t.not(open(book, normal), undefined, 'it would leave 150');
  t.same(codes(book.block(keep(book, 'bypass', '100', '50'))), ['applied', 'settled']);

  const [first, second] = [
    book.queue(ALFA, [book.leg(ALFA, GAMA, '5000', 'THB')]),
    book.queue(ALFA, [book.leg(ALFA, GAMA, '1', 'THB')]),
  ];
  t.same(codes(book.block(first, second)), ['queued', 'queued'], 'in THB the order is strict');
  t.same(codes(book.block(book.pay(BETA, ALFA, '10', 'THB'))), ['settled'], 'also in a pass');
  t.same(codes(book.block(keep(book, 'bypass', '0', '0', ALFA, 'THB'))), ['applied', 'settled']);
  t.equal(open(book, second), undefined);
  const loaded = State.load(book.disk.entries(), book.disk);
  t.same(loaded.liquidity(`${ALFA}/HKD`), { isFifo: false, urgent: 10_000n, high: 5_000n });
  t.end();
});

t.test('a priority is one in the queue of who gave it', (t) => {
  const book = funded();
  // Both pay in it: GAMA is short of HKD, BETA of THB.
  const legs = [book.leg(GAMA, BETA, '10'), book.leg(BETA, GAMA, '5000', 'THB')];
  const pvp = book.queue(GAMA, legs, [GAMA, BETA], { priority: 'urgent' });
  t.same(codes(book.block(pvp)), ['queued']);
  const own = book.queue(BETA, [book.leg(BETA, ALFA, '1', 'THB')]);
  t.same(codes(book.block(own)), ['queued'], 'behind what is urgent to BETA');
  t.same(codes(book.block(move(book, BETA, pvp, 'normal'))), ['applied', 'settled']);
  t.match(open(book, pvp)?.bound?.priorities, [{ party: BETA, priority: 'normal' }]);
  t.same(codes(book.block(book.pay(ALFA, GAMA, '9'))), ['settled']);
  const more = book.queue(GAMA, [book.leg(GAMA, ALFA, '1')]);
  t.same(codes(book.block(more)), ['queued'], 'to GAMA it is urgent as before');
  t.end();
});

t.test('what is bound is held by nobody’s suspension, and settles', (t) => {
  const book = funded();
  const settlement = inQueue(book);
  book.block(
    book.order({ kind: 'participant', action: 'suspend', initiator: HKMA, party: GAMA }),
    book.order({ kind: 'participant', action: 'suspend', initiator: HKMA, party: ALFA }),
  );
  const issue = book.queue(HKMA, [book.leg(HKMA, GAMA, '10')]);
  t.same(codes(book.block(issue)), ['party_suspended'], 'no new one is begun');
  book.block(book.order({ kind: 'participant', action: 'reinstate', initiator: HKMA, party: GAMA }));
  t.same(codes(book.block(book.pay(HKMA, GAMA, '10'))), ['settled', 'settled'], 'ALFA, credited, is suspended');
  t.equal(open(book, settlement), undefined);
  t.end();
});

/** A settlement of a payer's that it has no funds for, to 63 parties: 64 movements. */
function wide(book: Book, parties: readonly string[], payer: string, more: Partial<Draft> = {}): Ordered {
  return book.queue(
    payer,
    parties.slice(0, 63).map((party) => book.leg(payer, party, '5000')),
    [payer],
    more,
  );
}

t.test('bounds: what one payer has bound, and what all have; a share stays for everybody', (t) => {
  const book = funded();
  const names = Array.from({ length: 64 }, (_, i) => bic(`b${String(i).padStart(3, '0')}`));
  const payers = Array.from({ length: 11 }, (_, i) => bic(`p${String(i).padStart(3, '0')}`));
  for (const party of [...names, ...payers]) book.block(book.admit(party));
  // Each has 63 legs, and so 126 places.
  const each = Math.floor(QUEUE_MOVEMENTS_PER_PAYER_MAX / 126);
  const queuedOf = (payer: string, count: number): number => {
    const made = codes(book.block(...Array.from({ length: count }, () => wide(book, names, payer))));
    assert(
      made.every((code) => code === 'queued' || code === 'queue_full'),
      'nothing else comes of it',
    );
    return made.filter((code) => code === 'queued').length;
  };
  const [first, last] = [payers[0]!, payers[10]!];
  t.equal(queuedOf(first, each + 1), each, 'one payer has its bound');
  const small = book.queue(first, [book.leg(first, ALFA, '5')]);
  t.same(
    codes(book.block(book.pay(HKMA, first, '5'), small)),
    ['settled', 'settled'],
    'what settles at once needs no place',
  );
  // What settles at once, with a part to follow, does: that one is to wait.
  const far = { legs: [book.leg(first, BETA, '1')], notBefore: at(book, 100), settleBy: at(book, 200) };
  const followed = book.queue(first, [book.leg(first, ALFA, '5')], [first], { settleBy: at(book, 50), linked: [far] });
  const fills = Array.from({ length: (QUEUE_MOVEMENTS_PER_PAYER_MAX % 126) / 2 }, () =>
    book.queue(first, [book.leg(first, ALFA, '5000')]),
  );
  book.block(...fills);
  t.same(codes(book.block(book.pay(HKMA, first, '5'), followed)), ['settled', 'queue_full']);
  for (const payer of payers.slice(1, 10)) t.equal(queuedOf(payer, each), each);
  t.equal(book.state.queue.boundPlaces, 10 * each * 126 + 2 * fills.length);
  const left = Math.floor((QUEUE_MOVEMENTS_MAX - 10 * each * 126 - 2 * fills.length) / 126);
  const assured = Math.floor(QUEUE_MOVEMENTS_ASSURED / 126);
  t.equal(queuedOf(last, each), Math.max(left, assured), 'who comes last has its share');
  t.equal(queuedOf(ALFA, 1), 1, 'and so has everybody');
  sameAfterRestart(t, book);
  t.end();
});

t.test('bounds: what a party has begun, by the accounts that it touches', (t) => {
  const book = funded();
  const names = Array.from({ length: 63 }, (_, i) => bic(`b${String(i).padStart(3, '0')}`));
  for (const party of names) book.block(book.admit(party));
  const most = Math.floor(OPEN_MOVEMENTS_PER_PARTY_MAX / 126);
  // Nobody has consented: GAMA is to be paid, and only asks.
  const ask = () =>
    book.queue(
      GAMA,
      names.map((party) => book.leg(party, GAMA, '1')),
      [GAMA],
    );
  const made = codes(book.block(...Array.from({ length: most + 1 }, ask)));
  t.equal(made.filter((code) => code === 'proposed').length, most);
  t.equal(made.filter((code) => code === 'too_many_open').length, 1);
  const one = book.queue(GAMA, [book.leg(ALFA, GAMA, '1')], [GAMA]);
  const rest = Math.floor((OPEN_MOVEMENTS_PER_PARTY_MAX - 126 * most) / 2);
  t.same(codes(book.block(one)), [rest > 0 ? 'proposed' : 'too_many_open']);
  t.end();
});

t.test('a scheduled settlement has its place: a full queue and many releases do not make it late', (t) => {
  const book = funded();
  const notBefore = at(book, 60);
  const many = Array.from({ length: 2 * TRIGGERS_PER_BLOCK_MAX }, () => unfunded(book, { notBefore }));
  const funds = book.queue(ALFA, [book.leg(ALFA, BETA, '1')], [ALFA], { notBefore, settleBy: at(book, 62) });
  const applied = book.block(...many, funds);
  t.same(new Set(codes(applied)), new Set(['scheduled']));
  t.same(codesOf(book.pass(59_500), funds), ['settled'], 'all that is due is released at once');
  t.equal(book.state.queue.queued().length, many.length);
  t.end();
});

t.test('what has ended while its trigger is late does not settle, and cannot be named', (t) => {
  const book = funded();
  const settleBy = at(book, 60);
  book.block(...Array.from({ length: TRIGGERS_PER_BLOCK_MAX + 5 }, () => unfunded(book, { settleBy })));
  const digests = new Set(book.state.queue.queued());
  book.lanes([], 58_000);
  const pay = book.pay(ALFA, GAMA, '999');
  const applied = book.lanes([[pay]], 2_000);
  t.same(codesOf(applied, pay), ['settled']);
  t.equal(codes(applied).filter((code) => code === 'lapsed').length, TRIGGERS_PER_BLOCK_MAX);
  t.equal(codes(applied).filter((code) => code === 'settled').length, 1, 'the five left over do not settle');
  const [left] = book.state.queue.queued() as [InstructionDigest];
  t.ok(digests.has(left));
  const late = ['cancel', 'withdraw', 'consent'].map((kind) =>
    book.order({ kind: kind as 'cancel', initiator: GAMA, settlement: left }),
  );
  const moved = book.order({ kind: 'reprioritise', initiator: GAMA, settlement: left, priority: 'high' });
  t.same(
    codes(book.try([[...late, moved]], 1)).filter((code) => code !== 'lapsed'),
    Array(4).fill('settlement_closed'),
  );
  t.end();
});

t.test('the pace: a long queue is gone through now and then, and what is due is told', (t) => {
  const book = funded();
  const parties = Array.from({ length: 63 }, (_, i) => bic(`b${String(i).padStart(3, '0')}`));
  for (const party of parties) book.block(book.admit(party));
  // 79 settlements of 126 movements: with the small one a pass every 143 ms.
  book.block(...Array.from({ length: 79 }, () => wide(book, parties, GAMA)));
  t.equal(book.state.queue.nextPass(), null, 'nothing has changed since the pass');
  const small = inQueue(book);
  t.equal(book.state.queue.mark.passedAt, book.time);
  book.lanes([[book.pay(ALFA, GAMA, '10')]], 10);
  t.not(open(book, small), undefined, 'not again so soon');
  t.equal(book.state.nextTrigger(), book.time - 10 + Math.ceil(9_956 / PASS_MOVEMENTS_PER_MS));
  t.same(codes(book.pass(132)), [], 'a millisecond early');
  t.same(codes(book.pass(1)), ['settled']);
  t.end();
});

t.test('branches: the queue of an uncommitted block is its own', (t) => {
  const book = funded();
  const settlement = inQueue(book);
  const blockAt = book.next();
  const pay = book.pay(ALFA, GAMA, '10');
  const settled = applyBlock(book.state, blockAt, [[pay]]);
  const stays = applyBlock(book.state, blockAt, []);
  t.same(settled.state.queue.queued(), []);
  t.same(stays.state.queue.queued(), [settlement.instruction.digest]);
  t.same(stays.state.queue.boundBy(GAMA, null, 9), [settlement.instruction.digest]);
  t.same(book.state.queue.queued(), [settlement.instruction.digest]);
  book.lanes([[pay]]);
  t.same(book.state.queue.boundBy(GAMA, null, 9), []);
  t.end();
});
