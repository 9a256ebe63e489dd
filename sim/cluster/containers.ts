/**
 * Nodes as containers: each jurisdiction has a network of its own, and what passes from one node to another goes through
 * the border, a container in all of these networks with a gate for each pair. Nodes run as the image has them: not as
 * root, on a root file system that cannot be written to, without capabilities.
 */
import { chmodSync, chownSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePorts } from '../../node/main/freeports.js';
import { type Gate, LINK_PROGRAM, Links, type LinksData, type Opened } from '../border/links.js';
import { clockFile, clockSettings, setClockFile } from '../network/faketime.js';
import type { Cast, Seat } from '../scenario/cast.js';
import type { NetworkFolder, Site } from '../scenario/files.js';
import { dialledBy } from '../scenario/processes.js';
import type { Machines } from '../scenario/real.js';
import { docker } from './engine.js';

/** Inside a container every node has an address, and so the ports, of its own. */
const [HTTP_PORT, P2P_PORT, CONTROL_PORT, FIRST_GATE_PORT] = [8080, 7000, 9000, 20_000];
const BORDER = 'border';
/** The user of the image. */
const IMAGE_USER = 1000;
const READY_MS_MAX = 60_000;
const STEP_MS = 100;
const STOP_SECONDS = 30;
/** Where a container sees the clocks, if it has one of its own. */
const CLOCKS = '/clocks';

/** What a cluster of containers is known by, and made of. */
export interface ClusterNames {
  /** Before the names of all its containers and networks. */
  readonly project: string;
  readonly image: string;
  /** This machine's libfaketime, where each node is to have a clock of its own; null where all have the machine's. */
  readonly faketime: string | null;
}

export interface ClusterPorts {
  readonly control: number;
  /** By place, on this machine's loopback. */
  readonly http: readonly number[];
}

const networkOf = ({ project }: ClusterNames, jurisdiction: string): string =>
  `${project}-${jurisdiction.toLowerCase()}`;
export const containerOf = ({ project }: ClusterNames, name: string): string => `${project}-${name}`;

/** The gates of the border, in order. */
function gatesOf(cast: Cast, folder: NetworkFolder): readonly Gate[] {
  const pairs = cast.seats.flatMap((_, from) => dialledBy(cast, from).map((to) => ({ from, to })));
  return pairs.map(({ from, to }, at) => ({
    host: '0.0.0.0',
    port: FIRST_GATE_PORT + at,
    to,
    target: { host: `node-${folder.nameOf(to)}`, port: P2P_PORT },
    callers: [{ address: null, from }],
  }));
}

/** Makes networks, border and nodes; no node runs yet. Writes the folder that the nodes read. */
export async function createCluster(
  names: ClusterNames,
  cast: Cast,
  folder: NetworkFolder,
  seed: number,
): Promise<ClusterPorts> {
  const gates = gatesOf(cast, folder);
  const [control, ...http] = (await freePorts(1 + cast.seats.length)) as [number, ...number[]];
  folder.write((at): Site => siteOf(gates, at));
  ownedByImageUser(folder.dir);
  const jurisdictions = [...new Set(cast.seats.map(({ player }) => player.jurisdiction))];
  for (const jurisdiction of jurisdictions)
    await docker(['network', 'create', '--label', labelOf(names), networkOf(names, jurisdiction)]);
  const data: LinksData = {
    nodes: cast.seats.length,
    gates,
    seed,
    control: { host: '0.0.0.0', port: CONTROL_PORT },
    stays: true,
  };
  const dist = dirname(dirname(dirname(LINK_PROGRAM)));
  const [first, ...others] = jurisdictions as [string, ...string[]];
  await docker([
    ...create(names, BORDER, networkOf(names, first), BORDER),
    ...['--publish', `127.0.0.1:${control}:${CONTROL_PORT}`, '--volume', `${dist}:/app/dist:ro`, '--no-healthcheck'],
    ...['--entrypoint', 'node', names.image, 'dist/sim/border/linkprocess.js', JSON.stringify(data)],
  ]);
  for (const jurisdiction of others)
    await docker(['network', 'connect', '--alias', BORDER, networkOf(names, jurisdiction), containerOf(names, BORDER)]);
  await docker(['start', containerOf(names, BORDER)]);
  for (const [at, seat] of cast.seats.entries())
    await createNode(names, names.image, folder, seat, at, http[at] as number);
  return { control, http };
}

