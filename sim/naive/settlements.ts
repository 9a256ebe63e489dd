/** Settlements of the naive ledger: begun, consented to, left, lapsed, settled (ledger/SPEC.md, Settlements). */
import { type Hours, readDates, wholeDay } from '../../protocol/dates.js';
import type { Leg, PayloadOf } from '../../protocol/payload.js';
import type { Thumbprint, TimestampMs } from '../../protocol/types.js';
import { parseAmount, parseDay } from '../../protocol/values.js';
import { amend, amendmentRefusal, isMeant, targetRefusal } from './amending.js';
import {
  allLegsOf,
  askedOf,
  type Books,
  hasSigned,
  type Item,
  isSuspended,
  type NaiveLeg,
  type OpenSettlement,
  requiredOf,
  type Turn,
  type Waiter,
} from './books.js';
import { hold } from './locks.js';
import { differenceOf } from './matching.js';
import { conclude, remember } from './memory.js';
import { bind, endOf, hasRoom, isHeld, judgeFunds, post } from './queue.js';

const partiesOf = (legs: readonly { readonly from: string; readonly to: string }[]): string[] =>
  legs.flatMap(({ from, to }) => [from, to]);

/** Registers a new settlement without effect, or refuses it. */
export function begin(books: Books, turn: Turn, item: Item, payload: PayloadOf<'settle'>): boolean {
  const asked = askedOf(item);
  const { expiresMs } = item.instruction;
  const isClosed = valueDatesOf(payload).some(({ day, legs }) => hoursOf(books, day, legs) === null);
  const read = readDates(payload, item.instruction, (day, legs) => hoursOf(books, day, legs));
  const dates = isClosed || !read.ok ? null : read.dates;
  const refusal = refusalOf(books, turn, payload);
  if (refusal !== null || dates === null) {
    remember(books, turn, asked, [expiresMs]);
    conclude(books, turn, asked, refusal ?? 'value_date_closed');
    return false;
  }
  const { consentUntilMs, cancelUntilMs, cutoffMs, notBeforeMs, settleByMs } = dates;
  const amountsIn = (legs: PayloadOf<'settle'>['legs']): NaiveLeg[] =>
    legs.map(({ from, to, asset, amount }) => {
      const decimals = books.assets.get(asset)?.decimals as number;
      return { from, to, asset, amount: parseAmount(amount, decimals) as bigint };
    });
  const amended = payload.mode === 'gross' ? payload.amends : undefined;
  const amends =
    amended === undefined ? null : { ...amended, replaces: amountsIn(amended.replaces), legs: amountsIn(amended.legs) };
  const isKnown = payload.mode === 'lock' && (books.revealed.get(payload.hash) ?? -1) >= turn.time;
  const late = turn.time > consentUntilMs ? 'lapsed' : null;
  const missed = amends !== null && !isMeant(books, amends) ? 'part_gone' : isKnown ? 'hash_revealed' : late;
  remember(books, turn, asked, missed === null ? [expiresMs, consentUntilMs] : [expiresMs]);
  if (missed !== null) {
    conclude(books, turn, asked, missed);
    return false;
  }
  const linked = linkedOf(payload).map(({ legs }, at) => {
    const part = dates.linked[at];
    return { legs: amountsIn(legs), notBefore: part?.notBeforeMs ?? 0, settleBy: part?.settleByMs ?? 0 };
  });
  const legs = amountsIn(payload.legs);
  turn.begun.add(asked.digest);
  const times = { notBefore: notBeforeMs, cancelUntil: cancelUntilMs, cutoff: cutoffMs, settleBy: settleByMs };
  const terms = payload.mode === 'queue' ? { priority: payload.priority ?? 'normal', ...times } : null;
  books.open.set(asked.digest, {
    ...asked,
    legs,
    linked,
    lots: payload.mode === 'queue' ? (payload.lots ?? 1) : 1,
    partsSettled: 0,
    consentUntil: consentUntilMs,
    consents: new Set(),
    terms,
    amends,
    bound: null,
    lock: payload.mode === 'lock' ? { hash: payload.hash, until: settleByMs, leaving: null } : null,
  });
  return true;
}

/** Each value date that it names, with the legs that are to settle on it. */
function valueDatesOf(
  payload: PayloadOf<'settle'>,
): { readonly day: number; readonly legs: PayloadOf<'settle'>['legs'] }[] {
  if (payload.mode !== 'queue') return [];
  return [payload, ...(payload.linked ?? [])].flatMap(({ valueDate, legs }) =>
    valueDate === undefined ? [] : [{ day: parseDay(valueDate) as number, legs }],
  );
}

/** When all assets of some legs settle on a day; one without a calendar does all day. */
function hoursOf({ calendars }: Books, day: number, legs: readonly Leg[]): Hours | null {
  const known = legs.flatMap(({ asset }) => {
    const calendar = calendars.get(asset);
    return calendar === undefined ? [] : [calendar];
  });
  const days = known.map((calendar) => calendar.find((one) => one.day === day));
  if (days.includes(undefined)) return null;
  const hours = days.filter((one) => one !== undefined);
  if (hours.length === 0) return wholeDay(day);
  const openMs = Math.max(...hours.map((one) => one.openMs)) as TimestampMs;
  const closeMs = Math.min(...hours.map((one) => one.closeMs)) as TimestampMs;
  return openMs < closeMs ? { openMs, closeMs } : null;
}

