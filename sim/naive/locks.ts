/** Locks of the naive ledger (ledger/SPEC.md, Locks): held for an outside ledger, revealed, lapsed once enough proposers had a block. */
import { fromHex } from '../../protocol/codec.js';
import { hashOf } from '../../protocol/hash.js';
import { TRIGGERS_PER_BLOCK_MAX } from '../../protocol/limits.js';
import type { PayloadOf } from '../../protocol/payload.js';
import { askedOf, type Books, type Item, type OpenSettlement, quorumOf, type Turn } from './books.js';
import { conclude, hasEnded, remember, rememberHash, stir } from './memory.js';
import { endOf, hasRoom, isDebited, isHeld, judgeFunds, post, sumsOf } from './queue.js';

/** Every consent is there: what it debits is kept from all else from here on, or it is refused. */
export function hold(books: Books, turn: Turn, settlement: OpenSettlement): void {
  const isFresh = (one: OpenSettlement): boolean => turn.begun.has(one.digest) && one.bound === null && !isHeld(one);
  const others = [...books.open.values()].filter((one) => one.initiator === settlement.initiator && !isFresh(one));
  const isRoomless = isFresh(settlement) && !hasRoom(others, settlement);
  const isKnown = (books.revealed.get(settlement.lock?.hash ?? '') ?? -1) >= turn.time;
  const refusal = isKnown ? 'hash_revealed' : isRoomless ? 'too_many_open' : judgeFunds(books, settlement);
  if (refusal !== null) return void conclude(books, turn, settlement, refusal);
  if (settlement.lock !== null) settlement.lock.leaving = new Set();
  turn.locked.push(settlement.digest);
}

/** Whoever knows the preimage settles a lock, whatever the time. */
export function reveal(books: Books, turn: Turn, item: Item, payload: PayloadOf<'reveal'>): void {
  const asked = askedOf(item);
  const { expiresMs } = item.instruction;
  remember(books, turn, asked, [expiresMs]);
  const settlement = books.open.get(payload.settlement);
  const refuse = (code: string): void => void conclude(books, turn, asked, code);
  if (settlement === undefined)
    return refuse(hasEnded(books, turn, payload.settlement) ? 'settlement_closed' : 'not_locked');
  const { lock } = settlement;
  if (lock === null || !isHeld(settlement))
    return refuse(turn.time > endOf(settlement) ? 'settlement_closed' : 'not_locked');
  const hash = hashOf(fromHex(payload.preimage));
  if (hash !== lock.hash) return refuse('wrong_preimage');
  conclude(books, turn, asked, 'revealed');
  rememberHash(books, turn, hash, [expiresMs, lock.until]);
  post(books, turn, settlement);
  giveBack(books, settlement);
}

/** What was locked in this block and is so still has its receipt. */
export function tellLocked(books: Books, turn: Turn): void {
  for (const digest of turn.locked) {
    const settlement = books.open.get(digest);
    if (settlement !== undefined) conclude(books, turn, settlement, 'locked');
  }
}

/** Nothing is held any more: what waits in the queue may have it. */
export function giveBack(books: Books, settlement: OpenSettlement): void {
  if (sumsOf(settlement).some(({ party, asset, net }) => net < 0n && isDebited(books, party, asset))) stir(books);
}

/** Locks whose time is over, by their ends. */
const lateOf = ({ open }: Books, time: number): OpenSettlement[] =>
  [...open.values()]
    .filter((one) => isHeld(one) && time > endOf(one))
    .sort((a, b) => endOf(a) - endOf(b) || (a.digest < b.digest ? -1 : 1));

/** Lapses what has not been revealed in blocks by one more proposer than may lie. */
export function lapseLocks(books: Books, turn: Turn): void {
  const late = lateOf(books, turn.time);
  if (late.length > 0) books.proposers.set(turn.proposer, turn.time);
  const liars = books.members.length - quorumOf(books.members.length);
  const isHeard = (settlement: OpenSettlement): boolean =>
    [...books.proposers.values()].filter((time) => time > endOf(settlement)).length > liars;
  for (const settlement of late.filter(isHeard).slice(0, TRIGGERS_PER_BLOCK_MAX)) {
    conclude(books, turn, settlement, 'lapsed');
    giveBack(books, settlement);
  }
  if (lateOf(books, turn.time).length === 0) books.proposers.clear();
}
