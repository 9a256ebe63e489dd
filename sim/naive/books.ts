/**
 * What the naive ledger knows: plain maps and arrays. It is written from ledger/SPEC.md alone and imports nothing of
 * `ledger`, so that a misreading there is not repeated here.
 */
import { fromHex } from '../../protocol/codec.js';
import { jwkOf, publicKeyOf, thumbprint } from '../../protocol/crypto.js';
import type { Genesis } from '../../protocol/genesis.js';
import type { Instruction } from '../../protocol/instruction.js';
import type { PayloadKind, PayloadOf } from '../../protocol/payload.js';
import { assert, type InstructionDigest, type NetworkId, type Thumbprint } from '../../protocol/types.js';

export interface NaiveParty {
  readonly party: string;
  readonly jurisdiction: string;
  readonly authority: boolean;
  suspended: boolean;
  /** Whether its offers are judged. */
  solver: boolean;
  threshold: number;
}

export interface NaiveKey {
  readonly party: string;
  /** A node key signs `ready` and nothing else; it is none of its party's keys. */
  readonly role: 'instruction' | 'node';
  readonly alg: 'Ed25519' | 'ES256';
  readonly key: Uint8Array;
  /** The height of the block that registered it: it counts from the next one on. */
  readonly height: number;
  revoked: boolean;
}

export interface NaiveAsset {
  readonly asset: string;
  readonly class: string;
  name: string;
  readonly issuer: string;
  readonly jurisdiction: string;
  readonly decimals: number;
  /** Minor units. */
  cap: bigint;
}

export interface NaiveLeg {
  readonly from: string;
  readonly to: string;
  readonly asset: string;
  /** Minor units. */
  readonly amount: bigint;
}

/** Who asked for what: an instruction as its receipt names it. */
export interface Asked {
  readonly digest: InstructionDigest;
  readonly initiator: string;
  readonly id: string;
  readonly kind: PayloadKind;
}

/** A member of a set of validators. Keys are raw, in lower-case hex. */
export interface NaiveMember {
  readonly party: string;
  readonly voteKey: string;
  readonly networkKey: string;
}

/** The change of validators that is asked for and has not ended. */
export interface OpenChange extends Asked {
  readonly members: readonly NaiveMember[];
  readonly end: number;
  readonly consents: Set<Thumbprint>;
  /** Parties that are ready. */
  readonly ready: Set<string>;
  approved: boolean;
}

/** A settlement that has begun and not ended. */
export interface OpenSettlement extends Asked {
  /** Of the part that is next to settle. */
  legs: readonly NaiveLeg[];
  /** The equal lots that they come in. */
  lots: number;
  /** The parts that follow. */
  linked: readonly NaivePart[];
  partsSettled: number;
  readonly consentUntil: number;
  /** Keys that have signed it or a consent to it. */
  readonly consents: Set<Thumbprint>;
  /** Of mode `queue`. */
  terms: NaiveTerms | null;
  /** What it does to another as it settles. */
  readonly amends: NaiveAmendment | null;
  /** Once every required consent was there. */
  bound: NaiveBound | null;
  /** Of mode `lock`. */
  readonly lock: NaiveLock | null;
}

export interface NaiveLock {
  readonly hash: string;
  readonly until: number;
  /** Who has agreed to cancel it; null while a consent is missing. */
  leaving: Set<string> | null;
}

/** A part of a settlement that is due once the one before has settled. */
export interface NaivePart {
  readonly legs: readonly NaiveLeg[];
  readonly notBefore: number;
  readonly settleBy: number;
}

/** Of another settlement, the part that is next, counted from one, its legs as they stand and as they are to be. */
export interface NaiveAmendment {
  readonly settlement: string;
  readonly part: number;
  readonly replaces: readonly NaiveLeg[];
  readonly legs: readonly NaiveLeg[];
}

/** Days from 1970, and when settlement begins and ends. */
export interface NaiveDay {
  readonly day: number;
  readonly openMs: number;
  readonly closeMs: number;
}

export interface NaiveLiquidity {
  readonly isFifo: boolean;
  readonly urgent: bigint;
  readonly high: bigint;
}

export interface NaiveTerms {
  readonly priority: string;
  readonly notBefore: number;
  readonly cancelUntil: number;
  readonly cutoff: number;
  readonly settleBy: number;
}

