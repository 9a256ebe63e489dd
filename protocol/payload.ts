/**
 * The shapes of instruction payloads, as JSON Schema and as types: one definition for the parser, the ledger and OpenAPI.
 * A shape is judged without any state; what an instruction may do is judged by the ledger when it is ordered.
 */
import { type Static, type TObject, type TProperties, Type } from 'typebox';
import {
  AMENDED_PART_MAX,
  CALENDAR_DAYS_MAX,
  DECIMALS_MAX,
  KEYS_PER_PARTY_MAX,
  LEGS_MAX,
  LIMITS_PER_ACCOUNT_MAX,
  LINKED_MAX,
  LOTS_MAX,
  OFFER_SETTLEMENTS_MAX,
  VALIDATORS_MAX,
} from './limits.js';

const strict = <T extends TProperties>(properties: T, options: object = {}): TObject<T> =>
  Type.Object(properties, { additionalProperties: false, ...options });

const HashText = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'lower-case hex of 32 bytes' });
export const BicText = Type.String({
  pattern: '^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{5}$',
  description: 'ISO 9362 BIC of eleven characters',
});
export const LeiText = Type.String({
  pattern: '^[A-Z0-9]{18}[0-9]{2}$',
  description: 'ISO 17442 LEI; its check digits must hold',
});
export const AssetText = Type.String({
  pattern: '^[A-Z][A-Z0-9]{2,11}(\\.[A-Z0-9]{1,11})?$',
  description: 'ISO 4217 code of central bank money, or a longer code of another asset',
});
const JurisdictionText = Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2' });
const UuidText = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$',
  description: 'lower-case UUID (the UETR of ISO 20022), unique per initiator',
});
export const TimeText = Type.String({
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,3})?Z$',
  description: 'RFC 3339, UTC, at most milliseconds',
});
const AmountText = Type.String({
  pattern: '^(0|[1-9][0-9]{0,28})(\\.[0-9]{1,18})?$',
  description: "decimal in major units, at most the asset's decimals; no sign, exponent or leading zeros",
});
const ThumbprintText = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: 'RFC 7638 thumbprint' });
const Base64UrlText = (most: number) => Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength: most });
// A pattern and not a length, which JSON Schema libraries count in different units.
const NameText = Type.String({
  pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]{1,140}$',
  description: '1 to 140 characters, none of them a control',
});

const Ed25519Schema = strict({ kty: Type.Literal('OKP'), crv: Type.Literal('Ed25519'), x: Base64UrlText(43) });
/** A public key: P-256 for ES256, Ed25519 for EdDSA (RFC 7517, RFC 8037). */
export const JwkSchema = Type.Union([
  Ed25519Schema,
  strict({ kty: Type.Literal('EC'), crv: Type.Literal('P-256'), x: Base64UrlText(43), y: Base64UrlText(43) }),
]);
export type Jwk = Static<typeof JwkSchema>;

/** A key with the proof that its owner holds it: a JWS of typ `causeway-possession+json` over `{"kid","network","party"}`. */
const PossessionSchema = strict({ protected: Base64UrlText(512), signature: Base64UrlText(86) });
export const NewKeySchema = strict({ jwk: JwkSchema, possession: PossessionSchema });
export type NewKey = Static<typeof NewKeySchema>;

export const LegSchema = strict({ from: BicText, to: BicText, asset: AssetText, amount: AmountText });
export type Leg = Static<typeof LegSchema>;

/** Most urgent first: in a party's queue nothing passes what is more urgent. */
export const PRIORITIES = ['urgent', 'high', 'normal'] as const;
export type Priority = (typeof PRIORITIES)[number];
export const PrioritySchema = Type.Union([Type.Literal('urgent'), Type.Literal('high'), Type.Literal('normal')], {
  description: 'how urgent it is in the queue of who pays; by default `normal`',
});

const Legs = Type.Array(LegSchema, { minItems: 1, maxItems: LEGS_MAX });
const Reference = Type.Optional(
  Type.String({ ...HashText, description: 'salted digest of what is kept off the ledger' }),
);
const DateText = Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', description: 'ISO 8601 date' });
const ValueDate = Type.Optional(
  Type.String({
    ...DateText,
    description:
      'the business day on which it settles, within the hours common to all assets of the legs; in the place of `notBefore` and `settleBy`',
  }),
);
const timeOf = (description: string) => Type.String({ ...TimeText, description });

/** What is still to settle of another settlement, as it stands and as it is to be. */
const Amends = strict(
  {
    settlement: HashText,
    part: Type.Integer({
      minimum: 2,
      maximum: AMENDED_PART_MAX,
      description: 'the part that is next to settle, counted from one: the first settles as it was consented to',
    }),
    replaces: Type.Array(LegSchema, {
      minItems: 1,
      maxItems: LEGS_MAX,
      description: 'its legs as they stand, in their order: with others nothing happens',
    }),
    legs: Type.Array(LegSchema, { minItems: 1, maxItems: LEGS_MAX, description: 'its legs from then on' }),
  },
  {
    description:
      'legs of another settlement that are replaced as this one settles, with the consent of everyone who stands in them',
  },
);

