/** Backups as files: made of a running node or of a stopped one's folder, and opened to be checked or restored. */
import { existsSync, rmSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { createClock } from '../clock.js';
import type { Config } from '../config.js';
import { failureOf } from '../main.js';
import {
  type Archive,
  ArchiveChanged,
  type ArchiveHeader,
  archivePieces,
  type BreakCode,
  notNow,
  openArchive,
} from '../replica/archive.js';
import { Corrupt, checked, untold } from '../replica/checked.js';
import { openStore } from '../store/level.js';
import { askForBackup, type BackupCode, WHY } from './backupsocket.js';
import { EXITS, Failure } from './exits.js';
import { checkRestored } from './restoremark.js';
import { readVersion } from './version.js';

const BROKEN: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE']);
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export type Refused = { readonly ok: false; readonly code: string; readonly detail: string; readonly why?: BreakCode };
export const refused = (code: string, detail: string): Refused => ({ ok: false, code, detail });

export interface Backup {
  readonly header: ArchiveHeader;
  readonly bytes: number;
  readonly records: number;
  /** Whether a running node gave it. */
  readonly isLive: boolean;
}

type Made = { readonly ok: true; readonly backup: Backup } | Refused;

/**
 * Writes a backup of the node to `out`, which must not be there. It is written beside and found whole before it gets its
 * name, so that a file of that name is never half. `onBytes` hears how far it has come. Refuses with `file_exists`, and as
 * the node does (`WHY`).
 *
 * @throws Failure what the environment lacks
 */
export async function backupNode(config: Config, out: string, onBytes: (bytes: number) => void): Promise<Made> {
  if (existsSync(out)) return refused('file_exists', `${out} is there already: name a new file.`);
  const asked = await askForBackup(config.data);
  if (asked === null) return backupFolder(config, out, onBytes);
  return asked.ok ? writeOut(out, asked.pieces, true, onBytes) : because(asked.code);
}

const because = (code: BackupCode): Refused => refused(code, WHY[code]);

/** Of a node that does not run. */
async function backupFolder({ data, party }: Config, out: string, onBytes: (bytes: number) => void): Promise<Made> {
  checkRestored(data);
  if (!hasDatabase(data)) return because('no_ledger');
  return withFailures(async () => {
    const disk = await openStore(data);
    try {
      const store = checked(disk);
      const code = notNow(store);
      if (code !== null) return because(code);
      const made = { party, version: readVersion(), madeMs: createClock().now() };
      // Nothing waits for a node that does not run.
      const pace = { pause: setImmediate, isLate: () => false, onDamage: untold };
      return await writeOut(out, archivePieces(store, made, pace), false, onBytes);
    } catch (error) {
      if (error instanceof Corrupt) return because('record_damaged');
      throw error;
    } finally {
      await disk.close();
    }
  });
}

/** Whether there is a database: opening one makes it. */
export const hasDatabase = (folder: string): boolean => existsSync(join(folder, 'CURRENT'));

/** Failures of the database and of files as those of the environment. */
export async function withFailures<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC') throw new Failure('disk_full', 'The disk is full: free space on it, and begin again.');
    if (code === 'LEVEL_LOCKED' || path === undefined) throw failureOf(error) ?? error;
    throw new Failure('store_failed', `${path} cannot be read or written (${code}): check the path and its rights.`);
  }
}

function writeOut(
  out: string,
  pieces: AsyncIterable<Uint8Array>,
  isLive: boolean,
  onBytes: (bytes: number) => void,
): Promise<Made> {
  const partial = `${out}.partial`;
  const onSignal = (): never => {
    rmSync(partial, { force: true });
    process.exit(EXITS.refused.status);
  };
  return withFailures(async () => {
    // What an interrupted backup left, or somebody else: never written into.
    rmSync(partial, { force: true });
    for (const signal of SIGNALS) process.once(signal, onSignal);
    try {
      await writeWhole(partial, pieces, onBytes);
      const opened = await withArchive(partial, async (archive, bytes) => {
        const { header, records } = archive;
        return { ok: true, backup: { header, bytes, records, isLive } } as const;
      });
      if (!opened.ok) return because(opened.why ?? 'backup_broken');
      await rename(partial, out);
      await syncFolder(dirname(out));
      return opened;
    } finally {
      for (const signal of SIGNALS) process.off(signal, onSignal);
      rmSync(partial, { force: true });
    }
  });
}

async function writeWhole(
  path: string,
  pieces: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): Promise<void> {
  // It holds what a bank was answered for: nobody else's to read.
  const file = await open(path, 'wx', 0o600);
  try {
    let bytes = 0;
    for await (const piece of untilBroken(pieces)) {
      await file.writeFile(piece);
      bytes += piece.length;
      onBytes(bytes);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A connection that breaks ends the backup: without its end it is refused. */
async function* untilBroken(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (error) {
    if (!BROKEN.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync();
  await folder.close();
}

/** Opens a backup and lets `work` read it. Refuses as `openArchive` does. `onBytes` hears how far it was found whole. */
export async function withArchive<T extends { readonly ok: true }>(
  path: string,
  work: (archive: Archive, bytes: number) => Promise<T | Refused>,
  onBytes: (bytes: number, of: number) => void = () => undefined,
): Promise<T | Refused> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const opened = await openArchive(readerOf(file), (bytes) => onBytes(bytes, size));
    if (!opened.ok) return { ...opened, detail: `${path}: ${opened.detail}.` };
    return await work(opened.archive, size);
  } catch (error) {
    if (error instanceof ArchiveChanged) return refused(error.refusal.code, `${path}: ${error.refusal.detail}.`);
    throw error;
  } finally {
    await file.close();
  }
}

const readerOf =
  (file: FileHandle) =>
  async (from: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const { bytesRead } = await file.read(bytes, at, length - at, from + at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return bytes.subarray(0, at);
  };
