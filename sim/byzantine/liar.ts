/**
 * A liar: the production replica behind a bus that lies. Its replica does what an honest one does, so that a lie comes at
 * the right moment; what it says is changed, held back, added to or told to some only, and signed with its own keys.
 * A lie is a row of `lies.ts`; the seed switches them on and off.
 */
import type { Bus, Clock, Ports, Purpose, Signer } from '../../node/ports.js';
import { batchSigningBytes, blockId, decodeBatch, voteSigningBytes } from '../../protocol/block.js';
import { decodeMessage, encodeMessage, type Framed, type Message } from '../../protocol/envelope.js';
import {
  assert,
  type Ballot,
  type BatchDigest,
  type BlockHeader,
  type Epoch,
  type NetworkId,
  type PeerKey,
  type Proposal,
  type ValidatorIndex,
  type ValidatorSet,
  type View,
  type Vote,
} from '../../protocol/types.js';
import type { Random } from '../random.js';
import { type LanePlan, LiarLane, type SignedLaneBatch } from './liarlane.js';
import { Overheard, Remembered } from './overheard.js';

/** Where a liar sits in the epoch that its replica serves. */
export interface Seat {
  readonly set: ValidatorSet;
  readonly self: ValidatorIndex;
}

export interface LiarParts {
  readonly network: NetworkId;
  /** Its place now, or null while it has none: then it does not lie. */
  readonly seat: () => Seat | null;
  /** Δ of the replicas, in milliseconds: lies about time are told around it, and those told unasked once in it. */
  readonly deltaMs: number;
  readonly random: Random;
  /** Told of each lie by its situation's name, `lie_…`, when it truly happened. */
  readonly met: (situation: string) => void;
}

/** What a liar has while its process runs. */
interface Wires {
  readonly bus: Bus;
  readonly signer: Signer;
  readonly clock: Clock;
  hear: (from: PeerKey, purpose: Purpose, frame: Uint8Array) => void;
}

/** A message on its way to a peer. */
export interface Said<M extends Message = Message> {
  readonly to: PeerKey;
  readonly purpose: Purpose;
  readonly message: M;
}
/** What goes out in place of a message: null leaves it as it is, no message withholds it. */
export type Instead = readonly Message[] | null;

export interface Lie {
  /** What it does. */
  readonly does: string;
  /** The rule of protocol/SPEC.md that is to hold against it. */
  readonly rule: string;
  /** Sees what its replica says to a peer. */
  readonly speak?: (liar: Liar, said: Said) => Instead | Promise<Instead>;
  /** Sees what a peer says; false keeps it from the replica. */
  readonly hear?: (liar: Liar, from: PeerKey, message: Message) => boolean;
  /** Done once in a Δ, unasked. */
  readonly act?: (liar: Liar) => void | Promise<void>;
  /** Sees a batch of its own lane before it is made. */
  readonly author?: (liar: Liar, plan: LanePlan) => LanePlan;
}

const CHOICES_MAX = 1_000;

const ballotKey = (epoch: Epoch, { kind, view, block, root }: Ballot): string =>
  `${epoch}/${kind}/${view}/${block}/${root}`;

const voteIn = (message: Message): Vote | null => {
  if (message.type === 'vote') return message.vote;
  return message.type === 'proposal' ? message.proposal.vote : null;
};

export class Liar {
  readonly parts: LiarParts;
  readonly overheard: Overheard;
  readonly lane = new LiarLane();
  /** What it is telling now. */
  readonly telling = new Set<string>();
  /** The highest view that it has heard of from its own replica. */
  view = 1 as View;
  /** The bank whose instructions it would keep out, once it has chosen one. */
  victimParty: string | null = null;
  readonly #lies: ReadonlyMap<string, Lie>;
  readonly #choices = new Remembered<string, unknown>(CHOICES_MAX);
  readonly #turns = new Map<string, number>();
  /** By ballot that its key has signed: whether its replica knows nothing of that. */
  readonly #ballots = new Remembered<string, boolean>(CHOICES_MAX);
  #wires: Wires | null = null;
  #epoch = 0 as Epoch;

  constructor(parts: LiarParts, lies: ReadonlyMap<string, Lie>) {
    this.parts = parts;
    this.#lies = lies;
    this.overheard = new Overheard(parts.random);
  }

