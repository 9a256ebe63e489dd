/** What the study of liquidity rests on: its traffic, what mechanisms may and must do, and its measure of the best. */
import t from 'tap';
import { Day } from './day.js';
import { bestOf, COMPARED, gapOf, instanceOf, loadSolver, outcomeOf } from './exact.js';
import { dueByTick, fundsOf, type Level, needsOf, QUICK_LEVELS, totalWorth } from './levels.js';
import { MECHANISMS, type Mechanism, Settling } from './mechanisms.js';
import { runDay, study } from './study.js';
import {
  DEFAULTS,
  type Instruction,
  type Movement,
  type Parameters,
  TICKS,
  type Traffic,
  trafficOf,
} from './traffic.js';

const SMALL: Parameters = {
  ...DEFAULTS,
  banks: 20,
  currencies: 4,
  instructions: 300,
  urgentPercent: 5,
  highPercent: 10,
};
const SOME: readonly Level[] = [
  { scale: 'share', percent: 60 },
  { scale: 'between', percent: 20 },
  { scale: 'bound', percent: 150 },
];

/** Legs as [from, to, currency, worth, tier]; banks and currencies are numbers from 0. */
type Leg = readonly [number, number, number, bigint, number?];
const CURRENCIES = 4;
function instruction(...legs: readonly Leg[]): Instruction {
  const [first] = legs;
  if (first === undefined) throw new Error('an instruction has a leg');
  const movements = legs.flatMap(([from, to, currency, worth, tier = 2]): Movement[] => [
    { account: from * CURRENCIES + currency, net: -worth, tier },
    { account: to * CURRENCIES + currency, net: worth, tier },
  ]);
  return { dueTick: 0, movements, banks: [first[0], first[1]], worth: legs.reduce((sum, leg) => sum + leg[3], 0n) };
}
/** A day of five banks without money, but for what is said. */
function dayOf(instructions: readonly Instruction[], funds: Readonly<Record<number, bigint>> = {}): Day {
  const parameters = { banks: 5, currencies: CURRENCIES, order: 'bypass' } as const;
  const traffic: Traffic = { parameters, rates: [1n, 1n, 1n, 1n], instructions };
  return new Day(
    traffic,
    Array.from({ length: 5 * CURRENCIES }, (_, account) => funds[account] ?? 0n),
  );
}
/** What of a day settles in its first tick. */
function settledBy(mechanism: Mechanism, day: Day): number[] {
  const items = day.traffic.instructions.map((_, item) => item);
  new Settling(day, mechanism).run(items);
  return items.filter((item) => !day.isWaiting(item));
}

