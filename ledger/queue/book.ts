/**
 * Who stands in the queue, and who waits for its time: derived from the settlements that are bound, in layers like the
 * state, so that nothing on the way of a payment, and no pass, has to look at what is open besides.
 */
import { PRIORITIES } from '../../protocol/payload.js';
import type { Bic, InstructionDigest, TimestampMs } from '../../protocol/types.js';
import type { BoundSettlement, Settlement } from '../entries.js';
import { EMPTY_SET, enter, first, type OrderedSet, strike, textsOf } from '../orderedset.js';
import { type Movement, outlineOf } from '../settlement/outline.js';
import { Table } from '../table.js';

/** How many settlements in the queue debit an account, by priority. */
type Tally = readonly [urgent: number, high: number, normal: number];

/** How urgent a settlement is in what a party pays, as its place among PRIORITIES: less is more urgent. */
export const tierOf = ({ terms, bound }: BoundSettlement, party: Bic): number =>
  PRIORITIES.indexOf(bound.moved.find((move) => move.party === party)?.priority ?? terms.priority);

const number16 = (value: number): string => String(value).padStart(16, '0');
const atPlace = ({ bound, digest }: BoundSettlement): string => `${number16(bound.place)} ${digest}`;
const atTime = ({ terms, digest }: BoundSettlement): string => `${number16(terms.notBefore)} ${digest}`;
const digestIn = (text: string): InstructionDigest => text.slice(text.lastIndexOf(' ') + 1) as InstructionDigest;

export class Book {
  /** By account. */
  readonly #tallies: Table<Tally>;
  /** By payer: movements of all that is bound; under the empty name those of everybody, each settlement once. */
  readonly #reserved: Table<number>;
  /** By place. */
  #queued: OrderedSet;
  /** By the time that they wait for. */
  #scheduled: OrderedSet;
  /** All that is bound, by payer and then by place. */
  #byPayer: OrderedSet;
  /** All that lacks a consent, by who is to pay and then by digest. */
  #proposed: OrderedSet;
  #queuedMovements: number;

  private constructor(tallies: Table<Tally>, reserved: Table<number>, from: Book | null) {
    this.#tallies = tallies;
    this.#reserved = reserved;
    this.#queued = from === null ? EMPTY_SET : from.#queued;
    this.#scheduled = from === null ? EMPTY_SET : from.#scheduled;
    this.#byPayer = from === null ? EMPTY_SET : from.#byPayer;
    this.#proposed = from === null ? EMPTY_SET : from.#proposed;
    this.#queuedMovements = from === null ? 0 : from.#queuedMovements;
  }

  static empty(): Book {
    return new Book(Table.over(new Map<string, Tally>()), Table.over(new Map<string, number>()), null);
  }
  child(): Book {
    return new Book(this.#tallies.child(), this.#reserved.child(), this);
  }
  freeze(): void {
    this.#tallies.freeze();
    this.#reserved.freeze();
  }
  fold(): void {
    this.#tallies.fold();
    this.#reserved.fold();
  }

  /** Takes in what lacks a consent. */
  propose(settlement: Settlement): void {
    for (const payer of outlineOf(settlement).payers)
      this.#proposed = enter(this.#proposed, `${payer} ${settlement.digest}`);
  }
  /** Lets go of what has ended, or is bound from now on. */
  unpropose(settlement: Settlement): void {
    for (const payer of outlineOf(settlement).payers)
      this.#proposed = strike(this.#proposed, `${payer} ${settlement.digest}`);
  }

  /** Takes in what was bound: into the queue, or to wait for its time. */
  add(settlement: BoundSettlement, isDue: boolean): void {
    this.#reserve(settlement, 1);
    if (isDue) this.#enqueue(settlement);
    else this.#scheduled = enter(this.#scheduled, atTime(settlement));
  }

  /** Lets go of what has ended, or is to be taken in again with other priorities. */
  remove(settlement: BoundSettlement, isDue: boolean): void {
    this.#reserve(settlement, -1);
    if (!isDue) {
      this.#scheduled = strike(this.#scheduled, atTime(settlement));
      return;
    }
    this.#queued = strike(this.#queued, atPlace(settlement));
    this.#tally(settlement, -1);
  }

  /** Moves into the queue what waited for its time. */
  release(settlement: BoundSettlement): void {
    this.#scheduled = strike(this.#scheduled, atTime(settlement));
    this.#enqueue(settlement);
  }

  #enqueue(settlement: BoundSettlement): void {
    this.#queued = enter(this.#queued, atPlace(settlement));
    this.#tally(settlement, 1);
  }

  #tally(settlement: BoundSettlement, by: 1 | -1): void {
    const { movements } = outlineOf(settlement);
    this.#queuedMovements += by * movements.length;
    for (const { name, party, net } of movements) {
      if (net >= 0n) continue;
      const tier = tierOf(settlement, party);
      const [urgent, high, normal] = this.#tallies.get(name) ?? [0, 0, 0];
      const tally: Tally = [
        urgent + (tier === 0 ? by : 0),
        high + (tier === 1 ? by : 0),
        normal + (tier === 2 ? by : 0),
      ];
      if (tally.every((count) => count === 0)) this.#tallies.delete(name);
      else this.#tallies.set(name, tally);
    }
  }

  #reserve(settlement: BoundSettlement, by: 1 | -1): void {
    const { movements, payers } = outlineOf(settlement);
    this.#add('', by * movements.length);
    for (const payer of payers) {
      this.#add(payer, by * movements.length);
      const text = `${payer} ${atPlace(settlement)}`;
      this.#byPayer = by === 1 ? enter(this.#byPayer, text) : strike(this.#byPayer, text);
    }
  }

  #add(payer: string, movements: number): void {
    const sum = this.reserved(payer) + movements;
    if (sum === 0) this.#reserved.delete(payer);
    else this.#reserved.set(payer, sum);
  }

  /** Movements of what a payer is bound to; with the empty name of all. */
  reserved(payer: string): number {
    return this.#reserved.get(payer) ?? 0;
  }

  /** Movements of what stands in the queue. */
  get queuedMovements(): number {
    return this.#queuedMovements;
  }

  /** Whether anything in the queue debits an account. */
  isDebited(account: string): boolean {
    return this.#tallies.get(account) !== undefined;
  }

  /** Whether a settlement that is new would pass in an account something that is more urgent, or (FIFO) as urgent. */
  isPassed(settlement: BoundSettlement, { name, party }: Movement, isFifo: boolean): boolean {
    const tiers = tierOf(settlement, party) + (isFifo ? 1 : 0);
    return (this.#tallies.get(name) ?? []).slice(0, tiers).some((count) => count > 0);
  }

  /** The queue by place. */
  queued(): InstructionDigest[] {
    return textsOf(this.#queued).map(digestIn);
  }
  /** What a party is bound to pay in, by place. */
  boundBy(payer: string): InstructionDigest[] {
    return textsOf(this.#byPayer, `${payer} `).map(digestIn);
  }
  /** What a party is asked to pay in and lacks somebody's consent, by digest: at most so many after one. */
  proposedTo(payer: string, after: string, most: number): InstructionDigest[] {
    return textsOf(this.#proposed, `${payer} `, `${payer} ${after}`, most).map(digestIn);
  }
  /** What waits for its time, the earliest. */
  nextScheduled(): { readonly settlement: InstructionDigest; readonly notBefore: TimestampMs } | null {
    const text = first(this.#scheduled);
    return text === null ? null : { settlement: digestIn(text), notBefore: Number(text.slice(0, 16)) as TimestampMs };
  }
}
