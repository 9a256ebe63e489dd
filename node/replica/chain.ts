/**
 * The blocks since the last final one, on all their branches: what is known of each, executed on its parent's state.
 * Synchronous but for signature facts and the write that makes blocks final; both come back to the replica as a turn.
 */
import { applyBlock } from '../../ledger/apply.js';
import type { Changes, State } from '../../ledger/state.js';
import { blockId, resultRoot } from '../../protocol/block.js';
import { BLOCK_BATCHES_MAX, SYNC_BLOCKS_MAX, UNFINALIZED_BLOCKS_MAX } from '../../protocol/limits.js';
import {
  assert,
  type BlockHeader,
  type BlockId,
  type Certificate,
  type Cut,
  type Height,
  type InstructionDigest,
  type LanePoint,
  type Proposal,
  type Root,
  type TimestampMs,
  type ValidatorIndex,
  type View,
} from '../../protocol/types.js';
import type { Operation, Ports } from '../ports.js';
import type { Block, Committed, Executed } from './block.js';
import { type Corrupt, unlessDamaged } from './checked.js';
import { areFactsKnown, learnFacts, ordered } from './facts.js';
import { endsWithoutTrace, operationsOf } from './finalwrite.js';
import { fitsBlock, type HeldBatch, isOnward, type Lanes, samePoint } from './lanes.js';
import { type FinalPointer, putFinal } from './records.js';
import type { RestartGoal } from './restart.js';

/**
 * Whether a block ended its epoch: its execution named another set. In its epoch only closing blocks extend it, which
 * keep its height, time, cut and root and apply nothing, so that it can become final (protocol/SPEC.md, Epochs).
 */
const endsEpoch = ({ header, executed }: Block): boolean =>
  executed !== null && executed.state.validators.epoch !== header.epoch;

/** What this node lacks and must fetch from others. */
export interface Wants {
  /** Blocks known by id alone, with their views. */
  readonly blocks: Map<BlockId, View>;
  readonly batches: Map<ValidatorIndex, { readonly after: LanePoint; readonly point: LanePoint }>;
}

/** What became of the blocks in a pump; the replica gives it to consensus. */
export type Progress =
  | { readonly type: 'validated'; readonly view: View; readonly block: BlockId; readonly valid: boolean }
  | { readonly type: 'applied'; readonly view: View; readonly block: BlockId; readonly root: Root };

/** Lists of ids that need no longer be remembered: a range of keys of the table `ids`. */
export type Expired = NonNullable<Changes['expired']>;

export type Finality =
  | {
      readonly type: 'write';
      readonly operations: readonly Operation[];
      readonly blocks: readonly Committed[];
      readonly pointer: FinalPointer;
      readonly expired: Expired | null;
    }
  | { readonly type: 'divergence'; readonly height: Height; readonly own: Root; readonly certified: Root }
  /** The restart that ends this epoch is not to be taken. */
  | { readonly type: 'refused'; readonly code: string; readonly detail: string };

type Deps = Pick<Ports, 'clock' | 'store' | 'verifier' | 'metrics'> & {
  readonly lanes: Lanes;
  readonly skewMs: number;
  readonly wake: () => void;
  /** Whether the outbox holds an instruction: this node has answered for it. */
  readonly isOwed: (digest: InstructionDigest) => boolean;
  /** A record that the disk has damaged: it is mended, and what needs it waits. */
  readonly onDamage: (corrupt: Corrupt) => void;
};

/** Blocks past the last final one that are kept: a node further behind fetches them when it gets there. */
const BLOCKS_AHEAD_MAX = 4 * SYNC_BLOCKS_MAX;
const BLOCKS_WANTED_MAX = 64;
const SYNCED_MAX = 8;

/** How many batches a cut adds, told from its numbers: judged before anything is fetched for it. */
const batchesBetween = (from: Cut, to: Cut): number =>
  to.reduce((sum, { incarnation, number }, i) => {
    const before = from[i] as LanePoint;
    return sum + (incarnation === before.incarnation ? number - before.number : number);
  }, 0);

/** What a block that extends the last one of its epoch must be. */
const isClosing = (header: BlockHeader, last: BlockHeader): boolean =>
  header.network === last.network &&
  header.epoch === last.epoch &&
  header.height === last.height &&
  header.time === last.time &&
  header.cut.length === last.cut.length &&
  header.cut.every((point, i) => samePoint(point, last.cut[i] as LanePoint));

