/** Our own programs as processes of this machine: a command that runs to its end, and a node that stays. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../node/cli.js', import.meta.url));
const LOG_LINES_MAX = 20;
/** A node that was told to stop and has not is ended. */
const STOP_MS_MAX = 20_000;

export interface Exit {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What stands in this process's environment for a node of its own must not reach ours. */
function environment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('CAUSEWAY_'));
  return { ...Object.fromEntries(own), ...more };
}

/** Runs `causeway` with these arguments to its end. */
export async function runCli(...args: readonly string[]): Promise<Ran> {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: environment({}),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, { status }] = await Promise.all([textOf(child.stdout), textOf(child.stderr), exitOf(child)]);
  return { status, stdout, stderr };
}

/** As `runCli`, with --json, for a command that must succeed; gives what it printed. */
export async function askCli(...args: readonly string[]): Promise<unknown> {
  const { status, stdout, stderr } = await runCli(...args, '--json');
  if (status !== 0) throw new Error(`causeway ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`);
  return JSON.parse(stdout);
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: string[] = [];
  stream.setEncoding('utf8');
  for await (const chunk of stream) chunks.push(chunk as string);
  return chunks.join('');
}

const exitOf = (child: ChildProcess): Promise<Exit> =>
  new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status, signal) => resolve({ status, signal }));
  });

/** A node as a process of its own. */
export class NodeProcess {
  /** When it serves; rejects, with its last words, when it ends before. */
  readonly started: Promise<{ readonly url: string }>;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #isTold = false;

  /** `prefix` is a command that runs the one given after it in its own place: in another network namespace, say. */
  constructor(config: string, settings: Readonly<Record<string, string>>, prefix: readonly string[] = []) {
    const [command, ...args] = [...prefix, process.execPath, CLI, 'node', 'start', '--config', config, '--json'];
    // A group of its own, so that Ctrl-C reaches it only through us; a channel, so that it stops should we be killed.
    this.#child = spawn(command, args, {
      env: environment(settings),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    const { stdout, stderr } = this.#child as { stdout: Readable; stderr: Readable };
    this.exited = exitOf(this.#child);
    createInterface({ input: stderr }).on('line', (line) => {
      this.#lines.push(line);
      if (this.#lines.length > LOG_LINES_MAX) this.#lines.shift();
    });
    this.started = new Promise((resolve, reject) => {
      createInterface({ input: stdout }).on('line', (line) => {
        const { event, url, error } = JSON.parse(line) as { event?: string; url?: string; error?: { detail: string } };
        if (event === 'started' && url !== undefined) resolve({ url });
        else if (error !== undefined) this.#lines.push(error.detail);
      });
      void this.exited.then((exit) => reject(new Error(`${describe(exit)}\n${this.lastLines().join('\n')}`)), reject);
    });
    // Whoever never asks whether it started still hears of its end.
    this.started.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }
  /** Whether its end was asked for here. */
  get isTold(): boolean {
    return this.#isTold;
  }
  /** The end of its log. */
  lastLines(): readonly string[] {
    return this.#lines;
  }

  /** Lets it end what is under way. Gives how it ended. */
  async stop(): Promise<Exit> {
    this.#isTold = true;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  /** Stops it where it stands (SIGSTOP), or lets it go on (SIGCONT). */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<Exit> {
    this.#isTold = true;
    this.#child.kill('SIGKILL');
    return this.exited;
  }
}

export const describe = ({ status, signal }: Exit): string =>
  signal === null ? `The node ended with status ${status}.` : `The node was ended by ${signal}.`;
