/** Lies as values: tables of what can be made wrong in a header, a certificate, an acknowledgement, an item or a frame. */
import { laneStart } from '../../protocol/block.js';
import { toHex } from '../../protocol/codec.js';
import { decodeItem, encodeItem, type Instruction, type SignatureEntry } from '../../protocol/instruction.js';
import { protectedTextOf } from '../../protocol/jws.js';
import { BLOCK_BATCHES_MAX, ITEM_BYTES_MAX } from '../../protocol/limits.js';
import {
  type BatchDigest,
  type BlockHeader,
  type BlockId,
  type Certificate,
  type Cut,
  type Epoch,
  type Hash,
  type Height,
  type LanePoint,
  type NetworkId,
  quorum,
  type TimestampMs,
  type ValidatorIndex,
  type View,
} from '../../protocol/types.js';
import type { Random } from '../random.js';

export const rubbishHash = (random: Random): Hash => toHex(random.bytes(32));

/** A time that no message of good form can pass. */
const FAR = Number.MAX_SAFE_INTEGER;
const HOUR_MS = 3_600_000;

/** Another header that is just as valid: what an equivocating leader shows the other half. */
export const rival = (header: BlockHeader, by = 1): BlockHeader => ({
  ...header,
  time: (header.time + by) as TimestampMs,
});

export type HeaderLie = (header: BlockHeader, parent: BlockHeader, random: Random) => BlockHeader;

/** One point of a cut replaced, at a lane that the seed picks. */
function repointed(header: BlockHeader, random: Random, lie: (point: LanePoint) => LanePoint): BlockHeader {
  const at = random.between(0, header.cut.length - 1);
  return { ...header, cut: header.cut.map((point, i) => (i === at ? lie(point) : point)) };
}

/** SPEC, Blocks: what a header must be over its parent. Each of these breaks one of the rules, or claims what nobody holds. */
export const HEADER_LIES = {
  time_ahead_of_skew: (header) => ({ ...header, time: (header.time + HOUR_MS) as TimestampMs }),
  time_without_end: (header) => ({ ...header, time: FAR as TimestampMs }),
  time_before_parent: (header, parent) => ({ ...header, time: Math.max(0, parent.time - 1) as TimestampMs }),
  time_of_parent: (header, parent) => ({ ...header, time: parent.time }),
  cut_backwards: (header, parent, random) => {
    const at = parent.cut.findIndex(({ number }) => number > 0);
    if (at < 0) return { ...header, cut: [] };
    const back = {
      ...(parent.cut[at] as LanePoint),
      number: random.between(0, (parent.cut[at] as LanePoint).number - 1),
    };
    return { ...header, cut: header.cut.map((point, i) => (i === at ? back : point)) };
  },
  cut_of_other_authors: (header) => ({ ...header, cut: [...header.cut.slice(1), ...header.cut.slice(0, 1)] }),
  cut_over_bounds: (header, _, random) =>
    repointed(header, random, (point) => ({
      ...point,
      number: point.number + BLOCK_BATCHES_MAX + 1,
      digest: rubbishHash(random) as BatchDigest,
    })),
  cut_without_end: (header, _, random) =>
    repointed(header, random, (point) => ({ ...point, number: FAR, digest: rubbishHash(random) as BatchDigest })),
  cut_of_what_nobody_holds: (header, _, random) =>
    repointed(header, random, (point) => ({
      ...point,
      number: point.number + 1,
      digest: rubbishHash(random) as BatchDigest,
    })),
  cut_of_another_digest: (header, parent, random) => ({
    ...header,
    cut: parent.cut.map((point) => ({ ...point, digest: rubbishHash(random) as BatchDigest })),
  }),
  cut_of_an_incarnation_to_come: (header, _, random) =>
    repointed(header, random, ({ incarnation }) => ({
      incarnation: incarnation + 1,
      number: 1,
      digest: rubbishHash(random) as BatchDigest,
    })),
  cut_of_too_few: (header) => ({ ...header, cut: header.cut.slice(1) }),
  cut_of_too_many: (header) => ({ ...header, cut: [...header.cut, laneStart(0)] }),
  height_skipped: (header) => ({ ...header, height: (header.height + 1) as Height }),
  height_of_parent: (header) => ({ ...header, height: (header.height - 1) as Height }),
  height_without_end: (header) => ({ ...header, height: FAR as Height }),
  parent_unknown: (header, _, random) => ({ ...header, parent: rubbishHash(random) as BlockId }),
  parent_of_parent: (header, parent) => ({ ...header, parent: parent.parent }),
  parent_view_before: (header) => ({ ...header, parentView: Math.max(0, header.parentView - 1) as View }),
  parent_view_of_itself: (header) => ({ ...header, parentView: header.view }),
  parent_view_to_come: (header) => ({ ...header, parentView: (header.view + 1) as View }),
} as const satisfies Record<string, HeaderLie>;

