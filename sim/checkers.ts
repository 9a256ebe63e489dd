/** What must hold whatever happens, judged from what nodes made final and what clients were told. */
import type { State } from '../ledger/state.js';
import type { Committed } from '../node/replica/chain.js';
import type { Replica } from '../node/replica/replica.js';
import type { Service } from '../node/replica/service.js';
import { decodeBatch, encodeSignedBatch, writeVote } from '../protocol/block.js';
import { Writer } from '../protocol/codec.js';
import { decodeMessage } from '../protocol/envelope.js';
import type { InstructionDigest } from '../protocol/types.js';
import type { SimDisk } from './store.js';
import type { SimBus } from './world.js';

/** What the checkers look at of a node. */
interface Watched {
  readonly self: number;
  readonly running: { readonly replica: Replica; readonly service: Service; readonly bus: SimBus } | null;
}

export interface Acknowledged {
  readonly digest: InstructionDigest;
  /** Initiator and id. */
  readonly name: string;
  readonly node: number;
  readonly expiresMs: number;
}

export class Checkers {
  readonly violations: string[] = [];
  readonly acknowledged: Acknowledged[] = [];
  readonly #votes = new Map<string, string>();
  readonly #blocks = new Map<number, { readonly id: string; readonly root: string }>();
  readonly #codes = new Map<InstructionDigest, string>();
  /** Which instruction has used up each initiator's id. */
  readonly #ids = new Map<string, InstructionDigest>();

  get height(): number {
    return this.#blocks.size;
  }

  /** A node made a block final: the same block with the same root on every node, for ever, and every asset sums to zero. */
  onFinal(node: Watched, { block, executed }: Committed): void {
    const { height } = block.header;
    const known = this.#blocks.get(height);
    if (known === undefined) this.#blocks.set(height, { id: block.id, root: executed.root });
    else if (known.id !== block.id || known.root !== executed.root) {
      this.violations.push(`node ${node.self} made ${block.id} final at height ${height}, where ${known.id} was`);
    }
    for (const { digest, code, initiator, id } of executed.receipts) {
      this.#ids.set(`${initiator}/${id}`, digest);
      const before = this.#codes.get(digest);
      const isOpen = before === 'proposed' || before === 'waiting' || before === undefined;
      if (known === undefined && !isOpen) this.violations.push(`${digest} ended as ${before} and again as ${code}`);
      if (known === undefined) this.#codes.set(digest, code);
    }
    this.#conservation(node, executed.state);
  }

  /** Nothing is said that is not durable: neither a node's vote nor its batch (SPEC, Persistence). */
  onSend(node: Watched, disk: SimDisk, frame: Uint8Array): void {
    const message = decodeMessage(frame);
    const vote = message?.type === 'proposal' ? message.proposal.vote : message?.type === 'vote' ? message.vote : null;
    if (vote?.signer === node.self) {
      const name = `${node.self}/${vote.ballot.kind}/${vote.ballot.view}`;
      const said = `${vote.ballot.block}/${vote.ballot.root}`;
      const before = this.#votes.get(name);
      if (before !== undefined && before !== said)
        this.violations.push(`node ${name} contradicts itself across a restart`);
      const writer = new Writer();
      writeVote(writer, vote);
      if (before === undefined && !disk.holds('votes', writer.finish()))
        this.violations.push(`node ${name} was sent before it was durable`);
      this.#votes.set(name, said);
    }
    if (
      message?.type === 'batch' &&
      decodeBatch(message.bytes)?.author === node.self &&
      !disk.holds('batches', encodeSignedBatch(message))
    ) {
      this.violations.push(`node ${node.self} sent a batch before it was durable`);
    }
  }

  #conservation(node: Watched, state: State): void {
    for (const { asset, issuer, cap } of state.assets()) {
      let sum = 0n;
      for (const { party } of state.participants()) {
        const balance = state.account(party, asset)?.balance ?? 0n;
        sum += balance;
        if (party !== issuer && balance < 0n)
          this.violations.push(`${party} holds ${balance} of ${asset} on node ${node.self}`);
        if (party === issuer && balance + cap < 0n)
          this.violations.push(`${asset} is above its cap on node ${node.self}`);
      }
      if (sum !== 0n) this.violations.push(`${asset} sums to ${sum} on node ${node.self}`);
    }
  }

  /** Whether every node has the same final block and nothing of what was answered 202 is still on its way. */
  isSettled(nodes: readonly Watched[]): boolean {
    const heights = nodes.map(({ running }) => running?.replica.chain.final.header.height ?? -1);
    if (heights.some((height) => height !== heights[0])) return false;
    return this.acknowledged.every(({ digest }) =>
      nodes.every(({ running }) => running?.replica.admission.isPending(digest) === false),
    );
  }

  /** After the faults: every 202 of a node that kept its disk has one end, is open, or had expired before it was ordered. */
  async atEnd(nodes: readonly Watched[]): Promise<void> {
    for (const { self, running } of nodes) {
      if (running === null) this.violations.push(`node ${self} is down`);
      if (running?.replica.halted != null) this.violations.push(`node ${self} halted: ${running.replica.halted}`);
      if ((running?.replica.evidence ?? 0) > 0)
        this.violations.push(`node ${self} has evidence against an honest validator`);
      if (running !== null) this.violations.push(...running.bus.punished);
    }
    for (const { digest, name, node, expiresMs } of this.acknowledged) {
      const code = this.#codes.get(digest);
      const { running } = nodes[node] as Watched;
      const status = await running?.service.status(digest);
      if (status === undefined) continue;
      const taken = (this.#ids.get(name) ?? digest) !== digest;
      const expired = running !== null && running.replica.chain.final.header.time > expiresMs;
      if (code === undefined && status.status !== 'pending' && !taken && !expired) {
        this.violations.push(`${digest}, acknowledged by node ${node}, was lost: ${JSON.stringify(status)}`);
      }
      if (code !== undefined && (status.status === 'unknown' || status.code !== code)) {
        this.violations.push(`node ${node} tells ${JSON.stringify(status)} of ${digest}, which ended as ${code}`);
      }
    }
  }
}
