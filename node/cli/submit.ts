/** Signs an instruction with the keys of files, submits it, and follows it to its end. */
import type { Command } from 'commander';
import { isEffective, type ResultCode } from '../../ledger/codes.js';
import { type Client, createClient } from '../api/client.js';
import { buildInstruction, datingOf, type PayloadFields, signInstruction } from '../api/signing.js';
import { type BankKey, loadBankKey } from '../keys/files.js';
import { gather, readWhole, withMoments, withNode } from './arguments.js';
import { done, ended, failed, type Outcome, refusedBy, type Step, went } from './outcome.js';

export interface SigningOptions {
  readonly node: string;
  /** Key files. */
  readonly key: readonly string[];
  readonly wait: boolean;
  /** In seconds. */
  readonly timeout: number;
}

const TIMEOUT_S_MAX = 3_600;

/** Options of every command that signs. */
export const withSigning = (command: Command): Command =>
  withNode(command)
    .requiredOption('--key <file>', 'key file that signs; again for each further key', gather)
    .option('--no-wait', 'do not wait until it is final')
    .option('--timeout <seconds>', 'how long to wait', readWhole(1, TIMEOUT_S_MAX), 60);

/** A node, its network, and keys with the parties they are registered for. */
export interface Desk {
  readonly client: Client;
  readonly network: string;
  /** The network's time when the desk was opened, and how many times faster than clocks that runs. */
  readonly dating: ReturnType<typeof datingOf>;
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
  const dating = datingOf(status.value);
  const { network } = status.value;
  return went({ client, network, dating, keys, parties: keys.map(({ kid }) => partyOf(kid)) });
}

/** Whose the first key is: who acts, when no option says so. */
function initiatorOf({ parties, keys }: Desk): Step<string> {
  const [party] = parties;
  if (party !== undefined) return went(party);
  const detail = `No party has a registered key with thumbprint ${keys[0]?.kid}. Its jurisdiction's authority admits a party with \`causeway party admit\`.`;
  return ended(failed('refused', 'unknown_key', detail));
}

type Without<P, Names extends string> = P extends unknown ? Omit<P, Names> : never;
/** What an instruction asks, without who asks it and where. */
export type Asked = Without<PayloadFields, 'network' | 'initiator'>;

/** Opens the desk, and submits what is asked in the name of the first key's party. */
export async function instruct(
  options: SigningOptions,
  asked: Asked | ((initiator: string) => Asked),
): Promise<Outcome> {
  const desk = await openDesk(options);
  if (!desk.ok) return desk.outcome;
  const initiator = initiatorOf(desk.value);
  if (!initiator.ok) return initiator.outcome;
  return submitAs(desk.value, initiator.value, typeof asked === 'function' ? asked(initiator.value) : asked, options);
}

export const submitAs = (desk: Desk, initiator: string, asked: Asked, options: SigningOptions): Promise<Outcome> =>
  submit(desk, { ...asked, network: desk.network, initiator }, options);

/** Signs with every key of the desk and submits; with `wait` the outcome is the ledger's, else that the node has it. */
async function submit(desk: Desk, fields: PayloadFields, { wait, timeout }: SigningOptions): Promise<Outcome> {
  const built = buildInstruction(withMoments(fields, desk.dating.nowMs), desk.dating);
  const { digest, payload } = built;
  const submitted = await desk.client.submit(await signInstruction(built, desk.keys));
  if (!submitted.ok) return refusedBy(submitted.problem);
  if (!wait) return done({ digest, id: payload.id, status: 'pending' }, `The node has it: ${digest}`);
  return follow(desk.client, digest, 1_000 * timeout, { id: payload.id });
}

/** What stays as it is until something else happens. */
const STANDING: ReadonlySet<string> = new Set(['scheduled', 'queued', 'locked', 'part_settled', 'amended']);
/** How long a request waits at most, so that a settlement that waits for a consent or for funds is told soon. */
const ROUND_MS = 1_000;

/** Waits until an instruction is final, waits for others or for its time, or the time is over. */
async function follow(client: Client, digest: string, timeoutMs: number, more: object = {}): Promise<Outcome> {
  for (let leftMs = timeoutMs; ; leftMs -= ROUND_MS) {
    const answer = await client.waitFinal(digest, Math.max(0, Math.min(leftMs, ROUND_MS)));
    if (!answer.ok) return refusedBy(answer.problem);
    const { status, code, missing } = answer.value;
    const waits = missing.length > 0 || STANDING.has(code ?? '');
    if (status === 'final' || waits || leftMs <= ROUND_MS) return told({ ...more, ...answer.value, missing, code });
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

function waitingText(code: string | null, missing: readonly string[]): string {
  if (missing.length > 0) return `${code}: waits for the consent of ${missing.join(', ')}`;
  if (code === 'scheduled') return 'scheduled: bound, and waits for its time';
  if (code === 'queued')
    return 'queued: bound, and waits for funds, or for what is more urgent (`causeway queue list`)';
  if (code === 'locked') return 'locked: what it pays is held, and it waits for its preimage (`causeway reveal`)';
  if (code === 'part_settled') return 'part_settled: one part has settled, and the next waits for its time';
  if (code === 'amended') return 'amended: the part that is next has other legs, and waits for its time';
  return `Not final yet${code === null ? '' : ` (${code})`}.`;
}

/** An instruction's status as an outcome: done when what was asked has happened, refused when it never will. */
export function told(json: Told): Outcome {
  const { digest, status, code, height, time, missing } = json;
  if (status === 'pending') {
    return { exit: 'pending', json, text: `${waitingText(code, missing)}\n${digest}` };
  }
  const text = `${code} in block ${height} at ${time}\n${digest}`;
  if (isEffective(code as ResultCode)) return { exit: 'ok', json, text };
  return {
    exit: 'refused',
    json,
    text: `causeway: ${code}: the ledger has it as ${code} in block ${height}.\n${digest}`,
  };
}
