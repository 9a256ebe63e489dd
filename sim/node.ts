/**
 * A node of the virtual world: the production replica, service and API handlers over simulated ports, a disk and a clock
 * that outlive it, and a process that may end at any moment.
 */
import { whatIf } from '../ledger/queue/whatif.js';
import { type ApiResult, createHandlers, type Handlers } from '../node/api/handlers.js';
import type { ExitName } from '../node/main/exits.js';
import { hashPairsNative } from '../node/main/hasher.js';
import { noMetrics } from '../node/metrics/none.js';
import type { Log, Operation, Ports, WhatIfRunner } from '../node/ports.js';
import { Corrupt, checked } from '../node/replica/checked.js';
import { networkClock } from '../node/replica/networkclock.js';
import type { Replica } from '../node/replica/replica.js';
import { Service } from '../node/replica/service.js';
import { type NodeConfig, type Opened, Succession } from '../node/replica/succession.js';
import type { Genesis } from '../protocol/genesis.js';
import { SYNC_BLOCKS_MAX } from '../protocol/limits.js';
import { networkTime, timeScaleOf } from '../protocol/networktime.js';
import type { RestartFile } from '../protocol/restart.js';
import { assert, type Bic, type Hash, type PeerKey, type ValidatorIndex } from '../protocol/types.js';
import type { Checkers } from './checkers.js';
import { MachineTime, simClock } from './clock.js';
import { cheapSigner, cheapVerifier, realSigner, realVerifier } from './crypto.js';
import { SimDisk } from './disk.js';
import { PLACES, type PlaceCode } from './geography.js';
import { type CrashPoint, SimProcess } from './process.js';
import { Random } from './random.js';
import { SimStore, SimStoreError } from './store.js';
import type { SimBus, World } from './world.js';

/** Δ is more than the longest way of the table, jitter and processing included. */
export const SIM_TIMING = { deltaMs: 200, deltaMaxMs: 3200, batchMs: 5, heartbeatMs: 20_000 } as const;
/** A node that is more blocks behind than this fetches a snapshot, unless it is told another number. */
const SNAPSHOT_BLOCKS = 10_000;
/** Starting and stopping take milliseconds of disk; a disk that is slow takes seconds. */
const START_MS_MAX = 60_000;
/** From a client in the node's own city. */
const REQUEST_MS = 1;
/** A clock of a good machine is off by so much of a million, either way. */
const DRIFT_PPM = 50;

/** The world has one thread. */
const inPlace: WhatIfRunner = { run: async (question) => whatIf(question) };
const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Who a node is. */
export interface SimIdentity {
  /** How reports name it: its place in the genesis set, or a number after those. */
  readonly self: number;
  readonly party: Bic;
  /** The vote keys that it holds, public: none for a node that never votes. */
  readonly voteKeys: readonly Hash[];
  readonly networkKey: PeerKey;
}

export interface SimNodeOptions {
  readonly place?: PlaceCode;
  readonly disk?: SimDisk;
  /** The small disk beside the first, which tells whether that is missing or an old copy. */
  readonly markDisk?: SimDisk;
  /** As in production's configuration if absent: 10,000, everything is kept, and as many as a message may have. */
  readonly snapshotBlocks?: number;
  readonly retention?: NodeConfig['retention'];
  readonly answerBlocks?: number;
  /** By how much its clock is off at first, at most, either way: by half the skew if absent, of the machine's time. */
  readonly clockOffMsMax?: number;
  /** Tells apart nodes of one key. */
  readonly name?: string;
  /** The ports that its replica gets in place of the honest ones: a liar's. Asked for with each start of the process. */
  readonly wrap?: (ports: Ports, life: SimProcess) => Ports;
}

/** How a process ended: by the power or a kill, as told, or with an exit of the product's table. */
export interface SimExit {
  readonly atMs: number;
  readonly code: 'crash' | 'stop' | ExitName | Extract<Opened, { ok: false }>['code'];
  readonly detail: string;
}

export interface Running {
  /** That of the present epoch. */
  readonly replica: Replica;
  readonly succession: Succession;
  readonly service: Service;
  readonly handlers: Handlers;
  readonly bus: SimBus;
}

