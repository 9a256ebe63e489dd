/** Each route once, as data: the server validates by it, OpenAPI shows it, the client calls by it. */
import { type Static, type TObject, Type } from 'typebox';
import { QUEUE_PAGE_ENTRIES_MAX } from '../ports.js';
import type { ProblemCode } from './problem.js';
import type { SchemaName, ValueOf } from './schemas.js';

/** Longest that one request may wait for finality, in milliseconds. */
export const WAIT_MS_MAX = 30_000;

export interface RouteDefinition {
  readonly method: 'GET' | 'POST';
  /** RFC 6570 level 1, as OpenAPI writes it: each `{name}` is a member of `params`. */
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  /** Every member is a string with a pattern, whose description completes "must be …". */
  readonly params: TObject;
  readonly query: TObject;
  readonly body: SchemaName | null;
  readonly status: 200 | 202;
  readonly answer: SchemaName;
  readonly contentType: 'application/json' | 'text/plain';
  /** Codes that are this route's own; any route may answer with those of the transport. */
  readonly problems: readonly ProblemCode[];
}

const strict = { additionalProperties: false } as const;
const NOTHING = Type.Object({}, strict);
const DIGEST = Type.Object(
  {
    digest: Type.String({
      pattern: '^[0-9a-f]{64}$',
      description: "an instruction's digest, 64 lower-case hex digits",
    }),
  },
  strict,
);
const BIC = Type.Object(
  {
    bic: Type.String({
      pattern: '^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{5}$',
      description: 'a BIC of eleven characters, in upper case',
    }),
  },
  strict,
);
const ASSET = Type.Object(
  {
    asset: Type.String({
      pattern: '^[A-Z][A-Z0-9]{2,11}(\\.[A-Z0-9]{1,11})?$',
      description: "an asset's code, as HKD",
    }),
  },
  strict,
);
const WHAT_IF = Type.Object(
  {
    asset: ASSET.properties.asset,
    amount: Type.String({
      pattern: '^(0|[1-9][0-9]{0,28})(\\.[0-9]{1,18})?$',
      description: 'a decimal number in major units without sign or leading zeros, as 5000.00',
    }),
  },
  strict,
);
const HEIGHT = Type.Object(
  {
    height: Type.String({ pattern: '^(0|[1-9][0-9]{0,14})$', description: "a block's height, a whole decimal number" }),
  },
  strict,
);
const WAIT = Type.Object(
  {
    wait: Type.Optional(
      Type.String({
        pattern: '^final$',
        description: '"final", which makes the answer wait until the outcome is final',
      }),
    ),
    timeoutMs: Type.Optional(
      Type.String({
        pattern: '^(0|[1-9][0-9]{0,3}|[12][0-9]{4}|30000)$',
        description: `a whole number of milliseconds from 0 to ${WAIT_MS_MAX}, the longest to wait (${WAIT_MS_MAX} if absent)`,
      }),
    ),
  },
  strict,
);

const after = (pattern: string, description: string) =>
  Type.Object({ after: Type.Optional(Type.String({ pattern, description })) }, strict);

const read = {
  method: 'GET',
  params: NOTHING,
  query: NOTHING,
  body: null,
  status: 200,
  contentType: 'application/json',
  problems: [],
} as const;

