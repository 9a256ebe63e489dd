/** A block since the last final one, as far as it is known here. */
import type { Receipt } from '../../ledger/receipt.js';
import type { Movement } from '../../ledger/settlement/outline.js';
import type { State } from '../../ledger/state.js';
import type { BlockHeader, BlockId, Proposal, Root } from '../../protocol/types.js';
import type { HeldBatch } from './lanes.js';

/** A block executed on its branch. */
export interface Executed {
  readonly state: State;
  readonly receipts: readonly Receipt[];
  readonly receiptsRoot: Root;
  readonly stateRoot: Root;
  readonly parentRoot: Root;
  readonly root: Root;
  readonly lanes: readonly (readonly HeldBatch[])[];
  /** What each settlement, part or lot that settled did to accounts. */
  readonly settled: readonly (readonly Movement[])[];
}

export interface Block {
  readonly id: BlockId;
  readonly header: BlockHeader;
  proposal: Proposal | null;
  executed: Executed | null;
  /** Whether anyone waits for its execution: a vote, a child, finality. */
  wanted: boolean;
  /** Consensus asked whether it may be voted for, and was not yet answered. */
  asked: boolean;
  learning: boolean;
}

/** A block that is final, or about to be. */
export interface Committed {
  readonly block: Block;
  readonly executed: Executed;
}
