/** A bug planted on purpose: what the fuzzer must find, or it would not find the real one either. */

/** A text that stands exactly once in a source file, and what takes its place. */
export interface Edit {
  /** From the root of the project. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  /** The rule that it breaks. */
  readonly breaks: string;
  /** Mostly one; several where a rule is held in more than one place. */
  readonly edits: readonly Edit[];
  /**
   * Violations, by a text in them, that do not count as catching it: those of a cause which had to be planted with it,
   * where the rule broken says what must follow from that cause.
   */
  readonly besides?: readonly string[];
  /** A situation that is no longer met where the bug is: nothing goes wrong at once when nobody looks any more. */
  readonly hides?: string;
}

/** The source with the edit made. Refuses a text that occurs never or more than once: the catalogue is out of date. */
export function planted(source: string, { file, find, replace }: Edit): string {
  const at = source.indexOf(find);
  if (at < 0 || source.indexOf(find, at + 1) >= 0) {
    const times = at < 0 ? 'is not there' : 'is there more than once';
    throw new Error(`the text to be replaced in ${file} ${times}: ${find}`);
  }
  return source.slice(0, at) + replace + source.slice(at + find.length);
}
