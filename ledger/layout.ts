/**
 * The encoding of protocol/codec.ts written into one reused buffer. A payment has some twenty small values to encode and
 * hash; giving each a `Writer`, and so an allocation outside the heap, took longer than all of its hashes.
 */
import { utf8 } from '../protocol/codec.js';
import { hashOf } from '../protocol/hash.js';
import { assert, type Hash } from '../protocol/types.js';

const NIBBLES = new Uint8Array(128).fill(255);
for (let value = 0; value < 16; value++) NIBBLES['0123456789abcdef'.charCodeAt(value)] = value;

/** Decodes lower-case hex into `bytes` from `at` on. */
export function putHex(bytes: Uint8Array, at: number, text: string): void {
  let to = at;
  let digits = text.length & 1 ? 255 : 0;
  let codes = 0;
  for (let i = 0; i < text.length; i += 2) {
    const first = text.charCodeAt(i);
    const second = text.charCodeAt(i + 1);
    const high = NIBBLES[first & 127] as number;
    const low = NIBBLES[second & 127] as number;
    // Wrong characters are found once at the end: they look up 255, or are past ASCII.
    codes |= first | second;
    digits |= high | low;
    bytes[to++] = (high << 4) | low;
  }
  assert(digits < 16 && codes < 128, 'hex is lower-case digits');
}

/** Writes what codec's `Writer` writes, byte for byte. One value at a time: `start` forgets what was not taken. */
export class Layout {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Begins a value; for a hash, with its domain tag. */
  start(tag?: Uint8Array): this {
    this.#length = 0;
    return tag === undefined ? this : this.raw(tag);
  }

  u8(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value <= 0xff, 'a number fits one byte');
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }
  u32(value: number): this {
    assert(Number.isInteger(value) && value >= 0 && value <= 0xffffffff, 'a number fits four bytes');
    const at = this.#reserve(4);
    this.#view.setUint32(at, value);
    return this;
  }
  /** A whole number up to 2^53 - 1, in eight bytes. */
  u64(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, 'a number is safe in eight bytes');
    const at = this.#reserve(8);
    this.#view.setUint32(at, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(at + 4, value >>> 0);
    return this;
  }
  i128(value: bigint): this {
    assert(BigInt.asIntN(128, value) === value, 'an amount fits sixteen bytes');
    const at = this.#reserve(16);
    this.#view.setBigInt64(at, value >> 64n);
    this.#view.setBigUint64(at + 8, BigInt.asUintN(64, value));
    return this;
  }
  hash(value: Hash): this {
    assert(value.length === 64, 'a hash has 64 digits');
    return this.hex(value);
  }
  /** The bytes of lower-case hex. */
  hex(text: string): this {
    const at = this.#reserve(text.length >> 1);
    putHex(this.#bytes, at, text);
    return this;
  }
  raw(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }
  /** Characters of ASCII, one byte each, whose number the layout fixes. */
  ascii(text: string): this {
    const at = this.#reserve(text.length);
    const bytes = this.#bytes;
    let seen = 0;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      seen |= code;
      bytes[at + i] = code;
    }
    assert(seen < 128, 'names are ASCII');
    return this;
  }
  bytes(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }
  text(text: string): this {
    return this.bytes(utf8(text));
  }
  list<T>(items: readonly T[], write: (layout: this, item: T) => void): this {
    this.u32(items.length);
    for (const item of items) write(this, item);
    return this;
  }

  /** How many bytes are written so far. */
  get length(): number {
    return this.#length;
  }
  /** The value's hash. */
  digest(): Hash {
    return hashOf(this.#bytes.subarray(0, this.#length));
  }
  /** The value, in bytes of its own. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(width: number): number {
    const at = this.#length;
    this.#length += width;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** The one that the ledger's encoders share: each use runs from `start` to `digest` or `finish` without another between. */
export const layout = new Layout();
