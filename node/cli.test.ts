/** The command line without a network, but for the smallest of a test: what it makes, what it says of wrong use, and with which status it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { inCheckout, startPlainly } from '../protocol/checkout.test-helper.js';
import { parseGenesis } from '../protocol/genesis.js';
import { isLei } from '../protocol/values.js';
import { CENTRAL_BANKS } from './cli/centralbanks.js';
import { loadConfig } from './config.js';
import { EXITS, type ExitName } from './main/exits.js';

startPlainly();
const CLI = inCheckout('dist/node/cli.js');
const folder = mkdtempSync(join(tmpdir(), 'causeway-cli-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const inFolder = (...parts: readonly string[]): string => join(folder, ...parts);

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function causeway(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, stdout, stderr })));
}

/** What a command ended with, its line of JSON read. */
const parsed = ({ status, stdout }: Ran): { readonly status: number | null; readonly said: unknown } => ({
  status,
  said: JSON.parse(stdout),
});

const net = inFolder('net');
const config = (code: string): string => join(net, code, 'node.toml');

t.test('network create makes a network that its parts read, once', async (t) => {
  const made = await causeway(['network', 'create', '--dir', net, '--name', 'Test', '--json']);
  t.equal(made.status, 0, made.stderr);
  const said = JSON.parse(made.stdout) as { readonly created: boolean; readonly network: string };
  const genesis = parseGenesis(readFileSync(join(net, 'genesis.json')));
  t.match(said, { created: true, network: genesis.ok ? genesis.genesis.network : 'refused' });
  for (const code of ['hk', 'cn', 'th', 'ae']) {
    const loaded = loadConfig(config(code), {});
    t.ok(loaded.ok, `the configuration of ${code} is read`);
    t.equal(loaded.ok && loaded.config.peers.length, 3);
    for (const name of readdirSync(join(net, code, 'keys'))) {
      t.equal(statSync(join(net, code, 'keys', name)).mode & 0o777, 0o600, `${code}/keys/${name} is its owner's alone`);
    }
  }
  const before = readFileSync(join(net, 'genesis.json'), 'utf8');
  const again = await causeway(['network', 'create', '--dir', net, '--json']);
  t.match(parsed(again), { status: 0, said: { created: false, network: said.network } });
  t.equal(readFileSync(join(net, 'genesis.json'), 'utf8'), before, 'nothing is overwritten');
  t.ok(
    CENTRAL_BANKS.every(({ lei }) => isLei(lei)),
    'the check digits of the LEIs hold',
  );
});

