/**
 * The door for instructions: what this node takes into its own lane. It answers only once an instruction is durable in a
 * batch on this node; the ledger judges everything again when the instruction is ordered.
 */
import { isOpen } from '../../ledger/codes.js';
import { countsForInitiator, recordAgainst } from '../../ledger/rights.js';
import { mayAddConsent } from '../../ledger/settlement/consent.js';
import type { State } from '../../ledger/state.js';
import { isQuorumAmong } from '../../ledger/succession/change.js';
import { encodeItem, type Instruction } from '../../protocol/instruction.js';
import { BATCH_BYTES_MAX, BATCH_ITEMS_MAX, ISSUED_AHEAD_MS_MAX, SIGNATURES_MAX } from '../../protocol/limits.js';
import type { Bic, InstructionDigest, NetworkId, TimestampMs, Uetr } from '../../protocol/types.js';
import { formatTime } from '../../protocol/values.js';
import type { AdmissionCode, Ports } from '../ports.js';
import { Corrupt, unlessDamaged } from './checked.js';
import { type LaneItem, laneItem, learnFacts } from './facts.js';

export type Verdict =
  | { readonly accepted: true }
  | { readonly accepted: false; readonly code: AdmissionCode; readonly detail: string };

/** An instruction on its way into this node's lane. */
export interface Pending {
  readonly item: LaneItem;
  readonly bytes: Uint8Array;
  /** Resolves with whether it is durable here: false when the node ended before it could be. */
  readonly durable: Promise<boolean>;
  readonly settle: (durable: boolean) => void;
}

/** Copies of one instruction under way, each with signatures that the others lack: a signature comes off a JWS freely. */
const COPIES_MAX = SIGNATURES_MAX;
/** Instructions waiting for a batch, at most: past it the door says `lane_full`. */
const WAITING_MAX = 4 * BATCH_ITEMS_MAX;
/** Of what is issued later, at most, and of one initiator: it keeps no room from what is not, nor one bank all of it. */
const EARLY_MAX = BATCH_ITEMS_MAX;
const EARLY_PER_PARTY_MAX = EARLY_MAX / 4;

interface Deps extends Pick<Ports, 'clock' | 'verifier' | 'metrics'> {
  readonly network: NetworkId;
  /** How many milliseconds of network time pass in one of the machine's. */
  readonly timeScale: number;
  readonly state: () => State;
  readonly finalTime: () => TimestampMs;
  /** Why the node takes nothing now, or null. */
  readonly closed: () => string | null;
  readonly isLaneFull: () => boolean;
  /** Whether this node can tell what became of an instruction. */
  readonly isTold: (digest: InstructionDigest) => boolean;
  /** A record that the disk has damaged: it is mended, and what needs it may come again. */
  readonly onDamage: (corrupt: Corrupt) => void;
  readonly wake: () => void;
}

const refused = (code: AdmissionCode, detail: string): Verdict => ({ accepted: false, code, detail });

export class Admission {
  readonly #deps: Deps;
  /** Accepted here and not yet ordered, by digest and then by the keys that signed that copy. */
  readonly #pending = new Map<InstructionDigest, Pending[]>();
  readonly #ids = new Map<string, InstructionDigest>();
  #waiting: Pending[] = [];
  /** What is issued a little later: in a lane all behind it would wait with it. */
  readonly #early: Pending[] = [];

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * Takes an instruction, or says why not. The same again gives the same answer. One that is carried here by a node which has
   * answered for it is not refused for a key that was revoked meanwhile, while its initiator's still count.
   */
  async submit(instruction: Instruction, isCarried = false): Promise<Verdict> {
    const verdict = await this.#unlessDamaged(instruction, isCarried);
    this.#deps.metrics.count(verdict.accepted ? 'instructions_accepted' : 'instructions_refused');
    return verdict;
  }

