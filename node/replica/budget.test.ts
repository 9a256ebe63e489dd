/** What one peer may cost this node. */
import t from 'tap';
import type { PeerKey } from '../../protocol/types.js';
import { Budget } from './budget.js';
import { TestClock } from './ledgerstore.test-helper.js';

t.test('a peer costs so much in a while and no more', (t) => {
  const clock = new TestClock();
  const budget = new Budget(clock);
  const [peer, other] = ['a', 'b'].map((digit) => digit.repeat(64)) as [PeerKey, PeerKey];
  let asked = 0;
  while (asked < 1_000 && budget.mayAsk(peer)) asked += 1;
  t.equal(
    asked,
    65,
    'each request counts for an eighth of a mebibyte, and the last goes past the eight that it may cost',
  );
  t.ok(budget.mayAsk(other), 'of another there is nothing to it');
  budget.spend(other, 8 * 1024 * 1024);
  t.notOk(budget.mayAsk(other), 'what it is sent counts');
  clock.ms += 499;
  t.notOk(budget.mayAsk(peer));
  clock.ms += 1;
  t.ok(budget.mayAsk(peer), 'a new while');
  t.end();
});
