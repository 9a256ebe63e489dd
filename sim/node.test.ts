/** Nodes of the virtual world: production's API, processes that end anywhere and come back, and one seed for all. */
import t from 'tap';
import { signInstruction } from '../node/api/signing.js';
import { fromBase64url } from '../protocol/base64url.js';
import { utf8 } from '../protocol/codec.js';
import { type Instruction, type JwsJson, parseInstruction } from '../protocol/instruction.js';
import { assert, type ValidatorIndex } from '../protocol/types.js';
import { Checkers } from './checkers.js';
import { simKey } from './crypto.js';
import { SimNode } from './node.js';
import { CRASH_POINTS } from './process.js';
import { simGenesis, Workload } from './workload.js';
import { World, type WorldOptions } from './world.js';

/** Four validators with what a test does to them. */
class Network {
  readonly world: World;
  readonly checkers = new Checkers();
  readonly nodes: readonly SimNode[];
  readonly workload: Workload;
  #next = 0;

  constructor(seed: number, options: WorldOptions = {}) {
    this.world = new World(seed, options);
    const genesis = simGenesis(this.world.nowMs - 1000);
    this.nodes = [0, 1, 2, 3].map((i) => new SimNode(this.world, genesis, i as ValidatorIndex, this.checkers));
    this.workload = new Workload(this.world, genesis);
  }

  node(i: number): SimNode {
    return this.nodes[i] as SimNode;
  }

  async open(): Promise<void> {
    for (const node of this.nodes) await node.start();
    for (const stage of await this.workload.opening()) {
      for (const jws of stage) void this.send(jws);
      await this.world.run(this.world.nowMs + 2000);
    }
  }

