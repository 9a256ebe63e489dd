/** What banks do in a scenario, an act for each kind of its workload. An act ends when all it sends has been sent. */
import { LEGS_MAX } from '../../protocol/limits.js';
import type { Leg } from '../../protocol/payload.js';
import { unreachable } from '../../protocol/types.js';
import { formatAmount, parseAmount } from '../../protocol/values.js';
import type { Sent } from './book.js';
import type { Player } from './cast.js';
import { businessDays, calendar, datesOf, SETTLE_BY_LEAST_MS, SETTLE_BY_PAST_END_MS } from './days.js';
import { type Act, type ActOf, msOf } from './file.js';
import { nameOf, type Scene } from './scene.js';

export async function perform(scene: Scene, act: Act): Promise<void> {
  switch (act.act) {
    case 'issue':
      return issue(scene, act);
    case 'redeem':
      return redeem(scene, act);
    case 'payment':
      return payment(scene, act);
    case 'pvp':
      return pvp(scene, act);
    case 'ring':
      return ring(scene, act);
    case 'coupon':
      return coupon(scene, act);
    case 'repo':
      return repo(scene, act);
    case 'pay-in':
      return payIn(scene, act);
    case 'cancel':
      return cancel(scene, act);
    case 'calendar':
      return calendar(scene, act);
    case 'business-days':
      return businessDays(scene, act);
    default:
      return unreachable(act);
  }
}

const leg = (from: Player, to: Player, asset: string, amount: string): Leg => ({
  from: from.party,
  to: to.party,
  asset,
  amount,
});

function minorOf({ teller }: Scene, asset: string, amount: string): bigint {
  return parseAmount(amount, teller.cast.asset(asset).decimals) ?? 0n;
}
const majorOf = ({ teller }: Scene, asset: string, minor: bigint): string =>
  formatAmount(minor, teller.cast.asset(asset).decimals);

/** An amount between two, as the seed has it. */
function drawn(scene: Scene, asset: string, [least, most]: readonly string[]): bigint {
  const [low, high] = [minorOf(scene, asset, least as string), minorOf(scene, asset, most as string)];
  const share = BigInt(scene.teller.random.between(0, 1_000_000));
  return low + ((high - low) * share) / 1_000_000n;
}

/** The members of a payload that say how it waits. */
function modeOf(scene: Scene, act: ActOf<'payment' | 'pvp' | 'ring'>): object {
  if (act.mode !== 'queue') return { mode: 'gross' };
  const { priority, cancelUntil, cutoff } = act;
  const { teller } = scene;
  return {
    mode: 'queue',
    ...datesOf(scene, act),
    ...(priority !== undefined && { priority }),
    ...(cancelUntil !== undefined && { cancelUntil: teller.inMs(msOf(cancelUntil)) }),
    ...(cutoff !== undefined && { cutoff: teller.inMs(msOf(cutoff)) }),
  };
}

/** Everybody debited signs. */
function settle({ teller }: Scene, act: Act, legs: readonly Leg[], by: readonly Player[], mode: object): Promise<Sent> {
  return teller.send({ name: nameOf(act), fields: { kind: 'settle', ...mode, legs }, by: by as [Player] });
}

/** One settlement for all of them, or as many as their number asks for. */
async function issue(scene: Scene, act: ActOf<'issue'>): Promise<void> {
  const { cast } = scene.teller;
  const { issuer } = cast.asset(act.asset);
  const legs = cast.all(act.to).map((to) => leg(issuer, to, act.asset, act.amount));
  for (let at = 0; at < legs.length; at += LEGS_MAX)
    await settle(scene, act, legs.slice(at, at + LEGS_MAX), [issuer], { mode: 'gross' });
}

async function redeem(scene: Scene, act: ActOf<'redeem'>): Promise<void> {
  const { cast, random } = scene.teller;
  const { issuer } = cast.asset(act.asset);
  const give = async (from: Player, amount: bigint): Promise<unknown> =>
    amount > 0n &&
    settle(scene, act, [leg(from, issuer, act.asset, majorOf(scene, act.asset, amount))], [from], { mode: 'gross' });
  const all = cast.all(act.by);
  if (act.amount !== undefined) await give(random.pick(all), drawn(scene, act.asset, act.amount));
  else await Promise.all(all.map(async (from) => give(from, await balanceOf(scene, from, act.asset))));
}

