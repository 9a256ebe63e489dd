/** The laws of the virtual world: distance, time, links, disks, clocks. */
import t from 'tap';
import type { AllowedPeer, Operation, Table } from '../node/ports.js';
import { FRAME_BYTES_MAX, PEER_QUEUE_BYTES_MAX } from '../protocol/limits.js';
import type { PeerKey } from '../protocol/types.js';
import { MachineTime, simClock } from './clock.js';
import { SimDisk } from './disk.js';
import { distanceKm, latencyMs, PLACES } from './geography.js';
import { SimProcess } from './process.js';
import { Random } from './random.js';
import { Scheduler } from './scheduler.js';
import { SimStore } from './store.js';
import { type NetworkFaults, type SimBus, World } from './world.js';

const place = (code: string): (typeof PLACES)[number] => PLACES.find((each) => each.code === code) as never;

t.test('the table of places', async (t) => {
  t.equal(PLACES.length, 9);
  const known = [
    ['HK', 'CN', 1967],
    ['GB', 'US', 5570],
    ['SG', 'DE', 10_260],
    ['TH', 'AE', 4940],
  ] as const;
  for (const [from, to, km] of known) {
    const found = distanceKm(place(from), place(to));
    t.ok(Math.abs(found - km) < 0.01 * km, `${from} to ${to}: ${found.toFixed(0)} km`);
  }
  for (const { code: from } of PLACES) {
    t.equal(latencyMs(from, from), 0.5, 'within a city it is the hop');
    for (const { code: to } of PLACES) {
      t.equal(latencyMs(from, to), latencyMs(to, from));
      t.ok(latencyMs(from, to) < 120, `${from} to ${to} one way: ${latencyMs(from, to)} ms`);
    }
  }
  // Half of a round trip that operators publish for the Atlantic is 35 ms; the factor is a mean over routes.
  t.ok(latencyMs('GB', 'US') > 35 && latencyMs('GB', 'US') < 45);
});

t.test('events run in order of time, then of making, each with all that it sets off', async (t) => {
  const time = new Scheduler(1000);
  const told: string[] = [];
  const hops = async (name: string): Promise<void> => {
    for (let hop = 0; hop < 50; hop++) await Promise.resolve();
    told.push(`${name} settled at ${time.nowMs}`);
  };
  const event = (name: string) => (): void => {
    told.push(name);
    void hops(name);
  };
  time.after(20, event('c'));
  time.after(10, event('a'));
  time.after(10, event('b'));
  const cancel = time.after(15, event('never'));
  cancel();
  await time.run(1100);
  t.strictSame(told, ['a', 'a settled at 1010', 'b', 'b settled at 1010', 'c', 'c settled at 1020']);
  t.equal(time.nowMs, 1100);
  t.equal(time.eventCount, 3, 'a cancelled event is none');
  told.length = 0;
  for (let i = 0; i < 20; i++) time.after(1, event(`${i}`));
  await time.run(1100 + 1);
  const each = Array.from({ length: 20 }, (_, i) => [`${i}`, `${i} settled at 1101`]);
  t.strictSame(told, each.flat(), 'however many there are');

  await t.test(
    'what nobody caught goes to the owner, before the next event, and without one to whoever runs time',
    async (t) => {
      const failures: string[] = [];
      const owner = {
        isAlive: true,
        failed: (error: unknown) => void failures.push(`${(error as Error).message} ${time.nowMs}`),
      };
      time.after(1, () => void Promise.reject(new Error('rejected')), owner);
      time.after(2, () => t.strictSame(failures, ['rejected 1102']));
      time.after(
        3,
        () => {
          throw new Error('thrown');
        },
        owner,
      );
      await time.run(1110);
      t.strictSame(failures, ['rejected 1102', 'thrown 1104']);
      owner.isAlive = false;
      time.after(1, () => t.fail('an event of what is gone'), owner);
      await time.run(1120);
      time.after(1, () => void Promise.reject(new Error('nobody')));
      await t.rejects(time.run(1130), { message: 'nobody' });
      time.after(1, () => t.throws(() => time.run(2000), { message: /runs already/ }));
      await time.run(1140);
    },
  );
});

