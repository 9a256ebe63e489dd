/** What a party can expect: tables of known queues with the positions that they come to, and sums that are those of the settlements. */
import { deepStrictEqual } from 'node:assert';
import t from 'tap';
import { fc } from '../../protocol/property.test-helper.js';
import type { Bic, TimestampMs } from '../../protocol/types.js';
import { DAY_MS, formatDay, formatTime } from '../../protocol/values.js';
import { accountName } from '../entries.js';
import type { Ordered } from '../posting.js';
import { ALFA, BETA, BOTH, type Book, funded, GAMA, HKMA, HOUR, hash } from '../samples.test-helper.js';
import { outlineOf } from '../settlement/outline.js';
import type { State } from '../state.js';
import { dayOf, type Expected, type Flow, flowWith, NO_FLOW, NOTHING_EXPECTED } from './flows.js';
import { positionsOf } from './projection.js';

const onDay = (book: Book, days: number, hours = 12): string =>
  formatTime(dayOf(book.time) * DAY_MS + days * DAY_MS + hours * HOUR);
const later = (book: Book, days: number) => ({ notBefore: onDay(book, days), settleBy: onDay(book, days, 13) });

/** Per asset: balance, floor, lowest; then `+in -out = projected (outflows only)` by days from today. In whole units. */
function told(book: Book, party: Bic): string[] {
  const today = dayOf(book.time);
  const units = (minor: bigint) => String(minor / 100n);
  return positionsOf(book.state, party, book.time as TimestampMs).flatMap(({ asset, balance, floor, days, lowest }) => [
    `${asset.asset} ${units(balance)} over ${units(floor)}, lowest ${units(lowest)}`,
    ...days.map(
      ({ day, flow, projected, outflowsOnly }) =>
        `day ${day - today}: +${units(flow.inMinor)} -${units(flow.outMinor)} = ${units(projected)} (${units(outflowsOnly)})`,
    ),
  ]);
}

const lockTerms = (book: Book) => ({
  mode: 'lock',
  hash: hash('preimage'),
  lockUntil: formatTime(book.time + 2 * HOUR),
});

interface Row {
  readonly says: string;
  readonly party?: Bic;
  /** What is ordered, block by block. */
  readonly given: (book: Book) => readonly Ordered[];
  readonly expected: readonly string[];
  /** The block comes so much later. */
  readonly afterMs?: number;
}
const THB = 'THB 1000 over 0, lowest 1000';

