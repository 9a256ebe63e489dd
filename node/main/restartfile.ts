/** The restart file, as operators hand it round. */
import { readFileSync } from 'node:fs';
import { parseRestartFile, type RestartFile } from '../../protocol/restart.js';
import { Failure } from './exits.js';

/** @throws Failure `restart_refused` */
export function readRestart(path: string): RestartFile {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new Failure('restart_refused', `The restart file ${path} cannot be read: ${(error as Error).message}.`);
  }
  const parsed = parseRestartFile(bytes);
  if (parsed.ok) return parsed.file;
  const { code, detail, pointer } = parsed;
  throw new Failure(
    'restart_refused',
    `The restart file ${path} is refused (${code}${pointer === '' ? '' : ` at ${pointer}`}): ${detail}. Get it again from who made it; all members have the same.`,
  );
}
