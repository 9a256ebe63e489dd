/** Faults as they are done to the network, and undone. Each is counted only when it was seen to have happened. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXITS } from '../../node/main/exits.js';
import { unreachable } from '../../protocol/types.js';
import { PERFECT, type Quality } from '../border/linkproxy.js';
import type { Links, Way } from '../border/links.js';
import type { LocalNetwork, Member } from '../network/network.js';
import { describe, type Exit } from '../network/processes.js';
import type { History } from './history.js';
import { fillDisk, freeDisk, type Lab } from './lab.js';
import { FAULT_KINDS, type Fault, type FaultKind, OF_THE_NODE, type Planned } from './schedule.js';

/** Of every link while nothing is wrong. */
const BASE: Quality = { ...PERFECT, latencyMs: 5, jitterMs: 2 };
const FILL_STEP_MS = 100;
/** A node that writes meets a full disk sooner. */
const DISK_FULL_MS_MAX = 20_000;
/** A clock's step is seen within a second, and told in whole seconds. */
const CLOCK_SEEN_MS = 2_500;

type Change = Partial<Quality>;
interface Changed {
  readonly ways: readonly Way[];
  readonly change: Change;
}
/** Ends a fault; tells whether it had happened. */
type Undo = () => Promise<boolean>;

interface Parts {
  readonly network: LocalNetwork;
  readonly lab: Lab;
  readonly links: Links;
  readonly history: History;
  readonly say: (line: string) => void;
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

export class Faults {
  readonly counts = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as Record<FaultKind, number>;
  readonly #parts: Parts;
  readonly #underWay = new Map<Planned, Promise<void>>();
  readonly #names = new Set<string>();
  readonly #changes = new Set<Changed>();
  /** By node: when the last fault of the node itself will be over. A slow machine takes longer than the plan has. */
  readonly #nodeIsFree = new Map<number, Promise<void>>();
  /** Nodes whose end is what the fault is about. */
  readonly #mayEnd = new Set<Member>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Gives every link its distance. */
  async prepare(): Promise<void> {
    await this.#setLinks(this.#waysOf(this.#all()));
  }

  /** Begins a fault, which ends by itself when its time is over. */
  begin(planned: Planned): void {
    const { fault } = planned;
    const isOfTheNode = OF_THE_NODE.has(fault.kind);
    const before = isOfTheNode ? fault.nodes.map((node) => this.#nodeIsFree.get(node) ?? Promise.resolve()) : [];
    const doing = Promise.all(before)
      .then(() => this.#do(planned))
      .catch((error: unknown) => {
        this.#parts.history.violate('processes', `${nameOf(fault)}: ${(error as Error).message}`);
      });
    if (isOfTheNode) for (const node of fault.nodes) this.#nodeIsFree.set(node, doing);
    this.#underWay.set(planned, doing);
    void doing.finally(() => this.#underWay.delete(planned));
  }

  /** Faults since it was last asked, and those under way, by name. */
  takeNames(): string[] {
    const names = [...this.#names];
    this.#names.clear();
    for (const { fault } of this.#underWay.keys()) this.#names.add(nameOf(fault));
    return names;
  }

  /** Resolves when no fault is under way and every node runs. */
  async ended(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  /** A node ended unasked: it is started again, for the run goes on. */
  onDeath(member: Member, exit: Exit, lastLines: readonly string[]): void {
    if (this.#mayEnd.has(member)) return;
    const { history, network } = this.#parts;
    history.violate('processes', [`${member.party}: ${describe(exit)}`, ...lastLines].join(' | '));
    network.start([member]).catch((error: unknown) => history.violate('processes', (error as Error).message));
  }

  async #do({ fault, forMs }: Planned): Promise<void> {
    this.#names.add(nameOf(fault));
    this.#parts.say(`${nameOf(fault)} for ${(forMs / 1_000).toFixed(1)} s`);
    const undo = await this.#start(fault);
    await delay(forMs);
    const hasHappened = await undo();
    if (hasHappened) this.counts[fault.kind] += 1;
    this.#parts.say(`${nameOf(fault)} is over${hasHappened ? '' : ', and had no effect'}`);
  }

  #start(fault: Fault): Promise<Undo> {
    const others = this.#all().filter((node) => !fault.nodes.includes(node));
    const ways = this.#waysOf(fault.nodes);
    switch (fault.kind) {
      case 'kill':
      case 'blackout':
        return this.#kill(fault.nodes);
      case 'pause':
        return this.#pause(fault.nodes);
      case 'partition':
        return this.#drop([
          ...fault.nodes.map((node) => ({ node, others, ways: ['in', 'out'], perMille: 1_000 }) as const),
          ...others.map((node) => ({ node, others: fault.nodes, ways: ['in', 'out'], perMille: 1_000 }) as const),
        ]);
      case 'one_way':
        return this.#drop(fault.nodes.map((node) => ({ node, others, ways: ['out'], perMille: 1_000 }) as const));
      case 'loss':
        return this.#drop(
          fault.nodes.map((node) => {
            const all = this.#all().filter((each) => each !== node);
            return { node, others: all, ways: ['in', 'out'], perMille: fault.perMille } as const;
          }),
        );
      case 'mute':
        return this.#change('held', {
          ways: ways.filter(([from]) => fault.nodes.includes(from)),
          change: { held: true },
        });
      case 'delay':
        return this.#change('came', { ways, change: { latencyMs: fault.latencyMs, jitterMs: fault.jitterMs } });
      case 'bandwidth':
        return this.#change('came', { ways, change: { bytesPerSecond: fault.bytesPerSecond } });
      case 'stall':
        return this.#change('stalled', { ways, change: { stallPerMille: fault.perMille, stallMs: fault.stallMs } });
      case 'reset':
        return this.#reset(fault.nodes, fault.everyMs);
      case 'disk_full':
        return this.#fill(fault.nodes);
      case 'clock':
        return this.#stepClocks(fault.nodes, fault.stepMs);
      default:
        return unreachable(fault);
    }
  }