/** Three peers who allow each other, and what each has heard: the first byte of each frame with its time. */
async function trio(faults?: NetworkFaults): Promise<{ world: World; buses: SimBus[]; heard: string[][] }> {
  const world = new World(5);
  if (faults !== undefined) world.faults = faults;
  const codes = ['HK', 'CN', 'US'] as const;
  const buses = codes.map((code, i) =>
    world.bus(`${i}`.repeat(64) as PeerKey, code, new SimProcess((error) => t.fail(String(error)))),
  );
  const heard = buses.map((bus) => {
    const list: string[] = [];
    bus.onFrame((_from, purpose, frame) => list.push(`${purpose[0]}${frame[0]}@${world.nowMs - startMs}`));
    return list;
  });
  for (const bus of buses) bus.allow(buses.map(({ self }) => ({ peer: self }) as AllowedPeer));
  await world.run(world.nowMs + 1000);
  const startMs = world.nowMs;
  return { world, buses, heard };
}
const STEADY: NetworkFaults = { latencyMs: [0, 0], lostPerMille: 0, duplicatedPerMille: 0 };
const frameOf = (first: number, length = 100): Uint8Array => new Uint8Array(length).fill(first);

t.test('links', async (t) => {
  await t.test('what is sent arrives after what the distance takes, in the order of its stream', async (t) => {
    const { world, buses, heard } = await trio({ ...STEADY, latencyMs: [0, 50] });
    const [a, b, c] = buses as [SimBus, SimBus, SimBus];
    for (let i = 0; i < 100; i++) a.send(c.self, 'consensus', frameOf(i));
    a.send(b.self, 'consensus', frameOf(1));
    await world.run(world.nowMs + 1000);
    t.strictSame(
      heard[2]?.map((text) => Number.parseInt(text.slice(1), 10)),
      Array.from({ length: 100 }, (_, i) => i),
    );
    const wayMs = Number(heard[1]?.[0]?.split('@')[1]);
    t.ok(wayMs >= latencyMs('HK', 'CN') && wayMs <= latencyMs('HK', 'CN') + 51, `${wayMs} ms`);
    world.faults = { ...STEADY, reorderedPerMille: 300 };
    for (let i = 0; i < 100; i++) a.send(c.self, 'consensus', frameOf(i));
    await world.run(world.nowMs + 1000);
    const order = (heard[2] ?? []).slice(100).map((text) => Number.parseInt(text.slice(1), 10));
    t.equal(order.length, 100);
    t.notSame(
      order,
      [...order].sort((x, y) => x - y),
      'some were overtaken',
    );
    t.ok((world.situations.get('frame_reordered') ?? 0) > 10);
  });

  await t.test('losses, duplicates, partitions', async (t) => {
    const { world, buses, heard } = await trio({ ...STEADY, lostPerMille: 500 });
    const [a, b, c] = buses as [SimBus, SimBus, SimBus];
    const send = async (from: SimBus, to: SimBus, count: number): Promise<void> => {
      for (const list of heard) list.length = 0;
      for (let i = 0; i < count; i++) from.send(to.self, 'sync', frameOf(i));
      await world.run(world.nowMs + 1000);
    };
    await send(a, b, 200);
    t.ok((heard[1]?.length ?? 0) > 60 && (heard[1]?.length ?? 0) < 140);
    t.equal(world.situations.get('frame_lost'), 200 - (heard[1]?.length ?? 0));
    world.faults = { ...STEADY, duplicatedPerMille: 1000 };
    await send(a, b, 10);
    t.equal(heard[1]?.length, 20);
    world.heal();
    world.cutOneWay(a.self, b.self);
    await send(a, b, 10);
    t.equal(heard[1]?.length, 0);
    await send(b, a, 10);
    t.equal(heard[0]?.length, 10, 'the way back is open');
    t.equal(world.situations.get('partition_one_way'), 1);
    t.equal(world.situations.get('partition_partial'), 1, 'the third sees both');
    world.cut.clear();
    world.split([[a.self], [b.self, c.self]]);
    await send(a, b, 10);
    await send(b, c, 10);
    t.equal(heard[2]?.length, 10);
    t.equal(world.situations.get('partition_full'), 1);
    t.equal(world.situations.get('partition_one_way'), 1);
    world.heal();
    await send(a, b, 1);
    t.equal(heard[1]?.length, 1);
  });

  await t.test(
    'a slow link holds frames of a purpose up behind each other, and drops the oldest past its bound',
    async (t) => {
      const { world, buses, heard } = await trio(STEADY);
      const [a, b] = buses as [SimBus, SimBus];
      const wayMs = Math.ceil(latencyMs('HK', 'CN'));
      world.slow.set(`${a.self}>${b.self}`, 10_000);
      for (let i = 0; i < 3; i++) a.send(b.self, 'batches', frameOf(i, 10_000));
      a.send(b.self, 'consensus', frameOf(7, 10));
      await world.run(world.nowMs + 10_000);
      t.strictSame(heard[1], [`c7@${1 + wayMs}`, `b0@${1000 + wayMs}`, `b1@${2000 + wayMs}`, `b2@${3000 + wayMs}`]);
      const count = PEER_QUEUE_BYTES_MAX / FRAME_BYTES_MAX + 3;
      heard[1]?.splice(0);
      for (let i = 0; i < count; i++) a.send(b.self, 'batches', frameOf(i, FRAME_BYTES_MAX));
      world.slow.clear();
      await world.run(world.nowMs + 1_000_000);
      t.strictSame(
        heard[1]?.map((text) => Number.parseInt(text.slice(1), 10)),
        // The first was under way; the two after it were the oldest that waited.
        [0, ...Array.from({ length: count - 3 }, (_, i) => i + 3)],
      );
      t.equal(world.situations.get('queue_overflow'), 2);
    },
  );

  await t.test('only those who allow each other talk; who is punished is turned away for a while', async (t) => {
    const { world, buses, heard } = await trio(STEADY);
    const [a, b, c] = buses as [SimBus, SimBus, SimBus];
    a.allow([{ peer: b.self } as AllowedPeer]);
    c.send(a.self, 'sync', frameOf(1));
    b.punish(a.self, 'for a test');
    a.send(b.self, 'sync', frameOf(2));
    t.strictSame(b.peers(), [
      { peer: a.self, connected: false },
      { peer: c.self, connected: true },
    ]);
    await world.run(world.nowMs + 9_000);
    t.strictSame(heard, [[], [], []]);
    const back: PeerKey[] = [];
    b.onPeer((peer) => back.push(peer));
    await world.run(world.nowMs + 2_000);
    a.send(b.self, 'sync', frameOf(3));
    await world.run(world.nowMs + 1_000);
    t.strictSame(back, [a.self]);
    t.equal(heard[1]?.length, 1);
  });
});

