/** A scenario from its opening to its verdict, on any stage. */
import { latencyMs, type PlaceCode } from '../geography.js';
import { Random } from '../random.js';
import { perform } from './acts.js';
import { Audit, type Verdict } from './audit.js';
import { Book } from './book.js';
import { Faults, type Happened } from './faults.js';
import { type Figures, figuresOf, type Shown } from './figures.js';
import { type Act, msOf, type Scenario, type WorldName } from './file.js';
import { openNetwork } from './opening.js';
import type { Scene } from './scene.js';
import { type AssetSum, assetSumsOf, type Series, seriesOf } from './series.js';
import type { Stage } from './stage.js';
import { Teller } from './teller.js';
import { type Wait, waitsOf } from './waits.js';
import { Watch } from './watch.js';

export interface Expectation {
  readonly figure: string;
  readonly least: number | null;
  readonly most: number | null;
  readonly why: string;
  /** Null where the run has no such figure: then it does not hold. */
  readonly got: number | null;
  readonly holds: boolean;
}

/** Between two places where nodes stand. */
export interface Link {
  readonly between: readonly [PlaceCode, PlaceCode];
  /** One way, as the distance has it; null where nothing is added for the distance. */
  readonly latencyMs: number | null;
}

/** A run as the report has it; its times are ms after the opening. */
export interface Run {
  readonly format: 'causeway-run/1';
  readonly scenario: Pick<Scenario, 'name' | 'title' | 'about' | 'profile'> & { readonly source: string | null };
  /** What was spoiled where this is the twin that must fail, and what must fail then; null otherwise. */
  readonly sabotage: Pick<Scenario['sabotage'], 'about' | 'breaks'> | null;
  readonly world: WorldName;
  readonly seed: number;
  readonly lastedMs: number;
  readonly seats: readonly {
    readonly name: string;
    readonly party: string;
    readonly title: string;
    readonly isValidator: boolean;
    readonly place: PlaceCode;
    readonly height: number;
  }[];
  readonly banks: number;
  readonly links: readonly Link[];
  readonly timeline: readonly Happened[];
  readonly series: readonly Series[];
  /** What waited in queues when the business day was over, and for whom. */
  readonly waits: readonly Wait[];
  readonly assets: readonly AssetSum[];
  readonly figures: Figures;
  readonly verdicts: readonly Verdict[];
  readonly expectations: readonly Expectation[];
  readonly published: readonly (NonNullable<Scenario['published']>[number] & { readonly ours: number | null })[];
  /** What failed: checks by name, and figures; empty when all is well. */
  readonly failed: readonly string[];
}

/** Told of what happens, for people who wait. */
export type Say = (line: string) => void;

/** Past the end of the workload no bank begins another attempt to send. */
const ATTEMPTS_PAST_END_MS = 5_000;

export function play(scenario: Scenario, stage: Stage, seed: number, say: Say): Promise<Run> {
  return stage.during(playOn(scenario, stage, seed, say));
}

async function playOn(scenario: Scenario, stage: Stage, seed: number, say: Say): Promise<Run> {
  const book = new Book();
  const teller = new Teller(stage, book, new Random(seed));
  const watch = new Watch(stage, book);
  try {
    return await playWatched(scenario, stage, seed, say, { book, teller, watch });
  } finally {
    watch.stop();
  }
}

interface Crew {
  readonly book: Book;
  readonly teller: Teller;
  readonly watch: Watch;
}

async function playWatched(
  scenario: Scenario,
  stage: Stage,
  seed: number,
  say: Say,
  { book, teller, watch }: Crew,
): Promise<Run> {
  const { seats } = stage.cast;
  say(`${seats.length} nodes start: ${seats.map(({ name }) => name).join(', ')}`);
  await openNetwork(scenario.opening, stage, teller, watch);
  const openedMs = stage.elapsedMs();
  const endsMs = openedMs + msOf(scenario.lasts);
  say(`open at height ${watch.height}; ${scenario.lasts} of business begin`);
  const faults = new Faults(stage, watch, endsMs);
  const scene: Scene = { closes: new Map(), teller, book, openedMs, endsMs };
  teller.close(endsMs + ATTEMPTS_PAST_END_MS);
  const faulty = (scenario.faults ?? []).map(async (fault) => {
    await faults.run(fault);
  });
  const acts = Promise.all(scenario.workload.map((act, nth) => repeat(scene, act, new Random(seedOf(seed, nth)))));
  // Looked at below: until then what it fails with waits.
  acts.catch(() => undefined);
  const dayEnded =
    scenario.dayEnds === undefined ? null : stage.pause(msOf(scenario.dayEnds)).then(() => waitsOf(stage, book));
  await Promise.all([...faulty, stage.pause(endsMs - openedMs)]);
  await Promise.race([acts, stage.pause(ATTEMPTS_PAST_END_MS)]);
  const toMs = stage.elapsedMs();
  const waits = (await dayEnded) ?? (await waitsOf(stage, book));
  say(`${book.all.length} instructions sent; waiting until all is final, then judging`);
  const nodes = seats.flatMap((_, at) => (faults.lost.has(at) ? [] : [at]));
  const verdicts = await new Audit(stage, book, watch, nodes).judge(seed);
  const balances = await balancesOf(stage, book);
  const { happened, versions, upgraded } = faults;
  const seen = { happened, versions, upgraded: upgraded.size };
  return runOf({ scenario, stage, seed, book, watch, ...seen, openedMs, toMs, waits, verdicts, balances });
}

