/** Consents and withdrawals that name a settlement not ordered yet: kept until their `expires`, and resolved when it comes. */
import { LEGS_MAX, WAITING_PER_PARTY_MAX } from '../../protocol/limits.js';
import type { PayloadOf } from '../../protocol/payload.js';
import type { InstructionDigest, TimestampMs } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import type { WaitingItem } from '../entries.js';
import { namedOf, type Ordered, type Posting } from '../posting.js';
import { hasSigned, signerOf } from '../rights.js';
import { bump } from '../state.js';

/** What may wait for one settlement: a consent and a withdrawal of each party that a largest one can have. */
const WAITING_PER_SETTLEMENT_MAX = 2 * 2 * LEGS_MAX;

/** Lets a consent or withdrawal wait. Refuses with `already_waiting` (one of a party and kind waits) or `too_many_waiting`. */
export function wait(
  posting: Posting,
  { instruction, signed }: Ordered,
  payload: PayloadOf<'consent' | 'withdraw'>,
): void {
  const { state } = posting;
  const settlement = payload.settlement as InstructionDigest;
  const named = namedOf(instruction);
  const items = state.tables.waiting.get(settlement)?.items ?? [];
  if (items.some((item) => item.initiator === named.initiator && item.kind === named.kind))
    return posting.conclude(instruction, 'already_waiting');
  const isFull =
    items.length >= WAITING_PER_SETTLEMENT_MAX ||
    (state.counts.waiting.get(named.initiator) ?? 0) >= WAITING_PER_PARTY_MAX;
  if (isFull) return posting.conclude(instruction, 'too_many_waiting');
  const kids = signed.filter((kid, at) => signerOf(state, kid) === named.initiator && signed.indexOf(kid) === at);
  const until = posting.horizon(instruction.expiresMs);
  const item: WaitingItem = { ...named, kids, expires: instruction.expiresMs, until };
  state.tables.waiting.set(settlement, { settlement, items: [...items, item] });
  state.schedule({ kind: 'unmatched', time: item.expires, settlement, instruction: item.digest });
  bump(state.counts.waiting, item.initiator, 1);
  posting.record(item, 'waiting', until);
}

/** What waits for a settlement, of one kind, in the order in which it came. */
export const waitingFor = (
  posting: Posting,
  settlement: InstructionDigest,
  kind: 'consent' | 'withdraw',
): readonly WaitingItem[] =>
  (posting.state.tables.waiting.get(settlement)?.items ?? []).filter((item) => item.kind === kind);

/** Why what waited no longer counts, its trigger being late or its keys revoked meanwhile; or null. */
export function stale(posting: Posting, item: WaitingItem): ResultCode | null {
  if (posting.at.time > item.expires) return 'unmatched';
  return hasSigned(posting, item.initiator, item.kids) ? null : 'unknown_key';
}

/** Ends what waited, with its result. */
export function resolve(
  posting: Posting,
  settlement: WaitingItem['digest'],
  item: WaitingItem,
  code: ResultCode,
): void {
  const { state } = posting;
  const items = (state.tables.waiting.get(settlement)?.items ?? []).filter((other) => other.digest !== item.digest);
  if (items.length === 0) state.tables.waiting.delete(settlement);
  else state.tables.waiting.set(settlement, { settlement, items });
  state.unschedule({ kind: 'unmatched', time: item.expires, settlement, instruction: item.digest });
  bump(state.counts.waiting, item.initiator, -1);
  posting.record(item, code, Math.max(item.until, posting.horizon(posting.at.time)) as TimestampMs);
}

/** Ends everything that waits for a settlement which is over as soon as it is ordered. */
export function resolveAll(posting: Posting, settlement: WaitingItem['digest']): void {
  for (const item of posting.state.tables.waiting.get(settlement)?.items ?? []) {
    resolve(posting, settlement, item, stale(posting, item) ?? 'settlement_closed');
  }
}
