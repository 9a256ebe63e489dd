/** Amendment: what is still to settle of one settlement changes as another settles. A row for each code, and what must hold. */
import { strict as assert } from 'node:assert';
import t from 'tap';
import type { Json } from '../../protocol/canonical.js';
import { hashOf } from '../../protocol/hash.js';
import {
  LEGS_MAX,
  OPEN_MOVEMENTS_PER_PARTY_MAX,
  QUEUE_MOVEMENTS_ASSURED,
  QUEUE_MOVEMENTS_PER_PAYER_MAX,
} from '../../protocol/limits.js';
import { fc } from '../../protocol/property.test-helper.js';
import type { AmountMinor, AssetCode, InstructionDigest, TimestampMs, Uetr } from '../../protocol/types.js';
import { formatTime } from '../../protocol/values.js';
import { applyBlock, type Ordered } from '../apply.js';
import { decodeEntry, encodeEntry } from '../codecs.js';
import type { Settlement } from '../entries.js';
import { ALFA, BETA, type Book, bic, codes, codesOf, type Draft, funded, GAMA, HKMA } from '../samples.test-helper.js';
import { State } from '../state.js';

const at = (book: Book, seconds: number): string => formatTime(book.time + 1000 * seconds);
const named = (book: Book, kind: 'cancel' | 'withdraw' | 'consent', by: string, { instruction }: Ordered) =>
  book.order({ kind, initiator: by, settlement: instruction.digest });
const open = (book: Book, { instruction }: Ordered) => book.state.openSettlement(instruction.digest);

/** Two bonds, of which ALFA has 1,000 each. */
function market(): Book {
  const book = funded();
  const bond = { class: 'security', decimals: 0, cap: '100000' };
  book.block(book.asset('BONDA', HKMA, bond), book.asset('BONDB', HKMA, bond));
  book.block(book.pay(HKMA, ALFA, '1000', 'BONDA'), book.pay(HKMA, ALFA, '1000', 'BONDB'));
  return book;
}

/** What ALFA has of BETA in return: 100 of a bond, against the cash and its interest. */
const farLegs = (book: Book, collateral: readonly (readonly [string, string])[] = [['BONDA', '100']]): Json[] => [
  ...collateral.map(([asset, amount]) => book.leg(BETA, ALFA, amount, asset)),
  book.leg(ALFA, BETA, '500.05'),
];

/** ALFA borrows 500.00 HKD of BETA against 100 of BONDA, until 100 s from now at the earliest; the near part has settled. */
function repo(book: Book, more: Partial<Draft> = {}): Ordered {
  const near = [book.leg(ALFA, BETA, '100', 'BONDA'), book.leg(BETA, ALFA, '500')];
  const far = { legs: farLegs(book), notBefore: at(book, 100), settleBy: at(book, 200) };
  const made = book.queue(ALFA, near, [ALFA, BETA], { settleBy: at(book, 50), linked: [far], ...more });
  assert.deepEqual(codes(book.block(made)), ['part_settled']);
  return made;
}

/** What is derived is as it is made anew from what was stored, and so is what follows. */
function checkDerived(book: Book): void {
  const loaded = State.load(book.disk.entries(), book.disk);
  const derived = ({ root, queue, counts }: State) => ({
    root,
    mark: queue.mark,
    queued: queue.queued(),
    scheduled: queue.nextScheduled(),
    movements: [queue.boundPlaces, queue.queuedMovements],
    byParty: [ALFA, BETA, GAMA, HKMA].map((party) => [
      queue.reserved(party),
      queue.boundBy(party, null, 99),
      queue.proposedTo(party, '', 99),
      counts.open.get(party),
      counts.openMovements.get(party),
      ['HKD', 'BONDA', 'BONDB'].map((asset) => queue.isDebited(`${party}/${asset}`)),
    ]),
  });
  assert.deepEqual(derived(loaded), derived(book.state));
  assert.equal(loaded.nextTrigger(), book.state.nextTrigger());
  const next = book.next(101_000);
  assert.equal(applyBlock(loaded, next, []).stateRoot, book.try([], 101_000).stateRoot);
}