function siteOf(gates: readonly Gate[], at: number): Site {
  const peers = gates.flatMap(({ to, port, callers: [caller] }): [number, string][] =>
    caller?.from === at ? [[to, `/dns4/${BORDER}/tcp/${port}`]] : [],
  );
  return {
    http: { host: '0.0.0.0', port: HTTP_PORT },
    listen: `/ip4/0.0.0.0/tcp/${P2P_PORT}`,
    genesis: '/network/genesis.json',
    data: '/data',
    mark: '/mark',
    peers: new Map(peers),
  };
}

const labelOf = ({ project }: ClusterNames): string => `causeway.sim=${project}`;

const create = (names: ClusterNames, name: string, network: string, alias: string): string[] => [
  ...['create', '--name', containerOf(names, name), '--label', labelOf(names), '--network', network],
  ...['--network-alias', alias, '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL'],
  ...['--security-opt', 'no-new-privileges', '--user', userOf()],
];

async function createNode(
  names: ClusterNames,
  image: string,
  folder: NetworkFolder,
  seat: Seat,
  at: number,
  port: number,
): Promise<void> {
  const own = folder.folderOf(at);
  const name = folder.nameOf(at);
  await docker([
    ...create(names, name, networkOf(names, seat.player.jurisdiction), `node-${name}`),
    ...['--publish', `127.0.0.1:${port}:${HTTP_PORT}`, '--volume', `${own}:/network/own:ro`],
    ...['--volume', `${join(folder.dir, 'genesis.json')}:/network/genesis.json:ro`],
    ...['--volume', `${join(own, 'data')}:/data`, '--volume', `${join(own, 'mark')}:/mark`],
    ...clockArguments(names, folder, name),
    ...[image, 'node', 'start', '--config', '/network/own/node.toml'],
  ]);
}

/** The machine's library and the node's clock, seen from inside. */
function clockArguments({ faketime }: ClusterNames, folder: NetworkFolder, name: string): readonly string[] {
  if (faketime === null) return [];
  setClockFile(folder.clocks, name, 0);
  const settings = Object.entries(clockSettings(faketime, clockFile(CLOCKS, name)));
  return [
    ...['--volume', `${faketime}:${faketime}:ro`, '--volume', `${folder.clocks}:${CLOCKS}:ro`],
    ...settings.flatMap(([key, value]) => ['--env', `${key}=${value}`]),
  ];
}

const isRoot = (): boolean => process.getuid?.() === 0;
/** Who made the files reads them; but nothing runs as root. */
const userOf = (): string => (isRoot() ? `${IMAGE_USER}:${IMAGE_USER}` : `${process.getuid?.()}:${process.getgid?.()}`);

