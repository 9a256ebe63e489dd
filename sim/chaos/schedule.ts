/** Which faults come when: drawn from the seed alone, so that a schedule can be run again. */
import { unreachable } from '../../protocol/types.js';
import { Random } from '../random.js';

/** Every kind of fault, as it is counted and told. */
export const FAULT_KINDS = [
  'kill',
  'blackout',
  'pause',
  'partition',
  'one_way',
  'mute',
  'delay',
  'bandwidth',
  'stall',
  'loss',
  'reset',
  'disk_full',
  'clock',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Nodes are named by their place in the network, from 0. */
export type Fault =
  /** kill -9, and a start when the time is over. `blackout`: all of them at once. */
  | { readonly kind: 'kill' | 'blackout'; readonly nodes: readonly number[] }
  /** SIGSTOP, and SIGCONT when the time is over. */
  | { readonly kind: 'pause'; readonly nodes: readonly number[] }
  /** The firewall drops packets between these nodes and the others: both ways, or those from these nodes alone. */
  | { readonly kind: 'partition' | 'one_way'; readonly nodes: readonly number[] }
  /** Connections stay up, and nothing that these nodes send arrives until the time is over. */
  | { readonly kind: 'mute'; readonly nodes: readonly number[] }
  /** On every link of these nodes. */
  | { readonly kind: 'delay'; readonly nodes: readonly number[]; readonly latencyMs: number; readonly jitterMs: number }
  | { readonly kind: 'bandwidth'; readonly nodes: readonly number[]; readonly bytesPerSecond: number }
  /** What loss is to a stream: some of what is sent waits for a retransmission, and all behind it with it. */
  | { readonly kind: 'stall'; readonly nodes: readonly number[]; readonly perMille: number; readonly stallMs: number }
  /** The firewall drops this share of packets at these nodes. */
  | { readonly kind: 'loss'; readonly nodes: readonly number[]; readonly perMille: number }
  /** Every connection of these nodes is reset, again and again. */
  | { readonly kind: 'reset'; readonly nodes: readonly number[]; readonly everyMs: number }
  /** The node's disk is filled; it is freed and the node started when the time is over. */
  | { readonly kind: 'disk_full'; readonly nodes: readonly number[] }
  /** The node's clock is set forwards or back by so much, and put right when the time is over. */
  | { readonly kind: 'clock'; readonly nodes: readonly number[]; readonly stepMs: number };

export interface Planned {
  /** From the start of the run. */
  readonly atMs: number;
  readonly forMs: number;
  readonly fault: Fault;
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly totalMs: number;
  readonly nodes: number;
  /** Nodes whose disk can be filled. */
  readonly smallDisks: readonly number[];
  /** What this machine can do. */
  readonly kinds: readonly FaultKind[];
}

/** Time between the starts of two faults, where the run is long enough. */
const SLOT_MS_MAX = 8_000;
const SLOT_MS_MIN = 3_000;
const FAULT_MS_MIN = 1_500;
const FAULT_MS_MAX = 12_000;
/** A node that was started again is left alone for so long. */
const RECOVERY_MS = 5_000;
/** Faults of the node itself: one at a time at each. Those of its links may come on top. */
export const OF_THE_NODE: ReadonlySet<FaultKind> = new Set<FaultKind>([
  'kill',
  'blackout',
  'pause',
  'disk_full',
  'clock',
]);

/**
 * The faults of a run, by the time they start. Kinds come as cards from a deck, shuffled anew when it is used up: every
 * kind comes once before any comes twice. All have ended by `totalMs`.
 */
export function planFaults({ seed, totalMs, nodes, smallDisks, kinds }: ScheduleOptions): Planned[] {
  const random = new Random(seed);
  const slotMs = Math.max(SLOT_MS_MIN, Math.min(SLOT_MS_MAX, Math.floor(totalMs / (kinds.length + 2))));
  const freeAtMs = Array.from({ length: nodes }, () => 0);
  const planned: Planned[] = [];
  let deck: FaultKind[] = [];
  for (let slot = 0; kinds.length > 0; slot++) {
    if (deck.length === 0) deck = shuffled(random, kinds);
    const slotAtMs = slot * slotMs + random.between(0, Math.floor(slotMs / 2));
    if (slotAtMs + FAULT_MS_MIN > totalMs) break;
    const fault = draw(random, deck.pop() as FaultKind, { nodes, smallDisks, freeAtMs });
    const isExclusive = OF_THE_NODE.has(fault.kind);
    const freeMs = isExclusive ? Math.max(...fault.nodes.map((node) => freeAtMs[node] as number)) : 0;
    const atMs = Math.max(slotAtMs, freeMs);
    if (atMs + FAULT_MS_MIN > totalMs) continue;
    const forMs = Math.min(random.between(FAULT_MS_MIN, FAULT_MS_MAX), totalMs - atMs);
    planned.push({ atMs, forMs, fault });
    if (isExclusive) for (const node of fault.nodes) freeAtMs[node] = atMs + forMs + RECOVERY_MS;
  }
  return planned.sort((a, b) => a.atMs - b.atMs);
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const deck = [...items];
  for (let at = deck.length - 1; at > 0; at--) {
    const other = random.between(0, at);
    [deck[at], deck[other]] = [deck[other] as T, deck[at] as T];
  }
  return deck;
}

interface Choices {
  readonly nodes: number;
  readonly smallDisks: readonly number[];
  readonly freeAtMs: readonly number[];
}

function draw(random: Random, kind: FaultKind, { nodes, smallDisks, freeAtMs }: Choices): Fault {
  const all = Array.from({ length: nodes }, (_, node) => node);
  /** One or two nodes, those that are free soonest. */
  const free = (most: number, among: readonly number[] = all): number[] =>
    shuffled(random, among)
      .sort((a, b) => (freeAtMs[a] as number) - (freeAtMs[b] as number))
      .slice(0, random.between(1, most));
  const some = (most: number): number[] => shuffled(random, all).slice(0, random.between(1, most));
  switch (kind) {
    case 'kill':
    case 'pause':
      return { kind, nodes: free(2) };
    case 'blackout':
      return { kind, nodes: all };
    case 'partition':
    case 'one_way':
    case 'mute':
      return { kind, nodes: some(2) };
    case 'delay':
      return { kind, nodes: some(nodes), latencyMs: random.between(20, 300), jitterMs: random.between(0, 100) };
    case 'bandwidth':
      return { kind, nodes: some(2), bytesPerSecond: random.between(20, 400) * 1_000 };
    case 'stall':
      return { kind, nodes: some(nodes), perMille: random.between(30, 150), stallMs: random.between(200, 1_500) };
    case 'loss':
      return { kind, nodes: some(nodes), perMille: random.between(5, 100) };
    case 'reset':
      return { kind, nodes: some(2), everyMs: random.between(500, 3_000) };
    case 'disk_full':
      return { kind, nodes: free(1, smallDisks) };
    case 'clock':
      return { kind, nodes: free(1), stepMs: random.between(5, 60) * (random.chance(500) ? 1_000 : -1_000) };
    default:
      return unreachable(kind);
  }
}
