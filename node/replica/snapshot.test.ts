import t from 'tap';
import { listKey } from '../../ledger/memory.js';
import { ALFA, BETA, HKMA, HOUR, nodeKeyAt, order, uuid } from '../../ledger/samples.test-helper.js';
import {
  CHAIN_START,
  chainAfter,
  checkedLists,
  decodeEntries,
  decodeLists,
  encodeEntries,
  encodeLists,
} from '../../ledger/snapshot.js';
import { Tree } from '../../ledger/tree.js';
import { blockId } from '../../protocol/block.js';
import { Reader, toHex, Writer } from '../../protocol/codec.js';
import { hashPairs } from '../../protocol/hash.js';
import { fc } from '../../protocol/property.test-helper.js';
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
  readSnapshotMessage,
  type SnapshotMessage,
  writeSnapshotMessage,
} from '../../protocol/snapshot.js';
import { assert, type Hash, type Height, type PeerKey, type Root, type View, ZERO_HASH } from '../../protocol/types.js';
import { checked } from './checked.js';
import { certify, Ledger, NETWORK, SET, silent, stateOf, TestClock, verifier } from './ledgerstore.test-helper.js';
import { MemoryStore } from './memorystore.test-helper.js';
import { getBlock, getFinal } from './records.js';
import { SnapshotServer } from './snapshot.js';
import { SnapshotSync } from './snapshotsync.js';
import { finishInstall } from './staging.js';

const peerOf = (name: string): PeerKey => name.padStart(64, '0') as PeerKey;
const [LIAR, HONEST, THIRD] = ['a', 'b', 'c'].map(peerOf) as [PeerKey, PeerKey, PeerKey];
const CHUNK_BYTES = 600;

/** What a server's messages become on their way; null drops one. */
type Tamper = (message: SnapshotMessage) => SnapshotMessage | null;
const overWire = (message: SnapshotMessage): SnapshotMessage => {
  const writer = new Writer(256);
  writeSnapshotMessage(writer, message);
  const reader = new Reader(writer.finish());
  const read = readSnapshotMessage(message.type, reader);
  reader.end();
  return read;
};

/** A node that syncs, and servers, with frames between them that come in the next turn of the event loop. */
class Scene {
  readonly clock = new TestClock();
  readonly servers = new Map<PeerKey, SnapshotServer>();
  readonly punished: { readonly peer: PeerKey; readonly reason: string }[] = [];
  readonly sent: SnapshotMessage[] = [];
  ready: Height | null = null;
  sync: SnapshotSync | null = null;

  serve(peer: PeerKey, ledger: Ledger, tamper: Tamper = (message) => message): SnapshotServer {
    const server = new SnapshotServer({
      store: ledger.store,
      clock: this.clock,
      log: silent,
      tree: () => ledger.tree,
      chunkBytes: CHUNK_BYTES,
      onDamage: (corrupt) => {
        throw corrupt;
      },
      send: (_to, message) => {
        const told = tamper(message);
        if (told !== null) setImmediate(() => this.sync?.receive(peer, overWire(told) as never));
      },
    });
    this.servers.set(peer, server);
    return server;
  }

  client(store: MemoryStore, minHeight = 1): SnapshotSync {
    this.ready = null;
    this.sync = new SnapshotSync({
      store: checked(store),
      clock: this.clock,
      log: silent,
      verifier,
      network: NETWORK,
      hasher: hashPairs,
      deltaMs: 100,
      peers: () => [...this.servers.keys()],
      setOf: (epoch) => (epoch === SET.epoch ? SET : null),
      send: (to, message) => {
        this.sent.push(message);
        setImmediate(() => this.servers.get(to)?.receive(HONEST, overWire(message) as never));
      },
      punish: (peer, reason) => this.punished.push({ peer, reason }),
      onReady: (height) => {
        this.ready = height;
      },
    });
    this.sync.begin(minHeight as Height);
    return this.sync;
  }

  /** What a node does when a snapshot is ready and nothing else uses its store. */
  async install(store: MemoryStore): Promise<boolean> {
    await this.sync?.seal();
    return finishInstall(checked(store));
  }

  /** Lets time pass until the snapshot is ready, or `steps` have gone. */
  async run(steps = 400): Promise<boolean> {
    for (let step = 0; step < steps && this.ready === null; step++) {
      this.clock.ms += 20;
      this.sync?.tick();
      for (let turn = 0; turn < 6; turn++) await new Promise((resolve) => setImmediate(resolve));
      await this.sync?.settled();
    }
    return this.ready !== null;
  }
}

