import t from 'tap';
import { ALFA, BETA, HKMA, HOUR } from '../../ledger/samples.test-helper.js';
import { batchDigest, blockId, encodeBatch } from '../../protocol/block.js';
import { fromHex, toHex } from '../../protocol/codec.js';
import { concat, hashOf } from '../../protocol/hash.js';
import { fc } from '../../protocol/property.test-helper.js';
import type { SnapshotMessage } from '../../protocol/snapshot.js';
import type {
  BatchDigest,
  BlockId,
  Epoch,
  Height,
  InstructionDigest,
  PeerKey,
  SignedBatch,
  TimestampMs,
  ValidatorIndex,
} from '../../protocol/types.js';
import type { Operation, Table } from '../ports.js';
import { Corrupt, checked, crc32c, EVERYTHING, soundEntries } from './checked.js';
import { Ledger, NETWORK, SET, silent, stateOf, TestClock, verifier } from './ledgerstore.test-helper.js';
import { MemoryStore } from './memorystore.test-helper.js';
import { Pruner } from './prune.js';
import {
  getBlock,
  getFinal,
  getPlace,
  getReceipts,
  putBatch,
  putBlock,
  putFinal,
  putPlace,
  putReceipts,
} from './records.js';
import { type Lost, Repair, recordBytes } from './repair.js';

const peerOf = (name: string): PeerKey => name.padStart(64, '0') as PeerKey;
const [LIAR, HONEST] = ['a', 'b'].map(peerOf) as [PeerKey, PeerKey];

function flip(store: MemoryStore, name: string, at: number): void {
  const value = store.entries.get(name)?.slice();
  if (value === undefined) throw new Error(`no ${name}`);
  value[at % value.length] = (value[at % value.length] as number) ^ (1 << (at % 8));
  store.entries.set(name, value);
}

t.test('what a disk alters, cuts short or confuses is noticed, by the name of its record', async (t) => {
  t.equal(crc32c(new TextEncoder().encode('123456789')), 0xe3069283, 'the check value of RFC 3720');
  t.equal(crc32c(new Uint8Array(32)), 0x8a9136aa, 'RFC 3720, appendix B.4: 32 bytes of zeroes');
  t.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e, 'and 32 bytes that count up');
  const bytes = fc.uint8Array({ maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(bytes, bytes, bytes, fc.nat(400), async (key, value, other, at) => {
      const disk = new MemoryStore();
      const store = checked(disk);
      const put = (table: Table, name: Uint8Array, content: Uint8Array): Operation => ({
        type: 'put',
        table,
        key: name,
        value: content,
      });
      const others = concat(key, Uint8Array.of(1));
      await store.write([put('ids', key, value), put('ids', others, other), put('state', key, value)], { sync: true });
      const view = store.snapshot();
      const same = (read: Uint8Array | undefined): boolean => read !== undefined && toHex(read) === toHex(value);
      if (!same(store.get('ids', key)) || !same(view.get('ids', key))) throw new Error('not what was written');
      const name = `ids/${toHex(key)}`;
      const stored = disk.entries.get(name) as Uint8Array;
      const faults: (readonly [string, Uint8Array])[] = [
        ['cut short', stored.subarray(0, at % stored.length)],
        ['of another key', disk.entries.get(`ids/${toHex(others)}`) as Uint8Array],
        ['of another table', disk.entries.get(`state/${toHex(key)}`) as Uint8Array],
        ['longer', concat(stored, Uint8Array.of(0))],
      ];
      for (const [fault, damaged] of faults) {
        disk.entries.set(name, damaged);
        if (!isCorrupt(() => store.get('ids', key), 'ids', key)) throw new Error(`${fault} and not noticed`);
      }
      disk.entries.set(name, stored);
      flip(disk, name, at);
      if (!isCorrupt(() => store.get('ids', key), 'ids', key)) throw new Error('a flipped bit');
      const seen: string[] = [];
      const told: string[] = [];
      for await (const [found] of soundEntries(store, 'ids', EVERYTHING, (it) => told.push(toHex(it.key))))
        seen.push(toHex(found));
      if (told.join() !== toHex(key) || seen.join() !== toHex(others))
        throw new Error('a scan passes over it and tells');
    }),
    { numRuns: 100 },
  );
  t.end();
});

function isCorrupt(read: () => unknown, table: Table, key: Uint8Array): boolean {
  try {
    read();
    return false;
  } catch (error) {
    return error instanceof Corrupt && error.table === table && toHex(error.key) === toHex(key);
  }
}

/** The bytes that a checked store makes of a record. */
async function stored(operation: Operation): Promise<Uint8Array> {
  const disk = new MemoryStore();
  await checked(disk).write([operation], { sync: true });
  return [...disk.entries.values()][0] as Uint8Array;
}