interface Change {
  readonly own?: readonly Json[];
  readonly replaces?: readonly Json[];
  readonly legs?: readonly Json[];
  readonly part?: number;
  readonly by?: string;
  readonly signers?: readonly string[];
  readonly more?: Partial<Draft>;
}
/** By default BONDB for BONDA: ALFA gives one and has the other back, and the far part returns the new one. */
function change(book: Book, { instruction }: Ordered, told: Change = {}): Ordered {
  const { by = ALFA, signers = [ALFA, BETA], part = 2 } = told;
  const own = told.own ?? [book.leg(ALFA, BETA, '90', 'BONDB'), book.leg(BETA, ALFA, '100', 'BONDA')];
  const replaces = told.replaces ?? farLegs(book);
  const legs = told.legs ?? farLegs(book, [['BONDB', '90']]);
  const amends = { settlement: instruction.digest, part, replaces: [...replaces], legs: [...legs] };
  return book.settle(by, own, signers, { amends, ...told.more });
}
/** A margin call: ALFA gives 10 of BONDA more, and the far part returns all. */
const margin = (book: Book, of: Ordered, signers: readonly string[] = [ALFA, BETA]): Ordered =>
  change(book, of, {
    own: [book.leg(ALFA, BETA, '10', 'BONDA')],
    legs: farLegs(book, [['BONDA', '110']]),
    signers,
  });

interface Row {
  readonly code: string;
  readonly says: string;
  readonly given: (book: Book) => Ordered;
}
const ROWS: readonly Row[] = [
  { code: 'settled', says: 'collateral for collateral', given: (b) => change(b, repo(b)) },
  { code: 'settled', says: 'more collateral', given: (b) => margin(b, repo(b)) },
  {
    code: 'settled',
    says: 'a party that joins, with everyone’s consent',
    given: (b) => {
      const legs = [b.leg(BETA, GAMA, '90', 'BONDB'), b.leg(ALFA, BETA, '500.05')];
      return change(b, repo(b), { legs, signers: [ALFA, BETA, GAMA] });
    },
  },
  {
    code: 'proposed',
    says: 'who is debited has not consented',
    given: (b) => change(b, repo(b), { by: BETA, signers: [BETA] }),
  },
  {
    code: 'proposed',
    says: 'who gets more now, and only has more to return, has not consented',
    given: (b) => margin(b, repo(b), [ALFA]),
  },
  {
    code: 'proposed',
    says: 'who only joins as a creditor has not consented',
    given: (b) => change(b, repo(b), { legs: [b.leg(BETA, GAMA, '90', 'BONDB'), b.leg(ALFA, BETA, '500.05')] }),
  },
  {
    code: 'not_queued',
    says: 'of what was never ordered',
    given: (b) => change(b, b.pay(ALFA, BETA, '1')),
  },
  {
    code: 'not_queued',
    says: 'of what lacks a consent',
    given: (b) => {
      const pvp = b.settle(ALFA, [b.leg(ALFA, BETA, '1'), b.leg(BETA, ALFA, '1', 'THB')]);
      b.block(pvp);
      return change(b, pvp);
    },
  },
  {
    code: 'not_queued',
    says: 'of a part before which none has settled',
    given: (b) => {
      const waits = b.queue(GAMA, [b.leg(GAMA, ALFA, '1')]);
      b.block(waits);
      return change(b, waits);
    },
  },
  {
    code: 'not_queued',
    says: 'of what has parts, the first of which waits for funds',
    given: (b) => {
      const near = [b.leg(ALFA, BETA, '100', 'BONDA'), b.leg(BETA, ALFA, '5000')];
      const far = { legs: farLegs(b), notBefore: at(b, 100), settleBy: at(b, 200) };
      const late = b.queue(ALFA, near, [ALFA, BETA], { settleBy: at(b, 50), linked: [far] });
      b.block(late);
      return change(b, late);
    },
  },
  {
    code: 'settlement_closed',
    says: 'of what has ended',
    given: (b) => {
      const paid = b.pay(ALFA, BETA, '1');
      b.block(paid);
      return change(b, paid);
    },
  },
  {
    code: 'settlement_closed',
    says: 'of what has lapsed after its first part',
    given: (b) => {
      const of = repo(b);
      b.block(b.pay(ALFA, GAMA, '1500'));
      b.pass(300_000);
      return change(b, of);
    },
  },
  { code: 'part_gone', says: 'of a part that is not next', given: (b) => change(b, repo(b), { part: 3 }) },
  {
    code: 'part_gone',
    says: 'of other legs than there are',
    given: (b) => change(b, repo(b), { replaces: farLegs(b, [['BONDA', '99']]) }),
  },
  {
    code: 'part_gone',
    says: 'of the same legs in another order',
    given: (b) => change(b, repo(b), { replaces: [...farLegs(b)].reverse() }),
  },
  {
    code: 'part_gone',
    says: 'of legs that another has amended',
    given: (b) => {
      const of = repo(b);
      b.block(margin(b, of));
      return change(b, of);
    },
  },
  {
    code: 'insufficient_funds',
    says: 'more than there is to give',
    given: (b) => change(b, repo(b), { own: [b.leg(ALFA, BETA, '1001', 'BONDB')] }),
  },
  {
    code: 'unknown_asset',
    says: 'a new leg in what is not defined',
    given: (b) => change(b, repo(b), { legs: [b.leg(BETA, ALFA, '1', 'NOSUCH')] }),
  },
  {
    code: 'amount_precision',
    says: 'an old leg with more decimals than the asset has',
    given: (b) => change(b, repo(b), { replaces: farLegs(b, [['BONDA', '100.5']]) }),
  },
  {
    code: 'party_suspended',
    says: 'a new leg of a suspended party',
    given: (b) => {
      const of = repo(b);
      b.block(b.order({ kind: 'participant', action: 'suspend', initiator: HKMA, party: GAMA }));
      return change(b, of, { legs: [b.leg(BETA, GAMA, '90', 'BONDB')], signers: [ALFA, BETA, GAMA] });
    },
  },
  {
    code: 'not_a_party',
    says: 'by who is in no leg of either',
    given: (b) => change(b, repo(b), { by: GAMA, signers: [GAMA, ALFA, BETA] }),
  },
  {
    code: 'settled',
    says: 'by who is only in the legs that it amends',
    given: (b) => {
      const legs = [b.leg(BETA, ALFA, '100', 'BONDA'), b.leg(ALFA, GAMA, '500.05')];
      return change(b, repo(b), { by: GAMA, own: [b.leg(ALFA, BETA, '1')], legs, signers: [GAMA, ALFA, BETA] });
    },
  },
];

