/**
 * An ordered set of texts that is persistent, so that each block on each branch has its own: a balanced search tree (AVL)
 * whose updates copy the way from the root. Each operation costs the depth, and listing what it lists besides.
 */

/** A number in sixteen digits, so that texts ascend with it. */
export const ascendingText = (value: number): string => String(value).padStart(16, '0');
/** The number that a text begins with. */
export const leadingNumber = (text: string): number => Number(text.slice(0, 16));

interface Entry {
  readonly text: string;
  readonly before: OrderedSet;
  readonly after: OrderedSet;
  readonly height: number;
}
export type OrderedSet = Entry | null;

export const EMPTY_SET: OrderedSet = null;

/** The set with `text` in it. */
export function enter(set: OrderedSet, text: string): OrderedSet {
  if (set === null) return entry(text, null, null);
  if (text === set.text) return set;
  return text < set.text
    ? balanced(set.text, enter(set.before, text), set.after)
    : balanced(set.text, set.before, enter(set.after, text));
}

/** The set without `text`. */
export function strike(set: OrderedSet, text: string): OrderedSet {
  if (set === null) return null;
  if (text < set.text) return balanced(set.text, strike(set.before, text), set.after);
  if (text > set.text) return balanced(set.text, set.before, strike(set.after, text));
  const next = first(set.after);
  return next === null ? set.before : balanced(next, set.before, strike(set.after, next));
}

/** The least text, or null of an empty set. */
export function first(set: OrderedSet): string | null {
  if (set === null) return null;
  let at = set;
  while (at.before !== null) at = at.before;
  return at.text;
}

const heightOf = (set: OrderedSet): number => (set === null ? 0 : set.height);

const entry = (text: string, before: OrderedSet, after: OrderedSet): Entry => ({
  text,
  before,
  after,
  height: 1 + Math.max(heightOf(before), heightOf(after)),
});

function balanced(text: string, before: OrderedSet, after: OrderedSet): Entry {
  if (before !== null && before.height > heightOf(after) + 1) {
    const inner = before.after;
    if (inner !== null && inner.height > heightOf(before.before)) {
      return entry(inner.text, entry(before.text, before.before, inner.before), entry(text, inner.after, after));
    }
    return entry(before.text, before.before, entry(text, inner, after));
  }
  if (after !== null && after.height > heightOf(before) + 1) {
    const inner = after.before;
    if (inner !== null && inner.height > heightOf(after.after)) {
      return entry(inner.text, entry(text, before, inner.before), entry(after.text, inner.after, after.after));
    }
    return entry(after.text, entry(text, before, inner), after.after);
  }
  return entry(text, before, after);
}

/** Texts that begin with `prefix` and come after `after`, ascending, at most so many. */
export function textsOf(set: OrderedSet, prefix = '', after = '', most = Number.MAX_SAFE_INTEGER): string[] {
  const out: string[] = [];
  gather(set, { prefix, after, most }, out);
  return out;
}

interface Range {
  readonly prefix: string;
  readonly after: string;
  readonly most: number;
}

function gather(set: OrderedSet, range: Range, out: string[]): void {
  if (set === null || out.length >= range.most) return;
  const begins = set.text.startsWith(range.prefix);
  const isPast = set.text > range.after;
  if (isPast && (begins || set.text > range.prefix)) gather(set.before, range, out);
  if (begins && isPast && out.length < range.most) out.push(set.text);
  if (begins || set.text < range.prefix) gather(set.after, range, out);
}
