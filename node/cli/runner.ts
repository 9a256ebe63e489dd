/** From a command's work to its process: the outcome is told, in the form that was asked for. */
import type { Command } from 'commander';
import { type Outcome, tell } from './outcome.js';

/** Each command states what commander hands it: its arguments, then its options. */
type Work = (...args: never[]) => Promise<Outcome>;
export type Runner = (work: Work) => (...args: unknown[]) => Promise<void>;

export const run: Runner =
  (work) =>
  async (...args) => {
    const command = args.at(-1) as Command;
    const given = args.slice(0, -1) as never[];
    tell(await work(...given), command.opts<{ json?: boolean }>().json === true);
  };