export const ROUTES = {
  submitInstruction: {
    ...read,
    method: 'POST',
    path: '/v1/instructions',
    summary: 'Submit a signed instruction',
    description:
      'Answers 202 once the instruction is durable on this node. The same instruction again gets the same answer; the same payload with a further valid signature adds that signature. After a refusal that is not recorded on the ledger (an unknown key, say) the payload may still take effect until its `expires`, since another node may hold it: a replacement keeps the `id`, so that only one of the two ever can.',
    body: 'Jws',
    status: 202,
    answer: 'Submitted',
    problems: [
      'malformed_json',
      'malformed_jws',
      'unknown_key',
      'bad_signature',
      'initiator_signature_missing',
      'wrong_network',
      'expired',
      'not_yet_valid',
      'duplicate_id',
      'change_pending',
      'lane_full',
      'not_ready',
    ],
  },
  getInstruction: {
    ...read,
    path: '/v1/instructions/{digest}',
    summary: 'Where an instruction stands',
    description:
      '`final` with its result code once a final block holds its outcome; `pending` before, and while a settlement waits: for consents (code `proposed`), for its time (`scheduled`, `part_settled`, `amended`), for funds (`queued`), or for its preimage (`locked`); or until what it names is ordered (`waiting`), or agreed on (`approved`). With `wait=final` the answer comes when it is final or the time is over, whichever is first: then 200 with `pending`.',
    params: DIGEST,
    query: WAIT,
    answer: 'InstructionStatus',
    problems: ['unknown_instruction', 'pruned', 'overloaded'],
  },
  getReceipt: {
    ...read,
    path: '/v1/instructions/{digest}/receipt',
    summary: 'The receipt, with its proof and certificate',
    description: 'A portable bundle that anyone checks offline with only the genesis file.',
    params: DIGEST,
    answer: 'Receipt',
    problems: ['unknown_instruction', 'pruned', 'receipt_not_ready'],
  },
  getBalances: {
    ...read,
    path: '/v1/parties/{bic}/balances',
    summary: "A party's balances",
    description: 'One entry for each asset in which the party has an account.',
    params: BIC,
    answer: 'Balances',
    problems: ['unknown_party'],
  },
  getQueue: {
    ...read,
    path: '/v1/parties/{bic}/queue',
    summary: 'What a party is bound to pay in',
    description: `Settlements that wait for their time, for funds, or for what is more urgent, in the party's own order, with what each waits for; at most ${QUEUE_PAGE_ENTRIES_MAX}. \`next\` is the \`after\` of the page that follows, or null.`,
    params: BIC,
    query: after('^[0-2]\\.(0|[1-9][0-9]{0,14})\\.[1-9][0-9]{0,9}$', 'what an earlier page gave as `next`'),
    answer: 'Queue',
    problems: ['unknown_party'],
  },
  getProposals: {
    ...read,
    path: '/v1/parties/{bic}/proposals',
    summary: 'What a party is asked to consent to',
    description: `Settlements that the party must consent to, since it is debited or stands in legs that are amended, and that lack a consent, its own or another's, by digest; at most ${QUEUE_PAGE_ENTRIES_MAX}. \`next\` is the \`after\` of the page that follows, or null.`,
    params: BIC,
    query: after('^[0-9a-f]{64}$', 'what an earlier page gave as `next`'),
    answer: 'Proposals',
    problems: ['unknown_party'],
  },
  getPositions: {
    ...read,
    path: '/v1/parties/{bic}/queue/positions',
    summary: "Where a party's accounts come to",
    description:
      'For each asset the balance, and day by day what comes in and goes out if all that is bound settles as early as it may: what is in the queue today, what is scheduled and parts that follow on the day of their `notBefore` (of a value date: when the last of its currencies opens). Days are by UTC and by the time of the last final block, since the ledger has moments and no zones; a day on which nothing moves is left out. What lacks a consent is not counted. What a lock holds is as good as paid in `outflowsOnly` and `lowest`, and still there in `balance` and `projected`; what a lock brings is not counted.',
    params: BIC,
    answer: 'Positions',
    problems: ['unknown_party'],
  },
  getTotals: {
    ...read,
    path: '/v1/parties/{bic}/queue/totals',
    summary: 'What is open for a party, and what has settled today',
    description:
      'How much is proposed, scheduled, queued, locked and in later parts, in and out, at the last final block, each apart; and what has settled on the day of that block and on the one before, by UTC. A node counts what settles from when it starts (or takes a snapshot): `fromHeight` is the first block of the day that is counted, and `whole` says whether that is all of the day so far. What is counted is exact.',
    params: BIC,
    answer: 'Totals',
    problems: ['unknown_party'],
  },
  getWhatIf: {
    ...read,
    path: '/v1/parties/{bic}/queue/what-if',
    summary: 'What more liquidity would let through',
    description: `Goes through the queue of the last final block with so much more in the party's account and without, pass after pass until nothing settles any more, and tells the difference, of what comes in lots that of which the last has settled: the party's own settlements (at most ${QUEUE_PAGE_ENTRIES_MAX} by digest), and all of them as counts and values. Nothing on the ledger changes. What the queue cannot know is left out: what settles from elsewhere, what is scheduled, where the amount would come from. A node answers one at a time, and after a long queue not at once again: then 503, with the seconds until it does in \`Retry-After\`.`,
    params: BIC,
    query: WHAT_IF,
    answer: 'WhatIf',
    problems: ['unknown_party', 'unknown_asset', 'what_if_busy'],
  },
  getCalendar: {
    ...read,
    path: '/v1/assets/{asset}/calendar',
    summary: 'The business days of an asset',
    description:
      'Days on which it settles by value date, and when on them. Any other day is closed; without a calendar (`zone` null) every day is open, all day by UTC.',
    params: ASSET,
    answer: 'Calendar',
    problems: ['unknown_asset'],
  },
  getAssets: {
    ...read,
    path: '/v1/assets',
    summary: 'Assets and what circulates of each',
    description: 'Every asset on the ledger.',
    answer: 'Assets',
  },
  getParticipants: {
    ...read,
    path: '/v1/participants',
    summary: 'Participants and their keys',
    description: 'Every party that was admitted, authorities included.',
    answer: 'Participants',
  },
  getValidators: {
    ...read,
    path: '/v1/validators',
    summary: 'Validators of the epoch',
    description: 'In the order of the set, with what this node sees of them.',
    answer: 'Validators',
  },
  getBlock: {
    ...read,
    path: '/v1/blocks/{height}',
    summary: 'A final block',
    description: 'With its receipts and instructions.',
    params: HEIGHT,
    answer: 'Block',
    problems: ['unknown_block'],
  },
  getStatus: {
    ...read,
    path: '/v1/status',
    summary: 'The node and its ledger',
    description: 'The `network` of every payload is the one shown here.',
    answer: 'Status',
  },
  getHealth: {
    ...read,
    path: '/healthz',
    summary: 'Whether the process answers',
    description: 'For a supervisor that restarts what hangs.',
    answer: 'Health',
  },
  getReady: {
    ...read,
    path: '/readyz',
    summary: 'Whether the node takes instructions',
    description: 'For a load balancer.',
    answer: 'Ready',
    problems: ['not_ready'],
  },
  getMetrics: {
    ...read,
    path: '/metrics',
    summary: 'Prometheus metrics',
    description: 'Text format.',
    answer: 'MetricsText',
    contentType: 'text/plain',
  },
  getOpenApi: {
    ...read,
    path: '/openapi.json',
    summary: 'This document',
    description: 'OpenAPI 3.1.',
    answer: 'OpenApi',
  },
} as const satisfies Record<string, RouteDefinition>;

export type OperationId = keyof typeof ROUTES;
export const OPERATION_IDS = Object.keys(ROUTES) as OperationId[];
export type ParamsOf<K extends OperationId> = Static<(typeof ROUTES)[K]['params']>;
export type QueryOf<K extends OperationId> = Static<(typeof ROUTES)[K]['query']>;
export type AnswerOf<K extends OperationId> = ValueOf<(typeof ROUTES)[K]['answer']>;

/** Path of a route with its parameters in place, percent-encoded. */
export const fillPath = (template: string, params: Readonly<Record<string, string>>): string =>
  template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
