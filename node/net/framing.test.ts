import assert from 'node:assert/strict';
import t from 'tap';
import { FRAME_BYTES_MAX } from '../../protocol/limits.js';
import { fc } from '../../protocol/property.test-helper.js';
import { CHUNK_BYTES, FrameReader, Outbox } from './framing.js';

const frameArbitrary = fc
  .tuple(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 3 * CHUNK_BYTES })), fc.nat(255))
  .map(([length, byte]) => new Uint8Array(length).fill(byte));

function lengthOf(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

function drain(outbox: Outbox): { bytes: Uint8Array; frames: number }[] {
  const chunks: { bytes: Uint8Array; frames: number }[] = [];
  for (let chunk = outbox.takeChunk(); chunk !== null; chunk = outbox.takeChunk()) chunks.push(chunk);
  return chunks;
}

t.test('frames come out whole and in order however the stream splits them', (t) => {
  fc.assert(
    fc.property(
      fc.array(frameArbitrary, { maxLength: 20 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 90_000 })),
      (frames, sizes) => {
        const outbox = new Outbox();
        for (const frame of frames) outbox.push(frame, Number.POSITIVE_INFINITY);
        const chunks = drain(outbox);
        assert.equal(
          chunks.reduce((sum, chunk) => sum + chunk.frames, 0),
          frames.length,
        );
        assert.ok(chunks.every((chunk) => chunk.bytes.length <= CHUNK_BYTES));
        assert.equal(outbox.bytes, 0);
        const stream = Buffer.concat(chunks.map((chunk) => chunk.bytes));
        const read: Uint8Array[] = [];
        const reader = new FrameReader((frame) => read.push(frame));
        let at = 0;
        for (const size of sizes) {
          if (at >= stream.length) break;
          assert.equal(reader.read(stream.subarray(at, at + size)), true);
          at += size;
        }
        assert.deepEqual(
          read.map((frame) => Buffer.compare(frame, frames[read.indexOf(frame)] ?? new Uint8Array())),
          frames.map(() => 0),
        );
      },
    ),
    { numRuns: 60 },
  );
  t.pass('for any frames and any splits');
  t.end();
});

t.test('a queue is bounded: the oldest whole frames go, never one that is partly sent', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ frame: frameArbitrary, take: fc.boolean() }), { maxLength: 30 }),
      fc.integer({ min: 0, max: 6 * CHUNK_BYTES }),
      (steps, bytesMax) => {
        const outbox = new Outbox();
        const sent: Uint8Array[] = [];
        const read: number[] = [];
        let dropped = 0;
        for (const [place, { frame, take }] of steps.entries()) {
          // The place at the end of each frame tells which came.
          const marked = Buffer.concat([frame, lengthOf(place)]);
          dropped += outbox.push(marked, bytesMax);
          const partlySentMax = marked.length + 4 + 3 * CHUNK_BYTES;
          assert.ok(outbox.bytes <= bytesMax + partlySentMax);
          const chunk = take ? outbox.takeChunk() : null;
          if (chunk !== null) sent.push(chunk.bytes);
        }
        sent.push(...drain(outbox).map((chunk) => chunk.bytes));
        const reader = new FrameReader((frame) => {
          read.push(new DataView(frame.buffer).getUint32(frame.length - 4));
        });
        assert.equal(reader.read(Buffer.concat(sent)), true);
        assert.deepEqual(
          read,
          [...read].sort((a, b) => a - b),
        );
        assert.equal(read.length + dropped, steps.length);
        if (steps.length > 0) assert.equal(read.at(-1), steps.length - 1, 'the newest is never dropped');
      },
    ),
    { numRuns: 100 },
  );
  t.pass('for any frames and bounds');
  const outbox = new Outbox();
  outbox.push(new Uint8Array(2 * CHUNK_BYTES), CHUNK_BYTES);
  outbox.takeChunk();
  outbox.push(new Uint8Array(10), CHUNK_BYTES);
  t.equal(outbox.abandon(), 1, 'what is partly sent goes with its stream');
  t.equal(outbox.abandon(), 0);
  t.equal(outbox.bytes, 14);
  t.end();
});

t.test('a queue of a hundred thousand frames keeps its count', (t) => {
  const outbox = new Outbox();
  let dropped = 0;
  for (let place = 0; place < 100_000; place += 1) dropped += outbox.push(lengthOf(place), 8 * 5_000);
  t.equal(dropped, 95_000);
  t.equal(outbox.bytes, 40_000);
  const first = outbox.takeChunk();
  t.same(first?.bytes.subarray(0, 8), Buffer.concat([lengthOf(4), lengthOf(95_000)]));
  t.equal(first?.frames, 5_000);
  t.end();
});

t.test('lengths out of bounds', (t) => {
  const rows: { name: string; length: number; good: boolean }[] = [
    { name: 'a heartbeat', length: 0, good: true },
    { name: 'the smallest', length: 1, good: true },
    { name: 'the largest', length: FRAME_BYTES_MAX, good: true },
    { name: 'one more', length: FRAME_BYTES_MAX + 1, good: false },
    { name: 'four gigabytes', length: 0xffff_ffff, good: false },
  ];
  for (const { name, length, good } of rows) {
    let frames = 0;
    const reader = new FrameReader(() => {
      frames += 1;
    });
    t.equal(reader.read(lengthOf(length)), good, name);
    if (good) t.equal(reader.read(new Uint8Array(length)), true, name);
    else
      t.equal(reader.read(Buffer.concat([lengthOf(1), new Uint8Array(1)])), false, `${name}: nothing is read after it`);
    t.equal(frames, good ? 1 : 0, name);
  }
  const read: number[] = [];
  const reader: FrameReader = new FrameReader((frame) => {
    read.push(frame.length);
    reader.stop();
  });
  reader.read(Buffer.concat([lengthOf(1), new Uint8Array(1), lengthOf(2), new Uint8Array(2)]));
  t.same(read, [1], 'a reader stopped by what it read goes no further');
  t.end();
});
