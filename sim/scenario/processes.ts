/** Nodes as processes of this machine, on its loopback; each link between two of them goes by a gate of its own. */
import { join } from 'node:path';
import { freePorts } from '../../node/main/freeports.js';
import { type Gate, Links } from '../border/links.js';
import { clockFile, clockSettings, setClockFile } from '../network/faketime.js';
import { describe, NodeProcess } from '../network/processes.js';
import type { Cast } from './cast.js';
import type { NetworkFolder, Site } from './files.js';
import type { Machines } from './real.js';

const HOST = '127.0.0.1';

/** Every node dials every validator. */
export const dialledBy = ({ seats }: Cast, from: number): readonly number[] =>
  seats.flatMap(({ isValidator }, to) => (isValidator && to !== from ? [to] : []));

/** Opens the links and writes the folder; no node runs yet. `faketime` gives each a clock of its own, where it is there. */
export async function openProcesses(
  cast: Cast,
  folder: NetworkFolder,
  seed: number,
  faketime: string | null,
): Promise<Machines> {
  const places = cast.seats.map((_, at) => at);
  const ports = await freePorts(2 * places.length);
  const httpPort = (at: number): number => ports[2 * at] as number;
  const p2pPort = (at: number): number => ports[2 * at + 1] as number;
  const gates = places.flatMap((from) =>
    dialledBy(cast, from).map(
      (to): Gate => ({
        host: HOST,
        port: 0,
        to,
        target: { host: HOST, port: p2pPort(to) },
        callers: [{ address: null, from }],
      }),
    ),
  );
  const links = await Links.open({ nodes: places.length, gates, seed, control: { host: HOST, port: 0 }, stays: false });
  folder.write((at): Site => {
    const peers = gates.flatMap(({ to, callers: [caller] }, gate): [number, string][] =>
      caller?.from === at ? [[to, `/ip4/${HOST}/tcp/${links.ports[gate]}`]] : [],
    );
    return {
      http: { host: HOST, port: httpPort(at) },
      listen: `/ip4/${HOST}/tcp/${p2pPort(at)}`,
      genesis: '../../genesis.json',
      data: 'data',
      mark: 'mark',
      peers: new Map(peers),
    };
  });
  return new Processes(cast, folder, links, httpPort, faketime);
}

class Processes implements Machines {
  readonly world = 'processes';
  readonly #deaths: string[] = [];
  readonly links: Links;
  readonly #cast: Cast;
  readonly #folder: NetworkFolder;
  readonly #httpPort: (at: number) => number;
  readonly #faketime: string | null;
  readonly setClock: Machines['setClock'];
  readonly #running = new Map<number, NodeProcess>();

  constructor(
    cast: Cast,
    folder: NetworkFolder,
    links: Links,
    httpPort: (at: number) => number,
    faketime: string | null,
  ) {
    this.links = links;
    this.#cast = cast;
    this.#folder = folder;
    this.#httpPort = httpPort;
    this.#faketime = faketime;
    const setClock = (at: number, aheadMs: number): void => setClockFile(folder.clocks, folder.nameOf(at), aheadMs);
    this.setClock = faketime === null ? null : setClock;
    if (faketime !== null) for (const at of cast.seats.keys()) setClock(at, 0);
  }

  urlOf(at: number): string {
    return `http://${HOST}:${this.#httpPort(at)}`;
  }

  async start(at: number): Promise<void> {
    if (this.#running.has(at)) return;
    const file = clockFile(this.#folder.clocks, this.#folder.nameOf(at));
    const settings = this.#faketime === null ? {} : clockSettings(this.#faketime, file);
    const node = new NodeProcess(join(this.#folder.folderOf(at), 'node.toml'), settings);
    this.#running.set(at, node);
    void this.#watch(at, node);
    await node.started.catch((error: unknown) => {
      // Another fault has ended it before it served: that one starts it again.
      if (!node.isTold) throw error;
    });
  }

  async #watch(at: number, node: NodeProcess): Promise<void> {
    const exit = await node.exited;
    if (this.#running.get(at) === node) this.#running.delete(at);
    if (!node.isTold)
      this.#deaths.push([`${this.#cast.seats[at]?.name}: ${describe(exit)}`, ...node.lastLines()].join(' | '));
  }

  async deaths(): Promise<readonly string[]> {
    return this.#deaths;
  }

  async stop(at: number): Promise<void> {
    await this.#running.get(at)?.stop();
  }
  /** There is one program here. */
  async upgrade(): Promise<void> {}
  async kill(at: number): Promise<void> {
    await this.#running.get(at)?.kill();
  }
  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((node) => node.stop()));
    await this.links.close();
  }
}
