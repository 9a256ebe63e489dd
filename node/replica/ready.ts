/** What a node says on the ledger when it is to vote in the next epoch and has the state: kind `ready`, signed by its network key. */
import { toBase64url } from '../../protocol/base64url.js';
import { canonicalBytes } from '../../protocol/canonical.js';
import { fromHex, utf8 } from '../../protocol/codec.js';
import { hashOf } from '../../protocol/hash.js';
import { ed25519Thumbprint, type Instruction, parseInstruction } from '../../protocol/instruction.js';
import { protectedTextOf, signingInput } from '../../protocol/jws.js';
import { VALIDITY_MS_MAX } from '../../protocol/limits.js';
import {
  assert,
  type Bic,
  type Hash,
  type InstructionDigest,
  type NetworkId,
  type PeerKey,
  type TimestampMs,
  type ValidatorIndex,
} from '../../protocol/types.js';
import { formatTime } from '../../protocol/values.js';
import type { Ports, Signer } from '../ports.js';
import type { Chain } from './chain.js';

/** How long a statement is valid, by the machine's time; when half of that has passed and it is not counted, it is made again. */
const READY_VALIDITY_MS = 60_000;

interface Deps extends Pick<Ports, 'clock' | 'signer'> {
  readonly network: NetworkId;
  readonly timeScale: number;
  /** This node's network key. */
  readonly own: PeerKey;
  /** By the vote keys that this node may vote with. */
  readonly marks: ReadonlyMap<Hash, unknown>;
  readonly chain: Chain;
  readonly isFarBehind: () => boolean;
  /** The door of this node itself. */
  readonly submit: (instruction: Instruction) => Promise<unknown>;
}

export class Readiness {
  readonly #deps: Deps;
  #saidAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** When this node is to vote in the next epoch and is up to date, it says so on the ledger, until that is counted. */
  async say(): Promise<void> {
    const { network, timeScale, own, marks, chain, clock, signer, isFarBehind, submit } = this.#deps;
    const { state, header } = chain.final;
    const change = state.openChange();
    const place = change?.members.findIndex(({ networkKey }) => networkKey === own) ?? -1;
    const member = change?.members[place];
    if (!change?.approved || member === undefined || change.ready.includes(place as ValidatorIndex)) return;
    if (!marks.has(member.voteKey) || isFarBehind()) return;
    const validityMs = Math.min(READY_VALIDITY_MS * timeScale, VALIDITY_MS_MAX);
    if (clock.elapsed() - this.#saidAtMs < validityMs / timeScale / 2) return;
    this.#saidAtMs = clock.elapsed();
    const said = { network, party: member.party, own, change: change.digest, issued: header.time, validityMs };
    await submit(await readyInstruction(said, signer));
  }
}

/** The signed instruction. `issued` is a final block's time, so that it waits for no clock. */
async function readyInstruction(
  {
    network,
    party,
    own,
    change,
    issued,
    validityMs,
  }: {
    readonly network: NetworkId;
    readonly party: Bic;
    readonly own: PeerKey;
    readonly change: InstructionDigest;
    readonly issued: TimestampMs;
    readonly validityMs: number;
  },
  signer: Pick<Signer, 'network'>,
): Promise<Instruction> {
  const times = { issued: formatTime(issued), expires: formatTime(issued + validityMs) };
  const id = uuidOf(hashOf(utf8(`${change} ${own} ${issued}`)));
  const payload = { network, initiator: party, id, ...times, kind: 'ready', change };
  const text = toBase64url(canonicalBytes(payload));
  const header = protectedTextOf({ alg: 'EdDSA', kid: ed25519Thumbprint(fromHex(own)), typ: 'causeway+json' });
  const signature = toBase64url(await signer.network(signingInput(header, text)));
  const read = parseInstruction(
    utf8(JSON.stringify({ payload: text, signatures: [{ protected: header, signature }] })),
  );
  assert(read.ok, 'a node makes instructions of good form');
  return read.instruction;
}

/** A UUID of version 8 (RFC 9562: of one's own making) from a hash. */
const uuidOf = (hash: string): string =>
  `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