export interface NaiveBound {
  readonly place: number;
  /** By party. */
  readonly moved: Map<string, string>;
  readonly leaving: Set<string>;
  /** Whether its time has come. */
  isQueued: boolean;
}

/** A consent or withdrawal whose settlement has not been ordered. */
export interface Waiter extends Asked {
  readonly settlement: string;
  readonly expires: number;
  /** The keys of its initiator that signed it. */
  readonly kids: readonly Thumbprint[];
  /** What a consent takes the settlement to be; one that says it does not wait. */
  readonly terms?: PayloadOf<'consent'>['terms'];
}

export interface NaiveRecord {
  readonly digest: InstructionDigest;
  readonly kind: PayloadKind;
  readonly until: number;
}

export interface Books {
  readonly network: NetworkId;
  readonly skewMs: number;
  readonly parties: Map<string, NaiveParty>;
  readonly keys: Map<Thumbprint, NaiveKey>;
  readonly assets: Map<string, NaiveAsset>;
  /** Minor units by `BIC/asset`. */
  readonly balances: Map<string, bigint>;
  readonly open: Map<string, OpenSettlement>;
  /** What parties said of their accounts, by account. */
  readonly liquidity: Map<string, NaiveLiquidity>;
  /** Net sender limits by `BIC/asset/`, with the counterparty behind it where there is one. */
  readonly limits: Map<string, { readonly most: bigint; readonly sent: bigint }>;
  /** Business days by asset. */
  readonly calendars: Map<string, readonly NaiveDay[]>;
  readonly queue: { next: number; passedAt: number; stirred: boolean };
  /** In the order in which they came. */
  waiting: Waiter[];
  /** By `BIC/id`. */
  readonly records: Map<string, NaiveRecord>;
  /** The set in charge, in its order. */
  members: readonly NaiveMember[];
  epoch: number;
  change: OpenChange | null;
  /** Every vote key that was ever a member's. */
  readonly voteKeys: Set<string>;
  /** Settlements and changes that have ended, by digest: until when that is remembered. */
  readonly ended: Map<string, number>;
  /** Hashes whose preimage is known: until when that is remembered. */
  readonly revealed: Map<string, number>;
  /** By place in the set, the time of a proposer's latest block while a lock is past its end. */
  readonly proposers: Map<number, number>;
  /** Hours in which something is to be forgotten. */
  readonly hours: Set<number>;
}

/** What happens in one block. */
export interface Turn {
  readonly height: number;
  readonly time: number;
  /** Whose block it is: a place in the set in charge. */
  readonly proposer: number;
  /** Of the parent state, by party. */
  readonly thresholds: ReadonlyMap<string, number>;
  readonly receipts: NaiveReceipt[];
  /** Digests of settlements registered in it. */
  readonly begun: Set<string>;
  /** Settlements of which a part has settled in it. */
  readonly advanced: Set<string>;
  /** Settlements whose legs were amended in it, in the order in which that happened first. */
  readonly amended: Set<string>;
  /** What became bound in it and did not settle at once. */
  readonly bound: OpenSettlement[];
  /** Digests of what was locked in it. */
  readonly locked: string[];
}

export interface NaiveReceipt extends Asked {
  readonly code: string;
}

/** An ordered instruction with the keys that the parent state has and whose signatures on it are valid. */
export interface Item {
  readonly instruction: Instruction;
  readonly signed: readonly Thumbprint[];
  readonly possessed: ReadonlySet<Thumbprint>;
}

/** The state before the first block: the authorities that the genesis names, and nothing else. */
export function booksOf(genesis: Genesis): Books {
  const parties = new Map<string, NaiveParty>();
  const keys = new Map<Thumbprint, NaiveKey>();
  for (const { party, jurisdiction, threshold, keys: jwks } of genesis.authorities) {
    parties.set(party, { party, jurisdiction, authority: true, suspended: false, solver: false, threshold });
    for (const jwk of jwks) {
      const read = publicKeyOf(jwk);
      assert(read.ok, 'a genesis that was read has good keys');
      keys.set(read.kid, { party, role: 'instruction', alg: read.alg, key: read.key, height: 0, revoked: false });
    }
  }
  const members = genesis.validators.validators;
  for (const { party, networkKey } of members) {
    const key = fromHex(networkKey);
    keys.set(kidOf(networkKey), { party, role: 'node', alg: 'Ed25519', key, height: 0, revoked: false });
  }
  return {
    network: genesis.network,
    skewMs: genesis.parameters.skewMs,
    parties,
    keys,
    assets: new Map(),
    balances: new Map(),
    open: new Map(),
    liquidity: new Map(),
    limits: new Map(),
    calendars: new Map(),
    queue: { next: 0, passedAt: 0, stirred: false },
    waiting: [],
    records: new Map(),
    members,
    epoch: 0,
    change: null,
    voteKeys: new Set(members.map(({ voteKey }) => voteKey)),
    ended: new Map(),
    revealed: new Map(),
    proposers: new Map(),
    hours: new Set(),
  };
}