  send(
    jws: JwsJson,
    node = this.node(this.#next++ % this.nodes.length),
  ): ReturnType<typeof node.handle<'submitInstruction'>> {
    return node.handle('submitInstruction', { body: utf8(JSON.stringify(jws)) });
  }

  async work(instructions: number, everyMs: number): Promise<void> {
    for (let sent = 0; sent < instructions; sent++) {
      void this.send(await this.workload.next());
      await this.world.run(this.world.nowMs + everyMs);
    }
  }

  /** Whether all nodes come to one height within a minute. */
  async agree(): Promise<boolean> {
    const heights = (): number[] => this.nodes.map(({ running }) => running?.replica.chain.final.header.height ?? -1);
    const least = Math.max(...heights());
    const isEven = (): boolean => heights().every((height) => height >= least);
    await this.world.run(this.world.nowMs + 60_000, isEven);
    return isEven() && this.checkers.violations.length === 0;
  }
}

function read(jws: JwsJson): Instruction {
  const parsed = parseInstruction(utf8(JSON.stringify(jws)));
  assert(parsed.ok, 'the workload makes instructions of good form');
  return parsed.instruction;
}

t.test('clients go through the API of production, and are left without an answer by a node that ends', async (t) => {
  const network = new Network(21);
  const { world } = network;
  for (const node of network.nodes) await node.start();
  const [stage] = await network.workload.opening();
  const [first, second] = stage as [JwsJson, JwsJson];
  const node = network.node(0);
  const told: unknown[] = [];
  const { digest } = read(first);
  void network.send(first, node).then((answer) => told.push(answer?.ok === true ? answer.value.status : answer));
  await world.run(world.nowMs + 50);
  t.strictSame(told, ['pending']);
  const query = { wait: 'final' as const };
  void node
    .handle('getInstruction', { params: { digest }, query })
    .then((answer) => told.push(answer?.ok === true ? answer.value.code : answer));
  await world.run(world.nowMs + 5000);
  t.strictSame(told, ['pending', 'applied']);
  void node.handle('getReceipt', { params: { digest } }).then((answer) => told.push(answer?.ok));
  void network.send(second, node).then((answer) => told.push(answer));
  void node
    .handle('submitInstruction', { body: utf8('{') })
    .then((answer) => told.push(answer?.ok === false && answer.problem.code));
  await world.run(world.nowMs + 1);
  node.crash();
  await world.run(world.nowMs + 50);
  t.strictSame(told.slice(2), [true, 'malformed_json', null]);
  t.equal(await node.handle('getStatus'), null);
});

t.test('a process may end at any call of a port, and comes back from it', async (t) => {
  const network = new Network(31);
  const { world } = network;
  await network.open();
  for (const point of CRASH_POINTS) {
    const node = network.node(CRASH_POINTS.indexOf(point) % 4);
    const before = node.exits.length;
    if (point === 'store.read') {
      // Reads are those of the API and of starting.
      node.crashAt(point, 1);
      void node.handle('getBlock', { params: { height: '1' } });
    } else node.crashAt(point, 3);
    await network.work(10, 100);
    // Timers of a busy node are set anew before they are due.
    await world.run(world.nowMs + 30_000, () => !node.isUp);
    t.equal(node.exits.length, before + 1, `ended at ${point}`);
    t.equal(world.situations.get(`crash_at_${point.replace('.', '_')}`), 1);
    await node.start();
    t.ok(await network.agree(), network.checkers.violations.join('; '));
  }
  // At the k-th call of any port: each k is another moment, and all that a crash can tear is torn in the end.
  const names = ['crash_between_sync_and_send', 'crash_before_sync', 'crash_in_final_write', 'torn_write', 'restart'];
  const missing = (): string[] => names.filter((name) => !world.situations.has(name));
  for (let call = 1; call <= 20 || (missing().length > 0 && call <= 500); call++) {
    const node = network.node(call % 4);
    // A write of final blocks is under way for a few calls only: every other crash comes when some write is.
    if (call % 2 === 0) node.crashAt('store.durable', 1 + (call % 12));
    else node.crashAt(null, 1 + (call % 60));
    await network.work(2, 50);
    if (!node.isUp) node.boot();
  }
  t.strictSame(missing(), []);
  for (const node of network.nodes) {
    node.disarm();
    if (!node.isUp) node.boot();
  }
  t.ok(await network.agree(), network.checkers.violations.join('; '));
});

t.test('a full disk ends the process with its exit, and there is room again', async (t) => {
  const network = new Network(41);
  const { world } = network;
  await network.open();
  const node = network.node(2);
  node.disk.full = true;
  await network.work(10, 100);
  t.strictSame(
    node.exits.map(({ code }) => code),
    ['disk_full'],
  );
  t.equal(node.running, null);
  node.disk.full = false;
  await node.start();
  await network.work(5, 100);
  t.ok(await network.agree(), network.checkers.violations.join('; '));
  await node.stop();
  t.equal(node.exits.at(-1)?.code, 'stop');
  const copy = node.fork({ name: 'standby' });
  node.wipe();
  await copy.start();
  t.equal(copy.running?.replica.chain.final.header.height, network.node(0).running?.replica.chain.final.header.height);
  t.equal(world.situations.get('disk_full'), 1);
});

t.test('a bug ends its node alone, and is a violation', async (t) => {
  const world = new World(51);
  const genesis = simGenesis(world.nowMs - 1000);
  const checkers = new Checkers();
  const broken = new SimNode(world, genesis, 0 as ValidatorIndex, checkers, {
    wrap: (ports) => ({
      ...ports,
      signer: { ...ports.signer, vote: () => Promise.reject(new Error('a planted bug')) },
    }),
  });
  const nodes = [broken, ...[1, 2, 3].map((i) => new SimNode(world, genesis, i as ValidatorIndex, checkers))];
  for (const node of nodes) await node.start();
  await world.run(world.nowMs + 60_000);
  t.strictSame(
    broken.exits.map(({ code }) => code),
    ['bug'],
  );
  t.match(checkers.violations, [/^node 0 ended by a bug: Error: a planted bug/]);
  t.ok(nodes.slice(1).every(({ isUp }) => isUp));
});

/** Everything at once, for a while. */
async function storm(seed: number, options: WorldOptions = {}): Promise<unknown> {
  const network = new Network(seed, options);
  const { world, nodes } = network;
  await network.open();
  world.faults = { latencyMs: [1, 90], lostPerMille: 100, duplicatedPerMille: 50, reorderedPerMille: 50 };
  world.verifyMs = [0, 4];
  const { random } = world;
  for (const node of nodes) node.disk.syncTimes = { usualMs: [1, 4], slowPerMille: 50, slowMs: [50, 300] };
  for (let round = 0; round < 25; round++) {
    const node = random.pick(nodes);
    if (!node.isUp) node.boot();
    else if (random.chance(300))
      node.crashAt(random.pick(CRASH_POINTS), random.between(1, 50), random.chance(500) ? 'power' : 'kill');
    if (random.chance(200)) node.jumpClock(random.between(-800, 800));
    if (random.chance(200)) world.cutOneWay(random.pick(nodes).key, random.pick(nodes).key);
    if (random.chance(200))
      world.slow.set(`${random.pick(nodes).key}>${random.pick(nodes).key}`, random.between(5_000, 500_000));
    if (random.chance(200)) world.heal();
    await network.work(2, 60);
  }
  world.heal();
  for (const node of nodes) {
    node.disarm();
    node.time.jump(-node.time.offsetMs);
    if (!node.isUp) node.boot();
  }
  t.ok(await network.agree(), `seed ${seed}: ${network.checkers.violations.join('; ')}`);
  const finals = nodes.map(({ running }) => running?.replica.chain.final.root);
  const exits = nodes.map((node) => node.exits);
  return {
    trace: world.trace,
    events: world.eventCount,
    nowMs: world.nowMs,
    finals,
    exits,
    met: [...world.situations],
  };
}

t.test('the same seed gives the same run', async (t) => {
  const [first, second] = [await storm(7), await storm(7)];
  t.strictSame(first, second);
  t.notSame(await storm(8), first);
});

t.test('with real signatures', async (t) => {
  const network = new Network(61, { realSignatures: true });
  const { world } = network;
  for (const node of network.nodes) await node.start();
  const [stage] = await network.workload.opening();
  const told: unknown[] = [];
  for (const jws of stage as JwsJson[]) {
    const kids = jws.signatures.map(
      ({ protected: text }) =>
        (JSON.parse(new TextDecoder().decode(fromBase64url(text) ?? undefined)) as { kid: string }).kid,
    );
    const signers = kids.map((kid) => {
      const found = Array.from({ length: 400 }, (_, i) => i).find((i) => simKey(i).kid === kid);
      assert(found !== undefined, 'the workload signs with the keys of the world');
      return simKey(found).realSigner;
    });
    const signed = await signInstruction({ payloadBytes: fromBase64url(jws.payload) as Uint8Array }, signers);
    void network.send(signed).then((answer) => told.push(answer?.ok));
  }
  await world.run(world.nowMs + 5000);
  t.ok(told.length > 0 && told.every((ok) => ok === true), 'what the keys have signed is taken');
  t.ok(await network.agree(), network.checkers.violations.join('; '));
  t.ok((network.node(0).running?.replica.chain.final.header.height ?? 0) > 0, 'and made final with votes of real keys');
  const [forged] = (await network.workload.opening())[0] as [JwsJson];
  const bent = { ...forged, signatures: forged.signatures.map((each) => ({ ...each, signature: 'A'.repeat(86) })) };
  void network.send(bent).then((answer) => told.push(answer?.ok === false && answer.problem.code));
  await world.run(world.nowMs + 100);
  t.equal(told.at(-1), 'bad_signature');
});
