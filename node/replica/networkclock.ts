/** The clock port on a network's time: what a machine's clock shows, scaled where the genesis says that this is a test. */
import type { Genesis } from '../../protocol/genesis.js';
import { networkTime } from '../../protocol/networktime.js';
import type { Clock } from '../ports.js';

/** Timers and the time that is never set stay the machine's. */
export const networkClock = (machine: Clock, genesis: Pick<Genesis, 'test' | 'created'>): Clock => ({
  now: () => networkTime(genesis, machine.now()),
  elapsed: () => machine.elapsed(),
  after: (delayMs, callback) => machine.after(delayMs, callback),
});
