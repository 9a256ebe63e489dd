/** Banks under way while the network breaks: they pay, propose, consent, ask and repeat themselves, each over HTTP. */
import { type Client, createClient } from '../../node/api/client.js';
import {
  buildInstruction,
  type InstructionSigner,
  type PayloadFields,
  signInstruction,
} from '../../node/api/signing.js';
import { fromBase64url } from '../../protocol/base64url.js';
import { instructionDigest, type JwsJson } from '../../protocol/instruction.js';
import { assert } from '../../protocol/types.js';
import type { BenchBank } from '../bench/traffic.js';
import { nativeSigner } from '../nativesigner.js';
import type { Member } from '../network/network.js';
import { Random } from '../random.js';
import type { History, Leg, SeenBlock } from './history.js';

/** A bank gives up on an answer sooner than the SDK would: it has other nodes to ask. */
const ANSWER_MS_MAX = 3_000;
const FINAL_MS_MAX = 5_000;
const RETRY_MS = 250;
const ATTEMPTS_MAX = 8;
const TICK_MS = 25;
const UNDER_WAY_MAX = 300;
const READS_PER_SECOND = 10;
const BLOCK_STEP_MS = 200;
/** Longer than any run: nothing may lapse. */
const VALIDITY_MS = 12 * 60 * 60 * 1_000;

interface Bank {
  readonly party: string;
  readonly node: number;
  readonly signer: InstructionSigner;
}
interface Signed {
  readonly digest: string;
  readonly jws: JwsJson;
}

export interface LoadOptions {
  readonly network: string;
  readonly banks: readonly BenchBank[];
  /** The validators, then the banks' own nodes. */
  readonly nodes: readonly Member[];
  readonly history: History;
  readonly seed: number;
  /** Instructions a second. */
  readonly rate: number;
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

export class Load {
  /** Latest first-sent-to-seen-final times, taken away by whoever reports. */
  finalityMs: number[] = [];
  /** Answers that were no success, by code. */
  readonly refusals = new Map<string, number>();
  readonly #options: LoadOptions;
  readonly #banks: readonly Bank[];
  readonly #clients: readonly Client[];
  readonly #random: Random;
  readonly #underWay = new Set<Promise<void>>();
  readonly #watching = new AbortController();
  readonly #watches: Promise<void>[] = [];
  #timer: NodeJS.Timeout | null = null;
  /** By node, the height up to which it has shown all blocks. */
  readonly #shown: number[];
  #hasGivenUp = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#banks = options.banks.map(({ party, node, seed }) => ({ party, node, signer: nativeSigner(seed) }));
    this.#clients = options.nodes.map(({ url }) => createClient(url, { timeoutMs: ANSWER_MS_MAX, submitAttempts: 1 }));
    this.#random = new Random(options.seed);
    this.#shown = options.nodes.map(() => 0);
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  start(): void {
    for (const node of this.#clients.keys()) this.#watches.push(this.#watch(node));
    const startedMs = performance.now();
    let [sent, read] = [0, 0];
    this.#timer = setInterval(() => {
      const seconds = (performance.now() - startedMs) / 1_000;
      for (; sent < seconds * this.#options.rate; sent++) this.#begin(() => this.#act());
      for (; read < seconds * READS_PER_SECOND; read++) this.#begin(() => this.#read());
    }, TICK_MS);
  }

