/** The legs of a settlement as one all-or-nothing bundle: their net effect, whether it holds, and its posting. */
import { TAGS } from '../../protocol/hash.js';
import { type AssetCode, type Bic, type Hash, ZERO_HASH, assert } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { type Account, type BoundLeg, type Settlement, accountName } from '../entries.js';
import { layout } from '../layout.js';
import type { Posting } from '../posting.js';
import type { State } from '../state.js';

/** What a bundle does to one account in sum: legs are simultaneous, so only the end of the bundle must hold. */
interface Movement {
  readonly party: Bic;
  readonly asset: AssetCode;
  net: bigint;
}

/** Those that must consent: every debited party, the issuer too when it issues; in the order of the legs. */
export const requiredParties = (legs: readonly BoundLeg[]): Bic[] => [...new Set(legs.map((leg) => leg.from))];

export const isParty = (legs: readonly BoundLeg[], party: string): boolean => legs.some((leg) => leg.from === party || leg.to === party);

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

export const hasSuspended = (state: State, legs: readonly BoundLeg[]): boolean =>
  legs.some((leg) => state.participant(leg.from)?.suspended === true || state.participant(leg.to)?.suspended === true);

/** In the order in which the legs first touch an account. */
function movementsOf(legs: readonly BoundLeg[]): Movement[] {
  const movements = new Map<string, Movement>();
  const move = (party: Bic, asset: AssetCode, amount: bigint): void => {
    const name = accountName(party, asset);
    const movement = movements.get(name);
    if (movement === undefined) movements.set(name, { party, asset, net: amount });
    else movement.net += amount;
  };
  for (const leg of legs) {
    move(leg.from, leg.asset, -leg.amount);
    move(leg.to, leg.asset, leg.amount);
  }
  return [...movements.values()];
}

/** No account but the issuer's ends below zero, and that one not below its cap. */
function judgeFunds(state: State, movements: readonly Movement[]): ResultCode | null {
  let overCap = false;
  for (const { party, asset, net } of movements) {
    if (net >= 0n) continue;
    const definition = state.asset(asset);
    assert(definition !== undefined, 'an asset of a registered settlement is defined');
    const balance = (state.account(party, asset)?.balance ?? 0n) + net;
    if (definition.issuer !== party) {
      if (balance < 0n) return 'insufficient_funds';
    } else if (balance < -definition.cap) overCap = true;
  }
  return overCap ? 'cap_exceeded' : null;
}

function post(state: State, settlement: Settlement, { party, asset, net }: Movement, leaf: Hash): void {
  const account = state.account(party, asset) ?? opened(settlement, party, asset);
  const chain = layout.start(TAGS.accountChain).hash(account.chain).hash(leaf).digest();
  const { salt } = account;
  state.tables.accounts.set(accountName(party, asset), { party, asset, balance: account.balance + net, counter: account.counter + 1, chain, salt });
}

function opened({ digest }: Settlement, party: Bic, asset: AssetCode): Account {
  const salt = layout.start(TAGS.accountSalt).hash(digest).ascii(party).ascii(asset).digest();
  return { party, asset, balance: 0n, counter: 0, chain: ZERO_HASH, salt };
}