/** A request as the server hands it on, what it lacks being empty. */
export type SimRequest<K extends keyof Handlers> = Partial<Parameters<Handlers[K]>[0]>;
type AnswerTo<K extends keyof Handlers> = Awaited<ReturnType<Handlers[K]>> extends ApiResult<infer T> ? T : never;

export class SimNode {
  readonly identity: SimIdentity;
  disk: SimDisk;
  /** The other disk, on which the mark of its votes is. */
  readonly markDisk: SimDisk;
  readonly time: MachineTime;
  readonly exits: SimExit[] = [];
  /** Told when its process has ended. */
  onExit: (exit: SimExit) => void = () => {};
  /** Told when a client's request met a damaged record. */
  onCorrupt: () => void = () => {};
  running: Running | null = null;
  /** The restart file that its operator has put there. */
  restart: RestartFile | null = null;
  restarts = 0;
  readonly #world: World;
  readonly #genesis: Genesis;
  readonly #checkers: Pick<Checkers, 'onSend' | 'onFinal' | 'violations'>;
  readonly #options: SimNodeOptions;
  /** There from the start of a process, before the replica runs. */
  #process: { readonly life: SimProcess; readonly store: SimStore; readonly mark: SimStore } | null = null;

  constructor(
    world: World,
    genesis: Genesis,
    who: ValidatorIndex | SimIdentity,
    checkers: Pick<Checkers, 'onSend' | 'onFinal' | 'violations'>,
    options: SimNodeOptions = {},
  ) {
    this.identity = typeof who === 'number' ? validatorOf(genesis, who) : who;
    this.#world = world;
    this.#genesis = genesis;
    this.#checkers = checkers;
    this.#options = options;
    const random = new Random(world.seed ^ (0x4e4f_0000 + this.self));
    this.disk = options.disk ?? new SimDisk(new Random(random.between(0, 0x7fff_ffff)));
    this.markDisk = options.markDisk ?? new SimDisk(new Random(random.between(0, 0x7fff_ffff)));
    const { clockOffMsMax: offMs = Math.floor(genesis.parameters.skewMs / timeScaleOf(genesis) / 2) } = options;
    this.time = new MachineTime(world, random.between(-offMs, offMs), random.between(-DRIFT_PPM, DRIFT_PPM));
  }