  #all(): number[] {
    return this.#parts.network.nodes.map((_, node) => node);
  }
  #members(nodes: readonly number[]): Member[] {
    return nodes.map((node) => this.#parts.network.nodes[node] as Member);
  }
  /** Every way to or from one of these nodes. */
  #waysOf(nodes: readonly number[]): Way[] {
    const all = this.#all();
    return all
      .flatMap((from) => all.map((to) => [from, to] as const))
      .filter(([from, to]) => from !== to && (nodes.includes(from) || nodes.includes(to)));
  }

  async #kill(nodes: readonly number[]): Promise<Undo> {
    const members = this.#members(nodes);
    const exits = await this.#parts.network.kill(members);
    return async () => {
      await this.#parts.network.start(members);
      return exits.length > 0 && exits.every(({ signal }) => signal === 'SIGKILL');
    };
  }

  async #pause(nodes: readonly number[]): Promise<Undo> {
    const { network } = this.#parts;
    const processes = this.#members(nodes).flatMap((member) => network.process(member) ?? []);
    for (const process of processes) process.signal('SIGSTOP');
    return async () => {
      const isStopped = processes.every(({ pid }) => pid !== undefined && stateOf(pid) === 'T');
      for (const process of processes) process.signal('SIGCONT');
      return processes.length > 0 && isStopped;
    };
  }

  async #drop(drops: Parameters<Lab['drop']>[0]): Promise<Undo> {
    const end = await this.#parts.lab.drop(drops);
    return async () => (await end()) > 0;
  }

  /** It has happened when so many more chunks met it. */
  async #change(met: 'came' | 'stalled' | 'held', changed: Changed): Promise<Undo> {
    const { links } = this.#parts;
    const before = await links.ask({ type: 'tell', ways: changed.ways });
    this.#changes.add(changed);
    await this.#setLinks(changed.ways);
    return async () => {
      const after = await links.ask({ type: 'tell', ways: changed.ways });
      this.#changes.delete(changed);
      await this.#setLinks(changed.ways);
      return after.chunks[met] > before.chunks[met];
    };
  }

  async #setLinks(ways: readonly Way[]): Promise<void> {
    for (const way of ways) {
      const changes = [...this.#changes].filter(({ ways: its }) =>
        its.some(([from, to]) => from === way[0] && to === way[1]),
      );
      const quality = changes.map(({ change }) => change).reduce<Quality>(worse, BASE);
      await this.#parts.links.ask({ type: 'set', ways: [way], quality });
    }
  }

  async #reset(nodes: readonly number[], everyMs: number): Promise<Undo> {
    const { links, history } = this.#parts;
    let resets = 0;
    const reset = (): void => {
      links.ask({ type: 'reset', nodes }).then(
        (told) => (resets += told.resets),
        (error: unknown) => history.violate('processes', `the links: ${(error as Error).message}`),
      );
    };
    reset();
    const timer = setInterval(reset, everyMs);
    return async () => {
      clearInterval(timer);
      return resets > 0;
    };
  }

  /** The node must end with the status that says so. */
  async #fill(nodes: readonly number[]): Promise<Undo> {
    const { network, history } = this.#parts;
    const [member] = this.#members(nodes) as [Member];
    const data = join(member.folder, 'data');
    const process = network.process(member);
    if (process === undefined) return async () => false;
    this.#mayEnd.add(member);
    let exit: Exit | null = null;
    const giveUpMs = performance.now() + DISK_FULL_MS_MAX;
    // Again and again: the database frees what it has compacted.
    while (exit === null && performance.now() < giveUpMs) {
      fillDisk(data);
      exit = await Promise.race([process.exited, delay(FILL_STEP_MS).then(() => null)]);
    }
    this.#parts.say(`disk_full ${nodes.join('+')}: ${exit === null ? 'the node goes on.' : describe(exit)}`);
    return async () => {
      freeDisk(data);
      if (exit !== null && exit.status !== EXITS.disk_full.status) {
        history.violate(
          'processes',
          `${member.party}, on a full disk: ${describe(exit)} ${process.lastLines().join(' | ')}`,
        );
      }
      if (exit !== null) await network.start([member]);
      this.#mayEnd.delete(member);
      return exit !== null;
    };
  }

  async #stepClocks(nodes: readonly number[], stepMs: number): Promise<Undo> {
    const { lab } = this.#parts;
    for (const node of nodes) lab.setClock(node, stepMs);
    await delay(CLOCK_SEEN_MS);
    const offsets = await Promise.all(this.#members(nodes).map(({ url }) => clockOffsetMs(url)));
    return async () => {
      for (const node of nodes) lab.setClock(node, 0);
      return offsets.every((offset) => Math.abs(offset - stepMs) < Math.abs(stepMs) / 2);
    };
  }
}

