/** Amounts at places, of which one asks for the last that is at least so much: a tree of maxima, log n for each step. */

export class LastMax {
  readonly #width: number;
  /** The root at 1, the children of i at 2i and 2i + 1; the amounts themselves from `width` on. */
  readonly #maxima: bigint[];

  constructor(amounts: readonly bigint[]) {
    let width = 1;
    while (width < amounts.length) width *= 2;
    this.#width = width;
    this.#maxima = new Array<bigint>(2 * width).fill(0n);
    for (let at = 0; at < amounts.length; at++) this.#maxima[width + at] = amounts[at] as bigint;
    for (let at = width - 1; at > 0; at--) this.#maxima[at] = this.#larger(at);
  }

  /** Takes the amount at a place away. */
  clear(place: number): void {
    let at = this.#width + place;
    this.#maxima[at] = 0n;
    for (at >>= 1; at > 0; at >>= 1) this.#maxima[at] = this.#larger(at);
  }

  /** The last place whose amount is at least `least`, which is above zero; -1 when there is none. */
  last(least: bigint): number {
    if ((this.#maxima[1] as bigint) < least) return -1;
    let at = 1;
    while (at < this.#width) at = (this.#maxima[2 * at + 1] as bigint) >= least ? 2 * at + 1 : 2 * at;
    return at - this.#width;
  }

  #larger(at: number): bigint {
    const [left, right] = [this.#maxima[2 * at] as bigint, this.#maxima[2 * at + 1] as bigint];
    return left > right ? left : right;
  }
}