const key = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const put = (table: Table, ...[name, value]: [Uint8Array, Uint8Array]): Operation => ({
  type: 'put',
  table,
  key: name,
  value,
});

t.test('disks', async (t) => {
  await t.test('a table scans as a sorted list does, however it was written', async (t) => {
    const random = new Random(3);
    const disk = new SimDisk();
    const model = new Map<string, Uint8Array>();
    for (let round = 0; round < 60; round++) {
      for (let i = random.between(0, 40); i > 0; i--) {
        const name = random.bytes(random.between(1, 3)).map((byte) => byte & 0x83);
        const hex = Buffer.from(name).toString('hex');
        if (random.chance(300)) {
          disk.write([{ type: 'delete', table: 'ids', key: name }]);
          model.delete(hex);
        } else {
          const value = random.bytes(4);
          disk.write([put('ids', name, value)]);
          model.set(hex, value);
        }
      }
      const [from, to] = [random.bytes(random.between(0, 2)), random.bytes(random.between(1, 3))];
      const [first, end] = [Buffer.from(from).toString('hex'), Buffer.from(to).toString('hex')];
      const [reverse, limit] = [random.chance(500), random.chance(500) ? 5 : 1000];
      const expected = [...model.keys()].filter((hex) => hex >= first && hex < end).sort();
      if (reverse) expected.reverse();
      const found = disk.table('ids').range(from, to, { reverse, limit });
      t.strictSame(
        found.map(([name, value]) => [Buffer.from(name).toString('hex'), value]),
        expected.slice(0, limit).map((hex) => [hex, model.get(hex)]),
      );
    }
  });

  await t.test('a loss of power takes whole writes from the end, a sync keeps them', async (t) => {
    const disk = new SimDisk();
    const vote = Uint8Array.from({ length: 80 }, (_, i) => i);
    const stored = Uint8Array.of(...vote, 9, 9, 9, 9);
    disk.write([put('meta', key(1), key(1)), put('votes', key(1), stored)]);
    t.notOk(disk.holds('votes', vote), 'written is not durable');
    disk.sync();
    t.ok(disk.holds('votes', vote));
    disk.write([put('meta', key(1), key(2)), put('meta', key(2), key(2))]);
    disk.write([{ type: 'delete', table: 'votes', key: key(1) }]);
    disk.write([put('meta', key(3), key(3)), put('meta', key(1), key(8))]);
    disk.write([put('meta', key(1), key(9))]);
    const copy = disk.fork();
    disk.losePower(1);
    t.strictSame(disk.table('meta').get(key(1)), key(2));
    t.strictSame(disk.table('meta').get(key(3)), undefined);
    t.strictSame(disk.table('votes').get(key(1)), stored, 'the delete was lost');
    t.ok(disk.holds('votes', vote));
    t.strictSame(copy.table('meta').get(key(3)), key(3), 'a copy is a copy');
    disk.write([{ type: 'delete', table: 'votes', key: key(1) }]);
    disk.sync();
    t.notOk(disk.holds('votes', vote));
    t.strictSame(disk.corrupt('votes'), null);
    t.ok(disk.misdirect('meta') === null || disk.table('meta').size === 2);
    const before = disk.table('blocks').size;
    t.equal(before, 0);
    disk.wipe();
    t.equal(disk.table('meta').size, 0);
  });

  await t.test('damage at rest is one record', async (t) => {
    const disk = new SimDisk();
    for (let i = 0; i < 20; i++) disk.write([put('blocks', key(i), key(i, i, i))]);
    const differing = (): number[] =>
      Array.from({ length: 20 }, (_, i) => i).filter(
        (i) => Buffer.compare(disk.table('blocks').get(key(i)) as Uint8Array, key(i, i, i)) !== 0,
      );
    const damage = disk.corrupt('blocks');
    t.strictSame(differing(), [damage?.key[0]]);
    const other = disk.misdirect('blocks');
    t.ok(other !== null && differing().includes(other.key[0] as number) && differing().length <= 2);
  });

  await t.test('what is mended where another record had been misdirected to leaves that one durable', (t) => {
    const disk = new SimDisk();
    const [first, second] = [1, 2].map((byte) => new Uint8Array(80).fill(byte)) as [Uint8Array, Uint8Array];
    const stored = (value: Uint8Array): Uint8Array => Uint8Array.of(...value, 9, 9, 9, 9);
    disk.write([put('batches', key(1), stored(first)), put('batches', key(2), stored(second))]);
    disk.sync();
    t.strictSame(disk.misdirect('batches')?.key, key(1));
    disk.write([put('batches', key(1), stored(first))]);
    disk.sync();
    t.ok(disk.holds('batches', first) && disk.holds('batches', second));
    t.end();
  });

  await t.test(
    'a store writes in the order of calls, reads what has resolved, and fails for good on a full disk',
    async (t) => {
      const world = new World(9);
      const life = new SimProcess(() => {});
      const disk = new SimDisk(new Random(1));
      const store = new SimStore(world, disk, life);
      const done: string[] = [];
      const write = (name: number, sync: boolean): void =>
        void store.write([put('meta', key(1), key(name))], { sync }).then(
          () => done.push(`${name}: ${store.get('meta', key(1))?.[0]}`),
          (error: unknown) => done.push(`${name}: ${(error as { code?: string }).code}`),
        );
      write(1, true);
      write(2, false);
      t.equal(store.get('meta', key(1)), undefined);
      await world.run(world.nowMs + 100);
      t.strictSame(done, ['1: 2', '2: 2'], 'what came together went together');
      const view = store.snapshot();
      write(3, false);
      await world.run(world.nowMs + 100);
      t.strictSame(view.get('meta', key(1)), key(2));
      disk.full = true;
      write(4, true);
      write(5, true);
      await world.run(world.nowMs + 100);
      disk.full = false;
      write(6, true);
      await world.run(world.nowMs + 100);
      t.strictSame(done.slice(2), ['3: 3', '4: disk_full', '5: disk_full', '6: disk_full']);
      t.strictSame(store.get('meta', key(1)), key(3));
    },
  );
});

t.test('clocks', async (t) => {
  const world = new World(1);
  const machine = new MachineTime(world, -700, 0);
  const life = new SimProcess(() => {});
  const clock = simClock(world, machine, life);
  const startMs = world.nowMs;
  const fired: number[] = [];
  t.equal(clock.now(), startMs - 700);
  clock.after(0, () => fired.push(world.nowMs - startMs));
  clock.after(1000, () => fired.push(world.nowMs - startMs));
  machine.jump(5000);
  t.equal(clock.now(), startMs + 4300, 'a clock that was set');
  clock.after(500, () => t.fail('cancelled'))();
  await world.run(startMs + 2000);
  t.strictSame(fired, [1, 1000], 'timers do not move with it, and take a millisecond at least');
  machine.driftPpm = 100_000;
  t.equal(clock.now(), startMs + 6300);
  await world.run(startMs + 3000);
  t.equal(clock.now(), startMs + 7400, 'a tenth faster');
  clock.after(1100, () => fired.push(world.nowMs - startMs));
  await world.run(startMs + 5000);
  t.equal(fired[2], 4000);
  clock.after(1, () => t.fail('the timer of a process that is gone'));
  life.end();
  await world.run(startMs + 6000);
});
