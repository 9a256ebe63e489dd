/** Dates of a scenario: until when what is sent may wait, batches, calendars and business days. */
import { DAY_MS, formatDay, formatTime } from '../../protocol/values.js';
import { type ActOf, msOf } from './file.js';
import { nameOf, type Scene } from './scene.js';

/** Past the end of the workload, so that what waits to the last moment may settle in it. */
export const SETTLE_BY_PAST_END_MS = 2_000;
/** A settlement's date is to be past `issued` when its block comes. */
export const SETTLE_BY_LEAST_MS = 1_000;
/** What is sent so shortly before the end of a business day is for the next. */
const SPOT_LEAST_MS = 1_000;
/** The longest weekend is shorter. */
const SPOT_DAYS_MAX = 10;
/** As `getUTCDay` counts them. */
const WEEKEND: ReadonlySet<number> = new Set([0, 6]);

/** The members of a payload that say when it settles, if it waits. */
export function datesOf(scene: Scene, act: ActOf<'payment' | 'pvp' | 'ring'>): object {
  const { teller, openedMs, endsMs } = scene;
  const { valueDate, spot, settleBy, batch } = act;
  if (spot === true) return { valueDate: spotDay(scene, assetsOf(act)) };
  if (valueDate !== undefined) return { valueDate: dateOf(scene, valueDate) };
  const nowMs = teller.stage.elapsedMs();
  const ownMs = settleBy === undefined ? endsMs + SETTLE_BY_PAST_END_MS - nowMs : msOf(settleBy);
  const until = { settleBy: teller.inMs(Math.max(SETTLE_BY_LEAST_MS, ownMs)) };
  if (batch === undefined) return until;
  const eachMs = msOf(batch);
  const nextMs = openedMs + Math.ceil((nowMs - openedMs + 1) / eachMs) * eachMs;
  return { notBefore: teller.inMs(nextMs - nowMs), ...until };
}

/** The moment so long after the opening. */
const momentOf = ({ teller, openedMs }: Scene, time: string): string =>
  teller.inMs(openedMs + msOf(time) - teller.stage.elapsedMs());
/** The date by UTC so many days after that of the opening. */
const dateOf = ({ teller, openedMs }: Scene, day: number): string =>
  teller.inMs(openedMs + (day * DAY_MS) / teller.timeScale - teller.stage.elapsedMs()).slice(0, 'yyyy-mm-dd'.length);

function assetsOf(act: ActOf<'payment' | 'pvp' | 'ring'>): readonly string[] {
  if (act.act === 'ring') return act.assets;
  return act.act === 'pvp' ? [act.gives, act.takes] : [act.asset];
}

export async function calendar(scene: Scene, act: ActOf<'calendar'>): Promise<void> {
  const { teller } = scene;
  const { issuer } = teller.cast.asset(act.asset);
  const day = {
    date: dateOf(scene, act.day ?? 0),
    open: momentOf(scene, act.opens),
    close: momentOf(scene, act.closes),
  };
  const fields = { kind: 'calendar', asset: act.asset, zone: 'UTC (scenario)', days: [day] };
  await teller.send({ name: nameOf(act), fields, by: [teller.cast.player(issuer.jurisdiction)] });
}

/** The next days of the network from today on, as it counts them, that are no weekend. */
function nextDays({ teller }: Scene, count: number): readonly number[] {
  const today = Math.floor(teller.stage.nowMs() / DAY_MS);
  return Array.from({ length: count }, (_, at) => today + at).filter(
    (day) => !WEEKEND.has(new Date(day * DAY_MS).getUTCDay()),
  );
}

export async function businessDays(scene: Scene, act: ActOf<'business-days'>): Promise<void> {
  const { teller } = scene;
  const { issuer } = teller.cast.asset(act.asset);
  const days = nextDays(scene, act.days).map((day) => ({
    date: formatDay(day),
    open: formatTime(day * DAY_MS + msOfDay(act.opens)),
    close: formatTime(day * DAY_MS + msOfDay(act.closes)),
  }));
  scene.closes.set(act.asset, msOfDay(act.closes));
  const fields = { kind: 'calendar', asset: act.asset, zone: 'UTC (scenario)', days };
  await teller.send({ name: nameOf(act), fields, by: [teller.cast.player(issuer.jurisdiction)] });
}

function msOfDay(time: string): number {
  const [hours, minutes] = time.split(':').map(Number) as [number, number];
  return (60 * hours + minutes) * 60_000;
}

/** The first business day that is not over: what is sent now has the time to be bound until then. */
function spotDay(scene: Scene, assets: readonly string[]): string {
  const closesMs = Math.min(...assets.map((asset) => scene.closes.get(asset) ?? DAY_MS));
  const leastMs = scene.teller.stage.nowMs() + SPOT_LEAST_MS * scene.teller.timeScale;
  const day = nextDays(scene, SPOT_DAYS_MAX).find((each) => each * DAY_MS + closesMs > leastMs);
  return formatDay(day ?? 0);
}
