/** What a node finds on its disk when it starts: the last final block with its state, its vote log, and unordered batches. */
import { type GenesisState, type Recall, State } from '../../ledger/state.js';
import { batchDigest, decodeBatch, genesisBlockId, genesisResultRoot, laneStart } from '../../protocol/block.js';
import type { HandOver } from '../../protocol/certificate.js';
import type { Genesis } from '../../protocol/genesis.js';
import type { PairHasher } from '../../protocol/hash.js';
import {
  assert,
  type BlockHeader,
  type BlockId,
  type Certificate,
  type Epoch,
  type Height,
  type Root,
  type ValidatorIndex,
  type ValidatorSet,
  type View,
  ZERO_HASH,
} from '../../protocol/types.js';
import type { Clock, Operation, Store } from '../ports.js';
import { Corrupt, EVERYTHING, soundEntries } from './checked.js';
import { laneItems } from './facts.js';
import { type HeldBatch, heldBatch } from './lanes.js';
import {
  type BlockRecord,
  batchesAfter,
  deleteFinal,
  type FinalPointer,
  getBlock,
  getFinal,
  getHandOver,
  loadOutbox,
  loadVoteLog,
  putBlock,
  putFinal,
  type StoredVotes,
} from './records.js';
import { finishInstall } from './staging.js';

export interface Recovered {
  readonly pointer: FinalPointer;
  readonly header: BlockHeader;
  readonly certificate: Certificate | null;
  readonly state: State;
  /** Who validates in the pointer's epoch. */
  readonly set: ValidatorSet;
  /** How the pointer's epoch was opened, as far as it is known; null in the first. */
  readonly opening: HandOver | null;
  readonly log: StoredVotes;
  readonly batches: readonly HeldBatch[];
  /** Instructions, as lanes carry them, that this node has answered for and has in no lane. */
  readonly outbox: readonly Uint8Array[];
  /** Records that the node can start without, to be mended (repair.ts). */
  readonly damaged: readonly Corrupt[];
}

export type Recovery =
  | { readonly ok: true; readonly recovered: Recovered }
  | { readonly ok: false; readonly code: 'other_network' | 'state_corrupt' | 'votes_corrupt'; readonly detail: string };

const FORGOTTEN_AT_ONCE = 10_000;

/**
 * Opens what the store holds, or begins from the genesis when it is empty; finishes the installation of a snapshot that
 * was under way. Refuses a folder of another network (`other_network`); one whose last final block or state is damaged,
 * or has not the root that was certified (`state_corrupt`: a snapshot mends it); and one whose vote log is damaged
 * (`votes_corrupt`: the vote key must not sign again).
 */
export async function recover(store: Store, clock: Clock, genesis: Genesis, hasher: PairHasher): Promise<Recovery> {
  try {
    await finishInstall(store);
    return await open(store, clock, genesis, hasher);
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error;
    return { ok: false, code: error.table === 'votes' ? 'votes_corrupt' : 'state_corrupt', detail: error.message };
  }
}

async function open(store: Store, clock: Clock, genesis: Genesis, hasher: PairHasher): Promise<Recovery> {
  const recall: Recall = { get: (key) => store.get('ids', key) };
  const pointer = getFinal(store);
  if (pointer === null) return { ok: true, recovered: await begin(store, genesis, recall, hasher) };
  if (pointer.network !== genesis.network) {
    return {
      ok: false,
      code: 'other_network',
      detail: `The data folder belongs to network ${pointer.network}, the genesis file to ${genesis.network}.`,
    };
  }
  const record = getBlock(store, pointer.height);
  assert(record !== null, 'the last final block is stored');
  const entries: [Uint8Array, Uint8Array][] = [];
  for await (const entry of store.scan('state', EVERYTHING)) entries.push(entry);
  const state = State.load(entries, recall, hasher);
  if (state.root !== record.stateRoot) {
    return {
      ok: false,
      code: 'state_corrupt',
      detail: `The stored state has root ${state.root}, but block ${pointer.height} was certified with ${record.stateRoot}.`,
    };
  }
  const damaged: Corrupt[] = [];
  const onDamage = (corrupt: Corrupt): void => void damaged.push(corrupt);
  const batches: HeldBatch[] = [];
  const { epoch } = pointer;
  const opening = epoch === genesis.validators.epoch ? null : getHandOver(store, epoch);
  assert(epoch === genesis.validators.epoch || opening !== null, 'each epoch but the first was handed over');
  const set = opening?.set ?? genesis.validators;
  // An epoch begins over the last block of the one before, with empty lanes.
  const header =
    record.header.epoch === epoch ? record.header : openingHeader(record.header, set.validators.length, epoch);
  for (const [lane, point] of header.cut.entries()) {
    for await (const { bytes, signature } of batchesAfter(
      store,
      epoch,
      lane as ValidatorIndex,
      point.incarnation,
      point.number,
      onDamage,
    )) {
      const batch = decodeBatch(bytes);
      assert(batch !== null, 'a stored batch is whole');
      const sinceMs = clock.elapsed();
      const digest = batchDigest(bytes);
      const items = laneItems(batch.items);
      batches.push(heldBatch({ batch, digest, bytes, signature, items, learning: false, sinceMs }));
    }
  }
  // In a new epoch nothing is final yet: that its first parent is, the hand-over shows.
  const certificate = header === record.header ? record.certificate : null;
  const [log, outbox] = [await loadVoteLog(store, epoch), await loadOutbox(store, onDamage)];
  return { ok: true, recovered: { pointer, header, certificate, state, set, opening, log, batches, outbox, damaged } };
}

