/** What a node's interface shows of its final state: each answer is that of one height, and what all agreed on there. */
import type { Handlers } from '../../node/api/handlers.js';
import type { InstructionStatus } from '../../node/ports.js';
import { parseTime } from '../../protocol/values.js';
import type { Agreement } from './agreement.js';
import type { Outcomes } from './outcomes.js';
import type { Report } from './watched.js';

/** What a handler answers: a value, or a problem with its stable code. */
export type Answer<K extends keyof Handlers> = Awaited<ReturnType<Handlers[K]>>;

export class Reads {
  readonly #report: Report;
  readonly #agreement: Agreement;
  readonly #outcomes: Outcomes;

  constructor(report: Report, agreement: Agreement, outcomes: Outcomes) {
    this.#report = report;
    this.#agreement = agreement;
    this.#outcomes = outcomes;
  }

  /** Every account shown of a party at the height named is what the legs settled by then make it. */
  onBalances(node: number, party: string, answer: Answer<'getBalances'>): void {
    if (!answer.ok) {
      const { code } = answer.problem;
      if (code !== 'unknown_party') this.#report(`read: node ${node} answers ${code} for the balances of ${party}`);
      return;
    }
    const { height, balances } = answer.value;
    if (answer.value.party !== party) this.#report(`read: node ${node} shows another party than ${party}`);
    for (const { asset, balance } of balances) {
      const own = this.#outcomes.balanceAt(height, party, asset);
      if (own !== null && own !== balance)
        this.#report(
          `read: node ${node} shows ${balance} of ${asset} for ${party} at height ${height}; the legs make ${own}`,
        );
    }
  }

  /** The block of a height is the one that is final there, with its root. */
  onBlock(node: number, height: number, answer: Answer<'getBlock'>): void {
    if (answer.ok) {
      if (answer.value.height !== height) this.#report(`read: node ${node} shows another block than ${height}`);
      this.#agreement.onShown(node, answer.value);
    }
    if (!answer.ok && answer.problem.code !== 'unknown_block')
      this.#report(`read: node ${node} answers ${answer.problem.code} for block ${height}`);
  }
}

/** What an answer says of an instruction; null for one that says nothing of it. */
export function statusIn(answer: Answer<'getInstruction'>): InstructionStatus | null {
  if (!answer.ok) {
    if (answer.problem.code === 'unknown_instruction') return { status: 'unknown' };
    return answer.problem.code === 'pruned' ? { status: 'pruned', height: 0 } : null;
  }
  const { time } = answer.value;
  return { ...answer.value, time: time === null ? null : parseTime(time) } as InstructionStatus;
}
