/** The queue of the naive ledger (ledger/SPEC.md, The queue): each step over all that is open, with everything added up anew. */
import {
  LOT_MOVEMENTS_PER_PASS_MAX,
  OPEN_MOVEMENTS_PER_PARTY_MAX,
  OPEN_SETTLEMENTS_PER_PARTY_MAX,
  PASS_MOVEMENTS_PER_MS,
  QUEUE_MOVEMENTS_ASSURED,
  QUEUE_MOVEMENTS_MAX,
  QUEUE_MOVEMENTS_PER_PAYER_MAX,
} from '../../protocol/limits.js';
import {
  allLegsOf,
  type Books,
  balanceOf,
  type NaiveLeg,
  type NaivePart,
  type NaiveTerms,
  type OpenSettlement,
  requiredOf,
  type Turn,
} from './books.js';
import { countLegs, limitSumsOf } from './limits.js';
import { conclude, stir } from './memory.js';
import { choose, type NaiveItem, type Rules } from './netting.js';

/** What a settlement does to one account in sum. */
export interface NaiveSum {
  readonly party: string;
  readonly asset: string;
  net: bigint;
}

/** Past this time it has lapsed. */
export function endOf({ bound, terms, lock, consentUntil }: OpenSettlement): number {
  if (bound !== null && terms !== null) return terms.settleBy;
  return lock !== null && lock.leaving !== null ? lock.until : consentUntil;
}

/** Whether it is locked: what it debits is held. */
export const isHeld = ({ lock }: OpenSettlement): boolean => lock !== null && lock.leaving !== null;

/** What all locks together hold of an account. */
export const heldOf = ({ open }: Books, party: string, asset: string): bigint =>
  [...open.values()]
    .filter(isHeld)
    .flatMap(sumsOf)
    .filter((sum) => sum.party === party && sum.asset === asset && sum.net < 0n)
    .reduce((held, { net }) => held - net, 0n);

/** Legs are simultaneous: for each account the sum must hold. In the order in which the legs touch accounts. */
export function sumsOf({ legs }: Pick<OpenSettlement, 'legs'>): NaiveSum[] {
  const sums: NaiveSum[] = [];
  const move = (party: string, asset: string, by: bigint): void => {
    const known = sums.find((sum) => sum.party === party && sum.asset === asset);
    if (known === undefined) sums.push({ party, asset, net: by });
    else known.net += by;
  };
  for (const { from, to, asset, amount } of legs) {
    move(from, asset, -amount);
    move(to, asset, amount);
  }
  return sums;
}

/** What an account has above its floor, and no lock holds. */
function fundsOf(books: Books, { party, asset }: { readonly party: string; readonly asset: string }): bigint {
  const definition = books.assets.get(asset);
  const own = balanceOf(books, party, asset) - heldOf(books, party, asset);
  return own + (definition?.issuer === party ? definition.cap : 0n);
}

/** Why it does not hold now, or null. */
export function judgeFunds(books: Books, settlement: OpenSettlement): string | null {
  const lacking = sumsOf(settlement).filter(
    (account) => fundsOf(books, account) + account.net < 0n && account.net < 0n,
  );
  const isCap = ({ party, asset }: NaiveSum): boolean => books.assets.get(asset)?.issuer === party;
  if (lacking.length === 0) return null;
  return lacking.every(isCap) ? 'cap_exceeded' : 'insufficient_funds';
}

const nameOf = ({ party, asset }: NaiveSum): string => `${party}/${asset}`;

/** Settles, all legs in one. */
export function post(books: Books, turn: Turn, settlement: OpenSettlement): void {
  const { legs } = settlement;
  const [next, ...rest] = settlement.linked;
  if (next === undefined) conclude(books, turn, settlement, 'settled');
  else {
    goOn(books, turn, settlement, next, rest);
    conclude(books, turn, settlement, 'part_settled');
  }
  postLegs(books, legs);
}

/** One lot settles, and the others wait on where they are. */
function postLot(books: Books, turn: Turn, settlement: OpenSettlement): void {
  const lot = settlement.legs.map((leg) => ({ ...leg, amount: leg.amount / BigInt(settlement.lots) }));
  settlement.lots -= 1;
  settlement.legs = lot.map((leg) => ({ ...leg, amount: leg.amount * BigInt(settlement.lots) }));
  settlement.partsSettled += 1;
  turn.advanced.add(settlement.digest);
  conclude(books, turn, settlement, 'part_settled');
  postLegs(books, lot);
}

function postLegs(books: Books, legs: readonly NaiveLeg[]): void {
  for (const { party, asset, net } of sumsOf({ legs })) {
    books.balances.set(`${party}/${asset}`, balanceOf(books, party, asset) + net);
    if (net > 0n && isDebited(books, party, asset)) stir(books);
  }
  if (countLegs(books, { legs })) stir(books);
}

