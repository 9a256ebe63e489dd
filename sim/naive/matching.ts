/** What a party that consents says of a settlement, held against it in the naive ledger (ledger/SPEC.md, Matching). */
import type { PayloadOf } from '../../protocol/payload.js';
import { parseAmount, parseTime } from '../../protocol/values.js';
import type { Books, NaiveLeg, OpenSettlement } from './books.js';

type Said = NonNullable<PayloadOf<'consent'>['terms']>;

/** Takes what is in one list out of the other, each once; whether nothing is left of either. */
function isSame<T>(one: readonly T[], other: readonly T[], isAlike: (a: T, b: T) => boolean): boolean {
  const left = [...other];
  for (const item of one) {
    const at = left.findIndex((each) => isAlike(item, each));
    if (at < 0) return false;
    left.splice(at, 1);
  }
  return left.length === 0;
}

export function differenceOf(books: Books, settlement: OpenSettlement, said: Said): string | null {
  const { legs, linked, terms, lock } = settlement;
  const first = { legs, notBefore: terms?.notBefore, settleBy: terms?.settleBy ?? lock?.until };
  const parts = [first, ...linked];
  if (parts.length !== said.length) return 'party_mismatch';
  const believed = said.map((part) =>
    part.legs.map(({ from, to, asset, amount }): NaiveLeg => {
      const decimals = books.assets.get(asset)?.decimals ?? 0;
      return { from, to, asset, amount: parseAmount(amount, decimals) ?? -1n };
    }),
  );
  const agree = (isAlike: (a: NaiveLeg, b: NaiveLeg) => boolean): boolean =>
    parts.every((part, at) => isSame(part.legs, believed[at] ?? [], isAlike));
  const isBetween = (a: NaiveLeg, b: NaiveLeg): boolean => a.from === b.from && a.to === b.to;
  const isIn = (a: NaiveLeg, b: NaiveLeg): boolean => isBetween(a, b) && a.asset === b.asset;
  if (!agree(isBetween)) return 'party_mismatch';
  if (!agree(isIn)) return 'asset_mismatch';
  if (!agree((a, b) => isIn(a, b) && a.amount === b.amount)) return 'amount_mismatch';
  const isOn = parts.every(({ notBefore, settleBy }, at) => {
    const { notBefore: from, settleBy: by } = said[at] ?? {};
    return (from === undefined || parseTime(from) === notBefore) && (by === undefined || parseTime(by) === settleBy);
  });
  return isOn ? null : 'date_mismatch';
}
