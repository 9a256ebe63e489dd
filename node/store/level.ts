/**
 * The store port on LevelDB.
 *
 * One database holds every table, each under a one-byte prefix, so that a write across tables is one atomic batch.
 * Batches run one at a time, in the order of calls; what comes while one runs waits and goes as one batch, so that
 * many writers share a sync.
 */
import { ClassicLevel } from 'classic-level';
import type { Metrics, Operation, Store, StoreView, Table } from '../ports.js';

/** First byte of a table's keys. It is on disk: a number once given is never given again, nor changed. */
const PREFIXES: Record<Table, number> = {
  meta: 0x01,
  votes: 0x02,
  batches: 0x03,
  blocks: 0x04,
  receipts: 0x05,
  state: 0x06,
  ids: 0x07,
  index: 0x08,
  snapshot: 0x09,
  outbox: 0x0a,
};

const MIB = 1024 * 1024;
const CACHE_BYTES = 64 * MIB;
const WRITE_BUFFER_BYTES = 16 * MIB;
/** A group takes further writes until it has so many operations, so that one batch stays small beside the buffer. */
const GROUP_OPERATIONS_MAX = 20_000;
/** Entries, and about how many bytes, that a scan holds at a time. */
const SCAN_ENTRIES = 256;
const SCAN_BYTES = 256 * 1024;

export type StoreErrorCode = 'store_locked' | 'store_corrupt' | 'disk_full' | 'store_failed';

const WHAT_TO_DO: Record<StoreErrorCode, string> = {
  store_locked:
    'Another process has this data folder open: stop the other node, or give this one a data folder of its own.',
  store_corrupt:
    'The database is damaged: keep a copy of the folder, check the disk, and let the node fetch the ledger again into a new folder. Its vote key must not sign again, since what it signed may be lost.',
  disk_full: 'The disk is full: free space on it, then start the node again. Nothing that was confirmed is lost.',
  store_failed: 'The database could not be read or written: check the disk, and that the node may write to the folder.',
};

/** A failure of the environment; after one on a write the process must stop. `message` says what the operator should do. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, folder: string, cause: unknown) {
    super(`${WHAT_TO_DO[code]} (${folder}: ${describe(cause)})`, { cause });
    this.name = 'StoreError';
    this.code = code;
  }
}

interface Write {
  readonly operations: readonly Operation[];
  readonly sync: boolean;
  readonly resolve: () => void;
  readonly reject: (error: StoreError) => void;
}

type Database = ClassicLevel<Uint8Array, Uint8Array>;
type Range = Parameters<Store['scan']>[1];
/** What a read is told so that it sees the store as it was. */
interface Moment {
  readonly snapshot: ReturnType<Database['snapshot']>;
}
type LevelOperation = { type: 'put'; key: Uint8Array; value: Uint8Array } | { type: 'del'; key: Uint8Array };

/**
 * Opens the database in `folder`, which is made when absent.
 *
 * @throws StoreError (as do the store's own calls): `store_locked`, `store_corrupt`, `disk_full`, `store_failed`
 */
export async function openStore(
  folder: string,
  { metrics }: { readonly metrics: Pick<Metrics, 'observe'> } = { metrics: { observe: () => undefined } },
): Promise<Store> {
  const db: Database = new ClassicLevel<Uint8Array, Uint8Array>(folder, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    createIfMissing: true,
    compression: true,
    cacheSize: CACHE_BYTES,
    writeBufferSize: WRITE_BUFFER_BYTES,
  });
  try {
    await db.open();
  } catch (error) {
    throw openError(folder, error);
  }
  return new LevelStore(folder, db, metrics);
}

class LevelStore implements Store {
  readonly #folder: string;
  readonly #db: Database;
  readonly #metrics: Pick<Metrics, 'observe'>;
  #waiting: Write[] = [];
  #running: Promise<void> | null = null;
  #failed: StoreError | null = null;
  #closed = false;

