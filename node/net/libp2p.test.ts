/** The bus over real loopback sockets. Tests wait on events; long timers they fire themselves. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { noise } from '@chainsafe/libp2p-noise';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import type { Connection, Libp2p } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import t, { type Test } from 'tap';
import { toHex } from '../../protocol/codec.js';
import { FRAME_BYTES_MAX } from '../../protocol/limits.js';
import type { Bic, PeerKey, TimestampMs } from '../../protocol/types.js';
import type { Clock, CounterName, Log, Metrics, Purpose } from '../ports.js';
import { createBus, type Libp2pBus } from './libp2p.js';
import { PROTOCOL_IDS, PURPOSES } from './link.js';

const LOOPBACK = '/ip4/127.0.0.1/tcp/0';

/** Real time, with timers that may be fired before theirs. */
class ImpatientClock implements Clock {
  readonly #timers = new Map<() => void, number>();

  now(): TimestampMs {
    return Date.now() as TimestampMs;
  }

  elapsed(): number {
    return performance.now();
  }

  after(delayMs: number, callback: () => void): () => void {
    const fire = (): void => {
      cancel();
      callback();
    };
    const timer = setTimeout(fire, delayMs);
    const cancel = (): void => {
      clearTimeout(timer);
      this.#timers.delete(fire);
    };
    this.#timers.set(fire, delayMs);
    return cancel;
  }

  /** Fires what was to wait for exactly so long. */
  fire(delayMs: number): void {
    for (const [fire, timerDelayMs] of [...this.#timers]) if (timerDelayMs === delayMs) fire();
  }
}

type Received = { from: PeerKey; purpose: Purpose; frame: Uint8Array };
type Line = { message: string; fields: Record<string, unknown> };

/** What happens at one bus, to be waited for by a condition. */
class Events {
  readonly frames: Received[] = [];
  readonly peers: PeerKey[] = [];
  readonly lines: Line[] = [];
  readonly counts = new Map<CounterName, number>();
  #waiting: { condition: () => boolean; resolve: () => void }[] = [];

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ condition, resolve });
      this.notice();
    });
  }

  notice(): void {
    const met = this.#waiting.filter(({ condition }) => condition());
    this.#waiting = this.#waiting.filter((waiting) => !met.includes(waiting));
    for (const { resolve } of met) resolve();
  }

  line(message: string): Line | undefined {
    return this.lines.find((line) => line.message === message);
  }

  readonly log: Log = {
    debug: (fields, message) => this.#write(fields, message),
    info: (fields, message) => this.#write(fields, message),
    warn: (fields, message) => this.#write(fields, message),
    error: (fields, message) => this.#write(fields, message),
  };

  readonly metrics: Metrics = {
    count: (name, by = 1) => {
      this.counts.set(name, (this.counts.get(name) ?? 0) + by);
      this.notice();
    },
    gauge: () => undefined,
    gauges: () => undefined,
    observe: () => undefined,
  };

  #write(fields: object, message: string): void {
    this.lines.push({ message, fields: fields as Record<string, unknown> });
    this.notice();
  }
}

const seedOf = (place: number): Uint8Array => new Uint8Array(32).fill(place + 1);
const KEYS: readonly PeerKey[] = await Promise.all(
  Array.from({ length: 8 }, async (_, place) => {
    const { publicKey } = await generateKeyPairFromSeed('Ed25519', seedOf(place));
    return toHex(publicKey.raw) as PeerKey;
  }),
);
const keyOf = (place: number): PeerKey => KEYS[place]!;
const partyOf = (place: number): Bic => `NODE${place}XXXXXX` as Bic;

/** Who a node may be connected to, by its place, and where it is. */
type Known = readonly (readonly [place: number, address: string | null])[];

type Party = { bus: Libp2pBus; events: Events; clock: ImpatientClock; know: (known: Known) => void };

async function party(t: Test, place: number, peers: Known, listen = LOOPBACK): Promise<Party> {
  const events = new Events();
  const clock = new ImpatientClock();
  const addresses = new Map<Bic, string>();
  const bus = await createBus({
    privateKey: seedOf(place),
    addresses,
    listen: [listen],
    log: events.log,
    metrics: events.metrics,
    clock,
  });
  bus.onFrame((from, purpose, frame) => {
    events.frames.push({ from, purpose, frame });
    events.notice();
  });
  bus.onPeer((peer) => {
    events.peers.push(peer);
    events.notice();
  });
  const know = (known: Known): void => {
    for (const [at, address] of known) if (address !== null) addresses.set(partyOf(at), address);
    bus.allow(known.map(([at]) => ({ peer: keyOf(at), party: partyOf(at) })));
  };
  know(peers);
  await bus.start();
  t.teardown(() => bus.stop());
  return { bus, events, clock, know };
}