  get self(): number {
    return this.identity.self;
  }
  /** Its network key. */
  get key(): PeerKey {
    return this.identity.networkKey;
  }
  /** The network's time by its clock. */
  get nowMs(): number {
    return networkTime(this.#genesis, Math.floor(this.time.shownMs));
  }
  get isUp(): boolean {
    return this.#process !== null;
  }

  /** Starts from the disk, and lets virtual time pass until it runs or has ended. Not to be called from an event. */
  async start(): Promise<void> {
    if (!this.isUp) this.boot();
    const world = this.#world;
    await world.run(world.nowMs + START_MS_MAX, () => this.running !== null || !this.isUp);
  }

  /** Begins to start, at any moment: it runs when virtual time has passed. */
  boot(): void {
    assert(this.#process === null, 'a node runs once');
    const life = new SimProcess((error) => this.#fail(error));
    // What LevelDB recovers from its log it writes to a table, and syncs, before it is open.
    this.disk.sync();
    this.markDisk.sync();
    const store = new SimStore(this.#world, this.disk, life);
    this.#process = { life, store, mark: new SimStore(this.#world, this.markDisk, life) };
    if (this.exits.length > 0) this.#world.met('restart');
    this.#open(life, this.#process).catch((error: unknown) => life.failed(error));
  }

  /** All ports of a process, in one place. */
  #ports(
    life: SimProcess,
    { store, mark }: { readonly store: SimStore; readonly mark: SimStore },
  ): Ports & { readonly bus: SimBus } {
    const { networkKey } = this.identity;
    const world = this.#world;
    const signer = world.realSignatures ? realSigner(this.identity) : cheapSigner(this.identity);
    const verifier = world.realSignatures ? realVerifier : cheapVerifier;
    const verified = async <T>(work: () => Promise<T>): Promise<T> => {
      const [least, most] = world.verifyMs;
      if (most > 0) await world.pause(this.disk.random.between(least, most), life);
      return life.async('verifier', work);
    };
    return {
      clock: networkClock(simClock(world, this.time, life), this.#genesis),
      bus: world.bus(networkKey, this.#place(), life, this.#options.name),
      store: checked(store),
      mark: checked(mark),
      signer: {
        voteKeys: signer.voteKeys,
        vote: (bytes, key) => life.async('signer', () => signer.vote(bytes, key)),
        network: (bytes) => life.async('signer', () => signer.network(bytes)),
      },
      verifier: {
        verify: (checks, options) => verified(() => verifier.verify(checks, options)),
        batch: (signed) => verified(() => verifier.batch(signed)),
      },
      log: silent,
      metrics: noMetrics,
    };
  }

  async #open(life: SimProcess, disks: { readonly store: SimStore; readonly mark: SimStore }): Promise<void> {
    const genesis = this.#genesis;
    const { snapshotBlocks = SNAPSHOT_BLOCKS, retention = null, answerBlocks = SYNC_BLOCKS_MAX, wrap } = this.#options;
    const honest = this.#ports(life, disks);
    const { bus } = honest;
    bus.onSend = (frame) => this.#checkers.onSend(this, this.disk, frame);
    const ports = wrap?.(honest, life) ?? honest;
    const config: NodeConfig = {
      genesis,
      own: this.key,
      hasher: hashPairsNative,
      snapshotBlocks,
      retention,
      answerBlocks,
      restart: this.restart,
      ...SIM_TIMING,
    };
    const opened = await Succession.open(config, ports, {
      onFinal: (committed) => {
        if (!life.isAlive) return;
        service.onFinal(committed);
        this.#checkers.onFinal(this, committed);
      },
    });
    if (!life.isAlive) return;
    if (!opened.ok) {
      this.#exit(opened.code, opened.detail);
      return;
    }
    const { succession } = opened;
    const { party } = this.identity;
    const { store, clock } = ports;
    const service = new Service({
      succession,
      store,
      clock,
      whatIf: inPlace,
      metrics: noMetrics,
      genesis,
      party,
      version: 'sim',
    });
    const metrics = { ...noMetrics, render: () => Promise.resolve('') };
    const handlers = createHandlers({ service, metrics, document: {} });
    this.running = {
      get replica() {
        return succession.replica;
      },
      succession,
      service,
      handlers,
      bus,
    };
    succession.start();
  }

  #place(): PlaceCode {
    return this.#options.place ?? (PLACES[this.self % PLACES.length] as (typeof PLACES)[number]).code;
  }

  /** The process ends at once: by the power, which loses what is not synced, or by a kill, which loses nothing written. */
  crash(how: 'power' | 'kill' = 'power'): void {
    if (this.#process === null) return;
    const underWay = this.#abandon(how);
    if (underWay === 'speech') this.#world.met('crash_before_sync');
    if (underWay === 'final') this.#world.met('crash_in_final_write');
    this.#end('crash', how);
  }

  /** Crashes at the `calls`-th call from now of one of its ports, or of any: 1 is the next. */
  crashAt(point: CrashPoint | null, calls: number, how: 'power' | 'kill' = 'power'): void {
    this.#process?.life.crashAt(point, calls, (met) => {
      this.#world.met(`crash_at_${met.replace('.', '_')}`);
      this.crash(how);
    });
  }

  /** A crash that was to come does not. */
  disarm(): void {
    this.#process?.life.disarm();
  }

  /** Stops as an operator stops it, and lets virtual time pass until it has. Not to be called from an event. */
  async stop(): Promise<void> {
    void this.shutdown();
    const world = this.#world;
    await world.run(world.nowMs + START_MS_MAX, () => !this.isUp);
  }

  /** Begins to stop: the last write ends, and then the process. */
  async shutdown(): Promise<void> {
    const { running } = this;
    if (this.#process === null) return;
    const { life, store, mark } = this.#process;
    await running?.succession.stop();
    await store.close();
    await mark.close();
    if (life.isAlive) this.#end('stop', '');
  }

  /** The data folder is lost; with `mark`, what tells of that too. */
  wipe({ mark = false }: { readonly mark?: boolean } = {}): void {
    assert(!this.isUp, 'a disk is lost with its machine');
    this.disk.wipe();
    if (mark) this.markDisk.wipe();
  }

  /** A copy of the data folder, as `disk.fork()` once gave it, takes the place of the present one. */
  rollBack(copy: SimDisk): void {
    assert(!this.isUp, 'data are replaced while nothing runs on them');
    this.disk = copy;
  }

  /** Another machine with the same keys and copies of this one's disks, unless others are given: who starts both has a twin. */
  fork(options: SimNodeOptions & { readonly name: string }): SimNode {
    const merged = { ...this.#options, disk: this.disk.fork(), markDisk: this.markDisk.fork(), ...options };
    return new SimNode(this.#world, this.#genesis, this.identity, this.#checkers, merged);
  }

  /** The wall clock is set, by so much. */
  jumpClock(byMs: number): void {
    this.time.jump(byMs);
    this.#world.met('clock_jump');
  }

  /**
   * Asks the API, as a client in the same city does; null when the node is down or ends before it answers, or meets a
   * damaged record, to which the server answers as to any error.
   */
  handle<K extends keyof Handlers>(operation: K, request: SimRequest<K> = {}): Promise<ApiResult<AnswerTo<K>> | null> {
    const { running } = this;
    if (running === null || this.#process === null) return Promise.resolve(null);
    const { life } = this.#process;
    const whole = { params: {}, query: {}, body: new Uint8Array(0), signal: new AbortController().signal, ...request };
    const handler = running.handlers[operation] as (whole: object) => Promise<ApiResult<AnswerTo<K>>>;
    return new Promise((resolve) => {
      const forget = life.onEnd(() => resolve(null));
      const answer = (result: ApiResult<AnswerTo<K>> | null): void => {
        forget();
        resolve(result);
      };
      const failed = (error: unknown): void => {
        if (!(error instanceof Corrupt)) return life.failed(error);
        this.onCorrupt();
        answer(null);
      };
      this.#world.after(REQUEST_MS, () => void handler(whole).then(answer, failed), life);
    });
  }

  /** What nobody caught ends the process, as in production: by the disk's failure, or as a bug. */
  #fail(error: unknown): void {
    if (this.#process === null) return;
    this.#abandon('kill');
    if (error instanceof SimStoreError) {
      this.#world.met('disk_full');
      this.#end(error.code, error.message);
      return;
    }
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#checkers.violations.push(`node ${this.self} ended by a bug: ${detail}`);
    this.#end('bug', detail);
  }

  #exit(code: SimExit['code'], detail: string): void {
    this.#abandon('kill');
    this.#end(code, detail);
  }

  /** What the process had written and not synced is on its disks up to some write, or not at all. Gives what was under way. */
  #abandon(how: 'power' | 'kill'): ReturnType<SimStore['abandon']>['kind'] {
    assert(this.#process !== null, 'a process ends once');
    const { store, mark } = this.#process;
    this.#settleDisk(this.markDisk, mark.abandon().writes, how);
    const { kind, writes } = store.abandon();
    this.#settleDisk(this.disk, writes, how);
    return kind;
  }

  #settleDisk(disk: SimDisk, writes: readonly (readonly Operation[])[], how: 'power' | 'kill'): void {
    const reached = disk.random.between(0, writes.length);
    for (const write of writes.slice(0, reached)) disk.write(write);
    if (how === 'kill') return;
    const kept = disk.random.between(0, disk.unsyncedCount);
    // The first write that is lost had begun to reach the platter: its record is torn, and so not there.
    const isTorn = writes.length + disk.unsyncedCount > kept && disk.random.chance(500);
    if (isTorn) this.#world.met('torn_write');
    disk.losePower(kept);
  }

  #end(code: SimExit['code'], detail: string): void {
    const exit = { atMs: this.#world.nowMs, code, detail };
    this.#process?.life.end();
    this.#process = null;
    this.running = null;
    this.exits.push(exit);
    this.restarts += 1;
    this.onExit(exit);
  }
}

function validatorOf(genesis: Genesis, self: ValidatorIndex): SimIdentity {
  const validator = genesis.validators.validators[self];
  assert(validator !== undefined, 'a node is one of the validators');
  const { party, voteKey, networkKey } = validator;
  return { self, party, voteKeys: [voteKey], networkKey };
}
