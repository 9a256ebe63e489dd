/**
 * What a seed does to the world: one table. Each seed has a part of the faults only, each as rare or as frequent as it
 * happens to draw (swarm testing): what hides under one fault comes out under another alone.
 */
import { SYNC_BLOCKS_MAX, TRIGGERS_PER_BLOCK_MAX } from '../../protocol/limits.js';
import { faultsMax } from '../../protocol/types.js';
import { LIES } from '../byzantine/lies.js';
import { QUICK_SYNCS } from '../disk.js';
import { CRASH_POINTS } from '../process.js';
import { Random } from '../random.js';
import { CALM, type NetworkFaults } from '../world.js';
import type { Deed, Links, Plan, Step } from './plan.js';

type Timed = readonly [afterMs: number, deed: Deed];

/** What a plan is made of before its steps are. */
type Cast = Pick<
  Plan,
  'usual' | 'validators' | 'joiners' | 'liars' | 'twins' | 'fragile' | 'snapshotBlocks' | 'retention' | 'answerBlocks'
> & {
  /** The validators change. */
  readonly isChanging: boolean;
  /** What all liars tell from early on to the end, and nothing else; else null. Beside one that silences it, no other lie is heard. */
  readonly steadyLie: string | null;
};

interface Ingredient {
  readonly name: string;
  /** Of a thousand seeds, how many have it. */
  readonly perMille: number;
  /** Between two of it, as a seed draws it. */
  readonly everyMs: readonly [number, number];
  /** What belongs together, with the time of each part after the first. */
  readonly make: (random: Random, cast: Cast) => readonly Timed[];
}

const HOUR_MS = 3_600_000;
/** Each way longer than Δ as it is configured. */
const FAR_AWAY: NetworkFaults = { ...CALM, latencyMs: [300, 900] };
/** Sizes of the sets that validators change to. */
const SET_MIN = 4;
const SET_MAX = 8;
/** What is fetched again from peers when it is damaged. */
const MENDED_TABLES = ['blocks', 'receipts', 'batches', 'index', 'state'] as const;

const every = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const everyNode = ({ validators, joiners }: Pick<Cast, 'validators' | 'joiners'>): number[] =>
  every(validators + joiners);
const pickNode = (random: Random, cast: Cast): number => random.pick(everyNode(cast));
const othersThan = (node: number, cast: Cast): number[] => everyNode(cast).filter((other) => other !== node);

/** As the seed has it. */
const shuffled = (random: Random, nodes: readonly number[]): number[] =>
  nodes
    .map((node): [number, number] => [random.between(0, 1_000_000), node])
    .sort((a, b) => a[0] - b[0])
    .map(([, node]) => node);

/** A set of validators in which no more than f lie, or may be without a vote; none if the seed draws no such set. */
function nextSet(random: Random, cast: Cast): number[] {
  const faulty = [...cast.liars, ...cast.twins, ...cast.fragile];
  const nodes = shuffled(random, everyNode(cast));
  const size = random.between(SET_MIN, Math.min(nodes.length, SET_MAX));
  const sound = nodes.filter((node) => !faulty.includes(node));
  const unsound = nodes.filter((node) => faulty.includes(node)).slice(0, random.between(0, faultsMax(size)));
  const members = [...unsound, ...sound].slice(0, size);
  return members.length === size ? shuffled(random, members) : [];
}

/** All pairs from one side to the other. */
const across = (a: readonly number[], b: readonly number[]): Links =>
  a.flatMap((from) => b.map((to): [number, number] => [from, to]));

/** Two sides that do not hear each other: mostly as even as can be. */
function apart(random: Random, nodes: readonly number[]): Links {
  const start = random.between(0, nodes.length - 1);
  const size = random.chance(700) ? Math.ceil(nodes.length / 2) : random.between(1, nodes.length - 1);
  const turned = [...nodes.slice(start), ...nodes.slice(0, start)];
  const [first, second] = [turned.slice(0, size), turned.slice(size)];
  return [...across(first, second), ...across(second, first)];
}