const common = {
  network: Type.String({ ...HashText, description: 'digest of the genesis file' }),
  initiator: BicText,
  id: UuidText,
  issued: TimeText,
  expires: TimeText,
};
const NewKeys = Type.Array(NewKeySchema, { minItems: 1, maxItems: KEYS_PER_PARTY_MAX });
/** Nodes are known to each other by Ed25519 keys alone (libp2p). */
const NodeKeys = Type.Array(strict({ jwk: Ed25519Schema, possession: PossessionSchema }), {
  minItems: 1,
  maxItems: KEYS_PER_PARTY_MAX,
});
const RawKeyText = Type.String({
  pattern: '^[0-9a-f]{64}$',
  description: 'raw Ed25519 public key, lower-case hex of 32 bytes',
});

/** A member of a validator set that is asked for. */
const MemberSchema = strict({
  party: BicText,
  voteKey: RawKeyText,
  networkKey: Type.String({ ...RawKeyText, description: "a node key of the party's, lower-case hex of 32 bytes" }),
  possession: Type.Optional(
    Type.String({
      pattern: '^[0-9a-f]{128}$',
      description: 'Ed25519 signature by a new vote key over its name, lower-case hex of 64 bytes',
    }),
  ),
});
export type Member = Static<typeof MemberSchema>;
const Threshold = Type.Integer({
  minimum: 1,
  maximum: KEYS_PER_PARTY_MAX,
  description: 'how many distinct keys must sign for the party',
});

