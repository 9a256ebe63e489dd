/**
 * JSON as people and their editors write it, in the plain form that `protocol/shape.ts` reads: there a text has one way to
 * be written, as files of a network that several parties hash and sign must.
 */
import { fromUtf8, utf8 } from '../../protocol/codec.js';

/** What a scenario file nests is far less; a value that nests deeper could exhaust the stack of who writes it. */
const JSON_DEPTH_MAX = 32;

const TOKEN = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9eE.+-]*|[[\]{}]/g;

/**
 * The same value with every text and number in its plain form (`\u00e4` is ä, `1.0` is 1), members in their order and
 * as often as they stand; null for what is not UTF-8, has a text or number that JSON has not, or nests too deep.
 */
export function plainJson(bytes: Uint8Array): Uint8Array | null {
  let depth = 0;
  let deepest = 0;
  const plain = (token: string): string => {
    if (token === '[' || token === '{') deepest = Math.max(deepest, ++depth);
    else if (token === ']' || token === '}') depth--;
    else return JSON.stringify(JSON.parse(token));
    return token;
  };
  try {
    const text = fromUtf8(bytes).replace(TOKEN, plain);
    return deepest > JSON_DEPTH_MAX ? null : utf8(text);
  } catch {
    return null;
  }
}
