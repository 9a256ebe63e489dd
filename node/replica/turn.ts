/** What the replica's loop takes, one at a time: everything in it has passed its signature check. */
import type { Input } from '../../protocol/bft/core.js';
import type { Message } from '../../protocol/envelope.js';
import type { PeerKey } from '../../protocol/types.js';
import type { Committed, Expired } from './chain.js';
import type { HeldBatch } from './lanes.js';
import type { FinalPointer } from './records.js';

export type Asking = Extract<
  Message,
  { type: 'held' | 'wantCertificates' | 'wantBatches' | 'wantBlock' | 'wantFinal' }
>;

export type Turn =
  | { readonly type: 'consensus'; readonly input: Input }
  | { readonly type: 'proposal'; readonly message: Extract<Message, { type: 'proposal' }> }
  | { readonly type: 'final'; readonly message: Extract<Message, { type: 'final' }> }
  | { readonly type: 'batch'; readonly held: HeldBatch }
  | { readonly type: 'asking'; readonly from: PeerKey; readonly message: Asking }
  | { readonly type: 'peer'; readonly peer: PeerKey }
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
