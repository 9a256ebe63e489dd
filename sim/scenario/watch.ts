/** Reads every block of every node as it becomes final: what banks learn from, and what the audit judges afterwards. */
import { timeScaleOf } from '../../protocol/networktime.js';
import { assert } from '../../protocol/types.js';
import { parseTime } from '../../protocol/values.js';
import type { Book } from './book.js';
import type { ShownBlock, Stage } from './stage.js';

const STEP_MS = 20;
/** After a node did not answer. */
const RETRY_MS = 250;

export interface SeenBlock {
  readonly block: ShownBlock;
  /** When the first node showed it. */
  readonly seenMs: number;
  /** How far its time was past true time then; negative when before it. */
  readonly aheadMs: number;
}

export class Watch {
  /** Of each height from 1 on the block as the first node showed it. */
  readonly blocks: SeenBlock[] = [];
  /** Nodes that showed another block at a height than the first node did, or one that does not follow the last. */
  readonly disagreements: string[] = [];
  /** By node: the height up to which it has shown all blocks. */
  readonly heights: number[];
  readonly #stage: Stage;
  readonly #book: Book;
  #isOver = false;

  constructor(stage: Stage, book: Book) {
    this.#stage = stage;
    this.#book = book;
    this.heights = stage.nodes.map(() => 0);
    for (const node of stage.nodes.keys()) void this.#follow(node);
  }

  get height(): number {
    return this.blocks.length;
  }
  stop(): void {
    this.#isOver = true;
  }

  /** A node is gone for good: what it would have shown its banks from here on, another one shows them. */
  lose(node: number, heir: number): void {
    this.#book.inherit(node, heir);
    const nowMs = this.#stage.elapsedMs();
    const shown = this.blocks.slice(this.heights[node], this.heights[heir]);
    for (const { block } of shown) this.#book.onBlock(heir, block.height, block.receipts, nowMs);
  }

  /** Resolves when these nodes have shown all blocks up to a height, or the time is over; gives whether they have. */
  async until(height: number, nodes: readonly number[], forMs: number): Promise<boolean> {
    const untilMs = this.#stage.elapsedMs() + forMs;
    const isDone = (): boolean => nodes.every((node) => (this.heights[node] as number) >= height);
    while (!isDone() && this.#stage.elapsedMs() < untilMs) await this.#stage.pause(STEP_MS);
    return isDone();
  }

  async #follow(node: number): Promise<void> {
    const stage = this.#stage;
    for (let height = 1; !this.#isOver; ) {
      const answer = await stage.nodes[node]?.block(height);
      if (answer?.ok !== true) {
        await stage.pause(answer?.code === 'unknown_block' ? STEP_MS : RETRY_MS);
        continue;
      }
      this.#see(node, answer.value);
      this.heights[node] = height;
      height += 1;
    }
  }

  #see(node: number, block: ShownBlock): void {
    const { height, parent, receipts } = block;
    const seenMs = this.#stage.elapsedMs();
    const known = this.blocks[height - 1]?.block;
    const name = this.#stage.cast.seats[node]?.name;
    if (known === undefined) {
      const before = this.blocks[height - 2]?.block;
      if (before !== undefined && before.id !== parent)
        this.disagreements.push(`${name} showed block ${height}, which does not follow block ${height - 1}`);
      const time = parseTime(block.time);
      assert(time !== null, 'a block has a time');
      this.blocks.push({ block, seenMs, aheadMs: (time - this.#stage.nowMs()) / timeScaleOf(this.#stage.genesis) });
    } else if (faceOf(known) !== faceOf(block)) {
      this.disagreements.push(`${name} showed ${faceOf(block)} at height ${height}, where ${faceOf(known)} was shown`);
    }
    this.#book.onBlock(node, height, receipts, seenMs);
  }
}

const faceOf = ({ id, resultRoot, stateRoot, receipts }: ShownBlock): string =>
  `${id} (result ${resultRoot}, state ${stateRoot}, ${receipts.length} receipts)`;