export class Chain {
  readonly #deps: Deps;
  readonly #blocks = new Map<BlockId, Block>();
  /** The last block whose write is durable. */
  #final: Block;
  #pointer: FinalPointer;
  /** The highest finalization known. */
  #target: Certificate | null = null;
  /** Those that came with blocks which this node was behind by, and which lead back to its own; views ascend. */
  #synced: readonly Certificate[] = [];
  /** How far the blocks caught up on order each lane. */
  #syncedCut: Cut | null = null;
  #writing = false;
  readonly wants: Wants = { blocks: new Map(), batches: new Map() };
  /** Lanes of which batches are wanted for a certified block, which holders have; what is only proposed may be a lie. */
  readonly #needed = new Set<ValidatorIndex>();

  /** How this epoch ends, when more than f were lost in it; else null. */
  readonly goal: RestartGoal | null;

  constructor(deps: Deps, pointer: FinalPointer, header: BlockHeader, state: State, goal: RestartGoal | null = null) {
    this.#deps = deps;
    this.goal = goal;
    this.#pointer = pointer;
    const roots = { receiptsRoot: pointer.root, stateRoot: state.root, parentRoot: pointer.root, root: pointer.root };
    const executed: Executed = { state, receipts: [], lanes: [], settled: [], ...roots };
    this.#final = { id: pointer.block, header, proposal: null, executed, wanted: true, asked: false, learning: false };
    this.#blocks.set(pointer.block, this.#final);
    this.#seekGoal();
  }

  /** What is in reach of the way to the last block of a restart. */
  #seekGoal(): void {
    if (this.goal === null || this.goal.isTaken) return;
    const { headers, last } = this.goal;
    for (const [id, header] of headers) this.add(id, header, null);
    if (this.#blocks.has(last.block)) this.want(last.block, last.view);
  }

  /** The last final block that is durable here, with its state. */
  get final(): { readonly header: BlockHeader; readonly id: BlockId; readonly state: State; readonly root: Root } {
    const { header, id, executed } = this.#final;
    assert(executed !== null, 'the final block is executed');
    return { header, id, state: executed.state, root: executed.root };
  }

  get(id: BlockId): Block | undefined {
    return this.#blocks.get(id);
  }

  /** Unfinalized blocks known here. */
  get size(): number {
    return this.#blocks.size - 1;
  }

  /** Keeps a block's header, with its proposal when it came as one. */
  add(id: BlockId, header: BlockHeader, proposal: Proposal | null): Block | null {
    const known = this.#blocks.get(id);
    if (known !== undefined) {
      known.proposal ??= proposal;
      return known;
    }
    const ahead = header.height - this.#final.header.height;
    if (ahead <= 0 || ahead > BLOCKS_AHEAD_MAX) return null;
    const block: Block = { id, header, proposal, executed: null, wanted: false, asked: false, learning: false };
    this.#blocks.set(id, block);
    if (this.wants.blocks.delete(id)) this.want(id, header.view);
    return block;
  }

  /** Consensus asks whether this block may be voted for: the answer comes from `pump`, once its parent is applied and its batches are held. */
  ask(id: BlockId): void {
    const block = this.#blocks.get(id);
    assert(block !== undefined, 'a proposal is kept before it is considered');
    block.asked = true;
    this.want(block.header.parent, block.header.parentView);
  }

