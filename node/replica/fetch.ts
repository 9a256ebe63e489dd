/**
 * Getting from others what this node lacks, and giving them what they lack: certificates, blocks, batches, final blocks.
 * Every request is repeated at intervals, to one peer after another, until what it asks for has come.
 */
import { type Core, certificatesBetween } from '../../protocol/bft/core.js';
import { decodeBatch } from '../../protocol/block.js';
import type { Message } from '../../protocol/envelope.js';
import { BLOCK_BATCHES_MAX, SYNC_BLOCKS_MAX } from '../../protocol/limits.js';
import {
  type BlockHeader,
  faultsMax,
  type Height,
  type LanePoint,
  type PeerKey,
  unreachable,
  type ValidatorIndex,
} from '../../protocol/types.js';
import type { Ports, Purpose } from '../ports.js';
import type { Committed } from './block.js';
import type { Budget } from './budget.js';
import type { Chain } from './chain.js';
import { type Corrupt, unlessDamaged } from './checked.js';
import type { Lanes } from './lanes.js';
import type { Members } from './members.js';
import { getBatch, getBlock, getHandOver } from './records.js';
import type { Asking } from './turn.js';

/** What one answer sends at most, so that a request costs little and bulk leaves room for votes. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** About what a header takes on the wire. */
const HEADER_BYTES = 512;
const RESEND_BYTES_MAX = 2 * 1024 * 1024;
const CERTIFICATES_MAX = 64;
/** Nodes that a follower asks while no validator that it knows is connected. */
const FOLLOWED_ELSEWHERE_MAX = 8;
/** How many Δ a follower is remembered that does not say again that it follows. */
const FOLLOWED_DELTAS = 20;
/** How many Δ a batch of another author may lie uncut before its holders send it on to who lacks it. */
const FORWARD_DELTAS = 8;

interface Deps extends Pick<Ports, 'clock' | 'store' | 'bus'> {
  readonly members: Members;
  readonly deltaMs: number;
  /** After so many final blocks an answer ends, if one of them has a certificate; else at the first that has, within SYNC_BLOCKS_MAX. */
  readonly answerBlocks: number;
  readonly core: Core;
  readonly chain: Chain;
  readonly lanes: Lanes;
  readonly send: (to: PeerKey | null, purpose: Purpose, message: Message) => void;
  readonly budget: Budget;
  /** A record that the disk has damaged: it is not served until it is mended. */
  readonly onDamage: (corrupt: Corrupt) => void;
}

/** The so-many-th of two lists that are gone through in turn, each from its start again when it is through. */
function alternately<T>(times: number, first: readonly T[], second: readonly T[]): T | null {
  if (first.length === 0 || second.length === 0) {
    const all = [...first, ...second];
    return all[times % all.length] ?? null;
  }
  const list = times % 2 === 0 ? first : second;
  return list[Math.floor(times / 2) % list.length] as T;
}

export class Fetch {
  readonly #deps: Deps;
  /** When each thing was last asked for, and how often. */
  #asked = new Map<string, { atMs: number; times: number }>();
  /** When each batch was last sent to a peer that lacks it. */
  #resent = new Map<string, number>();
  /** What each peer last said of its final height. */
  readonly #finalHeights = new Map<PeerKey, number>();
  #finalSeen = 0;
  /** When final blocks were last asked for, and whose turn it is to be asked, and to be told how far this node is. */
  #finalAskedAtMs = 0;
  #askTurn = 0;
  #tellTurn = 0;
  /** When each peer was last told of this node's height because it is behind. */
  readonly #toldAtMs = new Map<PeerKey, number>();
  /** Which validator a follower wants blocks from as they come. */
  #home = 0;
  /** Nodes without a vote that want to hear of final blocks. */
  readonly #followers = new Map<PeerKey, { readonly atMs: number; readonly push: boolean }>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** The highest final height that at least one honest peer has told of, since f + 1 have. */
  get highestFinal(): number {
    const { others, size } = this.#deps.members;
    const descending = others.map((peer) => this.#finalHeights.get(peer) ?? 0).sort((a, b) => b - a);
    return descending[faultsMax(size)] ?? 0;
  }

  #say(to: PeerKey | null, purpose: Purpose, message: Message): void {
    this.#deps.send(to, purpose, message);
  }

