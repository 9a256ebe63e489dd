/**
 * Getting a snapshot: from whoever offers one, a chunk at a time, each checked against a certified root before it is kept.
 * What is kept outlives a crash, and a change to a later snapshot as far as it is the same there. Who sends what is not
 * true is named and asked no more.
 */
import { checkedEntries, checkedLists } from '../../ledger/snapshot.js';
import { certificateChecks } from '../../protocol/certificate.js';
import { concat, type PairHasher } from '../../protocol/hash.js';
import {
  type ChunkName,
  decodeManifest,
  hashOfNode,
  judgeManifest,
  type Manifest,
  nameOfChunk,
  type SnapshotMessage,
} from '../../protocol/snapshot.js';
import {
  assert,
  type Epoch,
  type Height,
  type NetworkId,
  type PeerKey,
  type ValidatorSet,
} from '../../protocol/types.js';
import type { Ports } from '../ports.js';
import { Staging } from './staging.js';

export type SnapshotAnswer = Extract<SnapshotMessage, { type: 'snapshot' | 'chunk' }>;

interface Deps extends Pick<Ports, 'store' | 'clock' | 'log' | 'verifier'> {
  readonly network: NetworkId;
  readonly hasher: PairHasher;
  /** What a message and its answer take, with room; `tick` is called about this often. */
  readonly deltaMs: number;
  readonly peers: () => readonly PeerKey[];
  /** The set of an epoch, as far as this node has followed the hand-overs; null beyond. */
  readonly setOf: (epoch: Epoch) => ValidatorSet | null;
  readonly send: (to: PeerKey, message: SnapshotMessage) => void;
  readonly punish: (peer: PeerKey, reason: string) => void;
  /** The snapshot of this height is whole: when nothing else uses the store, `seal` marks it and `finishInstall` takes it up. */
  readonly onReady: (height: Height) => void;
}

interface Asked {
  readonly peer: PeerKey;
  readonly name: ChunkName;
  readonly parts: Uint8Array[];
  /** When it was last heard of. */
  sinceMs: number;
  /** All of it came, and is being checked. */
  taken: boolean;
}

const UNDER_WAY_MAX = 4;
/** How many Δ a request may take, and how many there are between two calls for offers. */
const PATIENCE_DELTAS = 20;
const CALL_DELTAS = 4;
/** Calls after which another height is taken up, when nobody offers that of the manifest. */
const CALLS_BEFORE_CHANGE = 3;

