/**
 * Network namespaces for the nodes, joined by a bridge, with firewalls and small disks. All of it stands in namespaces
 * of this process alone (network, mounts, processes): the machine's own network is never touched, and whatever becomes
 * of the test, the kernel takes everything away with its first process.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Gate } from '../border/links.js';
import { clockFile, clockSettings, libfaketime, setClockFile } from '../network/faketime.js';
import type { Layout } from '../network/network.js';

const HTTP_PORT = 8080;
const P2P_PORT = 7000;
const DISK_MIB = 512;
const BALLAST = 'ballast';
const BALLAST_CHUNK_BYTES = 16 * 1024 * 1024;

/** What has a process run in namespaces of its own that end with it. */
export const unshareArguments = (isRoot: boolean): readonly string[] => [
  // Who is not root is root in a namespace of users, where the machine allows that.
  ...(isRoot ? [] : ['--user', '--map-root-user']),
  ...['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
];

/** Runs a command to its end; gives what it printed, rejects with what it complained of. */
export function run(command: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'pipe' });
    const printed: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => printed.push(chunk));
    // A command that does not read its input ends all the same, and its status says how.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (status) => {
      const text = Buffer.concat(printed).toString();
      if (status === 0) resolve(text);
      else reject(new Error(`${command} ${args.join(' ')} ended with ${status}: ${text.trim()}`));
    });
  });
}

/** Drops packets at one node: those to or from the other nodes given, all or a share of a thousand. */
export interface Drop {
  readonly node: number;
  readonly others: readonly number[];
  readonly ways: readonly ('in' | 'out')[];
  readonly perMille: number;
}

const name = (node: number): string => `node${node}`;
const host = (node: number): string => `10.77.0.${node + 1}`;
/** By this address the other nodes know it: the links' proxy stands there. */
const alias = (node: number): string => `10.77.0.${node + 101}`;
const GATEWAY = '10.77.0.254';
const BRIDGE = 'bridge0';

export class Lab {
  readonly #folder: string;
  readonly #nodes: number;
  readonly #faketime: string | null;
  #tables = 0;

  private constructor(folder: string, nodes: number) {
    this.#folder = folder;
    this.#nodes = nodes;
    this.#faketime = libfaketime();
  }

  /** Builds the network. Must run in namespaces of its own: see `unshareArguments`. */
  static async open(folder: string, nodes: number): Promise<Lab> {
    // Where `ip netns` keeps its names; seen by nobody else.
    await run('mount', ['-t', 'tmpfs', 'causeway', '/run']);
    await run('ip', ['link', 'set', 'lo', 'up']);
    await run('ip', ['link', 'add', BRIDGE, 'type', 'bridge']);
    await run('ip', ['address', 'add', `${GATEWAY}/24`, 'dev', BRIDGE]);
    await run('ip', ['link', 'set', BRIDGE, 'up']);
    const lab = new Lab(folder, nodes);
    for (let node = 0; node < nodes; node++) await lab.#addNode(node);
    return lab;
  }

  async #addNode(node: number): Promise<void> {
    const namespace = name(node);
    await run('ip', ['address', 'add', `${alias(node)}/32`, 'dev', BRIDGE]);
    await run('ip', ['netns', 'add', namespace]);
    await run('ip', ['link', 'add', namespace, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
    await run('ip', ['link', 'set', namespace, 'master', BRIDGE, 'up']);
    await run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
    await run('ip', ['-n', namespace, 'address', 'add', `${host(node)}/24`, 'dev', 'eth0']);
    await run('ip', ['-n', namespace, 'link', 'set', 'eth0', 'up']);
    this.setClock(node, 0);
  }

  get hasClocks(): boolean {
    return this.#faketime !== null;
  }

  /** Whether the kernel could delay and drop packets itself. */
  async hasNetem(): Promise<boolean> {
    try {
      await run('tc', ['qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms']);
      await run('tc', ['qdisc', 'del', 'dev', 'lo', 'root']);
      return true;
    } catch {
      return false;
    }
  }

  layout(): Layout {
    return {
      place: (node) => ({
        host: host(node),
        httpPort: HTTP_PORT,
        p2pPort: P2P_PORT,
        settings: this.#clockSettings(node),
        prefix: ['nsenter', `--net=/run/netns/${name(node)}`],
      }),
      hostForPeers: alias,
    };
  }

  /** Where the links' proxies stand: each comes in by its own address, and goes on under its alias. */
  gates(): Gate[] {
    const nodes = Array.from({ length: this.#nodes }, (_, node) => node);
    const callers = nodes.map((from) => ({ address: host(from), from, localAddress: alias(from) }));
    return nodes.map((to) => ({
      host: alias(to),
      port: P2P_PORT,
      to,
      target: { host: host(to), port: P2P_PORT },
      callers,
    }));
  }

  #clockSettings(node: number): Readonly<Record<string, string>> {
    return this.#faketime === null ? {} : clockSettings(this.#faketime, clockFile(this.#folder, name(node)));
  }

  /** Sets the clock of a node's processes apart from the machine's by so many milliseconds; seen within a second. */
  setClock(node: number, offsetMs: number): void {
    setClockFile(this.#folder, name(node), offsetMs);
  }

  /** Begins to drop packets; what it gives ends that, and tells how many were dropped. */
  async drop(drops: readonly Drop[]): Promise<() => Promise<number>> {
    this.#tables += 1;
    const table = `inet fault${this.#tables}`;
    const placed = drops.filter(({ others }) => others.length > 0);
    await Promise.all(placed.map((each) => this.#nft(each.node, rulesOf(table, each))));
    return async () => {
      const dropped = await Promise.all(
        placed.map(async ({ node }) => {
          const listed = await this.#nft(node, `list table ${table}\n`);
          await this.#nft(node, `delete table ${table}\n`);
          return [...listed.matchAll(/counter packets (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
        }),
      );
      return dropped.reduce((sum, count) => sum + count, 0);
    };
  }

  #nft(node: number, script: string): Promise<string> {
    return run('nsenter', [`--net=/run/netns/${name(node)}`, 'nft', '-f', '-'], script);
  }
}

/** A table of its own for each fault: faults come and go without knowing of each other. */
function rulesOf(table: string, { others, ways, perMille }: Drop): string {
  const addresses = `{ ${others.map(alias).join(', ')} }`;
  const share = perMille === 1_000 ? '' : `numgen random mod 1000 < ${perMille} `;
  const chain = (way: 'in' | 'out'): string => {
    const [hook, side] = way === 'in' ? ['input', 'saddr'] : ['output', 'daddr'];
    return `chain ${way} { type filter hook ${hook} priority 0; ip ${side} ${addresses} ${share}counter drop; }`;
  };
  return `table ${table} {\n${ways.map(chain).join('\n')}\n}\n`;
}

/** A disk of its own for a node's data, small enough to be filled. */
export async function mountSmallDisk(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m,mode=700`, 'causeway', folder]);
}

/** Fills what is left of the disk, at once: done bit by bit it would take as long as a busy process likes. */
export function fillDisk(folder: string): void {
  const ballast = openSync(join(folder, BALLAST), 'a');
  try {
    for (const bytes of [BALLAST_CHUNK_BYTES, 4_096]) writeUntilFull(ballast, Buffer.alloc(bytes, 0xca));
  } finally {
    closeSync(ballast);
  }
}

function writeUntilFull(file: number, chunk: Buffer): void {
  for (;;) {
    try {
      writeSync(file, chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return;
      throw error;
    }
  }
}

export const freeDisk = (folder: string): void => rmSync(join(folder, BALLAST), { force: true });
