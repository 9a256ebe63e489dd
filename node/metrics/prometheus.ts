/** The metrics port as a Prometheus registry. Every name of `ports.ts` has its help here, or this does not compile. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { CounterName, GaugeName, HistogramName, LabelledGaugeName, Metrics } from '../ports.js';

const PREFIX = 'causeway_';

const COUNTERS: Record<CounterName, string> = {
  blocks_finalized: 'Blocks that became final on this node.',
  instructions_finalized: 'Instructions ordered by final blocks, whatever their result.',
  instructions_accepted: 'Instructions this node accepted and holds durably.',
  instructions_refused: 'Instructions this node refused before they were ordered.',
  nullifications: 'Views that ended without a block.',
  evidence: 'Pairs of conflicting votes of one validator.',
  frames_in: 'Frames received from validators.',
  frames_out: 'Frames handed to the transport for validators.',
  bytes_in: 'Bytes of frames received from validators.',
  bytes_out: 'Bytes of frames handed to the transport for validators.',
  frames_dropped: 'Frames dropped because the queue to a validator was full.',
  peers_punished: 'Times a validator was cut off for breaking the protocol.',
  signatures_checked: 'Signatures checked.',
};

const GAUGES: Record<GaugeName, string> = {
  view: 'Current view of consensus.',
  height: 'Height of the last final block.',
  peers: 'Nodes this node is connected to.',
  lane_unordered_batches: 'Batches of all lanes held here and not yet ordered.',
  unfinalized_blocks: 'Notarized blocks that are not final yet.',
  time_scale: "How many seconds of network time pass in one of the machine's: 1, except on a test network.",
  verifier_queue: 'Signature checks waiting for a thread.',
  epoch: 'Epoch of the last final block.',
  validators: 'Validators of this epoch.',
  ready: 'Whether this node takes instructions (1) or not (0).',
  votes: 'Whether this node votes (1) or only follows (0).',
  halted: 'Whether this node has stopped for good, by a contradiction that it found (1), or not (0).',
  queued_movements: 'Movements of accounts that stand in the queue, two for each leg.',
  bound_places: 'Places that bound settlements take, those that wait for their time included.',
  assets: 'Assets on the ledger.',
};

/** The one label of each, whose values are few: a currency or a volume, never a party. */
const LABELLED: Record<LabelledGaugeName, { readonly help: string; readonly label: string }> = {
  circulating: { help: "Major units of an asset in hands other than its issuer's.", label: 'asset' },
  disk_free_bytes: { help: 'Bytes left to this node on the disk of a folder of its own.', label: 'folder' },
  disk_size_bytes: { help: 'Bytes of the disk of a folder of its own.', label: 'folder' },
};

/** Upper bounds of the buckets in seconds. */
const HISTOGRAMS: Record<HistogramName, { readonly help: string; readonly buckets: number[] }> = {
  finality: {
    help: 'Seconds from an instruction handed in here to the final block that orders it.',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60],
  },
  block_apply: {
    help: 'Seconds to apply a block to the ledger.',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
  },
  store_sync: {
    help: 'Seconds for a synced write of the store.',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
  },
};

export interface PrometheusMetrics extends Metrics {
  /** The registry in the text format of Prometheus, to be served with `contentType`. */
  render(): Promise<string>;
  readonly contentType: string;
}

/** A registry of its own with this process's default metrics; two in one process do not disturb each other. */
export function createMetrics(): PrometheusMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: PREFIX });
  const counters = eachName(
    COUNTERS,
    // Prometheus names end in the unit, a counter's in _total; the port's names stay plain.
    (name, help) => new Counter({ name: `${name}_total`, help, registers: [registry] }),
  );
  const gauges = eachName(GAUGES, (name, help) => new Gauge({ name, help, registers: [registry] }));
  const labelled = eachName(
    LABELLED,
    (name, { help, label }) => new Gauge({ name, help, labelNames: [label], registers: [registry] }),
  );
  const histograms = eachName(
    HISTOGRAMS,
    (name, { help, buckets }) => new Histogram({ name: `${name}_seconds`, help, buckets, registers: [registry] }),
  );
  return {
    count: (name, by = 1) => counters[name].inc(by),
    gauge: (name, value) => gauges[name].set(value),
    gauges: (name, values) => {
      labelled[name].reset();
      for (const [value, measured] of values) labelled[name].set({ [LABELLED[name].label]: value }, measured);
    },
    observe: (name, seconds) => histograms[name].observe(seconds),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function eachName<Name extends string, Description, Metric>(
  table: Record<Name, Description>,
  make: (name: string, description: Description) => Metric,
): Record<Name, Metric> {
  const made = {} as Record<Name, Metric>;
  for (const name of Object.keys(table) as Name[]) made[name] = make(PREFIX + name, table[name]);
  return made;
}
