/** What is signed, as JSON: the parts that bundles, restart statements and surveys have in common. */
import { type Static, Type } from 'typebox';
import { fromBase64url, toBase64url } from './base64url.js';
import { VALIDATORS_MAX } from './limits.js';
import { BicText } from './payload.js';
import type { Certificate, ValidatorIndex } from './types.js';

type Signatures = Certificate['signatures'];

const strict = { additionalProperties: false } as const;

export const HashText = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'lower-case hex of 32 bytes' });
/** An epoch, a view, a height. */
export const NumberText = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const SignatureSchema = Type.Object(
  {
    signer: Type.Integer({
      minimum: 0,
      maximum: VALIDATORS_MAX - 1,
      description: 'place in the set of validators, from 0',
    }),
    signature: Type.String({ pattern: '^[A-Za-z0-9_-]{86}$', description: 'base64url of an Ed25519 signature' }),
  },
  strict,
);
export const SignaturesSchema = Type.Array(SignatureSchema, {
  minItems: 1,
  maxItems: VALIDATORS_MAX,
  description: 'by signer, ascending',
});
/** Those of a new set over its hand-over, which come a moment after it. */
export const StatementsSchema = Type.Array(SignatureSchema, {
  minItems: 0,
  maxItems: VALIDATORS_MAX,
  description: 'by signer, ascending',
});
export type SignaturesText = Static<typeof SignaturesSchema>;

export const ValidatorsSchema = Type.Array(
  Type.Object({ party: BicText, voteKey: HashText, networkKey: HashText }, strict),
  { minItems: 1, maxItems: VALIDATORS_MAX },
);

export const encodeSignatures = (signatures: Signatures): SignaturesText =>
  signatures.map(({ signer, signature }) => ({ signer, signature: toBase64url(signature) }));

/** Null when one is not strict base64url. */
export function readSignatures(written: SignaturesText): Signatures | null {
  const read = [];
  for (const { signer, signature } of written) {
    const bytes = fromBase64url(signature);
    if (bytes === null) return null;
    read.push({ signer: signer as ValidatorIndex, signature: bytes });
  }
  return read;
}
