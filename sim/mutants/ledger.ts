/** Bugs in the ledger: every node makes the same one, so only an independent reading of the rules can tell. */
import type { Edit, Mutant } from './mutant.js';

const inRights = (find: string, replace: string): Edit => ({ file: 'ledger/rights.ts', find, replace });
const inBundle = (find: string, replace: string): Edit => ({ file: 'ledger/settlement/bundle.ts', find, replace });
const inOutline = (find: string, replace: string): Edit => ({ file: 'ledger/settlement/outline.ts', find, replace });
const inConsent = (find: string, replace: string): Edit => ({ file: 'ledger/settlement/consent.ts', find, replace });
const inTriggers = (find: string, replace: string): Edit => ({ file: 'ledger/settlement/triggers.ts', find, replace });
const inApply = (find: string, replace: string): Edit => ({ file: 'ledger/apply.ts', find, replace });
const inMemory = (find: string, replace: string): Edit => ({ file: 'ledger/memory.ts', find, replace });

export const LEDGER_MUTANTS: readonly Mutant[] = [
  {
    name: 'duplicate_id_accepted',
    breaks: 'another payload under a used id has no effect',
    edits: [
      inRights('if (record !== undefined) return record', 'if (record?.digest === instruction.digest) return record'),
    ],
  },
  {
    name: 'repeat_applied',
    breaks: 'the same instruction ordered twice has its effect once',
    edits: [inRights("? 'repeat' : 'duplicate_id'", "? null : 'duplicate_id'")],
  },
  {
    name: 'expired_applied',
    breaks: 'an instruction ordered after its `expires` has no effect',
    edits: [inRights("if (time > instruction.expiresMs) return 'expired';", '')],
  },
  {
    name: 'early_applied',
    breaks: 'an instruction ordered before its `issued` has no effect',
    edits: [
      inRights("if (time < instruction.issuedMs) return 'not_yet_valid';", ''),
      // Where no more than f lie, only a broken rule of blocks brings anything early.
      {
        file: 'node/replica/chain.ts',
        find: ' && batches.every(({ dueTimeMs }) => dueTimeMs <= header.time)',
        replace: '',
      },
      { file: 'node/replica/lanes.ts', find: 'held.dueTimeMs > time || ', replace: '' },
    ],
  },
  {
    name: 'other_parties_key_counts',
    breaks: 'a party has signed only with its own keys',
    edits: [inRights('if (signerOf(state, kid) === party &&', 'if (signerOf(state, kid) !== undefined &&')],
  },
  {
    name: 'revoked_key_counts',
    breaks: 'a signature by a revoked key counts for nothing, a consent given earlier too',
    edits: [
      inRights(
        "return key === undefined || key.revoked || key.role !== 'instruction'",
        "return key === undefined || key.role !== 'instruction'",
      ),
    ],
  },
  {
    name: 'threshold_ignored',
    breaks: 'a party has signed when as many of its keys have as its threshold says',
    edits: [inRights('return count >= threshold;', 'return count >= Math.min(1, threshold);')],
  },
  {
    name: 'settled_before_all_consents',
    breaks: 'a settlement waits for the consent of every debited party',
    edits: [
      inConsent('missing(posting, settlement).length > 0) return;', 'missing(posting, settlement).length > 1) return;'),
    ],
  },
  {
    name: 'creditor_must_consent',
    breaks: 'only debited parties must consent',
    edits: [
      inOutline(
        'for (const { from } of allLegs({ legs, linked, amends: null })) parties.add(from);',
        'for (const { from, to } of allLegs({ legs, linked, amends: null })) parties.add(from).add(to);',
      ),
    ],
  },
  {
    name: 'half_a_settlement_posted',
    breaks: 'all legs of a settlement are posted or none',
    edits: [inBundle('for (const movement of movements) {', 'for (const movement of movements.slice(0, 2)) {')],
  },
  {
    name: 'funds_unchecked',
    breaks: "no account but the issuer's ends below zero",
    edits: [inBundle("return 'insufficient_funds';", 'continue;')],
  },
  {
    name: 'funds_judged_leg_by_leg',
    breaks: 'legs are simultaneous: an account is judged by what the whole bundle does to it',
    edits: [
      inOutline(
        'if (movement.party !== party || movement.asset !== asset) continue;',
        'if (movement.party !== party || movement.asset !== asset || movement.net < 0n !== amount < 0n) continue;',
      ),
    ],
  },
  {
    name: 'cap_unchecked',
    breaks: 'no more of an asset circulates than its cap',
    edits: [inBundle('overCap = true;', '')],
  },
  {
    name: 'suspended_party_settles',
    breaks: 'a settlement that a suspended party is in does not become bound',
    edits: [inConsent('if (hasSuspended(posting.state, settlement)) {', 'if (settlement.legs.length === 0) {')],
  },
  {
    name: 'anyone_withdraws',
    breaks: 'only its parties end a settlement',
    edits: [
      {
        file: 'ledger/instructions/withdraw.ts',
        find: "if (!isParty(settlement, party)) return 'not_a_party';",
        replace: "if (party.length === 0) return 'not_a_party';",
      },
    ],
  },
  {
    name: 'waiting_consents_ignored',
    breaks: 'a consent that came before its settlement counts when that comes',
    edits: [inApply('  consentsThatWaited(posting);\n', '')],
  },
  {
    name: 'first_lane_always_first',
    breaks: 'the lane that goes first moves with the height',
    edits: [inApply('lanes[(height + at) % lanes.length]', 'lanes[(0 * height + at) % lanes.length]')],
  },
  {
    name: 'lapsed_too_early',
    breaks: 'an open settlement lapses once block time is past its `cancelUntil`, not before',
    edits: [inTriggers('posting.at.time <= due.time) return;', 'posting.at.time + 1000 <= due.time) return;')],
  },
  {
    name: 'trigger_limit_ignored',
    breaks: 'a block runs a bounded number of triggers',
    edits: [inTriggers('count < TRIGGERS_PER_BLOCK_MAX;', 'count < 1000 * TRIGGERS_PER_BLOCK_MAX;')],
  },
  {
    name: 'id_forgotten_too_early',
    breaks: 'an id is remembered a day past its last use',
    edits: [inMemory('export const MEMORY_MS = 24 * HOUR_MS;', 'export const MEMORY_MS = 1 * HOUR_MS;')],
  },
  {
    name: 'bucket_forgotten_too_early',
    breaks: 'what is remembered of ids stays until their hour is over',
    edits: [
      {
        file: 'ledger/state.ts',
        find: 'time: (hour + 1) * HOUR_MS - 1, hour });',
        replace: 'time: (hour - 24) * HOUR_MS - 1, hour });',
      },
    ],
  },
  {
    name: 'ids_without_their_initiator',
    breaks: 'ids belong to their initiators: two banks may use the same',
    edits: [
      inMemory('const name = initiator + id;', 'const name: string = id;'),
      inMemory('this.#records.set(record.initiator + record.id, record);', 'this.#records.set(record.id, record);'),
    ],
  },
];