/** The next part waits for its time in the place of one that has settled; all together may still leave. */
function goOn(
  books: Books,
  turn: Turn,
  settlement: OpenSettlement,
  { legs, notBefore, settleBy }: NaivePart,
  rest: readonly NaivePart[],
): void {
  const { terms, bound } = settlement;
  const priority = terms?.priority ?? '';
  const wasQueued = bound?.isQueued === true;
  settlement.legs = legs;
  settlement.linked = rest;
  settlement.terms = { priority, notBefore, cancelUntil: turn.time - 1, cutoff: settleBy, settleBy };
  settlement.partsSettled += 1;
  turn.advanced.add(settlement.digest);
  settlement.bound = {
    place: books.queue.next,
    moved: bound?.moved ?? new Map<string, string>(),
    leaving: new Set(),
    isQueued: false,
  };
  books.queue.next += 1;
  if (wasQueued) stir(books);
}

/** By place. */
export const inQueue = ({ open }: Books): OpenSettlement[] =>
  [...open.values()]
    .filter(({ bound }) => bound?.isQueued === true)
    .sort((a, b) => (a.bound?.place ?? 0) - (b.bound?.place ?? 0));

/** Whether anything in the queue debits an account. */
export const isDebited = (books: Books, party: string, asset: string): boolean =>
  inQueue(books).some((settlement) =>
    sumsOf(settlement).some((sum) => sum.party === party && sum.asset === asset && sum.net < 0n),
  );

const TIERS = ['urgent', 'high', 'normal'];
const tierOf = ({ terms, bound }: Pick<OpenSettlement, 'terms' | 'bound'>, party: string): number =>
  TIERS.indexOf(bound?.moved.get(party) ?? terms?.priority ?? '');

/** Two for each leg of the part that has the most. */
export const placesOf = ({ legs, linked }: Pick<OpenSettlement, 'legs' | 'linked'>): number =>
  Math.max(...[{ legs }, ...linked].map((part) => 2 * part.legs.length));

/** Movements of what is bound: of one payer, or of all. */
export const reserved = ({ open }: Books, payer: string | null): number =>
  [...open.values()]
    .filter((one) => one.bound !== null && (payer === null || requiredOf(one).includes(payer)))
    .reduce((sum, one) => sum + placesOf(one), 0);

/** What stays in an account when something of that urgency settles. */
function keptIn({ liquidity }: Books, sum: NaiveSum, tier: number): bigint {
  const own = liquidity.get(nameOf(sum));
  if (own === undefined) return 0n;
  return [0n, own.urgent, own.urgent + own.high][tier] as bigint;
}

/** Whether it holds by itself, takes nothing that is kept, and goes before nothing that it must not. */
function holdsAlone(books: Books, settlement: OpenSettlement): boolean {
  if (limitSumsOf(books, settlement).some(({ net, left }) => net < 0n && left + net < 0n)) return false;
  return sumsOf(settlement).every((own) => {
    const { party, asset, net } = own;
    if (net >= 0n) return true;
    const tier = tierOf(settlement, party);
    if (fundsOf(books, own) + net < keptIn(books, own, tier)) return false;
    const isFifo = books.liquidity.get(nameOf(own))?.isFifo === true;
    return !inQueue(books).some((other) => {
      const pays = sumsOf(other).some((sum) => sum.party === party && sum.asset === asset && sum.net < 0n);
      const isEarlier = (other.bound?.place ?? 0) < (settlement.bound?.place ?? books.queue.next);
      return pays && (tierOf(other, party) < tier || (isFifo && tierOf(other, party) === tier && isEarlier));
    });
  });
}

/** Every consent is there. */
export function bind(books: Books, turn: Turn, settlement: OpenSettlement, terms: NaiveTerms): void {
  const isQueued = terms.notBefore <= turn.time;
  const settles = isQueued && holdsAlone(books, settlement);
  const refusal = settles && settlement.linked.length === 0 ? null : placeRefusal(books, turn, settlement);
  if (refusal !== null) return void conclude(books, turn, settlement, refusal);
  if (settles) return post(books, turn, settlement);
  settlement.bound = { place: books.queue.next, moved: new Map(), leaving: new Set(), isQueued };
  turn.bound.push(settlement);
  books.queue.next += 1;
  if (isQueued) stir(books);
}

/** Whether its initiator may have it open beside those: so many, that touch so many accounts. */
export function hasRoom(others: readonly OpenSettlement[], settlement: OpenSettlement): boolean {
  const legs = [...others, settlement].reduce((sum, one) => sum + allLegsOf(one).length, 0);
  return others.length < OPEN_SETTLEMENTS_PER_PARTY_MAX && 2 * legs <= OPEN_MOVEMENTS_PER_PARTY_MAX;
}

