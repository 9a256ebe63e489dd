/** `settle`: a bundle of legs, registered without effect, then settled when every required consent is there. */
import { readDates, type SettlementDates } from '../../protocol/dates.js';
import type { Instruction } from '../../protocol/instruction.js';
import type { Leg, PayloadOf } from '../../protocol/payload.js';
import type { AmountMinor, AssetCode, Bic, Hash, InstructionDigest } from '../../protocol/types.js';
import { parseAmount } from '../../protocol/values.js';
import { RESULT_CODES, type ResultCode } from '../codes.js';
import {
  type Amendment,
  type BoundLeg,
  type BoundSettlement,
  isAgreed,
  type Lock,
  type QueueTerms,
  type Settlement,
} from '../entries.js';
import { namedOf, type Ordered, type Posting } from '../posting.js';
import { screen } from '../rights.js';
import { isAsMeant, targetOf } from '../settlement/amendment.js';
import { addConsents, settleIfBound } from '../settlement/consent.js';
import { commonHours } from '../settlement/hours.js';
import { hasRoom } from '../settlement/room.js';
import { resolveAll } from '../settlement/waiting.js';
import type { State } from '../state.js';

/** Registers a new settlement without effect, or records why it cannot be one. */
export function register(posting: Posting, ordered: Ordered, payload: PayloadOf<'settle'>): void {
  const { instruction } = ordered;
  if (screen(posting, posting.at.time, ordered) !== null) return;
  const read = readSettlement(posting, instruction, payload);
  if (typeof read !== 'string') {
    posting.fresh.set(read.digest, read);
    // Remembered at once, so that another payload under the same id later in this block finds it.
    posting.remember(read, 'proposed', posting.horizon(Math.max(instruction.expiresMs, read.consentUntil)));
    return;
  }
  posting.conclude(instruction, read);
  resolveAll(posting, instruction.digest);
}

/**
 * Takes the signatures on a settlement as consents. What counts is that the settlement is open: the initiator's
 * signature was checked when it was registered, and a copy that carries other signatures adds only these.
 */
export function consentBySignature(posting: Posting, { instruction, signed }: Ordered): void {
  const settlement = posting.settlement(instruction.digest);
  if (settlement === undefined || isAgreed(settlement) || posting.at.time > settlement.consentUntil) return;
  settleIfBound(posting, addConsents(posting, settlement, signed));
}

/** Opens what this block registered and has not ended, within the initiator's bound. */
export function openRest(posting: Posting): void {
  for (const settlement of [...posting.fresh.values()]) {
    if (!hasRoom(posting.state, settlement)) {
      posting.end(settlement, 'too_many_open');
      continue;
    }
    posting.fresh.delete(settlement.digest);
    posting.state.open(settlement);
    posting.record(settlement, 'proposed', posting.horizon(settlement.consentUntil));
  }
}

function readSettlement(
  posting: Posting,
  instruction: Instruction,
  payload: PayloadOf<'settle'>,
): Settlement | ResultCode {
  const { state, at } = posting;
  const parts = [payload.legs, ...legsBeside(payload)];
  const judged = parts.map((legs) => readLegs(state, legs));
  const refusals = judged.filter((legs) => typeof legs === 'string');
  const isInitiators = parts.flat().some(({ from, to }) => from === payload.initiator || to === payload.initiator);
  if (!isInitiators) refusals.push('not_a_party');
  const asked = payload.mode === 'gross' ? (payload.amends ?? null) : null;
  const target = asked && targetOf(posting, asked.settlement as InstructionDigest);
  if (typeof target === 'string') refusals.push(target);
  if (refusals.length > 0) return refusals.reduce(higher);
  const [legs, ...later] = judged as [BoundLeg[], ...BoundLeg[][]];
  const lots = payload.mode === 'queue' ? (payload.lots ?? 1) : 1;
  if (legs.some(({ amount }) => amount % BigInt(lots) !== 0n)) return 'lots_uneven';
  const amends = asked && amendmentOf(asked, later);
  if (amends !== null && !isAsMeant(target as BoundSettlement, amends)) return 'part_gone';
  const closed = { met: false };
  const read = readDates(payload, instruction, (day, of) => {
    const hours = commonHours(state, day, of);
    closed.met ||= hours === null;
    return hours;
  });
  // Without value dates what was parsed is in order.
  if (closed.met || !read.ok) return 'value_date_closed';
  const { consentUntilMs } = read.dates;
  const lock = lockOf(payload, read.dates);
  if (lock !== null && posting.isRevealed(lock.hash)) return 'hash_revealed';
  if (at.time > consentUntilMs) return 'lapsed';
  const linked = read.dates.linked.map((part, index) => ({
    legs: later[index] as BoundLeg[],
    notBefore: part.notBeforeMs,
    settleBy: part.settleByMs,
  }));
  const common = { ...namedOf(instruction), consentUntil: consentUntilMs, since: at.time };
  const terms = termsOf(payload, read.dates);
  return { ...common, legs, lots, linked, partsSettled: 0, terms, amends, bound: null, lock, consents: [] };
}

