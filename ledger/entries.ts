/** The entries of the state, and how they are named (SPEC, State); `codecs.ts` writes them. */
import type { KeyAlg } from '../protocol/crypto.js';
import type { Hours } from '../protocol/dates.js';
import type { Priority } from '../protocol/payload.js';
import type {
  AmountMinor,
  AssetCode,
  Bic,
  Hash,
  InstructionDigest,
  Jurisdiction,
  NetworkId,
  Thumbprint,
  TimestampMs,
  Validator,
  ValidatorIndex,
  ValidatorSet,
} from '../protocol/types.js';
import { ascendingText } from './orderedset.js';
import type { Named } from './receipt.js';

/** What the genesis fixes for every later block. */
export interface Parameters {
  readonly network: NetworkId;
  readonly created: TimestampMs;
  readonly skewMs: number;
}

export interface Participant {
  readonly party: Bic;
  readonly name: string;
  readonly lei: string;
  readonly jurisdiction: Jurisdiction;
  /** Whether it is the authority of its jurisdiction. */
  readonly authority: boolean;
  readonly suspended: boolean;
  /** Whether its offers are judged (SPEC, Offers), though it runs no validator. */
  readonly solver: boolean;
  /** How many of its keys must sign for it. */
  readonly threshold: number;
  /** Its keys that are not revoked, in order of registration. */
  readonly kids: readonly Thumbprint[];
}

/** `instruction`: signs for its party. `node`: names a node of its party, and signs that the node is ready, nothing else. */
export type KeyRole = 'instruction' | 'node';
/** A key that was ever registered. A revoked one stays, so that it is never registered again. */
export interface RegisteredKey {
  readonly party: Bic;
  readonly role: KeyRole;
  readonly alg: KeyAlg;
  /** Ed25519: 32 bytes; P-256: the 64 bytes x || y. */
  readonly key: Uint8Array;
  readonly revoked: boolean;
}

export type AssetClass = 'wcbdc' | 'deposit' | 'stablecoin' | 'security' | 'commodity';
export interface Asset {
  readonly asset: AssetCode;
  readonly class: AssetClass;
  readonly name: string;
  readonly issuer: Bic;
  readonly jurisdiction: Jurisdiction;
  readonly decimals: number;
  /** The most that may circulate, minor units. */
  readonly cap: AmountMinor;
}

export interface Account {
  readonly party: Bic;
  readonly asset: AssetCode;
  /** Minor units; below zero only for the asset's issuer: what it owes is what circulates. */
  readonly balance: bigint;
  /** Receipts that moved it. */
  readonly counter: number;
  /** Hash chain over the leaves of those receipts. */
  readonly chain: Hash;
  /** Keeps the balance from being guessed from the account's leaf by its neighbours in the tree. */
  readonly salt: Hash;
}

export interface BoundLeg {
  readonly from: Bic;
  readonly to: Bic;
  readonly asset: AssetCode;
  readonly amount: AmountMinor;
}

/** What a settlement in mode `queue` says of its time there. */
export interface QueueTerms {
  readonly priority: Priority;
  readonly notBefore: TimestampMs;
  readonly cancelUntil: TimestampMs;
  readonly cutoff: TimestampMs;
  readonly settleBy: TimestampMs;
}

/** What is known of a settlement that is bound and has not settled. */
export interface Bound {
  /** Its place in the queue: who was bound earlier has a lower one. */
  readonly place: number;
  /** What a party has given it since, in what that party pays. */
  readonly priorities: readonly { readonly party: Bic; readonly priority: Priority }[];
  /** Who has agreed to cancel it. */
  readonly leaving: readonly Bic[];
}

/** Of a settlement in mode `lock`: the hash whose preimage settles it, and how its hold ends without. */
export interface Lock {
  /** SHA-256 of the preimage. */
  readonly hash: Hash;
  /** Past it only a preimage counts, and it lapses once enough proposers have had a block. */
  readonly until: TimestampMs;
  /** Who has agreed to cancel it; null while a required consent is missing, so that nothing is held. */
  readonly leaving: readonly Bic[] | null;
}

/** A part of a settlement that is due once the one before has settled. */
export interface Part {
  readonly legs: readonly BoundLeg[];
  readonly notBefore: TimestampMs;
  readonly settleBy: TimestampMs;
}

/** What is still to settle of another settlement, as it stands and as it is to be (SPEC, Amendment). */
export interface Amendment {
  readonly settlement: InstructionDigest;
  /** The part that is next there, counted from one. */
  readonly part: number;
  readonly replaces: readonly BoundLeg[];
  readonly legs: readonly BoundLeg[];
}

/** A settlement that has not ended. */
export interface Settlement extends Named {
  /** Of the part that is next to settle. */
  readonly legs: readonly BoundLeg[];
  /** The equal lots that the legs come in, of which some may settle before others; 1 of what settles whole. */
  readonly lots: number;
  /** The parts that follow it, in their order. */
  readonly linked: readonly Part[];
  /** How many have settled before it. */
  readonly partsSettled: number;
  /** Consents count while block time is not past it. */
  readonly consentUntil: TimestampMs;
  /** The time of the block that registered it. */
  readonly since: TimestampMs;
  /** Null of one that does not go through the queue (modes `gross` and `lock`). */
  readonly terms: QueueTerms | null;
  /** What it replaces of another as it settles, in mode `gross` alone. */
  readonly amends: Amendment | null;
  /** Null while a required consent is missing, and of what does not go through the queue. */
  readonly bound: Bound | null;
  /** Of mode `lock` alone. */
  readonly lock: Lock | null;
  /** The keys of required parties that have signed, in the order in which they came. */
  readonly consents: readonly Thumbprint[];
}
/** One that is bound and waits for its time, or for funds. */
export type BoundSettlement = Settlement & { readonly terms: QueueTerms; readonly bound: Bound };