t.test('the same parameters give the same day, and another seed another', async (t) => {
  const textOf = (parameters: Parameters): string =>
    JSON.stringify(trafficOf(parameters), (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  t.equal(textOf(SMALL) === textOf(SMALL), true);
  t.equal(textOf({ ...SMALL, seed: 2 }) === textOf(SMALL), false);
  const { instructions, rates } = trafficOf(SMALL);
  t.equal(instructions.length, 300);
  t.equal(instructions.filter(({ movements }) => movements.length === 4).length > 100, true, 'about half are PvP');
  const isSound = ({ dueTick, movements, banks }: Instruction): boolean =>
    dueTick >= 0 &&
    dueTick < TICKS &&
    banks[0] !== banks[1] &&
    new Set(movements.map(({ account }) => account)).size === movements.length &&
    movements.every(({ account, net }) => net !== 0n && net % (rates[account % SMALL.currencies] ?? 0n) === 0n);
  t.strictSame(
    instructions.filter((each) => !isSound(each)),
    [],
  );
  const valueDated = instructions.slice(0, 90);
  t.not(
    valueDated.findIndex(({ dueTick }, at) => dueTick < (valueDated[at - 1]?.dueTick ?? 0)),
    -1,
    'due in any order',
  );
  const others = instructions.slice(90);
  t.ok(
    others.every(({ dueTick }, at) => dueTick >= (others[at - 1]?.dueTick ?? 0)),
    'the others have places as they come',
  );
});

t.test(
  'with the gross need all settles gross when it is due; with the lower bound all settles by the end',
  async (t) => {
    const traffic = trafficOf(SMALL);
    const needs = needsOf(traffic);
    const gross = runDay(traffic, needs, { scale: 'share', percent: 100 }, 'gross').point;
    t.match(gross, { settledShare: 1, settledCountShare: 1, delayMinutes: 0, gridlockShare: 0, liquidityShare: 1 });
    for (const mechanism of ['multilateral', 'improved'] as const) {
      const { point } = runDay(traffic, needs, { scale: 'between', percent: 0 }, mechanism);
      t.match(point, { settledShare: 1, settledCountShare: 1 }, mechanism);
    }
    // One unit less in an account that pays more than it receives, and somebody is not paid.
    const less = fundsOf(needs, { scale: 'bound', percent: 100 });
    const payer = less.findIndex((amount) => amount > 0n);
    less[payer] = (less[payer] ?? 0n) - 1n;
    const day = new Day(traffic, less);
    const settling = new Settling(day, 'improved');
    for (const due of dueByTick(traffic)) settling.run(due);
    t.ok(day.waiting().length > 0);
    t.ok(needs.gross.every((amount, account) => amount >= (needs.bound[account] ?? 0n)));
  },
);

t.test('money is neither made nor lost, and no account is ever below its floor', async (t) => {
  const traffic = trafficOf(SMALL);
  const needs = needsOf(traffic);
  for (const level of SOME) {
    for (const mechanism of MECHANISMS) {
      const funds = fundsOf(needs, level);
      const { day } = runDay(traffic, needs, level, mechanism);
      t.ok(day.lows.every((low) => low >= 0n));
      t.equal(totalWorth(traffic, day.funds), totalWorth(traffic, funds), `${mechanism} at ${level.scale}`);
      const expected = [...funds];
      traffic.instructions.forEach(({ movements, dueTick }, item) => {
        const tick = day.settledTicks[item] ?? -1;
        if (tick < 0) return;
        if (tick < dueTick) t.fail('nothing settles before it is due');
        for (const { account, net } of movements) expected[account] = (expected[account] ?? 0n) + net;
      });
      t.strictSame(day.funds, expected, 'each account holds what the settled instructions left it');
    }
  }
});

t.test('a ring of three banks in three currencies, which gross and pairs cannot move', async (t) => {
  // The first currency goes round; what is given for it comes back in the second and the third.
  const ring = [
    instruction([0, 1, 0, 100n], [1, 0, 1, 100n]),
    instruction([1, 2, 0, 100n], [2, 1, 2, 100n]),
    instruction([2, 0, 0, 100n], [0, 2, 1, 100n]),
    instruction([2, 1, 1, 100n], [1, 2, 2, 100n]),
  ];
  t.strictSame(settledBy('gross', dayOf(ring)), []);
  t.strictSame(settledBy('bilateral', dayOf(ring)), []);
  t.strictSame(settledBy('multilateral', dayOf(ring)), [0, 1, 2, 3]);
  t.strictSame(settledBy('improved', dayOf(ring)), [0, 1, 2, 3]);
  const pair = [instruction([0, 1, 0, 100n]), instruction([1, 0, 0, 100n])];
  t.strictSame(settledBy('gross', dayOf(pair)), []);
  t.strictSame(settledBy('bilateral', dayOf(pair)), [0, 1]);
});

t.test('the search finds a ring that the pass lets go of', async (t) => {
  // Bank 0 lacks 200: whether the pass lets the last go first or the first, the one that closes the ring goes too.
  const day = (): Day =>
    dayOf([
      instruction([0, 3, 0, 100n]),
      instruction([0, 1, 0, 100n]),
      instruction([1, 0, 0, 100n]),
      instruction([0, 2, 0, 100n]),
    ]);
  t.strictSame(settledBy('multilateral', day()), []);
  t.strictSame(settledBy('improved', day()), [1, 2]);
});

t.test('at one moment each that begins with another settles no less', async (t) => {
  for (let seed = 1; seed <= 60; seed++) {
    const worth = (mechanism: Mechanism): bigint => {
      const day = instanceOf(seed);
      const items = day.waiting();
      new Settling(day, mechanism).resume();
      return day.worthOf(items.filter((item) => !day.isWaiting(item)));
    };
    t.ok(worth('gross') <= worth('bilateral') && worth('gross') <= worth('multilateral'), `seed ${seed}`);
    t.ok(worth('multilateral') <= worth('improved'), `seed ${seed}`);
  }
});

t.test(
  'in strict order, of one urgency and in places by time, gross is within bilateral within multilateral all day',
  async (t) => {
    // Largest sets are unique then (ledger/SPEC.md, A pass), so what settles more early never settles less later.
    const parameters = { ...SMALL, urgentPercent: 0, highPercent: 0, valueDatedPercent: 0, order: 'fifo' } as const;
    const traffic = trafficOf(parameters);
    const needs = needsOf(traffic);
    for (const level of SOME) {
      const days = MECHANISMS.map((mechanism) => runDay(traffic, needs, level, mechanism).day.settledTicks);
      const late = (at: number, item: number): number => {
        const tick = days[at]?.[item] ?? -1;
        return tick < 0 ? TICKS : tick;
      };
      const isNested = traffic.instructions.every((_, item) =>
        [1, 2, 3].every((at) => late(at, item) <= late(at - 1, item)),
      );
      t.ok(isNested, `${level.scale} ${level.percent}`);
    }
  },
);

t.test('nothing passes what is more urgent in an account that both debit', async (t) => {
  const urgent = instruction([0, 1, 0, 100n, 0]);
  const normal = instruction([0, 1, 0, 10n, 2]);
  for (const mechanism of MECHANISMS) {
    t.strictSame(settledBy(mechanism, dayOf([urgent, normal], { 0: 50n })), [], mechanism);
    t.strictSame(settledBy(mechanism, dayOf([normal, urgent], { 0: 110n })), [0, 1], mechanism);
  }
  const day = dayOf([urgent, normal], { 0: 50n });
  day.join([0, 1]);
  t.equal(day.refusal([1]), 'passes_more_urgent');
  t.equal(day.refusal([0]), 'insufficient_funds');
  t.equal(day.refusal([1, 1]), 'not_waiting');
  t.throws(() => day.settle([1]), /passes_more_urgent/);
  // Over a whole day: what settled left nothing more urgent waiting behind it.
  const traffic = trafficOf(SMALL);
  const needs = needsOf(traffic);
  for (const mechanism of MECHANISMS) {
    const { settledTicks } = runDay(traffic, needs, { scale: 'share', percent: 60 }, mechanism).day;
    let passed = 0;
    const debits = traffic.instructions.flatMap(({ movements, dueTick }, item) => {
      const tick = settledTicks[item] ?? -1;
      return movements
        .filter(({ net }) => net < 0n)
        .map((each) => ({ ...each, dueTick, tick: tick < 0 ? TICKS : tick }));
    });
    for (const one of debits)
      for (const other of debits)
        if (one.account === other.account && other.tier < one.tier && other.dueTick < one.tick && other.tick > one.tick)
          passed += 1;
    t.equal(passed, 0, mechanism);
  }
});

t.test('the best set is the best: as brute force finds it, and never less than any mechanism', async (t) => {
  const solver = await loadSolver();
  let compared = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const { best, settled } = outcomeOf(seed, solver);
    for (const each of COMPARED) t.ok(settled[each] <= best, `${each}, seed ${seed}`);
    const day = instanceOf(seed);
    const items = day.waiting();
    if (items.length > 10) continue;
    let most = 0n;
    for (let chosen = 0; chosen < 2 ** items.length; chosen++) {
      const set = items.filter((item) => (chosen >> item) & 1);
      if (day.worthOf(set) > most && day.refusal(set) === null) most = day.worthOf(set);
    }
    t.equal(day.worthOf(bestOf(day, solver)), most, `brute force, seed ${seed}`);
    compared += 1;
  }
  t.ok(compared >= 5, `${compared} by brute force`);
  const gap = gapOf(1, 20, solver);
  for (const each of COMPARED) t.ok(gap.worst[each] >= 0 && gap.shareOfBest[each] <= 1, each);
});

t.test('the same parameters give the same study', async (t) => {
  const levels = QUICK_LEVELS.slice(0, 5);
  const first = study(SMALL, levels);
  t.equal(JSON.stringify(study(SMALL, levels)), JSON.stringify(first));
  t.equal(first.points.length, levels.length * MECHANISMS.length);
  t.ok(BigInt(first.lowerBound) < BigInt(first.grossNeed) && BigInt(first.grossNeed) < BigInt(first.worth));
});
