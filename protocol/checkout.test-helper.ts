/** The checkout as tests find it: they run as they are built, in `.tests`. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);

/** A path of the checkout, as `deploy/compose`. */
export const inCheckout = (path: string): string => fileURLToPath(new URL(path, ROOT));

/**
 * For a test that starts programs of ours: the test runner has every process load its own module hooks, which makes a
 * start three times as long. Without a listener it does not.
 */
export function startPlainly(): void {
  const spawning = createRequire(import.meta.url)('process-on-spawn') as { removeAllListeners(): void };
  spawning.removeAllListeners();
  delete process.env['NODE_OPTIONS'];
}
