/** What a run came to as time went by, span by span, and by asset: what people look at, and no expectation is about. */
import { formatAmount, parseAmount } from '../../protocol/values.js';
import { isOpenCode } from '../checkers/watched.js';
import { percentileOf } from '../percentile.js';
import { type Book, OPENING, type Sent } from './book.js';
import type { Cast, Token } from './cast.js';
import type { SeenBlock } from './watch.js';

/** Of one asset in a span, in major units. These are for people: no money is reckoned with them. */
export interface SeriesOfAsset {
  /** What settled within the span. */
  readonly settled: number;
  /** The legs of settlements that wait at its end. */
  readonly waiting: number;
  /** What its issuer has put into circulation and not taken back, at its end. */
  readonly issued: number;
}

export interface Series {
  /** The middle of each span, in ms after the opening. */
  readonly atMs: number;
  readonly settled: number;
  /** From sending to the first receipt, of those whose first receipt was seen in the span. */
  readonly finalityMs: number | null;
  readonly finalityP99Ms: number | null;
  /** Settlements bound and waiting, at the end of the span. */
  readonly waiting: number;
  readonly blocks: number;
  /** Views that ended without a block. */
  readonly nullified: number;
  /** Of each asset that any settlement touched. */
  readonly assets: Readonly<Record<string, SeriesOfAsset>>;
}

/** An asset over the whole run, exact: decimal strings in major units. */
export interface AssetSum {
  readonly asset: string;
  readonly class: Token['class'];
  /** As the scenario calls it. */
  readonly issuer: string;
  /** Settlements with a leg in it, and what those legs moved. */
  readonly settlements: number;
  readonly settled: string;
  /** In circulation at the end. */
  readonly issued: string;
}

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

const SPANS = 60;
/** What has expired came into none. */
const NO_BLOCK = 0;

/** From sending to the first receipt that its sender saw. */
export const finalityOf = (sents: readonly Sent[]): number[] =>
  sents.flatMap(({ receipts: [first], sentMs }) =>
    first === undefined || first.height === NO_BLOCK ? [] : [first.seenMs - sentMs],
  );

export const isSettled = ({ code }: Sent): boolean => code === 'settled';
export const settlementsIn = (sents: readonly Sent[]): readonly Sent[] => sents.filter(({ kind }) => kind === 'settle');

/** What was sent for the scenario, and not to open the network. */
export const sentsOf = (book: Book): readonly Sent[] => book.all.filter(({ name }) => name !== OPENING);

/** Spans of one length, from the opening to the end of the workload. */
export function seriesOf(book: Book, cast: Cast, blocks: readonly SeenBlock[], span: Span): readonly Series[] {
  const { fromMs, toMs } = span;
  const stepMs = (toMs - fromMs) / SPANS;
  const sents = sentsOf(book);
  const settlements = settlementsIn(sents);
  const assets = assetSeriesOf(book, cast, span);
  const skipped = nullifiedBefore(blocks);
  return Array.from({ length: SPANS }, (_, nth) => {
    const [from, to] = [fromMs + nth * stepMs, fromMs + (nth + 1) * stepMs];
    const isIn = (ms: number | null): boolean => ms !== null && ms >= from && ms < to;
    const delays = finalityOf(sents.filter(({ receipts: [first] }) => first !== undefined && isIn(first.seenMs)));
    return {
      atMs: Math.round(from + stepMs / 2 - fromMs),
      settled: settlements.filter((sent) => isSettled(sent) && isIn(sent.endedMs)).length,
      finalityMs: percentileOf(delays, 0.5),
      finalityP99Ms: percentileOf(delays, 0.99),
      waiting: settlements.filter((sent) => isWaitingAt(sent, to)).length,
      blocks: blocks.filter(({ seenMs }) => isIn(seenMs)).length,
      nullified: blocks.reduce((sum, { seenMs }, at) => sum + (isIn(seenMs) ? (skipped[at] as number) : 0), 0),
      assets: Object.fromEntries([...assets].map(([asset, spans]) => [asset, spans[nth] as SeriesOfAsset])),
    };
  });
}

