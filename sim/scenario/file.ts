/**
 * A scenario as a tester writes it: a JSON file, whose schema lies beside the library for editors. What it means is said
 * in the schema's own descriptions; who stands behind names such as `HK-1`, in `cast.ts`.
 */
import { type Static, Type } from 'typebox';
import { TIME_SCALE_MAX } from '../../protocol/limits.js';
import { checkShape, parseShape } from '../../protocol/shape.js';
import { assert } from '../../protocol/types.js';
import { plainJson } from './json.js';

const SCENARIO_BYTES_MAX = 256 * 1024;
const strict = { additionalProperties: false } as const;
const optional = Type.Optional;

const text = (description: string, maxLength = 400) => Type.String({ minLength: 1, maxLength, description });
const Time = (description: string) =>
  Type.String({
    pattern: '^(0|[1-9][0-9]{0,5})(\\.[0-9]{1,3})?(ms|s|min|h)$',
    description: `${description}: a number with its unit, ms, s, min or h, as 30s`,
  });
const TimeOfDay = Type.String({
  pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$',
  description: 'of the network, in UTC, as 09:00',
});
const Amount = Type.String({
  pattern: '^(0|[1-9][0-9]{0,17})(\\.[0-9]{1,8})?$',
  description: 'an amount in major units without sign, as 5000.00',
});
const Amounts = Type.Array(Amount, {
  minItems: 2,
  maxItems: 2,
  description: 'the least and the most; what lies between is drawn by the seed',
});
const Asset = Type.String({
  pattern: '^[A-Z][A-Z0-9]{2,11}(\\.[A-Z0-9]{1,11})?$',
  description: "an asset's code, as HKD",
});
const PARTY = '([A-Z]{2}(-([1-9][0-9]?|\\*))?|\\*)';
const Parties = Type.String({
  pattern: `^${PARTY}(,${PARTY})*$`,
  description:
    'who: HK its central bank, HK-1 its first bank, HK-* all its banks, * all banks; several with commas between',
});
const Party = Type.String({
  pattern: '^[A-Z]{2}(-[1-9][0-9]?)?$',
  description: 'who: HK its central bank, HK-1 its first bank',
});
const Name = Type.String({
  pattern: '^[a-z][a-z0-9-]{0,39}$',
  description: 'a name in lower case; figures of it are told under this name',
});
const Priority = Type.Union([Type.Literal('urgent'), Type.Literal('high'), Type.Literal('normal')]);

/** When something of the workload happens: once at `at`, or again and again from `from` until `until`. */
const times = {
  at: optional(Time('once, so long after the opening')),
  from: optional(Time('again and again, from so long after the opening')),
  until: optional(Time('until then')),
  every: optional(Time('how long from one to the next')),
  name: optional(Name),
};
const queued = {
  mode: optional(
    Type.Union([Type.Literal('gross'), Type.Literal('queue')], {
      description: 'gross settles at once or is refused (the default); queue waits for funds',
    }),
  ),
  settleBy: optional(Time('in the queue, so long after it was sent it lapses (the end of the run if absent)')),
  valueDate: optional(
    Type.Integer({
      minimum: 0,
      maximum: 1,
      description:
        'in the queue, in the place of settleBy: it settles in the hours of that day, counted from the opening',
    }),
  ),
  spot: optional(
    Type.Boolean({
      description: 'in the queue, by value date: the first business day that is not over, by the days of this file',
    }),
  ),
  batch: optional(
    Time('in the queue it waits for the next batch, one each so long from the opening on, with all that wait for it'),
  ),
  cancelUntil: optional(Time('in the queue, so long after it was sent each party may still cancel alone')),
  cutoff: optional(Time('in the queue, so long after it was sent all parties may still cancel together')),
  priority: optional(Priority),
};
const act = <K extends string, P extends object>(kind: K, description: string, members: P) =>
  Type.Object({ act: Type.Literal(kind, { description }), ...members, ...times }, strict);

