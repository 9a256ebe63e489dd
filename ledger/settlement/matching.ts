/** Whether a settlement is what a party that consents takes it to be, and if not, in which of its terms (SPEC, Matching). */
import type { Leg, PayloadOf } from '../../protocol/payload.js';
import { parseAmount, parseTime } from '../../protocol/values.js';
import type { ResultCode } from '../codes.js';
import type { BoundLeg, Settlement } from '../entries.js';
import type { State } from '../state.js';

type PartTerms = NonNullable<PayloadOf<'consent'>['terms']>[number];

/** What a part is, for the parties: its legs and dates; null where it has none. */
interface PartAsIs {
  readonly legs: readonly BoundLeg[];
  readonly notBefore: number | null;
  readonly settleBy: number | null;
}

/** The first term that differs, or null: who pays whom, then in what, then how much, then when. In whatever order the legs stand. */
export function mismatchOf(state: State, settlement: Settlement, terms: readonly PartTerms[]): ResultCode | null {
  const parts = partsOf(settlement);
  if (parts.length !== terms.length) return 'party_mismatch';
  const pairs = parts.map((part, at) => [part, terms[at] as PartTerms] as const);
  const differs = (text: (leg: BoundLeg) => string, said: (leg: Leg) => string): boolean =>
    pairs.some(([part, term]) => sorted(part.legs.map(text)) !== sorted(term.legs.map(said)));
  const sides = ({ from, to }: BoundLeg | Leg): string => `${from} ${to}`;
  const asset = (leg: BoundLeg | Leg): string => `${sides(leg)} ${leg.asset}`;
  const minorOf = (leg: Leg): string => `${parseAmount(leg.amount, state.asset(leg.asset)?.decimals ?? 0)}`;
  if (differs(sides, sides)) return 'party_mismatch';
  if (differs(asset, asset)) return 'asset_mismatch';
  if (
    differs(
      (leg) => `${asset(leg)} ${leg.amount}`,
      (leg) => `${asset(leg)} ${minorOf(leg)}`,
    )
  )
    return 'amount_mismatch';
  const isOther = (said: string | undefined, is: number | null): boolean =>
    said !== undefined && parseTime(said) !== is;
  const isLate = pairs.some(
    ([is, said]) => isOther(said.notBefore, is.notBefore) || isOther(said.settleBy, is.settleBy),
  );
  return isLate ? 'date_mismatch' : null;
}

const sorted = (texts: readonly string[]): string => texts.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)).join();

function partsOf({ legs, terms, lock, linked }: Settlement): PartAsIs[] {
  const settleBy = terms?.settleBy ?? lock?.until ?? null;
  return [{ legs, notBefore: terms?.notBefore ?? null, settleBy }, ...linked];
}
