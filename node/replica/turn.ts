/** What the replica's loop takes, one at a time: everything in it has passed its signature check. */
import type { Input } from '../../protocol/bft/core.js';
import type { Framed, Message, Statement } from '../../protocol/envelope.js';
import type { Ballot, InstructionDigest, PeerKey } from '../../protocol/types.js';
import type { Committed } from './block.js';
import type { Expired } from './chain.js';
import type { Corrupt } from './checked.js';
import type { HeldBatch } from './lanes.js';
import type { FinalPointer } from './records.js';

export type Asking = Extract<
  Framed,
  { type: 'held' | 'wantCertificates' | 'wantBatches' | 'wantBlock' | 'wantFinal' | 'wantHandOver' | 'follow' }
>;

export type Turn =
  | { readonly type: 'consensus'; readonly input: Input }
  | { readonly type: 'proposal'; readonly message: Extract<Message, { type: 'proposal' }> }
  | { readonly type: 'final'; readonly message: Extract<Message, { type: 'final' }> }
  | { readonly type: 'batch'; readonly held: HeldBatch }
  | { readonly type: 'asking'; readonly from: PeerKey; readonly message: Asking }
  | { readonly type: 'peer'; readonly peer: PeerKey }
  /** A vote with this node's own key, from somebody else. */
  | { readonly type: 'echo'; readonly ballot: Ballot }
  | { readonly type: 'statement'; readonly statement: Statement }
  /** What a peer gave to this node's lane is durable in it. */
  | { readonly type: 'submitted'; readonly from: PeerKey; readonly digests: readonly InstructionDigest[] }
  /** A validator says so of what this node gave it. */
  | { readonly type: 'taken'; readonly from: PeerKey; readonly digests: readonly InstructionDigest[] }
  | {
      readonly type: 'committed';
      readonly blocks: readonly Committed[];
      readonly pointer: FinalPointer;
      readonly expired: Expired | null;
    }
  /** Expired lists of ids, as the store has them. */
  | { readonly type: 'forget'; readonly lists: readonly (readonly [Uint8Array, Uint8Array])[] }
  /** Something became possible that `pump` will find: facts learned, an instruction submitted, a timer due. */
  | { readonly type: 'wake' };

/** What concerns no epoch's agreement: snapshots, records to be mended, hand-overs. */
export type UpkeepMessage = Extract<
  Framed,
  { type: 'wantSnapshot' | 'snapshot' | 'wantChunk' | 'chunk' | 'handOver' | 'gone' }
>;

/** What the replica of an epoch asks of the node's upkeep, which outlives it. */
export interface UpkeepPort {
  receive(from: PeerKey, message: UpkeepMessage): void;
  /** True when the batch is one that is damaged here, and so not news. */
  takeBatch(from: PeerKey, batch: { readonly bytes: Uint8Array; readonly signature: Uint8Array }): boolean;
  /** A read found a record that is not what was written. */
  note(corrupt: Corrupt): void;
  /** Goes on with whatever is under way; called about once in a Δ while the node is busy, and now and then else. */
  tend(): void;
}
