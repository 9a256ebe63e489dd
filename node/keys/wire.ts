/**
 * What travels between the verifier pool and its threads: one buffer a parcel, so that hundreds of checks cost one
 * message. A parcel is read only by the thread that it was made for; nothing of it is stored or sent elsewhere.
 *
 * checks: u8 0, then for each: u8 algorithm (its high bit: the key is to be registered), key, signature, u32 length, message.
 * batch:  u8 1, network, key, signature, then the batch's bytes to the end.
 */
import { batchDigest, batchSigningBytes } from '../../protocol/block.js';
import { fromHex, toHex } from '../../protocol/codec.js';
import type { BatchDigest, NetworkId } from '../../protocol/types.js';
import type { BatchCheck, SignatureCheck } from '../ports.js';

const SIGNATURE_BYTES = 64;
const KEY_BYTES = { Ed25519: 32, ES256: 64 } as const satisfies Record<SignatureCheck['alg'], number>;

const CHECKS = 0;
const BATCH = 1;
const REGISTERS = 0x80;
const ALGORITHMS = ['Ed25519', 'ES256'] as const satisfies readonly SignatureCheck['alg'][];
const BATCH_HEAD_BYTES = 1 + 32 + KEY_BYTES.Ed25519 + SIGNATURE_BYTES;

/** Whether a check's parts have the lengths that its algorithm fixes; one that has not is refused without a thread. */
export const wellFormed = ({ alg, key, signature }: Pick<SignatureCheck, 'alg' | 'key' | 'signature'>): boolean =>
  key.length === KEY_BYTES[alg] && signature.length === SIGNATURE_BYTES;

const checkBytes = (check: SignatureCheck): number =>
  1 + KEY_BYTES[check.alg] + SIGNATURE_BYTES + 4 + check.message.length;

/** Packs well-formed checks into a buffer of their own, which the sender may transfer. */
export function packChecks(checks: readonly SignatureCheck[]): ArrayBuffer {
  let length = 1;
  for (const check of checks) length += checkBytes(check);
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  out[0] = CHECKS;
  let at = 1;
  for (const { alg, key, signature, message, registers } of checks) {
    out[at] = ALGORITHMS.indexOf(alg) | (registers === true ? REGISTERS : 0);
    out.set(key, at + 1);
    at += 1 + key.length;
    out.set(signature, at);
    view.setUint32(at + SIGNATURE_BYTES, message.length);
    at += SIGNATURE_BYTES + 4;
    out.set(message, at);
    at += message.length;
  }
  return out.buffer;
}

/** Packs a batch whose key and signature are well formed. */
export function packBatch({ network, key, bytes, signature }: BatchCheck): ArrayBuffer {
  const out = new Uint8Array(BATCH_HEAD_BYTES + bytes.length);
  out[0] = BATCH;
  out.set(fromHex(network), 1);
  out.set(key, 33);
  out.set(signature, 33 + key.length);
  out.set(bytes, BATCH_HEAD_BYTES);
  return out.buffer;
}

/**
 * Does a parcel's work: for checks one byte a verdict, 1 or 0; for a batch its verdict and the 32 bytes of its digest.
 * `check` judges one signature.
 */
export function answer(parcel: ArrayBuffer, check: (check: SignatureCheck) => boolean): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parcel);
  return bytes[0] === BATCH ? answerBatch(bytes, check) : answerChecks(bytes, check);
}

function answerChecks(parcel: Uint8Array, check: (check: SignatureCheck) => boolean): Uint8Array<ArrayBuffer> {
  const view = new DataView(parcel.buffer);
  const verdicts: number[] = [];
  let at = 1;
  while (at < parcel.length) {
    const first = parcel[at] as number;
    const alg = ALGORITHMS[first & ~REGISTERS] as SignatureCheck['alg'];
    const registers = (first & REGISTERS) !== 0;
    const signatureAt = at + 1 + KEY_BYTES[alg];
    const messageAt = signatureAt + SIGNATURE_BYTES + 4;
    const end = messageAt + view.getUint32(messageAt - 4);
    const key = parcel.subarray(at + 1, signatureAt);
    const signature = parcel.subarray(signatureAt, signatureAt + SIGNATURE_BYTES);
    verdicts.push(check({ alg, key, signature, message: parcel.subarray(messageAt, end), registers }) ? 1 : 0);
    at = end;
  }
  return Uint8Array.from(verdicts);
}

function answerBatch(parcel: Uint8Array, check: (check: SignatureCheck) => boolean): Uint8Array<ArrayBuffer> {
  const network = toHex(parcel.subarray(1, 33)) as NetworkId;
  const signatureAt = 33 + KEY_BYTES.Ed25519;
  const digest = batchDigest(parcel.subarray(BATCH_HEAD_BYTES));
  const valid = check({
    alg: 'Ed25519',
    key: parcel.subarray(33, signatureAt),
    signature: parcel.subarray(signatureAt, BATCH_HEAD_BYTES),
    message: batchSigningBytes(network, digest),
  });
  const out = new Uint8Array(33);
  out[0] = valid ? 1 : 0;
  out.set(fromHex(digest), 1);
  return out;
}

/** Reads the answer to a batch. */
export const readBatchAnswer = (out: Uint8Array): { digest: BatchDigest; valid: boolean } => ({
  digest: toHex(out.subarray(1)) as BatchDigest,
  valid: out[0] === 1,
});
