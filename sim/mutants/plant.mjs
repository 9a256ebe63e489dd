/**
 * Builds a thread of the fuzzer with a bug in it: one bundle of our sources, some of them changed, in a folder elsewhere.
 * The sources themselves are never touched. Needs the development dependencies.
 */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { build } from 'esbuild';

/** A folder in which bundles find our packages. */
export function prepare(root, folder) {
  mkdirSync(folder, { recursive: true });
  const packages = join(folder, 'node_modules');
  if (!existsSync(packages)) symlinkSync(join(root, 'node_modules'), packages, 'dir');
}

/** `changed` maps paths from the root to the text that stands in for the file's. Answers how many of them were built in. */
export async function plant({ root, changed, outfile }) {
  let used = 0;
  await build({
    absWorkingDir: root,
    entryPoints: ['sim/fuzz/worker.ts'],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    tsconfig: join(root, 'tsconfig.json'),
    logLevel: 'error',
    plugins: [
      {
        name: 'plant',
        setup(build) {
          build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
            const contents = changed.get(relative(root, path).replaceAll('\\', '/'));
            if (contents === undefined) return null;
            used += 1;
            return { contents, loader: 'ts' };
          });
        },
      },
    ],
  });
  return used;
}
