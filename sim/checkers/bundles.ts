/** Portable receipts verify offline, with the genesis file alone, whenever they are given. */
import { verifyBundle } from '../../protocol/bundle.js';
import { toHex } from '../../protocol/codec.js';
import type { InstructionDigest } from '../../protocol/types.js';
import { type CheckerOptions, type Committed, heightOf, mayForget, type Report, type Watched } from './watched.js';

/** How many receipts of a run are asked for, from its beginning to its end. */
const SAMPLES_MAX = 32;
/** Every so many receipts one is a sample, and twice as many whenever half of the samples are to be let go. */
const FIRST_STRIDE = 8;
/** Where a receipt's digest stands in its bytes (ledger/SPEC.md, Receipts). */
const DIGEST_AT = 1;

interface Sample {
  readonly digest: InstructionDigest;
  readonly height: number;
  readonly epoch: number;
  readonly time: number;
  /** The nodes that gave it. */
  readonly given: Set<number>;
}

/** The epoch of a block, if the node has it. */
const epochOf = async ({ running }: Watched, height: number): Promise<number | null> =>
  (await running?.service.block(height))?.epoch ?? null;

export class Bundles {
  readonly #report: Report;
  readonly #options: CheckerOptions;
  #samples: Sample[] = [];
  #stride = FIRST_STRIDE;
  #seen = 0;

  constructor(report: Report, options: CheckerOptions) {
    this.#report = report;
    this.#options = options;
  }

  /** Whose bundles are asked for. */
  get digests(): readonly InstructionDigest[] {
    return this.#samples.map(({ digest }) => digest);
  }

  /** The first that is told of a height. */
  onFinal({
    block: {
      header: { height, epoch, time },
    },
    executed,
  }: Committed): void {
    for (const { digest } of executed.receipts) {
      this.#seen += 1;
      if (this.#seen % this.#stride !== 0) continue;
      this.#samples.push({ digest, height, epoch, time, given: new Set() });
      if (this.#samples.length < 2 * SAMPLES_MAX) continue;
      this.#samples = this.#samples.filter((_, at) => at % 2 === 0);
      this.#stride *= 2;
    }
  }

  /** The node lost its disk, and need not prove what is in a snapshot alone. */
  wiped(node: number): void {
    for (const { given } of this.#samples) given.delete(node);
  }

  /** Takes the bundles that a node can give by now and that it was not asked for yet. */
  async take(node: Watched): Promise<void> {
    for (const { digest, height, given } of this.#samples) {
      if (given.has(node.self) || node.running === null || heightOf(node) < height) continue;
      const bundle = await node.running.service.receipt(digest);
      // Until a later block is certified there is none.
      if (bundle === null) continue;
      given.add(node.self);
      this.#verify(node.self, digest, bundle);
    }
  }

  /** Every node that has the block still gives one. What was given before needs nobody: it holds as it did. */
  async atEnd(nodes: readonly Watched[]): Promise<void> {
    for (const node of nodes) {
      for (const { digest, height, epoch, time, given } of this.#samples) {
        const bundle = await node.running?.service.receipt(digest);
        if (bundle === undefined) continue;
        if (bundle !== null) this.#verify(node.self, digest, bundle);
        else if (given.has(node.self) && !mayForget(node, time, this.#options)) {
          const status = await node.running?.service.status(digest);
          // What it gave was of an open result; the last one is in a block that a snapshot led it past, or of an epoch whose
          // set it has not heard the statements of.
          const isLater = status?.status === 'final' && status.height > height;
          const isElsewhere = isLater && (await epochOf(node, status.height)) !== epoch;
          if (status?.status !== 'pruned' && !isElsewhere)
            this.#report(`bundle: node ${node.self} no longer proves ${digest}`);
        }
      }
    }
  }

  #verify(node: number, digest: InstructionDigest, bundle: object): void {
    const { genesis, signatures } = this.#options;
    if (genesis === undefined || signatures === undefined) return;
    // As it travels.
    const proven = verifyBundle(JSON.parse(JSON.stringify(bundle)) as object, genesis, ({ key, message, signature }) =>
      signatures({ alg: 'Ed25519', key, message, signature }),
    );
    if (!proven.ok)
      this.#report(`bundle: node ${node} proves ${digest} by what is refused: ${proven.code} ${proven.pointer}`);
    else if (toHex(proven.receipt.subarray(DIGEST_AT, DIGEST_AT + 32)) !== digest)
      this.#report(`bundle: node ${node} proves another instruction than ${digest}`);
  }
}
