/**
 * The genesis file: what the members of a network agree on before its first block. Its digest is the network's id,
 * which every instruction, vote and block carries, so whoever holds the file can check whatever the network certifies.
 */
import { type Static, Type } from 'typebox';
import { networkId, validatorSet } from './block.js';
import { canonicalize } from './canonical.js';
import { fromHex, toHex, utf8 } from './codec.js';
import { judgeKey, publicKeyOf } from './crypto.js';
import { GENESIS_BYTES_MAX, KEYS_PER_PARTY_MAX, SKEW_MS_MAX, TIME_SCALE_MAX, VALIDATORS_MAX } from './limits.js';
import { BicText, JwkSchema, LeiText, TimeText } from './payload.js';
import { parseShape } from './shape.js';
import type { Bic, Epoch, Jurisdiction, NetworkId, TimestampMs, Validator, ValidatorSet } from './types.js';
import { isLei, parseTime } from './values.js';

export const AUTHORITIES_MAX = 250;

const strict = { additionalProperties: false } as const;
// No control characters, which a terminal would obey, and no lone surrogates, which have no UTF-8.
const NameText = Type.String({
  pattern: '^[^\\p{Cc}\\p{Cs}]+$',
  maxLength: 140,
  description: 'a name of 1 to 140 characters',
});
const KeyText = Type.String({
  pattern: '^[0-9a-f]{64}$',
  description: 'raw Ed25519 public key, lower-case hex of 32 bytes',
});

const AuthoritySchema = Type.Object(
  {
    party: BicText,
    name: NameText,
    lei: LeiText,
    jurisdiction: Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2' }),
    threshold: Type.Integer({
      minimum: 1,
      maximum: KEYS_PER_PARTY_MAX,
      description: 'how many distinct keys must sign for it',
    }),
    keys: Type.Array(JwkSchema, { minItems: 1, maxItems: KEYS_PER_PARTY_MAX, description: 'its instruction keys' }),
  },
  strict,
);

/** The file as it is written. */
export const GenesisSchema = Type.Object(
  {
    format: Type.Literal('causeway-genesis/1'),
    name: NameText,
    created: TimeText,
    parameters: Type.Object(
      {
        skewMs: Type.Integer({
          minimum: 1,
          maximum: SKEW_MS_MAX,
          description: 'how far ahead of a voter a block may be timed, by the clocks of machines',
        }),
      },
      strict,
    ),
    test: Type.Optional(
      Type.Object(
        {
          timeScale: Type.Integer({
            minimum: 1,
            maximum: TIME_SCALE_MAX,
            description: 'how many times faster than clocks the time of this network runs',
          }),
        },
        strict,
      ),
    ),
    authorities: Type.Array(AuthoritySchema, { minItems: 1, maxItems: AUTHORITIES_MAX }),
    validators: Type.Array(Type.Object({ party: BicText, voteKey: KeyText, networkKey: KeyText }, strict), {
      minItems: 1,
      maxItems: VALIDATORS_MAX,
    }),
  },
  strict,
);
export type GenesisFile = Static<typeof GenesisSchema>;

/** A jurisdiction's authority: a participant that admits the others. */
export type Authority = Omit<GenesisFile['authorities'][number], 'party' | 'jurisdiction'> & {
  readonly party: Bic;
  readonly jurisdiction: Jurisdiction;
};

export interface Genesis {
  readonly network: NetworkId;
  readonly name: string;
  readonly created: TimestampMs;
  /** In network time, as all else that is compared with a block's: on a test network the file's, multiplied. */
  readonly parameters: { readonly skewMs: number };
  /** That this is a test network, and how much faster its time runs; null for a network of record. */
  readonly test: { readonly timeScale: number } | null;
  readonly authorities: readonly Authority[];
  /** The set of epoch 0. */
  readonly validators: ValidatorSet;
}

export type GenesisCode =
  | 'too_large'
  | 'malformed_json'
  | 'malformed'
  | 'malformed_time'
  | 'malformed_lei'
  | 'malformed_key'
  | 'weak_key'
  | 'duplicate_party'
  | 'duplicate_jurisdiction'
  | 'duplicate_key'
  | 'threshold_too_high';
export type GenesisRefusal = {
  readonly ok: false;
  readonly code: GenesisCode;
  readonly detail: string;
  readonly pointer: string;
};

