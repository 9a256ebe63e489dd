import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import t from 'tap';
import { type ConfigInput, loadConfig, renderConfig } from './config.js';

const folder = t.testdir({ 'genesis.json': '{}', keys: { 'vote.pem': 'v', 'network.pem': 'n', 'open.pem': 'o' } });
for (const key of ['vote', 'network']) chmodSync(join(folder, 'keys', `${key}.pem`), 0o600);
chmodSync(join(folder, 'keys', 'open.pem'), 0o640);
const file = join(folder, 'node.toml');

const INPUT: ConfigInput = {
  party: 'HKMAHKHHXXX',
  genesis: 'genesis.json',
  data: 'data',
  keys: { vote: 'keys/vote.pem', network: 'keys/network.pem' },
  p2p: { listen: '/ip4/127.0.0.1/tcp/7000' },
};
const PEERS = [
  { party: 'PBOCCNBJXXX', address: '/dns4/cn.example/tcp/7000' },
  { party: 'BOTHTHBKXXX', address: '/ip4/10.0.0.3/tcp/7000' },
];
const GOOD = renderConfig(INPUT);

function load(text: string, env: Record<string, string> = {}) {
  writeFileSync(file, text);
  return loadConfig(file, env);
}

t.test('defaults, paths from the file, frozen to the last member', (t) => {
  const result = load(renderConfig({ ...INPUT, peers: PEERS, log: { level: 'debug' } }));
  if (!result.ok) throw new Error(result.errors.join('\n'));
  const { config } = result;
  t.strictSame(config, {
    party: 'HKMAHKHHXXX',
    genesis: join(folder, 'genesis.json'),
    restart: null,
    data: join(folder, 'data'),
    verifierThreads: 2,
    mark: join(folder, 'data.mark'),
    keys: {
      vote: join(folder, 'keys/vote.pem'),
      nextVote: null,
      network: join(folder, 'keys/network.pem'),
    },
    http: { host: '127.0.0.1', port: 8080 },
    p2p: { listen: '/ip4/127.0.0.1/tcp/7000' },
    peers: PEERS,
    log: { level: 'debug' },
    consensus: { deltaMs: 500, batchMs: 5 },
    retention: null,
  });
  t.throws(() => Object.assign(config.http, { port: 1 }), TypeError);
  t.throws(() => Object.assign(config.peers[0] ?? {}, { party: 'X' }), TypeError);
  t.end();
});

t.test('the environment goes over the file, member by member', (t) => {
  const result = load(GOOD, {
    CAUSEWAY_HTTP_PORT: '0',
    CAUSEWAY_LOG_LEVEL: 'error',
    CAUSEWAY_CONSENSUS_DELTA_MS: '250',
    CAUSEWAY_PEERS: 'PBOCCNBJXXX=/dns4/cn.example/tcp/7000, BOTHTHBKXXX=/ip4/10.0.0.3/tcp/7000',
    CAUSEWAY_GENESIS: relative('.', join(folder, 'genesis.json')),
    // What Kubernetes sets for a service called causeway, and what the shell has of its own.
    CAUSEWAY_SERVICE_HOST: '10.0.0.1',
    CAUSEWAY_PORT_8080_TCP_ADDR: '10.0.0.1',
    HOME: '/root',
  });
  if (!result.ok) throw new Error(result.errors.join('\n'));
  const { http, log, consensus, peers, genesis } = result.config;
  t.strictSame(http, { host: '127.0.0.1', port: 0 });
  t.equal(log.level, 'error');
  t.strictSame(consensus, { deltaMs: 250, batchMs: 5 });
  t.strictSame(peers, PEERS);
  t.equal(genesis, join(folder, 'genesis.json'));
  t.end();
});

