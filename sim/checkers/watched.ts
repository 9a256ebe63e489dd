/** What the checkers look at of a node, and what they know of a run before it begins. */
import type { Table } from '../../node/ports.js';
import type { Committed } from '../../node/replica/block.js';
import type { Replica } from '../../node/replica/replica.js';
import type { Service } from '../../node/replica/service.js';
import { decodeMessage, type Framed } from '../../protocol/envelope.js';
import type { Genesis } from '../../protocol/genesis.js';
import type { Instruction } from '../../protocol/instruction.js';
import type { BlockHeader, BlockId, InstructionDigest } from '../../protocol/types.js';
import type { SignatureFact } from '../naive/ledger.js';

export interface Watched {
  /** How reports name it. */
  readonly self: number;
  readonly running: {
    readonly replica: Replica;
    readonly service: Service;
    readonly bus: { readonly punished: readonly string[] };
  } | null;
  /** What lies on its disk. */
  readonly disk?: StoredTables;
}

export interface StoredTables {
  table(name: Table): { get(key: Uint8Array): Uint8Array | undefined };
}

/** What is durable on a node's disk. */
export interface WatchedDisk {
  holds(table: 'votes' | 'batches', value: Uint8Array): boolean;
}

export interface CheckerOptions {
  /** Nodes that tell the truth as far as anybody planned: nobody else is ever blamed, or believed. */
  readonly honest?: (node: number) => boolean;
  /** How many members of a set are not honest, at most; with `honest` alone as many as a set bears. */
  readonly liars?: number;
  /** With it final blocks are executed by the naive ledger too, and bundles verified; with signatures votes are counted. */
  readonly genesis?: Genesis;
  readonly signatures?: SignatureFact;
  /** How long after its end a node may have forgotten an instruction; without it never. */
  readonly forgetsAfterMs?: number | null;
}

/** An instruction that a node has answered 202. */
export interface Acknowledged {
  readonly digest: InstructionDigest;
  /** Initiator and id. */
  readonly name: string;
  readonly node: number;
  readonly expiresMs: number;
  /** With it one whose keys have been revoked since is not waited for: it may rest in an outbox until it expires. */
  readonly instruction?: Instruction;
}

/** What blocks build on and order, as proposals had it. */
export type Headers = ReadonlyMap<BlockId, BlockHeader>;
export type Report = (violation: string) => void;
export type { Committed };

const messages = new WeakMap<Uint8Array, Framed | null>();

/** What a frame says, read once, however many peers it goes to. */
export function messageOf(frame: Uint8Array): Framed | null {
  const known = messages.get(frame);
  if (known !== undefined) return known;
  const message = decodeMessage(frame);
  messages.set(frame, message);
  return message;
}

/** Whether a node may have forgotten an instruction that came to its end then; null where nobody knows when. */
export function mayForget(
  { running }: Watched,
  endedMs: number | null,
  { forgetsAfterMs = null }: CheckerOptions,
): boolean {
  const now = running?.replica.chain.final.header.time ?? 0;
  return forgetsAfterMs !== null && endedMs !== null && endedMs + forgetsAfterMs < now;
}

export const heightOf = ({ running }: Watched): number => running?.replica.chain.final.header.height ?? -1;
const OPEN: ReadonlySet<string> = new Set([
  'proposed',
  'waiting',
  'approved',
  'scheduled',
  'queued',
  'locked',
  'part_settled',
  'amended',
]);
export const isOpenCode = (code: string): boolean => OPEN.has(code);
