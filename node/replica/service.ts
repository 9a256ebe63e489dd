/** What a running replica tells: reads of its last final state and of its stored blocks, waits, and portable receipts. */
import { isOpen } from '../../ledger/codes.js';
import { accountName } from '../../ledger/entries.js';
import { encodeReceipt, packedLeaves, type Receipt, receiptAt, unpackReceipts } from '../../ledger/receipt.js';
import { availableIn } from '../../ledger/settlement/bundle.js';
import { missingConsents } from '../../ledger/settlement/consent.js';
import { blockId, decodeBatch, laneStart } from '../../protocol/block.js';
import { encodeBundle } from '../../protocol/bundle.js';
import type { Finalization } from '../../protocol/certificate.js';
import { jwkOf } from '../../protocol/crypto.js';
import type { Genesis } from '../../protocol/genesis.js';
import { decodeItem, type Instruction, type JwsJson, toJws } from '../../protocol/instruction.js';
import { BLOCK_BATCHES_MAX, BUNDLE_CHAIN_MAX } from '../../protocol/limits.js';
import { merklePath } from '../../protocol/merkle.js';
import {
  assert,
  type Bic,
  type Epoch,
  type InstructionDigest,
  type LanePoint,
  type TimestampMs,
  unreachable,
  type ValidatorIndex,
} from '../../protocol/types.js';
import { formatAmount, formatDay, parseAmount } from '../../protocol/values.js';
import type {
  AssetView,
  BalanceView,
  BlockView,
  CalendarView,
  Clock,
  InstructionStatus,
  Metrics,
  NodeService,
  Page,
  ParticipantView,
  PositionView,
  ProposalView,
  QueuedView,
  StatusView,
  Store,
  TotalsView,
  ValidatorView,
  WhatIfResult,
  WhatIfRunner,
} from '../ports.js';
import type { Verdict } from './admission.js';
import type { Committed } from './block.js';
import { Corrupt } from './checked.js';
import { positionViews, settledViews, unsettledViews } from './positionview.js';
import { lockView, proposalsPage, queuePage } from './queueview.js';
import { type BlockRecord, getBatch, getBlock, getHandOver, getPlace, getReceipts } from './records.js';
import type { Replica } from './replica.js';
import type { Succession } from './succession.js';
import { Timings } from './timings.js';
import { Turnover } from './turnover.js';
import { WhatIfs } from './whatif.js';

/** What waits does so until it expires, and an instruction is valid for 25 hours at most. */
const WAITING_MS_MAX = 2 * 24 * 60 * 60 * 1000;

interface Parts {
  readonly succession: Succession;
  readonly store: Store;
  readonly clock: Clock;
  readonly whatIf: WhatIfRunner;
  readonly metrics: Pick<Metrics, 'observe'>;
  readonly genesis: Genesis;
  readonly party: string;
  readonly version: string;
}

