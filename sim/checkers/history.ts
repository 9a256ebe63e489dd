/**
 * What clients saw over the HTTP API, of real nodes or of the world's, and what must hold of it whatever happened
 * between: reads of final state that never go back, answers that never change, no 202 lost, and money that adds up.
 */

/** Where an instruction stands, as a node shows it. */
export type ShownStatus =
  | { readonly status: 'unknown' }
  | { readonly status: 'pending'; readonly code: string | null }
  /** Final for so long that the node keeps its receipt no more. */
  | { readonly status: 'pruned'; readonly height: number }
  | { readonly status: 'final'; readonly code: string; readonly height: number };

/** A client's request with the answer that it got; what got none stands in no history. */
export type Exchange = Asked & Said;

interface Asked {
  /** When it was sent and when it was answered, on one clock, in milliseconds. */
  readonly sentAt: number;
  readonly at: number;
  readonly client: string;
  readonly node: string;
}

type Said =
  /** Answered 202, or refused with a code. `expiresMs` and `name` (initiator and id) are the payload's. */
  | {
      readonly request: {
        readonly type: 'submit';
        readonly digest: string;
        readonly name: string;
        readonly expiresMs: number;
      };
      readonly response: { readonly accepted: true } | { readonly accepted: false; readonly code: string };
    }
  | { readonly request: { readonly type: 'status'; readonly digest: string }; readonly response: ShownStatus }
  /** The last final block: its height and its time. */
  | {
      readonly request: { readonly type: 'head' };
      readonly response: { readonly height: number; readonly time: number };
    }
  | {
      readonly request: { readonly type: 'block'; readonly height: number };
      readonly response: { readonly id: string; readonly resultRoot: string };
    }
  /** Amounts as the API writes them, by asset; null of a party that is not admitted. */
  | {
      readonly request: { readonly type: 'balances'; readonly party: string };
      readonly response: { readonly height: number; readonly balances: Readonly<Record<string, string>> } | null;
    }
  | {
      readonly request: { readonly type: 'assets' };
      readonly response: { readonly height: number; readonly assets: readonly ShownAsset[] };
    }
  | {
      readonly request: { readonly type: 'participants' };
      readonly response: { readonly height: number; readonly parties: readonly string[] };
    };

export interface ShownAsset {
  readonly asset: string;
  readonly issuer: string;
  readonly cap: string;
  readonly circulating: string;
}

interface Promise202 {
  readonly digest: string;
  readonly name: string;
  readonly expiresMs: number;
  readonly node: string;
  readonly at: number;
}

/** What was read at one height. */
interface Page {
  /** Balances by party and then by asset. */
  readonly balances: Map<string, Readonly<Record<string, string>>>;
  assets: readonly ShownAsset[] | null;
  parties: readonly string[] | null;
}

export class History {
  readonly violations: string[] = [];
  readonly exchanges: Exchange[] = [];
  readonly #blocks = new Map<number, { readonly id: string; readonly resultRoot: string }>();
  readonly #ends = new Map<string, { readonly code: string; readonly at: number; readonly node: string }>();
  readonly #promises = new Map<string, Promise202>();
  readonly #pages = new Map<number, Page>();
  /** By client and node: answers that have come, with the height they spoke of. */
  readonly #heights = new Map<string, { readonly at: number; readonly height: number }[]>();
  /** By node: the latest time of a final block that it showed. */
  readonly #times = new Map<string, number>();

