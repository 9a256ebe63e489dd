/** A node that is far behind, new, or whose disk lies: it comes back by a snapshot or by repair while the others go on. */
import t, { type Test } from 'tap';
import type { Store, Table } from '../node/ports.js';
import { checked } from '../node/replica/checked.js';
import { getBlock, laneOfBatchKey } from '../node/replica/records.js';
import { decodeMessage, encodeMessage } from '../protocol/envelope.js';
import type { JwsJson } from '../protocol/instruction.js';
import type { Epoch, Height, InstructionDigest } from '../protocol/types.js';
import { isOfLastBlock } from './fuzz/damage.js';
import type { SimNode, SimNodeOptions } from './node.js';
import { Stage, spareKeyOf } from './stage.test-helper.js';
import { hexKey } from './workload/parties.js';
import { readJws } from './workload.js';

const HOUR_MS = 3_600_000;

/** The newest batch of a node's own lane, on its disk. */
function damageOwnBatch(node: SimNode): void {
  const table = node.disk.table('batches');
  const place = node.running?.replica.members.self ?? node.self;
  for (let at = table.size - 1; at >= 0; at--) {
    const [key, value] = table.at(at);
    if (laneOfBatchKey(key).lane !== place) continue;
    table.set(
      key,
      value.map((byte, i) => (i === 40 ? byte ^ 1 : byte)),
    );
    return;
  }
}

/** While it is so, no block of the past is to be had from validators, as when they have let go of it. */
let isForgotten = true;
/** While it is so, no batch gets anywhere. */
let areBatchesLost = false;
const withoutHistory: NonNullable<SimNodeOptions['wrap']> = (ports) => ({
  ...ports,
  bus: {
    send: (to, purpose, frame) => {
      const type = decodeMessage(frame)?.type;
      if (!(isForgotten && type === 'final') && !(areBatchesLost && type === 'batch'))
        ports.bus.send(to, purpose, frame);
    },
    onFrame: (handler) => ports.bus.onFrame(handler),
    onPeer: (handler) => ports.bus.onPeer(handler),
    punish: (peer, reason) => ports.bus.punish(peer, reason),
    allow: (peers) => ports.bus.allow(peers),
    peers: () => ports.bus.peers(),
  },
});

t.test('a wiped validator comes back by a snapshot, never votes with its old key, and loses nothing', async (t) => {
  const stage = new Stage(31, { snapshotBlocks: 40, wrap: withoutHistory });
  await stage.open();
  const late = stage.node(3);
  await stage.until(() => stage.heightOf(stage.node(0)) > 30);
  late.crash();
  const voteKey = stage.genesis.validators.validators[3]?.voteKey;
  late.wipe();
  stage.checkers.wiped(late);
  await stage.until(() => stage.heightOf(stage.node(0)) > 120, 120);
  await late.start();
  t.ok(await stage.until(() => stage.heightOf(late) > 100, 120), 'a snapshot is there');
  isForgotten = false;
  t.ok(await stage.until(() => stage.heightOf(late) > stage.heightOf(stage.node(0)) - 5, 120), 'it caught up');
  t.strictSame([...(late.running?.succession.unfit ?? [])], [[voteKey, 'vote_log_missing']]);
  t.equal(late.running?.replica.members.voteKey, null);
  t.equal(await late.running?.service.block(60), null, 'by a snapshot, not block by block');
  t.ok(await stage.settle(), 'all that was answered for is final');
  const shown = await Promise.all(
    Array.from({ length: stage.heightOf(late) - 60 }, async (_, nth) => late.running?.service.block(61 + nth)),
  );
  const [first, ...others] = shown.filter((block) => block !== null && block !== undefined);
  t.match(first, { lanes: null, instructions: null }, 'what it does not keep of the first block it does not make up');
  t.ok(others.length > 0 && others.every((block) => block.lanes?.length === 4), 'of those that follow it has all');
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
});

