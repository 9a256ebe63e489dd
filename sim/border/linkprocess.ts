/** The process that runs the links: a proxy for every gate, a direction for every ordered pair of nodes. */
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { assert, unreachable } from '../../protocol/types.js';
import { Random } from '../random.js';
import { Direction, LinkProxy } from './linkproxy.js';
import type { LinksData, LinksOrder, Opened, Told, Way } from './links.js';

const [data] = process.argv.slice(2);
assert(data !== undefined, 'this file runs as a process of Links');
const { nodes, gates, seed, control, stays } = JSON.parse(data) as LinksData;

const places = Array.from({ length: nodes }, (_, at) => at);
const directions = places.map((from) => places.map((to) => new Direction(new Random(seed + from * nodes + to))));

function direction([from, to]: Way): Direction {
  const found = directions[from]?.[to];
  assert(found !== undefined, 'a way is between two nodes of the network');
  return found;
}

const proxies = gates.map(
  ({ host, port, to, target, callers }) =>
    new LinkProxy({
      host,
      port,
      routeOf: (remoteAddress) => {
        const caller = callers.find(({ address }) => address === null || address === remoteAddress);
        if (caller === undefined) return null;
        const { from, localAddress } = caller;
        const [there, back] = [direction([from, to]), direction([to, from])];
        return { ...target, from, there, back, ...(localAddress !== undefined && { localAddress }) };
      },
    }),
);

/** Every connection that one of these nodes has opened or taken. */
const resetOf = (meant: readonly number[]): number =>
  proxies.reduce(
    (sum, proxy, at) => sum + proxy.reset((from) => meant.includes(from) || meant.includes(gates[at]?.to ?? -1)),
    0,
  );

function tell(ways: readonly Way[], resets = 0): Told {
  const asked = ways.map(direction);
  return {
    resets,
    chunks: asked.reduce(
      (sum, { chunks: { came, stalled, held } }) => ({
        came: sum.came + came,
        stalled: sum.stalled + stalled,
        held: sum.held + held,
      }),
      { came: 0, stalled: 0, held: 0 },
    ),
    latenessMs: asked.flatMap(({ latenessMs }) => latenessMs),
  };
}

function obey(order: LinksOrder): Told {
  switch (order.type) {
    case 'set':
      for (const way of order.ways) direction(way).set(order.quality);
      return tell(order.ways);
    case 'reset':
      return tell([], resetOf(order.nodes));
    case 'tell':
      return tell(order.ways);
    default:
      return unreachable(order);
  }
}

function serve(socket: Socket): void {
  socket.on('error', () => undefined);
  createInterface({ input: socket }).on('line', (line) => {
    socket.write(`${JSON.stringify(obey(JSON.parse(line) as LinksOrder))}\n`);
  });
}

const ports = await Promise.all(proxies.map((proxy) => proxy.start()));
const server = createServer({ noDelay: true }, serve);
server.listen(control.port, control.host, () => {
  const { port: controlPort } = server.address() as { port: number };
  console.log(JSON.stringify({ controlPort, ports } satisfies Opened));
});
if (!stays) process.stdin.on('end', () => process.exit()).resume();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit());
