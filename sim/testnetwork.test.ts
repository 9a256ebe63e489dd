/** A test network in virtual time: days of business in seconds, by the same code; timers, clocks and crashes stay as they are. */
import t from 'tap';
import type { InstructionDigest } from '../protocol/types.js';
import { DAY_MS, formatDay, formatTime } from '../protocol/values.js';
import { SIM_TIMING, type SimNode } from './node.js';
import { Stage } from './stage.test-helper.js';
import type { LegFields } from './workload/desk.js';
import { readJws } from './workload.js';

/** A day in five seconds. */
const TIME_SCALE = 17_280;
const HOUR_MS = DAY_MS / 24;
/** Well below the time in which frames of others wake a node, whatever is due. */
const PROMPT_MS = 5;
const [ALFA, DELT] = ['ALFAHKHHXXX', 'DELTTHBKXXX'] as const;
const PVP: readonly LegFields[] = [
  { from: ALFA, to: DELT, asset: 'HKD', amount: '1.00' },
  { from: DELT, to: ALFA, asset: 'THB', amount: '4.50' },
];

class TestNetwork extends Stage {
  /** `offsetsMs` is by how much each machine's clock is ahead. */
  constructor(seed: number, offsetsMs: readonly number[] = [0, 0, 0, 0]) {
    super(seed, { clockOffMsMax: 0 }, { timeScale: TIME_SCALE });
    for (const [at, { time }] of this.nodes.entries()) time.jump(offsetsMs[at] ?? 0);
  }

  /** Lets virtual time pass until the network's time has come to this. */
  async untilTime(timeMs: number): Promise<void> {
    const machineMs = Math.ceil((timeMs - this.desk.nowMs) / TIME_SCALE);
    await this.world.run(this.world.nowMs + Math.max(0, machineMs));
  }

  /** Business days of both currencies, from the first on: open from eight to sixteen hours UTC. */
  async publish(firstDay: number, count: number): Promise<void> {
    const days = Array.from({ length: count }, (_, at) => ({
      date: formatDay(firstDay + at),
      open: formatTime((firstDay + at) * DAY_MS + 8 * HOUR_MS),
      close: formatTime((firstDay + at) * DAY_MS + 16 * HOUR_MS),
    }));
    for (const { authority, currency } of this.desk.jurisdictions.filter(({ currency: of }) => /HKD|THB/.test(of))) {
      const fields = { kind: 'calendar', asset: currency, zone: 'UTC', days, initiator: authority };
      this.submit(this.node(0), await this.desk.make(fields, [authority]));
    }
  }

  async settle2(node: SimNode, legs: readonly LegFields[], more: object): Promise<InstructionDigest> {
    const payers = legs.map(({ from }) => from);
    const jws = await this.desk.make({ kind: 'settle', initiator: payers[0], legs, ...more }, payers);
    this.submit(node, jws);
    return readJws(jws).digest;
  }

  /** How it stands at a node, and the time of the block that says so. */
  async told(digest: InstructionDigest, at = 1): Promise<{ readonly code: string | null; readonly time: number }> {
    const status = await this.node(at).running?.service.status(digest);
    if (status === undefined || status.status === 'unknown' || status.status === 'pruned')
      return { code: null, time: 0 };
    return { code: status.code, time: status.time ?? 0 };
  }

  async violations(): Promise<readonly string[]> {
    const settled = await this.settle();
    await this.checkers.atEnd(this.nodes);
    return settled ? this.checkers.violations : ['not settled', ...this.checkers.violations];
  }
}