t.test(
  'who is away past the memory of ids tells nobody that what it answered for has expired, when it settled',
  async (t) => {
    isForgotten = true;
    const stage = new Stage(38, { snapshotBlocks: 10, wrap: withoutHistory });
    await stage.open();
    await stage.registerNode(0);
    await stage.join(0).start();
    t.ok(await stage.until(() => stage.heightOf(stage.node(4)) > 10), 'a participant follows');
    const [validator, participant] = [stage.node(3), stage.node(4)];
    const sent = new Map<InstructionDigest, JwsJson>();
    for (const node of [participant, validator]) {
      // Some of them are refused at the door.
      for (let times = 0; times < 12; times++) {
        const jws = await stage.workload.next();
        sent.set(readJws(jws).digest, jws);
        stage.submit(node, jws);
      }
      // It is with others, and this node does not see what becomes of it.
      await stage.world.run(stage.world.nowMs + 60);
      node.crash('kill');
    }
    const owed = stage.checkers.acknowledged.filter(({ digest }) => sent.has(digest));
    await stage.until(() => false, 5);
    const others = stage.nodes.slice(0, 3);
    for (const node of others) node.crash('kill');
    await stage.world.run(stage.world.nowMs + 30 * HOUR_MS);
    for (const node of others) await node.start();
    await stage.until(() => false, 10);
    for (const node of [validator, participant]) await node.start();
    t.ok(
      await stage.until(() => [validator, participant].every((node) => stage.heightOf(node) > 40), 120),
      'a snapshot',
    );
    isForgotten = false;
    t.ok(await stage.settle());
    let settled = 0;
    for (const { digest, node } of owed) {
      const truth = await stage.node(0).running?.service.status(digest);
      const told = await stage.node(node).running?.service.status(digest);
      if (truth?.status === 'final' && truth.code === 'settled') settled += 1;
      const isHonest =
        told?.status === 'pruned' || (told?.status === 'final' && told.code === (truth as typeof told).code);
      t.ok(isHonest, `${JSON.stringify(truth)}, told ${JSON.stringify(told)}`);
      const again = await stage.node(node).running?.service.submit(readJws(sent.get(digest) as JwsJson));
      t.strictSame(again, { accepted: true }, 'sent again it is not refused as expired');
    }
    t.ok(settled > 0 && owed.length > 6, `${settled} of ${owed.length} had settled meanwhile`);
    await stage.checkers.atEnd(stage.nodes);
    t.strictSame(stage.checkers.violations, []);
  },
);

/** A new machine whose clock is behind, so that seconds alone would give the lane an incarnation it has used (fuzz seed 65). */
function setBack(node: SimNode): void {
  node.wipe();
  node.jumpClock(-30_000);
}

t.test(
  'who may have lost its lane begins a later incarnation, in whatever epoch, and what it answers for gets in',
  async (t) => {
    const losses = [
      ['the folder is lost', (node: SimNode) => node.wipe()],
      ['the folder is lost again, its key retired already', (node: SimNode) => node.wipe()],
      ['the folder is lost once more, and its clock set back', setBack],
      ['the state is damaged', (node: SimNode) => void node.disk.corrupt('state')],
      ['its last batch is damaged', damageOwnBatch],
      ['the mark is lost', (node: SimNode) => node.markDisk.wipe()],
    ] as const;
    const stage = new Stage(36);
    await stage.open();
    await stage.registerNode(0);
    await stage.join(0).start();
    await stage.until(() => stage.node(0).running?.replica.chain.final.state.nodeKeys().length === 5);
    await stage.govern([0, 1, 2, 3, 4], [0, 1, 2, 3]);
    t.ok(await stage.until(() => stage.nodes.every((node) => stage.epochOf(node) === 1)), 'the second epoch');
    const node = stage.node(3);
    for (const [loss, lose] of losses) {
      await stage.until(() => false, 3);
      node.crash('kill');
      lose(node);
      if (loss.startsWith('the folder')) stage.checkers.wiped(node);
      if (loss === 'the state is damaged') stage.checkers.refetches(node);
      await node.start();
      t.ok(await stage.until(() => stage.heightOf(node) > stage.heightOf(stage.node(0)) - 3, 60), loss);
      const before = stage.checkers.acknowledged.length;
      await stage.until(() => false, 3);
      const own = stage.checkers.acknowledged.slice(before).filter(({ node: at }) => at === node.self);
      t.ok(own.length > 0 && (await stage.settle()), `${loss}: ${own.length} answered for, and all of them in`);
    }
    await stage.checkers.atEnd(stage.nodes);
    t.strictSame(stage.checkers.violations, []);
  },
);

