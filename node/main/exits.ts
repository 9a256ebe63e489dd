/** With what a process of ours exits, and why: the one table. Each failure of the environment has a status of its own. */

/** By name: the exit status, and what it says. */
export const EXITS = {
  ok: { status: 0, says: 'done' },
  refused: { status: 1, says: 'refused, or does not hold; the code and the sentence say why' },
  usage: { status: 2, says: 'wrong use of the command line' },
  pending: { status: 3, says: 'accepted, and not final yet' },
  unreachable: { status: 4, says: 'the node did not answer' },
  file: { status: 5, says: 'a file cannot be read or written' },
  config_invalid: { status: 10, says: 'the configuration is wrong' },
  genesis_invalid: { status: 11, says: 'the genesis file is wrong' },
  key_unusable: { status: 12, says: 'a key file cannot be used' },
  not_a_validator: { status: 13, says: 'party and keys are not those of a validator of the genesis file' },
  address_in_use: { status: 14, says: 'an address to listen on is taken' },
  address_unavailable: { status: 15, says: 'an address to listen on is not of this machine, or not allowed' },
  store_locked: { status: 20, says: 'another process has the data folder open' },
  store_corrupt: { status: 21, says: 'the database is damaged' },
  disk_full: { status: 22, says: 'the disk is full' },
  store_failed: { status: 23, says: 'the database cannot be read or written' },
  other_network: { status: 24, says: 'the data folder belongs to another network' },
  state_corrupt: { status: 25, says: 'the stored ledger is not the certified one' },
  votes_corrupt: { status: 26, says: 'the log of votes is damaged' },
  restart_refused: { status: 27, says: 'the restart file is not to be taken' },
  restore_unfinished: { status: 28, says: 'a restore into the data folder did not come to its end' },
  bug: { status: 70, says: 'a bug: the log has the details' },
} as const satisfies Record<string, { readonly status: number; readonly says: string }>;

export type ExitName = keyof typeof EXITS;
/** What stops a node that is not at fault itself. */
export type FailureCode = Exclude<ExitName, 'ok' | 'refused' | 'usage' | 'pending' | 'unreachable' | 'file' | 'bug'>;

/** The environment does not let the node run; `message` is a sentence that says what the operator should do. */
export class Failure extends Error {
  readonly code: FailureCode;
  constructor(code: FailureCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Failure';
    this.code = code;
  }
}