  /** How far this node holds each lane, for those who build cuts and those who lag. */
  held(to: PeerKey | null = null): void {
    const { lanes, chain, members } = this.#deps;
    if (members.self === null && to === null) return this.follow();
    // Who has no vote tells its height all the same: it may be one that others left behind can learn it from.
    const points = members.self === null ? [] : lanes.tips();
    this.#say(to, 'consensus', { type: 'held', lanes: points, finalHeight: chain.final.header.height });
  }

  /** Asks for everything that `chain` wants. Cheap when nothing is wanted. */
  ask(): void {
    const { chain, lanes, deltaMs, members } = this.#deps;
    for (const block of chain.wants.blocks.keys()) {
      const times = this.#due(`block/${block}`, deltaMs);
      const to = times === 0 ? (this.#sources()[0] ?? null) : null;
      if (times !== null) this.#say(to, 'sync', { type: 'wantBlock', block });
    }
    for (const [lane, { after, point }] of chain.wants.batches) {
      const times = this.#due(`batch/${lane}/${point.digest}`, deltaMs);
      if (times === null) continue;
      const holders = members.others.filter((peer) => {
        const place = members.placeOf(peer);
        return place !== null && lanes.heldBy(lane, place).number >= point.number;
      });
      // In turn one who says that it holds them and one of the others: a liar says so too, and who went on to another epoch does not.
      const others = this.#sources().filter((peer) => !holders.includes(peer));
      const from = alternately(times, holders, others);
      // Of a later incarnation everything is wanted, from its first batch on.
      const floor = point.incarnation === after.incarnation ? after.number : 0;
      this.#say(from, 'sync', { type: 'wantBatches', lane, after: floor, point });
    }
  }

  /** Whom to ask for what is final: the validators of this epoch first, then whoever says that it is further. */
  #sources(): PeerKey[] {
    const { chain, members } = this.#deps;
    const { height } = chain.final.header;
    const further = [...this.#finalHeights].flatMap(([peer, told]) =>
      told > height && members.placeOf(peer) === null ? [peer] : [],
    );
    return [...members.others, ...further];
  }

