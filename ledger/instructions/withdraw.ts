/** `withdraw`: a party leaves a settlement while not every required consent is there, or takes back its change; that ends it. */
import type { Instruction } from '../../protocol/instruction.js';
import type { PayloadOf } from '../../protocol/payload.js';
import type { InstructionDigest } from '../../protocol/types.js';
import type { ResultCode } from '../codes.js';
import { type Change, endOf, isAgreed, type Settlement } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { screen } from '../rights.js';
import { isParty } from '../settlement/outline.js';
import { resolve, resolveAll, stale, wait, waitingFor } from '../settlement/waiting.js';
import { judgeWithdrawal } from '../succession/change.js';

/** Ends an open settlement at the wish of one of its parties, a suspended one too, or a change at its initiator's. */
export function withdraw(posting: Posting, ordered: Ordered, payload: PayloadOf<'withdraw'>): void {
  const { instruction } = ordered;
  if (screen(posting, posting.at.time, ordered) !== null) return;
  const settlement = posting.settlement(payload.settlement as InstructionDigest);
  if (settlement === undefined) {
    const change = posting.change(payload.settlement as InstructionDigest);
    if (change !== undefined) return withdrawFromChange(posting, change, instruction);
    if (posting.hasEnded(payload.settlement as InstructionDigest))
      return posting.conclude(instruction, 'settlement_closed');
    return wait(posting, ordered, payload);
  }
  const code = judge(posting, settlement, payload.initiator);
  posting.conclude(instruction, code);
  if (code === 'withdrawn') end(posting, settlement);
}

/** Heeds the withdrawals that waited for what this block registered; they came before those of this block. */
export function withdrawalsThatWaited(posting: Posting): void {
  for (const settlement of [...posting.fresh.values()]) {
    let ended = false;
    for (const item of waitingFor(posting, settlement.digest, 'withdraw')) {
      const code = stale(posting, item) ?? (ended ? 'settlement_closed' : judge(posting, settlement, item.initiator));
      resolve(posting, settlement.digest, item, code);
      if (code !== 'withdrawn') continue;
      ended = true;
      posting.end(settlement, 'withdrawn');
    }
    if (ended) resolveAll(posting, settlement.digest);
  }
}

function withdrawFromChange(posting: Posting, change: Change, instruction: Instruction): void {
  const code = judgeWithdrawal(posting, change, instruction.payload.initiator);
  posting.conclude(instruction, code);
  if (code !== 'withdrawn') return;
  posting.endChange(change, 'withdrawn');
  resolveAll(posting, change.digest);
}

function end(posting: Posting, settlement: Settlement): void {
  posting.end(settlement, 'withdrawn');
  resolveAll(posting, settlement.digest);
}

function judge(posting: Posting, settlement: Settlement, party: string): ResultCode {
  if (posting.at.time > endOf(settlement)) return 'settlement_closed';
  if (!isParty(settlement, party)) return 'not_a_party';
  return isAgreed(settlement) ? 'already_bound' : 'withdrawn';
}
