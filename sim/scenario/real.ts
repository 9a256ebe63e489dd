/** A scenario on real nodes, whatever machines they run on: their API over HTTP, and the links between them by a proxy. */
import { type Client, type ClientResult, createClient } from '../../node/api/client.js';
import type { Genesis } from '../../protocol/genesis.js';
import { networkTime } from '../../protocol/networktime.js';
import { assert } from '../../protocol/types.js';
import { PERFECT, type Quality } from '../border/linkproxy.js';
import type { Links } from '../border/links.js';
import { nativeFact } from '../crypto.js';
import { latencyMs, type PlaceCode } from '../geography.js';
import { type Broken, BrokenLinks, WHOLE } from './broken.js';
import type { Cast, Player } from './cast.js';
import type { Scenario, WorldName } from './file.js';
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
  /** Puts the next version, where there is one, in the place of a node that is stopped. */
  upgrade(at: number): Promise<void>;
  kill(at: number): Promise<void>;
  /** Sets the clock of a node apart from the machine's; null where nodes have none of their own. */
  readonly setClock: ((at: number, aheadMs: number) => void) | null;
  /** Ends of nodes that nobody asked for, until now. */
  deaths(): Promise<readonly string[]>;
  close(): Promise<void>;
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
  readonly isValid = nativeFact;
  readonly #machines: Machines;
  readonly #folder: NetworkFolder;
  readonly #profile: Scenario['profile'];
  readonly #openedMs = performance.now();
  readonly #links: BrokenLinks;
  /** Orders to the links that were not obeyed. */
  readonly #failures: string[] = [];

  /** `broken` is what is wrong with the links from the start. */
  constructor(
    profile: Scenario['profile'],
    cast: Cast,
    folder: NetworkFolder,
    machines: Machines,
    broken: Broken = WHOLE,
  ) {
    this.world = machines.world;
    this.cast = cast;
    this.genesis = folder.genesis;
    this.nodes = cast.seats.map((_, at) =>
      apiOf(createClient(machines.urlOf(at), { timeoutMs: ANSWER_MS_MAX, submitAttempts: 1 })),
    );
    this.#machines = machines;
    this.#folder = folder;
    this.#profile = profile;
    this.#links = new BrokenLinks(broken, () => {
      this.relink().catch((error: unknown) => this.#failures.push(`links: ${(error as Error).message}`));
    });
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

  upgrade(node: number): Promise<void> {
    return this.#machines.upgrade(node);
  }

  cut(groups: readonly (readonly number[])[]): () => void {
    return this.#links.cut(groups);
  }
  worsen(nodes: readonly number[], worse: Worse): () => void {
    return this.#links.worsen(nodes, worse);
  }
  setClock(nodes: readonly number[], aheadMs: number): void {
    const { setClock } = this.#machines;
    assert(setClock !== null, 'nodes have clocks of their own where a fault sets them');
    for (const at of nodes) setClock(at, aheadMs);
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

  /** Gives every link what it is to have by now. */
  async relink(): Promise<void> {
    const all = this.cast.seats.map((_, at) => at);
    for (const from of all) {
      for (const to of all) {
        if (from !== to)
          await this.#machines.links.ask({ type: 'set', ways: [[from, to]], quality: this.#quality(from, to) });
      }
    }
  }

  #quality(from: number, to: number): Quality {
    const [here, there] = [from, to].map((at) => this.cast.seats[at]?.place) as [PlaceCode, PlaceCode];
    const usual = LINKS[this.#profile];
    const { latencyMs: moreMs, jitterMs, lossPerMille, kilobytesPerSecond } = this.#links.worseOf(from, to);
    return {
      ...PERFECT,
      latencyMs: moreMs + (this.#profile === 'lan' ? 0 : latencyMs(here, there)),
      jitterMs: jitterMs + usual.jitterMs,
      stallPerMille: Math.max(lossPerMille, usual.stallPerMille),
      stallMs: RESENT_MS,
      bytesPerSecond: kilobytesPerSecond === null ? null : kilobytesPerSecond * 1_024,
      held: this.#links.isCut(from, to),
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
