/** Where words may stand on a drawing without covering one another. */

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** About what letters of twelve pixels take, rather more than less. */
const LETTER = { width: 7.2, boldWidth: 8.6, ascent: 12, descent: 4 };

export function boxOfText(
  x: number,
  y: number,
  content: string,
  anchor: 'start' | 'middle' | 'end',
  isBold = false,
): Box {
  const width = content.length * (isBold ? LETTER.boldWidth : LETTER.width);
  const left = { start: x, middle: x - width / 2, end: x - width }[anchor];
  return { left, right: left + width, top: y - LETTER.ascent, bottom: y + LETTER.descent };
}

export class Boxes {
  readonly #taken: Box[] = [];
  readonly #within: Box;

  constructor(width: number, height: number) {
    this.#within = { left: 2, top: 2, right: width - 2, bottom: height - 2 };
  }

  /** Keeps the place, and says so; or leaves it, where something else is or the drawing ends. */
  take(box: Box): boolean {
    const { left, top, right, bottom } = this.#within;
    const isWithin = box.left >= left && box.right <= right && box.top >= top && box.bottom <= bottom;
    const isFree = this.#taken.every(
      (each) => each.left >= box.right || each.right <= box.left || each.top >= box.bottom || each.bottom <= box.top,
    );
    if (isWithin && isFree) this.#taken.push(box);
    return isWithin && isFree;
  }
}
