/** `npm run sim -- speed`: virtual seconds that one core runs in a real one, of four validators without faults. */
import type { Command } from 'commander';
import { run } from '../run.js';
import { readCount } from './command.js';
import { CALM_PLAN, type Plan } from './plan.js';

/** Instructions a second, and the goal in virtual seconds a real one. */
const LOADS = [
  { load: 'light', perSecond: 10, goal: 1_000 },
  { load: 'full', perSecond: 1_000, goal: 100 },
] as const;

interface Options {
  readonly seconds: number;
  readonly json: boolean;
}

export const speedCommand = (program: Command): Command =>
  program
    .command('speed')
    .description('Measure how fast virtual time passes. Example: npm run sim -- speed --seconds 30')
    .option('--seconds <n>', 'virtual time measured under each load', readCount, 20)
    .option('--json', 'the figures as one line of JSON', false)
    .action(speed);

async function speed({ seconds, json }: Options): Promise<void> {
  const figures: Record<string, number> = {};
  for (const { load, perSecond, goal } of LOADS) {
    const idle = await timed(quietPlan(0, 0));
    const busy = await timed(quietPlan(seconds, perSecond));
    const perRealSecond = (busy.virtualMs - idle.virtualMs) / Math.max(1, busy.realMs - idle.realMs);
    figures[load] = Math.round(10 * perRealSecond) / 10;
    if (!json)
      console.log(
        `${load} load, ${perSecond} instructions a second: ${figures[load]} virtual seconds in a real one (goal ${goal}); ${busy.height} blocks`,
      );
  }
  if (json) console.log(JSON.stringify({ virtualSecondsPerSecond: figures, virtualSeconds: seconds }));
}

async function timed(plan: Plan): Promise<{ virtualMs: number; realMs: number; height: number }> {
  const started = performance.now();
  const { violations, virtualMs, height } = await run(plan);
  if (violations.length > 0) throw new Error(`a quiet run failed: ${violations.join('; ')}`);
  return { virtualMs, realMs: performance.now() - started, height };
}

function quietPlan(seconds: number, perSecond: number): Plan {
  const sent = seconds * perSecond;
  const steps = Array.from({ length: sent }, (_, i) => ({
    atMs: Math.floor((1000 * i) / perSecond),
    deed: { do: 'submit', node: i, chance: i } as const,
  }));
  return { ...CALM_PLAN, faultMs: 1000 * seconds, steps };
}