export const isBound = (settlement: Settlement): settlement is BoundSettlement => settlement.bound !== null;

/** One whose debits are held until its preimage is revealed. */
export type LockedSettlement = Settlement & { readonly lock: Lock & { readonly leaving: readonly Bic[] } };

export const isLocked = (settlement: Settlement): settlement is LockedSettlement =>
  settlement.lock !== null && settlement.lock.leaving !== null;

/** Whether every required consent was there: nobody is asked for one any more. */
export const isAgreed = (settlement: Settlement): boolean => isBound(settlement) || isLocked(settlement);

/** Past this time it has lapsed; one that is locked is past it open to nothing but its preimage. */
export function endOf(settlement: Settlement): TimestampMs {
  if (isLocked(settlement)) return settlement.lock.until;
  return isBound(settlement) ? settlement.terms.settleBy : settlement.consentUntil;
}

/** How a party manages what it pays from one of its accounts through the queue. */
export interface Liquidity {
  /** Nothing passes what is as urgent and was there before. */
  readonly isFifo: boolean;
  /** Kept for what is urgent. */
  readonly urgent: AmountMinor;
  /** Kept, besides, for what is at least `high`. */
  readonly high: AmountMinor;
}

/** A net sender limit: the most that may be sent, net, since it was set, and what has been. Minor units. */
export interface NetSent {
  readonly most: AmountMinor;
  /** Below zero where more was received. */
  readonly sent: bigint;
}
/** A party's net sender limits in one of its accounts: of what it sends in all, and to single counterparties. */
export interface Limits {
  readonly multilateral: NetSent | null;
  readonly bilateral: readonly (NetSent & { readonly to: Bic })[];
}

/** A business day of an asset: days from 1970, and when settlement begins and ends. */
export interface BusinessDay extends Hours {
  readonly day: number;
}
/** What the authority has said of an asset's business days. */
export interface Calendar {
  /** Where the hours were taken from; for people. */
  readonly zone: string;
  /** Ascending. On any other day the asset does not settle by value date. */
  readonly days: readonly BusinessDay[];
}

/** Where the queue as a whole stands. */
export interface QueueMark {
  readonly nextPlace: number;
  /** What has its time (`notBefore`) up to here is in the queue; what has it later waits for it. */
  readonly releasedTo: TimestampMs;
  /** The block time of the last pass. */
  readonly passedAt: TimestampMs;
  /** Whether something has changed since that may let a settlement through. */
  readonly stirred: boolean;
}

/** A consent or withdrawal whose settlement has not been ordered. */
export interface WaitingItem extends Named {
  readonly kids: readonly Thumbprint[];
  readonly expires: TimestampMs;
  readonly until: TimestampMs;
}
export interface Waiting {
  readonly settlement: InstructionDigest;
  readonly items: readonly WaitingItem[];
}

/** A change of the validator set that has not ended. */
export interface Change extends Named {
  /** The whole next set, in its order. */
  readonly members: readonly Validator[];
  /** The keys of authorities that have signed, in the order in which they came. */
  readonly consents: readonly Thumbprint[];
  /** Whether a quorum of the authorities has consented. */
  readonly approved: boolean;
  /** The members that hold the state and will vote, as places in the next set, in the order in which they came. */
  readonly ready: readonly ValidatorIndex[];
  /** It counts while block time is not past it. */
  readonly openUntil: TimestampMs;
  /** How long its id is remembered at least. */
  readonly until: TimestampMs;
}

/** The ids to be forgotten in one hour: a hash chain over their records. */
export interface Bucket {
  readonly hour: number;
  readonly chain: Hash;
}

export const accountName = (party: string, asset: string): string => `${party}/${asset}`;
/** A bucket's hour. */
export const bucketName = (hour: number): string => ascendingText(hour);

/** A member's place in three digits, so that names ascend with it. */
export const memberName = (index: number): string => String(index).padStart(3, '0');

/** What each table of the state holds. */
export interface Entries {
  readonly parameters: Parameters;
  readonly participants: Participant;
  readonly keys: RegisteredKey;
  readonly assets: Asset;
  readonly accounts: Account;
  readonly settlements: Settlement;
  readonly waiting: Waiting;
  readonly buckets: Bucket;
  /** The set that votes, under the empty name: what hand-overs prove (protocol/SPEC.md). */
  readonly validators: Pick<ValidatorSet, 'epoch' | 'digest'>;
  /** That set's members, by their place. */
  readonly members: Validator;
  /** Every vote key that was ever a member's, with whose it was: none comes back as a new one. */
  readonly voteKeys: { readonly party: Bic };
  /** The one open change, under the empty name. */
  readonly changes: Change;
  /** Under the empty name; there once a settlement has been bound that did not settle at once. */
  readonly queue: QueueMark;
  /** By account. */
  readonly liquidity: Liquidity;
  /** By asset; those without one settle on any day. */
  readonly calendars: Calendar;
  /** By account; those that have any. */
  readonly limits: Limits;
  /** By place in the set: when a proposer had its latest block, while a lock is past its end. */
  readonly proposers: { readonly time: TimestampMs };
}
export type TableName = keyof Entries;
export type EntryOf<T extends TableName> = Entries[T];
