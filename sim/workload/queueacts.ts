/** What banks do with the queue: settlements that wait for funds or for their time, rings that none can settle alone, second thoughts. */
import type { JwsJson } from '../../protocol/instruction.js';
import { PRIORITIES } from '../../protocol/payload.js';
import { DAY_MS, formatAmount, formatDay, formatTime } from '../../protocol/values.js';
import { type Act, exchange, payment, type Share } from './acts.js';
import { type Desk, type LegFields, readJws } from './desk.js';

/** Past `issued`, whatever the clock of who signs. */
const SOON_MS = 1_100;

/** Dates in their order, mostly near: so that what waits settles, is cancelled, or lapses within a run. */
function terms(desk: Desk): object {
  const { random } = desk;
  const settleByMs = random.pick([2_000, 8_000, 30_000, 600_000, 2 * DAY_MS, 300 * DAY_MS]);
  const cancelUntilMs = random.between(SOON_MS, Math.min(settleByMs, 5_000));
  return {
    settleBy: desk.inMs(settleByMs),
    ...(random.chance(600) && {
      cancelUntil: desk.inMs(cancelUntilMs),
      cutoff: desk.inMs(random.between(cancelUntilMs, Math.min(settleByMs, 60_000))),
    }),
    ...(random.chance(300) && { notBefore: desk.inMs(random.between(-2_000, Math.min(settleByMs - 1, 6_000))) }),
    ...(random.chance(500) && { priority: random.pick(PRIORITIES) }),
  };
}

async function queue(
  desk: Desk,
  legs: readonly LegFields[],
  signers: readonly string[],
  more: object = terms(desk),
): Promise<JwsJson> {
  const [initiator] = signers as [string, ...string[]];
  const jws = await desk.make({ kind: 'settle', mode: 'queue', initiator, legs, ...more }, signers);
  desk.queued(jws);
  return jws;
}

const payLater: Act = async (desk) => {
  const leg = desk.random.chance(500) ? payment(desk) : payment(desk, 2_000, 30_000);
  return [await queue(desk, [leg], [leg.from])];
};

const pvpLater: Act = async (desk) => {
  const legs = exchange(desk);
  const debited = legs.map(({ from }) => from);
  if (desk.random.chance(600)) return [await queue(desk, legs, debited)];
  const jws = await queue(desk, legs, debited.slice(0, 1));
  desk.proposed(jws, debited.slice(1));
  return [jws];
};

/** In lots, at the rate of the whole: more than there is, so that some settle; at times lots that are none. */
const payInLots: Act = async (desk) => {
  const legs = desk.random.chance(500) ? [payment(desk)] : exchange(desk);
  const lots = desk.random.pick([2, 3, 10, 100]);
  const even = legs.map((leg) => {
    const decimals = desk.decimalsOf(leg.asset);
    const lot = BigInt(desk.random.between(100, 20_000)) * 10n ** BigInt(decimals);
    return { ...leg, amount: formatAmount((lot * BigInt(lots)) / 4n, decimals) };
  });
  const debited = legs.map(({ from }) => from);
  const paid = desk.random.chance(900) ? even : legs;
  return [await queue(desk, paid, debited, { settleBy: desk.inMs(20_000), lots })];
};

/** Each pays the next more than it has, round in a ring: together they settle, one by one none does. */
const ring: Act = async (desk) => {
  const parties: string[] = [];
  for (let left = desk.random.between(2, 4); left > 0; left--)
    parties.push(desk.random.pick(desk.banks.filter((bank) => !parties.includes(bank))));
  const currencies = desk.random.chance(500) ? [desk.random.pick(desk.currencies)] : desk.currencies;
  return Promise.all(
    parties.map((from, at) => {
      const to = parties[(at + 1) % parties.length] as string;
      const asset = currencies[at % currencies.length] as string;
      const legs = [{ from, to, asset, amount: desk.amount(asset, 20_000, 20_010) }];
      if (currencies.length === 1) return queue(desk, legs, [from], { settleBy: desk.inMs(30_000) });
      const back = currencies[(at + 1) % currencies.length] as string;
      const pair = [...legs, { from: to, to: from, asset: back, amount: desk.amount(back, 100, 110) }];
      return queue(desk, pair, [from, to], { settleBy: desk.inMs(30_000) });
    }),
  );
};

/**
 * Two legs now, or one of them, a loan, and the same back in a moment: the second part is bound with the first, also by
 * who pays in it alone, and due once that has settled.
 */
