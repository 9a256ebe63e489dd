/** The network that is measured: four validators as `npm start` has them, banks with money, and what the nodes tell of themselves. */
import { randomBytes } from 'node:crypto';
import { keySigner, proveKey } from '../../node/api/signing.js';
import { LEI } from '../lei.js';
import { act, CURRENCIES, defineCurrencies, need, untilReady, untilSeen } from '../network/acts.js';
import { authorityOf } from '../network/banks.js';
import type { LocalNetwork, Member } from '../network/network.js';
import type { BenchBank } from './traffic.js';

const BANKS_PER_NODE = 4;
const ISSUED = '100000000.00';

export interface BenchWorld {
  readonly network: LocalNetwork;
  readonly id: string;
  readonly banks: readonly BenchBank[];
}

/** Starts the nodes, admits the banks and issues to each of them. */
export async function openWorld(network: LocalNetwork): Promise<BenchWorld> {
  await network.start();
  await untilReady(network.members);
  const { network: id } = need(await (network.members[0] as Member).client.getStatus());
  await defineCurrencies(network);
  const banks = network.members.flatMap((member, node) =>
    Array.from({ length: BANKS_PER_NODE }, (_, at): BenchBank & { member: Member } => ({
      party: `BNK${'ABCD'[at]}${member.jurisdiction}22XXX`,
      node,
      seed: randomBytes(32),
      member,
    })),
  );
  const admitted = await Promise.all(
    banks.map(async ({ party, seed, member }) => {
      const signer = keySigner('Ed25519', seed);
      const { jurisdiction } = member;
      const keys = [await proveKey({ network: id, party, jwk: signer.jwk }, signer)];
      const asked = { kind: 'participant', action: 'admit', initiator: member.party, party, name: party } as const;
      return act(member, { ...asked, lei: LEI, jurisdiction, keys, threshold: 1 }, [
        authorityOf(network, jurisdiction),
      ]);
    }),
  );
  for (const { digest } of admitted) await untilSeen(network.members, digest);
  for (const { asset, jurisdiction } of CURRENCIES) {
    const issuer = network.member(jurisdiction);
    const legs = banks.map(({ party }) => ({ from: issuer.party, to: party, asset, amount: ISSUED }));
    const asked = { kind: 'settle', mode: 'gross', initiator: issuer.party, legs } as const;
    const { digest } = await act(issuer, asked, [authorityOf(network, jurisdiction)]);
    await untilSeen(network.members, digest);
  }
  return { network, id, banks: banks.map(({ party, node, seed }) => ({ party, node, seed })) };
}

/** What all nodes together have spent until now. */
export interface Spent {
  readonly atMs: number;
  /** Of the node that is furthest behind: what is counted up to it is final everywhere. */
  readonly height: number;
  readonly cpuSeconds: number;
  readonly bytesOut: number;
}

export async function spentUntilNow({ members }: LocalNetwork): Promise<Spent> {
  const [heights, metrics] = await Promise.all([
    Promise.all(members.map(async ({ client }) => need(await client.getStatus()).height)),
    Promise.all(members.map(metricsOf)),
  ]);
  const sum = (name: string): number => metrics.reduce((total, each) => total + valueOf(each, name), 0);
  return {
    atMs: performance.now(),
    height: Math.min(...heights),
    cpuSeconds: sum('causeway_process_cpu_seconds_total'),
    bytesOut: sum('causeway_bytes_out_total'),
  };
}

/** Instructions that final blocks have ordered on this node since it started. */
export const finalizedOn = async (member: Member): Promise<number> =>
  valueOf(await metricsOf(member), 'causeway_instructions_finalized_total');

async function metricsOf({ url }: Member): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

/** A metric without labels, in the text format of Prometheus. */
export function valueOf(text: string, name: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`));
  if (line === undefined) throw new Error(`The node has no metric ${name}.`);
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}

/** Digests by the code of their receipts, and by height, as a node's blocks from `from` to `to` have them. */
export async function outcomesOf(
  { url }: Member,
  from: number,
  to: number,
): Promise<ReadonlyMap<string, { readonly code: string; readonly height: number }>> {
  const outcomes = new Map<string, { code: string; height: number }>();
  for (let height = from; height <= to; height++) {
    const answer = await fetch(`${url}/v1/blocks/${height}`);
    if (!answer.ok) throw new Error(`Block ${height} cannot be read: ${await answer.text()}`);
    const { receipts } = (await answer.json()) as { receipts: { digest: string; code: string }[] };
    for (const { digest, code } of receipts) outcomes.set(digest, { code, height });
  }
  return outcomes;
}
