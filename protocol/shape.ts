/** JSON files that are read strictly: their text, their shape, and a sentence for what is wrong. */
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { Json } from './canonical.js';
import { fromUtf8 } from './codec.js';
import { mismatch } from './mismatch.js';

export type Shaped<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      readonly code: 'too_large' | 'malformed_json' | 'malformed';
      readonly detail: string;
      readonly pointer: string;
    };

/**
 * A file's bytes as a value of `schema`, which must be closed (no additional members), or the first thing wrong with
 * them. Space between tokens is free. Refuses with `too_large`, `malformed_json` (not UTF-8, not JSON, or a member
 * written twice: two readers could take different ones) and `malformed`.
 */
export function parseShape<S extends TSchema>(schema: S, bytes: Uint8Array, bytesMax: number): Shaped<Static<S>> {
  if (bytes.length > bytesMax) return refuse('too_large', `${bytes.length} bytes, where ${bytesMax} are the most`);
  let text: string;
  let value: unknown;
  try {
    text = fromUtf8(bytes);
    value = JSON.parse(text);
  } catch {
    return refuse('malformed_json', 'this is not JSON in UTF-8');
  }
  const shaped = checkShape(schema, value);
  // Only after the shape is known to be closed, and so of bounded depth: a deep value would exhaust the stack here.
  if (shaped.ok && JSON.stringify(value) !== withoutSpace(text)) {
    return refuse('malformed_json', 'a member is written twice, or a text or number is not in its plain form');
  }
  return shaped;
}

/** A value already parsed, as a value of `schema`, or the first thing wrong with it. */
export function checkShape<S extends TSchema>(schema: S, value: unknown): Shaped<Static<S>> {
  if (Value.Check(schema, value)) return { ok: true, value };
  const found = mismatch(schema, value as Json);
  return refuse('malformed', found?.detail ?? 'this has not the form it should have', found?.pointer);
}

function refuse(code: 'too_large' | 'malformed_json' | 'malformed', detail: string, pointer = ''): Shaped<never> {
  return { ok: false, code, detail, pointer };
}

/** JSON text without the space between its tokens. */
const withoutSpace = (text: string): string => text.replace(/("(?:[^"\\]|\\.)*")|[ \t\r\n]+/g, '$1');
