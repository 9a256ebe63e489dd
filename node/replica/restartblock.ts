/** The block with which a restarted epoch begins (protocol/SPEC.md, The restart ceremony), and the write that begins it. */
import { packReceipts } from '../../ledger/receipt.js';
import { restartState } from '../../ledger/restart.js';
import type { State } from '../../ledger/state.js';
import { blockId, resultRoot } from '../../protocol/block.js';
import { type Restart, restartHeader } from '../../protocol/restart.js';
import { type BlockHeader, type Root, ZERO_HASH } from '../../protocol/types.js';
import type { Operation } from '../ports.js';
import type { Block, Executed } from './block.js';
import { type FinalPointer, putBlock, putFinal, putReceipts } from './records.js';

interface Restarted {
  readonly pointer: FinalPointer;
  readonly block: Block;
  readonly executed: Executed;
  /** What one write begins the epoch with; the state is to be committed after it. */
  readonly operations: readonly Operation[];
}

/** The block that begins the epoch over the last one, `final` here with everything before it. */
export function restarted(
  restart: Restart,
  final: { readonly header: BlockHeader; readonly state: State; readonly root: Root },
): Restarted {
  const header = restartHeader(restart, final.header.time);
  const { network, epoch, height, view } = header;
  const state = restartState(final.state, restart.set, height);
  const receiptsRoot = ZERO_HASH as string as Root;
  const root = resultRoot(final.root, receiptsRoot, state.root);
  const id = blockId(header);
  const pointer: FinalPointer = { network, epoch, height, view, block: id, root };
  const roots = { parentRoot: final.root, receiptsRoot, stateRoot: state.root, root };
  const operations: Operation[] = [
    putBlock({ header, ...roots, certificate: null, closing: [] }),
    putReceipts(height, packReceipts([])),
    ...state
      .changes()
      .state.map(
        ({ key, value }): Operation =>
          value === null ? { type: 'delete', table: 'state', key } : { type: 'put', table: 'state', key, value },
      ),
    putFinal(pointer),
  ];
  const executed: Executed = { state, receipts: [], lanes: [], settled: [], ...roots };
  const block: Block = { id, header, proposal: null, executed, wanted: true, asked: false, learning: false };
  return { pointer, block, executed, operations };
}
