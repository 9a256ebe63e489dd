/**
 * Backup, restore and the check of data, on nodes as processes: of a node that runs, under load; what a restored node
 * does with its vote key and with what it had answered for; and each refusal, with nothing changed.
 */
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { buildInstruction, signInstruction } from '../../node/api/signing.js';
import { EVERYTHING } from '../../node/replica/checked.js';
import { openStore } from '../../node/store/level.js';
import { inCheckout, startPlainly } from '../../protocol/checkout.test-helper.js';
import { act, need, untilFollowing, untilReady } from '../network/acts.js';
import { openBanks } from '../network/banks.js';
import { LocalNetwork, type Member } from '../network/network.js';
import { describe, runCli } from '../network/processes.js';
import { settleOnce } from '../network/steps.js';

const FINAL_MS_MAX = 60_000;
startPlainly();
const folder = mkdtempSync(join(tmpdir(), 'causeway-backup-'));
const deaths: string[] = [];
const network = await LocalNetwork.open(join(folder, 'network'), ({ party }, exit, lastLines) => {
  deaths.push([`${party}: ${describe(exit)}`, ...lastLines].join('\n'));
});
t.teardown(async () => {
  await network.stop();
  rmSync(folder, { recursive: true, force: true });
});
const [hk, cn, th, ae] = network.members as readonly [Member, Member, Member, Member];
const [hsbc, bangkok] = await openBanks(network);

const payment = () => ({
  kind: 'settle' as const,
  mode: 'gross' as const,
  initiator: hsbc.party,
  legs: [{ from: hsbc.party, to: bangkok.party, asset: 'HKD', amount: '1.00' }],
});
const pay = (at: Member) => act(at, payment(), [hsbc.signer]);
const configOf = ({ folder: own }: Member): string => join(own, 'node.toml');
const dataOf = ({ folder: own }: Member): string => join(own, 'data');
const inFolder = (name: string): string => join(folder, name);

/** A command with --json: its exit status and what it printed. */
async function ask(...args: readonly string[]): Promise<{ readonly status: number | null; readonly said: Said }> {
  const { status, stdout, stderr } = await runCli(...args, '--json');
  if (stdout === '') throw new Error(`causeway ${args.join(' ')}: ${stderr}`);
  return { status, said: JSON.parse(stdout) as Said };
}
type Said = { readonly [member: string]: unknown } & {
  readonly error?: { readonly code: string; readonly detail: string };
};

const backup = (of: Member, name: string) => ask('node', 'backup', '--config', configOf(of), '--out', inFolder(name));
const restore = (to: Member, name: string) => ask('node', 'restore', inFolder(name), '--config', configOf(to));
const verifyBackup = (name: string) =>
  ask('node', 'verify-data', '--backup', inFolder(name), '--genesis', network.genesis);
const verifyFolder = (of: Member) => ask('node', 'verify-data', '--config', configOf(of));

t.test('a backup of a running node, under load, holds together', async (t) => {
  t.equal((await settleOnce(network, 'silent')).pvp.code, 'settled');
  const over = new AbortController();
  const paying = (async () => {
    let paid = 0;
    for (; !over.signal.aborted; paid++) await pay(hk);
    return paid;
  })();
  const [{ status, said }, again] = await Promise.all([backup(hk, 'hk.backup'), backup(cn, 'cn.backup')]);
  over.abort();
  t.ok((await paying) > 0);
  t.match({ status, said }, { status: 0, said: { isLive: true, network: need(await hk.client.getStatus()).network } });
  t.equal(again.status, 0);
  t.ok(Number(said['height']) > 0 && Number(said['records']) > 100);
  t.equal(statSync(inFolder('hk.backup')).mode & 0o077, 0, 'for nobody else to read');
  t.match(await verifyBackup('hk.backup'), {
    status: 0,
    said: { sound: true, height: said['height'], party: hk.party, assets: 2 },
  });
  t.match(await backup(hk, 'hk.backup'), { status: 1, said: { error: { code: 'file_exists' } } });
  t.match(await verifyFolder(hk), { status: 20, said: { error: { code: 'store_locked' } } });
  t.notOk(existsSync(inFolder('hk.backup.partial')));
});