const swap: Act = async (desk) => {
  const [there, back] = exchange(desk);
  const debited = [there.from, back.from];
  const nearMs = desk.random.pick([2_000, 6_000]);
  const later = { notBefore: desk.inMs(nearMs + 1), settleBy: desk.inMs(nearMs + desk.random.pick([4_000, 60_000])) };
  const near = desk.random.chance(700) ? [there, back] : [there];
  const legs = near.map(({ from, to, ...what }) => ({ ...what, from: to, to: from }));
  const rolled = { legs: [there], notBefore: desk.inMs(120_000), settleBy: desk.inMs(200_000) };
  const linked = desk.random.chance(800) ? [{ legs, ...later }] : [{ legs, ...later }, rolled];
  const more = { settleBy: desk.inMs(nearMs), linked };
  if (desk.random.chance(800)) return [await queue(desk, near, debited, more)];
  const jws = await queue(desk, near, debited.slice(0, 1), more);
  desk.proposed(jws, debited.slice(1));
  return [jws];
};

/** An issuance past the cap waits for a higher one, or for what comes back. */
const issueLater: Act = async (desk) => {
  const { authority, currency } = desk.random.pick(desk.jurisdictions);
  const amount = desk.random.chance(500) ? '999999000' : desk.amount(currency, 100, 5_000);
  const legs = [{ from: authority, to: desk.random.pick(desk.banks), asset: currency, amount }];
  return [await queue(desk, legs, [authority])];
};

/** Of a settlement a party, mostly one that pays. */
function someoneIn(desk: Desk, jws: JwsJson): string {
  const { payload } = readJws(jws);
  const legs = payload.kind === 'settle' ? payload.legs : [];
  const sides = legs.map(({ from, to }) => (desk.random.chance(700) ? from : to));
  const known = sides.filter((party) => desk.banks.includes(party));
  return desk.random.pick(known.length === 0 || desk.random.chance(100) ? desk.banks : known);
}

const named = async (desk: Desk, kind: string, initiator: string, jws: JwsJson, more: object = {}): Promise<JwsJson> =>
  desk.make({ kind, initiator, settlement: readJws(jws).digest, ...more }, [initiator]);

const cancel: Act = async (desk) => {
  const jws = desk.inQueue();
  return jws === null ? payLater(desk) : [await named(desk, 'cancel', someoneIn(desk, jws), jws)];
};

const cancelTogether: Act = async (desk) => {
  const legs = [payment(desk, 12_000, 30_000)];
  const [{ from, to }] = legs as [LegFields];
  const more = { cancelUntil: desk.inMs(SOON_MS), cutoff: desk.inMs(20_000), settleBy: desk.inMs(25_000) };
  const jws = await queue(desk, legs, [from], more);
  return [jws, await named(desk, 'cancel', from, jws), await named(desk, 'cancel', to, jws)];
};

const reprioritise: Act = async (desk) => {
  const jws = desk.inQueue();
  if (jws === null) return payLater(desk);
  const priority = desk.random.pick(PRIORITIES);
  return [await named(desk, 'reprioritise', someoneIn(desk, jws), jws, { priority })];
};

/** A bank keeps something for what is urgent, or has its queue strictly in order; at times for an asset that there is not. */
const liquidity: Act = async (desk) => {
  const initiator = desk.random.pick(
    desk.random.chance(900) ? desk.banks : desk.jurisdictions.map((one) => one.authority),
  );
  const asset = desk.random.chance(950) ? desk.random.pick(desk.currencies) : 'NOSUCHCOIN';
  const reserved = {
    urgent: desk.random.pick(['0', '0', desk.amount(asset, 1, 3_000), '0.00000001', '99999999999999999999999999999']),
    high: desk.random.pick(['0', desk.amount(asset, 1, 3_000)]),
  };
  const order = desk.random.pick(['fifo', 'bypass']);
  const limits = desk.random.chance(500) ? {} : netLimits(desk, initiator, asset);
  return [await desk.make({ kind: 'liquidity', initiator, asset, order, reserved, ...limits }, [initiator])];
};

/** Net sender limits: to some, to all, to nobody, at times to who is none. */
function netLimits(desk: Desk, initiator: string, asset: string): object {
  const others = desk.random.chance(950) ? desk.banks : [...desk.banks, 'NOBODYHKXXX'];
  const bilateral = others
    .filter((to) => to !== initiator && desk.random.chance(400))
    .sort()
    .map((to) => ({ to, amount: desk.random.pick(['0', desk.amount(asset, 1, 4_000)]) }));
  const limits = {
    ...(desk.random.chance(500) && { multilateral: desk.random.pick(['0', desk.amount(asset, 1, 6_000)]) }),
    ...(bilateral.length > 0 && { bilateral }),
  };
  return Object.keys(limits).length === 0 ? {} : { limits };
}

