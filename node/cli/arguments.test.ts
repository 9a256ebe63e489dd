/** Moments from now are counted from the network's time when something is signed, wherever they stand in what is asked. */
import t from 'tap';
import { readMoment, withMoments } from './arguments.js';

const NOW = Date.UTC(2031, 5, 1, 12);

t.test('a moment is read as it stands, and filled in by what now is', (t) => {
  for (const text of ['90s', '10m', '2h', '1d', '2026-01-05T09:30:00Z']) t.equal(readMoment(text), text);
  for (const text of ['', '0s', '-2h', '2 h', '1.5h', '2w', '1000d', '9999999d', '2026-02-30T00:00:00Z', 'now'])
    t.throws(() => readMoment(text), { code: 'commander.invalidArgument' }, text);
  const asked = {
    kind: 'settle',
    id: '2h',
    notBefore: '90s',
    cancelUntil: '10m',
    cutoff: '2h',
    settleBy: '1d',
    valueDate: '2026-01-05',
    legs: [{ amount: '1d' }],
    linked: [{ notBefore: '2026-01-05T09:30:00Z', settleBy: '2d' }],
  };
  t.same(withMoments(asked, NOW), {
    ...asked,
    notBefore: '2031-06-01T12:01:30.000Z',
    cancelUntil: '2031-06-01T12:10:00.000Z',
    cutoff: '2031-06-01T14:00:00.000Z',
    settleBy: '2031-06-02T12:00:00.000Z',
    linked: [{ notBefore: '2026-01-05T09:30:00Z', settleBy: '2031-06-03T12:00:00.000Z' }],
  });
  t.same(withMoments({ kind: 'settle', lockUntil: '12h' }, NOW), {
    kind: 'settle',
    lockUntil: '2031-06-02T00:00:00.000Z',
  });
  t.end();
});
