/** A network as processes of this machine, in one folder: four validators, and nodes of others beside them. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'smol-toml';
import { type Client, createClient } from '../../node/api/client.js';
import { freePorts, isPortFree } from '../../node/main/freeports.js';
import { askCli, type Exit, NodeProcess } from './processes.js';

export const JURISDICTIONS = ['HK', 'CN', 'TH', 'AE'] as const;
export type Jurisdiction = (typeof JURISDICTIONS)[number];

/** What a node's configuration says that matters here. */
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
  /** The multiaddr that the others dial. */
  readonly address: string;
  readonly client: Client;
  /** What this run sets over the configuration. */
  readonly settings: Readonly<Record<string, string>>;
  /** A command that its own is put after. */
  readonly prefix: readonly string[];
}

/** A node beside the validators: a bank's own, or a standby of some party. */
export interface Guest {
  /** Of its folder; a party may have several nodes. */
  readonly name: string;
  readonly party: string;
  readonly jurisdiction: Jurisdiction;
  /** Whether it has a vote key, to take a place in the set. */
  readonly standby?: boolean;
}

/** Where the processes run, when that is not on this machine's loopback. Members are named by their place; guests come after. */
export interface Layout {
  place(member: number): {
    /** Where it listens, for clients and for other nodes. */
    readonly host: string;
    readonly httpPort: number;
    readonly p2pPort: number;
    /** Set over the configuration, and in the environment of the process. */
    readonly settings: Readonly<Record<string, string>>;
    /** The command that starts it is put after this one. */
    readonly prefix: readonly string[];
  };
  /** The host that the others dial. */
  hostForPeers(member: number): string;
}

type OnDeath = (member: Member, exit: Exit, lastLines: readonly string[]) => void;

export class LocalNetwork {
  readonly dir: string;
  /** The validators of the genesis file. */
  readonly members: readonly Member[];
  readonly #guests = new Map<string, Member>();
  readonly #layout: Layout | undefined;
  readonly #processes = new Map<Member, NodeProcess>();
  readonly #onDeath: OnDeath;

  private constructor(dir: string, members: readonly Member[], onDeath: OnDeath, layout: Layout | undefined) {
    this.dir = dir;
    this.members = members;
    this.#onDeath = onDeath;
    this.#layout = layout;
  }

  get genesis(): string {
    return join(this.dir, 'genesis.json');
  }

  /** The network in `dir`, made there if there is none. `onDeath` hears of a node that ends unasked. */
  static async open(dir: string, onDeath: OnDeath = () => undefined, layout?: Layout): Promise<LocalNetwork> {
    if (!existsSync(join(dir, 'genesis.json'))) await create(dir);
    return new LocalNetwork(dir, await membersOf(dir, layout), onDeath, layout);
  }

  member(jurisdiction: Jurisdiction): Member {
    return this.members.find((each) => each.jurisdiction === jurisdiction) as Member;
  }

  /** Every node: the validators, then the guests. */
  get nodes(): readonly Member[] {
    return [...this.members, ...this.#guests.values()];
  }

  /** Where a bank is at home: its own node, or its central bank's while it has none. */
  homeOf({ party, jurisdiction }: Pick<Guest, 'party' | 'jurisdiction'>): Member {
    return [...this.#guests.values()].find((guest) => guest.party === party) ?? this.member(jurisdiction);
  }

  /** The guest of that name, made in a folder of its own if it is not there. Whether its key is registered is not seen to. */
  async guest({ name, party, jurisdiction, standby = false }: Guest): Promise<Member> {
    const known = this.#guests.get(name);
    if (known !== undefined) return known;
    const folder = join(this.dir, 'nodes', name);
    mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
    const [peersOf] = this.members.filter((member) => member.party !== party) as [Member];
    const args = ['--dir', folder, '--party', party, '--peers-of', join(peersOf.folder, 'node.toml')];
    await askCli('node', 'create', ...args, ...(standby ? ['--standby'] : []));
    const written = { jurisdiction, folder, config: configIn(folder) };
    const at = this.nodes.length;
    const layout = this.#layout ?? (await loopback([written.config], at));
    const guest = memberAt(
      written,
      at,
      layout,
      this.members.filter((member) => member.party !== party),
    );
    this.#guests.set(name, guest);
    return guest;
  }

  process(member: Member): NodeProcess | undefined {
    return this.#processes.get(member);
  }

  /** Starts these nodes, the validators by default; resolves when each serves. */
  async start(members: readonly Member[] = this.members): Promise<void> {
    await Promise.all(members.map((member) => this.#start(member)));
  }

  async #start(member: Member): Promise<void> {
    const node = new NodeProcess(join(member.folder, 'node.toml'), member.settings, member.prefix);
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

  async stop(members: readonly Member[] = this.nodes): Promise<Exit[]> {
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

interface Found {
  readonly jurisdiction: Jurisdiction;
  readonly folder: string;
  readonly config: Written;
}

const configIn = (folder: string): Written =>
  parse(readFileSync(join(folder, 'node.toml'), 'utf8')) as unknown as Written;

/** What the configurations say, in the order of the members. */
async function membersOf(dir: string, given?: Layout): Promise<Member[]> {
  const found = JURISDICTIONS.map((jurisdiction): Found => {
    const folder = join(dir, jurisdiction.toLowerCase());
    return { jurisdiction, folder, config: configIn(folder) };
  });
  const layout = given ?? (await loopback(found.map(({ config }) => config)));
  const dialled = found.map(({ config: { party } }, at) => ({ party, address: dialledAt(layout, at) }));
  return found.map((each, at) =>
    memberAt(
      each,
      at,
      layout,
      dialled.filter((_, other) => other !== at),
    ),
  );
}

const multiaddr = (host: string, port: number): string => `/ip4/${host}/tcp/${port}`;
const dialledAt = (layout: Layout, at: number): string => multiaddr(layout.hostForPeers(at), layout.place(at).p2pPort);

/** The node at a place of the layout, which knows where `peers` are. */
function memberAt(
  { jurisdiction, folder, config: { party } }: Found,
  at: number,
  layout: Layout,
  peers: readonly { readonly party: string; readonly address: string }[],
): Member {
  const { host, httpPort, p2pPort, settings, prefix } = layout.place(at);
  const url = `http://${host}:${httpPort}`;
  const own = {
    CAUSEWAY_HTTP_HOST: host,
    CAUSEWAY_HTTP_PORT: String(httpPort),
    CAUSEWAY_P2P_LISTEN: multiaddr(host, p2pPort),
    CAUSEWAY_PEERS: peers.map((peer) => `${peer.party}=${peer.address}`).join(','),
  };
  const address = dialledAt(layout, at);
  const client = createClient(url);
  return { jurisdiction, party, folder, url, address, client, settings: { ...own, ...settings }, prefix };
}

/** On this machine, from a place on, with the ports that the configurations name, or others where those are taken by now. */
async function loopback(configs: readonly Written[], first = 0): Promise<Layout> {
  const wanted = configs.flatMap(({ http, p2p }) => [http.port, Number(p2p.listen.split('/').at(-1))]);
  const isFree = await Promise.all(wanted.map(isPortFree));
  const others = await freePorts(wanted.length);
  const ports = wanted.map((port, at) => (isFree[at] === true ? port : (others[at] as number)));
  const host = '127.0.0.1';
  return {
    place: (at) => ({
      host,
      httpPort: ports[2 * (at - first)] as number,
      p2pPort: ports[2 * (at - first) + 1] as number,
      settings: {},
      prefix: [],
    }),
    hostForPeers: () => host,
  };
}
