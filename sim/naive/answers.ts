/**
 * Consents and withdrawals of the naive ledger: to a settlement or to the change of validators, whichever they name, and
 * waiting for it when nobody knows it yet.
 */
import { WAITING_PER_PARTY_MAX } from '../../protocol/limits.js';
import type { PayloadOf } from '../../protocol/payload.js';
import { askedOf, type Books, hasSigned, type Item, isSuspended, type Turn, type Waiter } from './books.js';
import { consentToChange, withdrawChange } from './change.js';
import { conclude, hasEnded, remember } from './memory.js';
import { consent, settleIfBound, withdraw } from './settlements.js';

/** Of one settlement, of all parties. */
const WAITING_PER_SETTLEMENT_MAX = 256;

/** A consent or withdrawal, as it is ordered; answers its result. */
export function answer(books: Books, turn: Turn, item: Item, payload: PayloadOf<'consent' | 'withdraw'>): string {
  const asked = askedOf(item);
  const { expiresMs } = item.instruction;
  const kids = item.signed.filter((kid) => {
    const key = books.keys.get(kid);
    return key?.party === asked.initiator && key.role === 'instruction';
  });
  const terms = payload.kind === 'consent' ? payload.terms : undefined;
  const waiter: Waiter = { ...asked, settlement: payload.settlement, expires: expiresMs, kids, terms };
  remember(books, turn, asked, [expiresMs]);
  const isMeant = terms === undefined ? isKnown(books, payload.settlement) : books.open.has(payload.settlement);
  if (isMeant) {
    const code = act(books, turn, waiter);
    const settlement = books.open.get(payload.settlement);
    const counts = code === 'consented' || code === 'already_consented';
    if (settlement !== undefined && counts) settleIfBound(books, turn, settlement);
    if (!isKnown(books, payload.settlement)) closeWaiting(books, turn, payload.settlement);
    return code;
  }
  if (asked.kind === 'consent' && isSuspended(books, asked.initiator))
    return conclude(books, turn, asked, 'party_suspended');
  if (hasEnded(books, turn, payload.settlement)) return conclude(books, turn, asked, 'settlement_closed');
  if (terms !== undefined) return conclude(books, turn, asked, 'not_queued');
  const refusal = waitRefusal(books, waiter);
  if (refusal !== null) return conclude(books, turn, asked, refusal);
  books.waiting.push(waiter);
  return conclude(books, turn, asked, 'waiting');
}

const isKnown = ({ open, change }: Books, digest: string): boolean => open.has(digest) || change?.digest === digest;

function act(books: Books, turn: Turn, waiter: Waiter): string {
  const { change } = books;
  const settlement = books.open.get(waiter.settlement);
  if (settlement !== undefined)
    return waiter.kind === 'withdraw'
      ? withdraw(books, turn, waiter, settlement)
      : consent(books, turn, waiter, settlement);
  if (change === null || change.digest !== waiter.settlement) return conclude(books, turn, waiter, 'settlement_closed');
  return waiter.kind === 'withdraw'
    ? withdrawChange(books, turn, waiter, change)
    : consentToChange(books, turn, waiter, change);
}

function waitRefusal(books: Books, waiter: Waiter): string | null {
  const ofParty = books.waiting.filter(({ initiator }) => initiator === waiter.initiator);
  const forSettlement = books.waiting.filter(({ settlement }) => settlement === waiter.settlement);
  if (ofParty.some(({ settlement, kind }) => settlement === waiter.settlement && kind === waiter.kind))
    return 'already_waiting';
  const isFull = ofParty.length >= WAITING_PER_PARTY_MAX || forSettlement.length >= WAITING_PER_SETTLEMENT_MAX;
  return isFull ? 'too_many_waiting' : null;
}

/** Who waits for a settlement or change, in the order in which they came. */
const waitingFor = (books: Books, digest: string): Waiter[] =>
  books.waiting.filter(({ settlement }) => settlement === digest);

/** What waits is judged now that what it names was ordered. */
export function resume(books: Books, turn: Turn, digest: string, kind: 'consent' | 'withdraw'): void {
  for (const waiter of waitingFor(books, digest).filter((one) => one.kind === kind)) {
    books.waiting = books.waiting.filter((other) => other !== waiter);
    const refusal = stale(books, turn, waiter);
    if (refusal === null) act(books, turn, waiter);
    else conclude(books, turn, waiter, refusal);
  }
  if (!isKnown(books, digest)) closeWaiting(books, turn, digest);
}

function stale(books: Books, turn: Turn, waiter: Waiter): string | null {
  if (turn.time > waiter.expires) return 'unmatched';
  return hasSigned(books, turn, waiter.initiator, waiter.kids) ? null : 'unknown_key';
}

/** What is named is over before anything that waits for it could be heeded. */
export function closeWaiting(books: Books, turn: Turn, digest: string): void {
  for (const waiter of waitingFor(books, digest)) {
    books.waiting = books.waiting.filter((other) => other !== waiter);
    conclude(books, turn, waiter, stale(books, turn, waiter) ?? 'settlement_closed');
  }
}
