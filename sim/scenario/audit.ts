/**
 * What must hold of every run, whatever was done to the network, judged by what the nodes showed to those who ask: the
 * blocks are executed once more by the naive ledger, which is written from ledger/SPEC.md alone.
 */
import { utf8 } from '../../protocol/codec.js';
import { encodeItem, parseInstruction } from '../../protocol/instruction.js';
import { assert } from '../../protocol/types.js';
import { formatAmount, parseTime } from '../../protocol/values.js';
import { isOpenCode } from '../checkers/watched.js';
import { NaiveLedger } from '../naive/ledger.js';
import { Random } from '../random.js';
import { outcomeText, receiptText } from '../receipttext.js';
import type { Book } from './book.js';
import type { ShownBlock, Stage } from './stage.js';
import type { Watch } from './watch.js';

/** What is checked, by name, each with what it means. */
export const CHECKS = {
  agreement: 'every node shows the same block, results and state at each height, and each follows the last',
  outcomes: 'every receipt is what the rules of the ledger give, executed once more by other code',
  balances: 'every account of every party is, on every node, what those rules give',
  conservation: 'the accounts of each asset sum to zero, and only its issuer owes',
  durability: 'what was answered 202 has one end in the blocks, or none when it has expired',
  receipts: 'receipts hold offline, with the genesis file alone, and say what the blocks say',
  progress: 'when the faults are over, every node comes to the same height and nothing stays under way',
  standing: 'no node has halted, or holds evidence against an honest one',
  world: 'what this world checks besides: in the virtual one each vote, each frame and each record on disk',
} as const;
export type Check = keyof typeof CHECKS;

export interface Verdict {
  readonly check: Check;
  readonly says: string;
  /** How many answers or things were held against it. */
  readonly judged: number;
  readonly violations: readonly string[];
}

/** Of each node. */
const RECEIPTS_PER_NODE = 40;
const VIOLATIONS_MAX = 20;
const SETTLE_MS_MAX = 90_000;
const STEP_MS = 50;
const EXPIRED = 'expired';

export class Audit {
  readonly #stage: Stage;
  readonly #book: Book;
  readonly #watch: Watch;
  /** Nodes that are there at the end. */
  readonly #nodes: readonly number[];
  readonly #judged = new Map<Check, number>();
  readonly #violations: { readonly check: Check; readonly text: string }[] = [];

  constructor(stage: Stage, book: Book, watch: Watch, nodes: readonly number[]) {
    this.#stage = stage;
    this.#book = book;
    this.#watch = watch;
    this.#nodes = nodes;
  }

  /** Waits until nothing is under way, then judges. */
  async judge(seed: number): Promise<readonly Verdict[]> {
    await this.#untilEnded();
    for (const text of this.#watch.disagreements) this.#violate('agreement', text);
    this.#count(
      'agreement',
      this.#watch.heights.reduce((sum, height) => sum + height, 0),
    );
    const ledger = this.#execute();
    if (ledger !== null) await this.#accounts(ledger);
    await this.#taken();
    await this.#receipts(new Random(seed));
    await this.#standing();
    const findings = await this.#stage.findings();
    this.#count('world', this.#nodes.length);
    for (const finding of findings) this.#violate('world', finding);
    return (Object.keys(CHECKS) as Check[]).map((check) => ({
      check,
      says: CHECKS[check],
      judged: this.#judged.get(check) ?? 0,
      violations: this.#violations
        .flatMap((each) => (each.check === check ? [each.text] : []))
        .slice(0, VIOLATIONS_MAX),
    }));
  }

