/**
 * What must hold whatever happens, each rule in a class of its own, fed by what nodes made final, what they sent and
 * what clients were told. Nothing that a liar does is ever held against an honest node, and nothing it says is believed.
 */
import type { InstructionStatus } from '../node/ports.js';
import type { BlockHeader, BlockId, InstructionDigest } from '../protocol/types.js';
import { Agreement } from './checkers/agreement.js';
import { Bounds, type Highest } from './checkers/bounds.js';
import { Bundles } from './checkers/bundles.js';
import { Grounds } from './checkers/grounds.js';
import { Liveness } from './checkers/liveness.js';
import { Outcomes } from './checkers/outcomes.js';
import { Promises } from './checkers/promises.js';
import { type Answer, Reads } from './checkers/reads.js';
import { Votes } from './checkers/votes.js';
import {
  type Acknowledged,
  type CheckerOptions,
  type Committed,
  heightOf,
  messageOf,
  type Watched,
  type WatchedDisk,
} from './checkers/watched.js';

/** Nodes are observed, which costs something, once in so many final blocks of theirs. */
const OBSERVE_EVERY = 16;

export class Checkers {
  readonly violations: string[] = [];
  readonly #honest: (node: number) => boolean;
  readonly #agreement: Agreement;
  readonly #votes: Votes;
  readonly #grounds: Grounds | null;
  readonly #outcomes: Outcomes;
  readonly #promises: Promises;
  readonly #liveness: Liveness;
  readonly #bounds: Bounds;
  readonly #bundles: Bundles;
  readonly #reads: Reads;
  /** What blocks build on and order, from anybody's proposals: a block's id is the hash of its header. */
  readonly #headers = new Map<BlockId, BlockHeader>();

