/**
 * Processes with clocks of their own, by libfaketime, which is loaded before all else. Debian has it in the package
 * `faketime`. What measures spans (`performance.now`, timers) goes on as it is.
 */
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LIBRARIES = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib64/faketime/libfaketimeMT.so.1',
  '/usr/lib/faketime/libfaketimeMT.so.1',
];

/** The library's path, or null where the machine has it not. */
export const libfaketime = (): string | null => LIBRARIES.find((path) => existsSync(path)) ?? null;

/** The environment of a process whose clock is what a file says, seen within a second of a change. */
export const clockSettings = (library: string, file: string): Readonly<Record<string, string>> => ({
  LD_PRELOAD: library,
  FAKETIME_TIMESTAMP_FILE: file,
  FAKETIME_CACHE_DURATION: '1',
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
  NO_FAKE_STAT: '1',
});

/** The file of a process's clock, in a folder of such files. */
export const clockFile = (folder: string, name: string): string => join(folder, `clock-${name}`);

/** Sets a clock apart from the machine's by so many milliseconds. */
export function setClockFile(folder: string, name: string, aheadMs: number): void {
  mkdirSync(folder, { recursive: true });
  // By renaming, so that no process reads half a line.
  const file = clockFile(folder, name);
  writeFileSync(`${file}.new`, `${aheadMs < 0 ? '-' : '+'}${Math.abs(aheadMs) / 1_000}\n`);
  renameSync(`${file}.new`, file);
}