t.test('who was cut off while the set changed without it hears how far the others are, and follows', async (t) => {
  const stage = new Stage(38);
  await stage.open();
  await stage.registerNode(0);
  await stage.join(0).start();
  await stage.until(() => stage.node(0).running?.replica.chain.final.state.nodeKeys().length === 5);
  const away = stage.node(2);
  for (const other of stage.nodes.filter((node) => node !== away)) stage.world.cutPair(away.key, other.key);
  await stage.govern([0, 1, 3, 4], [0, 1, 2, 3]);
  const others = stage.nodes.filter((node) => node !== away);
  t.ok(await stage.until(() => others.every((node) => stage.epochOf(node) === 1)), 'the second epoch, without it');
  t.equal(stage.epochOf(away), 0);
  // No connection was lost, so nobody greets anybody.
  for (const { running } of stage.nodes) if (running !== null) running.bus.connected = () => {};
  stage.world.cut.clear();
  t.ok(await stage.until(() => stage.epochOf(away) === 1, 30), 'it follows into the epoch');
  t.ok(await stage.settle());
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
});

/** One validator of four is cut off while another set takes over, and the rest of its own is gone. */
async function leaveAlone(
  t: Test,
  stage: Stage,
): Promise<{ readonly away: SimNode; readonly gone: readonly SimNode[]; readonly newcomers: readonly SimNode[] }> {
  await stage.open();
  const away = stage.node(3);
  const newcomers = [0, 1, 2, 3].map((i) => stage.join(i));
  for (const i of newcomers.keys()) await stage.registerNode(i);
  for (const node of newcomers) await node.start();
  await stage.until(() => stage.node(0).running?.replica.chain.final.state.nodeKeys().length === 8);
  for (const other of stage.nodes.filter((node) => node !== away)) stage.world.cutPair(away.key, other.key);
  await stage.govern([4, 5, 6, 7], [0, 1, 2, 3]);
  t.ok(await stage.until(() => newcomers.every((node) => stage.epochOf(node) === 1)), 'another set has the say');
  const gone = [0, 1, 2].map((at) => stage.node(at));
  for (const node of gone) node.crash('kill');
  return { away, gone, newcomers };
}

t.test('who knows only validators that are gone learns from others how far the ledger is', async (t) => {
  const stage = new Stage(42);
  const { away, gone } = await leaveAlone(t, stage);
  // No connection was lost, so nobody greets anybody.
  for (const { running } of stage.nodes) if (running !== null) running.bus.connected = () => {};
  stage.world.cut.clear();
  // Nor does it help that one of those it knows lies: whoever says the greatest height is asked, and gives nothing.
  const lie = encodeMessage({ type: 'held', lanes: [], finalHeight: (2 ** 50) as Height, epoch: 0 as Epoch });
  const isBack = await stage.until(() => {
    if (stage.epochOf(away) === 0) away.running?.bus.receive(stage.node(0).key, 'consensus', lie);
    return stage.epochOf(away) === 1;
  }, 60);
  t.ok(isBack, 'it follows into the epoch');
  for (const node of gone) await node.start();
  t.ok(await stage.settle());
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
});