/** Two different players, one of each text. */
function two({ teller: { cast, random } }: Scene, ones: string, others: string): readonly [Player, Player] {
  const one = random.pick(cast.all(ones));
  return [one, random.pick(cast.all(others).filter((other) => other !== one))];
}

async function payment(scene: Scene, act: ActOf<'payment'>): Promise<void> {
  const [from, to] = two(scene, act.payers, act.payees);
  const amount = majorOf(scene, act.asset, drawn(scene, act.asset, act.amount));
  await settle(scene, act, [leg(from, to, act.asset, amount)], [from], modeOf(scene, act));
}

/** The other amount at the rate, rounded down to a minor unit. */
function atRate(scene: Scene, { gives, takes, rate }: ActOf<'pvp'>, amount: bigint): bigint {
  const [whole = '0', fraction = ''] = rate.split('.');
  const scaled = BigInt(whole + fraction);
  const { cast } = scene.teller;
  const [from, to] = [cast.asset(gives).decimals, cast.asset(takes).decimals];
  return (amount * scaled * 10n ** BigInt(to)) / 10n ** BigInt(from + fraction.length);
}

async function pvp(scene: Scene, act: ActOf<'pvp'>): Promise<void> {
  const { teller } = scene;
  const [one, other] = two(scene, act.by, act.of);
  const amount = drawn(scene, act.gives, act.amount);
  const legs = [
    leg(one, other, act.gives, majorOf(scene, act.gives, amount)),
    leg(other, one, act.takes, majorOf(scene, act.takes, atRate(scene, act, amount))),
  ];
  if (act.consent !== 'apart') {
    await settle(scene, act, legs, [one, other], modeOf(scene, act));
    return;
  }
  const proposal = await settle(scene, act, legs, [one], modeOf(scene, act));
  await proposal.until(({ code, isEnded }) => code === 'proposed' || isEnded);
  if (proposal.isEnded) return;
  const fields = { kind: 'consent', settlement: proposal.digest };
  await teller.send({ name: `${nameOf(act)}-consent`, fields, by: [other] });
}

/** In pairs: neighbours exchange the assets, every other one the other way round, so that all nets are zero. */
async function ring(scene: Scene, act: ActOf<'ring'>): Promise<void> {
  const players = act.parties.map((name) => scene.teller.cast.player(name));
  const next = (at: number): Player => players[(at + 1) % players.length] as Player;
  if (act.as === 'bundle') {
    const legs = players.map((from, at) =>
      leg(from, next(at), act.assets[at % act.assets.length] as string, act.amount),
    );
    await settle(scene, act, legs, players, modeOf(scene, act));
    return;
  }
  for (const [at, one] of players.entries()) {
    const other = next(at);
    const legs = act.assets.map((asset, nth) =>
      nth % 2 === 0 ? leg(one, other, asset, act.amount) : leg(other, one, asset, act.amount),
    );
    await settle(scene, act, legs, act.assets.length > 1 ? [one, other] : [one], modeOf(scene, act));
  }
}

/** What a player has of an asset, as its own node tells. */
async function balanceOf({ teller }: Scene, player: Player, asset: string): Promise<bigint> {
  const { stage, cast } = teller;
  const answer = await stage.nodes[cast.homeOf(player)]?.balances(player.party);
  const found = answer?.ok === true ? answer.value.balances.find((each) => each.asset === asset) : undefined;
  return found === undefined ? 0n : (parseAmount(found.balance.replace('-', ''), cast.asset(asset).decimals) ?? 0n);
}

async function coupon(scene: Scene, act: ActOf<'coupon'>): Promise<void> {
  const { cast } = scene.teller;
  const payer = cast.player(act.payer);
  const perUnit = minorOf(scene, act.cash, act.perUnit);
  const unit = 10n ** BigInt(cast.asset(act.security).decimals);
  const legs: Leg[] = [];
  for (const holder of cast.all(act.holders)) {
    const due = ((await balanceOf(scene, holder, act.security)) * perUnit) / unit;
    if (due > 0n && holder !== payer) legs.push(leg(payer, holder, act.cash, majorOf(scene, act.cash, due)));
  }
  for (let at = 0; at < legs.length; at += LEGS_MAX)
    await settle(scene, act, legs.slice(at, at + LEGS_MAX), [payer], { mode: 'gross' });
}

