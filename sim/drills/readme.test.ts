/**
 * Every command that README.md shows is run as it stands there, in a copy of the checkout, or is known to be run by
 * something else; what it shows of output is what comes.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { inCheckout, startPlainly } from '../../protocol/checkout.test-helper.js';
import { freeBlock } from '../network/ports.js';

/** Past this a command has hung. */
const COMMAND_MS_MAX = 150_000;

startPlainly();

// Processes that build, start and stop: longer than the half minute that a test has when it is run by itself.
t.setTimeout(2 * COMMAND_MS_MAX);

const root = inCheckout('.');
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');
const readme = textOf('README.md');
const { scripts } = JSON.parse(textOf('package.json')) as { readonly scripts: Readonly<Record<string, string>> };

interface Block {
  readonly section: string;
  readonly language: string;
  readonly text: string;
}

function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  for (const section of markdown.split(/^## /m).slice(1)) {
    const [title = ''] = section.split('\n');
    for (const [, language = '', text = ''] of section.matchAll(/^```(\w+)\n(.*?)^```$/gms)) {
      blocks.push({ section: title, language, text });
    }
  }
  return blocks;
}

/** That test takes the commands of its worlds from the README by itself. */
const playsPilot = (world: string): boolean =>
  /for \(const world of \[(.*)\]\)/.exec(textOf('sim/drills/pilot.test.ts'))?.[1]?.includes(`'${world}'`) === true;
const blocks = blocksOf(readme);
const TOUR = ['A tour', 'Without anything of ours'];
const commands = blocks.filter(({ language }) => language === 'sh');
const tour = commands.filter(({ section }) => TOUR.includes(section)).map(({ text }) => text);
const others = commands.filter(({ section }) => !TOUR.includes(section)).flatMap(({ text }) => text.trim().split('\n'));

/** A copy, since what the README starts keeps its data in the checkout. It builds itself, as a fresh clone would. */
const copy = mkdtempSync(join(tmpdir(), 'causeway-readme-'));
const groups: number[] = [];
t.teardown(() => {
  for (const group of groups) signal(group, 'SIGKILL');
  rmSync(copy, { recursive: true, force: true });
});
for (const name of [
  'package.json',
  'package-lock.json',
  '.npmrc',
  'tsconfig.json',
  'protocol',
  'ledger',
  'node',
  'sim',
])
  cpSync(join(root, name), join(copy, name), { recursive: true });
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));

/** The environment of somebody at a terminal, not that of a test run by npm. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(CAUSEWAY_|npm_|NODE_OPTIONS$|TAP)/.test(name)),
);

function signal(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(-group, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

interface Ran {
  readonly status: number | null;
  readonly printed: string;
}

/** Runs a script in the copy, in a process group of its own. `onText` sees all that was printed so far. */
async function bash(script: string, onText: (printed: string, child: ChildProcess) => void = () => {}): Promise<Ran> {
  const child = spawn('bash', ['-c', script], {
    cwd: copy,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const group = child.pid as number;
  groups.push(group);
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      printed += chunk;
      onText(printed, child);
    });
  }
  const timer = setTimeout(() => {
    printed += `\nended after ${COMMAND_MS_MAX} ms`;
    signal(group, 'SIGKILL');
  }, COMMAND_MS_MAX);
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  return { status, printed };
}

const hasTools = ['bash', 'curl'].every((tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).status === 0);
const skip = hasTools ? false : 'SKIPPED: bash and curl are needed to run what the README shows';

/** A line of output without what differs from run to run. */
const masked = (line: string): string =>
  line
    .replace(/certified by .*/, 'certified by …')
    .replace(/[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4,12}){4}/g, '#')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z|\d+/g, '#');

function showsTrueOutput(t: Test, section: string, printed: string): void {
  const came = new Set(printed.split('\n').map(masked));
  const shown = blocks.filter((block) => block.language === 'text' && block.section === section);
  t.ok(shown.length >= 1, `${section} shows output`);
  for (const line of shown.flatMap(({ text }) => text.trimEnd().split('\n'))) {
    t.ok(came.has(masked(line)), `shown and printed: ${line}`, { printed });
  }
}

t.test('npm start shows what the README says, and Ctrl-C ends it', { skip }, async (t) => {
  t.ok(others.includes('npm start'));
  let told = false;
  const { printed } = await bash('exec npm start', (text, child) => {
    if (told || !text.includes('Ctrl-C stops the network.')) return;
    told = true;
    // The terminal sends it to every process of the group.
    signal(child.pid as number, 'SIGINT');
  });
  t.ok(told, 'it came up', { printed });
  t.match(printed, 'Stopping.');
  showsTrueOutput(t, 'Two commands', printed);
});

