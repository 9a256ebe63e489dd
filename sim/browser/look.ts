/** What is looked at on a page in the browser. These functions run there: each is whole in itself. */

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly width: number;
  readonly height: number;
}
interface PageElement {
  readonly tagName: string;
  readonly textContent: string;
  readonly scrollWidth: number;
  readonly clientWidth: number;
  readonly className: unknown;
  open: boolean;
  getBoundingClientRect(): Box;
  querySelectorAll(selector: string): Iterable<PageElement>;
}
/** As far as it is used here; the types of the whole DOM would stand in every file. */
declare const document: {
  readonly documentElement: PageElement;
  getElementById(id: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
};
declare function getComputedStyle(element: PageElement): { readonly overflowX: string };

/** What is wider than the room it has, though it cannot be moved. */
export function overflows(): string[] {
  const page = document.documentElement;
  const found =
    page.scrollWidth > page.clientWidth ? [`the page is ${page.scrollWidth} wide, not ${page.clientWidth}`] : [];
  for (const element of document.querySelectorAll('main *, header *')) {
    const isMoved = ['auto', 'scroll'].includes(getComputedStyle(element).overflowX);
    // What is drawn has no width of this kind: its words are judged by themselves.
    if (typeof element.className !== 'string') continue;
    if (!isMoved && element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1)
      found.push(`${element.tagName} ${element.className} is cut off: ${element.textContent.slice(0, 60)}`);
  }
  return found;
}

/** Words of a drawing that reach out of it, that stand on one another, or that are too small. */
export function badWords(): string[] {
  const SLACK = 1.5;
  const HEIGHT_LEAST = 9;
  const found: string[] = [];
  for (const drawing of document.querySelectorAll('svg')) {
    const whole = drawing.getBoundingClientRect();
    if (whole.width === 0) continue;
    const words = [...drawing.querySelectorAll('text')].map((each) => ({
      says: each.textContent,
      box: each.getBoundingClientRect(),
    }));
    for (const [at, { says, box }] of words.entries()) {
      const isOut =
        box.left < whole.left - SLACK ||
        box.right > whole.right + SLACK ||
        box.top < whole.top - SLACK ||
        box.bottom > whole.bottom + SLACK;
      if (isOut) found.push(`“${says}” reaches out of its drawing`);
      if (Math.min(box.width, box.height) < HEIGHT_LEAST && says.length > 1) found.push(`“${says}” is too small`);
      for (const other of words.slice(at + 1)) {
        const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
        if (wide > SLACK && high > SLACK * 2) found.push(`“${says}” stands on “${other.says}”`);
      }
    }
  }
  return found;
}

export function openAll(): void {
  for (const each of document.querySelectorAll('details')) each.open = true;
}

/** The text of the element that holds the run, if the page has one. */
export const heldText = (): string | null => document.getElementById('run')?.textContent ?? null;
