/** Clients of the world's nodes: they send and ask by the handlers that the server has, and what they are told is judged. */
import { utf8 } from '../../protocol/codec.js';
import type { JwsJson } from '../../protocol/instruction.js';
import { statusIn } from '../checkers/reads.js';
import type { SimNode } from '../node.js';
import { Random } from '../random.js';
import { readJws } from '../workload.js';
import type { World } from '../world.js';
import type { Recorder } from './recorder.js';

export class Clients {
  readonly #world: World;
  readonly #recorder: Recorder;
  readonly #honest: (node: number) => boolean;

  constructor(world: World, recorder: Recorder, honest: (node: number) => boolean) {
    this.#world = world;
    this.#recorder = recorder;
    this.#honest = honest;
  }

  /** Whether an honest node has answered 202. */
  async submit(node: SimNode, jws: JwsJson): Promise<boolean> {
    const instruction = readJws(jws);
    const { digest, issuedMs, expiresMs, payload } = instruction;
    const isEarly = issuedMs > Math.max(node.nowMs, node.running?.replica.chain.final.header.time ?? 0);
    const answer = await node.handle('submitInstruction', { body: utf8(JSON.stringify(jws)) });
    if (answer?.ok !== true || !this.#honest(node.self)) return false;
    if (node.running?.replica.members.self === null) this.#world.met('participant_accepted');
    if (isEarly) this.#world.met('waited_at_door');
    const name = `${payload.initiator}/${payload.id}`;
    this.#recorder.acknowledged.push({ digest, name, node: node.self, expiresMs, instruction });
    return true;
  }

  /** How something stands that was accepted, what somebody has, and a block; `chance` decides which. */
  async ask(node: SimNode, chance: number): Promise<void> {
    const recorder = this.#recorder;
    const accepted = recorder.acknowledged;
    if (node.running === null || accepted.length === 0) return;
    const random = new Random(chance);
    const { digest, name } = random.pick(accepted);
    const [bic = ''] = name.split('/');
    const shown = await node.handle('getInstruction', { params: { digest } });
    const status = shown === null ? null : statusIn(shown);
    if (status !== null) recorder.onShown(node, digest, status);
    const balances = await node.handle('getBalances', { params: { bic } });
    if (balances !== null) recorder.onBalances(node, bic, balances);
    const height = random.between(1, recorder.height);
    const block = await node.handle('getBlock', { params: { height: `${height}` } });
    if (block !== null) recorder.onBlock(node, height, block);
  }
}
