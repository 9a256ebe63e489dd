import t from 'tap';
import { noMetrics } from './none.js';
import { createMetrics } from './prometheus.js';

t.test('every metric is rendered under its name, with the unit', async (t) => {
  const metrics = createMetrics();
  metrics.count('frames_in');
  metrics.count('frames_in', 4);
  metrics.gauge('height', 17);
  metrics.observe('finality', 0.4);
  metrics.gauges(
    'circulating',
    new Map([
      ['HKD', 5],
      ['XAU', 1],
    ]),
  );
  metrics.gauges('circulating', new Map([['HKD', 1250.5]]));
  const text = await metrics.render();
  for (const line of [
    'causeway_frames_in_total 5',
    'causeway_frames_out_total 0',
    'causeway_height 17',
    'causeway_circulating{asset="HKD"} 1250.5',
    'causeway_finality_seconds_bucket{le="0.25"} 0',
    'causeway_finality_seconds_bucket{le="0.5"} 1',
    'causeway_finality_seconds_count 1',
    'causeway_block_apply_seconds_count 0',
  ]) {
    t.ok(text.split('\n').includes(line), line);
  }
  t.notMatch(text, /XAU/, 'what is not told again is gone');
  t.match(text, /^causeway_process_cpu_seconds_total /m);
  t.match(metrics.contentType, /^text\/plain/);
  t.notMatch(await createMetrics().render(), /causeway_height 17/, 'two in a process are apart');
});

t.test('nothing is measured by none', (t) => {
  noMetrics.count('frames_in');
  noMetrics.gauge('height', 1);
  noMetrics.gauges('circulating', new Map());
  noMetrics.observe('finality', 1);
  t.end();
});
