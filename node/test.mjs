/**
 * `npm test`: runs tests, each file a process, two at a time. Prints a line for each file, what failed in it and what
 * was skipped, and last the counts of all assertions; exits 1 if anything failed. Arguments are files or folders; none
 * means all but the drills, which have a command of their own.
 *
 * A file runs as it is built in `.tests`, with source maps: translating at each import, for each file anew, took about a
 * quarter of the time of all tests.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath, pathToFileURL } from 'node:url';

const AT_ONCE = 2;
/** What tap gives a file that asks for no other time; at its end tap says what was still open. */
const FILE_SECONDS_MAX = 300;
/** For a file that lets not even tap's clock run: longer than any drill asks for. */
const HUNG_MS = 60 * 60 * 1000;
const ROOMS = ['protocol', 'ledger', 'node', 'sim'];
const DRILLS = 'sim/drills/';
/** The longest of all, so that none of them is left to run alone at the end. */
const LONGEST = [
  'sim/network.test.ts',
  'node/cli.test.ts',
  'sim/sync.test.ts',
  'sim/byzantine/liars.test.ts',
  'sim/ceremony.test.ts',
  'sim/epochs.test.ts',
  'sim/world.test.ts',
];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const hooks = pathToFileURL(join(root, 'node/testhooks.mjs')).href;

/** The tests under these paths, relative to the root, the longest first. */
function testsUnder(paths) {
  const found = paths.flatMap((path) => {
    const absolute = resolve(root, path);
    if (!existsSync(absolute)) throw new Error(`there is no ${path}`);
    if (path.endsWith('.test.ts')) return [relative(root, absolute)];
    return readdirSync(absolute, { recursive: true }).map((file) => relative(root, join(absolute, file)));
  });
  const tests = [...new Set(found)].filter((file) => file.endsWith('.test.ts')).sort((a, b) => (a < b ? -1 : 1));
  if (tests.length === 0) throw new Error(`there is no test under ${paths.join(', ')}`);
  return [...LONGEST.filter((file) => tests.includes(file)), ...tests.filter((file) => !LONGEST.includes(file))];
}

/** The last line that tap writes, as `# { total: 12, pass: 11, fail: 1 }`; null when it did not come to that. */
function countsIn(tap) {
  const line = tap.split('\n').findLast((each) => each.startsWith('# { total: '));
  if (line === undefined) return null;
  return Object.fromEntries([...line.matchAll(/(\w+): (\d+)/g)].map(([, name, count]) => [name, Number(count)]));
}

async function run(file) {
  const startedMs = performance.now();
  const program = join(root, '.tests', file.replace(/\.ts$/, '.js'));
  const child = spawn(process.execPath, ['--enable-source-maps', `--import=${hooks}`, program], {
    cwd: root,
    env: { ...process.env, TAP_TIMEOUT: String(FILE_SECONDS_MAX) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), HUNG_MS);
  const exited = new Promise((end, fail) => {
    child.on('error', fail);
    child.on('close', (status, signal) => end({ status, signal }));
  });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      said[stream] += text;
    });
  }
  const { status, signal } = await exited;
  clearTimeout(timer);
  const end = signal === null ? `ended with status ${status}` : `was ended by ${signal}`;
  const counts = countsIn(said.stdout) ?? { total: 0 };
  const passed = status === 0 && counts.total > 0;
  // A file that fails without a failed assertion counts as one.
  if (!passed && counts.fail === undefined) {
    counts.total += 1;
    counts.fail = 1;
  }
  return { file, counts, said, end, passed, tookMs: performance.now() - startedMs };
}

/** The lines of what failed, each with its details; for what is skipped, its line. */
function notable(tap) {
  let isFailure = false;
  return tap.split('\n').filter((line) => {
    if (/^ *(not )?ok \d/.test(line)) isFailure = /^ *not ok/.test(line);
    return isFailure || line.includes('# SKIP');
  });
}

function tell({ file, counts, said, end, passed, tookMs }) {
  const took = `${(tookMs / 1000).toFixed(1)} s`;
  console.log(
    `${passed ? 'ok    ' : 'FAILED'} ${file.padEnd(44)} ${String(counts.total).padStart(5)} ${took.padStart(8)}`,
  );
  for (const line of notable(said.stdout)) console.log(`    ${line}`);
  if (passed) return;
  console.log(`    The process ${end}; the last of what it said on stderr:`);
  for (const line of said.stderr.trimEnd().split('\n').slice(-60)) console.log(`    ${line}`);
}

async function main() {
  const given = process.argv.slice(2);
  const tests = testsUnder(given.length === 0 ? ROOMS : given).filter(
    (file) => given.length > 0 || !file.startsWith(DRILLS),
  );
  const sum = { total: 0, pass: 0 };
  const waiting = [...tests];
  async function worker() {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const result = await run(next);
      for (const [name, count] of Object.entries(result.counts)) sum[name] = (sum[name] ?? 0) + count;
      tell(result);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  console.log(
    `# { ${Object.entries(sum)
      .map(([name, count]) => `${name}: ${count}`)
      .join(', ')} }`,
  );
  if (sum.fail !== undefined) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  console.error(`test: ${error.message}`);
  process.exitCode = 2;
}
