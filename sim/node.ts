/** A validator of the virtual world: the production replica and service over simulated ports, and a disk that outlives it. */
import { noMetrics } from '../node/metrics/none.js';
import type { Log } from '../node/ports.js';
import { recover } from '../node/replica/recovery.js';
import { Replica, type ReplicaConfig } from '../node/replica/replica.js';
import { Service } from '../node/replica/service.js';
import { fromHex } from '../protocol/codec.js';
import type { Genesis } from '../protocol/genesis.js';
import { hashPairs } from '../protocol/hash.js';
import { assert, type PeerKey, type ValidatorIndex } from '../protocol/types.js';
import type { Checkers } from './checkers.js';
import { cheapSigner, cheapVerifier } from './crypto.js';
import { SimDisk, SimStore } from './store.js';
import { type SimBus, SimClock, type World } from './world.js';

/** Quick for a world whose messages take tens of milliseconds. */
const SIM_TIMING = { deltaMs: 100, deltaMaxMs: 3200, batchMs: 5, heartbeatMs: 20_000 } as const;

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

interface Running {
  readonly replica: Replica;
  readonly service: Service;
  readonly store: SimStore;
  readonly clock: SimClock;
  readonly bus: SimBus;
}

export class SimNode {
  readonly self: ValidatorIndex;
  readonly #world: World;
  readonly #genesis: Genesis;
  readonly #disk = new SimDisk();
  readonly #checkers: Checkers;
  /** Its network key. */
  readonly key: PeerKey;
  running: Running | null = null;
  restarts = 0;

  constructor(world: World, genesis: Genesis, self: ValidatorIndex, checkers: Checkers) {
    this.self = self;
    this.key = genesis.validators.validators[self]?.networkKey as PeerKey;
    this.#world = world;
    this.#genesis = genesis;
    this.#checkers = checkers;
  }

  /** Starts from the disk. */
  async start(): Promise<void> {
    assert(this.running === null, 'a node runs once');
    const world = this.#world;
    const genesis = this.#genesis;
    const validator = genesis.validators.validators[this.self];
    assert(validator !== undefined, 'a node is one of the validators');
    const store = new SimStore(world, this.#disk);
    const clock = new SimClock(world);
    const opened = recover(store, clock, genesis, hashPairs);
    // Opening may write, which takes virtual time.
    let recovery: Awaited<typeof opened> | null = null;
    void opened.then((result) => {
      recovery = result;
    });
    await world.run(world.nowMs + 1000, () => recovery !== null);
    const result = await opened;
    assert(result.ok, `a disk that was only ever crashed can be opened: ${JSON.stringify(result.ok ? '' : result)}`);
    const bus = world.bus(validator.networkKey);
    bus.onSend = (frame) => this.#checkers.onSend(this, this.#disk, frame);
    const signer = cheapSigner({ vote: fromHex(validator.voteKey), network: fromHex(validator.networkKey) });
    const config: ReplicaConfig = {
      network: genesis.network,
      set: genesis.validators,
      own: validator.networkKey,
      skewMs: genesis.parameters.skewMs,
      ...SIM_TIMING,
    };
    const ports = { clock, bus, store, signer, verifier: cheapVerifier, log: silent, metrics: noMetrics };
    const replica = new Replica(config, ports, result.recovered, (committed) => {
      service.onFinal(committed);
      this.#checkers.onFinal(this, committed);
    });
    const service = new Service({ replica, store, clock, genesis, party: validator.party, version: 'sim' });
    this.running = { replica, service, store, clock, bus };
    replica.start();
  }

  /** Power off, at whatever it was doing. */
  crash(): void {
    if (this.running === null) return;
    const { store, clock, bus } = this.running;
    store.crash();
    clock.down = true;
    bus.down = true;
    this.running = null;
    this.restarts += 1;
  }
}
