/** A network with liars in it, put to the test: honest nodes agree, lose nothing, are not blamed, and go on while it lasts. */
import type { Genesis } from '../../protocol/genesis.js';
import type { Instruction } from '../../protocol/instruction.js';
import { type Bic, type BlockHeader, faultsMax, type PeerKey, type ValidatorIndex } from '../../protocol/types.js';
import { Checkers } from '../checkers.js';
import { simKey } from '../crypto.js';
import { SIM_TIMING, SimNode, type SimNodeOptions } from '../node.js';
import { Random } from '../random.js';
import { Desk } from '../workload/desk.js';
import { hexKey, jurisdictionsOf } from '../workload/parties.js';
import { readJws, simGenesis, Workload } from '../workload.js';
import { CALM, World } from '../world.js';
import type { Liar } from './liar.js';
import { newLiar } from './lies.js';
import { Twins } from './twins.js';

interface TrialOptions {
  readonly seed: number;
  readonly validators?: number;
  /** Places of those who lie, at most f. */
  readonly liars: readonly number[];
  /** Each liar is two machines of one key, instead of one that lies. */
  readonly areTwins?: boolean;
  /** A bank runs a node of its own, which is no validator. */
  readonly hasParticipant?: boolean;
}

const PARTICIPANT = 'ALFAHKHHXXX' as Bic;
/** Virtual time in which what is honest must be final, the lies going on. */
const BOUND_MS = 240_000;
const LOSSY = { latencyMs: [1, 60], lostPerMille: 80, duplicatedPerMille: 50, reorderedPerMille: 50 } as const;

interface Taken {
  readonly instruction: Instruction;
  readonly node: SimNode;
}

/** What a liar says and finds final is judged by nobody. */
type Judge = Pick<Checkers, 'onFinal' | 'onSend' | 'violations'>;
const nobody = (): Judge => ({
  onFinal: () => {},
  onSend: () => {},
  violations: [],
});

