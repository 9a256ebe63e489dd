/** When a node that has proven a receipt must prove it again. */
import t from 'tap';
import type { InstructionDigest } from '../../protocol/types.js';
import { Bundles } from './bundles.js';
import type { Committed, Watched } from './watched.js';

/** The eighth receipt of a run is a sample. */
const DIGESTS = Array.from({ length: 8 }, (_, at) => `${at}`.repeat(64) as InstructionDigest);
const HEIGHT = 10;

t.test(
  'what a node has proven it proves again, unless a later result is in a block that it never had, or of a later epoch',
  async (t) => {
    const judge = async (status: object, blocks: readonly number[], epoch = 0): Promise<string[]> => {
      const found: string[] = [];
      let bundle: object | null = {};
      const service = {
        receipt: async () => bundle,
        status: async () => status,
        block: async (height: number) => (blocks.includes(height) ? { epoch } : null),
      };
      const replica = { chain: { final: { header: { height: 30, time: 0 } } } };
      const node = { self: 1, running: { service, replica } } as unknown as Watched;
      const bundles = new Bundles((violation) => found.push(violation.slice(0, violation.indexOf(':'))), {});
      const receipts = DIGESTS.map((digest) => ({ digest }));
      const header = { height: HEIGHT, epoch: 0, time: 0 };
      bundles.onFinal({ block: { header }, executed: { receipts } } as unknown as Committed);
      await bundles.take(node);
      bundle = null;
      await bundles.atEnd([node]);
      return found;
    };
    const final = (height: number) => ({ status: 'final', code: 'consented', height, time: 0 });
    t.strictSame(await judge(final(HEIGHT), [HEIGHT]), ['bundle'], 'the very receipt that it has proven');
    t.strictSame(await judge(final(HEIGHT), []), ['bundle'], 'also where the block is gone from its disk');
    t.strictSame(await judge(final(HEIGHT + 1), [HEIGHT + 1]), ['bundle'], 'a later one in a block that it has');
    t.strictSame(await judge(final(HEIGHT + 1), []), [], 'a later one in a block that a snapshot led it past');
    t.strictSame(
      await judge(final(HEIGHT + 1), [HEIGHT + 1], 1),
      [],
      'a later one of an epoch that it cannot show yet',
    );
    t.strictSame(await judge({ status: 'pruned', height: HEIGHT }, []), [], 'what it says that it has let go');
  },
);
