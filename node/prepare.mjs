/**
 * Makes a checkout ready to run: installs the locked dependencies and builds `dist`, each only when it is missing
 * or stale. `--install-only` leaves the build out; `--tests` builds the tests too, with all they import, in `.tests`.
 * Says a line on stderr for each step it takes and nothing when all is fresh. Needs Node and npm alone: it runs before
 * there is anything else.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MIN = [20, 19];
const WAIT_STEP_MS = 200;
const WAIT_MAX_MS = 15 * 60 * 1000;
const ROOMS = ['protocol', 'ledger', 'node', 'sim'];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);
const LOCK = at('.prepare.lock');
const INSTALLED = at('node_modules', '.causeway-lock');

/** What is built, where: first beside its place, so that the relative paths in source maps hold after the rename. */
const PRODUCT = { folder: 'dist', building: '.dist-building', hasTests: false };
const TESTS = { folder: '.tests', building: '.tests-building', hasTests: true };

class PrepareError extends Error {}

const say = (line) => process.stderr.write(`${line}\n`);
const textOf = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/** Native packages differ by platform, so a checkout shared with a container of another one is installed anew. */
function dependenciesHash() {
  return createHash('sha256')
    .update(`${process.platform}-${process.arch}\0`)
    .update(readFileSync(at('package-lock.json')))
    .digest('hex');
}

const isTest = (name) => /\.(test|test-helper)\.ts$/.test(name);
const isTranslated = (name) => name.endsWith('.ts') && !name.endsWith('.d.ts');
const isAsset = (name) => !/\.(ts|mjs|md)$/.test(name);

/** Every file that a build reads or copies, in a fixed order, relative to the root. */
function sourceFiles({ hasTests }) {
  const files = [];
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile() && (hasTests || !isTest(entry.name))) files.push(relative(root, path));
    }
  };
  for (const room of ROOMS) if (existsSync(at(room))) walk(at(room));
  return files.sort((a, b) => (a < b ? -1 : 1));
}

function sourcesHash(files) {
  const hash = createHash('sha256').update(dependenciesHash());
  for (const file of ['tsconfig.json', 'node/prepare.mjs', ...files]) {
    hash.update(`\0${file}\0`).update(readFileSync(at(file)));
  }
  return hash.digest('hex');
}

function run(command, args, options) {
  // Standard output belongs to the program that runs next: `npm run demo -- --json` prints JSON there.
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (error !== undefined) throw new PrepareError(`${command} could not be started: ${error.message}`);
  if (signal !== null) throw new PrepareError(`${command} was ended by ${signal}`);
  if (status !== 0) throw new PrepareError(`${command} ${args.join(' ')} failed with exit status ${status}`);
}

function install() {
  say('installing dependencies (npm ci) …');
  const hash = dependenciesHash();
  // Development dependencies hold the compiler: they are needed even where NODE_ENV says production.
  const args = ['ci', '--include=dev', '--ignore-scripts', '--no-progress', '--loglevel=error'];
  const npm = process.env['npm_execpath'];
  if (npm?.endsWith('npm-cli.js')) run(process.execPath, [npm, ...args], {});
  else run('npm', args, { shell: process.platform === 'win32' });
  writeFileSync(INSTALLED, hash);
}

/**
 * Packages that come as hundreds of small files are put into a few: reading them file by file took most of the time in
 * which a command or a node starts. All else that our files import stays where it is.
 */
const BUNDLED = /^(typebox|libp2p|@libp2p\/|@chainsafe\/libp2p-noise|@multiformats\/)/;
const bundling = {
  name: 'packages of many files',
  setup({ onResolve }) {
    onResolve({ filter: /^/ }, ({ path, kind, importer }) => {
      // What is not ours is a package's, wherever its folder lies: `node_modules` may be a link.
      const isOurs = ROOMS.some((room) => importer.startsWith(at(room, sep)));
      return kind !== 'entry-point' && isOurs && !BUNDLED.test(path) ? { path, external: true } : undefined;
    });
  },
};

/**
 * Our files are translated one by one, without a look at types: that is what `npm run check` is for, and it takes fifty
 * times as long. The compiler options allow it (`isolatedModules`, `erasableSyntaxOnly`).
 */
async function build(target) {
  say(target.hasTests ? 'building the tests …' : 'building …');
  const { build: translate } = await import('esbuild');
  const building = at(target.building);
  const files = sourceFiles(target);
  const hash = sourcesHash(files);
  rmSync(building, { recursive: true, force: true });
  try {
    await translate({
      absWorkingDir: root,
      entryPoints: files.filter(isTranslated),
      outdir: building,
      outbase: '.',
      format: 'esm',
      platform: 'node',
      target: 'node20',
      bundle: true,
      splitting: true,
      chunkNames: 'packages/[hash]',
      plugins: [bundling],
      sourcemap: true,
      sourcesContent: false,
      tsconfig: 'tsconfig.json',
      logLevel: 'error',
    });
  } catch {
    throw new PrepareError('the build failed');
  }
  for (const file of files.filter(isAsset)) copyFileSync(at(file), placed(join(building, file)));
  writeFileSync(join(building, '.sources'), hash);
  // A whole new folder takes the old one's place, so files removed from the sources do not linger.
  // What is left of it by an end in the middle is no build.
  rmSync(at(target.folder, '.sources'), { force: true });
  rmSync(at(target.folder), { recursive: true, force: true });
  renameSync(building, at(target.folder));
}

/** A path whose folder is there. */
function placed(path) {
  mkdirSync(dirname(path), { recursive: true });
  return path;
}

const installStale = () => textOf(INSTALLED) !== dependenciesHash();
const isStale = (target) => textOf(at(target.folder, '.sources')) !== sourcesHash(sourceFiles(target));

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function takeLock() {
  const mine = `${LOCK}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    // A link appears with its content: nobody ever reads a lock file that does not yet name its holder.
    linkSync(mine, LOCK);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    unlinkSync(mine);
  }
}

/** Removes a lock whose holder is dead. A lock that was taken anew in the meantime is put back. */
function dropStaleLock() {
  const aside = `${LOCK}.stale.${process.pid}`;
  try {
    renameSync(LOCK, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (isAlive(Number(textOf(aside)))) linkSync(aside, LOCK);
  unlinkSync(aside);
}

async function withLock(work) {
  let waitedMs = 0;
  while (!takeLock()) {
    const holder = Number(textOf(LOCK));
    if (holder > 0 && !isAlive(holder)) {
      dropStaleLock();
      continue;
    }
    if (waitedMs === 0) say(`waiting for another preparation of this checkout (process ${holder}) …`);
    if (waitedMs >= WAIT_MAX_MS) {
      throw new PrepareError(`process ${holder} still holds ${LOCK}; remove that file if it is no preparation`);
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_STEP_MS);
    waitedMs += WAIT_STEP_MS;
  }
  try {
    await work();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

async function main() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
    throw new PrepareError(
      `Causeway needs Node ${NODE_MIN.join('.')} or newer, and this is ${process.versions.node}. Install a newer one from https://nodejs.org.`,
    );
  }
  const targets = process.argv.includes('--install-only') ? [] : [PRODUCT];
  if (process.argv.includes('--tests')) targets.push(TESTS);
  if (!installStale() && !targets.some(isStale)) return;
  // What was stale may be fresh by the time the lock is ours, so it is asked again.
  await withLock(async () => {
    if (installStale()) install();
    for (const target of targets) if (isStale(target)) await build(target);
  });
}

try {
  await main();
} catch (error) {
  if (!(error instanceof PrepareError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
