/**
 * The check of all that a stopped node's folder, or a backup, holds: that each record is what was written, that blocks
 * and certificates lead from the genesis' set to the last final block, that the state has the root which that block was
 * certified with, that every asset sums to zero, and that what is remembered of ids is what the state says. It changes
 * nothing, and goes on after what it finds wrong, so that one run tells all of it.
 */
import { decodeEntry, nameOfKey } from '../../ledger/codecs.js';
import { Tree, type TreeUpdate } from '../../ledger/tree.js';
import { DecodeError } from '../../protocol/codec.js';
import type { Genesis } from '../../protocol/genesis.js';
import type { PairHasher } from '../../protocol/hash.js';
import { ISSUED_AHEAD_MS_MAX, SKEW_MS_MAX } from '../../protocol/limits.js';
import { timeScaleOf } from '../../protocol/networktime.js';
import type { Restart } from '../../protocol/restart.js';
import { statePath, stateValueHash } from '../../protocol/stateproof.js';
import type { Epoch, Hash, TimestampMs } from '../../protocol/types.js';
import type { Table, Verifier } from '../ports.js';
import { ChainAuditor } from './auditchain.js';
import { auditIds } from './auditids.js';
import { auditEpochs, auditMeta } from './auditmeta.js';
import { auditBatches, auditIndex, auditOutbox } from './auditown.js';
import { type Finding, Findings, type Records, type SoundRecords } from './findings.js';
import type { BlockRecord, FinalPointer } from './records.js';
import { genesisOf } from './recovery.js';

interface Parts {
  readonly genesis: Genesis;
  readonly verifier: Verifier;
  readonly hasher: PairHasher;
  /** Restarts that whoever checks has from a source of its own: authorities may have changed their keys since genesis. */
  readonly vouched: readonly Restart[];
  /** Of the network, by this machine's clock. */
  readonly now: TimestampMs;
  /** Hears which table is being read. */
  readonly onTable?: (table: Table) => void;
}

export interface Audit {
  readonly findings: readonly Finding[];
  /** All that was found, the first hundred of which are told. */
  readonly found: number;
  /** The last final block, as the records have it; null where they do not say. */
  readonly final: FinalPointer | null;
  readonly time: TimestampMs | null;
  readonly blocks: number;
  /** The lowest height above the genesis whose block is here. */
  readonly lowest: number;
  /** The epochs past the first whose beginning is shown: a restart may have begun one past the last final block's. */
  readonly epochs: ReadonlySet<Epoch>;
  readonly assets: number;
  readonly accounts: number;
  /** The hours of ids that the state names: only their lists are vouched for. */
  readonly hours: ReadonlySet<number>;
  /** Instructions that were answered for, and are in no lane of this node's own. */
  readonly outbox: number;
}

/** Checks all records. The findings are empty when everything holds. */
export async function audit(records: Records, parts: Parts): Promise<Audit> {
  const findings = new Findings();
  const told: SoundRecords = {
    scan: (table) => {
      parts.onTable?.(table);
      return records.scan(table, ({ key }) =>
        findings.add('record_damaged', table, key, 'the disk gives back something else than was written'),
      );
    },
  };
  const meta = await auditMeta(told, parts.genesis, findings);
  const { final, floor } = meta;
  const epochs = await auditEpochs(meta, parts, findings);
  const genesis = (): BlockRecord => genesisOf(parts.genesis, { get: () => undefined }, parts.hasher).record;
  const auditor = new ChainAuditor(epochs, findings, parts.verifier);
  const chain = await auditor.run(told, { final, floor, genesis });
  const state = await auditState(told, chain.last, parts.hasher, findings);
  await auditIds(told, records.get, state.buckets, findings);
  await auditBatches(told, { ...epochs, final, last: chain.last, verifier: parts.verifier }, findings);
  await auditIndex(told, records, findings);
  const ahead = (ISSUED_AHEAD_MS_MAX + SKEW_MS_MAX) * timeScaleOf(parts.genesis);
  const issued = { network: parts.genesis.network, issuedMsMax: parts.now + ahead };
  const outbox = await auditOutbox(told, issued, findings);
  // Their checksums alone: a vote log is told by nobody else, and what is staged is checked when it is taken up.
  for (const table of ['votes', 'snapshot'] as const) {
    for await (const _ of told.scan(table));
  }
  return {
    findings: findings.told,
    found: findings.count,
    final,
    time: chain.last?.header.time ?? null,
    lowest: chain.lowest,
    epochs: new Set(epochs.handOvers.keys()),
    blocks: chain.blocks,
    assets: state.assets,
    accounts: state.accounts,
    hours: new Set(state.buckets.keys()),
    outbox,
  };
}

interface StateAudit {
  readonly assets: number;
  readonly accounts: number;
  readonly buckets: ReadonlyMap<number, Hash>;
}

async function auditState(
  records: SoundRecords,
  last: BlockRecord | null,
  hasher: PairHasher,
  findings: Findings,
): Promise<StateAudit> {
  const updates: TreeUpdate[] = [];
  const sums = new Map<string, bigint>();
  const buckets = new Map<number, Hash>();
  let accounts = 0;
  for await (const [key, value] of records.scan('state')) {
    updates.push({ path: statePath(key), valueHash: stateValueHash(value) });
    const read = entryOf(key, value);
    if (read === null) findings.add('record_malformed', 'state', key, 'this is no entry of the ledger');
    else if (read.table === 'buckets') buckets.set(read.entry.hour, read.entry.chain);
    else if (read.table === 'assets') sums.set(read.entry.asset, sums.get(read.entry.asset) ?? 0n);
    else if (read.table === 'accounts') {
      const { asset, balance } = read.entry;
      accounts += 1;
      sums.set(asset, (sums.get(asset) ?? 0n) + balance);
    }
  }
  const { root } = Tree.empty(hasher).update(updates);
  if (last !== null && root !== last.stateRoot) {
    const detail = `the state has root ${root}, and block ${last.header.height} was certified with ${last.stateRoot}`;
    findings.add('state_differs', 'state', last.header.height, detail);
  }
  for (const [asset, sum] of sums) {
    if (sum !== 0n)
      findings.add('not_conserved', 'state', asset, `its accounts sum to ${sum} minor units, not to zero`);
  }
  return { assets: sums.size, accounts, buckets };
}

type Read =
  | { readonly table: 'buckets'; readonly entry: ReturnType<typeof decodeEntry<'buckets'>> }
  | { readonly table: 'accounts'; readonly entry: ReturnType<typeof decodeEntry<'accounts'>> }
  | { readonly table: 'assets'; readonly entry: ReturnType<typeof decodeEntry<'assets'>> }
  | { readonly table: 'other' };

/** What an entry of the state says, as far as it is looked at; null where it is none. */
function entryOf(key: Uint8Array, value: Uint8Array): Read | null {
  try {
    const place = nameOfKey(key);
    if (place === null) return null;
    const { table, name } = place;
    if (table === 'buckets') return { table, entry: decodeEntry(table, name, value) };
    if (table === 'accounts') return { table, entry: decodeEntry(table, name, value) };
    if (table === 'assets') return { table, entry: decodeEntry(table, name, value) };
    decodeEntry(table, name, value);
    return { table: 'other' };
  } catch (error) {
    if (error instanceof DecodeError || error instanceof TypeError) return null;
    throw error;
  }
}
