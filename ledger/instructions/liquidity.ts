/** `liquidity`: a party says how what it pays from an account goes through the queue, and what it keeps for what is more urgent. */
import type { PayloadOf } from '../../protocol/payload.js';
import type { AmountMinor, Bic } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { accountName, type Limits, type Liquidity } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { limitsFrom } from '../queue/limits.js';
import { screen } from '../rights.js';
import type { State } from '../state.js';
import { readAmount } from './settle.js';

/**
 * Takes the place of what the party said before, its net sender limits too, which count anew. Refuses with `unknown_asset`,
 * `unknown_party`, `party_suspended` and those of amounts.
 */
export function liquidity(posting: Posting, ordered: Ordered, payload: PayloadOf<'liquidity'>): void {
  if (screen(posting, posting.at.time, ordered) !== null) return;
  const { state } = posting;
  const judged = judge(state, payload);
  posting.conclude(ordered.instruction, typeof judged === 'string' ? judged : 'applied');
  if (typeof judged === 'string') return;
  const name = accountName(payload.initiator, payload.asset);
  state.tables.liquidity.set(name, judged.liquidity);
  if (judged.limits === null) state.tables.limits.delete(name);
  else state.tables.limits.set(name, judged.limits);
  state.queue.stir();
}

interface Said {
  readonly liquidity: Liquidity;
  readonly limits: Limits | null;
}

function judge(state: State, { initiator, asset, order, reserved, limits }: PayloadOf<'liquidity'>): Said | ResultCode {
  const definition = state.asset(asset);
  if (definition === undefined) return 'unknown_asset';
  const { multilateral, bilateral = [] } = limits ?? {};
  if (bilateral.some(({ to }) => state.participant(to) === undefined)) return 'unknown_party';
  if (state.participant(initiator)?.suspended === true) return 'party_suspended';
  const texts = [reserved.urgent, reserved.high, multilateral ?? '0', ...bilateral.map(({ amount }) => amount)];
  const amounts = texts.map((text) => readAmount(text, definition.decimals));
  if (amounts.includes('amount_precision')) return 'amount_precision';
  if (amounts.includes('amount_too_large')) return 'amount_too_large';
  const [urgent, high, all, ...each] = amounts as [AmountMinor, AmountMinor, AmountMinor, ...AmountMinor[]];
  const counterparties = bilateral.map(({ to }, at) => ({ to: to as Bic, most: each[at] as AmountMinor }));
  return {
    liquidity: { isFifo: order === 'fifo', urgent, high },
    limits: limits === undefined ? null : limitsFrom(multilateral === undefined ? null : all, counterparties),
  };
}
