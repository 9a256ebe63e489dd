/** What `npm run chaos` is made of, without namespaces: the schedule, the links, and the judge of what banks saw. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { inCheckout, startPlainly } from '../../protocol/checkout.test-helper.js';
import { Direction, LinkProxy, PERFECT, type Quality } from '../border/linkproxy.js';
import { Random } from '../random.js';
import { History, type Rule, type SeenBlock } from './history.js';
import { FAULT_KINDS, OF_THE_NODE, planFaults, type ScheduleOptions } from './schedule.js';

const OPTIONS: ScheduleOptions = {
  seed: 1,
  totalMs: 90_000,
  nodes: 4,
  smallDisks: [2, 3],
  kinds: FAULT_KINDS,
};

t.test('a schedule is decided by its seed', async (t) => {
  t.same(planFaults(OPTIONS), planFaults(OPTIONS));
  t.notSame(planFaults(OPTIONS), planFaults({ ...OPTIONS, seed: 2 }));
  t.same(planFaults({ ...OPTIONS, kinds: [] }), []);
});

t.test('in a minute and a half every kind of fault comes, and all have ended', async (t) => {
  for (let seed = 1; seed <= 200; seed++) {
    const plan = planFaults({ ...OPTIONS, seed });
    const missing = FAULT_KINDS.filter((kind) => !plan.some(({ fault }) => fault.kind === kind));
    if (missing.length > 0) t.fail(`seed ${seed} has no ${missing.join(' and no ')}`);
    for (const { atMs, forMs, fault } of plan) {
      const isInside = atMs >= 0 && forMs > 0 && atMs + forMs <= OPTIONS.totalMs;
      const isMeant = fault.nodes.length > 0 && new Set(fault.nodes).size === fault.nodes.length;
      if (!isInside || !isMeant) t.fail(`seed ${seed}: ${JSON.stringify({ atMs, forMs, fault })}`);
      if (fault.kind === 'disk_full' && !fault.nodes.every((node) => OPTIONS.smallDisks.includes(node))) {
        t.fail(`seed ${seed} fills a disk that is not small`);
      }
    }
  }
});

t.test('a node has one fault of its own at a time, and kinds come by turns', async (t) => {
  const plan = planFaults({ ...OPTIONS, totalMs: 3_600_000 });
  for (let node = 0; node < OPTIONS.nodes; node++) {
    let overMs = -1;
    for (const { atMs, forMs, fault } of plan) {
      if (!OF_THE_NODE.has(fault.kind) || !fault.nodes.includes(node)) continue;
      if (atMs <= overMs) t.fail(`${fault.kind} comes to node ${node} at ${atMs}, before ${overMs}`);
      overMs = atMs + forMs;
    }
  }
  const counts = FAULT_KINDS.map((kind) => plan.filter(({ fault }) => fault.kind === kind).length);
  t.ok(Math.max(...counts) - Math.min(...counts) <= 1, `an hour has ${counts.join(', ')} of each`);
  const few = planFaults({ ...OPTIONS, kinds: ['kill', 'clock'] });
  t.ok(
    few.every(({ fault }) => fault.kind === 'kill' || fault.kind === 'clock'),
    'only what the machine can do',
  );
});

t.test('a direction delays as it is told', async (t) => {
  const due = (quality: Partial<Quality>, ...chunks: readonly (readonly [nowMs: number, bytes: number])[]) => {
    const direction = new Direction(new Random(1));
    direction.set({ ...PERFECT, ...quality });
    return chunks.map(([nowMs, bytes]) => direction.dueMs(nowMs, bytes));
  };
  t.same(due({}, [100, 10], [101, 10]), [100, 101], 'at once when nothing is wrong');
  t.same(due({ latencyMs: 40 }, [100, 10], [101, 10]), [140, 141]);
  t.same(
    due({ bytesPerSecond: 1_000 }, [100, 10], [100, 20], [200, 5]),
    [110, 130, 205],
    'one after the other on the line, which is free again later',
  );
  t.same(due({ bytesPerSecond: 1_000, latencyMs: 5 }, [0, 10]), [15]);
  t.same(due({ stallPerMille: 1_000, stallMs: 300, latencyMs: 5 }, [0, 10]), [305]);
  const jittered = due({ latencyMs: 10, jitterMs: 20 }, ...Array.from({ length: 500 }, () => [0, 1] as const));
  t.equal(Math.min(...jittered), 10);
  t.equal(Math.max(...jittered), 30);
});

/** A server that sends everything back, and a proxy before it. */
async function echoBehindProxy(t: Test, isKnown = true) {
  const served: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    served.push(socket);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const [there, back] = [new Direction(new Random(1)), new Direction(new Random(2))];
  const proxy = new LinkProxy({
    host: '127.0.0.1',
    port: 0,
    routeOf: () => (isKnown ? { from: 1, host: '127.0.0.1', port, there, back } : null),
  });
  const listens = await proxy.start();
  const dial = (): Socket => connect({ host: '127.0.0.1', port: listens, allowHalfOpen: true });
  const open = async (): Promise<Socket> => {
    const socket = dial();
    await once(socket, 'connect');
    return socket;
  };
  t.teardown(async () => {
    await proxy.stop();
    server.close();
  });
  return { proxy, there, back, dial, open, served };
}

