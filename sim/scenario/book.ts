/** What banks sent in a run, and what became of each: by the receipts that their own nodes showed them. */
import type { Leg } from '../../protocol/payload.js';
import { isOpenCode } from '../checkers/watched.js';

export interface Receipt {
  readonly code: string;
  readonly height: number;
  /** When the sender's node showed it. */
  readonly seenMs: number;
}

/** In the place of an act's name, for what opens a network: a name that no file can give an act. */
export const OPENING = 'the opening';

export class Sent {
  readonly digest: string;
  /** The act that it belongs to, by its name in the scenario, or the opening. */
  readonly name: string;
  readonly kind: string;
  readonly legs: readonly Leg[];
  /** The node that its sender asks. */
  home: number;
  readonly sentMs: number;
  /** When it can be ordered no more, in network time. */
  readonly expiresMs: number;
  /** When a node answered 202, and which. */
  taken: { readonly ms: number; readonly node: number } | null = null;
  /** The code with which every node turned it away, if none took it. */
  refused: string | null = null;
  readonly receipts: Receipt[] = [];
  #listeners: (() => void)[] = [];

  constructor(fields: Pick<Sent, 'digest' | 'name' | 'kind' | 'legs' | 'home' | 'sentMs' | 'expiresMs'>) {
    ({
      digest: this.digest,
      name: this.name,
      kind: this.kind,
      legs: this.legs,
      home: this.home,
      sentMs: this.sentMs,
      expiresMs: this.expiresMs,
    } = fields);
  }

  get code(): string | null {
    return this.receipts.at(-1)?.code ?? null;
  }
  /** Whether nothing more will be told of it. */
  get isEnded(): boolean {
    return this.refused !== null || (this.code !== null && !isOpenCode(this.code));
  }
  get endedMs(): number | null {
    return this.isEnded ? (this.receipts.at(-1)?.seenMs ?? null) : null;
  }

  add(receipt: Receipt): void {
    this.receipts.push(receipt);
    this.changed();
  }
  refuse(code: string): void {
    this.refused = code;
    this.changed();
  }

  changed(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  /** Resolves when `done` says so; it may never. */
  async until(done: (sent: Sent) => boolean): Promise<this> {
    while (!done(this)) await new Promise<void>((resolve) => this.#listeners.push(resolve));
    return this;
  }
}

export class Book {
  readonly all: Sent[] = [];
  readonly #byDigest = new Map<string, Sent>();
  readonly #heirs = new Map<number, number>();

  add(sent: Sent): void {
    this.all.push(sent);
    this.#byDigest.set(sent.digest, sent);
  }
  of(digest: string): Sent | undefined {
    return this.#byDigest.get(digest);
  }

  /** A node showed a block to those who ask it. */
  onBlock(node: number, height: number, receipts: readonly { digest: string; code: string }[], seenMs: number): void {
    for (const { digest, code } of receipts) {
      const sent = this.#byDigest.get(digest);
      // What an heir shows may be known from the node that is gone.
      if (sent?.home === node && !sent.receipts.some((known) => known.height === height))
        sent.add({ code, height, seenMs });
    }
  }

  /** A node is gone for good: from now on another one is asked in its place, also for what is under way. */
  inherit(from: number, heir: number): void {
    this.#heirs.set(from, heir);
    for (const sent of this.all) if (sent.home === from && !sent.isEnded) sent.home = heir;
  }
  /** The node that is asked in the place of one: itself, as long as it is there. */
  askedFor(node: number): number {
    const heir = this.#heirs.get(node);
    return heir === undefined ? node : this.askedFor(heir);
  }

  /** What a node answered for and what has no end yet. */
  get underWay(): readonly Sent[] {
    return this.all.filter(({ taken, isEnded }) => taken !== null && !isEnded);
  }
}
