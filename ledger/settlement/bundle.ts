/** The legs of a settlement as one all-or-nothing bundle: their net effect, whether it holds, and its posting. */
import { TAGS } from '../../protocol/hash.js';
import { type AmountMinor, type AssetCode, assert, type Bic, type Hash, ZERO_HASH } from '../../protocol/types.js';
import type { Account, BoundLeg, BoundSettlement, Settlement } from '../entries.js';
import { layout } from '../layout.js';
import type { Posting } from '../posting.js';
import { countInLimits } from '../queue/limits.js';
import type { State } from '../state.js';
import { allLegs, type Movement, outlineOf } from './outline.js';

/** Posts all legs of a settlement that hold. It ends with that, or waits for its next part. */
export function settle(posting: Posting, settlement: Settlement): void {
  const [next] = settlement.linked;
  const leaf = next === undefined ? posting.end(settlement, 'settled') : posting.advance(settlement, next);
  postLegs(posting, settlement, leaf);
}

/** Posts one lot of the legs of a settlement, at the rate of the whole; the others wait on. */
export function settleLot(posting: Posting, settlement: BoundSettlement): void {
  const { legs, lots } = settlement;
  const lot = legs.map((leg) => ({ ...leg, amount: (leg.amount / BigInt(lots)) as AmountMinor }));
  const left = legs.map((leg, at) => ({
    ...leg,
    amount: (leg.amount - (lot[at] as BoundLeg).amount) as AmountMinor,
  }));
  const leaf = posting.reduce(settlement, left);
  postLegs(posting, { ...settlement, legs: lot }, leaf);
}

function postLegs(posting: Posting, settlement: Settlement, leaf: Hash): void {
  const { movements } = outlineOf(settlement);
  posting.settled.push(movements);
  for (const movement of movements) {
    post(posting.state, settlement, movement, leaf);
    countInLimits(posting.state, settlement.legs, movement);
  }
}

export const hasSuspended = (state: State, settlement: Settlement): boolean =>
  allLegs(settlement).some(
    (leg) => state.participant(leg.from)?.suspended === true || state.participant(leg.to)?.suspended === true,
  );

/** What an account has above its floor, zero or minus the cap for the issuer's own, and above what is held for locks. */
export function availableIn(state: State, { name, party, asset }: Pick<Movement, 'name' | 'party' | 'asset'>): bigint {
  const balance = (state.tables.accounts.get(name)?.balance ?? 0n) - state.locks.held(name);
  const definition = state.asset(asset);
  assert(definition !== undefined, 'an asset of a registered settlement is defined');
  return definition.issuer === party ? balance + definition.cap : balance;
}

/** Why a settlement's legs do not hold now, or null: no account but the issuer's ends below zero, and that one not below minus its cap. */
export function judgeFunds(state: State, settlement: Settlement): 'insufficient_funds' | 'cap_exceeded' | null {
  let overCap = false;
  for (const movement of outlineOf(settlement).movements) {
    if (movement.net >= 0n || availableIn(state, movement) + movement.net >= 0n) continue;
    if (state.asset(movement.asset)?.issuer !== movement.party) return 'insufficient_funds';
    overCap = true;
  }
  return overCap ? 'cap_exceeded' : null;
}

function post(state: State, settlement: Settlement, { name, party, asset, net }: Movement, leaf: Hash): void {
  const account = state.tables.accounts.get(name) ?? opened(settlement, party, asset);
  const chain = layout.start(TAGS.accountChain).hash(account.chain).hash(leaf).digest();
  const { salt } = account;
  state.tables.accounts.set(name, {
    party,
    asset,
    balance: account.balance + net,
    counter: account.counter + 1,
    chain,
    salt,
  });
  if (net > 0n && state.queue.isDebited(name)) state.queue.stir();
}

function opened({ digest }: Settlement, party: Bic, asset: AssetCode): Account {
  const salt = layout.start(TAGS.accountSalt).hash(digest).ascii(party).ascii(asset).digest();
  return { party, asset, balance: 0n, counter: 0, chain: ZERO_HASH, salt };
}
