/**
 * Refusals as they leave the API: RFC 9457 problem details, one stable `code` for each kind.
 * The map is total: a new code of the parser or of the replica's door that has no status here does not compile.
 */
import type { InstructionCode } from '../../protocol/refusal.js';
import type { AdmissionCode } from '../ports.js';

/** Refusals of the transport, and of reads. */
export type TransportCode =
  | 'malformed_request'
  | 'malformed_url'
  | 'invalid_parameter'
  | 'not_found'
  | 'unknown_instruction'
  | 'receipt_not_ready'
  | 'pruned'
  | 'unknown_party'
  | 'unknown_asset'
  | 'unknown_block'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'body_too_large'
  | 'url_too_long'
  | 'unsupported_media_type'
  | 'expectation_failed'
  | 'headers_too_large'
  | 'overloaded'
  | 'what_if_busy'
  | 'shutting_down'
  | 'internal';

export type ProblemCode = InstructionCode | AdmissionCode | TransportCode;

interface ProblemKind {
  readonly status: number;
  readonly title: string;
}

/**
 * What each code means. 400: the form of the request or of the JWS is wrong, whatever it says. 403: who signed it may not.
 * 409: it clashes with what was taken before. 422: the JWS is well formed, and its payload cannot be accepted (`not_yet_valid`: not before its `issued`).
 * 503: not now; the same request may succeed later.
 */
export const PROBLEMS = {
  too_large: { status: 413, title: 'The instruction is too large' },
  malformed_json: { status: 400, title: 'Not JSON, or not plainly written' },
  malformed_item: { status: 400, title: 'Not an encoded instruction' },
  malformed_jws: { status: 400, title: 'Not a JWS in JSON serialization' },
  too_many_signatures: { status: 400, title: 'Too many signatures' },
  malformed_header: { status: 400, title: 'The protected header is malformed' },
  unsupported_alg: { status: 400, title: 'The signature algorithm is not supported' },
  malformed_signature: { status: 400, title: 'The signature is not 64 bytes of base64url' },
  duplicate_signer: { status: 400, title: 'A key signs twice' },
  malformed_list: { status: 400, title: 'The list signature is malformed' },
  not_canonical: { status: 422, title: 'The payload is not canonical JSON (RFC 8785)' },
  unknown_kind: { status: 422, title: 'The kind of instruction is unknown' },
  malformed_payload: { status: 422, title: 'The payload has not the form of its kind' },
  malformed_id: { status: 422, title: 'The id is not a lower-case UUID' },
  malformed_party: { status: 422, title: 'A party is not a BIC of eleven characters' },
  malformed_asset: { status: 422, title: 'An asset code is malformed' },
  malformed_amount: { status: 422, title: 'An amount is malformed' },
  malformed_time: { status: 422, title: 'A time is malformed' },
  validity_too_long: { status: 422, title: 'The payload is valid for longer than allowed' },
  dates_out_of_order: { status: 422, title: 'The dates of a settlement are out of order' },
  malformed_leg: { status: 422, title: 'A leg is malformed' },
  malformed_lei: { status: 422, title: 'The LEI is malformed' },
  malformed_key: { status: 422, title: 'A public key is malformed' },
  weak_key: { status: 422, title: 'A public key is weak' },
  duplicate_key: { status: 422, title: 'A public key is there twice' },
  malformed_possession: { status: 422, title: 'A proof of possession is malformed' },
  malformed_threshold: { status: 422, title: 'The threshold is malformed' },
  unknown_key: { status: 403, title: 'A signing key is not registered' },
  bad_signature: { status: 403, title: 'A signature does not verify' },
  initiator_signature_missing: { status: 403, title: "The initiator's own signature is missing" },
  wrong_network: { status: 422, title: 'The payload is for another network' },
  expired: { status: 422, title: 'The payload has expired' },
  not_yet_valid: { status: 422, title: 'The payload is issued for later' },
  duplicate_id: { status: 409, title: 'The initiator has used this id for another payload' },
  change_pending: { status: 409, title: 'Another change of validators is open' },
  lane_full: { status: 503, title: 'Too many instructions wait to be ordered' },
  not_ready: { status: 503, title: 'The node is not ready' },
  malformed_request: { status: 400, title: 'The request is malformed' },
  malformed_url: { status: 400, title: 'The URL is malformed' },
  invalid_parameter: { status: 400, title: 'A parameter is invalid' },
  not_found: { status: 404, title: 'No such path' },
  unknown_instruction: { status: 404, title: 'The instruction is not known' },
  pruned: { status: 410, title: 'This node keeps no history that old' },
  receipt_not_ready: { status: 404, title: 'There is no receipt yet' },
  unknown_asset: { status: 404, title: 'The asset is not known' },
  unknown_party: { status: 404, title: 'The party is not known' },
  unknown_block: { status: 404, title: 'The block is not known' },
  method_not_allowed: { status: 405, title: 'The path has no such method' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  body_too_large: { status: 413, title: 'The body is too large' },
  url_too_long: { status: 414, title: 'The URL is too long' },
  unsupported_media_type: { status: 415, title: 'The body is of an unsupported type' },
  expectation_failed: { status: 417, title: 'The expectation cannot be met' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  overloaded: { status: 503, title: 'Too many requests wait' },
  what_if_busy: { status: 503, title: 'The node is at another what-if, or was just now' },
  shutting_down: { status: 503, title: 'The node is stopping' },
  internal: { status: 500, title: 'The node failed to answer' },
} as const satisfies Record<ProblemCode, ProblemKind>;

/** The body of every refusal. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** RFC 6901, into the payload or the JWS, when one member is at fault. */
  readonly pointer?: string;
  /** The request at the node, to be quoted to its operator: only where the node itself is at fault. */
  readonly instance?: string;
}

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** A problem with its code's status and title; `detail` is a sentence for the person who made the request. */
export function problem(
  code: ProblemCode,
  detail: string,
  more: { readonly pointer?: string; readonly instance?: string } = {},
): Problem {
  const { status, title } = PROBLEMS[code];
  return { type: `urn:causeway:problem:${code}`, title, status, code, detail, ...more };
}