t.test('each error is a sentence with the place, the member and the mend', (t) => {
  const replaced = (from: string | RegExp, to: string) => GOOD.replace(from, to);
  const shape = (rest: string) => new RegExp(`node\\.toml: ${rest}$`);
  const rows: [name: string, text: string, env: Record<string, string>, errors: RegExp[]][] = [
    ['not TOML', `${GOOD}\nparty =`, {}, [/node\.toml, line \d+, column \d+: not TOML \(.+\); mend that line\.$/]],
    ['a member twice', `party = "A"\n${GOOD}`, {}, [/node\.toml, line 2, .*not TOML/]],
    [
      'missing',
      replaced(/^party.*\n/m, ''),
      {},
      [shape('party is missing; set it to a BIC of eleven characters, as "HKMAHKHHXXX"\\.')],
    ],
    ['missing table', replaced(/\[keys\][^[]*/, ''), {}, [shape('keys is missing; set it to a table \\[keys\\]\\.')]],
    [
      'missing in a table',
      replaced(/^network.*\n/m, ''),
      {},
      [shape('keys\\.network is missing; set it to the path of a file, as text\\.')],
    ],
    [
      'unknown, near',
      `${GOOD}\n[http]\nprot = 1`,
      {},
      [shape('http\\.prot is no setting; did you mean http\\.port\\?')],
    ],
    [
      'unknown, other case',
      replaced(/^/, 'verifier_threads = 2\n'),
      {},
      [shape('verifier_threads is no setting; did you mean verifierThreads\\?')],
    ],
    [
      'unknown, far',
      replaced(/^/, 'colour = "red"\n'),
      {},
      [shape('colour is no setting; remove it, or use one of party, genesis, .*')],
    ],
    [
      'unknown, in a list',
      `${GOOD}\n[[peers]]\nparty = "PBOCCNBJXXX"\naddress = "/ip4/1.2.3.4/tcp/7"\nport = 7`,
      {},
      [shape('peers\\[1\\]\\.port is no setting; remove it, or use one of party, address\\.')],
    ],
    ['__proto__', `${GOOD}\n[__proto__]\nport = 1`, {}, [shape('__proto__ is no setting; .*')]],
    [
      'party',
      replaced('HKMAHKHHXXX', 'hkma'),
      {},
      [shape('party must be a BIC of eleven characters, as "HKMAHKHHXXX"; it is "hkma"\\.')],
    ],
    [
      'type',
      `${GOOD}\n[http]\nport = "80"`,
      {},
      [shape('http\\.port must be a port from 0 \\(any free one\\) to 65535; it is "80"\\.')],
    ],
    ['range', `${GOOD}\n[http]\nport = 65536`, {}, [shape('http\\.port must be a port .*; it is 65536\\.')]],
    [
      'fraction',
      `${GOOD}\n[consensus]\ndeltaMs = 0.5`,
      {},
      [shape('consensus\\.deltaMs must be a whole number of milliseconds from 1 to 60000; it is 0\\.5\\.')],
    ],
    ['a date', replaced('"HKMAHKHHXXX"', '2026-01-01'), {}, [shape('party must be a BIC .*; it is "2026-01-01"\\.')]],
    [
      'choice',
      `${GOOD}\n[log]\nlevel = "loud"`,
      {},
      [shape('log\\.level must be one of debug, info, warn, error; it is "loud"\\.')],
    ],
    ['value for a table', replaced(/^/, 'http = 80\n'), {}, [shape('http must be a table \\[http\\]; it is 80\\.')]],
    [
      'listen',
      replaced('/ip4/127.0.0.1/tcp/7000', '127.0.0.1:7000'),
      {},
      [shape('p2p\\.listen must be a multiaddr over TCP, .*; it is "127\\.0\\.0\\.1:7000"\\.')],
    ],
    [
      'peer address',
      renderConfig({ ...INPUT, peers: [{ party: 'PBOCCNBJXXX', address: 'cn:7000' }] }),
      {},
      [shape('peers\\[1\\]\\.address must be a multiaddr .*; it is "cn:7000"\\.')],
    ],
    [
      'own peer',
      renderConfig({ ...INPUT, peers: [{ party: 'HKMAHKHHXXX', address: '/ip4/1.2.3.4/tcp/7' }] }),
      {},
      [shape("peers\\[1\\]\\.party is HKMAHKHHXXX, this node's own party; remove that entry\\.")],
    ],
    [
      'peer twice',
      renderConfig({ ...INPUT, peers: [...PEERS, ...PEERS.slice(0, 1)] }),
      {},
      [shape('peers\\[3\\]\\.party names PBOCCNBJXXX a second time; keep one address for each party\\.')],
    ],
    [
      'no genesis',
      replaced('genesis.json', 'none.json'),
      {},
      [shape('genesis names .*none\\.json: there is no such file; put it there, or set genesis to where it is\\.')],
    ],
    [
      'a folder',
      replaced('genesis.json', 'keys'),
      {},
      [shape('genesis names .*keys, which is no file; name the file itself\\.')],
    ],
    [
      'open key',
      replaced('keys/vote.pem', 'keys/open.pem'),
      {},
      [shape('keys\\.vote names .*open\\.pem, which others than its owner may read; run `chmod 600 .*open\\.pem`\\.')],
    ],
    [
      'one key twice',
      replaced('keys/vote.pem', 'keys/network.pem'),
      {},
      [shape('keys\\.vote and keys\\.network name the same file; give each its own key\\.')],
    ],
    [
      'environment value',
      GOOD,
      { CAUSEWAY_HTTP_PORT: '8o80' },
      [/^the environment variable CAUSEWAY_HTTP_PORT: http\.port must be a port .*; it is "8o80"\.$/],
    ],
    [
      'environment peers',
      GOOD,
      { CAUSEWAY_PEERS: 'PBOCCNBJXXX' },
      [/^the environment variable CAUSEWAY_PEERS: peers\[1\]\.address must be a multiaddr .*; it is ""\.$/],
    ],
    [
      'environment, near',
      GOOD,
      { CAUSEWAY_HTTP_PROT: '1' },
      [/^The environment has CAUSEWAY_HTTP_PROT, which is no setting; did you mean CAUSEWAY_HTTP_PORT\?$/],
    ],
    [
      'all at once',
      `${GOOD.replace('HKMAHKHHXXX', 'x').replace(/^data.*\n/m, '')}\n[http]\nport = -1\nhots = "a"`,
      { CAUSEWAY_LOG_LEVEL: 'x' },
      [
        /data is missing/,
        /party must be/,
        /http\.port must be/,
        /did you mean http\.host\?/,
        /CAUSEWAY_LOG_LEVEL: log\.level must be/,
      ],
    ],
  ];
  for (const [name, text, env, expected] of rows) {
    const result = load(text, env);
    const errors = result.ok ? [] : result.errors;
    t.equal(errors.length, expected.length, `${name}: ${JSON.stringify(errors)}`);
    for (const pattern of expected)
      t.ok(
        errors.some((error) => pattern.test(error)),
        `${name}: ${pattern}`,
      );
  }
  t.end();
});

t.test('no file, and a folder in its place', (t) => {
  rmSync(file);
  t.match(loadConfig(file, {}), {
    ok: false,
    errors: [/node\.toml: there is no such file; name a configuration file/],
  });
  mkdirSync(file);
  t.match(loadConfig(file, {}), { ok: false, errors: [/node\.toml: it is a folder;/] });
  t.end();
});