const linkedOf = (payload: PayloadOf<'settle'>): readonly { readonly legs: PayloadOf<'settle'>['legs'] }[] =>
  payload.mode === 'queue' ? (payload.linked ?? []) : [];

function refusalOf(books: Books, turn: Turn, payload: PayloadOf<'settle'>): string | null {
  const { initiator } = payload;
  const amends = payload.mode === 'gross' ? payload.amends : undefined;
  const amended = amends === undefined ? [] : [...amends.replaces, ...amends.legs];
  const legs = [...payload.legs, ...linkedOf(payload).flatMap((part) => part.legs), ...amended];
  if (legs.some(({ asset }) => !books.assets.has(asset))) return 'unknown_asset';
  const parties = partiesOf(legs);
  if (parties.some((party) => !books.parties.has(party))) return 'unknown_party';
  if (parties.some((party) => isSuspended(books, party))) return 'party_suspended';
  if (!parties.includes(initiator)) return 'not_a_party';
  const gone = amends === undefined ? null : targetRefusal(books, turn, amends.settlement);
  if (gone !== null) return gone;
  const decimalsOf = (asset: string): number => books.assets.get(asset)?.decimals as number;
  const isTooPrecise = ({ asset, amount }: { readonly asset: string; readonly amount: string }): boolean =>
    (amount.split('.')[1] ?? '').length > decimalsOf(asset);
  if (legs.some(isTooPrecise)) return 'amount_precision';
  if (legs.some(({ asset, amount }) => parseAmount(amount, decimalsOf(asset)) === null)) return 'amount_too_large';
  const lots = payload.mode === 'queue' ? BigInt(payload.lots ?? 1) : 1n;
  const isUneven = ({ asset, amount }: { readonly asset: string; readonly amount: string }): boolean =>
    (parseAmount(amount, decimalsOf(asset)) as bigint) % lots > 0n;
  return legs.some(isUneven) ? 'lots_uneven' : null;
}

/** Ends it at the wish of one of its parties, a suspended one too. */
export function withdraw(books: Books, turn: Turn, waiter: Waiter, settlement: OpenSettlement): string {
  if (turn.time > endOf(settlement)) return conclude(books, turn, waiter, 'settlement_closed');
  const isParty = partiesOf(allLegsOf(settlement)).includes(waiter.initiator);
  if (!isParty) return conclude(books, turn, waiter, 'not_a_party');
  if (isAgreed(settlement)) return conclude(books, turn, waiter, 'already_bound');
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
  { initiator, terms }: Waiter,
  settlement: OpenSettlement,
): string | null {
  const { consents } = settlement;
  if (isSuspended(books, initiator)) return 'party_suspended';
  if (turn.time > endOf(settlement)) return 'settlement_closed';
  if (!requiredOf(settlement).includes(initiator)) return 'consent_not_required';
  if (isAgreed(settlement) || hasSigned(books, turn, initiator, consents)) return 'already_consented';
  return terms === undefined ? null : differenceOf(books, settlement, terms);
}

/** Adds the signatures that a settlement came with, now or again. */
export function sign(books: Books, turn: Turn, settlement: OpenSettlement, signed: readonly Thumbprint[]): void {
  if (isAgreed(settlement) || turn.time > settlement.consentUntil) return;
  for (const kid of signed) {
    const key = books.keys.get(kid);
    const counts = key?.role === 'instruction' && !key.revoked && !isSuspended(books, key.party);
    if (counts && requiredOf(settlement).includes(key.party)) settlement.consents.add(kid);
  }
  settleIfBound(books, turn, settlement);
}

/** What a block registered and did not end stays open, within its initiator's bound. */
export function leaveOpen(books: Books, turn: Turn, begun: readonly string[]): void {
  const begunAndOpen = begun.flatMap((digest) => books.open.get(digest) ?? []).filter((one) => !isAgreed(one));
  const isFresh = new Set<string>(begunAndOpen.map(({ digest }) => digest));
  for (const settlement of begunAndOpen) {
    const others = [...books.open.values()].filter(
      ({ digest, initiator }) => initiator === settlement.initiator && !isFresh.has(digest),
    );
    isFresh.delete(settlement.digest);
    conclude(books, turn, settlement, hasRoom(others, settlement) ? 'proposed' : 'too_many_open');
  }
}

/** Whether every consent was there once. */
const isAgreed = (settlement: OpenSettlement): boolean => settlement.bound !== null || isHeld(settlement);

/** Counts the consents anew. With the last of them the settlement settles at once, or is queued, or is refused for good. */
export function settleIfBound(books: Books, turn: Turn, settlement: OpenSettlement): void {
  const { consents, consentUntil, terms, lock, amends } = settlement;
  if (isAgreed(settlement) || turn.time > consentUntil) return;
  if (!requiredOf(settlement).every((party) => hasSigned(books, turn, party, consents))) return;
  if (partiesOf(allLegsOf(settlement)).some((party) => isSuspended(books, party)))
    return void conclude(books, turn, settlement, 'party_suspended');
  if (terms !== null) return bind(books, turn, settlement, terms);
  if (lock !== null) return hold(books, turn, settlement);
  const refusal = (amends && amendmentRefusal(books, turn, amends)) ?? judgeFunds(books, settlement);
  if (refusal !== null) return void conclude(books, turn, settlement, refusal);
  post(books, turn, settlement);
  if (amends !== null) amend(books, turn, amends);
}
