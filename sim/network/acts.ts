/** What is done on a local network: currencies, banks and their nodes, issuance, a PvP, its receipt checked offline, the sums of all accounts. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isEffective, type ResultCode } from '../../ledger/codes.js';
import type { Client, ClientResult } from '../../node/api/client.js';
import {
  buildInstruction,
  datingOf,
  type InstructionSigner,
  type PayloadFields,
  proveKey,
  signInstruction,
} from '../../node/api/signing.js';
import type { PayloadOf } from '../../protocol/payload.js';
import { authorityOf, type Bank } from './banks.js';
import type { Jurisdiction, LocalNetwork, Member } from './network.js';
import { runCli } from './processes.js';

const FINAL_MS_MAX = 60_000;
export const CURRENCIES = [
  { asset: 'HKD', name: 'Hong Kong dollar', jurisdiction: 'HK', cap: '1000000000000.00' },
  { asset: 'THB', name: 'Thai baht', jurisdiction: 'TH', cap: '1000000000000.00' },
] as const;
/** What a PvP of the demonstration moves, and what is issued when a bank has less. */
const HKD = { amount: '1000000.00', issued: '10000000.00' } as const;
const THB = { amount: '4150000.00', issued: '41500000.00' } as const;

export interface Final {
  readonly digest: string;
  readonly code: string;
  readonly height: number;
  /** From sending it to seeing it final. */
  readonly finalityMs: number;
}

/** The answer, or an error that names the node's code. */
export function need<T>(answer: ClientResult<T>): T {
  if (answer.ok) return answer.value;
  throw new Error(`${answer.problem.code}: ${answer.problem.detail}`);
}

type Without<P, Names extends string> = P extends unknown ? Omit<P, Names> : never;
/** What an instruction asks; the node says for which network. */
type Asked = Without<PayloadFields, 'network'>;

interface Ended {
  readonly digest: string;
  readonly status: string;
  readonly code: string | null;
  readonly height: number | null;
  readonly finalityMs: number;
}

/** Submits to a node and waits there until it is final, whatever comes of it. */
async function send(client: Client, asked: Asked, signers: readonly InstructionSigner[]): Promise<Ended> {
  const answer = need(await client.getStatus());
  const built = buildInstruction({ ...asked, network: answer.network }, datingOf(answer));
  const jws = await signInstruction(built, signers);
  const sentMs = performance.now();
  const { digest } = need(await client.submit(jws));
  const { status, code, height } = need(await client.waitFinal(digest, FINAL_MS_MAX));
  return { digest, status, code, height, finalityMs: Math.round(performance.now() - sentMs) };
}

/** What has happened as it was asked; rejects on any other end. */
function effective({ digest, status, code, height, finalityMs }: Ended): Final {
  if (status !== 'final' || height === null || !isEffective(code as ResultCode)) {
    throw new Error(`Instruction ${digest} is ${status}, with code ${code}.`);
  }
  return { digest, code: code as string, height, finalityMs };
}

/** Submits to a node and waits there until it is final. Rejects when the outcome is not what was asked. */
export const act = async ({ client }: Member, asked: Asked, signers: readonly InstructionSigner[]): Promise<Final> =>
  effective(await send(client, asked, signers));

/** Until each of these nodes has the outcome too: it may be some blocks behind the one that was asked. */
export async function untilSeen(members: readonly Member[], digest: string): Promise<void> {
  for (const { party, client } of members) {
    const { status } = need(await client.waitFinal(digest, FINAL_MS_MAX));
    if (status !== 'final') throw new Error(`${party} did not see instruction ${digest} become final.`);
  }
}

/** How often a node is asked whether it is ready. */
const READY_STEP_MS = 100;

/** Until the nodes take instructions: validators see a quorum, others follow one of them. */
export async function untilReady(members: readonly Member[]): Promise<void> {
  const until = performance.now() + FINAL_MS_MAX;
  for (const { party, client } of members) {
    for (let ready = await client.getReady(); !ready.ok; ready = await client.getReady()) {
      if (performance.now() > until) throw new Error(`${party} is not ready: ${ready.problem.detail}`);
      await new Promise((resolve) => setTimeout(resolve, READY_STEP_MS));
    }
  }
}

