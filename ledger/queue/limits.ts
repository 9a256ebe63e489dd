/**
 * Net sender limits: how much more than it has received a party may have sent from an account, to one counterparty or in
 * all, since it set them (SPEC, The queue). In a pass each is one more account with a floor.
 */
import { SENT_MINOR_MAX } from '../../protocol/limits.js';
import type { AmountMinor, AssetCode, Bic } from '../../protocol/types.js';
import { accountName, type BoundLeg, type Limits, type NetSent } from '../entries.js';
import type { Movement } from '../settlement/outline.js';
import type { State } from '../state.js';

/** What a settlement takes of a limit (below zero) or gives back. */
export interface LimitClaim {
  /** Unlike any account's. */
  readonly name: string;
  /** The counterparty, or null of what is sent in all. */
  readonly to: Bic | null;
  readonly net: bigint;
  /** What may still be sent: below zero where payments that take no notice of limits went past it. */
  readonly headroom: bigint;
}

const NONE: readonly LimitClaim[] = [];
const headroomOf = ({ most, sent }: NetSent): bigint => most - sent;

/** What legs do to the limits of an account that they touch: what is sent in all, then each counterparty in the order of the legs. Never zero. */
export function limitClaims(state: State, legs: readonly BoundLeg[], movement: Movement): readonly LimitClaim[] {
  const { name, net } = movement;
  const limits = state.tables.limits.get(name);
  if (limits === undefined) return NONE;
  const claims: LimitClaim[] = [];
  const { multilateral, bilateral } = limits;
  if (multilateral !== null && net !== 0n)
    claims.push({ name: `${name}/`, to: null, net, headroom: headroomOf(multilateral) });
  if (bilateral.length === 0) return claims;
  for (const { to, net: between } of betweenOf(legs).get(name) ?? []) {
    const limit = bilateral.find((each) => each.to === to);
    if (limit !== undefined) claims.push({ name: `${name}/${to}`, to, net: between, headroom: headroomOf(limit) });
  }
  return claims;
}

/** What a party has from a counterparty in sum, in one asset. */
interface Between {
  readonly to: Bic;
  readonly net: bigint;
}

// Legs never change in place, and what waits is looked at in each pass: what they come to between two parties is kept.
const betweens = new WeakMap<readonly BoundLeg[], ReadonlyMap<string, readonly Between[]>>();

/** By account, what its owner has from each counterparty in sum; in the order of the legs. */
function betweenOf(legs: readonly BoundLeg[]): ReadonlyMap<string, readonly Between[]> {
  const known = betweens.get(legs);
  if (known !== undefined) return known;
  const sums = new Map<string, Map<Bic, bigint>>();
  const move = (party: Bic, to: Bic, asset: AssetCode, net: bigint): void => {
    const name = accountName(party, asset);
    const own = sums.get(name) ?? new Map<Bic, bigint>();
    sums.set(name, own.set(to, (own.get(to) ?? 0n) + net));
  };
  for (const { from, to, asset, amount } of legs) {
    move(from, to, asset, 0n - amount);
    move(to, from, asset, amount);
  }
  const between = new Map(
    [...sums].map(([name, own]) => [name, [...own].flatMap(([to, net]) => (net === 0n ? [] : [{ to, net }]))]),
  );
  betweens.set(legs, between);
  return between;
}

/** What a limit counts at most, either way: no limit is so high, so that what goes past changes nothing. */
function counted(sent: bigint): bigint {
  if (sent > SENT_MINOR_MAX) return SENT_MINOR_MAX;
  return sent < -SENT_MINOR_MAX ? -SENT_MINOR_MAX : sent;
}

/** Counts posted legs in the limits of an account that they touched. What is given back may let others through. */
export function countInLimits(state: State, legs: readonly BoundLeg[], movement: Movement): void {
  const claims = limitClaims(state, legs, movement);
  if (claims.length === 0) return;
  const limits = state.tables.limits.get(movement.name) as Limits;
  const after = <L extends NetSent>(limit: L, to: Bic | null): L => {
    const claim = claims.find((each) => each.to === to);
    return claim === undefined ? limit : { ...limit, sent: counted(limit.sent - claim.net) };
  };
  state.tables.limits.set(movement.name, {
    multilateral: limits.multilateral === null ? null : after(limits.multilateral, null),
    bilateral: limits.bilateral.map((limit) => after(limit, limit.to)),
  });
  if (claims.some(({ net }) => net > 0n)) state.queue.stir();
}

/** Limits as they are set, nothing being sent since. */
export const limitsFrom = (
  multilateral: AmountMinor | null,
  bilateral: readonly { readonly to: Bic; readonly most: AmountMinor }[],
): Limits => ({
  multilateral: multilateral === null ? null : { most: multilateral, sent: 0n },
  bilateral: bilateral.map((limit) => ({ ...limit, sent: 0n })),
});
