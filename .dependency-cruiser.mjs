/**
 * Who may import whom: the table of ARCHITECTURE.md as rules. Tests are held only to the rules that say so: they sit
 * beside their source and may reach for what they check it against.
 */
const TEST = '\\.(test|test-helper)\\.ts$';
const NATIVE =
  '^node_modules/(sodium-native|classic-level|@chainsafe|fastify|@fastify|libp2p|@libp2p|pino|prom-client)/';

/** Files of `path` import files and packages of `may` and nothing else. Type imports of `types` are allowed too. */
function room(name, path, { may, types = [] }) {
  const from = { path, pathNot: TEST };
  const values = {
    name: `${name}: values`,
    comment: `${name} may import ${may.join(', ')}, and types of ${types.join(', ') || 'the same'}`,
    severity: 'error',
    from,
    to: { pathNot: [...may, ...types] },
  };
  if (types.length === 0) return [values];
  const typesOnly = {
    name: `${name}: types`,
    comment: `${name} may import only types of ${types.join(', ')}`,
    severity: 'error',
    from,
    to: { path: types, pathNot: may, dependencyTypesNot: ['type-only'] },
  };
  return [values, typesOnly];
}

function forbid(name, comment, from, to) {
  return { name, comment, severity: 'error', from, to };
}

const PACKAGES = '^node_modules/';
/** Core modules of Node resolve to names without a dot, as `fs/promises`; a file of ours always has one. */
const CORE = '^[a-z_:/]+$';
const OUTSIDE = [PACKAGES, CORE];
const PROTOCOL = '^protocol/[^/]+$';
const PORTS = '^node/ports\\.ts$';
const LEDGER = '^ledger/';
/** A room under `node` is a file while it is small, and a folder later. */
const inNode = (name) => [`^node/${name}\\.ts$`, `^node/${name}/`];

const adapter = (name) =>
  room(`node/${name}`, inNode(name), {
    may: [...inNode(name), PORTS, PROTOCOL, ...OUTSIDE],
    types: [LEDGER],
  });

const rooms = [
  ...room('protocol/bft', '^protocol/bft/', { may: ['^protocol/bft/', '^protocol/(types|limits)\\.ts$'] }),
  ...room('protocol', PROTOCOL, { may: [PROTOCOL, '^node_modules/(@noble|typebox)/'] }),
  ...room('ledger', LEDGER, { may: [LEDGER, PROTOCOL] }),
  ...room('node/ports', PORTS, { may: [], types: ['^protocol/', LEDGER] }),
  ...room('node/replica', inNode('replica'), {
    may: [...inNode('replica'), PORTS, '^protocol/', LEDGER],
  }),
  ...['store', 'net', 'keys', 'metrics', 'iso20022', 'log', 'clock'].flatMap(adapter),
  ...room('node/config', inNode('config'), {
    may: [...inNode('config'), '^node/keys/mode\\.ts$', PORTS, PROTOCOL, ...OUTSIDE],
  }),
  ...room('node/api', '^node/api/', {
    may: ['^node/api/', PORTS, PROTOCOL, '^ledger/codes\\.ts$', ...OUTSIDE],
    types: [LEDGER],
  }),
  ...room('node/api/handlers', '^node/api/handlers', {
    may: [
      '^node/api/(handlers|routes|problem|views)',
      PORTS,
      PROTOCOL,
      '^ledger/codes\\.ts$',
      '^node_modules/typebox/',
    ],
    types: [LEDGER],
  }),
  ...room('node/api/client', '^node/api/client', {
    may: ['^node/api/(client|routes|schemas|problem|signing)', PROTOCOL, '^node_modules/typebox/'],
  }),
  ...room('node/console', '^node/console/', { may: ['^node/console/', '^node/api/client', PACKAGES] }),
  ...room('node/cli', inNode('cli'), {
    may: [
      ...inNode('cli'),
      '^node/api/(client|problem|signing)',
      '^ledger/(codes|receipt)\\.ts$',
      ...inNode('config'),
      ...inNode('keys'),
      ...inNode('main'),
      PROTOCOL,
      ...OUTSIDE,
    ],
  }),
  ...room('node/main', inNode('main'), {
    may: ['^node/(?!cli|console)', '^protocol/', LEDGER, ...OUTSIDE],
  }),
  ...room('sim/naive', '^sim/naive/', { may: ['^sim/naive/', PROTOCOL] }),
  // What judges the product must not be the product; but what lies on a node's disk is read as the node lays it out.
  ...room('sim/checkers', '^sim/checkers(\\.ts$|/)', {
    may: ['^sim/checkers(\\.ts$|/)', '^sim/naive/', PROTOCOL, '^node/replica/(records|checked)\\.ts$'],
    types: ['^node/', LEDGER],
  }),
  ...room('sim', '^sim/', {
    may: [
      '^sim/',
      '^protocol/',
      LEDGER,
      PORTS,
      ...inNode('replica'),
      ...inNode('main'),
      '^node/api/(handlers|client|signing)',
      '^node/metrics/none\\.ts$',
      '^node/cli/(arguments|centralbanks)\\.ts$',
      ...inNode('config'),
      ...OUTSIDE,
    ],
  }),
];

export default {
  forbidden: [
    ...rooms,
    forbid(
      'fastify only in node/api/server',
      'handlers and routes stay free of the HTTP library',
      { path: '^(protocol|ledger|node|sim)/', pathNot: ['^node/api/server', TEST] },
      { path: '^node_modules/(fastify|@fastify)/' },
    ),
    forbid(
      'node/api/client runs in a browser',
      'nothing that the client reaches may be native code or a core module of Node',
      { path: '^node/api/client', pathNot: TEST },
      { path: [NATIVE, CORE], reachable: true },
    ),
    forbid(
      'nothing imports sim',
      'it is started as a process',
      { path: '^(protocol|ledger|node)/' },
      { path: '^sim/' },
    ),
    forbid('nothing imports a test', 'tests are entries', {}, { path: '\\.test\\.ts$' }),
    forbid(
      'only tests import test helpers',
      'a helper of tests is no product code',
      { pathNot: TEST },
      { path: '\\.test-helper\\.ts$' },
    ),
    forbid(
      'fast-check by way of its helper',
      'every property draws from the one seed',
      { pathNot: '^protocol/property\\.test-helper\\.ts$' },
      { path: '^node_modules/fast-check/' },
    ),
    forbid('no barrels', 'import the file that has it', {}, { path: '(^|/)index\\.[cm]?[jt]s$', pathNot: PACKAGES }),
    forbid('no cycles', 'files are read from the leaves up', {}, { circular: true }),
    forbid('no unresolvable import', 'a path that is not there', {}, { couldNotResolve: true }),
    forbid(
      'no undeclared package',
      'every package imported stands in package.json',
      {},
      { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    ),
    forbid(
      'no development dependency in the product',
      'the image holds production dependencies only; the study of liquidity loads its solver when it is asked for, and the ' +
        'look at the reports in a browser is a program of its own, which nothing imports',
      { path: '^(protocol|ledger|node|sim)/', pathNot: [TEST, '\\.mjs$', '^sim/(liquidity/exact|browser/main)\\.ts$'] },
      { dependencyTypes: ['npm-dev'] },
    ),
    forbid(
      'no orphan',
      'a file that neither imports nor is imported',
      { orphan: true, pathNot: [TEST, '\\.mjs$', '^protocol/types\\.ts$'] },
      {},
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    // Type imports count as dependencies, and are told apart from those that run.
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    detectProcessBuiltinModuleCalls: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
    parser: 'tsc',
  },
};
