/** The genesis of a scenario: its central banks as authorities, those that run validators in the first set. */
import { canonicalBytes } from '../../protocol/canonical.js';
import { type Genesis, type GenesisFile, parseGenesis } from '../../protocol/genesis.js';
import type { Jwk } from '../../protocol/payload.js';
import { assert } from '../../protocol/types.js';
import { formatTime } from '../../protocol/values.js';
import type { Cast, Player } from './cast.js';
import type { Scenario } from './file.js';

const SKEW_MS = 2_000;

interface Keys {
  readonly authority: (player: Player) => Jwk;
  /** Of a validator: raw public keys in hex. */
  readonly seat: (at: number) => { readonly voteKey: string; readonly networkKey: string };
}

export interface MadeGenesis {
  /** As it is written for nodes. */
  readonly file: GenesisFile;
  readonly genesis: Genesis;
}

export function makeGenesis(
  { title, timeScale }: Pick<Scenario, 'title' | 'timeScale'>,
  cast: Cast,
  createdMs: number,
  keys: Keys,
): MadeGenesis {
  const file: GenesisFile = {
    format: 'causeway-genesis/1',
    name: title,
    created: formatTime(createdMs),
    parameters: { skewMs: SKEW_MS },
    ...(timeScale !== undefined && { test: { timeScale } }),
    authorities: cast.authorities.map((player) => ({
      party: player.party,
      name: player.title,
      lei: player.lei,
      jurisdiction: player.jurisdiction,
      threshold: 1,
      keys: [keys.authority(player)],
    })),
    validators: cast.seats.flatMap(({ isValidator, player }, at) =>
      isValidator ? [{ party: player.party, ...keys.seat(at) }] : [],
    ),
  };
  const parsed = parseGenesis(canonicalBytes(file));
  assert(parsed.ok, `a scenario's genesis is good: ${JSON.stringify(parsed.ok ? '' : parsed)}`);
  return { file, genesis: parsed.genesis };
}