const MIX: readonly Ingredient[] = [
  {
    name: 'a node crashes',
    perMille: 600,
    everyMs: [1000, 12_000],
    make: (random, cast) => {
      const node = pickNode(random, cast);
      const how = random.chance(700) ? 'power' : 'kill';
      return [
        [0, { do: 'crash', nodes: [node], how }],
        [random.between(1, 5000), { do: 'start', node }],
      ];
    },
  },
  {
    name: 'a node crashes at a call of a port',
    perMille: 600,
    everyMs: [700, 6000],
    make: (random, cast) => {
      const node = pickNode(random, cast);
      const point = random.chance(300) ? null : random.pick(CRASH_POINTS);
      return [
        [0, { do: 'crashAt', node, point, calls: random.between(1, random.pick([1, 10, 100])) }],
        [random.between(50, 4000), { do: 'start', node }],
      ];
    },
  },
  {
    name: 'a node is stopped and started',
    perMille: 300,
    everyMs: [2000, 12_000],
    make: (random, cast) => {
      const node = pickNode(random, cast);
      return [
        [0, { do: 'stop', node }],
        [random.between(100, 4000), { do: 'start', node }],
      ];
    },
  },
  {
    name: 'all crash at once',
    perMille: 250,
    everyMs: [4000, 20_000],
    make: (random, cast) => [
      [0, { do: 'crash', nodes: everyNode(cast), how: 'power' }],
      ...everyNode(cast).map((node): Timed => [random.between(1, 3000), { do: 'start', node }]),
    ],
  },
  {
    name: 'an outage of hours',
    perMille: 120,
    everyMs: [5000, 20_000],
    make: (random, { retention }) => [
      // What is kept is kept for days.
      [0, { do: 'outage', forMs: (retention === null ? random.between(1, 30) : 100) * HOUR_MS }],
    ],
  },
  {
    name: 'a link fails one way',
    perMille: 400,
    everyMs: [1000, 8000],
    make: (random, cast) => {
      const from = pickNode(random, cast);
      return [
        [0, { do: 'cut', links: [[from, random.pick(othersThan(from, cast))]] }],
        [random.between(200, 6000), { do: 'mend' }],
      ];
    },
  },
  {
    name: 'a node is not heard, or hears nothing, or both',
    perMille: 250,
    everyMs: [3000, 12_000],
    make: (random, cast) => {
      const node = pickNode(random, cast);
      const out = across([node], othersThan(node, cast));
      const into = across(othersThan(node, cast), [node]);
      return [
        [0, { do: 'cut', links: random.pick([out, into, [...out, ...into]]) }],
        [random.between(500, 8000), { do: 'mend' }],
      ];
    },
  },
  {
    name: 'two sides',
    perMille: 400,
    everyMs: [3000, 12_000],
    make: (random, cast) => [
      [0, { do: 'cut', links: apart(random, everyNode(cast)) }],
      [random.between(500, 10_000), { do: 'mend' }],
    ],
  },
  {
    // The one moment in which too small a quorum, or a vote counted wrongly, makes two ledgers of one.
    name: 'two sides that liars go between',
    perMille: 600,
    everyMs: [4000, 12_000],
    make: (random, cast) => {
      const { liars, twins, steadyLie } = cast;
      const honest = everyNode(cast).filter((node) => !liars.includes(node) && !twins.includes(node));
      if (liars.length + twins.length === 0 || steadyLie !== null) return [];
      const forMs = random.between(2000, 10_000);
      const lies = ['votes_for_everything', random.pick([...LIES.keys()])];
      return [
        [0, { do: 'cut', links: apart(random, honest) }],
        ...liars.map((node): Timed => [0, { do: 'lie', node, lies, on: true }]),
        ...liars.map((node): Timed => [forMs, { do: 'lie', node, lies, on: false }]),
        [forMs, { do: 'mend' }],
      ];
    },
  },
  {
    name: 'a network that loses, repeats, delays and turns round',
    perMille: 700,
    everyMs: [2000, 12_000],
    make: (random) => {
      const some = (most: number): number => (random.chance(500) ? random.between(0, most) : 0);
      const latencyMs: [number, number] = [1, random.pick([10, 50, 150, 800])];
      const faults = {
        latencyMs,
        lostPerMille: some(300),
        duplicatedPerMille: some(100),
        reorderedPerMille: some(300),
      };
      return [
        [0, { do: 'network', faults }],
        [random.between(1000, 10_000), { do: 'network', faults: null }],
      ];
    },
  },
  {
    name: 'slow links',
    perMille: 200,
    everyMs: [4000, 12_000],
    make: (random, cast) => {
      const node = pickNode(random, cast);
      const links = across([node], othersThan(node, cast));
      return [
        [0, { do: 'slow', links, bytesPerSecond: random.pick([2_000, 20_000, 200_000]) }],
        [random.between(1000, 8000), { do: 'slow', links, bytesPerSecond: null }],
      ];
    },
  },
  {
    name: 'a full disk',
    perMille: 200,
    everyMs: [4000, 15_000],
    make: (random, cast) => {
      const node = pickNode(random, cast);
      const freeMs = random.between(100, 4000);
      return [
        [0, { do: 'full', node, full: true }],
        [freeMs, { do: 'full', node, full: false }],
        [freeMs + random.between(1, 1000), { do: 'start', node }],
      ];
    },
  },
  {
    name: 'a slow disk',
    perMille: 300,
    everyMs: [3000, 12_000],
    make: (random, cast) => {
      const node = pickNode(random, cast);
      const times = {
        usualMs: [1, random.between(1, 60)],
        slowPerMille: random.between(0, 200),
        slowMs: [100, 2000],
      } as const;
      return [
        [0, { do: 'syncs', node, times }],
        [random.between(1000, 10_000), { do: 'syncs', node, times: QUICK_SYNCS }],
      ];
    },
  },
  {
    name: 'a clock is set',
    perMille: 300,
    everyMs: [2000, 10_000],
    make: (random, cast) => {
      const byMs = random.between(1, random.pick([500, 5000, 60_000]));
      return [[0, { do: 'jump', node: pickNode(random, cast), byMs: random.chance(500) ? byMs : -byMs }]];
    },
  },
  {
    name: 'a clock drifts',
    perMille: 200,
    everyMs: [5000, 15_000],
    make: (random, cast) => [
      [0, { do: 'drift', node: pickNode(random, cast), ppm: random.between(-100_000, 100_000) }],
    ],
  },
  {
    name: 'a data folder is lost',
    perMille: 400,
    everyMs: [4000, 20_000],
    make: (random, { fragile }) => {
      if (fragile.length === 0) return [];
      const node = random.pick(fragile);
      return [
        [0, { do: 'wipe', node }],
        [random.between(1, 6000), { do: 'start', node }],
      ];
    },
  },
  {
    name: 'a data folder is brought back from a copy',
    perMille: 400,
    everyMs: [4000, 20_000],
    make: (random, { fragile }) => {
      if (fragile.length === 0) return [];
      const node = random.pick(fragile);
      const laterMs = random.between(500, 6000);
      return [
        [0, { do: 'keep', node }],
        [laterMs, { do: 'rollBack', node }],
        [laterMs + random.between(1, 3000), { do: 'start', node }],
      ];
    },
  },
  {
    name: 'records are damaged',
    perMille: 400,
    everyMs: [500, 6000],
    make: (random, { fragile }) => {
      if (fragile.length === 0) return [];
      const damage: Deed = {
        do: 'damage',
        node: random.pick(fragile),
        table: random.pick(MENDED_TABLES),
        isMisdirected: random.chance(300),
      };
      return [[0, damage]];
    },
  },
  {
    name: 'more proposals that lapse together than may lapse in one block',
    perMille: 15,
    everyMs: [8_000, 20_000],
    make: (random, cast) => {
      const [node, forMs] = [pickNode(random, cast), random.between(3_000, 8_000)];
      const count = TRIGGERS_PER_BLOCK_MAX + 100;
      return [[0, { do: 'propose', node, count, forMs, chance: random.between(0, 0x7fff_ffff) }]];
    },
  },
  {
    name: 'the validators change',
    perMille: 1000,
    everyMs: [3000, 9000],
    make: (random, cast) => {
      if (!cast.isChanging) return [];
      const members = nextSet(random, cast);
      const ends = random.chance(500) ? [] : shuffled(random, everyNode(cast)).slice(0, random.between(1, 4));
      return [
        [0, { do: 'govern', members, chance: random.between(0, 0x7fff_ffff) }],
        ...ends.map((node): Timed => [0, { do: 'crashAtEpochEnd', node, calls: random.between(1, 40) }]),
        ...ends.map((node): Timed => [random.between(2000, 9000), { do: 'start', node }]),
      ];
    },
  },
  {
    name: 'a node sleeps while the validators change twice',
    perMille: 600,
    everyMs: [4000, 12_000],
    make: (random, cast) => {
      if (!cast.isChanging) return [];
      const changes = [nextSet(random, cast), nextSet(random, cast)] as const;
      // One that no change waits for.
      const idle = everyNode(cast).filter((node) => !changes.some((members) => members.includes(node)));
      if (idle.length === 0 || changes.some((members) => members.length === 0)) return [];
      const node = random.pick(idle);
      const againMs = random.between(2000, 5000);
      return [
        [0, { do: 'crash', nodes: [node], how: 'power' }],
        [1, { do: 'govern', members: changes[0], chance: random.between(0, 0x7fff_ffff) }],
        [againMs, { do: 'govern', members: changes[1], chance: random.between(0, 0x7fff_ffff) }],
        [againMs + random.between(2000, 5000), { do: 'start', node }],
      ];
    },
  },
  {
    name: 'lies',
    perMille: 1000,
    everyMs: [1000, 6000],
    make: (random, { liars, steadyLie }) => {
      if (liars.length === 0) return [];
      const node = random.pick(liars);
      if (steadyLie !== null) return [[0, { do: 'lie', node, lies: [steadyLie], on: true }]];
      const lies = every(random.between(1, 4)).map(() => random.pick([...LIES.keys()]));
      return [
        [0, { do: 'lie', node, lies, on: true }],
        [random.between(1000, 15_000), { do: 'lie', node, lies, on: false }],
      ];
    },
  },
  {
    name: 'twins turn to others',
    perMille: 1000,
    everyMs: [200, 3000],
    make: (_, { twins }) => (twins.length === 0 ? [] : [[0, { do: 'turn' }]]),
  },
  {
    name: 'clients ask',
    perMille: 1000,
    everyMs: [200, 1000],
    make: (random, cast) => [[0, { do: 'ask', node: pickNode(random, cast), chance: random.between(0, 0x7fff_ffff) }]],
  },
];

