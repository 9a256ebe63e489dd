/** Bugs in the queue and in what ends its settlements. */
import type { Edit, Mutant } from './mutant.js';

const inNetting = (find: string, replace: string): Edit => ({ file: 'ledger/queue/netting.ts', find, replace });
const inPass = (find: string, replace: string): Edit => ({ file: 'ledger/queue/pass.ts', find, replace });
const inBook = (find: string, replace: string): Edit => ({ file: 'ledger/queue/book.ts', find, replace });
const inPosting = (find: string, replace: string): Edit => ({ file: 'ledger/posting.ts', find, replace });
const inHours = (find: string, replace: string): Edit => ({ file: 'ledger/settlement/hours.ts', find, replace });
const inLimits = (find: string, replace: string): Edit => ({ file: 'ledger/queue/limits.ts', find, replace });
const inOffer = (find: string, replace: string): Edit => ({ file: 'ledger/queue/offer.ts', find, replace });
const inCancel = (find: string, replace: string): Edit => ({ file: 'ledger/instructions/cancel.ts', find, replace });

export const QUEUE_MUTANTS: readonly Mutant[] = [
  {
    name: 'short_account_overlooked',
    breaks: 'what settles together leaves no account below its floor: what goes takes its credits with it',
    edits: [inNetting('        this.#short.add(account);\n        if', '        if')],
  },
  {
    name: 'less_urgent_stays',
    breaks: 'in a pass nothing settles that is less urgent to who pays than what does not',
    edits: [inNetting('if (!this.#mustWaitFor(debits, behind, movement)) return;', 'if (movement >= 0) return;')],
  },
  {
    name: 'passed_alone',
    breaks: 'by itself, too, nothing settles before what is more urgent to who pays',
    edits: [inNetting('if (this.#mustWaitFor(debits, at, debits.movements[debits.head] as number)) return true;', '')],
  },
  {
    name: 'strict_order_ignored',
    breaks: 'in strict order nothing passes what is as urgent',
    edits: [inNetting('others === own && other < movement', 'others === own && other < 0')],
  },
  {
    name: 'passed_when_bound',
    breaks: 'a new settlement does not pass what is more urgent and waits',
    edits: [inBook('heads.filter((head) => head < own)', 'heads.filter((head) => head < own.slice(0, -99))')],
  },
  {
    name: 'priority_of_one_for_all',
    breaks: 'a priority is one in the accounts of who gave it',
    edits: [inBook('.find((given) => given.party === party)', '.at(0)')],
  },
  {
    name: 'reservations_ignored',
    breaks: 'what is kept for what is more urgent stays in the account',
    edits: [inPass('if (tier === 0) return 0n;', 'if (tier < 3) return 0n;')],
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
        find: 'if (net > 0n && state.queue.isDebited(name)) state.queue.stir();',
        replace: '',
      },
    ],
  },
  {
    name: 'settled_before_its_time',
    breaks: 'nothing settles before its `notBefore`',
    edits: [inPass('settlement.terms.notBefore <= at.time &&', 'settlement.terms.notBefore <= at.time + 3_000 &&')],
  },
  {
    name: 'cancelled_alone_late',
    breaks: 'past `cancelUntil` no party cancels alone what is bound',
    edits: [inCancel('time <= terms.cancelUntil', 'time <= terms.settleBy')],
  },
  {
    name: 'cancelled_without_the_last',
    breaks: 'until `cutoff` all parties must have agreed',
    edits: [inCancel('hasLeft(from) && hasLeft(to)', 'hasLeft(from) || hasLeft(to)')],
  },
  {
    name: 'moved_by_anyone',
    breaks: 'only who pays says how urgent a settlement is, in its own queue',
    edits: [
      {
        file: 'ledger/instructions/reprioritise.ts',
        find: "if (!allLegs(settlement).some(({ from }) => from === payload.initiator)) return 'forbidden';",
        replace: '',
      },
    ],
  },
  {
    name: 'order_lost_when_due',
    breaks: 'what is due, or bound, passes nothing as urgent in strict order',
    edits: [inPass('isBehind(settlement, movement, liquidity.isFifo)', 'isBehind(settlement, movement, false)')],
  },
  {
    name: 'part_left_alone',
    breaks: 'once a part has settled no party leaves alone',
    edits: [inPosting('const cancelUntil = (this.at.time - 1) as TimestampMs;', 'const cancelUntil = settleBy;')],
  },
  {
    name: 'part_lost',
    breaks: 'each part follows the one before it',
    edits: [inPosting('settlement.linked.slice(1)', 'settlement.linked.slice(2)')],
  },
  {
    name: 'part_told_as_the_whole',
    breaks: 'what ends after a part has settled is told as that',
    edits: [inPosting('settlement.partsSettled === 0 ? code', 'settlement.partsSettled >= 0 ? code')],
  },
  {
    name: 'payers_of_the_first_part',
    breaks: 'nobody pays in any part without having consented',
    edits: [
      {
        file: 'ledger/settlement/outline.ts',
        find: 'of allLegs({ legs, linked, amends: null })) parties',
        replace: 'of legs) parties',
      },
    ],
  },
  {
    name: 'limit_overlooked',
    breaks: 'what is queued goes no further than a net sender limit',
    edits: [inPass('net < 0n && headroom + net < 0n', 'net < 0n && headroom + net < net')],
  },
  {
    name: 'limit_not_counted',
    breaks: 'what is sent counts in the limits of who sends it',
    edits: [inLimits('counted(limit.sent - claim.net)', 'counted(limit.sent)')],
  },
  {
    name: 'lot_left_whole',
    breaks: 'a lot that has settled is not there to settle again',
    edits: [
      {
        file: 'ledger/settlement/bundle.ts',
        find: '(leg.amount - (lot[at] as BoundLeg).amount)',
        replace: 'leg.amount',
      },
    ],
  },
  {
    name: 'lot_passes',
    breaks: 'no lot settles before what is more urgent to who pays',
    edits: [inNetting('!this.#isFunded(item, lots) || this.#isBehind(item)', '!this.#isFunded(item, lots)')],
  },
  {
    name: 'offer_of_anyone',
    breaks: 'only a validator or a solver makes offers',
    edits: [inOffer("if (!isValidator && party?.solver !== true) return 'forbidden';", '')],
  },
  {
    name: 'offer_not_funded',
    breaks: 'what an offer settles leaves every account what it must',
    edits: [inOffer('!isUsed || sum >= kept', '!isUsed || sum >= -1_000_000n')],
  },
  {
    name: 'offer_passes',
    breaks: 'no offer settles anything before what is more urgent to who pays',
    edits: [inOffer(' && passesNothing(state, remaining)', '')],
  },
  {
    name: 'hours_of_one_asset',
    breaks: 'a value date has the hours that all assets of its legs have in common',
    edits: [inHours('common = common === null ? own : meeting(common, own);', 'common = own;')],
  },
  {
    name: 'holiday_ignored',
    breaks: 'a value date is a business day of all assets of its legs',
    edits: [inHours('if (own === undefined) return null;', 'if (own === undefined) continue;')],
  },
];
