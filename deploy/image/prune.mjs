/**
 * Takes out of an image what no node runs: native code for other platforms, sources, declarations, source maps and pages.
 * Usage: node deploy/image/prune.mjs FOLDER…
 */
import { readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** By a file's name. Licences stay: those who made a package ask for that. */
const UNUSED = /(\.ts|\.mts|\.cts|\.map|\.tsbuildinfo|\.md|\.markdown|\.flow|\.c|\.cc|\.cpp|\.h|\.gyp|\.gypi|\.o)$/i;
const KEPT = /^(licen[cs]e|notice|copying)/i;
/** Folders beside a package's own package.json that are for whoever changes it. */
const WORKSHOP = new Set(['test', 'tests', '__tests__', 'docs', 'doc', 'example', 'examples', 'bench', 'benchmarks']);
/** A folder of prebuilt code is named for one platform or for several: `linux-x64`, `darwin-x64+arm64`. */
function isForHere(name) {
  const [system, processors = ''] = name.split(/-(.*)/s);
  return system === process.platform && processors.split('+').includes(process.arch);
}

/** Whether a folder holds a package: there its workshop may go, deeper it may be code. */
const isPackage = (entries) => entries.some(({ name }) => name === 'package.json');

function prune(folder) {
  const entries = readdirSync(folder, { withFileTypes: true });
  const ofPackage = isPackage(entries);
  for (const entry of entries) {
    const path = join(folder, entry.name);
    // What npm, the build and its authors' services keep for themselves.
    if (entry.name.startsWith('.')) rmSync(path, { recursive: true });
    else if (!entry.isDirectory()) {
      if (UNUSED.test(entry.name) && !KEPT.test(entry.name)) rmSync(path);
    } else if (entry.name === 'prebuilds') {
      for (const name of readdirSync(path)) if (!isForHere(name)) rmSync(join(path, name), { recursive: true });
      prune(path);
    } else if (ofPackage && WORKSHOP.has(entry.name) && !isNeeded(folder, entry.name)) {
      rmSync(path, { recursive: true });
    } else prune(path);
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

/** Whether the package names the folder as its own code. */
function isNeeded(folder, name) {
  const { main = '', exports = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return JSON.stringify([main, exports]).includes(`${name}/`);
}

for (const folder of process.argv.slice(2)) prune(folder);
