/** Settlements of the naive ledger: begun, consented to, left, lapsed, settled (ledger/SPEC.md, Settlements, gross). */
import { OPEN_SETTLEMENTS_PER_PARTY_MAX } from '../../protocol/limits.js';
import type { PayloadOf } from '../../protocol/payload.js';
import type { Thumbprint } from '../../protocol/types.js';
import { parseAmount, parseTime } from '../../protocol/values.js';
import {
  askedOf,
  type Books,
  balanceOf,
  hasSigned,
  type Item,
  isSuspended,
  type NaiveLeg,
  type OpenSettlement,
  type Turn,
  type Waiter,
} from './books.js';
import { conclude, remember } from './memory.js';

const DAY_MS = 86_400_000;

const partiesOf = (legs: readonly { readonly from: string; readonly to: string }[]): string[] =>
  legs.flatMap(({ from, to }) => [from, to]);

/** Registers a new settlement without effect, or refuses it. */
export function begin(books: Books, turn: Turn, item: Item, payload: PayloadOf<'settle'>): boolean {
  const asked = askedOf(item);
  const { issuedMs, expiresMs } = item.instruction;
  const cancelUntil = payload.cancelUntil === undefined ? expiresMs : (parseTime(payload.cancelUntil) as number);
  const refusal = refusalOf(books, turn, payload, { issuedMs, expiresMs, cancelUntil });
  remember(books, turn, asked, refusal === null ? [expiresMs, cancelUntil] : [expiresMs]);
  if (refusal !== null) {
    conclude(books, turn, asked, refusal);
    return false;
  }
  const legs = payload.legs.map(({ from, to, asset, amount }): NaiveLeg => {
    const decimals = books.assets.get(asset)?.decimals as number;
    return { from, to, asset, amount: parseAmount(amount, decimals) as bigint };
  });
  const settlement: OpenSettlement = { ...asked, legs, cancelUntil, consents: new Set() };
  books.open.set(asked.digest, settlement);
  return true;
}

function refusalOf(
  books: Books,
  turn: Turn,
  { initiator, legs }: PayloadOf<'settle'>,
  {
    issuedMs,
    expiresMs,
    cancelUntil,
  }: { readonly issuedMs: number; readonly expiresMs: number; readonly cancelUntil: number },
): string | null {
  if (cancelUntil <= issuedMs || cancelUntil > expiresMs + DAY_MS) return 'cancel_until_out_of_range';
  if (legs.some(({ asset }) => !books.assets.has(asset))) return 'unknown_asset';
  const parties = partiesOf(legs);
  if (parties.some((party) => !books.parties.has(party))) return 'unknown_party';
  if (parties.some((party) => isSuspended(books, party))) return 'party_suspended';
  if (!parties.includes(initiator)) return 'not_a_party';
  const decimalsOf = (asset: string): number => books.assets.get(asset)?.decimals as number;
  const isTooPrecise = ({ asset, amount }: { readonly asset: string; readonly amount: string }): boolean =>
    (amount.split('.')[1] ?? '').length > decimalsOf(asset);
  if (legs.some(isTooPrecise)) return 'amount_precision';
  if (legs.some(({ asset, amount }) => parseAmount(amount, decimalsOf(asset)) === null)) return 'amount_too_large';
  return turn.time > cancelUntil ? 'lapsed' : null;
}

/** Ends it at the wish of one of its parties, a suspended one too. */
export function withdraw(books: Books, turn: Turn, waiter: Waiter, settlement: OpenSettlement): string {
  if (turn.time > settlement.cancelUntil) return conclude(books, turn, waiter, 'settlement_closed');
  const isParty = partiesOf(settlement.legs).includes(waiter.initiator);
  if (!isParty) return conclude(books, turn, waiter, 'not_a_party');
  conclude(books, turn, waiter, 'withdrawn');
  return conclude(books, turn, settlement, 'withdrawn');
}

/** Takes a consent. It says nothing of the settlement yet: that is counted at its place. */
export function consent(books: Books, turn: Turn, waiter: Waiter, settlement: OpenSettlement): string {
  const refusal = consentRefusal(books, turn, waiter, settlement);
  if (refusal === null) for (const kid of waiter.kids) settlement.consents.add(kid);
  return conclude(books, turn, waiter, refusal ?? 'consented');
}

function consentRefusal(
  books: Books,
  turn: Turn,
  { initiator }: Waiter,
  { legs, cancelUntil, consents }: OpenSettlement,
): string | null {
  if (isSuspended(books, initiator)) return 'party_suspended';
  if (turn.time > cancelUntil) return 'settlement_closed';
  if (!legs.some(({ from }) => from === initiator)) return 'consent_not_required';
  return hasSigned(books, turn, initiator, consents) ? 'already_consented' : null;
}

/** Adds the signatures that a settlement came with, now or again. */
export function sign(books: Books, turn: Turn, settlement: OpenSettlement, signed: readonly Thumbprint[]): void {
  if (turn.time > settlement.cancelUntil) return;
  for (const kid of signed) {
    const key = books.keys.get(kid);
    const counts = key?.role === 'instruction' && !key.revoked && !isSuspended(books, key.party);
    if (counts && settlement.legs.some(({ from }) => from === key.party)) settlement.consents.add(kid);
  }
  settleIfBound(books, turn, settlement);
}

/** What a block registered and did not end stays open, within its initiator's bound. */
export function leaveOpen(books: Books, turn: Turn, begun: readonly string[]): void {
  const isFresh = new Set(begun);
  for (const settlement of begun.flatMap((digest) => books.open.get(digest) ?? [])) {
    const others = [...books.open.values()].filter(
      ({ digest, initiator }) => initiator === settlement.initiator && !isFresh.has(digest),
    );
    isFresh.delete(settlement.digest);
    const isFull = others.length >= OPEN_SETTLEMENTS_PER_PARTY_MAX;
    conclude(books, turn, settlement, isFull ? 'too_many_open' : 'proposed');
  }
}

/** Counts the consents anew. With the last of them the settlement settles at once, or is refused for good. */
export function settleIfBound(books: Books, turn: Turn, settlement: OpenSettlement): void {
  const { legs, consents, cancelUntil } = settlement;
  if (turn.time > cancelUntil || !legs.every(({ from }) => hasSigned(books, turn, from, consents))) return;
  if (partiesOf(legs).some((party) => isSuspended(books, party)))
    return void conclude(books, turn, settlement, 'party_suspended');
  // Legs are simultaneous: for each account the sum must hold.
  const sums = new Map<string, { readonly party: string; readonly asset: string; balance: bigint }>();
  const move = (party: string, asset: string, by: bigint): void => {
    const account = sums.get(`${party}/${asset}`) ?? { party, asset, balance: balanceOf(books, party, asset) };
    account.balance += by;
    sums.set(`${party}/${asset}`, account);
  };
  for (const { from, to, asset, amount } of legs) {
    move(from, asset, -amount);
    move(to, asset, amount);
  }
  const accounts = [...sums.values()].map((account) => ({ ...account, of: books.assets.get(account.asset) }));
  if (accounts.some(({ party, of, balance }) => party !== of?.issuer && balance < 0n))
    return void conclude(books, turn, settlement, 'insufficient_funds');
  if (accounts.some(({ party, of, balance }) => party === of?.issuer && balance < -of.cap))
    return void conclude(books, turn, settlement, 'cap_exceeded');
  for (const [name, { balance }] of sums) books.balances.set(name, balance);
  conclude(books, turn, settlement, 'settled');
}
