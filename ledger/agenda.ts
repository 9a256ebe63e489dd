/** What is due when, and how that stands as a text in an ordered set: texts ascend with time. */
import type { InstructionDigest } from '../protocol/types.js';
import { ascendingText } from './orderedset.js';

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

/** Texts ascend by time, then by kind and name, so that what is due runs in one order everywhere. */
export function dueText(due: Due): string {
  const time = ascendingText(due.time);
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
