/**
 * Facts about signatures, computed early and off the main thread. That a signature is valid under the key of its
 * thumbprint is true for ever, so a verdict is kept with the item whatever branch or state it was made for.
 */
import type { Ordered } from '../../ledger/apply.js';
import { decodeItem, type Instruction } from '../../protocol/instruction.js';
import { keyAlgOf } from '../../protocol/jws.js';
import type { Thumbprint } from '../../protocol/types.js';
import type { KeyLookup, SignatureCheck, Urgency, Verifier } from '../ports.js';

export interface LaneItem {
  readonly instruction: Instruction;
  /** Verdicts on its signatures, by signing key. */
  readonly signed: Map<Thumbprint, boolean>;
  /** Verdicts on its proofs of possession, by new key. */
  readonly possessed: Map<Thumbprint, boolean>;
}

export const laneItem = (instruction: Instruction): LaneItem => ({
  instruction,
  signed: new Map(),
  possessed: new Map(),
});

/** Items as a batch carries them; bytes that are no instruction are null, and have no effect when ordered. */
export const laneItems = (items: readonly Uint8Array[]): (LaneItem | null)[] =>
  items.map((bytes) => {
    const read = decodeItem(bytes);
    return read.ok ? laneItem(read.instruction) : null;
  });

interface Open {
  readonly verdicts: Map<Thumbprint, boolean>;
  readonly kid: Thumbprint;
  readonly check: SignatureCheck;
}

/** The checks that these items still need, as far as `keyOf` knows their keys. */
function openChecks(items: readonly (LaneItem | null)[], keyOf: KeyLookup): Open[] {
  const open: Open[] = [];
  for (const item of items) {
    if (item === null) continue;
    for (const { kid, alg, signingInput, signature } of item.instruction.signatures) {
      if (item.signed.has(kid)) continue;
      const key = keyOf(kid);
      if (key === undefined) continue;
      if (key.alg === keyAlgOf(alg))
        open.push({ verdicts: item.signed, kid, check: { ...key, message: signingInput, signature } });
      else item.signed.set(kid, false);
    }
    for (const { kid, alg, key, signingInput, signature } of item.instruction.possessions) {
      if (!item.possessed.has(kid))
        open.push({
          verdicts: item.possessed,
          kid,
          check: { alg, key, message: signingInput, signature, registers: true },
        });
    }
  }
  return open;
}

/** Whether every signature by a key that `keyOf` knows has its verdict. */
export const areFactsKnown = (items: readonly (LaneItem | null)[], keyOf: KeyLookup): boolean =>
  openChecks(items, keyOf).length === 0;

/** Makes the checks that are still open, as urgent as whoever waits for them. */
export async function learnFacts(
  items: readonly (LaneItem | null)[],
  keyOf: KeyLookup,
  verifier: Verifier,
  urgency: Urgency,
): Promise<void> {
  const open = openChecks(items, keyOf);
  if (open.length === 0) return;
  const verdicts = await verifier.verify(
    open.map(({ check }) => check),
    { urgency },
  );
  open.forEach(({ verdicts: known, kid }, i) => known.set(kid, verdicts[i] === true));
}

/**
 * An item with its facts, as the ledger takes it. Of its signatures only those count whose keys the parent state has:
 * what else this node happens to know, from another branch or an earlier state, another node may not.
 */
export const ordered = (item: LaneItem | null, keyOf: KeyLookup): Ordered | null => {
  if (item === null) return null;
  const { instruction } = item;
  const signed = instruction.signatures.flatMap(({ kid }) =>
    item.signed.get(kid) === true && keyOf(kid) ? [kid] : [],
  );
  const possessed = instruction.possessions.flatMap(({ kid }) => (item.possessed.get(kid) === true ? [kid] : []));
  return { instruction, signed, possessed };
};
