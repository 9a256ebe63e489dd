/** Participants, keys and assets of the naive ledger (ledger/SPEC.md, Rights). */
import { toHex } from '../../protocol/codec.js';
import { minorUnitsOf } from '../../protocol/currencies.js';
import { KEYS_PER_PARTY_MAX } from '../../protocol/limits.js';
import type { PayloadOf } from '../../protocol/payload.js';
import { type Thumbprint, unreachable } from '../../protocol/types.js';
import { parseAmount, parseDay, parseTime } from '../../protocol/values.js';
import {
  askedOf,
  authorityOf,
  type Books,
  balanceOf,
  type Item,
  isSuspended,
  isVoteKey,
  type NaiveKey,
  type NaiveParty,
  type Turn,
} from './books.js';
import { conclude, remember, stir } from './memory.js';
import { heldOf, isDebited } from './queue.js';

/** Judges an instruction of these kinds and does it: `applied`, or the refusal. */
export function change(books: Books, turn: Turn, item: Item): void {
  const asked = askedOf(item);
  const { expiresMs } = item.instruction;
  remember(books, turn, asked, [expiresMs]);
  conclude(books, turn, asked, made(books, turn, item) ?? 'applied');
}

function made(books: Books, turn: Turn, item: Item): string | null {
  const { payload } = item.instruction;
  if (payload.kind === 'participant')
    return payload.action === 'admit' ? admit(books, turn, item, payload) : setStanding(books, payload);
  if (payload.kind === 'key') return changeKeys(books, turn, item, payload);
  if (payload.kind === 'asset') return changeAsset(books, payload);
  throw new Error(`${payload.kind} is not of the directory`);
}

function admit(
  books: Books,
  turn: Turn,
  item: Item,
  { initiator, party, jurisdiction, threshold }: Extract<PayloadOf<'participant'>, { action: 'admit' }>,
): string | null {
  if (authorityOf(books, jurisdiction) !== initiator) return 'forbidden';
  if (books.parties.has(party)) return 'party_exists';
  const refusal = newKeysRefusal(books, item);
  if (refusal !== null) return refusal;
  books.parties.set(party, { party, jurisdiction, authority: false, suspended: false, solver: false, threshold });
  register(books, turn, item, party, 'instruction');
  return null;
}

function setStanding(
  books: Books,
  payload: Extract<PayloadOf<'participant'>, { action: 'suspend' | 'reinstate' | 'solver' }>,
): string | null {
  const known = books.parties.get(payload.party);
  if (known === undefined) return 'unknown_party';
  if (authorityOf(books, known.jurisdiction) !== payload.initiator) return 'forbidden';
  if (payload.action === 'solver') {
    known.solver = payload.solver;
    return null;
  }
  if (known.authority) return 'forbidden';
  known.suspended = payload.action === 'suspend';
  return null;
}

function newKeysRefusal(books: Books, { instruction, possessed }: Item): string | null {
  if (instruction.possessions.some(({ kid }) => !possessed.has(kid))) return 'possession_unproven';
  const isTaken = instruction.possessions.some(({ kid, key }) => books.keys.has(kid) || isVoteKey(books, toHex(key)));
  return isTaken ? 'key_taken' : null;
}

function register(books: Books, turn: Turn, { instruction }: Item, party: string, role: NaiveKey['role']): void {
  for (const { kid, alg, key } of instruction.possessions)
    books.keys.set(kid, { party, role, alg, key, height: turn.height, revoked: false });
}

const keysOf = ({ keys }: Books, party: string, role: NaiveKey['role']): number =>
  [...keys.values()].filter((key) => key.party === party && key.role === role && !key.revoked).length;

function changeKeys(books: Books, turn: Turn, item: Item, payload: PayloadOf<'key'>): string | null {
  const { initiator, party } = payload;
  const known = books.parties.get(party);
  if (known === undefined) return 'unknown_party';
  // A suspended party may still put its keys out of use.
  if (isSuspended(books, initiator) && payload.action !== 'revoke') return 'party_suspended';
  if (initiator !== party && authorityOf(books, known.jurisdiction) !== initiator) return 'forbidden';
  switch (payload.action) {
    case 'add':
      return addKeys(books, turn, item, known, 'instruction');
    case 'node':
      return addKeys(books, turn, item, known, 'node');
    case 'revoke':
      return revoke(books, known, payload.kid);
    case 'threshold':
      if (keysOf(books, party, 'instruction') < payload.threshold) return 'threshold_out_of_reach';
      known.threshold = payload.threshold;
      return null;
    default:
      return unreachable(payload);
  }
}

