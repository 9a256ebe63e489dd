/**
 * Surveys of survivors, and the statement that follows from them (SPEC, The restart ceremony). Nobody signs a survey:
 * what it claims carries the certificates that prove it, and is checked here.
 */
import { type Static, Type } from 'typebox';
import { fromBase64url, toBase64url } from './base64url.js';
import { blockId, encodeHeader, readHeader, validatorSet } from './block.js';
import {
  type Finalization,
  type HandOver,
  type HandOverCode,
  type SignatureJudge,
  verifyCertificate,
  verifyTaken,
} from './certificate.js';
import { decode, utf8 } from './codec.js';
import { HandOverSchema, type HandOverTextCode, readHandOver, writeHandOver } from './handovertext.js';
import { HANDOVERS_MAX } from './limits.js';
import {
  encodeSignatures,
  HashText,
  NumberText,
  readSignatures,
  SignaturesSchema,
  ValidatorsSchema,
} from './portable.js';
import {
  RESTART_BYTES_MAX,
  RESTART_HEADERS_MAX,
  type RestartAuthority,
  type RestartFile,
  type RestartFormCode,
  readRestart,
  statementOf,
  weakKeyRefusal,
} from './restart.js';
import { parseShape } from './shape.js';
import type {
  BlockHeader,
  BlockId,
  Certificate,
  Epoch,
  Height,
  NetworkId,
  Root,
  Validator,
  ValidatorSet,
  View,
} from './types.js';

const strict = { additionalProperties: false } as const;
const HEADER_TEXT_MAX = 8 * 1024;

const SurveySchema = Type.Object(
  {
    format: Type.Literal('causeway-survey/1'),
    network: HashText,
    epoch: NumberText,
    validators: ValidatorsSchema,
    handOvers: Type.Array(HandOverSchema, { maxItems: HANDOVERS_MAX }),
    final: Type.Object(
      {
        view: NumberText,
        height: NumberText,
        block: HashText,
        root: HashText,
        signatures: Type.Optional(SignaturesSchema),
      },
      strict,
    ),
    headers: Type.Array(Type.String({ pattern: '^[A-Za-z0-9_-]+$', maxLength: HEADER_TEXT_MAX }), {
      maxItems: 4 * RESTART_HEADERS_MAX,
    }),
    notarization: Type.Optional(
      Type.Object({ view: NumberText, block: HashText, signatures: SignaturesSchema }, strict),
    ),
    root: Type.Optional(HashText),
    restored: Type.Optional(Type.Object({ epoch: NumberText, height: NumberText }, strict)),
  },
  strict,
);

/** Where an epoch came to, as one survivor knows it. */
export interface Survey {
  readonly network: NetworkId;
  readonly set: ValidatorSet;
  /** From the genesis set to `set`; the last may lack its statements. */
  readonly handOvers: readonly HandOver[];
  /** The last final block; without a certificate where it is the one that the epoch began with, of view 0. */
  readonly final: {
    readonly view: View;
    readonly height: Height;
    readonly block: BlockId;
    readonly root: Root;
    readonly certificate: Finalization | null;
  };
  /** Of proposals after it. */
  readonly headers: readonly BlockHeader[];
  /** The highest after it. */
  readonly notarization: Certificate | null;
  /** The result root of the notarized block, or of the final one where there is none; null where it could not be executed. */
  readonly root: Root | null;
  /** Of a folder that was made from a backup, the backup's last final block: what the node signed before is not in it. */
  readonly restored: { readonly epoch: Epoch; readonly height: Height } | null;
}

/** The bytes of a survey. */
export function encodeSurvey({
  network,
  set,
  handOvers,
  final,
  headers,
  notarization,
  root,
  restored,
}: Survey): Uint8Array {
  const { view, height, block, certificate } = final;
  const written: Static<typeof SurveySchema> = {
    format: 'causeway-survey/1',
    network,
    epoch: set.epoch,
    validators: set.validators.map(({ party, voteKey, networkKey }) => ({ party, voteKey, networkKey })),
    handOvers: handOvers.map(writeHandOver),
    final: {
      view,
      height,
      block,
      root: final.root,
      ...(certificate !== null && { signatures: encodeSignatures(certificate.signatures) }),
    },
    headers: headers.map((header) => toBase64url(encodeHeader(header))),
    ...(notarization?.ballot.block != null && {
      notarization: {
        view: notarization.ballot.view,
        block: notarization.ballot.block,
        signatures: encodeSignatures(notarization.signatures),
      },
    }),
    ...(root !== null && { root }),
    ...(restored !== null && { restored: { epoch: restored.epoch, height: restored.height } }),
  };
  return utf8(`${JSON.stringify(written, null, 2)}\n`);
}

