/**
 * What the API answers, as JSON Schema and as types: one definition for the handlers, OpenAPI and the client.
 * Answers may gain members in later versions, so readers ignore those they do not know; what is asked is strict.
 */
import { type Static, Type } from 'typebox';
import { TIME_SCALE_MAX } from '../../protocol/limits.js';
import { AssetText, BicText, JwkSchema, LeiText, PrioritySchema } from '../../protocol/payload.js';

const HashText = Type.String({ pattern: '^[0-9a-f]{64}$', description: '64 lower-case hex digits' });
const InstantText = Type.String({
  format: 'date-time',
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$',
  description: 'RFC 3339, UTC, milliseconds',
});
const HeightNumber = Type.Integer({ minimum: 0, description: 'height of the final block for which the answer holds' });
const IndexNumber = Type.Integer({ minimum: 0 });
const CodeText = Type.String({
  description:
    'result code; the outcomes are listed under "Result codes" at the head of the document, and new ones may be added',
});
const BalanceText = Type.String({
  pattern: '^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$',
  description: "decimal in major units, exactly the asset's decimals; only an issuer's own account goes below zero",
});
const SignedText = Type.String({
  pattern: '^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$',
  description: "decimal in major units, exactly the asset's decimals",
});
const OutputAmountText = Type.String({
  pattern: '^(0|[1-9][0-9]*)(\\.[0-9]+)?$',
  description: "decimal in major units, exactly the asset's decimals",
});
const JwsSignatureSchema = Type.Object(
  {
    protected: Type.String({
      pattern: '^[A-Za-z0-9_-]+$',
      maxLength: 342,
      description:
        'base64url of the protected header: exactly the members `alg` (ES256, EdDSA or Ed25519), `kid` (RFC 7638 thumbprint of the signing key) and `typ` (causeway+json; causeway-list+json for a signature over a list)',
    }),
    signature: Type.String({ pattern: '^[A-Za-z0-9_-]{86}$', description: 'base64url of 64 bytes' }),
    list: Type.Optional(
      Type.Object(
        {
          index: IndexNumber,
          count: Type.Integer({ minimum: 1 }),
          path: Type.Array(HashText),
        },
        { additionalProperties: false, description: 'place of this instruction in the list whose root was signed' },
      ),
    ),
  },
  { additionalProperties: false },
);

const JwsPayloadText = Type.String({
  pattern: '^[A-Za-z0-9_-]+$',
  description: 'base64url of the payload: RFC 8785 canonical JSON of one of the Payload schemas',
});

const ValidatorSchema = Type.Object({
  index: IndexNumber,
  party: BicText,
  voteKey: HashText,
  networkKey: HashText,
  self: Type.Boolean({ description: 'whether this is the node that answers' }),
  connected: Type.Boolean(),
});

const ChangeSchema = Type.Object({
  digest: HashText,
  approved: Type.Boolean({ description: 'whether a quorum of the authorities has consented' }),
  validators: Type.Array(BicText, { description: 'the whole next set, in its order' }),
  ready: Type.Array(BicText, { description: 'those of them whose nodes hold the state and will vote' }),
});

const LegsSchema = Type.Array(Type.Object({ from: BicText, to: BicText, asset: AssetText, amount: OutputAmountText }));
const TermsSchema = {
  notBefore: InstantText,
  cancelUntil: Type.String({ ...InstantText, description: 'until then each party leaves alone' }),
  cutoff: Type.String({
    ...InstantText,
    description: 'until then all parties together cancel; then it is irrevocable',
  }),
  settleBy: Type.String({ ...InstantText, description: 'unfunded then, it lapses' }),
};
const LockSchema = Type.Object({
  hash: Type.String({ ...HashText, description: 'SHA-256 of the preimage that settles it' }),
  lockUntil: Type.String({ ...InstantText, description: 'not revealed then, it lapses' }),
  leaving: Type.Array(BicText, { description: 'parties that have agreed to cancel' }),
});
const openSettlement = {
  digest: HashText,
  initiator: BicText,
  id: Type.String(),
  part: Type.Integer({
    description: 'the part that is next to settle, or of what comes in lots the lot, counted from one',
  }),
  legs: LegsSchema,
  lots: Type.Integer({ minimum: 1, description: 'the equal lots that the legs come in: one may settle before others' }),
  linked: Type.Array(Type.Object({ legs: LegsSchema, notBefore: InstantText, settleBy: InstantText }), {
    description: 'parts that follow, each once the one before has settled',
  }),
};
const DateText = Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', description: 'a day by UTC' });
const CountNumber = Type.Integer({ minimum: 0 });
const SumSchema = Type.Object({ count: CountNumber, value: OutputAmountText });
const flow = { in: SumSchema, out: SumSchema };
const SumsByAsset = Type.Array(Type.Object({ asset: AssetText, ...flow }), {
  description: 'what the party is paid and pays, in sum over the legs of each settlement',
});
const whatIfSums = (description: string) =>
  Type.Object(
    {
      own: Type.Object({
        count: CountNumber,
        assets: SumsByAsset,
        settlements: Type.Array(HashText, { description: 'the first of these by place' }),
      }),
      all: Type.Object({
        count: CountNumber,
        assets: Type.Array(Type.Object({ asset: AssetText, count: CountNumber, value: OutputAmountText })),
      }),
    },
    { description },
  );
