/** What passes between the bench and the threads that drive the load. */
import type { BenchBank, Scenario } from './traffic.js';

export interface DriverData {
  readonly network: string;
  readonly banks: readonly BenchBank[];
  /** The validators' HTTP ports, in their order. */
  readonly ports: readonly number[];
  readonly control: SharedArrayBuffer;
}
export type DriverOrder =
  | { readonly type: 'sign'; readonly scenario: Scenario; readonly count: number }
  /** Keeps so many requests under way at each node until `STOP` is set or all is sent. */
  | { readonly type: 'saturate'; readonly perNode: number }
  /** Sends at a steady rate, whatever the answers take, and follows one in `sampleEvery` to its finality. */
  | { readonly type: 'steady'; readonly perSecond: number; readonly sampleEvery: number; readonly perNode: number };
export interface DriverReport {
  /** Digests that a node answered with 202. */
  readonly accepted: readonly string[];
  /** From when it was due to be sent to seeing it final. */
  readonly finalityMs: readonly number[];
  /** Answers other than 202 that no repetition mends, by code. */
  readonly refused: readonly string[];
}

/** Places in the control words that main and drivers share. */
export const CONTROL = { STOP: 0, PAUSE: 1, ACCEPTED: 2, EXHAUSTED: 3 } as const;
export const CONTROL_BYTES = 16;
