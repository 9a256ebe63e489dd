/**
 * Says in a sentence why a JSON value has not the shape of a schema. The compiled schema gives the verdict; this is asked
 * only after it said no, so that the answer names the member and what was expected there.
 */
import type { Json } from './canonical.js';

/** The part of JSON Schema that payload shapes are made of. */
interface Shape {
  readonly type?: string;
  readonly description?: string;
  readonly const?: Json;
  readonly anyOf?: readonly Shape[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly items?: Shape;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** `pointer` (RFC 6901) is the member; `present` tells a wrong value from a missing or unknown member. */
export interface Mismatch {
  readonly pointer: string;
  readonly detail: string;
  readonly present: boolean;
}

type Members = Readonly<Record<string, Json>>;

/** The first thing in which `value` is not of `shape`, members in the schema's order; null when there is none. */
export function mismatch(shape: object, value: Json, pointer = ''): Mismatch | null {
  const { type, anyOf } = shape as Shape;
  if (anyOf !== undefined) return ofUnion(anyOf, value, pointer);
  if (type === 'object') return ofObject(shape, value, pointer);
  if (type === 'array') return ofArray(shape, value, pointer);
  return ofScalar(shape, value, pointer);
}

function ofObject(shape: Shape, value: Json, pointer: string): Mismatch | null {
  if (!isObject(value)) return wrong(pointer, 'an object', value);
  const properties = shape.properties ?? {};
  for (const name of Object.keys(properties)) {
    const at = `${pointer}/${name}`;
    if (Object.hasOwn(value, name)) {
      const found = mismatch(properties[name] as Shape, value[name] as Json, at);
      if (found !== null) return found;
    } else if (shape.required?.includes(name) === true) {
      return { pointer: at, detail: `the member ${name} is missing`, present: false };
    }
  }
  const unknown = Object.keys(value).find((name) => !Object.hasOwn(properties, name));
  if (unknown === undefined) return null;
  const known = Object.keys(properties).join(', ');
  return {
    pointer: `${pointer}/${escaped(unknown)}`,
    detail: `the member ${shown(unknown)} has no meaning here; there may be ${known}`,
    present: false,
  };
}

function ofArray(shape: Shape, value: Json, pointer: string): Mismatch | null {
  const { items, minItems = 0, maxItems = Infinity } = shape;
  if (!Array.isArray(value)) return wrong(pointer, 'an array', value);
  if (value.length < minItems || value.length > maxItems) {
    return { pointer, detail: `must have ${minItems} to ${maxItems} items, and has ${value.length}`, present: true };
  }
  for (const [index, item] of (value as readonly Json[]).entries()) {
    const found = mismatch(items as Shape, item, `${pointer}/${index}`);
    if (found !== null) return found;
  }
  return null;
}

function ofScalar(shape: Shape, value: Json, pointer: string): Mismatch | null {
  const { type, pattern, description, maxLength = Infinity, minimum = -Infinity, maximum = Infinity } = shape;
  if (shape.const !== undefined)
    return value === shape.const ? null : wrong(pointer, JSON.stringify(shape.const), value);
  if (type === 'integer') {
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum;
    return fits ? null : wrong(pointer, `a whole number from ${minimum} to ${maximum}`, value);
  }
  if (type === 'number') return typeof value === 'number' ? null : wrong(pointer, 'a number', value);
  if (type === 'boolean') return typeof value === 'boolean' ? null : wrong(pointer, 'true or false', value);
  if (type === undefined) return null;
  const expected =
    description ??
    (maxLength === Infinity ? `text like ${pattern}` : `text like ${pattern}, at most ${maxLength} characters`);
  if (typeof value !== 'string') return wrong(pointer, `a string: ${expected}`, value);
  const fits = value.length <= maxLength && (pattern === undefined || new RegExp(pattern, 'u').test(value));
  return fits ? null : wrong(pointer, expected, value);
}

/** Follows the variant that the value's own literal members (`action`, `kty`) choose. */
function ofUnion(variants: readonly Shape[], value: Json, pointer: string): Mismatch | null {
  if (variants.every((variant) => variant.const !== undefined)) return choice(variants, value, pointer);
  if (!isObject(value)) return wrong(pointer, 'an object', value);
  let left = variants;
  for (const name of Object.keys(variants[0]?.properties ?? {})) {
    const options = left.flatMap((variant) => literals(variant.properties?.[name]));
    if (options.length === 0) continue;
    if (!Object.hasOwn(value, name))
      return { pointer: `${pointer}/${name}`, detail: `the member ${name} is missing`, present: false };
    const found = choice(options, value[name] as Json, `${pointer}/${name}`);
    if (found !== null) return found;
    left = left.filter((variant) =>
      literals(variant.properties?.[name]).some((option) => option.const === value[name]),
    );
  }
  return left[0] === undefined ? null : mismatch(left[0], value, pointer);
}

const literals = (shape: Shape | undefined): readonly Shape[] =>
  (shape?.anyOf ?? (shape ? [shape] : [])).filter((option) => option.const !== undefined);

function choice(options: readonly Shape[], value: Json, pointer: string): Mismatch | null {
  if (options.some((option) => option.const === value)) return null;
  const texts = [...new Set(options.map((option) => JSON.stringify(option.const)))];
  return wrong(pointer, texts.length === 1 ? (texts[0] as string) : `one of ${texts.join(', ')}`, value);
}

const isObject = (value: Json): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const wrong = (pointer: string, expected: string, value: Json): Mismatch => ({
  pointer,
  detail: `must be ${expected}; it is ${shown(value)}`,
  present: true,
});
const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

function shown(value: Json): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