export const PAYLOAD_SCHEMAS = {
  settle: Type.Union([
    strict({
      ...common,
      kind: Type.Literal('settle'),
      mode: Type.Literal('gross', { description: 'settle at once when bound, or be refused' }),
      legs: Legs,
      cancelUntil: Type.Optional(timeOf('lacking a consent then, it lapses; by default `expires`')),
      amends: Type.Optional(Amends),
      reference: Reference,
    }),
    strict({
      ...common,
      kind: Type.Literal('settle'),
      mode: Type.Literal('lock', { description: 'hold the debits when bound, and settle when a preimage is revealed' }),
      legs: Legs,
      hash: Type.String({ ...HashText, description: 'SHA-256 of a preimage of 32 bytes' }),
      lockUntil: timeOf('not revealed then, it lapses, once enough proposers have had a block of theirs'),
      cancelUntil: Type.Optional(timeOf('lacking a consent then, it lapses; by default `expires`')),
      reference: Reference,
    }),
    strict({
      ...common,
      kind: Type.Literal('settle'),
      mode: Type.Literal('queue', { description: 'when bound, wait for its time and for funds' }),
      legs: Legs,
      priority: Type.Optional(PrioritySchema),
      notBefore: Type.Optional(timeOf('it settles then at the earliest; by default as soon as it is bound')),
      cancelUntil: Type.Optional(
        timeOf(
          'lacking a consent then, or 24 hours past `expires`, it lapses, and until then each party cancels alone; by default `expires`, or `settleBy` if that is earlier',
        ),
      ),
      cutoff: Type.Optional(
        timeOf('until then all parties together cancel, and from then on it is irrevocable; by default `cancelUntil`'),
      ),
      settleBy: Type.Optional(timeOf('unfunded then, it lapses; this or `valueDate` must be there')),
      lots: Type.Optional(
        Type.Integer({
          minimum: 2,
          maximum: LOTS_MAX,
          description:
            'so many equal lots, of which a pass may settle some: every amount must divide by it; without it the settlement is whole',
        }),
      ),
      valueDate: ValueDate,
      linked: Type.Optional(
        Type.Array(
          strict({
            legs: Legs,
            notBefore: Type.Optional(timeOf('it settles then at the earliest: later than the part before may')),
            settleBy: Type.Optional(timeOf('unfunded then, it lapses, and what has settled before stands')),
            valueDate: ValueDate,
          }),
          {
            minItems: 1,
            maxItems: LINKED_MAX,
            description: 'parts that follow, each bound with the first and due once the one before has settled',
          },
        ),
      ),
      reference: Reference,
    }),
  ]),
  consent: strict({
    ...common,
    kind: Type.Literal('consent'),
    settlement: HashText,
    terms: Type.Optional(
      Type.Array(
        strict({
          legs: Legs,
          notBefore: Type.Optional(timeOf('when it settles at the earliest')),
          settleBy: Type.Optional(timeOf('by when it settles, or is locked')),
        }),
        {
          minItems: 1,
          maxItems: 1 + LINKED_MAX,
          description: 'what the party takes the settlement to be, part by part: what differs is refused, and named',
        },
      ),
    ),
  }),
  withdraw: strict({ ...common, kind: Type.Literal('withdraw'), settlement: HashText }),
  cancel: strict({ ...common, kind: Type.Literal('cancel'), settlement: HashText }),
  reveal: strict({
    ...common,
    kind: Type.Literal('reveal'),
    settlement: HashText,
    preimage: Type.String({ ...HashText, description: 'what the lock has the SHA-256 of, lower-case hex of 32 bytes' }),
  }),
  reprioritise: strict({
    ...common,
    kind: Type.Literal('reprioritise'),
    settlement: HashText,
    priority: PrioritySchema,
  }),
  calendar: strict({
    ...common,
    kind: Type.Literal('calendar'),
    asset: AssetText,
    zone: Type.String({
      pattern: '^[A-Za-z0-9_+/(). -]{1,64}$',
      description: 'where the hours were taken from, as `Asia/Hong_Kong (tzdata 2026a)`: for people',
    }),
    days: Type.Array(
      strict({ date: DateText, open: timeOf('when settlement begins'), close: timeOf('when it ends') }),
      {
        minItems: 1,
        maxItems: CALENDAR_DAYS_MAX,
        description: 'business days, ascending: between the first and the last every other day is closed',
      },
    ),
  }),
  liquidity: strict({
    ...common,
    kind: Type.Literal('liquidity'),
    asset: AssetText,
    order: Type.Union([Type.Literal('bypass'), Type.Literal('fifo')], {
      description: 'whether what is funded passes what is as urgent and is not, in what the party pays in this asset',
    }),
    reserved: strict(
      { urgent: AmountText, high: AmountText },
      { description: 'kept for what is urgent, and besides for what is at least high: nothing less urgent takes it' },
    ),
    limits: Type.Optional(
      strict(
        {
          multilateral: Type.Optional(AmountText),
          bilateral: Type.Optional(
            Type.Array(strict({ to: BicText, amount: AmountText }), {
              minItems: 1,
              maxItems: LIMITS_PER_ACCOUNT_MAX,
              description: 'to single counterparties, ascending',
            }),
          ),
        },
        {
          description:
            'net sender limits: how much more than it receives the party sends through the queue, in all or to a counterparty, counted anew from here',
        },
      ),
    ),
  }),
  offer: strict({
    ...common,
    kind: Type.Literal('offer'),
    settlements: Type.Array(HashText, {
      minItems: 1,
      maxItems: OFFER_SETTLEMENTS_MAX,
      description: 'digests of what can settle together, each once, found by any method',
    }),
  }),
  asset: strict({
    ...common,
    kind: Type.Literal('asset'),
    asset: AssetText,
    class: Type.Union([
      Type.Literal('wcbdc'),
      Type.Literal('deposit'),
      Type.Literal('stablecoin'),
      Type.Literal('security'),
      Type.Literal('commodity'),
    ]),
    name: NameText,
    issuer: BicText,
    jurisdiction: JurisdictionText,
    decimals: Type.Integer({ minimum: 0, maximum: DECIMALS_MAX }),
    cap: Type.String({
      ...AmountText,
      description: "the most that may circulate, in major units; set by the jurisdiction's authority",
    }),
  }),
  participant: Type.Union([
    strict({
      ...common,
      kind: Type.Literal('participant'),
      action: Type.Literal('admit'),
      party: BicText,
      name: NameText,
      lei: LeiText,
      jurisdiction: JurisdictionText,
      keys: NewKeys,
      threshold: Threshold,
    }),
    strict({
      ...common,
      kind: Type.Literal('participant'),
      action: Type.Union([Type.Literal('suspend'), Type.Literal('reinstate')]),
      party: BicText,
    }),
    strict({
      ...common,
      kind: Type.Literal('participant'),
      action: Type.Literal('solver'),
      party: BicText,
      solver: Type.Boolean({ description: 'whether its offers of what can settle together are judged' }),
    }),
  ]),
  key: Type.Union([
    strict({ ...common, kind: Type.Literal('key'), action: Type.Literal('add'), party: BicText, keys: NewKeys }),
    strict({ ...common, kind: Type.Literal('key'), action: Type.Literal('node'), party: BicText, keys: NodeKeys }),
    strict({
      ...common,
      kind: Type.Literal('key'),
      action: Type.Literal('revoke'),
      party: BicText,
      kid: ThumbprintText,
    }),
    strict({
      ...common,
      kind: Type.Literal('key'),
      action: Type.Literal('threshold'),
      party: BicText,
      threshold: Threshold,
    }),
  ]),
  govern: strict({
    ...common,
    kind: Type.Literal('govern'),
    change: strict({
      type: Type.Literal('validators'),
      validators: Type.Array(MemberSchema, {
        minItems: 1,
        maxItems: VALIDATORS_MAX,
        description: 'the whole next set, in its order',
      }),
    }),
  }),
  ready: strict({
    ...common,
    kind: Type.Literal('ready'),
    change: Type.String({ ...HashText, description: 'digest of the `govern` that asks for the set' }),
  }),
} as const;

export type PayloadKind = keyof typeof PAYLOAD_SCHEMAS;
export type PayloadOf<K extends PayloadKind> = Static<(typeof PAYLOAD_SCHEMAS)[K]>;
export type Payload = { [K in PayloadKind]: PayloadOf<K> }[PayloadKind];
