/** What a run comes to, in numbers, by name: what expectations are about, and what the report shows. */
import { formatAmount, parseAmount } from '../../protocol/values.js';
import { percentileOf } from '../percentile.js';
import type { Book, Sent } from './book.js';
import type { Cast } from './cast.js';
import type { Happened } from './faults.js';
import { msOf, type Scenario } from './file.js';
import { finalityOf, isSettled, type Span, sentsOf, seriesOf, settlementsIn } from './series.js';
import type { Wait } from './waits.js';
import type { SeenBlock } from './watch.js';
import { worthOf } from './worth.js';

export type Figures = Readonly<Record<string, number>>;

/** What a run has shown by its end. */
export interface Shown {
  readonly scenario: Pick<Scenario, 'worth' | 'lasts'>;
  readonly book: Book;
  readonly cast: Cast;
  readonly blocks: readonly SeenBlock[];
  readonly happened: readonly Happened[];
  /** The most versions of the program at one time, and how many nodes came to another. */
  readonly versions: number;
  readonly upgraded: number;
  /** At the end of the business day. */
  readonly waits: readonly Wait[];
  /** What each account has when all is final, by `HK-1.HKD`, in major units. */
  readonly balances: ReadonlyMap<string, string>;
}

export function figuresOf(shown: Shown, { fromMs, toMs }: Span): Figures {
  const { book, cast, blocks } = shown;
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
    expired: sents.filter(({ code }) => code === 'expired').length,
    lapsed: settlements.filter(({ code }) => code === 'lapsed').length,
    rejected: settlements.filter(({ code, isEnded }) => isEnded && code !== null && !isSettledOrLapsed(code)).length,
    settledPerSecond: settled.length / ((toMs - fromMs) / 1_000),
    finalityP50Ms: percentileOf(finalityOf(sents), 0.5),
    finalityP99Ms: percentileOf(finalityOf(sents), 0.99),
    blocks: within.length,
    nullified: Math.max(0, views - (within.length - 1)),
    blockAheadMostMs: Math.max(0, ...within.map(({ aheadMs }) => aheadMs)),
    blockBehindMostMs: Math.max(0, ...within.map(({ aheadMs }) => -aheadMs)),
    longestPauseMs: longestPause(sents),
    waitingMost: Math.max(0, ...seriesOf(book, cast, blocks, { fromMs, toMs }).map(({ waiting }) => waiting)),
    versions: shown.versions,
    upgraded: shown.upgraded,
    ...volumesOf(settled, cast),
    ...kindsOf(settled, shown),
    ...waitingOf(shown),
    ...Object.fromEntries(
      shown.happened.flatMap(({ fault }) => Object.entries(recoveryOf(fault, shown, settled, { fromMs, toMs }))),
    ),
    ...censoredIn(shown, toMs),
    ...Object.fromEntries([...shown.balances].map(([name, amount]) => [`balance.${name}`, Number(amount)])),
  };
  for (const name of new Set(sents.map((sent) => sent.name))) {
    const own = sents.filter((sent) => sent.name === name);
    const delays = own.flatMap((sent) =>
      isSettled(sent) && sent.endedMs !== null ? [sent.endedMs - sent.sentMs] : [],
    );
    figures[`${name}.sent`] = own.length;
    figures[`${name}.settled`] = own.filter(isSettled).length;
    figures[`${name}.lapsed`] = own.filter(({ code }) => code === 'lapsed').length;
    figures[`${name}.worth`] = worthOf(own.filter(isSettled), shown.scenario, cast);
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

/** Issues come from the issuer and redemptions go to it; of the rest a payment has one asset, an exchange several. */
function kindOf({ legs }: Sent, cast: Cast): 'issues' | 'redemptions' | 'payments' | 'exchanges' {
  const isIssuer = (party: string, asset: string): boolean => cast.asset(asset).issuer.party === party;
  if (new Set(legs.map(({ asset }) => asset)).size > 1) return 'exchanges';
  if (legs.every(({ from, asset }) => isIssuer(from, asset))) return 'issues';
  return legs.every(({ to, asset }) => isIssuer(to, asset)) ? 'redemptions' : 'payments';
}

function kindsOf(settled: readonly Sent[], { scenario, cast, waits }: Shown): Record<string, number | null> {
  const kinds = { issues: [] as Sent[], redemptions: [] as Sent[], payments: [] as Sent[], exchanges: [] as Sent[] };
  for (const sent of settled) kinds[kindOf(sent, cast)].push(sent);
  const all = { ...kinds, transfers: [...kinds.payments, ...kinds.exchanges] };
  const figures: Record<string, number | null> = {};
  for (const [kind, sents] of Object.entries(all)) {
    figures[kind] = sents.length;
    figures[`worth.${kind}`] = worthOf(sents, scenario, cast);
  }
  // Both legs of each, as gross settlement would have needed them.
  const [paidIn, moved] = [figures['worth.issues'], figures['worth.exchanges']];
  if (typeof paidIn === 'number' && typeof moved === 'number' && moved > 0)
    figures['fundedPercent'] = (100 * paidIn) / (2 * moved);
  figures['worth.waiting'] = worthOf(waits, scenario, cast);
  return figures;
}

/** Of those who wait, and of those whose money is waited for: how many settlements, and what they keep meanwhile. */
function waitingOf({ waits, cast }: Shown): Record<string, number> {
  const counts: Record<string, number> = { waiting: waits.length };
  const add = (name: string, more: number): void => {
    counts[name] = (counts[name] ?? 0) + more;
  };
  for (const { name, party } of [...cast.authorities, ...cast.banks]) {
    counts[`waiting.${name}`] = 0;
    counts[`waitsFor.${name}`] = 0;
    for (const { payers, legs, lacking } of waits) {
      if (payers.includes(name)) add(`waiting.${name}`, 1);
      if (lacking.some(({ player }) => player === name)) add(`waitsFor.${name}`, 1);
      for (const { from, asset, amount } of legs) if (from === party) add(`waiting.${name}.${asset}`, Number(amount));
    }
  }
  return counts;
}

/**
 * How the network came through a kind of fault, at its worst: the longest time without anything settling from when it began,
 * and how long after its end the first thing settled.
 */
function recoveryOf(
  fault: Happened['fault'],
  { happened, scenario }: Shown,
  settled: readonly Sent[],
  span: Span,
): Record<string, number> {
  // When banks have nothing more to send, nothing need settle.
  const toMs = Math.min(span.toMs, span.fromMs + msOf(scenario.lasts));
  const ends = settled.flatMap(({ endedMs }) => (endedMs === null ? [] : [endedMs])).sort((a, b) => a - b);
  const own = happened.filter((each) => each.fault === fault);
  const pauses = own.flatMap(({ fromMs, untilMs }) => {
    const last = Math.min(untilMs ?? toMs, toMs);
    const after = ends.find((ms) => ms > last) ?? toMs;
    const moments = [fromMs, ...ends.filter((ms) => ms > fromMs && ms <= last), after];
    return moments.slice(1).map((ms, at) => ms - (moments[at] as number));
  });
  const resumed = own.flatMap(({ untilMs }) =>
    untilMs === null ? [] : [(ends.find((ms) => ms > untilMs) ?? Number.POSITIVE_INFINITY) - untilMs],
  );
  const during = own.map(({ fromMs, untilMs }) => ends.filter((ms) => ms > fromMs && ms <= (untilMs ?? toMs)).length);
  return {
    [`pauseAfter.${fault}Ms`]: Math.max(0, ...pauses),
    ...(resumed.every(Number.isFinite) && resumed.length > 0 && { [`resumedAfter.${fault}Ms`]: Math.max(...resumed) }),
    [`settledDuring.${fault}`]: Math.min(...during),
  };
}

/**
 * What came of censors: the blocks that they led meanwhile, and how many instructions of their victims' lanes those
 * have, beside those of the others. A node's place among the seats is that of its lane: no act changes who validates.
 */
function censoredIn({ happened, blocks, cast }: Shown, toMs: number): Record<string, number> {
  const censors = happened.flatMap(({ asked, ...when }) => (asked.fault === 'censor' ? [{ asked, ...when }] : []));
  if (censors.length === 0) return {};
  let [led, ofVictims, besides] = [0, 0, 0];
  for (const { asked, fromMs, untilMs } of censors) {
    const [liars, [victim = -1]] = [cast.nodesOf(asked.nodes), cast.nodesOf(asked.victim)];
    for (const { block, seenMs } of blocks) {
      if (seenMs < fromMs || seenMs > (untilMs ?? toMs)) continue;
      const count = block.lanes?.[victim] ?? 0;
      if (!liars.includes(block.proposer)) besides += count;
      else {
        led += 1;
        ofVictims += count;
      }
    }
  }
  return { 'ledBy.censors': led, 'ofVictims.ledBy.censors': ofVictims, 'ofVictims.ledBy.others': besides };
}

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
