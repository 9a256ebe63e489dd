/**
 * The pages that are looked at: of a run with faults, of one that was spoiled and fails, of one that holds, of one that
 * has as much of everything as there can be; and the study.
 */
import { latencyMs, PLACES } from '../geography.js';
import { gapOf, loadSolver } from '../liquidity/exact.js';
import { QUICK_LEVELS } from '../liquidity/levels.js';
import { commandOf, reportOf as studyReportOf } from '../liquidity/report.js';
import { study } from '../liquidity/study.js';
import { DEFAULTS } from '../liquidity/traffic.js';
import { loadScenario, runScenario } from '../scenario/command.js';
import { type Scenario, sabotaged } from '../scenario/file.js';
import type { Run } from '../scenario/play.js';
import { reportOf } from '../scenario/report.js';
import { STORM } from './storm.js';

export interface Page {
  readonly name: string;
  readonly html: string;
  /** The run that it must hold, where it is of one. */
  readonly run: Run | null;
}

const SEED = 1;

export async function pagesOf(): Promise<readonly Page[]> {
  const gridlock = loadScenario('gridlock');
  if (typeof gridlock === 'string') throw new Error(gridlock);
  const { about, breaks } = gridlock.sabotage;
  const spoiled = { ...(await runOf(sabotaged(gridlock))), sabotage: { about, breaks } };
  const storm = await runOf(STORM);
  const runs: readonly (readonly [string, Run])[] = [
    ['storm', storm],
    ['spoiled', spoiled],
    ['gridlock', await runOf(gridlock)],
    ['crowded', crowded(storm)],
  ];
  return [...runs.map(([name, run]) => ({ name, html: reportOf(run), run })), await liquidityPage()];
}

async function runOf(scenario: Scenario): Promise<Run> {
  const run = await runScenario(scenario, { world: 'virtual', seed: SEED, image: '', nextImage: '' }, () => undefined);
  if (typeof run === 'string') throw new Error(run);
  return run;
}

/** The same run as if there had been as much as a file can ask for: every place, long names, large sums, many faults. */
function crowded(run: Run): Run {
  const long = 'Donaudampfschifffahrtsgesellschaft'.repeat(3);
  const [seat] = run.seats as readonly [Run['seats'][number]];
  const seats = PLACES.flatMap(({ code }) => [
    { ...seat, name: code, place: code, title: long, isValidator: true },
    ...[1, 2, 3].map((nth) => ({ ...seat, name: `${code}-${nth}`, place: code, title: long, isValidator: false })),
  ]);
  const links = PLACES.flatMap((from, at) =>
    PLACES.slice(at + 1).map((to): Run['links'][number] => ({
      between: [from.code, to.code],
      latencyMs: latencyMs(from.code, to.code),
    })),
  );
  const lastedMs = run.lastedMs * 1_000;
  const timeline = Array.from({ length: 100 }, (_, nth) => {
    const [first] = run.timeline.slice(nth % run.timeline.length) as [Run['timeline'][number]];
    const fromMs = (lastedMs / 110) * nth;
    return { ...first, fromMs, untilMs: first.untilMs === null ? null : fromMs + (lastedMs / 40) * (nth % 4) };
  });
  return {
    ...run,
    scenario: { ...run.scenario, title: long },
    seats,
    links,
    lastedMs,
    timeline,
    series: run.series.map((each) => ({ ...each, settled: each.settled * 1_000_000, finalityP99Ms: 4_000_000 })),
    assets: run.assets.map((each) => ({
      ...each,
      asset: `ABCDEFGHIJKL.${each.asset}1`,
      settled: `${'9'.repeat(18)}.99`,
    })),
  };
}

async function liquidityPage(): Promise<Page> {
  const parameters = { ...DEFAULTS, seed: SEED, banks: 20, currencies: 4, instructions: 200 };
  const gap = gapOf(SEED, 3, await loadSolver());
  const html = studyReportOf(study(parameters, QUICK_LEVELS), gap, commandOf(parameters, true));
  return { name: 'liquidity', html, run: null };
}
