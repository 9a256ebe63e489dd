/** What the write that makes blocks final puts down: their records and receipts, what they changed of state and ids, and ends that no receipt tells. */
import { packReceipts } from '../../ledger/receipt.js';
import type { BlockHeader, Certificate, InstructionDigest, ValidatorIndex } from '../../protocol/types.js';
import type { Operation, Store } from '../ports.js';
import type { Committed } from './block.js';
import { isPastMemory, placeWithoutTrace } from './ends.js';
import { getPlace, putBlock, putPlace, putReceipts } from './records.js';

/** All that these blocks changed, oldest first. The certificate is the last one's, with the closing blocks after it; null where a restart makes it final. */
export const operationsOf = (
  blocks: readonly Committed[],
  certificate: Certificate | null,
  closing: readonly BlockHeader[],
): Operation[] =>
  blocks.flatMap((committed, i) =>
    i < blocks.length - 1 ? ofBlock(committed, null, []) : ofBlock(committed, certificate, closing),
  );

function ofBlock(
  { block, executed }: Committed,
  certificate: Certificate | null,
  closing: readonly BlockHeader[],
): Operation[] {
  const { header } = block;
  const { height, time } = header;
  const { receipts, receiptsRoot, stateRoot, parentRoot, root } = executed;
  const changes = executed.state.changes();
  const operations: Operation[] = [
    putBlock({ header, receiptsRoot, stateRoot, parentRoot, root, certificate, closing }),
    putReceipts(height, packReceipts(receipts)),
    ...receipts.map(({ digest }, position) => putPlace(digest, { type: 'receipt', height, time, position })),
  ];
  for (const { key, value } of changes.state) {
    operations.push(
      value === null ? { type: 'delete', table: 'state', key } : { type: 'put', table: 'state', key, value },
    );
  }
  for (const { key, value } of changes.ids) operations.push({ type: 'put', table: 'ids', key, value });
  return operations;
}

/**
 * What these blocks order without a receipt, and nothing else has given a place: its end must be told after a restart, too.
 * `isOwed` says whether this node answers for an instruction.
 */
export function endsWithoutTrace(
  blocks: readonly Committed[],
  store: Pick<Store, 'get'>,
  isOwed: (digest: InstructionDigest, lane: ValidatorIndex) => boolean,
): Operation[] {
  const told = new Set(blocks.flatMap(({ executed }) => executed.receipts.map(({ digest }) => digest)));
  const operations: Operation[] = [];
  for (const { block, executed } of blocks) {
    const { time } = block.header;
    for (const [lane, batches] of executed.lanes.entries()) {
      for (const item of batches.flatMap(({ items }) => items)) {
        if (item === null || told.has(item.instruction.digest)) continue;
        const { instruction } = item;
        // Past the ledger's memory nothing tells whether what others bring once had an outcome; for its own this node answers.
        if (isPastMemory(instruction, time) && !isOwed(instruction.digest, lane as ValidatorIndex)) continue;
        if (getPlace(store, instruction.digest) === null)
          operations.push(putPlace(instruction.digest, placeWithoutTrace(instruction, executed.state, block.header)));
      }
    }
  }
  return operations;
}
