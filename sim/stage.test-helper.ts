/** A network of the virtual world for tests that follow a script: four validators, nodes that join, and payments. */
import { toHex } from '../protocol/codec.js';
import type { Genesis, GenesisFile } from '../protocol/genesis.js';
import type { JwsJson } from '../protocol/instruction.js';
import { voteKeyStatement } from '../protocol/jws.js';
import { networkTime } from '../protocol/networktime.js';
import { assert, type Bic, type PeerKey } from '../protocol/types.js';
import { cheapFact } from './checkers/signatures.js';
import { Checkers } from './checkers.js';
import { simKey } from './crypto.js';
import { SimNode, type SimNodeOptions } from './node.js';
import { Desk } from './workload/desk.js';
import { hexKey, jurisdictionsOf } from './workload/parties.js';
import { readJws, simGenesis, Workload } from './workload.js';
import { World } from './world.js';

/** Whose node is the i-th beyond the genesis set. */
const NEWCOMERS = ['ALFAHKHHXXX', 'GAMACNBJXXX', 'DELTTHBKXXX', 'ZETAAEAAXXX'] as const;

/** The vote key that a validator of the genesis has besides its first, and does not use until a change names it. */
export const spareKeyOf = (at: number): number => 30 + at;

export class Stage {
  readonly world: World;
  readonly genesis: Genesis;
  readonly checkers: Checkers;
  readonly nodes: SimNode[];
  readonly desk: Desk;
  readonly workload: Workload;
  readonly #options: SimNodeOptions;
  #sent = 0;

  constructor(seed: number, options: SimNodeOptions = {}, test?: GenesisFile['test']) {
    this.#options = options;
    this.world = new World(seed);
    this.genesis = simGenesis(this.world.nowMs - 1000, 4, test);
    this.checkers = new Checkers({ genesis: this.genesis, signatures: cheapFact });
    this.nodes = this.genesis.validators.validators.map(({ party, voteKey, networkKey }, self) => {
      const identity = { self, party, voteKeys: [voteKey, hexKey(spareKeyOf(self))], networkKey };
      return new SimNode(this.world, this.genesis, identity, this.checkers, options);
    });
    const { world, genesis } = this;
    const around = {
      random: world.random,
      get nowMs(): number {
        return networkTime(genesis, world.nowMs);
      },
    };
    this.desk = new Desk(around, genesis, jurisdictionsOf(4));
    // Other profiles revoke the node keys of who has left the set, which may then not even follow.
    this.workload = new Workload(around, genesis, 'full');
  }

  /** The i-th node beyond the genesis set. */
  join(i: number): SimNode {
    const at = this.genesis.validators.validators.length + i;
    const identity = {
      self: at,
      party: NEWCOMERS[i] as string as Bic,
      voteKeys: [hexKey(2 * at)],
      networkKey: hexKey(2 * at + 1) as PeerKey,
    };
    const node = new SimNode(this.world, this.genesis, identity, this.checkers, this.#options);
    this.nodes.push(node);
    return node;
  }

  node(at: number): SimNode {
    const node = this.nodes[at];
    assert(node !== undefined, 'a node of the stage');
    return node;
  }

  heightOf = (node: SimNode): number => node.running?.replica.chain.final.header.height ?? -1;
  epochOf = (node: SimNode): number => node.running?.replica.members.set.epoch ?? -1;

  submit(node: SimNode, jws: JwsJson): void {
    const instruction = readJws(jws);
    const { digest, payload, expiresMs } = instruction;
    void node.running?.service.submit(instruction).then(({ accepted }) => {
      if (accepted)
        this.checkers.acknowledged.push({
          digest,
          name: `${payload.initiator}/${payload.id}`,
          node: node.self,
          expiresMs,
          instruction,
        });
    });
  }

  async open(): Promise<void> {
    for (const node of this.nodes) await node.start();
    for (const stage of await this.workload.opening()) {
      for (const jws of stage) this.submit(this.nodes[0] as SimNode, jws);
      // All three are signed by now, and what is signed for a test network does not live for long.
      await this.world.run(this.world.nowMs + (this.genesis.test === null ? 3000 : 1000));
    }
  }

  /** Until `done`, with payments; false when it does not come. */
  async until(done: () => boolean, seconds = 60): Promise<boolean> {
    const end = this.world.nowMs + 1000 * seconds;
    while (this.world.nowMs < end) {
      if (done()) return true;
      await this.world.run(this.world.nowMs + 100);
      const up = this.nodes.filter(({ running }) => running !== null);
      this.#sent += 1;
      this.submit(up[this.#sent % up.length] as SimNode, await this.workload.next());
    }
    return done();
  }

  /** Without further payments, until all that was answered for is final everywhere; false when that does not come. */
  async settle(seconds = 120): Promise<boolean> {
    for (let second = 0; second < seconds; second++) {
      await this.world.run(this.world.nowMs + 1000);
      if (this.checkers.isSettled(this.nodes, this.world.nowMs)) return true;
    }
    return false;
  }

  async registerNode(i: number): Promise<void> {
    const party = NEWCOMERS[i] as string;
    const at = 2 * (this.genesis.validators.validators.length + i) + 1;
    const keys = [await this.desk.prove(party, simKey(at))];
    this.submit(
      this.nodes[0] as SimNode,
      await this.desk.make({ initiator: party, kind: 'key', action: 'node', party, keys }, [party]),
    );
  }

  /** The next set, by number of node; whoever is not of the current one proves its vote key, and who renews its own the spare. */
  async govern(members: readonly number[], current: readonly number[], renewed: readonly number[] = []): Promise<void> {
    const { validators } = this.genesis.validators;
    const next = await Promise.all(
      members.map(async (at) => {
        const party = validators[at]?.party ?? (NEWCOMERS[at - validators.length] as string as Bic);
        const voteKey = renewed.includes(at) ? spareKeyOf(at) : 2 * at;
        const member = { party, voteKey: hexKey(voteKey), networkKey: hexKey(2 * at + 1) };
        if (current.includes(at) && !renewed.includes(at)) return member;
        const { signer } = simKey(voteKey);
        const possession = toHex(
          await signer.sign(voteKeyStatement(this.genesis.network, { party, voteKey: member.voteKey })),
        );
        return { ...member, possession };
      }),
    );
    const authorities = jurisdictionsOf(4).map(({ authority }) => authority);
    const change = { type: 'validators', validators: next };
    this.submit(
      this.nodes[0] as SimNode,
      await this.desk.make({ initiator: authorities[0] as string, kind: 'govern', change }, authorities),
    );
  }
}
