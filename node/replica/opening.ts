/**
 * The hand-over that opened this node's epoch: members of the new set state that they go on from the block that ended
 * the one before, and a quorum of statements completes the proof that every later certificate is checked through.
 */
import { type HandOver, handOverSigningBytes, judgeSigners, lastRoot } from '../../protocol/certificate.js';
import type { Statement } from '../../protocol/envelope.js';
import type { NetworkId, ValidatorIndex } from '../../protocol/types.js';
import type { Operation, Signer } from '../ports.js';
import type { Members } from './members.js';
import { putHandOver } from './records.js';

interface Deps {
  readonly network: NetworkId;
  readonly members: Members;
  readonly signer: Signer;
}

export class Opening {
  readonly #deps: Deps;
  readonly #statements = new Map<ValidatorIndex, Uint8Array>();
  #handOver: HandOver;

  /** `handOver` as far as it is known: with a quorum's statements, with some, or with none. */
  constructor(deps: Deps, handOver: HandOver) {
    this.#deps = deps;
    this.#handOver = handOver;
    for (const { signer, signature } of handOver.statements) this.#statements.set(signer, signature);
  }

  get handOver(): HandOver {
    return this.#handOver;
  }

  get isComplete(): boolean {
    return judgeSigners(this.#handOver.statements, this.#deps.members.set) === null;
  }

  /** This node's own statement, or null when it has no vote in the new set. It says the same however often it is made. */
  async own(): Promise<Statement | null> {
    const { members, network, signer } = this.#deps;
    const { self, set, voteKey } = members;
    if (self === null || voteKey === null) return null;
    const { block } = this.#handOver;
    const root = lastRoot(this.#handOver);
    const signature = await signer.vote(handOverSigningBytes(network, set, block, root), voteKey);
    return { block, root, signer: self, signature };
  }

  /** Whether a statement is about this hand-over, and not known yet: only then is its signature worth a check. */
  isNew({ block, root, signer }: Statement): boolean {
    return block === this.#handOver.block && root === lastRoot(this.#handOver) && !this.#statements.has(signer);
  }

  /** Takes a statement whose signature holds. When it completes the hand-over, that is to be written. */
  take({ signer, signature }: Statement): Operation | null {
    if (this.isComplete) return null;
    this.#statements.set(signer, signature);
    const statements = [...this.#statements]
      .sort(([a], [b]) => a - b)
      .map(([place, signed]) => ({ signer: place, signature: signed }));
    this.#handOver = { ...this.#handOver, statements: statements.slice(0, this.#deps.members.quorum) };
    return this.isComplete ? putHandOver(this.#handOver) : null;
  }
}
