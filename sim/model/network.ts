/**
 * What can be received once the honest nodes have signed so much. Messages are never removed: receiving one late, never
 * or in any order is the receiver's choice. The liar has signed everything that its key can sign, from the beginning.
 */

import type { BlockRef, Input } from '../../protocol/bft/core.js';
import { assert, type Ballot, type BlockId, type Certificate, type Root } from '../../protocol/types.js';
import { blockOf, contentOf, firstLocal, GENESIS, N, type Rules, rootOf, textOf, voteOf } from './local.js';

export interface Message {
  readonly type: 'message';
  readonly id: number;
  readonly text: string;
  readonly input: Input;
}

const WRONG_ROOT = 'wrong root' as Root;
const KINDS = ['notarize', 'nullify', 'finalize'] as const;
const CERTIFICATES = { notarize: 'notarization', nullify: 'nullification', finalize: 'finalization' } as const;
/** Ballots of one kind in one view, and sets of messages that they make, stay below this. */
const SLOT_MAX = 128;

/** The ballots of one kind and view: what the three honest nodes signed of it decides which messages there are. */
interface Slot {
  readonly ballots: Ballot[];
  readonly sets: (readonly number[])[];
  readonly setOf: Int32Array;
}

/** A set of messages that can be received, and what its certificates contradict of SPEC, "Why it is safe", if anything. */
export interface Available {
  readonly id: number;
  readonly messages: readonly Message[];
  /** Texts of the ballots that are certified. */
  readonly certified: ReadonlySet<string>;
  readonly violation: string | null;
}

export class Network {
  readonly rules: Rules;
  readonly liar: number;
  readonly views: number;
  readonly honest: readonly number[];
  readonly #messages: Message[] = [];
  readonly #byText = new Map<string, Message>();
  readonly #blocks = new Map<BlockId, BlockRef>();
  readonly #slots: Slot[];
  readonly #available = new Map<number, Available>();
  readonly #fromLiar: readonly number[];