/** SPEC, Messages: a proposal of another epoch, network or leader is none, and who sends it is punished. */
export const PROPOSAL_LIES = {
  epoch_to_come: (header) => ({ ...header, epoch: (header.epoch + 1) as Epoch }),
  network_of_others: (header, _, random) => ({ ...header, network: rubbishHash(random) as NetworkId }),
  view_of_another_leader: (header) => ({ ...header, view: (header.view + 1) as View }),
  proposer_another: (header) => ({
    ...header,
    proposer: ((header.proposer + 1) % header.cut.length) as ValidatorIndex,
  }),
} as const satisfies Record<string, HeaderLie>;

/** What a forger of certificates has: a real one, and its own signature under the ballot that it would like certified. */
interface Forgery {
  readonly real: Certificate;
  readonly wanted: Certificate['ballot'];
  readonly signer: ValidatorIndex;
  readonly signature: Uint8Array;
  readonly n: number;
}
type CertificateLie = (forgery: Forgery, random: Random) => Certificate;

const everyone = (n: number): ValidatorIndex[] => Array.from({ length: n }, (_, i) => i as ValidatorIndex);

/** SPEC, Votes and certificates: signers ascend, are of the set, are a quorum, and every signature holds. */
export const CERTIFICATE_LIES = {
  padded_with_garbage: ({ wanted, signer, signature, n }, random) => ({
    ballot: wanted,
    signatures: everyone(n).map((each) => ({
      signer: each,
      signature: each === signer ? signature : random.bytes(64),
    })),
  }),
  too_few_signers: ({ real, n }) => ({ ballot: real.ballot, signatures: real.signatures.slice(0, quorum(n) - 1) }),
  nobody: ({ wanted }) => ({ ballot: wanted, signatures: [] }),
  one_signer_often: ({ wanted, signer, signature, n }) => ({
    ballot: wanted,
    signatures: everyone(n).map(() => ({ signer, signature })),
  }),
  one_signature_as_many: ({ wanted, signature, n }) => ({
    ballot: wanted,
    signatures: everyone(n).map((signer) => ({ signer, signature })),
  }),
  signers_descending: ({ real }) => ({ ballot: real.ballot, signatures: real.signatures.toReversed() }),
  a_stranger_among_them: ({ real, n }) => ({
    ballot: real.ballot,
    signatures: [...real.signatures.slice(0, -1), { signer: n as ValidatorIndex, signature: new Uint8Array(64) }],
  }),
  quorum_of_garbage: ({ wanted, n }, random) => ({
    ballot: wanted,
    signatures: everyone(quorum(n)).map((signer) => ({ signer, signature: random.bytes(64) })),
  }),
  signatures_of_another_ballot: ({ real, wanted }) => ({ ballot: wanted, signatures: real.signatures }),
} as const satisfies Record<string, CertificateLie>;

type CutLie = (cut: Cut, random: Random) => Cut;

/** SPEC, Lanes: acknowledgements are unsigned guesses, and nothing but liveness rests on them. */
export const HELD_LIES = {
  too_high: (cut, random) =>
    cut.map(({ incarnation, number }) => ({
      incarnation,
      number: number + random.between(1, 100),
      digest: rubbishHash(random) as BatchDigest,
    })),
  without_end: (cut) => cut.map((point) => ({ ...point, incarnation: 0xffff_ffff, number: FAR })),
  too_low: (cut) => cut.map(() => laneStart(0)),
  rubbish_digests: (cut, random) => cut.map((point) => ({ ...point, digest: rubbishHash(random) as BatchDigest })),
  too_few_lanes: (cut) => cut.slice(1),
  too_many_lanes: (cut) => [...cut, ...cut],
} as const satisfies Record<string, CutLie>;

type ItemLie = (item: Uint8Array, random: Random) => Uint8Array;

/** An item read, changed and written again; rubbish as it was when it was no instruction. */
function rewritten(
  item: Uint8Array,
  change: (instruction: Instruction) => Partial<Pick<Instruction, 'payloadBytes' | 'signatures'>>,
): Uint8Array {
  const read = decodeItem(item);
  if (!read.ok) return item;
  const { payloadBytes, signatures } = read.instruction;
  return encodeItem({ payloadBytes, signatures, ...change(read.instruction) });
}

