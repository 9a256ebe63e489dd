/**
 * What more liquidity would let through, asked of a running node: one question at a time, at a pace by the length of the
 * queue. On the main thread the queue is copied, which costs less than a pass; the netting runs beside it.
 */
import { type Asset, accountName } from '../../ledger/entries.js';
import { copyQueue, type QueueCopy, type WhatIfAnswer } from '../../ledger/queue/whatif.js';
import type { State } from '../../ledger/state.js';
import { WHAT_IF_MOVEMENTS_PER_MS } from '../../protocol/limits.js';
import type { AmountMinor, Bic, TimestampMs } from '../../protocol/types.js';
import { formatAmount } from '../../protocol/values.js';
import { type Clock, QUEUE_PAGE_ENTRIES_MAX, type WhatIfRunner, type WhatIfView } from '../ports.js';
import { whatIfSumsView } from './positionview.js';

interface Asked {
  readonly party: Bic;
  readonly asset: Asset;
  readonly extra: AmountMinor;
}
type Told = Omit<WhatIfView, 'height' | 'time'>;
type Answered =
  | { readonly ok: true; readonly value: Told }
  /** Another is under way, or was not long enough ago. */
  | { readonly ok: false; readonly retryAfterMs: number };

const NOTHING: WhatIfAnswer['released'] = { count: 0, ownCount: 0, own: [], ownFlows: [], values: [] };

export class WhatIfs {
  readonly #runner: WhatIfRunner;
  readonly #clock: Pick<Clock, 'elapsed'>;
  #isRunning = false;
  /** The next question is taken from then on. */
  #nextMs = 0;

  constructor(runner: WhatIfRunner, clock: Pick<Clock, 'elapsed'>) {
    this.#runner = runner;
    this.#clock = clock;
  }

  /** Over the queue of a final state, as of its block's time. */
  async ask(state: State, time: TimestampMs, asked: Asked): Promise<Answered> {
    const { party, asset, extra } = asked;
    const name = accountName(party, asset.asset);
    // Where nothing in the queue debits the account, money in it lets nothing through.
    if (!state.queue.isDebited(name))
      return { ok: true, value: told(asked, { released: NOTHING, delayed: NOTHING, isWhole: true }, [], []) };
    const nowMs = this.#clock.elapsed();
    const paceMs = Math.ceil(state.queue.queuedMovements / WHAT_IF_MOVEMENTS_PER_MS);
    if (this.#isRunning || nowMs < this.#nextMs)
      return { ok: false, retryAfterMs: Math.max(this.#nextMs - nowMs, this.#isRunning ? paceMs : 0) };
    this.#isRunning = true;
    this.#nextMs = nowMs + paceMs;
    try {
      const copy = copyQueue(state, time);
      const assets = state.assets();
      const places = new Map(assets.map((each, at) => [each.asset, at]));
      const answer = await this.#runner.run({
        queue: copy.queue,
        assets: copy.touched.map((movement) => places.get(movement.asset) as number),
        isOwn: copy.touched.map((movement) => movement.party === party),
        account: copy.touched.findIndex((movement, at) => movement.name === name && copy.queue.limiting[at] === false),
        extra,
        named: QUEUE_PAGE_ENTRIES_MAX,
      });
      return { ok: true, value: told(asked, answer, copy.settlements, assets) };
    } finally {
      this.#isRunning = false;
    }
  }
}

function told(
  { party, asset, extra }: Asked,
  { released, delayed, isWhole }: WhatIfAnswer,
  settlements: QueueCopy['settlements'],
  assets: readonly Asset[],
): Told {
  return {
    party,
    asset: asset.asset,
    amount: formatAmount(extra, asset.decimals),
    complete: isWhole,
    released: whatIfSumsView(released, settlements, assets),
    delayed: whatIfSumsView(delayed, settlements, assets),
  };
}