/**
 * Lets go of a state that is not the certified one, so that the node fetches the ledger again: from the first block, or by
 * a snapshot. The vote log stays, and what the node has answered for.
 */
export async function forgetLedger(store: Store): Promise<void> {
  for (const table of ['state', 'ids'] as const) {
    let operations: Operation[] = [];
    for await (const [key] of soundEntries(store, table, EVERYTHING, ({ key: damaged }) => {
      operations.push({ type: 'delete', table, key: damaged });
    })) {
      operations.push({ type: 'delete', table, key });
      if (operations.length < FORGOTTEN_AT_ONCE) continue;
      await store.write(operations, { sync: false });
      operations = [];
    }
    await store.write(operations, { sync: false });
  }
  // Last, so that a crash before it finds the state damaged again.
  await store.write([deleteFinal()], { sync: true });
}

/** The header that the first block grows from. No certificate is needed for it: the genesis file fixes it. */
const genesisHeader = (genesis: Genesis): BlockHeader => ({
  network: genesis.network,
  epoch: genesis.validators.epoch,
  view: 0 as View,
  height: 0 as Height,
  parent: ZERO_HASH as BlockId,
  parentView: 0 as View,
  cut: genesis.validators.validators.map(() => laneStart(0)),
  time: genesis.created,
  proposer: 0 as ValidatorIndex,
});

/** What the first block of an epoch grows from: the last block of the epoch before, with lanes that are empty. */
export const openingHeader = (last: BlockHeader, lanes: number, epoch: Epoch): BlockHeader => ({
  ...last,
  epoch,
  view: 0 as View,
  cut: Array.from({ length: lanes }, () => laneStart(0)),
});

/** The state before the first block, and the record that stands for it. */
export function genesisOf(
  genesis: Genesis,
  recall: Recall,
  hasher: PairHasher,
): { readonly state: State; readonly record: BlockRecord } {
  const state = State.genesis(toState(genesis), recall, hasher);
  const zero = ZERO_HASH as string as Root;
  const record = {
    header: genesisHeader(genesis),
    parentRoot: zero,
    receiptsRoot: zero,
    stateRoot: state.root,
    root: genesisResultRoot(state.root),
    certificate: null,
    closing: [],
  };
  return { state, record };
}

async function begin(store: Store, genesis: Genesis, recall: Recall, hasher: PairHasher): Promise<Recovered> {
  const { state, record } = genesisOf(genesis, recall, hasher);
  const { header, root } = record;
  const block = genesisBlockId(genesis.network);
  const pointer: FinalPointer = {
    network: genesis.network,
    epoch: header.epoch,
    height: header.height,
    view: header.view,
    block,
    root,
  };
  const operations: Operation[] = state
    .changes()
    .state.flatMap(({ key, value }) => (value === null ? [] : [{ type: 'put', table: 'state', key, value } as const]));
  await store.write([...operations, putBlock(record), putFinal(pointer)], { sync: true });
  state.commit();
  // Where the ledger was damaged and let go of, what this node has answered for is still here.
  const damaged: Corrupt[] = [];
  const outbox = await loadOutbox(store, (corrupt) => void damaged.push(corrupt));
  return {
    pointer,
    header,
    certificate: null,
    state,
    set: genesis.validators,
    opening: null,
    log: { votes: [], proposals: [], certificates: [], keys: [] },
    batches: [],
    outbox,
    damaged,
  };
}

const toState = ({ network, created, parameters, authorities, validators }: Genesis): GenesisState => ({
  network,
  created,
  skewMs: parameters.skewMs,
  validators,
  authorities,
});