for (const isOneMute of [false, true]) {
  const beside = isOneMute ? ', though of its own set one answers truly and one not at all' : '';
  t.test(
    `who is of a set that is gone, and whose next block all others have let go of, gets a snapshot${beside}`,
    async (t) => {
      const stage = new Stage(44, { retention: { blocks: 5, days: 3 } });
      const { away, gone, newcomers } = await leaveAlone(t, stage);
      const lacked = stage.heightOf(away) + 1;
      const [helpful, mute] = gone as [SimNode, SimNode];
      const others = isOneMute ? [...newcomers, helpful, mute] : newcomers;
      for (const node of [away, ...newcomers]) node.crash('kill');
      // Past the three days that are kept.
      await stage.world.run(stage.world.nowMs + 80 * HOUR_MS);
      for (const node of [away, ...others]) await node.start();
      const hasLetGo = async (node: SimNode): Promise<boolean> => (await node.running?.service.block(lacked)) === null;
      let areShort = false;
      for (let times = 0; times < 20 && !areShort; times++) {
        await stage.until(() => false, 5);
        areShort = (await Promise.all(others.map(hasLetGo))).every((letGo) => letGo);
      }
      t.ok(areShort, 'they have let go of it');
      if (isOneMute && mute.running !== null) mute.running.bus.send = () => {};
      stage.world.cut.clear();
      t.ok(await stage.until(() => stage.epochOf(away) === 1, 120), 'it follows into the epoch');
      mute.crash('kill');
      for (const node of gone) if (!node.isUp) await node.start();
      t.ok(await stage.settle());
      await stage.checkers.atEnd(stage.nodes);
      t.strictSame(stage.checkers.violations, []);
    },
  );
}

t.test('who starts is not talked out of the blocks that it lacks before it hears those who have them', async (t) => {
  const stage = new Stage(45);
  await stage.open();
  await stage.registerNode(0);
  const liar = stage.join(0);
  await stage.until(() => stage.node(0).running?.replica.chain.final.state.nodeKeys().length === 5);
  await liar.start();
  const late = stage.node(3);
  late.crash('kill');
  const height = stage.heightOf(stage.node(0));
  await stage.until(() => stage.heightOf(stage.node(0)) > height + 40);
  // Its links to validators come up after that to the liar.
  for (const at of [0, 1, 2]) stage.world.cutPair(late.key, stage.node(at).key);
  await late.start();
  const first = stage.heightOf(late) + 1;
  const gone = encodeMessage({ type: 'gone', height: first as Height, epoch: 0 as Epoch });
  late.running?.bus.receive(liar.key, 'sync', gone);
  await stage.world.run(stage.world.nowMs + 3000);
  stage.world.cut.clear();
  t.ok(await stage.until(() => stage.heightOf(late) >= stage.heightOf(stage.node(0)) - 1));
  const lacked: number[] = [];
  for (let at = first; at <= stage.heightOf(late); at++)
    if ((await late.running?.service.block(at)) === null) lacked.push(at);
  t.strictSame(lacked, []);
  t.ok(await stage.settle());
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
});

/** So few that a node is soon more than one answer behind. */
const ANSWER_BLOCKS = 40;

/** A node is down while more blocks become final than one answer holds, and starts. */
async function isAwayForLong(stage: Stage, late: SimNode, other: SimNode): Promise<boolean> {
  late.crash();
  const away = stage.heightOf(other) + ANSWER_BLOCKS + 50;
  const isAway = await stage.until(() => stage.heightOf(other) > away, 300);
  await late.start();
  return isAway;
}

/** The last certified block alone, as a peer may send it to whom it was never asked by. */
function headOf(node: SimNode): Uint8Array | null {
  const store = checked({
    get: (table: Table, key: Uint8Array) => node.disk.table(table).get(key),
  } as unknown as Store);
  const { header } = node.running?.replica.chain.final ?? {};
  const record = header === undefined ? null : getBlock(store, header.height);
  if (record?.certificate == null || record.closing.length > 0) return null;
  const { epoch } = record.header;
  return encodeMessage({ type: 'final', headers: [record.header], certificate: record.certificate, epoch });
}

t.test(
  'a validator that is more than an answer behind catches up, though a liar sends it the head again and again',
  async (t) => {
    const stage = new Stage(40, { answerBlocks: ANSWER_BLOCKS });
    await stage.open();
    const [late, other] = [stage.node(3), stage.node(1)];
    t.ok(await isAwayForLong(stage, late, other));
    let sent = 0;
    const told = (): void => {
      const head = headOf(other);
      if (head !== null && late.running !== null && stage.heightOf(late) < stage.heightOf(other) - 1) {
        late.running.bus.receive(other.key, 'sync', head);
        sent += 1;
      }
    };
    const isBack = await stage.until(() => {
      told();
      return stage.heightOf(late) > stage.heightOf(other) - 3;
    }, 30);
    t.ok(isBack && sent > 3, `${stage.heightOf(late)} of ${stage.heightOf(other)} blocks, ${sent} heads`);
    t.ok(await stage.settle());
    await stage.checkers.atEnd(stage.nodes);
    t.strictSame(stage.checkers.violations, []);
  },
);