const WorkloadSchema = Type.Union([
  act('issue', 'a central bank or another issuer puts money into circulation', {
    asset: Asset,
    to: Parties,
    amount: Amount,
  }),
  act('redeem', 'a bank gives money back to its issuer; without an amount each of them gives all that it has', {
    asset: Asset,
    by: Parties,
    amount: optional(Amounts),
  }),
  act('payment', 'one bank pays another in one asset', {
    asset: Asset,
    payers: Parties,
    payees: Parties,
    amount: Amounts,
    ...queued,
  }),
  act('pvp', 'two banks exchange two assets, both legs or none', {
    gives: Asset,
    by: Parties,
    takes: Asset,
    of: Parties,
    amount: Amounts,
    rate: Type.String({
      pattern: '^(0|[1-9][0-9]{0,9})(\\.[0-9]{1,10})?$',
      description: 'how much of what is taken for one of what is given',
    }),
    consent: optional(
      Type.Union([Type.Literal('together'), Type.Literal('apart')], {
        description: 'both sign one instruction (the default), or the second consents at its own node',
      }),
    ),
    ...queued,
  }),
  act('ring', 'each pays the next in the next asset, round in a ring: a bundle of as many legs, or as many PvP', {
    parties: Type.Array(Party, { minItems: 2, maxItems: 16 }),
    assets: Type.Array(Asset, { minItems: 1, maxItems: 16 }),
    amount: Amount,
    as: Type.Union([Type.Literal('bundle'), Type.Literal('pairs')], {
      description: 'bundle: one settlement of all legs; pairs: each its own settlement in the queue',
    }),
    ...queued,
  }),
  act('coupon', 'an issuer pays every holder of a security, so much on each unit, all in one settlement', {
    security: Asset,
    holders: Parties,
    cash: Asset,
    payer: Party,
    perUnit: Amount,
  }),
  act(
    'repo',
    'cash against collateral now, and both back later; at half time the collateral is replaced where that is asked',
    {
      cash: Asset,
      collateral: Asset,
      lender: Party,
      borrower: Party,
      amount: Amount,
      pledged: Amount,
      interest: Amount,
      term: Time('how long until it is given back'),
      substitute: optional(Asset),
    },
  ),
  act('pay-in', 'issuers credit each bank with what its queued trades need of an asset in sum', {
    assets: Type.Array(Asset, { minItems: 1, maxItems: 32 }),
    to: Parties,
    except: optional({ ...Parties, description: 'who pays in nothing, and whose trades are not counted on' }),
    percent: Type.Integer({ minimum: 1, maximum: 100, description: 'of what is still needed' }),
  }),
  act('cancel', 'parties cancel what is still under way of an act, each by an instruction of its own', {
    what: { ...Name, description: 'the name of the act' },
    by: Parties,
  }),
  act('business-days', 'a central bank publishes the days on which its money settles by value date, from today on', {
    asset: Asset,
    days: Type.Integer({ minimum: 1, maximum: 100, description: 'so many days, weekends left out' }),
    opens: TimeOfDay,
    closes: TimeOfDay,
  }),
  act('calendar', 'a central bank publishes the hours of a business day of its money', {
    asset: Asset,
    day: optional(Type.Integer({ minimum: 0, maximum: 1, description: 'counted from that of the opening (0)' })),
    opens: Time('so long after the opening'),
    closes: Time('so long after the opening'),
  }),
]);

const Nodes = Type.String({
  pattern: '^[A-Z]{2}(-[1-9][0-9]?)?(,[A-Z]{2}(-[1-9][0-9]?)?)*$',
  description: "nodes: HK its validator, HK-1 its first bank's own; several with commas between",
});
/** One that ends by itself, or never. */
const event = <K extends string, P extends object>(kind: K, description: string, members: P) =>
  Type.Object(
    { fault: Type.Literal(kind, { description }), at: Time('so long after the opening'), ...members },
    strict,
  );
