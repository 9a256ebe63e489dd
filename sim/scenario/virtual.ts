/** A scenario in the virtual world: production's replicas and API over virtual time, decided by the seed alone. */
import type { ApiResult } from '../../node/api/handlers.js';
import { utf8 } from '../../protocol/codec.js';
import type { Genesis } from '../../protocol/genesis.js';
import { networkTime } from '../../protocol/networktime.js';
import { assert, type PeerKey, type ValidatorIndex } from '../../protocol/types.js';
import type { Liar } from '../byzantine/liar.js';
import { newLiar } from '../byzantine/lies.js';
import { cheapFact } from '../checkers/signatures.js';
import { Checkers } from '../checkers.js';
import { simKey } from '../crypto.js';
import { PLACES, type PlaceCode } from '../geography.js';
import { SIM_TIMING, SimNode } from '../node.js';
import { Random } from '../random.js';
import { hexKey } from '../workload/parties.js';
import { CALM, type NetworkFaults, World } from '../world.js';
import { BrokenLinks, WHOLE } from './broken.js';
import type { Cast, Player } from './cast.js';
import type { Scenario } from './file.js';
import { makeGenesis } from './genesis.js';
import type { Answer, NodeApi, SigningKey, Stage, Worse } from './stage.js';

/** Keys with numbers below this are the nodes': vote key 2i and network key 2i + 1 of the i-th, of 40 jurisdictions with 25 nodes each at most (file.ts). */
const FIRST_PARTY_KEY = 2 * 40 * 25;
/** Where all nodes stand when the distance counts for nothing. */
const NEAR: PlaceCode = PLACES[0].code;
/** Links while nothing is wrong, on top of what the distance takes. */
const LINKS: Readonly<Record<Scenario['profile'], NetworkFaults>> = {
  lan: { latencyMs: [0, 1], lostPerMille: 0, duplicatedPerMille: 0 },
  wan: CALM,
  poor: { latencyMs: [5, 60], lostPerMille: 20, duplicatedPerMille: 5, reorderedPerMille: 5 },
};

export class VirtualStage implements Stage {
  readonly world = 'virtual';
  readonly isValid = cheapFact;
  readonly cast: Cast;
  readonly genesis: Genesis;
  readonly nodes: readonly NodeApi[];
  readonly #world: World;
  readonly #checkers: Checkers;
  readonly #nodes: readonly SimNode[];
  readonly #liars = new Map<number, Liar>();
  readonly #lost = new Set<number>();
  readonly #links = new BrokenLinks(WHOLE, () => this.#relink());
  readonly #isFar: boolean;
  readonly #startedMs: number;

