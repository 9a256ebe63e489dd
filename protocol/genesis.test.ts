/** The genesis file: what is read, one row for each way to be refused, and the network id that follows from it. */
import t from 'tap';
import { canonicalize } from './canonical.js';
import { fromHex, toHex, utf8 } from './codec.js';
import { jwkOf, type KeyAlg, publicKeyOfSecret } from './crypto.js';
import { encodeGenesis, type GenesisFile, parseGenesis } from './genesis.js';
import { hashOf } from './hash.js';
import type { Jwk } from './payload.js';
import type { Hash } from './types.js';

const rawKey = (alg: KeyAlg, name: string): Uint8Array => publicKeyOfSecret(alg, fromHex(hashOf(utf8(name))));
const jwk = (alg: KeyAlg, name: string): Jwk => jwkOf({ alg, key: rawKey(alg, name) });
const hexKey = (name: string): Hash => toHex(rawKey('Ed25519', name));

const file: GenesisFile = {
  format: 'causeway-genesis/1',
  name: 'Causeway, a sample – 通汇桥',
  created: '2026-01-02T03:04:05.678Z',
  parameters: { skewMs: 2000 },
  authorities: [
    {
      party: 'HKMAHKHHXXX',
      name: 'Hong Kong Monetary Authority',
      lei: '254900X4UMG9GDDWM592',
      jurisdiction: 'HK',
      threshold: 2,
      keys: [jwk('Ed25519', 'HK 1'), jwk('ES256', 'HK 2')],
    },
    {
      party: 'BOTHTHBKXXX',
      name: 'Bank of Thailand',
      lei: '549300GEJQJGHYX1EZ34',
      jurisdiction: 'TH',
      threshold: 1,
      keys: [jwk('ES256', 'TH 1')],
    },
  ],
  validators: ['HKMAHKHHXXX', 'BOTHTHBKXXX', 'OBSVSGSGXXX'].map((party) => ({
    party,
    voteKey: hexKey(`${party} vote`),
    networkKey: hexKey(`${party} network`),
  })),
};

/** The file with some members replaced, by paths such as `authorities.0.lei`. */
function changed(changes: Record<string, unknown>): GenesisFile {
  const copy = structuredClone(file);
  for (const [path, value] of Object.entries(changes)) {
    const names = path.split('.');
    const last = names.pop() as string;
    let at = copy as unknown as Record<string, unknown>;
    for (const name of names) at = at[name] as Record<string, unknown>;
    if (value === undefined) delete at[last];
    else at[last] = value;
  }
  return copy;
}

t.test('a genesis file gives its network, its first validators and its authorities', (t) => {
  const read = parseGenesis(encodeGenesis(file));
  if (!read.ok) throw new Error(read.detail);
  const { genesis } = read;
  t.equal(genesis.network, '838ff686d0b34608b10277197e8f16a8d07aa0ca74e01e17ad26cd0e50ef81ee', 'golden network id');
  t.equal(
    genesis.validators.digest,
    '322d460ffc1a470144815c2d4ef4c8037e2123f04e74937734f48bd3a90e0462',
    "golden digest of epoch 0's set",
  );
  t.match(genesis, {
    name: file.name,
    created: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    parameters: { skewMs: 2000 },
    authorities: file.authorities,
    validators: { epoch: 0, validators: file.validators },
  });

  const { format, validators, ...rest } = file;
  const others = [utf8(canonicalize(file)), utf8(JSON.stringify(file)), encodeGenesis({ validators, ...rest, format })];
  for (const bytes of others)
    t.match(parseGenesis(bytes), { ok: true, genesis: { network: genesis.network } }, 'spacing and order do not count');
  t.not(
    (parseGenesis(encodeGenesis(changed({ name: 'Another' }))) as typeof read).genesis.network,
    genesis.network,
    'every value does',
  );
  t.end();
});

t.test('a test network says so in its genesis, and has another id than any network of record', (t) => {
  const read = parseGenesis(encodeGenesis(changed({ test: { timeScale: 17_280 } })));
  if (!read.ok) throw new Error(read.detail);
  const { network, test, parameters } = read.genesis;
  t.equal(network, 'ece1aa639406650e6777ee2df88b89a6bdc95d07966f7de75ed43fa673434bf5', 'golden network id');
  t.strictSame(test, { timeScale: 17_280 });
  t.equal(parameters.skewMs, 2000 * 17_280, 'clocks that disagree do so by as much more network time');
  const plain = parseGenesis(encodeGenesis(changed({ test: { timeScale: 1 } })));
  t.match(plain, { genesis: { test: { timeScale: 1 }, parameters: { skewMs: 2000 } } }, 'a test may run at true speed');
  t.not(plain.ok && plain.genesis.network, '838ff686d0b34608b10277197e8f16a8d07aa0ca74e01e17ad26cd0e50ef81ee');
  t.match(parseGenesis(encodeGenesis(file)), { genesis: { test: null } });
  t.end();
});