/** The legs besides those of the part that settles first: of the parts that follow, or of what is amended, before and after. */
function legsBeside(payload: PayloadOf<'settle'>): (readonly Leg[])[] {
  if (payload.mode === 'queue') return (payload.linked ?? []).map(({ legs }) => legs);
  if (payload.mode === 'lock' || payload.amends === undefined) return [];
  return [payload.amends.replaces, payload.amends.legs];
}

function amendmentOf(
  { settlement, part }: { readonly settlement: string; readonly part: number },
  [replaces, legs]: readonly BoundLeg[][],
): Amendment {
  return {
    settlement: settlement as InstructionDigest,
    part,
    replaces: replaces as BoundLeg[],
    legs: legs as BoundLeg[],
  };
}

function termsOf(payload: PayloadOf<'settle'>, dates: SettlementDates): QueueTerms | null {
  if (payload.mode !== 'queue') return null;
  return {
    priority: payload.priority ?? 'normal',
    notBefore: dates.notBeforeMs,
    cancelUntil: dates.cancelUntilMs,
    cutoff: dates.cutoffMs,
    settleBy: dates.settleByMs,
  };
}

const lockOf = (payload: PayloadOf<'settle'>, { settleByMs }: SettlementDates): Lock | null =>
  payload.mode === 'lock' ? { hash: payload.hash as Hash, until: settleByMs, leaving: null } : null;

/** The legs with their amounts in minor units, or the refusal of the highest precedence that any of them meets. */
function readLegs(state: State, legs: readonly Leg[]): BoundLeg[] | ResultCode {
  const read: BoundLeg[] = [];
  let refusal: ResultCode | null = null;
  for (const leg of legs) {
    const amount = judgeLeg(state, leg);
    if (typeof amount === 'bigint')
      read.push({ from: leg.from as Bic, to: leg.to as Bic, asset: leg.asset as AssetCode, amount });
    else refusal = refusal === null ? amount : higher(refusal, amount);
  }
  return refusal ?? read;
}

const higher = (a: ResultCode, b: ResultCode): ResultCode =>
  RESULT_CODES.indexOf(a) < RESULT_CODES.indexOf(b) ? a : b;

function judgeLeg(state: State, leg: Leg): AmountMinor | ResultCode {
  const asset = state.asset(leg.asset);
  if (asset === undefined) return 'unknown_asset';
  const from = state.participant(leg.from);
  const to = state.participant(leg.to);
  if (from === undefined || to === undefined) return 'unknown_party';
  return from.suspended || to.suspended ? 'party_suspended' : readAmount(leg.amount, asset.decimals);
}

/** Minor units of a decimal text; refuses with `amount_precision` or `amount_too_large`. */
export function readAmount(text: string, decimals: number): AmountMinor | 'amount_precision' | 'amount_too_large' {
  const minor = parseAmount(text, decimals);
  if (minor !== null) return minor;
  const point = text.indexOf('.');
  return point >= 0 && text.length - point - 1 > decimals ? 'amount_precision' : 'amount_too_large';
}
