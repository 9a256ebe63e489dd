import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { concat } from '../../protocol/hash.js';
import { BACKUP_MS_MAX } from '../../protocol/limits.js';
import type { Log, Operation, Store } from '../ports.js';
import { openArchive } from '../replica/archive.js';
import { checked } from '../replica/checked.js';
import { Ledger, silent, TestClock } from '../replica/ledgerstore.test-helper.js';
import { MemoryStore } from '../replica/memorystore.test-helper.js';
import { askForBackup, serveBackups } from './backupsocket.js';

/** Time that passes when a test says so. */
class StoppedClock extends TestClock {
  readonly waiting = new Map<() => void, number>();
  override after(delayMs: number, callback: () => void): () => void {
    this.waiting.set(callback, delayMs);
    return () => void this.waiting.delete(callback);
  }
}

const clock = new StoppedClock();
const warned: string[] = [];
const log: Log = { ...silent, warn: (_, text) => void warned.push(text) };
const PARTS = { clock, log, party: 'HKMAHKHHXXX', version: '0.1.0', onDamage: () => undefined };

async function served(t: Test, store: Store, name = 'data') {
  // A socket's path is short, and that of `testdir` may not be.
  const place = mkdtempSync(join(tmpdir(), 'causeway-socket-'));
  t.teardown(() => rmSync(place, { recursive: true, force: true }));
  const folder = join(place, name);
  mkdirSync(folder);
  const stop = await serveBackups(folder, { ...PARTS, store });
  t.teardown(stop);
  return { folder, stop };
}

/** A ledger with so much beside it that a backup does not fit what a socket holds. */
async function large(): Promise<{ disk: MemoryStore; store: Store }> {
  const disk = new MemoryStore();
  const store = checked(disk);
  await Ledger.begin(store);
  const more = Array.from({ length: 60 }, (_, at): Operation => {
    return { type: 'put', table: 'outbox', key: Uint8Array.of(at), value: new Uint8Array(200_000) };
  });
  await store.write(more, { sync: true });
  return { disk, store };
}

async function whole(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return concat(...all);
}

const open = (bytes: Uint8Array) => openArchive((from, length) => Promise.resolve(bytes.slice(from, from + length)));

t.test('who may open the socket is given a backup, one at a time', async (t) => {
  const { disk, store } = await large();
  const { folder } = await served(t, store);
  t.equal(statSync(join(folder, 'backup.sock')).mode & 0o077, 0, 'for nobody else to open');
  const first = await askForBackup(folder);
  if (first?.ok !== true) throw new Error('it is given');
  t.same(await askForBackup(folder), { ok: false, code: 'backup_busy' });
  t.match(await open(await whole(first.pieces)), { ok: true, archive: { header: { party: PARTS.party } } });
  const next = await askForBackup(folder);
  if (next?.ok !== true) throw new Error('and then another');
  t.match(await open(await whole(next.pieces)), { ok: true });
  t.equal(disk.views, 0);
});

t.test('one that is broken off has no end, and leaves no view open', async (t) => {
  const { disk, store } = await large();
  const { folder, stop } = await served(t, store);
  const asked = await askForBackup(folder);
  if (asked?.ok !== true) throw new Error('it is given');
  await stop();
  t.equal(disk.views, 0);
  const bytes = await whole(asked.pieces).catch(() => new Uint8Array(0));
  t.match(await open(bytes), { ok: false });
  t.equal(await askForBackup(folder), null, 'nobody is there');
});

t.test('who takes longer than a backup may is told so, and holds nothing back any more', async (t) => {
  const { disk, store } = await large();
  const { folder } = await served(t, store);
  const slow = await askForBackup(folder);
  if (slow?.ok !== true) throw new Error('it begins');
  const [first] = [await slow.pieces[Symbol.asyncIterator]().next()];
  t.ok(first.done !== true && disk.views === 1, 'it is under way');
  const [[late, delayMs] = []] = [...clock.waiting];
  t.equal(delayMs, BACKUP_MS_MAX);
  late?.();
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  t.equal(disk.views, 0, 'though nobody has read on');
  t.match(warned.at(-1), /its reader is slow/);
  const rest = await whole(slow.pieces);
  const bytes = first.done === true ? rest : concat(first.value, rest);
  t.match(await open(bytes), { ok: false, code: 'archive_broken_off', why: 'backup_slow' });
  t.equal(clock.waiting.size, 0);
  const next = await askForBackup(folder);
  if (next?.ok !== true) throw new Error('and another is given');
  t.match(await open(await whole(next.pieces)), { ok: true });
});

t.test('a damaged record is not backed up', async (t) => {
  const { disk, store } = await large();
  const [name, value] = [...disk.entries].find(([key]) => key.startsWith('outbox/')) as [string, Uint8Array];
  disk.entries.set(name, value.with(5, 1));
  const { folder } = await served(t, store);
  const asked = await askForBackup(folder);
  if (asked?.ok !== true) throw new Error('it begins');
  t.match(await open(await whole(asked.pieces)), { ok: false, code: 'archive_broken_off', why: 'record_damaged' });
  t.equal(disk.views, 0);
});

t.test('without a ledger, and where no socket can be', async (t) => {
  const empty = await served(t, checked(new MemoryStore()));
  t.same(await askForBackup(empty.folder), { ok: false, code: 'no_ledger' });
  const far = await served(t, checked(new MemoryStore()), 'x'.repeat(120));
  t.equal(await askForBackup(far.folder), null, 'the node runs without');
  await far.stop();
});
