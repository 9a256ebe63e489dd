/**
 * What the replica asks of the world, and what the API asks of the replica. Production adapters and the simulator
 * implement the first; nothing in the replica touches anything else.
 */
import type { WhatIfAnswer, WhatIfQuestion } from '../ledger/queue/whatif.js';
import type { Instruction } from '../protocol/instruction.js';
import type { Jwk, Priority } from '../protocol/payload.js';
import type {
  BatchDigest,
  Bic,
  Hash,
  InstructionDigest,
  NetworkId,
  PeerKey,
  Thumbprint,
  TimestampMs,
} from '../protocol/types.js';

export interface Clock {
  /**
   * The network's time by this machine's wall clock, which may be set (protocol/networktime.ts). Never used to order anything:
   * only for block times, skew and what payloads say.
   */
  now(): TimestampMs;
  /**
   * Milliseconds that go forward only, whatever the wall clock is set to, and count from 1970 as it stood when the process
   * began: for pace and patience.
   */
  elapsed(): number;
  /** Calls back once after `delayMs`; the returned function cancels. */
  after(delayMs: number, callback: () => void): () => void;
}

/** What a frame is for; each travels on a stream of its own, so that bulk never delays a vote. */
export type Purpose = 'consensus' | 'batches' | 'sync';

/** A node that may be connected, and whose it is: its address is configured by party. */
export interface AllowedPeer {
  readonly peer: PeerKey;
  readonly party: Bic;
}

export interface Bus {
  /** Queues a frame to a peer, best effort: it may be lost, never altered. Bounded: past the bound the oldest goes. */
  send(to: PeerKey, purpose: Purpose, frame: Uint8Array): void;
  /** Frames as they come, whole, with the peer that the transport authenticated. One handler: the last one set. */
  onFrame(handler: (from: PeerKey, purpose: Purpose, frame: Uint8Array) => void): void;
  /** Called when a peer's streams come up (again): what was sent before may be lost. One handler: the last one set. */
  onPeer(handler: (peer: PeerKey) => void): void;
  /** Says that a peer broke the protocol; the transport drops it for a while and counts it. */
  punish(peer: PeerKey, reason: string): void;
  /** Who may be connected from now on: all others are refused, and dropped where they were. This node's own key is passed over. */
  allow(peers: readonly AllowedPeer[]): void;
  peers(): readonly { readonly peer: PeerKey; readonly connected: boolean }[];
}

/** Ordered tables of bytes. Keys compare as bytes. */
export type Table =
  | 'meta'
  | 'votes'
  | 'batches'
  | 'blocks'
  | 'receipts'
  | 'state'
  | 'ids'
  | 'index'
  | 'outbox'
  | 'snapshot';
export type Operation =
  | { readonly type: 'put'; readonly table: Table; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly table: Table; readonly key: Uint8Array };

export interface Store {
  /** A point read, at once: the ledger's recall of old ids is part of a synchronous core. */
  get(table: Table, key: Uint8Array): Uint8Array | undefined;
  /** Entries with from <= key < to, ascending (or descending with `reverse`). */
  scan(
    table: Table,
    range: { from: Uint8Array; to: Uint8Array; reverse?: boolean; limit?: number },
  ): AsyncIterable<[Uint8Array, Uint8Array]>;
  /** All or nothing, in the order of calls. With `sync` it is durable when the promise resolves; without, a crash may lose it. */
  write(operations: readonly Operation[], options: { sync: boolean }): Promise<void>;
  /** The tables as they are now, whatever is written later. It holds back what the store could give up: close it soon. */
  snapshot(): StoreView;
  close(): Promise<void>;
}

/** What was written before one moment, to be read at leisure. */
export interface StoreView extends Pick<Store, 'get' | 'scan'> {
  close(): Promise<void>;
}

