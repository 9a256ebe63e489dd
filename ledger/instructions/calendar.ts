/** `calendar`: an authority says on which days, and when on them, an asset of its jurisdiction settles by value date. */
import { CALENDAR_KEPT_DAYS } from '../../protocol/limits.js';
import type { PayloadOf } from '../../protocol/payload.js';
import { assert } from '../../protocol/types.js';
import { DAY_MS, parseDay, parseTime } from '../../protocol/values.js';
import type { ResultCode } from '../codes.js';
import type { BusinessDay } from '../entries.js';
import type { Ordered, Posting } from '../posting.js';
import { screen } from '../rights.js';
import type { State } from '../state.js';

/**
 * Takes the place of what was said of the days from the first to the last that it names. What has been begun keeps the
 * hours that it was begun with. Refuses with `unknown_asset` and `forbidden`.
 */
export function calendar(posting: Posting, ordered: Ordered, payload: PayloadOf<'calendar'>): void {
  if (screen(posting, posting.at.time, ordered) !== null) return;
  const { state, at } = posting;
  const code = judge(state, payload);
  posting.conclude(ordered.instruction, code);
  if (code !== 'applied') return;
  const said = payload.days.map(readDay);
  const [first, last] = [said[0], said.at(-1)] as [BusinessDay, BusinessDay];
  const today = Math.floor(at.time / DAY_MS);
  const standing = (state.tables.calendars.get(payload.asset)?.days ?? []).filter(
    ({ day }) => day >= today - CALENDAR_KEPT_DAYS,
  );
  const days = [
    ...standing.filter(({ day }) => day < first.day),
    ...said.filter(({ day }) => day >= today - CALENDAR_KEPT_DAYS),
    ...standing.filter(({ day }) => day > last.day),
  ];
  state.tables.calendars.set(payload.asset, { zone: payload.zone, days });
}

function judge(state: State, { asset, initiator }: PayloadOf<'calendar'>): ResultCode {
  const definition = state.asset(asset);
  if (definition === undefined) return 'unknown_asset';
  return initiator === state.authorityOf(definition.jurisdiction) ? 'applied' : 'forbidden';
}

function readDay({ date, open, close }: PayloadOf<'calendar'>['days'][number]): BusinessDay {
  const [day, openMs, closeMs] = [parseDay(date), parseTime(open), parseTime(close)];
  assert(day !== null && openMs !== null && closeMs !== null, 'days of a parsed calendar are days');
  return { day, openMs, closeMs };
}