/** A node that serves, as `node start` says; ended with the test at the latest. */
async function started(
  t: Test,
  ...args: readonly string[]
): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = spawn(process.execPath, [CLI, 'node', 'start', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const url = await new Promise<string>((resolve) =>
    child.stdout.on('data', (chunk: Buffer) => {
      const [, found] = /serves (http:\S+)/.exec(chunk.toString()) ?? [];
      if (found !== undefined) resolve(found);
    }),
  );
  return { child, url };
}

t.test('a test network says so wherever it is asked, and its time runs as fast as its genesis has it', async (t) => {
  const dir = inFolder('test-net');
  const create = ['network', 'create', '--dir', dir, '--validators', 'HK,TH'];
  const made = await causeway([...create, '--test-time-scale', '17280', '--json']);
  t.match(parsed(made), { status: 0, said: { created: true, test: { timeScale: 17_280 } } });
  const genesis = parseGenesis(readFileSync(join(dir, 'genesis.json')));
  t.match(genesis, { ok: true, genesis: { test: { timeScale: 17_280 } } });
  t.match(await causeway(create), { status: 1, stderr: /exists: .+ a test network of time scale 17280/ });
  t.match(await causeway([...create, '--test-time-scale', '2']), { status: 1, stderr: /exists/ });
  const onRecord = await causeway(['network', 'create', '--dir', net, '--test-time-scale', '17280']);
  t.match(onRecord, { status: 1, stderr: /exists: .+ a network of record/ });

  const nodes = await Promise.all(['hk', 'th'].map((code) => started(t, '--config', join(dir, code, 'node.toml'))));
  const { url } = nodes[0] as (typeof nodes)[number];
  const ask = (...args: readonly string[]) => causeway([...args, '--node', url, '--json']);
  const key = ['--key', join(dir, 'hk', 'keys', 'authority.pem')];
  const money = ['--asset', 'HKD', '--name', 'Hong Kong dollar', '--cap', '100.00', '--jurisdiction', 'HK'];
  t.match(parsed(await ask('asset', 'define', ...money, ...key)), { status: 0, said: { code: 'applied' } });
  const leg = ['--from', 'HKMAHKHHXXX', '--to', 'BOTHTHBKXXX', '--asset', 'HKD', '--amount', '1.00'];
  const paid = parsed(await ask('pay', ...leg, ...key, '--not-before', '12h', '--settle-by', '9d'));
  t.match(paid, { status: 3, said: { code: 'scheduled' } });
  const { digest } = paid.said as { readonly digest: string };
  const settled = (await (await fetch(`${url}/v1/instructions/${digest}?wait=final`)).json()) as {
    readonly time: string;
  };
  t.match(settled, { code: 'settled' }, 'twelve hours on, which are two and a half seconds');
  const out = join(dir, 'receipt.json');
  t.match(await ask('receipt', digest, '--out', out), { status: 0 });
  const verified = await causeway(['verify', out, '--genesis', join(dir, 'genesis.json')]);
  t.match(verified, { status: 0, stdout: /a test network: what settles on it is no money/ });
  const { now, test } = parsed(await ask('status')).said as { readonly now: string; readonly test: object };
  t.match(test, { timeScale: 17_280 });
  t.ok(Date.parse(now) > Date.parse(settled.time));
  const status = await causeway(['status', '--node', url]);
  t.match(status.stdout, /a test network: its time runs 17280 times as fast as clocks, and is 20/);
  t.match(await (await fetch(`${url}/metrics`)).text(), /causeway_time_scale 17280/);
  const ends = nodes.map(({ child }) => new Promise((resolve) => child.on('close', resolve)));
  for (const { child } of nodes) child.kill('SIGTERM');
  t.same(await Promise.all(ends), [0, 0]);
});

t.test("node create makes a participant's or a standby's folder that its parts read, once", async (t) => {
  const create = (dir: string, party: string, ...more: readonly string[]) =>
    causeway([
      'node',
      'create',
      '--dir',
      inFolder(dir),
      '--party',
      party,
      '--peers-of',
      config('cn'),
      ...more,
      '--json',
    ]);
  const [bank, standby] = await Promise.all([create('hsbc', 'HSBCHKHHXXX'), create('hk2', 'HKMAHKHHXXX', '--standby')]);
  t.match(parsed(bank), { status: 0, said: { created: true, party: 'HSBCHKHHXXX', member: null } });
  const participant = loadConfig(inFolder('hsbc', 'node.toml'), {});
  t.match(participant, { ok: true, config: { keys: { vote: null }, genesis: inFolder('hsbc', 'genesis.json') } });
  t.equal(participant.ok && participant.config.peers.length, 4, 'it knows where all validators are');
  t.same(readFileSync(inFolder('hsbc', 'genesis.json')), readFileSync(join(net, 'genesis.json')));
  const proof = JSON.parse(readFileSync(inFolder('hsbc', 'node.proof.json'), 'utf8')) as object;
  t.match(proof, { jwk: { crv: 'Ed25519' }, possession: { protected: String, signature: String } });

  t.match(parsed(standby), { status: 0, said: { created: true, member: inFolder('hk2', 'member.json') } });
  const second = loadConfig(inFolder('hk2', 'node.toml'), {});
  t.match(second, { ok: true, config: { keys: { vote: inFolder('hk2', 'keys', 'vote.pem') } } });
  t.notOk(
    second.ok && second.config.peers.some(({ party }) => party === 'HKMAHKHHXXX'),
    'it does not dial its own party',
  );
  const member = JSON.parse(readFileSync(inFolder('hk2', 'member.json'), 'utf8')) as object;
  t.match(member, { party: 'HKMAHKHHXXX', voteKey: /^[0-9a-f]{64}$/, possession: /^[0-9a-f]{128}$/ });
  for (const file of [inFolder('hsbc', 'keys', 'network.pem'), inFolder('hk2', 'keys', 'vote.pem')])
    t.equal(statSync(file).mode & 0o777, 0o600, `${file} is its owner's alone`);

  const before = readFileSync(inFolder('hsbc', 'node.toml'), 'utf8');
  t.match(parsed(await create('hsbc', 'HSBCHKHHXXX')), { status: 0, said: { created: false } });
  t.equal(readFileSync(inFolder('hsbc', 'node.toml'), 'utf8'), before, 'nothing is overwritten');
  t.match(parsed(await create('hsbc', 'BKKBTHBKXXX')), { status: 1, said: { error: { code: 'exists' } } });
});

t.test('keys are made, shown and never overwritten', async (t) => {
  const file = inFolder('bank.pem');
  const made = await causeway(['keys', 'generate', '--out', file, '--alg', 'ES256', '--json']);
  const { kid, jwk } = JSON.parse(made.stdout) as { readonly kid: string; readonly jwk: object };
  const shown = await causeway(['keys', 'show', file, '--json']);
  t.match(parsed(shown), { status: 0, said: { kid, jwk } });
  t.match(await causeway(['keys', 'generate', '--out', file]), {
    status: 5,
    stderr: /^causeway: exists: .+ is not overwritten/,
  });
});

t.test('a preimage is made with its hash, and is its owner’s alone', async (t) => {
  const file = inFolder('swap.preimage');
  const { status, said } = parsed(await causeway(['preimage', 'make', file, '--json']));
  const preimage = readFileSync(file, 'utf8').trim();
  const hash = createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex');
  t.match({ status, said }, { status: 0, said: { file, hash } });
  t.equal(statSync(file).mode & 0o777, 0o600);
});

t.test('each wrong use has a status, a code and a sentence', async (t) => {
  writeFileSync(inFolder('text.txt'), 'no key, no genesis, no receipt\n');
  writeFileSync(inFolder('broken.toml'), 'party = \n');
  const key = ['--key', inFolder('bank.pem')];
  const pay = ['pay', ...key, '--from', 'HSBCHKHHXXX', '--to', 'BKKBTHBKXXX', '--asset', 'HKD'];
  const start = ['node', 'start', '--config', config('hk')];
  const create = ['node', 'create', '--party', 'HSBCHKHHXXX'];
  // A node in a container listens everywhere, which is nowhere to dial.
  writeFileSync(
    inFolder('alone.toml'),
    'party = "HKMAHKHHXXX"\ngenesis = "genesis.json"\np2p = { listen = "/ip4/0.0.0.0/tcp/7000" }\n',
  );
  const leg = (from: string, to: string): string => `BNK${from}HKHHXXX:BNK${to}HKHHXXX:HKD:1`;
  const repo = ['repo', ...key, '--interest', '0.01', '--settle-by', '1h'];
  const calendar = ['calendar', 'set', ...key, '--asset', 'HKD', '--from', '2026-12-26', '--to', '2026-12-27'];
  const nobody = ['--node', 'http://127.0.0.1:9'];
  const text = inFolder('text.txt');
  const genesis = join(net, 'genesis.json');
  type Row = readonly [args: readonly string[], exit: ExitName, says: RegExp, env?: Readonly<Record<string, string>>];
  const rows: readonly Row[] = [
    [[], 'usage', /usage: Name a command/],
    [['pay-all'], 'usage', /usage: unknown command 'pay-all'/],
    [['pay'], 'usage', /usage: required option '--key <file>'/],
    [[...pay, '--amount', '1e6'], 'usage', /'1e6' is invalid.* decimal number in major units/],
    [[...pay, '--amount', '1,000.00'], 'usage', /major units without sign, separators/],
    [[...pay, '--amount', '1', '--timeout', '0'], 'usage', /a whole number from 1 to 3600/],
    [[...pay, '--amount', '1', '--settle-by', 'soon'], 'usage', /a time in UTC, as .* or one from now/],
    [[...pay, '--amount', '1', '--settle-by', '9999d'], 'usage', /or one from now, as 90s/],
    [
      [...pay, '--amount', '1', '--not-before', '1h'],
      'usage',
      /--not-before goes only with --settle-by or --value-date/,
    ],
    [[...pay, '--amount', '1', '--value-date', '2026-02-30'], 'usage', /a date, as 2026-01-05/],
    [
      [...pay, '--amount', '1', '--settle-by', '1h', '--priority', 'low'],
      'usage',
      /Allowed choices are urgent, high, normal/,
    ],
    [['dvp', ...key, '--deliver', leg('A', 'B'), '--against', leg('A', 'B')], 'usage', /the two legs go opposite ways/],
    [[...repo, '--collateral', leg('A', 'B'), '--cash', leg('A', 'B')], 'usage', /the legs go opposite ways/],
    [
      [...repo, '--collateral', leg('A', 'B'), '--cash', leg('B', 'A')],
      'usage',
      /needs --return-from and --return-by, or/,
    ],
    [
      ['repo', 'substitute', 'ab'.repeat(32), ...key, '--collateral', leg('A', 'B'), '--returned', leg('A', 'B')],
      'usage',
      /the legs go opposite ways/,
    ],
    [['repo', 'margin', 'ab'.repeat(32), ...key], 'usage', /required option '--collateral/],
    [
      [...calendar, '--zone', 'Asia/Atlantis', '--open', '08:00', '--close', '17:00'],
      'usage',
      /a zone of the IANA database/,
    ],
    [[...calendar, '--zone', 'UTC', '--open', '8:00', '--close', '17:00'], 'usage', /a time of day, as 08:30/],
    [
      [...calendar, '--zone', 'UTC', '--open', '08:00', '--close', '17:00'],
      'usage',
      /No day from --from to --to is open/,
    ],
    [['lock', ...key, '--leg', leg('A', 'B'), '--lock-until', '1h', '--hash', 'abc'], 'usage', /a SHA-256, 64/],
    [['lock', ...key, '--leg', leg('A', 'B'), '--hash', 'ab'.repeat(32)], 'usage', /--lock-until <time>/],
    [['reveal', 'ab'.repeat(32), ...key], 'usage', /--preimage-file <file>/],
    [['reveal', 'ab'.repeat(32), ...key, '--preimage-file', text], 'file', /text\.txt does not hold a preimage/],
    [['reveal', 'ab'.repeat(32), ...key, '--preimage-file', inFolder('none')], 'file', /unreadable: .+none cannot be/],
    [['preimage', 'make', text], 'file', /unwritable: .+text\.txt/],
    [['balances', 'HSBC'], 'usage', /BIC of eleven characters/],
    [['status', 'abc'], 'usage', /digest, 64 lower-case hex digits/],
    [['status', '--node', 'localhost'], 'usage', /node's address, as http/],
    [['pvp', ...key, '--leg', 'HSBCHKHHXXX:HKD:1'], 'usage', /FROM:TO:ASSET:AMOUNT/],
    [['network', 'create', '--dir', inFolder('x'), '--validators', 'HK,XX'], 'usage', /XX is not one of HK/],
    [['network', 'create', '--dir', inFolder('x'), '--validators', 'HK,HK'], 'usage', /once/],
    [['network', 'create', '--dir', inFolder('x'), '--test-time-scale', '0'], 'usage', /from 1 to 100000/],
    [['network', 'create', '--dir', inFolder('x'), '--test-time-scale', '1.5'], 'usage', /whole number/],
    [['network', 'create', '--dir', folder], 'refused', /not_empty: .+ no whole network/],
    [['network', 'create', '--dir', net, '--validators', 'HK'], 'refused', /exists: .+ other validators/],
    [['status', ...nobody], 'unreachable', /unreachable: .+did not answer/],
    [[...pay, '--amount', '1', ...nobody], 'unreachable', /unreachable/],
    [['keys', 'show', inFolder('none.pem')], 'file', /missing: .+none\.pem does not exist/],
    [['keys', 'show', genesis], 'file', /too_open: .+chmod 600/],
    [['verify', inFolder('none.json'), '--genesis', genesis], 'file', /unreadable: .+none\.json/],
    [['verify', text, '--genesis', text], 'refused', /malformed_json: The genesis file/],
    [['verify', text, '--genesis', genesis], 'refused', /malformed_json: The receipt does not hold/],
    [[...create, '--dir', folder, '--peers-of', config('hk')], 'refused', /not_empty: .+ no node's folder/],
    [[...create, '--dir', inFolder('x'), '--peers-of', inFolder('broken.toml')], 'file', /unreadable: .+broken\.toml/],
    [[...create, '--dir', inFolder('x'), '--peers-of', inFolder('alone.toml')], 'refused', /no_peers: .+alone\.toml/],
    [
      [...create, '--dir', inFolder('x'), '--peers-of', config('hk'), '--genesis', text],
      'refused',
      /malformed_json: .+text\.txt/,
    ],
    [['node', 'start', '--config', inFolder('none.toml')], 'config_invalid', /there is no such file/],
    [['node', 'start', '--config', inFolder('broken.toml')], 'config_invalid', /line 1.+ not TOML/],
    [start, 'config_invalid', /http.port must be a port/, { CAUSEWAY_HTTP_PORT: '808O' }],
    [start, 'genesis_invalid', /genesis_invalid: .+malformed_json/, { CAUSEWAY_GENESIS: text }],
    [start, 'not_a_validator', /the keys of HKMAHKHHXXX/, { CAUSEWAY_PARTY: 'ABCDHKHHXXX' }],
    [
      start,
      'not_a_validator',
      /is the vote key of PBOCCNBJXXX, but .+ is not its network key/,
      { CAUSEWAY_KEYS_VOTE: join(net, 'cn', 'keys', 'vote.pem') },
    ],
    [
      start,
      'key_unusable',
      /a validator's keys are Ed25519/,
      { CAUSEWAY_KEYS_VOTE: join(net, 'hk', 'keys', 'authority.pem') },
    ],
    [start, 'address_unavailable', /set `p2p.listen`/, { CAUSEWAY_P2P_LISTEN: '/ip4/192.0.2.1/tcp/7000' }],
    [
      start,
      'address_unavailable',
      /\[http\]/,
      { CAUSEWAY_HTTP_HOST: '192.0.2.1', CAUSEWAY_P2P_LISTEN: '/ip4/127.0.0.1/tcp/0' },
    ],
  ];
  // Two at a time: as many as a small machine has processors for.
  const queue = [...rows];
  const work = async (): Promise<void> => {
    for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
      const [args, exit, says, env = {}] = row;
      const own = { CAUSEWAY_DATA: mkdtempSync(inFolder('data-')), CAUSEWAY_MARK: mkdtempSync(inFolder('mark-')) };
      const ran = await causeway(args, { ...own, ...env });
      t.match(
        { status: ran.status, said: ran.stderr },
        { status: EXITS[exit].status, said: says },
        `${args.slice(0, 3).join(' ')}: ${exit}`,
      );
    }
  };
  await Promise.all([work(), work()]);
  const json = await causeway(['balances', 'HSBC', '--json']);
  t.match(parsed(json).said, { error: { code: 'usage', detail: String } }, 'a program reads it too');
  t.equal(json.stderr, '');
  t.notOk(existsSync(inFolder('x')), 'what is refused leaves nothing behind');
});

t.test('every command has help with an example, and the statuses stand under the help of all', async (t) => {
  const commands = [
    'network create',
    'node create',
    'node start',
    'keys generate',
    'issue',
    'pay',
    'pvp',
    'consent',
    'dvp',
    'repo open',
    'repo substitute',
    'repo margin',
    'credit',
    'fx-swap',
    'cancel',
    'lock',
    'reveal',
    'preimage make',
    'preimage read',
    'queue list',
    'queue proposals',
    'queue positions',
    'queue totals',
    'queue what-if',
    'queue reprioritise',
    'liquidity',
    'offer',
    'sim',
    'sweep',
    'party solver',
    'calendar set',
    'calendar show',
    'party admit',
    'asset define',
    'status',
    'receipt',
    'verify',
  ];
  await Promise.all(
    commands.map(async (command) => {
      const { status, stdout } = await causeway([...command.split(' '), '--help']);
      t.match(
        { status, stdout },
        { status: 0, stdout: new RegExp(`--json[^]*Example:\\n  causeway ${command}`) },
        command,
      );
    }),
  );
  const { stdout } = await causeway(['--help']);
  for (const { status, says } of Object.values(EXITS)) t.match(stdout, `${status}  ${says}`);
});
