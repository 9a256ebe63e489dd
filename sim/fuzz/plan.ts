/** A run of the virtual world as data: what it is made of, what is done to it, and when. Made from a seed, or cut down. */
import type { Table } from '../../node/ports.js';
import type { Retention } from '../../node/replica/prune.js';
import { SYNC_BLOCKS_MAX } from '../../protocol/limits.js';
import type { SyncTimes } from '../disk.js';
import type { CrashPoint } from '../process.js';
import type { Profile } from '../workload.js';
import { CALM, type NetworkFaults } from '../world.js';

/** Something done to the world. Nodes are numbers from 0 on. */
export type Deed =
  /** A client sends an instruction; `chance` decides which. */
  | { readonly do: 'submit'; readonly node: number; readonly chance: number }
  /** A client sends so many proposals that nobody consents to, which all lapse at one moment, so much later. */
  | {
      readonly do: 'propose';
      readonly node: number;
      readonly count: number;
      readonly forMs: number;
      readonly chance: number;
    }
  /** A client asks how something stands that was accepted; `chance` decides what. */
  | { readonly do: 'ask'; readonly node: number; readonly chance: number }
  /** The process ends at once: by the power, which loses what is not synced, or by a kill. */
  | { readonly do: 'crash'; readonly nodes: readonly number[]; readonly how: 'power' | 'kill' }
  /** It ends at the so-many-th call of a port from now, of one kind or of any. */
  | { readonly do: 'crashAt'; readonly node: number; readonly point: CrashPoint | null; readonly calls: number }
  | { readonly do: 'stop'; readonly node: number }
  /** Starts a node that is down. */
  | { readonly do: 'start'; readonly node: number }
  /** Every node is down for so long, and then starts again. */
  | { readonly do: 'outage'; readonly forMs: number }
  /** Nothing passes any more from the first to the second of each pair. */
  | { readonly do: 'cut'; readonly links: Links }
  | { readonly do: 'mend' }
  /** How the network does from now on; null as it usually does. */
  | { readonly do: 'network'; readonly faults: NetworkFaults | null }
  /** These links take so many bytes a second; null takes all at once again. */
  | { readonly do: 'slow'; readonly links: Links; readonly bytesPerSecond: number | null }
  | { readonly do: 'full'; readonly node: number; readonly full: boolean }
  | { readonly do: 'syncs'; readonly node: number; readonly times: SyncTimes }
  /** The wall clock is set, by so much. */
  | { readonly do: 'jump'; readonly node: number; readonly byMs: number }
  | { readonly do: 'drift'; readonly node: number; readonly ppm: number }
  /** A node loses its data folder with its process; the mark beside it is kept. */
  | { readonly do: 'wipe'; readonly node: number }
  /** A copy of a node's data folder is made. */
  | { readonly do: 'keep'; readonly node: number }
  /** That copy takes the place of the folder, the process having ended. */
  | { readonly do: 'rollBack'; readonly node: number }
  /** A stored record changes in a bit, or comes to hold another's value. */
  | { readonly do: 'damage'; readonly node: number; readonly table: Table; readonly isMisdirected: boolean }
  /** The authorities have these nodes validate from the next epoch on. */
  | { readonly do: 'govern'; readonly members: readonly number[]; readonly chance: number }
  /** The next time that a node sees an epoch end, its process ends at the so-many-th call of a port after. */
  | { readonly do: 'crashAtEpochEnd'; readonly node: number; readonly calls: number }
  /** A liar begins some lies, or ends them. */
  | { readonly do: 'lie'; readonly node: number; readonly lies: readonly string[]; readonly on: boolean }
  /** Twins share their peers out anew. */
  | { readonly do: 'turn' };

export type Links = readonly (readonly [number, number])[];

export interface Step {
  /** Virtual time since the network opened. */
  readonly atMs: number;
  readonly deed: Deed;
}

export interface Plan {
  /** Decides what the plan leaves open: latencies, which frames are lost, what of a write survives a crash. */
  readonly seed: number;
  readonly validators: number;
  /** Nodes beyond the genesis set: banks' own, which follow until they are made validators. */
  readonly joiners: number;
  /** Those whose replica sits behind a lying bus, or runs twice; at most f in all. */
  readonly liars: readonly number[];
  readonly twins: readonly number[];
  /** Whose disk may lose what it held: with the liars and twins at most f of any set of validators. */
  readonly fragile: readonly number[];
  /** A node that is more blocks behind than this fetches a snapshot. */
  readonly snapshotBlocks: number;
  readonly retention: Retention | null;
  /** After so many final blocks an answer ends, if one of them has a certificate. */
  readonly answerBlocks: number;
  readonly realSignatures: boolean;
  readonly profile: Profile;
  /** How the network does when nothing is wrong with it. */
  readonly usual: NetworkFaults;
  /** Virtual time under faults. */
  readonly faultMs: number;
  /** Ascending by time. */
  readonly steps: readonly Step[];
}

/** A network of four that nobody harms. */
export const CALM_PLAN: Plan = {
  seed: 1,
  validators: 4,
  joiners: 0,
  liars: [],
  twins: [],
  fragile: [],
  snapshotBlocks: 10_000,
  retention: null,
  answerBlocks: SYNC_BLOCKS_MAX,
  realSignatures: false,
  profile: 'light',
  usual: CALM,
  faultMs: 0,
  steps: [],
};
