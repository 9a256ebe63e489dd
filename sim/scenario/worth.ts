/** What settled and what waits, summed up in one asset by the rates of a scenario: for people, and to compare. */
import type { Leg } from '../../protocol/payload.js';
import { formatAmount, parseAmount } from '../../protocol/values.js';
import type { Cast } from './cast.js';
import type { Scenario } from './file.js';

/** Digits of a rate behind the point, at most. */
const RATE_DECIMALS = 10;

/** What some settlements are worth, each counted once: by the asset of it that is worth most. Null without rates. */
export function worthOf(
  settlements: readonly { readonly legs: readonly Leg[] }[],
  { worth }: Pick<Scenario, 'worth'>,
  cast: Cast,
): number | null {
  if (worth === undefined) return null;
  const rates = new Map(worth.rates.map(({ asset, rate }) => [asset, parseAmount(rate, RATE_DECIMALS) ?? 0n]));
  rates.set(worth.in, 10n ** BigInt(RATE_DECIMALS));
  const into = cast.asset(worth.in).decimals;
  let sum = 0n;
  for (const { legs } of settlements) {
    const byAsset = new Map<string, bigint>();
    for (const { asset, amount } of legs) {
      const { decimals } = cast.asset(asset);
      const minor = (parseAmount(amount, decimals) ?? 0n) * (rates.get(asset) ?? 0n) * 10n ** BigInt(into);
      const own = minor / 10n ** BigInt(decimals + RATE_DECIMALS);
      byAsset.set(asset, (byAsset.get(asset) ?? 0n) + own);
    }
    sum += [...byAsset.values()].reduce((most, each) => (each > most ? each : most), 0n);
  }
  return Number(formatAmount(sum, into));
}
