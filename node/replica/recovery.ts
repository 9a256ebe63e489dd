/** What a node finds on its disk when it starts: the last final block with its state, its vote log, and unordered batches. */
import { type GenesisState, type Recall, State } from '../../ledger/state.js';
import { batchDigest, decodeBatch, genesisBlockId, genesisResultRoot, laneStart } from '../../protocol/block.js';
import type { Genesis } from '../../protocol/genesis.js';
import type { PairHasher } from '../../protocol/hash.js';
import {
  assert,
  type BlockHeader,
  type BlockId,
  type Certificate,
  type Height,
  type Root,
  type ValidatorIndex,
  type View,
  ZERO_HASH,
} from '../../protocol/types.js';
import type { Clock, Operation, Store } from '../ports.js';
import { laneItems } from './facts.js';
import type { HeldBatch } from './lanes.js';
import {
  batchesAfter,
  type FinalPointer,
  getBlock,
  getFinal,
  loadVoteLog,
  putBlock,
  putFinal,
  type VoteLog,
} from './records.js';

export interface Recovered {
  readonly pointer: FinalPointer;
  readonly header: BlockHeader;
  readonly certificate: Certificate | null;
  readonly state: State;
  readonly log: VoteLog;
  readonly batches: readonly HeldBatch[];
}

export type Recovery =
  | { readonly ok: true; readonly recovered: Recovered }
  | { readonly ok: false; readonly code: 'other_network' | 'state_corrupt'; readonly detail: string };

const STATE_KEYS = { from: new Uint8Array(0), to: new Uint8Array(64).fill(0xff) };

/**
 * Opens what the store holds, or begins from the genesis when it is empty. Refuses a folder of another network
 * (`other_network`), and one whose state does not have the root that was certified (`state_corrupt`).
 */
export async function recover(store: Store, clock: Clock, genesis: Genesis, hasher: PairHasher): Promise<Recovery> {
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
  for await (const entry of store.scan('state', STATE_KEYS)) entries.push(entry);
  const state = State.load(entries, recall, hasher);
  if (state.root !== record.stateRoot) {
    return {
      ok: false,
      code: 'state_corrupt',
      detail: `The stored state has root ${state.root}, but block ${pointer.height} was certified with ${record.stateRoot}.`,
    };
  }
  const batches: HeldBatch[] = [];
  for (const [lane, point] of record.header.cut.entries()) {
    for await (const { bytes, signature } of batchesAfter(
      store,
      lane as ValidatorIndex,
      point.incarnation,
      point.number,
    )) {
      const batch = decodeBatch(bytes);
      assert(batch !== null, 'a stored batch is whole');
      const sinceMs = clock.now();
      batches.push({
        batch,
        digest: batchDigest(bytes),
        bytes,
        signature,
        items: laneItems(batch.items),
        stored: false,
        learning: false,
        sinceMs,
      });
    }
  }
  const { header, certificate } = record;
  return { ok: true, recovered: { pointer, header, certificate, state, log: await loadVoteLog(store), batches } };
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

async function begin(store: Store, genesis: Genesis, recall: Recall, hasher: PairHasher): Promise<Recovered> {
  const state = State.genesis(toState(genesis), recall, hasher);
  const header = genesisHeader(genesis);
  const root = genesisResultRoot(state.root);
  const block = genesisBlockId(genesis.network);
  const pointer: FinalPointer = {
    network: genesis.network,
    epoch: header.epoch,
    height: header.height,
    view: header.view,
    block,
    root,
  };
  const zero = ZERO_HASH as string as Root;
  const record = { header, parentRoot: zero, receiptsRoot: zero, stateRoot: state.root, root, certificate: null };
  const operations: Operation[] = state
    .changes()
    .state.flatMap(({ key, value }) => (value === null ? [] : [{ type: 'put', table: 'state', key, value } as const]));
  await store.write([...operations, putBlock(record), putFinal(pointer)], { sync: true });
  state.commit();
  return {
    pointer,
    header,
    certificate: null,
    state,
    log: { votes: [], proposals: [], certificates: [], keys: [] },
    batches: [],
  };
}

const toState = ({ network, created, parameters, authorities, validators }: Genesis): GenesisState => ({
  network,
  created,
  skewMs: parameters.skewMs,
  validators,
  authorities,
});
