/** What of a queue settles in a pass (ledger/SPEC.md, A pass): the sentences of the page, one by one. */

export interface NaiveItem {
  /**
   * What it does to each account, never zero; how urgent it is to who owns the account, 0 being the most, and what is to
   * be left there when it settles.
   */
  readonly sums: readonly {
    readonly account: string;
    readonly net: bigint;
    readonly tier: number;
    readonly kept: bigint;
  }[];
  /** The equal lots that it comes in. */
  readonly lots: number;
}

/** What settles whole, and of what one lot. */
export interface NaiveChoice {
  readonly whole: readonly number[];
  readonly oneLot: readonly number[];
}

/**
 * The items that settle, in the order in which they do. `funds` is what each account has above its floor, and each limit
 * still lets through.
 */
export function choose(items: readonly NaiveItem[], funds: ReadonlyMap<string, bigint>, rules: Rules): NaiveChoice {
  const queue = { items, ...rules };
  const after = new Map(funds);
  const whole: number[] = [];
  for (const yields of ['last', 'first'] as const) {
    const together = chooseTogether(queue, after, whole, yields);
    for (const at of together) add(after, items[at] as NaiveItem);
    whole.push(...together);
    whole.push(...chooseAlone(queue, after, whole));
  }
  return { whole, oneLot: chooseLots(queue, after, whole) };
}

export interface Rules {
  /** Accounts, and their limits, in which nothing passes what is as urgent. */
  readonly ordered: ReadonlySet<string>;
  /** They only hold back: nothing goes before anything in them. */
  readonly limits: ReadonlySet<string>;
}
interface NaiveQueue extends Rules {
  readonly items: readonly NaiveItem[];
}

const add = (funds: Map<string, bigint>, { sums }: NaiveItem): void => {
  for (const { account, net } of sums) funds.set(account, (funds.get(account) ?? 0n) + net);
};

/** How an item pays from an account, if it does. */
const debitOf = ({ sums }: NaiveItem, account: string): NaiveItem['sums'][number] | undefined =>
  sums.find((sum) => sum.account === account && sum.net < 0n);

/** Whether one goes before another in some account that both pay from. */
export function goesBefore({ items, ordered, limits }: NaiveQueue, first: number, then: number): boolean {
  return (items[then] as NaiveItem).sums.some(({ account, net, tier }) => {
    const other = debitOf(items[first] as NaiveItem, account);
    if (net > 0n || other === undefined || limits.has(account)) return false;
    return other.tier < tier || (other.tier === tier && first < then && ordered.has(account));
  });
}

/** Of what has not settled; `yields` says which goes of those that are as urgent. */
function chooseTogether(
  queue: NaiveQueue,
  funds: ReadonlyMap<string, bigint>,
  settled: readonly number[],
  yields: 'last' | 'first',
): number[] {
  const { items, ordered } = queue;
  const accounts = [...new Set(items.flatMap(({ sums }) => sums.map(({ account }) => account)))];
  let left = items.map((_, at) => at).filter((at) => !settled.includes(at));
  for (;;) {
    const ends = new Map(funds);
    for (const at of left) add(ends, items[at] as NaiveItem);
    const debtorsOf = (account: string) =>
      left.flatMap((at) => {
        const debit = debitOf(items[at] as NaiveItem, account);
        return debit === undefined ? [] : [{ at, ...debit }];
      });
    const lackingIn = (account: string): bigint =>
      debtorsOf(account).reduce((most, { kept }) => {
        const lacking = kept - (ends.get(account) ?? 0n);
        return lacking > most ? lacking : most;
      }, 0n);
    const short = accounts.find((account) => lackingIn(account) > 0n);
    if (short === undefined) return left;
    const least = Math.max(...debtorsOf(short).map(({ tier }) => tier));
    const lowest = debtorsOf(short).filter(({ tier }) => tier === least);
    const going = yields === 'last' || ordered.has(short) ? lowest.reverse() : lowest;
    const covers = going.find(({ net }) => -net >= lackingIn(short));
    const victim = (ordered.has(short) ? undefined : covers) ?? going[0];
    left = without(queue, left, [victim?.at as number]);
  }
}

/** What is left when some go: with each goes what may not settle before it. */
function without(queue: NaiveQueue, left: readonly number[], gone: readonly number[]): number[] {
  if (gone.length === 0) return [...left];
  const kept = left.filter((at) => !gone.includes(at));
  return without(
    queue,
    kept,
    kept.filter((at) => gone.some((other) => goesBefore(queue, other, at))),
  );
}

/** What is not among those that settle, the most urgent first and then by place. */
function byUrgency({ items }: NaiveQueue, settled: readonly number[]): number[] {
  const rank = (at: number): number =>
    Math.min(...(items[at] as NaiveItem).sums.filter(({ net }) => net < 0n).map(({ tier }) => tier));
  const waiting = items.map((_, at) => at).filter((at) => !settled.includes(at));
  return waiting.sort((a, b) => rank(a) - rank(b) || a - b);
}

/** One lot of each that has more than one, if that holds and passes nothing. */
function chooseLots(queue: NaiveQueue, funds: Map<string, bigint>, settled: readonly number[]): number[] {
  const { items } = queue;
  const waiting = byUrgency(queue, settled);
  return waiting.filter((at) => {
    const { sums, lots } = items[at] as NaiveItem;
    const lot = sums.map((sum) => ({ ...sum, net: sum.net / BigInt(lots) }));
    const isFunded = lot.every(({ account, net, kept }) => net > 0n || (funds.get(account) ?? 0n) + net >= kept);
    if (lots === 1 || !isFunded || waiting.some((other) => other !== at && goesBefore(queue, other, at))) return false;
    add(funds, { sums: lot, lots: 1 });
    return true;
  });
}

function chooseAlone(queue: NaiveQueue, funds: Map<string, bigint>, together: readonly number[]): number[] {
  const { items } = queue;
  const order = byUrgency(queue, together);
  let waiting = order;
  const chosen: number[] = [];
  for (const at of order) {
    const item = items[at] as NaiveItem;
    const isFunded = item.sums.every(({ account, net, kept }) => net > 0n || (funds.get(account) ?? 0n) + net >= kept);
    if (!isFunded || waiting.some((other) => other !== at && goesBefore(queue, other, at))) continue;
    add(funds, item);
    waiting = waiting.filter((other) => other !== at);
    chosen.push(at);
  }
  return chosen;
}
