/**
 * The portable bundle: a receipt with everything that proves it final to somebody who holds only the genesis file.
 * Nothing stands in it that its check does not cover, so whatever part is altered, it is refused.
 */
import { type Static, Type } from 'typebox';
import { fromBase64url, toBase64url } from './base64url.js';
import { resultRoot } from './block.js';
import {
  type Finalization,
  type HandOver,
  type HandOverCode,
  type HandOverTrust,
  type SignatureJudge,
  verifyCertificate,
  verifyHandOver,
} from './certificate.js';
import { fromHex, toHex } from './codec.js';
import {
  FinalizationSchema,
  HandOverSchema,
  type HandOverTextCode,
  readFinalization,
  readHandOver,
  writeFinalization,
  writeHandOver,
} from './handovertext.js';
import { concat, hashPairs, TAGS, taggedHash } from './hash.js';
import { BUNDLE_BYTES_MAX, BUNDLE_CHAIN_MAX, HANDOVERS_MAX } from './limits.js';
import type { MerklePath } from './merkle.js';
import { HashText } from './portable.js';
import { checkShape, parseShape } from './shape.js';
import {
  assert,
  type BlockId,
  type Epoch,
  type Hash,
  type NetworkId,
  type Root,
  type ValidatorIndex,
  type ValidatorSet,
  type View,
} from './types.js';

/** Steps of a path: a block's receipts number far fewer than 2^32. */
const PATH_STEPS_MAX = 32;
const RECEIPT_BYTES_MAX = 64 * 1024;

const strict = { additionalProperties: false } as const;
/** The bundle as JSON. SPEC, Certificates, says what each member is. */
export const BundleSchema = Type.Object(
  {
    format: Type.Literal('causeway-receipt/1'),
    network: HashText,
    receipt: Type.String({
      pattern: '^[A-Za-z0-9_-]+$',
      maxLength: Math.ceil((RECEIPT_BYTES_MAX * 4) / 3),
      description: "base64url of the receipt's bytes",
    }),
    path: Type.Array(
      Type.Object(
        {
          side: Type.Union([Type.Literal('left'), Type.Literal('right')], { description: 'where the sibling stands' }),
          hash: HashText,
        },
        strict,
      ),
      {
        minItems: 0,
        maxItems: PATH_STEPS_MAX,
        description: "from the receipt's leaf up to the root of its block's receipts",
      },
    ),
    block: Type.Object({ parentResultRoot: HashText, stateRoot: HashText }, strict),
    chain: Type.Array(Type.Object({ receiptsRoot: HashText, stateRoot: HashText }, strict), {
      minItems: 0,
      maxItems: BUNDLE_CHAIN_MAX,
      description: "the blocks after the receipt's, up to the certified one",
    }),
    certificate: FinalizationSchema,
    handOvers: Type.Array(HandOverSchema, {
      minItems: 0,
      maxItems: HANDOVERS_MAX,
      description: "from the genesis set to the certificate's",
    }),
  },
  { ...strict, description: 'a receipt with the proof that it is final, checked with the genesis file alone' },
);
export type Bundle = Static<typeof BundleSchema>;

export interface BundleParts {
  readonly network: NetworkId;
  /** The receipt's bytes, as its block's tree of receipts has them. */
  readonly receipt: Uint8Array;
  readonly path: MerklePath;
  /** The receipt's block. */
  readonly block: { readonly parentResultRoot: Root; readonly stateRoot: Root };
  /** The blocks after it, up to the certified one; empty when the receipt's block is certified itself. */
  readonly chain: readonly { readonly receiptsRoot: Root; readonly stateRoot: Root }[];
  readonly epoch: Epoch;
  readonly certificate: Finalization;
  /** All of them, from the genesis set to that of `epoch`. */
  readonly handOvers: readonly HandOver[];
}

/** The bundle as a JSON value. */
export function encodeBundle({
  network,
  receipt,
  path,
  block,
  chain,
  epoch,
  certificate,
  handOvers,
}: BundleParts): Bundle {
  assert(receipt.length <= RECEIPT_BYTES_MAX, 'a receipt is small');
  assert(chain.length <= BUNDLE_CHAIN_MAX, 'a certificate near the receipt is used');
  return {
    format: 'causeway-receipt/1',
    network,
    receipt: toBase64url(receipt),
    path: sidesOf(path),
    block: { parentResultRoot: block.parentResultRoot, stateRoot: block.stateRoot },
    chain: chain.map(({ receiptsRoot, stateRoot }) => ({ receiptsRoot, stateRoot })),
    certificate: writeFinalization(certificate, epoch),
    handOvers: handOvers.map(writeHandOver),
  };
}

/** A path as the sides on which its siblings stand: index and size would say more than the root binds. */
function sidesOf({ index, size, siblings }: MerklePath): Bundle['path'] {
  const steps: Bundle['path'] = [];
  for (let at = index, width = size; width > 1; at >>= 1, width = (width + 1) >> 1) {
    if ((at ^ 1) >= width) continue;
    const hash = siblings[steps.length];
    assert(hash !== undefined, 'the path is whole');
    steps.push({ side: (at & 1) === 1 ? 'left' : 'right', hash });
  }
  return steps;
}