  /** Begins a lie, or ends it. */
  tell(name: string, on = true): void {
    assert(this.#lies.has(name), `a lie of the table: ${name}`);
    if (on) this.telling.add(name);
    else this.telling.delete(name);
  }

  get random(): Random {
    return this.parts.random;
  }

  met(name: string): void {
    this.parts.met(`lie_${name}`);
  }

  /** The ports for its replica. They are asked for anew with each start of the process; what the liar knows outlives that. */
  wrap(ports: Ports): Ports {
    return { ...ports, bus: this.#bus(ports) };
  }

  #bus({ bus, signer, clock }: Pick<Ports, 'bus' | 'signer' | 'clock'>): Bus {
    const wires: Wires = { bus, signer, clock, hear: () => {} };
    this.#wires = wires;
    bus.onFrame((from, purpose, frame) => this.#hear(wires, from, purpose, frame));
    const again = (): void => {
      this.#act();
      if (this.#wires === wires) clock.after(this.parts.deltaMs, again);
    };
    clock.after(this.parts.deltaMs, again);
    return {
      send: (to, purpose, frame) => void this.#speak(wires, to, purpose, frame),
      onFrame: (handler) => {
        wires.hear = handler;
      },
      onPeer: (handler) => bus.onPeer(handler),
      punish: (peer, reason) => bus.punish(peer, reason),
      allow: (peers) => bus.allow(peers),
      peers: () => bus.peers(),
    };
  }

  /** Its seat, while it has one. */
  seat(): Seat | null {
    return this.parts.seat();
  }

  /** The other validators, in their order. */
  others(): readonly PeerKey[] {
    const seat = this.seat();
    return seat === null
      ? []
      : seat.set.validators.flatMap(({ networkKey }, i) => (i === seat.self ? [] : [networkKey]));
  }

  isOwn({ header }: Pick<Proposal, 'header'>): boolean {
    const seat = this.seat();
    return seat !== null && header.proposer === seat.self && header.epoch === seat.set.epoch;
  }

  isOwnVote({ signer }: Pick<Vote, 'signer'>): boolean {
    return this.seat()?.self === signer;
  }

  /** Something chosen once and then kept to: what it told a peer of a view it tells it again. */
  choice<T>(name: string, choose: () => T): T {
    return this.#choices.made(`${this.#epoch}/${name}`, choose) as T;
  }

  /** The author whose lane it would keep out: one for good, as the seed has it. */
  victim(): ValidatorIndex {
    const { set, self } = this.#taken();
    const n = set.validators.length;
    return this.choice(`victim/${set.epoch}`, () => ((self + this.random.between(1, n - 1)) % n) as ValidatorIndex);
  }

  /** The next row of a table of lies, from where the seed has it begin: in the end all are told. */
  inTurn<L>(table: Readonly<Record<string, L>>): { readonly name: string; readonly lie: L } {
    const names = Object.keys(table);
    const key = names.join();
    const turn = this.#turns.get(key) ?? this.random.between(0, names.length - 1);
    this.#turns.set(key, turn + 1);
    const name = names[turn % names.length] as string;
    return { name, lie: table[name] as L };
  }

  /** Whether a peer is on the side that is lied to: some are and some are not, as the seed has it for each occasion. */
  isLiedTo(occasion: string, peer: PeerKey): boolean {
    const side = this.choice(`side/${occasion}`, () => {
      const shuffled = [...this.others()];
      for (let at = shuffled.length - 1; at > 0; at--) {
        const other = this.random.between(0, at);
        [shuffled[at], shuffled[other]] = [shuffled[other] as PeerKey, shuffled[at] as PeerKey];
      }
      return new Set(shuffled.slice(0, this.random.between(1, Math.max(1, shuffled.length - 1))));
    });
    return side.has(peer);
  }

  async vote(ballot: Ballot): Promise<Vote> {
    const { set, self } = this.#taken();
    const key = ballotKey(set.epoch, ballot);
    if (this.#ballots.get(key) === undefined) this.#ballots.set(key, true);
    return { ballot, signer: self, signature: await this.sign(voteSigningBytes(this.parts.network, set, ballot)) };
  }

  /** A signature by its vote key, over anything. */
  sign(bytes: Uint8Array): Promise<Uint8Array> {
    const { set, self } = this.#taken();
    const validator = set.validators[self];
    assert(this.#wires !== null && validator !== undefined, 'a liar runs, and has a place in the set');
    return this.#wires.signer.vote(bytes, validator.voteKey);
  }

  /** A header as a proposal of its own. */
  async propose(header: BlockHeader): Promise<Proposal> {
    const id = blockId(header);
    return { header, id, vote: await this.vote({ kind: 'notarize', view: header.view, block: id, root: null }) };
  }

  /** A batch of its own lane with its signature, as a message. */
  async signed({ bytes, digest }: SignedLaneBatch): Promise<Extract<Message, { type: 'batch' }>> {
    return { type: 'batch', bytes, signature: await this.signBatch(digest) };
  }

  signBatch(digest: BatchDigest): Promise<Uint8Array> {
    assert(this.#wires !== null, 'a liar runs');
    return this.#wires.signer.network(batchSigningBytes(this.parts.network, digest));
  }

  /** A frame of the epoch that it sits in. */
  encoded(message: Message): Uint8Array {
    return encodeMessage({ ...message, epoch: this.#taken().set.epoch });
  }

  send(to: PeerKey, purpose: Purpose, message: Message): void {
    this.sendFrame(to, purpose, this.encoded(message));
  }

  sendFrame(to: PeerKey, purpose: Purpose, frame: Uint8Array): void {
    this.#wires?.bus.send(to, purpose, frame);
  }

  sendAll(purpose: Purpose, message: Message): void {
    const frame = this.encoded(message);
    for (const peer of this.others()) this.sendFrame(peer, purpose, frame);
  }

  after(delayMs: number, run: () => void): void {
    this.#wires?.clock.after(delayMs, run);
  }

  now(): number {
    return this.#wires?.clock.now() ?? 0;
  }

  #taken(): Seat {
    const seat = this.seat();
    assert(seat !== null, 'only who has a seat signs');
    return seat;
  }

  #active(): Lie[] {
    return this.seat() === null ? [] : [...this.#lies].filter(([name]) => this.telling.has(name)).map(([, lie]) => lie);
  }

  #hear(wires: Wires, from: PeerKey, purpose: Purpose, frame: Uint8Array): void {
    const message = decodeMessage(frame);
    let isPassed = true;
    if (message !== null) {
      this.overheard.note(message);
      isPassed = !this.#isTelltale(message);
      for (const lie of this.#active()) isPassed = (lie.hear?.(this, from, message) ?? true) && isPassed;
      if (isPassed && message.type === 'wantBatches' && message.lane === this.seat()?.self)
        isPassed = !this.#answerFromLane(from, message.point.digest, message.after);
    }
    if (isPassed) wires.hear(from, purpose, frame);
  }

  /** Whether it would show its replica that something else signs with its key: that halts (`vote_key_elsewhere`), and a liar's first lie would be its last. */
  #isTelltale({ epoch, ...message }: Framed): boolean {
    const self = this.seat()?.self;
    const votes = (ballot: Ballot, signers: readonly Pick<Vote, 'signer'>[]): boolean =>
      signers.some(({ signer }) => signer === self) && this.#ballots.get(ballotKey(epoch, ballot)) === true;
    if (message.type === 'certificate') return votes(message.certificate.ballot, message.certificate.signatures);
    const vote = voteIn(message);
    return vote !== null && votes(vote.ballot, [vote]);
  }

  /** Batches of its own lane that its replica never made. */
  #answerFromLane(to: PeerKey, digest: BatchDigest, after: number): boolean {
    const found = this.lane.back(digest, after);
    for (const batch of found) void this.signed(batch).then((message) => this.send(to, 'sync', message));
    return found.length > 0;
  }

  async #speak(wires: Wires, to: PeerKey, purpose: Purpose, frame: Uint8Array): Promise<void> {
    const message = decodeMessage(frame);
    const vote = message === null ? null : voteIn(message);
    if (message !== null && vote !== null && this.isOwnVote(vote))
      this.#ballots.set(ballotKey(message.epoch, vote.ballot), false);
    const active = this.#active();
    if (message === null || (active.length === 0 && !this.lane.isRewritten)) {
      wires.bus.send(to, purpose, frame);
      return;
    }
    this.#follow(message);
    let spoken: readonly Message[] = [message];
    if (message.type === 'batch') spoken = [await this.#batch(active, to, message)];
    for (const lie of active) {
      if (lie.speak === undefined) continue;
      const next: Message[] = [];
      for (const each of spoken) next.push(...((await lie.speak(this, { to, purpose, message: each })) ?? [each]));
      spoken = next;
    }
    for (const each of spoken) wires.bus.send(to, purpose, encodeMessage({ ...each, epoch: message.epoch }));
  }

  /** Once a batch of its lane was another than its replica's, all that follow are. */
  async #batch(
    active: readonly Lie[],
    to: PeerKey,
    message: Extract<Message, { type: 'batch' }>,
  ): Promise<Extract<Message, { type: 'batch' }>> {
    const batch = decodeBatch(message.bytes);
    const seat = this.seat();
    if (batch === null || seat === null || batch.author !== seat.self || batch.epoch !== seat.set.epoch) return message;
    const isChanged = active.some(({ author }) => author !== undefined);
    const made = this.lane.follow(batch, message.bytes, isChanged, (items) =>
      active.reduce((plan: LanePlan, lie) => lie.author?.(this, plan) ?? plan, { items, begins: false, rival: null }),
    );
    if (made === null) return message;
    const { main, rival, fork } = made;
    return this.signed(rival !== null && this.isLiedTo(`fork/${fork}`, to) ? rival : main);
  }

  #follow(message: Message & { readonly epoch?: Epoch }): void {
    const { epoch } = message;
    if (epoch !== undefined && epoch > this.#epoch) {
      // Views are counted anew in each epoch.
      this.#epoch = epoch;
      this.view = 1 as View;
    }
    if (message.type === 'vote' && this.isOwnVote(message.vote)) this.#raise(message.vote.ballot.view);
    if (message.type === 'proposal' || message.type === 'vote' || message.type === 'certificate')
      this.overheard.note(message);
    if (message.type === 'certificate') this.#raise((message.certificate.ballot.view + 1) as View);
  }

  #raise(view: View): void {
    if (view > this.view) this.view = view;
  }

  #act(): void {
    for (const lie of this.#active()) void lie.act?.(this);
  }
}
