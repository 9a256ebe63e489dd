/** The rules of the house, checked: who imports whom, what the pure rooms may not touch, what no file may name. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import t from 'tap';
import { inCheckout } from '../protocol/checkout.test-helper.js';
import { bansIn } from './bans.test-helper.js';

const root = inCheckout('.');
const ROOMS = ['protocol', 'ledger', 'node', 'sim'];

interface Cruised {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: {
    readonly totalDependenciesCruised: number;
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string };
    }[];
  };
}

/** The import rules of this project, applied to the rooms under `folder`. */
function cruise(folder: string): Cruised {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs'),
      '--config',
      join(root, '.dependency-cruiser.mjs'),
      '--output-type',
      'json',
      ...ROOMS,
    ],
    { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  if (!stdout.startsWith('{')) throw new Error(`dependency-cruiser did not run: ${stdout}${stderr}`);
  return JSON.parse(stdout) as Cruised;
}

const violationsOf = ({ summary }: Cruised): string[] =>
  summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`);

t.test('imports keep to the table of rooms', async (t) => {
  const cruised = cruise(root);
  const ours = cruised.modules
    .map((module) => module.source)
    .filter((path) => /^(protocol|ledger|node|sim)\//.test(path));
  t.ok(ours.length > 30, `saw ${ours.length} files`);
  // A tool that cannot read TypeScript would report no violations in no modules.
  for (const room of [
    'protocol',
    'protocol/bft',
    'ledger',
    'node',
    'node/api',
    'node/keys',
    'node/net',
    'node/store',
    'sim',
  ]) {
    t.ok(
      ours.some((path) => path.startsWith(`${room}/`) && path.endsWith('.ts')),
      `saw files in ${room}`,
    );
  }
  t.ok(
    cruised.summary.totalDependenciesCruised > ours.length,
    `saw ${cruised.summary.totalDependenciesCruised} imports`,
  );
  t.strictSame(violationsOf(cruised), []);
});

t.test('each import that is forbidden is caught when planted', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-house-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  /** rule, importing file, what it imports as written, and as the report names it */
  const rows: readonly (readonly [rule: string, from: string, written: string, to: string])[] = [
    ['protocol/bft: values', 'protocol/bft/a.ts', '../block.js', 'protocol/block.ts'],
    ['protocol: values', 'protocol/b.ts', 'node:fs', 'fs'],
    ['protocol: values', 'protocol/c.ts', '../ledger/leaf.js', 'ledger/leaf.ts'],
    ['ledger: values', 'ledger/a.ts', '../protocol/bft/core.js', 'protocol/bft/core.ts'],
    ['ledger: values', 'ledger/b.ts', 'product', 'node_modules/product/index.js'],
    ['node/ports: types', 'node/ports.ts', '../protocol/block.js', 'protocol/block.ts'],
    ['node/replica: values', 'node/replica.ts', './store/level.js', 'node/store/level.ts'],
    ['node/store: values', 'node/store/a.ts', '../net/leaf.js', 'node/net/leaf.ts'],
    ['node/store: types', 'node/store/b.ts', '../../ledger/leaf.js', 'ledger/leaf.ts'],
    ['node/api: values', 'node/api/server.ts', '../keys/leaf.js', 'node/keys/leaf.ts'],
    ['node/api/handlers: values', 'node/api/handlers.ts', './server.js', 'node/api/server.ts'],
    ['node/api/client: values', 'node/api/client.ts', '../ports.js', 'node/ports.ts'],
    ['node/api/client runs in a browser', 'node/api/client.ts', '../../protocol/b.js', 'fs'],
    ['node/cli: values', 'node/cli.ts', './replica.js', 'node/replica.ts'],
    ['sim/naive: values', 'sim/naive/a.ts', '../../ledger/leaf.js', 'ledger/leaf.ts'],
    ['sim/checkers: values', 'sim/checkers/a.ts', '../clock.js', 'sim/clock.ts'],
    ['sim/checkers: types', 'sim/checkers/b.ts', '../../ledger/leaf.js', 'ledger/leaf.ts'],
    ['sim: values', 'sim/a.ts', '../node/store/level.js', 'node/store/level.ts'],
    ['nothing imports sim', 'node/main.ts', '../sim/a.js', 'sim/a.ts'],
    ['nothing imports a test', 'node/c.ts', './d.test.js', 'node/d.test.ts'],
    ['only tests import test helpers', 'node/e.ts', './f.test-helper.js', 'node/f.test-helper.ts'],
    ['fastify only in node/api/server', 'node/g.ts', 'fastify', 'node_modules/fastify/index.js'],
    ['no barrels', 'ledger/c.ts', './index.js', 'ledger/index.ts'],
    ['no cycles', 'ledger/d.ts', './e.js', 'ledger/e.ts'],
    ['no unresolvable import', 'ledger/f.ts', './nowhere.js', './nowhere.js'],
    ['no undeclared package', 'node/h.ts', 'undeclared', 'node_modules/undeclared/index.js'],
    ['no development dependency in the product', 'node/i.ts', 'development', 'node_modules/development/index.js'],
    ['no orphan', 'ledger/orphan.ts', '', 'ledger/orphan.ts'],
  ];
  const files = new Map<string, string>([
    [
      'package.json',
      '{"type":"module","dependencies":{"fastify":"1","product":"1"},"devDependencies":{"development":"1"}}',
    ],
    ['tsconfig.json', '{"compilerOptions":{"module":"NodeNext","moduleResolution":"NodeNext"}}'],
    ['ledger/e.ts', "import './d.js';\n"],
  ]);
  for (const [, , , to] of rows) {
    if (/\.[jt]s$/.test(to) && !to.startsWith('.') && !files.has(to)) files.set(to, 'export const one = 1;\n');
  }
  for (const [, from, written] of rows) {
    files.set(from, `${files.get(from) ?? ''}${written === '' ? 'export {};' : `import '${written}';`}\n`);
  }
  for (const name of ['fastify', 'product', 'development', 'undeclared']) {
    files.set(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
  }
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const caught = new Set(violationsOf(cruise(folder)));
  for (const [rule, from, , to] of rows) {
    t.ok(caught.has(`${rule}: ${from} -> ${to}`), `${rule}: ${from} -> ${to}`);
  }
});

/** Files that may ask Node for native code whose result is the same as that of the code beside it. */
const NATIVE_ALLOWED: ReadonlySet<string> = new Set(['protocol/hash.ts', 'protocol/base64url.ts']);

function pureFiles(): string[] {
  const found: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) walk(path);
      else if (path.endsWith('.ts') && !/\.(test|test-helper)\.ts$/.test(path)) found.push(path);
    }
  };
  walk('protocol');
  walk('ledger');
  return found;
}

t.test('the pure rooms have no clock, chance, I/O, locale or floating point', async (t) => {
  const files = pureFiles();
  t.ok(files.filter((path) => path.startsWith('protocol/')).length > 10, 'saw the files of protocol');
  t.ok(files.filter((path) => path.startsWith('protocol/bft/')).length > 1, 'saw the files of protocol/bft');
  t.ok(files.filter((path) => path.startsWith('ledger/')).length > 5, 'saw the files of ledger');
  t.comment(`${files.length} files`);
  for (const path of files) {
    const bans = bansIn(path, readFileSync(join(root, path), 'utf8'), { native: NATIVE_ALLOWED.has(path) });
    t.strictSame(bans, [], path);
  }
  for (const path of NATIVE_ALLOWED) {
    const bans = bansIn(path, readFileSync(join(root, path), 'utf8'), { native: false });
    t.ok(bans.length > 0, `${path} needs its exception`);
  }
});

t.test('each ban catches what is planted, and nothing else', async (t) => {
  const caught: readonly (readonly [ban: string, source: string])[] = [
    ['clock', 'const a = Date.now();'],
    ['clock', 'const a = new Date();'],
    ['clock', 'const a = new Date;'],
    ['clock', 'const a = Date();'],
    ['clock', 'const { now } = Date;'],
    ['clock', 'const a = performance.now();'],
    ['clock', 'setTimeout(f, 1);'],
    ['clock', 'setInterval(f, 1);'],
    ['clock', 'setImmediate(f);'],
    ['clock', 'queueMicrotask(f);'],
    ['clock', 'const now = Date["now"]();'],
    ['clock', 'const now = 1; Date.now();'],
    ['local time', 'const a = new Date(2020, 1, 1);'],
    ['local time', 'const a = new Date("2020-01-01 10:00");'],
    ['local time', 'const a = date.getHours();'],
    ['local time', 'const a = date.getTimezoneOffset();'],
    ['chance', 'const a = Math.random();'],
    ['chance', 'const { random } = Math;'],
    ['chance', 'const a = crypto.getRandomValues(b);'],
    ['chance', 'const a = globalCrypto.randomUUID();'],
    ['chance', 'const a = randomBytes(32);'],
    ['floating point', 'const a = Math.sin(1);'],
    ['floating point', 'const a = Math["pow"](2, 3);'],
    ['floating point', 'const a = Math.sqrt(2);'],
    ['floating point', 'const a = 0.5;'],
    ['floating point', 'const a = 1e-3;'],
    ['floating point', 'const a = parseFloat("1.5");'],
    ['floating point', 'const a = Number.parseFloat("1.5");'],
    ['floating point', 'const a = new Float64Array(1);'],
    ['floating point', 'view.getFloat64(0);'],
    ['floating point', 'const a = (1).toFixed(2);'],
    ['asynchronous', 'async function f() {}'],
    ['asynchronous', 'const f = async () => 1;'],
    ['asynchronous', 'const a = await b;'],
    ['asynchronous', 'for await (const a of b) {}'],
    ['asynchronous', 'const a = Promise.resolve(1);'],
    ['asynchronous', 'const a: Promise<void> = b;'],
    ['locale', 'const a = b.toLocaleString();'],
    ['locale', 'const a = b.toLocaleUpperCase();'],
    ['locale', 'const a = b.localeCompare(c);'],
    ['locale', 'const a = new Intl.Collator();'],
    ['I/O', 'import fs from "node:fs";'],
    ['I/O', 'import { x } from "fs";'],
    ['I/O', 'export { readFile } from "node:fs/promises";'],
    ['I/O', 'const a = require("fs");'],
    ['I/O', 'const a = await import("./x.js");'],
    ['I/O', 'const a = fetch("x");'],
    ['I/O', 'console.log(1);'],
    ['environment', 'const a = process.env;'],
    ['environment', 'const a = globalThis.anything;'],
    ['environment', 'const a = self.anything;'],
    ['environment', 'const a = host.getBuiltinModule("node:fs");'],
    ['environment', 'const a = Buffer.from("a");'],
    ['environment', 'const a = navigator.language;'],
    ['order', 'for (const a in b) {}'],
    ['order', 'const a = new WeakRef(b);'],
    ['order', 'const a = new FinalizationRegistry(f);'],
    ['order', 'const a = list.sort();'],
    ['order', 'const a = list.toSorted();'],
    ['chance', 'import { randomBytes } from "@noble/hashes/utils.js";'],
    ['code from text', 'eval("1");'],
    ['code from text', 'new Function("return 1");'],
  ];
  for (const [ban, source] of caught) {
    const bans = bansIn('planted.ts', source, { native: false });
    t.ok(
      bans.some((found) => found.includes(`${ban}:`)),
      `${ban}: ${source}`,
      { bans },
    );
  }
  const free = [
    'const date = new Date(ms).toISOString();',
    'const a = Date.UTC(2020, 1, 1);',
    'const a = Math.max(1, Math.floor(b), Math.min(2, 3), Math.trunc(c), Math.abs(d), Math.ceil(e));',
    'const a = 1_000, b = 0x10, c = 10n, d = 1.0;',
    'const a = "Date.now() process async 0.5"; // Math.random()',
    'function step(self: Core) { return self.view; }',
    'function generate(randomBytes: Random) { return randomBytes(32); }',
    'list.sort((a, b) => (a < b ? -1 : 1));',
    'interface Clock { readonly now: number; readonly process?: string }',
    'const a = { date: 1, random: 2, process: 3 }; a.random;',
    'for (const [key, value] of map) f(key, value);',
  ];
  for (const source of free) t.strictSame(bansIn('planted.ts', source, { native: false }), [], source);
});

t.test('no file names the place where it was written', async (t) => {
  if (!existsSync(join(root, '.git'))) {
    t.comment('SKIPPED: this is no git checkout, so which files are committed is not known');
    return;
  }
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  const paths = listed
    .toString('utf8')
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(root, path)));
  t.ok(paths.length > 30, `saw ${paths.length} files`);
  // In pieces, so that this file does not name them either.
  const names = [
    ['(^|[^\\w.])/wo', 'rk/'],
    ['shared/', 'design'],
    ['\\bfa', 'rm-'],
    ['\\bregistry\\.npm', 'js\\.org'],
  ];
  const pattern = new RegExp(names.map((pieces) => pieces.join('')).join('|'), 'm');
  for (const path of paths) {
    const found = pattern.exec(readFileSync(join(root, path), 'utf8'));
    if (found !== null) t.fail(`${relative(root, path) || path} names ${JSON.stringify(found[0])}`);
  }
});

interface LockEntry {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly os?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

t.test('the lock file is whole, and names no host', async (t) => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, LockEntry>>;
  };
  const locked = Object.entries(packages).filter(([path]) => path !== '');
  t.ok(locked.length > 100, `saw ${locked.length} packages`);
  t.strictSame(
    namesOf(locked, ({ resolved }) => resolved !== undefined),
    [],
    'no package names the host it came from',
  );
  // `.ci/complete-lock.mjs` says why a package of one platform may have no hash.
  t.strictSame(
    namesOf(locked, ({ integrity, os }) => integrity === undefined && os === undefined),
    [],
    'every package is pinned by its hash',
  );
  const missing = locked.flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) =>
        packages[`${path}/node_modules/${name}`] === undefined && packages[`node_modules/${name}`] === undefined,
    ),
  );
  t.strictSame(
    missing,
    [],
    'packages of every platform are there, or `npm ci` refuses: run `node .ci/complete-lock.mjs`',
  );
});

function namesOf(entries: readonly (readonly [string, LockEntry])[], wrong: (entry: LockEntry) => boolean): string[] {
  return entries.filter(([, entry]) => wrong(entry)).map(([path]) => path);
}
