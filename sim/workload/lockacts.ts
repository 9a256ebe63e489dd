/** What banks do for ledgers outside: money held under a hash, preimages right and wrong, early and late, and second thoughts. */
import { fromHex, toHex } from '../../protocol/codec.js';
import { hashOf } from '../../protocol/hash.js';
import type { JwsJson } from '../../protocol/instruction.js';
import { type Act, exchange, payment, type Share } from './acts.js';
import { type Desk, type LegFields, readJws } from './desk.js';

/** Past `issued`, whatever the clock of who signs. */
const SOON_MS = 1_100;

/** A lock that ends within a run, mostly, by who is debited in it. */
async function lock(
  desk: Desk,
  legs: readonly LegFields[],
  signers: readonly string[],
  preimage: string = toHex(desk.random.bytes(32)),
): Promise<JwsJson> {
  const [initiator] = signers as [string, ...string[]];
  const cancelUntilMs = desk.random.between(SOON_MS, 3_000);
  const dates = {
    cancelUntil: desk.inMs(cancelUntilMs),
    lockUntil: desk.inMs(cancelUntilMs + desk.random.pick([1, 1_500, 4_000, 15_000, 3_600_000])),
  };
  const fields = { kind: 'settle', mode: 'lock', initiator, legs, hash: hashOf(fromHex(preimage)), ...dates };
  const jws = await desk.make(fields, signers);
  desk.locked(jws, preimage);
  return jws;
}

const reveal = async (desk: Desk, jws: JwsJson, preimage: string): Promise<JwsJson> => {
  const initiator = desk.random.pick(desk.banks);
  return desk.make({ kind: 'reveal', initiator, settlement: readJws(jws).digest, preimage }, [initiator]);
};

/** One side of an exchange, or both; large ones are in the way of what else the payer has to pay. */
const hold: Act = async (desk) => {
  const [there, back] = exchange(desk);
  if (desk.random.chance(400)) return [await lock(desk, [there, back], [there.from, back.from])];
  if (desk.random.chance(300)) {
    const jws = await lock(desk, [there, back], [there.from]);
    desk.proposed(jws, [back.from]);
    return [jws];
  }
  const large = payment(desk, 2_000, 9_000);
  return [await lock(desk, [large], [large.from])];
};

/** What is held cannot be paid, and can once it is given back. */
const holdAndPay: Act = async (desk) => {
  const { from, to, asset } = payment(desk);
  const leg = (least: number, most: number): LegFields => ({
    from,
    to,
    asset,
    amount: desk.amount(asset, least, most),
  });
  const preimage = toHex(desk.random.bytes(32));
  const held = await lock(desk, [leg(4_000, 9_000)], [from], preimage);
  const waits = {
    kind: 'settle',
    mode: 'queue',
    initiator: from,
    legs: [leg(4_000, 9_000)],
    settleBy: desk.inMs(30_000),
  };
  const pay = { kind: 'settle', mode: 'gross', initiator: from, legs: [leg(4_000, 9_000)] };
  const ends = desk.random.chance(500)
    ? [await reveal(desk, held, preimage)]
    : await Promise.all([from, to].map((party) => leave(desk, party, held)));
  return [held, await desk.make(pay, [from]), await desk.make(waits, [from]), ...ends];
};

/** An issuer holds what it is to issue, near its cap, and its cap is lowered. */
const holdToIssue: Act = async (desk) => {
  const { authority, currency, decimals, code } = desk.random.pick(desk.jurisdictions);
  const amount = desk.random.chance(500) ? '600000000' : desk.amount(currency, 100, 5_000);
  const legs = [{ from: authority, to: desk.random.pick(desk.banks), asset: currency, amount }];
  const fixed = { asset: currency, class: 'wcbdc', name: currency, issuer: authority, jurisdiction: code, decimals };
  const cap = desk.random.pick(['500000000', '1000000000', '999999999']);
  return [
    await lock(desk, legs, [authority]),
    await desk.make({ kind: 'asset', initiator: authority, ...fixed, cap }, [authority]),
    await desk.make({ kind: 'asset', initiator: authority, ...fixed, cap: '1000000000' }, [authority]),
  ];
};

/** Of what was locked: the right preimage, at whatever time, or a wrong one; twice, and a lock of the same hash once more. */
const revealed: Act = async (desk) => {
  const known = desk.lock();
  if (known === null) return hold(desk);
  const { jws, preimage } = known;
  const wrong = desk.random.pick<string>([toHex(desk.random.bytes(32)), hashOf(fromHex(preimage))]);
  if (desk.random.chance(250)) return [await reveal(desk, jws, wrong)];
  const right = await reveal(desk, jws, preimage);
  if (desk.random.chance(600)) return [right];
  const leg = payment(desk);
  return [right, await lock(desk, [leg], [leg.from], preimage), await reveal(desk, jws, preimage)];
};

/** Somebody guesses, or takes the hash for the preimage; then it comes. */
const guessed: Act = async (desk) => {
  const leg = payment(desk, 1, 2_000);
  const preimage = toHex(desk.random.bytes(32));
  const jws = await lock(desk, [leg], [leg.from], preimage);
  return [jws, await reveal(desk, jws, hashOf(fromHex(preimage))), await reveal(desk, jws, preimage)];
};

/** A reveal of what is no lock, or was never ordered. */
const revealAmiss: Act = async (desk) => {
  const jws = desk.before();
  return jws === null ? hold(desk) : [await reveal(desk, jws, toHex(desk.random.bytes(32)))];
};

const leave = async (desk: Desk, initiator: string, jws: JwsJson): Promise<JwsJson> =>
  desk.make({ kind: 'cancel', initiator, settlement: readJws(jws).digest }, [initiator]);

/** All parties leave, or all but one; then its preimage comes all the same. */
const leaveTogether: Act = async (desk) => {
  const leg = payment(desk, 1, 2_000);
  const preimage = toHex(desk.random.bytes(32));
  const jws = await lock(desk, [leg], [leg.from], preimage);
  const leaving = desk.random.chance(700) ? [leg.from, leg.to] : [desk.random.pick([leg.from, leg.to])];
  const left = await Promise.all(leaving.map((party) => leave(desk, party, jws)));
  return [jws, ...left, await reveal(desk, jws, preimage)];
};

/** What nobody may do to a lock alone. */
const amiss: Act = async (desk) => {
  const known = desk.lock();
  if (known === null) return hold(desk);
  const { payload, digest } = readJws(known.jws);
  const legs = payload.kind === 'settle' ? payload.legs : [];
  const initiator = desk.random.pick([...legs.flatMap(({ from, to }) => [from, to]), desk.random.pick(desk.banks)]);
  const kind = desk.random.pick(['cancel', 'withdraw', 'consent', 'reprioritise']);
  const more = kind === 'reprioritise' ? { priority: 'high' } : {};
  return [await desk.make({ kind, initiator, settlement: digest, ...more }, [initiator])];
};

export const LOCK_ACTS: readonly Share[] = [
  [hold, 2, 2, 5],
  [holdAndPay, 1, 1, 4],
  [holdToIssue, 1, 1, 2],
  [revealed, 3, 3, 7],
  [guessed, 1, 1, 3],
  [revealAmiss, 1, 1, 2],
  [leaveTogether, 1, 1, 3],
  [amiss, 1, 1, 3],
];
