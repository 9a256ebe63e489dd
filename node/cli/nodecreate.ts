/**
 * `node create`: a folder for a node that is not in the genesis file, with its keys, its configuration, and what others
 * need to let it take part. A participant has no vote key; a standby has one, and votes once a `govern` names it.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { parse } from 'smol-toml';
import { parseGenesis } from '../../protocol/genesis.js';
import type { Bic, NetworkId } from '../../protocol/types.js';
import { proveKey } from '../api/signing.js';
import { loadConfig, renderConfig } from '../config.js';
import { createKeyFile, loadBankKey } from '../keys/files.js';
import { freePorts } from '../main/freeports.js';
import { gather, readBic, readWhole } from './arguments.js';
import { memberOf } from './member.js';
import { done, ended, failed, type Outcome, type Step, went } from './outcome.js';
import type { Runner } from './runner.js';

const PORT_MAX = 65_535;
const CONFIG = 'node.toml';
const GENESIS = 'genesis.json';
const PROOF = 'node.proof.json';
const MEMBER = 'member.json';
/** A node that listens on all of its addresses has not said at which one others reach it. */
const WILDCARD = /^\/(ip4\/0\.0\.0\.0|ip6\/::)\//;

interface CreateOptions {
  readonly dir: string;
  readonly party: string;
  readonly peersOf: readonly string[];
  readonly genesis?: string;
  readonly basePort?: number;
  readonly standby: boolean;
}

export function createCommand(node: Command, run: Runner): void {
  node
    .command('create')
    .description("make a folder for a participant's node, or with --standby for one that is to validate")
    .requiredOption('--dir <folder>', 'where to make it')
    .requiredOption('--party <bic>', 'whose node it is', readBic)
    .requiredOption(
      '--peers-of <file>',
      "a validator's configuration, for the validators' addresses and the genesis file; again for more addresses",
      gather,
    )
    .option('--genesis <file>', 'the genesis file, when it is not where that configuration says')
    .option('--standby', 'with a vote key of its own, to take a place in the set of validators', false)
    .option(
      '--base-port <port>',
      'first of two loopback ports, for HTTP and for other nodes; free ones if absent',
      readWhole(1024, PORT_MAX - 1),
    )
    .addHelpText(
      'after',
      '\nExample:\n  causeway node create --dir ./hsbc --party HSBCHKHHXXX --peers-of ./net/hk/node.toml\n  causeway key add-node --key hsbc.pem --party HSBCHKHHXXX --proof ./hsbc/node.proof.json\n  causeway node start --config ./hsbc/node.toml',
    )
    .action(run(createNode));
}