t.test('each refusal has its code, and changes nothing', async (t) => {
  const whole = readFileSync(inFolder('cn.backup'));
  const changed = (at: number): Buffer => {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] as number) ^ 1;
    return bytes;
  };
  writeFileSync(inFolder('cut.backup'), whole.subarray(0, whole.length - 100));
  writeFileSync(inFolder('damaged.backup'), changed(whole.length >> 1));
  writeFileSync(inFolder('newer.backup'), changed(18));
  writeFileSync(inFolder('none.backup'), 'a letter to the bank\n');
  const other = await LocalNetwork.open(inFolder('other'));
  const [stranger] = other.members as readonly [Member];
  const rows: readonly (readonly [to: Member, name: string, code: string])[] = [
    [hk, 'hk.backup', 'not_empty'],
    [stranger, 'hk.backup', 'other_network'],
    [stranger, 'cut.backup', 'archive_truncated'],
    [stranger, 'damaged.backup', 'archive_damaged'],
    [stranger, 'newer.backup', 'newer_format'],
    [stranger, 'none.backup', 'not_a_backup'],
  ];
  for (const [to, name, code] of rows) {
    const { status, said } = await restore(to, name);
    t.match({ status, code: said.error?.code }, { status: 1, code }, `${name}: ${code}`);
    if (to === stranger) t.notOk(existsSync(dataOf(to)), `${code} leaves no folder`);
  }
  t.match(await verifyBackup('damaged.backup'), { status: 1, said: { error: { code: 'archive_damaged' } } });
  t.match(await restore(hk, 'nowhere.backup'), { status: 5 });
  const mixed = await ask('node', 'verify-data', '--config', configOf(hk), '--restart', inFolder('none.backup'));
  t.match(mixed, { status: 2, said: { error: { code: 'usage' } } }, 'which restart is trusted the configuration says');
});

t.test('a restored validator follows, and its vote key does not sign again', async (t) => {
  await network.stop([cn]);
  rmSync(dataOf(cn), { recursive: true });
  await pay(hk);
  const { status, said } = await restore(cn, 'cn.backup');
  t.equal(status, 0);
  t.equal((said['retired'] as readonly string[]).length, 1);
  t.match(await verifyFolder(cn), { status: 0, said: { height: said['height'] } });
  await network.start([cn]);
  await untilFollowing([cn], hk);
  const log = network.process(cn)?.lastLines().join('\n') ?? '';
  t.match(log, 'vote_log_rolled_back', 'the mark tells');
  await pay(cn);

  // Folder and mark lost together: the backup still knows that the key has signed.
  await network.stop([cn]);
  rmSync(dataOf(cn), { recursive: true });
  rmSync(`${dataOf(cn)}.mark`, { recursive: true, force: true });
  rmSync(join(cn.folder, 'mark'), { recursive: true, force: true });
  t.equal((await restore(cn, 'cn.backup')).status, 0);
  await network.start([cn]);
  await untilFollowing([cn], hk);
  t.match(network.process(cn)?.lastLines().join('\n') ?? '', 'vote_mark_missing', 'and so does the folder');
});

t.test('what was answered 202 and was in no block then comes back, and settles once', async (t) => {
  const own = network.nodes.find(({ party }) => party === hsbc.party) as Member;
  await untilFollowing([own], hk);
  await network.stop([hk, cn, th, ae]);
  const { network: id } = need(await own.client.getStatus());
  const instruction = buildInstruction({ ...payment(), network: id });
  const { digest } = need(await own.client.submit(await signInstruction(instruction, [hsbc.signer])));
  t.match(await backup(own, 'own.backup'), { status: 0, said: { isLive: true } });
  await network.kill([own]);
  // Of a stopped node it is the same.
  t.match(await backup(own, 'stopped.backup'), { status: 0, said: { isLive: false } });
  t.match(await verifyBackup('own.backup'), { status: 0, said: { outbox: 1 } });
  rmSync(dataOf(own), { recursive: true });

  // A restore that was killed leaves a folder that no node starts on, and the next one begins anew.
  mkdirSync(dataOf(own));
  writeFileSync(join(dataOf(own), 'restoring'), '');
  cpSync(inFolder('none.backup'), join(dataOf(own), '000005.ldb'));
  t.match(await runCli('node', 'start', '--config', configOf(own)), { status: 28 });
  t.match(await restore(own, 'own.backup'), { status: 0, said: { outbox: 1, retired: [] } });
  await network.start([own, hk, cn, th, ae]);
  t.match(need(await own.client.waitFinal(digest, FINAL_MS_MAX)), { status: 'final', code: 'settled' });
  await untilReady([hk]);
});

