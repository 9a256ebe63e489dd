/**
 * Snapshots of a final state, for a node that is new or far behind: what is said, and what a manifest must be.
 * A manifest names a certified block and the subtrees of its state at one depth, so each chunk is checked by itself, and
 * chunks may come from whoever has the same block. The memory of ids is checked against the buckets of that state, from
 * the newest list of an hour backwards, so that each piece is checked as it comes, too.
 */
import { blockId, encodeHeader, readCertificate, readHeader, resultRoot, writeCertificate } from './block.js';
import { type CertificateCode, judgeSigners } from './certificate.js';
import { DecodeError, decode, fromHex, Reader, toHex, Writer } from './codec.js';
import { concat, hashPairs } from './hash.js';
import { FRAME_BYTES_MAX, VALIDATORS_MAX } from './limits.js';
import { pathBit, stateLeaf } from './stateproof.js';
import {
  assert,
  type BlockHeader,
  type Certificate,
  type Hash,
  type Height,
  type NetworkId,
  type Root,
  unreachable,
  type ValidatorSet,
  ZERO_HASH,
} from './types.js';

/** The deepest level at which a state is cut into chunks. */
export const SNAPSHOT_DEPTH_MAX = 14;
/** What one message carries of a chunk. */
export const CHUNK_PART_BYTES_MAX = 1024 * 1024;
/** A chunk is mostly one part; the list of a block that ended very much at once may be many. */
export const CHUNK_PARTS_MAX = 64;
/** The longest key and value of the state. */
export const ENTRY_KEY_BYTES_MAX = 256;
export const ENTRY_VALUE_BYTES_MAX = 4 * 1024 * 1024;
const HEADER_BYTES_MAX = 256 + 44 * VALIDATORS_MAX;

assert(CHUNK_PART_BYTES_MAX + 256 <= FRAME_BYTES_MAX, 'a part of a chunk fits a frame');
assert(
  2 ** SNAPSHOT_DEPTH_MAX * 65 + HEADER_BYTES_MAX + 66 * VALIDATORS_MAX + 1024 <=
    CHUNK_PARTS_MAX * CHUNK_PART_BYTES_MAX,
  'a manifest fits a chunk',
);

/** What is asked for. */
export type ChunkName =
  /** What a snapshot is made of. */
  | { readonly kind: 'manifest'; readonly height: Height }
  /** The entries of the state whose paths begin with `index`, a number of `depth` bits. */
  | { readonly kind: 'state'; readonly height: Height; readonly depth: number; readonly index: number }
  /** Lists of ids of an hour, the newest of which leads its bucket to `chain`. */
  | { readonly kind: 'ids'; readonly height: Height; readonly hour: number; readonly chain: Hash }
  /** What is stored of a final block. */
  | { readonly kind: 'record'; readonly height: Height };

export type SnapshotMessage =
  /** Who has a snapshot of this height or a later one? */
  | { readonly type: 'wantSnapshot'; readonly minHeight: Height }
  /** The sender serves the chunks of its state at this height. */
  | { readonly type: 'snapshot'; readonly height: Height }
  | { readonly type: 'wantChunk'; readonly name: ChunkName; readonly part: number }
  | {
      readonly type: 'chunk';
      readonly name: ChunkName;
      readonly part: number;
      readonly parts: number;
      readonly bytes: Uint8Array;
    };
export const SNAPSHOT_MESSAGES = ['wantSnapshot', 'snapshot', 'wantChunk', 'chunk'] as const;

/** Hours since 1970, far past any that a bucket has. */
const HOURS_END = 2 ** 40;

const KINDS = ['manifest', 'state', 'ids', 'record'] as const satisfies readonly ChunkName['kind'][];

/** The body of a message, after the byte of its type. */
export function writeSnapshotMessage(writer: Writer, message: SnapshotMessage): void {
  switch (message.type) {
    case 'wantSnapshot':
      writer.u64(message.minHeight);
      break;
    case 'snapshot':
      writer.u64(message.height);
      break;
    case 'wantChunk':
      writeName(writer, message.name);
      writer.u32(message.part);
      break;
    case 'chunk':
      writeName(writer, message.name);
      writer.u32(message.part).u32(message.parts).bytes(message.bytes);
      break;
    default:
      unreachable(message);
  }
}

