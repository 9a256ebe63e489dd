/** What a run comes to, in numbers, by name: what expectations are about, and what the report shows. */
import { formatAmount, parseAmount } from '../../protocol/values.js';
import type { Book, Sent } from './book.js';
import type { Cast } from './cast.js';
import { finalityOf, isSettled, percentileOf, type Span, sentsOf, seriesOf, settlementsIn } from './series.js';
import type { SeenBlock } from './watch.js';

export type Figures = Readonly<Record<string, number>>;

export function figuresOf(book: Book, cast: Cast, blocks: readonly SeenBlock[], { fromMs, toMs }: Span): Figures {
  const sents = sentsOf(book);
  const settlements = settlementsIn(sents);
  const settled = settlements.filter(isSettled);
  const within = blocks.filter(({ seenMs }) => seenMs >= fromMs && seenMs <= toMs);
  const views = within.length < 2 ? 0 : (within.at(-1)?.block.view ?? 0) - (within[0]?.block.view ?? 0);
  const figures: Record<string, number | null> = {
    sent: sents.length,
    taken: sents.filter(({ taken }) => taken !== null).length,
    refused: sents.filter(({ refused }) => refused !== null).length,
    settlements: settlements.length,
    settled: settled.length,
    payments: settled.filter(({ legs }) => legs.length === 1).length,
    exchanges: settled.filter(({ legs }) => legs.length > 1).length,
    lapsed: settlements.filter(({ code }) => code === 'lapsed').length,
    rejected: settlements.filter(({ code, isEnded }) => isEnded && code !== null && !isSettledOrLapsed(code)).length,
    settledPerSecond: settled.length / ((toMs - fromMs) / 1_000),
    finalityP50Ms: percentileOf(finalityOf(sents), 0.5),
    finalityP99Ms: percentileOf(finalityOf(sents), 0.99),
    blocks: within.length,
    nullified: Math.max(0, views - (within.length - 1)),
    longestPauseMs: longestPause(sents),
    waitingMost: Math.max(0, ...seriesOf(book, cast, blocks, { fromMs, toMs }).map(({ waiting }) => waiting)),
    ...volumesOf(settled, cast),
  };
  for (const name of new Set(sents.map((sent) => sent.name))) {
    const own = sents.filter((sent) => sent.name === name);
    const delays = own.flatMap((sent) =>
      isSettled(sent) && sent.endedMs !== null ? [sent.endedMs - sent.sentMs] : [],
    );
    figures[`${name}.sent`] = own.length;
    figures[`${name}.settled`] = own.filter(isSettled).length;
    figures[`${name}.lapsed`] = own.filter(({ code }) => code === 'lapsed').length;
    figures[`${name}.delayP50Ms`] = percentileOf(delays, 0.5);
    figures[`${name}.delayMostMs`] = delays.length === 0 ? null : Math.max(...delays);
    figures[`${name}.settledIn`] = new Set(own.filter(isSettled).map(({ receipts }) => receipts.at(-1)?.height)).size;
    for (const code of new Set(own.map((sent) => sent.refused ?? sent.code ?? 'none')))
      figures[`${name}.${code}`] = own.filter((sent) => (sent.refused ?? sent.code ?? 'none') === code).length;
  }
  return Object.fromEntries(
    Object.entries(figures).flatMap(([name, value]) =>
      value === null ? [] : [[name, Math.round(value * 1_000) / 1_000]],
    ),
  );
}

const isSettledOrLapsed = (code: string): boolean => code === 'settled' || code === 'lapsed';

/** What settled of each asset, in major units. Its figure is for people: no money is reckoned with it. */
function volumesOf(settled: readonly Sent[], cast: Cast): Record<string, number> {
  const sums = new Map<string, bigint>();
  for (const { legs } of settled)
    for (const { asset, amount } of legs)
      sums.set(asset, (sums.get(asset) ?? 0n) + (parseAmount(amount, cast.asset(asset).decimals) ?? 0n));
  return Object.fromEntries(
    [...sums].map(([asset, sum]) => [`volume.${asset}`, Number(formatAmount(sum, cast.asset(asset).decimals))]),
  );
}

/** The longest that anything sent had to wait for its first receipt. */
const longestPause = (sents: readonly Sent[]): number => Math.max(0, ...finalityOf(sents));
