/** A validator to be, as `govern` names it: its keys, and the proof that it holds the vote key. */
import { toHex } from '../../protocol/codec.js';
import { signEd25519 } from '../../protocol/crypto.js';
import { voteKeyStatement } from '../../protocol/jws.js';
import type { Member } from '../../protocol/payload.js';
import type { Bic, NetworkId } from '../../protocol/types.js';
import { loadSeed } from '../keys/files.js';
import { ended, failed, type Step, went } from './outcome.js';

/** The member with these key files, PEM PKCS#8, for one network. */
export function memberOf(
  network: NetworkId,
  party: Bic,
  files: { readonly voteKey: string; readonly networkKey: string },
): Step<Member> {
  const [vote, own] = [loadSeed(files.voteKey), loadSeed(files.networkKey)];
  if (!vote.ok) return ended(failed('file', vote.code, `${vote.detail}.`));
  if (!own.ok) return ended(failed('file', own.code, `${own.detail}.`));
  const voteKey = vote.publicKey;
  const possession = toHex(signEd25519(vote.seed, voteKeyStatement(network, { party, voteKey })));
  return went({ party, voteKey, networkKey: own.publicKey, possession });
}