/** What several faults of a link come to. */
function worse(quality: Quality, change: Change): Quality {
  const { latencyMs = 0, jitterMs = 0, bytesPerSecond = null, stallPerMille = 0, stallMs = 0, held = false } = change;
  const slower = [quality.bytesPerSecond, bytesPerSecond].filter((each) => each !== null);
  return {
    latencyMs: quality.latencyMs + latencyMs,
    jitterMs: quality.jitterMs + jitterMs,
    bytesPerSecond: slower.length === 0 ? null : Math.min(...slower),
    stallPerMille: Math.max(quality.stallPerMille, stallPerMille),
    stallMs: Math.max(quality.stallMs, stallMs),
    held: quality.held || held,
  };
}

/** The state of a process as the kernel has it; T is stopped. */
function stateOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
}

/** How far a node's clock is ahead of ours, to about a second, as its HTTP server tells the date. */
async function clockOffsetMs(url: string): Promise<number> {
  try {
    const { headers } = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(CLOCK_SEEN_MS) });
    return Date.parse(headers.get('date') ?? '') - Date.now();
  } catch {
    return Number.NaN;
  }
}

/** A fault for people: its kind, the nodes, and how much of it. */
function nameOf(fault: Fault): string {
  const { kind, nodes, ...more } = fault;
  const figures = Object.entries(more).map(([figure, value]) => ` ${figure} ${value}`);
  return `${kind} ${nodes.join('+')}${figures.join('')}`;
}
