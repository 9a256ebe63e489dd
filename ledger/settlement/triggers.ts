/** What falls due with time: lapses, waiting that ends, and ids that are forgotten. */
import { TRIGGERS_PER_BLOCK_MAX } from '../../protocol/limits.js';
import { assert, unreachable } from '../../protocol/types.js';
import type { Due } from '../agenda.js';
import { bucketName } from '../entries.js';
import type { Posting } from '../posting.js';
import { resolve } from './waiting.js';

/**
 * Runs what is due, earliest first, at most TRIGGERS_PER_BLOCK_MAX of it. The rest runs in later blocks; nothing depends
 * on that, since every right is judged by block time.
 */
export function runTriggers(posting: Posting): void {
  for (let count = 0; count < TRIGGERS_PER_BLOCK_MAX; count++) {
    const due = posting.state.nextDue();
    if (due === null || posting.at.time <= due.time) return;
    run(posting, due);
  }
}

function run(posting: Posting, due: Due): void {
  const { state } = posting;
  switch (due.kind) {
    case 'bucket':
      state.tables.buckets.delete(bucketName(due.hour));
      state.unschedule(due);
      return;
    case 'change': {
      const change = state.openChange();
      assert(change?.digest === due.change, 'an end is due of an open change only');
      posting.endChange(change, 'lapsed');
      return;
    }
    case 'lapse': {
      const settlement = state.openSettlement(due.settlement);
      assert(settlement !== undefined, 'a lapse is due of an open settlement only');
      posting.end(settlement, 'lapsed');
      return;
    }
    case 'unmatched': {
      const item = state.tables.waiting.get(due.settlement)?.items.find(({ digest }) => digest === due.instruction);
      assert(item !== undefined, 'only what waits ends unmatched');
      resolve(posting, due.settlement, item, 'unmatched');
      return;
    }
    default:
      unreachable(due);
  }
}
