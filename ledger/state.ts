/**
 * The state of the ledger after a block: typed entries in layers, one Merkle tree over them, and what is due when.
 * A state is open while its block is applied, then sealed; it is persistent, so that rival branches share what they agree on.
 */
import { fromHex, toHex } from '../protocol/codec.js';
import { type PublicKey, publicKeyOf } from '../protocol/crypto.js';
import { hashPairs, type PairHasher, TAGS } from '../protocol/hash.js';
import { ed25519Thumbprint } from '../protocol/instruction.js';
import type { Jwk } from '../protocol/payload.js';
import { type StateProof, statePath, stateValueHash } from '../protocol/stateproof.js';
import {
  type AmountMinor,
  assert,
  type Bic,
  type Height,
  type InstructionDigest,
  type Jurisdiction,
  type NetworkId,
  type PeerKey,
  type Root,
  type Thumbprint,
  type TimestampMs,
  type Uetr,
  type Validator,
  type ValidatorSet,
  ZERO_HASH,
} from '../protocol/types.js';
import { type Due, dueOf, dueText } from './agenda.js';
import { decodeEntry, encodeEntry, nameOfKey, stateKey, TABLE_NAMES } from './codecs.js';
import {
  type Account,
  type Asset,
  accountName,
  type BoundSettlement,
  bucketName,
  type Change,
  type EntryOf,
  endOf,
  isBound,
  isLocked,
  type Liquidity,
  type LockedSettlement,
  memberName,
  type Parameters,
  type Participant,
  type RegisteredKey,
  type Settlement,
  type TableName,
} from './entries.js';
import { layout } from './layout.js';
import { HOUR_MS, type IdEntry, type IdRecord, listKey, Memory, type Recall } from './memory.js';
import { EMPTY_SET, enter, first, type OrderedSet, strike } from './orderedset.js';
import { QueueBook } from './queue/book.js';
import { Flows } from './queue/flows.js';
import { LockBook } from './settlement/lockbook.js';
import { movementsAtMost, outlineOf } from './settlement/outline.js';
import { Table } from './table.js';
import { Tree, type TreeUpdate } from './tree.js';

export { verifyStateProof } from '../protocol/stateproof.js';
export type { Recall } from './memory.js';

/** What the network's members agreed on before its first block. */
export interface GenesisState {
  readonly network: NetworkId;
  readonly created: TimestampMs;
  readonly skewMs: number;
  readonly validators: ValidatorSet;
  readonly authorities: readonly {
    readonly party: Bic;
    readonly name: string;
    readonly lei: string;
    readonly jurisdiction: Jurisdiction;
    readonly threshold: number;
    readonly keys: readonly Jwk[];
  }[];
}

/** What a block changed, to be written in one atomic batch when it is final. */
export interface Changes {
  /** Entries of the state; null where one goes. */
  readonly state: readonly { readonly key: Uint8Array; readonly value: Uint8Array | null }[];
  /** What is remembered of ids; `Recall` reads these. */
  readonly ids: readonly IdEntry[];
  /** Keys of `ids` from (included) to (excluded) that hold expired lists: `forgotten` says what each lets go. */
  readonly expired: { readonly from: Uint8Array; readonly to: Uint8Array } | null;
}

export type Tables = { readonly [T in TableName]: Table<EntryOf<T>> };
/** By party: open settlements that it has begun and accounts that they touch, its consents and withdrawals that wait, its nodes. */
const COUNTED = ['open', 'openMovements', 'waiting', 'nodes'] as const;
/** Counted, not stored. */
type Counts = { readonly [C in (typeof COUNTED)[number]]: Table<number> };

/** A node that may take part, as a validator or not, and whose it is. */
export interface NodeKey {
  readonly party: Bic;
  readonly key: PeerKey;
}

const NO_CHANGES: Changes = { state: [], ids: [], expired: null };