t.test('a file is refused with a code, a sentence and the place', (t) => {
  // Of the twelve Ed25519 cases: order 8, and order 8 times the prime.
  const smallOrder = 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa';
  const mixedOrder = 'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d';
  const offCurve = '02'.padEnd(64, '0');
  const firstKeys = (file.authorities[0] as GenesisFile['authorities'][number]).keys;
  const validator = (file.validators as readonly unknown[])[0];
  const rows: [string, string, string, Record<string, unknown>][] = [
    ['format', 'malformed', '/format', { format: 'causeway-genesis/2' }],
    ['a member missing', 'malformed', '/name', { name: undefined }],
    ['an unknown member', 'malformed', '/comment', { comment: 'x' }],
    ['an unknown parameter', 'malformed', '/parameters/deltaMs', { 'parameters.deltaMs': 5 }],
    ['a name with a line break', 'malformed', '/name', { name: 'a\nb' }],
    ['a name with half a character', 'malformed', '/name', { name: 'a\ud800b' }],
    ['a skew of nothing', 'malformed', '/parameters/skewMs', { 'parameters.skewMs': 0 }],
    ['a skew of a day', 'malformed', '/parameters/skewMs', { 'parameters.skewMs': 86_400_000 }],
    ['a test of nothing', 'malformed', '/test/timeScale', { test: {} }],
    ['a test that is none', 'malformed', '/test', { test: null }],
    ['time that stands still', 'malformed', '/test/timeScale', { test: { timeScale: 0 } }],
    ['time that runs back', 'malformed', '/test/timeScale', { test: { timeScale: -1 } }],
    ['time of a fraction', 'malformed', '/test/timeScale', { test: { timeScale: 1.5 } }],
    ['time that runs too fast', 'malformed', '/test/timeScale', { test: { timeScale: 100_001 } }],
    ['an unknown member of a test', 'malformed', '/test/offsetMs', { test: { timeScale: 2, offsetMs: 5 } }],
    ['a scale of time without a test', 'malformed', '/parameters/timeScale', { 'parameters.timeScale': 2 }],
    ['no authorities', 'malformed', '/authorities', { authorities: [] }],
    ['no validators', 'malformed', '/validators', { validators: [] }],
    ['101 validators', 'malformed', '/validators', { validators: Array.from({ length: 101 }, () => validator) }],
    ['a BIC of eight characters', 'malformed', '/validators/1/party', { 'validators.1.party': 'BOTHTHBK' }],
    ['a key in capitals', 'malformed', '/validators/0/voteKey', { 'validators.0.voteKey': hexKey('x').toUpperCase() }],
    ['a 30th of February', 'malformed_time', '/created', { created: '2026-02-30T00:00:00Z' }],
    [
      'an LEI with a wrong check digit',
      'malformed_lei',
      '/authorities/0/lei',
      { 'authorities.0.lei': '254900X4UMG9GDDWM593' },
    ],
    ['a threshold above the keys', 'threshold_too_high', '/authorities/1/threshold', { 'authorities.1.threshold': 2 }],
    ['a threshold of none', 'malformed', '/authorities/1/threshold', { 'authorities.1.threshold': 0 }],
    ['an authority twice', 'duplicate_party', '/authorities/1/party', { 'authorities.1.party': 'HKMAHKHHXXX' }],
    [
      'two authorities of a jurisdiction',
      'duplicate_jurisdiction',
      '/authorities/1/jurisdiction',
      { 'authorities.1.jurisdiction': 'HK' },
    ],
    ['two validators of a party', 'duplicate_party', '/validators/2/party', { 'validators.2.party': 'BOTHTHBKXXX' }],
    [
      'a vote key that is a network key',
      'duplicate_key',
      '/validators/0/networkKey',
      { 'validators.0.networkKey': hexKey('HKMAHKHHXXX vote') },
    ],
    [
      'a vote key of another validator',
      'duplicate_key',
      '/validators/2/voteKey',
      { 'validators.2.voteKey': hexKey('BOTHTHBKXXX vote') },
    ],
    [
      'a vote key that signs instructions',
      'duplicate_key',
      '/validators/1/voteKey',
      { 'validators.1.voteKey': hexKey('HK 1') },
    ],
    [
      'an instruction key of two authorities',
      'duplicate_key',
      '/authorities/1/keys/0',
      { 'authorities.1.keys': [jwk('ES256', 'HK 2')] },
    ],
    [
      'an instruction key twice',
      'duplicate_key',
      '/authorities/0/keys/1',
      { 'authorities.0.keys': [firstKeys[0], firstKeys[0]] },
    ],
    ['a vote key of small order', 'weak_key', '/validators/0/voteKey', { 'validators.0.voteKey': smallOrder }],
    ['a network key of mixed order', 'weak_key', '/validators/0/networkKey', { 'validators.0.networkKey': mixedOrder }],
    ['a vote key off the curve', 'malformed_key', '/validators/0/voteKey', { 'validators.0.voteKey': offCurve }],
    [
      'an instruction key off the curve',
      'malformed_key',
      '/authorities/1/keys/0',
      { 'authorities.1.keys': [{ ...jwk('ES256', 'HK 2'), y: jwk('ES256', 'TH 1').x }] },
    ],
    [
      'a private key',
      'malformed',
      '/authorities/1/keys/0/d',
      { 'authorities.1.keys': [{ ...jwk('Ed25519', 'x'), d: 'x' }] },
    ],
  ];
  for (const [name, code, pointer, changes] of rows) {
    const read = parseGenesis(encodeGenesis(changed(changes)));
    t.match(read, { ok: false, code, pointer, detail: /\w+ \w+/ }, name);
  }
  const text = JSON.stringify(file);
  const bytes: [string, string, Uint8Array][] = [
    ['no JSON', 'malformed_json', utf8(text.slice(1))],
    ['no UTF-8', 'malformed_json', Uint8Array.of(0xff)],
    ['a byte order mark', 'malformed_json', utf8(`\ufeff${text}`)],
    ['a member twice', 'malformed_json', utf8(`{"name":"Other",${text.slice(1)}`)],
    ['a needless escape', 'malformed_json', utf8(text.replace('Causeway', '\\u0043auseway'))],
    ['a number in another form', 'malformed_json', utf8(text.replace('2000', '2e3'))],
    ['too long', 'too_large', utf8(text.padEnd(1024 * 1024 + 1))],
  ];
  for (const [name, code, input] of bytes) t.match(parseGenesis(input), { ok: false, code }, name);
  t.end();
});
