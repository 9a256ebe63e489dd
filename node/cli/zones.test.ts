/** Moments from the clocks of a zone, over the days on which they change. */
import t from 'tap';
import { businessDates, isZone, momentIn } from './zones.js';

const at = (zone: string, date: string, time: string): string => new Date(momentIn(zone, date, time)).toISOString();

t.test('local hours as moments', async (t) => {
  t.equal(at('UTC', '2026-01-05', '08:30'), '2026-01-05T08:30:00.000Z');
  t.equal(at('Asia/Hong_Kong', '2026-01-05', '08:30'), '2026-01-05T00:30:00.000Z');
  t.equal(at('Asia/Kathmandu', '2026-01-05', '08:30'), '2026-01-05T02:45:00.000Z');
  t.equal(at('Pacific/Kiritimati', '2026-01-05', '08:30'), '2026-01-04T18:30:00.000Z');
  t.equal(at('America/New_York', '2026-01-05', '17:00'), '2026-01-05T22:00:00.000Z');
  // Clocks go forward on 29 March 2026 at 01:00 UTC, and back on 25 October.
  t.equal(at('Europe/Zurich', '2026-03-28', '06:30'), '2026-03-28T05:30:00.000Z');
  t.equal(at('Europe/Zurich', '2026-03-29', '06:30'), '2026-03-29T04:30:00.000Z');
  t.equal(at('Europe/Zurich', '2026-03-29', '01:30'), '2026-03-29T00:30:00.000Z');
  t.equal(at('Europe/Zurich', '2026-10-25', '06:30'), '2026-10-25T05:30:00.000Z');
  t.ok(isZone('Asia/Bangkok'));
  t.notOk(isZone('Asia/Atlantis'));
});

t.test('business days', async (t) => {
  const december = businessDates({ from: '2026-12-21', to: '2026-12-28' }, ['2026-12-25'], [6, 0]);
  t.same(december, ['2026-12-21', '2026-12-22', '2026-12-23', '2026-12-24', '2026-12-28']);
  t.same(businessDates({ from: '2026-12-25', to: '2026-12-26' }, [], [5]), ['2026-12-26'], 'another weekend');
  t.same(businessDates({ from: '2026-12-26', to: '2026-12-25' }, [], []), []);
});