/** What the pointer of the last block names once the next epoch has been opened over it. */
const OPENING = '0e'.repeat(32) as BlockId;

/** A node with a damaged record, peers that have it, and a liar among them. */
class Scene {
  readonly clock = new TestClock();
  readonly punished: PeerKey[] = [];
  readonly lost: Lost[] = [];
  readonly wanted: string[] = [];
  readonly repair: Repair;
  readonly ledger: Ledger;
  readonly disk: MemoryStore;

  /** What the peers have. */
  readonly sound: MemoryStore;

  private constructor(ledger: Ledger, disk: MemoryStore, lie: (bytes: Uint8Array) => Uint8Array) {
    this.ledger = ledger;
    this.disk = disk;
    const sound = new MemoryStore(new Map(disk.entries));
    this.sound = sound;
    this.repair = new Repair({
      store: ledger.store,
      clock: this.clock,
      log: silent,
      verifier,
      network: NETWORK,
      deltaMs: 100,
      peers: () => [HONEST, LIAR],
      setOf: (epoch) => (epoch === SET.epoch ? SET : null),
      state: () => ledger.book.state,
      final: () => ledger.header,
      idFor: (header, _root, epoch) => (epoch === header.epoch ? blockId(header) : OPENING),
      send: (to, message) => {
        if (message.type !== 'wantChunk') return;
        const whole = recordBytes(checked(sound), message.name.height) ?? new Uint8Array(0);
        const bytes = to === LIAR ? lie(whole) : whole;
        const answer: SnapshotMessage = { type: 'chunk', name: message.name, part: 0, parts: 1, bytes };
        setImmediate(() => this.repair.receive(to, answer as never));
      },
      wantBatch: (_to, epoch, lane, { number, digest }) => this.wanted.push(`${epoch}/${lane}/${number}/${digest}`),
      punish: (peer) => this.punished.push(peer),
      onLost: (what) => this.lost.push(what),
    });
  }

  static async make(lie: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes.subarray(1)): Promise<Scene> {
    const disk = new MemoryStore();
    const ledger = await Ledger.begin(checked(disk));
    for (let at = 0; at < 5; at++)
      await ledger.block([[ledger.book.pay(HKMA, at % 2 ? ALFA : BETA, '1.00')]], HOUR / 2);
    return new Scene(ledger, disk, lie);
  }

