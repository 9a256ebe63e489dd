/** The process that runs the links: a proxy for every node, a direction for every ordered pair. */
import { assert, unreachable } from '../../protocol/types.js';
import { Random } from '../random.js';
import { Direction, LinkProxy } from './linkproxy.js';
import type { LinksData, LinksOrder, Told, Way } from './links.js';

const [data] = process.argv.slice(2);
assert(data !== undefined && process.send !== undefined, 'this file runs as a process of Links');
const { endpoints, seed } = JSON.parse(data) as LinksData;
const say = process.send.bind(process);

const directions = endpoints.map((_, from) =>
  endpoints.map((__, to) => new Direction(new Random(seed + from * endpoints.length + to))),
);

function direction([from, to]: Way): Direction {
  const found = directions[from]?.[to];
  assert(found !== undefined, 'a way is between two nodes of the network');
  return found;
}

const proxies = endpoints.map(
  ({ alias, port: listens, host }, to) =>
    new LinkProxy({
      host: alias,
      port: listens,
      routeOf: (remoteAddress) => {
        const from = endpoints.findIndex((each) => each.host === remoteAddress);
        const caller = endpoints[from];
        if (caller === undefined) return null;
        const [there, back] = [direction([from, to]), direction([to, from])];
        return { host, port: listens, localAddress: caller.alias, there, back };
      },
    }),
);

/** Every connection that one of these nodes has opened or taken. */
function resetOf(nodes: readonly number[]): number {
  const hosts = new Set(nodes.map((node) => endpoints[node]?.host));
  return proxies.reduce(
    (sum, proxy, to) => sum + proxy.reset((address) => nodes.includes(to) || hosts.has(address)),
    0,
  );
}

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

await Promise.all(proxies.map((proxy) => proxy.start()));
process.on('message', (order: LinksOrder) => say(obey(order)));
say('ready');
