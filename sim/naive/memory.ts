/** What the naive ledger remembers of ids and of ended settlements (ledger/SPEC.md, Memory), and what leaves no trace. */

import type { PayloadKind } from '../../protocol/payload.js';
import { assert } from '../../protocol/types.js';
import {
  type Asked,
  authorityOf,
  type Books,
  hasSigned,
  type Item,
  isNodeKey,
  isQuorumAmong,
  type Turn,
} from './books.js';

export const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PERIOD_MS = 365 * DAY_MS;

const OPEN: ReadonlySet<string> = new Set([
  'proposed',
  'waiting',
  'approved',
  'scheduled',
  'queued',
  'locked',
  'part_settled',
  'amended',
]);

/** Something has changed that may let a settlement of the queue through. */
export function stir({ open, queue }: Books): void {
  if ([...open.values()].some(({ bound }) => bound?.isQueued === true)) queue.stirred = true;
}

const nameOf = ({ initiator, id }: { readonly initiator: string; readonly id: string }): string => `${initiator}/${id}`;

/** The instruction that uses up this initiator's id now, if one does. */
function rememberedOf(
  books: Books,
  turn: Turn,
  named: { readonly initiator: string; readonly id: string; readonly kind: PayloadKind },
): string | null {
  // What is open has its id for as long.
  const open = [...books.open.values()].find((one) => nameOf(one) === nameOf(named));
  if (open !== undefined) return open.digest;
  const record = books.records.get(nameOf(named));
  if (record === undefined || turn.time > record.until) return null;
  // What a node says is no act of its party, and takes none of its ids.
  return record.kind === 'ready' && named.kind !== 'ready' ? null : record.digest;
}

/** Whether a settlement is known to have ended. */
export const hasEnded = (books: Books, turn: Turn, digest: string): boolean =>
  (books.ended.get(digest) ?? -1) >= turn.time;

/** `until`, past which the record does not count. Far dates are rounded up to the end of a year of 365 days. */
function keptUntil(books: Books, turn: Turn, dates: readonly number[]): number {
  const until = Math.max(turn.time, ...dates) + DAY_MS + books.skewMs;
  if (until <= turn.time + 4 * DAY_MS) return until;
  return Math.ceil(until / PERIOD_MS) * PERIOD_MS;
}

/** Records an instruction under its id. `dates` are its `expires`, or until when consents to what it opens may come. */
export function remember(books: Books, turn: Turn, asked: Asked, dates: readonly number[]): void {
  // What takes the place of a node's word is kept as long as that.
  const until = Math.max(keptUntil(books, turn, dates), books.records.get(nameOf(asked))?.until ?? 0);
  books.records.set(nameOf(asked), { digest: asked.digest, kind: asked.kind, until });
  books.hours.add(Math.floor(until / HOUR_MS));
}

/** Remembers that the preimage of a hash is known, by the hour but in no long periods. */
export function rememberHash(books: Books, turn: Turn, hash: string, dates: readonly number[]): void {
  const until = Math.max(turn.time, ...dates) + DAY_MS + books.skewMs;
  books.revealed.set(hash, Math.max(until, books.revealed.get(hash) ?? 0));
  books.hours.add(Math.floor((books.revealed.get(hash) as number) / HOUR_MS));
}

/** Gives an instruction its receipt, and answers the code. What had one in an earlier block, or is a settlement, is remembered anew from here. */
export function conclude(books: Books, turn: Turn, asked: Asked, code: string): string {
  const { digest, initiator, id, kind } = asked;
  const record = books.records.get(nameOf(asked));
  assert(record !== undefined, 'what has a result is recorded');
  const until = Math.max(record.until, keptUntil(books, turn, []));
  // What ends long after its record was forgotten may find its id another's.
  if (record.digest === digest || record.kind === 'ready' || turn.time > record.until) {
    books.records.set(nameOf(asked), { digest, kind, until });
    books.hours.add(Math.floor(until / HOUR_MS));
  }
  const hasPart = (books.open.get(digest)?.partsSettled ?? 0) > 0;
  const told = hasPart && (code === 'lapsed' || code === 'cancelled') ? `part_${code}` : code;
  if ((kind === 'settle' || kind === 'govern') && !OPEN.has(code)) {
    const wasQueued = books.open.get(digest)?.bound?.isQueued === true;
    books.open.delete(digest);
    if (wasQueued) stir(books);
    if (books.change?.digest === digest) books.change = null;
    books.ended.set(digest, until);
  }
  turn.receipts.push({ digest, initiator, id, kind, code: told });
  return code;
}

/** Hours that have passed are forgotten. */
export const passedHours = (books: Books, turn: Turn): number[] =>
  [...books.hours].filter((hour) => (hour + 1) * HOUR_MS <= turn.time);

/** Why an item leaves no trace (ledger/SPEC.md, What leaves no trace), or null when it is to be recorded. */
export function noTrace(books: Books, turn: Turn, { instruction, signed }: Item): string | null {
  const { payload, digest, issuedMs, expiresMs } = instruction;
  if (payload.network !== books.network) return 'wrong_network';
  const remembered = rememberedOf(books, turn, payload);
  if (remembered === digest) return 'repeat';
  if (remembered !== null) return 'duplicate_id';
  if (turn.time > expiresMs) return 'expired';
  if (turn.time < issuedMs) return 'not_yet_valid';
  const isSigned =
    payload.kind === 'ready'
      ? signed.some((kid) => isNodeKey(books, turn, payload.initiator, kid))
      : hasSigned(books, turn, payload.initiator, signed);
  if (!isSigned) return 'initiator_signature_missing';
  if (payload.kind === 'asset' && !books.assets.has(payload.asset)) {
    const authority = authorityOf(books, payload.jurisdiction);
    // Without an authority nobody can sign it into being: that is forbidden, and recorded.
    if (authority !== undefined && !hasSigned(books, turn, authority, signed)) return 'authority_signature_missing';
  }
  if (payload.kind === 'govern' && books.change?.approved === false) {
    const isAuthority = books.parties.get(payload.initiator)?.authority === true;
    if (isAuthority && !isQuorumAmong(books, turn, signed)) return 'authority_signature_missing';
  }
  return null;
}