async function repo(scene: Scene, act: ActOf<'repo'>): Promise<void> {
  const { teller } = scene;
  const [lender, borrower] = [teller.cast.player(act.lender), teller.cast.player(act.borrower)];
  const termMs = msOf(act.term);
  const back = minorOf(scene, act.cash, act.amount) + minorOf(scene, act.cash, act.interest);
  const near = [leg(lender, borrower, act.cash, act.amount), leg(borrower, lender, act.collateral, act.pledged)];
  const far = [
    leg(borrower, lender, act.cash, majorOf(scene, act.cash, back)),
    leg(lender, borrower, act.collateral, act.pledged),
  ];
  const later = { legs: far, notBefore: teller.inMs(termMs), settleBy: teller.inMs(termMs + SETTLE_BY_PAST_END_MS) };
  const mode = { mode: 'queue', settleBy: teller.inMs(Math.max(SETTLE_BY_LEAST_MS, termMs / 2)), linked: [later] };
  const loan = await settle(scene, act, near, [lender, borrower], mode);
  if (act.substitute === undefined) return;
  await teller.stage.pause(termMs / 2);
  if (loan.isEnded) return;
  const moved = [
    leg(borrower, lender, act.substitute, act.pledged),
    leg(lender, borrower, act.collateral, act.pledged),
  ];
  const legs = [far[0] as Leg, leg(lender, borrower, act.substitute, act.pledged)];
  const amends = { settlement: loan.digest, part: 2, replaces: far, legs };
  const fields = { kind: 'settle', mode: 'gross', legs: moved, amends };
  await teller.send({ name: `${nameOf(act)}-substitute`, fields, by: [lender, borrower] });
}

/** What each owes in sum by what is still under way, less what it has: paid in by issuers, who know it as CLS does. */
async function payIn(scene: Scene, act: ActOf<'pay-in'>): Promise<void> {
  const { cast } = scene.teller;
  const spared = new Set(act.except === undefined ? [] : cast.all(act.except));
  const members = cast.all(act.to).filter((player) => !spared.has(player));
  // Nobody pays in for what comes from who does not, nor counts on it.
  const isSpared = ({ from, to }: Leg): boolean => [...spared].some(({ party }) => party === from || party === to);
  const open = scene.book.underWay.filter(({ kind, legs }) => kind === 'settle' && !legs.some(isSpared));
  const moved = open.flatMap(({ legs }) => legs);
  const payInOf = async (asset: string): Promise<void> => {
    const { issuer } = cast.asset(asset);
    const own = moved.filter((each) => each.asset === asset);
    const legs: Leg[] = [];
    for (const member of members) {
      const net = own.reduce((sum, each) => sum + signOf(each, member) * minorOf(scene, asset, each.amount), 0n);
      const short = -net - (await balanceOf(scene, member, asset));
      const paid = (short * BigInt(act.percent) + 99n) / 100n;
      if (short > 0n) legs.push(leg(issuer, member, asset, majorOf(scene, asset, paid)));
    }
    for (let at = 0; at < legs.length; at += LEGS_MAX)
      await settle(scene, act, legs.slice(at, at + LEGS_MAX), [issuer], { mode: 'gross' });
  };
  await Promise.all(act.assets.map(payInOf));
}

/** Whether a leg brings a player something, or takes it. */
function signOf({ from, to }: Leg, { party }: Player): bigint {
  if (from === party) return -1n;
  return to === party ? 1n : 0n;
}

/** Each party for itself, as a bank's own program does. */
async function cancel(scene: Scene, act: ActOf<'cancel'>): Promise<void> {
  const { teller, book } = scene;
  const named = book.all.filter(({ name, kind, isEnded }) => name === act.what && kind === 'settle' && !isEnded);
  const parties = teller.cast.all(act.by);
  await Promise.all(
    named.flatMap(({ digest, legs }) =>
      parties
        .filter(({ party }) => legs.some(({ from, to }) => from === party || to === party))
        .map((player) =>
          teller.send({ name: nameOf(act), fields: { kind: 'cancel', settlement: digest }, by: [player] }),
        ),
    ),
  );
}