const fault = <K extends string, P extends object>(kind: K, description: string, members: P) =>
  event(kind, description, { for: optional(Time('how long; to the end of the run if absent')), ...members });
const FaultSchema = Type.Union([
  fault('partition', 'nothing passes between the sides', {
    between: Type.String({
      pattern: '^[A-Z]{2}(,[A-Z]{2})*(\\|[A-Z]{2}(,[A-Z]{2})*)+$',
      description: 'jurisdictions on each side, as HK|CN,TH,AE',
    }),
  }),
  fault('kill', 'nodes end at once, as by a loss of power, and start again when it is over', { nodes: Nodes }),
  event('lose', 'nodes end at once and never come back', { nodes: Nodes }),
  event('restart', 'nodes stop as an operator stops them, one after the other, and start again at once', {
    nodes: Nodes,
  }),
  event(
    'upgrade',
    'as restart, and each starts as the next version: of containers another image, elsewhere the same program',
    { nodes: Nodes },
  ),
  fault('slow', 'all links of these nodes take longer, lose, and carry less', {
    nodes: Nodes,
    latencyMs: optional(Type.Integer({ minimum: 0, maximum: 60_000, description: 'more, one way' })),
    jitterMs: optional(Type.Integer({ minimum: 0, maximum: 60_000, description: 'at most so much besides' })),
    lossPerMille: optional(Type.Integer({ minimum: 0, maximum: 1_000, description: 'of a thousand messages' })),
    kilobytesPerSecond: optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  }),
  fault('clock', 'clocks of nodes are wrong by so much', {
    nodes: Nodes,
    aheadMs: Type.Integer({ minimum: -3_600_000, maximum: 3_600_000, description: 'negative: behind' }),
  }),
  fault('censor', 'a validator that leads leaves out what one other validator has taken from its banks', {
    nodes: Nodes,
    victim: Type.String({ pattern: '^[A-Z]{2}$', description: 'the jurisdiction whose instructions are left out' }),
  }),
]);

const Worlds = Type.Array(
  Type.Union([Type.Literal('virtual'), Type.Literal('processes'), Type.Literal('containers')]),
  { minItems: 1, maxItems: 3 },
);

const JurisdictionSchema = Type.Object(
  {
    code: Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2' }),
    validator: optional(Type.Boolean({ description: 'whether its central bank runs a validator (true if absent)' })),
    banks: Type.Integer({ minimum: 0, maximum: 24, description: 'how many commercial banks' }),
    bankNodes: optional(
      Type.Integer({ minimum: 0, maximum: 24, description: 'how many of them run a node of their own (0 if absent)' }),
    ),
    bankValidators: optional(
      Type.Integer({
        minimum: 0,
        maximum: 24,
        description: 'how many of those nodes validate, besides the central bank (0 if absent)',
      }),
    ),
  },
  strict,
);

