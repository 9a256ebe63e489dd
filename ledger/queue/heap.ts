/** Small whole numbers, each in it once, of which the least comes first: a binary heap. */

export class LeastFirst {
  readonly #items: number[] = [];
  readonly #holds: Uint8Array;

  /** For numbers below `limit`. */
  constructor(limit: number) {
    this.#holds = new Uint8Array(limit);
  }

  add(item: number): void {
    if (this.#holds[item] === 1) return;
    this.#holds[item] = 1;
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if ((items[above] as number) <= item) break;
      items[at] = items[above] as number;
      at = above;
    }
    items[at] = item;
  }

  /** Takes the least out, or gives -1 when there is none. */
  take(): number {
    const items = this.#items;
    const [least] = items;
    const moved = items.pop();
    if (least === undefined || moved === undefined) return -1;
    this.#holds[least] = 0;
    if (items.length === 0) return least;
    let at = 0;
    for (let child = 1; child < items.length; child = 2 * at + 1) {
      if (child + 1 < items.length && (items[child + 1] as number) < (items[child] as number)) child += 1;
      if ((items[child] as number) >= moved) break;
      items[at] = items[child] as number;
      at = child;
    }
    items[at] = moved;
    return least;
  }
}