/** Who there is, and what is wrong with whom: never more of a set than it bears. */
function castOf(random: Random): Cast {
  const validators = random.chance(120) ? 7 : 4;
  const most = faultsMax(validators);
  const nodes = shuffled(random, every(validators));
  const liesCount = random.chance(600) ? random.between(1, most) : 0;
  const faulty = nodes.slice(0, liesCount);
  const areTwins = random.chance(200);
  const joiners = random.chance(350) ? random.between(1, 3) : 0;
  const lostCount = random.chance(500) ? most - liesCount : 0;
  const lost = [
    ...nodes.slice(liesCount, liesCount + lostCount),
    // One of the nodes that only follow may lose everything at any time.
    ...(joiners > 0 && random.chance(400) ? [validators] : []),
  ];
  return {
    validators,
    joiners,
    liars: areTwins ? [] : faulty,
    twins: areTwins ? faulty : [],
    fragile: lost,
    snapshotBlocks: random.pick([10_000, 10_000, 30, 12]),
    answerBlocks: random.pick([SYNC_BLOCKS_MAX, SYNC_BLOCKS_MAX, 12, 3]),
    retention: random.chance(250) ? { blocks: random.between(1, 20), days: 3 } : null,
    isChanging: random.chance(joiners > 0 ? 700 : 150),
    steadyLie: random.chance(400) ? random.pick([...LIES.keys()]) : null,
    usual: random.chance(60) ? FAR_AWAY : CALM,
  };
}