t.test('a row for each code of an amendment: it settles with its amendment, or nothing happens', (t) => {
  for (const { code, says, given } of ROWS) {
    const book = market();
    const amendment = given(book);
    const named = amendment.instruction.payload;
    const digest = named.kind === 'settle' && named.mode === 'gross' ? (named.amends?.settlement as never) : null;
    const before = book.state.openSettlement(digest as never);
    const applied = book.block(amendment);
    t.equal(codesOf(applied, amendment)[0], code, `${code}: ${says}`);
    const after = book.state.openSettlement(digest as never);
    if (code === 'settled') t.same(codes(applied), ['settled', 'amended'], says);
    else t.equal(after, before, `${says}: nothing else has changed`);
    checkDerived(book);
  }
  t.end();
});

t.test('collateral is substituted in one step, and the new one comes back against the cash', (t) => {
  const book = market();
  const held = () => [book.balance(BETA, 'BONDA'), book.balance(BETA, 'BONDB')];
  const of = repo(book);
  const place = open(book, of)?.bound?.place;
  t.same(held(), [100n, 0n]);
  const asked = change(book, of, { signers: [ALFA] });
  t.same(codes(book.block(asked)), ['proposed']);
  t.same(held(), [100n, 0n], 'nothing moves before all have consented');
  t.equal(open(book, of)?.bound?.place, place);
  t.same(book.state.queue.proposedTo(BETA, '', 9), [asked.instruction.digest], 'BETA is asked');
  checkDerived(book);
  t.same(codes(book.block(named(book, 'consent', BETA, asked))), ['consented', 'settled', 'amended']);
  t.same(held(), [0n, 90n], 'and in no block is the lender without collateral');
  t.match(open(book, of), { partsSettled: 1, bound: { place } });
  t.same(codes(book.pass(101_000)), ['settled']);
  t.same(held(), [0n, 0n]);
  t.equal(book.balance(ALFA, 'BONDB'), 1_000n);
  t.equal(book.balance(BETA), 100_005n);
  t.equal(book.state.queue.boundPlaces, 0);
  t.end();
});

