/** A ledger of the ledger's own samples on a store, block by block, as a replica would have left it. */
import { leafOf, packReceipts } from '../../ledger/receipt.js';
import { type Book, funded, MEMBERS } from '../../ledger/samples.test-helper.js';
import { State } from '../../ledger/state.js';
import { Tree } from '../../ledger/tree.js';
import { blockId, genesisResultRoot, resultRoot, validatorSet, voteSigningBytes } from '../../protocol/block.js';
import { fromHex, toHex } from '../../protocol/codec.js';
import { concat, hashOf, hashPairs } from '../../protocol/hash.js';
import { merkleRoot } from '../../protocol/merkle.js';
import { statePath, stateValueHash } from '../../protocol/stateproof.js';
import {
  type BlockHeader,
  type BlockId,
  type Certificate,
  type Epoch,
  type Height,
  type NetworkId,
  type Root,
  type TimestampMs,
  type ValidatorIndex,
  type ValidatorSet,
  type View,
  ZERO_HASH,
} from '../../protocol/types.js';
import type { Clock, Log, Operation, SignatureCheck, Store, Verifier } from '../ports.js';
import { EVERYTHING } from './checked.js';
import { type BlockRecord, type FinalPointer, putBlock, putFinal, putPlace, putReceipts } from './records.js';

export const NETWORK = 'ab'.repeat(32) as NetworkId;
export const SET: ValidatorSet = validatorSet(0 as Epoch, MEMBERS);

/** A signature that costs a hash: who has the key's public half can make one. */
export const cheap = (key: Uint8Array, message: Uint8Array): Uint8Array => {
  const half = fromHex(hashOf(concat(key, message)));
  return concat(half, half);
};
const holds = ({ key, message, signature }: Omit<SignatureCheck, 'alg'>): boolean =>
  toHex(cheap(key, message)) === toHex(signature);

export const verifier: Verifier = {
  verify: (checks) => Promise.resolve(checks.map(holds)),
  batch: ({ key, bytes, signature }) =>
    Promise.resolve({ digest: hashOf(bytes) as never, valid: holds({ key, message: bytes, signature }) }),
};

export function certify(ballot: Certificate['ballot'], signers: readonly number[] = [0, 1, 2]): Certificate {
  const message = voteSigningBytes(NETWORK, SET, ballot);
  return {
    ballot,
    signatures: signers.map((signer) => ({
      signer: signer as ValidatorIndex,
      signature: cheap(fromHex(SET.validators[signer]?.voteKey ?? ZERO_HASH), message),
    })),
  };
}

export const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Time that only a test moves; what waits for no time runs in the next turn of the event loop. */
export class TestClock implements Clock {
  ms = 1_000_000;
  now(): TimestampMs {
    return this.ms as TimestampMs;
  }
  elapsed(): number {
    return this.ms;
  }
  after(_delayMs: number, callback: () => void): () => void {
    const handle = setImmediate(callback);
    return () => clearImmediate(handle);
  }
}

/** A chain of final blocks over a book, written to a store as they come. */
export class Ledger {
  readonly store: Store;
  readonly book: Book;
  header: BlockHeader;
  root: Root;
  tree: Tree;

  private constructor(store: Store, book: Book) {
    this.store = store;
    this.book = book;
    this.header = {
      network: NETWORK,
      epoch: 0 as Epoch,
      view: 0 as View,
      height: book.height as Height,
      parent: ZERO_HASH as BlockId,
      parentView: 0 as View,
      cut: [],
      time: book.time as TimestampMs,
      proposer: 0 as ValidatorIndex,
    };
    this.root = genesisResultRoot(book.state.root);
    this.tree = treeOf(book);
  }

  /** Begins with what the book holds, as a block that nothing certifies. */
  static async begin(store: Store, book: Book = funded()): Promise<Ledger> {
    const ledger = new Ledger(store, book);
    const operations = book.disk
      .entries()
      .map(([key, value]): Operation => ({ type: 'put', table: 'state', key, value }));
    for (const [key, value] of book.disk.ids) operations.push({ type: 'put', table: 'ids', key: fromHex(key), value });
    const zero = ZERO_HASH as string as Root;
    const { header, root } = ledger;
    const record = {
      header,
      root,
      parentRoot: zero,
      receiptsRoot: zero,
      stateRoot: book.state.root,
      certificate: null,
      closing: [],
    };
    const receipts = putReceipts(header.height, packReceipts([]));
    await store.write([...operations, putBlock(record), receipts, putFinal(ledger.pointer())], { sync: true });
    return ledger;
  }

  pointer(): FinalPointer {
    const { header, root } = this;
    const { network, epoch, height, view } = header;
    return { network, epoch, height, view, block: blockId(header), root };
  }

  /** One more final block of these lanes. */
  async block(lanes: Parameters<Book['try']>[0], afterMs = 1000): Promise<BlockRecord> {
    const before = new Map(this.book.disk.ids);
    const stateBefore = new Map(this.book.disk.state);
    const applied = this.book.lanes(lanes, afterMs);
    const parentRoot = this.root;
    const height = (this.header.height + 1) as Height;
    const view = (this.header.view + 1) as View;
    const header: BlockHeader = {
      ...this.header,
      view,
      height,
      parent: blockId(this.header),
      parentView: this.header.view,
      time: this.book.time as TimestampMs,
    };
    this.header = header;
    this.root = resultRoot(parentRoot, applied.receiptsRoot, applied.stateRoot);
    this.tree = treeOf(this.book);
    const { receiptsRoot, stateRoot, receipts } = applied;
    const certificate = certify({ kind: 'finalize', view, block: blockId(header), root: this.root });
    const record = { header, parentRoot, receiptsRoot, stateRoot, root: this.root, certificate, closing: [] };
    await this.store.write(
      [
        ...changed('state', stateBefore, this.book.disk.state),
        ...changed('ids', before, this.book.disk.ids),
        putBlock(record),
        putReceipts(height, packReceipts(receipts)),
        ...receipts.map(({ digest }, position) =>
          putPlace(digest, { type: 'receipt', height, time: header.time, position }),
        ),
        putFinal(this.pointer()),
      ],
      { sync: true },
    );
    if (merkleRoot(receipts.map(leafOf)) !== receiptsRoot) throw new Error('receipts have their root');
    return record;
  }
}

function changed(
  table: 'state' | 'ids',
  before: ReadonlyMap<string, Uint8Array>,
  after: ReadonlyMap<string, Uint8Array>,
): Operation[] {
  const puts = [...after].flatMap(([key, value]): Operation[] =>
    before.get(key) === value ? [] : [{ type: 'put', table, key: fromHex(key), value }],
  );
  const gone = [...before.keys()].filter((key) => !after.has(key));
  return [...puts, ...gone.map((key): Operation => ({ type: 'delete', table, key: fromHex(key) }))];
}

const treeOf = (book: Book): Tree =>
  Tree.empty(hashPairs).update(
    book.disk.entries().map(([key, value]) => ({ path: statePath(key), valueHash: stateValueHash(value) })),
  );

/** The state that a store holds, as a node that starts reads it. */
export async function stateOf(store: Store): Promise<State> {
  const entries: [Uint8Array, Uint8Array][] = [];
  for await (const entry of store.scan('state', EVERYTHING)) entries.push(entry);
  return State.load(entries, { get: (key) => store.get('ids', key) }, hashPairs);
}
