/**
 * The check of all that a stopped node's folder, or a backup, holds: that each record is what was written, that blocks
 * and certificates lead from the genesis' set to the last final block, that the state has the root which that block was
 * certified with, that every asset sums to zero, and that what is remembered of ids is what the state says. It changes
 * nothing, and goes on after what it finds wrong, so that one run tells all of it.
 */
import { decodeEntry, nameOfKey } from '../../ledger/codecs.js';
import { listKey } from '../../ledger/memory.js';
import { CHAIN_START, chainAfter, idsOfList } from '../../ledger/snapshot.js';
import { Tree, type TreeUpdate } from '../../ledger/tree.js';
import { batchDigest, decodeBatch, decodeSignedBatch } from '../../protocol/block.js';
import { type HandOver, verifyHandOver, verifyTaken } from '../../protocol/certificate.js';
import { DecodeError, Reader, toHex } from '../../protocol/codec.js';
import type { Genesis } from '../../protocol/genesis.js';
import type { PairHasher } from '../../protocol/hash.js';
import { decodeItem } from '../../protocol/instruction.js';
import type { Restart } from '../../protocol/restart.js';
import { statePath, stateValueHash } from '../../protocol/stateproof.js';
import type { Epoch, Hash, TimestampMs, ValidatorSet } from '../../protocol/types.js';
import type { SignatureCheck, Table, Verifier } from '../ports.js';
import { ChainAuditor, type Epochs, idFor } from './auditchain.js';
import { type Finding, Findings, type Records, type SoundRecords } from './findings.js';
import { getFloor } from './prune.js';
import { type BlockRecord, type FinalPointer, formatOf, getFinal, getHandOver, isPlace } from './records.js';
import { batchOf } from './repair.js';

interface Parts {
  readonly genesis: Genesis;
  readonly verifier: Pick<Verifier, 'verify'>;
  readonly hasher: PairHasher;
  /** Restarts that whoever checks has from a source of its own: authorities may have changed their keys since genesis. */
  readonly vouched: readonly Restart[];
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
  const meta = await metaOf(told);
  const final = finalOf(meta, parts.genesis, findings);
  const epochs = await epochsOf(meta, final, parts, findings);
  const auditor = new ChainAuditor(epochs, findings, parts.verifier);
  const height = final?.height ?? (0 as FinalPointer['height']);
  const chain = await auditor.run(told, { height, floor: getFloor(meta) });
  if (final !== null) judgeFinal(final, chain, epochs, findings);
  const state = await auditState(told, chain.last, parts.hasher, findings);
  await auditIds(told, state.buckets, findings);
  await auditBatches(told, findings);
  const outbox = await auditRest(told, findings);
  return {
    findings: findings.told,
    found: findings.count,
    final,
    time: chain.last?.header.time ?? null,
    blocks: chain.blocks,
    assets: state.assets,
    accounts: state.accounts,
    hours: new Set(state.buckets.keys()),
    outbox,
  };
}

interface Meta {
  get(table: Table, key: Uint8Array): Uint8Array | undefined;
}

async function metaOf(records: SoundRecords): Promise<Meta> {
  const entries = new Map<string, Uint8Array>();
  for await (const [key, value] of records.scan('meta')) entries.set(toHex(key), value);
  return { get: (table, key) => (table === 'meta' ? entries.get(toHex(key)) : undefined) };
}

function finalOf(meta: Meta, { network }: Genesis, findings: Findings): FinalPointer | null {
  const format = formatOf(meta);
  if (format === null) {
    findings.add('no_ledger', 'meta', 'final', 'nothing says which block was final last');
    return null;
  }
  if (!format.isOwn) {
    findings.add(
      'record_malformed',
      'meta',
      'final',
      `the records have format ${format.number}, which this program does not read`,
    );
    return null;
  }
  const final = getFinal(meta);
  if (final !== null && final.network !== network) {
    findings.add(
      'other_network',
      'meta',
      'final',
      `the ledger is of network ${final.network}, the genesis file of ${network}`,
    );
    return null;
  }
  return final;
}

