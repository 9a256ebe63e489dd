/** Finalizations and hand-overs as JSON: closed schemas, and a reader that refuses with a pointer to the member. */
import { type Static, Type } from 'typebox';
import { validatorSet } from './block.js';
import { type Finalization, type HandOver, restartHandOver } from './certificate.js';
import {
  encodeSignatures,
  HashText,
  NumberText,
  readSignatures,
  SignaturesSchema,
  StatementsSchema,
  ValidatorsSchema,
} from './portable.js';
import {
  encodeRestartSignatures,
  type RestartFormCode,
  RestartSignaturesSchema,
  RestartStatementSchema,
  readRestart,
  statementOf,
} from './restart.js';
import { STATE_DEPTH_MAX } from './stateproof.js';
import { type BlockId, type Epoch, type Hash, type Root, unreachable, type Validator, type View } from './types.js';

const strict = { additionalProperties: false } as const;

export const FinalizationSchema = Type.Object(
  { epoch: NumberText, view: NumberText, block: HashText, root: HashText, signatures: SignaturesSchema },
  strict,
);
export type FinalizationText = Static<typeof FinalizationSchema>;

const ChangeSchema = Type.Object(
  {
    kind: Type.Literal('change'),
    epoch: NumberText,
    set: ValidatorsSchema,
    block: HashText,
    finalization: FinalizationSchema,
    opening: Type.Object({ parentResultRoot: HashText, receiptsRoot: HashText, stateRoot: HashText }, strict),
    siblings: Type.Array(HashText, { minItems: 0, maxItems: STATE_DEPTH_MAX }),
    statements: StatementsSchema,
  },
  strict,
);
const RestartSchema = Type.Object(
  {
    kind: Type.Literal('restart'),
    statement: RestartStatementSchema,
    signatures: RestartSignaturesSchema,
    statements: StatementsSchema,
  },
  strict,
);
export const HandOverSchema = Type.Union([ChangeSchema, RestartSchema]);
export type HandOverText = Static<typeof HandOverSchema>;

export const writeFinalization = (
  { ballot: { view, block, root }, signatures }: Finalization,
  epoch: number,
): FinalizationText => ({ epoch, view, block, root, signatures: encodeSignatures(signatures) });

export function writeHandOver(handOver: HandOver): HandOverText {
  const statements = encodeSignatures(handOver.statements);
  switch (handOver.kind) {
    case 'change': {
      const { set, block, finalization, opening, siblings } = handOver;
      return {
        kind: 'change',
        epoch: set.epoch,
        set: set.validators.map(({ party, voteKey, networkKey }) => ({ party, voteKey, networkKey })),
        block,
        finalization: writeFinalization(finalization, set.epoch - 1),
        opening: { ...opening },
        siblings: [...siblings],
        statements,
      };
    }
    case 'restart': {
      const { restart } = handOver;
      const signatures = encodeRestartSignatures(restart.signatures);
      return { kind: 'restart', statement: statementOf(restart), signatures, statements };
    }
    default:
      return unreachable(handOver);
  }
}

export type HandOverTextCode = RestartFormCode | 'wrong_epoch';
export interface TextRefusal {
  readonly ok: false;
  readonly code: HandOverTextCode;
  readonly detail: string;
  readonly pointer: string;
}

/** A hand-over from the epoch `from`, whose shape was checked. Its signatures are not checked yet. */
export function readHandOver(
  written: HandOverText,
  from: Epoch,
  pointer: string,
): { readonly ok: true; readonly handOver: HandOver } | TextRefusal {
  const statements = readSignatures(written.statements);
  if (statements === null) return refuse('malformed', 'a signature is not strict base64url', `${pointer}/statements`);
  switch (written.kind) {
    case 'change': {
      const finalization = readFinalization(written.finalization, from, `${pointer}/finalization`);
      if (!finalization.ok) return finalization;
      const handOver: HandOver = {
        kind: 'change',
        set: validatorSet(written.epoch as Epoch, written.set as unknown as readonly Validator[]),
        block: written.block as BlockId,
        finalization: finalization.certificate,
        opening: written.opening as { parentResultRoot: Root; receiptsRoot: Root; stateRoot: Root },
        siblings: written.siblings as Hash[],
        statements,
      };
      return { ok: true, handOver };
    }
    case 'restart': {
      const read = readRestart(written.statement, written.signatures);
      return read.ok
        ? { ok: true, handOver: restartHandOver(read.restart, statements) }
        : { ...read, pointer: `${pointer}${read.pointer}` };
    }
    default:
      return unreachable(written);
  }
}

export function readFinalization(
  { epoch, view, block, root, signatures }: FinalizationText,
  expected: Epoch,
  pointer: string,
): { readonly ok: true; readonly certificate: Finalization } | TextRefusal {
  if (epoch !== expected)
    return refuse(
      'wrong_epoch',
      `this is of epoch ${epoch}, where the hand-overs lead to ${expected}`,
      `${pointer}/epoch`,
    );
  const read = readSignatures(signatures);
  if (read === null) return refuse('malformed', 'a signature is not strict base64url', `${pointer}/signatures`);
  const ballot = { kind: 'finalize', view: view as View, block: block as BlockId, root: root as Root } as const;
  return { ok: true, certificate: { ballot, signatures: read } };
}

const refuse = (code: HandOverTextCode, detail: string, pointer: string): TextRefusal => ({
  ok: false,
  code,
  detail,
  pointer,
});