const addressOf = ({ bus }: Party): string => bus.listening()[0]!.replace(/\/p2p\/.*/, '');

/** Two parties, 0 and 1, connected. */
async function pair(t: Test): Promise<[Party, Party]> {
  const first = await party(t, 0, []);
  const second = await party(t, 1, [[0, addressOf(first)]]);
  first.know([[1, addressOf(second)]]);
  await Promise.all([first, second].map(({ events }) => events.until(() => events.peers.length > 0)));
  return [first, second];
}

/** A frame that says which it is, of a size that depends on it. */
function numbered(number: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes).fill(number % 251);
  new DataView(frame.buffer).setUint32(0, number);
  return frame;
}

const numberOf = (frame: Uint8Array): number => new DataView(frame.buffer).getUint32(0);

t.test('four nodes: every frame arrives whole and in order, small and large, for each purpose', async (t) => {
  const sizes = [4, 5, 200, 201, 1_000, 65_507, 65_508, 300_000];
  const parties: Party[] = [];
  for (let place = 0; place < 4; place += 1) parties.push(await party(t, place, []));
  const peers = parties.map((each, place) => [place, addressOf(each)] as const);
  for (const { know } of parties) know(peers);
  await Promise.all(parties.map(({ events }) => events.until(() => events.peers.length >= 3)));
  for (const [place, { bus }] of parties.entries()) {
    t.same(
      bus.peers(),
      [0, 1, 2, 3].filter((peer) => peer !== place).map((peer) => ({ peer: keyOf(peer), connected: true })),
      'a node is not its own peer',
    );
    for (const { peer } of bus.peers()) {
      for (const purpose of PURPOSES) {
        for (let number = 0; number < 64; number += 1) {
          bus.send(peer, purpose, numbered(number, sizes[number % sizes.length]!));
        }
      }
    }
  }
  await Promise.all(parties.map(({ events }) => events.until(() => events.frames.length === 3 * 3 * 64)));
  for (const { bus, events } of parties) {
    for (const { peer } of bus.peers()) {
      for (const purpose of PURPOSES) {
        const frames = events.frames.filter((each) => each.from === peer && each.purpose === purpose);
        t.same(
          frames.map(({ frame }) => numberOf(frame)),
          Array.from({ length: 64 }, (_, number) => number),
          `from ${peer} ${purpose}`,
        );
        t.ok(
          frames.every(
            ({ frame }, number) => Buffer.compare(frame, numbered(number, sizes[number % sizes.length]!)) === 0,
          ),
        );
      }
    }
    t.notOk(events.counts.has('frames_dropped'));
    t.equal(events.counts.get('frames_in'), events.counts.get('frames_out'));
  }
});

t.test('the largest frames, both ways at once', async (t) => {
  const [first, second] = await pair(t);
  const frames = [numbered(7, FRAME_BYTES_MAX - 1), numbered(8, FRAME_BYTES_MAX), numbered(9, 4)];
  for (const frame of frames) {
    first.bus.send(keyOf(1), 'sync', frame);
    second.bus.send(keyOf(0), 'sync', frame);
  }
  for (const { events } of [first, second]) {
    await events.until(() => events.frames.length === 3);
    t.ok(events.frames.every(({ frame }, place) => Buffer.compare(frame, frames[place]!) === 0));
  }
  t.throws(() => first.bus.send(keyOf(1), 'sync', new Uint8Array(FRAME_BYTES_MAX + 1)), 'a bug of the caller');
  t.throws(() => first.bus.send(keyOf(0), 'sync', new Uint8Array(1)), 'nothing is sent to oneself');
  first.bus.send(keyOf(7), 'sync', new Uint8Array(1));
  t.equal(first.events.counts.get('frames_dropped'), 1, 'nor to who is unknown, but that is no bug');
});

