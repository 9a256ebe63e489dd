/**
 * The replica of one epoch: one loop that decides, persists, then speaks. Frames, submissions and timers queue as turns;
 * a drain of the queue decides everything synchronously, one write makes it durable, and only then is anything said to
 * anyone. What consensus decides is in `agreement.ts`; `succession.ts` begins the next epoch's when this one is over.
 */
import { isOpen } from '../../ledger/codes.js';
import { type Core, deadline, ownVotes } from '../../protocol/bft/core.js';
import { machineDelayMs } from '../../protocol/networktime.js';
import {
  type Hash,
  type LanePoint,
  type NetworkId,
  type PeerKey,
  type Proposal,
  unreachable,
} from '../../protocol/types.js';
import type { KeyLookup, Ports } from '../ports.js';
import { Admission } from './admission.js';
import { Agreement } from './agreement.js';
import { Alarm } from './alarm.js';
import type { Committed } from './block.js';
import { Budget } from './budget.js';
import { Chain } from './chain.js';
import { Courier } from './courier.js';
import { Decisions } from './decisions.js';
import { Expiry } from './expiry.js';
import { laneItem } from './facts.js';
import { Fetch } from './fetch.js';
import { Inbox } from './inbox.js';
import { Lanes } from './lanes.js';
import type { Mark } from './mark.js';
import { Members } from './members.js';
import { Opening } from './opening.js';
import { Outbox, type OutboxItem } from './outbox.js';
import { OwnLane } from './ownlane.js';
import { Readiness } from './ready.js';
import { type FinalPointer, getPlace } from './records.js';
import type { Recovered } from './recovery.js';
import type { RestartGoal } from './restart.js';
import type { Turn, UpkeepPort } from './turn.js';
import { VoteLog } from './votelog.js';

export interface ReplicaConfig {
  readonly network: NetworkId;
  /** The marks of the vote keys that this node may vote with. */
  readonly marks: ReadonlyMap<Hash, Mark>;
  /** The mark of its lane. */
  readonly laneMark: Mark;
  /** How the epoch ends that more than f were lost in; else null. */
  readonly goal: RestartGoal | null;
  /** The incarnation under which its lane goes on, when what it wrote before may be lost; null when it is not. */
  readonly incarnation: number | null;
  /** This node's network key. One that the set does not have follows without a vote or a lane. */
  readonly own: PeerKey;
  /** In network time. */
  readonly skewMs: number;
  /** How many milliseconds of network time pass in one of the machine's. */
  readonly timeScale: number;
  /** Δ: more than a message and its processing take when the network is well. */
  readonly deltaMs: number;
  readonly deltaMaxMs: number;
  /** Least time between two of this node's batches. */
  readonly batchMs: number;
  /** An idle network makes an empty block this often, so that time goes on for what expires. */
  readonly heartbeatMs: number;
  /** After so many final blocks an answer ends, if one of them has a certificate; else at the first that has, within SYNC_BLOCKS_MAX. */
  readonly answerBlocks: number;
}

/** What a replica tells whoever runs it. */
export interface Told {
  /** Every block once it is durable and final here, oldest first. */
  readonly onFinal: (committed: Committed) => void;
  /** The last block of the epoch is final and durable: this replica takes no further part. */
  readonly onOver: () => void;
  /** What concerns no epoch's agreement. */
  readonly upkeep: UpkeepPort;
}

/** Own votes sent to a peer that connects, at most. */
const VOTES_ON_CONNECT_MAX = 16;
/** Blocks that a node which is ready may be behind what others say. */
const BLOCKS_BEHIND_MAX = 50;

