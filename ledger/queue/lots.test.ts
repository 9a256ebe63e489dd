/** What all have agreed may settle in lots: one a pass, at the rate of the whole, and each told by a receipt of its own. */
import t from 'tap';
import { LOT_MOVEMENTS_PER_PASS_MAX } from '../../protocol/limits.js';
import { formatTime } from '../../protocol/values.js';
import type { Ordered } from '../apply.js';
import { ALFA, BETA, type Book, bic, codes, codesOf, type Draft, funded, GAMA, HKMA } from '../samples.test-helper.js';
import { State } from '../state.js';

/** ALFA sells 1,600 HKD, of which it has 1,000, to BETA for 400 THB. */
const sale = (book: Book, more: Partial<Draft> = {}) =>
  book.queue(ALFA, [book.leg(ALFA, BETA, '1600'), book.leg(BETA, ALFA, '400', 'THB')], [ALFA, BETA], {
    lots: 4,
    ...more,
  });
const balances = (book: Book) => [ALFA, BETA].flatMap((party) => [book.balance(party), book.balance(party, 'THB')]);
const open = (book: Book, { instruction }: Ordered) => book.state.openSettlement(instruction.digest);
const cancel = (book: Book, by: string, { instruction }: Ordered) =>
  book.order({ kind: 'cancel', initiator: by, settlement: instruction.digest });

t.test('a lot a pass, as far as the funds go, and the rest with the next', (t) => {
  const book = funded();
  const item = sale(book);
  t.same(codes(book.block(item)), ['part_settled'], 'one receipt in the block that binds it');
  t.same(balances(book), [60_000n, 110_000n, 140_000n, 90_000n]);
  t.same(codes(book.pass(1_000)), ['part_settled']);
  t.same(balances(book), [20_000n, 120_000n, 180_000n, 80_000n]);
  t.match(open(book, item), { lots: 2, partsSettled: 2, bound: { place: 0 } });
  t.same(codes(book.pass(1_000)), [], '200 are no lot');
  const loaded = State.load(book.disk.entries(), book.disk);
  t.same([loaded.root, loaded.queue.queued()], [book.state.root, book.state.queue.queued()]);
  t.same(codes(book.block(book.pay(HKMA, ALFA, '700'))), ['settled', 'settled'], 'all that is left, at once');
  t.same(balances(book), [10_000n, 140_000n, 260_000n, 60_000n]);
  t.end();
});

t.test('what settles whole has no lots, and lots must be even', (t) => {
  const book = funded();
  t.same(codes(book.block(sale(book, { lots: 3 }))), ['lots_uneven']);
  t.same(codes(book.block(book.queue(ALFA, [book.leg(ALFA, GAMA, '1000')], [ALFA], { lots: 10 }))), ['settled']);
  t.same(codes(book.block(book.queue(ALFA, [book.leg(ALFA, GAMA, '1')]))), ['queued'], 'no lots: nothing of it');
  t.end();
});

t.test('no lot goes before what is more urgent, nor takes what is kept', (t) => {
  const book = funded();
  book.block(book.queue(ALFA, [book.leg(ALFA, GAMA, '5000')], [ALFA], { priority: 'high' }));
  const item = sale(book);
  t.same(codes(book.block(item)), ['queued']);
  const moved = book.order({
    kind: 'reprioritise',
    initiator: ALFA,
    settlement: item.instruction.digest,
    priority: 'urgent',
  });
  t.same(codes(book.block(moved)), ['applied', 'part_settled']);
  const reserved = { urgent: '500', high: '0' };
  const kept = book.order({ kind: 'liquidity', initiator: BETA, asset: 'THB', order: 'bypass', reserved });
  const other = book.queue(BETA, [book.leg(BETA, GAMA, '900', 'THB')], [BETA], { lots: 2 });
  t.same(codes(book.block(kept)), ['applied', 'part_settled']);
  t.same(codes(book.block(other)), ['queued'], 'a lot of it would leave too little');
  t.end();
});

