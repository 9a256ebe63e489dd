/**
 * `offer`: a validator's party or a registered solver names settlements of the queue that can settle together and that no
 * pass has found. Found by any method, it is judged by the same rules as a pass (SPEC, Offers), so that nobody need trust it.
 */
import {
  OFFERED_MOVEMENTS_PER_BLOCK_MAX,
  OFFERED_MOVEMENTS_PER_PARTY_MAX,
  OFFERS_PER_PARTY_MAX,
} from '../../protocol/limits.js';
import type { PayloadOf } from '../../protocol/payload.js';
import type { InstructionDigest } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { type BoundSettlement, isBound } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { screen } from '../rights.js';
import { availableIn, settle } from '../settlement/bundle.js';
import { type Movement, outlineOf, weightOf } from '../settlement/outline.js';
import type { State } from '../state.js';
import { tierOf } from './book.js';
import { limitClaims } from './limits.js';
import { keptFrom } from './pass.js';

/** What offers a block has judged: by party, and how many movements they touch in all. */
export class Offered {
  readonly #byParty = new Map<string, { readonly offers: number; readonly movements: number }>();
  #movements = 0;

  /** Whether a party may have one more looked at; if so, it counts. */
  begin(party: string): boolean {
    const { offers, movements } = this.#of(party);
    this.#byParty.set(party, { offers: offers + 1, movements });
    return offers < OFFERS_PER_PARTY_MAX;
  }

  /** Whether what remains of it is within the bounds; if so, it counts. */
  take(party: string, more: number): boolean {
    const { offers, movements } = this.#of(party);
    if (movements + more > OFFERED_MOVEMENTS_PER_PARTY_MAX) return false;
    if (this.#movements + more > OFFERED_MOVEMENTS_PER_BLOCK_MAX) return false;
    this.#byParty.set(party, { offers, movements: movements + more });
    this.#movements += more;
    return true;
  }

  #of(party: string): { readonly offers: number; readonly movements: number } {
    return this.#byParty.get(party) ?? { offers: 0, movements: 0 };
  }
}

/**
 * Settles what remains of an offer, all of it or nothing. Refuses with `party_suspended`, `forbidden` (neither a validator's
 * party nor a solver), `too_many_offers`, and `not_used` whatever stands in its way, so that no balance is told.
 */
export function offer(posting: Posting, ordered: Ordered, payload: PayloadOf<'offer'>, offered: Offered): void {
  if (screen(posting, posting.at.time, ordered) !== null) return;
  const judged = judge(posting, payload, offered);
  posting.conclude(ordered.instruction, typeof judged === 'string' ? judged : 'used');
  if (typeof judged !== 'string') for (const settlement of judged) settle(posting, settlement);
}

/** What an offer settles, or why it does nothing. Who asks is judged first: what it names is looked up for who may. */
function judge(
  posting: Posting,
  payload: PayloadOf<'offer'>,
  offered: Offered,
): readonly BoundSettlement[] | ResultCode {
  const { state } = posting;
  const { initiator } = payload;
  const party = state.participant(initiator);
  if (party?.suspended === true) return 'party_suspended';
  const isValidator = state.members().some((member) => member.party === initiator);
  if (!isValidator && party?.solver !== true) return 'forbidden';
  if (!offered.begin(initiator)) return 'too_many_offers';
  const remaining = remainingOf(posting, payload);
  const movements = remaining.reduce((sum, { legs }) => sum + weightOf(legs), 0);
  if (!offered.take(initiator, movements)) return 'too_many_offers';
  const isGood = remaining.length > 0 && holdsTogether(state, remaining) && passesNothing(state, remaining);
  return isGood ? remaining : 'not_used';
}

/** What of an offer stands in the queue still, by place; not what has a receipt in this block, of some lots. */
function remainingOf({ state, at, advanced }: Posting, { settlements }: PayloadOf<'offer'>): BoundSettlement[] {
  const remaining = settlements
    .map((digest) => state.openSettlement(digest as InstructionDigest))
    .filter((settlement) => settlement !== undefined)
    .filter(isBound)
    .filter(({ digest }) => !advanced.has(digest))
    .filter((settlement) => state.queue.isQueued(settlement) && at.time <= settlement.terms.settleBy);
  return remaining.sort((a, b) => a.bound.place - b.bound.place);
}

/** Whether all at once leave each account and limit that they use what the least urgent of them must. */
function holdsTogether(state: State, settlements: readonly BoundSettlement[]): boolean {
  /** By account or limit: what is there and what they do to it, less what is to stay. */
  const left = new Map<string, { sum: bigint; kept: bigint; isUsed: boolean }>();
  const move = (name: string, net: bigint, kept: bigint, available: () => bigint): void => {
    const before = left.get(name) ?? { sum: available(), kept: 0n, isUsed: false };
    const most = net < 0n && kept > before.kept ? kept : before.kept;
    left.set(name, { sum: before.sum + net, kept: most, isUsed: before.isUsed || net < 0n });
  };
  for (const settlement of settlements) {
    for (const movement of outlineOf(settlement).movements) {
      const { name, party, net } = movement;
      const kept = keptFrom(state.liquidity(name), tierOf(settlement, party));
      move(name, net, kept, () => availableIn(state, movement));
      for (const claim of limitClaims(state, settlement.legs, movement))
        move(claim.name, claim.net, 0n, () => claim.headroom);
    }
  }
  return [...left.values()].every(({ sum, kept, isUsed }) => !isUsed || sum >= kept);
}

interface Debit {
  readonly settlement: BoundSettlement;
  readonly movement: Movement;
  readonly tier: number;
  readonly count: number;
}

/** Whether nothing that waits and is not among them, which ascend by place, goes before one of them in an account. */
function passesNothing(state: State, settlements: readonly BoundSettlement[]): boolean {
  const own = new Set(settlements.map(({ digest }) => digest));
  /** By account: the least urgent of them and of these the last, and how many of them debit it. */
  const last = new Map<string, Debit>();
  for (const settlement of settlements) {
    for (const movement of outlineOf(settlement).movements) {
      if (movement.net >= 0n) continue;
      const before = last.get(movement.name);
      const [tier, count] = [tierOf(settlement, movement.party), 1 + (before?.count ?? 0)];
      const isLess = before !== undefined && tier < before.tier;
      last.set(movement.name, isLess ? { ...before, count } : { settlement, movement, tier, count });
    }
  }
  return [...last.values()].every(({ settlement, movement, count }) => {
    const { isFifo } = state.liquidity(movement.name);
    // One more than they are: if that many go before, a stranger does.
    return state.queue.before(settlement, movement, isFifo, count + 1).every((digest) => own.has(digest));
  });
}
