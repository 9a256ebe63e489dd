/** The folder of a network of real nodes: its genesis, and for each node what `causeway node start` reads. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderConfig } from '../../node/config.js';
import { fromBase64url } from '../../protocol/base64url.js';
import { toHex } from '../../protocol/codec.js';
import { encodeGenesis, type Genesis } from '../../protocol/genesis.js';
import { assert } from '../../protocol/types.js';
import { keyObjectOf, nativeSigner } from '../nativesigner.js';
import type { Cast } from './cast.js';
import type { Scenario } from './file.js';
import { type MadeGenesis, makeGenesis } from './genesis.js';
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

export interface Keys {
  readonly vote: SigningKey;
  readonly network: SigningKey;
}

/** Keys of everybody: of nodes in files that they read, of banks in memory. */
export class NetworkFolder {
  readonly dir: string;
  readonly genesis: Genesis;
  readonly #cast: Cast;
  readonly #made: MadeGenesis;
  readonly #players = new Map<string, SigningKey>();
  readonly #nodes: readonly { readonly vote: Uint8Array; readonly network: Uint8Array }[];

  constructor(dir: string, scenario: Scenario, cast: Cast, nowMs: number) {
    this.dir = dir;
    this.#cast = cast;
    this.#nodes = cast.seats.map(() => ({ vote: randomBytes(32), network: randomBytes(32) }));
    this.#made = makeGenesis(scenario, cast, nowMs, {
      authority: ({ party }) => this.signerOf(party).jwk,
      seat: (at) => {
        const { vote, network } = this.#keysOf(at);
        return { voteKey: rawHex(nativeSigner(vote)), networkKey: rawHex(nativeSigner(network)) };
      },
    });
    this.genesis = this.#made.genesis;
  }

  signerOf(party: string): SigningKey {
    const known = this.#players.get(party) ?? nativeSigner(randomBytes(32));
    this.#players.set(party, known);
    return known;
  }
  nodeKeyOf(at: number): SigningKey {
    return nativeSigner(this.#keysOf(at).network);
  }
  folderOf(at: number): string {
    return join(this.dir, (this.#cast.seats[at] as Cast['seats'][number]).name.toLowerCase());
  }

  /** Writes all files; `siteOf` says where each node is. */
  write(siteOf: (at: number) => Site): void {
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    writeFileSync(join(this.dir, 'genesis.json'), encodeGenesis(this.#made.file));
    for (const [at, seat] of this.#cast.seats.entries()) {
      const folder = this.folderOf(at);
      for (const each of ['keys', 'data', 'mark']) mkdirSync(join(folder, each), { recursive: true, mode: 0o700 });
      const { vote, network } = this.#keysOf(at);
      this.#writeKey(folder, 'network', network);
      if (seat.isValidator) this.#writeKey(folder, 'vote', vote);
      const { peers, ...site } = siteOf(at);
      const text = renderConfig({
        party: seat.player.party,
        genesis: site.genesis,
        data: site.data,
        mark: site.mark,
        keys: { network: 'keys/network.pem', ...(seat.isValidator && { vote: 'keys/vote.pem' }) },
        http: site.http,
        p2p: { listen: site.listen },
        peers: [...peers].map(([other, address]) => ({ party: this.#partyOf(other), address })),
      });
      writeFileSync(join(folder, 'node.toml'), text);
    }
  }

  #writeKey(folder: string, name: string, seed: Uint8Array): void {
    const pem = keyObjectOf(seed).export({ format: 'pem', type: 'pkcs8' });
    writeFileSync(join(folder, 'keys', `${name}.pem`), pem, { mode: 0o600 });
  }
  #partyOf(at: number): string {
    return (this.#cast.seats[at] as Cast['seats'][number]).player.party;
  }
  #keysOf(at: number): { readonly vote: Uint8Array; readonly network: Uint8Array } {
    const keys = this.#nodes[at];
    assert(keys !== undefined, 'a node of the cast');
    return keys;
  }
}

/** A public Ed25519 key, raw, in hex. */
function rawHex({ jwk }: SigningKey): string {
  const raw = fromBase64url(jwk.x);
  assert(raw !== null, 'a key that was made here');
  return toHex(raw);
}