/** The plan of a seed. */
export function planOf(seed: number): Plan {
  // Another stream than the world's own.
  const random = new Random(seed ^ 0x504c_414e);
  const { isChanging, steadyLie, ...cast } = castOf(random);
  const faultMs = random.between(3000, 20_000);
  const steps: Step[] = [];
  for (const { perMille, everyMs, make } of MIX) {
    if (!random.chance(perMille)) continue;
    const gapMs = random.between(...everyMs);
    for (let atMs = random.between(0, gapMs); atMs < faultMs; atMs += random.between(1, 2 * gapMs)) {
      for (const [afterMs, deed] of make(random, { ...cast, isChanging, steadyLie }))
        steps.push({ atMs: atMs + afterMs, deed });
    }
  }
  const sent = Math.ceil((faultMs / 1000) * random.pick([2, 5, 10, 20]));
  for (let i = 0; i < sent; i++) {
    const node = random.pick(everyNode(cast));
    const deed: Deed = { do: 'submit', node, chance: random.between(0, 0x7fff_ffff) };
    steps.push({ atMs: random.between(0, faultMs), deed });
  }
  return {
    seed,
    ...cast,
    realSignatures: random.chance(20),
    // In the others banks' workloads ask for changes of their own, and take back the key of a node that left the set.
    profile: isChanging ? 'full' : random.pick(['light', 'full', 'hostile']),
    faultMs,
    steps: steps.sort((a, b) => a.atMs - b.atMs),
  };
}