/** Until the nodes are ready, and have what `other` has by now. */
export async function untilFollowing(members: readonly Member[], other: Member): Promise<void> {
  const { height } = need(await other.client.getStatus());
  await untilReady(members);
  const until = performance.now() + FINAL_MS_MAX;
  for (const { party, client } of members) {
    while (need(await client.getStatus()).height < height) {
      if (performance.now() > until) throw new Error(`${party} does not come to height ${height}.`);
      await new Promise((resolve) => setTimeout(resolve, READY_STEP_MS));
    }
  }
}

/** Defines the currencies that are not on the ledger yet. */
export async function defineCurrencies(network: LocalNetwork): Promise<Final[]> {
  const { assets } = need(await network.member('HK').client.getAssets());
  const missing = CURRENCIES.filter(({ asset }) => !assets.some((each) => each.asset === asset));
  const defined = await Promise.all(
    missing.map((currency) => {
      const issuer = network.member(currency.jurisdiction);
      const { party } = issuer;
      const kind = 'wcbdc' as PayloadOf<'asset'>['class'];
      const asked = { ...currency, kind: 'asset', class: kind, decimals: 2, issuer: party, initiator: party } as const;
      return act(issuer, asked, [authorityOf(network, currency.jurisdiction)]);
    }),
  );
  for (const { digest } of defined) await untilSeen(network.members, digest);
  return defined;
}

/** Admits the banks that are not on the ledger yet, each by its authority, on its own proof that it holds its key. */
export async function admitBanks(network: LocalNetwork, banks: readonly Bank[]): Promise<Final[]> {
  const home = network.member('HK').client;
  const [{ participants }, status] = [need(await home.getParticipants()), need(await home.getStatus())];
  const missing = banks.filter(({ party }) => !participants.some((each) => each.party === party));
  const admitted = await Promise.all(
    missing.map(async ({ party, name, lei, jurisdiction, signer }) => {
      const authority = network.member(jurisdiction);
      const keys = [await proveKey({ network: status.network, party, jwk: signer.jwk }, signer)];
      const asked = {
        kind: 'participant',
        action: 'admit',
        initiator: authority.party,
        party,
        name,
        lei,
        jurisdiction,
        keys,
        threshold: 1,
      } as const;
      return act(authority, asked, [authorityOf(network, jurisdiction)]);
    }),
  );
  for (const { digest } of admitted) await untilSeen(network.members, digest);
  return admitted;
}

/**
 * Registers the network key of a node for its party, through a validator: from then on the others let it connect. Null
 * when that was done before.
 */
export async function registerNode(
  { client }: Member,
  { party, folder }: Member,
  signers: readonly InstructionSigner[],
): Promise<Final | null> {
  const keys = [JSON.parse(readFileSync(join(folder, 'node.proof.json'), 'utf8')) as NodeKeys[number]];
  const asked = { kind: 'key', action: 'node', initiator: party, party, keys } as const;
  const ended = await send(client, asked, signers);
  return ended.code === 'key_taken' ? null : effective(ended);
}

type NodeKeys = Extract<PayloadOf<'key'>, { readonly action: 'node' }>['keys'];

/** Makes and starts the banks' own nodes; resolves when they follow the ledger. Gives what was registered. */
export async function startBankNodes(
  network: LocalNetwork,
  banks: readonly Pick<Bank, 'party' | 'jurisdiction' | 'signer'>[],
): Promise<Final[]> {
  const guests = await Promise.all(banks.map((bank) => network.guest({ ...bank, name: bank.party })));
  const registered = await Promise.all(
    banks.map((bank, at) => registerNode(network.member(bank.jurisdiction), guests[at] as Member, [bank.signer])),
  );
  await network.start(guests);
  await untilFollowing(guests, network.member('HK'));
  return registered.filter((each) => each !== null);
}

/** One leg out of the issuer's own account. */
function issue(
  network: LocalNetwork,
  jurisdiction: Jurisdiction,
  leg: { readonly asset: string; readonly to: string; readonly amount: string },
): Promise<Final> {
  const issuer = network.member(jurisdiction);
  const legs = [{ from: issuer.party, ...leg }];
  return act(issuer, { kind: 'settle', mode: 'gross', initiator: issuer.party, legs }, [
    authorityOf(network, jurisdiction),
  ]);
}

