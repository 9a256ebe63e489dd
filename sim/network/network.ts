/** A network of validators as processes of this machine, in one folder. */
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { type Client, createClient } from '../../node/api/client.js';
import { freePorts, isPortFree } from '../../node/main/freeports.js';
import { askCli, type Exit, NodeProcess } from './processes.js';

export const JURISDICTIONS = ['HK', 'CN', 'TH', 'AE'] as const;
export type Jurisdiction = (typeof JURISDICTIONS)[number];

/** What a validator's configuration says that matters here. */
interface Written {
  readonly party: string;
  readonly http: { readonly port: number };
  readonly p2p: { readonly listen: string };
}

export interface Member {
  readonly jurisdiction: Jurisdiction;
  readonly party: string;
  readonly folder: string;
  readonly url: string;
  readonly client: Client;
  /** What this run sets over the configuration. */
  readonly settings: Readonly<Record<string, string>>;
}

type OnDeath = (member: Member, exit: Exit, lastLines: readonly string[]) => void;

export class LocalNetwork {
  readonly dir: string;
  readonly members: readonly Member[];
  readonly #processes = new Map<Member, NodeProcess>();
  readonly #onDeath: OnDeath;

  private constructor(dir: string, members: readonly Member[], onDeath: OnDeath) {
    this.dir = dir;
    this.members = members;
    this.#onDeath = onDeath;
  }

  get genesis(): string {
    return join(this.dir, 'genesis.json');
  }

  /** The network in `dir`, made there if there is none. `onDeath` hears of a node that ends unasked. */
  static async open(dir: string, onDeath: OnDeath = () => undefined): Promise<LocalNetwork> {
    if (!existsSync(join(dir, 'genesis.json'))) await create(dir);
    return new LocalNetwork(dir, await membersOf(dir), onDeath);
  }

  member(jurisdiction: Jurisdiction): Member {
    return this.members.find((each) => each.jurisdiction === jurisdiction) as Member;
  }

  process(member: Member): NodeProcess | undefined {
    return this.#processes.get(member);
  }

  /** Starts these nodes, all by default; resolves when each serves. */
  async start(members: readonly Member[] = this.members): Promise<void> {
    await Promise.all(members.map((member) => this.#start(member)));
  }

  async #start(member: Member): Promise<void> {
    const node = new NodeProcess(join(member.folder, 'node.toml'), member.settings);
    this.#processes.set(member, node);
    void this.#watch(member, node);
    try {
      await node.started;
    } catch (error) {
      throw new Error(`${member.party} did not start. ${(error as Error).message}`, { cause: error });
    }
  }

  async #watch(member: Member, node: NodeProcess): Promise<void> {
    const exit = await node.exited;
    if (this.#processes.get(member) === node) this.#processes.delete(member);
    if (!node.isTold) this.#onDeath(member, exit, node.lastLines());
  }

  async stop(members: readonly Member[] = this.members): Promise<Exit[]> {
    return this.#end(members, (node) => node.stop());
  }
  /** As a crash would: nothing is finished. */
  async kill(members: readonly Member[]): Promise<Exit[]> {
    return this.#end(members, (node) => node.kill());
  }

  async #end(members: readonly Member[], end: (node: NodeProcess) => Promise<Exit>): Promise<Exit[]> {
    const running = members.map((member) => this.#processes.get(member)).filter((node) => node !== undefined);
    return Promise.all(running.map(end));
  }
}

/** Whole or not at all: a run that was interrupted leaves no half of a network behind. */
async function create(dir: string): Promise<void> {
  const making = `${dir}.making`;
  rmSync(making, { recursive: true, force: true });
  await askCli('network', 'create', '--dir', making, '--validators', JURISDICTIONS.join(','));
  renameSync(making, dir);
}

/** The members with the ports that their configurations name, or others where those are taken by now. */
async function membersOf(dir: string): Promise<Member[]> {
  const written = JURISDICTIONS.map((jurisdiction) => {
    const folder = join(dir, jurisdiction.toLowerCase());
    return {
      jurisdiction,
      folder,
      config: parse(readFileSync(join(folder, 'node.toml'), 'utf8')) as unknown as Written,
    };
  });
  const wanted = written.flatMap(({ config }) => [config.http.port, Number(config.p2p.listen.split('/').at(-1))]);
  const isFree = await Promise.all(wanted.map(isPortFree));
  const others = await freePorts(wanted.length);
  const ports = wanted.map((port, at) => (isFree[at] === true ? port : (others[at] as number)));
  const address = (at: number): string => `/ip4/127.0.0.1/tcp/${ports[2 * at + 1]}`;
  return written.map(({ jurisdiction, folder, config: { party } }, at) => {
    const port = ports[2 * at] as number;
    const peers = written.flatMap(({ config }, other) => (other === at ? [] : [`${config.party}=${address(other)}`]));
    const settings = {
      CAUSEWAY_HTTP_PORT: String(port),
      CAUSEWAY_P2P_LISTEN: address(at),
      CAUSEWAY_PEERS: peers.join(','),
    };
    const url = `http://127.0.0.1:${port}`;
    return { jurisdiction, party, folder, url, client: createClient(url), settings };
  });
}
