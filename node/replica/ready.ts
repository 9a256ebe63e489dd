/** What a node says on the ledger when it is to vote in the next epoch and has the state: kind `ready`, signed by its network key. */
import { toBase64url } from '../../protocol/base64url.js';
import { canonicalBytes } from '../../protocol/canonical.js';
import { fromHex, utf8 } from '../../protocol/codec.js';
import { hashOf } from '../../protocol/hash.js';
import { ed25519Thumbprint, type Instruction, parseInstruction } from '../../protocol/instruction.js';
import { protectedTextOf, signingInput } from '../../protocol/jws.js';
import {
  assert,
  type Bic,
  type InstructionDigest,
  type NetworkId,
  type PeerKey,
  type TimestampMs,
} from '../../protocol/types.js';
import { formatTime } from '../../protocol/values.js';
import type { Signer } from '../ports.js';

/** How long a statement may take to be ordered; then it is made again. */
export const READY_VALIDITY_MS = 60_000;

/** The signed instruction. `issued` is a final block's time, so that no clock can make it come too early. */
export async function readyInstruction(
  {
    network,
    party,
    own,
    change,
    issued,
  }: {
    readonly network: NetworkId;
    readonly party: Bic;
    readonly own: PeerKey;
    readonly change: InstructionDigest;
    readonly issued: TimestampMs;
  },
  signer: Pick<Signer, 'network'>,
): Promise<Instruction> {
  const times = { issued: formatTime(issued), expires: formatTime(issued + READY_VALIDITY_MS) };
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