/** Issues to each bank what it lacks for a PvP. */
export async function fundBanks(network: LocalNetwork, [hsbc, bangkok]: readonly [Bank, Bank]): Promise<Final[]> {
  const rows = [
    { bank: hsbc, asset: 'HKD', ...HKD },
    { bank: bangkok, asset: 'THB', ...THB },
  ] as const;
  const issued = await Promise.all(
    rows.map(async ({ bank, asset, amount, issued: more }) => {
      const { balances } = need(await network.homeOf(bank).client.getBalances({ bic: bank.party }));
      const balance = balances.find((each) => each.asset === asset)?.balance ?? '0';
      if (minorOf(balance) >= minorOf(amount)) return [];
      return [await issue(network, bank.jurisdiction, { asset, to: bank.party, amount: more })];
    }),
  );
  for (const { digest } of issued.flat()) await untilSeen(network.nodes, digest);
  return issued.flat();
}

/** HKD against THB between the two banks, signed by both with their own keys, through the first one's own node. */
export function settlePvp(network: LocalNetwork, [hsbc, bangkok]: readonly [Bank, Bank]): Promise<Final> {
  const legs = [
    { from: hsbc.party, to: bangkok.party, asset: 'HKD', amount: HKD.amount },
    { from: bangkok.party, to: hsbc.party, asset: 'THB', amount: THB.amount },
  ];
  const asked = { kind: 'settle', mode: 'gross', initiator: hsbc.party, legs } as const;
  return act(network.homeOf(hsbc), asked, [hsbc.signer, bangkok.signer]);
}

/** What the offline check says: a separate process that has the receipt and the genesis file, and asks nobody. */
export interface Checked {
  readonly verified: boolean;
  readonly code: string;
  readonly height: number;
  readonly signers: readonly string[];
}

/** Fetches the receipt into `file` and has it checked. Rejects when the check does not hold. */
export async function checkOffline(
  network: LocalNetwork,
  { client }: Member,
  digest: string,
  file: string,
): Promise<Checked> {
  if (existsSync(file)) rmSync(file);
  writeFileSync(file, `${JSON.stringify(need(await client.getReceipt({ digest })))}\n`);
  const { status, stdout, stderr } = await runCli(
    'verify',
    file,
    '--genesis',
    network.genesis,
    '--digest',
    digest,
    '--json',
  );
  if (status !== 0) throw new Error(`The receipt does not hold: ${stdout}${stderr}`);
  return JSON.parse(stdout) as Checked;
}

export const receiptFileOf = (network: LocalNetwork): string => join(network.dir, 'receipt.json');

/** Tries at a reading of all accounts within one height, before it is given up. */
const READINGS_MAX = 50;

/** The sum of all accounts of each asset, as one node tells them at one height: every sum must be zero. */
async function sumsAt(
  client: Client,
  leastHeight: number,
): Promise<{ readonly height: number; readonly sums: ReadonlyMap<string, bigint> }> {
  for (let reading = 1; reading <= READINGS_MAX; reading++) {
    const { height, participants } = need(await client.getParticipants());
    const accounts = await Promise.all(
      participants.map(async ({ party }) => need(await client.getBalances({ bic: party }))),
    );
    // A block came between two of the answers: read again.
    if (height < leastHeight || accounts.some((account) => account.height !== height)) continue;
    const sums = new Map<string, bigint>();
    for (const { asset, balance } of accounts.flatMap(({ balances }) => balances)) {
      sums.set(asset, (sums.get(asset) ?? 0n) + minorOf(balance));
    }
    return { height, sums };
  }
  throw new Error(`No reading of all accounts at one height, at ${leastHeight} or above.`);
}

/** Whether every asset sums to zero on every node, at the given height or above, and all know the same assets. */
export async function isConserved(members: readonly Member[], leastHeight: number): Promise<boolean> {
  const readings = await Promise.all(members.map(({ client }) => sumsAt(client, leastHeight)));
  const names = readings.map(({ sums }) => [...sums.keys()].sort().join());
  return (
    names.every((each) => each !== '' && each === names[0]) &&
    readings.every(({ sums }) => [...sums.values()].every((sum) => sum === 0n))
  );
}

/** Minor units of a balance with two decimals or none. */
function minorOf(text: string): bigint {
  const [whole = '0', decimals = ''] = text.split('.');
  const magnitude = BigInt(whole.replace('-', '')) * 100n + BigInt(decimals.padEnd(2, '0'));
  return text.startsWith('-') ? -magnitude : magnitude;
}