/** Makes Ed25519 signatures with the node's own keys. */
export interface Signer {
  /** The public vote keys that it holds: the current one, and the next while a change is under way. */
  readonly voteKeys: readonly Hash[];
  vote(bytes: Uint8Array, key: Hash): Promise<Uint8Array>;
  network(bytes: Uint8Array): Promise<Uint8Array>;
}

/** A signature to be checked: raw Ed25519 keys of the validators, or a bank's key. */
export interface SignatureCheck {
  readonly alg: 'Ed25519' | 'ES256';
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  /** The key is to be registered on the strength of this signature: it must be a point of prime order, too. */
  readonly registers?: boolean;
}

/**
 * Which checks go first: those of votes and certificates; then what is in a lane already, for a block will wait for it;
 * then what asks to come in, so that a node takes no more than the network can settle.
 */
export type Urgency = 'vote' | 'lane' | 'door';

/** Checks signatures off the main thread, by the acceptance rule of protocol/SPEC.md. */
export interface Verifier {
  /** One verdict for each check, in order. */
  verify(checks: readonly SignatureCheck[], options?: { readonly urgency: Urgency }): Promise<boolean[]>;
  /** The digest of a batch's bytes, and whether its author's network key signed it: bulk hashing belongs off the main thread too. */
  batch(signed: BatchCheck): Promise<{ digest: BatchDigest; valid: boolean }>;
}

