/** A file in the data folder while a restore into it is under way: what it finds there is not a ledger, but a part of one. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './exits.js';

export const restoreMarkOf = (data: string): string => join(data, 'restoring');

/** @throws Failure `restore_unfinished` */
export function checkRestored(data: string): void {
  if (!existsSync(restoreMarkOf(data))) return;
  throw new Failure(
    'restore_unfinished',
    `A restore into ${data} did not come to its end: run \`causeway node restore\` again, or remove the folder to let the node fetch the ledger from others.`,
  );
}
