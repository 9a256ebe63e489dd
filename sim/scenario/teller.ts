/** Who sends for the banks of a run: makes, signs, sends, and sends again with the same bytes until a node has taken it. */
import { buildInstruction, type PayloadFields, proveKey, signInstruction } from '../../node/api/signing.js';
import { timeScaleOf } from '../../protocol/networktime.js';
import type { Leg, NewKey } from '../../protocol/payload.js';
import { formatTime, parseTime } from '../../protocol/values.js';
import type { Random } from '../random.js';
import { type Book, Sent } from './book.js';
import type { Cast, Player } from './cast.js';
import type { SigningKey, Stage } from './stage.js';

const RETRY_MS = 250;
/** What opens a network takes no longer than this, or there is none. */
const MUST_MS_MAX = 60_000;
const MUST_STEP_MS = 10;
/** Answers after which the same bytes may be taken elsewhere, or later. */
const PASSING: ReadonlySet<string> = new Set([
  'unreachable',
  'lane_full',
  'not_ready',
  'overloaded',
  'shutting_down',
  'unknown_key',
  'bad_answer',
  'not_yet_valid',
]);

/** Codes of what is there, by this instruction or by one before it. */
const DONE: ReadonlySet<string> = new Set(['applied', 'settled', 'party_exists', 'key_taken']);

export interface Order {
  /** The act that it belongs to, by its name in the scenario, or the opening. */
  readonly name: string;
  /** What it asks, without network, id and times. */
  readonly fields: object;
  /** Who signs; the first is the initiator. */
  readonly by: readonly [Player, ...Player[]];
  /** The node that takes it and is asked for its outcome: the initiator's, if absent. */
  readonly at?: number;
}

export class Teller {
  readonly cast: Cast;
  readonly random: Random;
  readonly #stage: Stage;
  readonly #book: Book;
  /** No attempt begins past it. */
  #untilMs = Number.POSITIVE_INFINITY;

  constructor(stage: Stage, book: Book, random: Random) {
    this.cast = stage.cast;
    this.random = random;
    this.#stage = stage;
    this.#book = book;
  }

  /** The same, drawing from a seed of its own: what one act draws changes no other. */
  with(random: Random): Teller {
    const other = new Teller(this.#stage, this.#book, random);
    other.close(this.#untilMs);
    return other;
  }

  get stage(): Stage {
    return this.#stage;
  }
  /** How much faster than clocks the network's time runs. */
  get timeScale(): number {
    return timeScaleOf(this.#stage.genesis);
  }
  /** RFC 3339: what the network's time will be when so many milliseconds have passed on clocks. */
  inMs(ms: number): string {
    return formatTime(this.#stage.nowMs() + Math.round(ms * this.timeScale));
  }
  /** No bank tries again from then on. */
  close(atMs: number): void {
    this.#untilMs = atMs;
  }

  prove(player: Player, key: SigningKey = this.#stage.signerOf(player)): Promise<NewKey> {
    return proveKey({ network: this.#stage.genesis.network, party: player.party, jwk: key.jwk }, key);
  }

  /** Resolves when a node has taken it, or all have turned it away for good. */
  async send({ name, fields, by, at }: Order): Promise<Sent> {
    const stage = this.#stage;
    const [initiator] = by;
    const { network } = stage.genesis;
    const whole = {
      network,
      initiator: initiator.party,
      id: this.random.uuid(),
      ...fields,
    } as unknown as PayloadFields;
    const built = buildInstruction(whole, { nowMs: stage.nowMs(), timeScale: this.timeScale });
    const jws = await signInstruction(
      built,
      by.map((player) => stage.signerOf(player)),
    );
    const { kind } = built.payload;
    const legs = kind === 'settle' ? (built.payload as { readonly legs: readonly Leg[] }).legs : [];
    const home = at ?? this.#book.askedFor(this.cast.homeOf(initiator));
    const expiresMs = parseTime(built.payload.expires) ?? 0;
    const sent = new Sent({ digest: built.digest, name, kind, legs, home, sentMs: stage.elapsedMs(), expiresMs });
    this.#book.add(sent);
    for (let attempt = 0; ; attempt++) {
      const node = (home + attempt) % stage.nodes.length;
      const answer = await stage.nodes[node]?.submit(jws);
      if (answer?.ok === true) {
        sent.taken = { ms: stage.elapsedMs(), node };
        return sent;
      }
      const code = answer?.code ?? 'unreachable';
      if (!PASSING.has(code) || stage.elapsedMs() >= this.#untilMs) {
        sent.refuse(code);
        return sent;
      }
      await stage.pause(RETRY_MS);
    }
  }

  /** As `send`, for what must have taken effect, now or before: the opening of a run. */
  async must(order: Order): Promise<Sent> {
    const untilMs = this.#stage.elapsedMs() + MUST_MS_MAX;
    const sent = await this.send(order);
    while (!sent.isEnded && this.#stage.elapsedMs() < untilMs) await this.#stage.pause(MUST_STEP_MS);
    if (sent.refused === null && sent.code !== null && DONE.has(sent.code)) return sent;
    throw new Error(`${order.name}: ${sent.kind} came to ${sent.refused ?? sent.code ?? 'no end'}`);
  }
}
