/** Amendments of the naive ledger: other legs for a part that is still to settle (ledger/SPEC.md, Amendment). */
import {
  OPEN_MOVEMENTS_PER_PARTY_MAX,
  QUEUE_MOVEMENTS_ASSURED,
  QUEUE_MOVEMENTS_MAX,
  QUEUE_MOVEMENTS_PER_PAYER_MAX,
} from '../../protocol/limits.js';
import { allLegsOf, type Books, type NaiveAmendment, type OpenSettlement, requiredOf, type Turn } from './books.js';
import { conclude, hasEnded, stir } from './memory.js';
import { endOf, placesOf, reserved } from './queue.js';

/** Why what is named cannot be amended at all. */
export function targetRefusal(books: Books, turn: Turn, digest: string): string | null {
  const target = books.open.get(digest);
  if (target === undefined) return hasEnded(books, turn, digest) ? 'settlement_closed' : 'not_queued';
  if (turn.time > endOf(target)) return 'settlement_closed';
  return target.bound === null || target.partsSettled === 0 ? 'not_queued' : null;
}

/** Whether the part that is next is the one that is named, with the legs that are to be replaced. */
export function isMeant({ open }: Books, { settlement, part, replaces }: NaiveAmendment): boolean {
  const target = open.get(settlement);
  const text = (legs: NaiveAmendment['legs']): string =>
    legs.map(({ from, to, asset, amount }) => `${from} ${to} ${asset} ${amount}`).join();
  return target !== undefined && target.partsSettled === part - 1 && text(target.legs) === text(replaces);
}

/** Why an amendment that all have consented to does not hold now. */
export function amendmentRefusal(books: Books, turn: Turn, amends: NaiveAmendment): string | null {
  const refusal = targetRefusal(books, turn, amends.settlement);
  const target = books.open.get(amends.settlement);
  if (refusal !== null || target === undefined) return refusal;
  if (!isMeant(books, amends)) return 'part_gone';
  const after = { ...target, legs: amends.legs };
  const asked = [...amends.replaces, ...amends.legs].flatMap(({ from, to }) => [from, to]);
  return roomRefusal(books, turn, asked, target, after) ?? placeRefusal(books, asked, target, after);
}

/** What its initiator has open may touch so many accounts; nobody is refused for having fewer than before. */
function roomRefusal(
  { open }: Books,
  turn: Turn,
  asked: readonly string[],
  target: OpenSettlement,
  after: OpenSettlement,
): string | null {
  const more = allLegsOf(after).length - allLegsOf(target).length;
  // What was begun in this block and lacks a consent is not open yet.
  const isFresh = ({ digest, bound }: OpenSettlement): boolean => turn.begun.has(digest) && bound === null;
  const own = [...open.values()].filter((one) => one.initiator === target.initiator && !isFresh(one));
  const all = own.reduce((sum, one) => sum + allLegsOf(one).length, 0);
  const isPast = 2 * (all + more) > OPEN_MOVEMENTS_PER_PARTY_MAX || !asked.includes(target.initiator);
  return more > 0 && isPast ? 'too_many_open' : null;
}

/** Who is to pay has the places, beyond those that it has taken for it. */
function placeRefusal(
  books: Books,
  asked: readonly string[],
  target: OpenSettlement,
  after: OpenSettlement,
): string | null {
  const [had, has] = [placesOf(target), placesOf(after)];
  const isFull = reserved(books, null) - had + has > QUEUE_MOVEMENTS_MAX;
  const most = isFull ? QUEUE_MOVEMENTS_ASSURED : QUEUE_MOVEMENTS_PER_PAYER_MAX;
  const lacks = requiredOf(after).some((payer) => {
    const more = has - (requiredOf(target).includes(payer) ? had : 0);
    return more > 0 && (!asked.includes(payer) || reserved(books, payer) + more > most);
  });
  return lacks ? 'queue_full' : null;
}

/** Other legs in the same place: who had agreed to leave had agreed to leave those before. */
export function amend(books: Books, turn: Turn, { settlement, legs }: NaiveAmendment): void {
  const target = books.open.get(settlement);
  if (target === undefined || target.bound === null) return;
  target.legs = legs;
  target.lots = 1;
  if (target.terms !== null) {
    const { cancelUntil, settleBy } = target.terms;
    target.terms = { ...target.terms, cancelUntil: Math.min(cancelUntil, turn.time - 1), cutoff: settleBy };
  }
  target.bound.leaving.clear();
  for (const party of target.bound.moved.keys())
    if (!requiredOf(target).includes(party)) target.bound.moved.delete(party);
  if (target.bound.isQueued) stir(books);
  turn.amended.add(settlement);
}

/** What was amended is told so, unless it has ended or a part of it has settled in this block. */
export function tellAmended(books: Books, turn: Turn): void {
  for (const digest of turn.amended) {
    const target = books.open.get(digest);
    if (target !== undefined && !turn.advanced.has(digest)) conclude(books, turn, target, 'amended');
  }
}