export class Replica {
  readonly config: ReplicaConfig;
  readonly members: Members;
  readonly core: Core;
  readonly chain: Chain;
  readonly lanes: Lanes;
  readonly admission: Admission;
  /** Why this node has stopped taking part for good, or null. */
  halted: string | null = null;
  readonly #ports: Ports;
  readonly #fetch: Fetch;
  readonly #inbox: Inbox;
  readonly #told: Told;
  readonly #agreement: Agreement;
  readonly #log: VoteLog;
  readonly #expiry: Expiry;
  readonly #readiness: Readiness;
  readonly #alarm: Alarm;
  readonly #outbox: Outbox;
  /** How this epoch was opened; null in the first. */
  readonly #opening: Opening | null;
  /** Brings the outbox to validators; null where this node has a lane. */
  readonly #courier: Courier | null;
  #turns: Turn[] = [];
  #running: Promise<void> | null = null;
  /** The last write of final blocks: it runs beside the loop. */
  #finalWrite: Promise<void> = Promise.resolve();
  #stopped = false;
  readonly #decisions: Decisions;
  readonly #own: OwnLane | null;
  #tendAtMs = 0;
  #heldSaid: readonly LanePoint[] = [];
  #heldSaidAtMs = 0;
  #allowed: readonly unknown[] | null = null;

