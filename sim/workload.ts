/** Banks of the virtual world: they are admitted, funded, pay each other, settle PvP, repeat themselves, and send nonsense. */
import { ISSUED_EARLIER_MS } from '../node/api/signing.js';
import { canonicalBytes } from '../protocol/canonical.js';
import { type Genesis, type GenesisFile, parseGenesis } from '../protocol/genesis.js';
import type { JwsJson } from '../protocol/instruction.js';
import { ISSUED_AHEAD_MS_MAX } from '../protocol/limits.js';
import { assert } from '../protocol/types.js';
import { LEI } from './lei.js';
import { ACTS, admission, oneSided, type Share } from './workload/acts.js';
import { Desk, type Surroundings } from './workload/desk.js';
import { LOCK_ACTS } from './workload/lockacts.js';
import { hexKey, jurisdictionsOf, partyKey, startOf } from './workload/parties.js';
import { QUEUE_ACTS } from './workload/queueacts.js';
import { REPO_ACTS } from './workload/repoacts.js';

export { readJws } from './workload/desk.js';

/** `light` and `full` are a network's business with a few mistakes; in `hostile` most of it is refused. */
export type Profile = 'light' | 'full' | 'hostile';

/** A network of so many central banks, each of which runs a validator; keys 2i and 2i + 1 are the vote and network key of the i-th. */
export function simGenesis(createdMs: number, validators = 4, test?: GenesisFile['test']): Genesis {
  const jurisdictions = jurisdictionsOf(validators);
  const file: GenesisFile = {
    format: 'causeway-genesis/1',
    name: 'simulated',
    created: new Date(createdMs).toISOString(),
    parameters: { skewMs: 2000 },
    ...(test !== undefined && { test }),
    authorities: jurisdictions.map(({ code, authority }) => {
      const { keys, threshold } = startOf(authority);
      const jwks = Array.from({ length: keys }, (_, slot) => partyKey(authority, slot).jwk);
      return { party: authority, name: authority, lei: LEI, jurisdiction: code, threshold, keys: jwks };
    }),
    validators: jurisdictions.slice(0, validators).map(({ authority }, i) => ({
      party: authority,
      voteKey: hexKey(2 * i),
      networkKey: hexKey(2 * i + 1),
    })),
  };
  const parsed = parseGenesis(canonicalBytes(file));
  assert(parsed.ok, `the world's genesis is good: ${JSON.stringify(parsed.ok ? '' : parsed)}`);
  return parsed.genesis;
}

const ALL_ACTS: readonly Share[] = [...ACTS, ...QUEUE_ACTS, ...LOCK_ACTS, ...REPO_ACTS];

/** Of a thousand calls, how many go on with what an act left to be sent later. */
const LATER_PER_MILLE = 300;
const LATER_MAX = 100;
/** Of a thousand, how many are signed by a clock so far ahead that they are issued just now, or in a moment. */
const AHEAD_PER_MILLE = 250;
const AHEAD_MS: readonly [number, number] = [ISSUED_EARLIER_MS - 500, ISSUED_EARLIER_MS + ISSUED_AHEAD_MS_MAX];

export class Workload {
  readonly #desk: Desk;
  readonly #shares: readonly number[];
  readonly #later: JwsJson[] = [];

  constructor(world: Surroundings, genesis: Genesis, profile: Profile = 'light') {
    this.#desk = new Desk(world, genesis, jurisdictionsOf(genesis.validators.validators.length));
    this.#shares = ALL_ACTS.map(([, light, full, hostile]) => ({ light, full, hostile })[profile]);
  }

  /** What opens a network for business: assets, banks, money. Each stage needs the one before it to be final. */
  async opening(): Promise<JwsJson[][]> {
    const desk = this.#desk;
    const assets: JwsJson[] = [];
    const banks: JwsJson[] = [];
    const money: JwsJson[] = [];
    for (const { code, authority, currency, decimals, banks: own } of desk.jurisdictions) {
      const fixed = {
        asset: currency,
        class: 'wcbdc',
        name: currency,
        issuer: authority,
        jurisdiction: code,
        decimals,
      };
      assets.push(await desk.make({ initiator: authority, kind: 'asset', ...fixed, cap: '1000000000' }, [authority]));
      for (const party of own) banks.push(await admission(desk, party, authority, code));
      const legs = desk.banks.map((to) => ({ from: authority, to, asset: currency, amount: '10000' }));
      money.push(await desk.make({ initiator: authority, kind: 'settle', mode: 'gross', legs }, [authority]));
    }
    return [assets, banks, money];
  }

  /** Something a bank might send. */
  async next(): Promise<JwsJson> {
    const { random } = this.#desk;
    const isFull = this.#later.length >= LATER_MAX;
    if (this.#later.length > 0 && (isFull || random.chance(LATER_PER_MILLE))) {
      // Mostly in the order in which it was meant to be sent.
      const [jws] = this.#later.splice(random.chance(800) ? 0 : random.between(0, this.#later.length - 1), 1);
      return this.#sent(jws as JwsJson);
    }
    const total = this.#shares.reduce((sum, share) => sum + share, 0);
    let at = random.between(0, total - 1);
    const index = this.#shares.findIndex((share) => {
      at -= share;
      return at < 0;
    });
    const [act] = ALL_ACTS[index] as Share;
    this.#desk.clockAheadMs = random.chance(AHEAD_PER_MILLE) ? random.between(...AHEAD_MS) : 0;
    const [first, ...rest] = await act(this.#desk);
    this.#desk.clockAheadMs = 0;
    assert(first !== undefined, 'an act gives something to send');
    this.#later.push(...rest);
    return this.#sent(first);
  }

  /** So many proposals of one side, which lapse together. */
  async lapsing(count: number, forMs: number): Promise<JwsJson[]> {
    const expires = this.#desk.inMs(forMs);
    const made = await Promise.all(Array.from({ length: count }, () => oneSided(this.#desk, { expires })));
    return made.map(({ jws }) => jws);
  }

  #sent(jws: JwsJson): JwsJson {
    this.#desk.sent(jws);
    return jws;
  }
}
