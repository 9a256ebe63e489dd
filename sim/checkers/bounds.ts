/** Memory and queues of a running node, and what a block orders, stay within the bounds that the protocol states. */
import {
  BATCH_ITEMS_MAX,
  BLOCK_BATCHES_MAX,
  BLOCK_ITEMS_MAX,
  BLOCK_SIGNATURES_MAX,
  LANE_UNORDERED_BATCHES_MAX,
  SYNC_BLOCKS_MAX,
  VIEWS_AHEAD_MAX,
} from '../../protocol/limits.js';
import type { Committed, Report, Watched } from './watched.js';

/** What was held at most, of all nodes; `batches` of one lane. */
export interface Highest {
  readonly rounds: number;
  readonly votes: number;
  readonly blocks: number;
  readonly batches: number;
  readonly waiting: number;
}

/** A lane holds what is unordered, up to twice that and twice again where a block needs it, on every rival branch. */
const LANE_BATCHES_MAX = 4 * LANE_UNORDERED_BATCHES_MAX;
const BLOCKS_MAX = 4 * SYNC_BLOCKS_MAX;
const WAITING_MAX = 5 * BATCH_ITEMS_MAX;
const KINDS_OF_VOTE = 3;

export class Bounds {
  readonly #report: Report;
  readonly #reported = new Set<string>();
  readonly highest = { rounds: 0, votes: 0, blocks: 0, batches: 0, waiting: 0 };

  constructor(report: Report) {
    this.#report = report;
  }

  /** What one block orders is bounded too: every node has to carry it out. */
  onFinal({ block: { header }, executed }: Committed): void {
    const batches = executed.lanes.flat();
    const items = batches.flatMap((batch) => batch.items);
    const signatures = items.reduce((sum, item) => sum + (item?.instruction.signatures.length ?? 0), 0);
    const isWithin =
      batches.length <= BLOCK_BATCHES_MAX && items.length <= BLOCK_ITEMS_MAX && signatures <= BLOCK_SIGNATURES_MAX;
    if (!isWithin)
      this.#report(
        `bounds: block ${header.height} orders ${batches.length} batches, ${items.length} items, ${signatures} signatures`,
      );
  }

  observe({ self, running }: Watched): void {
    if (running === null) return;
    const { core, chain, lanes, admission, members } = running.replica;
    const n = members.size;
    let votes = 0;
    for (const round of core.rounds.values())
      votes = Math.max(votes, round.votes.notarize.size + round.votes.nullify.size + round.votes.finalize.size);
    const views = core.view - core.final.view;
    this.#within(self, 'rounds', core.rounds.size, views + VIEWS_AHEAD_MAX + 1);
    this.#within(self, 'votes', votes, KINDS_OF_VOTE * n);
    this.#within(self, 'blocks', chain.size, BLOCKS_MAX);
    for (const count of lanes.unorderedCounts()) this.#within(self, 'batches', count, LANE_BATCHES_MAX);
    this.#within(self, 'waiting', admission.waiting, WAITING_MAX);
  }

  #within(node: number, what: keyof Highest, value: number, bound: number): void {
    this.highest[what] = Math.max(this.highest[what], value);
    const name = `${node}/${what}`;
    if (value <= bound || this.#reported.has(name)) return;
    this.#reported.add(name);
    this.#report(`bounds: node ${node} holds ${value} ${what}, where ${bound} are the most`);
  }
}
