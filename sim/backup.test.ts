/** Backups of moments that are not everyday ones: an epoch's end, after a snapshot, after damage; each is checked and restored. */
import t, { type Test } from 'tap';
import { hashPairsNative } from '../node/main/hasher.js';
import { noMetrics } from '../node/metrics/none.js';
import type { Store } from '../node/ports.js';
import { type Archive, archivePieces, openArchive } from '../node/replica/archive.js';
import { recordsOf } from '../node/replica/findings.js';
import { blockKey, getBlock, getFinal, heightOfKey, putBlock, putFinal } from '../node/replica/records.js';
import { restoreRecords } from '../node/replica/restoring.js';
import { takeSurvey } from '../node/replica/survey.js';
import { genesisBlockId, genesisResultRoot } from '../protocol/block.js';
import { concat } from '../protocol/hash.js';
import { assert, type Height, type Root, type TimestampMs, type View } from '../protocol/types.js';
import { cheapVerifier } from './crypto.js';
import { SimDisk } from './disk.js';
import { auditOf, copiesOf, storeOf } from './diskcopies.test-helper.js';
import { SimNode } from './node.js';
import { Stage } from './stage.test-helper.js';

const HOUR_MS = 3_600_000;
const PACE = { pause: () => Promise.resolve(), isLate: () => false, onDamage: () => undefined };

async function archiveOf(store: Store): Promise<Archive> {
  const made = { party: 'HKMAHKHHXXX', version: 'sim', madeMs: 0 as TimestampMs };
  const pieces: Uint8Array[] = [];
  for await (const piece of archivePieces(store, made, PACE)) pieces.push(piece);
  const bytes = concat(...pieces);
  const opened = await openArchive((from, length) => Promise.resolve(bytes.slice(from, from + length)));
  assert(opened.ok, 'the backup is whole');
  return opened.archive;
}

t.test('a backup of any moment about the end of an epoch is sound, and a node goes on from it', async (t) => {
  const stage = new Stage(41);
  await stage.open();
  const node = stage.node(2);
  const copies = copiesOf(node.disk, 4);
  await stage.govern([0, 1, 2, 3], [0, 1, 2, 3], [1]);
  t.ok(await stage.until(() => stage.epochOf(node) === 1));
  const pointers = copies.map((disk) => getFinal(storeOf(disk)));
  const [last, opening] = pointers.slice(-2);
  t.match(
    [last, opening],
    [{ epoch: 0 }, { epoch: 1, view: 0 }],
    'the last block of the epoch, and the opening over it',
  );
  t.equal(last?.height, opening?.height);
  for (const [at, copy] of copies.entries()) {
    const store = storeOf(copy);
    const says = `epoch ${pointers[at]?.epoch}, height ${pointers[at]?.height}`;
    const folder = await auditOf(recordsOf(store), stage.genesis);
    t.strictSame(folder.findings, [], `the folder: ${says}`);
    const archive = await archiveOf(store);
    const told = await auditOf(archive, stage.genesis);
    t.strictSame(told.findings, [], `its backup: ${says}`);
    const disk = new SimDisk();
    const keys = [node.key, ...node.identity.voteKeys];
    await restoreRecords(archive, storeOf(disk), { audit: told, keys, hasher: hashPairsNative });
    t.strictSame((await auditOf(recordsOf(storeOf(disk)), stage.genesis)).findings, [], `restored: ${says}`);
    t.same(getFinal(storeOf(disk)), pointers[at]);
    await node.stop();
    node.rollBack(disk);
    stage.checkers.wiped(node);
    await node.start();
    const height = stage.heightOf(stage.node(0));
    const isBack = (): boolean => stage.epochOf(node) === 1 && stage.heightOf(node) > height;
    t.ok(await stage.until(isBack), `it follows: ${says}`);
    t.equal(node.running?.replica.members.voteKey, null, 'and its key does not sign');
  }
  t.ok(await stage.settle(), 'all that was answered for is final');
  await node.stop();
  const { genesis } = stage;
  const clock = { now: () => stage.world.nowMs as TimestampMs, elapsed: () => 0, after: () => () => undefined };
  const parts = { store: storeOf(node.disk), verifier: cheapVerifier, hasher: hashPairsNative, metrics: noMetrics };
  const { epoch, height } = pointers.at(-1) ?? {};
  const surveyed = await takeSurvey({ ...parts, genesis, clock, others: [] });
  t.match(surveyed, { ok: true, survey: { restored: { epoch, height } } }, 'a survey of it tells what it is');
  await stage.checkers.atEnd(stage.nodes.filter((each) => each !== node));
  t.strictSame(stage.checkers.violations, []);
});

/** A participant's node that came by a snapshot, and has followed for a while since. */
async function joined(t: Test, stage: Stage): Promise<SimNode> {
  await stage.open();
  t.ok(await stage.until(() => stage.heightOf(stage.node(0)) > 40));
  await stage.registerNode(0);
  const joiner = stage.join(0);
  await stage.until(() => stage.node(0).running?.replica.chain.final.state.nodeKeys().length === 5);
  await joiner.start();
  t.ok(await stage.until(() => stage.heightOf(joiner) > 60), 'it follows');
  return joiner;
}