export class State {
  readonly tables: Tables;
  readonly counts: Counts;
  /** Whose each node key is that is registered and not revoked, by the key in hex; derived from the keys. */
  readonly nodes: Table<Bic>;
  /** Who is to pay in what is open, and who stands where in the queue; derived from the settlements. */
  readonly queue: QueueBook;
  /** What open settlements would do to each account; derived from them. */
  readonly flows: Flows;
  /** What is held for locks, and when their time is over; derived from the settlements. */
  readonly locks: LockBook;
  /** Which open settlement has an initiator's id, by both; derived from the settlements. */
  readonly openIds: Table<InstructionDigest>;
  readonly memory: Memory;
  readonly hasher: PairHasher;
  #parent: State | null;
  #tree: Tree;
  #agenda: OrderedSet;
  #authorities: ReadonlyMap<string, Bic>;
  /** Null until it is asked for after a change. */
  #nodeKeys: readonly NodeKey[] | null;
  #changes: Changes | null = null;
  #committed = false;

  private constructor(
    parent: State | null,
    parts: Pick<State, 'tables' | 'counts' | 'nodes' | 'queue' | 'flows' | 'locks' | 'openIds' | 'memory' | 'hasher'>,
    tree: Tree,
    agenda: OrderedSet,
  ) {
    this.#parent = parent;
    this.tables = parts.tables;
    this.counts = parts.counts;
    this.nodes = parts.nodes;
    this.queue = parts.queue;
    this.flows = parts.flows;
    this.locks = parts.locks;
    this.openIds = parts.openIds;
    this.memory = parts.memory;
    this.hasher = parts.hasher;
    this.#tree = tree;
    this.#agenda = agenda;
    this.#authorities = parent === null ? new Map() : parent.#authorities;
    this.#nodeKeys = parent === null ? null : parent.#nodeKeys;
  }

  /** The state before the first block. Its changes are written and committed like a block's. The keys are good (genesis.ts). */
  static genesis(genesis: GenesisState, recall: Recall, hasher: PairHasher = hashPairs): State {
    const state = State.#empty(recall, hasher);
    const { network, created, skewMs } = genesis;
    state.tables.parameters.set('', { network, created, skewMs });
    state.setValidators(genesis.validators);
    for (const { party, networkKey } of genesis.validators.validators) {
      const key = fromHex(networkKey);
      state.registerKey(ed25519Thumbprint(key), { party, role: 'node', alg: 'Ed25519', key, revoked: false });
    }
    for (const authority of genesis.authorities) {
      const keys = authority.keys.map((jwk) => {
        const key = publicKeyOf(jwk);
        assert(key.ok, 'the keys of the genesis are good');
        return key;
      });
      for (const { kid, alg, key } of keys)
        state.registerKey(kid, { party: authority.party, role: 'instruction', alg, key, revoked: false });
      const { party, name, lei, jurisdiction, threshold } = authority;
      const kids = keys.map((key) => key.kid);
      state.tables.participants.set(party, {
        party,
        name,
        lei,
        jurisdiction,
        authority: true,
        suspended: false,
        solver: false,
        threshold,
        kids,
      });
    }
    state.#authorities = authoritiesOf(state);
    state.seal(0 as Height);
    return state;
  }

  /** The state that the writes of `changes()` left, as it is after a commit. Throws a DecodeError on entries that are none. */
  static load(
    entries: Iterable<readonly [Uint8Array, Uint8Array]>,
    recall: Recall,
    hasher: PairHasher = hashPairs,
  ): State {
    const state = State.#empty(recall, hasher);
    const updates: TreeUpdate[] = [];
    for (const [key, value] of entries) {
      const place = nameOfKey(key);
      assert(place !== null, 'a stored state holds entries of the ledger only');
      anyOf(state.tables, place.table).set(place.name, decodeEntry(place.table, place.name, value));
      updates.push({ path: statePath(key), valueHash: stateValueHash(value) });
    }
    state.#tree = state.#tree.update(updates);
    state.#authorities = authoritiesOf(state);
    for (const [, key] of state.tables.keys.entries()) state.#countNode(key);
    const change = state.openChange();
    if (change !== null) state.schedule(changeDue(change));
    for (const [, settlement] of state.tables.settlements.entries()) state.#note(settlement, 1);
    for (const [, { settlement, items }] of state.tables.waiting.entries()) {
      for (const item of items) {
        state.schedule({ kind: 'unmatched', time: item.expires, settlement, instruction: item.digest });
        bump(state.counts.waiting, item.initiator, 1);
      }
    }
    for (const [, { hour }] of state.tables.buckets.entries()) state.schedule(bucketDue(hour));
    state.#close();
    state.#changes = NO_CHANGES;
    state.commit();
    return state;
  }

