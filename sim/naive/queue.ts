/** The queue of the naive ledger (ledger/SPEC.md, The queue): each step over all that is open, with everything added up anew. */
import {
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
  type NaivePart,
  type NaiveTerms,
  type OpenSettlement,
  requiredOf,
  type Turn,
} from './books.js';
import { conclude, stir } from './memory.js';
import { choose, type NaiveItem } from './netting.js';

/** What a settlement does to one account in sum. */
export interface NaiveSum {
  readonly party: string;
  readonly asset: string;
  net: bigint;
}

/** Past this time it has lapsed. */
export const endOf = ({ bound, terms, consentUntil }: OpenSettlement): number =>
  bound !== null && terms !== null ? terms.settleBy : consentUntil;

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

/** What an account has above its floor. */
export function fundsOf(books: Books, { party, asset }: { readonly party: string; readonly asset: string }): bigint {
  const definition = books.assets.get(asset);
  return balanceOf(books, party, asset) + (definition?.issuer === party ? definition.cap : 0n);
}

const nameOf = ({ party, asset }: NaiveSum): string => `${party}/${asset}`;

/** Settles, all legs in one. */
export function post(books: Books, turn: Turn, settlement: OpenSettlement): void {
  const sums = sumsOf(settlement);
  const [next, ...rest] = settlement.linked;
  if (next === undefined) conclude(books, turn, settlement, 'settled');
  else {
    goOn(books, turn, settlement, next, rest);
    conclude(books, turn, settlement, 'part_settled');
  }
  for (const { party, asset, net } of sums) {
    books.balances.set(`${party}/${asset}`, balanceOf(books, party, asset) + net);
    if (net > 0n && isDebited(books, party, asset)) stir(books);
  }
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

const inQueue = ({ open }: Books): OpenSettlement[] =>
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

/** Movements of the part that has the most. */
export const placesOf = ({ legs, linked }: Pick<OpenSettlement, 'legs' | 'linked'>): number =>
  Math.max(...[{ legs }, ...linked].map((part) => sumsOf(part).length));

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
  return sumsOf(settlement).every((own) => {
    const { party, asset, net } = own;
    if (net >= 0n) return true;
    const tier = tierOf(settlement, party);
    if (fundsOf(books, own) + net < keptIn(books, own, tier)) return false;
    const isFifo = books.liquidity.get(nameOf(own))?.isFifo === true;
    return !inQueue(books).some((other) => {
      const pays = sumsOf(other).some((sum) => sum.party === party && sum.asset === asset && sum.net < 0n);
      return pays && (isFifo ? tierOf(other, party) <= tier : tierOf(other, party) < tier);
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
  turn.bound.push({ settlement, place: books.queue.next });
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

/** The last of a block but for a change of validators: what can settle of the queue, settles. */
export function pass(books: Books, turn: Turn): void {
  const { queue } = books;
  const all = inQueue(books);
  const movements = all.reduce((sum, one) => sum + sumsOf(one).length, 0);
  if (!queue.stirred || movements === 0 || turn.time < queue.passedAt + Math.ceil(movements / PASS_MOVEMENTS_PER_MS))
    return;
  const settlements = all.filter((settlement) => endOf(settlement) >= turn.time);
  const items = settlements.map((settlement): NaiveItem => {
    const sums = sumsOf(settlement).filter(({ net }) => net !== 0n);
    return {
      sums: sums.map((sum) => {
        const tier = tierOf(settlement, sum.party);
        return { account: nameOf(sum), net: sum.net, tier, kept: keptIn(books, sum, tier) };
      }),
    };
  });
  const funds = new Map(
    settlements.flatMap((one) => sumsOf(one).map((sum) => [nameOf(sum), fundsOf(books, sum)] as const)),
  );
  const ordered = new Set([...books.liquidity].flatMap(([name, { isFifo }]) => (isFifo ? [name] : [])));
  const chosen = choose(items, funds, ordered);
  for (const at of chosen) post(books, turn, settlements[at] as OpenSettlement);
  queue.passedAt = turn.time;
  queue.stirred = chosen.length > 0 && inQueue(books).length > 0;
}
