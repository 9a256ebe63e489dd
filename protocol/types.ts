/**
 * The names of things that every node and client agree on.
 *
 * Digests are lower-case hex strings in memory (they key maps and print well) and 32 raw bytes on the wire.
 * Every unit is branded, so that a view cannot be passed where a height is meant.
 */

declare const brand: unique symbol;
/** Brands add up: a `BlockId` is a `Hash` too. */
export type Branded<T, B extends string> = T & { readonly [brand]: { readonly [K in B]: true } };

/** 64 lower-case hex digits: a SHA-256. */
export type Hash = Branded<string, 'Hash'>;
/** Digest of the genesis file; every signature and vote carries it, so nothing crosses networks. */
export type NetworkId = Hash & Branded<string, 'NetworkId'>;
/** SHA-256 over a domain tag and an instruction's payload bytes: the identity of an instruction. */
export type InstructionDigest = Hash & Branded<string, 'InstructionDigest'>;
export type BatchDigest = Hash & Branded<string, 'BatchDigest'>;
export type BlockId = Hash & Branded<string, 'BlockId'>;
/** Root of a Merkle tree, or of the chain of result roots. */
export type Root = Hash & Branded<string, 'Root'>;
/** RFC 7638 thumbprint of a public key: 43 characters of base64url. */
export type Thumbprint = Branded<string, 'Thumbprint'>;

/** ISO 9362 BIC of eleven characters: how a party is named. */
export type Bic = Branded<string, 'Bic'>;
/** An asset's code: ISO 4217 for fiat central bank money. */
export type AssetCode = Branded<string, 'AssetCode'>;
/** ISO 3166-1 alpha-2. */
export type Jurisdiction = Branded<string, 'Jurisdiction'>;
/** Lower-case UUID, the UETR of ISO 20022. */
export type Uetr = Branded<string, 'Uetr'>;

/** Money in minor units of its asset. A decimal string exists only at the edge. */
export type AmountMinor = Branded<bigint, 'AmountMinor'>;
/** Milliseconds since 1970-01-01T00:00:00Z. */
export type TimestampMs = Branded<number, 'TimestampMs'>;

export type Epoch = Branded<number, 'Epoch'>;
export type View = Branded<number, 'View'>;
export type Height = Branded<number, 'Height'>;
/** Place of a validator in its epoch's set, from 0. */
export type ValidatorIndex = Branded<number, 'ValidatorIndex'>;

export const ZERO_HASH = '0'.repeat(64) as Hash;

/** A node's Ed25519 network key, lower-case hex: how nodes name each other, validators or not. */
export type PeerKey = Hash & Branded<string, 'PeerKey'>;

/** A validator as its epoch's set lists it. Keys are raw Ed25519, lower-case hex of 32 bytes. */
export interface Validator {
  readonly party: Bic;
  /** Signs votes, and nothing else. */
  readonly voteKey: Hash;
  /** The node's libp2p identity; signs its batches. */
  readonly networkKey: PeerKey;
}

/** The validators of an epoch, in their order, with the set's digest. */
export interface ValidatorSet {
  readonly epoch: Epoch;
  readonly validators: readonly Validator[];
  readonly digest: Hash;
}

/** How far a lane goes: its batch `number` of an `incarnation`, with that batch's digest. Number 0 is the empty lane. */
export interface LanePoint {
  readonly incarnation: number;
  readonly number: number;
  readonly digest: BatchDigest;
}

/** A cut: one point for each validator's lane, in the order of the set. */
export type Cut = readonly LanePoint[];

/** Numbered part of an author's lane. Items are encoded instructions, opaque here. */
export interface Batch {
  readonly author: ValidatorIndex;
  readonly epoch: Epoch;
  readonly incarnation: number;
  readonly number: number;
  readonly previous: BatchDigest;
  readonly items: readonly Uint8Array[];
}

export interface SignedBatch {
  readonly batch: Batch;
  readonly digest: BatchDigest;
  /** Ed25519 by the author's network key. */
  readonly signature: Uint8Array;
  /** The batch's bytes, whose digest it is. */
  readonly bytes: Uint8Array;
}

export interface BlockHeader {
  readonly network: NetworkId;
  readonly epoch: Epoch;
  readonly view: View;
  readonly height: Height;
  readonly parent: BlockId;
  /** The view in which the parent was notarized; views between it and `view` are nullified. */
  readonly parentView: View;
  readonly cut: Cut;
  readonly time: TimestampMs;
  readonly proposer: ValidatorIndex;
}

export type VoteKind = 'notarize' | 'nullify' | 'finalize';

/** What a vote says. `block` is null only for nullify; `root` is there only for finalize. */
export type Ballot =
  | { readonly kind: 'notarize'; readonly view: View; readonly block: BlockId; readonly root: null }
  | { readonly kind: 'nullify'; readonly view: View; readonly block: null; readonly root: null }
  | { readonly kind: 'finalize'; readonly view: View; readonly block: BlockId; readonly root: Root };

export interface Vote {
  readonly ballot: Ballot;
  readonly signer: ValidatorIndex;
  /** Ed25519 by the signer's vote key, 64 bytes. */
  readonly signature: Uint8Array;
}

/** A quorum of votes for one ballot, signers ascending: a notarization, nullification or finalization. */
export interface Certificate {
  readonly ballot: Ballot;
  readonly signatures: readonly { readonly signer: ValidatorIndex; readonly signature: Uint8Array }[];
}

/** A block as its leader sends it: the leader's notarize vote is its signature. */
export interface Proposal {
  readonly header: BlockHeader;
  readonly id: BlockId;
  readonly vote: Vote;
}

export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

/** A bug, never a condition of the environment and never a refusal: the process stops. */
export function assert(condition: unknown, claim: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${claim}`);
}

/** Greatest number of faulty validators tolerated among n. */
export const faultsMax = (n: number): number => Math.floor((n - 1) / 3);
/** Votes that make a certificate: n - f. */
export const quorum = (n: number): number => n - faultsMax(n);