t.test(
  'the folder of a node that came by a snapshot is sound, and its backup tells of as many instructions',
  async (t) => {
    const stage = new Stage(43, { snapshotBlocks: 12 });
    const joiner = await joined(t, stage);
    for (const node of [joiner, stage.node(0)]) {
      const copy = storeOf(node.disk.fork());
      const told = await auditOf(recordsOf(copy), stage.genesis);
      t.strictSame(told.findings, [], `node ${node.self}`);
      const disk = new SimDisk();
      await restoreRecords(await archiveOf(copy), storeOf(disk), { audit: told, keys: [], hasher: hashPairsNative });
      t.strictSame((await auditOf(recordsOf(storeOf(disk)), stage.genesis)).findings, [], 'and restored');
      t.equal(disk.table('index').size, node.disk.table('index').size);
    }
  },
);

/** A folder and its backup hold together, and so does what is restored of it. */
async function isSound(t: Test, stage: Stage, disk: SimDisk, says: string): Promise<void> {
  const copy = storeOf(disk.fork());
  t.strictSame((await auditOf(recordsOf(copy), stage.genesis)).findings, [], `the folder ${says}`);
  const archive = await archiveOf(copy);
  const told = await auditOf(archive, stage.genesis);
  t.strictSame(told.findings, [], `its backup ${says}`);
  const into = new SimDisk();
  await restoreRecords(archive, storeOf(into), { audit: told, keys: [], hasher: hashPairsNative });
  t.strictSame((await auditOf(recordsOf(storeOf(into)), stage.genesis)).findings, [], `restored ${says}`);
}

/** The disk damages the first record of a table that is meant. */
function damage(disk: SimDisk, table: 'blocks' | 'ids', isMeant: (key: Uint8Array) => boolean): void {
  const records = disk.table(table);
  const found = Array.from({ length: records.size }, (_, at) => records.at(at)).find(([key]) => isMeant(key));
  assert(found !== undefined, 'such a record is there');
  const [key, value] = found;
  records.set(key, value.with(5, (value[5] as number) ^ 1));
}

const restartAfter = async (stage: Stage, hours: number): Promise<void> => {
  for (const node of stage.nodes) node.crash('kill');
  await stage.world.run(stage.world.nowMs + hours * HOUR_MS);
  for (const node of stage.nodes) await node.start();
  await stage.until(() => false, 20);
};

t.test('when the hour of a damaged list of ids is over, backups are sound again', async (t) => {
  const stage = new Stage(51, { snapshotBlocks: 12 });
  await stage.open();
  t.ok(await stage.until(() => stage.heightOf(stage.node(0)) > 20));
  const { disk } = stage.node(3);
  damage(disk, 'ids', (key) => key[0] === 0);
  await restartAfter(stage, 60);
  await isSound(t, stage, disk, 'after its hour');
});

t.test('a damaged block that a node lets go of stays gone', async (t) => {
  const stage = new Stage(71);
  const { identity } = stage.node(3);
  const retention = { blocks: 5, days: 3 };
  stage.nodes[3] = new SimNode(stage.world, stage.genesis, identity, stage.checkers, { retention });
  await stage.open();
  await stage.until(() => stage.heightOf(stage.node(0)) > 25);
  const node = stage.node(3);
  damage(node.disk, 'blocks', (key) => heightOfKey(key) === 9);
  await restartAfter(stage, 80);
  t.ok((node.running?.succession.upkeep.floor ?? 0) > 9, 'it is let go of');
  t.equal(storeOf(node.disk.fork()).get('blocks', blockKey(9)), undefined);
  await isSound(t, stage, node.disk, 'of a node that lets go');
});

t.test('the block that a snapshot brought is mended as it was, without receipts', async (t) => {
  const stage = new Stage(53, { snapshotBlocks: 12 });
  const joiner = await joined(t, stage);
  const [, [key] = [new Uint8Array(8)]] = [0, 1].map((at) => joiner.disk.table('blocks').at(at));
  const height = heightOfKey(key) as Height;
  damage(joiner.disk, 'blocks', (each) => heightOfKey(each) === height);
  const read = (): Promise<unknown> => joiner.running?.service.block(height) ?? Promise.resolve(null);
  await t.rejects(read(), 'it is noticed');
  await stage.until(() => false, 10);
  t.match(await read(), { height, lanes: null }, 'and mended');
  await isSound(t, stage, joiner.disk, 'of a node that came by a snapshot');
});

t.test('a ledger that begins with another state than the genesis file says is found', async (t) => {
  const stage = new Stage(42);
  const copies = copiesOf(stage.node(0).disk, 1);
  await stage.open();
  const disk = copies[0] as SimDisk;
  const store = storeOf(disk);
  const genesis = getBlock(store, 0);
  assert(genesis !== null, 'the genesis block is kept');
  const stateRoot = getBlock(store, 1)?.stateRoot as Root;
  const { network } = stage.genesis;
  const root = genesisResultRoot(stateRoot);
  const pointer = { network, epoch: genesis.header.epoch, height: 0 as Height, view: 0 as View };
  const forged = { ...genesis, stateRoot, root };
  await store.write([putBlock(forged), putFinal({ ...pointer, block: genesisBlockId(network), root })], { sync: true });
  t.match(await auditOf(recordsOf(store), stage.genesis), {
    findings: [{ code: 'wrong_root', table: 'blocks', where: 'height 0' }],
  });
});
