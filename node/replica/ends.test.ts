/** An end without a receipt is told by when its id was used, not by when a node met it. */
import t from 'tap';
import { type IdRecord, MEMORY_MS } from '../../ledger/memory.js';
import type { Height, InstructionDigest, TimestampMs } from '../../protocol/types.js';
import type { Committed } from './block.js';
import { placeWithoutTrace } from './ends.js';
import { endsWithoutTrace } from './finalwrite.js';
import { MemoryStore } from './memorystore.test-helper.js';
import { getPlace } from './records.js';

const EXPIRES = 1_000;

const judge = (record: IdRecord | null, time: number): object =>
  placeWithoutTrace(
    { digest: 'ours', payload: { kind: 'settle' }, expiresMs: EXPIRES } as never,
    { record: () => record ?? undefined },
    { height: 9 as Height, time: time as TimestampMs },
  );

const record = (digest: string, since: number, time = since, until = since + MEMORY_MS): IdRecord =>
  ({ kind: 'settle', digest, code: 'settled', height: 7, since, time, until }) as unknown as IdRecord;

t.test('an end without a receipt', async (t) => {
  const dropped = { type: 'dropped', expires: EXPIRES };
  const taken = (time: number) => ({ type: 'taken', height: 7, time });
  const late = EXPIRES + MEMORY_MS + 1;
  const rows: readonly (readonly [string, IdRecord | null, number, object])[] = [
    ['nobody used its id', null, 2_000, dropped],
    [
      'it came to something itself',
      record('ours', 900),
      2_000,
      { type: 'remembered', code: 'settled', height: 7, time: 900 },
    ],
    ['its id was used before it expired', record('other', 900), 950, taken(900)],
    ['its id was used in its last millisecond', record('other', EXPIRES), 2_000, taken(EXPIRES)],
    ['its id was used before it expired, by what ended after', record('other', 900, 1_500), 2_000, taken(1_500)],
    ['its id was used when it had expired', record('other', EXPIRES + 1), 2_000, dropped],
    ['its id is free again before it expires', record('other', 100, 100, 999), 500, dropped],
    ['the ledger remembers nothing any more', null, late, { type: 'before', height: 9, time: late }],
  ];
  for (const [what, known, time, place] of rows) t.strictSame(judge(known, time), place, what);
});

t.test(
  'so long after that nothing is remembered, a node tells the end of what it answers for, and of nothing else',
  async (t) => {
    const time = EXPIRES + MEMORY_MS + 1;
    const [own, carried, strange] = ['a', 'b', 'c'].map((digit) => digit.repeat(64) as InstructionDigest);
    const item = (digest: unknown) => ({ instruction: { digest, payload: { kind: 'settle' }, expiresMs: EXPIRES } });
    const executed = {
      receipts: [],
      lanes: [[{ items: [item(own)] }], [{ items: [item(carried), item(strange), null] }]],
    };
    const committed = { block: { header: { height: 9, time } }, executed } as unknown as Committed;
    const store = new MemoryStore();
    const isOwed = (digest: InstructionDigest, lane: number): boolean => lane === 0 || digest === carried;
    await store.write(endsWithoutTrace([committed], store, isOwed), { sync: true });
    const before = { type: 'before', height: 9, time };
    t.strictSame(
      [own, carried, strange].map((digest) => getPlace(store, digest as InstructionDigest)),
      [before, before, null],
    );
  },
);