export const ScenarioSchema = Type.Object(
  {
    $schema: optional(Type.String()),
    format: Type.Literal('causeway-scenario/1'),
    name: Name,
    title: text('one line for people', 100),
    about: text('what happens, and what it is to show', 2_000),
    source: optional(text('where the case is described', 600)),
    worlds: optional({ ...Worlds, description: 'where it can happen; everywhere if absent' }),
    profile: Type.Union([Type.Literal('lan'), Type.Literal('wan'), Type.Literal('poor')], {
      description:
        'links between jurisdictions: none to speak of; by the distance; by the distance, with loss and jitter',
    }),
    lasts: Time('how long, from the opening to the end of the workload'),
    timeScale: optional(
      Type.Integer({
        minimum: 1,
        maximum: TIME_SCALE_MAX,
        description:
          "how many times faster than clocks the network's time runs, which its genesis says: 28800 is a day in 3 s. All times of this file are the clocks'",
      }),
    ),
    dayEnds: optional(
      Time('what waits so long after the opening is told as left waiting; at the end of the workload if absent'),
    ),
    jurisdictions: Type.Array(JurisdictionSchema, { minItems: 1, maxItems: 40 }),
    assets: optional(
      Type.Array(
        Type.Object(
          {
            asset: Asset,
            class: Type.Union([
              Type.Literal('deposit'),
              Type.Literal('stablecoin'),
              Type.Literal('security'),
              Type.Literal('commodity'),
            ]),
            issuer: Party,
            decimals: Type.Integer({ minimum: 0, maximum: 8 }),
          },
          strict,
        ),
        { maxItems: 50, description: "besides each central bank's own currency" },
      ),
    ),
    opening: Type.Array(Type.Object({ asset: Asset, to: Parties, amount: Amount }, strict), {
      maxItems: 200,
      description: 'what each of them has when business begins',
    }),
    workload: Type.Array(WorkloadSchema, { minItems: 1, maxItems: 200 }),
    faults: optional(Type.Array(FaultSchema, { maxItems: 100 })),
    expect: Type.Array(
      Type.Object(
        {
          figure: Type.String({ pattern: '^[a-zA-Z0-9_.-]{1,80}$', description: 'a figure of the report' }),
          least: optional(Type.Number()),
          most: optional(Type.Number()),
          worlds: optional({ ...Worlds, description: 'where it is expected; everywhere if absent' }),
          why: text('why it must be so'),
        },
        strict,
      ),
      { minItems: 1, maxItems: 60, description: 'the checks of the ledger hold in every run, whatever stands here' },
    ),
    worth: optional(
      Type.Object(
        {
          in: Asset,
          rates: Type.Array(
            Type.Object(
              {
                asset: Asset,
                rate: Type.String({
                  pattern: '^(0|[1-9][0-9]{0,9})(\\.[0-9]{1,10})?$',
                  description: 'what one of it is worth',
                }),
              },
              strict,
            ),
            { minItems: 1, maxItems: 50 },
          ),
        },
        {
          ...strict,
          description: 'rates by which what settled and what waits is summed up in one asset; for people, and round',
        },
      ),
    ),
    published: optional(
      Type.Array(
        Type.Object(
          {
            figure: Type.String({ pattern: '^[a-zA-Z0-9_.-]{1,80}$' }),
            value: Type.Number(),
            says: text('what was published, and of what'),
            source: text('where'),
          },
          strict,
        ),
        { maxItems: 20, description: 'figures of others, shown beside ours; nothing is expected of them' },
      ),
    ),
    sabotage: Type.Object(
      {
        about: text('what is spoiled'),
        set: Type.Array(
          Type.Object(
            {
              at: Type.String({
                pattern: '^(/[^/]+)+$',
                description: 'a member of this file, as a JSON pointer (RFC 6901)',
              }),
              to: optional(Type.Unknown({ description: 'what stands there instead; removed if absent' })),
            },
            strict,
          ),
          { minItems: 1, maxItems: 10 },
        ),
        breaks: Type.Array(Type.String({ description: 'a figure that is expected, or a check by its name' }), {
          minItems: 1,
          maxItems: 10,
          description: 'exactly these must fail then',
        }),
      },
      {
        ...strict,
        description: 'the same scenario spoiled, so that it must fail, and why: it shows that the scenario can fail',
      },
    ),
  },
  { ...strict, $id: 'causeway-scenario', title: 'A scenario of a multi-currency settlement network' },
);

export type Scenario = Static<typeof ScenarioSchema>;
export type Act = Scenario['workload'][number];
export type ActOf<K extends Act['act']> = Extract<Act, { act: K }>;
/** One that ends by itself, or never, has no `for`. */
export type Fault = NonNullable<Scenario['faults']>[number] & { for?: string };
export type WorldName = NonNullable<Scenario['worlds']>[number];

export type ScenarioRefusal = {
  readonly ok: false;
  readonly code: string;
  readonly detail: string;
  readonly pointer: string;
};