/** Bytes of a file, or of the files of a folder; none while it is not there. */
function bytesIn(path: string): number {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory() !== true) return there?.size ?? 0;
  return readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0);
}

/** Runs a command, and ends it as soon as it has come so far. Gives its exit status, or null where it was ended. */
async function endedWhen(isSoFar: () => boolean, ...args: readonly string[]): Promise<number | null> {
  const cli = inCheckout('dist/node/cli.js');
  const child = spawn(process.execPath, [cli, ...args], { stdio: 'ignore' });
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const watching = setInterval(() => isSoFar() && child.kill('SIGKILL'), 1);
  const status = await exited;
  clearInterval(watching);
  return status;
}

t.test('ended at any moment, a backup or restore leaves what is whole or what is known not to be', async (t) => {
  const spare = { ...ae, folder: join(network.dir, 'spare') };
  cpSync(ae.folder, spare.folder, { recursive: true, filter: (path) => !/\/(data|mark)(\/|$)/.test(path) });
  const seen = new Set<string>();
  const whole = bytesIn(inFolder('hk.backup'));
  for (const percent of [0, 30, 60, 90]) {
    const name = `${percent}.backup`;
    const out = inFolder(name);
    const isSoFar = (path: string, begun: string) => () => existsSync(begun) && bytesIn(path) * 100 >= whole * percent;
    const partial = `${out}.partial`;
    const args = ['node', 'backup', '--config', configOf(hk), '--out', out];
    const made = await endedWhen(isSoFar(partial, partial), ...args);
    t.ok(!existsSync(out) || (await verifyBackup(name)).status === 0, `a backup ended: ${made}`);
    const restoring = isSoFar(dataOf(spare), join(dataOf(spare), 'restoring'));
    await endedWhen(restoring, 'node', 'restore', inFolder('hk.backup'), '--config', configOf(spare));
    const { status, said } = await verifyFolder(spare);
    seen.add(said.error?.code ?? 'sound');
    if (status !== 0) t.equal((await restore(spare, 'hk.backup')).status, 0, 'a restore is begun anew');
    t.match(await verifyFolder(spare), { status: 0, said: { sound: true } });
    rmSync(dataOf(spare), { recursive: true });
  }
  seen.delete('sound');
  t.strictSame([...seen], ['restore_unfinished']);
});

t.test('a record that the disk changed is found in the folder, and told where', async (t) => {
  await network.stop();
  t.match(await verifyFolder(hk), { status: 0, said: { sound: true } });
  const disk = await openStore(dataOf(hk));
  for (const table of ['state', 'receipts', 'index'] as const) {
    for await (const [key, value] of disk.scan(table, { ...EVERYTHING, limit: 1 })) {
      const changed = value.with(3, (value[3] as number) ^ 0x10);
      await disk.write([{ type: 'put', table, key, value: changed }], { sync: true });
    }
  }
  await disk.close();
  const { status, said } = await verifyFolder(hk);
  t.match({ status, code: said.error?.code }, { status: 1, code: 'data_unsound' });
  const { findings } = said.error as unknown as {
    readonly findings: readonly { readonly code: string; readonly table: string }[];
  };
  const damaged = findings.filter(({ code }) => code === 'record_damaged').map(({ table }) => table);
  t.strictSame(damaged, ['receipts', 'state', 'index']);
  t.strictSame(deaths, []);
});
