/** Why bytes are no instruction. */

/** Every code, in order of precedence: an instruction with several faults is refused with the first. Codes are stable. */
export const INSTRUCTION_CODES = [
  // The bytes and the JWS around the payload; `pointer` goes into the JWS.
  'too_large',
  'malformed_json',
  'malformed_item',
  'malformed_jws',
  'too_many_signatures',
  'malformed_header',
  'unsupported_alg',
  'malformed_signature',
  'duplicate_signer',
  // The payload; `pointer` goes into the payload.
  'not_canonical',
  'unknown_kind',
  'malformed_payload',
  'malformed_id',
  'malformed_party',
  'malformed_asset',
  'malformed_amount',
  'malformed_time',
  'validity_too_long',
  'dates_out_of_order',
  'malformed_leg',
  'malformed_lei',
  'malformed_key',
  'weak_key',
  'duplicate_key',
  'malformed_possession',
  'malformed_threshold',
  // The list that a signature is over; `pointer` goes into the JWS.
  'malformed_list',
] as const;
export type InstructionCode = (typeof INSTRUCTION_CODES)[number];

/** `pointer` (RFC 6901) names the member, in the payload or in the JWS as the code says; `detail` is a sentence for people. */
export interface Refusal {
  readonly ok: false;
  readonly code: InstructionCode;
  readonly detail: string;
  readonly pointer: string;
}

export const refuse = (code: InstructionCode, pointer: string, detail: string): Refusal => ({
  ok: false,
  code,
  detail,
  pointer,
});
