/** A block while it is applied: the open state, the receipts so far, and the settlements that it is the first to name. */

import type { Instruction } from '../protocol/instruction.js';
import { merkleRoot } from '../protocol/merkle.js';
import {
  assert,
  type Hash,
  type Height,
  type InstructionDigest,
  type Root,
  type Thumbprint,
  type TimestampMs,
  type ValidatorIndex,
} from '../protocol/types.js';
import { isOpen, type ResultCode } from './codes.js';
import type { BoundLeg, BoundSettlement, Change, LockedSettlement, Part, Settlement } from './entries.js';
import { MEMORY_MS } from './memory.js';
import { leafOf, type Named, type Receipt } from './receipt.js';
import type { Movement } from './settlement/outline.js';
import type { State } from './state.js';

/** An instruction at its place in a lane, with the facts computed beforehand, both against the parent state. */
export interface Ordered {
  readonly instruction: Instruction;
  /** Keys whose signature on it is valid under the key that the parent state holds for that thumbprint. */
  readonly signed: readonly Thumbprint[];
  /** New keys whose proof of possession is valid. */
  readonly possessed: readonly Thumbprint[];
}

/** What an end is told as where a part has settled before: not all is where it was. */
const AFTER_A_PART: Partial<Record<ResultCode, ResultCode>> = { lapsed: 'part_lapsed', cancelled: 'part_cancelled' };

const FAR_MS = 4 * MEMORY_MS;
const PERIOD_MS = 365 * MEMORY_MS;

/** Height and time of a block, and whose it is: the proposer's place in the set in charge. */
export interface At {
  readonly height: Height;
  readonly time: TimestampMs;
  readonly proposer: ValidatorIndex;
}

export interface Applied {
  readonly state: State;
  readonly receipts: readonly Receipt[];
  readonly receiptsRoot: Root;
  readonly stateRoot: Root;
  /** What each settlement, part or lot that settled did to accounts. */
  readonly settled: readonly (readonly Movement[])[];
}

export class Posting {
  readonly parent: State;
  readonly state: State;
  readonly at: At;
  readonly #skewMs: number;
  readonly #receipts: Receipt[] = [];
  readonly #leaves: Hash[] = [];
  /** Settlements registered in this block and neither bound nor ended, in that order. They join the state's only if they stay open. */
  readonly fresh = new Map<string, Settlement>();
  /** What became bound in this block and did not settle at once; its receipt is given when the block is done. */
  readonly bound: BoundSettlement[] = [];
  /** What was locked in this block; its receipt is given when what was revealed has settled. */
  readonly locked: InstructionDigest[] = [];
  /** Settlements of which a part or a lot has settled in this block: they have their receipt. */
  readonly advanced = new Set<InstructionDigest>();
  /** What has settled in this block did to accounts, in its order. */
  readonly settled: (readonly Movement[])[] = [];
  /** Settlements whose legs were amended in this block; their receipt is given when the block is done. */
  readonly amended = new Set<InstructionDigest>();
  /** What this block made of the open change; its receipt is given when the block is done, so that there is one. */
  news: 'proposed' | 'approved' | null = null;

  constructor(parent: State, at: At) {
    this.parent = parent;
    this.state = parent.child();
    this.at = at;
    this.#skewMs = parent.parameters.skewMs;
  }

  /**
   * How long an id is remembered whose last use ends at `end`. What ends far ahead (a change of validators
   * stays open for a week) is remembered to the end of a long period, so that buckets are few.
   */
  horizon(end: number): TimestampMs {
    const until = this.#kept(end);
    const isFar = until > this.at.time + FAR_MS;
    return (isFar ? Math.ceil(until / PERIOD_MS) * PERIOD_MS : until) as TimestampMs;
  }

