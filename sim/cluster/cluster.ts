/** A cluster of containers that stays: its folder says what it is, so that each command finds it again. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Broken, WHOLE } from '../scenario/broken.js';
import { type Cast, castOf } from '../scenario/cast.js';
import type { Scenario } from '../scenario/file.js';
import { NetworkFolder } from '../scenario/files.js';
import { RealStage } from '../scenario/real.js';
import {
  type ClusterNames,
  type ClusterPorts,
  containerOf,
  createCluster,
  openCluster,
  removeCluster,
} from './containers.js';
import { docker } from './engine.js';

export type Spec = Pick<Scenario, 'title' | 'profile' | 'jurisdictions' | 'assets' | 'timeScale'>;

interface Written extends ClusterNames {
  readonly format: 'causeway-cluster/1';
  readonly seed: number;
  readonly spec: Spec;
  readonly ports: ClusterPorts;
  /** Until it is healed. */
  readonly broken: Broken;
}

const FILE = 'cluster.json';

/** A whole scenario of nothing but who there is. */
const scenarioOf = (spec: Spec): Scenario => ({
  format: 'causeway-scenario/1',
  name: 'cluster',
  about: spec.title,
  lasts: '1s',
  opening: [],
  workload: [],
  expect: [],
  sabotage: { about: '', set: [], breaks: [] },
  ...spec,
});

export class Cluster {
  readonly folder: NetworkFolder;
  readonly cast: Cast;
  readonly #dir: string;
  #written: Written;

  private constructor(dir: string, written: Written, cast: Cast) {
    this.#dir = dir;
    this.#written = written;
    this.cast = cast;
    this.folder = new NetworkFolder(join(dir, 'network'), written.spec, cast, Date.now());
  }

  static isIn = (dir: string): boolean => existsSync(join(dir, FILE));

  static open(dir: string): Cluster {
    const written = JSON.parse(readFileSync(join(dir, FILE), 'utf8')) as Written;
    return new Cluster(dir, written, needed(written.spec));
  }

  /** Makes networks and containers; none runs yet. What was made of it is removed again when it cannot be made whole. */
  static async create(dir: string, names: ClusterNames, spec: Spec, seed: number): Promise<Cluster> {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const cast = needed(spec);
    const folder = new NetworkFolder(join(dir, 'network'), spec, cast, Date.now());
    try {
      const ports = await createCluster(names, cast, folder, seed);
      const written: Written = { format: 'causeway-cluster/1', ...names, seed, spec, ports, broken: WHOLE };
      write(dir, written);
      return new Cluster(dir, written, cast);
    } catch (error) {
      await removeCluster(names);
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
  }

  get spec(): Spec {
    return this.#written.spec;
  }
  get project(): string {
    return this.#written.project;
  }
  get broken(): Broken {
    return this.#written.broken;
  }
  urlOf(at: number): string {
    return `http://127.0.0.1:${this.#written.ports.http[at]}`;
  }
  containerOf(at: number): string {
    return containerOf(this.#written, this.folder.nameOf(at));
  }

  /** Who is on it is the cluster's; what else a scenario's cast has, assets above all, is its own. */
  async stage(cast: Cast = this.cast, nextImage: string | null = null): Promise<RealStage> {
    const machines = await openCluster(this.#written, cast, this.folder, this.#written.ports, nextImage);
    const { spec, folder, broken } = this;
    return new RealStage(spec.profile, cast, folder, machines, broken);
  }

  /** What stays broken after the command that broke it. */
  remember(broken: Broken): void {
    this.#written = { ...this.#written, broken };
    write(this.#dir, this.#written);
  }

  /** What the engine says of a node's container: running, exited, … */
  async stateOf(at: number): Promise<string> {
    return docker(['inspect', '--format', '{{.State.Status}}', this.containerOf(at)]);
  }

  /** Everything goes: containers, networks, keys and data. */
  async remove(): Promise<number> {
    const count = await removeCluster(this.#written);
    rmSync(this.#dir, { recursive: true, force: true });
    return count;
  }
}

function needed(spec: Spec): Cast {
  const made = castOf(scenarioOf(spec));
  if (!made.ok) throw new Error(`${made.detail}, at ${made.pointer}.`);
  return made.cast;
}

function write(dir: string, written: Written): void {
  const path = join(dir, FILE);
  writeFileSync(`${path}.new`, `${JSON.stringify(written, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