/** A ledger whose memory of ids spans hours, and whose state several chunks. */
async function grown(blocks = 8, perBlock = 3): Promise<{ ledger: Ledger; disk: MemoryStore }> {
  const disk = new MemoryStore();
  const ledger = await Ledger.begin(checked(disk));
  for (let at = 0; at < blocks; at++) {
    const { book } = ledger;
    const pays = Array.from({ length: perBlock }, (_, i) => book.pay(i % 2 ? ALFA : HKMA, BETA, '1.00'));
    await ledger.block([[book.admit(`P${at}`.padEnd(4, 'X').concat('HKHHXXX')), ...pays]], at % 3 === 2 ? HOUR : 1000);
  }
  return { ledger, disk };
}

/** What a client's store must hold in the end. */
async function installed(store: MemoryStore, ledger: Ledger): Promise<string | null> {
  const read = checked(store);
  const state = await stateOf(read);
  if (state.root !== ledger.book.state.root) return 'another state';
  const pointer = getFinal(read);
  if (pointer === null || pointer.height !== ledger.header.height || pointer.root !== ledger.root)
    return 'another pointer';
  if (getBlock(read, pointer.height)?.stateRoot !== state.root) return 'no block';
  if (store.table('snapshot').size > 0) return 'something stays staged';
  for (const [key, value] of ledger.book.disk.ids) {
    if (key.startsWith('00')) continue;
    const record = read.get('ids', Uint8Array.from(Buffer.from(key, 'hex')));
    if (record === undefined || toHex(record) !== toHex(value)) return `the id ${key} is not remembered`;
  }
  // Whoever has it can serve it: the lists lead each bucket to its chain, in the order of their keys.
  for (const [, { hour, chain }] of state.tables.buckets.entries()) {
    let link = CHAIN_START;
    const range = { from: listKey(hour, 0), to: listKey(hour, pointer.height + 1) };
    for await (const [, list] of read.scan('ids', range)) link = chainAfter(link, list);
    if (link !== chain) return `the lists of hour ${hour} are not in order`;
  }
  const lists = (some: Iterable<string>): number => [...some].filter((key) => key.startsWith('00')).length;
  if (lists(store.table('ids').keys()) !== lists(ledger.book.disk.ids.keys())) return 'lists are missing';
  return null;
}

t.test(
  "what takes the place of a node's `ready` is what a snapshot remembers, also when its own time is shorter",
  async (t) => {
    const ledger = await Ledger.begin(checked(new MemoryStore()));
    const { book } = ledger;
    const id = uuid(0xbad1);
    const expires = new Date(book.time + 23 * HOUR).toISOString();
    const ready = { kind: 'ready', initiator: HKMA, change: 'ee'.repeat(32), id, expires } as const;
    await ledger.block([[order(book.time, ready, [nodeKeyAt(HKMA).kid])]]);
    const until = book.state.record(HKMA, id as never)?.until;
    const pay = book.settle(HKMA, [book.leg(HKMA, ALFA, '5.00')], [HKMA], { id });
    await ledger.block([[pay]]);
    await ledger.block([[book.pay(HKMA, BETA, '1.00')]]);
    t.match(book.state.record(HKMA, id as never), { kind: 'settle', until }, 'kept as long');
    const scene = new Scene();
    scene.serve(HONEST, ledger);
    const store = new MemoryStore();
    scene.client(store);
    t.ok(await scene.run());
    t.ok(await scene.install(store));
    t.equal(await installed(store, ledger), null);
    const copy = Object.assign(book.fork(), { state: await stateOf(checked(store)) });
    const again = [book.try([[pay]]), copy.try([[pay]])];
    t.same(
      again.map(({ receipts }) => receipts.length),
      [0, 0],
      'it is not paid twice',
    );
    t.equal(again[0]?.stateRoot, again[1]?.stateRoot);
  },
);

