/** What a command comes to, and how it is told: text for people, or one line of JSON for programs. */
import type { Problem } from '../api/problem.js';
import { EXITS, type ExitName } from '../main/exits.js';

export interface Outcome {
  readonly exit: ExitName;
  /** The same as the text, for programs. */
  readonly json: object;
  /** Empty when a command has told all it had to while it ran. */
  readonly text: string;
}

export const done = (json: object, text: string): Outcome => ({ exit: 'ok', json, text });

/** A command that did not do what was asked: a stable code, and a sentence. */
export function failed(exit: ExitName, code: string, detail: string, more: object = {}): Outcome {
  return { exit, json: { error: { code, detail, ...more } }, text: `causeway: ${code}: ${detail}` };
}

/** A refusal of a node, or that none answered. */
export function refusedBy({ code, detail, status, pointer }: Problem): Outcome {
  const at = pointer === undefined || pointer === '' ? {} : { pointer };
  return failed(status === 0 ? 'unreachable' : 'refused', code, detail, at);
}

/** What came of a step on the way: its value, or the outcome that ends the command. */
export type Step<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly outcome: Outcome };
export const went = <T>(value: T): Step<T> => ({ ok: true, value });
export const ended = (outcome: Outcome): { readonly ok: false; readonly outcome: Outcome } => ({ ok: false, outcome });

/** Writes the outcome: JSON to standard output always, text there only when all went well. Sets the exit status. */
export function tell({ exit, json, text }: Outcome, asJson: boolean): void {
  if (asJson) process.stdout.write(`${JSON.stringify(json)}\n`);
  else if (text !== '') (exit === 'ok' || exit === 'pending' ? process.stdout : process.stderr).write(`${text}\n`);
  process.exitCode = EXITS[exit].status;
}
