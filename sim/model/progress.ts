/**
 * Whether honest nodes alone go on from a state: the liar is silent from now on, all that was under way is lost, and
 * what the nodes say from now on arrives. Nothing tells them but their own timers.
 */
import type { BlockRef, Core, Effect, Input } from '../../protocol/bft/core.js';
import type { Ballot, BlockId, Certificate, Vote } from '../../protocol/types.js';
import { blockOf, certificateOf, copyCore, type Local, type Rules, rootOf, voteOf } from './local.js';

/** More rounds of timers than a continuation needs, whoever leads its views. */
const ROUNDS_MAX = 200;
const CERTIFICATES_MAX = 64;
/** Some quorum: which one does not matter to who has the certificate. */
const NOTARIES = [0, 1, 2];

interface Member {
  readonly self: number;
  readonly core: Core;
  readonly signed: readonly Ballot[];
}

class Continuation {
  readonly members: readonly Member[];
  readonly #rules: Rules;
  readonly #queue: { readonly to: Member; readonly input: Input }[] = [];
  readonly #blocks = new Map<BlockId, BlockRef>();
  #now = 0;
  halted: string | null = null;

  constructor(rules: Rules, locals: readonly Local[]) {
    this.#rules = rules;
    this.members = locals.map(({ self, core, signed }) => ({ self, core: copyCore(core), signed }));
    for (const { core } of this.members) {
      for (const { proposal } of core.rounds.values()) if (proposal !== null) this.#blocks.set(proposal.id, proposal);
    }
  }

  /** Until every node has a new final block, or timers have run out far too often. */
  run(): string | null {
    const finalBefore = Math.max(...this.members.map(({ core }) => core.final.view));
    for (const member of this.members) this.#owed(member);
    for (let round = 0; round < ROUNDS_MAX; round++) {
      this.#deliver();
      if (this.halted !== null) return this.halted;
      if (this.members.every(({ core }) => core.final.view > finalBefore)) return null;
      const due = this.members.flatMap(({ core }) => this.#rules.deadline(core) ?? []);
      if (due.length === 0) return 'no timer runs, and nothing becomes final';
      this.#now = Math.max(this.#now, Math.min(...due));
      for (const member of this.members) this.#step(member, { type: 'tick' });
    }
    return 'timers run out again and again, and nothing becomes final';
  }

  /**
   * What the replica owes its core: the notarization that was written with each finalize vote, answers that were open,
   * and that there is work. Without the first, a node that forgot why it voted finalize could hold a view for ever.
   */
  #owed(member: Member): void {
    for (const { kind, view, block } of member.signed) {
      if (kind !== 'finalize') continue;
      const certificate = certificateOf({ kind: 'notarize', view, block, root: null }, NOTARIES);
      this.#step(member, { type: 'certificate', certificate });
    }
    for (const { view, verdict, proposal, applied, notarization } of [...member.core.rounds.values()]) {
      const block = notarization?.ballot.block ?? null;
      if (block !== null && applied === null) this.#step(member, { type: 'applied', view, block, root: rootOf(block) });
      if (verdict === 'asked' && proposal !== null)
        this.#step(member, { type: 'validated', view, block: proposal.id, valid: true });
    }
    this.#step(member, { type: 'work', has: true });
  }

  #deliver(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift())
      this.#step(next.to, next.input);
  }

  #step(member: Member, input: Input): void {
    for (const effect of this.#rules.step(member.core, input, this.#now)) this.#perform(member, effect);
    if (!member.core.work) this.#step(member, { type: 'work', has: true });
  }

  #perform(member: Member, effect: Effect): void {
    switch (effect.type) {
      case 'cast': {
        const vote = voteOf(effect.ballot, member.self);
        this.#queue.push({ to: member, input: { type: 'vote', vote } });
        this.#sendVote(member, vote);
        break;
      }
      case 'build': {
        const block = blockOf(effect.view, 'd', effect.parent, effect.parentView);
        this.#blocks.set(block.id, block);
        this.#step(member, { type: 'built', block });
        break;
      }
      case 'validate':
        this.#step(member, { type: 'validated', view: effect.block.view, block: effect.block.id, valid: true });
        break;
      case 'apply':
        this.#step(member, { type: 'applied', view: effect.view, block: effect.block, root: rootOf(effect.block) });
        break;
      case 'certified':
        this.#sendAll(member, [effect.certificate]);
        break;
      case 'repeat':
        for (const vote of effect.votes) this.#sendVote(member, vote);
        this.#sendAll(member, effect.certificates);
        break;
      case 'answer':
        this.#sendAll(member, effect.certificates, effect.to);
        break;
      case 'request':
        for (const peer of this.#others(member, effect.to)) {
          const found = this.#rules.certificatesBetween(peer.core, effect.from, effect.until, CERTIFICATES_MAX);
          this.#sendAll(peer, found, member.self);
        }
        break;
      case 'halt':
        this.halted = `${member.self} halts: ${effect.detail}`;
        break;
      case 'finalized':
      case 'evidence':
        break;
    }
  }

  #others(member: Member, to: number | null): readonly Member[] {
    return this.members.filter((other) => other !== member && (to === null || to === other.self));
  }

  #sendAll(from: Member, certificates: readonly Certificate[], to: number | null = null): void {
    for (const certificate of certificates) {
      for (const other of this.#others(from, to))
        this.#queue.push({ to: other, input: { type: 'certificate', certificate } });
    }
  }

  /** A notarize vote travels with its block, as the replica sends it. */
  #sendVote(from: Member, vote: Vote): void {
    const block = vote.ballot.kind === 'notarize' ? this.#blocks.get(vote.ballot.block) : undefined;
    for (const to of this.#others(from, null)) {
      if (block !== undefined) {
        const leaders = voteOf(vote.ballot, block.proposer);
        this.#queue.push({ to, input: { type: 'proposal', block, vote: leaders } });
      }
      this.#queue.push({ to, input: { type: 'vote', vote } });
    }
  }
}

/** Why the honest nodes do not go on by themselves, or null when each comes to a new final block. */
export const stall = (rules: Rules, locals: readonly Local[]): string | null => new Continuation(rules, locals).run();
