/** What a leader may order of the lanes, and from when on. */
import t from 'tap';
import { ALFA, type Book, HKMA } from '../../ledger/samples.test-helper.js';
import { batchDigest, encodeBatch, laneStart } from '../../protocol/block.js';
import type { Batch, Cut, Epoch, TimestampMs, ValidatorIndex } from '../../protocol/types.js';
import { formatTime } from '../../protocol/values.js';
import { laneItem } from './facts.js';
import { type HeldBatch, heldBatch, Lanes, pointOf } from './lanes.js';
import { Ledger } from './ledgerstore.test-helper.js';
import { MemoryStore } from './memorystore.test-helper.js';

const N = 4;
const at = (lane: number): ValidatorIndex => lane as ValidatorIndex;
const timeOf = (ms: number): TimestampMs => ms as TimestampMs;

/** Batches of a lane, each with payments issued at these times, durable here; nobody else says yet that it holds them. */
function filled(
  lanes: Lanes,
  book: Book,
  lane: ValidatorIndex,
  issued: readonly (readonly number[])[],
  incarnation = 0,
): HeldBatch[] {
  const batches: HeldBatch[] = [];
  for (const times of issued) {
    const last = batches.at(-1);
    const { number, digest: previous } = last === undefined ? laneStart(incarnation) : pointOf(last);
    const batch: Batch = { author: lane, epoch: 0 as Epoch, incarnation, number: number + 1, previous, items: [] };
    const dates = times.map((ms) => ({ issued: formatTime(ms), expires: formatTime(ms + 60_000) }));
    const items = dates.map((date) =>
      laneItem(book.settle(HKMA, [book.leg(HKMA, ALFA, '1')], [HKMA], date).instruction),
    );
    const bytes = encodeBatch(batch);
    const signature = new Uint8Array(64);
    const held = heldBatch({
      batch,
      digest: batchDigest(bytes),
      bytes,
      signature,
      items: [null, ...items],
      learning: false,
      sinceMs: 0,
    });
    lanes.add(held);
    lanes.stored(held);
    batches.push(held);
  }
  return batches;
}

t.test('a leader orders a lane up to the first batch that is not due by the time of its block', async (t) => {
  const { book } = await Ledger.begin(new MemoryStore());
  const empty = Array.from({ length: N }, () => laneStart(0));
  const lanes = new Lanes(at(0), empty);
  const [first, second, third] = filled(lanes, book, at(1), [[2_000, 1_000], [5_000], [3_000]]).map(pointOf);
  const [other] = filled(lanes, book, at(2), [[4_000]]).map(pointOf);
  t.equal(lanes.dueTimeMs(empty), null, 'nothing that a quorum holds');
  for (const peer of [1, 2]) lanes.acknowledge(at(peer), lanes.tips());
  const cutAt = (ms: number) => lanes.propose(empty, timeOf(ms)).slice(1, 3);
  const [none] = empty;
  t.strictSame(cutAt(1_999), [none, none], 'by the latest item of a batch');
  t.strictSame(cutAt(2_000), [first, none]);
  t.strictSame(cutAt(4_999), [first, other], 'what is due waits behind what is not, in its own lane alone');
  t.strictSame(cutAt(5_000), [third, other]);
  t.equal(lanes.dueTimeMs(empty), 2_000, 'the earliest of all lanes');
  t.equal(lanes.dueTimeMs(lanes.propose(empty, timeOf(2_000))), 4_000);
  t.equal(lanes.dueTimeMs(lanes.propose(empty, timeOf(4_000))), 5_000);
  const afterSecond = empty.map((point, lane) =>
    lane === 1 ? (second ?? point) : lane === 2 ? (other ?? point) : point,
  );
  t.equal(lanes.dueTimeMs(afterSecond), 3_000);
  t.equal(lanes.dueTimeMs(lanes.propose(empty, timeOf(5_000))), null);
});

t.test(
  'a lane has work for a leader only when its block would order something, whichever incarnation came first',
  async (t) => {
    const { book } = await Ledger.begin(new MemoryStore());
    const [due, later] = [[1_000], [9_000]];
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      for (const issued of [
        [due, later],
        [later, due],
      ]) {
        const empty: Cut = Array.from({ length: N }, () => laneStart(0));
        const lanes = new Lanes(at(0), empty);
        for (const incarnation of order) filled(lanes, book, at(1), [issued[incarnation] ?? []], incarnation);
        for (const peer of [1, 2]) lanes.acknowledge(at(peer), lanes.tips());
        for (let [cut, blocks] = [empty, 0]; ; blocks++) {
          const dueMs = lanes.dueTimeMs(cut);
          if (dueMs === null) break;
          t.strictSame(lanes.propose(cut, timeOf(dueMs - 1)), cut, 'nothing before');
          const next = lanes.propose(cut, dueMs);
          t.notSame(next, cut, 'something then');
          t.ok(blocks < 2);
          cut = next;
          lanes.finalize(cut);
        }
      }
    }
  },
);