t.test(
  'three business days, what lapses at the end of one, and an id that is free again pass in 20 seconds',
  async (t) => {
    const network = new TestNetwork(1);
    const { desk, world } = network;
    await network.open();
    const startedMs = world.nowMs;
    const today = Math.floor(desk.nowMs / DAY_MS);
    await network.publish(today + 1, 3);
    await world.run(world.nowMs + 500);

    const queue = { mode: 'queue', priority: 'normal' };
    const first = await network.settle2(network.node(0), PVP, { ...queue, valueDate: formatDay(today + 1) });
    const second = await network.settle2(network.node(1), PVP, { ...queue, valueDate: formatDay(today + 2) });
    const third = await network.settle2(network.node(2), PVP, { ...queue, valueDate: formatDay(today + 3) });
    const unfunded = PVP.map((leg) => ({ ...leg, amount: '1000000000' }));
    const lapsing = await network.settle2(network.node(3), unfunded, { ...queue, valueDate: formatDay(today + 1) });
    const id = desk.random.uuid();
    const named = await network.settle2(network.node(0), PVP, { mode: 'gross', id });

    await network.untilTime((today + 1) * DAY_MS + 7 * HOUR_MS);
    t.equal((await network.told(first)).code, 'scheduled', 'the day has begun, and is not open yet');
    t.equal((await network.told(named)).code, 'settled');
    await network.untilTime((today + 1) * DAY_MS + 15 * HOUR_MS);
    const settledFirst = await network.told(first);
    t.equal(settledFirst.code, 'settled');
    t.ok(settledFirst.time >= (today + 1) * DAY_MS + 8 * HOUR_MS, 'not before it opens');
    t.ok(settledFirst.time <= (today + 1) * DAY_MS + 8 * HOUR_MS + PROMPT_MS * TIME_SCALE, 'nor long after');
    t.equal((await network.told(lapsing)).code, 'queued');

    network.node(2).crash('power');
    await network.untilTime((today + 1) * DAY_MS + 23 * HOUR_MS);
    const lapsed = await network.told(lapsing);
    t.equal(lapsed.code, 'lapsed', 'unfunded at the end of its day');
    t.ok(lapsed.time >= (today + 1) * DAY_MS + 16 * HOUR_MS, 'not before it closes');
    t.equal((await network.told(second)).code, 'scheduled', 'closed hours');
    await network.node(2).start();

    await network.untilTime((today + 2) * DAY_MS + 15 * HOUR_MS);
    t.equal((await network.told(second, 2)).code, 'settled', 'told by the node that was down');
    await network.untilTime((today + 3) * DAY_MS + 15 * HOUR_MS);
    t.equal((await network.told(third)).code, 'settled');
    const again = await network.settle2(network.node(1), PVP, { mode: 'gross', id });
    await world.run(world.nowMs + 1_000);
    t.equal((await network.told(again)).code, 'settled', 'the id of long ago is free');
    t.ok(world.nowMs - startedMs <= 25_000, `${world.nowMs - startedMs} ms`);
    t.strictSame(await network.violations(), []);
  },
);

/** A payment through each door in turn, one in half a second; how each ended. */
async function payThroughAll(network: TestNetwork, rounds: number): Promise<readonly (string | null)[]> {
  const digests: InstructionDigest[] = [];
  for (let round = 0; round < rounds; round++) {
    digests.push(await network.settle2(network.node(round % 4), PVP, { mode: 'gross' }));
    await network.world.run(network.world.nowMs + 500);
  }
  await network.world.run(network.world.nowMs + 2_000);
  return Promise.all(digests.map(async (digest) => (await network.told(digest)).code));
}

/** Proposers and times of final blocks, from the first on. */
async function blocksOf(
  network: TestNetwork,
  height: number,
): Promise<readonly { readonly proposer: number; readonly time: number }[]> {
  const read = async (at: number) => (await network.node(1).running?.service.block(at)) ?? [];
  const blocks = await Promise.all(Array.from({ length: height }, (_, at) => read(at + 1)));
  return blocks.flat();
}

const ALL_SETTLED = Array.from({ length: 16 }, () => 'settled');

t.test(
  'clocks that are a second apart are hours apart in network time, and nothing stalls or ends for that',
  async (t) => {
    for (const offsetsMs of [
      [1_000, 0, 0, 0],
      [0, -1_000, 0, 0],
      [500, -500, 250, -250],
    ]) {
      const network = new TestNetwork(2, offsetsMs);
      await network.open();
      t.strictSame(await payThroughAll(network, 16), ALL_SETTLED, offsetsMs.join());
      const heights = network.nodes.map(network.heightOf);
      t.ok(Math.max(...heights) - Math.min(...heights) <= 1, 'nobody is left behind');
      const blocks = await blocksOf(network, Math.min(...heights));
      for (const [place] of offsetsMs.entries()) {
        const isTaken = blocks.some(
          ({ proposer, time }, at) => proposer === place && time > (blocks[at - 1]?.time ?? 0) + 1,
        );
        t.ok(isTaken, `a block by the clock of ${place} is taken`);
      }
      t.strictSame(await network.violations(), [], offsetsMs.join());
    }
  },
);