/** Reads what `writeSnapshotMessage` wrote, and throws a DecodeError on anything else. */
export function readSnapshotMessage(type: SnapshotMessage['type'], reader: Reader): SnapshotMessage {
  switch (type) {
    case 'wantSnapshot':
      return { type, minHeight: reader.u64() as Height };
    case 'snapshot':
      return { type, height: reader.u64() as Height };
    case 'wantChunk':
      return { type, name: readName(reader), part: below(reader.u32(), CHUNK_PARTS_MAX) };
    case 'chunk': {
      const name = readName(reader);
      const part = below(reader.u32(), CHUNK_PARTS_MAX);
      const parts = below(reader.u32(), CHUNK_PARTS_MAX + 1);
      if (part >= parts) throw new DecodeError('a part beyond the last');
      return { type, name, part, parts, bytes: reader.bytes(CHUNK_PART_BYTES_MAX) };
    }
    default:
      return unreachable(type);
  }
}

function writeName(writer: Writer, name: ChunkName): void {
  writer.u8(KINDS.indexOf(name.kind)).u64(name.height);
  if (name.kind === 'state') writer.u8(name.depth).u32(name.index);
  else if (name.kind === 'ids') writer.u64(name.hour).hash(name.chain);
}

function readName(reader: Reader): ChunkName {
  const kind = KINDS[reader.u8()];
  const height = reader.u64() as Height;
  switch (kind) {
    case 'manifest':
    case 'record':
      return { kind, height };
    case 'state': {
      const depth = below(reader.u8(), SNAPSHOT_DEPTH_MAX + 1);
      return { kind, height, depth, index: below(reader.u32(), 2 ** depth) };
    }
    case 'ids':
      return { kind, height, hour: below(reader.u64(), HOURS_END), chain: reader.hash() };
    case undefined:
      throw new DecodeError('an unknown kind of chunk');
    default:
      return unreachable(kind);
  }
}

function below(value: number, end: number): number {
  if (value >= end) throw new DecodeError(`${value} where ${end - 1} is the most`);
  return value;
}

/** One text for one name: it keys maps. */
export function nameOfChunk(name: ChunkName): string {
  const writer = new Writer(64);
  writeName(writer, name);
  return toHex(writer.finish());
}

/** What stands under one prefix of paths. A single entry is given by what its leaf is the hash of: so no inner node passes for one. */
export type ManifestNode =
  | { readonly type: 'empty' }
  | { readonly type: 'leaf'; readonly path: Hash; readonly valueHash: Hash }
  | { readonly type: 'inner'; readonly hash: Hash };

/** A certified block, and its state cut at `depth`. */
export interface Manifest {
  readonly header: BlockHeader;
  readonly parentRoot: Root;
  readonly receiptsRoot: Root;
  readonly stateRoot: Root;
  readonly certificate: Certificate;
  readonly depth: number;
  /** 2^depth, ascending by prefix. */
  readonly nodes: readonly ManifestNode[];
}

export function encodeManifest(manifest: Manifest): Uint8Array {
  const { header, parentRoot, receiptsRoot, stateRoot, certificate, depth, nodes } = manifest;
  const writer = new Writer(1024 + 65 * nodes.length).bytes(encodeHeader(header));
  writer.hash(parentRoot).hash(receiptsRoot).hash(stateRoot);
  writeCertificate(writer, certificate);
  writer.u8(depth);
  for (const node of nodes) {
    if (node.type === 'empty') writer.u8(0);
    else if (node.type === 'leaf') writer.u8(1).hash(node.path).hash(node.valueHash);
    else writer.u8(2).hash(node.hash);
  }
  return writer.finish();
}