t.test('margin is called, and given back, each on the legs that the one before has left', (t) => {
  const book = market();
  const of = repo(book);
  t.same(codes(book.block(margin(book, of))), ['settled', 'amended']);
  const back = change(book, of, {
    own: [book.leg(BETA, ALFA, '40', 'BONDA')],
    replaces: farLegs(book, [['BONDA', '110']]),
    legs: farLegs(book, [['BONDA', '70']]),
  });
  t.same(codes(book.block(back)), ['settled', 'amended']);
  t.equal(book.balance(BETA, 'BONDA'), 70n);
  t.same(codes(book.pass(101_000)), ['settled']);
  t.equal(book.balance(BETA, 'BONDA'), 0n);
  t.equal(book.balance(ALFA, 'BONDA'), 1_000n);
  t.end();
});

t.test('of two amendments in one block the second finds other legs', (t) => {
  const book = market();
  const of = repo(book);
  const [first, second] = [margin(book, of), change(book, of)];
  t.same(codes(book.block(first, second)), ['settled', 'part_gone', 'amended']);
  t.equal(book.balance(BETA, 'BONDB'), 0n);
  t.end();
});

t.test('what it amends goes on meanwhile: it settles, ends, or is amended by another', (t) => {
  const rows: readonly (readonly [string, (book: Book, of: Ordered) => void])[] = [
    ['settlement_closed', (book) => void book.pass(101_000)],
    [
      'settlement_closed',
      (book, of) => void book.block(named(book, 'cancel', ALFA, of), named(book, 'cancel', BETA, of)),
    ],
    ['part_gone', (book, of) => void book.block(margin(book, of))],
  ];
  for (const [code, meanwhile] of rows) {
    const book = market();
    const of = repo(book);
    const asked = change(book, of, { signers: [ALFA] });
    t.same(codes(book.block(asked)), ['proposed']);
    meanwhile(book, of);
    const before = book.balance(BETA, 'BONDB');
    t.same(codes(book.block(named(book, 'consent', BETA, asked))), ['consented', code]);
    t.equal(book.balance(BETA, 'BONDB'), before);
  }
  const book = market();
  const third = { legs: farLegs(book), notBefore: at(book, 300), settleBy: at(book, 400) };
  const second = { legs: farLegs(book), notBefore: at(book, 100), settleBy: at(book, 200) };
  const near = [book.leg(ALFA, BETA, '200', 'BONDA'), book.leg(BETA, ALFA, '500')];
  const rolled = book.queue(ALFA, near, [ALFA, BETA], { settleBy: at(book, 50), linked: [second, third] });
  t.same(codes(book.block(rolled)), ['part_settled']);
  const asked = change(book, rolled, { signers: [ALFA] });
  book.block(asked);
  t.same(codes(book.pass(100_000)), ['part_settled']);
  t.same(open(book, rolled)?.legs.length, 2, 'the next part has the same legs');
  t.same(
    codes(book.block(named(book, 'consent', BETA, asked))),
    ['consented', 'part_gone'],
    'and is not what was meant',
  );
  t.same(codes(book.block(change(book, rolled, { part: 3 }))), ['settled', 'amended']);
  t.end();
});

t.test('past the end of what it amends nothing happens, its lapse being late or not', (t) => {
  const book = market();
  const of = repo(book);
  const asked = change(book, of, { signers: [ALFA] });
  book.block(asked);
  book.block(book.pay(ALFA, GAMA, '1500'));
  book.pass(150_000);
  t.equal(book.state.queue.queued().length, 1, 'ALFA cannot pay, and it waits');
  const codesThen = codes(book.lanes([[named(book, 'consent', BETA, asked)]], 60_000));
  t.same(codesThen, ['part_lapsed', 'consented', 'settlement_closed']);
  t.equal(book.balance(BETA, 'BONDA'), 100n, 'the lender keeps the collateral');
  t.end();
});

