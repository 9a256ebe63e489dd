/**
 * What honest nodes say: no vote contradicts an earlier one of its key, on whatever machine and after whatever restart,
 * and nothing is said that is not durable (protocol/SPEC.md, Persistence).
 */
import { decodeBatch, encodeSignedBatch, writeVote } from '../../protocol/block.js';
import { Writer } from '../../protocol/codec.js';
import type { Framed } from '../../protocol/envelope.js';
import type { Ballot, LanePoint, Vote } from '../../protocol/types.js';
import type { Headers, Report, Watched, WatchedDisk } from './watched.js';

const contentOf = ({ block, root }: Ballot): string => `${block}/${root}`;

export class Votes {
  readonly #report: Report;
  readonly #headers: Headers;
  /** By epoch, place in the set (and so vote key), view and kind: what was voted for. */
  readonly #votes = new Map<string, string>();
  /** Batches of honest authors as they lie on a disk, by epoch, author, incarnation and number. */
  readonly #batches = new Map<string, Uint8Array>();
  readonly #claimed = new Set<string>();
  readonly #damaged = new Set<number>();

  constructor(report: Report, headers: Headers) {
    this.#report = report;
    this.#headers = headers;
  }

  onSend(node: Watched, disk: WatchedDisk, message: Framed): void {
    if (message.type === 'proposal') this.#vote(node, disk, message, message.proposal.vote);
    if (message.type === 'vote') this.#vote(node, disk, message, message.vote);
    if (message.type === 'batch') this.#batch(node, disk, message);
    if (message.type === 'held') this.#held(node, disk, message);
  }

  #vote(node: Watched, disk: WatchedDisk, { epoch }: Framed, vote: Vote): void {
    const { ballot, signer } = vote;
    const members = node.running?.replica.members;
    if (members === undefined || members.set.epoch !== epoch || members.self !== signer) return;
    const named = (kind: Ballot['kind']): string => `${epoch}/${signer}/${ballot.view}/${kind}`;
    const said = contentOf(ballot);
    const before = this.#votes.get(named(ballot.kind));
    if (before === said) return;
    const what = `node ${node.self} in view ${ballot.view} of epoch ${epoch}`;
    if (before !== undefined) this.#report(`equivocation: ${what} votes ${ballot.kind} ${said} after ${before}`);
    const opposite = { finalize: 'nullify', nullify: 'finalize', notarize: null }[ballot.kind] as Ballot['kind'] | null;
    if (opposite !== null && this.#votes.has(named(opposite)))
      this.#report(`equivocation: ${what} votes ${ballot.kind} after ${opposite}`);
    const notarized = this.#votes.has(named('notarize'));
    if (ballot.kind === 'notarize' && !notarized && this.#votes.has(named('nullify')))
      this.#report(`equivocation: ${what} votes notarize after nullify`);
    this.#votes.set(named(ballot.kind), said);
    const writer = new Writer();
    writeVote(writer, vote);
    if (!disk.holds('votes', writer.finish()))
      this.#report(`unsynced: ${what} says ${ballot.kind} before that is durable`);
    if (ballot.kind === 'notarize' && !this.#damaged.has(node.self) && !this.#holdsBatches(disk, ballot, epoch))
      this.#report(`unsynced: ${what} votes for a block before a batch of it is durable`);
  }

  /** A batch on the node's disk is damaged: that it is not durable any more is no fault of the node. */
  batchLost(node: number): void {
    this.#damaged.add(node);
  }

  /** Whether what a block orders beyond its parent lies on a disk, as far as honest authors made it. */
  #holdsBatches(disk: WatchedDisk, { block }: Ballot, epoch: number): boolean {
    const header = block === null ? undefined : this.#headers.get(block);
    const parent = header && this.#headers.get(header.parent);
    if (header === undefined || parent === undefined) return true;
    return header.cut.every((to, lane) => {
      const from = parent.cut[lane] as LanePoint;
      const first = from.incarnation === to.incarnation ? from.number + 1 : 1;
      for (let number = first; number <= to.number; number++) {
        const stored = this.#batches.get(`${epoch}/${lane}/${to.incarnation}/${number}`);
        if (stored !== undefined && !disk.holds('batches', stored)) return false;
      }
      return true;
    });
  }

  #batch(node: Watched, disk: WatchedDisk, message: Extract<Framed, { type: 'batch' }>): void {
    const batch = decodeBatch(message.bytes);
    const members = node.running?.replica.members;
    if (batch === null || members === undefined) return;
    const stored = encodeSignedBatch(message);
    if (batch.epoch === members.set.epoch && batch.author === members.self) {
      // An honest author has one batch of a number, so that the last point of its lane names this one.
      this.#batches.set(`${batch.epoch}/${batch.author}/${batch.incarnation}/${batch.number}`, stored);
      if (!disk.holds('batches', stored))
        this.#report(`unsynced: node ${node.self} sent batch ${batch.number} of its lane before it was durable`);
    }
  }

  /** That a lane is held up to a point is said of what is durable alone. Judged of the lanes of honest authors. */
  #held(node: Watched, disk: WatchedDisk, { epoch, lanes }: Extract<Framed, { type: 'held' }>): void {
    const cut = node.running?.replica.chain.final.header.cut;
    for (const [lane, { incarnation, number, digest }] of lanes.entries()) {
      const claim = `${node.self}/${epoch}/${lane}/${digest}`;
      const final = cut?.[lane];
      // What is final may have been pruned.
      const isFinal = final !== undefined && final.incarnation === incarnation && final.number >= number;
      if (number === 0 || isFinal || this.#claimed.has(claim)) continue;
      this.#claimed.add(claim);
      const stored = this.#batches.get(`${epoch}/${lane}/${incarnation}/${number}`);
      if (stored !== undefined && !disk.holds('batches', stored))
        this.#report(
          `unsynced: node ${node.self} says that it holds batch ${number} of lane ${lane} before that is durable`,
        );
    }
  }
}
