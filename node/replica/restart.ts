/**
 * A restart on its way (protocol/SPEC.md, The restart ceremony): the node signs nothing more in the epoch that is over,
 * brings itself to the last block that the authorities have named, and judges what they signed by the state it finds
 * there. `restartblock.ts` begins the next epoch over it.
 */
import { takenKey } from '../../ledger/restart.js';
import type { State } from '../../ledger/state.js';
import { blockId } from '../../protocol/block.js';
import { certificateChecks, judgeRestart, restartHandOver } from '../../protocol/certificate.js';
import { jwkOf } from '../../protocol/crypto.js';
import { authorityChecks, type RestartAuthority, type RestartFile } from '../../protocol/restart.js';
import type { BlockHeader, BlockId, Hash, NetworkId, ValidatorSet, View } from '../../protocol/types.js';
import type { Operation, Ports, SignatureCheck } from '../ports.js';
import { putHandOver } from './records.js';

/** Why a restart is not taken: a stable code and a sentence. */
export interface NotTaken {
  readonly code: string;
  readonly detail: string;
}

/** What the chain of an epoch works towards that was ended by a restart. */
export class RestartGoal {
  readonly file: RestartFile;
  /** Headers on the way to the last block, by id, oldest first. */
  readonly headers: ReadonlyMap<BlockId, BlockHeader>;
  readonly #network: NetworkId;
  readonly #before: ValidatorSet;
  readonly #verifier: Ports['verifier'];
  /** Ids on the way: a final block that is not among them lies before the way begins, or the restart leaves it out. */
  readonly #way: ReadonlySet<BlockId>;
  readonly #wayView: View;
  #verdict: 'unknown' | 'pending' | 'good' | NotTaken = 'unknown';
  /** Everything up to the last block is final here, and that it was a restart is written with it. */
  isTaken: boolean;

  /** `before` is the set of the epoch that is over. */
  constructor(
    file: RestartFile,
    parts: { readonly network: NetworkId; readonly before: ValidatorSet; readonly verifier: Ports['verifier'] },
    isTaken: boolean,
  ) {
    const { last } = file.restart;
    this.file = file;
    this.#network = parts.network;
    this.#before = parts.before;
    this.#verifier = parts.verifier;
    this.headers = new Map(file.headers.map((header) => [blockId(header), header]));
    const [first] = file.headers;
    this.#way = new Set([...this.headers.keys(), last.block, ...(first === undefined ? [] : [first.parent])]);
    this.#wayView = first?.parentView ?? last.view;
    this.isTaken = isTaken;
  }

  get last(): RestartFile['restart']['last'] {
    return this.file.restart.last;
  }

  /** What is wrong with it whatever this node holds and whoever signed it. */
  async refusal(): Promise<NotTaken | null> {
    const refusal = this.#form();
    if (refusal !== null) return refusal;
    const verdicts = await this.#verifier.verify(this.#votes());
    return verdicts.every((isValid) => isValid) ? null : BAD_VOTE;
  }

  #form(): NotTaken | null {
    return judgeRestart(this.file.restart, { network: this.#network, set: this.#before });
  }

  #votes(): SignatureCheck[] {
    const { certificate } = this.file.restart;
    return certificate === null ? [] : certificateChecks(certificate, this.#network, this.#before);
  }

  /** Refuses a restart that leaves out what is final here: a survivor was not asked. */
  against({ view, block }: { readonly view: View; readonly block: BlockId | null }): NotTaken | null {
    if (block === null || this.#way.has(block) || view < this.#wayView) return null;
    return {
      code: 'restart_behind',
      detail: `The block ${block} of view ${view} is final, and the restart goes on from ${this.last.block}, which does not extend it: a survivor was left out. Make a new statement with a survey of this node.`,
    };
  }

  /** The verdict on the restart by the state of its last block; null while signatures are being checked, and `wake` is called after. */
  judge(header: BlockHeader, { state }: { readonly state: State }, wake: () => void): 'good' | NotTaken | null {
    if (this.#verdict === 'pending') return null;
    if (this.#verdict !== 'unknown') return this.#verdict;
    const { restart } = this.file;
    const owed = authorityChecks(restart, authoritiesOf(state));
    const key = takenKey(state, this.#before.validators, restart.set);
    const refusal =
      this.#form() ??
      (header.height === this.last.height ? null : wrongHeight(header, this.last.height)) ??
      (key === null ? null : keyTaken(key)) ??
      (owed.ok ? null : { code: owed.code, detail: owed.detail });
    if (refusal !== null || !owed.ok) {
      this.#verdict = refusal as NotTaken;
      return this.#verdict;
    }
    const votes = this.#votes();
    this.#verdict = 'pending';
    void this.#verifier.verify([...votes, ...owed.checks]).then((verdicts) => {
      const bad = verdicts.findIndex((isValid) => !isValid);
      if (bad < 0) this.#verdict = 'good';
      else if (bad < votes.length) this.#verdict = BAD_VOTE;
      else this.#verdict = { code: 'bad_authority_signature', detail: "An authority's signature does not hold." };
      wake();
    });
    return null;
  }

  /** Whether it was judged good. */
  get isAgreed(): boolean {
    return this.#verdict === 'good';
  }

  /** Written with the finality of the last block: from then on the node knows by itself how its epoch ended. */
  get operation(): Operation {
    return putHandOver(restartHandOver(this.file.restart));
  }
}

const BAD_VOTE: NotTaken = { code: 'bad_signature', detail: 'A vote of the certificate does not hold.' };
const wrongHeight = ({ height }: BlockHeader, said: number): NotTaken => ({
  code: 'wrong_height',
  detail: `The last block has height ${height}, and the statement says ${said}.`,
});
const keyTaken = (key: Hash): NotTaken => ({
  code: 'key_taken',
  detail: `The key ${key} has served before, or serves for something else: the set needs a new one in its place.`,
});

/** The authorities with the keys that they have in a state. */
export const authoritiesOf = (state: State): RestartAuthority[] =>
  state.authorities().map((party) => {
    const { threshold = Number.MAX_SAFE_INTEGER, kids = [] } = state.participant(party) ?? {};
    const keys = kids.flatMap((kid) => {
      const key = state.publicKey(kid);
      return key === undefined ? [] : [jwkOf(key)];
    });
    return { party, threshold, keys };
  });