  /** Instructions answered 202 whose end no client has been shown. */
  get pending(): readonly string[] {
    return [...this.#promises.keys()].filter((digest) => !this.#ends.has(digest));
  }
  get acknowledged(): number {
    return this.#promises.size;
  }
  /** Heights at which every balance was read, so that they could be added up. */
  get audited(): number {
    return [...this.#pages.values()].filter(isWhole).length;
  }

  /** Exchanges in the order of their answers. */
  add(exchange: Exchange): void {
    this.exchanges.push(exchange);
    switch (exchange.request.type) {
      case 'submit':
        this.#submitted(exchange as Of<'submit'>);
        break;
      case 'status':
        this.#status(exchange as Of<'status'>);
        break;
      case 'head': {
        const { response } = exchange as Of<'head'>;
        this.#onward(exchange, response.height);
        this.#times.set(exchange.node, Math.max(response.time, this.#times.get(exchange.node) ?? 0));
        break;
      }
      case 'block':
        this.#block(exchange as Of<'block'>);
        break;
      case 'balances':
        this.#balances(exchange as Of<'balances'>);
        break;
      case 'assets': {
        const { response } = exchange as Of<'assets'>;
        const page = this.#page(exchange, response.height);
        this.#same(exchange, page.assets, response.assets, 'assets', response.height);
        page.assets = response.assets;
        this.#addUp(response.height, page);
        break;
      }
      case 'participants': {
        const { response } = exchange as Of<'participants'>;
        const page = this.#page(exchange, response.height);
        this.#same(exchange, page.parties, response.parties, 'participants', response.height);
        page.parties = response.parties;
        this.#addUp(response.height, page);
        break;
      }
      default:
        exchange.request satisfies never;
    }
  }

  /** The node lost its disk: of what it answered 202 it owes nothing any more. */
  wiped(node: string): void {
    for (const [digest, promise] of this.#promises) if (promise.node === node) this.#promises.delete(digest);
  }

  /**
   * The run is over and every node was asked once more, later than anything else: what was answered 202 is final or
   * pending wherever it was taken. `now` are these last statuses, by node and digest.
   */
  atEnd(now: ReadonlyMap<string, ReadonlyMap<string, ShownStatus>>): void {
    for (const { digest, node, expiresMs } of this.#promises.values()) {
      const status = now.get(node)?.get(digest);
      if (status === undefined) {
        if (!this.#ends.has(digest)) this.violations.push(`202: node ${node} was not asked again for ${digest}`);
      } else if (status.status === 'unknown') this.violations.push(`202: node ${node} has lost ${digest}`);
      else if (
        status.status === 'final' &&
        status.code === 'expired' &&
        (this.#times.get(node) ?? Infinity) <= expiresMs
      )
        this.violations.push(
          `202: node ${node} shows ${digest} as expired before final block time has passed its expires`,
        );
    }
  }

  #submitted({ request, response, node, at }: Of<'submit'>): void {
    if (!response.accepted || this.#promises.has(request.digest)) return;
    const { digest, name, expiresMs } = request;
    this.#promises.set(digest, { digest, name, expiresMs, node, at });
  }

  /** An end is the same for everybody and for ever. */
  #status({ request: { digest }, response, node, sentAt, at }: Of<'status'>): void {
    const end = this.#ends.get(digest);
    if (response.status === 'final') {
      if (end === undefined) this.#ends.set(digest, { code: response.code, at, node });
      else if (end.code !== response.code)
        this.violations.push(
          `undone: ${digest} is ${response.code} on node ${node}, and was ${end.code} on node ${end.node}`,
        );
      return;
    }
    if (response.status !== 'pruned' && end !== undefined && end.node === node && sentAt > end.at)
      this.violations.push(`undone: ${digest} is ${response.status} on node ${node}, which showed ${end.code} before`);
    const promise = this.#promises.get(digest);
    if (response.status === 'unknown' && promise?.node === node && sentAt > promise.at)
      this.violations.push(`202: node ${node} answered 202 to ${digest}, and then did not know it`);
  }

  #block({ request: { height }, response: { id, resultRoot }, node }: Of<'block'>): void {
    const known = this.#blocks.get(height);
    if (known === undefined) this.#blocks.set(height, { id, resultRoot });
    else if (known.id !== id || known.resultRoot !== resultRoot)
      this.violations.push(
        `disagreement: node ${node} shows block ${id} with root ${resultRoot} at height ${height}, where ${known.id} with ${known.resultRoot} was`,
      );
  }

  #balances(exchange: Of<'balances'>): void {
    const { request, response } = exchange;
    if (response === null) return;
    const page = this.#page(exchange, response.height);
    this.#same(
      exchange,
      page.balances.get(request.party) ?? null,
      response.balances,
      `balances of ${request.party}`,
      response.height,
    );
    page.balances.set(request.party, response.balances);
    this.#addUp(response.height, page);
  }

  /** Two reads of one thing at one height are alike, whoever was asked. */
  #same({ node }: Asked, before: object | null, now: object, what: string, height: number): void {
    if (before !== null && canonical(before) !== canonical(now))
      this.violations.push(
        `disagreement: ${what} at height ${height} are ${canonical(now)} on node ${node}, and were ${canonical(before)}`,
      );
  }

  #page(exchange: Asked, height: number): Page {
    this.#onward(exchange, height);
    const page = this.#pages.get(height) ?? { balances: new Map(), assets: null, parties: null };
    this.#pages.set(height, page);
    return page;
  }

  /** A read that was asked after the answer to another came, of one client to one node, is of no earlier height. */
  #onward({ client, node, sentAt, at }: Asked, height: number): void {
    const name = `${client} ${node}`;
    const answers = this.#heights.get(name) ?? [];
    this.#heights.set(name, answers);
    const later = answers.find((answer) => answer.at < sentAt && answer.height > height);
    if (later !== undefined)
      this.violations.push(`undone: node ${node} shows height ${height} to ${client}, after it showed ${later.height}`);
    // Only the highest of the answers so far can be contradicted, but for those that were under way meanwhile.
    if (answers.every((answer) => answer.height <= height)) answers.push({ at, height });
    if (answers.length > 64) answers.shift();
  }

  /** When everything of one height has been read: each asset sums to zero, and no account is out of its bounds. */
  #addUp(height: number, page: Page): void {
    if (!isWhole(page)) return;
    const { assets, parties, balances } = page as Page & { assets: readonly ShownAsset[]; parties: readonly string[] };
    for (const { asset, issuer, cap, circulating } of assets) {
      const sums = parties.map((party) => ({ party, balance: scaled(balances.get(party)?.[asset] ?? '0') }));
      const sum = sums.reduce((total, { balance }) => total + balance, 0n);
      if (sum !== 0n) this.violations.push(`conservation: ${asset} does not sum to zero at height ${height}`);
      const short = sums.find(({ party, balance }) => (party === issuer ? balance < -scaled(cap) : balance < 0n));
      if (short !== undefined)
        this.violations.push(`floor: ${short.party} is out of bounds in ${asset} at height ${height}`);
      const issued = sums.find(({ party }) => party === issuer)?.balance ?? 0n;
      if (issued !== -scaled(circulating))
        this.violations.push(`conservation: ${circulating} of ${asset} is said to circulate at height ${height}`);
    }
  }
}

type Of<T extends Said['request']['type']> = Asked & Extract<Said, { readonly request: { readonly type: T } }>;

const isWhole = ({ assets, parties, balances }: Page): boolean =>
  assets !== null && parties !== null && parties.every((party) => balances.has(party));

/** A decimal text as whole parts of 10^18, which is finer than any asset is. */
function scaled(text: string): bigint {
  const [whole, fraction = ''] = text.replace('-', '').split('.') as [string, string?];
  const value = BigInt(whole + fraction.padEnd(18, '0'));
  return text.startsWith('-') ? -value : value;
}

/** Objects with their members in one order. */
const canonical = (value: object): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
