/**
 * Every command of the runbooks, as it stands there and in its order, on a network of processes: four validators, and a
 * bank that pays all the while, through whichever of them answers. What the operator has before, and what must be so
 * afterwards, stands here.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Client, createClient } from '../../node/api/client.js';
import { buildInstruction, signInstruction } from '../../node/api/signing.js';
import { WHY } from '../../node/main/backupsocket.js';
import type { ArchiveCode } from '../../node/replica/archive.js';
import { inCheckout, startPlainly } from '../../protocol/checkout.test-helper.js';
import { admitBanks, defineCurrencies, fundBanks, need, untilReady, untilSeen } from '../network/acts.js';
import { type Bank, keyFileOf, openBanks } from '../network/banks.js';
import { LocalNetwork } from '../network/network.js';
import { freeBlock } from '../network/ports.js';
import { askCli } from '../network/processes.js';

const PAGE_MS_MAX = 240_000;
const FINAL_MS_MAX = 120_000;
/** How long one node is given before the next is asked. */
const PATIENCE_MS = 3_000;
const PAUSE_MS = 100;
t.setTimeout(10 * PAGE_MS_MAX);
startPlainly();
const root = inCheckout('.');

const VALIDATORS = ['hk', 'cn', 'th', 'ae'] as const;
const PLACES = [...VALIDATORS, 'bank'] as const;
const pages = join(root, 'deploy', 'runbooks');
const work = mkdtempSync(join(tmpdir(), 'causeway-runbooks-'));
const [base, net] = [join(work, 'base'), join(work, 'net')];
const port = await freeBlock(2 * PLACES.length);
const groups = new Set<ChildProcess>();
t.teardown(() => {
  endAll();
  rmSync(work, { recursive: true, force: true });
});

const urlOf = (place: string): string =>
  `http://127.0.0.1:${port + 2 * PLACES.findIndex((each) => place.startsWith(each))}`;

