/** Cancellations and moves in the queue of the naive ledger (ledger/SPEC.md, The queue). */
import type { PayloadOf } from '../../protocol/payload.js';
import { parseAmount } from '../../protocol/values.js';
import { closeWaiting } from './answers.js';
import {
  allLegsOf,
  askedOf,
  type Books,
  type Item,
  isSuspended,
  type OpenSettlement,
  requiredOf,
  type Turn,
} from './books.js';
import { conclude, hasEnded, remember, stir } from './memory.js';
import { endOf, isDebited } from './queue.js';

/** A party leaves, alone or with the others. */
export function cancel(books: Books, turn: Turn, item: Item, payload: PayloadOf<'cancel'>): void {
  const asked = askedOf(item);
  remember(books, turn, asked, [item.instruction.expiresMs]);
  const settlement = books.open.get(payload.settlement);
  if (settlement === undefined) {
    conclude(books, turn, asked, hasEnded(books, turn, payload.settlement) ? 'settlement_closed' : 'not_queued');
    return;
  }
  const code = cancelled(turn, payload.initiator, settlement);
  conclude(books, turn, asked, code);
  if (code === 'cancel_agreed') settlement.bound?.leaving.add(payload.initiator);
  if (code !== 'cancelled') return;
  conclude(books, turn, settlement, 'cancelled');
  closeWaiting(books, turn, payload.settlement);
}

function cancelled(turn: Turn, party: string, settlement: OpenSettlement): string {
  const { terms, bound } = settlement;
  const parties = allLegsOf(settlement).flatMap(({ from, to }) => [from, to]);
  if (turn.time > endOf(settlement)) return 'settlement_closed';
  if (!parties.includes(party)) return 'not_a_party';
  if (bound === null || terms === null || turn.time <= terms.cancelUntil) return 'cancelled';
  if (bound.leaving.has(party)) return 'already_consented';
  if (turn.time > terms.cutoff || turn.advanced.has(settlement.digest)) return 'irrevocable';
  return parties.every((other) => other === party || bound.leaving.has(other)) ? 'cancelled' : 'cancel_agreed';
}

/** A party says how one of its accounts is paid from. */
export function manage(books: Books, turn: Turn, item: Item, payload: PayloadOf<'liquidity'>): void {
  const asked = askedOf(item);
  const { initiator, asset, order, reserved } = payload;
  remember(books, turn, asked, [item.instruction.expiresMs]);
  const definition = books.assets.get(asset);
  const texts = [reserved.urgent, reserved.high];
  const refuse = (code: string): void => void conclude(books, turn, asked, code);
  if (definition === undefined) return refuse('unknown_asset');
  if (isSuspended(books, initiator)) return refuse('party_suspended');
  const { decimals } = definition;
  if (texts.some((text) => (text.split('.')[1] ?? '').length > decimals)) return refuse('amount_precision');
  const [urgent, high] = texts.map((text) => parseAmount(text, decimals)) as [bigint | null, bigint | null];
  if (urgent === null || high === null) return refuse('amount_too_large');
  conclude(books, turn, asked, 'applied');
  books.liquidity.set(`${initiator}/${asset}`, { isFifo: order === 'fifo', urgent, high });
  if (isDebited(books, initiator, asset)) stir(books);
}

/** Who pays says how urgent it is. */
export function reprioritise(books: Books, turn: Turn, item: Item, payload: PayloadOf<'reprioritise'>): void {
  const asked = askedOf(item);
  const { initiator, settlement: digest, priority } = payload;
  remember(books, turn, asked, [item.instruction.expiresMs]);
  const settlement = books.open.get(digest);
  const refuse = (code: string): void => void conclude(books, turn, asked, code);
  if (isSuspended(books, initiator)) return refuse('party_suspended');
  if (settlement === undefined) return refuse(hasEnded(books, turn, digest) ? 'settlement_closed' : 'not_queued');
  if (!requiredOf(settlement).includes(initiator)) return refuse('forbidden');
  if (turn.time > endOf(settlement)) return refuse('settlement_closed');
  if (settlement.bound === null) return refuse('not_queued');
  conclude(books, turn, asked, 'applied');
  settlement.bound.moved.set(initiator, priority);
  if (settlement.bound.isQueued) stir(books);
}