t.test('a part in the queue is amended in its place, and may settle in that block: then that is its receipt', (t) => {
  const book = market();
  const of = repo(book);
  book.block(book.pay(ALFA, GAMA, '1400'));
  t.same(codes(book.pass(100_000)), [], 'ALFA lacks what it is to pay');
  const less = [book.leg(BETA, ALFA, '100', 'BONDA'), book.leg(ALFA, BETA, '100')];
  const partly = change(book, of, { own: [book.leg(ALFA, BETA, '1')], legs: less });
  t.same(codes(book.block(partly)), ['settled', 'amended']);
  const rest = [book.leg(BETA, ALFA, '100', 'BONDA'), book.leg(ALFA, BETA, '98')];
  const again = change(book, of, { own: [book.leg(ALFA, BETA, '1')], replaces: less, legs: rest });
  t.same(codes(book.block(again)), ['settled', 'settled']);
  t.equal(open(book, of), undefined);
  t.equal(book.balance(ALFA, 'BONDA'), 1_000n);
  t.end();
});

t.test('who has agreed to leave has agreed to leave other legs; a priority stays with who still pays', (t) => {
  const book = market();
  const of = repo(book);
  t.same(codes(book.block(named(book, 'cancel', ALFA, of))), ['cancel_agreed']);
  const settlement = of.instruction.digest;
  const urgent = (by: string) => book.order({ kind: 'reprioritise', initiator: by, settlement, priority: 'urgent' });
  t.same(codes(book.block(urgent(ALFA), urgent(BETA))), ['applied', 'applied']);
  const waived = [book.leg(BETA, ALFA, '100', 'BONDA')];
  t.same(codes(book.block(change(book, of, { own: [book.leg(ALFA, BETA, '500')], legs: waived }))), [
    'settled',
    'amended',
  ]);
  t.match(open(book, of)?.bound, { leaving: [], priorities: [{ party: BETA, priority: 'urgent' }] });
  t.equal(open(book, of)?.bound?.priorities.length, 1);
  t.same(codes(book.block(named(book, 'cancel', BETA, of))), ['cancel_agreed'], 'ALFA is to agree anew');
  checkDerived(book);
  t.end();
});

t.test('a party of what is amended leaves an amendment that lacks a consent', (t) => {
  const book = market();
  const of = repo(book);
  const asked = margin(book, of, [ALFA]);
  t.same(codes(book.block(asked)), ['proposed']);
  t.same(codes(book.block(named(book, 'withdraw', GAMA, asked))), ['not_a_party']);
  t.same(codes(book.block(named(book, 'withdraw', BETA, asked))), ['withdrawn', 'withdrawn']);
  t.not(open(book, of), undefined);
  t.end();
});

/** So many banks that ALFA pays one unit each. */
function wide(book: Book, parties: readonly string[], from: string): Json[] {
  return parties.map((party) => book.leg(from, party, '1'));
}
const LATER = 3_600;

t.test('new legs that need more places, or new payers, have them or are refused', (t) => {
  const book = market();
  const banks = Array.from({ length: LEGS_MAX - 5 }, (_, i) => bic(`b${String(i).padStart(3, '0')}`));
  for (const party of banks) book.block(book.admit(party));
  const of = repo(book);
  const widened = change(book, of, {
    own: [book.leg(ALFA, BETA, '1')],
    legs: [...wide(book, banks, BETA), book.leg(GAMA, ALFA, '1')],
    signers: [ALFA, BETA, GAMA, ...banks],
  });
  const reserved = () => [ALFA, BETA, GAMA].map((party) => book.state.queue.reserved(party));
  t.same(reserved(), [4, 4, 0]);
  const places = 2 * (banks.length + 1);
  const applied = book.try([[widened]]);
  t.same(codes(applied), ['settled', 'amended']);
  t.same(
    [ALFA, BETA, GAMA].map((party) => applied.state.queue.reserved(party)),
    [0, places, places],
  );
  t.equal(applied.state.queue.boundPlaces, places);
  // GAMA has what it may have already.
  const later = { notBefore: at(book, LATER) };
  const fills = (left: number) =>
    Array.from({ length: Math.floor(left / (2 * (banks.length - 1))) }, () =>
      book.queue(GAMA, wide(book, banks.slice(1), GAMA), [GAMA], later),
    );
  book.block(...fills(QUEUE_MOVEMENTS_PER_PAYER_MAX));
  t.ok(book.state.queue.reserved(GAMA) > QUEUE_MOVEMENTS_PER_PAYER_MAX - places);
  t.same(codes(book.block(widened)), ['queue_full']);
  t.same([...reserved()].slice(0, 2), [4, 4]);
  t.equal(book.balance(BETA), 50_000n, 'and nothing was paid');
  t.same(codes(book.block(change(book, of))), ['settled', 'amended'], 'what needs no more is refused to nobody');
  t.ok(QUEUE_MOVEMENTS_ASSURED >= places, 'and the share that is assured has room for any');
  checkDerived(book);
  t.end();
});