export type SurveyCode = RestartFormCode | HandOverTextCode;
export interface SurveyRefusal<Code extends string> {
  readonly ok: false;
  readonly code: Code;
  readonly detail: string;
  readonly pointer: string;
}

/** Reads a survey, by form alone. */
export function parseSurvey(
  bytes: Uint8Array,
): { readonly ok: true; readonly survey: Survey } | SurveyRefusal<SurveyCode> {
  const shaped = parseShape(SurveySchema, bytes, RESTART_BYTES_MAX);
  if (!shaped.ok) return shaped;
  const { network, epoch, validators, final, notarization, root, restored } = shaped.value;
  const handOvers: HandOver[] = [];
  for (const [at, written] of shaped.value.handOvers.entries()) {
    const read = readHandOver(written, at as Epoch, `/handOvers/${at}`);
    if (!read.ok) return read;
    handOvers.push(read.handOver);
  }
  const headers: BlockHeader[] = [];
  for (const [at, text] of shaped.value.headers.entries()) {
    const raw = fromBase64url(text);
    const header = raw === null ? null : decode(raw, readHeader);
    if (header === null) return refuse('malformed', 'this is no header', `/headers/${at}`);
    headers.push(header);
  }
  const finalized = final.signatures === undefined ? [] : readSignatures(final.signatures);
  const notarized = notarization === undefined ? [] : readSignatures(notarization.signatures);
  if (finalized === null || notarized === null) return refuse('malformed', 'a signature is not strict base64url', '');
  const at = { view: final.view as View, block: final.block as BlockId, root: final.root as Root };
  const survey: Survey = {
    network: network as NetworkId,
    set: validatorSet(epoch as Epoch, validators as unknown as readonly Validator[]),
    handOvers,
    final: {
      ...at,
      height: final.height as Height,
      certificate:
        final.signatures === undefined ? null : { ballot: { kind: 'finalize', ...at }, signatures: finalized },
    },
    headers,
    notarization:
      notarization === undefined
        ? null
        : {
            ballot: {
              kind: 'notarize',
              view: notarization.view as View,
              block: notarization.block as BlockId,
              root: null,
            },
            signatures: notarized,
          },
    root: root === undefined ? null : (root as Root),
    restored: restored === undefined ? null : { epoch: restored.epoch as Epoch, height: restored.height as Height },
  };
  return { ok: true, survey };
}

export type ProposeCode =
  | HandOverCode
  | RestartFormCode
  | 'wrong_certificate'
  | 'no_survey'
  | 'missing_header'
  | 'not_executed'
  | 'state_divergence'
  | 'restart_behind';

interface Trust {
  readonly network: NetworkId;
  /** The set of epoch 0. */
  readonly validators: ValidatorSet;
  readonly authorities: readonly RestartAuthority[];
}

/**
 * The statement that follows from surveys: in the highest epoch among them the block of the highest view that is notarized
 * or final, with `next` as the set that takes over. Nobody has signed it yet. Refuses with `no_survey`; with a survey's
 * pointer what in it is not proven (as certificates and hand-overs are refused), `missing_header` when the way from a
 * final block to the chosen one has a gap, `not_executed` when no survey has its root, `state_divergence` when they
 * differ in it, `restart_behind` when a final block is not on that way; and what is wrong with `next`.
 */
