/**
 * What banks saw of the ledger, and what must hold of it. Everything here comes from answers of the nodes' API: a ledger
 * of our own, as plain as can be, is kept from the blocks that they showed, and every other answer is held against it.
 */
import { isOpenCode } from '../checkers/watched.js';

/** A block as the API shows it, as far as it matters here. */
export interface SeenBlock {
  readonly height: number;
  readonly id: string;
  readonly parent: string;
  readonly resultRoot: string;
  readonly stateRoot: string;
  readonly receipts: readonly { readonly digest: string; readonly code: string }[];
  /** Settlements it holds, with the amounts in minor units. */
  readonly settlements: readonly { readonly digest: string; readonly legs: readonly Leg[] }[];
}

export interface Leg {
  readonly from: string;
  readonly to: string;
  readonly asset: string;
  readonly amount: bigint;
}

/** A request under way: an answer may not be older than what was known when it was asked. */
export interface Asked {
  readonly node: number;
  readonly leastHeight: number;
}

/** What is checked, by name, each with what it means. */
export const RULES = {
  agreement: 'every node shows the same block, result root and state root at each height, and each follows the last',
  order: 'no node shows an older ledger than it showed before, and nothing is final before it was sent',
  reads: 'every balance and every outcome that was told is that of the plain ledger at its height',
  taken: 'what was answered 202 has exactly one end, and the node that took it knows it',
  conservation: 'the accounts of each asset sum to zero on every node, and only issuers owe',
  receipts: 'receipts verify offline and say what the blocks say',
  progress: 'after the faults everything under way becomes final on every node',
  processes: 'nodes end only as they should, and start again; none halts or sees evidence against another',
} as const;
export type Rule = keyof typeof RULES;

const VIOLATIONS_MAX = 100;

interface Submitted {
  /** The highest block that anybody had seen when it was first sent. */
  readonly afterHeight: number;
  readonly takenBy: Set<number>;
}

