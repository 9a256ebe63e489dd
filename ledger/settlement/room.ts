/** Whether a party may have one more settlement open. */
import { OPEN_MOVEMENTS_PER_PARTY_MAX, OPEN_SETTLEMENTS_PER_PARTY_MAX } from '../../protocol/limits.js';
import type { Settlement } from '../entries.js';
import type { State } from '../state.js';
import { movementsAtMost } from './outline.js';

/** Settlements and accounts that they touch are both bounded, for who has begun them: else it is `too_many_open`. */
export const hasRoom = ({ counts }: State, settlement: Settlement): boolean =>
  (counts.open.get(settlement.initiator) ?? 0) < OPEN_SETTLEMENTS_PER_PARTY_MAX &&
  (counts.openMovements.get(settlement.initiator) ?? 0) + movementsAtMost(settlement) <= OPEN_MOVEMENTS_PER_PARTY_MAX;