  constructor(folder: string, db: Database, metrics: Pick<Metrics, 'observe'>) {
    this.#folder = folder;
    this.#db = db;
    this.#metrics = metrics;
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return read(this.#folder, this.#db, prefixed(table, key), {});
  }

  scan(table: Table, range: Range): AsyncGenerator<[Uint8Array, Uint8Array]> {
    return entries(this.#folder, this.#db, table, range, {});
  }

  snapshot(): StoreView {
    const folder = this.#folder;
    const db = this.#db;
    const options: Moment = { snapshot: db.snapshot() };
    return {
      get: (table, key) => read(folder, db, prefixed(table, key), options),
      scan: (table, range) => entries(folder, db, table, range, options),
      close: () => options.snapshot.close(),
    };
  }

  /** What was written counts for `get` once the promise resolves. After a failure every further write fails too. */
  write(operations: readonly Operation[], { sync }: { sync: boolean }): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== null) return reject(this.#failed);
      if (this.#closed) return reject(new StoreError('store_failed', this.#folder, 'the store is closed'));
      this.#waiting.push({ operations, sync, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    try {
      await this.#db.close();
    } catch (error) {
      throw storeError(this.#folder, error);
    }
  }

  async #run(): Promise<void> {
    // The writes of this turn go together.
    await Promise.resolve();
    while (this.#waiting.length > 0 && this.#failed === null) await this.#writeGroup(this.#nextGroup());
    this.#running = null;
  }

  #nextGroup(): Write[] {
    let operations = 0;
    let writes = 0;
    for (const write of this.#waiting) {
      operations += write.operations.length;
      if (writes > 0 && operations > GROUP_OPERATIONS_MAX) break;
      writes += 1;
    }
    return this.#waiting.splice(0, writes);
  }

  async #writeGroup(group: Write[]): Promise<void> {
    const sync = group.some((write) => write.sync);
    const batch: LevelOperation[] = [];
    for (const write of group) {
      for (const operation of write.operations) batch.push(levelOperation(operation));
    }
    const startedMs = performance.now();
    try {
      // Explicit: the library's default does not sync, and a signed vote cannot be forgotten.
      await this.#db.batch(batch, { sync });
    } catch (error) {
      this.#fail(group, storeError(this.#folder, error));
      return;
    }
    if (sync) this.#metrics.observe('store_sync', (performance.now() - startedMs) / 1000);
    for (const write of group) write.resolve();
  }

  /** What a failed write left on disk is unknown, so nothing may be written after it: not even what already waits. */
  #fail(group: Write[], error: StoreError): void {
    this.#failed = error;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const write of [...group, ...waiting]) write.reject(error);
  }
}

/** With a snapshot, reads are of its moment. */
function read(folder: string, db: Database, key: Uint8Array, options: Partial<Moment>): Uint8Array | undefined {
  let value: Uint8Array | undefined;
  try {
    value = db.getSync(key, options);
  } catch (error) {
    throw storeError(folder, error);
  }
  // The library gives a Buffer, whose `slice` shares memory where a Uint8Array's copies: a plain array goes out.
  return value === undefined ? undefined : new Uint8Array(value);
}

async function* entries(
  folder: string,
  db: Database,
  table: Table,
  { from, to, reverse = false, limit = -1 }: Range,
  options: Partial<Moment>,
): AsyncGenerator<[Uint8Array, Uint8Array]> {
  // Without a snapshot of its own an iterator reads that of the moment at which it was made.
  const iterator = db.iterator({
    gte: prefixed(table, from),
    lt: prefixed(table, to),
    reverse,
    limit,
    fillCache: false,
    highWaterMarkBytes: SCAN_BYTES,
    ...options,
  });
  try {
    for (;;) {
      const found = await iterator.nextv(SCAN_ENTRIES);
      if (found.length === 0) return;
      for (const [key, value] of found) yield [new Uint8Array(key.subarray(1)), new Uint8Array(value)];
    }
  } catch (error) {
    throw storeError(folder, error);
  } finally {
    await iterator.close();
  }
}

function prefixed(table: Table, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + key.length);
  bytes[0] = PREFIXES[table];
  bytes.set(key, 1);
  return bytes;
}

function levelOperation(operation: Operation): LevelOperation {
  const key = prefixed(operation.table, operation.key);
  return operation.type === 'put' ? { type: 'put', key, value: operation.value } : { type: 'del', key };
}

function openError(folder: string, error: unknown): StoreError {
  const failure = storeError(folder, error);
  // A folder that has a CURRENT file but not what it names is damaged, though LevelDB calls it an I/O error.
  if (failure.code === 'store_failed' && /No such file/.test(describe(rootCause(error)))) {
    return new StoreError('store_corrupt', folder, rootCause(error));
  }
  return failure;
}

function storeError(folder: string, error: unknown): StoreError {
  const cause = rootCause(error);
  const text = describe(cause);
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'LEVEL_LOCKED') return new StoreError('store_locked', folder, cause);
  if (code === 'LEVEL_CORRUPTION' || text.startsWith('Corruption'))
    return new StoreError('store_corrupt', folder, cause);
  if (code === 'ENOSPC' || /No space left|ENOSPC|Disk quota exceeded/.test(text)) {
    return new StoreError('disk_full', folder, cause);
  }
  return new StoreError('store_failed', folder, cause);
}

/** The library wraps what happened: `Database failed to open`, caused by what the disk said. */
function rootCause(error: unknown): unknown {
  let cause = error;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  return cause;
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