  constructor(rules: Rules, liar: number, views: number) {
    this.rules = rules;
    this.liar = liar;
    this.views = views;
    this.honest = [0, 1, 2, 3].filter((self) => self !== liar);
    this.#slots = Array.from({ length: KINDS.length * views }, () => ({
      ballots: [],
      sets: [],
      setOf: new Int32Array(SLOT_MAX ** 3).fill(-1),
    }));
    for (const block of this.#blocksOfLiar()) this.#blocks.set(block.id, block);
    this.#fromLiar = [...this.#blocks.values()].map((block) => this.#proposal(block));
  }

  /**
   * Two blocks on each parent that may be, so that it can show each node another. And the lies about a parent: a block
   * that skips views which its parent's view does not show, one that names a view for a parent of another, and one
   * that is its own parent.
   */
  #blocksOfLiar(): BlockRef[] {
    const blocks: BlockRef[] = [];
    for (let view = 1; view <= this.views; view++) {
      if (view % N !== this.liar) continue;
      for (const parent of this.#parentsBefore(view, blocks)) {
        blocks.push(blockOf(view, 'a', parent.id, parent.view), blockOf(view, 'b', parent.id, parent.view));
        if (parent.view > 0) blocks.push(blockOf(view, 'x', parent.id, 0));
      }
      for (let before = 1; before <= view; before++) blocks.push(blockOf(view, `w${before}`, GENESIS, before));
    }
    return blocks;
  }

  #parentsBefore(view: number, liars: readonly BlockRef[]): { id: BlockId; view: number }[] {
    const parents: { id: BlockId; view: number }[] = [{ id: GENESIS, view: 0 }];
    for (let before = 1; before < view; before++) {
      if (before % N === this.liar) {
        parents.push(...liars.filter((block) => block.view === before && /^\d[ab]/.test(block.id)));
        continue;
      }
      for (const { id, view: parentView } of [...parents]) {
        if (parentView < before) parents.push({ id: blockOf(before, 'a', id, parentView).id, view: before });
      }
    }
    return parents;
  }

  /** The message of this text; a new one when there is none. */
  message(text: string, input: Input): number {
    const known = this.#byText.get(text);
    if (known !== undefined) return known.id;
    const message: Message = { type: 'message', id: this.#messages.length, text, input };
    this.#messages.push(message);
    this.#byText.set(text, message);
    return message.id;
  }

  #proposal(block: BlockRef): number {
    const ballot: Ballot = { kind: 'notarize', view: block.view, block: block.id, root: null };
    const vote = voteOf(ballot, block.proposer);
    return this.message(`proposal ${block.id}`, { type: 'proposal', block, vote });
  }

  /** An honest leader's block, once it has signed it: told from its name. */
  #block(id: BlockId): BlockRef {
    const known = this.#blocks.get(id);
    if (known !== undefined) return known;
    const cut = id.indexOf('-');
    const parent = (cut < 0 ? GENESIS : id.slice(cut + 1)) as BlockId;
    const block = blockOf(
      Number(id[0]),
      id.slice(1, cut < 0 ? undefined : cut),
      parent,
      cut < 0 ? 0 : Number(parent[0]),
    );
    this.#blocks.set(id, block);
    return block;
  }

  /** The number of the ballot within its slot; 0 stands for none. */
  ballotNumber(ballot: Ballot): { readonly slot: number; readonly number: number } {
    const index = (ballot.view - 1) * KINDS.length + KINDS.indexOf(ballot.kind);
    const slot = this.#slots[index];
    assert(slot !== undefined, 'a vote of a view in the model');
    const text = textOf(ballot);
    const found = slot.ballots.findIndex((other) => textOf(other) === text);
    if (found >= 0) return { slot: index, number: found + 1 };
    slot.ballots.push(ballot);
    assert(slot.ballots.length < SLOT_MAX, 'the ballots of a slot are few');
    return { slot: index, number: slot.ballots.length };
  }

  /** Every message that there ever was. */
  get messages(): readonly Message[] {
    return this.#messages;
  }

  get slots(): number {
    return this.#slots.length;
  }

  /** What can be received when the honest nodes have signed these ballots of each slot. */
  available(signed: readonly [Uint8Array, Uint8Array, Uint8Array]): Available {
    let key = 0;
    for (let index = 0; index < this.#slots.length; index++) {
      const slot = this.#slots[index] as Slot;
      const [a, b, c] = [signed[0][index] as number, signed[1][index] as number, signed[2][index] as number];
      const at = (a * SLOT_MAX + b) * SLOT_MAX + c;
      let set = slot.setOf[at] as number;
      if (set < 0) set = this.#fillSet(slot, at, [a, b, c]);
      key = key * 32 + set;
    }
    const known = this.#available.get(key);
    if (known !== undefined) return known;
    return this.#fillAvailable(key, signed);
  }

  #fillSet(slot: Slot, at: number, numbers: readonly number[]): number {
    const messages = this.#messagesOf(slot, numbers).sort((a, b) => a - b);
    const text = messages.join();
    let set = slot.sets.findIndex((other) => other.join() === text);
    if (set < 0) set = slot.sets.push(messages) - 1;
    assert(set < 32, 'the sets of a slot are few');
    slot.setOf[at] = set;
    return set;
  }

  /** The proposals and certificates that these votes make, as a node that only listens forms them. */
  #messagesOf(slot: Slot, numbers: readonly number[]): number[] {
    const votes = numbers.flatMap((number, i) => {
      const ballot = slot.ballots[number - 1];
      return ballot === undefined ? [] : [{ ballot, signer: this.honest[i] as number }];
    });
    const found = new Set<number>();
    for (const { ballot, signer } of votes) {
      if (ballot.kind === 'notarize' && this.rules.leaderOf(ballot.view, N) === signer)
        found.add(this.#proposal(this.#block(ballot.block)));
    }
    for (const ballot of this.#ballotsOfLiar(votes.map((vote) => vote.ballot))) {
      const liars = { ballot, signer: this.liar };
      for (const certificate of [...this.#collect([liars, ...votes]), ...this.#collect([...votes, liars])]) {
        const text = `${CERTIFICATES[certificate.ballot.kind]}(${contentOf(certificate.ballot)})`;
        found.add(this.message(text, { type: 'certificate', certificate }));
      }
    }
    return [...found];
  }

  /** The liar joins whatever vote there is, with a root of its own too. */
  #ballotsOfLiar(ballots: readonly Ballot[]): Ballot[] {
    return ballots.flatMap((ballot): Ballot[] =>
      ballot.kind === 'finalize' ? [ballot, { ...ballot, root: WRONG_ROOT }] : [ballot],
    );
  }

  #collect(votes: readonly { readonly ballot: Ballot; readonly signer: number }[]): Certificate[] {
    const listener = { ...firstLocal(this.rules, 0).core };
    const core = { ...listener, config: { ...listener.config, self: null } };
    return votes.flatMap(({ ballot, signer }) =>
      this.rules
        .step(core, { type: 'vote', vote: voteOf(ballot, signer) }, 0)
        .flatMap((effect) => (effect.type === 'certified' ? [effect.certificate] : [])),
    );
  }

  #fillAvailable(key: number, signed: readonly Uint8Array[]): Available {
    const ids = new Set(this.#fromLiar);
    this.#slots.forEach((slot, index) => {
      const [a, b, c] = signed.map((numbers) => numbers[index] as number) as [number, number, number];
      for (const id of slot.sets[slot.setOf[(a * SLOT_MAX + b) * SLOT_MAX + c] as number] ?? []) ids.add(id);
    });
    const messages = [...ids].sort((a, b) => a - b).map((id) => this.#messages[id] as Message);
    const certificates = messages.flatMap(({ input }) =>
      input.type === 'certificate' ? [input.certificate.ballot] : [],
    );
    const certified = new Set(certificates.map(textOf));
    const available = { id: this.#available.size, messages, certified, violation: this.#violation(certificates) };
    this.#available.set(key, available);
    return available;
  }

  /** What these certificates contradict of SPEC, "Why it is safe". */
  #violation(ballots: readonly Ballot[]): string | null {
    const final = ballots.filter((ballot) => ballot.kind === 'finalize');
    const notarized = ballots.filter((ballot) => ballot.kind === 'notarize');
    for (const a of final) {
      if (a.root !== rootOf(a.block)) return `${textOf(a)} is certified, and no honest node found that root`;
      if (ballots.some((b) => b.kind === 'nullify' && b.view === a.view))
        return `${a.block} is final in view ${a.view}, which is nullified`;
      for (const b of [...final, ...notarized]) {
        if (b.view === a.view && b.block !== a.block)
          return `${a.block} is final and ${b.block} is certified in view ${a.view}`;
        if (b.view > a.view && !this.#descends(b.block, a.block))
          return `${a.block} is final in view ${a.view}, and ${b.block} does not descend from it`;
      }
    }
    for (const a of notarized) {
      const unfounded = this.#unfounded(a.block, ballots);
      if (unfounded !== null) return unfounded;
      const other = notarized.find((b) => b.view === a.view && b.block !== a.block);
      if (other !== undefined) return `${a.block} and ${other.block} are both notarized in view ${a.view}`;
    }
    return null;
  }

  /** Why no honest node could have voted for the block, if so: what it stands on is not certified. */
  #unfounded(id: BlockId, ballots: readonly Ballot[]): string | null {
    const { view, parent, parentView } = this.#block(id);
    const isFounded =
      parentView === 0 ? parent === GENESIS : ballots.some((b) => b.view === parentView && b.block === parent);
    if (!isFounded) return `${id} is notarized, and its parent is not in view ${parentView}`;
    for (let between = parentView + 1; between < view; between++) {
      if (!ballots.some((b) => b.kind === 'nullify' && b.view === between))
        return `${id} is notarized, and view ${between} before it is not nullified`;
    }
    return null;
  }

  #descends(block: BlockId, from: BlockId): boolean {
    for (let at = block; at !== GENESIS; at = this.#block(at).parent) if (at === from) return true;
    return from === GENESIS;
  }
}
