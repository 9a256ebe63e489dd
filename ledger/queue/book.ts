/**
 * What is open, by who is to pay in it, and who stands where in the queue: derived from the settlements, in layers like
 * the state, so that neither a payment nor a pass has to look at what is open besides.
 */
import { PASS_MOVEMENTS_PER_MS } from '../../protocol/limits.js';
import { PRIORITIES } from '../../protocol/payload.js';
import { assert, type Bic, type InstructionDigest, type TimestampMs } from '../../protocol/types.js';
import { type BoundSettlement, isBound, type QueueMark, type Settlement } from '../entries.js';
import {
  ascendingText,
  EMPTY_SET,
  enter,
  first,
  leadingNumber,
  type OrderedSet,
  strike,
  textsOf,
} from '../orderedset.js';
import { type Movement, outlineOf, weightOf } from '../settlement/outline.js';
import { Table } from '../table.js';

/** How urgent a settlement is in what a party pays, as its place among PRIORITIES: a lower tier goes first. */
export const tierOf = ({ terms, bound }: BoundSettlement, party: Bic): number =>
  PRIORITIES.indexOf(bound.priorities.find((given) => given.party === party)?.priority ?? terms.priority);

const atPlace = ({ bound, digest }: BoundSettlement): string => `${ascendingText(bound.place)} ${digest}`;
const atTime = (settlement: BoundSettlement): string =>
  `${ascendingText(settlement.terms.notBefore)} ${atPlace(settlement)}`;
/** How urgent, then its place: what goes before others in an account comes before them as a text. */
const inAccount = (settlement: BoundSettlement, party: Bic): string =>
  `${tierOf(settlement, party)} ${atPlace(settlement)}`;
const digestIn = (text: string): InstructionDigest => text.slice(text.lastIndexOf(' ') + 1) as InstructionDigest;

const NOT_YET: QueueMark = {
  nextPlace: 0,
  releasedTo: 0 as TimestampMs,
  passedAt: 0 as TimestampMs,
  stirred: false,
};

/** What a layer hands on to the next as it is. */
interface Standing {
  /** What is in the queue, by place. */
  readonly queued: OrderedSet;
  /** What waits for its time, by that and then by place. */
  readonly scheduled: OrderedSet;
  /** What is bound, by payer, then by how urgent it is to that one, then by place. */
  readonly bound: OrderedSet;
  /** What lacks a consent, by payer and then by digest. */
  readonly proposed: OrderedSet;
  /** Places that what is bound takes, and movements (two for each leg) of what of that is in the queue; of each settlement once. */
  readonly boundPlaces: number;
  readonly queuedMovements: number;
}
const NOTHING: Standing = {
  queued: EMPTY_SET,
  scheduled: EMPTY_SET,
  bound: EMPTY_SET,
  proposed: EMPTY_SET,
  boundPlaces: 0,
  queuedMovements: 0,
};

export class QueueBook {
  /** The state's own entry of the queue. */
  readonly #marks: Table<QueueMark>;
  /** What of the queue debits an account, by account: the most urgent first, then by place. */
  readonly #debits: Table<OrderedSet>;
  /** Places of what a party is bound to pay in. */
  readonly #reserved: Table<number>;
  #standing: Standing;

  private constructor(marks: Table<QueueMark>, debits: Table<OrderedSet>, reserved: Table<number>, standing: Standing) {
    this.#marks = marks;
    this.#debits = debits;
    this.#reserved = reserved;
    this.#standing = standing;
  }

  static over(marks: Table<QueueMark>): QueueBook {
    const [debits, reserved] = [Table.over(new Map<string, OrderedSet>()), Table.over(new Map<string, number>())];
    return new QueueBook(marks, debits, reserved, NOTHING);
  }
  /** A layer over this one, with the next layer of the state's entry. */
  child(marks: Table<QueueMark>): QueueBook {
    return new QueueBook(marks, this.#debits.child(), this.#reserved.child(), this.#standing);
  }
  freeze(): void {
    this.#debits.freeze();
    this.#reserved.freeze();
  }
  fold(): void {
    this.#debits.fold();
    this.#reserved.fold();
  }

  get mark(): QueueMark {
    return this.#marks.get('') ?? NOT_YET;
  }
  #setMark(change: Partial<QueueMark>): void {
    this.#marks.set('', { ...this.mark, ...change });
  }

  /** The next place, which is nobody else's from now on. */
  takePlace(): number {
    const { nextPlace } = this.mark;
    this.#setMark({ nextPlace: nextPlace + 1 });
    return nextPlace;
  }

  /** Something has changed that may let a settlement of the queue through. */
  stir(): void {
    if (!this.mark.stirred && this.queuedMovements > 0) this.#setMark({ stirred: true });
  }

  /** A pass was made at a block's time; whether anything settled in it. */
  passed(time: TimestampMs, hasSettled: boolean): void {
    this.#setMark({ passedAt: time, stirred: hasSettled && this.queuedMovements > 0 });
  }

  /** The least block time at which a pass is due, or null. A longer queue has them at a longer pace. */
  nextPass(): TimestampMs | null {
    const { stirred, passedAt } = this.mark;
    if (!stirred || this.queuedMovements === 0) return null;
    return (passedAt + Math.ceil(this.queuedMovements / PASS_MOVEMENTS_PER_MS)) as TimestampMs;
  }

  /** Whether a bound settlement stands in the queue, its time having come. */
  isQueued({ terms }: BoundSettlement): boolean {
    return terms.notBefore <= this.mark.releasedTo;
  }

  /** Takes in what is open from now on. */
  open(settlement: Settlement): void {
    if (isBound(settlement)) this.#bind(settlement);
    else this.#listProposed(settlement, enter);
  }