/** The name under which a raw Ed25519 key is registered. */
export const kidOf = (rawKey: string): Thumbprint => thumbprint(jwkOf({ alg: 'Ed25519', key: fromHex(rawKey) }));

/** All that it names: of what is to settle still, and of what it amends. */
export const allLegsOf = ({ legs, linked, amends }: NaiveParts): NaiveLeg[] => [
  ...legs,
  ...linked.flatMap((part) => part.legs),
  ...(amends === null ? [] : [...amends.replaces, ...amends.legs]),
];
type NaiveParts = Pick<OpenSettlement, 'legs' | 'linked' | 'amends'>;

/** Who must consent: whoever is debited in any part, and everybody in legs that it amends. */
export const requiredOf = ({ legs, linked, amends }: NaiveParts): string[] => {
  const debited = allLegsOf({ legs, linked, amends: null }).map(({ from }) => from);
  const concerned =
    amends === null ? [] : allLegsOf({ legs: [], linked: [], amends }).flatMap(({ from, to }) => [from, to]);
  return [...new Set([...debited, ...concerned])];
};

export const balanceOf = ({ balances }: Books, party: string, asset: string): bigint =>
  balances.get(`${party}/${asset}`) ?? 0n;

/** The authority of a jurisdiction, as the genesis names it. */
export const authorityOf = ({ parties }: Books, jurisdiction: string): string | undefined =>
  [...parties.values()].find((party) => party.authority && party.jurisdiction === jurisdiction)?.party;

/** How many of these keys count for a party now: those that are its own and are not revoked. */
const countKeys = ({ keys }: Books, turn: Turn, party: string, kids: Iterable<Thumbprint>): number =>
  [...new Set(kids)].filter((kid) => {
    const key = keys.get(kid);
    return key?.role === 'instruction' && key.party === party && key.height < turn.height && !key.revoked;
  }).length;

/** Whether so many of the party's keys are among these as its threshold says. An unknown party has not signed. */
export function hasSigned(books: Books, turn: Turn, party: string, kids: Iterable<Thumbprint>): boolean {
  const threshold = turn.thresholds.get(party);
  return threshold !== undefined && countKeys(books, turn, party, kids) >= threshold;
}

/** All but those that may lie: fewer than a third. By this file's own reckoning. */
export const quorumOf = (n: number): number => n - Math.ceil(n / 3) + 1;

/** Whether a quorum of the authorities has signed with these keys. */
export function isQuorumAmong(books: Books, turn: Turn, kids: Iterable<Thumbprint>): boolean {
  const authorities = [...books.parties.values()].filter(({ authority }) => authority);
  const signing = authorities.filter(({ party }) => hasSigned(books, turn, party, kids));
  return signing.length >= quorumOf(authorities.length);
}

/** Whether this is a node key of the party that counts now. */
export function isNodeKey({ keys }: Books, turn: Turn, party: string, kid: Thumbprint): boolean {
  const key = keys.get(kid);
  return key?.role === 'node' && key.party === party && key.height < turn.height && !key.revoked;
}

/** Whether a raw key is, or was, a vote key, or is asked for as one. */
export const isVoteKey = ({ voteKeys, change }: Books, rawKey: string): boolean =>
  voteKeys.has(rawKey) || (change?.members.some(({ voteKey }) => voteKey === rawKey) ?? false);

export const isSuspended = ({ parties }: Books, party: string): boolean => parties.get(party)?.suspended === true;

export const askedOf = ({ instruction: { digest, payload } }: Item): Asked => ({
  digest,
  initiator: payload.initiator,
  id: payload.id,
  kind: payload.kind,
});
