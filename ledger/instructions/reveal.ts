/** `reveal`: the preimage of a lock, which settles it. Whoever sends it, and at whatever time, while the lock is open. */
import { fromHex } from '../../protocol/codec.js';
import { hashOf } from '../../protocol/hash.js';
import type { PayloadOf } from '../../protocol/payload.js';
import type { InstructionDigest } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { endOf, isLocked, type LockedSettlement } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { screen } from '../rights.js';
import { settle } from '../settlement/bundle.js';

/**
 * A suspended participant may reveal too: it is no act of power. Refuses with `settlement_closed`, `not_locked` (no lock of
 * that digest is open: what is revealed waits for nothing) and `wrong_preimage`.
 */
export function reveal(posting: Posting, ordered: Ordered, payload: PayloadOf<'reveal'>): void {
  const { instruction } = ordered;
  if (screen(posting, posting.at.time, ordered) !== null) return;
  const judged = judge(posting, payload);
  if (typeof judged === 'string') return posting.conclude(instruction, judged);
  posting.conclude(instruction, 'revealed');
  const { hash, until } = judged.lock;
  posting.markRevealed(hash, Math.max(instruction.expiresMs, until));
  settle(posting, judged);
}

function judge(posting: Posting, payload: PayloadOf<'reveal'>): LockedSettlement | ResultCode {
  const digest = payload.settlement as InstructionDigest;
  const settlement = posting.settlement(digest);
  if (settlement === undefined) return posting.hasEnded(digest) ? 'settlement_closed' : 'not_locked';
  if (!isLocked(settlement)) return posting.at.time > endOf(settlement) ? 'settlement_closed' : 'not_locked';
  return hashOf(fromHex(payload.preimage)) === settlement.lock.hash ? settlement : 'wrong_preimage';
}