t.test('a snapshot gives the same state and the same memory, and the same blocks after it', async () => {
  const block = fc.record({ pays: fc.nat({ max: 5 }), afterMs: fc.constantFrom(1, 1000, HOUR, 30 * HOUR) });
  await fc.assert(
    fc.asyncProperty(fc.array(block, { minLength: 1, maxLength: 6 }), async (blocks) => {
      const disk = new MemoryStore();
      const ledger = await Ledger.begin(checked(disk));
      for (const { pays, afterMs } of blocks) {
        const { book } = ledger;
        const items = Array.from({ length: pays }, (_, i) => book.pay(i % 2 ? ALFA : HKMA, BETA, `${i + 1}.00`));
        await ledger.block([items], afterMs);
      }
      const scene = new Scene();
      const server = scene.serve(HONEST, ledger);
      const store = new MemoryStore();
      scene.client(store);
      if (!(await scene.run())) throw new Error('no snapshot came');
      if (!(await scene.install(store))) throw new Error('nothing to install');
      const fault = await installed(store, ledger);
      if (fault !== null) throw new Error(fault);
      const state = await stateOf(checked(store));
      const pay = ledger.book.pay(HKMA, BETA, '2.00');
      const copy = Object.assign(ledger.book.fork(), { state });
      const [one, two] = [ledger.book.try([[pay]]), copy.try([[pay]])];
      if (one.stateRoot !== two.stateRoot || one.receiptsRoot !== two.receiptsRoot) throw new Error('another outcome');
      await server.stop();
      if (disk.views !== 0) throw new Error('a view stays open');
    }),
    { numRuns: 25 },
  );
});

t.test('a message is what it was once it was read again', (t) => {
  const height = 7 as Height;
  const names = [
    { kind: 'manifest', height },
    { kind: 'record', height },
    { kind: 'state', height, depth: 3, index: 5 },
    { kind: 'ids', height, hour: 9, chain: 'cd'.repeat(32) as Hash },
  ] as const;
  const messages: SnapshotMessage[] = [
    { type: 'wantSnapshot', minHeight: height },
    { type: 'snapshot', height },
    ...names.map((name): SnapshotMessage => ({ type: 'wantChunk', name, part: 1 })),
    ...names.map((name): SnapshotMessage => ({ type: 'chunk', name, part: 0, parts: 2, bytes: Uint8Array.of(1, 2) })),
  ];
  for (const message of messages) t.same(overWire(message), message);
  t.end();
});

type Chunk = Extract<SnapshotMessage, { type: 'chunk' }>;
const altered =
  (kind: Chunk['name']['kind'], alter: (bytes: Uint8Array, chunk: Chunk) => Uint8Array): Tamper =>
  (message) =>
    message.type === 'chunk' && message.name.kind === kind
      ? { ...message, bytes: alter(message.bytes, message) }
      : message;
const inManifest = (alter: (manifest: Manifest) => Partial<Manifest>): Tamper =>
  altered('manifest', (bytes) => {
    const manifest = decodeManifest(bytes);
    assert(manifest !== null, 'a manifest is whole');
    return encodeManifest({ ...manifest, ...alter(manifest) });
  });
const inEntries = (alter: (entries: { key: Uint8Array; value: Uint8Array }[]) => void): Tamper =>
  altered('state', (bytes) => {
    const entries = (decodeEntries(bytes) ?? []).map(({ key, value }) => ({ key: key.slice(), value: value.slice() }));
    alter(entries);
    return encodeEntries(entries);
  });
const inLists = (alter: (lists: Uint8Array[], before: Hash) => Hash | undefined): Tamper =>
  altered('ids', (bytes) => {
    const run = decodeLists(bytes);
    assert(run !== null, 'a run is whole');
    const lists = run.lists.map((list) => list.slice());
    const before = alter(lists, run.before);
    return encodeLists({ before: before ?? run.before, lists });
  });
/** A certificate over what the liar says, by fewer than must sign. */
const resigned = (manifest: Manifest, signers: readonly number[]): Partial<Manifest> => {
  const { ballot } = manifest.certificate;
  assert(ballot.kind === 'finalize', 'a manifest is of a final block');
  return { certificate: certify({ ...ballot, block: blockId(manifest.header) }, signers) };
};