  /** The block of this view is to be executed, and so all before it that are not. */
  want(id: BlockId, view: View): void {
    let at = { id, view };
    for (;;) {
      const block = this.#blocks.get(at.id);
      if (block === undefined) {
        if (at.view > this.#pointer.view && this.wants.blocks.size < BLOCKS_WANTED_MAX)
          this.wants.blocks.set(at.id, at.view);
        return;
      }
      if (block.executed !== null) return;
      block.wanted = true;
      at = { id: block.header.parent, view: block.header.parentView };
    }
  }

  /** A certificate says that its block and all before it are final. */
  finalize(certificate: Certificate): void {
    if (this.#target !== null && this.#target.ballot.view >= certificate.ballot.view) return;
    this.#target = certificate;
    if (certificate.ballot.block !== null) this.want(certificate.ballot.block, certificate.ballot.view);
  }

  /**
   * Final blocks that a peer sent because this node is behind. While it catches up the network goes on, so they have a
   * certificate of their own: the highest one may be of a block whose ancestors are still far from here. One that comes
   * without the way to it makes nothing final, and must not take the place of one that can.
   */
  catchUp(headers: readonly BlockHeader[], certificate: Certificate): void {
    for (const header of headers) this.add(blockId(header), header, null);
    const { block, view } = certificate.ballot;
    if (block === null || !this.#leadsBack(block)) return;
    this.#syncedCut = headers.at(-1)?.cut ?? null;
    // Of more than are kept the highest goes: what is nearest can be made final first.
    const others = this.#synced.filter(({ ballot }) => ballot.view !== view);
    this.#synced = [...others, certificate].sort((a, b) => a.ballot.view - b.ballot.view).slice(0, SYNCED_MAX);
    this.want(block, view);
  }

  /** Whether all blocks from the last final one up to this one are known here. */
  #leadsBack(id: BlockId): boolean {
    let at = this.#blocks.get(id);
    while (at !== undefined && at !== this.#final) at = this.#blocks.get(at.header.parent);
    return at !== undefined;
  }

  /** Does all that can be done now, parents first; what it finds missing stands in `wants`. */
  pump(): Progress[] {
    const progress: Progress[] = [];
    this.wants.batches.clear();
    this.#needed.clear();
    const ascending = [...this.#blocks.values()].sort(
      (a, b) => a.header.height - b.header.height || a.header.view - b.header.view,
    );
    for (const block of ascending) {
      const parent = this.#blocks.get(block.header.parent);
      if (block.executed !== null || parent === undefined || parent.executed === null) continue;
      if (block.asked) {
        const valid = this.#judge(block, parent);
        if (valid !== null) {
          block.asked = false;
          progress.push({ type: 'validated', view: block.header.view, block: block.id, valid });
          // Executed while the votes travel: a block that is not notarized costs only this work.
          if (valid) block.wanted = true;
        }
      }
      if (block.wanted && this.#execute(block, parent.executed, parent)) {
        const { header, id, executed } = block;
        if (executed !== null)
          progress.push({ type: 'applied', view: header.view, block: id, root: (executed as Executed).root });
      }
    }
    return progress;
  }

  /** Whether the block may be voted for; null while batches of its cut are not held here. */
  #judge(block: Block, parent: Block): boolean | null {
    const { header } = block;
    const now = this.#deps.clock.now();
    const inTime = header.time <= now + this.#deps.skewMs || header.time === parent.header.time + 1;
    if (endsEpoch(parent)) return isClosing(header, parent.header);
    if (!inTime || !this.#follows(header, parent.header)) return false;
    const lanes = this.#batches(block, parent);
    if (lanes === null) return null;
    const batches = lanes.flat();
    return fitsBlock(batches) && batches.every(({ dueTimeMs }) => dueTimeMs <= header.time);
  }

  /** What a header must be whoever looks, and whenever. */
  #follows(header: BlockHeader, parent: BlockHeader): boolean {
    return (
      header.network === parent.network &&
      header.epoch === parent.epoch &&
      header.height === parent.height + 1 &&
      header.time > parent.time &&
      header.cut.length === parent.cut.length &&
      header.cut.every((point, i) => isOnward(parent.cut[i] as LanePoint, point)) &&
      batchesBetween(parent.cut, header.cut) <= BLOCK_BATCHES_MAX
    );
  }

  #batches(block: Block, parent: Block): HeldBatch[][] | null {
    const lanes: HeldBatch[][] = [];
    let whole = true;
    block.header.cut.forEach((point, i) => {
      const lane = i as ValidatorIndex;
      const after = parent.header.cut[i] as LanePoint;
      const path = this.#deps.lanes.path(lane, after, point);
      if (path.ok) lanes.push([...path.batches]);
      else {
        whole = false;
        // One at a time: nothing that is only proposed keeps this node from what it needs to go on.
        if (this.#needed.has(lane)) return;
        if (block.wanted) this.#needed.add(lane);
        // Of blocks that are final elsewhere all batches are asked for at once: one by one would be a round trip each.
        const last = this.#syncedCut?.[i];
        const isFurther =
          last?.incarnation === path.missing.incarnation &&
          last.number > path.missing.number &&
          this.#deps.lanes.hasRoom(lane);
        this.wants.batches.set(lane, { after, point: isFurther ? last : path.missing });
      }
    });
    return whole ? lanes : null;
  }

  #execute(block: Block, parent: Executed, parentBlock: Block): boolean {
    if (endsEpoch(parentBlock)) {
      // Of a false one, notarized by more than f liars, nothing is made: no certificate of ours will stand behind it.
      if (!isClosing(block.header, parentBlock.header)) return false;
      block.executed = { ...parent, receipts: [], lanes: [], settled: [] };
      return true;
    }
    const lanes = this.#batches(block, parentBlock);
    if (lanes === null || block.learning || lanes.some((batches) => batches.some((held) => held.learning)))
      return false;
    const items = lanes.map((batches) => batches.flatMap((held) => held.items));
    const keyOf = parent.state.publicKey.bind(parent.state);
    if (!items.every((lane) => areFactsKnown(lane, keyOf))) {
      block.learning = true;
      void learnFacts(items.flat(), keyOf, this.#deps.verifier, 'lane').then(() => {
        block.learning = false;
        this.#deps.wake();
      });
      return false;
    }
    const started = this.#deps.clock.elapsed();
    const { height, time, proposer } = block.header;
    const lanesOrdered = items.map((lane) => lane.map((item) => ordered(item, keyOf)));
    // What needs a record that is being mended waits for it.
    const apply = () => applyBlock(parent.state, { height, time, proposer }, lanesOrdered);
    const applied = unlessDamaged(apply, this.#deps.onDamage);
    if (applied === null) return false;
    const root = resultRoot(parent.root, applied.receiptsRoot, applied.stateRoot);
    block.executed = { ...applied, parentRoot: parent.root, root, lanes };
    this.#deps.metrics.observe('block_apply', (this.#deps.clock.elapsed() - started) / 1000);
    return true;
  }

  /** The header a leader proposes on `parent`, or null while that block is not executed here. */
  build(parent: BlockId, parentView: View, view: View, proposer: ValidatorIndex): BlockHeader | null {
    const block = this.#blocks.get(parent);
    if (block === undefined || block.executed === null) {
      this.want(parent, parentView);
      return null;
    }
    const { header } = block;
    if (endsEpoch(block)) return { ...header, view, parent, parentView, proposer };
    const height = (header.height + 1) as Height;
    const full = height - this.#final.header.height > UNFINALIZED_BLOCKS_MAX;
    const time = Math.max(this.#deps.clock.now(), header.time + 1) as TimestampMs;
    const cut = full ? header.cut : this.#deps.lanes.propose(header.cut, time);
    return { network: header.network, epoch: header.epoch, view, height, parent, parentView, cut, time, proposer };
  }

  /** The write that makes everything up to the certified block final, once it is executed; one at a time. */
  nextFinality(): Finality | null {
    if (this.#writing) return null;
    return unlessDamaged(
      () => this.#againstGoal() ?? this.#finalityOf(this.#target) ?? this.#syncedFinality() ?? this.#goalFinality(),
      this.#deps.onDamage,
    );
  }

  /** By the highest of the certificates whose blocks are executed. */
  #syncedFinality(): Finality | null {
    for (const certificate of this.#synced.toReversed()) {
      const finality = this.#finalityOf(certificate);
      if (finality !== null) return finality;
    }
    return null;
  }

  #againstGoal(): Finality | null {
    const finals = [this.#pointer, this.#target?.ballot, ...this.#synced.map(({ ballot }) => ballot)];
    const refusal = finals.map((final) => (final === undefined ? null : (this.goal?.against(final) ?? null)));
    const first = refusal.find((each) => each !== null);
    return first === undefined ? null : { type: 'refused', ...(first as { code: string; detail: string }) };
  }

  /** The write that makes the last block of a restart final, without a certificate: the authorities stand for it. */
  #goalFinality(): Finality | null {
    const last = this.goal?.last;
    const block = last === undefined ? undefined : this.#at(last.block);
    if (this.goal === null || this.goal.isTaken || last === undefined || block?.executed == null) return null;
    const chain = this.#chainTo(block);
    if (chain === null) return null;
    const { header, executed } = block;
    const verdict = this.goal.judge(header, executed, this.#deps.wake);
    if (verdict === null) return null;
    if (verdict !== 'good') return { type: 'refused', ...verdict };
    if (executed.root !== last.root)
      return { type: 'divergence', height: header.height, own: executed.root, certified: last.root };
    return this.#writeOf(chain, last, null, [this.goal.operation]);
  }

  /** A block by the id that a certificate has for it: that of the last final one may be of a closing block after it. */
  #at(id: BlockId): Block | undefined {
    return id === this.#pointer.block ? this.#final : this.#blocks.get(id);
  }

  /** The blocks after the last final one up to this one; null when they are not all here and executed. */
  #chainTo(block: Block): Block[] | null {
    const chain: Block[] = [];
    for (let at: Block | undefined = block; at !== this.#final; at = this.#blocks.get(at.header.parent)) {
      if (at === undefined || at.executed === null) return null;
      chain.unshift(at);
    }
    return chain;
  }

