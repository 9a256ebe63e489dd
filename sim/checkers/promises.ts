/**
 * What clients were told. Each 202 of a node that kept its disk comes to one end, is pending, or is shown as expired,
 * and that only once final block time has passed its `expires`; an end that was shown once is shown for as long as
 * nodes remember.
 */
import type { InstructionStatus } from '../../node/ports.js';
import type { Instruction } from '../../protocol/instruction.js';
import type { InstructionDigest } from '../../protocol/types.js';
import {
  type Acknowledged,
  type CheckerOptions,
  type Committed,
  heightOf,
  isOpenCode,
  mayForget,
  type Report,
  type Watched,
} from './watched.js';

/** The ledger remembers an id at least so long after its `expires` (ledger/SPEC.md, Memory). */
const MEMORY_MS = 24 * 60 * 60 * 1000;
/** What is told so joins the queue at its time, without a receipt; or stands in it when it is amended. */
const WITHOUT_RECEIPT: ReadonlySet<string> = new Set(['scheduled', 'part_settled', 'amended']);

interface Shown {
  readonly code: string;
  readonly height: number;
  readonly endedMs: number;
  /** Who showed it first, unless it has lost its disk since. */
  readonly node: number | null;
}

export class Promises {
  readonly acknowledged: Acknowledged[] = [];
  readonly #report: Report;
  readonly #options: CheckerOptions;
  /** The last result of each instruction. */
  readonly #results = new Map<
    InstructionDigest,
    { readonly code: string; readonly time: number; readonly height: number }
  >();
  /** Which instruction has used up each initiator's id. */
  readonly #ids = new Map<string, InstructionDigest>();
  readonly #shown = new Map<InstructionDigest, Shown>();

  constructor(report: Report, options: CheckerOptions) {
    this.#report = report;
    this.#options = options;
  }

  /** What was answered 202, or shown to a client. */
  get digests(): readonly InstructionDigest[] {
    return [...this.acknowledged.map(({ digest }) => digest), ...this.#shown.keys()];
  }

  /** The first that is told of a height. */
  onFinal({ executed }: Committed): void {
    for (const { digest, code, time, height, initiator, id } of executed.receipts) {
      this.#ids.set(`${initiator}/${id}`, digest);
      this.#results.set(digest, { code, time, height });
    }
  }

  /** What a node lost with its disk it owes nobody. */
  wiped(node: number): void {
    const kept = this.acknowledged.filter((one) => one.node !== node);
    this.acknowledged.splice(0, this.acknowledged.length, ...kept);
    for (const [digest, shown] of this.#shown)
      if (shown.node === node) this.#shown.set(digest, { ...shown, node: null });
  }

  /** A node told a client how an instruction stands. */
  onShown(node: Watched, digest: InstructionDigest, status: InstructionStatus): void {
    const before = this.#shown.get(digest);
    if (status.status === 'final') {
      const isOther = before !== undefined && before.code !== status.code;
      if (isOther && !(before.node !== node.self && areWithoutTrace(before.code, status.code)))
        this.#report(
          `undone: node ${node.self} shows ${digest} as ${status.code}; node ${before.node} showed ${before.code}`,
        );
      const { code, height, time } = status;
      const endedMs = this.#endOf(digest) ?? time;
      if (before === undefined) this.#shown.set(digest, { code, height, endedMs, node: node.self });
    } else if (before !== undefined && before.node === node.self && heightOf(node) >= before.height) {
      const isForgotten = status.status === 'unknown' && mayForget(node, before.endedMs, this.#options);
      if (status.status !== 'pruned' && !isForgotten)
        this.#report(`undone: node ${node.self} shows ${digest} as ${status.status}, after it showed ${before.code}`);
    } else if (status.status === 'unknown') {
      const isOwed = this.acknowledged.some((one) => one.digest === digest && one.node === node.self);
      if (isOwed && !mayForget(node, this.#endOf(digest), this.#options))
        this.#report(`202: ${digest} is unknown to node ${node.self}, which accepted it`);
    }
  }

  /** When an instruction came to its end; one without a result, when it expires; null where nobody answered 202. */
  #endOf(digest: InstructionDigest): number | null {
    const result = this.#results.get(digest);
    if (result !== undefined && !isOpenCode(result.code)) return result.time;
    return this.acknowledged.find((one) => one.digest === digest)?.expiresMs ?? null;
  }

  isSettled(nodes: readonly Watched[], isVoid: (instruction: Instruction) => boolean): boolean {
    return this.acknowledged.every(
      ({ digest, instruction }) =>
        nodes.every(({ running }) => running?.replica.admission.isPending(digest) === false) ||
        (instruction !== undefined && isVoid(instruction)),
    );
  }

  async atEnd(nodes: readonly Watched[]): Promise<void> {
    for (const promise of this.acknowledged) {
      const node = nodes.find(({ self }) => self === promise.node);
      if (node?.running != null) this.#judge(node, promise, await node.running.service.status(promise.digest));
    }
    for (const node of nodes) {
      for (const digest of this.#shown.keys()) {
        const status = await node.running?.service.status(digest);
        if (status !== undefined && status.status !== 'unknown') this.onShown(node, digest, status);
      }
    }
  }

  #judge(node: Watched, { digest, name, expiresMs }: Acknowledged, status: InstructionStatus): void {
    if (status.status !== 'unknown') this.onShown(node, digest, status);
    else if (mayForget(node, this.#endOf(digest), this.#options)) return;
    const result = this.#results.get(digest);
    // The block that ended it came just now: this node has not heard of it yet.
    if (status.status === 'pending' && result !== undefined && result.height > heightOf(node)) return;
    const code = result?.code;
    const what = `${digest}, which node ${node.self} answered 202`;
    const told = JSON.stringify(status);
    // Its end was shown while it was kept; or so long ago that the ledger remembers nothing, and nobody here can know.
    if (status.status === 'pruned') {
      const now = node.running?.replica.chain.final.header.time ?? 0;
      if ((code === undefined || isOpenCode(code)) && now <= expiresMs + MEMORY_MS)
        this.#report(`202: ${what}, has no end; the node tells ${told}`);
      return;
    }
    if (code !== undefined) {
      const isNow = status.status !== 'unknown' && status.code === 'queued' && WITHOUT_RECEIPT.has(code);
      const isSame =
        status.status !== 'unknown' &&
        (status.code === code || isNow) &&
        isOpenCode(code) === (status.status === 'pending');
      if (!isSame) this.#report(`202: ${what}, came to ${code}; the node tells ${told}`);
      return;
    }
    if (status.status === 'pending') return;
    const hasExpired = (node.running?.replica.chain.final.header.time ?? 0) > expiresMs;
    const isTaken = (this.#ids.get(name) ?? digest) !== digest;
    if (status.status === 'unknown') this.#report(`202: ${what}, was lost`);
    else if (status.code === 'expired' ? !hasExpired : !(status.code === 'duplicate_id' && isTaken))
      this.#report(`202: ${what}, has no receipt; the node tells ${told}`);
  }
}

/**
 * Of what left no trace a node tells what it saw when it looked: its id was another's, or it had expired. Two nodes may have
 * looked at different times (seed 881300, one of them back after fifteen hours); both say that it has no effect.
 */
const areWithoutTrace = (one: string | null, other: string | null): boolean =>
  [one, other].every((code) => code === 'expired' || code === 'duplicate_id');
