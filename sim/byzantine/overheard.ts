/** What a liar has seen of the network, said or heard: what its lies are made of. Bounded, the oldest goes. */
import { blockId, decodeBatch } from '../../protocol/block.js';
import type { Message } from '../../protocol/envelope.js';
import type { BlockHeader, BlockId, Certificate, Proposal, View } from '../../protocol/types.js';
import type { Random } from '../random.js';

const HEADERS_MAX = 256;
const KEPT_MAX = 64;

/** A map that forgets its oldest entry past a bound. */
export class Remembered<K, V> {
  readonly #entries = new Map<K, V>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(key: K): V | undefined {
    return this.#entries.get(key);
  }
  set(key: K, value: V): void {
    this.#entries.set(key, value);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#most && oldest !== undefined) this.#entries.delete(oldest);
  }
  /** What was made for this key, made now when it is new. */
  made(key: K, make: () => V): V {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.set(key, made);
    return made;
  }
}

export class Overheard {
  readonly #random: Random;
  readonly #headers = new Remembered<BlockId, BlockHeader>(HEADERS_MAX);
  readonly #proposals = new Remembered<View, readonly Proposal[]>(HEADERS_MAX);
  readonly certificates: Certificate[] = [];
  readonly items: Uint8Array[] = [];
  readonly batches: Extract<Message, { type: 'batch' }>[] = [];
  /** Votes, proposals, certificates and final blocks, for telling again. */
  readonly said: Message[] = [];
  latest: BlockHeader | null = null;

  constructor(random: Random) {
    this.#random = random;
  }

  note(message: Message): void {
    switch (message.type) {
      case 'proposal':
        this.#proposal(message.proposal);
        this.#keep(this.said, message);
        break;
      case 'vote':
        this.#keep(this.said, message);
        break;
      case 'certificate':
        this.#keep(this.certificates, message.certificate);
        this.#keep(this.said, message);
        break;
      case 'final':
        for (const header of message.headers) this.#headers.set(blockId(header), header);
        this.#keep(this.said, message);
        break;
      case 'batch':
        this.#keep(this.batches, message);
        for (const item of decodeBatch(message.bytes)?.items.slice(0, 8) ?? []) this.#keep(this.items, item);
        break;
      default:
        break;
    }
  }

  header(id: BlockId): BlockHeader | undefined {
    return this.#headers.get(id);
  }

  /** The proposals of a view, several where its leader lied. */
  proposals(view: View): readonly Proposal[] {
    return this.#proposals.get(view) ?? [];
  }

  #proposal(proposal: Proposal): void {
    const { header, id } = proposal;
    this.#headers.set(id, header);
    const known = this.proposals(header.view);
    if (known.length < 4 && known.every((other) => other.id !== id))
      this.#proposals.set(header.view, [...known, proposal]);
    if (this.latest === null || header.view > this.latest.view) this.latest = header;
  }

  /** Old and new side by side: one of those kept gives way, as the seed has it. */
  #keep<T>(kept: T[], one: T): void {
    if (kept.length < KEPT_MAX) kept.push(one);
    else kept[this.#random.between(0, KEPT_MAX - 1)] = one;
  }
}