t.test('more legs count against who began what is amended', (t) => {
  const book = market();
  const banks = Array.from({ length: LEGS_MAX - 4 }, (_, i) => bic(`b${String(i).padStart(3, '0')}`));
  for (const party of banks) book.block(book.admit(party));
  const of = repo(book);
  const count = () => book.state.counts.openMovements.get(ALFA) ?? 0;
  const before = count();
  const asks = Math.floor((OPEN_MOVEMENTS_PER_PARTY_MAX - before - 1) / (2 * banks.length));
  // Nobody has consented but ALFA, which is to be paid in one leg of each.
  const legs = [...wide(book, banks.slice(1), BETA), book.leg(BETA, ALFA, '1')];
  const asked = codes(book.block(...Array.from({ length: asks }, () => book.queue(ALFA, legs))));
  t.ok(asked.every((code) => code === 'proposed'));
  const widened = change(book, of, {
    by: BETA,
    own: [book.leg(ALFA, BETA, '1')],
    legs: wide(book, banks, BETA),
    signers: [BETA, ALFA, ...banks],
  });
  t.same(codes(book.block(widened)), ['too_many_open']);
  t.equal(count(), before + asks * 2 * banks.length);
  t.end();
});

t.test('nobody has more places taken, or more counted as open, who is not asked', (t) => {
  const book = market();
  const at = (seconds: number): string => formatTime(book.time + 1000 * seconds);
  const near = [book.leg(ALFA, BETA, '1')];
  const second = [book.leg(BETA, ALFA, '1')];
  const made = (by: string) =>
    book.queue(by, near, [ALFA, BETA, GAMA], {
      settleBy: at(50),
      linked: [
        { legs: second, notBefore: at(100), settleBy: at(200) },
        { legs: [book.leg(GAMA, ALFA, '1')], notBefore: at(300), settleBy: at(400) },
      ],
    });
  const [payers, begun] = [made(ALFA), made(GAMA)];
  t.same(codes(book.block(payers, begun)), ['part_settled', 'part_settled']);
  const wider = [book.leg(BETA, ALFA, '1'), book.leg(BETA, ALFA, '1', 'BONDA')];
  const widen = ({ instruction }: Ordered, legs: Json[], ...more: readonly string[]) => {
    const amends = { settlement: instruction.digest, part: 2, replaces: second, legs };
    return book.settle(BETA, [book.leg(ALFA, BETA, '1')], [ALFA, BETA, ...more], { amends });
  };
  t.same(codes(book.block(widen(payers, wider))), ['queue_full'], 'GAMA pays in a later part');
  t.same(codes(book.block(widen(begun, wider))), ['too_many_open'], 'GAMA has begun it');
  t.equal(book.state.queue.reserved(GAMA), 4);
  const asked = [...wider, book.leg(GAMA, ALFA, '1')];
  t.same(codes(book.block(widen(payers, asked, GAMA))), ['settled', 'amended'], 'asked, it agrees');
  t.equal(book.state.queue.reserved(GAMA), 2 + 6);
  checkDerived(book);
  t.end();
});