async function textOf(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

t.test('what is sent over a bad link arrives whole, in order, and never early', async (t) => {
  const { there, back, open } = await echoBehindProxy(t);
  for (const direction of [there, back]) {
    direction.set({
      ...PERFECT,
      latencyMs: 10,
      jitterMs: 15,
      stallPerMille: 100,
      stallMs: 20,
      bytesPerSecond: 20_000_000,
    });
  }
  const random = new Random(3);
  const sent = [...Array.from({ length: 40 }, () => random.bytes(random.between(1, 5_000))), new Uint8Array(6_000_000)];
  const socket = await open();
  const received = textOf(socket);
  for (const bytes of sent) socket.write(bytes);
  socket.end();
  t.ok(Buffer.concat(sent).equals(await received), 'six megabytes and more, and the end of the stream');
  for (const { chunks, latenessMs } of [there, back]) {
    t.ok(chunks.came > 10);
    t.ok(latenessMs.length > 0 && latenessMs.every((ms) => ms >= 0), 'nothing before it was due');
  }
});

t.test('while a direction is held nothing arrives, and all of it afterwards', async (t) => {
  const { there, open, served } = await echoBehindProxy(t);
  const socket = await open();
  there.set({ ...PERFECT, held: true });
  socket.write('late');
  while (there.chunks.held === 0) await new Promise((resolve) => setImmediate(resolve));
  t.equal(served[0]?.bytesRead ?? 0, 0, 'the proxy has it, and the server has not');
  there.set(PERFECT);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  t.equal(chunk.toString(), 'late');
  socket.destroy();
});

t.test('a reset reaches both ends; who is not known is reset at once', async (t) => {
  const { proxy, open, served } = await echoBehindProxy(t);
  const socket = await open();
  socket.write('x');
  await once(socket, 'data');
  const ends = Promise.all([once(socket, 'error'), once(served[0] as Socket, 'error')]);
  t.equal(
    proxy.reset((from) => from === 2),
    0,
    'others go on',
  );
  t.equal(
    proxy.reset((from) => from === 1),
    1,
  );
  const codes = (await ends).map(([error]) => (error as NodeJS.ErrnoException).code);
  t.same(codes, ['ECONNRESET', 'ECONNRESET']);

  const strange = await echoBehindProxy(t, false);
  const [error] = (await once(strange.dial(), 'error')) as [NodeJS.ErrnoException];
  t.equal(error.code, 'ECONNRESET');
  t.same(strange.served, []);
});

const leg = (amount: bigint, from = 'BANKA', to = 'BANKB') => ({ from, to, asset: 'HKD', amount });
const block = (height: number, more: Partial<SeenBlock> = {}): SeenBlock => ({
  height,
  id: `id${height}`,
  parent: `id${height - 1}`,
  resultRoot: `root${height}`,
  stateRoot: `state${height}`,
  receipts: [],
  settlements: [],
  ...more,
});
const paid = (digest: string, amount: bigint, code = 'settled'): Partial<SeenBlock> => ({
  receipts: [{ digest, code }],
  settlements: [{ digest, legs: [leg(amount)] }],
});

/** A history in which all is well: issued in block 1, and `pay` sent after that and settled in block 2. */
function goodHistory(): History {
  const history = new History(2, ['ISSUER']);
  const issue = { digest: 'issue', legs: [leg(100n, 'ISSUER', 'BANKA')] };
  history.block(history.ask(0), block(1, { receipts: [{ digest: 'issue', code: 'settled' }], settlements: [issue] }));
  history.submitting('pay');
  history.taken('pay', 1);
  history.block(history.ask(0), block(2, paid('pay', 30n)));
  history.final(history.ask(1), 'pay', 'settled', 2);
  history.read(history.ask(1), 2, 'BANKA', [{ asset: 'HKD', balance: 70n }]);
  history.read(history.ask(0), 2, 'ISSUER', [{ asset: 'HKD', balance: -100n }]);
  return history;
}
const brokenRules = (history: History): Rule[] => {
  history.judgeReads();
  history.judgeTaken();
  return history.violations.map(({ rule }) => rule);
};

t.test('a history in which all is well has no violation', async (t) => {
  const history = goodHistory();
  t.same(brokenRules(history), []);
  t.same([history.height, history.acknowledged, history.judgeTaken(), history.judgeReads()], [2, ['pay'], 1, 3]);
  t.same([...history.sums()], [['HKD', 0n]]);
  history.block(history.ask(1), block(1));
  t.same(history.violations, [], 'a node that is behind, and shows the same');
});

t.test('each thing that must not be is seen', async (t) => {
  const rows: readonly (readonly [string, Rule, (history: History) => void])[] = [
    ['another block at a height', 'agreement', (it) => it.block(it.ask(1), block(2, { id: 'other' }))],
    ['another result root', 'agreement', (it) => it.block(it.ask(1), block(2, { resultRoot: 'other' }))],
    ['another state root', 'agreement', (it) => it.block(it.ask(1), block(1, { stateRoot: 'other' }))],
    ['a block that does not follow', 'agreement', (it) => it.block(it.ask(1), block(3, { parent: 'id1' }))],
    ['a node that goes back', 'order', (it) => it.read(it.ask(0), 1, 'BANKA', [{ asset: 'HKD', balance: 100n }])],
    [
      'an outcome before its instruction',
      'order',
      (it) => {
        const early = block(3, paid('early', 1n));
        it.answered(it.ask(0), 3);
        it.submitting('early');
        it.block(it.ask(1), early);
      },
    ],
    ['a wrong balance', 'reads', (it) => it.read(it.ask(0), 2, 'BANKB', [{ asset: 'HKD', balance: 31n }])],
    ["yesterday's balance", 'reads', (it) => it.read(it.ask(0), 2, 'BANKA', [{ asset: 'HKD', balance: 100n }])],
    ['a balance of no block', 'reads', (it) => it.read(it.ask(0), 3, 'BANKA', [{ asset: 'HKD', balance: 70n }])],
    ['an outcome that changes', 'reads', (it) => it.final(it.ask(0), 'pay', 'insufficient_funds', 2)],
    ['an outcome in another block', 'reads', (it) => it.final(it.ask(0), 'pay', 'settled', 1)],
    ['an outcome that no block has', 'reads', (it) => it.final(it.ask(0), 'nothing', 'settled', 2)],
    [
      'money from nowhere',
      'reads',
      (it) => it.block(it.ask(0), block(3, { receipts: [{ digest: 'x', code: 'settled' }] })),
    ],
    ['a second end', 'taken', (it) => it.block(it.ask(0), block(3, paid('pay', 1n, 'insufficient_funds')))],
    ['more than a bank has', 'conservation', (it) => it.block(it.ask(0), block(3, paid('more', 71n)))],
    [
      'a lost 202',
      'taken',
      (it) => {
        it.submitting('lost');
        it.taken('lost', 0);
      },
    ],
  ];
  for (const [says, rule, happens] of rows) {
    const history = goodHistory();
    happens(history);
    t.same(brokenRules(history), [rule], says);
  }
});

t.test('what was never taken may be lost, and what is proposed may settle later', async (t) => {
  const history = goodHistory();
  history.submitting('unheard');
  history.submitting('proposal');
  history.taken('proposal', 0);
  history.block(history.ask(0), block(3, paid('proposal', 5n, 'proposed')));
  history.block(history.ask(0), block(4, { receipts: [{ digest: 'proposal', code: 'settled' }] }));
  history.read(history.ask(0), 4, 'BANKA', [{ asset: 'HKD', balance: 65n }]);
  t.same(brokenRules(history), []);
});

t.test('where the machine does not allow namespaces the run says so', async (t) => {
  startPlainly();
  const chaos = (...args: readonly string[]) =>
    spawnSync(process.execPath, [inCheckout('dist/sim/chaos/main.js'), ...args], {
      env: { PATH: '/nonexistent' },
      encoding: 'utf8',
    });
  const skipped = chaos('--json');
  t.equal(skipped.status, 0);
  t.match(skipped.stderr, /^SKIPPED chaos: no network namespaces here/);
  t.match(JSON.parse(skipped.stdout), { skipped: /unshare/ });
  t.equal(chaos('--require').status, 3);
});