/** How many views went by without a block before each block. An epoch counts its views anew. */
const nullifiedBefore = (blocks: readonly SeenBlock[]): number[] =>
  blocks.map(({ block }, at) => Math.max(0, block.view - (blocks[at - 1]?.block.view ?? block.view) - 1));

/** Whether a settlement had a receipt by then that leaves it open. */
function isWaitingAt({ receipts, endedMs }: Sent, atMs: number): boolean {
  const last = receipts.findLast(({ seenMs }) => seenMs <= atMs);
  return last !== undefined && isOpenCode(last.code) && (endedMs === null || endedMs > atMs);
}

interface Moved {
  readonly settled: bigint[];
  readonly waiting: bigint[];
  /** What came into circulation in each span; what the opening brought stands in the first. */
  readonly issued: bigint[];
}

function assetSeriesOf(book: Book, cast: Cast, { fromMs, toMs }: Span): ReadonlyMap<string, readonly SeriesOfAsset[]> {
  const stepMs = (toMs - fromMs) / SPANS;
  const moved = new Map<string, Moved>();
  const none = (): bigint[] => Array.from({ length: SPANS }, () => 0n);
  for (const sent of settlementsIn(book.all)) {
    for (const { asset, amount, from, to } of sent.legs) {
      const token = cast.asset(asset);
      const own = moved.get(asset) ?? { settled: none(), waiting: none(), issued: none() };
      moved.set(asset, own);
      const minor = parseAmount(amount, token.decimals) ?? 0n;
      if (sent.name !== OPENING)
        for (const nth of own.waiting.keys())
          if (isWaitingAt(sent, fromMs + (nth + 1) * stepMs)) add(own.waiting, nth, minor);
      if (!isSettled(sent) || sent.endedMs === null || sent.endedMs >= toMs) continue;
      const nth = Math.max(0, Math.floor((sent.endedMs - fromMs) / stepMs));
      if (sent.name !== OPENING) add(own.settled, nth, minor);
      add(own.issued, nth, circulating(token, from, to, minor));
    }
  }
  return new Map(
    [...moved].map(([asset, { settled, waiting, issued }]) => {
      const { decimals } = cast.asset(asset);
      const major = (minor: bigint | undefined): number => Number(formatAmount(minor ?? 0n, decimals));
      let sum = 0n;
      const spans = issued.map((more, nth) => {
        sum += more;
        return { settled: major(settled[nth]), waiting: major(waiting[nth]), issued: major(sum) };
      });
      return [asset, spans] as const;
    }),
  );
}

const add = (sums: bigint[], nth: number, more: bigint): void => {
  sums[nth] = (sums[nth] ?? 0n) + more;
};

/** What a leg brings into circulation: from its issuer more, back to it less. */
function circulating({ issuer }: Token, from: string, to: string, minor: bigint): bigint {
  return (from === issuer.party ? minor : 0n) - (to === issuer.party ? minor : 0n);
}

/** Every asset of the cast, in its order. */
export function assetSumsOf(book: Book, cast: Cast): readonly AssetSum[] {
  const settled = settlementsIn(book.all).filter(isSettled);
  return cast.assets.map((token) => {
    let [moved, issued, settlements] = [0n, 0n, 0];
    for (const { legs, name } of settled) {
      const own = legs.filter(({ asset }) => asset === token.asset);
      if (own.length > 0 && name !== OPENING) settlements += 1;
      for (const { amount, from, to } of own) {
        const minor = parseAmount(amount, token.decimals) ?? 0n;
        issued += circulating(token, from, to, minor);
        if (name !== OPENING) moved += minor;
      }
    }
    return {
      asset: token.asset,
      class: token.class,
      issuer: token.issuer.name,
      settlements,
      settled: formatAmount(moved, token.decimals),
      issued: formatAmount(issued, token.decimals),
    };
  });
}
