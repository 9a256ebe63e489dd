/** The states of a run of the model, many millions if need be, in plain arrays. */

/** A set of states as triples of local ids, with the way each was first reached. */
export class States {
  #capacity = 1 << 16;
  #index = new Int32Array(2 * this.#capacity).fill(-1);
  #rows = new Int32Array(5 * this.#capacity);
  size = 0;

  row(id: number): readonly [number, number, number, number, number] {
    const at = 5 * id;
    return [...this.#rows.subarray(at, at + 5)] as [number, number, number, number, number];
  }

  /** False when it is known. */
  add(a: number, b: number, c: number, parent: number, actor: number): boolean {
    const mask = this.#index.length - 1;
    let at = hash(a, b, c) & mask;
    for (let id = this.#index[at] as number; id >= 0; id = this.#index[at] as number) {
      const row = 5 * id;
      if (this.#rows[row] === a && this.#rows[row + 1] === b && this.#rows[row + 2] === c) return false;
      at = (at + 1) & mask;
    }
    this.#index[at] = this.size;
    this.#rows.set([a, b, c, parent, actor], 5 * this.size);
    this.size += 1;
    if (this.size === this.#capacity) this.#grow();
    return true;
  }

  #grow(): void {
    this.#capacity *= 2;
    const rows = new Int32Array(5 * this.#capacity);
    rows.set(this.#rows);
    this.#rows = rows;
    this.#index = new Int32Array(2 * this.#capacity).fill(-1);
    const mask = this.#index.length - 1;
    for (let id = 0; id < this.size; id++) {
      let at = hash(rows[5 * id] as number, rows[5 * id + 1] as number, rows[5 * id + 2] as number) & mask;
      while ((this.#index[at] as number) >= 0) at = (at + 1) & mask;
      this.#index[at] = id;
    }
  }
}

function hash(a: number, b: number, c: number): number {
  let mixed = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
