/** `liquidity`: a party says how what it pays from an account goes through the queue, and what it keeps for what is more urgent. */
import type { PayloadOf } from '../../protocol/payload.js';
import type { ResultCode } from '../codes.js';
import { accountName, type Liquidity } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { screen } from '../rights.js';
import type { State } from '../state.js';
import { readAmount } from './settle.js';

/** Takes the place of what the party said before. Refuses with `party_suspended`, `unknown_asset` and those of amounts. */
export function liquidity(posting: Posting, ordered: Ordered, payload: PayloadOf<'liquidity'>): void {
  if (screen(posting, posting.at.time, ordered) !== null) return;
  const { state } = posting;
  const judged = judge(state, payload);
  posting.conclude(ordered.instruction, typeof judged === 'string' ? judged : 'applied');
  if (typeof judged === 'string') return;
  const name = accountName(payload.initiator, payload.asset);
  state.tables.liquidity.set(name, judged);
  if (state.queue.isDebited(name)) state.queue.stir();
}

function judge(state: State, { initiator, asset, order, reserved }: PayloadOf<'liquidity'>): Liquidity | ResultCode {
  const definition = state.asset(asset);
  if (definition === undefined) return 'unknown_asset';
  if (state.participant(initiator)?.suspended === true) return 'party_suspended';
  const urgent = readAmount(reserved.urgent, definition.decimals);
  const high = readAmount(reserved.high, definition.decimals);
  if (urgent === 'amount_precision' || high === 'amount_precision') return 'amount_precision';
  if (typeof urgent === 'string' || typeof high === 'string') return 'amount_too_large';
  return { isFifo: order === 'fifo', urgent, high };
}