  constructor(options: CheckerOptions = {}) {
    const report = (violation: string): void => {
      this.violations.push(violation);
    };
    this.#honest = options.honest ?? (() => true);
    this.#agreement = new Agreement(report);
    this.#votes = new Votes(report, this.#headers);
    const { genesis, signatures } = options;
    this.#grounds =
      genesis && signatures ? new Grounds(report, { ...options, genesis, signatures }, this.#headers) : null;
    this.#outcomes = new Outcomes(report, options);
    this.#promises = new Promises(report, options);
    this.#liveness = new Liveness(report);
    this.#bounds = new Bounds(report);
    this.#bundles = new Bundles(report, options);
    this.#reads = new Reads(report, this.#agreement, this.#outcomes);
  }

  get height(): number {
    return this.#agreement.height;
  }
  /** What nodes answered 202. Whoever submits adds to it. */
  get acknowledged(): Acknowledged[] {
    return this.#promises.acknowledged;
  }
  /** What every node is asked about at the end, each once. */
  get askedAtEnd(): readonly InstructionDigest[] {
    return [...new Set([...this.#promises.digests, ...this.#bundles.digests])];
  }
  /** What was held in memory at most, of all nodes. */
  get highest(): Highest {
    return this.#bounds.highest;
  }
  /** How many views it took each time until all was final, once faults had stopped. */
  get viewsToSettle(): readonly number[] {
    return this.#liveness.views;
  }

  /** A node has made a block final: durable, and shown from now on. */
  onFinal(node: Watched, committed: Committed): void {
    if (!this.#honest(node.self)) return;
    const isFirst = this.#agreement.onFinal(node, committed);
    if (isFirst) {
      this.#promises.onFinal(committed);
      this.#bundles.onFinal(committed);
      this.#outcomes.onFinal(node, committed);
      this.#bounds.onFinal(committed);
      this.#grounds?.onFinal(node, committed);
    }
    if (committed.block.header.height % OBSERVE_EVERY === 0) this.#bounds.observe(node);
  }

  /** A node sends a frame. */
  onSend(node: Watched, disk: WatchedDisk, frame: Uint8Array): void {
    const message = messageOf(frame);
    if (message?.type === 'proposal') this.#headers.set(message.proposal.id, message.proposal.header);
    if (!this.#honest(node.self)) return;
    if (message === null) {
      this.violations.push(`frame: node ${node.self} sent one that is no message`);
      return;
    }
    this.#votes.onSend(node, disk, message);
    this.#grounds?.onSend(node, message);
  }

  /** A node told a client how an instruction stands. */
  onShown(node: Watched, digest: InstructionDigest, status: InstructionStatus): void {
    if (this.#honest(node.self)) this.#promises.onShown(node, digest, status);
  }

  /** A node told a client what a party has. */
  onBalances({ self }: Watched, party: string, answer: Answer<'getBalances'>): void {
    if (this.#honest(self)) this.#reads.onBalances(self, party, answer);
  }

  /** A node showed a client the block of a height. */
  onBlock({ self }: Watched, height: number, answer: Answer<'getBlock'>): void {
    if (this.#honest(self)) this.#reads.onBlock(self, height, answer);
  }

  /** A node's state is damaged: once it notices, it makes all blocks final anew, and still owes what it answered for. */
  refetches(node: Watched): void {
    this.#agreement.damaged(node.self);
  }

  /** A batch on a node's disk is damaged, perhaps the only copy: what it held it owes as little as if all were lost. */
  batchLost(node: Watched): void {
    this.wiped(node);
    this.#votes.batchLost(node.self);
  }

  /** A node lost its disk: of what it said and held it knows nothing more. */
  wiped(node: Watched): void {
    this.#agreement.wiped(node.self);
    this.#promises.wiped(node.self);
    this.#bundles.wiped(node.self);
  }

  /** Now and then, at any moment: memory within its bounds, and bundles taken as a bank would take them. */
  async observe(nodes: readonly Watched[]): Promise<void> {
    for (const node of this.#believed(nodes)) {
      this.#bounds.observe(node);
      await this.#bundles.take(node);
    }
  }

  /** The faults have stopped, and every honest node is up: from now on all must become final within bounds. */
  onHealed(nowMs: number, nodes: readonly Watched[]): void {
    this.#liveness.onHealed(nowMs, this.#believed(nodes));
  }
  /** Faults or new business begin: nothing is owed until they stop again. */
  onHarmed(): void {
    this.#liveness.onHarmed();
  }

  /** Whether every honest node has the same final block and nothing of what was answered 202 is still on its way. */
  isSettled(nodes: readonly Watched[], nowMs?: number): boolean {
    const honest = this.#believed(nodes);
    const [first, ...rest] = honest.map(heightOf);
    const isVoid = this.#outcomes.isVoid.bind(this.#outcomes);
    const isSettled = rest.every((height) => height === first) && this.#promises.isSettled(honest, isVoid);
    if (nowMs !== undefined) this.#liveness.observe(nowMs, honest, isSettled);
    return isSettled;
  }

  /** The run is over, all nodes being up again. */
  async atEnd(nodes: readonly Watched[]): Promise<void> {
    const honest = this.#believed(nodes);
    for (const node of honest) this.#standing(node, honest);
    for (const node of honest) this.#agreement.atEnd(node);
    this.#outcomes.atEnd(honest);
    await this.observe(honest);
    await this.#promises.atEnd(honest);
    await this.#bundles.atEnd(honest);
  }

  /** An honest node is up, has not halted, and holds nothing against another honest one. */
  #standing({ self, running }: Watched, honest: readonly Watched[]): void {
    if (running === null) {
      this.violations.push(`down: node ${self}`);
      return;
    }
    const { halted, core, members } = running.replica;
    if (halted !== null) this.violations.push(`halted: node ${self}: ${halted}`);
    const places = new Set(honest.map((node) => node.running?.replica.members.self ?? null));
    places.delete(null);
    for (const { view, shown } of core.rounds.values()) {
      for (const signer of shown)
        if (places.has(signer))
          this.violations.push(`evidence: node ${self} has some against the honest member ${signer} in view ${view}`);
    }
    const keys = honest.map((node) => node.running?.replica.config.own ?? null);
    for (const line of running.bus.punished)
      if (keys.some((key) => key !== null && line.includes(`punished ${key}`)))
        this.violations.push(`punished: ${line}`);
    if (places.size === members.size && running.replica.evidence > 0)
      this.violations.push(`evidence: node ${self} has some, where everybody is honest`);
  }

  #believed(nodes: readonly Watched[]): readonly Watched[] {
    return nodes.filter(({ self }) => this.#honest(self));
  }
}