export class History {
  readonly violations: { readonly rule: Rule; readonly text: string }[] = [];
  readonly #issuers: ReadonlySet<string>;
  readonly #blocks = new Map<number, SeenBlock>();
  /** By node, the highest block that it ever showed. */
  readonly #heights: number[];
  readonly #submitted = new Map<string, Submitted>();
  readonly #outcomes = new Map<string, { readonly code: string; readonly height: number }>();
  readonly #legs = new Map<string, readonly Leg[]>();
  /** By party and asset: each balance with the height from which on it holds. */
  readonly #accounts = new Map<string, { readonly height: number; readonly balance: bigint }[]>();
  readonly #reads: {
    readonly node: number;
    readonly height: number;
    readonly balances: ReadonlyMap<string, bigint>;
  }[] = [];
  readonly #statuses: {
    readonly node: number;
    readonly digest: string;
    readonly code: string;
    readonly height: number;
  }[] = [];
  #judgedHeight = 0;

  /** `issuers` may owe: theirs are the accounts that money comes out of. */
  constructor(nodes: number, issuers: readonly string[]) {
    this.#heights = Array.from({ length: nodes }, () => 0);
    this.#issuers = new Set(issuers);
  }

  get acknowledged(): readonly string[] {
    return [...this.#submitted].filter(([, { takenBy }]) => takenBy.size > 0).map(([digest]) => digest);
  }
  /** Blocks applied to the plain ledger. */
  get height(): number {
    return this.#judgedHeight;
  }
  takenBy(digest: string): readonly number[] {
    return [...(this.#submitted.get(digest)?.takenBy ?? [])];
  }
  outcomeOf(digest: string): { readonly code: string; readonly height: number } | null {
    return this.#outcomes.get(digest) ?? null;
  }
  heightOf(node: number): number {
    return this.#heights[node] ?? 0;
  }

  violate(rule: Rule, text: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push({ rule, text });
  }

  ask(node: number): Asked {
    return { node, leastHeight: this.heightOf(node) };
  }

  /** An instruction is about to be sent for the first time. */
  submitting(digest: string): void {
    this.#submitted.set(digest, { afterHeight: Math.max(...this.#heights), takenBy: new Set() });
  }
  taken(digest: string, node: number): void {
    this.#submitted.get(digest)?.takenBy.add(node);
  }

  /** The node answered as of this block: it may be behind others, and never behind itself. */
  answered({ node, leastHeight }: Asked, height: number): void {
    if (height < leastHeight) {
      this.violate('order', `node ${node} showed height ${height} after it had shown ${leastHeight}`);
    }
    if (height > this.heightOf(node)) this.#heights[node] = height;
  }

  /** An account of a party read at a node, amounts in minor units. */
  read(asked: Asked, height: number, party: string, balances: readonly { asset: string; balance: bigint }[]): void {
    this.answered(asked, height);
    const named = balances.map(({ asset, balance }) => [`${party}/${asset}`, balance] as const);
    this.#reads.push({ node: asked.node, height, balances: new Map(named) });
  }

  /** A node said that this was final. */
  final(asked: Asked, digest: string, code: string, height: number): void {
    // The node has that block, and may have more.
    if (height > this.heightOf(asked.node)) this.#heights[asked.node] = height;
    this.#statuses.push({ node: asked.node, digest, code, height });
  }

  /** A block as a node showed it; the first showing of each height is what all others must be like. */
  block(asked: Asked, block: SeenBlock): void {
    const { node } = asked;
    if (block.height > this.heightOf(node)) this.#heights[node] = block.height;
    const known = this.#blocks.get(block.height);
    if (known !== undefined) {
      if (faceOf(known) !== faceOf(block)) {
        this.violate(
          'agreement',
          `node ${node} showed ${faceOf(block)} at height ${block.height}, where ${faceOf(known)} was shown`,
        );
      }
      return;
    }
    this.#blocks.set(block.height, block);
    for (let next = this.#blocks.get(this.#judgedHeight + 1); next !== undefined; ) {
      this.#apply(next);
      next = this.#blocks.get(this.#judgedHeight + 1);
    }
  }

  #apply(block: SeenBlock): void {
    const { height, parent, receipts, settlements } = block;
    this.#judgedHeight = height;
    const before = this.#blocks.get(height - 1);
    if (before !== undefined && before.id !== parent)
      this.violate('agreement', `block ${height} does not follow block ${height - 1}`);
    for (const { digest, legs } of settlements) this.#legs.set(digest, legs);
    for (const { digest, code } of receipts) {
      if (isOpenCode(code)) continue;
      const earlier = this.#outcomes.get(digest);
      if (earlier !== undefined) {
        this.violate(
          'taken',
          `${digest} ended as ${earlier.code} in block ${earlier.height}, and again as ${code} in ${height}`,
        );
        continue;
      }
      this.#outcomes.set(digest, { code, height });
      const submitted = this.#submitted.get(digest);
      if (submitted !== undefined && height <= submitted.afterHeight) {
        this.violate('order', `${digest} is final in block ${height}, which was seen before it was sent`);
      }
      if (code === 'settled') this.#settle(height, digest);
    }
    // Half of a block's content is nothing that later blocks need.
    this.#blocks.set(height, { ...block, settlements: [], receipts: [] });
  }

  #settle(height: number, digest: string): void {
    const legs = this.#legs.get(digest);
    this.#legs.delete(digest);
    if (legs === undefined) {
      this.violate('reads', `${digest} settled in block ${height}, and no block until then holds it`);
      return;
    }
    for (const { from, to, asset, amount } of legs) {
      this.#move(`${from}/${asset}`, height, -amount);
      this.#move(`${to}/${asset}`, height, amount);
    }
    for (const { from, asset } of legs) {
      const balance = this.#accounts.get(`${from}/${asset}`)?.at(-1)?.balance ?? 0n;
      if (balance < 0n && !this.#issuers.has(from))
        this.violate('conservation', `${from} owes ${-balance} of ${asset} in block ${height}`);
    }
  }

  #move(account: string, height: number, amount: bigint): void {
    const balances = this.#accounts.get(account) ?? [];
    this.#accounts.set(account, balances);
    const last = balances.at(-1);
    const moved = { height, balance: (last?.balance ?? 0n) + amount };
    if (last?.height === height) balances[balances.length - 1] = moved;
    else balances.push(moved);
  }

  #balanceAt(account: string, height: number): bigint {
    const balances = this.#accounts.get(account) ?? [];
    let [low, high] = [0, balances.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((balances[middle]?.height ?? 0) <= height) low = middle + 1;
      else high = middle;
    }
    return balances[low - 1]?.balance ?? 0n;
  }

  /** Holds all that was read against the ledger of the blocks that were shown; gives how many answers were judged. */
  judgeReads(): number {
    for (const { node, height, balances } of this.#reads) {
      if (height > this.#judgedHeight)
        this.violate('reads', `node ${node} answered as of block ${height}, which nobody showed`);
      for (const [account, balance] of balances) {
        const expected = this.#balanceAt(account, height);
        if (balance !== expected) {
          this.violate(
            'reads',
            `node ${node} told ${balance} for ${account} as of block ${height}, where it was ${expected}`,
          );
        }
      }
    }
    for (const { node, digest, code, height } of this.#statuses) {
      const outcome = this.#outcomes.get(digest);
      if (outcome?.code !== code || outcome.height !== height) {
        const known = outcome === undefined ? 'no such outcome' : `${outcome.code} in block ${outcome.height}`;
        this.violate(
          'reads',
          `node ${node} told that ${digest} was ${code} in block ${height}; the blocks have ${known}`,
        );
      }
    }
    return this.#reads.length + this.#statuses.length;
  }

  /** What was answered 202 and has no end; gives how many have one. */
  judgeTaken(): number {
    let ended = 0;
    for (const digest of this.acknowledged) {
      if (this.#outcomes.has(digest)) ended += 1;
      else this.violate('taken', `${digest}, acknowledged by node ${this.takenBy(digest).join(' and ')}, was lost`);
    }
    return ended;
  }

  /** The sum of all accounts of each asset, as the plain ledger has them. */
  sums(): ReadonlyMap<string, bigint> {
    const sums = new Map<string, bigint>();
    for (const [account, balances] of this.#accounts) {
      const asset = account.split('/')[1] as string;
      sums.set(asset, (sums.get(asset) ?? 0n) + (balances.at(-1)?.balance ?? 0n));
    }
    return sums;
  }
}

const faceOf = ({ id, resultRoot, stateRoot }: SeenBlock): string => `${id} (result ${resultRoot}, state ${stateRoot})`;
