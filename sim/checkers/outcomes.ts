/**
 * What final blocks come to, judged twice: by the naive ledger, which executes them by the rules of ledger/SPEC.md, and
 * by an audit, which believes the receipts and adds up the legs of what they say has settled.
 */
import type { Instruction } from '../../protocol/instruction.js';
import { Audit } from '../naive/audit.js';
import type { NaiveReceipt } from '../naive/books.js';
import { NaiveLedger, type OrderedBlock } from '../naive/ledger.js';
import { storedBlock } from './stored.js';
import { type CheckerOptions, type Committed, heightOf, type Report, type Watched } from './watched.js';

type Receipts = Committed['executed']['receipts'];
interface Block {
  readonly ordered: OrderedBlock;
  readonly receipts: Receipts | null;
}

export class Outcomes {
  readonly #report: Report;
  readonly #ledger: NaiveLedger | null;
  readonly #audit: Audit | null;
  /** Blocks that wait for one before them which nobody has told of yet. */
  readonly #ahead = new Map<number, Block>();
  /** By height: what the naive ledger made of blocks that were read off a disk before anybody told of them. */
  readonly #untold = new Map<number, readonly NaiveReceipt[]>();
  #height = 0;
  #isLost = false;

  constructor(report: Report, { genesis, signatures }: CheckerOptions) {
    this.#report = report;
    this.#ledger = genesis && signatures ? new NaiveLedger(genesis, signatures) : null;
    this.#audit = genesis ? new Audit(genesis, report) : null;
  }

  /** What an account held at a height, as a decimal amount; null where that is not known (yet). */
  balanceAt(height: number, party: string, asset: string): string | null {
    return height > this.#height ? null : (this.#audit?.balanceAt(height, party, asset) ?? null);
  }

  /** Whether the keys that signed an instruction count no longer, so that it can have no effect as things stand. */
  isVoid(instruction: Instruction): boolean {
    return this.#ledger !== null && !this.#isLost && !this.#ledger.isSigned(instruction);
  }

  /** The first that is told of a height. */
  onFinal(node: Watched, { block: { header }, executed }: Committed): void {
    const lanes = executed.lanes.map((batches) => batches.flatMap(({ batch }) => batch.items));
    // Read off a disk meanwhile.
    if (header.height <= this.#height) {
      this.#compare(header.height, this.#untold.get(header.height) ?? [], executed.receipts);
      this.#untold.delete(header.height);
    } else
      this.#ahead.set(header.height, {
        ordered: {
          height: header.height,
          time: header.time,
          proposer: header.proposer,
          lanes,
          // No other block is of view 0.
          ...(header.view === 0 && { restart: { epoch: header.epoch, members: executed.state.members() } }),
        },
        receipts: executed.receipts,
      });
    this.#fillFrom(node);
    this.#goOn();
    // Of blocks made final together only the last one's state is still that of its height.
    const isLast = heightOf(node) === header.height && this.#height === header.height;
    if (isLast) this.#audit?.compare(executed.state, header.height, node.self);
  }

  /** A block that a node made final and died before it told anybody is on its disk. */
  #fillFrom({ disk }: Watched): void {
    if (disk === undefined || this.#ahead.size === 0) return;
    const last = Math.min(...this.#ahead.keys());
    for (let height = this.#height + 1; height < last; height++) {
      const ordered = storedBlock(disk, height);
      if (ordered === null) return;
      this.#ahead.set(height, { ordered, receipts: null });
    }
  }

  #goOn(): void {
    for (let next = this.#ahead.get(this.#height + 1); next !== undefined; next = this.#ahead.get(this.#height + 1)) {
      this.#ahead.delete(this.#height + 1);
      this.#height += 1;
      this.#judge(next);
    }
  }

  #judge({ ordered, receipts }: Block): void {
    const own = this.#ledger?.apply(ordered) ?? null;
    const told = receipts ?? own;
    if (told !== null) this.#audit?.apply(ordered, told);
    if (own === null) return;
    if (receipts === null) this.#untold.set(ordered.height, own);
    else this.#compare(ordered.height, own, receipts);
  }

  #compare(height: number, own: readonly NaiveReceipt[], receipts: Receipts): void {
    if (this.#isLost) return;
    for (let at = 0; at < Math.max(own.length, receipts.length); at++) {
      const [mine, theirs] = [own[at], receipts[at]];
      if (mine?.digest === theirs?.digest && mine?.code === theirs?.code) continue;
      const name = (one: typeof mine | typeof theirs): string =>
        one ? `${one.kind} ${one.digest} ${one.code}` : 'nothing';
      this.#report(`outcome: receipt ${at} of height ${height} is ${name(theirs)}; by the rules it is ${name(mine)}`);
      // From here on the two have different states: what else differs says nothing.
      this.#isLost = true;
      return;
    }
  }

  /** Balances of every node, and blocks that nobody could show. */
  atEnd(nodes: readonly Watched[]): void {
    for (const node of nodes) this.#fillFrom(node);
    this.#goOn();
    if (this.#ahead.size > 0) this.#report(`outcome: no node can show the block of height ${this.#height + 1}`);
    for (const { self, running } of nodes) {
      const final = running?.replica.chain.final;
      if (final?.header.height !== this.#height) continue;
      this.#audit?.compare(final.state, this.#height, self);
      if (this.#ledger !== null && !this.#isLost) this.#balances(self, final.state, this.#ledger);
    }
  }

  #balances(self: number, state: Committed['executed']['state'], { books }: NaiveLedger): void {
    for (const { asset } of state.assets()) {
      for (const { party } of state.participants()) {
        const [own, theirs] = [
          books.balances.get(`${party}/${asset}`) ?? 0n,
          state.account(party, asset)?.balance ?? 0n,
        ];
        if (own !== theirs)
          this.#report(`outcome: ${party} has ${theirs} of ${asset} on node ${self}; by the rules it is ${own}`);
      }
    }
  }
}
