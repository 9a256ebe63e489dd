/** A scenario on real nodes, whatever machines they run on: their API over HTTP, and the links between them by a proxy. */
import { type Client, type ClientResult, createClient } from '../../node/api/client.js';
import type { Genesis } from '../../protocol/genesis.js';
import { networkTime } from '../../protocol/networktime.js';
import { PERFECT, type Quality } from '../border/linkproxy.js';
import type { Links, Way } from '../border/links.js';
import { nativeFact } from '../crypto.js';
import { latencyMs } from '../geography.js';
import type { Cast, Player } from './cast.js';
import type { Fault, Scenario, WorldName } from './file.js';
import type { NetworkFolder } from './files.js';
import type { Answer, NodeApi, SigningKey, Stage, Worse } from './stage.js';

/** What starts and ends nodes. */
export interface Machines {
  readonly world: WorldName;
  readonly links: Links;
  /** Where a node's API is reached from here. */
  urlOf(at: number): string;
  /** Resolves when it serves. */
  start(at: number): Promise<void>;
  stop(at: number): Promise<void>;
  kill(at: number): Promise<void>;
  /** Ends of nodes that nobody asked for, until now. */
  deaths(): Promise<readonly string[]>;
  close(): Promise<void>;
}

type Sides = readonly (readonly number[])[];
interface Slowed {
  readonly nodes: readonly number[];
  readonly worse: Worse;
}

/** A bank gives up on an answer sooner than the SDK would: it asks again. */
const ANSWER_MS_MAX = 3_000;
/** Of links while nothing is wrong, on top of what the distance takes. What is lost is sent again by TCP, later. */
const RESENT_MS = 200;
const LINKS: Readonly<Record<Scenario['profile'], Pick<Quality, 'jitterMs' | 'stallPerMille'>>> = {
  lan: { jitterMs: 0, stallPerMille: 0 },
  wan: { jitterMs: 5, stallPerMille: 0 },
  poor: { jitterMs: 60, stallPerMille: 20 },
};

export class RealStage implements Stage {
  readonly world: WorldName;
  readonly cast: Cast;
  readonly genesis: Genesis;
  readonly nodes: readonly NodeApi[];
  readonly faults: ReadonlySet<Fault['fault']>;
  readonly isValid = nativeFact;
  readonly #machines: Machines;
  readonly #folder: NetworkFolder;
  readonly #profile: Scenario['profile'];
  readonly #openedMs = performance.now();
  readonly #cuts: Set<Sides>;
  readonly #worse: Set<Slowed>;
  /** Orders to the links that were not obeyed. */
  readonly #failures: string[] = [];

  /** `broken` is what is wrong with the links from the start. */
  constructor(
    profile: Scenario['profile'],
    cast: Cast,
    folder: NetworkFolder,
    machines: Machines,
    broken: { readonly cuts: readonly Sides[]; readonly worse: readonly Slowed[] } = { cuts: [], worse: [] },
  ) {
    this.world = machines.world;
    this.cast = cast;
    this.genesis = folder.genesis;
    this.nodes = cast.seats.map((_, at) =>
      apiOf(createClient(machines.urlOf(at), { timeoutMs: ANSWER_MS_MAX, submitAttempts: 1 })),
    );
    this.faults = new Set(['partition', 'kill', 'lose', 'restart', 'slow']);
    this.#machines = machines;
    this.#folder = folder;
    this.#profile = profile;
    this.#cuts = new Set(broken.cuts);
    this.#worse = new Set(broken.worse);
  }

