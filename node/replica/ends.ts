/** What became of an instruction that no receipt here tells of: what the index says of it instead. */
import { type IdRecord, MEMORY_MS } from '../../ledger/memory.js';
import { recordAgainst } from '../../ledger/rights.js';
import type { State } from '../../ledger/state.js';
import type { Instruction } from '../../protocol/instruction.js';
import type { BlockHeader, TimestampMs } from '../../protocol/types.js';
import type { Place } from './records.js';

export const rememberedAs = ({ code, height, time }: Pick<IdRecord, 'code' | 'height' | 'time'>): Place => ({
  type: 'remembered',
  code,
  height,
  time,
});

/**
 * The place of an instruction that left no receipt, seen from a final block: its own outcome, if the ledger remembers one;
 * that its id is another's, if that came before it expired and is for as long as it could count; else that it ends when it
 * expires. So long after that the ledger would remember nothing, it may have had an outcome all the same, which this node
 * never saw or has forgotten.
 */
export function placeWithoutTrace(
  instruction: Pick<Instruction, 'digest' | 'payload' | 'expiresMs'>,
  state: Pick<State, 'record'>,
  { height, time }: Pick<BlockHeader, 'height' | 'time'>,
): Place {
  if (isPastMemory(instruction, time)) return { type: 'before', height, time };
  const { digest, payload, expiresMs } = instruction;
  const record = recordAgainst(state, time, payload);
  if (record?.digest === digest) return rememberedAs(record);
  if (record !== undefined && record.since <= expiresMs && record.until >= expiresMs) {
    // Of what has been open for long the ledger keeps no record, and so no height.
    const isKept = record.height > 0;
    return { type: 'taken', height: isKept ? record.height : height, time: isKept ? record.time : time };
  }
  return { type: 'dropped', expires: expiresMs };
}

/** Whether the ledger would no longer remember an outcome: that it has none tells nothing then. */
export const isPastMemory = ({ expiresMs }: Pick<Instruction, 'expiresMs'>, time: TimestampMs): boolean =>
  time > expiresMs + MEMORY_MS;