/** Ends what a page has started: all of it is in the process groups of its shells. */
function endAll(): void {
  for (const { pid } of groups) {
    try {
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  groups.clear();
}

/** The bank that pays, and on which network. */
type Payer = Bank & { readonly network: string };

/** The network that each page begins with a copy of: its originals never run again. */
async function makeBase(): Promise<Payer> {
  await askCli('network', 'create', '--dir', base, '--validators', 'HK,CN,TH,AE', '--base-port', String(port));
  giveEachTwoPorts();
  const network = await LocalNetwork.open(base);
  const banks = await openBanks(network);
  await network.start();
  await untilReady(network.members);
  const ended = [await defineCurrencies(network), await admitBanks(network, banks), await fundBanks(network, banks)];
  for (const { digest } of ended.flat()) await untilSeen(network.members, digest);
  const { network: id } = need(await network.member('HK').client.getStatus());
  await network.stop();
  for (const place of PLACES) {
    mkdirSync(join(base, place), { recursive: true });
    cpSync(network.genesis, join(base, place, 'genesis.json'));
  }
  cpSync(keyFileOf(network, banks[0].party), join(base, 'bank', 'bank.pem'));
  mkdirSync(join(base, 'shared'));
  cpSync(network.genesis, join(base, 'shared', 'genesis.json'));
  cpSync(join(base, 'hk', 'node.toml'), join(base, 'shared', 'hk.toml'));
  makeNewer();
  return { ...banks[0], network: id };
}

/** Each node's two ports in a row, as `node create` gives them, so that a new machine can take the address of the old one. */
function giveEachTwoPorts(): void {
  for (const place of VALIDATORS) {
    const file = join(base, place, 'node.toml');
    const moved = (text: string): string => {
      const at = Number(text) - port;
      if (at < 0 || at >= 2 * VALIDATORS.length) return text;
      const [member, isPeers] = [at % VALIDATORS.length, at >= VALIDATORS.length];
      return String(port + 2 * member + (isPeers ? 1 : 0));
    };
    writeFileSync(file, readFileSync(file, 'utf8').replace(/\b\d{5}\b/g, moved));
  }
}

/** There is no second release yet: the newer version is this build under another number. */
function makeNewer(): void {
  const newer = join(work, 'newer');
  cpSync(join(root, 'dist'), join(newer, 'dist'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(newer, 'node_modules'));
  const description = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as object;
  writeFileSync(join(newer, 'package.json'), JSON.stringify({ ...description, version: NEWER }));
}
const NEWER = '0.0.0-newer';

/** What the pages take for granted: how nodes are started and stopped here. */
const PROLOGUE = `
set -euo pipefail
export net=${JSON.stringify(net)} shared=${JSON.stringify(join(net, 'shared'))} CAUSEWAY_NODE=${urlOf('hk')}
program() { cat program 2>/dev/null || echo ${JSON.stringify(root)}; }
causeway() { node "$(program)/dist/node/cli.js" "$@"; }
start_node() {
  node "$(program)/dist/node/cli.js" node start --config node.toml >>node.log 2>&1 &
  echo $! >node.pid
}
stop_node() {
  [ -e node.pid ] || return 0
  kill "$(cat node.pid)" 2>/dev/null || true
  while kill -0 "$(cat node.pid)" 2>/dev/null; do sleep 0.1; done
  rm node.pid
}
upgrade_node() { echo ${JSON.stringify(join(work, 'newer'))} >program; }
`;

interface Block {
  readonly place: string;
  readonly text: string;
}

/** The commands of a page. `each` stands for every validator in turn. */
function blocksOf(page: string): Block[] {
  const markdown = readFileSync(join(pages, page), 'utf8');
  return [...markdown.matchAll(/^```sh ?(\S*)\n(.*?)^```$/gms)].flatMap(([, place = '', text = '']) =>
    (place === 'each' ? VALIDATORS : [place]).map((each) => ({ place: each, text })),
  );
}
const shorthands = blocksOf('README.md').map(({ text }) => text);

const scriptOf = (blocks: readonly Block[]): string =>
  [
    PROLOGUE,
    ...shorthands,
    ...blocks.map(({ place, text }) => {
      const at = `cd "$net/${place}"\nexport own=${urlOf(place)} port=${new URL(urlOf(place)).port}`;
      return `echo "## ${place}"\n${at}\n${text}`;
    }),
  ].join('\n');

interface Ran {
  readonly status: number | null;
  readonly printed: string;
}

/** Runs commands in a shell; the nodes that they start go on in its process group. */
async function bash(blocks: readonly Block[]): Promise<Ran> {
  const log = join(work, 'printed');
  writeFileSync(log, '');
  const child = spawn('bash', ['-c', `exec >>${JSON.stringify(log)} 2>&1\n${scriptOf(blocks)}`], {
    stdio: 'ignore',
    detached: true,
  });
  groups.add(child);
  const timer = setTimeout(() => {
    appendFileSync(log, `\nended after ${PAGE_MS_MAX} ms\n`);
    endAll();
  }, PAGE_MS_MAX);
  const status = await new Promise<number | null>((resolve) => child.on('exit', resolve));
  clearTimeout(timer);
  return { status, printed: readFileSync(log, 'utf8') };
}

/** A bank that pays one unit after another until it is told to stop, each through whichever validator answers. */
class Paying {
  readonly #over = new AbortController();
  readonly #done: Promise<string[]>;

  constructor(bank: Payer, places: readonly string[]) {
    const clients = places.map((place) => createClient(urlOf(place)));
    this.#done = this.#run(bank, clients);
  }

  async #run(bank: Payer, clients: readonly Client[]): Promise<string[]> {
    const codes: string[] = [];
    while (!this.#over.signal.aborted) codes.push(await payOnce(bank, clients));
    return codes;
  }

  /** How each payment ended. */
  stop(): Promise<string[]> {
    this.#over.abort();
    return this.#done;
  }
}

/** The same instruction to one node after the other, until it is final: it has its effect only once. */
async function payOnce({ party, signer, network }: Payer, clients: readonly Client[]): Promise<string> {
  const legs = [{ from: party, to: 'BKKBTHBKXXX', asset: 'HKD', amount: '1.00' }];
  const asked = { kind: 'settle', mode: 'gross', initiator: party, legs } as const;
  const jws = await signInstruction(buildInstruction({ ...asked, network }), [signer]);
  const until = performance.now() + FINAL_MS_MAX;
  for (let at = 0; performance.now() < until; at++) {
    const client = clients[at % clients.length] as Client;
    const sent = await client.submit(jws);
    const found = sent.ok ? await client.waitFinal(sent.value.digest, PATIENCE_MS) : null;
    if (found?.ok === true && found.value.status === 'final') return found.value.code ?? 'no code';
    if (!sent.ok && sent.problem.status === 403) return sent.problem.code;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return 'not final';
}

interface Drill {
  readonly page: string;
  /** What has happened before the page is opened; some of it with the nodes running. */
  readonly before?: readonly Block[];
  /** Where the bank submits meanwhile; none where the network stands still. */
  readonly pays: readonly string[];
  /** Who must be in charge afterwards, as HK's node tells. */
  readonly epoch: number;
  readonly validators: number;
  readonly after?: (t: Test) => Promise<unknown>;
}

const statusOf = async (place: string) => need(await createClient(urlOf(place)).getStatus());
const LOST = 'stop_node; rm -r data';
const BACKUP = 'causeway node backup --config node.toml --out last-night.backup';

const DRILLS: readonly Drill[] = [
  { page: 'backup.md', pays: ['hk', 'cn'], epoch: 0, validators: 4 },
  {
    page: 'lose-a-disk.md',
    before: [{ place: 'cn', text: `${BACKUP}\n${LOST}` }],
    pays: ['hk', 'th'],
    epoch: 1,
    validators: 4,
    after: async (t) => t.match(await statusOf('cn'), { role: 'validator', votes: true, unfit: null }),
  },
  {
    page: 'rotate-a-key.md',
    pays: ['hk', 'th'],
    epoch: 1,
    validators: 4,
    after: async (t) => t.match(await statusOf('cn'), { role: 'validator', votes: true, unfit: null }),
  },
  {
    page: 'lose-a-key.md',
    before: [{ place: 'bank', text: 'cp bank.pem stolen.pem' }],
    // Its bank's key is the stolen one: it pays before, and not after.
    pays: [],
    epoch: 1,
    validators: 4,
    after: async (t) => t.match(await statusOf('ae'), { role: 'validator', votes: true, unfit: null }),
  },
  {
    page: 'join.md',
    pays: ['hk', 'th'],
    epoch: 1,
    validators: 5,
    after: async (t) => t.match(await statusOf('bank'), { role: 'validator', votes: true, unfit: null }),
  },
  { page: 'leave.md', pays: ['hk', 'th'], epoch: 1, validators: 3 },
  {
    page: 'upgrade.md',
    pays: VALIDATORS,
    epoch: 0,
    validators: 4,
    after: async (t) => {
      for (const place of VALIDATORS)
        t.match(await statusOf(place), { version: NEWER, votes: true, ready: true }, place);
    },
  },
  {
    page: 'lose-a-jurisdiction.md',
    before: [
      { place: 'cn', text: `stop_node; mkdir -p ../cn-new; cp keys/authority.pem ../cn-new/; rm -r data mark` },
      { place: 'th', text: `stop_node; mkdir -p ../th-new; rm -r data mark` },
    ],
    pays: [],
    epoch: 1,
    validators: 4,
    after: async (t) => {
      for (const place of VALIDATORS) t.match(await statusOf(place), { votes: true, epoch: 1 }, place);
    },
  },
];

const hasTools = ['bash', 'curl'].every((tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).status === 0);
/** Some of the pages, with commas between. */
const only = process.env['RUNBOOK']?.split(',');

t.test('each page runs as it stands', { skip: hasTools ? false : 'SKIPPED: bash and curl are needed' }, async (t) => {
  const bank = await makeBase();
  for (const drill of DRILLS.filter(({ page }) => only?.includes(page) !== false)) {
    await t.test(drill.page, async (t) => {
      rmSync(net, { recursive: true, force: true });
      cpSync(base, net, { recursive: true });
      const starts = VALIDATORS.map((place) => ({ place, text: 'start_node' }));
      const ready = VALIDATORS.map((place) => ({ place, text: 'until_ready' }));
      t.equal((await bash([...starts, ...ready, ...(drill.before ?? [])])).status, 0, 'what came before');
      const payer = drill.pays.length > 0 ? new Paying(bank, drill.pays) : null;
      const { status, printed } = await bash(blocksOf(drill.page));
      const codes = (await payer?.stop()) ?? [];
      t.equal(status, 0, 'every command succeeded', { printed: printed.slice(-6_000) });
      if (payer !== null) {
        t.ok(
          codes.length > 0 && codes.every((code) => code === 'settled'),
          `${codes.length} payments settled meanwhile`,
        );
      }
      const { epoch } = await statusOf('hk');
      const { validators } = need(await createClient(urlOf('hk')).getValidators());
      t.match({ epoch, validators: validators.length }, { epoch: drill.epoch, validators: drill.validators });
      await drill.after?.(t);
      if (drill.page !== 'lose-a-key.md')
        t.equal(await payOnce(bank, [createClient(urlOf('hk'))]), 'settled', 'and banks pay on');
      endAll();
    });
  }
});

/** What commands for folders and backups refuse with. */
const CODES = {
  ...WHY,
  not_a_backup: true,
  newer_format: true,
  older_format: true,
  archive_truncated: true,
  archive_damaged: true,
  file_exists: true,
  not_empty: true,
  other_network: true,
  archive_unsound: true,
  archive_broken_off: true,
  data_unsound: true,
  restore_unfinished: true,
} satisfies Record<ArchiveCode, unknown> & Record<string, unknown>;

t.test('whoever is refused finds the code on a page, with what to do', async (t) => {
  const rows = readdirSync(pages).flatMap((page) => readFileSync(join(pages, page), 'utf8').match(/^\| `.*$/gm) ?? []);
  for (const code of Object.keys(CODES))
    t.ok(
      rows.some((row) => row.split('|')[1]?.includes(`\`${code}\``)),
      code,
    );
});

t.test('every page is drilled, and listed', async (t) => {
  const written = readdirSync(pages).filter((name) => name !== 'README.md');
  t.strictSame(written.toSorted(), DRILLS.map(({ page }) => page).toSorted());
  const index = readFileSync(join(pages, 'README.md'), 'utf8');
  for (const page of written) t.match(index, `](${page})`);
  for (const page of readdirSync(pages)) {
    const text = readFileSync(join(pages, page), 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)/g))
      t.ok(existsSync(join(pages, target)), `${page}: ${target}`);
  }
});
