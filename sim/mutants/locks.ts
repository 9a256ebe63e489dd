/** Bugs in what is held for ledgers outside. */
import type { Edit, Mutant } from './mutant.js';

const inLock = (find: string, replace: string): Edit => ({ file: 'ledger/settlement/lock.ts', find, replace });
const inBook = (find: string, replace: string): Edit => ({ file: 'ledger/settlement/lockbook.ts', find, replace });
const inReveal = (find: string, replace: string): Edit => ({ file: 'ledger/instructions/reveal.ts', find, replace });

export const LOCK_MUTANTS: readonly Mutant[] = [
  {
    name: 'lock_holds_nothing',
    breaks: 'what is held for a lock is not available to anything else',
    edits: [{ file: 'ledger/settlement/bundle.ts', find: ' - state.locks.held(name)', replace: '' }],
  },
  {
    name: 'hold_not_given_back',
    breaks: 'what was held is free once its lock has ended',
    edits: [inBook('    this.#count(settlement, -1n);\n', '')],
  },
  {
    name: 'wrong_preimage_accepted',
    breaks: 'a lock settles by the preimage of its hash alone',
    edits: [
      inReveal(
        "return hashOf(fromHex(payload.preimage)) === settlement.lock.hash ? settlement : 'wrong_preimage';",
        'return hashOf(fromHex(payload.preimage)) === null ? settlement : settlement;',
      ),
    ],
  },
  {
    name: 'lapsed_by_one_leader',
    breaks: 'past its end a lock stays open until f + 1 proposers have had a block',
    edits: [inLock('[faultsMax(state.members().length)]', '[faultsMax(1)]')],
  },
  {
    name: 'late_reveal_refused',
    breaks: 'a preimage counts as long as its lock is open, past its end too',
    edits: [
      inReveal(
        'if (!isLocked(settlement)) return',
        'if (!isLocked(settlement) || posting.at.time > endOf(settlement)) return',
      ),
    ],
  },
  {
    name: 'lock_left_alone',
    breaks: 'nobody takes back alone what is held',
    edits: [
      {
        file: 'ledger/instructions/cancel.ts',
        find: "leaving.includes(party) ? 'already_consented' : withAll(settlement, party, leaving)",
        replace: "leaving.includes(party) ? 'already_consented' : 'cancelled'",
      },
    ],
  },
  {
    name: 'known_hash_locked',
    breaks: 'a lock whose preimage is known is refused',
    edits: [
      {
        file: 'ledger/instructions/settle.ts',
        find: 'if (lock !== null && posting.isRevealed(lock.hash))',
        replace: 'if (lock !== null && posting.isRevealed(posting.parent.parameters.network))',
      },
    ],
  },
];