  /** Begins nothing more. What is under way goes on to its end, or until `forMs` have passed; gives how much had none. */
  async stop(forMs: number): Promise<number> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.race([Promise.all(this.#underWay), delay(forMs)]);
    this.#hasGivenUp = true;
    return this.#underWay.size;
  }

  /** Resolves once every node has shown all blocks up to this height, or `forMs` have passed; gives whether they have. */
  async showAll(height: number, forMs: number): Promise<boolean> {
    const untilMs = performance.now() + forMs;
    const { history } = this.#options;
    const isDone = (): boolean => this.#shown.every((shown) => shown >= height) && history.height >= height;
    while (!isDone() && performance.now() < untilMs) await delay(BLOCK_STEP_MS);
    this.#watching.abort();
    await Promise.all(this.#watches);
    return isDone();
  }

  #begin(act: () => Promise<void>): void {
    if (this.#underWay.size >= UNDER_WAY_MAX) return;
    const acting = act();
    this.#underWay.add(acting);
    void acting.finally(() => this.#underWay.delete(acting));
  }

  #client(node: number): Client {
    const client = this.#clients[node];
    assert(client !== undefined, 'a node of the network is meant');
    return client;
  }

  async #act(): Promise<void> {
    const payer = this.#random.pick(this.#banks);
    const payee = this.#random.pick(this.#banks.filter((bank) => bank !== payer));
    const amount = `0.${String(this.#random.between(1, 99)).padStart(2, '0')}`;
    const hkd = { from: payer.party, to: payee.party, asset: 'HKD', amount };
    const thb = { from: payee.party, to: payer.party, asset: 'THB', amount };
    const style = this.#random.between(0, 9);
    const fields = {
      kind: 'settle',
      mode: 'gross',
      network: this.#options.network,
      initiator: payer.party,
      legs: style < 6 ? [hkd] : [hkd, thb],
    } as const;
    const settlement = await this.#sign(fields, style === 9 || style < 6 ? [payer] : [payer, payee]);
    const sentMs = performance.now();
    if (!(await this.#send(settlement, payer.node))) return;
    if (style === 9) await this.#consent(settlement.digest, payer.node, payee);
    if (await this.#follow(settlement.digest, payer.node)) this.finalityMs.push(performance.now() - sentMs);
  }

  async #sign(fields: PayloadFields, signers: readonly Bank[]): Promise<Signed> {
    const built = buildInstruction(fields, { validityMs: VALIDITY_MS });
    const jws = await signInstruction(
      built,
      signers.map(({ signer }) => signer),
    );
    this.#options.history.submitting(built.digest);
    return { digest: built.digest, jws };
  }

  /** To the bank's own node, and with the same bytes to another as long as none has taken it. */
  async #send({ digest, jws }: Signed, home: number): Promise<boolean> {
    const { history } = this.#options;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const node = (home + attempt) % this.#clients.length;
      const answer = await this.#client(node).submitInstruction({ body: jws });
      if (answer.ok) {
        history.taken(digest, node);
        return true;
      }
      this.#refused(answer.problem.code);
      await delay(RETRY_MS);
    }
    return false;
  }

  #refused(code: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }

  /** Until a proposed settlement has its consent: another one where the first came to nothing. */
  async #consent(settlement: string, node: number, payee: Bank): Promise<void> {
    while (!this.#hasGivenUp) {
      const answer = await this.#client(node).getInstruction({ digest: settlement });
      if (answer.ok && answer.value.status === 'final') return;
      if (answer.ok && answer.value.code === 'proposed') {
        const { network } = this.#options;
        const fields = { kind: 'consent', network, settlement, initiator: payee.party } as const;
        const consent = await this.#sign(fields, [payee]);
        // Whether it counted, the settlement tells.
        if (await this.#send(consent, payee.node)) await this.#follow(consent.digest, payee.node);
      }
      await delay(RETRY_MS);
    }
  }

  /** Asks for the outcome, first where it was sent, then elsewhere, until it is there; gives whether it came. */
  async #follow(digest: string, home: number): Promise<boolean> {
    const { history } = this.#options;
    for (let attempt = 0; !this.#hasGivenUp; attempt++) {
      const node = (home + attempt) % this.#clients.length;
      const asked = history.ask(node);
      const isTaker = history.takenBy(digest).includes(node);
      const answer = await this.#client(node).getInstruction({
        digest,
        wait: 'final',
        timeoutMs: String(FINAL_MS_MAX),
      });
      if (answer.ok && answer.value.status === 'final') {
        history.final(asked, digest, answer.value.code ?? '', answer.value.height ?? 0);
        return true;
      }
      if (!answer.ok) this.#refused(answer.problem.code);
      if (!answer.ok && answer.problem.code === 'unknown_instruction') {
        if (isTaker) history.violate('taken', `node ${node} took ${digest}, and does not know it`);
      }
      if (!answer.ok) await delay(RETRY_MS);
    }
    return false;
  }

  async #read(): Promise<void> {
    const { history } = this.#options;
    const node = this.#random.between(0, this.#clients.length - 1);
    const { party } = this.#random.pick(this.#banks);
    const asked = history.ask(node);
    const answer = await this.#client(node).getBalances({ bic: party });
    if (!answer.ok) this.#refused(answer.problem.code);
    else history.read(asked, answer.value.height, party, answer.value.balances.map(inMinor));
  }

  /** Reads every block of a node, from the first on, as it becomes final. */
  async #watch(node: number): Promise<void> {
    const { history } = this.#options;
    for (let height = 1; !this.#watching.signal.aborted; ) {
      const asked = history.ask(node);
      const answer = await this.#client(node).getBlock({ height: String(height) });
      if (!answer.ok) {
        await delay(BLOCK_STEP_MS);
        continue;
      }
      history.block(asked, seenBlock(answer.value));
      this.#shown[node] = height;
      height += 1;
    }
  }
}

/** Amounts of both currencies have two decimals. */
const minorOf = (text: string): bigint => BigInt(text.replace('.', ''));
const inMinor = ({ asset, balance }: { readonly asset: string; readonly balance: string }) => ({
  asset,
  balance: minorOf(balance),
});

type ShownBlock = Extract<Awaited<ReturnType<Client['getBlock']>>, { ok: true }>['value'];

/** A block as the history keeps it: its settlements are read from the signed payloads. */
export function seenBlock(block: ShownBlock): SeenBlock {
  const settlements = ((block.instructions ?? []) as readonly JwsJson[]).flatMap(({ payload }) => {
    const bytes = fromBase64url(payload) ?? new Uint8Array();
    const read = JSON.parse(new TextDecoder().decode(bytes)) as { kind: string; legs: (Leg & { amount: string })[] };
    if (read.kind !== 'settle') return [];
    return [
      { digest: instructionDigest(bytes), legs: read.legs.map((leg) => ({ ...leg, amount: minorOf(leg.amount) })) },
    ];
  });
  return { ...block, settlements };
}