/** The nodes' files, but not the keys of the players beside them. */
function ownedByImageUser(dir: string): void {
  if (!isRoot()) return;
  const visit = (path: string): void => {
    chownSync(path, IMAGE_USER, IMAGE_USER);
    if (statSync(path).isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
  };
  for (const name of ['genesis.json', 'nodes']) visit(join(dir, name));
  chmodSync(dir, 0o711);
}

/** The machines of a cluster that stands. Nodes that are upgraded run the next image, if there is one. */
export async function openCluster(
  names: ClusterNames,
  cast: Cast,
  folder: NetworkFolder,
  ports: ClusterPorts,
  nextImage: string | null,
): Promise<Machines> {
  const { ports: gates } = await bordersFirstLine(names);
  const links = await Links.attach({ host: '127.0.0.1', port: ports.control }, gates);
  return new Containers(names, cast, folder, links, ports, nextImage);
}

/** Once its gates are open the border says so. */
async function bordersFirstLine(names: ClusterNames): Promise<Opened> {
  for (const untilMs = performance.now() + READY_MS_MAX; performance.now() < untilMs; ) {
    const [line] = (await docker(['logs', containerOf(names, BORDER)])).split('\n');
    if (line !== undefined && line.startsWith('{')) return JSON.parse(line) as Opened;
    await new Promise((resolve) => void setTimeout(resolve, STEP_MS));
  }
  throw new Error('The border between the jurisdictions did not open.');
}

class Containers implements Machines {
  readonly world = 'containers';
  readonly links: Links;
  readonly #names: ClusterNames;
  readonly #cast: Cast;
  readonly #folder: NetworkFolder;
  readonly #ports: ClusterPorts;
  readonly #nextImage: string | null;
  readonly setClock: Machines['setClock'];
  /** Nodes that were started here, and not ended. */
  readonly #running = new Set<number>();

  constructor(
    names: ClusterNames,
    cast: Cast,
    folder: NetworkFolder,
    links: Links,
    ports: ClusterPorts,
    nextImage: string | null,
  ) {
    this.links = links;
    this.#names = names;
    this.#cast = cast;
    this.#folder = folder;
    this.#ports = ports;
    this.#nextImage = nextImage;
    const setClock = (at: number, aheadMs: number): void => setClockFile(folder.clocks, folder.nameOf(at), aheadMs);
    this.setClock = names.faketime === null ? null : setClock;
  }

  urlOf(at: number): string {
    return `http://127.0.0.1:${this.#ports.http[at]}`;
  }

  async start(at: number): Promise<void> {
    const name = this.#name(at);
    await docker(['start', name]);
    this.#running.add(at);
    for (const untilMs = performance.now() + READY_MS_MAX; performance.now() < untilMs; ) {
      // Another fault may have ended it before it served: that one starts it again.
      if (!this.#running.has(at) || (await isServing(this.urlOf(at)))) return;
      await new Promise((resolve) => void setTimeout(resolve, STEP_MS));
    }
    throw new Error(`${name} does not serve. ${await docker(['logs', '--tail', '5', name])}`);
  }
  async stop(at: number): Promise<void> {
    this.#running.delete(at);
    await docker(['stop', '--time', `${STOP_SECONDS}`, this.#name(at)]);
  }
  async upgrade(at: number): Promise<void> {
    if (this.#nextImage === null) return;
    await docker(['rm', this.#name(at)]);
    const [seat, port] = [this.#cast.seats[at] as Seat, this.#ports.http[at] as number];
    await createNode(this.#names, this.#nextImage, this.#folder, seat, at, port);
  }
  async kill(at: number): Promise<void> {
    this.#running.delete(at);
    // Of what does not run the engine says so, and it is as it was to be.
    await docker(['kill', this.#name(at)]).catch(async (error: unknown) => {
      const state = await docker(['inspect', '--format', '{{.State.Status}}', this.#name(at)]).catch(() => 'none');
      if (state === 'running') throw error;
    });
  }
  async deaths(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const at of this.#running) {
      const name = this.#name(at);
      const state = await docker(['inspect', '--format', '{{.State.Status}} {{.State.ExitCode}}', name]);
      if (!state.startsWith('running '))
        found.push(`${name}: ${state}. ${await docker(['logs', '--tail', '3', name])}`);
    }
    return found;
  }
  async close(): Promise<void> {
    await this.links.close();
  }

  #name(at: number): string {
    return containerOf(this.#names, this.#folder.nameOf(at));
  }
}

async function isServing(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

/** Removes all that has the cluster's label: containers, then networks. Gives how many containers there were. */
export async function removeCluster(names: ClusterNames): Promise<number> {
  const filter = ['--filter', `label=${labelOf(names)}`];
  const containers = (await docker(['ps', '--all', '--quiet', ...filter])).split('\n').filter((id) => id !== '');
  if (containers.length > 0) await docker(['rm', '--force', '--volumes', ...containers]);
  const networks = (await docker(['network', 'ls', '--quiet', ...filter])).split('\n').filter((id) => id !== '');
  if (networks.length > 0) await docker(['network', 'rm', ...networks]);
  return containers.length;
}
