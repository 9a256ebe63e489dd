/** What a settlement does in sum: to each account, since its legs are simultaneous, and who pays in it. */
import type { AssetCode, Bic } from '../../protocol/types.js';
import { type Amendment, accountName, type BoundLeg, type Settlement } from '../entries.js';

/** What a bundle does to one account. */
export interface Movement {
  /** The account's name in its table. */
  readonly name: string;
  readonly party: Bic;
  readonly asset: AssetCode;
  readonly net: bigint;
}

type Moving = { -readonly [M in keyof Movement]: Movement[M] };

export interface Outline {
  /** Of the part that is next, in the order in which the legs first touch an account. */
  readonly movements: readonly Movement[];
  /**
   * Those that must consent, of all parts: every debited party, the issuer too when it issues; and whoever stands in legs
   * that it replaces, or in what takes their place. In the order of the legs. Of what is in the queue that is who pays.
   */
  readonly payers: readonly Bic[];
  /** Places that it takes in the queue: two for each leg of the part that has the most. */
  readonly places: number;
}

/** The legs of the part that is next, of those that follow it, and those that it replaces in another with what takes their place. */
export const allLegs = ({ legs, linked, amends }: Parts): readonly BoundLeg[] =>
  linked.length === 0 && amends === null
    ? legs
    : [...legs, ...linked.flatMap((part) => part.legs), ...amendedLegs(amends)];
type Parts = Pick<Settlement, 'legs' | 'linked' | 'amends'>;

const amendedLegs = (amends: Amendment | null): readonly BoundLeg[] =>
  amends === null ? [] : [...amends.replaces, ...amends.legs];

// A settlement in the queue is looked at in each pass; its legs never change in place, and every copy of it has the same
// array of them, so what they come to is kept beside that. Of another part's legs, or amended ones, the array is another.
const outlines = new WeakMap<readonly BoundLeg[], Outline>();

/** What a settlement's legs come to. */
export function outlineOf(settlement: Parts): Outline {
  const known = outlines.get(settlement.legs);
  if (known !== undefined) return known;
  const movements = movementsOf(settlement.legs);
  const places = Math.max(weightOf(settlement.legs), ...settlement.linked.map(({ legs }) => weightOf(legs)));
  const outline = { movements, payers: requiredParties(settlement), places };
  outlines.set(settlement.legs, outline);
  return outline;
}

/** What legs weigh in what bounds the queue, passes and offers: two for each, whether or not they touch one account twice. */
export const weightOf = (legs: readonly BoundLeg[]): number => 2 * legs.length;

function requiredParties({ legs, linked, amends }: Parts): Bic[] {
  const parties = new Set<Bic>();
  for (const { from } of allLegs({ legs, linked, amends: null })) parties.add(from);
  for (const { from, to } of amendedLegs(amends)) parties.add(from).add(to);
  return [...parties];
}

function movementsOf(legs: readonly BoundLeg[]): Movement[] {
  const movements: Moving[] = [];
  for (const { from, to, asset, amount } of legs) {
    move(movements, from, asset, 0n - amount);
    move(movements, to, asset, amount);
  }
  return movements;
}

// Looked up by walking: a bundle has few legs, and most have one.
function move(movements: Moving[], party: Bic, asset: AssetCode, amount: bigint): void {
  for (const movement of movements) {
    if (movement.party !== party || movement.asset !== asset) continue;
    movement.net += amount;
    return;
  }
  movements.push({ name: accountName(party, asset), party, asset, net: amount });
}

/** Whether a party must consent: it is debited by a leg, or its claim changes. */
export const mustConsent = (settlement: Parts, party: string): boolean =>
  outlineOf(settlement).payers.some((payer) => payer === party);

/** Whether a party stands in a leg. */
export const isParty = (settlement: Parts, party: string): boolean =>
  allLegs(settlement).some(({ from, to }) => from === party || to === party);

/** Accounts that a settlement touches, at most: two for each leg. */
export const movementsAtMost = (settlement: Parts): number => weightOf(allLegs(settlement));
