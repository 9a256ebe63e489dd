/** Bugs in the queue and in what ends its settlements. */
import type { Edit, Mutant } from './mutant.js';

const inNetting = (find: string, replace: string): Edit => ({ file: 'ledger/queue/netting.ts', find, replace });
const inRun = (find: string, replace: string): Edit => ({ file: 'ledger/queue/run.ts', find, replace });
const inCancel = (find: string, replace: string): Edit => ({ file: 'ledger/instructions/cancel.ts', find, replace });

export const QUEUE_MUTANTS: readonly Mutant[] = [
  {
    name: 'short_account_overlooked',
    breaks: 'what settles together leaves no account below its floor: what goes takes its credits with it',
    edits: [inNetting('if (sum < 0n) this.#short.add(account);', '')],
  },
  {
    name: 'less_urgent_stays',
    breaks: 'in a pass nothing settles that is less urgent to who pays than what does not',
    edits: [inNetting('<= (tiers[movement] as number)) return;', '<= 1_000) return;')],
  },
  {
    name: 'passed_alone',
    breaks: 'by itself, too, nothing settles before what is more urgent to who pays',
    edits: [inNetting('< (tiers[at] as number)) return false;', '< 0) return false;')],
  },
  {
    name: 'passed_when_bound',
    breaks: 'a new settlement does not pass what is more urgent and waits',
    edits: [
      { file: 'ledger/queue/book.ts', find: 'some((count) => count > 0)', replace: 'some((count) => count > 1_000)' },
    ],
  },
  {
    name: 'last_goes',
    breaks: 'of the least urgent the last goes that alone covers what is lacking',
    edits: [inNetting('this.#itemOf[isCovered ? covers : last]', 'this.#itemOf[last]')],
  },
  {
    name: 'credits_do_not_stir',
    breaks: 'a credit to an account that the queue debits makes a pass due',
    edits: [
      {
        file: 'ledger/settlement/bundle.ts',
        find: 'if (net > 0n && state.book.isDebited(name)) state.stir();',
        replace: '',
      },
    ],
  },
  {
    name: 'settled_before_its_time',
    breaks: 'nothing settles before its `notBefore`',
    edits: [
      inRun(
        'const isDue = settlement.terms.notBefore <= at.time;',
        'const isDue = settlement.terms.notBefore <= at.time + 3_000;',
      ),
    ],
  },
  {
    name: 'cancelled_alone_late',
    breaks: 'past its first cut-off no party cancels alone',
    edits: [
      inCancel("if (time <= cancelUntil) return 'cancelled';", "if (time <= endOf(settlement)) return 'cancelled';"),
    ],
  },
  {
    name: 'cancelled_without_the_last',
    breaks: 'between the cut-offs all parties must have agreed',
    edits: [inCancel('left.includes(from) && left.includes(to)', 'left.includes(from) || left.includes(to)')],
  },
  {
    name: 'moved_by_anyone',
    breaks: 'only who pays moves a settlement, in its own queue',
    edits: [
      {
        file: 'ledger/instructions/reprioritise.ts',
        find: ".some((payer) => payer === initiator)) return 'forbidden';",
        replace: ".some((payer) => payer.length > 0)) return 'forbidden';",
      },
    ],
  },
];
