/** What goes back in the end follows from what moves now. */
import t from 'tap';
import type { LegText } from './arguments.js';
import { afterMove } from './repo.js';

const [A, B] = ['HSBCHKHHXXX', 'BKKBTHBKXXX'];
const leg = (from: string, to: string, asset: string, amount: string): LegText => ({ from, to, asset, amount });
/** B gives the bond back to A, and A the cash to B. */
const FAR = [leg(B, A, 'HKGB2030', '1000'), leg(A, B, 'HKD', '95012.50')];
const withBond = (...bonds: LegText[]): LegText[] => [...bonds, FAR[1] as LegText];

const ROWS: readonly (readonly [says: string, moved: LegText, then: readonly LegText[] | null])[] = [
  ['more of it', leg(A, B, 'HKGB2030', '50'), withBond(leg(B, A, 'HKGB2030', '1050'))],
  ['some back', leg(B, A, 'HKGB2030', '400'), withBond(leg(B, A, 'HKGB2030', '600'))],
  ['all back', leg(B, A, 'HKGB2030', '1000'), withBond()],
  ['more back than there is', leg(B, A, 'HKGB2030', '1001'), null],
  ['another asset', leg(A, B, 'HKGB2032', '7'), [leg(B, A, 'HKGB2032', '7'), ...FAR]],
  ['cash ahead of its time', leg(A, B, 'HKD', '12.5'), [FAR[0] as LegText, leg(A, B, 'HKD', '95000.00')]],
];

t.test('a row for each move', (t) => {
  for (const [says, moved, then] of ROWS) t.same(afterMove(FAR, moved), then, says);
  t.end();
});
