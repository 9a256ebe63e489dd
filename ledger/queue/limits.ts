/**
 * Net sender limits: how much more than it has received a party may have sent from an account, to one counterparty or in
 * all, since it set them (SPEC, The queue). In a pass each is one more account with a floor.
 */
import type { AmountMinor, AssetCode, Bic } from '../../protocol/types.js';
import type { BoundLeg, Limits, NetSent } from '../entries.js';
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
  const { name, party, asset, net } = movement;
  const limits = state.tables.limits.get(name);
  if (limits === undefined) return NONE;
  const claims: LimitClaim[] = [];
  const { multilateral, bilateral } = limits;
  if (multilateral !== null && net !== 0n)
    claims.push({ name: `${name}/`, to: null, net, headroom: headroomOf(multilateral) });
  for (const [to, between] of betweenOf(legs, party, asset)) {
    const limit = bilateral.find((each) => each.to === to);
    if (limit === undefined || between === 0n) continue;
    claims.push({ name: `${name}/${to}`, to, net: between, headroom: headroomOf(limit) });
  }
  return claims;
}

/** What a party has from each counterparty in sum, in one asset; in the order of the legs. */
function betweenOf(legs: readonly BoundLeg[], party: Bic, asset: AssetCode): ReadonlyMap<Bic, bigint> {
  const between = new Map<Bic, bigint>();
  for (const { from, to, asset: moved, amount } of legs) {
    if (moved !== asset || (from !== party && to !== party)) continue;
    const [other, net] = from === party ? [to, 0n - amount] : [from, amount as bigint];
    between.set(other, (between.get(other) ?? 0n) + net);
  }
  return between;
}

/** Counts posted legs in the limits of an account that they touched. What is given back may let others through. */
export function countInLimits(state: State, legs: readonly BoundLeg[], movement: Movement): void {
  const claims = limitClaims(state, legs, movement);
  if (claims.length === 0) return;
  const limits = state.tables.limits.get(movement.name) as Limits;
  const counted = <L extends NetSent>(limit: L, to: Bic | null): L => {
    const claim = claims.find((each) => each.to === to);
    return claim === undefined ? limit : { ...limit, sent: limit.sent - claim.net };
  };
  state.tables.limits.set(movement.name, {
    multilateral: limits.multilateral === null ? null : counted(limits.multilateral, null),
    bilateral: limits.bilateral.map((limit) => counted(limit, limit.to)),
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
