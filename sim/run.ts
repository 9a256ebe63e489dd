/** One run of the virtual world: a network opens, works while a plan is carried out, and must be whole when faults end. */
import { utf8 } from '../protocol/codec.js';
import type { Genesis } from '../protocol/genesis.js';
import { hashOf } from '../protocol/hash.js';
import type { JwsJson } from '../protocol/instruction.js';
import { type Hash, type PeerKey, unreachable, type ValidatorSet } from '../protocol/types.js';
import { DAY_MS } from '../protocol/values.js';
import type { Liar, Seat } from './byzantine/liar.js';
import { newLiar } from './byzantine/lies.js';
import { Twins } from './byzantine/twins.js';
import { cheapFact, realFact } from './checkers/signatures.js';
import { QUICK_SYNCS, type SimDisk } from './disk.js';
import { Clients } from './fuzz/clients.js';
import { DamageDone, isOfLastBlock } from './fuzz/damage.js';
import { Membership } from './fuzz/membership.js';
import type { Deed, Plan } from './fuzz/plan.js';
import { Recorder } from './fuzz/recorder.js';
import { Rules } from './fuzz/rules.js';
import { SIM_TIMING, SimNode, type SimNodeOptions } from './node.js';
import { Random } from './random.js';
import { simGenesis, Workload } from './workload.js';
import { World } from './world.js';

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly string[];
  /** Over every event of the world and the final block and root of every node. */
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly height: number;
  readonly acknowledged: number;
  readonly crashes: number;
  readonly situations: Readonly<Record<string, number>>;
  /** What each node did when, the last of it: empty unless asked for. */
  readonly trace: readonly string[];
}

/** Virtual time past which a network without faults is no more waited for: the checkers speak long before. */
const SETTLE_MS = 180_000;
const SETTLE_STEP_MS = 500;
/** Within it a node that has just come into an epoch hears the new set's statements, without which it proves no receipt of it. */
const HEARD_MS = 3_000;
/** A node that starts has its disk to read. */
const START_MS_MAX = 60_000;
/** Reads of all that a damaged node has, with time to mend between two; thrice as many where each way takes longer than Δ. */
const MENDING_ROUNDS = 40;
const FAR_MENDING_ROUNDS = 3 * MENDING_ROUNDS;
const MENDING_MS = 1500;