  #finalityOf(certificate: Certificate | null): Finality | null {
    const ballot = certificate?.ballot;
    if (ballot?.kind !== 'finalize' || ballot.view <= this.#pointer.view) return null;
    const block = this.#blocks.get(ballot.block);
    const chain = block === undefined ? null : this.#chainTo(block);
    const last = chain?.at(-1);
    if (chain === null || last === undefined) return null;
    const executed = last.executed as Executed;
    if (executed.root !== ballot.root) {
      return { type: 'divergence', height: last.header.height, own: executed.root, certified: ballot.root };
    }
    return this.#writeOf(chain, ballot, certificate, []);
  }

  #writeOf(
    chain: readonly Block[],
    { view, block, root }: { readonly view: View; readonly block: BlockId; readonly root: Root },
    certificate: Certificate | null,
    more: readonly Operation[],
  ): Finality {
    const { network, epoch, height } = (chain.at(-1) ?? this.#final).header;
    const pointer: FinalPointer = { network, epoch, height, view, block, root };
    const real = chain.filter(({ header: { height } }, i) => height !== chain[i - 1]?.header.height);
    const closing = chain.slice(real.length).map(({ header }) => header);
    const blocks = real.map((block): Committed => ({ block, executed: block.executed as Executed }));
    const { store, lanes, isOwed } = this.#deps;
    const operations = [
      ...operationsOf(blocks, certificate, closing),
      ...endsWithoutTrace(blocks, store, (digest, lane) => lane === lanes.self || isOwed(digest)),
      ...more,
      putFinal(pointer),
    ];
    const expired =
      blocks.map(({ executed: { state } }) => state.changes().expired).findLast((range) => range !== null) ?? null;
    this.#writing = true;
    return { type: 'write', operations, blocks, pointer, expired };
  }

  /** The write is durable: rival branches go, and the lanes forget what is ordered. */
  committed(blocks: readonly Committed[], pointer: FinalPointer): void {
    for (const { executed } of blocks) executed.state.commit();
    const last = blocks.at(-1) ?? { block: this.#final };
    this.#writing = false;
    this.#final = last.block;
    this.#pointer = pointer;
    if (this.goal?.last.block === pointer.block && this.goal.isAgreed) this.goal.isTaken = true;
    for (const [id, block] of this.#blocks) {
      const over = block.header.height <= last.block.header.height || block.header.view <= pointer.view;
      if (over && block !== last.block) this.#blocks.delete(id);
    }
    for (const [id, view] of this.wants.blocks) if (view <= pointer.view) this.wants.blocks.delete(id);
    if (this.#target !== null && this.#target.ballot.view <= pointer.view) this.#target = null;
    this.#synced = this.#synced.filter(({ ballot }) => ballot.view > pointer.view);
    this.#deps.lanes.finalize(last.block.header.cut);
    this.#seekGoal();
  }

  /** Whether the last final block ended the epoch: nothing more of it is to be agreed on. */
  get isOver(): boolean {
    return this.goal === null ? endsEpoch(this.#final) : this.goal.isTaken;
  }

  /** Whether a block is executed and ended the epoch: what is not ordered by then is ordered in the next. */
  ends(id: BlockId): boolean {
    const block = this.#blocks.get(id);
    return block !== undefined && endsEpoch(block);
  }

  /** Whether a write of final blocks is under way. */
  get isWriting(): boolean {
    return this.#writing;
  }

  get pointer(): FinalPointer {
    return this.#pointer;
  }
}