t.test('a stranger is refused before any protocol, and so is a wrong key at an address', async (t) => {
  const node = await party(t, 6, [[1, null]]);
  const stranger = await party(t, 5, [[6, addressOf(node)]]);
  const mistaken = await party(t, 1, [[3, addressOf(node)]]);
  await node.events.until(() => node.events.line('refused a connection') !== undefined);
  t.match(node.events.line('refused a connection')?.fields, { from: /127\.0\.0\.1/ });
  await mistaken.events.until(() =>
    mistaken.events.lines.some(({ fields }) => /does not match expected/.test(String(fields['error']))),
  );
  const tries = (): number => stranger.events.lines.filter(({ message }) => /could not|session/.test(message)).length;
  await stranger.events.until(() => tries() >= 3);
  for (const { bus, events } of [node, stranger, mistaken]) {
    t.same(events.peers, []);
    t.ok(bus.peers().every(({ connected }) => !connected));
  }
});

t.test('addresses that cannot be used are told with the party', async (t) => {
  const other = (await party(t, 2, [])).bus.listening()[0]!;
  const rows: { name: string; address: string; message: RegExp }[] = [
    { name: 'no multiaddr', address: 'localhost:9000', message: /of NODE1XXXXXX is not a multiaddr/ },
    { name: 'with a key', address: other, message: /names a key/ },
  ];
  for (const { name, address, message } of rows) {
    const addresses = new Map([[partyOf(1), address]]);
    const { log, metrics } = new Events();
    const parts = { listen: [LOOPBACK], log, metrics, clock: new ImpatientClock() };
    await t.rejects(createBus({ privateKey: seedOf(0), addresses, ...parts }), { message }, name);
  }
});

t.test('a peer that stops and starts again is connected again', async (t) => {
  const [first, second] = await pair(t);
  const address = addressOf(second);
  await second.bus.stop();
  await first.events.until(() => !first.bus.peers()[0]!.connected);
  first.bus.send(keyOf(1), 'consensus', numbered(1, 10));
  const again = await party(t, 1, [[0, addressOf(first)]], address);
  await Promise.all([
    first.events.until(() => first.events.peers.length === 2),
    again.events.until(() => again.events.peers.length === 1),
  ]);
  first.bus.send(keyOf(1), 'consensus', numbered(2, 10));
  again.bus.send(keyOf(0), 'consensus', numbered(3, 10));
  await again.events.until(() => again.events.frames.length === 2);
  t.same(
    again.events.frames.map(({ frame }) => numberOf(frame)),
    [1, 2],
    'what was sent meanwhile was kept',
  );
  await first.events.until(() => first.events.frames.length === 1);
});

t.test('while a peer is away its queue is bounded, and keeps the newest', async (t) => {
  const first = await party(t, 0, [[1, null]]);
  for (let number = 0; number < 10; number += 1) first.bus.send(keyOf(1), 'batches', numbered(number, 1_000_000));
  const dropped = first.events.counts.get('frames_dropped') ?? 0;
  t.ok(dropped > 0 && dropped < 10);
  const second = await party(t, 1, [[0, addressOf(first)]]);
  await second.events.until(() => second.events.frames.length === 10 - dropped);
  t.same(
    second.events.frames.map(({ frame }) => numberOf(frame)),
    Array.from({ length: 10 - dropped }, (_, place) => place + dropped),
  );
});

t.test('who is punished is cut off, and comes back after a while, a longer one the next time', async (t) => {
  const [first, second] = await pair(t);
  for (const [round, refuseMs] of [10_000, 20_000].entries()) {
    first.bus.punish(keyOf(1), 'bad_vote');
    first.bus.punish(keyOf(1), 'counted once while it lasts');
    t.same(first.bus.peers(), [{ peer: keyOf(1), connected: false }]);
    await second.events.until(() => !second.bus.peers()[0]!.connected);
    t.equal(first.events.counts.get('peers_punished'), round + 1);
    const line = first.events.lines.filter(({ message }) => /broke the protocol/.test(message)).at(-1);
    t.match(line?.fields, { peer: keyOf(1), reason: 'bad_vote', refuseMs });
    t.same(first.events.peers.length, 1 + round, 'not before its time');
    first.clock.fire(refuseMs);
    await Promise.all([first, second].map(({ events }) => events.until(() => events.peers.length === 2 + round)));
  }
  second.bus.send(keyOf(0), 'consensus', numbered(1, 10));
  await first.events.until(() => first.events.frames.length === 1);
});