function addKeys(books: Books, turn: Turn, item: Item, { party }: NaiveParty, role: NaiveKey['role']): string | null {
  const refusal = newKeysRefusal(books, item);
  if (refusal !== null) return refusal;
  if (keysOf(books, party, role) + item.instruction.possessions.length > KEYS_PER_PARTY_MAX) return 'too_many_keys';
  register(books, turn, item, party, role);
  return null;
}

function revoke(books: Books, { party, threshold }: NaiveParty, kid: string): string | null {
  const key = books.keys.get(kid as Thumbprint);
  if (key === undefined || key.party !== party || key.revoked) return 'unknown_key';
  const isInUse = books.members.some(({ networkKey }) => networkKey === toHex(key.key));
  if (key.role === 'node' && isInUse) return 'key_in_use';
  if (key.role === 'instruction' && keysOf(books, party, 'instruction') - 1 < threshold)
    return 'threshold_out_of_reach';
  key.revoked = true;
  return null;
}

function changeAsset(books: Books, payload: PayloadOf<'asset'>): string | null {
  const { initiator, issuer, jurisdiction, decimals, name, asset: code } = payload;
  const asset = books.assets.get(code);
  if (!books.parties.has(issuer)) return 'unknown_party';
  if (isSuspended(books, initiator)) return 'party_suspended';
  if (!mayChange(books, payload)) return 'forbidden';
  const cap = parseAmount(payload.cap, (asset ?? payload).decimals);
  if (asset === undefined) {
    if (payload.class !== 'wcbdc' && code.length === 3) return 'asset_code_reserved';
    if (payload.class === 'wcbdc' && minorUnitsOf(code) !== decimals) return 'asset_not_iso4217';
    if (cap === null) return capRefusal(payload);
    books.assets.set(code, { asset: code, class: payload.class, name, issuer, jurisdiction, decimals, cap });
    return null;
  }
  const isSame =
    payload.class === asset.class &&
    issuer === asset.issuer &&
    jurisdiction === asset.jurisdiction &&
    decimals === asset.decimals;
  if (!isSame) return 'asset_fixed_member';
  if (cap === null) return capRefusal(payload);
  // What an issuer's own lock holds is as good as in circulation.
  if (cap < heldOf(books, issuer, code) - balanceOf(books, issuer, code)) return 'cap_below_circulating';
  asset.name = name;
  asset.cap = cap;
  if (isDebited(books, issuer, code)) stir(books);
  return null;
}

/** An authority publishes business days: every day from the first to the last is as it says. */
export function publish(books: Books, turn: Turn, item: Item, payload: PayloadOf<'calendar'>): void {
  const asked = askedOf(item);
  remember(books, turn, asked, [item.instruction.expiresMs]);
  const { asset: code, days } = payload;
  const asset = books.assets.get(code);
  if (asset === undefined) return void conclude(books, turn, asked, 'unknown_asset');
  if (payload.initiator !== authorityOf(books, asset.jurisdiction))
    return void conclude(books, turn, asked, 'forbidden');
  conclude(books, turn, asked, 'applied');
  const said = days.map(({ date, open, close }) => ({
    day: parseDay(date) as number,
    openMs: parseTime(open) as number,
    closeMs: parseTime(close) as number,
  }));
  const [first, last] = [said[0]?.day ?? 0, said.at(-1)?.day ?? 0];
  const kept = (books.calendars.get(code) ?? []).filter(({ day }) => day < first || day > last);
  const since = Math.floor(turn.time / 86_400_000) - 7;
  books.calendars.set(
    code,
    [...kept, ...said].filter(({ day }) => day >= since),
  );
}

const capRefusal = ({ cap, decimals }: PayloadOf<'asset'>): string =>
  (cap.split('.')[1] ?? '').length > decimals ? 'amount_precision' : 'amount_too_large';

/** The issuer defines it, `wcbdc` only the authority itself; then the issuer changes the name and the authority the cap. */
function mayChange(books: Books, payload: PayloadOf<'asset'>): boolean {
  const asset = books.assets.get(payload.asset);
  const { initiator } = payload;
  if (asset === undefined) {
    const authority = authorityOf(books, payload.jurisdiction);
    return (
      authority !== undefined && initiator === payload.issuer && (payload.class !== 'wcbdc' || initiator === authority)
    );
  }
  const authority = authorityOf(books, asset.jurisdiction);
  const cap = parseAmount(payload.cap, asset.decimals);
  const mayName = initiator === asset.issuer || payload.name === asset.name;
  const mayCap = initiator === authority || cap === asset.cap;
  return (initiator === asset.issuer || initiator === authority) && mayName && mayCap;
}
