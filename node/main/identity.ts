/** Who this node is: its genesis file and its keys. Both must be usable before anything is opened. */
import { readFileSync } from 'node:fs';
import { type Genesis, parseGenesis } from '../../protocol/genesis.js';
import type { Bic, Hash, PeerKey, ValidatorSet } from '../../protocol/types.js';
import type { Config } from '../config.js';
import { loadSeed } from '../keys/files.js';
import { Failure } from './exits.js';

export interface Identity {
  readonly genesis: Genesis;
  /** Its network key. */
  readonly own: PeerKey;
  /** Ed25519 seeds, 32 bytes each. A participant has no vote keys. */
  readonly voteSeeds: readonly Uint8Array[];
  readonly voteKeys: readonly Hash[];
  readonly networkSeed: Uint8Array;
  /** Where the configuration says that each party's node is. */
  readonly addresses: ReadonlyMap<Bic, string>;
}

/** @throws Failure `genesis_invalid`, `key_unusable` */
export function identify(config: Config): Identity {
  const genesis = readGenesis(config.genesis);
  const network = readSeed(config.keys.network);
  const votes = [config.keys.vote, config.keys.nextVote].flatMap((path) => (path === null ? [] : [readSeed(path)]));
  return {
    genesis,
    own: network.publicKey as PeerKey,
    voteSeeds: votes.map(({ seed }) => seed),
    voteKeys: votes.map(({ publicKey }) => publicKey),
    networkSeed: network.seed,
    addresses: new Map(config.peers.map(({ party, address }) => [party, address])),
  };
}

/**
 * What cannot be meant: keys of which one fits a place in the set and the other does not. A node without a place follows.
 *
 * @throws Failure `not_a_validator`
 */
export function checkPlace({ party, keys }: Config, { own, voteKeys }: Identity, set: ValidatorSet): void {
  const byNetwork = set.validators.find(({ networkKey }) => networkKey === own);
  const byVote = set.validators.find(({ voteKey }) => voteKeys.includes(voteKey));
  if (byVote !== undefined && byVote !== byNetwork) {
    throw new Failure(
      'not_a_validator',
      `${keys.vote} is the vote key of ${byVote.party}, but ${keys.network} is not its network key: the set of epoch ${set.epoch} has ${byVote.networkKey}, and this is ${own}. Put the right key there.`,
    );
  }
  if (byNetwork !== undefined && voteKeys.length > 0 && byVote === undefined) {
    throw new Failure(
      'not_a_validator',
      `${keys.vote} is not the vote key of ${byNetwork.party}: the set of epoch ${set.epoch} has ${byNetwork.voteKey}, and this is ${voteKeys.join(' or ')}. Put the right key there.`,
    );
  }
  if (byNetwork !== undefined && byNetwork.party !== party) {
    throw new Failure(
      'not_a_validator',
      `These are the keys of ${byNetwork.party}, and \`party\` says ${party}. Set it to ${byNetwork.party}, or name this party's own keys.`,
    );
  }
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

function readSeed(path: string): { readonly seed: Uint8Array; readonly publicKey: Hash } {
  const loaded = loadSeed(path);
  if (!loaded.ok) throw new Failure('key_unusable', `${loaded.detail}.`);
  return loaded;
}
