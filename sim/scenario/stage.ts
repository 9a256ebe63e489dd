/**
 * Where a scenario happens. The same scenario meets the same questions and answers in the virtual world, on processes of
 * this machine and on containers.
 */
import type { Client, ClientResult } from '../../node/api/client.js';
import type { InstructionSigner } from '../../node/api/signing.js';
import type { Genesis } from '../../protocol/genesis.js';
import type { JwsJson } from '../../protocol/instruction.js';
import type { Jwk } from '../../protocol/payload.js';
import type { SignatureFact } from '../naive/ledger.js';
import type { Cast, Player } from './cast.js';
import type { WorldName } from './file.js';

type AnswerTo<K extends keyof Client> = ReturnType<Client[K]> extends Promise<ClientResult<infer T>> ? T : never;
export type ShownBlock = AnswerTo<'getBlock'>;
export type Status = AnswerTo<'getStatus'>;
export type Outcome = AnswerTo<'getInstruction'>;
export type Balances = AnswerTo<'getBalances'>;
export type QueuePage = AnswerTo<'getQueue'>;

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  /** `unreachable` where nobody answered. */
  | { readonly ok: false; readonly code: string };

/** What the run asks of one node, as any bank's program does. */
export interface NodeApi {
  submit(jws: JwsJson): Promise<Answer<unknown>>;
  status(): Promise<Answer<Status>>;
  block(height: number): Promise<Answer<ShownBlock>>;
  balances(party: string): Promise<Answer<Balances>>;
  receipt(digest: string): Promise<Answer<object>>;
  outcome(digest: string): Promise<Answer<Outcome>>;
  /** From the first, or past what the page before said is next. */
  queue(party: string, after?: string): Promise<Answer<QueuePage>>;
}

export type SigningKey = InstructionSigner & { readonly jwk: Jwk };

/** How links are made worse, on top of what the distance takes. */
export interface Worse {
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly lossPerMille: number;
  readonly kilobytesPerSecond: number | null;
}

export interface Stage {
  readonly world: WorldName;
  readonly cast: Cast;
  readonly genesis: Genesis;
  /** By the places of the cast's seats. */
  readonly nodes: readonly NodeApi[];
  /** Whether a signature holds, by other code than the nodes have. */
  readonly isValid: SignatureFact;

  /** What a bank's clock shows, in milliseconds of network time. */
  nowMs(): number;
  /** Milliseconds since the stage was opened; never set back. */
  elapsedMs(): number;
  pause(ms: number): Promise<void>;
  /** Lets time pass until the work is done. */
  during<T>(work: Promise<T>): Promise<T>;

  /** The validators start, and later a bank's own node, once its key is registered. */
  start(nodes: readonly number[]): Promise<void>;
  signerOf(player: Player): SigningKey;
  /** The network key of a seat, which its owner registers. */
  nodeKeyOf(seat: number): SigningKey;

  /** At once, as by a loss of power; for good where nobody will ever start them again. */
  kill(nodes: readonly number[], isForGood?: boolean): Promise<void>;
  /** As an operator stops it. */
  stop(node: number): Promise<void>;
  /** A node that is stopped will start as the next version of the program; where there is no other, as it was. */
  upgrade(node: number): Promise<void>;
  /** Nothing passes between nodes of different groups, until what it gives is called. */
  cut(groups: readonly (readonly number[])[]): () => void;
  worsen(nodes: readonly number[], worse: Worse): () => void;
  setClock(nodes: readonly number[], aheadMs: number): void;
  /** Validators that leave out the lane of another, from now on or no more. */
  censor(nodes: readonly number[], victim: number | null): void;

  /** What this world's own checks found, at the end. */
  findings(): Promise<readonly string[]>;
  close(): Promise<void>;
}
