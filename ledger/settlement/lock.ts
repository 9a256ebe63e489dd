/** A settlement in mode `lock`: held when every consent is there, settled by its preimage, lapsed when that does not come (SPEC, Locks). */
import { TRIGGERS_PER_BLOCK_MAX } from '../../protocol/limits.js';
import { assert, faultsMax, type TimestampMs } from '../../protocol/types.js';
import { type Lock, memberName, type Settlement } from '../entries.js';
import type { Posting } from '../posting.js';
import type { State } from '../state.js';
import { judgeFunds } from './bundle.js';
import { hasRoom } from './room.js';

/** The last consent is there: all debits are held at once, or it is refused for good. */
export function hold(posting: Posting, settlement: Settlement & { readonly lock: Lock }): void {
  const { state, fresh } = posting;
  // What was open before is counted there already.
  const isRoomless = fresh.has(settlement.digest) && !hasRoom(state, settlement);
  // Its preimage may have become known since it was proposed: it would be anybody's to settle.
  const isKnown = posting.isRevealed(settlement.lock.hash);
  const refusal = isKnown ? 'hash_revealed' : isRoomless ? 'too_many_open' : judgeFunds(state, settlement);
  if (refusal === null) posting.lock(settlement, { ...settlement, lock: { ...settlement.lock, leaving: [] } });
  else posting.end(settlement, refusal);
}

/** What was locked in this block and has not settled in it has its receipt now. */
export function tellLocked(posting: Posting): void {
  for (const digest of posting.locked) {
    const settlement = posting.state.openSettlement(digest);
    if (settlement !== undefined) posting.record(settlement, 'locked', posting.horizon(posting.at.time));
  }
}

/**
 * Ends the locks whose preimage has not come, at the end of a block, in which it still counted. A preimage is public once it
 * is sent, so that no leader who keeps it out may decide: past the end of a lock f + 1 proposers must have had a block each.
 */
export function lapseLocks(posting: Posting): void {
  const { state, at } = posting;
  const { proposers } = state.tables;
  if (isAnyLate(state, at.time)) {
    proposers.set(memberName(at.proposer), { time: at.time });
    const before = heardTo(state);
    for (let count = 0; count < TRIGGERS_PER_BLOCK_MAX; count++) {
      const due = state.locks.next();
      if (due === null || due.until >= before) break;
      const settlement = state.openSettlement(due.settlement);
      assert(settlement !== undefined, 'what is locked is open');
      posting.end(settlement, 'lapsed');
    }
  }
  if (!isAnyLate(state, at.time)) state.forgetProposers();
}

/** Whether a lock is open whose time is over. */
function isAnyLate({ locks }: State, time: TimestampMs): boolean {
  const due = locks.next();
  return due !== null && time > due.until;
}

/** Since when f + 1 proposers of the set in charge have had a block; what ended before has been heard by one that is honest. */
function heardTo(state: State): number {
  const times = state.tables.proposers.entries().map(([, { time }]) => time);
  return times.sort((a, b) => b - a)[faultsMax(state.members().length)] ?? 0;
}