t.test('a participant that is more than an answer behind catches up, though new blocks are pushed to it', async (t) => {
  const stage = new Stage(41, { answerBlocks: ANSWER_BLOCKS });
  await stage.open();
  await stage.registerNode(0);
  const late = stage.join(0);
  await late.start();
  const other = stage.node(1);
  await stage.until(() => stage.heightOf(late) === stage.heightOf(other));
  t.ok(await isAwayForLong(stage, late, other));
  const isBack = await stage.until(() => stage.heightOf(late) > stage.heightOf(other) - 3, 30);
  t.ok(isBack, `${stage.heightOf(late)} of ${stage.heightOf(other)} blocks`);
  t.ok(await stage.settle());
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
});

t.test('an old copy that misses no vote but a batch is known for one, too', async (t) => {
  const stage = new Stage(37);
  await stage.open();
  t.ok(await stage.settle());
  const restored = stage.node(1);
  // Nobody votes while a quorum is away; what is taken in meanwhile is held by one other.
  for (const away of [stage.node(2), stage.node(3)]) away.crash('kill');
  await stage.world.run(stage.world.nowMs + 5000);
  const backup = restored.disk.fork();
  stage.submit(restored, await stage.workload.next());
  await stage.world.run(stage.world.nowMs + 2000);
  restored.crash('kill');
  restored.rollBack(backup);
  stage.checkers.wiped(restored);
  for (const node of [restored, stage.node(2), stage.node(3)]) await node.start();
  await stage.until(() => false, 5);
  t.ok(await stage.settle(), 'all that was answered for since is final');
  t.ok(
    stage.checkers.acknowledged.some(({ node }) => node === restored.self),
    'and it has answered for something',
  );
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
});

t.test(
  'a validator whose folder is an old copy knows it, votes no more, and its key is replaced in the next epoch',
  async (t) => {
    const stage = new Stage(32);
    await stage.open();
    const restored = stage.node(2);
    const backup = restored.disk.fork();
    await stage.until(() => false, 10);
    restored.crash();
    restored.rollBack(backup);
    stage.checkers.wiped(restored);
    await restored.start();
    const reasons = (): unknown[] => [...(restored.running?.succession.unfit.values() ?? [])];
    t.strictSame(reasons(), ['vote_log_rolled_back']);
    await stage.until(() => false, 10);
    t.ok(stage.heightOf(restored) > stage.heightOf(stage.node(0)) - 5, 'it follows, and still serves its bank');
    restored.crash();
    await restored.start();
    t.strictSame(reasons(), ['vote_key_retired'], 'for good');
    await stage.govern([0, 1, 2, 3], [0, 1, 2, 3], [2]);
    t.ok(await stage.until(() => stage.nodes.every((node) => stage.epochOf(node) === 1)), 'an epoch with its new key');
    t.equal(restored.running?.replica.members.voteKey, hexKey(spareKeyOf(2)));
    // Of four one is down: without its vote nothing would be final.
    stage.node(3).crash();
    const before = stage.heightOf(restored);
    t.ok(await stage.until(() => stage.heightOf(restored) > before + 10), 'it votes again');
    await stage.node(3).start();
    t.ok(await stage.settle(), 'all that was answered for is final');
    t.strictSame(stage.checkers.violations, []);
  },
);

