/** Where a report is written, judged before the work begins whose report it is. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { InvalidArgumentError } from 'commander';

/** A file that can be written, as an option of a command: better refused now than when all is done. */
export function writable(path: string): string {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) throw new InvalidArgumentError('It is a folder; a file is needed.');
  try {
    accessSync(there === undefined ? dirname(path) : path, constants.W_OK);
  } catch {
    const place = there === undefined ? 'Its folder is not there, or' : 'It';
    throw new InvalidArgumentError(`${place} cannot be written to.`);
  }
  return path;
}
