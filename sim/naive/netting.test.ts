/** What a pass settles: the same as the plain sentences of the SPEC say; and with strict order the one largest set there is. */

import t from 'tap';
import { type Queue, type Selection, select } from '../../ledger/queue/netting.js';
import { fc } from '../../protocol/property.test-helper.js';
import { choose, type NaiveChoice, type NaiveItem } from './netting.js';

interface Account {
  readonly funds: number;
  readonly isOrdered: boolean;
  readonly isLimit: boolean;
  readonly urgent: number;
  readonly high: number;
}
type Movements = readonly (readonly [account: number, net: number, tier: number])[];
/** Items as movements: account, net, and how urgent a debit is there; and the lots that each comes in. */
interface Case {
  readonly accounts: readonly Account[];
  readonly items: readonly Movements[];
  readonly lots: readonly number[];
}

const ACCOUNTS = 5;
const account = fc.record({
  funds: fc.nat({ max: 6 }),
  isOrdered: fc.boolean(),
  isLimit: fc.constantFrom(false, false, false, true),
  urgent: fc.constantFrom(0, 0, 0, 2),
  high: fc.constantFrom(0, 0, 3),
});
const movement = fc.tuple(
  fc.nat({ max: ACCOUNTS - 1 }),
  fc.integer({ min: -9, max: 9 }).filter((net) => net !== 0),
  fc.nat({ max: 2 }),
);
const item = fc.uniqueArray(movement, { minLength: 1, maxLength: 4, selector: ([at]) => at });
const cases = (more: fc.Arbitrary<Account>, itemsMax: number): fc.Arbitrary<Case> =>
  fc
    .record({
      accounts: fc.array(more, { minLength: ACCOUNTS, maxLength: ACCOUNTS }),
      items: fc.array(fc.tuple(item, fc.constantFrom(1, 1, 2, 3)), { maxLength: itemsMax }),
    })
    .map(({ accounts, items }) => ({
      accounts,
      items: items.map(([movements, lots]) => movements.map(([at, net, tier]) => [at, net * lots, tier] as const)),
      lots: items.map(([, lots]) => lots),
    }));

const keptIn = ({ urgent, high, isLimit }: Account, tier: number): number =>
  isLimit ? 0 : ([0, urgent, urgent + high][tier] as number);

/** The numbers that netting takes: accounts by first touch. */
function queueOf({ accounts, items, lots }: Case): Queue {
  const touched = [...new Set(items.flatMap((each) => each.map(([at]) => at)))];
  const flat = items.flat();
  const starts = [0];
  for (const each of items) starts.push((starts.at(-1) as number) + each.length);
  return {
    funds: touched.map((at) => BigInt((accounts[at] as Account).funds)),
    ordered: touched.map((at) => (accounts[at] as Account).isOrdered),
    limiting: touched.map((at) => (accounts[at] as Account).isLimit),
    starts,
    accounts: flat.map(([at]) => touched.indexOf(at)),
    nets: flat.map(([, net]) => BigInt(net)),
    tiers: flat.map(([, , tier]) => tier),
    kept: flat.map(([at, , tier]) => BigInt(keptIn(accounts[at] as Account, tier))),
    lots,
  };
}

function plain({ accounts, items, lots }: Case): NaiveChoice {
  const named = items.map(
    (each, i): NaiveItem => ({
      lots: lots[i] as number,
      sums: each.map(([at, net, tier]) => {
        const kept = BigInt(keptIn(accounts[at] as Account, tier));
        return { account: `${at}`, net: BigInt(net), tier, kept };
      }),
    }),
  );
  const funds = new Map(accounts.map(({ funds }, at) => [`${at}`, BigInt(funds)]));
  const namesOf = (is: 'isOrdered' | 'isLimit') => new Set(accounts.flatMap((of, at) => (of[is] ? [`${at}`] : [])));
  return choose(named, funds, { ordered: namesOf('isOrdered'), limits: namesOf('isLimit') });
}

/** Whether a set may settle at once: every account that it debits ends with what it is to keep. */
function holds({ accounts, items }: Case, chosen: readonly number[]): boolean {
  return accounts.every((of, at) => {
    const own = chosen.flatMap((i) => (items[i] as Case['items'][number]).filter(([other]) => other === at));
    const end = own.reduce((sum, [, net]) => sum + net, of.funds);
    return own.every(([, net, tier]) => net > 0 || end >= keptIn(of, tier));
  });
}

