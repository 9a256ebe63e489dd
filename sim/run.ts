/** One run of the virtual world: a network opens, works under faults, and must be whole when they end. */
import type { JwsJson } from '../protocol/instruction.js';
import { assert, type ValidatorIndex } from '../protocol/types.js';
import { Checkers } from './checkers.js';
import { SimNode } from './node.js';
import { readJws, simGenesis, Workload } from './workload.js';
import { CALM, World } from './world.js';

export interface RunOptions {
  readonly seed: number;
  /** Virtual time under faults. */
  readonly faultMs: number;
  /** Instructions sent in that time. */
  readonly instructions: number;
}

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly height: number;
  readonly acknowledged: number;
  readonly crashes: number;
}

const VALIDATORS = 4;
/** Virtual time in which a network without faults must finish what it has. */
const SETTLE_MS = 120_000;

export async function run({ seed, faultMs, instructions }: RunOptions): Promise<RunResult> {
  const world = new World(seed);
  const startedMs = world.nowMs;
  const genesis = simGenesis(startedMs - 1000);
  const checkers = new Checkers();
  const nodes = Array.from(
    { length: VALIDATORS },
    (_, self) => new SimNode(world, genesis, self as ValidatorIndex, checkers),
  );
  const submit = (node: SimNode, jws: JwsJson): void => {
    const instruction = readJws(jws);
    const { digest, expiresMs, payload } = instruction;
    void node.running?.service.submit(instruction).then(({ accepted }) => {
      if (accepted)
        checkers.acknowledged.push({ digest, name: `${payload.initiator}/${payload.id}`, node: node.self, expiresMs });
    });
  };
  const settled = async (untilMs: number): Promise<boolean> => {
    while (world.nowMs < untilMs) {
      await world.run(world.nowMs + 500);
      if (checkers.isSettled(nodes)) return true;
    }
    return false;
  };

  for (const node of nodes) await node.start();
  const workload = new Workload(world, genesis);
  for (const stage of await workload.opening()) {
    for (const jws of stage) submit(world.random.pick(nodes), jws);
    await world.run(world.nowMs + 200);
    if (!(await settled(world.nowMs + SETTLE_MS))) checkers.violations.push('the network did not open');
  }

  world.faults = {
    latencyMs: [1, world.random.between(20, 150)],
    lostPerMille: world.random.between(0, 250),
    duplicatedPerMille: world.random.between(0, 100),
  };
  const endMs = world.nowMs + faultMs;
  const stepMs = Math.max(1, Math.floor(faultMs / instructions));
  while (world.nowMs < endMs) {
    await world.run(world.nowMs + world.random.between(1, 2 * stepMs));
    await harm(world, nodes);
    submit(world.random.pick(nodes), await workload.next());
  }

  world.faults = CALM;
  world.cut.clear();
  for (const node of nodes) if (node.running === null) await node.start();
  if (!(await settled(world.nowMs + SETTLE_MS)))
    checkers.violations.push(`not all was final ${SETTLE_MS} ms after the faults ended`);
  await checkers.atEnd(nodes);
  return {
    seed,
    violations: checkers.violations,
    traceHash: (world.trace >>> 0).toString(16).padStart(8, '0'),
    virtualMs: world.nowMs - startedMs,
    height: checkers.height,
    acknowledged: checkers.acknowledged.length,
    crashes: nodes.reduce((sum, { restarts }) => sum + restarts, 0),
  };
}

/** Crashes of any node, of all at once, restarts, and links that fail one way. */
async function harm(world: World, nodes: readonly SimNode[]): Promise<void> {
  const { random } = world;
  const node = random.pick(nodes);
  if (random.chance(15)) node.crash();
  else if (random.chance(3)) for (const every of nodes) every.crash();
  else if (node.running === null && random.chance(100)) await node.start();
  const [from, to] = [random.pick(nodes).key, random.pick(nodes).key];
  if (random.chance(20)) world.cut.add(`${from}>${to}`);
  if (random.chance(40)) world.cut.clear();
  assert(nodes.length === VALIDATORS, 'nodes are crashed, never lost');
}
