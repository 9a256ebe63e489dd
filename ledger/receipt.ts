/** Receipts: what a block's outcome says of one instruction. Their leaves make the receipts root that a certificate vouches for. */
import { DecodeError, decode, fromUtf8, type Reader, toHex } from '../protocol/codec.js';
import { TAGS, taggedHash } from '../protocol/hash.js';
import type { PayloadKind } from '../protocol/payload.js';
import type { Bic, Hash, Height, InstructionDigest, TimestampMs, Uetr } from '../protocol/types.js';
import { CODE_BYTES, codeOfByte, type ResultCode } from './codes.js';
import { type Layout, layout } from './layout.js';

/** Who is meant: an instruction by its digest, and by the id that its initiator gave it. */
export interface Named {
  readonly digest: InstructionDigest;
  readonly initiator: Bic;
  readonly id: Uetr;
  readonly kind: PayloadKind;
}

/** `height` and `time` are those of the block whose outcome it is. */
export interface Receipt extends Named {
  readonly code: ResultCode;
  readonly height: Height;
  readonly time: TimestampMs;
}

const RECEIPT_BYTES = 1 + 32 + 11 + 16 + 1 + 1 + 8 + 8;
const COUNT_BYTES = 4;
const FORMAT = 1;

const KIND_BYTES = {
  settle: 1,
  consent: 2,
  withdraw: 3,
  asset: 4,
  participant: 5,
  key: 6,
  govern: 7,
  ready: 8,
  cancel: 9,
  reprioritise: 10,
  liquidity: 11,
  calendar: 12,
  offer: 13,
  reveal: 14,
} as const satisfies Record<PayloadKind, number>;
const KIND_OF_BYTE = new Map<number, PayloadKind>(
  Object.entries(KIND_BYTES).map(([kind, byte]) => [byte, kind as PayloadKind]),
);

export function encodeReceipt(receipt: Receipt): Uint8Array {
  writeReceipt(layout.start(), receipt);
  return layout.finish();
}

/** A receipt from its bytes, or null when they are none. */
export const decodeReceipt = (bytes: Uint8Array): Receipt | null => decode(bytes, readReceipt);

/** The receipt's leaf under its block's receipts root. */
export const receiptLeaf = (bytes: Uint8Array): Hash => taggedHash(TAGS.receipt, bytes);
/** The same leaf without the bytes between. */
export function leafOf(receipt: Receipt): Hash {
  writeReceipt(layout.start(TAGS.receipt), receipt);
  return layout.digest();
}

/** All receipts of a block as one value, since every stored value has its cost. */
export const packReceipts = (receipts: readonly Receipt[]): Uint8Array =>
  layout.start().list(receipts, writeReceipt).finish();

/** The bytes of one receipt of a packed value: they are the same alone and among others. */
function bytesAt(packed: Uint8Array, position: number): Uint8Array {
  const from = COUNT_BYTES + position * RECEIPT_BYTES;
  return packed.subarray(from, from + RECEIPT_BYTES);
}

/** One receipt of a packed value, or null when there is none at this position. */
export const receiptAt = (packed: Uint8Array, position: number): Receipt | null =>
  decodeReceipt(bytesAt(packed, position));

/** The leaves of a packed value's receipts, in their order, without reading what they say. */
export const packedLeaves = (packed: Uint8Array): Hash[] =>
  Array.from({ length: (packed.length - COUNT_BYTES) / RECEIPT_BYTES }, (_, position) =>
    receiptLeaf(bytesAt(packed, position)),
  );

/** The receipts of a packed value in their order, or null when the bytes are none. */
export const unpackReceipts = (bytes: Uint8Array): Receipt[] | null =>
  decode(bytes, (reader) => reader.list(Math.floor(bytes.length / RECEIPT_BYTES), readReceipt));

export function writeNamed(to: Layout, { digest, initiator, id, kind }: Named): void {
  to.hash(digest).ascii(initiator);
  writeUetr(to, id);
  to.u8(KIND_BYTES[kind]);
}

export function readNamed(reader: Reader): Named {
  const digest = reader.hash() as InstructionDigest;
  const initiator = readBic(reader);
  const id = uetrOf(reader.raw(16));
  const kind = KIND_OF_BYTE.get(reader.u8());
  if (kind === undefined) throw new DecodeError('an unknown kind of instruction');
  return { digest, initiator, id, kind };
}

/** A BIC of eleven characters is its eleven bytes of ASCII. */
export function readBic(reader: Reader): Bic {
  const bytes = reader.raw(11);
  if (bytes.some((byte) => byte > 127)) throw new DecodeError('not a BIC');
  return fromUtf8(bytes) as Bic;
}

export function readCode(reader: Reader): ResultCode {
  const code = codeOfByte(reader.u8());
  if (code === undefined) throw new DecodeError('an unknown result code');
  return code;
}

/** A UUID is its sixteen bytes. */
export function writeUetr(to: Layout, id: Uetr): void {
  to.hex(id.slice(0, 8)).hex(id.slice(9, 13)).hex(id.slice(14, 18)).hex(id.slice(19, 23)).hex(id.slice(24));
}

function uetrOf(bytes: Uint8Array): Uetr {
  const hex = toHex(bytes);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as Uetr;
}

function writeReceipt(to: Layout, receipt: Receipt): void {
  to.u8(FORMAT);
  writeNamed(to, receipt);
  to.u8(CODE_BYTES[receipt.code]).u64(receipt.height).u64(receipt.time);
}

function readReceipt(reader: Reader): Receipt {
  if (reader.u8() !== FORMAT) throw new DecodeError('an unknown format of receipt');
  const named = readNamed(reader);
  return { ...named, code: readCode(reader), height: reader.u64() as Height, time: reader.u64() as TimestampMs };
}