/** A signed batch as it came: `bytes` are the batch's, `key` the raw Ed25519 network key of its author. */
export interface BatchCheck {
  readonly network: NetworkId;
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** Goes through a copy of the queue with more liquidity and without, off the main thread. */
export interface WhatIfRunner {
  /** One at a time. Rejects when it could not be done. */
  run(question: WhatIfQuestion): Promise<WhatIfAnswer>;
}

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Counters and gauges by name: names and labels are fixed in `metrics/`. A no-op serves where nothing is measured. */
export interface Metrics {
  count(name: CounterName, by?: number): void;
  gauge(name: GaugeName, value: number): void;
  /** Every value of a gauge with a label, by the label: what is not among them is there no more. */
  gauges(name: LabelledGaugeName, values: ReadonlyMap<string, number>): void;
  observe(name: HistogramName, seconds: number): void;
}
export type CounterName =
  | 'blocks_finalized'
  | 'instructions_finalized'
  | 'instructions_accepted'
  | 'instructions_refused'
  | 'nullifications'
  | 'evidence'
  | 'frames_in'
  | 'frames_out'
  | 'bytes_in'
  | 'bytes_out'
  | 'frames_dropped'
  | 'peers_punished'
  | 'signatures_checked';
export type GaugeName =
  | 'view'
  | 'height'
  | 'peers'
  | 'lane_unordered_batches'
  | 'unfinalized_blocks'
  | 'time_scale'
  | 'verifier_queue'
  | 'epoch'
  | 'validators'
  | 'ready'
  | 'votes'
  | 'halted'
  | 'queued_movements'
  | 'bound_places'
  | 'assets';
export type LabelledGaugeName = 'circulating' | 'disk_free_bytes' | 'disk_size_bytes';
export type HistogramName = 'finality' | 'block_apply' | 'store_sync';

export interface Ports {
  /** Kept outside the data folder, on another disk at best: what tells that the folder is missing or an old copy. */
  readonly mark: Pick<Store, 'get' | 'write'>;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly store: Store;
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Refusals at the door of a node, before anything is ordered. */
export type AdmissionCode =
  | 'unknown_key'
  | 'bad_signature'
  | 'initiator_signature_missing'
  | 'wrong_network'
  | 'expired'
  | 'not_yet_valid'
  | 'duplicate_id'
  | 'change_pending'
  | 'lane_full'
  | 'not_ready';

/** Where an instruction stands, as this node's last final block has it. */
export type InstructionStatus =
  | { readonly status: 'unknown' }
  /** Durable here or in a lane, and not yet ordered; or ordered and open (`code` proposed). */
  | {
      readonly status: 'pending';
      readonly code: string | null;
      readonly height: number | null;
      readonly time: TimestampMs | null;
      readonly missing: readonly string[];
      /** Of a lock that is open. */
      readonly lock: LockView | null;
    }
  | { readonly status: 'final'; readonly code: string; readonly height: number; readonly time: TimestampMs }
  /** Its outcome, if it had one, is in a block up to that height which this node does not keep. */
  | { readonly status: 'pruned'; readonly height: number };

export interface BalanceView {
  readonly asset: string;
  readonly balance: string;
  /** Of the balance, what is held for locks. */
  readonly held: string;
  /** What may be paid from it now: the balance without what is held; of an issuer's own, up to the cap. */
  readonly available: string;
}
/** What settles a lock, and until when. */
export interface LockView {
  readonly hash: string;
  readonly lockUntil: TimestampMs;
  /** Parties that have agreed to cancel. */
  readonly leaving: readonly string[];
}
/** Entries of a page. */
export const QUEUE_PAGE_ENTRIES_MAX = 50;
export interface LegView {
  readonly from: string;
  readonly to: string;
  readonly asset: string;
  /** Decimal text. */
  readonly amount: string;
}
/** A settlement that a party pays in, and that has not ended. */
export interface OpenSettlementView {
  readonly digest: string;
  readonly initiator: string;
  readonly id: string;
  /** The part that is next to settle, or of what comes in lots the lot, counted from one. */
  readonly part: number;
  /** Of that part, or of all lots that are left. */
  readonly legs: readonly LegView[];
  /** The equal lots that these come in; 1 of what settles whole. */
  readonly lots: number;
  /** The parts that follow, each once the one before has settled. */
  readonly linked: readonly {
    readonly legs: readonly LegView[];
    readonly notBefore: TimestampMs;
    readonly settleBy: TimestampMs;
  }[];
}
/** When it settles, and until when it is left. */
export interface TermsView {
  readonly notBefore: TimestampMs;
  readonly cancelUntil: TimestampMs;
  readonly cutoff: TimestampMs;
  readonly settleBy: TimestampMs;
}
/** One that lacks a consent. */
export interface ProposalView extends OpenSettlementView {
  readonly missing: readonly string[];
  readonly consentUntil: TimestampMs;
  /** Null of one that settles when the last consent is there. */
  readonly terms: TermsView | null;
  /** Of one that is held then, and settles with its preimage. */
  readonly lock: LockView | null;
  /** What it replaces of another as it settles. */
  readonly amends: {
    readonly settlement: string;
    readonly part: number;
    readonly replaces: readonly LegView[];
    readonly legs: readonly LegView[];
  } | null;
}
/** One that is bound. */
export interface QueuedView extends OpenSettlementView, TermsView {
  /** From 1: among what the party is bound to pay in, scheduled or in the queue, the most urgent first. */
  readonly position: number;
  readonly stage: 'scheduled' | 'queued';
  readonly priority: Priority;
  /** Parties that have agreed to cancel. */
  readonly leaving: readonly string[];
  /** Accounts that lack so much for it alone. */
  readonly lacking: readonly { readonly party: string; readonly asset: string; readonly amount: string }[];
  /** Net sender limits that it alone would go past, by so much; `to` is null where the limit is of all that is sent. */
  readonly limited: readonly {
    readonly party: string;
    readonly asset: string;
    readonly to: string | null;
    readonly amount: string;
  }[];
  /** Accounts that it debits and in which something waits that goes before it. */
  readonly behind: readonly { readonly party: string; readonly asset: string }[];
}
/** A page of a list; `next` asks for the one after it. */
export interface Page<T> {
  readonly height: number;
  readonly entries: readonly T[];
  readonly next: string | null;
}
/** How often and how much an account is paid and pays; decimal text. */
export interface FlowView {
  readonly in: { readonly count: number; readonly value: string };
  readonly out: { readonly count: number; readonly value: string };
}
/** What an account comes to if all that is bound settles as early as it may; what a lock brings is not counted. */
export interface PositionView {
  readonly asset: string;
  readonly balance: string;
  /** The least that it may hold. */
  readonly floor: string;
  readonly days: readonly (FlowView & {
    readonly date: string;
    readonly net: string;
    /** At its end, if all settles that may by then, what locks hold still there; and if only what it pays does, locks too. */
    readonly projected: string;
    readonly outflowsOnly: string;
  })[];
  /** What it comes to in the end if only what the party pays settles, locks too. */
  readonly lowest: string;
}
/** What is open of one asset, by how it stands; `linked` are parts that follow one that is bound. */
export interface UnsettledView
  extends Readonly<Record<'proposed' | 'scheduled' | 'queued' | 'locked' | 'linked', FlowView>> {
  readonly asset: string;
}
/** What has settled on one day. */
export interface SettledDayView {
  readonly date: string;
  /** The first block that is counted, and whether no block of the day came before it. */
  readonly fromHeight: number;
  readonly whole: boolean;
  readonly assets: readonly (FlowView & { readonly asset: string })[];
}
export interface TotalsView {
  readonly height: number;
  readonly time: TimestampMs;
  readonly unsettled: readonly UnsettledView[];
  /** The latest day first. */
  readonly settled: readonly SettledDayView[];
}
/** What some settlements of the queue come to: the party's own, and all of them as numbers. */
export interface WhatIfSumsView {
  readonly own: {
    readonly count: number;
    readonly assets: readonly (FlowView & { readonly asset: string })[];
    /** The first of them by place, at most QUEUE_PAGE_ENTRIES_MAX. */
    readonly settlements: readonly string[];
  };
  readonly all: {
    readonly count: number;
    readonly assets: readonly { readonly asset: string; readonly count: number; readonly value: string }[];
  };
}
export interface WhatIfView {
  readonly height: number;
  readonly time: TimestampMs;
  readonly party: string;
  readonly asset: string;
  readonly amount: string;
  readonly complete: boolean;
  readonly released: WhatIfSumsView;
  readonly delayed: WhatIfSumsView;
}
export type WhatIfResult =
  | { readonly ok: true; readonly value: WhatIfView }
  | { readonly ok: false; readonly code: 'unknown_party' | 'unknown_asset' }
  /** Not above zero, or more decimals or more than the asset can have. */
  | { readonly ok: false; readonly code: 'bad_amount'; readonly decimals: number }
  | { readonly ok: false; readonly code: 'what_if_busy'; readonly retryAfterMs: number };
/** When an asset settles by value date; without days and a zone on every day. */
export interface CalendarView {
  readonly height: number;
  readonly zone: string | null;
  readonly days: readonly { readonly date: string; readonly openMs: TimestampMs; readonly closeMs: TimestampMs }[];
}
export interface AssetView {
  readonly asset: string;
  readonly class: string;
  readonly name: string;
  readonly issuer: string;
  readonly jurisdiction: string;
  readonly decimals: number;
  readonly cap: string;
  readonly circulating: string;
}
export interface ParticipantView {
  readonly party: string;
  readonly name: string;
  readonly lei: string;
  readonly jurisdiction: string;
  readonly authority: boolean;
  readonly suspended: boolean;
  readonly solver: boolean;
  readonly threshold: number;
  readonly keys: readonly { readonly kid: string; readonly jwk: Jwk }[];
}
export interface ValidatorView {
  readonly index: number;
  readonly party: string;
  readonly voteKey: string;
  readonly networkKey: string;
  readonly self: boolean;
  readonly connected: boolean;
}
export interface ReceiptView {
  readonly digest: string;
  readonly code: string;
  readonly kind: string;
  readonly initiator: string;
  readonly id: string;
}
export interface BlockView {
  readonly height: number;
  readonly id: string;
  readonly view: number;
  readonly epoch: number;
  readonly time: TimestampMs;
  readonly parent: string;
  readonly proposer: number;
  readonly resultRoot: string;
  readonly receiptsRoot: string;
  readonly stateRoot: string;
  readonly receipts: readonly ReceiptView[];
  /** How many of the instructions each lane gives, in the order of the set; null where this node does not keep them. */
  readonly lanes: readonly number[] | null;
  /** The instructions as JWS, in the order in which the cut holds them: lane by lane; null with `lanes`. */
  readonly instructions: readonly object[] | null;
}
/** A change of validators under way: parties of the whole next set in its order, and those of them that are ready. */
export interface ChangeView {
  readonly digest: string;
  readonly approved: boolean;
  readonly validators: readonly string[];
  readonly ready: readonly string[];
}
export interface StatusView {
  readonly network: string;
  readonly name: string;
  readonly party: string;
  readonly version: string;
  readonly height: number;
  /** Of the last final block. */
  readonly time: TimestampMs;
  /** The network's time by this node: what instructions are dated by. */
  readonly now: TimestampMs;
  /** That this is a test network, whose time runs faster; null for a network of record. */
  readonly test: { readonly timeScale: number } | null;
  readonly epoch: number;
  readonly view: number;
  readonly resultRoot: string;
  readonly peers: number;
  readonly validators: number;
  readonly ready: boolean;
  /** Who has no place in the set follows: a standby holds a vote key for a place in a later one, a participant none. */
  readonly role: 'validator' | 'standby' | 'participant';
  readonly votes: boolean;
  /** Why its vote key must never sign again, if that is so. */
  readonly unfit: string | null;
  readonly change: ChangeView | null;
  readonly halted: string | null;
  readonly evidence: number;
}

/** What the API may ask of a running replica. Reads hold for the last final block; `height` says which. */
export interface NodeService {
  /** Resolves once the instruction is durable on this node, or with the refusal. The same again gives the same answer. */
  submit(
    instruction: Instruction,
  ): Promise<
    { readonly accepted: true } | { readonly accepted: false; readonly code: AdmissionCode; readonly detail: string }
  >;
  status(digest: InstructionDigest): Promise<InstructionStatus>;
  /** As `status`, once it is final or when `timeoutMs` have passed. The signal ends the wait early. */
  waitFinal(digest: InstructionDigest, timeoutMs: number, signal: AbortSignal): Promise<InstructionStatus>;
  /** The portable bundle (JSON value of `protocol/bundle`), or null when the instruction has no receipt yet. */
  receipt(digest: InstructionDigest): Promise<object | null>;
  balances(party: string): { readonly height: number; readonly balances: readonly BalanceView[] } | null;
  /** What a party is bound to pay in: a page after a cursor that an earlier one gave. Null of a party that is not there. */
  queue(party: string, after: string | undefined): Page<QueuedView> | null;
  /** What a party is asked to consent to and lacks a consent, likewise. */
  proposals(party: string, after: string | undefined): Page<ProposalView> | null;
  /** Where a party's accounts come to by what is bound, or null of a party that is not there. */
  positions(
    party: string,
  ): { readonly height: number; readonly time: TimestampMs; readonly positions: readonly PositionView[] } | null;
  /** What is open for a party, and what has settled while this node counted, likewise. */
  totals(party: string): TotalsView | null;
  /** What an account with so much more (decimal text) would let through of the queue. */
  whatIf(party: string, asset: string, amount: string): Promise<WhatIfResult>;
  /** The business days of an asset, or null of one that is not defined. */
  calendar(asset: string): CalendarView | null;
  assets(): { readonly height: number; readonly assets: readonly AssetView[] };
  participants(): { readonly height: number; readonly participants: readonly ParticipantView[] };
  validators(): { readonly height: number; readonly epoch: number; readonly validators: readonly ValidatorView[] };
  block(height: number): Promise<BlockView | null>;
  statusView(): StatusView;
}

/** Public keys by thumbprint, as raw bytes for a check. */
export type KeyLookup = (
  kid: Thumbprint,
) => { readonly alg: 'Ed25519' | 'ES256'; readonly key: Uint8Array } | undefined;
