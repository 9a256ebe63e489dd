/** A failure as people read it: what was done to the world, and what the nodes then did. */
import type { Deed, Plan } from './plan.js';

/** One line for a deed. */
function describeDeed(deed: Deed): string {
  const { do: name, ...rest } = deed;
  const parts = Object.entries(rest).map(([member, value]) => `${member} ${JSON.stringify(value)}`);
  return [name, ...parts].join(', ');
}

/** The steps of a plan, a line each: virtual seconds since the network opened, and what is done. */
export const describePlan = (plan: Plan): string[] =>
  plan.steps.map(({ atMs, deed }) => `${(atMs / 1000).toFixed(3).padStart(10)}  ${describeDeed(deed)}`);
