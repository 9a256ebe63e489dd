/** The container engine, by its command: what it says, or why it cannot. */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { readVersion } from '../../node/main/version.js';

class EngineError extends Error {}

/**
 * Runs `docker` to its end and gives what it printed; rejects with the end of what it complained of. `onLine` gets each line
 * of both its streams as it comes, whole, but for empty ones.
 */
export function docker(args: readonly string[], onLine: (line: string) => void = () => undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('docker', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const [out, wrong] = [new Lines(child.stdout, onLine), new Lines(child.stderr, onLine)];
    child.once('error', () => reject(new EngineError('There is no docker command on this machine.')));
    child.once('close', (status) => {
      if (status === 0) resolve(out.text.trim());
      else reject(new EngineError(`docker ${args.slice(0, 3).join(' ')} …: ${lastOf(wrong.text)}`));
    });
  });
}

/** A stream's text, and its lines as they come. */
class Lines {
  text = '';
  #told = 0;

  constructor(stream: Readable, onLine: (line: string) => void) {
    stream.setEncoding('utf8');
    stream.on('data', (more: string) => {
      this.text += more;
      this.#tell(this.text.lastIndexOf('\n') + 1, onLine);
    });
    stream.once('end', () => this.#tell(this.text.length, onLine));
  }

  #tell(until: number, onLine: (line: string) => void): void {
    if (until <= this.#told) return;
    const lines = this.text.slice(this.#told, until).split('\n');
    this.#told = until;
    for (const line of lines) if (line.trim() !== '') onLine(line.trimEnd());
  }
}

const lastOf = (text: string): string => text.trim().split('\n').slice(-3).join(' ');

/** Why no container can run here, or null. */
export async function reasonWithoutEngine(): Promise<string | null> {
  try {
    await docker(['version', '--format', '{{.Server.Version}}']);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

async function hasImage(image: string): Promise<boolean> {
  try {
    await docker(['image', 'inspect', '--format', '{{.Id}}', image]);
    return true;
  } catch {
    return false;
  }
}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

type OnLine = (line: string) => void;

/** Builds the image of this project if it is not there. `CAUSEWAY_BASE` names another base than the Dockerfile does. */
export const ensureImage = (image: string, onLine: OnLine): Promise<void> => build(image, [], onLine);

/** The next version's image: where there is none, of the same sources under another version, as its nodes tell. */
export const ensureNextImage = (image: string, onLine: OnLine): Promise<void> =>
  build(image, ['--build-arg', `VERSION=${readVersion()}+next`], onLine);

async function build(image: string, own: readonly string[], onLine: OnLine): Promise<void> {
  if (await hasImage(image)) return;
  const { CAUSEWAY_BASE: base } = process.env;
  const args = base === undefined ? [] : ['--build-arg', `BASE=${base}`];
  await docker(['build', '--network', 'host', ...args, ...own, '--tag', image, ROOT], onLine);
}
