/** The legs of a settlement as one all-or-nothing bundle: their net effect, whether it holds, and its posting. */
import { TAGS } from '../../protocol/hash.js';
import { type AssetCode, assert, type Bic, type Hash, ZERO_HASH } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { type Account, accountName, type BoundLeg, type Settlement } from '../entries.js';
import { layout } from '../layout.js';
import type { Posting } from '../posting.js';
import type { State } from '../state.js';

/** What a bundle does to one account in sum: legs are simultaneous, so only the end of the bundle must hold. */
interface Movement {
  /** The account's name in its table. */
  readonly name: string;
  readonly party: Bic;
  readonly asset: AssetCode;
  net: bigint;
}

/** Those that must consent: every debited party, the issuer too when it issues; in the order of the legs. */
export function requiredParties(legs: readonly BoundLeg[]): Bic[] {
  const parties: Bic[] = [];
  for (const { from } of legs) if (!parties.includes(from)) parties.push(from);
  return parties;
}

export const isParty = (legs: readonly BoundLeg[], party: string): boolean =>
  legs.some((leg) => leg.from === party || leg.to === party);

/** Settles a bound settlement now, all of its legs or none, and ends it with the result. */
export function settle(posting: Posting, settlement: Settlement): void {
  const { state } = posting;
  if (hasSuspended(state, settlement.legs)) {
    posting.end(settlement, 'party_suspended');
    return;
  }
  const movements = movementsOf(settlement.legs);
  const refusal = judgeFunds(state, movements);
  const leaf = posting.end(settlement, refusal ?? 'settled');
  if (refusal === null) for (const movement of movements) post(state, settlement, movement, leaf);
}

const hasSuspended = (state: State, legs: readonly BoundLeg[]): boolean =>
  legs.some((leg) => state.participant(leg.from)?.suspended === true || state.participant(leg.to)?.suspended === true);

/** In the order in which the legs first touch an account. */
function movementsOf(legs: readonly BoundLeg[]): Movement[] {
  const movements: Movement[] = [];
  for (const { from, to, asset, amount } of legs) {
    move(movements, from, asset, 0n - amount);
    move(movements, to, asset, amount);
  }
  return movements;
}

// Looked up by walking: a bundle has few legs, and most have one.
function move(movements: Movement[], party: Bic, asset: AssetCode, amount: bigint): void {
  for (const movement of movements) {
    if (movement.party !== party || movement.asset !== asset) continue;
    movement.net += amount;
    return;
  }
  movements.push({ name: accountName(party, asset), party, asset, net: amount });
}

/** No account but the issuer's ends below zero, and that one not below its cap. */
function judgeFunds(state: State, movements: readonly Movement[]): ResultCode | null {
  let overCap = false;
  for (const { name, party, asset, net } of movements) {
    if (net >= 0n) continue;
    const definition = state.asset(asset);
    assert(definition !== undefined, 'an asset of a registered settlement is defined');
    const balance = (state.tables.accounts.get(name)?.balance ?? 0n) + net;
    if (definition.issuer !== party) {
      if (balance < 0n) return 'insufficient_funds';
    } else if (balance + definition.cap < 0n) overCap = true;
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
}

function opened({ digest }: Settlement, party: Bic, asset: AssetCode): Account {
  const salt = layout.start(TAGS.accountSalt).hash(digest).ascii(party).ascii(asset).digest();
  return { party, asset, balance: 0n, counter: 0, chain: ZERO_HASH, salt };
}
