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

const BETWEEN_RESTARTS_MS = 1_000;

export class Faults {
  readonly happened: Happened[] = [];
  /** Nodes that never come back. */
  readonly lost = new Set<number>();
  /** The most versions of the program that nodes told of at one time, and the nodes that told of another after an upgrade. */
  versions = 1;
  readonly upgraded = new Set<number>();
  /** By node, what set its clock last. */
  readonly #clocks = new Map<number, Fault>();
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
      const ownMs = 'for' in fault && fault.for !== undefined ? msOf(fault.at) + msOf(fault.for) - spentMs : leftMs;
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
        await stage.kill(nodes);
        // What was lost meanwhile stays lost.
        return () => stage.start(nodes.filter((node) => !this.lost.has(node)));
      case 'lose':
        await stage.kill(nodes, true);
        this.#lose(nodes);
        return 'stays';
      case 'restart':
        await this.#oneByOne(nodes, async (node) => {
          await stage.stop(node);
          await stage.start([node]);
        });
        return 'over';
      case 'upgrade':
        await this.#oneByOne(nodes, (node) => this.#upgrade(node));
        return 'over';
      case 'slow':
        return stage.worsen(nodes, {
          latencyMs: fault.latencyMs ?? 0,
          jitterMs: fault.jitterMs ?? 0,
          lossPerMille: fault.lossPerMille ?? 0,
          kilobytesPerSecond: fault.kilobytesPerSecond ?? null,
        });
      case 'clock':
        stage.setClock(nodes, fault.aheadMs);
        for (const node of nodes) this.#clocks.set(node, fault);
        // What another fault has set since is that fault's to undo.
        return () =>
          stage.setClock(
            nodes.filter((node) => this.#clocks.get(node) === fault),
            0,
          );
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
    for (const node of nodes) this.lost.add(node);
    const count = this.#stage.nodes.length;
    for (const node of nodes) {
      const others = Array.from({ length: count - 1 }, (_, more) => (node + 1 + more) % count);
      this.#watch.lose(node, others.find((other) => !this.lost.has(other)) ?? node);
    }
  }

  /** The network goes on all the while. */
  async #oneByOne(nodes: readonly number[], act: (node: number) => Promise<void>): Promise<void> {
    for (const node of nodes) {
      await act(node);
      await this.#stage.pause(BETWEEN_RESTARTS_MS);
    }
  }

  async #upgrade(node: number): Promise<void> {
    const before = (await this.#versions()).at(node);
    await this.#stage.upgrade(node);
    const after = await this.#versions();
    if (after.at(node) !== before) this.upgraded.add(node);
    this.versions = Math.max(this.versions, new Set(after.filter((version) => version !== null)).size);
  }

  /** What each node tells of itself, or null where it does not answer. */
  async #versions(): Promise<readonly (string | null)[]> {
    const told = await Promise.all(this.#stage.nodes.map((node) => node.status()));
    return told.map((answer) => (answer.ok ? answer.value.version : null));
  }
}

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