/** Whole or not at all: it is made beside its place, and nothing that stands there is touched. */
async function createNode(options: CreateOptions): Promise<Outcome> {
  const dir = resolve(options.dir);
  if (existsSync(dir) && readdirSync(dir).length > 0) return standing(dir, options.party);
  const peers = readPeers(options);
  if (!peers.ok) return peers.outcome;
  const making = `${dir}.making`;
  try {
    rmSync(making, { recursive: true, force: true });
    mkdirSync(join(making, 'keys'), { recursive: true, mode: 0o700 });
    const made = await fill(making, peers.value, options);
    if (!made.ok) return made.outcome;
    // Over an empty folder this works, over one with anything in it never.
    renameSync(making, dir);
    return told(dir, options, made.value);
  } catch (error) {
    return failed('file', 'unwritable', `${dir} cannot be made: ${(error as Error).message}.`);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

function standing(dir: string, party: string): Outcome {
  const path = join(dir, CONFIG);
  if (!existsSync(path)) {
    const found = readdirSync(dir).slice(0, 3).join(', ');
    const detail = `${dir} holds ${found} and no ${CONFIG}, so it is no node's folder. Name another one, or empty it.`;
    return failed('refused', 'not_empty', detail);
  }
  const loaded = loadConfig(path, {});
  if (!loaded.ok)
    return failed('config_invalid', 'config_invalid', loaded.errors.join('\n'), { errors: loaded.errors });
  if (loaded.config.party !== party) {
    const detail = `${dir} holds the node of ${loaded.config.party} already. Name another folder.`;
    return failed('refused', 'exists', detail);
  }
  return done(
    { created: false, dir, party, config: path },
    `The node of ${party} stands in ${dir} already; nothing was changed.`,
  );
}

interface Peers {
  readonly genesis: string;
  readonly addresses: readonly { readonly party: string; readonly address: string }[];
}

/** Who can be dialled, as the validators' configurations say, but for the party's own; first come, first kept. */
function readPeers({ peersOf, genesis, party }: CreateOptions): Step<Peers> {
  const addresses = new Map<string, string>();
  let genesisFile = genesis;
  for (const path of peersOf) {
    const read = readConfiguration(path);
    if (typeof read === 'string') return ended(failed('file', 'unreadable', read));
    genesisFile ??= resolve(dirname(path), read.genesis);
    for (const { party: other, address } of [...read.peers, { party: read.party, address: read.p2p.listen }]) {
      if (other === party || WILDCARD.test(address) || addresses.has(other)) continue;
      addresses.set(other, address);
    }
  }
  if (addresses.size === 0 || genesisFile === undefined) {
    const detail = `${peersOf.join(', ')}: no address of a validator stands there. Name the configuration of one that has peers.`;
    return ended(failed('refused', 'no_peers', detail));
  }
  const sorted = [...addresses].sort(([a], [b]) => (a < b ? -1 : 1));
  return went({ genesis: genesisFile, addresses: sorted.map(([name, address]) => ({ party: name, address })) });
}

interface Written {
  readonly party: string;
  readonly genesis: string;
  readonly p2p: { readonly listen: string };
  readonly peers: readonly { readonly party: string; readonly address: string }[];
}

/** What matters here of a node's configuration, which may stand without the keys that it names; or what is wrong with it. */
function readConfiguration(path: string): Written | string {
  let table: unknown;
  try {
    table = parse(readFileSync(path, 'utf8'));
  } catch (error) {
    return `${path} is not read: ${(error as Error).message.split('\n')[0]}.`;
  }
  const { party, genesis, p2p, peers = [] } = table as { [name in keyof Written]?: unknown };
  const isEntry = (entry: unknown): boolean => {
    const { party: other, address } = (entry ?? {}) as { party?: unknown; address?: unknown };
    return typeof other === 'string' && typeof address === 'string';
  };
  const { listen } = (p2p ?? {}) as { listen?: unknown };
  const isWhole = typeof party === 'string' && typeof genesis === 'string' && typeof listen === 'string';
  if (!isWhole || !Array.isArray(peers) || !peers.every(isEntry))
    return `${path} is no configuration of a node: party, genesis, p2p.listen or peers is missing or of another form.`;
  return { party, genesis, p2p: { listen }, peers: peers as Written['peers'] };
}

interface Made {
  readonly network: NetworkId;
  /** Of its network key. */
  readonly kid: string;
  readonly http: string;
  readonly p2p: string;
  readonly peers: readonly string[];
}

/** Keys, configuration, genesis file, and the proofs that the ledger asks for; each new. */
async function fill(folder: string, peers: Peers, { party, standby, basePort }: CreateOptions): Promise<Step<Made>> {
  const bytes = readFileSync(peers.genesis);
  const parsed = parseGenesis(bytes);
  if (!parsed.ok)
    return ended(failed('refused', parsed.code, `${peers.genesis} is no genesis file: ${parsed.detail}.`));
  const { network } = parsed.genesis;
  const files = { voteKey: join(folder, 'keys', 'vote.pem'), networkKey: join(folder, 'keys', 'network.pem') };
  for (const file of standby ? [files.networkKey, files.voteKey] : [files.networkKey]) {
    const made = createKeyFile(file, 'Ed25519');
    if (!made.ok) return ended(failed('file', made.code, `${made.detail}.`));
  }
  const [httpPort, p2pPort] =
    basePort === undefined ? ((await freePorts(2)) as [number, number]) : [basePort, basePort + 1];
  const listen = `/ip4/127.0.0.1/tcp/${p2pPort}`;
  const text = renderConfig({
    party,
    genesis: GENESIS,
    data: 'data',
    mark: 'mark',
    keys: { ...(standby ? { vote: 'keys/vote.pem' } : {}), network: 'keys/network.pem' },
    http: { host: '127.0.0.1', port: httpPort },
    p2p: { listen },
    peers: [...peers.addresses],
  });
  const write = (name: string, content: string | Uint8Array): void =>
    writeFileSync(join(folder, name), content, { flag: 'wx' });
  write(GENESIS, bytes);
  write(CONFIG, text);
  const loaded = loadConfig(join(folder, CONFIG), {});
  // An address that was copied may be wrong where it came from.
  if (!loaded.ok)
    return ended(failed('refused', 'config_invalid', loaded.errors.join('\n'), { errors: loaded.errors }));
  const own = loadBankKey(files.networkKey);
  if (!own.ok) return ended(failed('file', own.code, `${own.detail}.`));
  write(PROOF, `${JSON.stringify(await proveKey({ network, party, jwk: own.key.jwk }, own.key))}\n`);
  if (standby) {
    const member = memberOf(network, party as Bic, files);
    if (!member.ok) return member;
    write(MEMBER, `${JSON.stringify(member.value)}\n`);
  }
  const http = `http://127.0.0.1:${httpPort}`;
  return went({
    network,
    kid: own.key.kid,
    http,
    p2p: listen,
    peers: peers.addresses.map((peer) => peer.party),
  });
}

/** What is there, and what is to be done with it. */
function told(dir: string, { party, standby }: CreateOptions, { network, kid, http, p2p, peers }: Made): Outcome {
  const [config, proof, member] = [join(dir, CONFIG), join(dir, PROOF), standby ? join(dir, MEMBER) : null];
  const lines = [
    `The node of ${party} stands in ${dir}. It knows the addresses of ${peers.join(', ')}.`,
    `Its key is to be registered: causeway key add-node --party ${party} --proof ${proof} --key A_KEY_OF_${party}`,
    `Then it follows the ledger: causeway node start --config ${config}`,
  ];
  if (member !== null)
    lines.push(
      `And validates when authorities put it into the set: causeway govern validators --add ${member} --key AN_AUTHORITY`,
    );
  const json = { created: true, dir, party, network, config, kid, proof, member, http, p2p, peers };
  return done(json, lines.join('\n'));
}
