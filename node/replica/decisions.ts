/** What a drain of the queue decides, and the order in which it is carried out: signed, written and synced, then said. */
import type { Core } from '../../protocol/bft/core.js';
import { voteSigningBytes } from '../../protocol/block.js';
import { encodeMessage, type Message } from '../../protocol/envelope.js';
import { assert, type Ballot, type Hash, type NetworkId, type PeerKey, type Vote } from '../../protocol/types.js';
import type { Operation, Ports, Purpose } from '../ports.js';
import type { Pending } from './admission.js';
import type { HeldBatch, Lanes } from './lanes.js';
import type { Mark } from './mark.js';
import type { Members } from './members.js';
import type { Outbox } from './outbox.js';
import type { OwnLane } from './ownlane.js';
import { putBatch } from './records.js';
import type { Turn } from './turn.js';
import type { VoteLog } from './votelog.js';

interface Deps extends Pick<Ports, 'store' | 'signer' | 'bus'> {
  readonly network: NetworkId;
  readonly members: Members;
  readonly core: Core;
  readonly lanes: Lanes;
  readonly voteLog: VoteLog;
  readonly outbox: Outbox;
  /** Null for a node without a lane: what it takes goes into its outbox. */
  readonly own: OwnLane | null;
  readonly marks: ReadonlyMap<Hash, Mark>;
  readonly laneMark: Mark;
  readonly isActive: () => boolean;
  /** Says a vote of this node to all. */
  readonly sayVote: (vote: Vote) => void;
  /** What follows once it is durable. */
  readonly follow: (turn: Turn) => void;
}

interface Decided {
  readonly operations: Operation[];
  readonly casts: Ballot[];
  readonly batches: HeldBatch[];
  readonly speech: { readonly to: PeerKey | null; readonly purpose: Purpose; readonly frame: Uint8Array }[];
  taken: readonly Pending[];
}
const nothing = (): Decided => ({ operations: [], casts: [], batches: [], speech: [], taken: [] });

export class Decisions {
  readonly #deps: Deps;
  #decided = nothing();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  cast(ballot: Ballot): void {
    this.#decided.casts.push(ballot);
  }

  write(operation: Operation): void {
    this.#decided.operations.push(operation);
  }

  /** A batch of another's lane becomes durable here. */
  store(held: HeldBatch): void {
    this.#decided.operations.push(putBatch(held));
    this.#decided.batches.push(held);
  }

  /** Instructions go into this node's lane, or its outbox, and are answered then. */
  take(taken: readonly Pending[]): void {
    this.#decided.taken = taken;
  }

  /** Said once what is decided before it is durable; to all other validators when `to` is null. */
  say(to: PeerKey | null, purpose: Purpose, message: Message): void {
    this.#decided.speech.push({ to, purpose, frame: this.#frame(message) });
  }

  /** Said at once: nothing that is not durable yet is in it. */
  sayNow(to: PeerKey | null, purpose: Purpose, message: Message): void {
    this.#send(to, purpose, this.#frame(message));
  }

  #frame(message: Message): Uint8Array {
    return encodeMessage({ ...message, epoch: this.#deps.members.set.epoch });
  }

  #send(to: PeerKey | null, purpose: Purpose, frame: Uint8Array): void {
    const { bus, members } = this.#deps;
    for (const peer of to === null ? members.others : [to]) bus.send(peer, purpose, frame);
  }

  /** Sync first: a vote forgotten in a crash becomes equivocation, and a 202 for what is not durable a lie (SPEC, Persistence). */
  async carryOut(): Promise<void> {
    const { isActive, lanes, sayVote, follow } = this.#deps;
    const decided = this.#decided;
    this.#decided = nothing();
    // Halted, or the epoch is over: nothing that is not said yet is signed or said any more.
    if (!isActive()) {
      for (const pending of decided.taken) pending.settle(false);
      return;
    }
    const votes = await Promise.all(decided.casts.map((ballot) => this.#sign(ballot)));
    const own = await this.#persist(decided, votes);
    for (const held of decided.batches) lanes.stored(held);
    for (const pending of decided.taken) pending.settle(true);
    if (!isActive()) return;
    for (const vote of votes) {
      sayVote(vote);
      follow({ type: 'consensus', input: { type: 'vote', vote } });
    }
    if (decided.batches.length > 0 || decided.taken.length > 0) follow({ type: 'wake' });
    if (own !== null) {
      const { bytes, signature } = own;
      decided.speech.push({ to: null, purpose: 'batches', frame: this.#frame({ type: 'batch', bytes, signature }) });
    }
    for (const { to, purpose, frame } of [...decided.speech, ...this.#decided.speech.splice(0)])
      this.#send(to, purpose, frame);
  }

  /** Writes what is decided, and the marks behind it; gives the batch of its own lane that this node made of what it took. */
  async #persist(decided: Decided, votes: readonly Vote[]): Promise<HeldBatch | null> {
    const { own: lane, outbox, marks: voteMarks, laneMark, members, voteLog, core, store } = this.#deps;
    for (const vote of votes) decided.operations.push(...voteLog.vote(vote, core));
    const own = lane === null || decided.taken.length === 0 ? null : await lane.write(decided.taken);
    if (own === null) {
      for (const { item, bytes } of decided.taken)
        decided.operations.push(...outbox.put({ instruction: item.instruction, bytes }));
    } else {
      decided.operations.push(putBatch(own));
      decided.batches.push(own);
    }
    const marks = [
      ...(votes.length > 0 ? [voteMarks.get(members.voteKey as Hash) as Mark] : []),
      ...(own === null ? [] : [laneMark]),
    ];
    for (const mark of marks) decided.operations.push(mark.next());
    if (decided.operations.length > 0) {
      const sync = votes.length > 0 || decided.batches.length > 0 || decided.taken.length > 0;
      await store.write(decided.operations, { sync });
    }
    await Promise.all(marks.map((mark) => mark.advance()));
    return own;
  }

  async #sign(ballot: Ballot): Promise<Vote> {
    const { members, network, signer } = this.#deps;
    const { self, set, voteKey } = members;
    assert(self !== null && voteKey !== null, 'only a validator casts votes');
    const bytes = voteSigningBytes(network, set, ballot);
    return { ballot, signer: self, signature: await signer.vote(bytes, voteKey) };
  }
}
