/**
 * Canonical JSON: the JSON Canonicalization Scheme, RFC 8785, written and strictly read.
 * Text is canonical exactly when it is what its own value serialises to, so a value has one text and a text one value:
 * white space, another order of members, duplicate members, other escapes, `-0` and `1.0` are all refused by one comparison.
 */
import { fromUtf8, utf8 } from './codec.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json };

/** Nested arrays and objects, at most, in what is read. */
const JSON_DEPTH_MAX = 8;

export type CanonicalCode = 'not_utf8' | 'not_json' | 'too_deep' | 'not_canonical';
export type CanonicalRefusal = { readonly ok: false; readonly code: CanonicalCode; readonly detail: string };

// In a pattern with the `u` flag a pair is one character, so this finds lone surrogates alone.
const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

/**
 * The canonical text of a JSON value (RFC 8785, section 3.2): members in the order of their UTF-16 code units, numbers
 * and strings as ECMAScript writes them. Throws on what is no I-JSON value (lone surrogates, numbers that are not
 * finite, undefined): its callers make the values they give it.
 */
export function canonicalize(value: Json): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('a number that is not finite has no canonical JSON');
    return JSON.stringify(value);
  }
  if (value === null || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonicalize).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`a ${typeof value} has no canonical JSON`);
  const members = value as { readonly [member: string]: Json };
  const names = Object.keys(members).sort(byCodeUnit);
  return `{${names.map((name) => `${quote(name)}:${canonicalize(members[name] as Json)}`).join(',')}}`;
}

/** The canonical bytes of a JSON value: what is hashed and signed. */
export const canonicalBytes = (value: Json): Uint8Array => utf8(canonicalize(value));

/** Reads canonical JSON: its value, or why the bytes are none, with the place where they first differ. */
export function parseCanonical(bytes: Uint8Array): { readonly ok: true; readonly value: Json } | CanonicalRefusal {
  let text: string;
  try {
    text = fromUtf8(bytes);
  } catch {
    return { ok: false, code: 'not_utf8', detail: 'the bytes are not UTF-8' };
  }
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return { ok: false, code: 'not_json', detail: 'the text is not JSON' };
  }
  // UTF-8 holds no lone surrogate, so one can only come of an escape.
  const form = inspect(value, 0, text.includes('\\u'));
  if (form === 'too_deep')
    return { ok: false, code: 'too_deep', detail: `more than ${JSON_DEPTH_MAX} levels of nesting` };
  if (form === 'lone_surrogate') return { ok: false, code: 'not_canonical', detail: 'a string holds a lone surrogate' };
  if (form === 'infinite')
    return { ok: false, code: 'not_canonical', detail: 'a number is larger than a double can hold' };
  // With members already in order, ECMAScript's own serialisation is the canonical one, and several times faster.
  if (form === 'ordered' && JSON.stringify(value) === text) return { ok: true, value };
  const canonical = canonicalize(value);
  if (canonical === text) return { ok: true, value };
  return { ok: false, code: 'not_canonical', detail: difference(text, canonical) };
}

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function quote(text: string): string {
  if (LONE_SURROGATE.test(text)) throw new TypeError('a lone surrogate has no canonical JSON');
  return JSON.stringify(text);
}

type Form = 'ordered' | 'unordered' | 'too_deep' | 'lone_surrogate' | 'infinite';

/** One walk before anything recurses without a bound: depth, surrogates (where there are escapes), numbers too large, and whether members stand in order. */
function inspect(value: Json, depth: number, escapes: boolean): Form {
  if (typeof value === 'string') return escapes && LONE_SURROGATE.test(value) ? 'lone_surrogate' : 'ordered';
  if (typeof value === 'number') return Number.isFinite(value) ? 'ordered' : 'infinite';
  if (typeof value !== 'object' || value === null) return 'ordered';
  if (depth === JSON_DEPTH_MAX) return 'too_deep';
  if (Array.isArray(value)) return inspectAll(value, depth, escapes, 'ordered');
  const members = value as { readonly [member: string]: Json };
  const names = Object.keys(members);
  if (escapes && names.some((name) => LONE_SURROGATE.test(name))) return 'lone_surrogate';
  const ordered = names.every((name, index) => index === 0 || (names[index - 1] as string) < name);
  return inspectAll(Object.values(members), depth, escapes, ordered ? 'ordered' : 'unordered');
}

function inspectAll(values: readonly Json[], depth: number, escapes: boolean, outer: Form): Form {
  let result = outer;
  for (const value of values) {
    const form = inspect(value, depth + 1, escapes);
    if (form === 'unordered') result = form;
    else if (form !== 'ordered') return form;
  }
  return result;
}

function difference(text: string, canonical: string): string {
  let at = 0;
  while (at < text.length && text[at] === canonical[at]) at++;
  const show = (from: string) => JSON.stringify(from.slice(at, at + 20));
  return `not canonical JSON (RFC 8785): at character ${at} it has ${show(text)} where the canonical text has ${show(canonical)}`;
}
