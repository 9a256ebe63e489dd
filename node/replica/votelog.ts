/**
 * What this node has signed and learned since the last final block, kept so that it can be said again after a crash:
 * own votes with the blocks they were for, and certificates (SPEC, Persistence).
 */
import type { Core } from '../../protocol/bft/core.js';
import type { BlockHeader, BlockId, Certificate, Epoch, View, Vote } from '../../protocol/types.js';
import type { Operation } from '../ports.js';
import type { Chain } from './chain.js';
import { deleteLogged, putCertificate, putProposal, putVote, viewOfLogKey } from './records.js';

export class VoteLog {
  readonly #chain: Chain;
  readonly #epoch: Epoch;
  /** Keys of what is written, by view, so that finality can prune it. */
  readonly #written = new Map<View, Uint8Array[]>();
  /** Headers that this leader has built and not yet signed. */
  readonly #built = new Map<BlockId, BlockHeader>();

  constructor(chain: Chain, epoch: Epoch, keys: readonly Uint8Array[]) {
    this.#chain = chain;
    this.#epoch = epoch;
    for (const key of keys) this.#note(viewOfLogKey(key), key);
  }

  /** A header of this node's own making: its proposal is whole once the vote for it is signed. */
  built(id: BlockId, header: BlockHeader): void {
    this.#built.set(id, header);
  }

  /** The vote, and the block it is for, so that both can be said again. */
  vote(vote: Vote, core: Core): Operation[] {
    const { ballot } = vote;
    const operations = [putVote(this.#epoch, vote)];
    if (ballot.kind === 'notarize') {
      const header = this.#built.get(ballot.block);
      const block = this.#chain.get(ballot.block);
      if (header !== undefined && block !== undefined) block.proposal ??= { header, id: ballot.block, vote };
      if (block?.proposal != null) operations.push(putProposal(block.proposal));
    }
    if (ballot.kind === 'finalize') {
      // Written with it once more: who has voted finalize must be able to show why, or a view could never end.
      const notarization = core.rounds.get(ballot.view)?.notarization ?? null;
      if (notarization !== null) operations.push(putCertificate(this.#epoch, notarization));
    }
    for (const { key } of operations) this.#note(ballot.view, key);
    return operations;
  }

  certificate(certificate: Certificate): Operation {
    const operation = putCertificate(this.#epoch, certificate);
    this.#note(certificate.ballot.view, operation.key);
    return operation;
  }

  /** Removes what the final block of view `until` made moot. */
  prune(until: View): Operation[] {
    const over = [...this.#written].filter(([view]) => view <= until);
    for (const [view] of over) this.#written.delete(view);
    for (const id of this.#built.keys()) if (this.#chain.get(id) === undefined) this.#built.delete(id);
    return over.flatMap(([, keys]) => keys.map(deleteLogged));
  }

  #note(view: View, key: Uint8Array): void {
    this.#written.set(view, [...(this.#written.get(view) ?? []), key]);
  }
}