t.test('a clock that is further off than the skew costs views, and ends nothing that others took', async (t) => {
  const network = new TestNetwork(3);
  const { world } = network;
  await network.open();
  for (const byMs of [6_000, -12_000]) {
    network.node(3).jumpClock(byMs);
    for (let round = 0; round < 6; round++) {
      const digest = await network.settle2(network.node(round % 3), PVP, { mode: 'gross' });
      await world.run(world.nowMs + 2_000);
      t.equal((await network.told(digest)).code, 'settled');
      const ahead = ((await network.told(digest)).time - network.desk.nowMs) / TIME_SCALE;
      t.ok(ahead <= 0, 'no block has a time that the clocks which are right have not shown');
    }
  }
  network.node(3).jumpClock(6_000);
  t.strictSame(await network.violations(), []);
});

t.test('the door waits by the network’s time, the heartbeat and an idle network by the machine’s', async (t) => {
  const network = new TestNetwork(4);
  const { world, desk } = network;
  await network.open();
  const issuedIn = (machineMs: number) => ({
    mode: 'gross',
    issued: formatTime(desk.nowMs + machineMs * TIME_SCALE),
    expires: formatTime(desk.nowMs + machineMs * TIME_SCALE + DAY_MS),
  });
  const startedMs = desk.nowMs;
  const soon = await network.settle2(network.node(0), PVP, issuedIn(900));
  const late = await network.settle2(network.node(0), PVP, issuedIn(1_200));
  await world.run(world.nowMs + 700);
  t.equal((await network.told(soon, 0)).code, null, 'it waits for its time');
  await world.run(world.nowMs + 1_000);
  const settled = await network.told(soon);
  t.equal(settled.code, 'settled');
  const dueMs = startedMs + 900 * TIME_SCALE;
  t.ok(settled.time >= dueMs && settled.time <= dueMs + 250 * TIME_SCALE, 'when its time had come');
  t.equal((await network.told(late, 0)).code, null, 'what is further ahead is refused');

  const final = () => network.node(1).running?.replica.chain.final;
  // What is remembered of the last days' hours is still to be let go.
  while (final()?.state.nextTrigger() !== null) await world.run(world.nowMs + 1_000);
  const before = network.heightOf(network.node(1));
  await world.run(world.nowMs + SIM_TIMING.heartbeatMs - 3_000);
  t.equal(network.heightOf(network.node(1)), before, 'days without business are without blocks');
  await world.run(world.nowMs + 4_000);
  t.equal(network.heightOf(network.node(1)), before + 1, 'the heartbeat beats');
  t.strictSame(await network.violations(), []);
});

t.test(
  'an epoch ends and the next begins, and a node that lost its disk goes on under the machine’s seconds',
  async (t) => {
    const network = new TestNetwork(5);
    const { world, genesis } = network;
    await network.open();
    await network.govern([0, 1, 2, 3], [0, 1, 2, 3], [3]);
    const isNext = (): boolean => network.nodes.every((node) => network.epochOf(node) === 1);
    for (let second = 0; second < 20 && !isNext(); second++) await world.run(world.nowMs + 1_000);
    t.ok(isNext(), 'the new set is ready within the short life of what it says');

    const node = network.node(1);
    node.crash();
    node.wipe();
    network.checkers.wiped(node);
    await node.start();
    await world.run(world.nowMs + 5_000);
    const paid = await network.settle2(node, PVP, { mode: 'gross' });
    await world.run(world.nowMs + 3_000);
    t.equal((await network.told(paid, 0)).code, 'settled');
    const incarnation = network.node(0).running?.replica.chain.final.header.cut[1]?.incarnation ?? 0;
    t.ok(incarnation > 0 && incarnation <= (world.nowMs - genesis.created) / 1000, `incarnation ${incarnation}`);
    t.strictSame(await network.violations(), []);
  },
);

for (const [seed, timeScale] of [
  [6, 20],
  [7, 1_000],
  [8, TIME_SCALE],
] as const) {
  t.test(`banks at their business, with a crash, at ${timeScale} times the speed of clocks`, async (t) => {
    const stage = new Stage(seed, {}, { timeScale });
    await stage.open();
    await stage.until(() => false, 8);
    stage.node(1).crash('power');
    await stage.until(() => false, 4);
    await stage.node(1).start();
    await stage.until(() => false, 8);
    t.ok(await stage.settle(), 'settled');
    await stage.checkers.atEnd(stage.nodes);
    t.strictSame(stage.checkers.violations, []);
  });
}
