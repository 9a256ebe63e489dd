/**
 * SHA-256 under domain tags. Node's native hash is used where there is one, noble's elsewhere (a browser):
 * the function is the same, so no result depends on which.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, toHex, utf8 } from './codec.js';
import type { Hash } from './types.js';

type NativeHash = (algorithm: 'sha256', data: Uint8Array, encoding: 'hex') => string;
interface MaybeNode {
  readonly process?: { getBuiltinModule?(name: string): { hash?: NativeHash } | undefined };
}
const native = (globalThis as MaybeNode).process?.getBuiltinModule?.('node:crypto')?.hash;

export const hashOf: (bytes: Uint8Array) => Hash = native
  ? (bytes) => native('sha256', bytes, 'hex') as Hash
  : (bytes) => toHex(sha256(bytes));

/** What a hash or signature is for. A tag is followed by a zero byte, so none is a prefix of another. */
export const TAGS = {
  network: tag('causeway/network/1'),
  instruction: tag('causeway/instruction/1'),
  batch: tag('causeway/batch/1'),
  block: tag('causeway/block/1'),
  vote: tag('causeway/vote/1'),
  validatorSet: tag('causeway/validator-set/1'),
  handOver: tag('causeway/hand-over/1'),
  opening: tag('causeway/opening/1'),
  receipt: tag('causeway/receipt/1'),
  resultRoot: tag('causeway/result-root/1'),
  listLeaf: tag('causeway/list-leaf/1'),
  stateKey: tag('causeway/state-key/1'),
  stateValue: tag('causeway/state-value/1'),
  stateLeaf: tag('causeway/state-leaf/1'),
  accountChain: tag('causeway/account-chain/1'),
  accountSalt: tag('causeway/account-salt/1'),
  bucket: tag('causeway/bucket/1'),
} as const;

function tag(name: string): Uint8Array {
  return utf8(`${name}\0`);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export const taggedHash = (domain: Uint8Array, ...parts: readonly Uint8Array[]): Hash =>
  hashOf(concat(domain, ...parts));

/**
 * Hashes 64-byte blocks side by side: 64k bytes in, 32k bytes out. Inner nodes of every tree go through one of these,
 * so that a machine with vector instructions can do a level at a time.
 */
export type PairHasher = (pairs: Uint8Array) => Uint8Array;

export const hashPairs: PairHasher = (pairs) => {
  const out = new Uint8Array(pairs.length / 2);
  for (let i = 0; i < pairs.length / 64; i++) out.set(fromHex(hashOf(pairs.subarray(64 * i, 64 * i + 64))), 32 * i);
  return out;
};
