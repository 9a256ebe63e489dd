/** What a party has in the queue and is asked to consent to, as the last final state has it, a page at a time. */
import type { BoundSettlement, Settlement } from '../../ledger/entries.js';
import { tierOf } from '../../ledger/queue/book.js';
import { keptFrom } from '../../ledger/queue/run.js';
import { availableIn } from '../../ledger/settlement/bundle.js';
import { missingConsents } from '../../ledger/settlement/consent.js';
import { outlineOf } from '../../ledger/settlement/outline.js';
import type { State } from '../../ledger/state.js';
import { QUEUE_PAGE } from '../../protocol/limits.js';
import { PRIORITIES, type Priority } from '../../protocol/payload.js';
import { assert, type Bic } from '../../protocol/types.js';
import { formatAmount } from '../../protocol/values.js';
import type { OpenSettlementView, Page, ProposalView, QueuedView } from '../ports.js';

type Entries<T> = Omit<Page<T>, 'height'>;

/** What a party pays in and is bound to, the most urgent to it first and then by place; a cursor is `urgency.place`. */
export function queuePage(state: State, party: Bic, after = ''): Entries<QueuedView> {
  const own = state.book
    .boundBy(party)
    .map((digest) => state.openSettlement(digest) as BoundSettlement)
    .map((settlement) => ({ settlement, tier: tierOf(settlement, party) }))
    .sort((a, b) => a.tier - b.tier || a.settlement.bound.place - b.settlement.bound.place);
  const [tier = -1, place = -1] = after.split('.', 2).map((text) => (text === '' ? -1 : Number(text)));
  const isAfter = (one: (typeof own)[number]): boolean =>
    one.tier > tier || (one.tier === tier && one.settlement.bound.place > place);
  const first = own.findIndex(isAfter);
  if (first < 0) return { entries: [], next: null };
  const page = own.slice(first, first + QUEUE_PAGE);
  const last = page.at(-1);
  return {
    entries: page.map((one, at) => queuedView(state, one.settlement, one.tier, first + at + 1)),
    next: last === undefined || first + QUEUE_PAGE >= own.length ? null : `${last.tier}.${last.settlement.bound.place}`,
  };
}

/** What a party is to pay in, and somebody has not consented to, by digest; a cursor is the last one's digest. */
export function proposalsPage(state: State, party: Bic, after = ''): Entries<ProposalView> {
  const digests = state.book.proposedTo(party, after, QUEUE_PAGE + 1);
  const entries = digests.slice(0, QUEUE_PAGE).map((digest) => {
    const settlement = state.openSettlement(digest);
    assert(settlement !== undefined, 'what is proposed is open');
    return { ...openView(state, settlement), missing: missingConsents(state, settlement) };
  });
  return { entries, next: digests.length > QUEUE_PAGE ? (entries.at(-1)?.digest ?? null) : null };
}

function openView(state: State, { digest, initiator, id, legs, cancelUntil }: Settlement): OpenSettlementView {
  const told = legs.map(({ from, to, asset, amount }) => ({ from, to, asset, amount: format(state, asset, amount) }));
  return { digest, initiator, id, legs: told, cancelUntil };
}

function queuedView(state: State, settlement: BoundSettlement, tier: number, position: number): QueuedView {
  const { notBefore, cutoff, settleBy } = settlement.terms;
  const paid = outlineOf(settlement).movements.filter(({ net }) => net < 0n);
  const lacking = paid.flatMap((movement) => {
    const { party, asset, net } = movement;
    const after =
      availableIn(state, movement) + net - keptFrom(state.liquidity(movement.name), tierOf(settlement, party));
    return after >= 0n ? [] : [{ party, asset, amount: format(state, asset, 0n - after) }];
  });
  return {
    ...openView(state, settlement),
    position,
    stage: state.isDue(settlement) ? 'queued' : 'scheduled',
    priority: PRIORITIES[tier] as Priority,
    notBefore,
    cutoff,
    settleBy,
    leaving: settlement.bound.leaving,
    lacking,
    behind: paid
      .filter((movement) => state.book.isPassed(settlement, movement, false))
      .map(({ party, asset }) => ({ party, asset })),
  };
}

const format = (state: State, asset: string, minor: bigint): string =>
  formatAmount(minor, state.asset(asset)?.decimals ?? 0);