t.test('a lot that has settled stands, however the rest ends', (t) => {
  const ends: readonly (readonly [string, (book: Book, item: Ordered) => ReturnType<Book['block']>])[] = [
    ['part_cancelled', (book, item) => book.block(cancel(book, ALFA, item))],
    ['part_lapsed', (book) => book.pass(25 * 3_600_000)],
  ];
  for (const [code, end] of ends) {
    const book = funded();
    book.block(book.pay(ALFA, HKMA, '300'));
    const item = sale(book);
    t.same(codes(book.block(item)), ['part_settled']);
    t.same(codesOf(end(book, item), item), [code]);
    t.same(balances(book), [30_000n, 110_000n, 140_000n, 90_000n]);
    t.equal(open(book, item), undefined);
  }
  t.end();
});

t.test('what has had a lot settled in a block is in no offer of that block', (t) => {
  const book = funded();
  const item = sale(book);
  const offer = () => book.order({ kind: 'offer', initiator: HKMA, settlements: [item.instruction.digest] });
  t.same(codes(book.block(item, offer())), ['part_settled', 'not_used']);
  t.end();
});

t.test('what is left in lots is amended like a part, and settles whole from then on', (t) => {
  const book = funded();
  book.block(book.pay(ALFA, HKMA, '300'));
  const item = sale(book);
  t.same(codes(book.block(item)), ['part_settled']);
  const legs = (hkd: string, thb: string) => [book.leg(ALFA, BETA, hkd), book.leg(BETA, ALFA, thb, 'THB')];
  const amending = (replaces: ReturnType<typeof legs>) => {
    const amends = { settlement: item.instruction.digest, part: 2, replaces, legs: legs('300', '75') };
    return book.settle(ALFA, [book.leg(ALFA, BETA, '1', 'THB')], [ALFA, BETA], { amends });
  };
  t.same(codes(book.block(amending(legs('1600', '400')))), ['part_gone'], 'those are the legs of the whole');
  t.same(codes(book.block(amending(legs('1200', '300')))), ['settled', 'settled']);
  t.same(balances(book), [0n, 117_400n, 170_000n, 82_600n]);
  t.end();
});

t.test('once it is amended nobody leaves alone: what was paid for the new legs is final', (t) => {
  const book = funded();
  book.block(book.pay(ALFA, HKMA, '300'));
  const item = sale(book, { cancelUntil: formatTime(book.time + 3_600_000) });
  t.same(codes(book.block(item)), ['part_settled']);
  const replaces = [book.leg(ALFA, BETA, '1200'), book.leg(BETA, ALFA, '300', 'THB')];
  const amends = { settlement: item.instruction.digest, part: 2, replaces, legs: [book.leg(BETA, GAMA, '5000')] };
  const amending = book.settle(GAMA, [book.leg(ALFA, BETA, '100')], [ALFA, BETA, GAMA], { amends });
  t.same(codes(book.block(amending)), ['settled', 'amended']);
  t.same(codes(book.block(cancel(book, BETA, item))), ['cancel_agreed']);
  t.same(codes(book.block(cancel(book, GAMA, item))), ['cancelled', 'part_cancelled'], 'all together may');
  t.end();
});

t.test('a pass settles lots of so many legs, and the next one goes on', (t) => {
  const book = funded();
  const payees = Array.from({ length: 4 }, (_, i) => bic(`p${i}`));
  for (const party of payees) book.block(book.admit(party));
  const reserved = { urgent: '0', high: '0' };
  // 99 lots to each, of rings that need no money and are let through whole by a limit of 100.
  const limits = { bilateral: [...payees].sort().map((to) => ({ to, amount: '0.99' })) };
  book.block(book.order({ kind: 'liquidity', initiator: ALFA, asset: 'HKD', order: 'bypass', reserved, limits }));
  const rings = payees.flatMap((to) =>
    Array.from({ length: 100 }, () => {
      const legs = [book.leg(ALFA, to, '1'), book.leg(to, GAMA, '1'), book.leg(GAMA, ALFA, '1')];
      return book.queue(ALFA, legs, [ALFA, to, GAMA], { lots: 100 });
    }),
  );
  const partsIn = (told: readonly string[]) => told.filter((code) => code === 'part_settled').length;
  const most = Math.floor(LOT_MOVEMENTS_PER_PASS_MAX / 6);
  t.equal(partsIn(codes(book.block(...rings))), most);
  t.equal(partsIn(codes(book.pass(1_000))), 4 * 99 - most);
  t.same(codes(book.pass(1_000)), [], 'the limits are used up');
  t.end();
});
