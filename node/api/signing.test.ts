/** By what time a payload is dated: the client's own clock, and on a test network what a node tells of the network's time. */
import t from 'tap';
import { EXAMPLE_PAYLOAD } from './example.js';
import { buildInstruction, type Dating, datingOf } from './signing.js';

const NOW = '2031-06-01T12:00:00.000Z';
const { kind, mode, network, initiator, legs } = EXAMPLE_PAYLOAD;

function datesOf(dating?: Dating): { readonly issued: number; readonly expires: number } {
  const { payload } = buildInstruction({ kind, mode, network, initiator, legs: [...legs] }, dating);
  return { issued: Date.parse(payload.issued), expires: Date.parse(payload.expires) };
}

t.test('on a network of record the clock of the client counts, whatever a node says of the time', (t) => {
  for (const answer of [{}, { now: NOW }, { now: NOW, test: null }]) {
    const before = Date.now();
    const { nowMs, timeScale } = datingOf(answer);
    t.ok(nowMs >= before && nowMs <= Date.now());
    t.equal(timeScale, 1);
  }
  t.same(datesOf({ nowMs: 1_000_000_000_000 }), { issued: 999_999_995_000, expires: 1_000_000_595_000 });
  const { issued, expires } = datesOf();
  t.equal(expires - issued, 600_000);
  t.end();
});

t.test('on a test network an instruction lives as long in the machine’s time, as far as it may', (t) => {
  const nowMs = Date.parse(NOW);
  t.same(datingOf({ now: NOW, test: { timeScale: 17_280 } }), { nowMs, timeScale: 17_280 });
  const rows: [number, number, number][] = [
    [1, 5_000, 600_000],
    [60, 300_000, 36_000_000],
    [144, 720_000, 86_400_000],
    [17_280, 10_800_000, 86_400_000],
    [100_000, 10_800_000, 86_400_000],
  ];
  for (const [timeScale, earlierMs, validityMs] of rows) {
    const { issued, expires } = datesOf(datingOf({ now: NOW, test: { timeScale } }));
    t.equal(nowMs - issued, earlierMs, `time scale ${timeScale}`);
    t.equal(expires - issued, validityMs);
  }
  t.equal(
    datesOf({ nowMs, timeScale: 17_280, validityMs: 5 }).expires,
    nowMs - 10_800_000 + 5,
    'who asks for less has it',
  );
  t.end();
});