const ROWS: readonly Row[] = [
  { says: 'nothing is bound', given: () => [], expected: ['HKD 1000 over 0, lowest 1000', THB] },
  { says: 'neither an account nor anything to come', party: GAMA, given: () => [], expected: [] },
  {
    says: 'what is in the queue may settle today',
    given: (b) => [b.queue(ALFA, [b.leg(ALFA, GAMA, '1500')])],
    expected: ['HKD 1000 over 0, lowest -500', 'day 0: +0 -1500 = -500 (-500)', THB],
  },
  {
    says: 'who is only paid, and has no account yet',
    party: GAMA,
    given: (b) => [b.queue(ALFA, [b.leg(ALFA, GAMA, '1500')])],
    expected: ['HKD 0 over 0, lowest 0', 'day 0: +1500 -0 = 1500 (0)'],
  },
  {
    says: 'what lacks a consent is not bound',
    given: (b) => [b.queue(ALFA, [b.leg(ALFA, GAMA, '1500'), b.leg(GAMA, ALFA, '1', 'THB')])],
    expected: ['HKD 1000 over 0, lowest 1000', THB],
  },
  {
    says: 'days, with what comes in and goes out on each',
    given: (b) => [
      b.queue(ALFA, [b.leg(ALFA, BETA, '300')], [ALFA], later(b, 2)),
      b.queue(BETA, [b.leg(BETA, ALFA, '200')], [BETA], later(b, 1)),
      b.queue(ALFA, [b.leg(ALFA, GAMA, '50')], [ALFA], later(b, 2)),
    ],
    expected: ['HKD 1000 over 0, lowest 650', 'day 1: +200 -0 = 1200 (1000)', 'day 2: +0 -350 = 850 (650)', THB],
  },
  {
    says: 'what is held for a lock is as good as paid, and what a lock brings is not there',
    given: (b) => [
      b.settle(ALFA, [b.leg(ALFA, GAMA, '900'), b.leg(BETA, ALFA, '5', 'THB')], [ALFA, BETA], lockTerms(b)),
      b.queue(ALFA, [b.leg(ALFA, GAMA, '500')]),
    ],
    expected: ['HKD 1000 over 0, lowest -400', 'day 0: +0 -500 = 500 (-400)', THB],
  },
  {
    says: 'of what comes in lots, those that are left',
    given: (b) => [b.queue(ALFA, [b.leg(ALFA, GAMA, '1200')], [ALFA], { lots: 3 })],
    expected: ['HKD 600 over 0, lowest -200', 'day 0: +0 -800 = -200 (-200)', THB],
  },
  {
    says: 'a PvP stands in both currencies',
    given: (b) => [b.queue(ALFA, [b.leg(ALFA, BETA, '2000'), b.leg(BETA, ALFA, '400', 'THB')], [ALFA, BETA])],
    expected: [
      'HKD 1000 over 0, lowest -1000',
      'day 0: +0 -2000 = -1000 (-1000)',
      'THB 1000 over 0, lowest 1000',
      'day 0: +400 -0 = 1400 (1000)',
    ],
  },
  {
    says: 'both sides of one settlement count in sum',
    given: (b) => [
      b.queue(ALFA, [b.leg(ALFA, BETA, '30'), b.leg(BETA, ALFA, '10')], [ALFA, BETA], later(b, 1)),
      b.queue(ALFA, [b.leg(ALFA, BETA, '7'), b.leg(BETA, ALFA, '7')], [ALFA, BETA], later(b, 3)),
    ],
    expected: ['HKD 1000 over 0, lowest 980', 'day 1: +0 -20 = 980 (980)', THB],
  },
  {
    says: 'a ring: each is paid what it pays',
    given: (b) => [
      b.queue(ALFA, [b.leg(ALFA, BETA, '10')], [ALFA], later(b, 1)),
      b.queue(BETA, [b.leg(BETA, GAMA, '10')], [BETA], later(b, 1)),
      b.queue(GAMA, [b.leg(GAMA, ALFA, '10')], [GAMA], later(b, 1)),
    ],
    expected: ['HKD 1000 over 0, lowest 990', 'day 1: +10 -10 = 1000 (990)', THB],
  },
  {
    says: 'later parts on days of their own',
    given: (b) => [
      b.queue(ALFA, [b.leg(ALFA, BETA, '100'), b.leg(BETA, ALFA, '20', 'THB')], [ALFA, BETA], {
        ...later(b, 1),
        linked: [{ legs: [b.leg(BETA, ALFA, '101'), b.leg(ALFA, BETA, '20', 'THB')], ...later(b, 5) }],
      }),
    ],
    expected: [
      'HKD 1000 over 0, lowest 900',
      'day 1: +0 -100 = 900 (900)',
      'day 5: +101 -0 = 1001 (900)',
      'THB 1000 over 0, lowest 980',
      'day 1: +20 -0 = 1020 (1000)',
      'day 5: +0 -20 = 1000 (980)',
    ],
  },
  {
    says: 'the later part alone once the first has settled',
    given: (b) => [
      b.queue(ALFA, [b.leg(ALFA, BETA, '100')], [ALFA, BETA], {
        linked: [{ legs: [b.leg(BETA, ALFA, '101')], ...later(b, 5) }],
      }),
    ],
    expected: ['HKD 900 over 0, lowest 900', 'day 5: +101 -0 = 1001 (900)', THB],
  },
  {
    says: 'an issuer, whose balance is what it owes',
    party: HKMA,
    given: (b) => [
      b.queue(HKMA, [b.leg(HKMA, GAMA, '500')], [HKMA], later(b, 1)),
      b.queue(ALFA, [b.leg(ALFA, HKMA, '300')], [ALFA], later(b, 2)),
    ],
    expected: [
      'HKD -2000 over -1000000, lowest -2500',
      'day 1: +0 -500 = -2500 (-2500)',
      'day 2: +300 -0 = -2200 (-2500)',
    ],
  },
  {
    says: 'a value date counts from when the last of its currencies opens',
    given: (b) => [
      b.order({
        kind: 'calendar',
        initiator: BOTH,
        asset: 'THB',
        zone: 'Asia/Bangkok',
        days: [{ date: formatDay(dayOf(b.time) + 2), open: onDay(b, 1, 23), close: onDay(b, 2, 9) }],
      }),
      b.settle(ALFA, [b.leg(ALFA, BETA, '1', 'THB')], [ALFA], {
        mode: 'queue',
        valueDate: formatDay(dayOf(b.time) + 2),
      }),
    ],
    expected: ['HKD 1000 over 0, lowest 1000', 'THB 1000 over 0, lowest 999', 'day 1: +0 -1 = 999 (999)'],
  },
  {
    says: 'what was scheduled for a day that has come is in the queue, today',
    given: (b) => [
      b.queue(GAMA, [b.leg(GAMA, ALFA, '5')], [GAMA], {
        notBefore: onDay(b, 0, 20),
        settleBy: onDay(b, 3),
      }),
      b.queue(GAMA, [b.leg(GAMA, ALFA, '6')], [GAMA], { notBefore: onDay(b, 2), settleBy: onDay(b, 3) }),
    ],
    afterMs: DAY_MS,
    expected: ['HKD 1000 over 0, lowest 1000', 'day 0: +5 -0 = 1005 (1000)', 'day 1: +6 -0 = 1011 (1000)', THB],
  },
];

