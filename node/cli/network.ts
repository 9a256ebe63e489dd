/** `network create`: the genesis file of a new network, and a folder for each validator with its configuration and keys. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { fromBase64url } from '../../protocol/base64url.js';
import { toHex } from '../../protocol/codec.js';
import { encodeGenesis, type GenesisFile, parseGenesis } from '../../protocol/genesis.js';
import { TIME_SCALE_MAX } from '../../protocol/limits.js';
import type { Jwk } from '../../protocol/payload.js';
import { assert } from '../../protocol/types.js';
import { formatTime } from '../../protocol/values.js';
import { renderConfig } from '../config.js';
import { createKeyFile, type KeyFileAlg } from '../keys/files.js';
import { freePorts } from '../main/freeports.js';
import { readWhole } from './arguments.js';
import { CENTRAL_BANKS, type CentralBank } from './centralbanks.js';
import { done, ended, failed, type Outcome, type Step, went } from './outcome.js';
import type { Runner } from './runner.js';

/** How far ahead of a voter's clock a block may be timed. */
const SKEW_MS = 2_000;
const PORT_MAX = 65_535;
const GENESIS = 'genesis.json';
/** Inside a container: every validator has an address, and so the ports, of its own. */
const COMPOSE = { p2pPort: 7000, httpPort: 8080, data: '/data', mark: '/mark' } as const;

interface CreateOptions {
  readonly dir: string;
  readonly name: string;
  readonly validators: readonly CentralBank[];
  readonly basePort?: number;
  readonly layout: 'local' | 'compose';
  /** Makes a test network, whose time runs so many times faster. */
  readonly testTimeScale?: number;
}

interface Member {
  readonly bank: CentralBank;
  readonly folder: string;
  readonly keys: { readonly vote: Jwk; readonly network: Jwk; readonly authority: Jwk };
}

interface Place {
  readonly http: { readonly host: string; readonly port: number };
  readonly listen: string;
  /** How the others reach it. */
  readonly address: string;
  readonly data: string;
  readonly mark: string;
}

export function networkCommands(program: Command, run: Runner): void {
  program
    .command('network')
    .description('make a network')
    .command('create')
    .description('make the genesis file, and for each validator a folder with its configuration and keys')
    .requiredOption('--dir <folder>', 'where to make it')
    .option('--name <name>', 'what to call the network', 'Causeway')
    .option(
      '--validators <codes>',
      `jurisdictions with commas between, of ${CENTRAL_BANKS.map((bank) => bank.jurisdiction).join(', ')}`,
      readValidators,
      readValidators('HK,CN,TH,AE'),
    )
    .option(
      '--base-port <port>',
      'first of the loopback ports, two for each validator; free ones if absent',
      readWhole(1024, PORT_MAX),
    )
    .addOption(
      new Option('--layout <layout>', 'for processes on this machine, or for deploy/compose')
        .choices(['local', 'compose'])
        .default('local')
        .conflicts('basePort'),
    )
    .option(
      '--test-time-scale <factor>',
      'make a test network, whose time runs so many times as fast as clocks: 17280 for a day in 5 s',
      readWhole(1, TIME_SCALE_MAX),
    )
    .addHelpText(
      'after',
      '\nExample:\n  causeway network create --dir ./net --validators HK,CN,TH,AE\n  causeway node start --config ./net/hk/node.toml',
    )
    .action(run(createNetwork));
}

function readValidators(text: string): readonly CentralBank[] {
  const codes = text.split(',');
  if (new Set(codes).size !== codes.length) throw new InvalidArgumentError('Each jurisdiction may stand there once.');
  return codes.map((code) => {
    const bank = CENTRAL_BANKS.find(({ jurisdiction }) => jurisdiction === code);
    if (bank !== undefined) return bank;
    throw new InvalidArgumentError(
      `${code} is not one of ${CENTRAL_BANKS.map(({ jurisdiction }) => jurisdiction).join(', ')}.`,
    );
  });
}

/** Makes a network, or leaves alone the one that stands in the folder already; nothing is ever overwritten. */
async function createNetwork(options: CreateOptions): Promise<Outcome> {
  const dir = resolve(options.dir);
  if (existsSync(join(dir, GENESIS))) return standing(dir, options);
  const found = existsSync(dir) ? readdirSync(dir) : [];
  if (found.length > 0) {
    return failed(
      'refused',
      'not_empty',
      `${dir} holds ${found.slice(0, 3).join(', ')} and no ${GENESIS}, so it is no whole network. Name another folder, or empty this one.`,
    );
  }
  try {
    const members = makeMembers(dir, options.validators);
    if (!members.ok) return members.outcome;
    const places = await placesOf(options);
    for (const [at, member] of members.value.entries()) writeConfig(member, places, at, members.value);
    return writeGenesis(dir, options, members.value, places);
  } catch (error) {
    return failed('file', 'unwritable', `${dir} cannot be written: ${(error as Error).message}.`);
  }
}