const LIES: readonly (readonly [string, string, Tamper])[] = [
  ['bytes that are no manifest', 'manifest', altered('manifest', (bytes) => bytes.subarray(1))],
  ['bytes left over', 'manifest', altered('manifest', (bytes) => Uint8Array.of(...bytes, 0))],
  ['another height', 'manifest', inManifest((m) => ({ header: { ...m.header, height: 1 as Height } }))],
  [
    'another network',
    'wrong_network',
    inManifest((m) => ({ header: { ...m.header, network: 'cd'.repeat(32) as never } })),
  ],
  ['another header', 'not_final', inManifest((m) => ({ header: { ...m.header, view: 99 as View } }))],
  [
    'another header, signed by one',
    'no_quorum',
    inManifest((m) => {
      const header = { ...m.header, view: 99 as View };
      return { header, ...resigned({ ...m, header }, [3]) };
    }),
  ],
  [
    'a nullification',
    'not_final',
    inManifest((m) => ({
      certificate: { ...m.certificate, ballot: { kind: 'nullify', view: m.header.view, block: null, root: null } },
    })),
  ],
  ['another state root', 'wrong_root', inManifest(() => ({ stateRoot: 'cd'.repeat(32) as Root }))],
  ['other receipts', 'wrong_root', inManifest(() => ({ receiptsRoot: 'cd'.repeat(32) as Root }))],
  [
    'a false node',
    'wrong_nodes',
    inManifest((m) => ({
      nodes: m.nodes.map((node, at) => (at === 0 ? { type: 'inner', hash: 'cd'.repeat(32) as Hash } : node)),
    })),
  ],
  [
    'a node left out',
    'wrong_nodes',
    inManifest((m) => ({
      nodes: m.nodes.map((node) => (node === m.nodes.find(({ type }) => type === 'inner') ? { type: 'empty' } : node)),
    })),
  ],
  ['nodes exchanged', 'wrong_nodes', inManifest((m) => ({ nodes: [...m.nodes].reverse() }))],
  ['too few signers', 'no_quorum', inManifest((m) => resigned(m, [0, 1]))],
  [
    'signers out of order',
    'signers_not_ascending',
    inManifest((m) => ({
      certificate: { ...m.certificate, signatures: [...m.certificate.signatures].reverse() },
    })),
  ],
  [
    'a forged signature',
    'bad_signature',
    inManifest((m) => ({
      certificate: {
        ...m.certificate,
        signatures: m.certificate.signatures.map((s, at) => (at === 0 ? { ...s, signature: new Uint8Array(64) } : s)),
      },
    })),
  ],
  [
    'a value changed',
    'state',
    inEntries((entries) => {
      const [first] = entries;
      if (first !== undefined) first.value[0] = (first.value[0] as number) ^ 1;
    }),
  ],
  ['an entry left out', 'state', inEntries((entries) => void entries.pop())],
  ['an entry twice', 'state', inEntries((entries) => void entries.push(...entries.slice(0, 1)))],
  [
    'an entry made up',
    'state',
    inEntries((entries) => void entries.push({ key: Uint8Array.of(5, 1), value: Uint8Array.of(1) })),
  ],
  ['entries in another order', 'state', inEntries((entries) => void entries.reverse())],
  ['no entries', 'state', inEntries((entries) => void entries.splice(0))],
  ['bytes that are no entries', 'state', altered('state', (bytes) => bytes.subarray(0, bytes.length - 1))],
  ['a count that lies', 'state', altered('state', (bytes) => Uint8Array.of(255, 255, 255, 255, ...bytes.subarray(4)))],
  [
    'a list changed',
    'ids',
    inLists((lists) => {
      const [first] = lists;
      if (first !== undefined) first[first.length - 1] = (first.at(-1) as number) ^ 1;
      return undefined;
    }),
  ],
  ['a list left out', 'ids', inLists((lists) => void lists.pop())],
  ['a list made up', 'ids', inLists((lists) => void lists.push(new Uint8Array(4)))],
  ['no lists', 'ids', inLists((lists) => void lists.splice(0))],
  ['another beginning', 'ids', inLists(() => 'cd'.repeat(32) as Hash)],
  [
    'a beginning that hides what came before',
    'ids',
    inLists((_lists, before) => (before === ZERO_HASH ? ('cd'.repeat(32) as Hash) : ZERO_HASH)),
  ],
];

t.test('every lie is found at once, named, and comes to nothing', async (t) => {
  const { ledger } = await grown();
  for (const [lie, reason, tamper] of LIES) {
    const scene = new Scene();
    let altered = 0;
    scene.serve(LIAR, ledger, (message) => {
      const told = tamper(message);
      if (told !== message) altered += 1;
      return told;
    });
    const store = new MemoryStore();
    scene.client(store);
    t.notOk(await scene.run(60), `${lie}: nothing comes of it`);
    t.same(
      scene.punished.map(({ peer }) => peer),
      [LIAR],
      `${lie}: the liar is named once`,
    );
    t.match(scene.punished[0]?.reason, new RegExp(`: ${reason}$`), lie);
    t.ok(altered <= 8, `${lie}: found in the first of its messages (${altered})`);
    scene.serve(HONEST, ledger);
    t.ok(await scene.run(), `${lie}: another peer makes up for it`);
    await scene.install(store);
    t.equal(await installed(store, ledger), null, lie);
    for (const server of scene.servers.values()) await server.stop();
  }
});

