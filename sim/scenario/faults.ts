/** Faults of a scenario, done to the stage at their times and undone. */
import { unreachable } from '../../protocol/types.js';
import type { Cast } from './cast.js';
import { type Fault, msOf } from './file.js';
import type { Stage } from './stage.js';
import type { Watch } from './watch.js';

/** A fault as it came about, on the stage's clock. */
export interface Happened {
  readonly fault: Fault['fault'];
  /** As the scenario has it. */
  readonly asked: Fault;
  readonly says: string;
  readonly fromMs: number;
  /** Null for what is never undone. */
  untilMs: number | null;
}

type FaultOf<K extends Fault['fault']> = Extract<Fault, { fault: K }>;

const BETWEEN_RESTARTS_MS = 1_000;

export class Faults {
  readonly happened: Happened[] = [];
  /** Nodes that never come back. */
  readonly lost = new Set<number>();
  /** The most versions of the program that nodes told of at one time, and the nodes that told of another after an upgrade. */
  versions = 1;
  readonly upgraded = new Set<number>();
  /** By node, the kills under way, and what sets its clock, the last one last. */
  readonly #kills = new Map<number, readonly Fault[]>();
  readonly #clocks = new Map<number, readonly FaultOf<'clock'>[]>();
  readonly #stage: Stage;
  readonly #watch: Pick<Watch, 'lose'>;
  readonly #endsMs: number;

  constructor(stage: Stage, watch: Pick<Watch, 'lose'>, endsMs: number) {
    this.#stage = stage;
    this.#watch = watch;
    this.#endsMs = endsMs;
  }

  /** Waits for its time, does it, and undoes it when its time is over, at the latest when the workload ends. */
  async run(fault: Fault): Promise<void> {
    const stage = this.#stage;
    const startedMs = stage.elapsedMs();
    await stage.pause(msOf(fault.at));
    const happened: Happened = {
      fault: fault.fault,
      asked: fault,
      says: sentenceOf(fault),
      fromMs: stage.elapsedMs(),
      untilMs: null,
    };
    this.happened.push(happened);
    const undo = await this.#begin(fault, stage.cast);
    if (undo === 'stays') return;
    if (undo !== 'over') {
      const leftMs = this.#endsMs - stage.elapsedMs();
      const spentMs = stage.elapsedMs() - startedMs;
      const ownMs = fault.for === undefined ? leftMs : msOf(fault.at) + msOf(fault.for) - spentMs;
      await stage.pause(Math.max(0, Math.min(leftMs, ownMs)));
      await undo();
    }
    happened.untilMs = stage.elapsedMs();
  }

  /** Gives what undoes it. */
  async #begin(fault: Fault, cast: Cast): Promise<(() => void | Promise<void>) | 'over' | 'stays'> {
    const stage = this.#stage;
    if (fault.fault === 'partition')
      return stage.cut(fault.between.split('|').map((side) => cast.nodesIn(side.split(','))));
    const nodes = cast.nodesOf(fault.nodes);
    switch (fault.fault) {
      case 'kill':
        for (const node of nodes) this.#kills.set(node, [...(this.#kills.get(node) ?? []), fault]);
        await stage.kill(nodes);
        return () => {
          for (const node of nodes) this.#kills.set(node, without(this.#kills.get(node), fault));
          return stage.start(nodes.filter((node) => !this.#isHeldDown(node)));
        };
      case 'lose':
        for (const node of nodes) this.lost.add(node);
        await stage.kill(nodes, true);
        this.#lose(nodes);
        return 'stays';
      case 'restart':
        await this.#restart(nodes, () => Promise.resolve());
        return 'over';
      case 'upgrade': {
        const before = await this.#versionsNow();
        await this.#restart(nodes, (node) => stage.upgrade(node));
        const after = await this.#versionsNow();
        for (const node of nodes) if (after[node] !== null && after[node] !== before[node]) this.upgraded.add(node);
        return 'over';
      }
      case 'slow':
        return stage.worsen(nodes, {
          latencyMs: fault.latencyMs ?? 0,
          jitterMs: fault.jitterMs ?? 0,
          lossPerMille: fault.lossPerMille ?? 0,
          kilobytesPerSecond: fault.kilobytesPerSecond ?? null,
        });
      case 'clock':
        for (const node of nodes) this.#clocks.set(node, [...(this.#clocks.get(node) ?? []), fault]);
        this.#setClocks(nodes);
        return () => {
          for (const node of nodes) this.#clocks.set(node, without(this.#clocks.get(node), fault));
          this.#setClocks(nodes);
        };
      case 'censor': {
        const [victim] = cast.nodesOf(fault.victim);
        stage.censor(nodes, victim ?? null);
        return () => stage.censor(nodes, null);
      }
      default:
        return unreachable(fault);
    }
  }

  /** Banks turn to the next node that is left. */
  #lose(nodes: readonly number[]): void {
    const count = this.#stage.nodes.length;
    for (const node of nodes) {
      const others = Array.from({ length: count - 1 }, (_, more) => (node + 1 + more) % count);
      this.#watch.lose(node, others.find((other) => !this.lost.has(other)) ?? node);
    }
  }

  /** A node that is lost, or that another fault has ended, is not started by this one. */
  #isHeldDown(node: number): boolean {
    return this.lost.has(node) || (this.#kills.get(node) ?? []).length > 0;
  }

  /** By what set each of them last. */
  #setClocks(nodes: readonly number[]): void {
    for (const node of nodes) this.#stage.setClock([node], this.#clocks.get(node)?.at(-1)?.aheadMs ?? 0);
  }

  /** One after the other: the network goes on all the while. */
  async #restart(nodes: readonly number[], whileStopped: (node: number) => Promise<void>): Promise<void> {
    const stage = this.#stage;
    for (const node of nodes) {
      if (this.#isHeldDown(node)) continue;
      await stage.stop(node);
      await whileStopped(node);
      if (this.#isHeldDown(node)) continue;
      await stage.start([node]);
      const versions = new Set((await this.#versionsNow()).filter((version) => version !== null));
      this.versions = Math.max(this.versions, versions.size);
      await stage.pause(BETWEEN_RESTARTS_MS);
    }
  }

  /** What each node tells of itself, or null where it does not answer. */
  async #versionsNow(): Promise<readonly (string | null)[]> {
    const told = await Promise.all(this.#stage.nodes.map((node) => node.status()));
    return told.map((answer) => (answer.ok ? answer.value.version : null));
  }
}

const without = <T>(all: readonly T[] | undefined, one: T): readonly T[] => (all ?? []).filter((each) => each !== one);

/** A fault for people. */
function sentenceOf(fault: Fault): string {
  switch (fault.fault) {
    case 'partition':
      return `partition ${fault.between}`;
    case 'slow': {
      const { latencyMs, jitterMs, lossPerMille, kilobytesPerSecond } = fault;
      const figures = [
        latencyMs !== undefined && `${latencyMs} ms`,
        jitterMs !== undefined && `jitter ${jitterMs} ms`,
        lossPerMille !== undefined && `loss ${lossPerMille} ‰`,
        kilobytesPerSecond !== undefined && `${kilobytesPerSecond} kB/s`,
      ];
      return `slow ${fault.nodes}: ${figures.filter((each) => each !== false).join(', ')}`;
    }
    case 'clock':
      return `clock of ${fault.nodes} ${fault.aheadMs} ms`;
    case 'censor':
      return `${fault.nodes} censors ${fault.victim}`;
    default:
      return `${fault.fault} ${fault.nodes}`;
  }
}