  async #unlessDamaged(instruction: Instruction, isCarried: boolean): Promise<Verdict> {
    try {
      return await this.#admit(instruction, isCarried);
    } catch (error) {
      if (!(error instanceof Corrupt)) throw error;
      this.#deps.onDamage(error);
      return refused(
        'not_ready',
        'A record of this node is damaged and is being mended. Send it again later, or to another node.',
      );
    }
  }

  async #admit(instruction: Instruction, isCarried: boolean): Promise<Verdict> {
    const shut = this.#shut(instruction);
    if (shut !== null) return shut;
    // Before it is judged to have expired: who sends again what was taken once must not think that it never was.
    if (this.#isOver(instruction)) return { accepted: true };
    const same = this.#copyOf(instruction);
    if (same !== undefined) return accepted(same);
    const before = this.#judge(instruction, isCarried);
    if (before !== null) return before;
    const item = laneItem(instruction);
    const state = this.#deps.state();
    await learnFacts([item], state.publicKey.bind(state), this.#deps.verifier, 'door');
    const bad = [...item.signed].find(([, valid]) => !valid);
    if (bad !== undefined)
      return refused('bad_signature', `The signature by key ${bad[0]} does not hold for this payload.`);
    // The world went on while the signatures were checked.
    const after = this.#shut(instruction) ?? this.#judge(instruction, isCarried);
    if (after !== null) return after;
    const meanwhile = this.#copyOf(instruction);
    if (meanwhile !== undefined) return accepted(meanwhile);
    const copies = this.#pending.get(instruction.digest)?.length ?? 0;
    if (copies >= COPIES_MAX || !this.#hasRoom(instruction) || this.#deps.isLaneFull()) {
      return refused(
        'lane_full',
        'This node has more unordered instructions than it may hold. Send it again later, or to another node.',
      );
    }
    const pending = this.#keep(item);
    this.#line(pending);
    this.#deps.wake();
    return accepted(pending);
  }

  /** Why this node would refuse it whatever it holds: it takes nothing now, or the payload is of another network. */
  #shut({ payload }: Instruction): Verdict | null {
    const { network, closed } = this.#deps;
    const reason = closed();
    if (reason !== null) return refused('not_ready', reason);
    if (payload.network === network) return null;
    return refused('wrong_network', `The payload names network ${payload.network}; this is ${network}.`);
  }

  /** As late as this node knows it to be: its clock may be behind the network's. */
  #time(): number {
    return Math.max(this.#deps.clock.now(), this.#deps.finalTime());
  }

  #hasExpired({ expiresMs }: Instruction): boolean {
    return expiresMs <= this.#deps.clock.now() || expiresMs < this.#deps.finalTime();
  }

  /** Everything that can be told without checking a signature. */
  #judge(instruction: Instruction, isCarried: boolean): Verdict | null {
    const { payload, digest, signatures } = instruction;
    const { finalTime, state: stateNow } = this.#deps;
    if (this.#hasExpired(instruction)) return refused('expired', `The payload expired at ${payload.expires}.`);
    if (instruction.issuedMs > this.#time() + ISSUED_AHEAD_MS_MAX * this.#deps.timeScale) {
      const here = formatTime(this.#time());
      return refused('not_yet_valid', `The payload is issued for ${payload.issued}; here it is ${here}.`);
    }
    const state = stateNow();
    const id = `${payload.initiator}/${payload.id}`;
    const remembered = recordAgainst(state, finalTime(), payload)?.digest ?? this.#ids.get(id);
    if (remembered !== undefined && remembered !== digest) {
      return refused('duplicate_id', `${payload.initiator} has used id ${payload.id} for instruction ${remembered}.`);
    }
    for (const { kid } of signatures) {
      if (!isCarried && state.publicKey(kid) === undefined)
        return refused('unknown_key', `No party has a registered key with thumbprint ${kid}.`);
    }
    if (remembered === digest) return null;
    const standing = payload.kind === 'govern' ? state.openChange() : null;
    const kids = signatures.map(({ kid }) => kid);
    if (standing !== null && !standing.approved && !isQuorumAmong({ parent: state, state }, kids))
      return refused(
        'change_pending',
        `Change ${standing.digest} is open: until it ends, another needs the signatures of a quorum of the authorities.`,
      );
    const initiator = state.participant(payload.initiator);
    const own = signatures.filter(({ kid }) => countsForInitiator(state, payload, kid)).length;
    const needed = payload.kind === 'ready' ? 1 : (initiator?.threshold ?? 1);
    if (own >= needed) return null;
    return refused(
      'initiator_signature_missing',
      `${payload.initiator} must sign with ${needed} of its own keys; ${own} did.`,
    );
  }

  /**
   * Whether nothing that comes with it has an effect any more: it has its last result, or brings no new signature; or it has
   * expired, and this node can tell what became of it.
   */
  #isOver(instruction: Instruction): boolean {
    const { digest, payload, signatures } = instruction;
    const state = this.#deps.state();
    const record = state.record(payload.initiator as Bic, payload.id as Uetr);
    if (record?.digest !== digest) return this.#hasExpired(instruction) && this.#deps.isTold(digest);
    return !isOpen(record.code) || !signatures.some(({ kid }) => mayAddConsent(state, digest, kid));
  }

  /** A copy under way here that holds all these signatures already. */
  #copyOf(instruction: Instruction): Pending | undefined {
    return this.#pending
      .get(instruction.digest)
      ?.find(({ item }) =>
        instruction.signatures.every(({ kid }) => item.instruction.signatures.some((other) => other.kid === kid)),
      );
  }

  /** Whether an instruction may be put into a lane: no block before its `issued` orders it. */
  isIssued({ issuedMs }: Instruction): boolean {
    return issuedMs <= this.#time();
  }

  #hasRoom(instruction: Instruction): boolean {
    if (this.isIssued(instruction)) return this.#waiting.length < WAITING_MAX;
    const { initiator } = instruction.payload;
    const own = this.#early.filter(({ item }) => item.instruction.payload.initiator === initiator);
    return this.#early.length < EARLY_MAX && own.length < EARLY_PER_PARTY_MAX;
  }

  #line(pending: Pending): void {
    (this.isIssued(pending.item.instruction) ? this.#waiting : this.#early).push(pending);
  }

  #keep(item: LaneItem): Pending {
    let settle: Pending['settle'] = () => {};
    const durable = new Promise<boolean>((resolve) => {
      settle = resolve;
    });
    const pending = { item, bytes: encodeItem(item.instruction), durable, settle };
    this.#note(item.instruction, pending);
    return pending;
  }

  #note({ digest, payload }: Instruction, pending: Pending): void {
    this.#pending.set(digest, [...(this.#pending.get(digest) ?? []), pending]);
    // A node's statement keeps no id of its bank's.
    if (payload.kind !== 'ready') this.#ids.set(`${payload.initiator}/${payload.id}`, digest);
  }

  /**
   * What this node has answered for and holds in its outbox: copies of one instruction. It is durable; with a lane of its
   * own the node puts it there, unless it did before it was stopped.
   */
  carry(copies: readonly { readonly instruction: Instruction }[], hasLane: boolean): void {
    for (const { instruction } of copies) {
      // What a damaged record says of it is not known: it is carried, as good as new.
      const isOver = unlessDamaged(() => this.#isOver(instruction), this.#deps.onDamage) ?? false;
      if (isOver || this.#copyOf(instruction) !== undefined) continue;
      const pending = this.#keep(laneItem(instruction));
      pending.settle(true);
      if (hasLane) this.#line(pending);
    }
  }

  /** After a restart: what this node's lane holds and no final block has ordered yet. It is durable. */
  restore(items: readonly (LaneItem | null)[]): void {
    for (const item of items) {
      if (item !== null) this.#keep(item).settle(true);
    }
  }

  /** The node takes no further part: what is in no batch yet was never durable, and is refused. */
  close(): void {
    for (const pending of [...this.#waiting.splice(0), ...this.#early.splice(0)]) pending.settle(false);
  }

  get waiting(): number {
    return this.#waiting.length + this.#early.length;
  }

  /** The time from which on something may go into a batch: past when it may now, infinite when nothing waits. */
  dueTimeMs(): number {
    this.#ripen();
    if (this.#waiting.length > 0) return Number.NEGATIVE_INFINITY;
    return this.#early.reduce(
      (earliest, { item }) => Math.min(earliest, item.instruction.issuedMs),
      Number.POSITIVE_INFINITY,
    );
  }

  /** What goes into the next batch, oldest first, within the bounds of a batch. */
  take(): Pending[] {
    this.#ripen();
    const taken: Pending[] = [];
    let bytes = 64;
    for (const pending of this.#waiting) {
      bytes += pending.bytes.length + 4;
      if (taken.length >= BATCH_ITEMS_MAX || bytes > BATCH_BYTES_MAX) break;
      taken.push(pending);
    }
    this.#waiting = this.#waiting.slice(taken.length);
    return taken;
  }

  /** What has been issued meanwhile waits with the rest. */
  #ripen(): void {
    if (this.#early.length === 0) return;
    const early = this.#early.splice(0);
    for (const pending of early) (this.isIssued(pending.item.instruction) ? this.#waiting : this.#early).push(pending);
  }

  isPending(digest: InstructionDigest): boolean {
    return this.#pending.has(digest);
  }

  /** Ordered in a final block: nothing of it is under way here any more. */
  ordered(items: readonly (LaneItem | null)[]): void {
    for (const item of items) {
      if (item === null) continue;
      const { digest, payload } = item.instruction;
      if (!this.#pending.delete(digest)) continue;
      const id = `${payload.initiator}/${payload.id}`;
      if (this.#ids.get(id) === digest) this.#ids.delete(id);
    }
  }
}

async function accepted(pending: Pending): Promise<Verdict> {
  const durable = await pending.durable;
  return durable ? { accepted: true } : refused('not_ready', 'This node stopped before the instruction was durable.');
}
