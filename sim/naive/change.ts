/** The change of validators in the naive ledger (ledger/SPEC.md, Change of validators). */
import { fromHex } from '../../protocol/codec.js';
import type { PayloadOf } from '../../protocol/payload.js';
import type { Thumbprint } from '../../protocol/types.js';
import {
  askedOf,
  type Books,
  hasSigned,
  type Item,
  isNodeKey,
  isQuorumAmong,
  kidOf,
  type NaiveMember,
  type OpenChange,
  quorumOf,
  type Turn,
  type Waiter,
} from './books.js';
import { conclude, remember } from './memory.js';

/** How long past its `expires` a change stays open. */
const OPEN_MS = 7 * 86_400_000;

/** Asks for a set: opens the change without effect, or refuses it. */
export function ask(books: Books, turn: Turn, item: Item, payload: PayloadOf<'govern'>): boolean {
  const asked = askedOf(item);
  const { expiresMs } = item.instruction;
  const end = expiresMs + OPEN_MS;
  const refusal = askRefusal(books, turn, item, payload);
  remember(books, turn, asked, refusal === null ? [end] : [expiresMs]);
  if (refusal !== null) {
    conclude(books, turn, asked, refusal);
    return false;
  }
  if (books.change !== null) conclude(books, turn, books.change, 'displaced');
  const members = payload.change.validators.map(({ party, voteKey, networkKey }) => ({ party, voteKey, networkKey }));
  books.change = { ...asked, members, end, consents: new Set(), ready: new Set(), approved: false };
  return true;
}

const sameMember = (a: NaiveMember, b: NaiveMember | undefined): boolean =>
  a.party === b?.party && a.voteKey === b.voteKey && a.networkKey === b.networkKey;

function askRefusal(books: Books, turn: Turn, item: Item, { initiator, change }: PayloadOf<'govern'>): string | null {
  const { validators } = change;
  if (books.parties.get(initiator)?.authority !== true) return 'forbidden';
  if (books.change?.approved) return 'change_pending';
  const isSame = validators.length === books.members.length;
  if (isSame && validators.every((member, at) => sameMember(member, books.members[at]))) return 'change_empty';
  const added = validators.filter((member) => isNew(books, member));
  if (added.some(({ voteKey }) => !item.possessed.has(kidOf(voteKey)))) return 'possession_unproven';
  if (added.some(({ voteKey }) => books.voteKeys.has(voteKey) || books.keys.has(kidOf(voteKey)))) return 'key_taken';
  return validators.every((member) => hasNode(books, turn, member)) ? null : 'unknown_key';
}

/** Whether a member brings a vote key that the set in charge does not list for it. */
const isNew = ({ members }: Books, { party, voteKey }: NaiveMember): boolean =>
  !members.some((member) => member.party === party && member.voteKey === voteKey);

const hasNode = (books: Books, turn: Turn, { party, networkKey }: NaiveMember): boolean =>
  isNodeKey(books, turn, party, kidOf(networkKey));

/** Adds signatures of authorities; they are counted at the end of the block's consents. */
export function addVoices({ keys, parties, change }: Books, kids: readonly Thumbprint[]): void {
  for (const kid of kids) {
    const key = keys.get(kid);
    if (key?.role === 'instruction' && !key.revoked && parties.get(key.party)?.authority === true)
      change?.consents.add(kid);
  }
}

/** A `consent` that names the open change. */
export function consentToChange(books: Books, turn: Turn, waiter: Waiter, change: OpenChange): string {
  const refusal = voiceRefusal(books, turn, waiter, change);
  if (refusal === null) addVoices(books, waiter.kids);
  return conclude(books, turn, waiter, refusal ?? 'consented');
}

function voiceRefusal(books: Books, turn: Turn, { initiator }: Waiter, { end, consents }: OpenChange): string | null {
  const party = books.parties.get(initiator);
  if (party?.suspended === true) return 'party_suspended';
  if (turn.time > end) return 'settlement_closed';
  if (party?.authority !== true) return 'consent_not_required';
  return hasSigned(books, turn, initiator, consents) ? 'already_consented' : null;
}

/** A `withdraw` that names the open change. */
export function withdrawChange(books: Books, turn: Turn, waiter: Waiter, change: OpenChange): string {
  if (turn.time > change.end) return conclude(books, turn, waiter, 'settlement_closed');
  if (waiter.initiator !== change.initiator) return conclude(books, turn, waiter, 'not_a_party');
  conclude(books, turn, waiter, 'withdrawn');
  return conclude(books, turn, change, 'withdrawn');
}

/** After the consents of a block: whether a quorum of the authorities agrees. */
export function approve(books: Books, turn: Turn): boolean {
  const { change } = books;
  if (change === null || change.approved) return false;
  change.approved = isQuorumAmong(books, turn, change.consents);
  return change.approved;
}

/** A member says that it holds the state and will vote. */
export function sayReady(books: Books, turn: Turn, item: Item, payload: PayloadOf<'ready'>): void {
  const asked = askedOf(item);
  const { expiresMs } = item.instruction;
  remember(books, turn, asked, [expiresMs]);
  const refusal = readyRefusal(books, turn, item, payload);
  if (refusal === null) books.change?.ready.add(payload.initiator);
  conclude(books, turn, asked, refusal ?? 'ready');
}

function readyRefusal(books: Books, turn: Turn, { signed }: Item, payload: PayloadOf<'ready'>): string | null {
  const { change } = books;
  if (change === null || change.digest !== payload.change || !change.approved || turn.time > change.end)
    return 'unknown_change';
  const member = change.members.find(({ party }) => party === payload.initiator);
  const isNamed = member !== undefined && hasNode(books, turn, member) && signed.includes(kidOf(member.networkKey));
  if (!isNamed) return 'forbidden';
  return change.ready.has(payload.initiator) ? 'already_ready' : null;
}

/** The last of a block: the change is executed, or has its receipt if this block opened or approved it. */
export function executeChange(books: Books, turn: Turn, asked: readonly string[], isApproved: boolean): void {
  const { change } = books;
  if (change === null) return;
  const { members, ready } = change;
  const areReady =
    change.approved &&
    ready.size >= quorumOf(members.length) &&
    members.every((member) => !isNew(books, member) || ready.has(member.party)) &&
    members.every((member) => hasNode(books, turn, member));
  if (areReady) {
    conclude(books, turn, change, 'applied');
    books.members = members;
    books.epoch += 1;
    books.proposers.clear();
    for (const { voteKey } of members) books.voteKeys.add(voteKey);
  } else if (isApproved) conclude(books, turn, change, 'approved');
  else if (asked.includes(change.digest)) conclude(books, turn, change, 'proposed');
}

/** More than f were lost: the authorities have put another set in charge, with this block. */
export function takeOver(
  books: Books,
  height: number,
  { epoch, members }: { readonly epoch: number; readonly members: readonly NaiveMember[] },
): void {
  books.members = members;
  books.epoch = epoch;
  books.proposers.clear();
  for (const { party, voteKey, networkKey } of members) {
    books.voteKeys.add(voteKey);
    const kid = kidOf(networkKey);
    if (books.keys.has(kid)) continue;
    books.keys.set(kid, { party, role: 'node', alg: 'Ed25519', key: fromHex(networkKey), height, revoked: false });
  }
}