export class Service implements NodeService {
  readonly #parts: Parts;
  readonly #waiters = new Map<InstructionDigest, Set<() => void>>();
  readonly #turnover: Turnover;
  readonly #whatIfs: WhatIfs;
  readonly #timings: Timings;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#turnover = new Turnover(this.#replica.chain.final.header);
    this.#whatIfs = new WhatIfs(parts.whatIf, parts.clock);
    this.#timings = new Timings(parts);
  }

  get #replica(): Replica {
    return this.#parts.succession.replica;
  }

  /** The replica tells of each block once it is durable and final here. */
  onFinal({ block, executed }: Committed): void {
    this.#turnover.take(block.header, executed.settled);
    for (const { digest, code } of executed.receipts) if (!isOpen(code)) this.#wake(digest);
    const told = new Set(executed.receipts.map(({ digest }) => digest));
    for (const { items } of executed.lanes.flat()) {
      for (const item of items) {
        if (item === null) continue;
        const { digest } = item.instruction;
        this.#timings.end(digest);
        if (!told.has(digest)) this.#wake(digest);
      }
    }
  }

  #wake(digest: InstructionDigest): void {
    const waiters = this.#waiters.get(digest);
    this.#waiters.delete(digest);
    for (const wake of waiters ?? []) wake();
  }

  async submit(instruction: Instruction): Promise<Verdict> {
    const { clock, succession } = this.#parts;
    const startedMs = clock.elapsed();
    const verdict = await succession.submit(instruction);
    // What was ordered before, and comes once more, says nothing of the time that it took.
    if (verdict.accepted && this.#replica.admission.isPending(instruction.digest))
      this.#timings.begin(instruction.digest, startedMs);
    return verdict;
  }

  async status(digest: InstructionDigest): Promise<InstructionStatus> {
    return this.#noting(() => this.#status(digest));
  }

  /** A read that finds a record damaged fails, and the record is mended for the next. */
  #noting<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof Corrupt) this.#parts.succession.upkeep.note(error);
      throw error;
    }
  }

  #status(digest: InstructionDigest): InstructionStatus {
    const { chain, admission } = this.#replica;
    const { height, time } = chain.final.header;
    const pending = { status: 'pending', code: null, height: null, time: null, missing: [], lock: null } as const;
    const open = this.#openStatus(digest);
    if (open !== null) return open;
    const place = getPlace(this.#parts.store, digest);
    if (place === null) return admission.isPending(digest) ? pending : { status: 'unknown' };
    if (place.type === 'dropped')
      return time > place.expires ? { status: 'final', code: 'expired', height, time } : pending;
    // What is written and not yet announced is not told: every read holds for one height.
    if (place.height > height) return pending;
    switch (place.type) {
      case 'receipt': {
        const found = this.#receipt(digest);
        return found === null ? { status: 'pruned', height: place.height } : this.#standing(found.receipt);
      }
      case 'remembered':
        return this.#standing(place);
      case 'taken':
        return { status: 'final', code: 'duplicate_id', height: place.height, time: place.time };
      case 'before':
        return { status: 'pruned', height: place.height };
      default:
        return unreachable(place);
    }
  }

  /** What the last final state has open is told from there, however old its block is and whatever was let go of since. */
  #openStatus(digest: InstructionDigest): InstructionStatus | null {
    const { state, header } = this.#replica.chain.final;
    const change = state.openChange();
    const settlement = state.openSettlement(digest);
    const open = settlement ?? (change?.digest === digest ? change : null);
    if (open === null) return null;
    const missing = settlement === undefined ? [] : missingConsents(state, settlement);
    const lock = settlement === undefined ? null : lockView(settlement);
    const standing =
      settlement === undefined ? (change?.approved ? 'approved' : 'proposed') : state.standingOf(settlement);
    const { height, time, ...record } = state.record(open.initiator, open.id) ?? { code: null, height: 0, time: null };
    // That a part has settled, or was amended, says more than that it waits for its time.
    const saysMore = record.code === 'part_settled' || record.code === 'amended';
    const code = saysMore && standing === 'scheduled' ? record.code : standing;
    // The receipt that said so, if there is one: none does when something joins the queue at its time; and a record may be
    // ahead of what is announced, or gone.
    if (record.code !== code || height > header.height || height === 0)
      return { status: 'pending', code, height: null, time: null, missing, lock };
    return { status: 'pending', code, height, time, missing, lock };
  }

  /** Whether the block of a receipt has been let go here. */
  #isPruned(height: number): boolean {
    return height > 0 && height < this.#parts.succession.upkeep.floor;
  }

  /** How something stands that is not open: ended, or waiting for what it names. */
  #standing({ code, height, time }: Pick<Receipt, 'code' | 'height' | 'time'>): InstructionStatus {
    if (!isOpen(code)) return { status: 'final', code, height, time };
    const { header } = this.#replica.chain.final;
    // What waits stands in no table by its own digest.
    if (code === 'waiting' && header.time <= time + WAITING_MS_MAX)
      return { status: 'pending', code, height, time, missing: [], lock: null };
    // It has ended in blocks that this node skipped, so long ago that the ledger remembers no more how.
    return { status: 'pruned', height: header.height };
  }

  /** Resolves with the status as it stands when it is final, when `timeoutMs` have passed, or when the signal fires. */
  async waitFinal(digest: InstructionDigest, timeoutMs: number, signal: AbortSignal): Promise<InstructionStatus> {
    const { clock } = this.#parts;
    const untilMs = clock.elapsed() + timeoutMs;
    for (;;) {
      const now = this.#noting(() => this.#status(digest));
      const leftMs = untilMs - clock.elapsed();
      if (now.status === 'final' || leftMs <= 0 || signal.aborted) return now;
      // A copy of it that came to nothing wakes too.
      await this.#woken(digest, leftMs, signal);
    }
  }

  #woken(digest: InstructionDigest, withinMs: number, signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener('abort', done);
        const waiters = this.#waiters.get(digest);
        waiters?.delete(done);
        if (waiters?.size === 0) this.#waiters.delete(digest);
        resolve();
      };
      const cancel = this.#parts.clock.after(withinMs, done);
      signal.addEventListener('abort', done);
      const waiters = this.#waiters.get(digest) ?? new Set();
      this.#waiters.set(digest, waiters.add(done));
    });
  }

  #receipt(digest: InstructionDigest): {
    readonly receipt: Receipt;
    readonly position: number;
    /** All receipts of its block. */
    readonly packed: Uint8Array;
  } | null {
    const { store } = this.#parts;
    const replica = this.#replica;
    const place = getPlace(store, digest);
    // What is written and not yet announced is not told: every read holds for one height.
    if (place?.type !== 'receipt' || this.#isPruned(place.height)) return null;
    if (place.height > replica.chain.final.header.height) return null;
    const packed = getReceipts(store, place.height);
    const receipt = packed === undefined ? null : receiptAt(packed, place.position);
    assert(packed !== undefined && receipt !== null, 'the index points at a receipt');
    return { receipt, position: place.position, packed };
  }

  #receipts(height: number): Receipt[] {
    const packed = getReceipts(this.#parts.store, height);
    return packed === undefined ? [] : (unpackReceipts(packed) ?? []);
  }

  /** The bundle that proves an instruction's latest receipt with the genesis file alone. */
  async receipt(digest: InstructionDigest): Promise<object | null> {
    return this.#noting(() => this.#bundle(digest));
  }

  #bundle(digest: InstructionDigest): object | null {
    const { store, genesis } = this.#parts;
    const found = this.#receipt(digest);
    const record = found === null ? null : getBlock(store, found.receipt.height);
    if (found === null || record === null) return null;
    const chain: BlockRecord[] = [];
    let last = record;
    while (last.certificate === null && chain.length < BUNDLE_CHAIN_MAX) {
      const next = getBlock(store, last.header.height + 1);
      if (next === null) return null;
      chain.push(next);
      last = next;
    }
    if (last.certificate?.ballot.kind !== 'finalize') return null;
    const { epoch } = last.header;
    const handOvers = Array.from({ length: epoch }, (_, before) => getHandOver(store, before + 1) ?? []).flat();
    // The new set's statements take a moment: until then nothing of its epoch can be shown to who trusts the genesis alone.
    if (!handOvers.every((handOver) => handOver !== null && handOver.statements.length > 0)) return null;
    const leaves = packedLeaves(found.packed);
    return encodeBundle({
      network: genesis.network,
      receipt: encodeReceipt(found.receipt),
      path: merklePath(leaves, found.position),
      block: { parentResultRoot: record.parentRoot, stateRoot: record.stateRoot },
      chain,
      epoch,
      certificate: last.certificate as Finalization,
      handOvers,
    });
  }

  get #height(): number {
    return this.#replica.chain.final.header.height;
  }

  balances(party: string): { readonly height: number; readonly balances: readonly BalanceView[] } | null {
    const { state } = this.#replica.chain.final;
    if (state.participant(party) === undefined) return null;
    const balances = state.assets().flatMap(({ asset, decimals }) => {
      const account = state.account(party, asset);
      const name = accountName(party, asset);
      const held = state.locks.held(name);
      // A new issuer's lock may come before its account.
      if (account === undefined && held === 0n) return [];
      const available = availableIn(state, { name, party: party as Bic, asset });
      const told = (minor: bigint): string => formatAmount(minor, decimals);
      return [{ asset, balance: told(account?.balance ?? 0n), held: told(held), available: told(available) }];
    });
    return { height: this.#height, balances };
  }

  queue(party: string, after: string | undefined): Page<QueuedView> | null {
    const { state } = this.#replica.chain.final;
    if (state.participant(party) === undefined) return null;
    return { height: this.#height, ...queuePage(state, party as Bic, after) };
  }

  proposals(party: string, after: string | undefined): Page<ProposalView> | null {
    const { state } = this.#replica.chain.final;
    if (state.participant(party) === undefined) return null;
    return { height: this.#height, ...proposalsPage(state, party as Bic, after) };
  }

  positions(party: string): {
    readonly height: number;
    readonly time: TimestampMs;
    readonly positions: readonly PositionView[];
  } | null {
    const { state, header } = this.#replica.chain.final;
    if (state.participant(party) === undefined) return null;
    const { height, time } = header;
    return { height, time, positions: positionViews(state, party as Bic, time) };
  }

  totals(party: string): TotalsView | null {
    const { state, header } = this.#replica.chain.final;
    if (state.participant(party) === undefined) return null;
    const { height, time } = header;
    const settled = settledViews(state, party as Bic, this.#turnover.upTo(header));
    return { height, time, unsettled: unsettledViews(state, party as Bic), settled };
  }

  async whatIf(party: string, code: string, amount: string): Promise<WhatIfResult> {
    const { state, header } = this.#replica.chain.final;
    if (state.participant(party) === undefined) return { ok: false, code: 'unknown_party' };
    const asset = state.asset(code);
    if (asset === undefined) return { ok: false, code: 'unknown_asset' };
    const { decimals } = asset;
    const extra = parseAmount(amount, decimals);
    if (extra === null || extra === 0n) return { ok: false, code: 'bad_amount', decimals };
    const { height, time } = header;
    const answered = await this.#whatIfs.ask(state, time, { party: party as Bic, asset, extra });
    if (!answered.ok) return { ...answered, code: 'what_if_busy' };
    return { ok: true, value: { height, time, ...answered.value } };
  }

  calendar(asset: string): CalendarView | null {
    const { state } = this.#replica.chain.final;
    if (state.asset(asset) === undefined) return null;
    const { zone, days } = state.tables.calendars.get(asset) ?? { zone: null, days: [] };
    const told = days.map(({ day, openMs, closeMs }) => ({ date: formatDay(day), openMs, closeMs }));
    return { height: this.#height, zone, days: told };
  }

  assets(): { readonly height: number; readonly assets: readonly AssetView[] } {
    const { state } = this.#replica.chain.final;
    const assets = state.assets().map((asset) => ({
      asset: asset.asset,
      class: asset.class,
      name: asset.name,
      issuer: asset.issuer,
      jurisdiction: asset.jurisdiction,
      decimals: asset.decimals,
      cap: formatAmount(asset.cap, asset.decimals),
      circulating: formatAmount(state.circulating(asset), asset.decimals),
    }));
    return { height: this.#height, assets };
  }

  participants(): { readonly height: number; readonly participants: readonly ParticipantView[] } {
    const { state } = this.#replica.chain.final;
    const participants = state
      .participants()
      .map(({ party, name, lei, jurisdiction, authority, suspended, solver, threshold, kids }) => {
        const keys = kids.flatMap((kid) => {
          const key = state.publicKey(kid);
          return key === undefined ? [] : [{ kid, jwk: jwkOf(key) }];
        });
        return { party, name, lei, jurisdiction, authority, suspended, solver, threshold, keys };
      });
    return { height: this.#height, participants };
  }

  validators(): { readonly height: number; readonly epoch: number; readonly validators: readonly ValidatorView[] } {
    const { members } = this.#replica;
    const connected = new Set(this.#replica.peers().flatMap((peer) => (peer.connected ? [peer.peer] : [])));
    const validators = members.set.validators.map(({ party, voteKey, networkKey }, index) => {
      const self = index === members.self;
      return { index, party, voteKey, networkKey, self, connected: self || connected.has(networkKey) };
    });
    return { height: this.#height, epoch: members.set.epoch, validators };
  }

  async block(height: number): Promise<BlockView | null> {
    return this.#noting(() => this.#block(height));
  }

  #block(height: number): BlockView | null {
    const record = height > this.#height ? null : getBlock(this.#parts.store, height);
    if (record === null) return null;
    const { header } = record;
    const lanes = this.#lanes(record);
    const receipts = this.#receipts(height).map(({ digest, code, kind, initiator, id }) => ({
      digest,
      code,
      kind,
      initiator,
      id,
    }));
    return {
      height,
      id: height === 0 ? this.#genesisId() : blockId(header),
      view: header.view,
      epoch: header.epoch,
      time: header.time,
      parent: header.parent,
      proposer: header.proposer,
      resultRoot: record.root,
      receiptsRoot: record.receiptsRoot,
      stateRoot: record.stateRoot,
      receipts,
      lanes: lanes?.map(({ length }) => length) ?? null,
      instructions: lanes?.flat() ?? null,
    };
  }

  #genesisId(): string {
    return getBlock(this.#parts.store, 1)?.header.parent ?? this.#replica.chain.final.id;
  }

  /**
   * The instructions that a block's cut adds to its parent's, lane by lane; bytes that are none are left out. Null where
   * the parent or a batch is not here any more, or not yet.
   */
  #lanes({ header }: BlockRecord): JwsJson[][] | null {
    if (header.height === 0) return [];
    const parent = getBlock(this.#parts.store, header.height - 1);
    if (parent === null) return null;
    // Over the last block of the epoch before, lanes are empty.
    const cut = parent.header.epoch === header.epoch ? parent.header.cut : header.cut.map(() => laneStart(0));
    const lanes: JwsJson[][] = [];
    for (const [lane, point] of header.cut.entries()) {
      const items = this.#items(header.epoch, lane as ValidatorIndex, cut[lane] as LanePoint, point);
      if (items === null) return null;
      const read = items.map(decodeItem);
      lanes.push(read.flatMap((each) => (each.ok ? [toJws(each.instruction)] : [])));
    }
    return lanes;
  }

  #items(epoch: Epoch, lane: ValidatorIndex, from: LanePoint, to: LanePoint): Uint8Array[] | null {
    const items: Uint8Array[][] = [];
    let at = to;
    for (let steps = 0; steps < BLOCK_BATCHES_MAX && at.number > 0 && at.digest !== from.digest; steps++) {
      const stored = getBatch(this.#parts.store, epoch, lane, at);
      const batch = stored === null ? null : decodeBatch(stored.bytes);
      if (batch === null) return null;
      items.unshift([...batch.items]);
      at = { incarnation: batch.incarnation, number: batch.number - 1, digest: batch.previous };
    }
    return items.flat();
  }

  statusView(): StatusView {
    const { genesis, party, version, clock } = this.#parts;
    const replica = this.#replica;
    const { members, core, chain, halted, evidence } = replica;
    const { header, root } = chain.final;
    const validators = members.size;
    const peers = replica.peers().filter(({ connected }) => connected).length;
    const connected = members.self === null ? peers > 0 : peers + 1 >= members.quorum;
    const ready = halted === null && !replica.isFarBehind && connected;
    const { network, name, test } = genesis;
    const { height, time, epoch } = header;
    return {
      network,
      name,
      party,
      version,
      height,
      time,
      // A clock may be behind the network's.
      now: Math.max(clock.now(), time) as TimestampMs,
      test,
      epoch,
      view: core.view,
      resultRoot: root,
      peers,
      validators,
      ready,
      ...this.#roleView(),
      halted,
      evidence,
    };
  }

  /** What this node is in the set, whether it votes there, and the change of the set under way. */
  #roleView(): Pick<StatusView, 'role' | 'votes' | 'unfit' | 'change'> {
    const { succession } = this.#parts;
    const { members, chain, halted } = this.#replica;
    const { self, set, voteKey } = members;
    const named = self === null ? undefined : set.validators[self]?.voteKey;
    const unfit = named === undefined ? [...succession.unfit.values()][0] : succession.unfit.get(named);
    const open = chain.final.state.openChange();
    const parties = open?.members.map(({ party }) => party) ?? [];
    return {
      role: self !== null ? 'validator' : succession.holdsVoteKey ? 'standby' : 'participant',
      votes: voteKey !== null && halted === null,
      unfit: unfit ?? null,
      change:
        open === null
          ? null
          : {
              digest: open.digest,
              approved: open.approved,
              validators: parties,
              ready: open.ready.map((place) => parties[place] as string),
            },
    };
  }
}