/** Whether nothing in a set goes before, in some account, something that is not in it. */
function isClosed({ accounts, items }: Case, chosen: readonly number[]): boolean {
  return items.every(
    (waits, i) =>
      chosen.includes(i) ||
      chosen.every((j) =>
        (items[j] as Case['items'][number]).every(([at, net, tier]) => {
          const other = waits.find(([account, debit]) => account === at && debit < 0);
          if (net > 0 || other === undefined || accounts[at]?.isLimit) return true;
          return other[2] > tier || (other[2] === tier && !((accounts[at] as Account).isOrdered && i < j));
        }),
      ),
  );
}

const RUNS = { numRuns: 3_000 };

t.test('what a pass settles is what the sentences say, holds, and passes nothing that it must not', (t) => {
  const met = { together: 0, alone: 0, again: 0, inLots: 0, left: 0 };
  fc.assert(
    fc.property(cases(account, 9), (made) => {
      const { rounds, inLots }: Selection = select(queueOf(made));
      const all = rounds.flatMap(({ together, alone }) => [...together, ...alone]);
      const [{ together, alone }, again] = rounds;
      const told = JSON.stringify({ whole: all, oneLot: inLots });
      if (told !== JSON.stringify(plain(made))) throw new Error(`${told}, and in words ${JSON.stringify(plain(made))}`);
      if (!holds(made, together)) throw new Error('what settles together does not hold');
      for (let at = 0; at <= alone.length; at++)
        if (!isClosed(made, [...together, ...alone.slice(0, at)])) throw new Error('something was passed');
      if (!holds(made, all)) throw new Error('what has settled after both rounds does not hold');
      if (!isClosed(made, [...together, ...alone, ...again.together]))
        throw new Error('something was passed in the second round');
      met.together += together.length > 1 ? 1 : 0;
      met.again += again.together.length;
      met.alone += alone.length;
      met.inLots += inLots.length;
      met.left += made.items.length - all.length;
    }),
    RUNS,
  );
  t.ok(met.together > 500 && met.alone > 5 && met.again > 0 && met.inLots > 100 && met.left > 500, JSON.stringify(met));
  t.end();
});

t.test(
  'in strict order: together is the one largest set that holds and is closed, in whatever order it is worked out',
  (t) => {
    const strict = account.map((made) => ({ ...made, isOrdered: true, isLimit: false }));
    let larger = 0;
    fc.assert(
      fc.property(cases(strict, 8), (made) => {
        const { rounds } = select(queueOf(made));
        const [{ together, alone }, again] = rounds;
        const subsets = Array.from({ length: 2 ** made.items.length }, (_, bits) =>
          made.items.flatMap((_item, at) => ((bits >> at) & 1 ? [at] : [])),
        );
        const fair = subsets.filter((subset) => isClosed(made, subset) && holds(made, subset));
        const most = Math.max(...fair.map(({ length }) => length));
        if (together.length !== most) throw new Error(`${together.join()}, where ${most} could settle`);
        if (!fair.every((subset) => subset.every((at) => together.includes(at))))
          throw new Error('it is not the union');
        if (alone.length > 0) throw new Error('one more would have made a larger set');
        const turned = { ...made, items: made.items.map((each) => [...each].reverse()) };
        const [turnedRound] = select(queueOf(turned)).rounds;
        if (again.together.length + again.alone.length > 0) throw new Error('the second round found more');
        if (JSON.stringify(turnedRound.together) !== JSON.stringify(together))
          throw new Error('the order of work shows');
        larger += together.length > 1 ? 1 : 0;
      }),
      { numRuns: 1_500 },
    );
    t.ok(larger > 100, `${larger} sets of more than one`);
    t.end();
  },
);

t.test('a ring settles whole; with one link too heavy the rest goes on', (t) => {
  const accounts = Array.from({ length: 4 }, () => ({
    funds: 0,
    isOrdered: false,
    isLimit: false,
    urgent: 0,
    high: 0,
  }));
  const ring = (amounts: readonly number[]): Case => ({
    accounts,
    lots: amounts.map(() => 1),
    items: amounts.map((amount, at) => [
      [at, -amount, 2],
      [(at + 1) % 4, amount, 2],
    ]),
  });
  const none = { together: [], alone: [] };
  t.same(select(queueOf(ring([5, 5, 5, 5]))), { rounds: [{ together: [0, 1, 2, 3], alone: [] }, none], inLots: [] });
  t.same(select(queueOf(ring([5, 5, 5, 6]))), { rounds: [none, none], inLots: [] });
  const heavy: Case = {
    accounts,
    lots: [1, 1, 1, 1, 1],
    items: [
      [
        [0, -100, 2],
        [1, 100, 2],
      ],
      ...ring([5, 5, 5, 5]).items,
    ],
  };
  t.same(select(queueOf(heavy)).rounds[0].together, [1, 2, 3, 4], 'what cannot hold goes, and not those behind it');
  t.end();
});
