/** Damage done to the disks of a run: what it was, whether it is mended, and reads that find it, as a node's use does in time. */
import { Corrupt } from '../../node/replica/checked.js';
import type { Service } from '../../node/replica/service.js';
import { Reader } from '../../protocol/codec.js';
import type { InstructionDigest } from '../../protocol/types.js';
import type { Damage } from '../disk.js';
import type { SimNode } from '../node.js';

interface Done extends Damage {
  readonly node: SimNode;
  readonly value: Uint8Array;
}

/** Bundles read of each damaged node: each reads a block's receipts, which are read below too. */
const BUNDLES_MAX = 100;

/** Whether it is the record of the last block that the disk has: without that a node has to fetch the ledger again. */
export function isOfLastBlock({ disk }: SimNode, damage: Damage | null): boolean {
  const blocks = disk.table('blocks');
  return damage?.table === 'blocks' && Buffer.compare(damage.key, blocks.at(blocks.size - 1)[0]) === 0;
}

export class DamageDone {
  readonly #done: Done[] = [];

  note(node: SimNode, damage: Damage | null): void {
    const value = damage === null ? undefined : node.disk.table(damage.table).get(damage.key);
    if (damage !== null && value !== undefined) this.#done.push({ ...damage, node, value });
  }

  /** Whether a node's disk was ever damaged: its reads may fail. */
  isOn(node: SimNode): boolean {
    return this.#done.some((damage) => damage.node === node);
  }

  get isAny(): boolean {
    return this.#done.length > 0;
  }

  /**
   * Reads what damaged nodes have stored; false when something could not be read. A block that all others have let go of can
   * come back from nobody: it goes when the next one is old enough.
   */
  async read(digests: readonly InstructionDigest[], nodes: readonly SimNode[]): Promise<boolean> {
    let isWhole = true;
    for (const node of new Set(this.#done.map((damage) => damage.node))) {
      const { running } = node;
      if (running === null) {
        // It starts again, from a snapshot perhaps.
        isWhole = false;
        continue;
      }
      const stride = Math.ceil(digests.length / BUNDLES_MAX);
      const reads: ((service: Service) => Promise<unknown>)[] = digests.map((digest, i) => async (service) => {
        await service.status(digest);
        if (i % stride === 0) await service.receipt(digest);
      });
      const last = running.replica.chain.final.header.height;
      const others = nodes.filter((other) => other !== node && other.running !== null);
      const floor = Math.min(...others.map((other) => other.running?.succession.upkeep.floor ?? 0));
      for (let height = 1; height <= last; height++) reads.push((service) => service.block(height));
      for (const read of reads) {
        isWhole = await read(running.service).then(
          () => isWhole,
          (error: unknown) => isWhole && isGone(error, floor),
        );
      }
    }
    return isWhole;
  }

  /** How many of the damaged records hold something else again. */
  get mended(): number {
    return this.#done.filter(({ node, table, key, value }) => {
      const now = node.disk.table(table).get(key);
      return now !== undefined && Buffer.compare(now, value) !== 0;
    }).length;
  }
}

/** Whether what is damaged is of a block below the floor of everybody else. */
const isGone = (error: unknown, floor: number): boolean =>
  error instanceof Corrupt &&
  (error.table === 'blocks' || error.table === 'receipts') &&
  new Reader(error.key).u64() < floor;
