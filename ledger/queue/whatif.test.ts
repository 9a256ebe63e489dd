/** What more money would let through is what it does let through, once it is there: small random queues, tried both ways. */
import { deepStrictEqual } from 'node:assert';
import t from 'tap';
import { WHAT_IF_PASSES_MAX } from '../../protocol/limits.js';
import { fc } from '../../protocol/property.test-helper.js';
import type { Bic, TimestampMs } from '../../protocol/types.js';
import { formatTime } from '../../protocol/values.js';
import { accountName } from '../entries.js';
import type { Ordered } from '../posting.js';
import type { Receipt } from '../receipt.js';
import { ALFA, BETA, BOTH, type Book, codes, funded, GAMA, HKMA, HOUR } from '../samples.test-helper.js';
import { isParty } from '../settlement/outline.js';
import { copyQueue, type QueueCopy, type WhatIfAnswer, whatIf } from './whatif.js';

const ASSETS = ['HKD', 'THB'];

function asked(book: Book, party: Bic, asset: string, extra: bigint, named = 50): QueueCopy & WhatIfAnswer {
  const copy = copyQueue(book.state, book.time as TimestampMs);
  const account = copy.touched.findIndex(({ name }) => name === accountName(party, asset));
  const answer = whatIf({
    queue: copy.queue,
    assets: copy.touched.map((movement) => ASSETS.indexOf(movement.asset)),
    isOwn: copy.touched.map((movement) => movement.party === party),
    account,
    extra,
    named,
  });
  return { ...copy, ...answer };
}

/** Digests of what comes in lots: of that the last is what counts, and of what is linked the part that was next. */
const inLots = new Set<string>();
const hasSettled = ({ code, digest }: Receipt): boolean =>
  code === 'settled' || (code === 'part_settled' && !inLots.has(digest));
/** What settles in the passes to come, as digests in their order. */
function settledIn(book: Book): string[] {
  const settled: string[] = [];
  for (let pass = 0; pass < WHAT_IF_PASSES_MAX; pass++) {
    const { receipts } = book.pass(1000);
    settled.push(...receipts.filter(hasSettled).map(({ digest }) => digest));
  }
  return settled.sort();
}

t.test('what is told, in a queue that is known', (t) => {
  const book = funded();
  const [first, second, third, fourth] = [
    book.queue(GAMA, [book.leg(GAMA, ALFA, '300')], [GAMA]),
    book.queue(GAMA, [book.leg(GAMA, BETA, '200'), book.leg(BETA, GAMA, '40', 'THB')], [GAMA, BETA]),
    book.queue(ALFA, [book.leg(ALFA, BETA, '1200')], [ALFA]),
    book.queue(GAMA, [book.leg(GAMA, ALFA, '900')], [GAMA]),
  ];
  book.block(first, second, third, fourth);
  const { released, delayed, isWhole, settlements } = asked(book, GAMA, 'HKD', 50_000n);
  t.equal(isWhole, true);
  t.same(
    released.own.map((item) => settlements[item]?.digest),
    [first.instruction.digest, second.instruction.digest],
  );
  t.same(
    released,
    {
      count: 3,
      ownCount: 2,
      own: [0, 1],
      ownFlows: [
        [0, { ins: 0, inMinor: 0n, outs: 2, outMinor: 50_000n }],
        [1, { ins: 1, inMinor: 4_000n, outs: 0, outMinor: 0n }],
      ],
      values: [
        [0, 3, 170_000n],
        [1, 1, 4_000n],
      ],
    },
    "ALFA's payment settles too, of what it is paid",
  );
  t.same(delayed, { count: 0, ownCount: 0, own: [], ownFlows: [], values: [] });
  t.same(asked(book, GAMA, 'HKD', 50_000n, 1).released.own, [0], 'no more are named than asked for');
  t.same(asked(book, GAMA, 'HKD', 19_999n).released.count, 0, 'too little');
  t.same(codes(book.pass(1000)), [], 'and the queue is as it was');
  t.end();
});

t.test('more money may make something wait for what then goes first', (t) => {
  // Of one account with 12 that is to pay 5, 10 and 7 the 10 goes; with 15 it is the 7 that covers what is lacking.
  const nets = [-5n, -10n, -7n];
  const queue = {
    funds: [12n],
    ordered: [false],
    limiting: [false],
    lots: [1, 1, 1],
    starts: [0, 1, 2, 3],
    accounts: [0, 0, 0],
    nets,
    tiers: [2, 2, 2],
    kept: [0n, 0n, 0n],
  };
  const { released, delayed } = whatIf({ queue, assets: [0], isOwn: [true], account: 0, extra: 3n, named: 9 });
  t.match([released.own, delayed.own], [[1], [2]]);
  t.end();
});