export function proposeRestart(
  surveys: readonly Survey[],
  next: readonly Validator[],
  trust: Trust,
  check: SignatureJudge,
): { readonly ok: true; readonly file: RestartFile } | SurveyRefusal<ProposeCode> {
  for (const [at, survey] of surveys.entries()) {
    const refusal = judgeSurvey(survey, trust, check);
    if (refusal !== null) return { ...refusal, pointer: `/${at}${refusal.pointer}` };
  }
  const epoch = surveys.reduce((most, { set }) => (set.epoch > most ? set.epoch : most), 0 as Epoch);
  const latest = surveys.filter(({ set }) => set.epoch === epoch);
  const [first] = latest;
  if (first === undefined) return refuse('no_survey', 'no survivor was surveyed', '');
  const base = latest.reduce((most, { final }) => (final.view > most.view ? final : most), first.final);
  const notarization = latest.reduce<Certificate | null>(
    (most, { notarization: own }) => (own !== null && own.ballot.view > (most?.ballot.view ?? base.view) ? own : most),
    null,
  );
  const way = notarization === null ? [] : wayTo(notarization, base, latest);
  if (!Array.isArray(way)) return way;
  const { view, block } = notarization?.ballot ?? base;
  const root = notarization === null ? base.root : rootOf(notarization, latest);
  if (typeof root !== 'string') return root;
  const last = {
    epoch,
    view,
    height: way.at(-1)?.height ?? base.height,
    block: block as BlockId,
    root,
  };
  const restart = {
    network: trust.network,
    set: validatorSet((epoch + 1) as Epoch, next),
    last,
    certificate: notarization ?? base.certificate,
    signatures: [],
  };
  const read = readRestart(statementOf(restart), []);
  if (!read.ok) return read;
  return weakKeyRefusal(next) ?? { ok: true, file: { restart: read.restart, headers: way } };
}

/** The headers after `base` up to the notarized block, oldest first. */
function wayTo(
  { ballot }: Certificate,
  base: Survey['final'],
  surveys: readonly Survey[],
): BlockHeader[] | SurveyRefusal<ProposeCode> {
  const known = new Map(surveys.flatMap(({ headers }) => headers.map((header) => [blockId(header), header] as const)));
  const way: BlockHeader[] = [];
  for (let at = ballot.block as BlockId; at !== base.block; ) {
    const header = known.get(at);
    if (header === undefined)
      return refuse('missing_header', `no survey has the header of ${at}: ask the other survivors`, '');
    if (header.view <= base.view || way.length >= RESTART_HEADERS_MAX)
      return refuse(
        'restart_behind',
        `the block ${base.block} is final, and the highest notarized does not extend it`,
        '',
      );
    way.unshift(header);
    at = header.parent;
  }
  return way;
}

function rootOf({ ballot }: Certificate, surveys: readonly Survey[]): Root | SurveyRefusal<ProposeCode> {
  const roots = surveys.flatMap(({ notarization, root }) =>
    notarization?.ballot.block === ballot.block && root !== null ? [root] : [],
  );
  const [first] = roots;
  if (first === undefined)
    return refuse(
      'not_executed',
      `no survey has executed the block of view ${ballot.view}: bring batches together first`,
      '',
    );
  return roots.every((root) => root === first)
    ? first
    : refuse('state_divergence', `survivors found different roots for the block of view ${ballot.view}`, '');
}

function judgeSurvey(survey: Survey, trust: Trust, check: SignatureJudge): SurveyRefusal<ProposeCode> | null {
  const { network, set, final, notarization, headers, handOvers } = survey;
  if (network !== trust.network) return refuse('wrong_network', 'the survey is of another network', '/network');
  let before = trust.validators;
  for (const [at, handOver] of handOvers.entries()) {
    const verdict = verifyTaken(handOver, { ...trust, set: before }, check);
    if (!verdict.ok) return { ...verdict, pointer: `/handOvers/${at}` };
    before = handOver.set;
  }
  if (before.digest !== set.digest)
    return refuse('unproven_set', 'the hand-overs do not lead to this set', '/validators');
  if ((final.certificate === null) !== (final.view === 0))
    return refuse('wrong_certificate', 'a final block of a view past 0 has a finalization', '/final');
  const certificates = [
    { certificate: final.certificate, pointer: '/final' },
    { certificate: notarization, pointer: '/notarization' },
  ];
  for (const { certificate, pointer } of certificates) {
    const verdict = certificate === null ? null : verifyCertificate(certificate, { network, set }, check);
    if (verdict?.ok === false) return { ...verdict, pointer };
  }
  const alien = headers.findIndex((header) => header.network !== network || header.epoch !== set.epoch);
  return alien < 0 ? null : refuse('wrong_epoch', 'this header is not of the epoch', `/headers/${alien}`);
}

const refuse = <Code extends string>(code: Code, detail: string, pointer: string): SurveyRefusal<Code> => ({
  ok: false,
  code,
  detail,
  pointer,
});