function placeRefusal(books: Books, turn: Turn, settlement: OpenSettlement): string | null {
  const isFresh = ({ digest, bound }: OpenSettlement): boolean => turn.begun.has(digest) && bound === null;
  const others = [...books.open.values()].filter((one) => one.initiator === settlement.initiator && !isFresh(one));
  if (isFresh(settlement) && !hasRoom(others, settlement)) return 'too_many_open';
  const movements = placesOf(settlement);
  const isFull = reserved(books, null) + movements > QUEUE_MOVEMENTS_MAX;
  const most = isFull ? QUEUE_MOVEMENTS_ASSURED : QUEUE_MOVEMENTS_PER_PAYER_MAX;
  return requiredOf(settlement).some((payer) => reserved(books, payer) + movements > most) ? 'queue_full' : null;
}

/** What waited for its time settles if it holds by itself, and is in the queue from now on if it does not. */
export function release(books: Books, turn: Turn): void {
  const due = [...books.open.values()].filter(
    ({ bound, terms }) => bound?.isQueued === false && (terms?.notBefore ?? 0) <= turn.time,
  );
  const timeOf = ({ terms }: OpenSettlement): number => terms?.notBefore ?? 0;
  const placeOf = ({ bound }: OpenSettlement): number => bound?.place ?? 0;
  due.sort((a, b) => timeOf(a) - timeOf(b) || placeOf(a) - placeOf(b));
  for (const settlement of due) {
    if (turn.time <= endOf(settlement) && holdsAlone(books, settlement)) post(books, turn, settlement);
    else if (settlement.bound !== null) settlement.bound.isQueued = true;
  }
  if (due.length > 0) stir(books);
}

/** Account by account as the legs touch them, each followed by its limits: what is sent in all, then by counterparty as in the legs. */
function inOrder<S extends { readonly account: string }>({ legs }: OpenSettlement, sums: readonly S[]): S[] {
  const touched = legs.flatMap(({ from, to, asset }) => [`${from}/${asset}`, `${to}/${asset}`]);
  const others = legs.flatMap(({ from, to, asset }) => [`${from}/${asset}/${to}`, `${to}/${asset}/${from}`]);
  const wanted = [...new Set(touched)].flatMap((account) => [
    account,
    `${account}/`,
    ...new Set(others.filter((name) => name.startsWith(`${account}/`))),
  ]);
  return wanted.flatMap((name) => sums.filter(({ account }) => account === name));
}

/** Settlements as netting looks at them, with the funds of what they touch. */
export function itemsOf(
  books: Books,
  settlements: readonly OpenSettlement[],
): { items: NaiveItem[]; funds: Map<string, bigint>; rules: Rules } {
  const items = settlements.map((settlement): NaiveItem => {
    const sums = sumsOf(settlement).filter(({ net }) => net !== 0n);
    const inAccounts = sums.map((sum) => {
      const tier = tierOf(settlement, sum.party);
      return { account: nameOf(sum), net: sum.net, tier, kept: keptIn(books, sum, tier) };
    });
    const inLimits = limitSumsOf(books, settlement).map(({ limit, party, net }) => {
      return { account: limit, net, tier: tierOf(settlement, party), kept: 0n };
    });
    return { sums: inOrder(settlement, [...inAccounts, ...inLimits]), lots: settlement.lots };
  });
  const funds = new Map(
    settlements.flatMap((one) => sumsOf(one).map((sum) => [nameOf(sum), fundsOf(books, sum)] as const)),
  );
  for (const { limit, left } of settlements.flatMap((one) => limitSumsOf(books, one))) funds.set(limit, left);
  const isStrict = (name: string): boolean =>
    books.liquidity.get(name.split('/').slice(0, 2).join('/'))?.isFifo === true;
  const rules = { ordered: new Set([...funds.keys()].filter(isStrict)), limits: new Set(books.limits.keys()) };
  return { items, funds, rules };
}

/** The last of a block but for a change of validators: what can settle of the queue, settles. */
export function pass(books: Books, turn: Turn): void {
  const { queue } = books;
  const all = inQueue(books);
  const movements = all.reduce((sum, one) => sum + 2 * one.legs.length, 0);
  if (!queue.stirred || movements === 0 || turn.time < queue.passedAt + Math.ceil(movements / PASS_MOVEMENTS_PER_MS))
    return;
  const settlements = all.filter((settlement) => endOf(settlement) >= turn.time);
  const { items, funds, rules } = itemsOf(books, settlements);
  const { whole, oneLot } = choose(items, funds, rules);
  const lots = oneLot.map((at) => settlements[at] as OpenSettlement);
  const legsTo = (end: number): number => lots.slice(0, end).reduce((sum, { legs }) => sum + legs.length, 0);
  const within = lots.filter((_, at) => 2 * legsTo(at + 1) <= LOT_MOVEMENTS_PER_PASS_MAX);
  for (const at of whole) post(books, turn, settlements[at] as OpenSettlement);
  for (const settlement of within) postLot(books, turn, settlement);
  queue.passedAt = turn.time;
  queue.stirred = whole.length + within.length > 0 && inQueue(books).length > 0;
}