  constructor(scenario: Scenario, cast: Cast, seed: number) {
    this.cast = cast;
    this.#isFar = scenario.profile !== 'lan';
    this.#world = new World(seed, { usual: LINKS[scenario.profile] });
    this.#startedMs = this.#world.nowMs;
    ({ genesis: this.genesis } = makeGenesis(scenario, cast, this.#world.nowMs - 1_000, {
      authority: (player) => this.signerOf(player).jwk,
      seat: (at) => ({ voteKey: hexKey(2 * at), networkKey: hexKey(2 * at + 1) }),
    }));
    const liars = new Set(
      (scenario.faults ?? []).flatMap((fault) => (fault.fault === 'censor' ? cast.nodesOf(fault.nodes) : [])),
    );
    this.#checkers = new Checkers({
      genesis: this.genesis,
      signatures: cheapFact,
      honest: (node) => !liars.has(node) && !this.#lost.has(node),
      liars: liars.size,
    });
    this.#nodes = cast.seats.map((_, at) => this.#node(at, liars.has(at)));
    this.nodes = this.#nodes.map(apiOf);
  }

  #node(at: number, isLiar: boolean): SimNode {
    const { player, place } = this.cast.seats[at] as Cast['seats'][number];
    const isValidator = at < this.genesis.validators.validators.length;
    const identity = {
      self: at,
      party: player.party as SimNode['identity']['party'],
      voteKeys: isValidator ? [hexKey(2 * at)] : [],
      networkKey: hexKey(2 * at + 1) as PeerKey,
    };
    // Where time runs fast, a clock that is off by a second is off by hours: no node of a test network has one.
    const options = { place: this.#isFar ? place : NEAR, ...(this.genesis.test !== null && { clockOffMsMax: 0 }) };
    if (!isLiar) return new SimNode(this.#world, this.genesis, identity, this.#checkers, options);
    const liar = newLiar({
      network: this.genesis.network,
      seat: () => {
        const members = this.#nodes[at]?.running?.replica.members;
        return members === undefined || members.self === null ? null : { set: members.set, self: members.self };
      },
      deltaMs: SIM_TIMING.deltaMs,
      random: new Random(this.#world.seed ^ at),
      met: (name) => this.#world.met(name),
    });
    this.#liars.set(at, liar);
    return new SimNode(this.#world, this.genesis, identity, this.#checkers, {
      ...options,
      wrap: (ports) => liar.wrap(ports),
    });
  }

  nowMs(): number {
    return networkTime(this.genesis, this.#world.nowMs);
  }
  elapsedMs(): number {
    return this.#world.nowMs - this.#startedMs;
  }
  pause(ms: number): Promise<void> {
    return this.#world.pause(ms);
  }
  async during<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const end = (): void => {
      isDone = true;
    };
    work.then(end, end);
    await this.#world.run(Number.MAX_SAFE_INTEGER, () => isDone);
    return work;
  }

  async start(nodes: readonly number[]): Promise<void> {
    for (const node of this.#of(nodes)) if (!node.isUp) node.boot();
    while (this.#of(nodes).some(({ running, isUp }) => isUp && running === null)) await this.pause(1);
  }
  signerOf({ party }: Player): SigningKey {
    const all = [...this.cast.authorities, ...this.cast.banks];
    return keyOf(FIRST_PARTY_KEY + all.findIndex((player) => player.party === party));
  }
  nodeKeyOf(seat: number): SigningKey {
    return keyOf(2 * seat + 1);
  }

  async kill(nodes: readonly number[], isForGood = false): Promise<void> {
    for (const node of this.#of(nodes)) node.crash('power');
    // A node that never comes back owes nothing any more.
    if (isForGood) for (const at of nodes) this.#lost.add(at);
  }
  async stop(at: number): Promise<void> {
    const [node] = this.#of([at]) as [SimNode];
    await node.shutdown();
    while (node.isUp) await this.pause(1);
  }
  /** There is one program here. */
  async upgrade(): Promise<void> {}

  cut(groups: readonly (readonly number[])[]): () => void {
    return this.#links.cut(groups);
  }
  worsen(nodes: readonly number[], worse: Worse): () => void {
    return this.#links.worsen(nodes, worse);
  }

  /** Gives every link of the world what it is to have by now. */
  #relink(): void {
    const { cut, worse, slow } = this.#world;
    for (const from of this.#nodes.keys()) {
      for (const to of this.#nodes.keys()) {
        if (from === to) continue;
        const pair = this.#pair(from, to);
        if (this.#links.isCut(from, to)) cut.add(pair);
        else cut.delete(pair);
        const own = this.#links.worseOf(from, to);
        if (own.latencyMs + own.jitterMs + own.lossPerMille === 0) worse.delete(pair);
        else worse.set(pair, own);
        if (own.kilobytesPerSecond === null) slow.delete(pair);
        else slow.set(pair, own.kilobytesPerSecond * 1_024);
      }
    }
  }

  setClock(nodes: readonly number[], aheadMs: number): void {
    for (const { time } of this.#of(nodes)) time.jump(aheadMs - time.offsetMs);
  }

  censor(nodes: readonly number[], victim: number | null): void {
    for (const at of nodes) {
      const liar = this.#liars.get(at);
      assert(liar !== undefined, 'who censors was known from the start');
      if (victim !== null) liar.choice('victim/0', () => victim as ValidatorIndex);
      liar.tell('censoring_leader', victim !== null);
    }
  }

  async findings(): Promise<readonly string[]> {
    const remaining = this.#nodes.filter(({ self }) => !this.#lost.has(self));
    await this.#checkers.atEnd(remaining);
    return this.#checkers.violations;
  }
  async close(): Promise<void> {}

  #of(nodes: readonly number[]): readonly SimNode[] {
    return nodes.map((at) => this.#nodes[at] as SimNode);
  }
  #pair(from: number, to: number): string {
    const [a, b] = this.#of([from, to]) as [SimNode, SimNode];
    return `${a.key}>${b.key}`;
  }
}

function keyOf(index: number): SigningKey {
  const { signer, jwk } = simKey(index);
  return { ...signer, jwk };
}

function apiOf(node: SimNode): NodeApi {
  return {
    submit: async (jws) => told(await node.handle('submitInstruction', { body: utf8(JSON.stringify(jws)) })),
    status: async () => told(await node.handle('getStatus')),
    block: async (height) => told(await node.handle('getBlock', { params: { height: `${height}` } })),
    balances: async (bic) => told(await node.handle('getBalances', { params: { bic } })),
    receipt: async (digest) => told(await node.handle('getReceipt', { params: { digest } })),
    outcome: async (digest) => told(await node.handle('getInstruction', { params: { digest } })),
    queue: async (bic, after) =>
      told(await node.handle('getQueue', { params: { bic }, query: after === undefined ? {} : { after } })),
  };
}

function told<T>(answer: ApiResult<T> | null): Answer<T> {
  if (answer === null) return { ok: false, code: 'unreachable' };
  return answer.ok ? { ok: true, value: answer.value } : { ok: false, code: answer.problem.code };
}