/** A bank limits what it sends another, pays past it, and is paid back. */
const limitAndPay: Act = async (desk) => {
  const { from, to, asset } = payment(desk);
  const reserved = { urgent: '0', high: '0' };
  const amount = desk.amount(asset, 500, 1_000);
  const limits = desk.random.chance(500) ? { bilateral: [{ to, amount }] } : { multilateral: amount };
  const order = desk.random.pick(['fifo', 'bypass']);
  const set = await desk.make({ kind: 'liquidity', initiator: from, asset, order, reserved, limits }, [from]);
  const more = { settleBy: desk.inMs(20_000) };
  const pay = (payer: string, payee: string, least: number, most: number): Promise<JwsJson> =>
    queue(desk, [{ from: payer, to: payee, asset, amount: desk.amount(asset, least, most) }], [payer], more);
  const first = desk.random.chance(500) ? pay(from, to, 300, 900) : gross(desk, { from, to, asset, amount });
  return [set, await first, await pay(from, to, 300, 900), await pay(to, from, 200, 900), await pay(from, to, 1, 200)];
};

const gross = (desk: Desk, leg: LegFields): Promise<JwsJson> =>
  desk.make({ kind: 'settle', mode: 'gross', initiator: leg.from, legs: [leg] }, [leg.from]);

/** Who may make an offer, mostly: an authority runs a validator, and a bank may be a solver. */
const offerer = (desk: Desk): string =>
  desk.random.chance(800) ? desk.random.pick(desk.jurisdictions).authority : desk.random.pick(desk.banks);

/** Something of the queue is offered, whether or not it can settle. */
const offerSome: Act = async (desk) => {
  const named: JwsJson[] = [];
  for (let left = desk.random.between(1, 4); left > 0; left--) {
    const jws = desk.random.chance(900) ? desk.inQueue() : desk.before();
    if (jws !== null) named.push(jws);
  }
  return named.length === 0 ? payLater(desk) : [await offer(desk, named)];
};

const offer = (desk: Desk, named: readonly JwsJson[]): Promise<JwsJson> => {
  const initiator = offerer(desk);
  const settlements = [...new Set(named.map((jws) => readJws(jws).digest))];
  return desk.make({ kind: 'offer', initiator, settlements }, [initiator]);
};

/**
 * What a pass does not find: two exchanges hold together, and the first of them goes, for what an account lacks, before one
 * that cannot settle either, from whichever end the queue is gone through. An offer has them, unless the first is urgent.
 */
const missed: Act = async (desk) => {
  const parties: string[] = [];
  for (let left = 4; left > 0; left--)
    parties.push(desk.random.pick(desk.banks.filter((bank) => !parties.includes(bank))));
  const [payer, first, second, third] = parties as [string, string, string, string];
  const [x, y] = desk.two(desk.currencies);
  const limit = (initiator: string, asset: string, multilateral: string): Promise<JwsJson> => {
    const fields = { order: 'bypass', reserved: { urgent: '0', high: '0' }, limits: { multilateral } };
    return desk.make({ kind: 'liquidity', initiator, asset, ...fields }, [initiator]);
  };
  const more = { settleBy: desk.inMs(30_000) };
  const [most, other] = [desk.amount(x, 1_100, 2_000), desk.amount(y, 100, 400)];
  const swapped = (a: string, b: string, there: string, back: string, urgency: object = {}): Promise<JwsJson> => {
    const legs = [
      { from: a, to: b, asset: x, amount: there },
      { from: b, to: a, asset: y, amount: back },
    ];
    return queue(desk, legs, [a, b], { ...more, ...urgency });
  };
  const blocked = await swapped(payer, first, most, other, desk.random.chance(400) ? { priority: 'urgent' } : {});
  const one = await swapped(payer, second, most, other);
  const two = await swapped(second, third, most, other);
  const limits = [
    await limit(payer, x, desk.amount(x, 2_001, 2_100)),
    await limit(first, y, '0'),
    await limit(second, x, '0'),
    await limit(second, y, '0'),
  ];
  const last = await swapped(payer, first, most, other);
  return [...limits, blocked, one, two, last, await offer(desk, [one, two])];
};

/** An authority says who is a solver, at times of another's bank. */
const solver: Act = async (desk) => {
  const party = desk.random.pick(desk.banks);
  const initiator = desk.random.chance(900)
    ? desk.authorityOver(party)
    : desk.random.pick(desk.jurisdictions).authority;
  const fields = { kind: 'participant', action: 'solver', party, solver: desk.random.chance(700) };
  return [await desk.make({ ...fields, initiator }, [initiator])];
};