t.test('known queues, and the positions that they come to', (t) => {
  for (const { says, party = ALFA, given, expected, afterMs } of ROWS) {
    const book = funded();
    for (const ordered of given(book)) book.block(ordered);
    if (afterMs !== undefined) book.pass(afterMs);
    t.same(told(book, party), expected, says);
  }
  t.end();
});

/** The same sums from the settlements one by one. */
function expectedFrom(state: State, account: string): Expected {
  const sums: Record<'proposed' | 'scheduled' | 'queued' | 'locked' | 'linked', Flow> = { ...NOTHING_EXPECTED };
  const days = new Map<number, Flow>();
  for (const [, settlement] of state.tables.settlements.entries()) {
    const parts = [{ ...settlement, notBefore: settlement.terms?.notBefore ?? 0 }, ...settlement.linked];
    for (const [at, { legs, notBefore }] of parts.entries()) {
      const net =
        outlineOf({ legs, linked: [], amends: null }).movements.find(({ name }) => name === account)?.net ?? 0n;
      const standing = state.standingOf(settlement);
      const told = at > 0 && standing !== 'proposed' ? 'linked' : standing;
      sums[told] = flowWith(sums[told], net, 1);
      const day = dayOf(notBefore);
      if ((told === 'scheduled' || told === 'linked') && net !== 0n)
        days.set(day, flowWith(days.get(day) ?? NO_FLOW, net, 1));
    }
  }
  return { ...sums, days: [...days].sort(([a], [b]) => a - b).map(([day, flow]) => ({ day, flow })) };
}

const ACCOUNTS = [ALFA, BETA, GAMA, HKMA, BOTH].flatMap((party) => ['HKD', 'THB'].map((a) => accountName(party, a)));
const sumsOf = (state: State) => ACCOUNTS.map((account) => [account, state.flows.of(account)]);

const PARTIES = [ALFA, BETA, GAMA];
const act = fc.record({
  from: fc.nat(2),
  to: fc.nat(2),
  asset: fc.constantFrom('HKD', 'THB'),
  amount: fc.integer({ min: 1, max: 900 }),
  days: fc.integer({ min: 0, max: 4 }),
  back: fc.boolean(),
  isSigned: fc.boolean(),
  isLinked: fc.boolean(),
  cancels: fc.boolean(),
  afterMs: fc.constantFrom(1000, 1000, 1000, DAY_MS / 2, 2 * DAY_MS),
});

t.test('sums are those of what is open, whatever happens, and after a restart', (t) => {
  const run = (acts: readonly (typeof act extends fc.Arbitrary<infer T> ? T : never)[]): void => {
    const book = funded();
    const made: Ordered[] = [];
    for (const { from, to, asset, amount, days, back, isSigned, isLinked, cancels, afterMs } of acts) {
      const [payer, payee] = [PARTIES[from] as Bic, PARTIES[(from + 1 + (to % 2)) % 3] as Bic];
      const legs = [book.leg(payer, payee, String(amount), asset)];
      if (back) legs.push(book.leg(payee, payer, '3', asset === 'HKD' ? 'THB' : 'HKD'));
      const far = { legs: [book.leg(payee, payer, '2', asset)], ...later(book, days + 2) };
      const ordered = book.queue(payer, legs, isSigned ? [payer, payee] : [payer], {
        ...(days > 0 && { notBefore: onDay(book, days) }),
        settleBy: onDay(book, days + 1),
        ...(isLinked && { linked: [far] }),
      });
      made.push(ordered);
      const earlier = made.find(({ instruction }) => book.state.openSettlement(instruction.digest) !== undefined);
      const leaving = cancels && earlier !== undefined ? [earlier.instruction] : [];
      const left = leaving.map(({ digest, payload }) =>
        book.order({ kind: 'cancel', initiator: payload.initiator, settlement: digest }),
      );
      book.lanes([[ordered, ...left]], afterMs);
      const expected = ACCOUNTS.map((account) => [account, expectedFrom(book.state, account)]);
      deepStrictEqual(sumsOf(book.state), expected);
    }
    // A restart finds them again on the disk.
    deepStrictEqual(sumsOf(book.fork().state), sumsOf(book.state));
  };
  fc.assert(fc.property(fc.array(act, { minLength: 1, maxLength: 12 }), run), { numRuns: 60 });
  t.end();
});
