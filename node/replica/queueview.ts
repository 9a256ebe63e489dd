/** What a party has in the queue and is asked to consent to, as the last final state has it, a page at a time. */
import type { Amendment, BoundLeg, BoundSettlement, QueueTerms, Settlement } from '../../ledger/entries.js';
import { tierOf } from '../../ledger/queue/book.js';
import { limitClaims } from '../../ledger/queue/limits.js';
import { keptFrom } from '../../ledger/queue/pass.js';
import { availableIn } from '../../ledger/settlement/bundle.js';
import { missingConsents } from '../../ledger/settlement/consent.js';
import { outlineOf } from '../../ledger/settlement/outline.js';
import type { State } from '../../ledger/state.js';
import { PRIORITIES, type Priority } from '../../protocol/payload.js';
import { assert, type Bic } from '../../protocol/types.js';
import { formatAmount } from '../../protocol/values.js';
import {
  type LegView,
  type LockView,
  type OpenSettlementView,
  type Page,
  type ProposalView,
  QUEUE_PAGE_ENTRIES_MAX,
  type QueuedView,
  type TermsView,
} from '../ports.js';

type Entries<T> = Omit<Page<T>, 'height'>;

/** Where a page ended: how urgent its last entry was, that one's place, and how many came before the next page. */
interface Cursor {
  readonly tier: number;
  readonly place: number;
  readonly count: number;
}
const cursorOf = (text: string): Cursor => {
  const [tier = 0, place = 0, count = 0] = text.split('.').map(Number);
  return { tier, place, count };
};

/** What a party pays in and is bound to, the most urgent to it first and then by place. */
export function queuePage(state: State, party: Bic, after?: string): Entries<QueuedView> {
  const cursor = after === undefined ? null : cursorOf(after);
  const first = cursor?.count ?? 0;
  const digests = state.queue.boundBy(party, cursor, QUEUE_PAGE_ENTRIES_MAX + 1);
  const page = digests.slice(0, QUEUE_PAGE_ENTRIES_MAX).map((digest) => state.boundSettlement(digest));
  const last = page.at(-1);
  const hasMore = last !== undefined && digests.length > page.length;
  return {
    entries: page.map((settlement, at) => queuedView(state, party, settlement, first + at + 1)),
    next: hasMore ? `${tierOf(last, party)}.${last.bound.place}.${first + page.length}` : null,
  };
}

/** What a party is to pay in, and somebody has not consented to, by digest; a cursor is the last one's digest. */
export function proposalsPage(state: State, party: Bic, after = ''): Entries<ProposalView> {
  const digests = state.queue.proposedTo(party, after, QUEUE_PAGE_ENTRIES_MAX + 1);
  const entries = digests.slice(0, QUEUE_PAGE_ENTRIES_MAX).map((digest) => {
    const settlement = state.openSettlement(digest);
    assert(settlement !== undefined, 'what is proposed is open');
    const { consentUntil, terms } = settlement;
    const missing = missingConsents(state, settlement);
    return {
      ...openView(state, settlement),
      missing,
      consentUntil,
      terms: terms === null ? null : termsView(terms),
      lock: lockView(settlement),
      amends: settlement.amends && amendmentView(state, settlement.amends),
    };
  });
  return { entries, next: digests.length > entries.length ? (entries.at(-1)?.digest ?? null) : null };
}

/** What settles an open lock; null of any other settlement. */
export const lockView = ({ lock }: Settlement): LockView | null =>
  lock === null ? null : { hash: lock.hash, lockUntil: lock.until, leaving: lock.leaving ?? [] };

function openView(
  state: State,
  { digest, initiator, id, legs, lots, linked, partsSettled }: Settlement,
): OpenSettlementView {
  const later = linked.map(({ notBefore, settleBy, ...part }) => ({
    legs: legViews(state, part.legs),
    notBefore,
    settleBy,
  }));
  return { digest, initiator, id, part: partsSettled + 1, legs: legViews(state, legs), lots, linked: later };
}

const amendmentView = (state: State, { replaces, legs, ...what }: Amendment): ProposalView['amends'] => ({
  ...what,
  replaces: legViews(state, replaces),
  legs: legViews(state, legs),
});

const legViews = (state: State, legs: readonly BoundLeg[]): LegView[] =>
  legs.map(({ from, to, asset, amount }) => ({ from, to, asset, amount: format(state, asset, amount) }));

const termsView = ({ notBefore, cancelUntil, cutoff, settleBy }: QueueTerms): TermsView => ({
  notBefore,
  cancelUntil,
  cutoff,
  settleBy,
});

function queuedView(state: State, payer: Bic, settlement: BoundSettlement, position: number): QueuedView {
  const paid = outlineOf(settlement).movements.filter(({ net }) => net < 0n);
  const lacking = paid.flatMap((movement) => {
    const { name, party, asset, net } = movement;
    const kept = keptFrom(state.liquidity(name), tierOf(settlement, party));
    const left = availableIn(state, movement) + net - kept;
    return left >= 0n ? [] : [{ party, asset, amount: format(state, asset, -left) }];
  });
  const limited = outlineOf(settlement).movements.flatMap((movement) =>
    limitClaims(state, settlement.legs, movement)
      .filter(({ net, headroom }) => net < 0n && headroom + net < 0n)
      .map(({ to, net, headroom }) => {
        const { party, asset } = movement;
        return { party, asset, to, amount: format(state, asset, -(headroom + net)) };
      }),
  );
  const behind = paid.filter((movement) =>
    state.queue.isBehind(settlement, movement, state.liquidity(movement.name).isFifo),
  );
  return {
    ...openView(state, settlement),
    position,
    stage: state.queue.isQueued(settlement) ? 'queued' : 'scheduled',
    priority: PRIORITIES[tierOf(settlement, payer)] as Priority,
    ...termsView(settlement.terms),
    leaving: settlement.bound.leaving,
    lacking,
    limited,
    behind: behind.map(({ party, asset }) => ({ party, asset })),
  };
}

function format(state: State, asset: string, minor: bigint): string {
  const definition = state.asset(asset);
  assert(definition !== undefined, 'an asset of an open settlement is defined');
  return formatAmount(minor, definition.decimals);
}
