/** The commands about business days: an authority publishes them from local hours, anybody reads them. */
import Table from 'cli-table3';
import { type Command, InvalidArgumentError } from 'commander';
import { CALENDAR_DAYS_MAX } from '../../protocol/limits.js';
import { formatTime } from '../../protocol/values.js';
import { createClient } from '../api/client.js';
import { type NodeOptions, readAsset, readDate, withNode } from './arguments.js';
import { done, failed, type Outcome, refusedBy } from './outcome.js';
import type { Runner } from './runner.js';
import { instruct, type SigningOptions, withSigning } from './submit.js';
import { businessDates, isZone, momentIn, zoneText } from './zones.js';

export function calendarCommands(program: Command, run: Runner): void {
  const calendar = program.command('calendar').description('business days of assets, for settlement by value date');
  withSigning(calendar.command('set'))
    .description("say when an asset settles by value date, as its jurisdiction's authority")
    .requiredOption('--asset <code>', 'the asset', readAsset)
    .requiredOption('--zone <name>', 'whose clocks the hours are by (IANA), as Asia/Hong_Kong', readZone)
    .requiredOption('--open <hh:mm>', 'when settlement begins', readTimeOfDay)
    .requiredOption('--close <hh:mm>', 'when it ends', readTimeOfDay)
    .requiredOption('--from <date>', 'the first day', readDate)
    .requiredOption('--to <date>', 'the last day', readDate)
    .option('--closed <date>', 'a holiday; again for each', gatherDates, [])
    .option('--weekend <days>', 'days of the week that are closed, by number from Sunday, 0', readWeekdays, [6, 0])
    .addHelpText(
      'after',
      `
It takes the place of what was said of the days from the first to the last. The ledger is told the moments in UTC, taken
from the zone database of this machine, whose version goes with them: so every node has the same.

Example:
  causeway calendar set --key hk/keys/authority.pem --asset HKD --zone Asia/Hong_Kong --open 08:30 --close 17:30 \\
    --from 2026-12-01 --to 2026-12-31 --closed 2026-12-25 --closed 2026-12-26`,
    )
    .action(run(set));
  withNode(calendar.command('show'))
    .description("an asset's business days")
    .argument('<code>', 'the asset', readAsset)
    .addHelpText('after', '\nExample:\n  causeway calendar show HKD')
    .action(run(show));
}

const gatherDates = (text: string, before: readonly string[]): readonly string[] => [...before, readDate(text)];

function readZone(text: string): string {
  if (isZone(text)) return text;
  throw new InvalidArgumentError('It must be a zone of the IANA database, as Asia/Hong_Kong.');
}

function readTimeOfDay(text: string): string {
  if (/^([01][0-9]|2[0-3]):[0-5][0-9]$/.test(text)) return text;
  throw new InvalidArgumentError('It must be a time of day, as 08:30.');
}

function readWeekdays(text: string): number[] {
  if (/^$|^[0-6](,[0-6])*$/.test(text)) return text === '' ? [] : text.split(',').map(Number);
  throw new InvalidArgumentError('It must be days of the week by number from Sunday, 0, as 6,0; or nothing.');
}

interface CalendarOptions extends SigningOptions {
  readonly asset: string;
  readonly zone: string;
  readonly open: string;
  readonly close: string;
  readonly from: string;
  readonly to: string;
  readonly closed: readonly string[];
  readonly weekend: readonly number[];
}

async function set(options: CalendarOptions): Promise<Outcome> {
  const { asset, zone, open, close, from, to, closed, weekend, ...signing } = options;
  const dates = businessDates({ from, to }, closed, weekend);
  const days = dates.map((date) => ({
    date,
    open: formatTime(momentIn(zone, date, open)),
    close: formatTime(momentIn(zone, date, close)),
  }));
  if (days.length === 0) return failed('usage', 'usage', 'No day from --from to --to is open.');
  if (days.length > CALENDAR_DAYS_MAX)
    return failed(
      'usage',
      'usage',
      `${days.length} days are open, and one instruction names at most ${CALENDAR_DAYS_MAX}.`,
    );
  return instruct(signing, { kind: 'calendar', asset, zone: zoneText(zone), days });
}

async function show(asset: string, { node }: NodeOptions): Promise<Outcome> {
  const answer = await createClient(node).getCalendar({ asset });
  if (!answer.ok) return refusedBy(answer.problem);
  const { zone, days, height } = answer.value;
  if (zone === null) return done(answer.value, `${asset} has no calendar at height ${height}: it settles on any day.`);
  const table = new Table({ head: ['date', 'open', 'close'], style: { head: [], border: [] } });
  for (const { date, open, close } of days) table.push([date, open, close]);
  return done(answer.value, `${asset} at height ${height}, hours by ${zone}\n${table.toString()}`);
}