const resigned = (item: Uint8Array, change: (signatures: readonly SignatureEntry[]) => SignatureEntry[]): Uint8Array =>
  rewritten(item, ({ signatures }) => ({ signatures: change(signatures) }));

/** With other words in its payload, under signatures that are not for them. */
const reworded = (item: Uint8Array, words: RegExp, others: string): Uint8Array =>
  rewritten(item, ({ payloadBytes }) => ({
    payloadBytes: new TextEncoder().encode(new TextDecoder().decode(payloadBytes).replace(words, others)),
  }));

const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

/** SPEC, In a lane: nobody vouches for what is in it, and what is wrong with an item is the item's own result. */
export const ITEM_LIES = {
  rubbish: (_, random) => random.bytes(random.between(1, 200)),
  nothing: () => new Uint8Array(0),
  largest: (_, random) => new Uint8Array(ITEM_BYTES_MAX).fill(random.between(0, 255)),
  cut_short: (item, random) => item.subarray(0, random.between(0, Math.max(0, item.length - 1))),
  one_bit_off: (item, random) => flipped(item, random.between(0, Math.max(0, item.length - 1))),
  signature_off: (item) =>
    resigned(item, (signatures) => signatures.map((each) => ({ ...each, signature: flipped(each.signature, 63) }))),
  signature_stripped: (item) => resigned(item, (signatures) => signatures.slice(1)),
  signer_twice: (item) => resigned(item, (signatures) => [...signatures, ...signatures]),
  signature_of_a_stranger: (item, random) =>
    resigned(item, (signatures) =>
      signatures.map((each) => ({
        ...each,
        protectedText: protectedTextOf({
          alg: each.alg,
          kid: each.kid.split('').reverse().join('') as typeof each.kid,
          typ: 'causeway+json',
        }),
        signature: random.bytes(64),
      })),
    ),
  list_path_wrong: (item, random) =>
    resigned(item, (signatures) =>
      signatures.map((each) => ({
        ...each,
        protectedText: protectedTextOf({ alg: each.alg, kid: each.kid, typ: 'causeway-list+json' }),
        list: { path: { index: 0, size: 2, siblings: [rubbishHash(random)] } },
      })),
    ),
  list_path_malformed: (item, random) =>
    resigned(item, (signatures) =>
      signatures.map((each) => ({
        ...each,
        protectedText: protectedTextOf({ alg: each.alg, kid: each.kid, typ: 'causeway-list+json' }),
        list: { path: { index: 7, size: 3, siblings: [rubbishHash(random)] } },
      })),
    ),
  replayed: (item) => item,
  // What its signatures are not for: mostly another instruction of the same bank, and the same with another amount, where it has one.
  id_altered: (item, random) => reworded(item, /"id":"./, `"id":"${random.between(0, 9)}`),
  amount_altered: (item, random) => reworded(item, /"amount":"/, `"amount":"${random.between(1, 9)}`),
} as const satisfies Record<string, ItemLie>;

type FrameLie = (frame: Uint8Array, random: Random) => Uint8Array;

/** SPEC, Messages: frames that are no message. */
export const FRAME_LIES = {
  random_bytes: (_, random) => random.bytes(random.between(1, 300)),
  unknown_type: (frame) => Uint8Array.of(255, ...frame.subarray(1, 100)),
  cut_short: (frame, random) => frame.subarray(0, random.between(1, Math.max(1, frame.length - 1))),
  too_long: (frame, random) => Uint8Array.of(...frame.subarray(0, 4096), ...random.bytes(random.between(1, 64))),
  another_type: (frame, random) => Uint8Array.of(random.between(0, 9), ...frame.subarray(1, 4096)),
  count_without_end: (frame, random) => {
    const at = random.between(0, Math.max(0, frame.length - 4));
    return frame.map((byte, i) => (i >= at && i < at + 4 ? 255 : byte));
  },
} as const satisfies Record<string, FrameLie>;

/** An item that is issued in another century; rubbish as it was. What it was signed for is no longer what it says. */
export const datedAhead = (item: Uint8Array): Uint8Array => reworded(item, /"(issued|expires)":"20/g, '"$1":"21');

/** The initiator of an item, or null when it is no instruction. */
export function initiatorOf(item: Uint8Array): string | null {
  const read = decodeItem(item);
  return read.ok ? read.instruction.payload.initiator : null;
}
