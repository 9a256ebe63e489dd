/** What linked parts and amendments are for within one day: a central bank's credit against collateral, and in/out swaps. */
import { strict as assert } from 'node:assert';
import t from 'tap';
import { formatTime } from '../../protocol/values.js';
import type { Ordered } from '../apply.js';
import { ALFA, BETA, BOTH, type Book, codes, funded, GAMA, HKMA } from '../samples.test-helper.js';

/** From the start of the business day; it is over after ten hours. */
const HOUR_S = 3_600;
const at = (book: Book, hours: number): string => formatTime(book.time + 1000 * HOUR_S * hours);

/** GAMA has no money, and 1,000 of each of two bonds. */
function morning(): Book {
  const book = funded();
  const bond = { class: 'security', decimals: 0, cap: '100000' };
  book.block(book.asset('BONDA', HKMA, bond), book.asset('BONDB', HKMA, bond));
  book.block(book.pay(HKMA, GAMA, '1000', 'BONDA'), book.pay(HKMA, GAMA, '1000', 'BONDB'));
  return book;
}

/** The central bank of Thailand issues 500.00 to GAMA against 600 of BONDA, to be paid back in the ninth hour. */
function draw(book: Book): Ordered {
  const near = [book.leg(GAMA, BOTH, '600', 'BONDA'), book.leg(BOTH, GAMA, '500', 'THB')];
  const far = {
    legs: [book.leg(BOTH, GAMA, '600', 'BONDA'), book.leg(GAMA, BOTH, '500', 'THB')],
    notBefore: at(book, 8),
    settleBy: at(book, 9),
  };
  return book.queue(GAMA, near, [GAMA, BOTH], { settleBy: at(book, 1), linked: [far] });
}

/** BONDB for BONDA, of which the central bank takes more. */
function substitute(book: Book, { instruction }: Ordered): Ordered {
  const own = [book.leg(GAMA, BOTH, '650', 'BONDB'), book.leg(BOTH, GAMA, '600', 'BONDA')];
  const cash = book.leg(GAMA, BOTH, '500', 'THB');
  const amends = {
    settlement: instruction.digest,
    part: 2,
    replaces: [book.leg(BOTH, GAMA, '600', 'BONDA'), cash],
    legs: [book.leg(BOTH, GAMA, '650', 'BONDB'), cash],
  };
  return book.settle(GAMA, own, [GAMA, BOTH], { amends });
}
const hours = (book: Book, count: number) => codes(book.pass(1000 * HOUR_S * count));

t.test('credit for the day: drawn, used in a PvP, other collateral for it, paid back', (t) => {
  const book = morning();
  const circulating = () => book.state.circulating({ asset: 'THB' as never, issuer: BOTH });
  const before = circulating();
  const pvp = book.queue(GAMA, [book.leg(GAMA, ALFA, '500', 'THB'), book.leg(ALFA, GAMA, '100')], [GAMA, ALFA]);
  t.same(codes(book.block(pvp)), ['queued'], 'GAMA has nothing to pay with');
  const credit = draw(book);
  t.same(codes(book.block(credit)), ['part_settled', 'settled'], 'and now it has, in the same block');
  t.equal(circulating(), before + 50_000n, 'what is lent is issued');
  t.equal(book.balance(GAMA, 'THB'), 0n, 'nobody’s account is below zero for it');
  t.same(codes(book.block(substitute(book, credit))), ['settled', 'amended']);
  t.same([book.balance(BOTH, 'BONDA'), book.balance(BOTH, 'BONDB')], [0n, 650n]);
  t.same(hours(book, 7), []);
  t.same(codes(book.block(book.pay(ALFA, GAMA, '500', 'THB'))), ['settled'], 'it has what it owes');
  t.same(hours(book, 1), ['settled'], 'and gives it back when it is time');
  t.equal(circulating(), before, 'what comes back is redeemed');
  t.equal(book.balance(GAMA, 'BONDB'), 1_000n);
  t.end();
});

t.test('credit for the day, not paid back by the cut-off: the collateral stays, and the end says so', (t) => {
  const book = morning();
  const credit = draw(book);
  t.same(codes(book.block(credit)), ['part_settled']);
  book.block(book.pay(GAMA, ALFA, '500', 'THB'));
  book.block(substitute(book, credit));
  t.same(hours(book, 8), [], 'it waits for what GAMA owes');
  t.same(hours(book, 2), ['part_lapsed']);
  t.equal(book.balance(BOTH, 'BONDB'), 650n);
  t.equal(book.balance(GAMA, 'BONDB'), 350n);
  t.equal(book.state.openSettlement(credit.instruction.digest), undefined);
  t.same(codes(book.block(substitute(book, credit))), ['settlement_closed'], 'nothing of it can be changed any more');
  t.end();
});

t.test('credit for the day has the cap of the money, and no account of the bank below zero', (t) => {
  const book = morning();
  const cap = book.order({ ...thb(book), cap: '2000.00' });
  t.same(codes(book.block(cap)), ['applied']);
  const credit = draw(book);
  t.same(codes(book.block(credit)), ['queued'], 'more than the central bank may issue');
  t.same(
    codes(book.block(book.pay(ALFA, BOTH, '500', 'THB'))),
    ['settled', 'part_settled'],
    'until some has come home',
  );
  t.same(codes(book.block(book.pay(GAMA, ALFA, '500.01', 'THB'))), ['insufficient_funds']);
  t.end();
});

function thb(book: Book) {
  const asset = book.state.asset('THB');
  assert(asset !== undefined);
  const { class: kind, name, issuer, jurisdiction, decimals } = asset;
  return { kind: 'asset' as const, initiator: BOTH, asset: 'THB', class: kind, name, issuer, jurisdiction, decimals };
}

t.test('an in/out swap brings what a stuck queue lacks, and takes it back on the same day', (t) => {
  const book = morning();
  const pay = (from: string, to: string, amount: string) => book.queue(from, [book.leg(from, to, amount)]);
  // With all three BETA is short by 200.00 HKD, and without any one of them none of the others can move.
  const ring = [pay(ALFA, BETA, '1800'), pay(BETA, GAMA, '3000'), pay(GAMA, ALFA, '2800')];
  t.same(codes(book.block(...ring)), ['queued', 'queued', 'queued']);
  // It is long of THB: ALFA has some of them until the afternoon.
  const swapped = (from: string, to: string) => [book.leg(from, to, '200'), book.leg(to, from, '250', 'THB')];
  const far = { legs: swapped(BETA, ALFA), notBefore: at(book, 6), settleBy: at(book, 8) };
  const swap = book.queue(BETA, swapped(ALFA, BETA), [BETA, ALFA], { settleBy: at(book, 1), linked: [far] });
  t.same(codes(book.block(swap)), ['part_settled', 'settled', 'settled', 'settled'], 'with it the queue is free');
  t.same(book.state.queue.queued(), []);
  t.same([book.balance(BETA), book.balance(BETA, 'THB')], [0n, 75_000n]);
  t.same(codes(book.block(book.pay(GAMA, BETA, '200'))), ['settled']);
  t.same(hours(book, 6), ['settled'], 'in the afternoon each has its own again');
  t.same([book.balance(BETA), book.balance(BETA, 'THB')], [0n, 100_000n]);
  t.end();
});