  #count(check: Check, more = 1): void {
    this.#judged.set(check, (this.#judged.get(check) ?? 0) + more);
  }
  #violate(check: Check, text: string): void {
    this.#violations.push({ check, text });
  }

  async #untilEnded(): Promise<void> {
    const stage = this.#stage;
    const untilMs = stage.elapsedMs() + SETTLE_MS_MAX;
    while (this.#book.underWay.length > 0 && stage.elapsedMs() < untilMs) {
      await this.#expire();
      await stage.pause(STEP_MS);
    }
    const left = this.#book.underWay;
    const [first] = left;
    if (first !== undefined)
      this.#violate(
        'progress',
        `${left.length} instructions have no end, the first ${first.kind} ${first.digest}, ${first.code ?? 'not ordered'}`,
      );
    const height = this.#watch.height;
    if (!(await this.#watch.until(height, this.#nodes, untilMs - stage.elapsedMs())))
      this.#violate('progress', `at height ${height} these are behind: ${this.#behind(height).join(', ')}`);
    this.#count('progress', this.#book.all.length + this.#nodes.length);
  }

  /** What was taken and came into no block in its time has no receipt: the node that is asked for it says so. */
  async #expire(): Promise<void> {
    const stage = this.#stage;
    for (const sent of this.#book.underWay) {
      if (sent.code !== null || stage.nowMs() <= sent.expiresMs) continue;
      const answer = await stage.nodes[sent.home]?.outcome(sent.digest);
      // Past the ledger's memory, which comes soon where time runs fast, the node says that it is too late to ask.
      const isEnded = answer?.ok === true ? answer.value.code === EXPIRED : answer?.code === 'pruned';
      if (isEnded) sent.add({ code: EXPIRED, height: 0, seenMs: stage.elapsedMs() });
    }
  }

  #behind(height: number): string[] {
    return this.#nodes.flatMap((node) => {
      const own = this.#watch.heights[node] as number;
      return own >= height ? [] : [`${this.#stage.cast.seats[node]?.name} at ${own}`];
    });
  }

  /** All blocks by the naive ledger; null once it says something else than the nodes do. */
  #execute(): NaiveLedger | null {
    const ledger = new NaiveLedger(this.#stage.genesis, this.#stage.isValid);
    for (const { block } of this.#watch.blocks) {
      const { height, proposer, receipts } = block;
      const time = parseTime(block.time);
      assert(time !== null, 'a block has a time');
      const lanes = lanesOf(block);
      if (lanes === null) {
        this.#violate('outcomes', `block ${height} was shown without its instructions`);
        return null;
      }
      const own = ledger.apply({ height, time, proposer, lanes });
      for (let at = 0; at < Math.max(own.length, receipts.length); at++) {
        const [mine, theirs] = [own[at], receipts[at]];
        this.#count('outcomes');
        if (mine?.digest === theirs?.digest && mine?.code === theirs?.code) continue;
        const name = (one: typeof mine | typeof theirs): string =>
          one ? `${one.kind} ${one.digest} ${one.code}` : 'nothing';
        this.#violate(
          'outcomes',
          `receipt ${at} of block ${height} is ${name(theirs)}; by the rules it is ${name(mine)}`,
        );
        return null;
      }
    }
    return ledger;
  }

  async #accounts({ books }: NaiveLedger): Promise<void> {
    const { cast, nodes } = this.#stage;
    const sums = new Map<string, bigint>();
    for (const [name, balance] of books.balances) {
      const asset = name.slice(name.indexOf('/') + 1);
      sums.set(asset, (sums.get(asset) ?? 0n) + balance);
      this.#count('conservation');
      const issuer = books.assets.get(asset)?.issuer;
      if (balance < 0n && !name.startsWith(`${issuer}/`)) this.#violate('conservation', `${name} owes ${-balance}`);
    }
    for (const [asset, sum] of sums) if (sum !== 0n) this.#violate('conservation', `${asset} sums to ${sum}`);
    for (const node of this.#nodes) {
      for (const { party, name } of [...cast.authorities, ...cast.banks]) {
        const answer = await nodes[node]?.balances(party);
        if (answer?.ok !== true) {
          this.#violate('balances', `${cast.seats[node]?.name} does not tell what ${name} has: ${answer?.code}`);
          continue;
        }
        for (const { asset, decimals } of cast.assets) {
          const minor = books.balances.get(`${party}/${asset}`) ?? 0n;
          const told = answer.value.balances.find((each) => each.asset === asset)?.balance;
          // A party without an account has nothing, and is not told of.
          if (told === undefined && minor === 0n) continue;
          this.#count('balances');
          const own = formatAmount(minor, decimals);
          if (own !== told)
            this.#violate(
              'balances',
              `${name} has ${told ?? 'no'} ${asset} on ${cast.seats[node]?.name}; by the rules it is ${own}`,
            );
        }
      }
    }
  }

  /** Every 202 has its end in the blocks, once; what expired has none there. */
  async #taken(): Promise<void> {
    const ends = new Map<string, number>();
    for (const { block } of this.#watch.blocks)
      for (const { digest, code } of block.receipts)
        if (!isOpenCode(code)) ends.set(digest, (ends.get(digest) ?? 0) + 1);
    for (const { digest, kind, taken, code } of this.#book.all) {
      if (taken === null) continue;
      this.#count('durability');
      const count = ends.get(digest) ?? 0;
      if (count !== (code === EXPIRED ? 0 : 1))
        this.#violate('durability', `${kind} ${digest}, answered 202 and ${code ?? 'not ordered'}, has ${count} ends`);
    }
  }

  async #receipts(random: Random): Promise<void> {
    const { genesis, nodes, isValid } = this.#stage;
    const ended = this.#book.all.filter(({ taken, code }) => taken !== null && code !== null && code !== EXPIRED);
    for (const node of this.#nodes) {
      for (let left = Math.min(RECEIPTS_PER_NODE, ended.length); left > 0; left--) {
        const { digest, receipts } = random.pick(ended);
        const answer = await nodes[node]?.receipt(digest);
        this.#count('receipts');
        const says = answer?.ok === true ? receiptText(answer.value, genesis, isValid) : (answer?.code ?? 'nothing');
        const last = receipts.at(-1);
        const wanted = last === undefined ? 'no receipt' : outcomeText({ digest, ...last });
        if (says !== wanted)
          this.#violate(
            'receipts',
            `${this.#stage.cast.seats[node]?.name} gives ${says}, where the blocks say ${wanted}`,
          );
      }
    }
  }

  async #standing(): Promise<void> {
    for (const node of this.#nodes) {
      const answer = await this.#stage.nodes[node]?.status();
      const name = this.#stage.cast.seats[node]?.name;
      this.#count('standing');
      if (answer?.ok !== true) this.#violate('standing', `${name} does not answer: ${answer?.code}`);
      else if (answer.value.halted !== null) this.#violate('standing', `${name} has halted: ${answer.value.halted}`);
      else if (answer.value.evidence > 0) this.#violate('standing', `${name} holds evidence`);
    }
  }
}

/** What each lane of a block gives, as items of a batch; null where the node did not keep it. */
function lanesOf({ lanes, instructions }: ShownBlock): Uint8Array[][] | null {
  if (lanes === null || instructions === null) return null;
  let at = 0;
  return lanes.map((count) =>
    instructions.slice(at, (at += count)).map((jws) => {
      const read = parseInstruction(utf8(JSON.stringify(jws)));
      assert(read.ok, 'a block shows instructions of good form');
      return encodeItem(read.instruction);
    }),
  );
}
