/** What is told of an instruction that left no receipt hangs on the block times that the ledger knows, not on when a node looks. */
import t from 'tap';
import { type IdRecord, MEMORY_MS } from '../../ledger/memory.js';
import type { State } from '../../ledger/state.js';
import type { Height, TimestampMs } from '../../protocol/types.js';
import { placeWithoutTrace } from './ends.js';

const EXPIRES = 1_000;
const WHOLE_DAY = MEMORY_MS;

const judge = (record: Partial<IdRecord> | null, time: number): object =>
  placeWithoutTrace(
    { digest: 'ours', payload: { kind: 'settle' }, expiresMs: EXPIRES } as never,
    { record: () => (record === null ? undefined : { kind: 'settle', height: 7, ...record }) } as unknown as State,
    { height: 9 as Height, time: time as TimestampMs },
  );

const record = (digest: string, since: number, time = since, until = since + WHOLE_DAY) =>
  ({ digest, code: 'settled', since, time, until }) as unknown as IdRecord;

t.test('an end without a receipt', async (t) => {
  const dropped = { type: 'dropped', expires: EXPIRES };
  const rows: readonly (readonly [string, IdRecord | null, number, object])[] = [
    ['nobody used its id', null, 2_000, dropped],
    [
      'it came to something itself',
      record('ours', 900),
      2_000,
      { type: 'remembered', code: 'settled', height: 7, time: 900 },
    ],
    ['its id was used before it expired', record('other', 900), 950, { type: 'taken', height: 7, time: 900 }],
    [
      'and is no other when the other ends later',
      record('other', 900, 1_500),
      2_000,
      { type: 'taken', height: 7, time: 1_500 },
    ],
    ['its id was used when it had expired', record('other', 1_001), 2_000, dropped],
    ['its id is free again before it expires', record('other', 100, 100, 999), 500, dropped],
    [
      'the ledger remembers nothing any more',
      null,
      EXPIRES + MEMORY_MS + 1,
      { type: 'before', height: 9, time: EXPIRES + MEMORY_MS + 1 },
    ],
  ];
  for (const [what, known, time, place] of rows) t.strictSame(judge(known, time), place, what);
});
