/** Cuts a failing plan down to what it needs to fail in the same way (Zeller's delta debugging). */
import type { Plan, Step } from './plan.js';

/** What kind of violation it is: its text without the names and numbers that change from run to run. */
export const kindOf = (violation: string): string =>
  violation
    .replace(/[0-9a-f]{6,}/g, '#')
    .replace(/\d+/g, '#')
    .slice(0, 60);

interface Shrunk {
  readonly plan: Plan;
  readonly runs: number;
}

/**
 * The smallest plan found for which `fails` still holds, until `isOver` says so. Parts of the steps are left out, ever
 * smaller ones, as long as what is left fails.
 */
export async function shrink(
  plan: Plan,
  fails: (plan: Plan) => Promise<boolean>,
  isOver: () => boolean,
): Promise<Shrunk> {
  let { steps } = plan;
  let runs = 0;
  const attempt = async (shorter: readonly Step[]): Promise<boolean> => {
    runs += 1;
    if (!(await fails({ ...plan, steps: shorter }))) return false;
    steps = shorter;
    return true;
  };
  for (let parts = 2; steps.length > 0 && !isOver(); ) {
    const length = Math.ceil(steps.length / parts);
    let hasShrunk = false;
    for (let from = 0; from < steps.length && !isOver(); ) {
      const left = [...steps.slice(0, from), ...steps.slice(from + length)];
      if (await attempt(left)) hasShrunk = true;
      else from += length;
    }
    if (length === 1 && !hasShrunk) break;
    parts = hasShrunk ? Math.max(2, parts) : Math.min(2 * parts, steps.length);
  }
  return { plan: { ...plan, steps }, runs };
}
