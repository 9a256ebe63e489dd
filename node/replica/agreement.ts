/**
 * This node's part in consensus: it drives the core, performs what the core asks for, builds blocks when it leads, and
 * notices when another machine votes with its key. Nothing is written or said here: that is left to the replica's loop.
 */
import {
  type Core,
  type CoreConfig,
  type Effect,
  type Input,
  newCore,
  ownVotes,
  type Restored,
  resume,
  sameBallot,
  step,
} from '../../protocol/bft/core.js';
import { blockId } from '../../protocol/block.js';
import type { Message } from '../../protocol/envelope.js';
import {
  type Ballot,
  type BlockId,
  type Certificate,
  type Hash,
  type PeerKey,
  unreachable,
  type View,
  type Vote,
} from '../../protocol/types.js';
import type { Operation, Ports } from '../ports.js';
import type { Chain } from './chain.js';
import type { Lanes } from './lanes.js';
import type { Mark } from './mark.js';
import type { Members } from './members.js';
import type { VoteLog } from './votelog.js';

interface Deps extends Pick<Ports, 'clock' | 'log' | 'metrics'> {
  readonly members: Members;
  readonly chain: Chain;
  readonly lanes: Lanes;
  readonly voteLog: VoteLog;
  readonly marks: ReadonlyMap<Hash, Mark>;
  /** An idle network makes an empty block this often, in network time. */
  readonly heartbeatMs: number;
  /** The ballot is signed and written, and then comes back as a vote. */
  readonly cast: (ballot: Ballot) => void;
  readonly write: (operation: Operation) => void;
  /** Said once what was decided before it is durable; to all other validators when `to` is null. */
  readonly say: (to: PeerKey | null, message: Message) => void;
  readonly halt: (reason: string, detail: string) => void;
  /** False when the node has halted or stops: nothing more is decided then. */
  readonly isActive: () => boolean;
}

export class Agreement {
  readonly core: Core;
  /** How often validators were seen to sign two votes that contradict each other. */
  evidence = 0;
  readonly #deps: Deps;
  /** The block this node is asked to build as leader, until it can be. */
  #building: Extract<Effect, { type: 'build' }> | null = null;
  /** The highest notarized block: what the next leader builds on. */
  #head: { readonly view: View; readonly block: BlockId };

  constructor(deps: Deps, config: CoreConfig, restored: Restored) {
    this.#deps = deps;
    this.core = newCore(config, restored);
    const { view, block } = restored.final;
    this.#head = { view, block };
    for (const { ballot } of restored.certificates) this.#raiseHead(ballot);
  }

  /** What the vote log holds is said again, so that certificates lost with memory form anew. */
  resume(): void {
    this.#perform(resume(this.core));
    for (const vote of ownVotes(this.core)) this.sendVote(vote, null);
  }

  take(input: Input): void {
    this.#perform(step(this.core, input, this.#deps.clock.elapsed()));
  }

  /** Everything that follows from what was taken, until nothing more does. */
  settle(): void {
    const { chain, isActive } = this.#deps;
    this.take({ type: 'tick' });
    for (let moved = true; moved && isActive(); ) {
      const progress = chain.pump();
      for (const input of progress) this.take(input);
      const hasWork = this.workTimeMs() <= this.#deps.clock.now();
      if (hasWork !== this.core.work) this.take({ type: 'work', has: hasWork });
      moved = this.#build() || progress.length > 0;
    }
  }

