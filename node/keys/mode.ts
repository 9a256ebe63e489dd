/** Who else may read a file of a key. */

export interface FileMode {
  readonly mode: number;
  /** Whose file it is. */
  readonly uid: number;
}

const OTHERS = 0o077;
const OTHERS_BUT_TO_READ_IN_GROUP = 0o037;
const ROOT = 0;

/**
 * Whether others than its owner may read a file of a key. One of root's may be readable to a group, for a process that is
 * not root: so does a supervisor hand over a secret (Kubernetes with `fsGroup`), and nobody but root can have put it there.
 * `self` is the user of this process; Windows has no such bits, and null says so.
 */
export function isTooOpen({ mode, uid }: FileMode, self: number | null = process.getuid?.() ?? null): boolean {
  if (self === null) return false;
  const isHandedOver = uid === ROOT && self !== ROOT;
  return (mode & (isHandedOver ? OTHERS_BUT_TO_READ_IN_GROUP : OTHERS)) !== 0;
}