/** The bytes of a genesis file, readable by people; `parseGenesis` judges them. */
export const encodeGenesis = (file: GenesisFile): Uint8Array => utf8(`${JSON.stringify(file, null, 2)}\n`);

/**
 * Reads a genesis file. The network's id is the digest of its canonical form (RFC 8785), so spacing and the order of
 * members do not count. A refusal names the member by its JSON pointer (RFC 6901).
 *
 * A validator may be any party, an authority or not. Vote keys, network keys and instruction keys are all distinct:
 * a key that serves two purposes could be made to sign for one what is meant for the other.
 */
export function parseGenesis(bytes: Uint8Array): { readonly ok: true; readonly genesis: Genesis } | GenesisRefusal {
  const shaped = parseShape(GenesisSchema, bytes, GENESIS_BYTES_MAX);
  if (!shaped.ok) return shaped;
  const file = shaped.value;
  const created = parseTime(file.created);
  if (created === null) return refuse('malformed_time', 'this day or time does not exist', '/created');
  const refusal = authoritiesRefusal(file) ?? validatorsRefusal(file) ?? keysRefusal(file);
  if (refusal !== null) return refusal;
  const genesis: Genesis = {
    network: networkId(utf8(canonicalize(file))),
    name: file.name,
    created,
    parameters: { skewMs: file.parameters.skewMs * (file.test?.timeScale ?? 1) },
    test: file.test ?? null,
    authorities: file.authorities as unknown as readonly Authority[],
    validators: validatorSet(0 as Epoch, file.validators as unknown as readonly Validator[]),
  };
  return { ok: true, genesis };
}

function authoritiesRefusal(file: GenesisFile): GenesisRefusal | null {
  const parties = new Map<string, string>();
  const jurisdictions = new Map<string, string>();
  for (const [at, authority] of file.authorities.entries()) {
    const place = `/authorities/${at}`;
    const refusal =
      repeated(parties, authority.party, `${place}/party`, 'duplicate_party') ??
      repeated(jurisdictions, authority.jurisdiction, `${place}/jurisdiction`, 'duplicate_jurisdiction');
    if (refusal !== null) return refusal;
    if (!isLei(authority.lei))
      return refuse('malformed_lei', 'the check digits of this LEI do not hold (ISO 7064, mod 97-10)', `${place}/lei`);
    if (authority.threshold > authority.keys.length) {
      return refuse(
        'threshold_too_high',
        `${authority.threshold} must sign, but it has ${authority.keys.length} keys`,
        `${place}/threshold`,
      );
    }
  }
  return null;
}

function validatorsRefusal(file: GenesisFile): GenesisRefusal | null {
  const parties = new Map<string, string>();
  for (const [at, validator] of file.validators.entries()) {
    const refusal = repeated(parties, validator.party, `/validators/${at}/party`, 'duplicate_party');
    if (refusal !== null) return refusal;
  }
  return null;
}

/** Every key of the file, whatever its role, is strong and stands in it once. */
function keysRefusal(file: GenesisFile): GenesisRefusal | null {
  const seen = new Map<string, string>();
  for (const [at, authority] of file.authorities.entries()) {
    for (const [i, jwk] of authority.keys.entries()) {
      const pointer = `/authorities/${at}/keys/${i}`;
      const read = publicKeyOf(jwk);
      if (!read.ok) return refuse(read.code, read.detail, pointer);
      const refusal = repeated(seen, toHex(read.key), pointer, 'duplicate_key');
      if (refusal !== null) return refusal;
    }
  }
  for (const [at, validator] of file.validators.entries()) {
    for (const role of ['voteKey', 'networkKey'] as const) {
      const pointer = `/validators/${at}/${role}`;
      const weak = judgeKey({ alg: 'Ed25519', key: fromHex(validator[role]) });
      if (weak !== null) return refuse(weak.code, weak.detail, pointer);
      const refusal = repeated(seen, validator[role], pointer, 'duplicate_key');
      if (refusal !== null) return refusal;
    }
  }
  return null;
}

function repeated(seen: Map<string, string>, name: string, pointer: string, code: GenesisCode): GenesisRefusal | null {
  const first = seen.get(name);
  if (first !== undefined) return refuse(code, `the same stands at ${first} already`, pointer);
  seen.set(name, pointer);
  return null;
}

const refuse = (code: GenesisCode, detail: string, pointer: string): GenesisRefusal => ({
  ok: false,
  code,
  detail,
  pointer,
});
