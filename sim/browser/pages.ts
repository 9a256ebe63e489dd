/** The pages that are looked at: of a run with faults, of one that was spoiled and fails, of one that holds; and the study. */
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
  const runs: readonly (readonly [string, Run])[] = [
    ['storm', await runOf(STORM)],
    ['spoiled', spoiled],
    ['gridlock', await runOf(gridlock)],
  ];
  return [...runs.map(([name, run]) => ({ name, html: reportOf(run), run })), await liquidityPage()];
}

async function runOf(scenario: Scenario): Promise<Run> {
  const run = await runScenario(scenario, 'virtual', SEED, () => undefined);
  if (typeof run === 'string') throw new Error(run);
  return run;
}

async function liquidityPage(): Promise<Page> {
  const parameters = { ...DEFAULTS, seed: SEED, banks: 20, currencies: 4, instructions: 200 };
  const gap = gapOf(SEED, 3, await loadSolver());
  const html = studyReportOf(study(parameters, QUICK_LEVELS), gap, commandOf(parameters, true));
  return { name: 'liquidity', html, run: null };
}
