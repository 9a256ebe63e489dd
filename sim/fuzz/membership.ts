/** Who the nodes of a run are: the validators of the genesis, banks' own nodes beyond those, and how the set changes. */
import { toHex } from '../../protocol/codec.js';
import type { Genesis } from '../../protocol/genesis.js';
import type { JwsJson } from '../../protocol/instruction.js';
import { voteKeyStatement } from '../../protocol/jws.js';
import { assert, type Bic, type Hash, type PeerKey, type ValidatorSet } from '../../protocol/types.js';
import { simKey } from '../crypto.js';
import type { SimIdentity } from '../node.js';
import { Desk, type Surroundings } from '../workload/desk.js';
import { hexKey, jurisdictionsOf } from '../workload/parties.js';

/** Whose the nodes beyond the genesis set are: banks that every world has. */
const PARTICIPANTS = ['ALFAHKHHXXX', 'GAMACNBJXXX', 'DELTTHBKXXX', 'ZETAAEAAXXX'] as const;

/** Keys between those that nodes begin with and those of the parties: vote keys that a node may come to use. */
const FIRST_SPARE_KEY = 30;
const SPARES = 6;

export class Membership {
  readonly #genesis: Genesis;
  readonly #desk: Desk;
  /** By node: how many of its spare vote keys a change has named. */
  readonly #spent = new Map<number, number>();

  constructor(around: Surroundings, genesis: Genesis) {
    this.#genesis = genesis;
    this.#desk = new Desk(around, genesis, jurisdictionsOf(genesis.validators.validators.length));
  }

  /** Its first vote key is the genesis' for a validator; the others wait until the first must not be used any more. */
  identity(node: number): SimIdentity {
    const spares = Array.from({ length: SPARES }, (_, spare) => hexKey(FIRST_SPARE_KEY + SPARES * node + spare));
    return {
      self: node,
      party: this.#party(node),
      voteKeys: [hexKey(2 * node), ...spares],
      networkKey: hexKey(2 * node + 1) as PeerKey,
    };
  }

  #party(node: number): Bic {
    const { validators } = this.#genesis.validators;
    const party = validators[node]?.party ?? PARTICIPANTS[node - validators.length];
    assert(party !== undefined, 'a node is of a party');
    return party as string as Bic;
  }

  /** Registers the network key of a node beyond the genesis set, so that others talk to it. */
  async registration(node: number): Promise<JwsJson> {
    const party = this.#party(node);
    const keys = [await this.#desk.prove(party, simKey(2 * node + 1))];
    return this.#desk.make({ initiator: party, kind: 'key', action: 'node', party, keys }, [party]);
  }

  /**
   * Has these nodes validate from the next epoch on, signed by all authorities. Who is in the present set keeps its vote
   * key, if `isFit` says that it may still use it; whoever else gets one that was never used.
   */
  async change(
    members: readonly number[],
    present: ValidatorSet,
    isFit: (node: number, key: Hash) => boolean,
  ): Promise<JwsJson> {
    const validators = await Promise.all(
      members.map(async (node) => {
        const { party, networkKey } = this.identity(node);
        const kept = present.validators.find((validator) => validator.networkKey === networkKey)?.voteKey;
        if (kept !== undefined && isFit(node, kept)) return { party, voteKey: kept, networkKey };
        return this.#newcomer(node);
      }),
    );
    const authorities = this.#desk.jurisdictions
      .slice(0, this.#genesis.validators.validators.length)
      .map(({ authority }) => authority);
    const fields = { initiator: authorities[0], kind: 'govern', change: { type: 'validators', validators } };
    return this.#desk.make(fields, authorities);
  }

  async #newcomer(node: number): Promise<object> {
    const spent = this.#spent.get(node) ?? 0;
    this.#spent.set(node, spent + 1);
    const { party, networkKey } = this.identity(node);
    const isFirst = spent === 0 && node >= this.#genesis.validators.validators.length;
    const index = isFirst ? 2 * node : FIRST_SPARE_KEY + SPARES * node + (spent % SPARES);
    const voteKey = hexKey(index);
    const statement = voteKeyStatement(this.#genesis.network, { party, voteKey });
    return { party, voteKey, networkKey, possession: toHex(await this.#desk.signerOf(simKey(index)).sign(statement)) };
  }
}
