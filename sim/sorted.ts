/**
 * A table of bytes by bytes, kept in the order of its keys as far as anyone looks: most keys are written and never
 * scanned, so an order is made when a scan asks for it, from where it was disturbed.
 */

/** Keys as strings of one character for each byte: they compare as the bytes do. */
const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

export class SortedTable {
  readonly #values: Map<string, Uint8Array>;
  /** Every key, in order, but those added since; keys that are gone stay until the next order is made. */
  #sorted: string[] = [];
  #added: string[] = [];

  constructor(values: ReadonlyMap<string, Uint8Array> = new Map()) {
    this.#values = new Map(values);
    this.#added = [...values.keys()];
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#values.get(textOf(key));
  }

  /** Puts a value, or with null takes the key away; gives what was there, or null. */
  set(key: Uint8Array, value: Uint8Array | null): Uint8Array | null {
    const text = textOf(key);
    const before = this.#values.get(text) ?? null;
    if (value === null) {
      this.#values.delete(text);
      return before;
    }
    if (before === null) this.#added.push(text);
    this.#values.set(text, value);
    return before;
  }

  /** The entry of a place in the order of keys, which must be within the size. */
  at(place: number): readonly [Uint8Array, Uint8Array] {
    const key = this.#order().filter((text) => this.#values.has(text))[place] as string;
    return [bytesOf(key), this.#values.get(key) as Uint8Array];
  }

  /** Entries with from <= key < to, in order or the other way round, at most `limit`. */
  range(
    from: Uint8Array,
    to: Uint8Array,
    { reverse, limit }: { readonly reverse: boolean; readonly limit: number },
  ): [Uint8Array, Uint8Array][] {
    const sorted = this.#order();
    const [first, end] = [placeOf(sorted, textOf(from)), placeOf(sorted, textOf(to))];
    const found: [Uint8Array, Uint8Array][] = [];
    for (let i = 0; i < end - first && found.length < limit; i++) {
      const key = sorted[reverse ? end - 1 - i : first + i] as string;
      const value = this.#values.get(key);
      if (value !== undefined) found.push([bytesOf(key), value]);
    }
    return found;
  }

  copy(): SortedTable {
    return new SortedTable(this.#values);
  }

  #order(): readonly string[] {
    const isStale = this.#sorted.length > 2 * this.#values.size;
    if (this.#added.length === 0 && !isStale) return this.#sorted;
    const added = this.#added.sort();
    this.#added = [];
    // All before the first that was added is in order already.
    const tail = this.#sorted.splice(isStale ? 0 : placeOf(this.#sorted, added[0] ?? ''));
    let last = '';
    for (let i = 0, j = 0; i < tail.length || j < added.length; ) {
      const [old, fresh] = [tail[i], added[j]];
      const next = fresh === undefined || (old !== undefined && old <= fresh) ? (old as string) : fresh;
      if (next === old) i += 1;
      else j += 1;
      const isNew = this.#sorted.length === 0 || next !== last;
      if (isNew && this.#values.has(next)) {
        this.#sorted.push(next);
        last = next;
      }
    }
    return this.#sorted;
  }
}

/** The first place whose key is not before `text`. */
function placeOf(sorted: readonly string[], text: string): number {
  let [least, most] = [0, sorted.length];
  while (least < most) {
    const middle = (least + most) >> 1;
    if ((sorted[middle] as string) < text) least = middle + 1;
    else most = middle;
  }
  return least;
}