t.test('peers change: who is no longer allowed is cut off, who still is keeps its connection', async (t) => {
  const [first, second] = await pair(t);
  first.know([
    [1, null],
    [4, null],
  ]);
  second.bus.send(keyOf(0), 'consensus', numbered(1, 10));
  await first.events.until(() => first.events.frames.length === 1);
  t.match(first.events.frames, [{ from: keyOf(1) }]);
  first.know([]);
  t.same(first.bus.peers(), []);
  await second.events.until(() => !second.bus.peers()[0]!.connected);
});

/** A registered validator that speaks libp2p and otherwise does as it likes. */
async function liar(
  t: Test,
  place: number,
  corrupt: (connection: { send(bytes: Uint8Array): boolean }) => void,
): Promise<Libp2p> {
  const factory = yamux();
  const node = await createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', seedOf(place)),
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [
      () => {
        const muxers = factory();
        return {
          protocol: muxers.protocol,
          createStreamMuxer: (connection) => {
            const muxer = muxers.createStreamMuxer(connection);
            corrupt(connection);
            return muxer;
          },
        };
      },
    ],
  });
  for (const purpose of PURPOSES) await node.handle(PROTOCOL_IDS[purpose], () => undefined);
  t.teardown(() => node.stop());
  return node;
}

const closed = (connection: Connection): Promise<unknown> =>
  connection.status === 'open' ? once(connection, 'close') : Promise.resolve();

t.test('a frame longer than any is punished; a yamux frame longer than any window ends the connection', async (t) => {
  const { bus, events } = await party(t, 0, [
    [1, null],
    [2, null],
  ]);
  const address = multiaddr(bus.listening()[0]);
  const shouting = await (await liar(t, 1, () => undefined)).dial(address);
  const stream = await shouting.newStream(PROTOCOL_IDS.batches);
  stream.send(new Uint8Array([0, 0, 0, 1, 42, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
  await closed(shouting);
  t.same(
    events.frames.map(({ frame }) => [...frame]),
    [[42]],
    'the frame before it counts',
  );
  t.match(events.lines.find(({ message }) => /broke/.test(message))?.fields, {
    peer: keyOf(1),
    reason: 'frame_length',
  });

  // Version 0, data, no flags, stream 1, length 2^32 - 1 (yamux specification, Framing).
  const hoarding = await liar(t, 2, (connection) => {
    connection.send(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]));
  });
  await closed(await hoarding.dial(address));
  t.pass('closed');
});

t.test('a peer that falls silent, its connection open, is noticed and connected again', async (t) => {
  const second = await party(t, 1, [[0, null]]);
  const port = Number(/tcp\/(\d+)/.exec(addressOf(second))?.[1]);
  const sockets: Socket[] = [];
  const proxy = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.on('close', () => far.destroy());
    near.pipe(far).pipe(near);
    sockets.push(near, far);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.teardown(() => {
    proxy.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = `/ip4/127.0.0.1/tcp/${(proxy.address() as AddressInfo).port}`;
  const first = await party(t, 0, [[1, address]]);
  await first.events.until(() => first.events.peers.length === 1);
  for (const socket of sockets) socket.unpipe().pause();
  for (let heartbeats = 0; heartbeats < 4; heartbeats += 1) first.clock.fire(10_000);
  t.equal(first.bus.peers()[0]!.connected, false, 'the fourth heartbeat finds three unanswered');
  await first.events.until(() => first.events.peers.length === 2);
  t.equal(first.events.lines.filter(({ message }) => /lost the connection/.test(message)).length, 1);
  first.bus.send(keyOf(1), 'consensus', numbered(1, 10));
  await second.events.until(() => second.events.frames.length === 1);
});

t.test('answered heartbeats keep a quiet connection', async (t) => {
  const [first, second] = await pair(t);
  for (let number = 0; number < 6; number += 1) {
    for (const { clock } of [first, second]) clock.fire(10_000);
    // What follows a heartbeat on its stream comes after it, and so does the answer's turn.
    first.bus.send(keyOf(1), 'consensus', numbered(number, 10));
    await second.events.until(() => second.events.frames.length === number + 1);
    second.bus.send(keyOf(0), 'consensus', numbered(number, 10));
    await first.events.until(() => first.events.frames.length === number + 1);
  }
  t.same([first.events.peers.length, second.events.peers.length], [1, 1]);
  t.equal(first.events.counts.get('frames_in'), 6, 'heartbeats are no frames');
});

t.test('an address that is taken is an error at once', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  await t.rejects(party(t, 0, [], `/ip4/127.0.0.1/tcp/${port}`), /EADDRINUSE|listen/);
});