const NextText = Type.Union([Type.String(), Type.Null()], {
  description: '`after` of the next page; null on the last',
});

export const SCHEMAS = {
  Jws: Type.Union(
    [
      Type.Object(
        { payload: JwsPayloadText, signatures: Type.Array(JwsSignatureSchema, { minItems: 1, maxItems: 16 }) },
        { additionalProperties: false, title: 'General serialization' },
      ),
      Type.Object(
        { payload: JwsPayloadText, ...JwsSignatureSchema.properties },
        { additionalProperties: false, title: 'Flattened serialization' },
      ),
    ],
    { description: 'RFC 7515, JSON serialization, general or flattened; no unprotected header' },
  ),
  Submitted: Type.Object({
    id: Type.String({ description: "the payload's id" }),
    initiator: BicText,
    digest: HashText,
    status: Type.Literal('pending', {
      description: 'durable on this node, and to be ordered; its outcome is read under its digest',
    }),
  }),
  InstructionStatus: Type.Object({
    digest: HashText,
    status: Type.Union([Type.Literal('pending'), Type.Literal('final')]),
    code: Type.Union([CodeText, Type.Null()], { description: 'null until it is ordered' }),
    height: Type.Union([HeightNumber, Type.Null()], {
      description:
        'block that gave the code; null until it is ordered, when it joins the queue at its time, and of what has been open for long',
    }),
    time: Type.Union([InstantText, Type.Null()], { description: "that block's time" }),
    missing: Type.Array(Type.String(), { description: 'parties whose consent a proposed settlement still waits for' }),
    lock: Type.Union([LockSchema, Type.Null()], {
      description:
        'of an open settlement in mode `lock`; once it has settled, its preimage is in the `reveal` of the block that settled it',
    }),
  }),
  Receipt: Type.Unsafe<object>({
    type: 'object',
    required: ['format', 'network', 'receipt', 'path', 'certificate'],
    properties: { format: { type: 'string' }, network: HashText, receipt: { type: 'string' } },
    description:
      'portable bundle: the receipt, its Merkle path, the chain of result roots and the certificate of a quorum of validators; checked offline against the genesis file with `causeway verify`',
  }),
  Balances: Type.Object({
    party: BicText,
    height: HeightNumber,
    balances: Type.Array(
      Type.Object({
        asset: AssetText,
        balance: BalanceText,
        held: Type.String({ ...OutputAmountText, description: 'of it, what is held for locks' }),
        available: Type.String({
          ...OutputAmountText,
          description: "what may be paid from it now: `balance` less `held`; of an issuer's own account, up to the cap",
        }),
      }),
    ),
  }),
  Queue: Type.Object({
    party: BicText,
    height: HeightNumber,
    entries: Type.Array(
      Type.Object({
        ...openSettlement,
        position: Type.Integer({
          minimum: 1,
          description: 'among what the party pays in, the most urgent to it first',
        }),
        stage: Type.Union([Type.Literal('scheduled'), Type.Literal('queued')], {
          description: 'waits for `notBefore`; stands in the queue',
        }),
        priority: PrioritySchema,
        ...TermsSchema,
        leaving: Type.Array(BicText, { description: 'parties that have agreed to cancel' }),
        lacking: Type.Array(Type.Object({ party: BicText, asset: AssetText, amount: OutputAmountText }), {
          description: 'what accounts lack for it to settle by itself; with others it may settle all the same',
        }),
        limited: Type.Array(
          Type.Object({
            party: BicText,
            asset: AssetText,
            to: Type.Union([BicText, Type.Null()]),
            amount: OutputAmountText,
          }),
          {
            description:
              'net sender limits that it alone would go past, by so much; `to` is null where the limit is of all that is sent',
          },
        ),
        behind: Type.Array(Type.Object({ party: BicText, asset: AssetText }), {
          description:
            'accounts that it debits, in which something waits that goes before it: more urgent or, in strict order, earlier',
        }),
      }),
    ),
    next: NextText,
  }),
  Proposals: Type.Object({
    party: BicText,
    height: HeightNumber,
    entries: Type.Array(
      Type.Object({
        ...openSettlement,
        missing: Type.Array(BicText, { description: 'whose consent it lacks' }),
        consentUntil: Type.String({ ...InstantText, description: 'until then consents count' }),
        terms: Type.Union([Type.Object(TermsSchema), Type.Null()], {
          description: 'null of one that settles, or is locked, when the last consent is there (modes `gross`, `lock`)',
        }),
        lock: Type.Union([LockSchema, Type.Null()], { description: 'of one in mode `lock`' }),
        amends: Type.Union(
          [
            Type.Object({ settlement: HashText, part: Type.Integer(), replaces: LegsSchema, legs: LegsSchema }),
            Type.Null(),
          ],
          { description: 'legs of another settlement that it replaces as it settles, and what takes their place' },
        ),
      }),
    ),
    next: NextText,
  }),
  Positions: Type.Object({
    party: BicText,
    height: HeightNumber,
    time: InstantText,
    positions: Type.Array(
      Type.Object({
        asset: AssetText,
        balance: BalanceText,
        floor: Type.String({ ...BalanceText, description: 'the least that the account may hold' }),
        days: Type.Array(
          Type.Object({
            date: DateText,
            ...flow,
            net: SignedText,
            projected: Type.String({
              ...SignedText,
              description: 'at the end of the day, if all settles that may by then',
            }),
            outflowsOnly: Type.String({ ...SignedText, description: 'the same, if only what the party pays settles' }),
          }),
        ),
        lowest: Type.String({
          ...SignedText,
          description:
            'if only what the party pays settles, in the end: below the floor, that much is lacking at most; what locks hold is as good as paid',
        }),
      }),
    ),
  }),
  Totals: Type.Object({
    party: BicText,
    height: HeightNumber,
    time: InstantText,
    unsettled: Type.Array(
      Type.Object({
        asset: AssetText,
        proposed: Type.Object(flow, { description: 'lacks a consent' }),
        scheduled: Type.Object(flow, { description: 'waits for its time' }),
        queued: Type.Object(flow, { description: 'stands in the queue' }),
        locked: Type.Object(flow, { description: 'is held, and waits for a preimage' }),
        linked: Type.Object(flow, { description: 'a later part of what is bound' }),
      }),
      { description: 'each part of a settlement counts by itself, in sum over its legs' },
    ),
    settled: Type.Array(
      Type.Object({
        date: DateText,
        fromHeight: Type.Integer({ minimum: 1, description: 'the first block of the day that is counted' }),
        whole: Type.Boolean({ description: 'whether no block of the day came before that one' }),
        assets: SumsByAsset,
      }),
      {
        description:
          'today by the time of the last final block, and the day before; a day that was not counted is absent',
      },
    ),
  }),
  WhatIf: Type.Object({
    party: BicText,
    asset: AssetText,
    amount: OutputAmountText,
    height: HeightNumber,
    time: InstantText,
    complete: Type.Boolean({ description: 'whether more passes would let nothing else through' }),
    released: whatIfSums('what settles with the amount, and not without'),
    delayed: whatIfSums('what settles without the amount, and not with it: something else goes first then'),
  }),
  Calendar: Type.Object({
    asset: AssetText,
    height: HeightNumber,
    zone: Type.Union([Type.String(), Type.Null()], {
      description: 'where the hours were taken from; null without a calendar',
    }),
    days: Type.Array(Type.Object({ date: Type.String(), open: InstantText, close: InstantText })),
  }),
  Assets: Type.Object({
    height: HeightNumber,
    assets: Type.Array(
      Type.Object({
        asset: AssetText,
        class: Type.String(),
        name: Type.String(),
        issuer: BicText,
        jurisdiction: Type.String(),
        decimals: IndexNumber,
        cap: OutputAmountText,
        circulating: OutputAmountText,
      }),
    ),
  }),
  Participants: Type.Object({
    height: HeightNumber,
    participants: Type.Array(
      Type.Object({
        party: BicText,
        name: Type.String(),
        lei: LeiText,
        jurisdiction: Type.String(),
        authority: Type.Boolean(),
        suspended: Type.Boolean(),
        solver: Type.Boolean({ description: 'whether its offers are judged, though it runs no validator' }),
        threshold: IndexNumber,
        keys: Type.Array(Type.Object({ kid: Type.String(), jwk: JwkSchema })),
      }),
    ),
  }),
  Validators: Type.Object({
    height: HeightNumber,
    epoch: IndexNumber,
    validators: Type.Array(ValidatorSchema),
  }),
  Block: Type.Object({
    height: HeightNumber,
    id: HashText,
    view: IndexNumber,
    epoch: IndexNumber,
    time: InstantText,
    parent: HashText,
    proposer: IndexNumber,
    resultRoot: HashText,
    receiptsRoot: HashText,
    stateRoot: HashText,
    receipts: Type.Array(
      Type.Object({
        digest: HashText,
        code: CodeText,
        kind: Type.String(),
        initiator: BicText,
        id: Type.String(),
      }),
    ),
    lanes: Type.Union([Type.Array(IndexNumber), Type.Null()], {
      description:
        'how many of the instructions each lane gives, in the order of the set; null where this node does not keep them, as where it began with a snapshot',
    }),
    instructions: Type.Union([Type.Array(Type.Unsafe<object>({ type: 'object' })), Type.Null()], {
      description:
        'as JWS, lane by lane: a block executes the lanes in turn, from lane height mod n on; null with `lanes`',
    }),
  }),
  Status: Type.Object({
    network: HashText,
    name: Type.String(),
    party: BicText,
    version: Type.String(),
    height: HeightNumber,
    time: Type.String({ ...InstantText, description: 'of the last final block' }),
    now: Type.String({
      ...InstantText,
      description: "the network's time by this node: date instructions by it on a test network",
    }),
    test: Type.Union([Type.Object({ timeScale: Type.Integer({ minimum: 1, maximum: TIME_SCALE_MAX }) }), Type.Null()], {
      description:
        'whether this is a test network, and how many times faster than clocks its time runs; null for a network of record',
    }),
    epoch: IndexNumber,
    view: IndexNumber,
    resultRoot: HashText,
    peers: IndexNumber,
    validators: IndexNumber,
    ready: Type.Boolean(),
    role: Type.Union([Type.Literal('validator'), Type.Literal('standby'), Type.Literal('participant')], {
      description:
        'a validator has a place in the set of the epoch; others follow: a standby has a vote key for a place in a later set, a participant has none',
    }),
    votes: Type.Boolean({ description: 'whether it votes' }),
    unfit: Type.Union([Type.String(), Type.Null()], {
      description:
        'why its vote key must never sign again, if that is so: vote_log_missing, vote_log_rolled_back, vote_mark_missing, vote_key_retired; `causeway govern` replaces such a key',
    }),
    change: Type.Union([ChangeSchema, Type.Null()], {
      description: 'the change of validators under way, if there is one',
    }),
    halted: Type.Union([Type.String(), Type.Null()], { description: 'why the node stopped taking part, if it did' }),
    evidence: Type.Integer({ minimum: 0, description: 'conflicting votes seen and kept' }),
  }),
  Health: Type.Object({ status: Type.Literal('ok') }),
  Ready: Type.Object({ status: Type.Literal('ready'), height: HeightNumber }),
  MetricsText: Type.String({ description: 'Prometheus text format' }),
  OpenApi: Type.Unsafe<object>({ type: 'object', required: ['openapi', 'info', 'paths'] }),
  Problem: Type.Object(
    {
      type: Type.String({ pattern: '^urn:causeway:problem:[a-z_]+$' }),
      title: Type.String(),
      status: Type.Integer({ minimum: 400, maximum: 599 }),
      code: Type.String({
        pattern: '^[a-z_]+$',
        description: 'stable; listed under "Refusals" at the head of the document',
      }),
      detail: Type.String({ description: 'a sentence for people; not stable' }),
      pointer: Type.Optional(
        Type.String({ description: 'RFC 6901, to the member at fault in the payload or the JWS' }),
      ),
      instance: Type.Optional(Type.String({ description: "the request, to be quoted to the node's operator" })),
    },
    { description: 'RFC 9457' },
  ),
} as const;

export type SchemaName = keyof typeof SCHEMAS;

type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;
export type ValueOf<Name extends SchemaName> = DeepReadonly<Static<(typeof SCHEMAS)[Name]>>;
