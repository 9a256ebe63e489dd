/** Bugs in the amendment of what is still to settle. */
import type { Edit, Mutant } from './mutant.js';

const inAmendment = (find: string, replace: string): Edit => ({
  file: 'ledger/settlement/amendment.ts',
  find,
  replace,
});
const inConsent = (find: string, replace: string): Edit => ({ file: 'ledger/settlement/consent.ts', find, replace });

export const AMENDMENT_MUTANTS: readonly Mutant[] = [
  {
    name: 'amended_without_the_creditor',
    breaks: 'whoever stands in legs that are amended has consented, the creditor too',
    edits: [
      {
        file: 'ledger/settlement/outline.ts',
        find: 'parties.add(from).add(to);',
        replace: 'parties.add(from);',
      },
    ],
  },
  {
    name: 'amended_though_refused',
    breaks: 'legs are amended as the collateral moves, or not at all',
    edits: [
      inConsent(
        'if (refusal !== null) {',
        "if (refusal !== null) {\n    if (amends !== null && refusal === 'insufficient_funds') amend(posting, amends);",
      ),
    ],
  },
  {
    name: 'places_of_the_legs_before',
    breaks: 'what is amended takes the places of its new legs, of those who pay in them',
    edits: [
      inAmendment(
        '  state.closeSettlement(target);\n  state.open(next);',
        '  state.tables.settlements.set(next.digest, next);',
      ),
    ],
  },
  {
    name: 'amends_what_has_moved_on',
    breaks: 'an amendment is of one part, with the legs that its parties have seen',
    edits: [inAmendment("  if (!isAsMeant(target, amends)) return 'part_gone';\n", '')],
  },
  {
    name: 'agreed_to_leave_other_legs',
    breaks: 'who agreed to cancel before an amendment has to agree anew',
    edits: [inAmendment('priorities, leaving: [] }', 'priorities }')],
  },
];
