/** What a node asks for that is behind. */
import t from 'tap';
import type { State } from '../../ledger/state.js';
import { blockId, laneStart } from '../../protocol/block.js';
import {
  type BatchDigest,
  type BlockHeader,
  type BlockId,
  type Height,
  type LanePoint,
  type TimestampMs,
  type ValidatorIndex,
  type View,
  ZERO_HASH,
} from '../../protocol/types.js';
import { Chain } from './chain.js';
import type { Lanes } from './lanes.js';
import { SET, TestClock } from './ledgerstore.test-helper.js';
import type { FinalPointer } from './records.js';

const LANE = 0 as ValidatorIndex;
const point = (number: number, digit: string): LanePoint => ({
  incarnation: 0,
  number,
  digest: digit.repeat(64) as BatchDigest,
});

const FINAL: BlockHeader = {
  network: ZERO_HASH as BlockHeader['network'],
  epoch: SET.epoch,
  view: 1 as View,
  height: 1 as Height,
  parent: ZERO_HASH as BlockId,
  parentView: 0 as View,
  cut: SET.validators.map(() => laneStart(0)),
  time: 1_000 as TimestampMs,
  proposer: 0 as ValidatorIndex,
};

/** A block on the final one that orders lane 0 up to a point. */
const over = (view: number, to: LanePoint): BlockHeader => ({
  ...FINAL,
  view: view as View,
  height: 2 as Height,
  parent: blockId(FINAL),
  parentView: FINAL.view,
  cut: FINAL.cut.map((start, lane) => (lane === LANE ? to : start)),
  time: 2_000 as TimestampMs,
});

t.test('what a certified block needs is asked for, whatever is proposed beside it', (t) => {
  const [certified, proposed] = [over(2, point(1, 'a')), over(3, point(9, 'b'))];
  const wanted = (isCertified: boolean): LanePoint | undefined => {
    const lanes = {
      path: (_: ValidatorIndex, __: LanePoint, to: LanePoint) => ({ ok: to.number === 0, batches: [], missing: to }),
    };
    const deps = {
      clock: new TestClock(),
      lanes: lanes as unknown as Lanes,
      skewMs: 2_000,
      wake: () => {},
      isOwed: () => false,
    };
    const pointer: FinalPointer = {
      ...FINAL,
      block: blockId(FINAL),
      root: ZERO_HASH as FinalPointer['root'],
    };
    const chain = new Chain(deps as unknown as ConstructorParameters<typeof Chain>[0], pointer, FINAL, {
      root: ZERO_HASH,
      validators: SET,
    } as unknown as State);
    for (const header of [certified, proposed]) chain.add(blockId(header), header, null);
    if (isCertified) chain.want(blockId(certified), certified.view);
    chain.ask(blockId(proposed));
    chain.pump();
    return chain.wants.batches.get(LANE)?.point;
  };
  t.strictSame(wanted(true), point(1, 'a'), 'it is held by those who certified it; the other perhaps by nobody');
  t.strictSame(wanted(false), point(9, 'b'), 'what is proposed is asked for where nothing else is');
  t.end();
});
