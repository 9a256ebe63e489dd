/** What a check of stored records found wrong, and where. */
import { toHex } from '../../protocol/codec.js';
import type { Store, Table } from '../ports.js';
import { type Corrupt, EVERYTHING, soundEntries } from './checked.js';

export type FindingCode =
  /** The disk gave back something else than was written. */
  | 'record_damaged'
  /** It was written so, and is no such record. */
  | 'record_malformed'
  | 'record_missing'
  | 'no_ledger'
  | 'other_network'
  | 'unproven_epoch'
  | 'chain_broken'
  | 'wrong_root'
  | 'not_certified'
  | 'bad_certificate'
  | 'receipts_differ'
  | 'state_differs'
  | 'not_conserved'
  | 'ids_differ';

export interface Finding {
  readonly code: FindingCode;
  readonly table: Table;
  /** A height, or the record's key in hex. */
  readonly where: string;
  readonly detail: string;
}

/** Told one by one are so many; the rest are counted. */
const TOLD_MAX = 100;

export class Findings {
  readonly told: Finding[] = [];
  count = 0;

  add(code: FindingCode, table: Table, where: Uint8Array | number | string, detail: string): void {
    this.count += 1;
    if (this.told.length >= TOLD_MAX) return;
    const place =
      typeof where === 'number' ? `height ${where}` : typeof where === 'string' ? where : `key ${toHex(where)}`;
    this.told.push({ code, table, where: place, detail });
  }
}

/** Records of a folder or of a backup, each table ascending by key. A damaged record is passed over, and told of. */
export interface Records {
  scan(table: Table, onDamage: (corrupt: Corrupt) => void): AsyncIterable<readonly [Uint8Array, Uint8Array]>;
  /** A record by its key, where that can be had: not of a backup. */
  readonly get?: Store['get'];
}

/** The records of a folder. */
export const recordsOf = (store: Store): Records => ({
  scan: (table, onDamage) => soundEntries(store, table, EVERYTHING, onDamage),
  get: (table, key) => store.get(table, key),
});

/** The same, with what is damaged told already. */
export interface SoundRecords {
  scan(table: Table): AsyncIterable<readonly [Uint8Array, Uint8Array]>;
}