  nowMs(): number {
    return networkTime(this.genesis, Date.now());
  }
  elapsedMs(): number {
    return Math.round(performance.now() - this.#openedMs);
  }
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void setTimeout(resolve, ms));
  }
  during<T>(work: Promise<T>): Promise<T> {
    return work;
  }

  async start(nodes: readonly number[]): Promise<void> {
    await this.relink();
    await Promise.all(nodes.map((at) => this.#machines.start(at)));
  }
  signerOf({ party }: Player): SigningKey {
    return this.#folder.signerOf(party);
  }
  nodeKeyOf(seat: number): SigningKey {
    return this.#folder.nodeKeyOf(seat);
  }
  async kill(nodes: readonly number[]): Promise<void> {
    await Promise.all(nodes.map((at) => this.#machines.kill(at)));
  }
  stop(node: number): Promise<void> {
    return this.#machines.stop(node);
  }

  cut(groups: readonly (readonly number[])[]): () => void {
    this.#cuts.add(groups);
    this.#relink();
    return () => {
      this.#cuts.delete(groups);
      this.#relink();
    };
  }
  worsen(nodes: readonly number[], worse: Worse): () => void {
    const one = { nodes, worse };
    this.#worse.add(one);
    this.#relink();
    return () => {
      this.#worse.delete(one);
      this.#relink();
    };
  }
  setClock(): void {
    throw new Error('nodes of one machine have its clock');
  }
  censor(): void {
    throw new Error('nodes of the product do not lie');
  }

  async findings(): Promise<readonly string[]> {
    return [...(await this.#machines.deaths()), ...this.#failures];
  }
  async close(): Promise<void> {
    await this.#machines.close();
  }

  #relink(): void {
    this.relink().catch((error: unknown) => this.#failures.push(`links: ${(error as Error).message}`));
  }

  /** Gives every link what it is to have by now. */
  async relink(): Promise<void> {
    const all = this.cast.seats.map((_, at) => at);
    for (const from of all) {
      for (const to of all) {
        if (from !== to)
          await this.#machines.links.ask({ type: 'set', ways: [[from, to]], quality: this.#quality([from, to]) });
      }
    }
  }

  #quality([from, to]: Way): Quality {
    const [here, there] = [this.cast.seats[from], this.cast.seats[to]] as [
      Cast['seats'][number],
      Cast['seats'][number],
    ];
    const { jitterMs, stallPerMille } = LINKS[this.#profile];
    const base = this.#profile === 'lan' ? 0 : latencyMs(here.place, there.place);
    const own = [...this.#worse]
      .filter(({ nodes }) => nodes.includes(from) || nodes.includes(to))
      .map(({ worse }) => worse);
    const sideOf = (groups: readonly (readonly number[])[], at: number): number =>
      groups.findIndex((group) => group.includes(at));
    const widths = own.flatMap(({ kilobytesPerSecond }) =>
      kilobytesPerSecond === null ? [] : [kilobytesPerSecond * 1_024],
    );
    return {
      ...PERFECT,
      latencyMs: own.reduce((sum, each) => sum + each.latencyMs, base),
      jitterMs: own.reduce((sum, each) => sum + each.jitterMs, jitterMs),
      stallPerMille: own.reduce((most, each) => Math.max(most, each.lossPerMille), stallPerMille),
      stallMs: RESENT_MS,
      bytesPerSecond: widths.length === 0 ? null : Math.min(...widths),
      held: [...this.#cuts].some((groups) => {
        const [a, b] = [sideOf(groups, from), sideOf(groups, to)];
        return a !== -1 && b !== -1 && a !== b;
      }),
    };
  }
}

function apiOf(client: Client): NodeApi {
  return {
    submit: async (body) => told(await client.submitInstruction({ body })),
    status: async () => told(await client.getStatus()),
    block: async (height) => told(await client.getBlock({ height: `${height}` })),
    balances: async (bic) => told(await client.getBalances({ bic })),
    receipt: async (digest) => told(await client.getReceipt({ digest })),
    outcome: async (digest) => told(await client.getInstruction({ digest })),
    queue: async (bic, after) => told(await client.getQueue({ bic, ...(after !== undefined && { after }) })),
  };
}

const told = <T>(answer: ClientResult<T>): Answer<T> => (answer.ok ? answer : { ok: false, code: answer.problem.code });