  #kept(end: number): number {
    return Math.max(this.at.time, end) + MEMORY_MS + this.#skewMs;
  }

  /**
   * Remembers an instruction's id with its result so far, without a receipt; answers until when. A record never goes to an
   * earlier hour than the one that it takes the place of: replayed hour by hour, the later writing of a key must come last.
   */
  remember(named: Named & Partial<Pick<Settlement, 'since'>>, code: ResultCode, end: TimestampMs): TimestampMs {
    const { digest, initiator, id, kind } = named;
    const { height, time } = this.at;
    const record = this.state.memory.record(initiator, id);
    // One whose time is over may be gone from the store, or not yet: nothing may hang on that.
    const known = record !== undefined && time <= record.until ? record : null;
    // What waits or is open past its record's time may find its id another's: that one keeps it.
    if (known !== null && known.digest !== digest && known.kind !== 'ready')
      return Math.max(end, known.until) as TimestampMs;
    // What ends later has used its id all along.
    const since = named.since ?? (known?.digest === digest ? known.since : time);
    const until = Math.max(end, known?.until ?? 0) as TimestampMs;
    this.state.memory.setRecord({ digest, initiator, id, kind, code, height, time, since, until });
    return until;
  }

  /** Records a result and gives its receipt; answers the receipt's leaf. */
  record(named: Named, code: ResultCode, end: TimestampMs): Hash {
    const until = this.remember(named, code, end);
    // A settlement or change that has ended is marked under its digest, so that nothing waits for it.
    if ((named.kind === 'settle' || named.kind === 'govern') && !isOpen(code))
      this.state.memory.setMark(named.digest, { code, until });
    const { digest, initiator, id, kind } = named;
    const receipt: Receipt = { digest, initiator, id, kind, code, height: this.at.height, time: this.at.time };
    const leaf = leafOf(receipt);
    this.#receipts.push(receipt);
    this.#leaves.push(leaf);
    return leaf;
  }

  /** Records an instruction that ends when it is ordered. */
  conclude(instruction: Instruction, code: ResultCode): void {
    this.record(namedOf(instruction), code, this.horizon(instruction.expiresMs));
  }

  /** The settlement of that digest, if it is open, whether or not its time is over. */
  settlement(digest: InstructionDigest): Settlement | undefined {
    return this.fresh.get(digest) ?? this.state.openSettlement(digest);
  }

  /** The change of that digest, if it is open, whether or not its time is over. */
  change(digest: InstructionDigest): Change | undefined {
    const change = this.state.openChange();
    return change?.digest === digest ? change : undefined;
  }

  /** Whether a settlement or change of that digest has been and is over, as far as is remembered. */
  hasEnded(digest: InstructionDigest): boolean {
    const mark = this.state.memory.mark(digest);
    return mark !== undefined && mark.code !== 'revealed' && this.at.time <= mark.until;
  }

  /** Whether the preimage of a hash has been revealed, as far as is remembered: whoever knows it could settle what it locks. */
  isRevealed(hash: Hash): boolean {
    const mark = this.state.memory.mark(hash);
    return mark !== undefined && mark.code === 'revealed' && this.at.time <= mark.until;
  }

  /** Marks a hash as revealed, among the ends of settlements: that it is the digest of one nobody can bring about. */
  markRevealed(hash: Hash, end: number): void {
    const known = this.isRevealed(hash) ? (this.state.memory.mark(hash)?.until ?? 0) : 0;
    // Never to an earlier hour than before, as with records. A lock is short, so that its hash needs no long period.
    const until = Math.max(known, this.#kept(end)) as TimestampMs;
    this.state.memory.setMark(hash, { code: 'revealed', until });
  }

  /** Replaces an open settlement by one with more consents, or in which more have agreed to leave. */
  replace(settlement: Settlement): void {
    if (this.fresh.has(settlement.digest)) this.fresh.set(settlement.digest, settlement);
    else this.state.tables.settlements.set(settlement.digest, settlement);
  }

  /** Puts a settlement that has every required consent among the bound ones. */
  bind(settlement: Settlement, bound: BoundSettlement): void {
    if (!this.fresh.delete(settlement.digest)) this.state.closeSettlement(settlement);
    this.state.open(bound);
    this.bound.push(bound);
  }

  /** Holds what a settlement that has every required consent debits. */
  lock(settlement: Settlement, locked: LockedSettlement): void {
    if (!this.fresh.delete(settlement.digest)) this.state.closeSettlement(settlement);
    this.state.open(locked);
    this.locked.push(settlement.digest);
  }

  /** Lets the next part of a settlement take the place of one that has settled; answers the leaf of the receipt that says so. */
  advance(settlement: Settlement, { legs, notBefore, settleBy }: Part): Hash {
    const { terms } = settlement;
    assert(terms !== null, 'what has parts goes through the queue');
    const place = this.state.queue.takePlace();
    if (!this.fresh.delete(settlement.digest)) this.state.closeSettlement(settlement);
    // From now on nobody leaves alone, and all together as long as it stands.
    const cancelUntil = (this.at.time - 1) as TimestampMs;
    const dates = { notBefore, cancelUntil, cutoff: settleBy, settleBy };
    const bound = { place, priorities: settlement.bound?.priorities ?? [], leaving: [] };
    const [linked, partsSettled] = [settlement.linked.slice(1), settlement.partsSettled + 1];
    this.state.open({ ...settlement, legs, linked, partsSettled, terms: { ...terms, ...dates }, bound });
    this.advanced.add(settlement.digest);
    return this.record(settlement, 'part_settled', this.horizon(this.at.time));
  }

  /** Lets a settlement wait on in its place with one lot less; answers the leaf of the receipt that says that it has settled. */
  reduce(settlement: BoundSettlement, legs: readonly BoundLeg[]): Hash {
    this.state.closeSettlement(settlement);
    const [lots, partsSettled] = [settlement.lots - 1, settlement.partsSettled + 1];
    this.state.open({ ...settlement, legs, lots, partsSettled });
    this.advanced.add(settlement.digest);
    return this.record(settlement, 'part_settled', this.horizon(this.at.time));
  }

  /** Ends an open settlement with `code`; answers its receipt's leaf. */
  end(settlement: Settlement, code: ResultCode): Hash {
    if (!this.fresh.delete(settlement.digest)) this.state.closeSettlement(settlement);
    const told = settlement.partsSettled === 0 ? code : (AFTER_A_PART[code] ?? code);
    return this.record(settlement, told, this.horizon(this.at.time));
  }

  /** Ends the open change with `code`. */
  endChange(change: Change, code: ResultCode): void {
    this.news = null;
    this.state.closeChange(change);
    this.record(change, code, Math.max(change.until, this.horizon(this.at.time)) as TimestampMs);
  }

  finish(): Applied {
    this.state.seal(this.at.height);
    const receiptsRoot = merkleRoot(this.#leaves, this.state.hasher);
    const { state, settled } = this;
    return { state, receipts: this.#receipts, receiptsRoot, stateRoot: state.root, settled };
  }
}

export const namedOf = ({ digest, payload }: Instruction): Named => ({
  digest,
  initiator: payload.initiator as Named['initiator'],
  id: payload.id as Named['id'],
  kind: payload.kind,
});