function standing(dir: string, asked: Pick<CreateOptions, 'validators' | 'testTimeScale'>): Outcome {
  const parsed = parseGenesis(readFileSync(join(dir, GENESIS)));
  if (!parsed.ok) return failed('refused', parsed.code, `${join(dir, GENESIS)} is no genesis file: ${parsed.detail}.`);
  const { network, name, test, validators } = parsed.genesis;
  const parties = validators.validators.map(({ party }): string => party);
  if (parties.join() !== asked.validators.map(({ party }) => party).join()) {
    return failed(
      'refused',
      'exists',
      `${dir} holds a network of other validators already: ${parties.join(', ')}. Name another folder.`,
    );
  }
  if (test?.timeScale !== asked.testTimeScale) {
    const found = test === null ? 'a network of record' : `a test network of time scale ${test.timeScale}`;
    return failed('refused', 'exists', `${dir} holds ${found} already. Name another folder.`);
  }
  return done(
    { created: false, dir, network, name, test, validators: parties },
    `The network ${name} stands in ${dir} already; nothing was changed.`,
  );
}

function makeMembers(dir: string, banks: readonly CentralBank[]): Step<readonly Member[]> {
  const members: Member[] = [];
  for (const bank of banks) {
    const folder = join(dir, bank.jurisdiction.toLowerCase());
    mkdirSync(join(folder, 'keys'), { recursive: true, mode: 0o700 });
    const make = (name: string, alg: KeyFileAlg) => createKeyFile(join(folder, 'keys', `${name}.pem`), alg);
    const [vote, network, authority] = [
      make('vote', 'Ed25519'),
      make('network', 'Ed25519'),
      make('authority', 'ES256'),
    ];
    for (const made of [vote, network, authority]) {
      if (!made.ok) return ended(failed('file', made.code, `${made.detail}.`));
    }
    assert(vote.ok && network.ok && authority.ok, 'every key was made');
    members.push({ bank, folder, keys: { vote: vote.jwk, network: network.jwk, authority: authority.jwk } });
  }
  return went(members);
}

async function placesOf({ validators, layout, basePort }: CreateOptions): Promise<readonly Place[]> {
  if (layout === 'compose') {
    const { p2pPort, httpPort, data, mark } = COMPOSE;
    return validators.map(({ jurisdiction }) => ({
      http: { host: '0.0.0.0', port: httpPort },
      listen: `/ip4/0.0.0.0/tcp/${p2pPort}`,
      address: `/dns4/${jurisdiction.toLowerCase()}/tcp/${p2pPort}`,
      data,
      mark,
    }));
  }
  const count = 2 * validators.length;
  const ports =
    basePort === undefined ? await freePorts(count) : Array.from({ length: count }, (_, at) => basePort + at);
  return validators.map((_, at) => {
    const address = `/ip4/127.0.0.1/tcp/${ports[validators.length + at]}`;
    return {
      http: { host: '127.0.0.1', port: ports[at] as number },
      listen: address,
      address,
      data: 'data',
      mark: 'mark',
    };
  });
}

function writeConfig({ bank, folder }: Member, places: readonly Place[], at: number, members: readonly Member[]): void {
  const { http, listen, data, mark } = places[at] as Place;
  const peers = members.flatMap((peer, index) =>
    index === at ? [] : [{ party: peer.bank.party, address: (places[index] as Place).address }],
  );
  const keys = { vote: 'keys/vote.pem', network: 'keys/network.pem' };
  const text = renderConfig({
    party: bank.party,
    genesis: `../${GENESIS}`,
    data,
    mark,
    keys,
    http,
    p2p: { listen },
    peers,
  });
  writeFileSync(join(folder, 'node.toml'), text, { flag: 'wx' });
}

/** Last of all: a folder with a genesis file is a whole network. */
function writeGenesis(
  dir: string,
  { name, testTimeScale }: Pick<CreateOptions, 'name' | 'testTimeScale'>,
  members: readonly Member[],
  places: readonly Place[],
): Outcome {
  const file: GenesisFile = {
    format: 'causeway-genesis/1',
    name,
    created: formatTime(Date.now()),
    parameters: { skewMs: SKEW_MS },
    ...(testTimeScale !== undefined && { test: { timeScale: testTimeScale } }),
    authorities: members.map(({ bank: { party, name: bankName, lei, jurisdiction }, keys }) => ({
      party,
      name: bankName,
      lei,
      jurisdiction,
      threshold: 1,
      keys: [keys.authority],
    })),
    validators: members.map(({ bank, keys }) => ({
      party: bank.party,
      voteKey: rawKey(keys.vote),
      networkKey: rawKey(keys.network),
    })),
  };
  const bytes = encodeGenesis(file);
  const parsed = parseGenesis(bytes);
  if (!parsed.ok)
    return failed('refused', parsed.code, `The genesis file would be refused at ${parsed.pointer}: ${parsed.detail}.`);
  writeFileSync(join(dir, GENESIS), bytes, { flag: 'wx' });
  const { network, test } = parsed.genesis;
  const validators = members.map(({ bank, folder }, at) => {
    const { http, listen } = places[at] as Place;
    return {
      party: bank.party,
      config: join(folder, 'node.toml'),
      http: `http://${http.host}:${http.port}`,
      p2p: listen,
    };
  });
  const lines = [
    `The network ${name} stands in ${dir}.`,
    ...(testTimeScale === undefined
      ? []
      : [`It is a test network: its time runs ${testTimeScale} times as fast as clocks.`]),
    `Its id is ${network}.`,
    ...validators.map(({ party, config }) => `${party}: causeway node start --config ${config}`),
  ];
  return done({ created: true, dir, network, name, test, genesis: join(dir, GENESIS), validators }, lines.join('\n'));
}

function rawKey(jwk: Jwk): string {
  const raw = fromBase64url(jwk.x);
  assert(jwk.kty === 'OKP' && raw?.length === 32, "a validator's key is Ed25519");
  return toHex(raw);
}