  constructor(config: ReplicaConfig, ports: Ports, recovered: Recovered, told: Told) {
    const { own, network, deltaMs, skewMs, timeScale, marks } = config;
    const { pointer, header, state, set, log, opening } = recovered;
    const members = new Members(set, own, marks.keys());
    const { self } = members;
    this.members = members;
    this.config = config;
    this.#ports = ports;
    this.#told = told;
    const wake = (): void => this.#enqueue({ type: 'wake' });
    this.#alarm = new Alarm(ports.clock, wake);
    this.lanes = new Lanes(self, header.cut);
    const { upkeep } = told;
    const onDamage = upkeep.note.bind(upkeep);
    this.chain = new Chain(
      { ...ports, lanes: this.lanes, skewMs, wake, isOwed: (digest) => this.#outbox.has(digest), onDamage },
      pointer,
      header,
      state,
      config.goal,
    );
    this.#log = new VoteLog(this.chain, set.epoch, log.keys);
    for (const proposal of log.proposals) this.chain.add(proposal.id, proposal.header, proposal);
    for (const held of recovered.batches) {
      this.lanes.add(held);
      this.lanes.stored(held);
    }
    this.#agreement = this.#createAgreement(recovered);
    this.core = this.#agreement.core;
    const parts = { ...ports, network, members, own, deltaMs, core: this.core, chain: this.chain, lanes: this.lanes };
    this.#own =
      self === null ? null : new OwnLane({ ...parts, self, set, batchMs: config.batchMs }, config.incarnation);
    this.#opening = opening === null ? null : new Opening(parts, opening);
    this.#outbox = new Outbox(ports.store, recovered.outbox, onDamage);
    this.#decisions = new Decisions({
      ...parts,
      marks,
      laneMark: config.laneMark,
      voteLog: this.#log,
      outbox: this.#outbox,
      own: this.#own,
      isActive: () => this.#isActive(),
      sayVote: (vote) => this.#agreement.sendVote(vote, null),
      follow: (turn) => void this.#turns.push(turn),
    });
    const say = (to: PeerKey, items: readonly Uint8Array[]): void =>
      this.#decisions.sayNow(to, 'batches', { type: 'submit', items });
    this.#courier = self === null ? new Courier({ ...parts, outbox: this.#outbox, say }) : null;
    const budget = new Budget(ports.clock);
    const send = this.#decisions.say.bind(this.#decisions);
    this.#fetch = new Fetch({ ...parts, answerBlocks: config.answerBlocks, budget, send, onDamage });
    this.#expiry = new Expiry({ ...ports, onDamage });
    const keyOf: KeyLookup = (kid) => this.chain.final.state.publicKey(kid);
    this.admission = new Admission({
      ...ports,
      network,
      timeScale,
      state: () => this.chain.final.state,
      finalTime: () => this.chain.final.header.time,
      closed: () => this.#closedBecause(),
      onDamage,
      isTold: (digest) => getPlace(ports.store, digest) !== null,
      isLaneFull: () => this.#own?.isFull(this.chain.final.header.cut) ?? this.#outbox.isFull,
      wake,
    });
    const submit = this.admission.submit.bind(this.admission);
    this.#readiness = new Readiness({ ...parts, timeScale, marks, submit, isFarBehind: () => this.isFarBehind });
    this.#inbox = new Inbox({
      ...parts,
      keyOf,
      admission: this.admission,
      opening: this.#opening,
      upkeep,
      enqueue: (turn) => this.#enqueue(turn),
    });
    if (self !== null && this.#own?.isFresh === false)
      for (const held of this.lanes.unordered(self)) this.admission.restore(held.items);
    for (const [, copies] of this.#outbox.entries()) this.admission.carry(copies, self !== null);
  }

  #createAgreement({ pointer, certificate, log }: Recovered): Agreement {
    const { deltaMs, deltaMaxMs, marks, heartbeatMs, timeScale } = this.config;
    const { members, chain, lanes } = this;
    const { view, block, root } = pointer;
    return new Agreement(
      {
        ...this.#ports,
        members,
        chain,
        lanes,
        voteLog: this.#log,
        marks,
        heartbeatMs: heartbeatMs * timeScale,
        cast: (ballot) => this.#decisions.cast(ballot),
        write: (operation) => this.#decisions.write(operation),
        say: (to, message) => this.#decisions.say(to, 'consensus', message),
        halt: (reason, detail) => this.#halt(reason, detail),
        isActive: () => this.#isActive(),
      },
      { n: members.size, self: members.voteKey === null ? null : members.self, deltaMs, deltaMaxMs },
      { final: { view, block, root, certificate }, votes: log.votes, certificates: log.certificates },
    );
  }

  get evidence(): number {
    return this.#agreement.evidence;
  }

  #closedBecause(): string | null {
    if (this.halted !== null) return `This node has halted: ${this.halted}.`;
    if (this.#stopped) return 'This node is stopping.';
    return this.chain.isOver ? 'The epoch has ended; the next begins.' : null;
  }

  /** Begins to listen and to take part. */
  start(): void {
    const { bus } = this.#ports;
    this.#allow();
    bus.onFrame((from, _purpose, frame) => {
      if (this.#isActive()) this.#inbox.receive(from, frame);
    });
    bus.onPeer((peer) => this.#enqueue({ type: 'peer', peer }));
    this.#agreement.resume();
    void this.#opening?.own().then((statement) => {
      if (statement !== null) this.#enqueue({ type: 'statement', statement });
    });
    this.#enqueue({ type: 'wake' });
  }

  /** Every registered node may connect: who leaves the set is among them, and brings others up to date. */
  #allow(): void {
    const keys = this.chain.final.state.nodeKeys();
    if (keys === this.#allowed) return;
    this.#allowed = keys;
    const validators = this.members.set.validators.map(({ networkKey, party }) => ({ peer: networkKey, party }));
    const others = keys.map(({ key, party }) => ({ peer: key, party }));
    this.#ports.bus.allow([...validators, ...others.filter(({ peer }) => this.members.placeOf(peer) === null)]);
  }

  /** Stops taking part. Resolves when the last write is done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#alarm.cancel();
    this.admission.close();
    await this.#running;
    await this.#finalWrite;
  }

  /** What this node's own lane holds and no final block has ordered. */
  unordered(): OutboxItem[] {
    const { self } = this.members;
    if (self === null) return [];
    return this.lanes
      .unordered(self)
      .flatMap(({ batch, items }) =>
        items.flatMap((item, i) =>
          item === null ? [] : [{ instruction: item.instruction, bytes: batch.items[i] as Uint8Array }],
        ),
      );
  }

  peers(): ReturnType<Ports['bus']['peers']> {
    return this.#ports.bus.peers();
  }

  /** The highest final height that an honest peer has told of. */
  get highestFinal(): number {
    return this.#fetch.highestFinal;
  }

  /** Whether others are so far ahead that reads here would mislead. */
  get isFarBehind(): boolean {
    return this.#fetch.highestFinal - this.chain.final.header.height > BLOCKS_BEHIND_MAX;
  }

  #isActive(): boolean {
    return !this.#stopped && this.halted === null;
  }

  #enqueue(turn: Turn): void {
    if (!this.#isActive()) return;
    this.#turns.push(turn);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Turns that come in the same tick of the event loop share a drain, and so a write.
    await Promise.resolve();
    while (this.#turns.length > 0 && this.#isActive()) {
      const turns = this.#turns;
      this.#turns = [];
      for (const turn of turns) if (this.#isActive()) this.#take(turn);
      if (this.#isActive()) this.#settle();
      await this.#decisions.carryOut();
    }
    this.#running = null;
    if (this.#turns.length > 0 && this.#isActive()) this.#running = this.#run();
  }

  #take(turn: Turn): void {
    switch (turn.type) {
      case 'consensus':
        if (turn.input.type === 'certificate') this.#agreement.recognise(turn.input.certificate);
        if (this.#isActive()) this.#agreement.take(turn.input);
        break;
      case 'echo':
        this.#agreement.suspect(turn.ballot);
        break;
      case 'proposal':
        this.#proposal(turn.message.proposal);
        break;
      case 'final':
        this.chain.catchUp(turn.message.headers, turn.message.certificate);
        this.#agreement.take({ type: 'certificate', certificate: turn.message.certificate });
        break;
      case 'batch':
        if (this.lanes.has(turn.held.batch.author, turn.held.digest)) break;
        this.lanes.add(turn.held);
        this.#decisions.store(turn.held);
        break;
      case 'asking':
        this.#fetch.answer(turn.from, turn.message);
        break;
      case 'peer':
        this.#fetch.held(turn.peer);
        for (const vote of ownVotes(this.core).slice(-VOTES_ON_CONNECT_MAX)) this.#agreement.sendVote(vote, turn.peer);
        break;
      case 'statement': {
        const operation = this.#opening?.take(turn.statement) ?? null;
        if (operation !== null) this.#decisions.write(operation);
        break;
      }
      case 'submitted':
        this.#decisions.say(turn.from, 'consensus', { type: 'taken', digests: turn.digests });
        break;
      case 'taken':
        this.#courier?.taken(turn.from, turn.digests);
        break;
      case 'committed':
        if (turn.expired !== null) this.#expiry.begin(turn.expired);
        this.#committed(turn.blocks, turn.pointer);
        break;
      case 'forget':
        if (!this.chain.isWriting) this.#expiry.forget(turn.lists);
        break;
      case 'wake':
        break;
      default:
        unreachable(turn);
    }
  }

  /** A second proposal of a view is kept only when a quorum stands behind it; its vote is evidence all the same. */
  #proposal(proposal: Proposal): void {
    const { id, header, vote } = proposal;
    const first = this.core.rounds.get(header.view)?.proposal ?? null;
    const isKept = first === null || first.id === id || this.chain.wants.blocks.has(id);
    if (!isKept || this.chain.add(id, header, proposal) === null) {
      this.#agreement.take({ type: 'vote', vote });
      return;
    }
    const { view, parent, parentView, proposer } = header;
    this.#agreement.take({ type: 'proposal', block: { id, view, parent, parentView, proposer }, vote });
  }

  #halt(reason: string, detail: string): void {
    this.halted = `${reason}: ${detail}`;
    this.admission.close();
    this.#ports.log.error({ reason, detail }, 'halted: this node takes no further part until an operator has looked');
  }

  /** Everything that follows from what was taken. */
  #settle(): void {
    const now = this.#ports.clock.elapsed();
    this.#agreement.settle();
    if (!this.#isActive()) return;
    this.#makeFinal();
    if (now >= this.#batchAtMs()) {
      this.#decisions.take(this.admission.take());
    }
    this.#fetch.ask();
    this.#tend(now);
    this.#arm();
  }

  #makeFinal(): void {
    const finality = this.chain.nextFinality();
    if (finality === null) return;
    if (finality.type === 'divergence') {
      this.#halt(
        'state_divergence',
        `block ${finality.height} has root ${finality.own} here, and ${finality.certified} was certified`,
      );
      return;
    }
    if (finality.type === 'refused') {
      this.#halt(finality.code, finality.detail);
      return;
    }
    const { operations, blocks, pointer } = finality;
    // One write behind: what this drain still adds to the log of a view must not come after it was pruned.
    const pruned = this.#log.prune(this.chain.pointer.view);
    // What ended. A copy that was ordered without a trace, or leaves it open, may have been another than this node's.
    const ended = blocks.flatMap(({ executed }) =>
      executed.receipts.flatMap(({ digest, code }) => (isOpen(code) ? [] : [digest])),
    );
    const last = blocks.at(-1);
    const { state } = last?.executed ?? this.chain.final;
    const { operations: left, over } = this.#outbox.onFinal(ended, state, (last?.block ?? this.chain.final).header);
    const committed: Turn = { type: 'committed', blocks, pointer, expired: finality.expired };
    // What the blocks say of an instruction's end comes after what the outbox makes of it.
    this.#finalWrite = this.#ports.store.write([...pruned, ...left, ...operations], { sync: true }).then(() => {
      this.admission.ordered(over.map(laneItem));
      this.#enqueue(committed);
    });
  }

  #committed(blocks: readonly Committed[], pointer: FinalPointer): void {
    const { metrics } = this.#ports;
    this.chain.committed(blocks, pointer);
    for (const { executed } of blocks) {
      const { self } = this.members;
      for (const held of self === null ? executed.lanes.flat() : (executed.lanes[self] ?? []))
        this.admission.ordered(held.items);
    }
    void this.#findExpired();
    this.#allow();
    this.#fetch.push(blocks);
    void this.#readiness.say();
    for (const committed of blocks) {
      metrics.count('blocks_finalized');
      metrics.count('instructions_finalized', committed.executed.receipts.length);
      this.#told.onFinal(committed);
    }
    metrics.gauge('height', pointer.height);
    metrics.gauge('view', this.core.view);
    metrics.gauge('unfinalized_blocks', this.chain.size);
    metrics.gauge(
      'lane_unordered_batches',
      this.lanes.unorderedCounts().reduce((sum, count) => sum + count, 0),
    );
    metrics.gauge('peers', this.peers().filter(({ connected }) => connected).length);
    if (!this.chain.isOver) return;
    this.#stopped = true;
    this.#alarm.cancel();
    this.#told.onOver();
  }

  async #findExpired(): Promise<void> {
    const lists = await this.#expiry.find();
    if (lists !== null) this.#enqueue({ type: 'forget', lists });
  }

  /** What is to be done now and then. How far lanes are held is told whenever that moved, too. */
  #tend(now: number): void {
    const { deltaMs } = this.config;
    const tips = this.lanes.tips();
    const moved = tips.some((tip, i) => tip.digest !== this.#heldSaid[i]?.digest);
    if (moved || now - this.#heldSaidAtMs >= 4 * deltaMs) {
      this.#heldSaid = tips;
      this.#heldSaidAtMs = now;
      this.#fetch.held();
    }
    if (this.#courier !== null && now >= (this.#courier.dueMs() ?? Number.POSITIVE_INFINITY)) this.#courier.tend();
    if (now < this.#tendAtMs) return;
    this.#told.upkeep.tend();
    this.#sayStatement();
    const isBusy = this.#fetch.tend() || this.core.work;
    this.#tendAtMs = now + (isBusy ? deltaMs : 4 * deltaMs);
  }

  /** Until the hand-over to this epoch is whole here, its members say their statements again. */
  #sayStatement(): void {
    if (this.#opening === null || this.#opening.isComplete) return;
    void this.#opening.own().then((statement) => {
      if (statement === null || !this.#isActive()) return;
      this.#decisions.sayNow(null, 'consensus', { type: 'statement', statement });
    });
  }

  /** When what waits at the door goes into a batch, or into the outbox; infinite when nothing does. */
  #batchAtMs(): number {
    return Math.max(this.#elapsedAtMs(this.admission.dueTimeMs()), this.#own?.dueMs() ?? 0);
  }

  /** When the network's time comes to this, on the time that is never set. */
  #elapsedAtMs(timeMs: number): number {
    const { clock } = this.#ports;
    return clock.elapsed() + machineDelayMs(this.config.timeScale, timeMs - clock.now());
  }

  #arm(): void {
    const workAtMs = this.core.work ? Number.POSITIVE_INFINITY : this.#elapsedAtMs(this.#agreement.workTimeMs());
    const times = [deadline(this.core), this.#courier?.dueMs() ?? null, this.#tendAtMs, this.#batchAtMs(), workAtMs];
    this.#alarm.setTo(Math.min(...times.filter((time) => time !== null)));
  }
}