export class Trial {
  readonly world: World;
  readonly honest: readonly SimNode[];
  /** Machines of the liars: one each, or two. */
  readonly lying: readonly SimNode[];
  readonly liars: readonly Liar[];
  readonly twins: readonly Twins[];
  /** The bank's own node, if there is one. */
  readonly participant: SimNode | null;
  readonly workload: Workload;
  /** Answered 202 by an honest node. */
  readonly taken: Taken[] = [];
  readonly #genesis: Genesis;
  readonly #options: TrialOptions;
  readonly #checkers = new Checkers();
  readonly #violations: string[] = [];
  /** The last final header that each node told of: what comes after it is judged by the rules for headers. */
  readonly #last = new Map<number, BlockHeader>();
  readonly #judge: Judge = {
    onFinal: (node, committed) => {
      this.#lawful(node.self, committed.block.header);
      this.#checkers.onFinal(node, committed);
    },
    onSend: (node, disk, frame) => this.#checkers.onSend(node, disk, frame),
    violations: this.#violations,
  };

  constructor(options: TrialOptions) {
    const { seed, validators = 4, liars, areTwins = false } = options;
    this.#options = options;
    this.world = new World(seed);
    const genesis = simGenesis(this.world.nowMs - 1000, validators);
    const places = genesis.validators.validators.map((_, i) => i as ValidatorIndex);
    const node = (self: ValidatorIndex, judge: Judge, more: SimNodeOptions = {}): SimNode =>
      new SimNode(this.world, genesis, self, judge, more);
    const parts = (self: ValidatorIndex) => ({
      network: genesis.network,
      seat: () => ({ set: genesis.validators, self }),
      deltaMs: SIM_TIMING.deltaMs,
      random: new Random(seed * 100 + self),
      met: (name: string) => this.world.met(name),
    });
    const lying = places.filter((self) => liars.includes(self));
    this.honest = places.filter((self) => !liars.includes(self)).map((self) => node(self, this.#judge));
    this.twins = areTwins ? lying.map((self) => new Twins(parts(self))) : [];
    this.liars = areTwins ? [] : lying.map((self) => newLiar(parts(self)));
    this.lying = [
      ...this.liars.map((liar, i) => node(lying[i] as ValidatorIndex, nobody(), { wrap: (ports) => liar.wrap(ports) })),
      ...this.twins.flatMap((twins, i) => {
        const self = lying[i] as ValidatorIndex;
        return ([0, 1] as const).map((which) =>
          node(self, nobody(), { wrap: twins.wrap(which), name: `${self}/twin ${which}` }),
        );
      }),
    ];
    this.#genesis = genesis;
    const networkKey = hexKey(2 * validators + 1) as PeerKey;
    const bank = { self: validators, party: PARTICIPANT, voteKeys: [], networkKey };
    this.participant = options.hasParticipant === true ? new SimNode(this.world, genesis, bank, this.#judge) : null;
    this.workload = new Workload(this.world, genesis, 'light');
  }

  /** The network opens for business, the liars still honest; twins are two from the start. */
  async open(): Promise<void> {
    for (const node of [...this.honest, ...this.lying]) await node.start();
    for (const stage of await this.workload.opening()) {
      for (const jws of stage) this.submit(this.world.random.pick(this.honest), readJws(jws));
      await this.settle('the opening');
    }
    if (this.participant === null) return;
    const desk = new Desk(this.world, this.#genesis, jurisdictionsOf(4));
    const party = PARTICIPANT;
    const keys = [await desk.prove(party, simKey(2 * this.#genesis.validators.validators.length + 1))];
    const registration = await desk.make({ initiator: party, kind: 'key', action: 'node', party, keys }, [party]);
    this.submit(this.world.random.pick(this.honest), readJws(registration));
    await this.settle('the registration of a participant');
    await this.participant.start();
  }

  /** Told by all liars from here on, or no more. */
  tell(lies: readonly string[], on = true): void {
    for (const liar of this.liars) for (const lie of lies) liar.tell(lie, on);
  }

  submit(node: SimNode, instruction: Instruction): void {
    void node.running?.service.submit(instruction).then(({ accepted }) => {
      if (accepted && !this.lying.includes(node)) this.taken.push({ instruction, node });
    });
  }

  /** Business by way of everybody, liars included; half of it by way of a participant, where there is one. */
  async work(instructions: number): Promise<void> {
    const { random } = this.world;
    for (let sent = 0; sent < instructions; sent++) {
      const byBank = this.participant !== null && random.chance(500);
      const node = byBank ? this.participant : random.pick([...this.honest, ...this.lying]);
      this.submit(node, readJws(await this.workload.next()));
      await this.world.run(this.world.nowMs + random.between(50, 500));
      if (random.chance(100)) for (const twins of this.twins) twins.turn();
      this.#blame();
    }
  }

  /** Business while frames are lost, and while an honest node and then a liar is away for a time. */
  async hardship(instructions: number): Promise<void> {
    const { random } = this.world;
    this.world.faults = LOSSY;
    const away = [random.pick(this.honest), random.pick(this.lying)];
    for (const node of away) {
      node.crash();
      await this.work(Math.ceil(instructions / 2));
      await node.start();
      // Time to catch up, with the help of the others, before the next one goes.
      await this.work(4);
    }
    this.world.faults = CALM;
  }

  /** Until nothing that an honest node answered 202 is still on its way on any of them. */
  async settle(what = 'all that was answered 202', boundMs = BOUND_MS): Promise<void> {
    for (const untilMs = this.world.nowMs + boundMs; this.world.nowMs < untilMs; ) {
      await this.world.run(this.world.nowMs + 250);
      this.#blame();
      if (!(await this.#isUnderWay())) return;
    }
    this.#violations.push(`${what} was not final after ${boundMs} ms`);
  }

  /** Whether anything is still in a lane, or has not come to every honest validator as ordered. */
  async #isUnderWay(): Promise<boolean> {
    for (const { instruction } of this.taken) {
      for (const { running } of this.honest) {
        if (running?.replica.admission.isPending(instruction.digest) !== false) return true;
        const { status } = await running.service.status(instruction.digest);
        if (status === 'unknown' && instruction.expiresMs > this.world.nowMs) return true;
      }
    }
    return false;
  }

  /** The highest view of an honest node. */
  get view(): number {
    return Math.max(...this.honest.map(({ running }) => running?.replica.core.view ?? 0));
  }

  /** Whether a final header follows from the one before it (SPEC, Blocks): f + 1 honest voters looked at it. */
  #lawful(self: number, header: BlockHeader): void {
    const { height, time, cut, network, epoch } = header;
    const before = this.#last.get(self);
    this.#last.set(self, header);
    // A snapshot leads past blocks that the node never sees.
    if (before === undefined || height > before.height + 1) return;
    const aheadMs = 2 * this.#genesis.parameters.skewMs;
    const isInTime = time > before.time && (time === before.time + 1 || time <= this.world.nowMs + aheadMs);
    const isOnward = cut.every((point, i) => {
      const from = before.cut[i];
      if (from === undefined || point.incarnation !== from.incarnation)
        return from !== undefined && point.incarnation > from.incarnation;
      return point.number > from.number || (point.number === from.number && point.digest === from.digest);
    });
    const isNext = height === before.height + 1 && network === before.network && epoch === before.epoch;
    if (!isInTime || !isOnward || !isNext || cut.length !== before.cut.length)
      this.#violations.push(`node ${self} made an unlawful header final at height ${height}`);
  }

  /** Evidence that an honest node has against another. */
  #blame(): void {
    for (const { self, running } of this.honest) {
      for (const round of running?.replica.core.rounds.values() ?? []) {
        for (const signer of round.shown)
          if (!this.#options.liars.includes(signer))
            this.#violations.push(`node ${self} has evidence against honest node ${signer} in view ${round.view}`);
      }
    }
  }

  /** What went wrong; nothing, if all is well. */
  async verdict(): Promise<readonly string[]> {
    const { validators = 4, liars } = this.#options;
    const violations = [...this.#checkers.violations, ...this.#violations];
    if (liars.length > faultsMax(validators)) violations.push('more liars than any protocol bears');
    const keys = this.honest.map(({ key }) => key);
    for (const { self, running } of [...this.honest, ...(this.participant === null ? [] : [this.participant])]) {
      if (running === null) violations.push(`node ${self} is down`);
      if (running?.replica.halted != null) violations.push(`node ${self} halted: ${running.replica.halted}`);
      for (const line of running?.bus.punished ?? [])
        if (keys.some((key) => line.includes(`punished ${key}`))) violations.push(line);
    }
    for (const { instruction, node } of this.taken) {
      const status = await node.running?.service.status(instruction.digest);
      const isExpired = instruction.expiresMs < (node.running?.replica.chain.final.header.time ?? 0);
      if (status?.status === 'unknown' && !isExpired)
        violations.push(`${instruction.digest} was lost by node ${node.self}`);
    }
    return violations;
  }
}