t.test('the tour and the program of a stranger run as they stand', { skip }, async (t) => {
  const port = await freeBlock(12);
  t.match(tour[0], /^port=8101$/m);
  const script = ['set -euo pipefail', ...tour].join('\n').replace(/^port=8101$/m, `port=${port}`);
  const { status, printed } = await bash(script);
  t.equal(status, 0, 'every command succeeded', { printed });
  showsTrueOutput(t, 'A tour', printed);
  t.match(
    printed,
    /"height":\d+,"balances":\[\{"asset":"HKD","balance":"1000250.00","held":"0.00","available":"1000250.00"\}/,
  );
  const outcomes = printed.split('\n').filter((line) => line.includes('"status":"final","code":"settled"'));
  t.ok(outcomes.length >= 2, 'curl and the stranger saw a PvP settle', { printed });
});

t.test("the program shown is the stranger's", async (t) => {
  const [shown, ...more] = blocks.filter(({ language }) => language === 'js');
  t.equal(more.length, 0);
  const program = textOf('sim/stranger/pvp.mjs');
  t.equal(shown?.text, program.slice(program.indexOf('import {')));
});

t.test('the simulation runs', { skip }, async (t) => {
  const command = 'npm run sim -- fuzz --seeds 20';
  t.ok(others.includes(command));
  const { status, printed } = await bash(command.replace('--seeds 20', '--seeds 1'));
  t.match({ status, printed }, { status: 0, printed: /^1 seeds, 0 failed/m });
});

t.test('every other command is one that something runs', async (t) => {
  const ci = textOf('.ci/run');
  const deployTest = textOf('deploy/test.sh');
  const composes = deployTest.includes('--file deploy/compose/compose.yaml');
  const liquidityTest = textOf('sim/liquidity/command.test.ts');
  /** How each is known to work; those of the tests above stand here too, so that a command nobody knows is found. */
  const known: Readonly<Record<string, () => boolean>> = {
    'npm start': () => true,
    'npm run sim -- fuzz --seeds 20': () => true,
    // As it stands, and short.
    'npm run sim -- liquidity --quick': () => liquidityTest.includes("'--quick', '--instructions', '100', '--json'"),
    'npm run sim -- scenario gridlock': () =>
      ci.includes('npm run --silent sim -- scenario gridlock --world processes'),
    'npm run sim -- scenario mbridge-pilot-2022 --world containers --out pilot.html': () => playsPilot('containers'),
    'npm run sim -- scenario mbridge-pilot-2022 --world processes --out pilot.html': () => playsPilot('processes'),
    'npm run sim -- scenario rolling-upgrade --world containers --image causeway:local --next-image causeway:next':
      () =>
        deployTest.includes('scenario rolling-upgrade --world containers --image "$image" --next-image "$next_image"'),
    'npm test': () => scripts['test'] === 'node node/prepare.mjs --tests && tap run',
    'npm run check': () => ci.includes('npm run --silent check'),
    'npm run demo -- --json': () => ci.includes('npm run --silent demo -- --json'),
    'npm run bench -- --json': () => ci.includes('npm run --silent bench -- --json'),
    'npm run bench -- netting --json': () => ci.includes('npm run --silent bench -- netting --json'),
    '.ci/run': () => ci.startsWith('#!'),
    'docker compose --file deploy/compose/compose.yaml build': () => composes && /docker build /.test(deployTest),
    'docker compose --file deploy/compose/compose.yaml run --rm setup': () =>
      composes && / run --rm setup$/m.test(deployTest),
    'docker compose --file deploy/compose/compose.yaml up --detach': () => composes && / up --detach/.test(deployTest),
    'docker compose --file deploy/compose/compose.yaml down --volumes': () =>
      composes && / down --volumes/.test(deployTest),
  };
  const cluster = ['up', 'status', 'partition', 'heal', 'exec', 'down'];
  const onCluster = others.filter((line) => line.startsWith('causeway sim '));
  t.strictSame(
    onCluster.map((line) => line.split(' ')[2]),
    cluster,
  );
  for (const name of cluster) t.match(deployTest, `sim ${name} `, `deploy/test.sh runs sim ${name}`);
  t.strictSame(
    [...others].filter((line) => !onCluster.includes(line)).sort(),
    Object.keys(known).sort(),
    'the README shows these and no others',
  );
  for (const [command, holds] of Object.entries(known)) t.ok(holds(), command);
  t.ok(tour.length > 5, `saw ${tour.length} blocks of the tour`);
});

t.test('links lead somewhere', async (t) => {
  for (const page of ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'protocol/SPEC.md', 'ledger/SPEC.md']) {
    for (const [, target = ''] of textOf(page).matchAll(/\]\(([^)]+)\)/g)) {
      const [path = '', anchor] = target.split('#');
      if (target.includes('://')) continue;
      const file = path === '' ? page : join(dirname(page), path);
      t.ok(existsSync(join(root, file)), `${page}: ${target}`);
      if (anchor === undefined || !existsSync(join(root, file))) continue;
      const anchors = [...textOf(file).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
        title
          .toLowerCase()
          .replace(/[^\w\- ]/g, '')
          .replaceAll(' ', '-'),
      );
      t.ok(anchors.includes(anchor), `${page}: ${target} is a heading`);
    }
  }
});