  static #empty(recall: Recall, hasher: PairHasher): State {
    const tables = Object.fromEntries(TABLE_NAMES.map((name) => [name, Table.over(new Map())])) as unknown as Tables;
    const counts = countsOf(() => Table.over(new Map<string, number>()));
    const nodes = Table.over(new Map<string, Bic>());
    const openIds = Table.over(new Map<string, InstructionDigest>());
    const queue = QueueBook.over(tables.queue);
    const locks = LockBook.empty();
    const parts = {
      tables,
      counts,
      nodes,
      queue,
      flows: Flows.empty(),
      locks,
      openIds,
      memory: new Memory(recall),
      hasher,
    };
    return new State(null, parts, Tree.empty(hasher), EMPTY_SET);
  }

  /** An open state over this sealed one, for the next block. */
  child(): State {
    assert(this.#changes !== null, 'a block goes over a sealed state');
    const tables = Object.fromEntries(
      TABLE_NAMES.map((name) => [name, this.tables[name].child()]),
    ) as unknown as Tables;
    const parts = {
      tables,
      counts: countsOf((counted) => this.counts[counted].child()),
      nodes: this.nodes.child(),
      queue: this.queue.child(tables.queue),
      flows: this.flows.child(),
      locks: this.locks.child(),
      openIds: this.openIds.child(),
      memory: this.memory.child(),
      hasher: this.hasher,
    };
    return new State(this, parts, this.#tree, this.#agenda);
  }

  /** Ends the changes of this layer: chains its ids into their buckets and hashes what changed. `height` is its block's. */
  seal(height: Height): void {
    assert(this.#changes === null, 'a state is sealed once');
    const ids: IdEntry[] = [];
    for (const { hour, list, entries } of this.memory.byHour()) {
      const chain = this.tables.buckets.get(bucketName(hour))?.chain ?? ZERO_HASH;
      this.tables.buckets.set(bucketName(hour), {
        hour,
        chain: layout.start(TAGS.bucket).hash(chain).raw(list).digest(),
      });
      this.schedule(bucketDue(hour));
      for (const entry of entries) ids.push(entry);
      ids.push({ key: listKey(hour, height), value: list });
    }
    const state: { key: Uint8Array; value: Uint8Array | null }[] = [];
    const updates: TreeUpdate[] = [];
    for (const table of TABLE_NAMES) collect(this.tables, table, state, updates);
    this.#tree = this.#tree.update(updates);
    this.#changes = { state, ids, expired: this.#expired() };
    this.#close();
  }

  /** The tree over the entries: persistent, so it stays as it is whatever follows. */
  get tree(): Tree {
    return this.#tree;
  }

  /** Root of the state tree. */
  get root(): Root {
    return this.#tree.root;
  }

  /** What this layer changed over its parent; nothing after `commit`. */
  changes(): Changes {
    assert(this.#changes !== null, 'only a sealed state has its changes');
    return this.#changes;
  }

  /**
   * Makes this layer the base, after its changes were written durably and its parent was committed. States over it go
   * on; its parent and its parent's other children must not be used again.
   */
  commit(): void {
    assert(this.#changes !== null, 'only a sealed state is committed');
    assert(!this.#committed, 'a state is committed once');
    assert(this.#parent === null || this.#parent.#committed, 'parents are committed first');
    for (const table of TABLE_NAMES) this.tables[table].fold();
    for (const part of this.#derived()) part.fold();
    this.memory.release();
    this.#changes = NO_CHANGES;
    this.#parent = null;
    this.#committed = true;
  }

  get parameters(): Parameters {
    const parameters = this.tables.parameters.get('');
    assert(parameters !== undefined, 'a state has its parameters');
    return parameters;
  }

  participant(party: string): Participant | undefined {
    return this.tables.participants.get(party);
  }
  /** Ascending by BIC. */
  participants(): Participant[] {
    return this.tables.participants.entries().map(([, participant]) => participant);
  }
  authorityOf(jurisdiction: string): Bic | undefined {
    return this.#authorities.get(jurisdiction);
  }
  /** All authorities, ascending by BIC. They are those of the genesis for ever. */
  authorities(): Bic[] {
    return [...this.#authorities.values()];
  }
  key(kid: string): RegisteredKey | undefined {
    return this.tables.keys.get(kid);
  }
  /** A registered key that is not revoked, for checking signatures with. */
  publicKey(kid: Thumbprint): PublicKey | undefined {
    const key = this.tables.keys.get(kid);
    return key === undefined || key.revoked ? undefined : { alg: key.alg, key: key.key };
  }
  /** Registers a key that was judged before. */
  registerKey(kid: Thumbprint, key: RegisteredKey): void {
    this.tables.keys.set(kid, key);
    this.#countNode(key);
  }
  /** A revoked key stays known as one, so that nobody registers it again. */
  revokeKey(kid: Thumbprint, key: RegisteredKey): void {
    this.tables.keys.set(kid, { ...key, revoked: true });
    if (key.role !== 'node') return;
    this.nodes.delete(toHex(key.key));
    bump(this.counts.nodes, key.party, -1);
    this.#nodeKeys = null;
  }
  #countNode(key: RegisteredKey): void {
    if (key.role !== 'node' || key.revoked) return;
    this.nodes.set(toHex(key.key), key.party);
    bump(this.counts.nodes, key.party, 1);
    this.#nodeKeys = null;
  }
  /** The nodes that may take part, ascending by key; the same array in later states while no node key comes or goes. */
  nodeKeys(): readonly NodeKey[] {
    this.#nodeKeys ??= this.nodes.entries().map(([key, party]) => ({ party, key: key as PeerKey }));
    return this.#nodeKeys;
  }

  /** Epoch and digest of the set that has the say after this state's block. */
  get validators(): Pick<ValidatorSet, 'epoch' | 'digest'> {
    const validators = this.tables.validators.get('');
    assert(validators !== undefined, 'a state names its validators');
    return validators;
  }
  /** That set's members, in their order. */
  members(): Validator[] {
    return this.tables.members.entries().map(([, member]) => member);
  }
  /** Puts a set in charge; its vote keys are remembered for ever. */
  setValidators({ epoch, digest, validators }: ValidatorSet): void {
    const { members, voteKeys } = this.tables;
    this.tables.validators.set('', { epoch, digest });
    for (const [name] of members.entries()) members.delete(name);
    for (const [index, { party, voteKey, networkKey }] of validators.entries()) {
      members.set(memberName(index), { party, voteKey, networkKey });
      if (voteKeys.get(voteKey) === undefined) voteKeys.set(voteKey, { party });
    }
    this.forgetProposers();
  }
  /** No lock waits for proposers any more, or others have their places. */
  forgetProposers(): void {
    for (const [name] of this.tables.proposers.entries()) this.tables.proposers.delete(name);
  }
  /** The change of validators that has not ended, or null; there is one at a time. */
  openChange(): Change | null {
    return this.tables.changes.get('') ?? null;
  }
  /** Opens a change, with the trigger that ends it. */
  beginChange(change: Change): void {
    this.tables.changes.set('', change);
    this.schedule(changeDue(change));
  }
  closeChange(change: Change): void {
    this.tables.changes.delete('');
    this.unschedule(changeDue(change));
  }
  asset(code: string): Asset | undefined {
    return this.tables.assets.get(code);
  }
  /** Ascending by code. */
  assets(): Asset[] {
    return this.tables.assets.entries().map(([, asset]) => asset);
  }
  account(party: string, asset: string): Account | undefined {
    return this.tables.accounts.get(accountName(party, asset));
  }
  /** A party's accounts, ascending by asset. */
  balances(party: string): Account[] {
    return this.assets().flatMap(({ asset }) => this.account(party, asset) ?? []);
  }
  /** Minor units in hands other than the issuer's. */
  circulating(asset: Pick<Asset, 'asset' | 'issuer'>): bigint {
    return -(this.account(asset.issuer, asset.asset)?.balance ?? 0n);
  }
  /** How a party manages an account; without a word of its own, nothing is kept and what is funded passes. */
  liquidity(account: string): Liquidity {
    return this.tables.liquidity.get(account) ?? NO_LIQUIDITY;
  }
  openSettlement(digest: InstructionDigest): Settlement | undefined {
    return this.tables.settlements.get(digest);
  }
  /** What is remembered under an initiator's id, if it is still on disk; past its `until` it no longer counts. */
  record(initiator: Bic, id: Uetr): IdRecord | undefined {
    const record = this.memory.record(initiator, id);
    const digest = this.openIds.get(initiator + id);
    const open = digest === undefined ? undefined : this.openSettlement(digest);
    if (open === undefined) return record;
    // What is open has its id for as long, also where its record's time is over or its lapse is late.
    const until = Number.MAX_SAFE_INTEGER as TimestampMs;
    if (record?.digest === digest) return { ...record, until } as IdRecord;
    return { ...open, code: this.standingOf(open), height: 0 as Height, time: open.since, until };
  }
  /** How an open settlement stands, as a receipt would say it. */
  standingOf(settlement: Settlement): 'proposed' | 'locked' | 'scheduled' | 'queued' {
    if (isLocked(settlement)) return 'locked';
    if (!isBound(settlement)) return 'proposed';
    return this.queue.isQueued(settlement) ? 'queued' : 'scheduled';
  }
  /** A settlement that is known to be open and bound. */
  boundSettlement(digest: InstructionDigest): BoundSettlement {
    const settlement = this.openSettlement(digest);
    assert(settlement !== undefined && isBound(settlement), 'what is in the queue is open and bound');
    return settlement;
  }

  /** A proof that an entry is there with its value, or that there is none of that name. */
  prove(table: TableName, name: string): StateProof {
    const key = stateKey(table, name);
    const path = statePath(key);
    const { siblings, end } = this.#tree.walk(path);
    const entry = anyOf(this.tables, table).get(name);
    if (entry !== undefined) return { key, value: encodeEntry(table, entry), siblings, other: null };
    return { key, value: null, siblings, other: end === null ? null : { path: end.path, valueHash: end.valueHash } };
  }

  /** The least block time at which something is due, or null. */
  nextTrigger(): TimestampMs | null {
    const due = this.nextDue();
    const scheduled = this.queue.nextScheduled();
    const lock = this.locks.next();
    const times = [
      due === null ? null : due.time + 1,
      lock === null ? null : lock.until + 1,
      scheduled?.notBefore ?? null,
      this.queue.nextPass(),
    ];
    const known = times.filter((time) => time !== null);
    return known.length === 0 ? null : (Math.min(...known) as TimestampMs);
  }
  nextDue(): Due | null {
    const text = first(this.#agenda);
    return text === null ? null : dueOf(text);
  }
  schedule(due: Due): void {
    this.#agenda = enter(this.#agenda, dueText(due));
  }
  unschedule(due: Due): void {
    this.#agenda = strike(this.#agenda, dueText(due));
  }

  /** Puts an open settlement among the open ones, with the trigger that ends it. */
  open(settlement: Settlement): void {
    this.tables.settlements.set(settlement.digest, settlement);
    this.#note(settlement, 1);
  }
  closeSettlement(settlement: Settlement): void {
    this.tables.settlements.delete(settlement.digest);
    this.#note(settlement, -1);
  }
  #note(settlement: Settlement, by: 1 | -1): void {
    const { digest, initiator, id } = settlement;
    bump(this.counts.open, initiator, by);
    bump(this.counts.openMovements, initiator, by * movementsAtMost(settlement));
    if (by === 1) {
      this.openIds.set(initiator + id, digest);
    } else if (this.openIds.get(initiator + id) === digest) {
      this.openIds.delete(initiator + id);
    }
    this.flows.note(settlement, this.standingOf(settlement), by);
    if (isLocked(settlement)) return this.#noteLock(settlement, by);
    const lapse: Due = { kind: 'lapse', time: endOf(settlement), settlement: digest };
    if (by === 1) {
      this.schedule(lapse);
      this.queue.open(settlement);
    } else {
      this.unschedule(lapse);
      this.queue.close(settlement);
    }
  }
  /** Moves into the queue what waited for its time, and what its accounts can expect with it. */
  join(settlement: BoundSettlement): void {
    this.flows.noteNext(settlement, 'scheduled', -1);
    this.queue.join(settlement);
    this.flows.noteNext(settlement, 'queued', 1);
  }
  /** A lock's end is no trigger: it waits for proposers. */
  #noteLock(settlement: LockedSettlement, by: 1 | -1): void {
    if (by === 1) return this.locks.open(settlement);
    this.locks.close(settlement);
    // What was held is there again for the queue.
    if (outlineOf(settlement).movements.some(({ name, net }) => net < 0n && this.queue.isDebited(name)))
      this.queue.stir();
  }
  /** Puts other priorities in the place of a bound settlement's. */
  reprioritise(settlement: BoundSettlement, priorities: BoundSettlement['bound']['priorities']): void {
    const next: BoundSettlement = { ...settlement, bound: { ...settlement.bound, priorities } };
    this.queue.close(settlement);
    this.tables.settlements.set(next.digest, next);
    this.queue.open(next);
    if (this.queue.isQueued(next)) this.queue.stir();
  }

  /** Lists of buckets that this layer dropped, and of all earlier ones. */
  #expired(): Changes['expired'] {
    let hour = -1;
    for (const [name, bucket] of this.tables.buckets.changes())
      if (bucket === null) hour = Math.max(hour, Number(name));
    return hour < 0 ? null : { from: listKey(0, 0), to: listKey(hour + 1, 0) };
  }

  #close(): void {
    for (const table of TABLE_NAMES) this.tables[table].freeze();
    for (const part of this.#derived()) part.freeze();
  }
  #derived(): readonly { fold(): void; freeze(): void }[] {
    return [
      ...COUNTED.map((counted) => this.counts[counted]),
      this.nodes,
      this.queue,
      this.flows,
      this.locks,
      this.openIds,
    ];
  }
}

const NO_LIQUIDITY: Liquidity = { isFifo: false, urgent: 0n as AmountMinor, high: 0n as AmountMinor };

const countsOf = (make: (counted: keyof Counts) => Table<number>): Counts =>
  Object.fromEntries(COUNTED.map((counted) => [counted, make(counted)])) as Counts;

export function bump(counts: Table<number>, party: Bic, by: number): void {
  const count = (counts.get(party) ?? 0) + by;
  if (count === 0) counts.delete(party);
  else counts.set(party, count);
}

/** A bucket goes when the last thing in it has stopped counting. */
const bucketDue = (hour: number): Due => ({ kind: 'bucket', time: (hour + 1) * HOUR_MS - 1, hour });

const changeDue = ({ openUntil, digest }: Change): Due => ({ kind: 'change', time: openUntil, change: digest });

/** A table whose kind is known by its name alone. */
const anyOf = (tables: Tables, table: TableName): Table<EntryOf<TableName>> => tables[table];

function collect(
  tables: Tables,
  table: TableName,
  state: { key: Uint8Array; value: Uint8Array | null }[],
  updates: TreeUpdate[],
): void {
  for (const [name, entry] of anyOf(tables, table).changes()) {
    const key = stateKey(table, name);
    const value = entry === null ? null : encodeEntry(table, entry);
    state.push({ key, value });
    // The definitions of stateproof.ts, through the shared buffer: these are most of what a block hashes.
    const path = layout.start(TAGS.stateKey).raw(key).digest();
    updates.push({ path, valueHash: value === null ? null : layout.start(TAGS.stateValue).raw(value).digest() });
  }
}

const authoritiesOf = (state: State): ReadonlyMap<string, Bic> =>
  new Map(
    state
      .participants()
      .filter((participant) => participant.authority)
      .map((participant) => [participant.jurisdiction, participant.party]),
  );
