/** What of a queue settles in a pass (ledger/SPEC.md, A pass): the sentences of the page, one by one. */

export interface NaiveItem {
  /** What it does to each account, never zero; how urgent it is to who owns the account, 0 being the most. */
  readonly sums: readonly { readonly account: string; readonly net: bigint; readonly tier: number }[];
}

/** The items that settle, in the order in which they do. `funds` is what each account has above its floor. */
export function choose(items: readonly NaiveItem[], funds: ReadonlyMap<string, bigint>): number[] {
  const together = chooseTogether(items, funds);
  const after = new Map(funds);
  for (const at of together) add(after, items[at] as NaiveItem);
  return [...together, ...chooseAlone(items, after, together)];
}

const add = (funds: Map<string, bigint>, { sums }: NaiveItem): void => {
  for (const { account, net } of sums) funds.set(account, (funds.get(account) ?? 0n) + net);
};

/** How an item pays from an account, if it does. */
const debitOf = ({ sums }: NaiveItem, account: string): NaiveItem['sums'][number] | undefined =>
  sums.find((sum) => sum.account === account && sum.net < 0n);

function chooseTogether(items: readonly NaiveItem[], funds: ReadonlyMap<string, bigint>): number[] {
  const accounts = [...new Set(items.flatMap(({ sums }) => sums.map(({ account }) => account)))];
  let left = items.map((_, at) => at);
  for (;;) {
    const ends = new Map(funds);
    for (const at of left) add(ends, items[at] as NaiveItem);
    const short = accounts.find((account) => (ends.get(account) ?? 0n) < 0n);
    if (short === undefined) return left;
    const lacking = -(ends.get(short) ?? 0n);
    const debtors = left.flatMap((at) => {
      const debit = debitOf(items[at] as NaiveItem, short);
      return debit === undefined ? [] : [{ at, amount: -debit.net, tier: debit.tier }];
    });
    const least = Math.max(...debtors.map(({ tier }) => tier));
    const lowest = debtors.filter(({ tier }) => tier === least);
    const victim = lowest.findLast(({ amount }) => amount >= lacking) ?? lowest.at(-1);
    left = without(items, left, [victim?.at as number]);
  }
}

/** What is left when some go: with each, what is less urgent in an account that it pays from. */
function without(items: readonly NaiveItem[], left: readonly number[], gone: readonly number[]): number[] {
  if (gone.length === 0) return [...left];
  const kept = left.filter((at) => !gone.includes(at));
  const behind = kept.filter((at) =>
    (items[at] as NaiveItem).sums.some(
      ({ account, net, tier }) =>
        net < 0n && gone.some((other) => (debitOf(items[other] as NaiveItem, account)?.tier ?? Infinity) < tier),
    ),
  );
  return without(items, kept, behind);
}

function chooseAlone(items: readonly NaiveItem[], funds: Map<string, bigint>, together: readonly number[]): number[] {
  const rank = (at: number): number =>
    Math.min(...(items[at] as NaiveItem).sums.filter(({ net }) => net < 0n).map(({ tier }) => tier));
  let waiting = items.map((_, at) => at).filter((at) => !together.includes(at));
  const chosen: number[] = [];
  for (const at of [...waiting].sort((a, b) => rank(a) - rank(b) || a - b)) {
    const item = items[at] as NaiveItem;
    const holds = item.sums.every(
      ({ account, net, tier }) =>
        net > 0n ||
        ((funds.get(account) ?? 0n) + net >= 0n &&
          waiting.every((other) => (debitOf(items[other] as NaiveItem, account)?.tier ?? tier) >= tier)),
    );
    if (!holds) continue;
    add(funds, item);
    waiting = waiting.filter((other) => other !== at);
    chosen.push(at);
  }
  return chosen;
}
