/** What an ordered instruction comes to, and what a settlement does: the result codes of the ledger. */
import { assert } from '../protocol/types.js';

/**
 * Codes that stand in receipts, in order of precedence: where several apply to one instruction, the first is its result.
 * SPEC.md gives each its sentence. The ends that nothing stands against (settled and the like) come last.
 */
export const RESULT_CODES = [
  'unknown_asset',
  'unknown_party',
  'party_suspended',
  'forbidden',
  'not_a_party',
  'settlement_closed',
  'unknown_change',
  'not_queued',
  'consent_not_required',
  'already_consented',
  'already_bound',
  'irrevocable',
  'already_ready',
  'already_waiting',
  'too_many_waiting',
  'change_pending',
  'change_empty',
  'party_exists',
  'asset_code_reserved',
  'asset_not_iso4217',
  'asset_fixed_member',
  'amount_precision',
  'amount_too_large',
  'part_gone',
  'value_date_closed',
  'cap_below_circulating',
  'possession_unproven',
  'key_taken',
  'too_many_keys',
  'unknown_key',
  'key_in_use',
  'threshold_out_of_reach',
  'lapsed',
  'too_many_open',
  'queue_full',
  'insufficient_funds',
  'cap_exceeded',
  'proposed',
  'approved',
  'waiting',
  'scheduled',
  'queued',
  'part_settled',
  'amended',
  'unmatched',
  'withdrawn',
  'cancelled',
  'part_lapsed',
  'part_cancelled',
  'displaced',
  'consented',
  'cancel_agreed',
  'ready',
  'applied',
  'settled',
] as const;
export type ResultCode = (typeof RESULT_CODES)[number];

/** Why an ordered item leaves no trace: no record, no receipt, its id not used up. In order of precedence. */
export const SILENT_CODES = [
  'wrong_network',
  'repeat',
  'duplicate_id',
  'expired',
  'not_yet_valid',
  'initiator_signature_missing',
  'authority_signature_missing',
] as const;
export type SilentCode = (typeof SILENT_CODES)[number];

/** `open`: a later block gives another receipt under the same digest. `final`: this was the last. */
export type Finality = 'open' | 'final';
const OPEN: ReadonlySet<ResultCode> = new Set([
  'proposed',
  'approved',
  'waiting',
  'scheduled',
  'queued',
  'part_settled',
  'amended',
]);
export const isOpen = (code: ResultCode): boolean => OPEN.has(code);
export const finalityOf = (code: ResultCode): Finality => (isOpen(code) ? 'open' : 'final');

const EFFECTIVE: readonly ResultCode[] = [
  'settled',
  'applied',
  'consented',
  'ready',
  'withdrawn',
  'cancelled',
  'part_cancelled',
  'cancel_agreed',
];
/** Whether the code says that what was asked has happened. A final code that is not one of these is a refusal or a lapse. */
export const isEffective = (code: ResultCode): boolean => EFFECTIVE.includes(code);

/** The byte of a code in receipts and records. A number is never given to another code, so that old receipts keep their meaning. */
export const CODE_BYTES = {
  settled: 1,
  applied: 2,
  consented: 3,
  withdrawn: 4,
  lapsed: 5,
  unmatched: 6,
  proposed: 7,
  waiting: 8,
  approved: 9,
  ready: 10,
  displaced: 11,
  // 16 was not_yet_valid, before that left no trace; 17 was cancel_until_out_of_range, before dates were judged with the form.
  unknown_asset: 18,
  unknown_party: 19,
  party_suspended: 20,
  forbidden: 21,
  not_a_party: 22,
  settlement_closed: 23,
  consent_not_required: 24,
  already_consented: 25,
  already_waiting: 26,
  too_many_waiting: 27,
  party_exists: 28,
  asset_code_reserved: 29,
  asset_not_iso4217: 30,
  asset_fixed_member: 31,
  amount_precision: 32,
  amount_too_large: 33,
  cap_below_circulating: 34,
  possession_unproven: 35,
  key_taken: 36,
  too_many_keys: 37,
  unknown_key: 38,
  threshold_out_of_reach: 39,
  too_many_open: 40,
  insufficient_funds: 41,
  cap_exceeded: 42,
  unknown_change: 43,
  already_ready: 44,
  change_pending: 45,
  change_empty: 46,
  key_in_use: 47,
  scheduled: 48,
  queued: 49,
  cancelled: 50,
  cancel_agreed: 51,
  not_queued: 52,
  already_bound: 53,
  irrevocable: 54,
  queue_full: 55,
  part_settled: 56,
  value_date_closed: 57,
  part_lapsed: 58,
  part_cancelled: 59,
  part_gone: 70,
  amended: 71,
} as const satisfies Record<ResultCode, number>;

const CODE_OF_BYTE = new Map<number, ResultCode>(RESULT_CODES.map((code) => [CODE_BYTES[code], code]));
assert(CODE_OF_BYTE.size === RESULT_CODES.length, 'each code has a byte of its own');

export const codeOfByte = (byte: number): ResultCode | undefined => CODE_OF_BYTE.get(byte);
