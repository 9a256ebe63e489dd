/** The checkout as tests find it, whether they run from their source or as they are built, in `.tests`. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const ROOT = new URL(import.meta.url.endsWith('.ts') ? '../' : '../../', import.meta.url);

/** A path of the checkout, as `deploy/compose`. */
export const inCheckout = (path: string): string => fileURLToPath(new URL(path, ROOT));

/**
 * For a test that starts our programs: `dist` has them as an operator runs them. A test that is started by tap itself
 * would have each of them load tap's module hooks, which makes a start three times as long; without a listener it does not.
 */
export function readyPrograms(): void {
  const spawning = createRequire(import.meta.url)('process-on-spawn') as { removeAllListeners(): void };
  spawning.removeAllListeners();
  delete process.env['NODE_OPTIONS'];
  spawnSync(process.execPath, [inCheckout('node/prepare.mjs')], { stdio: ['ignore', 2, 2] });
}
