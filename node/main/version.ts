/** Which version of the program this is. */
import { readFileSync } from 'node:fs';

/** The version in package.json, which stands above this file in the sources and above `dist` in a build. */
export function readVersion(): string {
  for (const place of ['../../package.json', '../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as {
        name?: unknown;
        version?: unknown;
      };
      if (name === 'causeway' && typeof version === 'string') return version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  throw new Error('package.json is not where it should be');
}