  /** Reads every record, as a node does in time, and lets what is damaged be mended. */
  async mend(): Promise<void> {
    for (const table of [
      'blocks',
      'receipts',
      'state',
      'ids',
      'index',
      'batches',
      'votes',
      'meta',
      'outbox',
    ] as const) {
      for await (const _ of soundEntries(this.ledger.store, table, EVERYTHING, (it) => this.repair.note(it)));
    }
    for (let step = 0; step < 30 && this.repair.open > 0; step++) {
      this.clock.ms += 1000;
      this.repair.tick();
      for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

t.test('each record that is damaged is as before in the end; what cannot be is said to be lost', async (t) => {
  const isList = (name: string): boolean => name.startsWith('ids/00');
  for (const table of ['blocks', 'receipts', 'state', 'ids', 'index'] as const) {
    // Digests are by chance, so a record is named by its place in its table.
    for (let at = 0; at < 5; at++) {
      const scene = await Scene.make();
      const keys = [...scene.disk.table(table).keys()].sort();
      const name = `${table}/${keys[Math.floor((at * keys.length) / 5)]}`;
      const before = scene.disk.entries.get(name) as Uint8Array;
      flip(scene.disk, name, 7 * at + 3);
      await scene.mend();
      t.equal(scene.repair.open, 0, `${name} is mended`);
      t.same(scene.lost, []);
      t.same(scene.disk.entries.get(name), isList(name) ? undefined : before, name);
      t.ok(scene.punished.every((peer) => peer === LIAR));
    }
  }
  for (const table of ['votes', 'outbox', 'meta'] as const) {
    const scene = await Scene.make();
    const key = table === 'meta' ? fromHex([...scene.disk.table('meta').keys()][0] ?? '') : Uint8Array.of(1);
    if (table !== 'meta')
      await scene.ledger.store.write([{ type: 'put', table, key, value: Uint8Array.of(1) }], { sync: true });
    flip(scene.disk, `${table}/${toHex(key)}`, 1);
    await scene.mend();
    t.same([scene.lost.includes(table), scene.repair.open], [true, 0], `${table} is lost`);
  }
});

t.test(
  'the last block of an epoch is mended where the next has been opened over it, and no peer is blamed',
  async (t) => {
    const scene = await Scene.make((bytes) => bytes);
    const { store, header } = scene.ledger;
    const pointer = getFinal(store);
    if (pointer === null) throw new Error('there is a last block');
    const epoch = (pointer.epoch + 1) as Epoch;
    await store.write([putFinal({ ...pointer, epoch, block: OPENING })], { sync: true });
    const kept = getBlock(store, header.height);
    flip(scene.disk, `blocks/${header.height.toString(16).padStart(16, '0')}`, 9);
    await scene.mend();
    t.same(getBlock(store, header.height), kept);
    t.same(scene.punished, []);
  },
);

t.test('several neighbours at once; lies about a record; an id whose lists are damaged too', async (t) => {
  const key = (height: number): string => `blocks/${height.toString(16).padStart(16, '0')}`;
  const all = await Scene.make();
  const before = new Map(all.disk.table('blocks'));
  for (const height of [2, 3, 4, 5]) flip(all.disk, key(all.ledger.header.height - 5 + height), 9);
  await all.mend();
  t.same(all.disk.table('blocks'), before, 'from the newest down');

  const lies: ((bytes: Uint8Array) => Uint8Array)[] = [
    () => new Uint8Array(0),
    (bytes) => bytes.map((byte, at) => (at === 40 ? byte ^ 1 : byte)),
    (bytes) => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte)),
    // A signature of the certificate.
    (bytes) => bytes.map((byte, at) => (at === bytes.length - 120 - 78 ? byte ^ 1 : byte)),
  ];
  for (const [at, lie] of lies.entries()) {
    const scene = await Scene.make(lie);
    const height = scene.ledger.header.height - 2;
    const kept = getBlock(scene.ledger.store, height);
    flip(scene.disk, key(height), 9);
    await scene.mend();
    t.same(getBlock(scene.ledger.store, height), kept, `lie ${at}`);
    t.same([...new Set(scene.punished)], [LIAR], `lie ${at} has a name`);
  }

  // A snapshot left a gap above it: its certificate is enough, or else that of the next that has one.
  for (const isCertified of [true, false]) {
    // A signature of the certificate is not what its signer made.
    const scene = await Scene.make((bytes) =>
      bytes.map((byte, at) => (at === bytes.length - 120 - 78 ? byte ^ 1 : byte)),
    );
    const { store, header } = scene.ledger;
    const low = (header.height - 3) as Height;
    const record = getBlock(store, low);
    if (record === null) throw new Error('the block is there');
    if (!isCertified) scene.sound.entries.set(key(low), await stored(putBlock({ ...record, certificate: null })));
    for (const gone of [low + 1, low + 2]) scene.disk.entries.delete(key(gone));
    flip(scene.disk, key(low), 9);
    await scene.mend();
    const kept = { ...record, certificate: isCertified ? record.certificate : null };
    t.same(getBlock(store, low), kept, 'below a gap');
    t.same([...new Set(scene.punished)], [LIAR], 'a certificate that does not hold vouches for nothing');
    t.equal(getBlock(store, low + 1) === null, isCertified, 'what vouches for it is kept');
  }

  // Without a certificate nothing but its neighbour speaks against it.
  const forger = new MemoryStore();
  const forged = await Scene.make(() => recordBytes(checked(forger), at) ?? new Uint8Array(0));
  const at = (forged.ledger.header.height - 2) as Height;
  const kept = getBlock(forged.ledger.store, at);
  const receipts = getReceipts(forged.ledger.store, at);
  if (kept === null || receipts === undefined) throw new Error('the block is there');
  const header = { ...kept.header, time: (kept.header.time + 1) as TimestampMs };
  await checked(forger).write([putBlock({ ...kept, header, certificate: null }), putReceipts(at, receipts)], {
    sync: true,
  });
  flip(forged.disk, key(at), 9);
  await forged.mend();
  t.same([getBlock(forged.ledger.store, at), forged.punished], [kept, [LIAR]], 'a header that no neighbour names');

  const scene = await Scene.make();
  const ids = [...scene.disk.table('ids').keys()];
  for (const name of ids) if (name.startsWith('00')) flip(scene.disk, `ids/${name}`, 5);
  flip(scene.disk, `ids/${ids.find((name) => name.startsWith('01'))}`, 5);
  const error = ids.find((name) => name.startsWith('01')) ?? '';
  scene.repair.note(new Corrupt('ids', fromHex(error)));
  scene.repair.tick();
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.ok(scene.lost.includes('ids'), 'only a snapshot helps');
  t.throws(() => scene.ledger.store.get('ids', fromHex(error)), Corrupt, 'and no guess is written');
});

/** A batch with its author's cheap signature. */
function batchAt(number: number, lane = 0): SignedBatch {
  const batch = {
    author: lane as ValidatorIndex,
    epoch: 0 as Epoch,
    incarnation: 0,
    number,
    previous: '11'.repeat(32) as BatchDigest,
    items: [Uint8Array.of(number)],
  };
  const bytes = encodeBatch(batch);
  const half = fromHex(hashOf(concat(fromHex(SET.validators[lane]?.networkKey ?? ''), bytes)));
  return { batch, bytes, digest: batchDigest(bytes), signature: concat(half, half) };
}

t.test('a damaged batch is asked for by its digest, and taken when its author signed it', async (t) => {
  const scene = await Scene.make();
  const batch = batchAt(3);
  const operation = putBatch(batch);
  await scene.ledger.store.write([operation], { sync: true });
  const name = `batches/${toHex(operation.key)}`;
  const before = scene.disk.entries.get(name);
  flip(scene.disk, name, 30);
  await scene.mend();
  t.equal(scene.wanted[0], `0/0/3/${batch.digest}`);
  t.notOk(scene.repair.takeBatch(LIAR, batchAt(4)), 'another batch is not what was asked for');
  t.ok(scene.repair.takeBatch(LIAR, { ...batch, signature: new Uint8Array(64) }));
  await new Promise((resolve) => setImmediate(resolve));
  t.same([scene.punished, scene.repair.open], [[LIAR], 1]);
  t.ok(scene.repair.takeBatch(HONEST, batch));
  await new Promise((resolve) => setImmediate(resolve));
  t.same([scene.disk.entries.get(name), scene.repair.open], [before, 0]);
});

t.test('pruning: old blocks go with their receipts, batches and in the end their places; the rest stays', async (t) => {
  const disk = new MemoryStore();
  const store = checked(disk);
  const ledger = await Ledger.begin(store);
  const first = ledger.header.height;
  const pruner = new Pruner(store, { blocks: 10, days: 3 }, () => t.fail('nothing is damaged'));
  const digests: InstructionDigest[] = [];
  let renewed: InstructionDigest | null = null;
  for (let at = 1; at <= 40; at++) {
    const batch = batchAt(at);
    const never = batchAt(at, 1);
    ledger.header = {
      ...ledger.header,
      cut: [
        { incarnation: 0, number: at, digest: batch.digest },
        { incarnation: 0, number: 0, digest: batch.digest },
      ],
    };
    ledger.book.time += 6 * HOUR - 1000;
    const pay = ledger.book.pay(HKMA, ALFA, '1.00');
    digests.push(pay.instruction.digest);
    await ledger.block([[pay]], 1000);
    await store.write([putBatch(batch), putBatch(never)], { sync: true });
    const slice = await pruner.find(ledger.header);
    // A final write between may give an old instruction a new place.
    const [place] = renewed === null ? (slice?.places ?? []) : [];
    if (place !== undefined) {
      renewed = toHex(place) as InstructionDigest;
      const { height, time } = ledger.header;
      await store.write([putPlace(renewed, { type: 'receipt', height, time, position: 0 })], { sync: true });
    }
    if (slice !== null) await store.write(pruner.operations(slice, ledger.header), { sync: false });
  }
  const last = ledger.header.height;
  t.equal(pruner.floor, last - 11, 'three days of six hours each, and no more than the rule says');
  t.equal(new Pruner(store, { blocks: 10, days: 3 }, () => {}).floor, pruner.floor, 'a restart knows');
  t.equal(getBlock(store, pruner.floor - 1), null);
  t.equal(getReceipts(store, pruner.floor - 1), undefined);
  t.ok(getBlock(store, pruner.floor) !== null && getReceipts(store, pruner.floor) !== undefined);
  const lanes = [...disk.table('batches').keys()].map((key) => Number.parseInt(key.slice(16, 20), 16));
  t.equal(
    lanes.filter((lane) => lane === 0).length,
    40 - (pruner.floor - 1 - first),
    'as far as the cuts of what went',
  );
  t.equal(lanes.filter((lane) => lane === 1).length, 40, 'what no cut took stays');
  t.equal(getPlace(store, digests[2] as InstructionDigest), null, 'long gone');
  t.not(getPlace(store, renewed ?? (digests[0] as InstructionDigest)), null, 'has a new place');
  t.not(getPlace(store, digests[25] as InstructionDigest), null, 'pruned, and known to be');
  const state = await stateOf(store);
  t.equal(state.root, ledger.book.state.root);
  t.equal(recordBytes(store, (pruner.floor - 1) as Height), null, 'a peer is given what is here');
});

t.test('a data folder of another format is refused with both named', (t) => {
  const pointer = { epoch: 0, height: 1, view: 1, block: NETWORK, root: NETWORK, network: NETWORK };
  const { value } = putFinal(pointer as never) as { readonly value: Uint8Array };
  const [format] = value as unknown as [number];
  const older = value.with(0, format - 1);
  t.throws(
    () => getFinal({ get: () => older }),
    new RegExp(`is of format ${format - 1}, and this program's is ${format}`),
  );
  t.end();
});