/** The sets from the genesis on, each shown by its hand-over. */
async function epochsOf(
  meta: Meta,
  final: FinalPointer | null,
  { genesis, verifier, vouched }: Parts,
  findings: Findings,
): Promise<Epochs> {
  const { network, validators, authorities } = genesis;
  const sets = new Map<Epoch, ValidatorSet>([[validators.epoch, validators]]);
  const handOvers = new Map<Epoch, HandOver>();
  let set = validators;
  for (let epoch = validators.epoch + 1; epoch <= (final?.epoch ?? 0); epoch++) {
    const handOver = getHandOver(meta, epoch);
    if (handOver === null) {
      findings.add('record_missing', 'meta', `epoch ${epoch}`, 'how this epoch began is not here');
      break;
    }
    const owed: SignatureCheck[] = [];
    // The new set's statements come a moment after it has taken over.
    const verify = handOver.statements.length === 0 ? verifyTaken : verifyHandOver;
    const trust = { network, set, authorities, vouched };
    const verdict = verify(handOver, trust, (check) => owed.push(check) > 0);
    const held = await verifier.verify(owed);
    if (!verdict.ok) findings.add('unproven_epoch', 'meta', `epoch ${epoch}`, `${verdict.code}: ${verdict.detail}`);
    else if (!held.every((holds) => holds))
      findings.add('unproven_epoch', 'meta', `epoch ${epoch}`, 'a signature of its hand-over does not hold');
    set = handOver.set;
    sets.set(set.epoch, set);
    handOvers.set(set.epoch, handOver);
  }
  return { network, sets, handOvers };
}

function judgeFinal(
  final: FinalPointer,
  { last, certified }: { readonly last: BlockRecord | null; readonly certified: number },
  { handOvers }: Epochs,
  findings: Findings,
): void {
  const { height, epoch, block, root } = final;
  if (last === null) {
    findings.add('record_missing', 'blocks', height, 'the last final block is not here');
    return;
  }
  const named = [idFor(handOvers, last, epoch), last.certificate?.ballot.block];
  if (!named.includes(block) || last.root !== root)
    findings.add('chain_broken', 'meta', 'final', `what was final last is not block ${height} as stored here`);
  if (certified < height) findings.add('not_certified', 'blocks', height, 'no certificate covers the last final block');
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

/** What blocks put into each hour's bucket must lead to the chain that the state has for it. */
async function auditIds(records: SoundRecords, buckets: ReadonlyMap<number, Hash>, findings: Findings): Promise<void> {
  const chains = new Map<number, Hash>();
  const { length } = listKey(0, 0);
  for await (const [key, value] of records.scan('ids')) {
    if (key[0] !== 0) continue;
    if (key.length !== length || !isList(value)) {
      findings.add('record_malformed', 'ids', key, 'this is no list of ids');
      continue;
    }
    const hour = new Reader(key.subarray(1)).u64();
    chains.set(hour, chainAfter(chains.get(hour) ?? CHAIN_START, value));
  }
  for (const [hour, chain] of buckets) {
    if ((chains.get(hour) ?? CHAIN_START) !== chain)
      findings.add(
        'ids_differ',
        'ids',
        `hour ${hour}`,
        'the ids remembered for this hour are not those that the state names',
      );
  }
}

function isList(value: Uint8Array): boolean {
  try {
    idsOfList(value);
    return true;
  } catch (error) {
    if (error instanceof DecodeError) return false;
    throw error;
  }
}

async function auditBatches(records: SoundRecords, findings: Findings): Promise<void> {
  for await (const [key, value] of records.scan('batches')) {
    const signed = decodeSignedBatch(value);
    const batch = signed === null ? null : decodeBatch(signed.bytes);
    if (signed === null || batch === null || !isBatchOf(key, batchDigest(signed.bytes)))
      findings.add('record_malformed', 'batches', key, 'this is not the batch that its key names');
  }
}

function isBatchOf(key: Uint8Array, digest: Hash): boolean {
  try {
    return batchOf(key).point.digest === digest;
  } catch (error) {
    if (error instanceof DecodeError) return false;
    throw error;
  }
}

/** The index and the outbox, and of a folder what no backup has. Gives how many instructions wait in the outbox. */
async function auditRest(records: SoundRecords, findings: Findings): Promise<number> {
  for await (const [key, value] of records.scan('index')) {
    if (!isPlace(value))
      findings.add('record_malformed', 'index', key, 'this says of no instruction what became of it');
  }
  const waiting = new Set<string>();
  for await (const [key, item] of records.scan('outbox')) {
    const read = decodeItem(item);
    if (read.ok) waiting.add(read.instruction.digest);
    else findings.add('record_malformed', 'outbox', key, 'this is no instruction');
  }
  // Their checksums alone: a vote log is told by nobody else, and what is staged is checked when it is taken up.
  for (const table of ['votes', 'snapshot'] as const) {
    for await (const _ of records.scan(table));
  }
  return waiting.size;
}
