import t from 'tap';
import { createMetrics } from '../metrics/prometheus.js';
import { scrape } from './scrape.js';

const ASSETS_ON_LEDGER = 100;

function partsWith(folders: Readonly<Record<string, string>>) {
  const assets = Array.from({ length: ASSETS_ON_LEDGER }, (_, at) => ({
    asset: `A${String(at).padStart(2, '0')}`,
    circulating: `${at}.50`,
  }));
  const status = { epoch: 2, view: 40, peers: 3, validators: 4, ready: true, votes: false, halted: 'state_divergence' };
  return {
    metrics: createMetrics(),
    verifier: { queueLength: () => 7 },
    succession: {
      replica: { chain: { final: { state: { queue: { queuedMovements: 12, boundPlaces: 5 } } } } },
    } as never,
    service: { statusView: () => status, assets: () => ({ height: 9, assets }) } as never,
    folders,
  };
}

t.test('a scrape tells how the node stands at that moment', async (t) => {
  const lines = (await scrape(partsWith({ data: t.testdir(), mark: '/no/such/folder' }))).split('\n');
  for (const line of [
    'causeway_verifier_queue 7',
    'causeway_epoch 2',
    'causeway_view 40',
    'causeway_peers 3',
    'causeway_validators 4',
    'causeway_ready 1',
    'causeway_votes 0',
    'causeway_halted 1',
    'causeway_queued_movements 12',
    'causeway_bound_places 5',
    'causeway_circulating{asset="A07"} 7.5',
  ])
    t.ok(lines.includes(line), line);
  const disk = lines.filter((line) => line.startsWith('causeway_disk_'));
  t.equal(disk.length, 2, 'the disk that answers');
  for (const line of disk) t.match(line, /^causeway_disk_(free|size)_bytes\{folder="data"\} [1-9]/);
});

t.test('however many assets there are, few are told', async (t) => {
  const lines = (await scrape(partsWith({}))).split('\n');
  t.equal(lines.filter((line) => line.startsWith('causeway_circulating{')).length, 64);
  t.ok(lines.includes(`causeway_assets ${ASSETS_ON_LEDGER}`), 'and how many there are is');
});