t.test('what a crash has kept out of the mark is in it before the node speaks again', async (t) => {
  const stage = new Stage(33);
  await stage.open();
  t.ok(await stage.settle());
  const node = stage.node(2);
  node.crash('kill');
  // The mark as it was before the votes that the folder has: written last, it may be behind by a crash.
  const [folder, mark] = [node.disk.fork(), node.markDisk.fork()];
  await node.start();
  await stage.until(() => false, 10);
  t.ok(await stage.settle());
  node.crash('kill');
  const behind = node.fork({ name: 'behind', markDisk: mark });
  await behind.start();
  t.strictSame(
    [...(behind.running?.succession.unfit.keys() ?? [])],
    [],
    'a folder that counts more than the mark is fit',
  );
  behind.crash('kill');
  const old = node.fork({ name: 'old', disk: folder, markDisk: behind.markDisk.fork() });
  await old.start();
  t.strictSame(
    [...(old.running?.succession.unfit.values() ?? [])],
    ['vote_log_rolled_back'],
    'and an older folder is not',
  );
});

// Where nobody else could have saved it, it must be told from memory; where others have it, its number is taken.
for (const isAlone of [false, true]) {
  const who = isAlone ? 'nobody else has' : 'others have';
  t.test(`a validator whose own batch, which ${who}, is damaged while it takes a snapshot`, async (t) => {
    isForgotten = true;
    const stage = new Stage(42, { snapshotBlocks: 10, wrap: withoutHistory });
    await stage.open();
    const late = stage.node(3);
    await stage.until(() => stage.heightOf(late) > 10);
    for (const other of stage.nodes.slice(0, 3)) stage.world.cutPair(late.key, other.key);
    const before = stage.heightOf(late);
    // Some go through the one that is cut off: its lane holds them.
    await stage.until(() => stage.heightOf(stage.node(0)) > before + 30, 120);
    t.ok(late.running !== null && stage.heightOf(late) < before + 3, 'it has stood still');
    damageOwnBatch(late);
    areBatchesLost = isAlone;
    stage.world.heal();
    t.ok(await stage.until(() => stage.heightOf(late) > before + 20, 120), 'a snapshot is there');
    areBatchesLost = false;
    t.ok(await stage.until(() => stage.heightOf(late) > before + 25, 120), 'it goes on');
    t.equal(await late.running?.service.block(before + 10), null, 'by a snapshot, not block by block');
    isForgotten = false;
    t.ok(await stage.settle(), 'all that was answered for is final');
    await stage.checkers.atEnd(stage.nodes);
    t.strictSame(stage.checkers.violations, []);
  });
}

t.test('records that the disk has damaged are noticed, and mended from peers', async (t) => {
  const stage = new Stage(33);
  await stage.open();
  await stage.until(() => stage.heightOf(stage.node(0)) > 40);
  const damaged = stage.node(1);
  damaged.crash();
  for (const table of ['blocks', 'receipts', 'batches', 'index'] as const) {
    const done = Array.from({ length: 3 }, () => damaged.disk.corrupt(table));
    done.push(damaged.disk.misdirect(table));
    if (done.some((damage) => isOfLastBlock(damaged, damage))) stage.checkers.refetches(damaged);
  }
  await damaged.start();
  await stage.until(() => false, 5);
  // Whoever reads it finds it; what is found is mended.
  const heights = Array.from({ length: 40 }, (_, at) => at + 1);
  for (let round = 0; round < 8; round++) {
    for (const height of heights) await damaged.running?.service.block(height).catch(() => null);
    await stage.until(() => false, 3);
  }
  for (const height of heights) {
    const [own, other] = await Promise.all([
      damaged.running?.service.block(height),
      stage.node(0).running?.service.block(height),
    ]);
    t.strictSame(own, other, `block ${height}`);
  }
  t.ok(await stage.settle(), 'all that was answered for is final');
  t.strictSame(stage.checkers.violations, []);
});

t.test('a copied folder started a second time is noticed, and neither machine votes again', async (t) => {
  const stage = new Stage(35);
  await stage.open();
  const original = stage.node(2);
  const twin = original.fork({ name: 'twin' });
  await twin.start();
  const halted = (): unknown[] => [original, twin].map(({ running }) => running?.replica.halted?.split(':')[0]);
  await stage.until(() => halted().some((reason) => reason !== undefined), 120);
  t.ok(
    halted().some((reason) => reason === 'vote_key_elsewhere'),
    String(halted()),
  );
  t.ok(await stage.until(() => stage.heightOf(stage.node(0)) > 60, 120), 'the others go on');
});
