/** Offers of the naive ledger (ledger/SPEC.md, Offers): the sentences of the page over the whole queue. */
import {
  OFFERED_MOVEMENTS_PER_BLOCK_MAX,
  OFFERED_MOVEMENTS_PER_PARTY_MAX,
  OFFERS_PER_PARTY_MAX,
} from '../../protocol/limits.js';
import type { PayloadOf } from '../../protocol/payload.js';
import { askedOf, type Books, type Item, isSuspended, type OpenSettlement, type Turn } from './books.js';
import { conclude, remember } from './memory.js';
import { goesBefore, type NaiveItem } from './netting.js';
import { endOf, inQueue, itemsOf, post } from './queue.js';

/** What offers a block has judged: who asked, and how many movements they touched. */
export type Judged = { readonly party: string; readonly movements: number }[];

export function offer(books: Books, turn: Turn, item: Item, payload: PayloadOf<'offer'>, judged: Judged): void {
  const asked = askedOf(item);
  remember(books, turn, asked, [item.instruction.expiresMs]);
  const wanted = new Set(payload.settlements);
  const remaining = inQueue(books).filter(
    (one) => wanted.has(one.digest) && endOf(one) >= turn.time && !turn.advanced.has(one.digest),
  );
  const code = codeOf(books, payload.initiator, remaining, judged);
  conclude(books, turn, asked, code);
  if (code === 'used') for (const settlement of remaining) post(books, turn, settlement);
}

function codeOf(books: Books, initiator: string, remaining: readonly OpenSettlement[], judged: Judged): string {
  if (isSuspended(books, initiator)) return 'party_suspended';
  const isValidator = books.members.some(({ party }) => party === initiator);
  if (!isValidator && books.parties.get(initiator)?.solver !== true) return 'forbidden';
  const movements = 2 * remaining.reduce((sum, { legs }) => sum + legs.length, 0);
  const own = judged.filter(({ party }) => party === initiator);
  const touched = (some: Judged): number => some.reduce((sum, one) => sum + one.movements, 0);
  const isWithin =
    own.length < OFFERS_PER_PARTY_MAX &&
    touched(own) + movements <= OFFERED_MOVEMENTS_PER_PARTY_MAX &&
    touched(judged) + movements <= OFFERED_MOVEMENTS_PER_BLOCK_MAX;
  // One too many is counted as an offer, and nothing that it names.
  judged.push({ party: initiator, movements: isWithin ? movements : 0 });
  if (!isWithin) return 'too_many_offers';
  return remaining.length > 0 && holds(books, remaining) ? 'used' : 'not_used';
}

/** All at once leave what they must, and nothing else that waits goes before one of them. */
function holds(books: Books, remaining: readonly OpenSettlement[]): boolean {
  const all = inQueue(books);
  const { items, funds, rules } = itemsOf(books, all);
  const own = remaining.map((one) => all.indexOf(one));
  const sums = own.flatMap((at) => (items[at] as NaiveItem).sums);
  const isFunded = sums.every(({ account, net, kept }) => {
    const end = sums
      .filter((sum) => sum.account === account)
      .reduce((at, sum) => at + sum.net, funds.get(account) ?? 0n);
    return net > 0n || end >= kept;
  });
  const queue = { items, ...rules };
  const others = all.map((_, at) => at).filter((at) => !own.includes(at));
  return isFunded && !others.some((other) => own.some((at) => goesBefore(queue, other, at)));
}
