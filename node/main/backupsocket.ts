/**
 * A running node gives its backup to whoever may open the socket in its data folder: LevelDB lets no second process
 * read, and what the node answered for and no block has is known to no other node. Whoever can reach the socket could
 * read the folder, so it asks for nothing more; the HTTP interface has no such route, since it does not know who asks.
 *
 * The answer is a line of JSON, and then the backup's bytes. An answer that is cut short has no end, and is refused.
 */
import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import type { Clock, Log, Store } from '../ports.js';
import { archivePieces, type NotNow, notNow } from '../replica/archive.js';
import { Corrupt } from '../replica/checked.js';

/** Whoever takes nothing for so long is cut off: what the view holds back cannot be given up meanwhile. */
const IDLE_MS = 60_000;
const ANSWER_BYTES_MAX = 4096;

export type BackupCode = NotNow | 'backup_busy' | 'backup_broken' | 'record_damaged';

export const WHY: Record<BackupCode, string> = {
  no_ledger: 'There is no ledger in this data folder yet.',
  installing: 'A snapshot is taking the place of the ledger at this moment: try again when the node follows.',
  backup_busy: 'Another backup of this node is under way: wait until it has ended.',
  backup_broken: 'The node broke the backup off before it was whole: its log says why. Nothing was kept of it.',
  record_damaged:
    'The disk has damaged a record, and what is damaged is not backed up: see `causeway node verify-data`.',
};

/** The longest path that a socket has everywhere; a longer one would be cut short, and be another. */
const PATH_BYTES_MAX = 103;

/** The socket of a data folder, by the shorter of its paths; null where both are too long. */
function socketOf(data: string): string | null {
  const absolute = join(data, 'backup.sock');
  const paths = [absolute, relative(process.cwd(), absolute)];
  return paths.find((path) => Buffer.byteLength(path) <= PATH_BYTES_MAX) ?? null;
}

interface Parts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly party: string;
  readonly version: string;
}

/** Serves backups until the returned function is called. Where no socket can be had the node runs without, and says so. */
export async function serveBackups(data: string, parts: Parts): Promise<() => Promise<void>> {
  const path = socketOf(data);
  if (path === null) {
    parts.log.warn({ data }, 'the path is too long for a socket: the node must be stopped to be backed up');
    return () => Promise.resolve();
  }
  const sockets = new Set<Socket>();
  let running: Promise<void> | null = null;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => void sockets.delete(socket));
    if (running !== null) return refuse(socket, 'backup_busy');
    running = give(socket, parts).finally(() => {
      running = null;
    });
  });
  try {
    // The database is locked by this process, so a socket that is there is of one that has ended.
    rmSync(path, { force: true });
    await listen(server, path);
    chmodSync(path, 0o600);
    server.on('error', (error) => parts.log.warn({ path, error }, 'the socket for backups has failed'));
  } catch (error) {
    parts.log.warn({ path, error }, 'no socket for backups: the node must be stopped to be backed up');
    return () => Promise.resolve();
  }
  return async () => {
    for (const socket of sockets) socket.destroy();
    // The database must not be closed before the view of it.
    await running;
    await new Promise<void>((resolve) => void server.close(() => resolve()));
  };
}

const refuse = (socket: Socket, code: BackupCode): void => void socket.end(`${JSON.stringify({ code })}\n`);

async function listen(server: Server, path: string): Promise<void> {
  server.listen(path);
  // Rejects when the server emits an error: a path that is too long, or a volume that has no sockets.
  await once(server, 'listening');
}

async function give(socket: Socket, { store, clock, log, party, version }: Parts): Promise<void> {
  const view = store.snapshot();
  try {
    const code = notNow(view);
    if (code !== null) return refuse(socket, code);
    const made = { party, version, madeMs: clock.now() };
    socket.write(`${JSON.stringify({ code: 'ok' })}\n`);
    await pipeline(Readable.from(archivePieces(view, made, setImmediate), { highWaterMark: 1 }), socket);
    log.info({}, 'a backup was made');
  } catch (error) {
    if (error instanceof Corrupt) log.error({ table: error.table }, 'a backup met a damaged record: check the disk');
    else log.warn({ error }, 'a backup was broken off');
    socket.destroy();
  } finally {
    await view.close();
  }
}

/** The backup of the node that runs over this folder; null when none does. */
export async function askForBackup(
  data: string,
): Promise<
  | { readonly ok: true; readonly pieces: AsyncIterable<Uint8Array> }
  | { readonly ok: false; readonly code: BackupCode }
  | null
> {
  const path = socketOf(data);
  if (path === null) return null;
  const socket = createConnection(path);
  try {
    await once(socket, 'connect');
  } catch {
    return null;
  }
  const pieces = socket[Symbol.asyncIterator]() as AsyncIterableIterator<Uint8Array>;
  let head = Buffer.alloc(0);
  while (!head.includes(0x0a)) {
    const next = await pieces.next().catch(() => ({ done: true as const, value: undefined }));
    if (next.done === true || head.length > ANSWER_BYTES_MAX) return { ok: false, code: 'backup_broken' };
    head = Buffer.concat([head, next.value]);
  }
  const end = head.indexOf(0x0a);
  const { code } = JSON.parse(head.subarray(0, end).toString()) as { code: BackupCode | 'ok' };
  if (code !== 'ok') {
    socket.destroy();
    return { ok: false, code };
  }
  return { ok: true, pieces: following(head.subarray(end + 1), pieces) };
}

async function* following(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  yield* rest;
}