export class SnapshotSync {
  readonly #deps: Deps;
  readonly #staging: Staging;
  readonly #offers = new Map<PeerKey, Height>();
  readonly #liars = new Set<PeerKey>();
  readonly #asked = new Map<string, Asked>();
  #minHeight: Height | null = null;
  #calledAtMs = Number.NEGATIVE_INFINITY;
  #callsInVain = 0;
  #turn = 0;
  #loaded = false;
  #done = false;
  /** Checks and writes, one after another. */
  #work: Promise<void> = Promise.resolve();
  /** The epoch of the last manifest that could not be checked for want of its set, or null. */
  unknownEpoch: Epoch | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#staging = new Staging(deps.store);
  }

  get isActive(): boolean {
    return this.#minHeight !== null && !this.#done;
  }

  /** Begins, or asks for a later one: only a snapshot of `minHeight` or later is of use. Goes on with what an earlier process left. */
  begin(minHeight: Height): void {
    if (this.#minHeight === null) {
      this.#then(async () => {
        if (!this.#loaded) await this.#staging.load();
        this.#loaded = true;
        await this.#finish();
      });
    }
    this.#minHeight = minHeight;
  }

  /** The node has caught up otherwise. What is staged stays, for the next time. */
  end(): void {
    if (this.#done) return;
    this.#minHeight = null;
    this.#asked.clear();
    this.#offers.clear();
  }

  /** Marks what is staged to be installed; false when it is not whole, or of no use any more. Once all is settled. */
  seal(): Promise<boolean> {
    return this.#staging.seal();
  }

  /** Asks for what is missing, and again for what did not come. */
  tick(): void {
    if (!this.isActive || !this.#loaded) return;
    const now = this.#deps.clock.elapsed();
    for (const [text, { peer, sinceMs, taken }] of this.#asked) {
      if (taken || now - sinceMs < PATIENCE_DELTAS * this.#deps.deltaMs) continue;
      // Whoever is silent may offer again.
      this.#offers.delete(peer);
      this.#asked.delete(text);
    }
    const holders = this.#holders();
    if (holders.length === 0) this.#seek(now);
    this.#fill(holders);
  }

  /** What a peer sent. What was not asked for is passed over. */
  receive(from: PeerKey, message: SnapshotAnswer): void {
    if (!this.isActive || !this.#loaded || this.#liars.has(from)) return;
    if (message.type === 'snapshot') {
      if (message.height >= (this.#minHeight ?? 0)) this.#offers.set(from, message.height);
      this.tick();
      return;
    }
    const text = nameOfChunk(message.name);
    const asked = this.#asked.get(text);
    if (asked === undefined || asked.peer !== from || asked.taken || message.part !== asked.parts.length) return;
    asked.parts.push(message.bytes);
    asked.sinceMs = this.#deps.clock.elapsed();
    if (asked.parts.length < message.parts) {
      this.#deps.send(from, { type: 'wantChunk', name: asked.name, part: asked.parts.length });
      return;
    }
    asked.taken = true;
    this.#then(async () => {
      const lie = await this.#take(asked.name, concat(...asked.parts), from);
      this.#asked.delete(text);
      if (lie !== null) this.#accuse(from, lie);
      await this.#finish();
      this.tick();
    });
  }

  /** Resolves when nothing is being checked or written. */
  async settled(): Promise<void> {
    await this.#work;
  }

  #then(step: () => Promise<void>): void {
    this.#work = this.#work.then(step);
  }

  /** The manifest that is followed, if it is late enough. */
  get #manifest(): Manifest | null {
    const { manifest } = this.#staging;
    return manifest !== null && manifest.header.height >= (this.#minHeight ?? 0) ? manifest : null;
  }

  #holders(): PeerKey[] {
    const height = this.#manifest?.header.height;
    return [...this.#offers].flatMap(([peer, offered]) => (offered === height ? [peer] : []));
  }

  /** Nobody offers the height that is followed: call for offers, and at last follow another. */
  #seek(now: number): void {
    const isPatient = this.#manifest !== null && this.#callsInVain < CALLS_BEFORE_CHANGE;
    const [offer] = [...this.#offers].filter(([peer]) => !this.#liars.has(peer));
    if (offer !== undefined && !isPatient && this.#asked.size === 0) {
      const [peer, height] = offer;
      this.#ask(peer, { kind: 'manifest', height }, now);
    }
    if (now - this.#calledAtMs < CALL_DELTAS * this.#deps.deltaMs) return;
    this.#calledAtMs = now;
    this.#callsInVain += 1;
    const minHeight = this.#minHeight ?? (0 as Height);
    for (const peer of this.#deps.peers()) {
      if (!this.#liars.has(peer)) this.#deps.send(peer, { type: 'wantSnapshot', minHeight });
    }
  }

  #fill(holders: readonly PeerKey[]): void {
    const manifest = this.#manifest;
    if (manifest === null || holders.length === 0) return;
    const now = this.#deps.clock.elapsed();
    for (const name of this.#missing(manifest)) {
      if (this.#asked.size >= UNDER_WAY_MAX) return;
      this.#turn += 1;
      const peer = holders[this.#turn % holders.length];
      if (peer !== undefined && !this.#asked.has(nameOfChunk(name))) this.#ask(peer, name, now);
    }
  }

  #missing({ header, depth }: Manifest): ChunkName[] {
    const { height } = header;
    const name = (index: number): ChunkName => ({ kind: 'state', height, depth, index });
    const state = this.#staging.missingState(UNDER_WAY_MAX, (index) => this.#asked.has(nameOfChunk(name(index))));
    if (!this.#staging.isStateWhole) return state.map(name);
    return this.#staging.missingHours().map(({ hour, before }) => ({ kind: 'ids', height, hour, chain: before }));
  }

  #ask(peer: PeerKey, name: ChunkName, now: number): void {
    this.#asked.set(nameOfChunk(name), { peer, name, parts: [], sinceMs: now, taken: false });
    this.#deps.send(peer, { type: 'wantChunk', name, part: 0 });
  }

  #accuse(peer: PeerKey, lie: string): void {
    this.#liars.add(peer);
    this.#offers.delete(peer);
    for (const [text, asked] of this.#asked) if (asked.peer === peer && !asked.taken) this.#asked.delete(text);
    this.#deps.log.warn({ peer, lie }, 'a peer sent a snapshot that is not true');
    this.#deps.punish(peer, `a snapshot with a lie in it: ${lie}`);
  }

  /** Keeps a chunk if it is what it must be; else says what is wrong with it. */
  async #take(name: ChunkName, bytes: Uint8Array, from: PeerKey): Promise<string | null> {
    const manifest = this.#manifest;
    if (name.kind === 'manifest') return this.#takeManifest(bytes, name.height, from);
    // What was asked for under an earlier manifest.
    if (manifest === null || manifest.header.height !== name.height) return null;
    if (name.kind === 'state') {
      const { depth, index } = name;
      const node = manifest.nodes[index];
      assert(node !== undefined && depth === manifest.depth, 'a chunk that was asked for is of the manifest');
      if (checkedEntries(bytes, { depth, index, hash: hashOfNode(node) }, this.#deps.hasher) === null) return 'state';
      await this.#staging.addState(index, bytes);
      this.#callsInVain = 0;
    } else if (name.kind === 'ids') {
      const lists = checkedLists(bytes, name.chain);
      if (lists === null) return 'ids';
      await this.#staging.addLists(name.hour, lists, bytes);
      this.#callsInVain = 0;
    }
    return null;
  }

  async #takeManifest(bytes: Uint8Array, height: Height, from: PeerKey): Promise<string | null> {
    const manifest = decodeManifest(bytes);
    if (manifest === null || manifest.header.height !== height) return 'manifest';
    const set = this.#deps.setOf(manifest.header.epoch);
    if (set === null) {
      // No lie that could be shown: the hand-overs must be fetched first.
      this.unknownEpoch = manifest.header.epoch;
      this.#offers.delete(from);
      return null;
    }
    const { network, verifier, log } = this.#deps;
    const refusal = judgeManifest(manifest, { network, set });
    if (refusal !== null) return refusal;
    const verdicts = await verifier.verify(certificateChecks(manifest.certificate, network, set));
    if (!verdicts.every((verdict) => verdict)) return 'bad_signature';
    await this.#staging.begin(manifest);
    this.unknownEpoch = null;
    this.#callsInVain = 0;
    log.info({ height, chunks: manifest.nodes.length }, 'fetching a snapshot');
    return null;
  }

  async #finish(): Promise<void> {
    const manifest = this.#manifest;
    if (!this.isActive || manifest === null || !this.#staging.isStateWhole || this.#staging.missingHours().length > 0)
      return;
    if (!(await this.#staging.isWhole())) return;
    this.#done = true;
    this.#deps.onReady(manifest.header.height);
  }
}
