/** `ready`: a node that a change names says that it holds the state up to here, and will vote in the next set. */
import { fromHex } from '../../protocol/codec.js';
import { ed25519Thumbprint } from '../../protocol/instruction.js';
import type { PayloadOf } from '../../protocol/payload.js';
import type { InstructionDigest, ValidatorIndex } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import type { Change } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { screen } from '../rights.js';
import { isOver } from '../succession/change.js';

/** Counts a member as ready. It is no act of its party, so that it asks neither for the party's keys nor its standing. */
export function ready(posting: Posting, ordered: Ordered, payload: PayloadOf<'ready'>): void {
  const { instruction } = ordered;
  if (screen(posting, posting.at.time, ordered) !== null) return;
  const change = posting.change(payload.change as InstructionDigest);
  if (change === undefined || !change.approved || isOver(posting, change))
    return posting.conclude(instruction, 'unknown_change');
  const index = memberOf(change, payload.initiator, ordered.signed);
  posting.conclude(instruction, judge(change, index));
  if (index === null || change.ready.includes(index)) return;
  posting.state.tables.changes.set('', { ...change, ready: [...change.ready, index] });
}

function judge(change: Change, index: ValidatorIndex | null): ResultCode {
  if (index === null) return 'forbidden';
  return change.ready.includes(index) ? 'already_ready' : 'ready';
}

/** The place of the party in the next set, if the key that the set names for it has signed. */
function memberOf({ members }: Change, party: string, signed: Ordered['signed']): ValidatorIndex | null {
  const index = members.findIndex((member) => member.party === party);
  const member = members[index];
  if (member === undefined) return null;
  return signed.includes(ed25519Thumbprint(fromHex(member.networkKey))) ? (index as ValidatorIndex) : null;
}