/** What a run has come to, when it is over and judged. */
interface Judged extends Pick<Shown, 'book' | 'happened' | 'versions' | 'upgraded' | 'waits' | 'balances'> {
  readonly scenario: Scenario;
  readonly stage: Stage;
  readonly seed: number;
  readonly watch: Watch;
  readonly openedMs: number;
  readonly toMs: number;
  readonly verdicts: readonly Verdict[];
}

/** The run as the report has it. */
function runOf(played: Judged): Run {
  const { scenario, stage, seed, book, watch, happened, openedMs, toMs, waits, verdicts } = played;
  const { cast } = stage;
  const span = { fromMs: openedMs, toMs };
  const figures = figuresOf({ ...played, cast, blocks: watch.blocks }, span);
  const expected = scenario.expect.filter(({ worlds }) => worlds?.includes(stage.world) !== false);
  const expectations = expected.map((each) => judge(each, figures));
  return {
    format: 'causeway-run/1',
    scenario: {
      name: scenario.name,
      title: scenario.title,
      about: scenario.about,
      profile: scenario.profile,
      source: scenario.source ?? null,
    },
    sabotage: null,
    world: stage.world,
    seed,
    lastedMs: toMs - openedMs,
    seats: cast.seats.map(({ name, player, isValidator, place }, at) => ({
      name,
      party: player.party,
      title: player.title,
      isValidator,
      place,
      height: watch.heights[at] as number,
    })),
    banks: cast.banks.length,
    links: linksOf(scenario, stage),
    timeline: happened.map((each) => ({
      ...each,
      fromMs: each.fromMs - openedMs,
      untilMs: each.untilMs === null ? null : each.untilMs - openedMs,
    })),
    series: seriesOf(book, cast, watch.blocks, span),
    assets: assetSumsOf(book, cast),
    waits,
    figures,
    verdicts,
    expectations,
    published: (scenario.published ?? []).map((each) => ({ ...each, ours: figures[each.figure] ?? null })),
    failed: [
      ...verdicts.flatMap(({ check, violations }) => (violations.length > 0 ? [check] : [])),
      ...expectations.flatMap(({ figure, holds }) => (holds ? [] : [figure])),
    ],
  };
}

/** What every party has of every asset that it ever had a leg in, as its node tells. */
async function balancesOf({ cast, nodes }: Stage, book: Book): Promise<ReadonlyMap<string, string>> {
  const legs = book.all.flatMap((sent) => sent.legs);
  const balances = new Map<string, string>();
  for (const player of [...cast.authorities, ...cast.banks]) {
    const answer = await nodes[book.askedFor(cast.homeOf(player))]?.balances(player.party);
    if (answer?.ok !== true) continue;
    const own = legs.filter(({ from, to }) => from === player.party || to === player.party);
    for (const { asset } of own) balances.set(`${player.name}.${asset}`, '0');
    for (const { asset, balance } of answer.value.balances) balances.set(`${player.name}.${asset}`, balance);
  }
  return balances;
}

/** Every two places of the cast, once. The profile `lan` has no distance. */
function linksOf({ profile }: Scenario, { cast }: Stage): Link[] {
  const places = [...new Set(cast.seats.map(({ place }) => place))];
  const isFar = profile !== 'lan';
  return places.flatMap((from, at) =>
    places.slice(at + 1).map((to): Link => ({ between: [from, to], latencyMs: isFar ? latencyMs(from, to) : null })),
  );
}

function judge({ figure, least, most, why }: Scenario['expect'][number], figures: Figures): Expectation {
  const got = figures[figure] ?? null;
  const holds = got !== null && got >= (least ?? Number.NEGATIVE_INFINITY) && got <= (most ?? Number.POSITIVE_INFINITY);
  return { figure, least: least ?? null, most: most ?? null, why, got, holds };
}

/** Of an act: no other's, and not the opening's, which would give two instructions of a bank one id. */
const seedOf = (seed: number, nth: number): number => Math.imul(seed, 1_009) ^ (nth + 1);

/** Once, or again and again, each time without waiting for what the last one came to. */
async function repeat({ teller, ...scene }: Scene, act: Act, random: Random): Promise<void> {
  const own = { ...scene, teller: teller.with(random) };
  const { stage } = teller;
  if (act.at !== undefined) {
    await stage.pause(msOf(act.at));
    return perform(own, act);
  }
  const [fromMs, untilMs, everyMs] = [act.from, act.until, act.every].map((time) => msOf(time ?? '0s')) as [
    number,
    number,
    number,
  ];
  const startedMs = stage.elapsedMs();
  const begun: Promise<void>[] = [];
  for (let nextMs = fromMs; nextMs <= untilMs; nextMs += everyMs) {
    await stage.pause(Math.max(0, startedMs + nextMs - stage.elapsedMs()));
    begun.push(perform(own, act));
  }
  await Promise.all(begun);
}
