/** Who this node is: its genesis file, its place in the set and the keys for it. All must fit before anything is opened. */
import { readFileSync } from 'node:fs';
import { type Genesis, parseGenesis } from '../../protocol/genesis.js';
import type { Bic, Hash, PeerKey } from '../../protocol/types.js';
import type { Config } from '../config.js';
import { loadSeed } from '../keys/files.js';
import { Failure } from './exits.js';

export interface Identity {
  readonly genesis: Genesis;
  /** Its network key. */
  readonly own: PeerKey;
  /** Ed25519 seeds, 32 bytes each. */
  readonly voteSeed: Uint8Array;
  readonly networkSeed: Uint8Array;
  /** Where the configuration says that each party's node is. */
  readonly addresses: ReadonlyMap<Bic, string>;
}

/** @throws Failure `genesis_invalid`, `key_unusable`, `not_a_validator`, `config_invalid` */
export function identify(config: Config): Identity {
  const genesis = readGenesis(config.genesis);
  const { validators } = genesis.validators;
  const own = validators.find(({ party }) => party === config.party);
  if (own === undefined) {
    const known = validators.map(({ party }) => party).join(', ');
    throw new Failure(
      'not_a_validator',
      `${config.party} is no validator of ${config.genesis}, which has ${known}. Set \`party\` to one of them, or name the right genesis file.`,
    );
  }
  for (const { party } of config.peers) {
    if (!validators.some((validator) => validator.party === party)) {
      throw new Failure('config_invalid', `The peer ${party} is no validator of ${config.genesis}. Remove that entry.`);
    }
  }
  return {
    genesis,
    own: own.networkKey,
    voteSeed: readSeed(config.keys.vote, own.voteKey, `the vote key of ${config.party}`),
    networkSeed: readSeed(config.keys.network, own.networkKey, `the network key of ${config.party}`),
    addresses: new Map(config.peers.map(({ party, address }) => [party, address])),
  };
}

function readGenesis(path: string): Genesis {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new Failure('genesis_invalid', `The genesis file ${path} cannot be read: ${(error as Error).message}.`);
  }
  const parsed = parseGenesis(bytes);
  if (parsed.ok) return parsed.genesis;
  const { code, detail, pointer } = parsed;
  throw new Failure(
    'genesis_invalid',
    `The genesis file ${path} is refused (${code}${pointer === '' ? '' : ` at ${pointer}`}): ${detail}. Get the file again from the network's members; all of them have the same.`,
  );
}

function readSeed(path: string, expected: Hash, name: string): Uint8Array {
  const loaded = loadSeed(path);
  if (!loaded.ok) throw new Failure('key_unusable', `${loaded.detail}.`);
  if (loaded.publicKey === expected) return loaded.seed;
  throw new Failure(
    'not_a_validator',
    `${path} is not ${name}: the genesis file has ${expected}, and this is ${loaded.publicKey}. Put the right key there.`,
  );
}