/** Carries out a plan. What happens is decided by the plan alone. `traceLines` asks for that much of a trace. */
export async function run(plan: Plan, traceLines = 0): Promise<RunResult> {
  const stage = new Stage(plan, traceLines > 0);
  try {
    await stage.open();
    await stage.play();
    await stage.close();
  } catch (error) {
    stage.violate(`failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  return stage.result(traceLines);
}

class Stage {
  readonly #plan: Plan;
  readonly #world: World;
  readonly #recorder: Recorder;
  readonly #rules: Rules;
  readonly #clients: Clients;
  readonly #genesis: Genesis;
  /** By their place in the genesis set, and those beyond it; a liar too, and one of two twins. */
  readonly #nodes: readonly SimNode[];
  readonly #secondTwins: readonly SimNode[];
  readonly #liars = new Map<number, Liar>();
  readonly #twins: Twins[] = [];
  readonly #workload: Workload;
  readonly #membership: Membership;
  readonly #damage = new DamageDone();
  /** Copies of data folders, by node. */
  readonly #copies = new Map<SimNode, SimDisk>();
  /** By node: at which call of a port after an epoch's end its process ends. */
  readonly #doomed = new Map<number, number>();
  #epoch = 0;
  readonly #startedMs: number;
  /** What clients draw from: set anew for each instruction, so that leaving one out of a plan changes no other. */
  #chance: Random;

  constructor(plan: Plan, isTracing: boolean) {
    const { seed, validators, realSignatures, profile, usual } = plan;
    this.#plan = plan;
    this.#chance = new Random(seed);
    const world = new World(seed, { realSignatures, usual });
    this.#world = world;
    this.#startedMs = world.nowMs;
    const genesis = simGenesis(world.nowMs - 1000, validators);
    this.#genesis = genesis;
    const honest = (node: number): boolean => this.#isHonest(node);
    const signatures = realSignatures ? realFact : cheapFact;
    const { retention } = plan;
    const forgetsAfterMs = retention === null ? null : 2 * retention.days * DAY_MS;
    const liars = plan.liars.length + plan.twins.length;
    this.#recorder = new Recorder(world, { honest, liars, genesis, signatures, forgetsAfterMs }, isTracing);
    this.#clients = new Clients(world, this.#recorder, honest);
    this.#rules = new Rules((violation) => this.violate(violation), genesis.parameters.skewMs);
    const stage = this;
    const around = {
      realSignatures,
      get random(): Random {
        return stage.#chance;
      },
      get nowMs(): number {
        return world.nowMs;
      },
    };
    this.#workload = new Workload(around, genesis, profile);
    this.#membership = new Membership(around, genesis);
    const places = Array.from({ length: validators + plan.joiners }, (_, self) => self);
    this.#nodes = places.map((self) => this.#made(self));
    this.#secondTwins = plan.twins.map((self, i) => this.#twin(self, i));
  }

  #isHonest(node: number): boolean {
    return !this.#plan.liars.includes(node) && !this.#plan.twins.includes(node);
  }

  #made(self: number): SimNode {
    const parts = {
      network: this.#genesis.network,
      seat: () => this.#seatOf(self),
      deltaMs: SIM_TIMING.deltaMs,
      random: new Random(this.#plan.seed ^ (0x4c49_4152 + self)),
      met: (name: string) => this.#world.met(name),
    };
    if (this.#plan.liars.includes(self)) {
      const liar = newLiar(parts);
      this.#liars.set(self, liar);
      return this.#watched(this.#machine(self, { wrap: (ports) => liar.wrap(ports) }));
    }
    if (this.#plan.twins.includes(self)) {
      const twins = new Twins(parts);
      this.#twins.push(twins);
      return this.#watched(this.#machine(self, { wrap: twins.wrap(0), name: `${self}/twin 0` }));
    }
    return this.#watched(this.#machine(self));
  }

  #twin(self: number, which: number): SimNode {
    return this.#machine(self, { wrap: (this.#twins[which] as Twins).wrap(1), name: `${self}/twin 1` });
  }

  #machine(self: number, options: SimNodeOptions = {}): SimNode {
    const { snapshotBlocks, retention, answerBlocks } = this.#plan;
    const identity = this.#membership.identity(self);
    const all = { snapshotBlocks, retention, answerBlocks, ...options };
    return new SimNode(this.#world, this.#genesis, identity, this.#judge(self), all);
  }

  /** Where a node sits now, if it does. */
  #seatOf(self: number): Seat | null {
    const members = this.#nodes[self]?.running?.replica.members;
    return members === undefined || members.self === null ? null : { set: members.set, self: members.self };
  }

  /** What a node says and finds final, seen by the checkers; a liar's is judged by nobody, a bug of its process neither. */
  #judge(self: number): ConstructorParameters<typeof SimNode>[3] {
    const recorder = this.#recorder;
    const isHonest = this.#isHonest(self);
    return {
      onFinal: (node, committed) => {
        recorder.onFinal(node, committed);
        if (committed.executed.state.validators.epoch > committed.block.header.epoch) this.#onEpochEnd(node.self);
        if (!isHonest) return;
        this.#tick();
        this.#rules.onFinal(committed);
      },
      onSend: (node, disk, frame) => {
        recorder.onSend(node, disk, frame);
        if (isHonest) this.#rules.onSend(node as SimNode);
      },
      violations: isHonest ? recorder.violations : [],
    };
  }

  #watched(node: SimNode): SimNode {
    node.onCorrupt = () => {
      if (!this.#damage.isOn(node))
        this.violate(`corrupt: node ${node.self} reads a damaged record, and nobody damaged one`);
    };
    node.onExit = ({ code, detail }) => {
      this.#recorder.note(node.self, `ends: ${code} ${detail.slice(0, 80)}`);
      if (this.#nodes.every(({ isUp }) => !isUp)) this.#world.met('all_down');
    };
    return node;
  }

  /** A node has made the last block of an epoch final. */
  #onEpochEnd(self: number): void {
    const calls = this.#doomed.get(self);
    if (calls === undefined) return;
    this.#doomed.delete(self);
    this.#node(self).crashAt(null, calls);
    this.#world.met('epoch_end_crash');
  }

  #tick(): void {
    this.#followEpochs();
    this.#rules.tick(this.#nodes.filter(({ self }) => this.#isHonest(self)));
  }

  /** Who came and who went when an epoch began. */
  #followEpochs(): void {
    const set = this.#present();
    if (set.epoch <= this.#epoch) return;
    this.#epoch = set.epoch;
    const world = this.#world;
    world.met('epoch_change');
    const isMember = ({ key }: SimNode): boolean => set.validators.some(({ networkKey }) => networkKey === key);
    if (this.#nodes.some((node) => !node.isUp && !isMember(node))) world.met('standby_took_over');
  }

  /** The set of the latest epoch that an honest node is in. */
  #present(): ValidatorSet {
    let latest = this.#genesis.validators;
    for (const { self, running } of this.#nodes) {
      const set = running?.replica.members.set;
      if (set !== undefined && this.#isHonest(self) && set.epoch > latest.epoch) latest = set;
    }
    return latest;
  }

  violate(violation: string): void {
    this.#recorder.violations.push(violation);
  }

  /** Starts the nodes, and has the network opened for business. */
  async open(): Promise<void> {
    const { validators } = this.#plan;
    const first = this.#nodes.slice(0, validators);
    const joiners = this.#nodes.slice(validators);
    await this.#allRun([...first, ...this.#secondTwins]);
    for (const stage of await this.#workload.opening()) await this.#prepare('the opening', stage, first);
    // Nobody talks to a node whose key is not registered.
    const registrations: JwsJson[] = [];
    for (const { self } of joiners) registrations.push(await this.#membership.registration(self));
    if (joiners.length === 0) return;
    await this.#prepare('the registration of participants', registrations, first);
    await this.#allRun(joiners);
  }

  /** Has all of this accepted and made final: a run in a world that did not open proves nothing. */
  async #prepare(what: string, all: readonly JwsJson[], nodes: readonly SimNode[]): Promise<void> {
    const honest = nodes.filter(({ self }) => this.#isHonest(self));
    let accepted = 0;
    for (const jws of all)
      void this.#clients.submit(this.#chance.pick(honest), jws).then((isAccepted) => {
        if (isAccepted) accepted += 1;
      });
    await this.#world.run(this.#world.nowMs + SETTLE_MS, () => accepted === all.length);
    if (accepted < all.length) this.violate(`opening: of ${what} ${all.length - accepted} are not accepted`);
    await this.#settle(what, nodes);
  }

  /** The plan, step by step. */
  async play(): Promise<void> {
    const world = this.#world;
    let openedMs = world.nowMs;
    this.#recorder.onHarmed();
    for (const { atMs, deed } of this.#plan.steps) {
      await world.run(openedMs + atMs);
      this.#tick();
      const beforeMs = world.nowMs;
      await this.#perform(deed);
      // What an outage takes is no time of the plan.
      if (deed.do === 'outage') openedMs += world.nowMs - beforeMs;
    }
    await world.run(openedMs + this.#plan.faultMs);
    // Before the clocks are set right: what a block's time is judged by is how far one was ahead.
    this.#tick();
    await this.#recorder.observe(this.#nodes.filter((node) => !this.#damage.isOn(node)));
  }

  /** Faults end, lies do not: all nodes come back, finish what they have, and are judged. */
  async close(): Promise<void> {
    this.#recorder.note(null, 'faults end');
    const world = this.#world;
    world.heal();
    this.#doomed.clear();
    for (const node of [...this.#nodes, ...this.#secondTwins]) {
      node.disk.full = false;
      node.disk.syncTimes = QUICK_SYNCS;
      node.time.jump(-node.time.offsetMs);
      node.time.driftPpm = 0;
      // What was to end it does not come any more.
      node.crashAt(null, Number.MAX_SAFE_INTEGER);
    }
    await this.#allRun();
    this.#recorder.onHealed(world.nowMs, this.#nodes);
    await this.#settle('what was left when faults ended');
    await this.#mend();
    await world.run(world.nowMs + HEARD_MS);
    for (const { self, running } of this.#nodes) this.#meetAtEnd(self, running);
    await this.#recorder.atEnd(this.#nodes);
  }

  /** What is read is noticed when it is damaged, and what is noticed comes back from peers. */
  async #mend(): Promise<void> {
    if (!this.#damage.isAny) return;
    const world = this.#world;
    const digests = this.#recorder.askedAtEnd;
    const isFar = this.#plan.usual.latencyMs[1] > SIM_TIMING.deltaMs;
    const rounds = isFar ? FAR_MENDING_ROUNDS : MENDING_ROUNDS;
    for (let round = 0; ; round++) {
      // Settling goes on from a snapshot and writes more records, which may be damaged too: all is read once more.
      if (await this.#damage.read(digests, this.#nodes)) {
        await this.#settle('what was left when records were mended');
        if (await this.#damage.read(digests, this.#nodes)) break;
      }
      if (round === rounds) {
        this.violate(`unmended: a damaged record is not mended after ${rounds * MENDING_MS} ms`);
        return;
      }
      await world.run(world.nowMs + MENDING_MS);
    }
    if (this.#damage.mended > 0) world.met('record_mended');
  }

  #meetAtEnd(self: number, running: SimNode['running']): void {
    if (running === null || !this.#isHonest(self)) return;
    const { replica, succession } = running;
    const world = this.#world;
    if (replica.evidence > 0) world.met('evidence');
    for (const reason of succession.unfit.values()) world.met(reason);
    if (succession.upkeep.floor > 1) world.met('blocks_pruned');
    const { self: place, set } = replica.members;
    if (place === null && self < this.#plan.validators && set.epoch > 0) world.met('removed_validator_follows');
    if (place !== null && self >= this.#plan.validators) world.met('participant_validates');
  }

  result(traceLines: number): RunResult {
    const world = this.#world;
    const recorder = this.#recorder;
    const roots = this.#nodes.map(({ running }) => running?.replica.chain.final.root ?? null);
    return {
      seed: this.#plan.seed,
      violations: [...recorder.violations],
      traceHash: hashOf(utf8(JSON.stringify([world.trace, world.eventCount, world.nowMs, roots]))).slice(0, 16),
      virtualMs: world.nowMs - this.#startedMs,
      height: recorder.height,
      acknowledged: recorder.acknowledged.length,
      crashes: this.#nodes.reduce((sum, { restarts }) => sum + restarts, 0),
      situations: Object.fromEntries([...world.situations].sort(([a], [b]) => (a < b ? -1 : 1))),
      trace: recorder.trace(traceLines),
    };
  }

  async #perform(deed: Deed): Promise<void> {
    const world = this.#world;
    if (deed.do !== 'submit' && deed.do !== 'ask') this.#recorder.note(null, JSON.stringify(deed));
    switch (deed.do) {
      case 'submit':
        this.#chance = new Random(deed.chance);
        void this.#clients.submit(this.#node(deed.node), await this.#workload.next());
        break;
      case 'propose':
        this.#chance = new Random(deed.chance);
        for (const jws of await this.#workload.lapsing(deed.count, deed.forMs))
          void this.#clients.submit(this.#node(deed.node), jws);
        break;
      case 'ask':
        void this.#clients.ask(this.#node(deed.node), deed.chance);
        break;
      case 'crash':
        for (const node of deed.nodes) this.#crash(this.#node(node), deed.how);
        break;
      case 'crashAt':
        this.#node(deed.node).crashAt(deed.point, deed.calls);
        break;
      case 'stop':
        void this.#node(deed.node).shutdown();
        break;
      case 'start':
        this.#start(this.#node(deed.node));
        break;
      case 'outage':
        for (const node of [...this.#nodes, ...this.#secondTwins]) this.#crash(node, 'power');
        await world.run(world.nowMs + deed.forMs);
        for (const node of [...this.#nodes, ...this.#secondTwins]) this.#start(node);
        world.met('outage');
        break;
      case 'cut':
        for (const [from, to] of deed.links) world.cutOneWay(this.#key(from), this.#key(to));
        break;
      case 'mend':
        world.cut.clear();
        break;
      case 'network':
        world.faults = deed.faults ?? world.usual;
        break;
      case 'slow':
        for (const [from, to] of deed.links) this.#slow(`${this.#key(from)}>${this.#key(to)}`, deed.bytesPerSecond);
        break;
      case 'full':
        this.#node(deed.node).disk.full = deed.full;
        break;
      case 'syncs':
        this.#node(deed.node).disk.syncTimes = deed.times;
        break;
      case 'jump':
        this.#node(deed.node).jumpClock(deed.byMs);
        break;
      case 'drift':
        this.#node(deed.node).time.driftPpm = deed.ppm;
        break;
      case 'wipe':
        this.#crash(this.#node(deed.node), 'power');
        this.#node(deed.node).wipe();
        this.#recorder.wiped(this.#node(deed.node));
        break;
      case 'keep':
        this.#copies.set(this.#node(deed.node), this.#node(deed.node).disk.fork());
        break;
      case 'rollBack':
        this.#rollBack(this.#node(deed.node));
        break;
      case 'damage':
        this.#harm(this.#node(deed.node), deed);
        break;
      case 'govern':
        this.#chance = new Random(deed.chance);
        await this.#govern(deed.members);
        break;
      case 'crashAtEpochEnd':
        this.#doomed.set(this.#node(deed.node).self, deed.calls);
        break;
      case 'lie':
        for (const lie of deed.lies) this.#liars.get(deed.node)?.tell(lie, deed.on);
        break;
      case 'turn':
        for (const twins of this.#twins) twins.turn();
        break;
      default:
        unreachable(deed);
    }
  }

  #node(index: number): SimNode {
    return this.#nodes[index % this.#nodes.length] as SimNode;
  }
  #key(index: number): PeerKey {
    return this.#node(index).key;
  }

  #crash(node: SimNode, how: 'power' | 'kill'): void {
    const { running } = node;
    const isOwed = running?.replica.members.self === null && this.#recorder.isOwed(node);
    if (isOwed) this.#world.met('participant_crash_after_202');
    node.crash(how);
  }

  #rollBack(node: SimNode): void {
    const copy = this.#copies.get(node);
    if (copy === undefined) return;
    this.#copies.delete(node);
    this.#crash(node, 'power');
    node.rollBack(copy);
    this.#recorder.wiped(node);
  }

  #harm(node: SimNode, { table, isMisdirected }: Extract<Deed, { do: 'damage' }>): void {
    const { disk } = node;
    const damage = isMisdirected ? disk.misdirect(table) : disk.corrupt(table);
    this.#damage.note(node, damage);
    // The only copy of a batch may be gone with it.
    if (table === 'batches') this.#recorder.batchLost(node);
    if (table === 'state' || isOfLastBlock(node, damage)) this.#recorder.refetches(node);
  }

  /** Through a node that is up, as a client of it. */
  async #govern(members: readonly number[]): Promise<void> {
    const isFit = (at: number, key: Hash): boolean => {
      const running = this.#node(at).running;
      return running !== null && !running.succession.unfit.has(key);
    };
    const through = this.#nodes.find(({ self, running }) => running !== null && this.#isHonest(self));
    if (members.length === 0 || through === undefined) return;
    void this.#clients.submit(through, await this.#membership.change(members, this.#present(), isFit));
  }

  #slow(pair: string, bytesPerSecond: number | null): void {
    if (bytesPerSecond === null) this.#world.slow.delete(pair);
    else this.#world.slow.set(pair, bytesPerSecond);
  }

  #start(node: SimNode): void {
    if (node.isUp) return;
    node.boot();
    this.#recorder.note(node.self, 'starts');
  }

  async #allRun(all: readonly SimNode[] = [...this.#nodes, ...this.#secondTwins]): Promise<void> {
    const world = this.#world;
    const isStopping = (): boolean => all.some(({ isUp, running }) => isUp && running === null);
    await world.run(world.nowMs + 1000);
    for (const node of all) this.#start(node);
    await world.run(world.nowMs + START_MS_MAX, () => !isStopping());
  }

  async #settle(what: string, nodes: readonly SimNode[] = this.#nodes): Promise<void> {
    const world = this.#world;
    for (const untilMs = world.nowMs + SETTLE_MS; world.nowMs < untilMs; ) {
      await world.run(world.nowMs + SETTLE_STEP_MS);
      if (this.#recorder.isSettled(nodes, world.nowMs)) return;
    }
    this.violate(`stalled: ${what} is not final after ${SETTLE_MS} ms`);
  }
}
