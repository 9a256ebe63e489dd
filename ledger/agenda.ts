/**
 * What is due when: an ordered set of texts that is persistent, so that each block on each branch has its own.
 * A balanced search tree (AVL) whose updates copy the way from the root; both operations cost the depth.
 */
import type { InstructionDigest } from '../protocol/types.js';

/** Something that becomes due once block time is past `time`. */
export type Due =
  | { readonly kind: 'bucket'; readonly time: number; readonly hour: number }
  | { readonly kind: 'change'; readonly time: number; readonly change: InstructionDigest }
  | { readonly kind: 'lapse'; readonly time: number; readonly settlement: InstructionDigest }
  | {
      readonly kind: 'unmatched';
      readonly time: number;
      readonly settlement: InstructionDigest;
      readonly instruction: InstructionDigest;
    };

interface Entry {
  readonly text: string;
  readonly before: Agenda;
  readonly after: Agenda;
  readonly height: number;
}
export type Agenda = Entry | null;

export const EMPTY_AGENDA: Agenda = null;

/** The agenda with `text` in it. */
export function enter(agenda: Agenda, text: string): Agenda {
  if (agenda === null) return entry(text, null, null);
  if (text === agenda.text) return agenda;
  return text < agenda.text
    ? balanced(agenda.text, enter(agenda.before, text), agenda.after)
    : balanced(agenda.text, agenda.before, enter(agenda.after, text));
}

/** The agenda without `text`. */
export function strike(agenda: Agenda, text: string): Agenda {
  if (agenda === null) return null;
  if (text < agenda.text) return balanced(agenda.text, strike(agenda.before, text), agenda.after);
  if (text > agenda.text) return balanced(agenda.text, agenda.before, strike(agenda.after, text));
  const next = first(agenda.after);
  return next === null ? agenda.before : balanced(next, agenda.before, strike(agenda.after, next));
}

/** The least text, or null of an empty agenda. */
export function first(agenda: Agenda): string | null {
  if (agenda === null) return null;
  let at = agenda;
  while (at.before !== null) at = at.before;
  return at.text;
}

const heightOf = (agenda: Agenda): number => (agenda === null ? 0 : agenda.height);

const entry = (text: string, before: Agenda, after: Agenda): Entry => ({
  text,
  before,
  after,
  height: 1 + Math.max(heightOf(before), heightOf(after)),
});

function balanced(text: string, before: Agenda, after: Agenda): Entry {
  if (before !== null && before.height > heightOf(after) + 1) {
    const inner = before.after;
    if (inner !== null && inner.height > heightOf(before.before)) {
      return entry(inner.text, entry(before.text, before.before, inner.before), entry(text, inner.after, after));
    }
    return entry(before.text, before.before, entry(text, inner, after));
  }
  if (after !== null && after.height > heightOf(before) + 1) {
    const inner = after.before;
    if (inner !== null && inner.height > heightOf(after.after)) {
      return entry(inner.text, entry(text, before, inner.before), entry(after.text, inner.after, after.after));
    }
    return entry(after.text, entry(text, before, inner), after.after);
  }
  return entry(text, before, after);
}

/** Texts ascend by time, then by kind and name, so that what is due runs in one order everywhere. */
export function dueText(due: Due): string {
  const time = String(due.time).padStart(16, '0');
  if (due.kind === 'bucket') return `${time} bucket ${due.hour}`;
  if (due.kind === 'change') return `${time} change ${due.change}`;
  if (due.kind === 'lapse') return `${time} lapse ${due.settlement}`;
  return `${time} unmatched ${due.settlement} ${due.instruction}`;
}

export function dueOf(text: string): Due {
  const [timeText, kind, name, second] = text.split(' ') as [string, Due['kind'], string, string];
  const time = Number(timeText);
  if (kind === 'bucket') return { kind, time, hour: Number(name) };
  if (kind === 'change') return { kind, time, change: name as InstructionDigest };
  if (kind === 'lapse') return { kind, time, settlement: name as InstructionDigest };
  return { kind, time, settlement: name as InstructionDigest, instruction: second as InstructionDigest };
}
