/** What is asked of the nodes when the faults are over, and held against the history. */
import { readFileSync } from 'node:fs';
import { verifyReference } from '../../protocol/crypto.js';
import { type Genesis, parseGenesis } from '../../protocol/genesis.js';
import { assert } from '../../protocol/types.js';
import { isConserved, need, untilReady } from '../network/acts.js';
import type { LocalNetwork, Member } from '../network/network.js';
import { Random } from '../random.js';
import { outcomeText, receiptText } from '../receipttext.js';
import type { History, Rule } from './history.js';
import { type Load, seenBlock } from './load.js';

/** Everything under way is final by then, on two shared cores too. */
const PROGRESS_MS_MAX = 120_000;
const AT_ONCE = 8;
/** Of each node, checked as a stranger would: some 10 ms each. */
const RECEIPTS_PER_NODE = 40;
/** Blocks of each node read again. */
const BLOCKS_PER_NODE = 300;

export interface Audited {
  readonly acknowledged: number;
  readonly final: number;
  /** By rule, how many answers or things it was held against. */
  readonly judged: Readonly<Record<Rule, number>>;
}

interface Parts {
  readonly network: LocalNetwork;
  readonly load: Load;
  readonly history: History;
  readonly seed: number;
  readonly say: (line: string) => void;
}

/** Waits until all is final, and checks every rule; what does not hold stands in the history's violations. */
export async function audit(parts: Parts): Promise<Audited> {
  const { network, load, history, seed, say } = parts;
  const random = new Random(seed);
  const judged: Record<Rule, number> = {
    agreement: 0,
    order: 0,
    reads: 0,
    taken: 0,
    conservation: 0,
    receipts: 0,
    progress: 0,
    processes: network.nodes.length,
  };
  judged.progress = await progress(parts);
  say('reading everything again');
  judged.reads = history.judgeReads();
  judged.order = judged.reads;
  const final = history.judgeTaken();
  await forEach(history.acknowledged, (digest) => takersKnow(parts, digest));
  judged.taken = history.acknowledged.length;
  for (const [node, member] of network.nodes.entries()) {
    judged.agreement += await blocksAgain(parts, node, random);
    judged.receipts += await receiptsOf(parts, member, random);
    const { halted, evidence } = need(await member.client.getStatus());
    if (halted !== null) history.violate('processes', `${member.party} has halted: ${halted}`);
    if (evidence > 0) history.violate('processes', `${member.party} has evidence against an honest validator`);
  }
  judged.conservation = await conservation(parts);
  if (load.finalityMs.length === 0 && final === 0) history.violate('progress', 'nothing at all became final');
  return { acknowledged: history.acknowledged.length, final, judged };
}

/** Gives how many blocks every node has shown. */
async function progress({ network, load, history, say }: Parts): Promise<number> {
  say('the faults are over; waiting until everything under way is final');
  try {
    await untilReady(network.nodes);
  } catch (error) {
    history.violate('progress', (error as Error).message);
  }
  const left = await load.stop(PROGRESS_MS_MAX);
  if (left > 0) history.violate('progress', `${left} requests of banks did not come to their end`);
  const heights = await Promise.all(network.nodes.map(async ({ client }) => need(await client.getStatus()).height));
  const height = Math.max(...heights);
  if (!(await load.showAll(height, PROGRESS_MS_MAX))) {
    history.violate('progress', `not every node has shown all blocks up to ${height}`);
  }
  return height;
}

async function takersKnow({ network, history }: Parts, digest: string): Promise<void> {
  const outcome = history.outcomeOf(digest);
  for (const node of history.takenBy(digest)) {
    const answer = await (network.nodes[node] as Member).client.getInstruction({ digest });
    const told = answer.ok ? `${answer.value.status} ${answer.value.code} ${answer.value.height}` : answer.problem.code;
    if (outcome !== null && told !== `final ${outcome.code} ${outcome.height}`) {
      history.violate(
        'taken',
        `node ${node} took ${digest}, final as ${outcome.code} in ${outcome.height}; it tells ${told}`,
      );
    }
  }
}

/** Blocks that a node showed while things broke are the same when asked for again. */
async function blocksAgain({ network, history }: Parts, node: number, random: Random): Promise<number> {
  const { client } = network.nodes[node] as Member;
  const heights = sample(random, history.height, BLOCKS_PER_NODE);
  await forEach(heights, async (height) => {
    const asked = history.ask(node);
    history.block(asked, seenBlock(need(await client.getBlock({ height: String(height) }))));
  });
  return heights.length;
}

async function receiptsOf({ network, history }: Parts, { client, party }: Member, random: Random): Promise<number> {
  const genesis = genesisOf(network);
  const digests = history.acknowledged.filter((digest) => history.outcomeOf(digest) !== null);
  const places = sample(random, digests.length, RECEIPTS_PER_NODE);
  await forEach(places, async (place) => {
    const digest = digests[place - 1] as string;
    const outcome = history.outcomeOf(digest);
    const says = receiptText(need(await client.getReceipt({ digest })), genesis, verifyReference);
    if (outcome === null || says !== outcomeText({ digest, ...outcome })) {
      history.violate('receipts', `the receipt of ${digest} from ${party} does not hold: ${says}`);
    }
  });
  return places.length;
}

function genesisOf(network: LocalNetwork): Genesis {
  const parsed = parseGenesis(readFileSync(network.genesis));
  assert(parsed.ok, 'a network that runs has a genesis file');
  return parsed.genesis;
}

/** By the plain ledger, and as the nodes tell it. */
async function conservation({ network, history }: Parts): Promise<number> {
  const sums = history.sums();
  for (const [asset, sum] of sums) if (sum !== 0n) history.violate('conservation', `${asset} sums to ${sum}`);
  if (!(await isConserved(network.nodes, history.height))) {
    history.violate('conservation', 'the accounts that the nodes show do not sum to zero');
  }
  return sums.size * (network.nodes.length + 1);
}

/** Different whole numbers from 1 to `most`: all of them, or so many. */
function sample(random: Random, most: number, count: number): number[] {
  if (most <= count) return Array.from({ length: most }, (_, at) => at + 1);
  const chosen = new Set<number>();
  while (chosen.size < count) chosen.add(random.between(1, most));
  return [...chosen];
}

async function forEach<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const row = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await act(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, row));
}
