/**
 * Network time: what block times, the dates of instructions, calendars and the memory of ids are in. On a network of record
 * it is the machine's. A network whose genesis says that it is a test may run it faster, so that weeks of business pass in
 * minutes; timers, patience and pace stay in the machine's time, and the ledger does not know the difference.
 */
import type { Genesis } from './genesis.js';
import { NETWORK_TIME_MS_MAX } from './limits.js';
import type { TimestampMs } from './types.js';

type Timed = Pick<Genesis, 'test'>;

/** How many milliseconds of network time pass in one of the machine's: 1 on every network of record. */
export const timeScaleOf = ({ test }: Timed): number => test?.timeScale ?? 1;

/**
 * The network's time when a machine's clock shows `machineMs`. Scaled time begins with `created`, and stands still at the
 * beginning of the year 9999: from there on each block is a millisecond after its parent.
 */
export function networkTime({ test, created }: Timed & Pick<Genesis, 'created'>, machineMs: number): TimestampMs {
  if (test === null) return machineMs as TimestampMs;
  const scaled = created + (machineMs - created) * test.timeScale;
  return Math.min(Math.max(0, scaled), NETWORK_TIME_MS_MAX) as TimestampMs;
}

/** How long the machine waits until so much network time has passed, in whole milliseconds and never too short. */
export const machineDelayMs = (timeScale: number, networkMs: number): number => Math.ceil(networkMs / timeScale);
