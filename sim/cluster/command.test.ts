/** Commands of a cluster as far as they go without an engine: what is refused at once, and what an engine's answer comes to. */
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import t, { type Test } from 'tap';
import { clusterCommands } from './command.js';

/** A cluster's file, of nodes that nobody started. */
const CLUSTER = {
  format: 'causeway-cluster/1',
  project: 'causeway-test',
  image: 'none',
  faketime: null,
  seed: 1,
  spec: {
    title: 'A cluster of a test',
    profile: 'lan',
    jurisdictions: ['HK', 'CN', 'TH', 'AE'].map((code) => ({ code, banks: 1, bankNodes: 0, bankValidators: 0 })),
  },
  ports: { control: 1, http: [1, 1, 1, 1] },
  broken: { cuts: [], worse: [] },
};

interface Ended {
  readonly status: unknown;
  readonly printed: string;
}

/** Runs a command in a folder, with a `docker` of the test's: the lines of a shell script. */
async function run(t: Test, dir: string, script: string, ...args: readonly string[]): Promise<Ended> {
  const docker = join(dir, 'docker');
  writeFileSync(docker, `#!/bin/sh\n${script}\n`);
  chmodSync(docker, 0o700);
  const { PATH } = process.env;
  process.env['PATH'] = `${dir}:${PATH}`;
  const lines = t.capture(console, 'log');
  try {
    const program = new Command();
    clusterCommands(program);
    await program.parseAsync([...args, '--dir', dir, '--json'], { from: 'user' });
    return { status: process.exitCode, printed: lines.args().join('\n') };
  } finally {
    lines.restore();
    process.env['PATH'] = PATH;
    process.exitCode = 0;
  }
}

const folderOf = (t: Test): string => t.testdir({ 'cluster.json': JSON.stringify(CLUSTER) });
const errorOf = ({ printed }: Ended): unknown => (JSON.parse(printed) as { readonly error?: unknown }).error;

t.test('a cluster of unknown jurisdictions is refused before the engine is asked', async (t) => {
  const rows: readonly (readonly [detail: RegExp, ...args: string[]])[] = [
    [/no central bank of XX is known here; there are HK, CN, /, '--jurisdictions', 'HK,XX'],
    [/nodes cannot stand in JP: .* but in HK, CN, /, '--jurisdictions', 'JP'],
    [/HK stands there twice/, '--jurisdictions', 'HK,HK'],
    [
      /HK has 1 nodes of banks, and 2 that validate/,
      ...['--jurisdictions', 'HK', '--banks', '1', '--validators-per-jurisdiction', '3'],
    ],
  ];
  for (const [detail, ...args] of rows) {
    const dir = t.testdir({});
    const ended = await run(t, dir, 'echo asked > "$(dirname "$0")/asked"; exit 1', 'up', ...args);
    t.match(ended, { status: 2 }, args.join(' '));
    t.match(errorOf(ended), { code: 'unknown_name', detail }, args.join(' '));
    t.notOk(existsSync(join(dir, 'asked')), 'the engine was not asked');
  }
});

t.test('a side with a jurisdiction that is not there is refused', async (t) => {
  const dir = folderOf(t);
  for (const sides of ['HK,XX|CN', 'HK|', 'HK', 'HK|HK,CN', 'hk|cn']) {
    const ended = await run(t, dir, 'exit 1', 'partition', sides);
    t.match(ended, { status: 2 }, sides);
    t.match(errorOf(ended), { code: 'unknown_side', detail: /that are there: HK, CN, TH, AE/ }, sides);
  }
});

t.test("a node's log is told line by line as JSON, and fails as the engine does", async (t) => {
  const dir = folderOf(t);
  const script = `echo "$@" > "${join(dir, 'asked')}"
printf '{"level":30,"msg":"'
head -c 300000 /dev/zero | tr '\\0' x
printf '"}\\n\\n'
echo '  at the end' >&2`;
  const told = await run(t, dir, script, 'logs', 'TH', '--tail', '5');
  t.equal(told.status, 0);
  const { node, lines } = JSON.parse(told.printed) as { readonly node: string; readonly lines: readonly unknown[] };
  t.equal(node, 'TH');
  t.same(
    new Set(lines.map((line) => JSON.stringify(line))),
    new Set([`{"level":30,"msg":"${'x'.repeat(300_000)}"}`, '"  at the end"']),
  );
  const failed = await run(t, dir, 'echo "No such container" >&2; exit 1', 'logs', 'TH');
  t.match(failed, { status: 1 });
  t.match(errorOf(failed), { code: 'failed', detail: /docker logs .*No such container/ });
  t.match(errorOf(await run(t, dir, 'exit 0', 'logs', 'XX')), { code: 'unknown_node' });
});
