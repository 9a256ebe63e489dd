/**
 * The one canonical encoding: a fixed layout, big-endian, lengths before what they count.
 * A value has one encoding and an encoding one value: readers refuse what is left over or out of bounds.
 */
import type { Hash } from './types.js';

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function toHex(bytes: Uint8Array): Hash {
  let out = '';
  for (let i = 0; i < bytes.length; i++) out += HEX[bytes[i] as number];
  return out as Hash;
}

/** Reads lower-case hex; anything else is a bug of the caller, which has checked its input at the edge. */
export function fromHex(hex: string): Uint8Array {
  const out = new Uint8Array(hex.length / 2);
  for (let i = 0; i < out.length; i++) {
    const value = (nibble(hex.charCodeAt(2 * i)) << 4) | nibble(hex.charCodeAt(2 * i + 1));
    if (value < 0) throw new Error('not lower-case hex');
    out[i] = value;
  }
  return out;
}

function nibble(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  return -256;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
export const utf8 = (text: string): Uint8Array => encoder.encode(text);
/** Throws on what is not UTF-8. */
export const fromUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes);

/** Writes an encoding. Numbers are unsigned; a value outside its width is a bug and throws. */
export class Writer {
  // Without a DataView: asking for the memory behind a small array moves it out of the heap, which costs more than the writing.
  #buffer: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#buffer = new Uint8Array(capacity);
  }

  u8(value: number): this {
    const at = this.#fit(1, value, 0xff);
    this.#buffer[at] = value;
    return this;
  }
  u16(value: number): this {
    const at = this.#fit(2, value, 0xffff);
    this.#buffer[at] = value >>> 8;
    this.#buffer[at + 1] = value;
    return this;
  }
  u32(value: number): this {
    this.#putU32(this.#fit(4, value, 0xffffffff), value);
    return this;
  }
  /** A whole number up to 2^53 - 1, in eight bytes. */
  u64(value: number): this {
    const at = this.#fit(8, value, Number.MAX_SAFE_INTEGER);
    this.#putU32(at, Math.floor(value / 0x1_0000_0000));
    this.#putU32(at + 4, value);
    return this;
  }
  /** A signed amount of minor units, as sixteen bytes of two's complement. */
  i128(value: bigint): this {
    if (BigInt.asIntN(128, value) !== value) throw new Error('out of i128');
    const at = this.#reserve(16);
    for (let word = 0; word < 4; word++) {
      this.#putU32(at + 4 * word, Number(BigInt.asUintN(32, value >> BigInt(96 - 32 * word))));
    }
    return this;
  }
  /** 32 bytes from 64 hex digits. */
  hash(value: Hash): this {
    return this.raw(fromHex(value));
  }
  /** Bytes whose length the layout fixes. */
  raw(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }
  /** A length of four bytes, then the bytes. */
  bytes(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }
  text(text: string): this {
    return this.bytes(utf8(text));
  }
  list<T>(items: readonly T[], write: (writer: this, item: T) => void): this {
    this.u32(items.length);
    for (const item of items) write(this, item);
    return this;
  }
  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  #fit(width: number, value: number, most: number): number {
    if (!Number.isInteger(value) || value < 0 || value > most) throw new Error(`out of range for ${width} bytes`);
    return this.#reserve(width);
  }
  #putU32(at: number, value: number): void {
    const buffer = this.#buffer;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }
  #reserve(width: number): number {
    const at = this.#length;
    this.#length += width;
    if (this.#length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#buffer.length));
      grown.set(this.#buffer);
      this.#buffer = grown;
    }
    return at;
  }
}

/**
 * What a reader throws when bytes are no encoding: `decode` turns it into a refusal. It is no Error, since a stack costs too
 * much where a liar can cause thousands.
 */
export class DecodeError {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }
  u64(): number {
    const at = this.#take(8);
    const value = this.#view.getUint32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
    if (!Number.isSafeInteger(value)) throw new DecodeError('a number above 2^53 - 1');
    return value;
  }
  i128(): bigint {
    const at = this.#take(16);
    return (this.#view.getBigInt64(at) << 64n) | this.#view.getBigUint64(at + 8);
  }
  hash(): Hash {
    return toHex(this.raw(32));
  }
  /** A view into the input, not a copy. */
  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }
  bytes(most: number): Uint8Array {
    const length = this.u32();
    if (length > most) throw new DecodeError(`${length} bytes where ${most} are the most`);
    return this.raw(length);
  }
  text(most: number): string {
    try {
      return fromUtf8(this.bytes(most));
    } catch (error) {
      if (error instanceof DecodeError) throw error;
      throw new DecodeError('not UTF-8');
    }
  }
  list<T>(most: number, read: (reader: this) => T): T[] {
    const length = this.u32();
    if (length > most) throw new DecodeError(`${length} items where ${most} are the most`);
    const out: T[] = [];
    for (let i = 0; i < length; i++) out.push(read(this));
    return out;
  }
  /** Refuses what is left over. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new DecodeError('bytes left over');
  }

  #take(width: number): number {
    const at = this.#at;
    if (at + width > this.#bytes.length) throw new DecodeError('cut short');
    this.#at = at + width;
    return at;
  }
}

/** Reads a whole encoding, or returns null when the bytes are none. */
export function decode<T>(bytes: Uint8Array, read: (reader: Reader) => T): T | null {
  try {
    const reader = new Reader(bytes);
    const value = read(reader);
    reader.end();
    return value;
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}
