/** The entries of the state, and the one encoding of each (SPEC, State). */
import { DecodeError, fromUtf8, Reader, utf8 } from '../protocol/codec.js';
import type { KeyAlg } from '../protocol/crypto.js';
import type { Hours } from '../protocol/dates.js';
import { AUTHORITIES_MAX } from '../protocol/genesis.js';
import {
  DECIMALS_MAX,
  KEYS_PER_PARTY_MAX,
  LEGS_MAX,
  LIMITS_PER_ACCOUNT_MAX,
  LINKED_MAX,
  VALIDATORS_MAX,
} from '../protocol/limits.js';
import { PRIORITIES, type Priority } from '../protocol/payload.js';
import type {
  AmountMinor,
  AssetCode,
  Bic,
  Epoch,
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
import { type Layout, layout } from './layout.js';
import { ascendingText } from './orderedset.js';
import { type Named, readBic, readNamed, writeNamed } from './receipt.js';

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

/** How a table's entries are told apart and written. A key is the table's byte, then the entry's name in UTF-8. */
interface EntryCodec<V> {
  readonly prefix: number;
  write(to: Layout, value: V): void;
  read(reader: Reader, name: string): V;
}

const CLASSES: readonly AssetClass[] = ['wcbdc', 'deposit', 'stablecoin', 'security', 'commodity'];
const ALGS: readonly KeyAlg[] = ['Ed25519', 'ES256'];
const ROLES: readonly KeyRole[] = ['instruction', 'node'];
const KEY_BYTES = { Ed25519: 32, ES256: 64 } as const satisfies Record<KeyAlg, number>;
/** Days of one calendar: those that may be named, and some that are just over. */
const CALENDAR_ENTRIES_MAX = 1_000;
/** Of a settlement that is open: what is written of its place in the queue, of its lock, or of what it amends. */
const STAGES = ['gross', 'queue', 'bound', 'lock', 'locked', 'amending'] as const;
const NAME_BYTES_MAX = 4 * 140;
const CODE_LENGTH_MAX = 24;
/** Of a settlement that amends, everybody in its legs consents; one that was amended may have the legs of two payloads. */
const PARTIES_MAX = 4 * LEGS_MAX;
/** The keys that all authorities of a genesis can have. */
const AUTHORITY_KEYS_MAX = AUTHORITIES_MAX * KEYS_PER_PARTY_MAX;

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

const CODECS: { readonly [T in TableName]: EntryCodec<Entries[T]> } = {
  parameters: {
    prefix: 1,
    write: (w, p) => w.hash(p.network).u64(p.created).u64(p.skewMs),
    read: (r) => ({ network: r.hash() as NetworkId, created: r.u64() as TimestampMs, skewMs: r.u64() }),
  },
  participants: {
    prefix: 2,
    write: (w, p) => {
      w.text(p.name)
        .text(p.lei)
        .text(p.jurisdiction)
        .u8(p.authority ? 1 : 0)
        .u8(p.suspended ? 1 : 0)
        .u8(p.solver ? 1 : 0);
      w.u8(p.threshold).list(p.kids, writeKid);
    },
    read: (r, name) => ({
      party: name as Bic,
      name: r.text(NAME_BYTES_MAX),
      lei: r.text(20),
      jurisdiction: r.text(2) as Jurisdiction,
      authority: readFlag(r),
      suspended: readFlag(r),
      solver: readFlag(r),
      threshold: r.u8(),
      kids: r.list(KEYS_PER_PARTY_MAX, readKid),
    }),
  },
  keys: {
    prefix: 3,
    write: (w, k) =>
      w
        .ascii(k.party)
        .u8(ROLES.indexOf(k.role))
        .u8(ALGS.indexOf(k.alg))
        .raw(k.key)
        .u8(k.revoked ? 1 : 0),
    read: (r) => {
      const party = readBic(r);
      const role = readChoice(r, ROLES);
      const alg = readChoice(r, ALGS);
      return { party, role, alg, key: r.raw(KEY_BYTES[alg]).slice(), revoked: readFlag(r) };
    },
  },
  assets: {
    prefix: 4,
    write: (w, a) =>
      w.u8(CLASSES.indexOf(a.class)).text(a.name).ascii(a.issuer).text(a.jurisdiction).u8(a.decimals).i128(a.cap),
    read: (r, name) => ({
      asset: name as AssetCode,
      class: readChoice(r, CLASSES),
      name: r.text(NAME_BYTES_MAX),
      issuer: readBic(r),
      jurisdiction: r.text(2) as Jurisdiction,
      decimals: readDecimals(r),
      cap: r.i128() as AmountMinor,
    }),
  },
  accounts: {
    prefix: 5,
    write: (w, a) => w.i128(a.balance).u64(a.counter).hash(a.chain).hash(a.salt),
    read: (r, name) => ({
      party: name.slice(0, 11) as Bic,
      asset: name.slice(12) as AssetCode,
      balance: r.i128(),
      counter: r.u64(),
      chain: r.hash(),
      salt: r.hash(),
    }),
  },
  settlements: {
    prefix: 6,
    write: (w, s) => {
      writeNamed(w, s);
      w.list(s.legs, writeLeg)
        .u8(s.lots)
        .list(s.linked, writePart)
        .u8(s.partsSettled)
        .u64(s.consentUntil)
        .u64(s.since)
        .list(s.consents, writeKid);
      w.u8(STAGES.indexOf(stageOf(s)));
      if (s.amends !== null) writeAmendment(w, s.amends);
      if (s.terms !== null) writeTerms(w, s.terms);
      if (s.bound !== null) writeBound(w, s.bound);
      if (s.lock !== null) writeLock(w, s.lock);
    },
    read: (r) => {
      const proposed = {
        ...readNamed(r),
        legs: r.list(LEGS_MAX, readLeg),
        lots: r.u8(),
        linked: r.list(LINKED_MAX, readPart),
        partsSettled: r.u8(),
        consentUntil: r.u64() as TimestampMs,
        since: r.u64() as TimestampMs,
        consents: r.list(PARTIES_MAX * KEYS_PER_PARTY_MAX, readKid),
      };
      const stage = readChoice(r, STAGES);
      const terms = stage === 'queue' || stage === 'bound' ? readTerms(r) : null;
      const bound = stage === 'bound' ? readBound(r) : null;
      const amends = stage === 'amending' ? readAmendment(r) : null;
      const lock = stage === 'lock' || stage === 'locked' ? readLock(r, stage === 'locked') : null;
      return { ...proposed, terms, amends, bound, lock };
    },
  },
  waiting: {
    prefix: 7,
    write: (w, { items }) =>
      w.list(items, (each, item) => {
        writeNamed(each, item);
        each.list(item.kids, writeKid).u64(item.expires).u64(item.until);
      }),
    read: (r, name) => ({ settlement: name as InstructionDigest, items: r.list(0xffff_ffff, readWaitingItem) }),
  },
  buckets: {
    prefix: 8,
    write: (w, b) => w.hash(b.chain),
    read: (r, name) => ({ hour: Number(name), chain: r.hash() }),
  },
  validators: {
    prefix: 9,
    write: (w, v) => w.u64(v.epoch).hash(v.digest),
    read: (r) => ({ epoch: r.u64() as Epoch, digest: r.hash() }),
  },
  members: { prefix: 10, write: writeMember, read: readMember },
  voteKeys: {
    prefix: 11,
    write: (w, v) => w.ascii(v.party),
    read: (r) => ({ party: readBic(r) }),
  },
  changes: {
    prefix: 12,
    write: (w, c) => {
      writeNamed(w, c);
      w.list(c.members, writeMember).list(c.consents, writeKid);
      w.u8(c.approved ? 1 : 0)
        .list(c.ready, (each, index) => each.u8(index))
        .u64(c.openUntil)
        .u64(c.until);
    },
    read: (r) => ({
      ...readNamed(r),
      members: r.list(VALIDATORS_MAX, readMember),
      consents: r.list(AUTHORITY_KEYS_MAX, readKid),
      approved: readFlag(r),
      ready: r.list(VALIDATORS_MAX, (each) => each.u8() as ValidatorIndex),
      openUntil: r.u64() as TimestampMs,
      until: r.u64() as TimestampMs,
    }),
  },
  queue: {
    prefix: 13,
    write: (w, q) =>
      w
        .u64(q.nextPlace)
        .u64(q.releasedTo)
        .u64(q.passedAt)
        .u8(q.stirred ? 1 : 0),
    read: (r) => ({
      nextPlace: r.u64(),
      releasedTo: r.u64() as TimestampMs,
      passedAt: r.u64() as TimestampMs,
      stirred: readFlag(r),
    }),
  },
  liquidity: {
    prefix: 14,
    write: (w, l) =>
      w
        .u8(l.isFifo ? 1 : 0)
        .i128(l.urgent)
        .i128(l.high),
    read: (r) => ({ isFifo: readFlag(r), urgent: r.i128() as AmountMinor, high: r.i128() as AmountMinor }),
  },
  calendars: {
    prefix: 15,
    write: (w, { zone, days }) =>
      w.text(zone).list(days, (each, { day, openMs, closeMs }) => each.u32(day).u64(openMs).u64(closeMs)),
    read: (r) => ({
      zone: r.text(NAME_BYTES_MAX),
      days: r.list(CALENDAR_ENTRIES_MAX, (each) => ({
        day: each.u32(),
        openMs: each.u64() as TimestampMs,
        closeMs: each.u64() as TimestampMs,
      })),
    }),
  },
  limits: {
    prefix: 16,
    write: (w, { multilateral, bilateral }) => {
      w.list(multilateral === null ? [] : [multilateral], writeNetSent);
      w.list(bilateral, (each, limit) => writeNetSent(each.ascii(limit.to), limit));
    },
    read: (r) => {
      const [multilateral = null] = r.list(1, readNetSent);
      const bilateral = r.list(LIMITS_PER_ACCOUNT_MAX, (each) => ({ to: readBic(each), ...readNetSent(each) }));
      return { multilateral, bilateral };
    },
  },
  proposers: {
    prefix: 17,
    write: (w, p) => w.u64(p.time),
    read: (r) => ({ time: r.u64() as TimestampMs }),
  },
};

export const TABLE_NAMES = Object.keys(CODECS) as readonly TableName[];

/** The state's key of an entry. */
export function stateKey(table: TableName, name: string): Uint8Array {
  const text = utf8(name);
  const key = new Uint8Array(1 + text.length);
  key[0] = CODECS[table].prefix;
  key.set(text, 1);
  return key;
}

/** The table and name that a state key holds, or null when it is none of ours. */
export function nameOfKey(key: Uint8Array): { readonly table: TableName; readonly name: string } | null {
  const table = TABLE_NAMES.find((name) => CODECS[name].prefix === key[0]);
  return table === undefined ? null : { table, name: fromUtf8(key.subarray(1)) };
}

export function encodeEntry<T extends TableName>(table: T, value: EntryOf<T>): Uint8Array {
  CODECS[table].write(layout.start(), value);
  return layout.finish();
}

/** Reads what `encodeEntry` wrote. Other bytes throw a DecodeError: they come from the node's own store. */
export function decodeEntry<T extends TableName>(table: T, name: string, bytes: Uint8Array): EntryOf<T> {
  const reader = new Reader(bytes);
  const value = CODECS[table].read(reader, name);
  reader.end();
  return value;
}

function readWaitingItem(reader: Reader): WaitingItem {
  return {
    ...readNamed(reader),
    kids: reader.list(KEYS_PER_PARTY_MAX, readKid),
    expires: reader.u64() as TimestampMs,
    until: reader.u64() as TimestampMs,
  };
}

function writeLeg(to: Layout, leg: BoundLeg): void {
  to.ascii(leg.from).ascii(leg.to).text(leg.asset).i128(leg.amount);
}
function readLeg(reader: Reader): BoundLeg {
  return {
    from: readBic(reader),
    to: readBic(reader),
    asset: reader.text(CODE_LENGTH_MAX) as AssetCode,
    amount: reader.i128() as AmountMinor,
  };
}

function writePart(to: Layout, { legs, notBefore, settleBy }: Part): void {
  to.list(legs, writeLeg).u64(notBefore).u64(settleBy);
}
function readPart(reader: Reader): Part {
  const legs = reader.list(LEGS_MAX, readLeg);
  return { legs, notBefore: reader.u64() as TimestampMs, settleBy: reader.u64() as TimestampMs };
}

function writeAmendment(to: Layout, { settlement, part, replaces, legs }: Amendment): void {
  to.hash(settlement).u8(part).list(replaces, writeLeg).list(legs, writeLeg);
}
function readAmendment(reader: Reader): Amendment {
  return {
    settlement: reader.hash() as InstructionDigest,
    part: reader.u8(),
    replaces: reader.list(LEGS_MAX, readLeg),
    legs: reader.list(LEGS_MAX, readLeg),
  };
}

function writeTerms(to: Layout, { priority, notBefore, cancelUntil, cutoff, settleBy }: QueueTerms): void {
  to.u8(PRIORITIES.indexOf(priority)).u64(notBefore).u64(cancelUntil).u64(cutoff).u64(settleBy);
}
function readTerms(reader: Reader): QueueTerms {
  return {
    priority: readChoice(reader, PRIORITIES),
    notBefore: reader.u64() as TimestampMs,
    cancelUntil: reader.u64() as TimestampMs,
    cutoff: reader.u64() as TimestampMs,
    settleBy: reader.u64() as TimestampMs,
  };
}

function writeBound(to: Layout, { place, priorities, leaving }: Bound): void {
  to.u64(place).list(priorities, (each, { party, priority }) => each.ascii(party).u8(PRIORITIES.indexOf(priority)));
  to.list(leaving, (each, party) => each.ascii(party));
}
function readBound(reader: Reader): Bound {
  return {
    place: reader.u64(),
    priorities: reader.list(PARTIES_MAX, (r) => ({ party: readBic(r), priority: readChoice(r, PRIORITIES) })),
    leaving: reader.list(PARTIES_MAX, readBic),
  };
}

function writeNetSent(to: Layout, { most, sent }: NetSent): void {
  to.i128(most).i128(sent);
}
const readNetSent = (reader: Reader): NetSent => ({ most: reader.i128() as AmountMinor, sent: reader.i128() });

function stageOf({ terms, amends, bound, lock }: Settlement): (typeof STAGES)[number] {
  if (lock !== null) return lock.leaving === null ? 'lock' : 'locked';
  if (terms === null) return amends === null ? 'gross' : 'amending';
  return bound === null ? 'queue' : 'bound';
}

function writeLock(to: Layout, { hash, until, leaving }: Lock): void {
  to.hash(hash).u64(until);
  if (leaving !== null) to.list(leaving, (each, party) => each.ascii(party));
}
function readLock(reader: Reader, isHeld: boolean): Lock {
  const [hash, until] = [reader.hash(), reader.u64() as TimestampMs];
  return { hash, until, leaving: isHeld ? reader.list(2 * LEGS_MAX, readBic) : null };
}

function writeMember(to: Layout, { party, voteKey, networkKey }: Validator): void {
  to.ascii(party).hash(voteKey).hash(networkKey);
}
function readMember(reader: Reader): Validator {
  return { party: readBic(reader), voteKey: reader.hash(), networkKey: reader.hash() as Validator['networkKey'] };
}

function writeKid(to: Layout, kid: Thumbprint): void {
  to.ascii(kid);
}
const readKid = (reader: Reader): Thumbprint => fromUtf8(reader.raw(43)) as Thumbprint;

function readFlag(reader: Reader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new DecodeError('a flag is 0 or 1');
  return flag === 1;
}
function readDecimals(reader: Reader): number {
  const decimals = reader.u8();
  if (decimals > DECIMALS_MAX) throw new DecodeError('too many decimals');
  return decimals;
}
function readChoice<T>(reader: Reader, choices: readonly T[]): T {
  const choice = choices[reader.u8()];
  if (choice === undefined) throw new DecodeError('an unknown choice');
  return choice;
}