  /** Lets go of what has ended, or is open as something else from now on. */
  close(settlement: Settlement): void {
    if (!isBound(settlement)) return this.#listProposed(settlement, strike);
    this.#reserve(settlement, -1);
    const { scheduled, queued } = this.#standing;
    if (!this.isQueued(settlement)) {
      this.#put({ scheduled: strike(scheduled, atTime(settlement)) });
      return;
    }
    this.#put({ queued: strike(queued, atPlace(settlement)) });
    this.#count(settlement, -1);
    // It may have been in the way of others.
    this.stir();
  }

  /** Moves into the queue what waited for its time. All whose time has come are moved, or have settled, before `released`. */
  join(settlement: BoundSettlement): void {
    this.#put({ scheduled: strike(this.#standing.scheduled, atTime(settlement)) });
    this.#enqueue(settlement);
  }
  /** Nothing is scheduled up to a block's time any more. */
  released(time: TimestampMs): void {
    this.#setMark({ releasedTo: time });
  }

  #put(change: Partial<Standing>): void {
    this.#standing = { ...this.#standing, ...change };
  }

  #listProposed(settlement: Settlement, put: typeof enter): void {
    let { proposed } = this.#standing;
    for (const payer of outlineOf(settlement).payers) proposed = put(proposed, `${payer} ${settlement.digest}`);
    this.#put({ proposed });
  }

  #bind(settlement: BoundSettlement): void {
    this.#reserve(settlement, 1);
    if (!this.isQueued(settlement)) {
      this.#put({ scheduled: enter(this.#standing.scheduled, atTime(settlement)) });
      return;
    }
    this.#enqueue(settlement);
  }

  #enqueue(settlement: BoundSettlement): void {
    this.#put({ queued: enter(this.#standing.queued, atPlace(settlement)) });
    this.#count(settlement, 1);
  }

  /** Takes a settlement of the queue into the accounts that it debits, or out of them. */
  #count(settlement: BoundSettlement, by: 1 | -1): void {
    const { movements } = outlineOf(settlement);
    this.#put({ queuedMovements: this.queuedMovements + by * weightOf(settlement.legs) });
    for (const { name, party, net } of movements) {
      if (net >= 0n) continue;
      const put = by === 1 ? enter : strike;
      const debits = put(this.#debits.get(name) ?? EMPTY_SET, inAccount(settlement, party));
      if (debits === EMPTY_SET) this.#debits.delete(name);
      else this.#debits.set(name, debits);
    }
  }

  #reserve(settlement: BoundSettlement, by: 1 | -1): void {
    const { places, payers } = outlineOf(settlement);
    let { bound } = this.#standing;
    for (const payer of payers) {
      const reserved = this.reserved(payer) + by * places;
      assert(reserved >= 0, 'a place that is left was taken');
      if (reserved === 0) this.#reserved.delete(payer);
      else this.#reserved.set(payer, reserved);
      const text = `${payer} ${inAccount(settlement, payer)}`;
      bound = by === 1 ? enter(bound, text) : strike(bound, text);
    }
    this.#put({ bound, boundPlaces: this.boundPlaces + by * places });
  }

  /** Places of what a party is bound to pay in. */
  reserved(payer: Bic): number {
    return this.#reserved.get(payer) ?? 0;
  }
  get boundPlaces(): number {
    return this.#standing.boundPlaces;
  }
  get queuedMovements(): number {
    return this.#standing.queuedMovements;
  }

  /** Whether anything in the queue debits an account. */
  isDebited(account: string): boolean {
    return this.#debits.get(account) !== undefined;
  }

  /**
   * What in the queue goes before a settlement in an account: what is more urgent or, in strict order, as urgent and
   * earlier. In its order, at most so many.
   */
  before(
    settlement: BoundSettlement,
    { name, party }: Movement,
    isFifo: boolean,
    most: number,
  ): readonly InstructionDigest[] {
    const own = isFifo ? inAccount(settlement, party) : `${tierOf(settlement, party)}`;
    const heads = textsOf(this.#debits.get(name) ?? EMPTY_SET, '', '', most);
    return heads.filter((head) => head < own).map(digestIn);
  }
  isBehind(settlement: BoundSettlement, movement: Movement, isFifo: boolean): boolean {
    return this.before(settlement, movement, isFifo, 1).length > 0;
  }

  /** The queue by place. */
  queued(): InstructionDigest[] {
    return textsOf(this.#standing.queued).map(digestIn);
  }
  /** What a party is bound to pay in, the most urgent to it first, then by place: at most so many after one. */
  boundBy(
    payer: Bic,
    after: { readonly tier: number; readonly place: number } | null,
    most: number,
  ): InstructionDigest[] {
    // A place is followed by a digest, and any digest sorts before a tilde.
    const from = after === null ? '' : `${payer} ${after.tier} ${ascendingText(after.place)} ~`;
    return textsOf(this.#standing.bound, `${payer} `, from, most).map(digestIn);
  }
  /** What a party is asked to consent to and lacks somebody's consent, by digest: at most so many after one. */
  proposedTo(payer: Bic, after: string, most: number): InstructionDigest[] {
    return textsOf(this.#standing.proposed, `${payer} `, `${payer} ${after}`, most).map(digestIn);
  }
  /** What waits for its time, the earliest. */
  nextScheduled(): { readonly settlement: InstructionDigest; readonly notBefore: TimestampMs } | null {
    const text = first(this.#standing.scheduled);
    if (text === null) return null;
    const notBefore = leadingNumber(text);
    assert(notBefore > this.mark.releasedTo, 'what is scheduled has not been released');
    return { settlement: digestIn(text), notBefore: notBefore as TimestampMs };
  }
}
