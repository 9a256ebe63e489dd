/** Net sender limits of the naive ledger (ledger/SPEC.md, The queue): counted leg by leg, each with its two sides. */
import { SENT_MINOR_MAX } from '../../protocol/limits.js';
import type { Books, NaiveLeg, OpenSettlement } from './books.js';

/** What a settlement does to one limit in sum, and what that limit still lets through. */
export interface NaiveLimitSum {
  /** `BIC/asset/`, and behind it the counterparty, if it is a limit to one. */
  readonly limit: string;
  readonly party: string;
  readonly net: bigint;
  readonly left: bigint;
}

/** The limits that a leg counts in, with what it does to each: who sends uses them up, who receives has them back. */
function countsIn({ limits }: Books, { from, to, asset, amount }: NaiveLeg): { limit: string; by: bigint }[] {
  const touched = [
    { limit: `${from}/${asset}/`, by: -amount },
    { limit: `${from}/${asset}/${to}`, by: -amount },
    { limit: `${to}/${asset}/`, by: amount },
    { limit: `${to}/${asset}/${from}`, by: amount },
  ];
  return touched.filter(({ limit }) => limits.has(limit));
}

export function limitSumsOf(books: Books, { legs }: Pick<OpenSettlement, 'legs'>): NaiveLimitSum[] {
  const counts = legs.flatMap((leg) => countsIn(books, leg));
  return [...new Set(counts.map(({ limit }) => limit))]
    .map((limit) => {
      const net = counts.filter((one) => one.limit === limit).reduce((sum, { by }) => sum + by, 0n);
      const { most, sent } = books.limits.get(limit) as { most: bigint; sent: bigint };
      return { limit, party: limit.slice(0, 11), net, left: most - sent };
    })
    .filter(({ net }) => net !== 0n);
}

/** The legs are posted. Whether anything of a limit was given back. */
export function countLegs(books: Books, settlement: Pick<OpenSettlement, 'legs'>): boolean {
  const sums = limitSumsOf(books, settlement);
  for (const { limit, net } of sums) {
    const known = books.limits.get(limit) as { most: bigint; sent: bigint };
    const sent = known.sent - net;
    const most = sent < 0n ? -SENT_MINOR_MAX : SENT_MINOR_MAX;
    books.limits.set(limit, { ...known, sent: sent * sent > most * most ? most : sent });
  }
  return sums.some(({ net }) => net > 0n);
}

/** A party says its limits in an account anew. */
export function setLimits(
  { limits }: Books,
  account: string,
  said: readonly { readonly to: string; readonly most: bigint }[],
): void {
  for (const limit of [...limits.keys()]) if (limit.startsWith(`${account}/`)) limits.delete(limit);
  for (const { to, most } of said) limits.set(`${account}/${to}`, { most, sent: 0n });
}