export type ScenarioRead = { readonly ok: true; readonly scenario: Scenario } | ScenarioRefusal;

/**
 * Reads a scenario file by its form alone, and that of its sabotaged twin; `castOf` judges whether what it names is there.
 * Refuses with `too_large`, `malformed_json` (not UTF-8, not JSON, or a member written twice) and `malformed`.
 */
export function parseScenario(bytes: Uint8Array): ScenarioRead {
  // What is too large, or no JSON at all, is for the strict reader to say.
  const plain = bytes.length > SCENARIO_BYTES_MAX ? bytes : (plainJson(bytes) ?? new Uint8Array());
  const shaped = parseShape(ScenarioSchema, plain, SCENARIO_BYTES_MAX);
  if (!shaped.ok) return shaped;
  const twin = twinOf(shaped.value);
  return twin.ok ? { ok: true, scenario: shaped.value } : twin;
}

const UNIT_MS = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 } as const;

/** A time of a scenario file, in whole milliseconds. */
export function msOf(time: string): number {
  const unit = (/[a-z]+$/.exec(time) as RegExpExecArray)[0] as keyof typeof UNIT_MS;
  return Math.round(Number(time.slice(0, -unit.length)) * UNIT_MS[unit]);
}

/** What must fail of the twin in a world: of what is expected in other worlds alone nothing is judged there. */
export function breaksIn(
  { sabotage, expect }: Pick<Scenario, 'sabotage' | 'expect'>,
  world: WorldName,
): readonly string[] {
  const elsewhere = new Set(
    expect.flatMap(({ figure, worlds }) => (worlds?.includes(world) === false ? [figure] : [])),
  );
  return sabotage.breaks.filter((name) => !elsewhere.has(name));
}

/** The sabotaged twin of a scenario that was read: the same with what its `sabotage` sets. */
export function sabotaged(scenario: Scenario): Scenario {
  const twin = twinOf(scenario);
  assert(twin.ok, 'a scenario that was read has a twin');
  return twin.scenario;
}

function twinOf(scenario: Scenario): ScenarioRead {
  const twin = structuredClone(scenario);
  for (const [nth, { at, to }] of scenario.sabotage.set.entries()) {
    if (!setAt(twin, at, to))
      return {
        ok: false,
        code: 'malformed',
        pointer: `/sabotage/set/${nth}/at`,
        detail: `the sabotage sets ${at}, and there is no such place`,
      };
  }
  const shaped = checkShape(ScenarioSchema, twin);
  if (shaped.ok) return { ok: true, scenario: twin };
  return { ...shaped, detail: `the sabotaged twin is no scenario: ${shaped.detail}` };
}

/** Sets the member at a JSON pointer (RFC 6901), or removes it where nothing is to stand; gives whether it has a place. */
function setAt(whole: object, pointer: string, to: unknown): boolean {
  const path = pointer
    .slice(1)
    .split('/')
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = path.pop() as string;
  let place: unknown = whole;
  for (const name of path) place = isMember(place, name) ? place[name] : null;
  if (Array.isArray(place)) {
    const at = last === '-' ? place.length : /^(0|[1-9][0-9]{0,3})$/.test(last) ? Number(last) : -1;
    // An item is set, or removed, where one is, and may be added behind the last.
    if (at < 0 || at > place.length - (to === undefined ? 1 : 0)) return false;
    place.splice(at, 1, ...(to === undefined ? [] : [to]));
    return true;
  }
  if (typeof place !== 'object' || place === null) return false;
  if (to === undefined) return isMember(place, last) && delete place[last];
  // Not by assignment, which to a member called __proto__ is something else.
  Object.defineProperty(place, last, { value: to, enumerable: true, configurable: true, writable: true });
  return true;
}

const isMember = (place: unknown, name: string): place is Record<string, unknown> =>
  typeof place === 'object' && place !== null && Object.hasOwn(place, name);