export type BundleCode = 'wrong_network' | HandOverCode | HandOverTextCode;
export interface BundleRefusal {
  readonly ok: false;
  readonly code: BundleCode;
  readonly detail: string;
  /** The member of the bundle, as a JSON pointer (RFC 6901). */
  readonly pointer: string;
}

/** What the holder of a bundle trusts: a genesis, or a later set as a checkpoint; and how restarts are judged. */
export type BundleTrust = Omit<HandOverTrust, 'set'> & { readonly validators: ValidatorSet };

/** What a bundle proves. */
export interface Certified {
  readonly ok: true;
  /** The receipt's bytes, whose layout the ledger defines; height and time stand in them. */
  readonly receipt: Uint8Array;
  readonly receiptsRoot: Root;
  readonly stateRoot: Root;
  /** Blocks between the receipt's and the certified one, which is counted. */
  readonly blocksAfter: number;
  /** The certified block with its result root, and by whom. */
  readonly epoch: Epoch;
  readonly view: View;
  readonly block: BlockId;
  readonly root: Root;
  readonly signers: readonly ValidatorIndex[];
  readonly set: ValidatorSet;
}

/**
 * Checks a bundle, its bytes or its JSON value, against what the holder trusts: a genesis (`network`, and `validators`
 * of epoch 0), or a later set taken as a checkpoint, from which the hand-overs then go on. Refusals come in the order:
 * form, `wrong_network`, the hand-overs one by one, the certificate's `wrong_epoch` and `wrong_root`, its signatures.
 */
export function verifyBundle(input: unknown, trusted: BundleTrust, check: SignatureJudge): Certified | BundleRefusal {
  const shaped =
    input instanceof Uint8Array ? parseShape(BundleSchema, input, BUNDLE_BYTES_MAX) : checkShape(BundleSchema, input);
  if (!shaped.ok) return shaped;
  const bundle = shaped.value;
  if (bundle.network !== trusted.network)
    return refuse('wrong_network', 'the bundle is of another network than the genesis file', '/network');
  const receipt = fromBase64url(bundle.receipt);
  if (receipt === null) return refuse('malformed', 'this is not strict base64url', '/receipt');
  const reached = followHandOvers(bundle, trusted, check);
  if (!reached.ok) return reached;

  const { network } = trusted;
  const { set } = reached;
  const receiptsRoot = climb(taggedHash(TAGS.receipt, receipt), bundle.path);
  const stateRoot = bundle.block.stateRoot as Root;
  let root = resultRoot(bundle.block.parentResultRoot as Root, receiptsRoot, stateRoot);
  for (const next of bundle.chain) root = resultRoot(root, next.receiptsRoot as Root, next.stateRoot as Root);

  const finalization = readFinalization(bundle.certificate, set.epoch, '/certificate');
  if (!finalization.ok) return finalization;
  const { certificate } = finalization;
  if (certificate.ballot.root !== root)
    return refuse(
      'wrong_root',
      'the receipt, its path and the chain do not lead to the certified root',
      '/certificate/root',
    );
  const verdict = verifyCertificate(certificate, { network, set }, check);
  if (!verdict.ok) return { ...verdict, pointer: '/certificate' };
  const { view, block } = certificate.ballot;
  const signers = certificate.signatures.map(({ signer }) => signer);
  return {
    ok: true,
    receipt,
    receiptsRoot,
    stateRoot,
    blocksAfter: bundle.chain.length,
    epoch: set.epoch,
    view,
    block,
    root,
    signers,
    set,
  };
}

/** From the trusted set, over every hand-over of the bundle, to the set that signed its certificate. */
function followHandOvers(
  bundle: Bundle,
  trusted: BundleTrust,
  check: SignatureJudge,
): { readonly ok: true; readonly set: ValidatorSet } | BundleRefusal {
  let set = trusted.validators;
  for (const [at, written] of bundle.handOvers.entries()) {
    const pointer = `/handOvers/${at}`;
    const read = readHandOver(written, set.epoch, pointer);
    if (!read.ok) return read;
    const { handOver } = read;
    const verdict = verifyHandOver(handOver, { ...trusted, set }, check);
    if (!verdict.ok) return { ...verdict, pointer };
    set = handOver.set;
  }
  return { ok: true, set };
}

function climb(leaf: Hash, path: Bundle['path']): Root {
  let node = fromHex(leaf);
  for (const { side, hash } of path) {
    const sibling = fromHex(hash);
    node = hashPairs(side === 'left' ? concat(sibling, node) : concat(node, sibling));
  }
  return toHex(node) as Hash & Root;
}

const refuse = (code: BundleCode, detail: string, pointer: string): BundleRefusal => ({
  ok: false,
  code,
  detail,
  pointer,
});