  /** How often it was asked before, when it is time to ask again; null when it is not. */
  #due(name: string, everyMs: number): number | null {
    const now = this.#deps.clock.elapsed();
    const last = this.#asked.get(name);
    if (last !== undefined && now - last.atMs < everyMs) return null;
    const times = last?.times ?? 0;
    this.#asked.set(name, { atMs: now, times: times + 1 });
    return times;
  }

  /** Once in a Δ: catch up with who is ahead, and send again what others lack. True while anything is outstanding. */
  tend(): boolean {
    const { chain, clock, deltaMs, members } = this.#deps;
    const now = clock.elapsed();
    for (const [name, { atMs }] of this.#asked) if (now - atMs > 20 * deltaMs) this.#asked.delete(name);
    for (const [name, atMs] of this.#resent) if (now - atMs > 20 * deltaMs) this.#resent.delete(name);
    const { height } = chain.final.header;
    const stands = height === this.#finalSeen;
    this.#finalSeen = height;
    const ahead = this.#sources().filter((peer) => (this.#finalHeights.get(peer) ?? 0) > height);
    // Who serves one block at a time is not the only one that is asked.
    if (ahead.length > 0 && (stands || now - this.#finalAskedAtMs >= 4 * deltaMs)) {
      // A follower's own validator lets it fall behind: the next one is asked to push.
      if (members.self === null && stands) this.#home += 1;
      this.#askTurn += 1;
      this.#finalAskedAtMs = now;
      // Any number of others may say that they are further: each second time it is one of the set.
      const isOfSet = (peer: PeerKey): boolean => members.placeOf(peer) !== null;
      const others = ahead.filter((peer) => !isOfSet(peer));
      const to = alternately(this.#askTurn, ahead.filter(isOfSet), others);
      this.#say(to, 'sync', { type: 'wantFinal', from: (height + 1) as Height });
    }
    // Also while somebody says that it is ahead: that may be a lie.
    if (stands) this.#lookAround();
    return (
      (members.self !== null && this.#resend()) ||
      this.highestFinal > height ||
      chain.wants.blocks.size > 0 ||
      chain.wants.batches.size > 0
    );
  }

  /** While nothing moves, others than the validators hear how far this node is: they know what became of a set that is gone. */
  #lookAround(): void {
    const { bus, members } = this.#deps;
    const peers = bus.peers().flatMap(({ peer, connected }) => (connected ? [peer] : []));
    const others = peers.filter((peer) => members.placeOf(peer) === null);
    this.#tellTurn += 1;
    const to = others[this.#tellTurn % Math.max(1, others.length)];
    if (to !== undefined) this.held(to);
  }

  /** Authors send their batches until all hold them; holders send on what stays uncut for long, so that an author's end keeps nothing from being ordered. */
  #resend(): boolean {
    const { lanes, members, clock, chain, deltaMs } = this.#deps;
    const now = clock.elapsed();
    const time = Math.max(clock.now(), chain.final.header.time + 1);
    let outstanding = false;
    for (const lane of members.set.validators.keys()) {
      const waitMs = lane === members.self ? 2 * deltaMs : FORWARD_DELTAS * deltaMs;
      const uncut = lanes.unordered(lane as ValidatorIndex);
      // What no leader can order yet is its author's to spread: for others it would be work without end.
      const end = lane === members.self ? -1 : uncut.findIndex(({ dueTimeMs }) => dueTimeMs > time);
      const old = (end === -1 ? uncut : uncut.slice(0, end)).filter((held) => now - held.sinceMs >= waitMs);
      for (const peer of members.others) {
        const place = members.placeOf(peer);
        if (place === null) continue;
        const has = lanes.heldBy(lane as ValidatorIndex, place);
        let bytes = 0;
        for (const held of old) {
          const { incarnation, number } = held.batch;
          if (has.incarnation > incarnation || (has.incarnation === incarnation && has.number >= number)) continue;
          outstanding = true;
          const name = `${peer}/${held.digest}`;
          if (bytes > RESEND_BYTES_MAX) break;
          if (now - (this.#resent.get(name) ?? 0) < 4 * deltaMs) continue;
          bytes += held.bytes.length;
          this.#resent.set(name, now);
          this.#say(peer, 'batches', { type: 'batch', bytes: held.bytes, signature: held.signature });
        }
      }
    }
    return outstanding;
  }

  /** Answers a peer. */
  answer(from: PeerKey, message: Asking): void {
    unlessDamaged(() => this.#answer(from, message), this.#deps.onDamage);
  }

  #answer(from: PeerKey, message: Asking): void {
    const { core, chain, lanes, members } = this.#deps;
    if (message.type !== 'held' && !this.#deps.budget.mayAsk(from)) return;
    switch (message.type) {
      case 'held': {
        const place = members.placeOf(from);
        if (place !== null && message.lanes.length === members.size) lanes.acknowledge(place, message.lanes);
        this.#finalHeights.set(from, message.finalHeight);
        this.#tellIfBehind(from, message);
        break;
      }
      case 'wantCertificates':
        for (const certificate of certificatesBetween(core, message.from, message.until, CERTIFICATES_MAX)) {
          this.#say(from, 'consensus', { type: 'certificate', certificate });
        }
        break;
      case 'wantBlock': {
        const proposal = chain.get(message.block)?.proposal ?? null;
        if (proposal !== null) this.#say(from, 'sync', { type: 'proposal', proposal });
        break;
      }
      case 'wantBatches':
        this.#sendBatches(from, message);
        break;
      case 'wantFinal':
        this.#sendFinal(from, message.from);
        break;
      case 'wantHandOver': {
        const handOver = getHandOver(this.#deps.store, message.to);
        // One that still lacks the new set's statements proves nothing to others.
        if (handOver !== null && handOver.statements.length > 0)
          this.#say(from, 'sync', { type: 'handOver', handOver });
        break;
      }
      case 'follow':
        this.#followers.set(from, { atMs: this.#deps.clock.elapsed(), push: message.push });
        this.held(from);
        break;
      default:
        unreachable(message);
    }
  }

  /** Who is of an epoch that is over, or no member of this one, is told by nobody else how far the ledger has come. */
  #tellIfBehind(peer: PeerKey, { epoch, finalHeight }: Extract<Asking, { type: 'held' }>): void {
    const { chain, clock, deltaMs, members } = this.#deps;
    const isHeard = epoch === members.set.epoch && members.self !== null && members.placeOf(peer) !== null;
    if (isHeard || finalHeight >= chain.final.header.height) return;
    const now = clock.elapsed();
    if (now - (this.#toldAtMs.get(peer) ?? Number.NEGATIVE_INFINITY) < 2 * deltaMs) return;
    this.#toldAtMs.set(peer, now);
    this.held(peer);
  }

  /** Walks back from the point asked for, and sends oldest first as much as one answer may hold. */
  #sendBatches(to: PeerKey, { lane, after, point, epoch }: Extract<Asking, { type: 'wantBatches' }>): void {
    const found: { bytes: Uint8Array; signature: Uint8Array }[] = [];
    let bytes = 0;
    const isCurrent = epoch === this.#deps.members.set.epoch;
    let at: LanePoint = point;
    for (let steps = 0; steps < 2 * BLOCK_BATCHES_MAX && at.number > Math.max(0, after); steps++) {
      const held = isCurrent ? this.#deps.lanes.get(lane, at.digest) : undefined;
      const stored = held ?? getBatch(this.#deps.store, epoch, lane, at);
      if (stored == null) break;
      found.push(stored);
      bytes += stored.bytes.length;
      // The oldest are sent: of the newer ones no more is kept in memory than one answer may have.
      while (bytes > ANSWER_BYTES_MAX && found.length > 1) bytes -= found.shift()?.bytes.length ?? 0;
      const batch = held?.batch ?? decodeBatch(stored.bytes);
      if (batch === null) break;
      at = { incarnation: batch.incarnation, number: batch.number - 1, digest: batch.previous };
    }
    for (const signed of found.reverse()) {
      this.#deps.budget.spend(to, signed.bytes.length);
      this.#say(to, 'sync', { type: 'batch', bytes: signed.bytes, signature: signed.signature });
    }
  }

  /** New final blocks, with the batches that they order, to those who follow this node: so they are a message behind, not three. */
  push(blocks: readonly Committed[]): void {
    const { clock, deltaMs, members } = this.#deps;
    const last = blocks.at(-1);
    if (last === undefined || members.self === null) return;
    for (const [peer, { atMs, push }] of this.#followers) {
      if (clock.elapsed() - atMs > FOLLOWED_DELTAS * deltaMs) this.#followers.delete(peer);
      if (!push || !this.#deps.budget.mayAsk(peer)) continue;
      for (const held of blocks.flatMap(({ executed }) => executed.lanes.flat())) {
        this.#deps.budget.spend(peer, held.bytes.length);
        this.#say(peer, 'batches', { type: 'batch', bytes: held.bytes, signature: held.signature });
      }
      // Nobody's question: what cannot be read is told by the next one.
      unlessDamaged(() => this.#sendFinal(peer, blocks[0]?.block.header.height as Height), this.#deps.onDamage);
    }
  }

  /** Says to validators that this node follows: one pushes, the others tell their height, so that no single one can hide the rest. */
  follow(): void {
    const { chain, members } = this.#deps;
    const { height } = chain.final.header;
    const connected = this.#deps.bus.peers().flatMap(({ peer, connected: isUp }) => (isUp ? [peer] : []));
    const validators = members.others.filter((peer) => connected.includes(peer));
    // Of a set that is long gone, others know what became of it.
    const heard = validators.length > 0 ? validators : connected.slice(0, FOLLOWED_ELSEWHERE_MAX);
    const home = heard[this.#home % Math.max(1, heard.length)];
    for (const peer of heard) this.#say(peer, 'consensus', { type: 'follow', height, push: peer === home });
  }

  /** Final blocks from a height on, up to a certified one: as many as one answer may hold, within what a lane may be ahead. */
  #sendFinal(to: PeerKey, from: Height): void {
    const { answerBlocks } = this.#deps;
    const headers: BlockHeader[] = [];
    let whole: Extract<Message, { type: 'final' }> | null = null;
    // An answer must end with a certificate: to the first one it may be as long as a message holds.
    for (let height = from; headers.length < (whole === null ? SYNC_BLOCKS_MAX : answerBlocks); height++) {
      const record = getBlock(this.#deps.store, height);
      if (record === null) break;
      if (record.header.epoch !== (headers[0] ?? record.header).epoch) break;
      // A run of closing blocks longer than a message can hold is not to be had: those after it are by a snapshot.
      if (headers.length + 1 + record.closing.length > SYNC_BLOCKS_MAX) break;
      headers.push(record.header);
      const ahead = record.header.cut.some(
        (point, i) => point.number - (headers[0]?.cut[i]?.number ?? 0) > BLOCK_BATCHES_MAX,
      );
      if (ahead && whole !== null) break;
      if (record.certificate !== null)
        whole = { type: 'final', headers: [...headers, ...record.closing], certificate: record.certificate };
    }
    if (whole !== null) {
      this.#deps.budget.spend(to, HEADER_BYTES * whole.headers.length);
      this.#say(to, 'sync', whole);
    } else if (from <= this.#deps.chain.final.header.height) {
      // What cannot be shown with a certificate in one answer is as good as gone: a snapshot leads past it.
      this.#say(to, 'sync', { type: 'gone', height: from });
    }
  }
}
