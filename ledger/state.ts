/**
 * The state of the ledger after a block: typed entries in layers, one Merkle tree over them, and what is due when.
 * A state is open while its block is applied, then sealed; it is persistent, so that rival branches share what they agree on.
 */
import { fromHex, toHex } from '../protocol/codec.js';
import { type PublicKey, publicKeyOf } from '../protocol/crypto.js';
import { hashPairs, type PairHasher, TAGS } from '../protocol/hash.js';
import { ed25519Thumbprint } from '../protocol/instruction.js';
import { PASS_MOVEMENTS_PER_MS } from '../protocol/limits.js';
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
import {
  type Account,
  type Asset,
  accountName,
  type BoundSettlement,
  bucketName,
  type Change,
  decodeEntry,
  type EntryOf,
  encodeEntry,
  endOf,
  type Liquidity,
  memberName,
  nameOfKey,
  type Parameters,
  type Participant,
  type QueueMark,
  type RegisteredKey,
  type Settlement,
  stateKey,
  TABLE_NAMES,
  type TableName,
} from './entries.js';
import { layout } from './layout.js';
import { HOUR_MS, type IdEntry, type IdRecord, listKey, Memory, type Recall } from './memory.js';
import { EMPTY_SET, enter, first, type OrderedSet, strike } from './orderedset.js';
import { Book } from './queue/book.js';
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
/** How many open settlements a party has begun, how many of its consents and withdrawals wait, how many nodes it has: counted, not stored. */
interface Counts {
  readonly open: Table<number>;
  readonly waiting: Table<number>;
  readonly nodes: Table<number>;
}

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
  /** Who is bound and has not settled; derived from the settlements. */
  readonly book: Book;
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
    parts: Pick<State, 'tables' | 'counts' | 'nodes' | 'book' | 'memory' | 'hasher'>,
    tree: Tree,
    agenda: OrderedSet,
  ) {
    this.#parent = parent;
    this.tables = parts.tables;
    this.counts = parts.counts;
    this.nodes = parts.nodes;
    this.book = parts.book;
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
    for (const [, settlement] of state.tables.settlements.entries()) state.#note(settlement);
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
    const empty = () => Table.over(new Map<string, number>());
    const counts = { open: empty(), waiting: empty(), nodes: empty() };
    const nodes = Table.over(new Map<string, Bic>());
    const parts = { tables, counts, nodes, book: Book.empty(), memory: new Memory(recall), hasher };
    return new State(null, parts, Tree.empty(hasher), EMPTY_SET);
  }

  /** An open state over this sealed one, for the next block. */
  child(): State {
    assert(this.#changes !== null, 'a block goes over a sealed state');
    const tables = Object.fromEntries(
      TABLE_NAMES.map((name) => [name, this.tables[name].child()]),
    ) as unknown as Tables;
    const { counts: counted, nodes } = this;
    const counts = { open: counted.open.child(), waiting: counted.waiting.child(), nodes: counted.nodes.child() };
    const { hasher } = this;
    const parts = {
      tables,
      counts,
      nodes: nodes.child(),
      book: this.book.child(),
      memory: this.memory.child(),
      hasher,
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
    this.counts.open.fold();
    this.counts.waiting.fold();
    this.counts.nodes.fold();
    this.nodes.fold();
    this.book.fold();
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
    return this.memory.record(initiator, id);
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
    const times = [due === null ? null : due.time + 1, this.book.nextScheduled()?.notBefore ?? null, this.nextPass()];
    const known = times.filter((time) => time !== null);
    return known.length === 0 ? null : (Math.min(...known) as TimestampMs);
  }
  /** The least block time at which a pass through the queue is due, or null. A longer queue has them at a longer pace. */
  nextPass(): TimestampMs | null {
    const { stirred, passedAt } = this.queueMark;
    if (!stirred || this.book.queuedMovements === 0) return null;
    return (passedAt + Math.ceil(this.book.queuedMovements / PASS_MOVEMENTS_PER_MS)) as TimestampMs;
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
    this.#note(settlement);
  }
  closeSettlement(settlement: Settlement): void {
    this.tables.settlements.delete(settlement.digest);
    this.unschedule(lapseOf(settlement));
    bump(this.counts.open, settlement.initiator, -1);
    if (!isBound(settlement)) return this.book.unpropose(settlement);
    const isDue = this.isDue(settlement);
    this.book.remove(settlement, isDue);
    // It may have been in the way of others.
    if (isDue) this.stir();
  }
  #note(settlement: Settlement): void {
    this.schedule(lapseOf(settlement));
    bump(this.counts.open, settlement.initiator, 1);
    if (isBound(settlement)) this.book.add(settlement, this.isDue(settlement));
    else this.book.propose(settlement);
  }

  get queueMark(): QueueMark {
    return this.tables.queue.get('') ?? NO_QUEUE;
  }
  markQueue(change: Partial<QueueMark>): void {
    this.tables.queue.set('', { ...this.queueMark, ...change });
  }
  /** Whether a bound settlement stands in the queue, its time having come. */
  isDue({ terms }: BoundSettlement): boolean {
    return terms.notBefore <= this.queueMark.releasedTo;
  }
  /** Gives a bound settlement other priorities, in what parties pay. */
  move(settlement: BoundSettlement, moved: BoundSettlement['bound']['moved']): void {
    const next: BoundSettlement = { ...settlement, bound: { ...settlement.bound, moved } };
    const isDue = this.isDue(settlement);
    this.book.remove(settlement, isDue);
    this.tables.settlements.set(next.digest, next);
    this.book.add(next, isDue);
    if (isDue) this.stir();
  }
  /** Something has changed that may let a settlement of the queue through. */
  stir(): void {
    if (!this.queueMark.stirred && this.book.queuedMovements > 0) this.markQueue({ stirred: true });
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
    this.counts.open.freeze();
    this.counts.waiting.freeze();
    this.counts.nodes.freeze();
    this.nodes.freeze();
    this.book.freeze();
  }
}

const NO_LIQUIDITY: Liquidity = { isFifo: false, urgent: 0n as AmountMinor, high: 0n as AmountMinor };

const NO_QUEUE: QueueMark = {
  next: 0,
  releasedTo: 0 as TimestampMs,
  passedAt: 0 as TimestampMs,
  stirred: false,
};

const isBound = (settlement: Settlement): settlement is BoundSettlement =>
  settlement.bound !== null && settlement.terms !== null;

const lapseOf = (settlement: Settlement): Due => ({
  kind: 'lapse',
  time: endOf(settlement),
  settlement: settlement.digest,
});

export function bump(counts: Table<number>, party: Bic, by: 1 | -1): void {
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
