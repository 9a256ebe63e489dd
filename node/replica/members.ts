/** Who validates in an epoch, by place in the set and by network key; and which of them this node is, if any. */
import { type Hash, type PeerKey, quorum, type ValidatorIndex, type ValidatorSet } from '../../protocol/types.js';

export class Members {
  readonly set: ValidatorSet;
  /** This node's place in the set, or null when it only follows. */
  readonly self: ValidatorIndex | null;
  /** The key with which this node votes, or null: it has no place, or must not use the vote key that the set has for it. */
  readonly voteKey: Hash | null;
  /** The validators but this node itself, in the order of the set. */
  readonly others: readonly PeerKey[];
  readonly #places: ReadonlyMap<PeerKey, ValidatorIndex>;

  /** `own` is this node's network key, `voteKeys` are those it may use. */
  constructor(set: ValidatorSet, own: PeerKey, voteKeys: Iterable<Hash>) {
    this.set = set;
    this.#places = new Map(set.validators.map(({ networkKey }, place) => [networkKey, place as ValidatorIndex]));
    this.self = this.#places.get(own) ?? null;
    const voteKey = this.self === null ? undefined : set.validators[this.self]?.voteKey;
    this.voteKey = [...voteKeys].find((key) => key === voteKey) ?? null;
    this.others = set.validators.map(({ networkKey }) => networkKey).filter((key) => key !== own);
  }

  /** A peer's place in the set, or null when it is no validator. */
  placeOf(peer: PeerKey): ValidatorIndex | null {
    return this.#places.get(peer) ?? null;
  }

  keyOf(place: ValidatorIndex): PeerKey | null {
    return this.set.validators[place]?.networkKey ?? null;
  }

  get size(): number {
    return this.set.validators.length;
  }

  get quorum(): number {
    return quorum(this.size);
  }
}