t.test('golden: an amendment that lacks a consent is written as ever', (t) => {
  const leg = { from: BETA, to: ALFA, asset: 'BONDA' as AssetCode, amount: 100n as AmountMinor };
  const digest = 'cd'.repeat(32) as InstructionDigest;
  const settlement: Settlement = {
    digest: 'ab'.repeat(32) as InstructionDigest,
    initiator: ALFA,
    id: '3f0c2a54-7d1e-4c0b-9b57-2a6a1d3c8e90' as Uetr,
    kind: 'settle',
    legs: [{ ...leg, from: ALFA, to: BETA }],
    lots: 1,
    linked: [],
    partsSettled: 0,
    consentUntil: 1_800_000_000_000 as TimestampMs,
    since: 1_790_000_000_000 as TimestampMs,
    terms: null,
    amends: { settlement: digest, part: 2, replaces: [leg], legs: [{ ...leg, amount: 110n as AmountMinor }] },
    bound: null,
    lock: null,
    consents: [],
  };
  const bytes = encodeEntry('settlements', settlement);
  t.equal(hashOf(bytes), '201aab70c7949c2957af115f70e3a8a83f0da24fcdbbbb8413ce77e93fb80e84');
  t.same(decodeEntry('settlements', settlement.digest, bytes), settlement);
  t.end();
});

/** A move in the life of one repo: collateral given or returned, of either bond. */
const moves = fc.array(
  fc.record({
    asset: fc.constantFrom('BONDA', 'BONDB'),
    gives: fc.boolean(),
    amount: fc.integer({ min: 1, max: 400 }),
    signers: fc.constantFrom([ALFA, BETA], [ALFA, BETA], [ALFA, BETA], [ALFA], [ALFA, GAMA]),
    stale: fc.boolean(),
    afterMs: fc.constantFrom(1, 1_000, 5_000),
  }),
  { maxLength: 8 },
);

t.test(
  'whatever is substituted or called, the far part returns what the lender holds, and nothing is made or lost',
  (t) => {
    let settled = 0;
    fc.assert(
      fc.property(moves, fc.nat({ max: 255 }), (life, restarts) => {
        const book = market();
        const of = repo(book);
        let held: Record<string, number> = { BONDA: 100, BONDB: 0 };
        const legsOf = (amounts: Record<string, number>) =>
          farLegs(
            book,
            Object.entries(amounts).flatMap(([asset, amount]) => (amount > 0 ? [[asset, `${amount}`] as const] : [])),
          );
        let older = legsOf(held);
        for (const [index, { asset, gives, amount, signers, stale, afterMs }] of life.entries()) {
          const next = { ...held, [asset]: (held[asset] as number) + (gives ? amount : -amount) };
          if ((next[asset] as number) < 0) continue;
          const own = [gives ? book.leg(ALFA, BETA, `${amount}`, asset) : book.leg(BETA, ALFA, `${amount}`, asset)];
          const replaces = stale ? older : legsOf(held);
          const made = change(book, of, { own, replaces, legs: legsOf(next), signers });
          older = legsOf(held);
          if ((restarts >> index) & 1) book.state = State.load(book.disk.entries(), book.disk);
          const code = codesOf(book.lanes([[made]], afterMs), made)[0];
          if (code === 'settled') {
            held = next;
            settled += 1;
          }
          checkDerived(book);
          for (const bond of ['BONDA', 'BONDB']) {
            if (book.balance(BETA, bond) !== BigInt(held[bond] as number)) throw new Error('all or nothing');
            if (book.balance(BETA, bond) + book.balance(ALFA, bond) !== 1_000n)
              throw new Error('nothing is made or lost');
          }
        }
        book.pass(120_000);
        if (open(book, of) !== undefined) throw new Error('the repo ends');
        for (const bond of ['BONDA', 'BONDB'])
          if (book.balance(BETA, bond) !== 0n || book.balance(ALFA, bond) !== 1_000n)
            throw new Error('all is returned');
        if (book.state.queue.boundPlaces !== 0) throw new Error('no place is left taken');
      }),
      { numRuns: 120 },
    );
    t.ok(settled > 50, `${settled} amendments settled`);
    t.end();
  },
);
