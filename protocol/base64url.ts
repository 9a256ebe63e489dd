/**
 * Base64url without padding (RFC 7515, section 2; RFC 4648, section 5). Node's native codec does the work where there
 * is one, a table elsewhere (a browser): the function is the same, so no result depends on which.
 */

interface NativeBuffer {
  from(data: ArrayBufferLike, offset: number, length: number): { toString(encoding: 'base64url'): string };
  from(text: string, encoding: 'base64url'): Uint8Array;
}
interface MaybeNode {
  readonly process?: { getBuiltinModule?(name: string): { Buffer?: NativeBuffer } | undefined };
}
const native = (globalThis as MaybeNode).process?.getBuiltinModule?.('node:buffer')?.Buffer;

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const SEXTETS = new Map(Array.from(ALPHABET, (character, sextet) => [character.charCodeAt(0), sextet]));

export const toBase64url: (bytes: Uint8Array) => string = native
  ? (bytes) => native.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
  : encodeByTable;

/** The bytes of a strict base64url text, or null: padding, other alphabets, white space and stray last bits are refused. */
export function fromBase64url(text: string): Uint8Array | null {
  if (native === undefined) return decodeByTable(text);
  // A plain array of its own: Node cuts small buffers from a shared pool.
  const bytes = new Uint8Array(native.from(text, 'base64url'));
  // Node's decoder is lenient; a text is strict exactly when it is what its bytes encode to.
  return toBase64url(bytes) === text ? bytes : null;
}

export function encodeByTable(bytes: Uint8Array): string {
  let out = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const bits = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    out += ALPHABET.charAt(bits >> 18) + ALPHABET.charAt((bits >> 12) & 63);
    if (left > 1) out += ALPHABET.charAt((bits >> 6) & 63);
    if (left > 2) out += ALPHABET.charAt(bits & 63);
  }
  return out;
}

export function decodeByTable(text: string): Uint8Array | null {
  if (text.length % 4 === 1) return null;
  const out = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let filled = 0;
  for (let at = 0; at < text.length; at++) {
    const sextet = SEXTETS.get(text.charCodeAt(at));
    if (sextet === undefined) return null;
    bits = ((bits << 6) | sextet) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out[filled++] = (bits >> held) & 0xff;
  }
  const stray = bits & ((1 << held) - 1);
  return stray === 0 ? out : null;
}
