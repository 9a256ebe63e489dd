/** The folder of a network of real nodes: its genesis, keys of all, and for each node what `causeway node start` reads. */
import { createPrivateKey, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { renderConfig } from '../../node/config.js';
import { fromBase64url } from '../../protocol/base64url.js';
import { toHex } from '../../protocol/codec.js';
import { encodeGenesis, type Genesis, parseGenesis } from '../../protocol/genesis.js';
import { assert } from '../../protocol/types.js';
import { keyObjectOf, nativeSigner } from '../nativesigner.js';
import type { Cast, Seat } from './cast.js';
import type { Scenario } from './file.js';
import { makeGenesis } from './genesis.js';
import type { SigningKey } from './stage.js';

/** Where a node listens and keeps its data, as it sees that itself. */
export interface Site {
  readonly http: { readonly host: string; readonly port: number };
  /** A multiaddr. */
  readonly listen: string;
  readonly genesis: string;
  readonly data: string;
  readonly mark: string;
  /** By place of the others that it dials: where each is reached. */
  readonly peers: ReadonlyMap<number, string>;
}

const GENESIS = 'genesis.json';

export class NetworkFolder {
  readonly dir: string;
  readonly genesis: Genesis;
  readonly #cast: Cast;
  readonly #keys = new Map<string, SigningKey>();

  /** The network that stands in the folder, or a new one. */
  constructor(dir: string, scenario: Pick<Scenario, 'title' | 'timeScale'>, cast: Cast, nowMs: number) {
    this.dir = dir;
    this.#cast = cast;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const path = join(dir, GENESIS);
    if (!existsSync(path)) writeFileSync(path, encodeGenesis(this.#newGenesis(scenario, nowMs)));
    const parsed = parseGenesis(readFileSync(path));
    assert(parsed.ok, 'a genesis file that was written here');
    this.genesis = parsed.genesis;
  }

  #newGenesis(scenario: Pick<Scenario, 'title' | 'timeScale'>, nowMs: number): ReturnType<typeof makeGenesis>['file'] {
    const { file } = makeGenesis(scenario, this.#cast, nowMs, {
      authority: ({ party }) => this.signerOf(party).jwk,
      seat: (at) => ({ voteKey: rawHex(this.#nodeKey(at, 'vote')), networkKey: rawHex(this.nodeKeyOf(at)) }),
    });
    return file;
  }

  /** A player's key, which a tester may sign with too: it lies under `players`. */
  signerOf(party: string): SigningKey {
    return this.#keyIn(join(this.dir, 'players', `${party}.pem`));
  }
  nodeKeyOf(at: number): SigningKey {
    return this.#nodeKey(at, 'network');
  }
  /** What a node is called in files and on the network. */
  nameOf(at: number): string {
    return (this.#cast.seats[at] as Seat).name.toLowerCase();
  }
  folderOf(at: number): string {
    return join(this.dir, 'nodes', this.nameOf(at));
  }
  /** Where the clocks of nodes lie that have their own. */
  get clocks(): string {
    return join(this.dir, 'clocks');
  }

  /** Writes what each node reads; `siteOf` says where it is. */
  write(siteOf: (at: number) => Site): void {
    for (const [at, { isValidator, player }] of this.#cast.seats.entries()) {
      const folder = this.folderOf(at);
      for (const each of ['data', 'mark']) mkdirSync(join(folder, each), { recursive: true, mode: 0o700 });
      this.nodeKeyOf(at);
      const { peers, listen, ...site } = siteOf(at);
      const text = renderConfig({
        party: player.party,
        ...site,
        keys: { network: 'keys/network.pem', ...(isValidator && { vote: 'keys/vote.pem' }) },
        p2p: { listen },
        peers: [...peers].map(([other, address]) => ({
          party: (this.#cast.seats[other] as Seat).player.party,
          address,
        })),
      });
      writeFileSync(join(folder, 'node.toml'), text);
    }
  }

  #nodeKey(at: number, name: 'vote' | 'network'): SigningKey {
    return this.#keyIn(join(this.folderOf(at), 'keys', `${name}.pem`));
  }

  /** The key in a file, which is made if it is not there. */
  #keyIn(path: string): SigningKey {
    const known = this.#keys.get(path);
    if (known !== undefined) return known;
    if (!existsSync(path)) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      const pem = keyObjectOf(randomBytes(32)).export({ format: 'pem', type: 'pkcs8' });
      writeFileSync(path, pem, { mode: 0o600, flag: 'wx' });
    }
    const { d = '' } = createPrivateKey(readFileSync(path)).export({ format: 'jwk' });
    const seed = fromBase64url(d);
    assert(seed?.length === 32, 'a key file holds a seed of 32 bytes');
    const key = nativeSigner(seed);
    this.#keys.set(path, key);
    return key;
  }
}

/** A public Ed25519 key, raw, in hex. */
function rawHex({ jwk }: SigningKey): string {
  const raw = fromBase64url(jwk.x);
  assert(raw !== null, 'a key that was made here');
  return toHex(raw);
}