/** A manifest from its bytes, or null when they are none. Nothing in it is verified yet. */
export const decodeManifest = (bytes: Uint8Array): Manifest | null =>
  decode(bytes, (reader) => {
    const inner = new Reader(reader.bytes(HEADER_BYTES_MAX));
    const header = readHeader(inner);
    inner.end();
    const roots = [reader.hash(), reader.hash(), reader.hash()] as unknown as [Root, Root, Root];
    const certificate = readCertificate(reader);
    const depth = below(reader.u8(), SNAPSHOT_DEPTH_MAX + 1);
    const nodes = Array.from({ length: 2 ** depth }, () => readNode(reader));
    return { header, parentRoot: roots[0], receiptsRoot: roots[1], stateRoot: roots[2], certificate, depth, nodes };
  });

function readNode(reader: Reader): ManifestNode {
  const type = reader.u8();
  if (type === 0) return { type: 'empty' };
  if (type === 1) return { type: 'leaf', path: reader.hash(), valueHash: reader.hash() };
  if (type === 2) return { type: 'inner', hash: reader.hash() };
  throw new DecodeError('an unknown node');
}

export type ManifestCode =
  | 'wrong_network'
  | 'wrong_epoch'
  | 'not_final'
  | 'wrong_root'
  | 'wrong_nodes'
  | CertificateCode;

/**
 * What is wrong with a manifest before any signature is checked, or null: then it owes the checks of its certificate
 * (`certificateChecks`). Refuses with `wrong_network`, `wrong_epoch`, `not_final` (the certificate is not the block's),
 * `wrong_root` (the roots are not those certified), `wrong_nodes` (the subtrees are not the state's), or as a certificate does.
 */
export function judgeManifest(
  manifest: Manifest,
  { network, set }: { readonly network: NetworkId; readonly set: ValidatorSet },
): ManifestCode | null {
  const { header, certificate, parentRoot, receiptsRoot, stateRoot } = manifest;
  const { ballot } = certificate;
  if (header.network !== network) return 'wrong_network';
  if (header.epoch !== set.epoch) return 'wrong_epoch';
  if (ballot.kind !== 'finalize' || ballot.block !== blockId(header)) return 'not_final';
  if (resultRoot(parentRoot, receiptsRoot, stateRoot) !== ballot.root) return 'wrong_root';
  if (foldManifest(manifest) !== stateRoot) return 'wrong_nodes';
  const refusal = judgeSigners(certificate.signatures, set);
  return refusal === null ? null : refusal.code;
}

/** The hash of a manifest's node, which its chunk must have. */
export const hashOfNode = (node: ManifestNode): Hash =>
  node.type === 'empty' ? ZERO_HASH : node.type === 'leaf' ? stateLeaf(node.path, node.valueHash) : node.hash;

/** The state root that the nodes lead to by the rules of `stateproof.ts`, or null when a leaf stands under another's prefix. */
function foldManifest({ depth, nodes }: Pick<Manifest, 'depth' | 'nodes'>): Hash | null {
  for (const [index, node] of nodes.entries()) {
    if (node.type === 'leaf' && !isUnder(node.path, depth, index)) return null;
  }
  let level: readonly ManifestNode[] = nodes;
  while (level.length > 1) {
    const above: ManifestNode[] = [];
    for (let at = 0; at < level.length; at += 2) {
      above.push(join(level[at] as ManifestNode, level[at + 1] as ManifestNode));
    }
    level = above;
  }
  return hashOfNode(level[0] as ManifestNode);
}

/** A subtree of one entry is its leaf at whatever depth. */
function join(left: ManifestNode, right: ManifestNode): ManifestNode {
  if (right.type === 'empty' && left.type !== 'inner') return left;
  if (left.type === 'empty' && right.type !== 'inner') return right;
  const hash = hashPairs(concat(fromHex(hashOfNode(left)), fromHex(hashOfNode(right))));
  return { type: 'inner', hash: toHex(hash) };
}

function isUnder(path: Hash, depth: number, index: number): boolean {
  const bytes = fromHex(path.slice(0, 8));
  for (let at = 0; at < depth; at++) if (pathBit(bytes, at) !== ((index >> (depth - 1 - at)) & 1)) return false;
  return true;
}