/** A bank keeps something, or asks for strict order, and pays: what is large first, then what would pass it. */
const keepAndPay: Act = async (desk) => {
  const { from, to, asset } = payment(desk);
  const reserved = { urgent: desk.amount(asset, 1, 9_000), high: '0' };
  const order = desk.random.pick(['fifo', 'bypass']);
  const set = await desk.make({ kind: 'liquidity', initiator: from, asset, order, reserved }, [from]);
  const more = { settleBy: desk.inMs(20_000) };
  const pay = (least: number, most: number, priority: string): Promise<JwsJson> =>
    queue(desk, [{ from, to, asset, amount: desk.amount(asset, least, most) }], [from], { ...more, priority });
  const [first, second] = desk.two(PRIORITIES);
  return [set, await pay(12_000, 30_000, first), await pay(1, 6_000, first), await pay(1, 9_000, second)];
};

/** An exchange that lacks funds is urgent to one of the two; the other goes on paying. */
const moveAndPay: Act = async (desk) => {
  const [there, back] = exchange(desk);
  const legs = [{ ...there, amount: desk.amount(there.asset, 20_000, 30_000) }, back];
  const more = { settleBy: desk.inMs(20_000) };
  const pvp = await queue(desk, legs, [there.from, back.from], more);
  const small = [{ ...back, amount: desk.amount(back.asset, 1, 50) }];
  return [
    pvp,
    await named(desk, 'reprioritise', there.from, pvp, { priority: desk.random.pick(['urgent', 'high']) }),
    await queue(desk, small, [back.from], more),
  ];
};

/** An authority says when its money settles by value date: some days, some hours, at times somebody else's money. */
const calendar: Act = async (desk) => {
  const [home, other] = desk.two(desk.jurisdictions);
  const today = Math.floor(desk.nowMs / DAY_MS);
  const days = [0, 1, 2, 3]
    .filter(() => desk.random.chance(800))
    .map((ahead) => {
      const midnight = (today + ahead) * DAY_MS;
      // Today it is open now, mostly: else nothing settles by value date within a run.
      const openMs = ahead === 0 ? desk.nowMs - desk.random.between(0, 5_000) : midnight + 3_600_000;
      const closeMs = ahead === 0 ? desk.nowMs + desk.random.between(1, 60_000) : midnight + 30_000_000;
      return { date: formatDay(today + ahead), open: formatTime(openMs), close: formatTime(closeMs) };
    });
  const fields = { kind: 'calendar', asset: home.currency, zone: 'UTC', days };
  const initiator = desk.random.chance(900) ? home.authority : other.authority;
  return days.length === 0 ? payLater(desk) : [await desk.make({ ...fields, initiator }, [initiator])];
};

/** A trade by value date: a business day of both currencies, or not; an FX swap of two. */
const byValueDate: Act = async (desk) => {
  const legs = exchange(desk);
  const today = Math.floor(desk.nowMs / DAY_MS);
  const day = today + desk.random.pick([0, 0, 0, 1, 2, 9]);
  const back = legs.map(({ from, to, ...what }) => ({ ...what, from: to, to: from }));
  const linked = desk.random.chance(700) ? {} : { linked: [{ legs: back, valueDate: formatDay(day + 1) }] };
  const more = { valueDate: formatDay(day), ...linked };
  return [
    await queue(
      desk,
      legs,
      legs.map(({ from }) => from),
      more,
    ),
  ];
};

/** What cannot be cancelled, moved, withdrawn or consented to: it is no settlement, never was, or is bound. */
const amiss: Act = async (desk) => {
  const jws = desk.random.chance(500) ? desk.before() : desk.inQueue();
  if (jws === null) return payLater(desk);
  const kind = desk.random.pick(['cancel', 'reprioritise', 'withdraw', 'consent']);
  const more = kind === 'reprioritise' ? { priority: 'high' } : {};
  return [await named(desk, kind, someoneIn(desk, jws), jws, more)];
};

export const QUEUE_ACTS: readonly Share[] = [
  [payLater, 3, 3, 6],
  [pvpLater, 3, 3, 6],
  [payInLots, 1, 1, 3],
  [ring, 1, 1, 3],
  [swap, 2, 2, 4],
  [issueLater, 1, 1, 1],
  [cancel, 1, 1, 4],
  [cancelTogether, 1, 1, 2],
  [reprioritise, 1, 1, 4],
  [liquidity, 1, 1, 4],
  [keepAndPay, 1, 1, 3],
  [limitAndPay, 1, 1, 2],
  [offerSome, 1, 1, 4],
  [missed, 2, 2, 3],
  [solver, 1, 1, 2],
  [moveAndPay, 1, 1, 2],
  [calendar, 1, 1, 3],
  [byValueDate, 2, 2, 4],
  [amiss, 1, 1, 3],
];