/** What a node does that starts: it finishes what was begun, or else fetches a snapshot. */
async function start(scene: Scene, store: MemoryStore): Promise<'installed' | 'fetched'> {
  if (await finishInstall(checked(store))) return 'installed';
  scene.client(store);
  if (!(await scene.run())) throw new Error('no snapshot came');
  // The power may have gone right after the installation: then the node has what it would fetch.
  if ((await scene.sync?.seal()) === true) return 'fetched';
  await finishInstall(checked(store));
  return 'installed';
}

t.test('a crash at any write, while fetching and while installing, costs only what was under way', async (t) => {
  const { ledger } = await grown(5, 2);
  let [crashes, whole] = [0, false];
  for (let writes = 0; !whole; writes++) {
    let store = new MemoryStore();
    // Something of its own that the snapshot must take the place of.
    await Ledger.begin(checked(store));
    store.writesLeft = writes;
    for (let isDone = false; !isDone; ) {
      const scene = new Scene();
      scene.serve(HONEST, ledger);
      const end = await Promise.race([store.powerLost, start(scene, store)]);
      for (const server of scene.servers.values()) await server.stop();
      isDone = end === 'installed';
      whole = isDone && store.writesLeft !== Number.POSITIVE_INFINITY;
      if (end !== 'power lost') continue;
      crashes += 1;
      store = new MemoryStore(new Map(store.entries));
    }
    const fault = await installed(store, ledger);
    if (fault !== null) t.fail(`after a crash at write ${writes}: ${fault}`);
  }
  t.ok(crashes > 15, `${crashes} crashes`);
});

t.test('what is the same in a later snapshot is not fetched again, and a silent server is left', async (t) => {
  const { ledger, disk } = await grown(12, 3);
  const scene = new Scene();
  let chunks = 0;
  scene.serve(LIAR, ledger, (message) => {
    if (message.type !== 'chunk' || message.name.kind !== 'state') return message;
    chunks += 1;
    return chunks <= 6 ? message : null;
  });
  const store = new MemoryStore();
  scene.client(store);
  t.notOk(await scene.run(30), 'the first server falls silent');
  await scene.servers.get(LIAR)?.stop();
  scene.servers.delete(LIAR);
  await ledger.block([[ledger.book.pay(HKMA, ALFA, '1.00')]]);
  scene.serve(THIRD, ledger);
  scene.sent.length = 0;
  t.ok(await scene.run(), 'a later snapshot comes');
  const asked = scene.sent.filter((message) => message.type === 'wantChunk' && message.name.kind === 'state').length;
  await scene.install(store);
  t.equal(await installed(store, ledger), null);
  const nodes = ledger.tree.subtrees(5).filter(({ type }) => type !== 'empty').length;
  t.ok(asked < nodes, `of some ${nodes} chunks ${asked} were asked for`);
  t.equal(disk.views, 1, 'the view of the one server that is left');
  scene.clock.ms += 200_000;
  scene.servers.get(THIRD)?.tend();
  t.equal(disk.views, 0, 'a view that nobody asks is closed');
  t.same(scene.punished, [], 'nobody lied');
});

t.test('a server goes on while it serves: its view is of one moment', async (t) => {
  const { ledger } = await grown(10, 3);
  const scene = new Scene();
  scene.serve(HONEST, ledger);
  const store = new MemoryStore();
  scene.client(store);
  const { root } = ledger.book.state;
  const { height } = ledger.header;
  await scene.run(2);
  for (let at = 0; at < 3; at++) {
    await ledger.block([[ledger.book.pay(HKMA, ALFA, '1.00')]], 30 * HOUR);
    await scene.run(1);
  }
  t.ok(await scene.run());
  await scene.install(store);
  const state = await stateOf(checked(store));
  t.same([getFinal(checked(store))?.height, state.root], [height, root]);
  t.not(state.root, ledger.book.state.root);
  await scene.servers.get(HONEST)?.stop();
});

t.test('a chain of lists shows what stands before it; a tree of nothing has empty subtrees', (t) => {
  t.equal(checkedLists(encodeLists({ before: ZERO_HASH, lists: [] }), ZERO_HASH), null);
  t.same(
    Tree.empty().subtrees(2),
    Array.from({ length: 4 }, () => ({ type: 'empty' })),
  );
  t.end();
});