  /** A certificate may have a vote of this node's key in it. */
  recognise({ ballot, signatures }: Certificate): void {
    if (signatures.some(({ signer }) => signer === this.#deps.members.self)) this.suspect(ballot);
  }

  /** A vote of this node's key that its log does not have: another machine signs with it. Neither may go on. */
  suspect(ballot: Ballot): void {
    const { members, marks, halt } = this.#deps;
    const { self, voteKey } = members;
    if (self === null || voteKey === null || ballot.view <= this.core.final.view) return;
    const own = this.core.rounds.get(ballot.view)?.votes[ballot.kind].get(self);
    if (own !== undefined && sameBallot(own.ballot, ballot)) return;
    void marks.get(voteKey)?.retire();
    halt('vote_key_elsewhere', `a ${ballot.kind} of view ${ballot.view} bears this node's key and is not in its log`);
  }

  /** A leader's notarize vote travels with its block, whoever sends it. */
  sendVote(vote: Vote, to: PeerKey | null): void {
    const { chain, say } = this.#deps;
    const proposal = vote.ballot.kind === 'notarize' ? (chain.get(vote.ballot.block)?.proposal ?? null) : null;
    if (proposal !== null) say(to, { type: 'proposal', proposal });
    if (proposal?.vote.signer !== vote.signer) say(to, { type: 'vote', vote });
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) this.#performOne(effect);
  }

  #performOne(effect: Effect): void {
    const { chain, members, say, log, metrics } = this.#deps;
    switch (effect.type) {
      case 'cast':
        this.#deps.cast(effect.ballot);
        break;
      case 'build':
        this.#building = effect;
        break;
      case 'validate':
        if (chain.get(effect.block.id) !== undefined) chain.ask(effect.block.id);
        else this.take({ type: 'validated', view: effect.block.view, block: effect.block.id, valid: false });
        break;
      case 'apply': {
        const executed = chain.get(effect.block)?.executed ?? null;
        if (executed === null) chain.want(effect.block, effect.view);
        else this.take({ type: 'applied', view: effect.view, block: effect.block, root: executed.root });
        break;
      }
      case 'certified':
        this.#certified(effect.certificate);
        break;
      case 'finalized':
        chain.finalize(effect.certificate);
        this.#raiseHead(effect.certificate.ballot);
        break;
      case 'repeat':
        for (const vote of effect.votes) this.sendVote(vote, null);
        for (const certificate of effect.certificates) say(null, { type: 'certificate', certificate });
        break;
      case 'answer':
        for (const certificate of effect.certificates)
          say(members.keyOf(effect.to), { type: 'certificate', certificate });
        break;
      case 'request': {
        const { from, until } = effect;
        say(effect.to === null ? null : members.keyOf(effect.to), { type: 'wantCertificates', from, until });
        break;
      }
      case 'evidence':
        this.evidence += 1;
        metrics.count('evidence');
        log.warn(
          { validator: effect.first.signer, view: effect.first.ballot.view },
          'a validator signed two votes that contradict each other',
        );
        break;
      case 'halt':
        this.#deps.halt(effect.reason, effect.detail);
        break;
      default:
        unreachable(effect);
    }
  }

  #certified(certificate: Certificate): void {
    const { write, voteLog, say, metrics } = this.#deps;
    const { ballot } = certificate;
    // A finalization is kept with its block.
    if (ballot.kind !== 'finalize') write(voteLog.certificate(certificate));
    say(null, { type: 'certificate', certificate });
    this.#raiseHead(ballot);
    if (ballot.kind === 'nullify') metrics.count('nullifications');
  }

  #raiseHead({ view, block }: Ballot): void {
    if (block !== null && view > this.#head.view) this.#head = { view, block };
  }

  /**
   * The time from which on a leader has something to do on the head: order batches that a quorum holds, run what is due,
   * or make an idle network's rare heartbeat. Infinite for who never leads, and when the epoch ends with the head.
   */
  workTimeMs(): number {
    const { chain, lanes, members, heartbeatMs } = this.#deps;
    if (members.self === null || chain.ends(this.#head.block)) return Number.POSITIVE_INFINITY;
    const head = chain.get(this.#head.block);
    const { cut, time } = head?.header ?? chain.final.header;
    const ordersAt = lanes.dueTimeMs(cut) ?? Number.POSITIVE_INFINITY;
    // The next block is past its parent, whatever a clock says.
    if (ordersAt <= time + 1) return Number.NEGATIVE_INFINITY;
    const due = (head?.executed?.state ?? chain.final.state).nextTrigger() ?? Number.POSITIVE_INFINITY;
    return Math.min(ordersAt, due, time + heartbeatMs);
  }

  /** Builds the block that the core has asked for; false while its parent is not there, or when the view is over. */
  #build(): boolean {
    const { chain, voteLog, members } = this.#deps;
    if (this.#building === null || members.self === null) return false;
    const { view, parent, parentView } = this.#building;
    if (view !== this.core.view) {
      this.#building = null;
      return false;
    }
    const header = chain.build(parent, parentView, view, members.self);
    if (header === null) return false;
    this.#building = null;
    const id = blockId(header);
    voteLog.built(id, header);
    chain.add(id, header, null);
    chain.want(id, view);
    this.take({ type: 'built', block: { id, view, parent, parentView, proposer: members.self } });
    return true;
  }
}
