/** Signs an instruction with the keys of files, submits it, and follows it to its end. */
import { isEffective, type ResultCode } from '../../ledger/codes.js';
import { type Client, createClient } from '../api/client.js';
import { buildInstruction, type PayloadFields, signInstruction } from '../api/signing.js';
import { type BankKey, loadBankKey } from '../keys/files.js';
import { done, ended, failed, type Outcome, refusedBy, type Step, went } from './outcome.js';

export interface SigningOptions {
  readonly node: string;
  /** Key files. */
  readonly key: readonly string[];
  readonly wait: boolean;
  readonly timeout: number;
}

/** A node, its network, and keys with the parties they are registered for. */
export interface Desk {
  readonly client: Client;
  readonly network: string;
  readonly keys: readonly BankKey[];
  /** The parties of `keys`, in their order; undefined for a key that nobody registered. */
  readonly parties: readonly (string | undefined)[];
}

export async function openDesk({ node, key }: SigningOptions): Promise<Step<Desk>> {
  const keys: BankKey[] = [];
  for (const file of key) {
    const loaded = loadBankKey(file);
    if (!loaded.ok) return ended(failed('file', loaded.code, `${loaded.detail}.`));
    keys.push(loaded.key);
  }
  const client = createClient(node);
  const [status, registered] = await Promise.all([client.getStatus(), client.getParticipants()]);
  if (!status.ok) return ended(refusedBy(status.problem));
  if (!registered.ok) return ended(refusedBy(registered.problem));
  const { participants } = registered.value;
  const partyOf = (kid: string) => participants.find((party) => party.keys.some((each) => each.kid === kid))?.party;
  return went({ client, network: status.value.network, keys, parties: keys.map(({ kid }) => partyOf(kid)) });
}

/** Whose the first key is: who acts, when no option says so. */
export function initiatorOf({ parties, keys }: Desk): Step<string> {
  const [party] = parties;
  if (party !== undefined) return went(party);
  const detail = `No party has a registered key with thumbprint ${keys[0]?.kid}. Its jurisdiction's authority admits a party with \`causeway party admit\`.`;
  return ended(failed('refused', 'unknown_key', detail));
}

/** Signs with every key of the desk and submits; with `wait` the outcome is the ledger's, else that the node has it. */
export async function submit(desk: Desk, fields: PayloadFields, { wait, timeout }: SigningOptions): Promise<Outcome> {
  const built = buildInstruction(fields);
  const { digest, payload } = built;
  const submitted = await desk.client.submit(await signInstruction(built, desk.keys));
  if (!submitted.ok) return refusedBy(submitted.problem);
  if (!wait) return done({ digest, id: payload.id, status: 'pending' }, `The node has it: ${digest}`);
  return follow(desk.client, digest, timeout, { id: payload.id });
}

/** How long a request waits at most, so that a settlement that waits for a consent is told soon. */
const ROUND_MS = 1_000;

/** Waits until an instruction is final, waits for a consent, or the time is over. */
async function follow(client: Client, digest: string, timeoutMs: number, more: object = {}): Promise<Outcome> {
  for (let leftMs = timeoutMs; ; leftMs -= ROUND_MS) {
    const answer = await client.waitFinal(digest, Math.max(0, Math.min(leftMs, ROUND_MS)));
    if (!answer.ok) return refusedBy(answer.problem);
    const { status, code, missing } = answer.value;
    if (status === 'final' || missing.length > 0 || leftMs <= ROUND_MS)
      return told({ ...more, ...answer.value, missing, code });
  }
}

interface Told {
  readonly digest: string;
  readonly status: 'pending' | 'final';
  readonly code: string | null;
  readonly height: number | null;
  readonly time: string | null;
  readonly missing: readonly string[];
}

/** An instruction's status as an outcome: done when what was asked has happened, refused when it never will. */
export function told(json: Told): Outcome {
  const { digest, status, code, height, time, missing } = json;
  if (status === 'pending') {
    const text =
      missing.length > 0
        ? `${code}: waits for the consent of ${missing.join(', ')}\n${digest}`
        : `Not final yet${code === null ? '' : ` (${code})`}.\n${digest}`;
    return { exit: 'pending', json, text };
  }
  const text = `${code} in block ${height} at ${time}\n${digest}`;
  if (isEffective(code as ResultCode)) return { exit: 'ok', json, text };
  return {
    exit: 'refused',
    json,
    text: `causeway: ${code}: the ledger has it as ${code} in block ${height}.\n${digest}`,
  };
}