t.test('what has ended and has not lapsed yet takes no part', (t) => {
  const book = funded();
  book.block(book.queue(GAMA, [book.leg(GAMA, ALFA, '300')], [GAMA]));
  t.equal(copyQueue(book.state, (book.time + 24 * HOUR) as TimestampMs).settlements.length, 0);
  t.end();
});

const PARTIES = [ALFA, BETA, GAMA];
const item = fc.record({
  payer: fc.nat(2),
  payee: fc.nat(1),
  asset: fc.nat(1),
  amount: fc.integer({ min: 1, max: 2000 }),
  back: fc.option(fc.integer({ min: 1, max: 2000 })),
  priority: fc.constantFrom('urgent', 'high', 'normal'),
  isLinked: fc.boolean(),
  lots: fc.constantFrom(1, 1, 2),
});
const rule = fc.record({
  party: fc.nat(2),
  asset: fc.nat(1),
  order: fc.constantFrom('fifo', 'bypass'),
  urgent: fc.nat(300),
  high: fc.nat(300),
  multilateral: fc.option(fc.nat(2000)),
});

function queued(book: Book, drawn: Generated<typeof item>): Ordered {
  const { payer, payee, asset, amount, back, priority, isLinked, lots } = drawn;
  const [from, to] = [PARTIES[payer] as Bic, PARTIES[(payer + 1 + payee) % 3] as Bic];
  const legs = [book.leg(from, to, String(amount), ASSETS[asset])];
  if (back !== null) legs.push(book.leg(to, from, String(back), ASSETS[1 - asset]));
  const [notBefore, settleBy] = [48, 49].map((hours) => formatTime(book.time + hours * HOUR));
  const far = { legs: [book.leg(to, from, '1')], notBefore: notBefore as string, settleBy: settleBy as string };
  const parts = isLinked ? { linked: [far] } : lots > 1 ? { lots } : {};
  const made = book.queue(from, legs, [from, to], { priority, ...parts });
  if ('lots' in parts) inLots.add(made.instruction.digest);
  return made;
}
type Generated<A> = A extends fc.Arbitrary<infer T> ? T : never;

t.test('it agrees with the money being there', (t) => {
  const property = fc.property(
    fc.array(item, { minLength: 1, maxLength: 14 }),
    fc.array(rule, { maxLength: 3 }),
    fc.record({ party: fc.nat(2), asset: fc.nat(1), units: fc.integer({ min: 1, max: 4000 }) }),
    (items, rules, more) => {
      const book = funded();
      const said = rules.map(({ party, asset, order, urgent, high, multilateral }) =>
        book.order({
          kind: 'liquidity',
          initiator: PARTIES[party] as Bic,
          asset: ASSETS[asset],
          order,
          reserved: { urgent: String(urgent), high: String(high) },
          // Money that really comes gives back of a limit; what is asked about only is there.
          ...(multilateral !== null && party !== more.party && { limits: { multilateral: String(multilateral) } }),
        }),
      );
      book.block(...said);
      book.block(...items.map((each) => queued(book, each)));
      const [party, asset] = [PARTIES[more.party] as Bic, ASSETS[more.asset] as string];
      const { settlements, released, delayed, isWhole } = asked(book, party, asset, 100n * BigInt(more.units), 1000);
      deepStrictEqual(isWhole, true);

      const [without, having] = [book.fork(), book.fork()];
      const issue = book.pay(asset === 'HKD' ? HKMA : BOTH, party, String(more.units), asset);
      const settledWithout = settledIn(without);
      const atOnce = having
        .block(issue)
        .receipts.filter((receipt) => hasSettled(receipt) && receipt.digest !== issue.instruction.digest);
      const settledHaving = [...atOnce.map(({ digest }) => digest), ...settledIn(having)];
      const letThrough = settledHaving.filter((digest) => !settledWithout.includes(digest));
      const kept = settledWithout.filter((digest) => !settledHaving.includes(digest));
      deepStrictEqual([released.count, delayed.count], [letThrough.length, kept.length]);
      const own = settlements.filter((each) => letThrough.includes(each.digest) && isParty(each, party));
      deepStrictEqual(
        released.own.map((at) => settlements[at]),
        own,
      );
    },
  );
  fc.assert(property, { numRuns: 300 });
  // Of a pass to come accounts count in the order in which what is left touches them.
  fc.assert(property, { seed: -994186828, path: '288', numRuns: 1 });
  t.end();
});
