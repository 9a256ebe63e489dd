/**
 * `npm run check`: types, lint, format, import rules and dead code, two at a time. Prints a verdict and a time for
 * each, the whole output of those that failed, and exits 1 if any did.
 */
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

const AT_ONCE = 2;
const TIMEOUT_MS = 5 * 60 * 1000;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => `node_modules/${name}`;

/** The longest first, so that the short ones fill what is left. */
const CHECKS = [
  { name: 'types', args: [bin('typescript/bin/tsc'), '--noEmit', '-p', '.'] },
  {
    name: 'imports',
    args: [bin('dependency-cruiser/bin/dependency-cruise.mjs'), 'protocol', 'ledger', 'node', 'sim'],
  },
  { name: 'dead code', args: [bin('knip/bin/knip.js'), '--no-progress'] },
  { name: 'lint', args: [bin('oxlint/bin/oxlint'), '--format', 'default'] },
  { name: 'format', args: [bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '--colors=off'] },
];

function run({ name, args }) {
  const startedMs = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS });
    let output = '';
    const take = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const end = (passed, detail) =>
      resolve({ name, passed, output: output + detail, tookMs: performance.now() - startedMs });
    child.on('error', (error) => end(false, `${error.message}\n`));
    child.on('close', (code, signal) => end(code === 0, signal === null ? '' : `ended by ${signal}\n`));
  });
}

const waiting = [...CHECKS];
const failed = [];
async function worker() {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const result = await run(next);
    if (!result.passed) {
      failed.push(result.name);
      console.log(`\n${result.output.trimEnd()}\n`);
    }
    console.log(
      `${result.passed ? 'ok    ' : 'FAILED'} ${result.name.padEnd(10)} ${(result.tookMs / 1000).toFixed(1)} s`,
    );
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, worker));
if (failed.length > 0) {
  console.log(`\ncheck failed: ${failed.join(', ')}. \`npm run format\` mends the format.`);
  process.exitCode = 1;
}
