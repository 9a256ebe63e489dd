/** What a scrape of `/metrics` asks of the node at that moment, beside what was counted as it happened. */
import { statfs } from 'node:fs/promises';
import type { PrometheusMetrics } from '../metrics/prometheus.js';
import type { NodeService } from '../ports.js';
import type { Succession } from '../replica/succession.js';

/** Assets whose amounts are told, the first by name: a label must not have as many values as somebody may define. */
const ASSETS_TOLD_MAX = 64;

interface Parts {
  readonly metrics: PrometheusMetrics;
  readonly verifier: { queueLength(): number };
  readonly succession: Pick<Succession, 'replica'>;
  readonly service: Pick<NodeService, 'statusView' | 'assets'>;
  /** The node's own, by what they are called: `data`, `mark`. */
  readonly folders: Readonly<Record<string, string>>;
}

/** The text that `/metrics` answers with. It costs a look at the assets, and one at each folder's disk. */
export async function scrape(parts: Parts): Promise<string> {
  const { metrics, verifier, service, succession, folders } = parts;
  metrics.gauge('verifier_queue', verifier.queueLength());
  const { epoch, view, peers, validators, ready, votes, halted } = service.statusView();
  metrics.gauge('epoch', epoch);
  metrics.gauge('view', view);
  metrics.gauge('peers', peers);
  metrics.gauge('validators', validators);
  metrics.gauge('ready', Number(ready));
  metrics.gauge('votes', Number(votes));
  metrics.gauge('halted', Number(halted !== null));
  const { queuedMovements, boundPlaces } = succession.replica.chain.final.state.queue;
  metrics.gauge('queued_movements', queuedMovements);
  metrics.gauge('bound_places', boundPlaces);
  const { assets } = service.assets();
  metrics.gauge('assets', assets.length);
  const told = assets.slice(0, ASSETS_TOLD_MAX).map(({ asset, circulating }) => [asset, Number(circulating)] as const);
  metrics.gauges('circulating', new Map(told));
  await measureDisks(metrics, folders);
  return metrics.render();
}

async function measureDisks(metrics: PrometheusMetrics, folders: Parts['folders']): Promise<void> {
  const free = new Map<string, number>();
  const size = new Map<string, number>();
  for (const [name, folder] of Object.entries(folders)) {
    // A disk that does not answer is missing in the graph; the node itself says more when it next writes.
    const disk = await statfs(folder).catch(() => null);
    if (disk === null) continue;
    free.set(name, disk.bavail * disk.bsize);
    size.set(name, disk.blocks * disk.bsize);
  }
  metrics.gauges('disk_free_bytes', free);
  metrics.gauges('disk_size_bytes', size);
}
