import t from 'tap';
import type { InstructionDigest } from '../../protocol/types.js';
import type { Clock } from '../ports.js';
import { Timings } from './timings.js';

const digest = (text: string) => text as InstructionDigest;

t.test('each is measured once, from when it first came', async (t) => {
  let nowMs = 1_000;
  const measured: number[] = [];
  const clock = { elapsed: () => nowMs } as unknown as Clock;
  const timings = new Timings({ clock, metrics: { observe: (_, seconds) => measured.push(seconds) } });
  timings.begin(digest('a'), 1_000);
  timings.begin(digest('a'), 1_500);
  timings.begin(digest('b'), 1_750);
  nowMs = 2_000;
  timings.end(digest('a'));
  timings.end(digest('a'));
  timings.end(digest('unknown here'));
  timings.end(digest('b'));
  t.same(measured, [1, 0.25]);
});

t.test('what is never ordered is forgotten for others', async (t) => {
  const measured: number[] = [];
  const timings = new Timings({
    clock: { elapsed: () => 0 } as unknown as Clock,
    metrics: { observe: (_, seconds) => measured.push(seconds) },
  });
  for (let at = 0; at <= 20_000; at++) timings.begin(digest(`${at}`), 0);
  timings.end(digest('0'));
  t.equal(measured.length, 0, 'the oldest');
  for (let at = 1; at <= 20_000; at++) timings.end(digest(`${at}`));
  t.equal(measured.length, 20_000);
});
