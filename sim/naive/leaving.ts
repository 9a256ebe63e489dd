/** Cancellations and moves in the queue of the naive ledger (ledger/SPEC.md, The queue). */
import type { PayloadOf } from '../../protocol/payload.js';
import { parseAmount } from '../../protocol/values.js';
import { closeWaiting } from './answers.js';
import { allLegsOf, askedOf, type Books, type Item, isSuspended, type OpenSettlement, type Turn } from './books.js';
import { setLimits } from './limits.js';
import { giveBack } from './locks.js';
import { conclude, hasEnded, remember, stir } from './memory.js';
import { endOf, isHeld } from './queue.js';

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
  const { bound, lock } = settlement;
  if (code === 'cancel_agreed') (lock?.leaving ?? bound?.leaving)?.add(payload.initiator);
  if (code !== 'cancelled') return;
  conclude(books, turn, settlement, 'cancelled');
  if (isHeld(settlement)) giveBack(books, settlement);
  closeWaiting(books, turn, payload.settlement);
}

function cancelled(turn: Turn, party: string, settlement: OpenSettlement): string {
  const { terms, bound, lock } = settlement;
  const parties = allLegsOf(settlement).flatMap(({ from, to }) => [from, to]);
  if (turn.time > endOf(settlement)) return 'settlement_closed';
  if (!parties.includes(party)) return 'not_a_party';
  const isLast = (leaving: Set<string>): boolean => parties.every((other) => other === party || leaving.has(other));
  if (lock !== null && lock.leaving !== null) {
    if (lock.leaving.has(party)) return 'already_consented';
    return isLast(lock.leaving) ? 'cancelled' : 'cancel_agreed';
  }
  if (bound === null || terms === null || turn.time <= terms.cancelUntil) return 'cancelled';
  if (bound.leaving.has(party)) return 'already_consented';
  if (turn.time > terms.cutoff || turn.advanced.has(settlement.digest)) return 'irrevocable';
  return isLast(bound.leaving) ? 'cancelled' : 'cancel_agreed';
}

/** A party says how one of its accounts is paid from. */
export function manage(books: Books, turn: Turn, item: Item, payload: PayloadOf<'liquidity'>): void {
  const asked = askedOf(item);
  const { initiator, asset, order, reserved, limits } = payload;
  remember(books, turn, asked, [item.instruction.expiresMs]);
  const definition = books.assets.get(asset);
  const counterparties = limits?.bilateral ?? [];
  const texts = [
    reserved.urgent,
    reserved.high,
    ...(limits?.multilateral === undefined ? [] : [limits.multilateral]),
    ...counterparties.map(({ amount }) => amount),
  ];
  const refuse = (code: string): void => void conclude(books, turn, asked, code);
  if (definition === undefined) return refuse('unknown_asset');
  if (counterparties.some(({ to }) => !books.parties.has(to))) return refuse('unknown_party');
  if (isSuspended(books, initiator)) return refuse('party_suspended');
  const { decimals } = definition;
  if (texts.some((text) => (text.split('.')[1] ?? '').length > decimals)) return refuse('amount_precision');
  const amountOf = (text: string): bigint => parseAmount(text, decimals) ?? -1n;
  if (texts.some((text) => amountOf(text) < 0n)) return refuse('amount_too_large');
  conclude(books, turn, asked, 'applied');
  const account = `${initiator}/${asset}`;
  const [urgent, high] = [amountOf(reserved.urgent), amountOf(reserved.high)];
  books.liquidity.set(account, { isFifo: order === 'fifo', urgent, high });
  const toAll = limits?.multilateral === undefined ? [] : [{ to: '', most: amountOf(limits.multilateral) }];
  setLimits(books, account, [...toAll, ...counterparties.map(({ to, amount }) => ({ to, most: amountOf(amount) }))]);
  stir(books);
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
  if (!allLegsOf(settlement).some(({ from }) => from === initiator)) return refuse('forbidden');
  if (turn.time > endOf(settlement)) return refuse('settlement_closed');
  if (settlement.bound === null) return refuse('not_queued');
  conclude(books, turn, asked, 'applied');
  settlement.bound.moved.set(initiator, priority);
  if (settlement.bound.isQueued) stir(books);
}
