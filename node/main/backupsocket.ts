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
import { setImmediate } from 'node:timers/promises';
import { BACKUP_IDLE_MS_MAX, BACKUP_MS_MAX } from '../../protocol/limits.js';
import type { Clock, Log, Store } from '../ports.js';
import { archivePieces, type BreakCode, type NotNow, notNow } from '../replica/archive.js';
import { Corrupt } from '../replica/checked.js';

const ANSWER_BYTES_MAX = 4096;

export type BackupCode = NotNow | BreakCode | 'backup_busy' | 'backup_broken';

export const WHY: Record<BackupCode, string> = {
  no_ledger: 'There is no ledger in this data folder yet.',
  installing: 'A snapshot is taking the place of the ledger at this moment: try again when the node follows.',
  backup_busy: 'Another backup of this node is under way: wait until it has ended.',
  backup_broken: 'The node broke the backup off before it was whole: its log says why. Nothing was kept of it.',
  backup_slow:
    'The backup took longer than a node lets one take, and the node broke it off. Nothing was kept of it: write it to a faster disk, or stop the node to back it up.',
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
  /** Hears of damaged records, so that they are mended from peers. */
  readonly onDamage: (corrupt: Corrupt) => void;
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
    socket.setTimeout(BACKUP_IDLE_MS_MAX, () => socket.destroy());
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

async function give(socket: Socket, { store, clock, log, party, version, onDamage }: Parts): Promise<void> {
  const view = store.snapshot();
  const late = new Lateness(clock);
  let isBegun = false;
  try {
    const code = notNow(view);
    if (code !== null) return refuse(socket, code);
    const made = { party, version, madeMs: clock.now() };
    socket.write(`${JSON.stringify({ code: 'ok' })}\n`);
    isBegun = true;
    const broken = await send(
      archivePieces(view, made, { pause: setImmediate, isLate: () => late.isLate, onDamage }),
      socket,
      late,
    );
    if (broken === null) log.info({}, 'a backup was made');
    else if (broken === 'backup_slow')
      log.warn({ afterMs: BACKUP_MS_MAX }, 'a backup was broken off: its reader is slow');
    else log.error({}, 'a backup met a damaged record: check the disk');
  } catch (error) {
    log.warn({ error }, 'a backup was broken off');
    // What has begun is read as a file: no refusal stands in it.
    if (error instanceof Corrupt && !isBegun) refuse(socket, 'record_damaged');
    else socket.destroy();
  } finally {
    late.over();
    await view.close();
  }
}

/** Whether a backup has taken as long as one may. */
class Lateness {
  isLate = false;
  /** Resolves when it has. */
  readonly reached: Promise<void>;
  /** Ends the waiting. */
  readonly over: () => void;

  constructor(clock: Pick<Clock, 'after'>) {
    let cancel: () => void = () => undefined;
    this.reached = new Promise((resolve) => {
      cancel = clock.after(BACKUP_MS_MAX, () => {
        this.isLate = true;
        resolve();
      });
    });
    this.over = cancel;
  }
}

/**
 * Writes the pieces as fast as the reader takes them. Past the time they end, with a last one that says so, and the view
 * need not wait for that one to be taken. Gives why they ended before their time, or null.
 */
async function send(
  pieces: AsyncGenerator<Uint8Array, BreakCode | null>,
  socket: Socket,
  late: Lateness,
): Promise<BreakCode | null> {
  const gone = once(socket, 'close').then(() => Promise.reject(new Error('the reader has gone')));
  gone.catch(() => undefined);
  try {
    for (;;) {
      const next = await pieces.next();
      if (next.done === true) {
        socket.end();
        return next.value;
      }
      if (socket.destroyed) await gone;
      const isTaken = socket.write(next.value);
      if (!isTaken && !late.isLate) await Promise.race([once(socket, 'drain'), late.reached, gone]);
    }
  } finally {
    // Nothing reads the view any more when it is closed.
    await pieces.return(null);
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
