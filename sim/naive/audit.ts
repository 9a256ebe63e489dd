/**
 * The law of ledger/SPEC.md, recomputed from what the ledger told the world: which settlements its receipts say have
 * settled, and what legs their payloads have. It judges no right, so it shares no mistake with who did.
 */
import { decode, fromUtf8 } from '../../protocol/codec.js';
import type { Genesis } from '../../protocol/genesis.js';
import { instructionDigest } from '../../protocol/instruction.js';
import { PAYLOAD_BYTES_MAX } from '../../protocol/limits.js';
import type { Leg, Payload, PayloadOf } from '../../protocol/payload.js';
import { formatAmount, parseAmount } from '../../protocol/values.js';
import type { OrderedBlock } from './ledger.js';

interface Told {
  readonly digest: string;
  readonly initiator: string;
  readonly id: string;
  readonly code: string;
}

type Amends = NonNullable<Extract<PayloadOf<'settle'>, { mode: 'gross' }>['amends']>;

/** What the audit reads of a node's state. */
interface Accounts {
  assets(): readonly {
    readonly asset: string;
    readonly issuer: string;
    readonly decimals: number;
    readonly cap: bigint;
  }[];
  participants(): readonly { readonly party: string }[];
  account(party: string, asset: string): { readonly balance: bigint } | undefined;
}

/** Before the payload in an item. */
const LENGTH_BYTES = 4;
const DAY_MS = 86_400_000;
const OPEN: ReadonlySet<string> = new Set([
  'proposed',
  'waiting',
  'approved',
  'scheduled',
  'queued',
  'locked',
  'part_settled',
  'amended',
]);

export class Audit {
  readonly #reportTo: (violation: string) => void;
  readonly #skewMs: number;
  /** Bytes of every payload that was ordered, by digest. */
  readonly #payloads = new Map<string, Uint8Array>();
  readonly #codes = new Map<string, string>();
  /** By initiator and id: who used it, and when that last had a result. */
  readonly #ids = new Map<string, { readonly digest: string; readonly time: number }>();
  readonly #assets = new Map<string, { readonly issuer: string; readonly decimals: number; cap: bigint }>();
  readonly #balances = new Map<string, bigint>();
  /** By digest, how many parts of a settlement have settled. */
  readonly #parts = new Map<string, number>();
  /** Digests of what is locked, and what that holds of each account. */
  readonly #locked = new Set<string>();
  readonly #held = new Map<string, bigint>();
  /** By digest and part, the legs that settlements which amended it have left it. */
  readonly #amended = new Map<string, readonly Leg[]>();
  /** By account: what it held from a height on, ascending. */
  readonly #past = new Map<string, { readonly height: number; readonly balance: bigint }[]>();
  #isBroken = false;

  constructor(genesis: Genesis, report: (violation: string) => void) {
    this.#skewMs = genesis.parameters.skewMs;
    this.#reportTo = report;
  }

  /** The first finding only: what follows from it says nothing new. */
  #report(violation: string): void {
    if (!this.#isBroken) this.#reportTo(violation);
    this.#isBroken = true;
  }

  /** A block with the receipts that it is said to have. */
  apply({ height, time, lanes }: OrderedBlock, receipts: readonly Told[]): void {
    for (const item of lanes.flat()) {
      const payload = decode(item, (reader) => {
        const bytes = reader.bytes(PAYLOAD_BYTES_MAX);
        reader.raw(item.length - bytes.length - LENGTH_BYTES);
        return bytes;
      });
      if (payload !== null) this.#payloads.set(instructionDigest(payload), payload);
    }
    // In the order in which the results came about, which is also that of their effects.
    const touched = new Map<string, string>();
    for (const receipt of receipts) {
      this.#once(receipt, height, time);
      if (receipt.code === 'locked') this.#lock(receipt.digest, 1n, touched);
      else if (this.#locked.has(receipt.digest)) this.#lock(receipt.digest, -1n, touched);
      if (receipt.code === 'settled' || receipt.code === 'part_settled') this.#post(receipt, height, touched);
      if (receipt.code === 'applied') this.#define(receipt.digest);
    }
    // What settles together holds together: past the queue, accounts are within their bounds.
    for (const [name, digest] of touched) {
      this.#bound(name, digest, height);
      const past = this.#past.get(name) ?? [];
      past.push({ height, balance: this.#balances.get(name) ?? 0n });
      this.#past.set(name, past);
    }
  }

  /** A digest has results until one is final, then none; and an id has one digest while it is remembered. */
  #once({ digest, initiator, id, code }: Told, height: number, time: number): void {
    const before = this.#codes.get(digest);
    if (before !== undefined && !OPEN.has(before))
      this.#report(`once: ${digest} ended as ${before}, and again as ${code} at height ${height}`);
    this.#codes.set(digest, code);
    const name = `${initiator}/${id}`;
    const used = this.#ids.get(name);
    if (used !== undefined && used.digest !== digest && time <= used.time + DAY_MS + this.#skewMs)
      this.#report(`once: ${name} stands for ${used.digest}, and for ${digest} at height ${height}`);
    this.#ids.set(name, { digest, time });
    if (!this.#payloads.has(digest))
      this.#report(`once: ${digest} has a receipt at height ${height}, and was never ordered`);
  }

  #payload(digest: string): Payload | null {
    const bytes = this.#payloads.get(digest);
    return bytes === undefined ? null : (JSON.parse(fromUtf8(bytes)) as Payload);
  }

  #define(digest: string): void {
    const payload = this.#payload(digest);
    if (payload?.kind !== 'asset') return;
    const cap = parseAmount(payload.cap, payload.decimals) ?? 0n;
    this.#assets.set(payload.asset, { issuer: payload.issuer, decimals: payload.decimals, cap });
  }

  /** All legs of what settled; `touched` has the last that moved each account. */
  #post({ digest, code }: Told, height: number, touched: Map<string, string>): void {
    const payload = this.#payload(digest);
    if (payload?.kind !== 'settle') {
      this.#report(`all or none: ${digest} settled at height ${height}, and is no settlement`);
      return;
    }
    const part = this.#parts.get(digest) ?? 0;
    this.#parts.set(digest, part + 1);
    const linked = payload.mode === 'queue' ? (payload.linked ?? []) : [];
    const amended = this.#amended.get(`${digest} ${part + 1}`);
    // In lots one settles with each receipt, and with the last all that are left.
    const lots = payload.mode === 'queue' && amended === undefined ? (payload.lots ?? 1) : 1;
    const share = BigInt(code === 'settled' && lots > 1 ? lots - part : 1);
    const legs = amended ?? (lots > 1 ? payload : [payload, ...linked][part])?.legs ?? [];
    if (legs.length === 0) this.#report(`once: ${digest} settled more parts than it has, at height ${height}`);
    for (const { from, to, asset, amount } of legs) {
      const minor = parseAmount(amount, this.#assets.get(asset)?.decimals ?? 0);
      if (minor === null) {
        this.#report(`all or none: ${digest} settled at height ${height} with ${amount} of ${asset}`);
        return;
      }
      const moved = (minor / BigInt(lots)) * share;
      touched.set(this.#move(from, asset, 0n - moved), digest);
      touched.set(this.#move(to, asset, moved), digest);
    }
    if (payload.mode === 'queue') return;
    if (payload.mode === 'gross' && payload.amends !== undefined) this.#amend(payload.amends, height);
    for (const { from, to, asset } of legs)
      for (const party of [from, to]) this.#bound(`${party}/${asset}`, digest, height);
  }

  /** What a lock debits in sum is kept for it, from when it is locked until it ends. */
  #lock(digest: string, by: 1n | -1n, touched: Map<string, string>): void {
    if (by === 1n) this.#locked.add(digest);
    else this.#locked.delete(digest);
    const payload = this.#payload(digest);
    if (payload?.kind !== 'settle' || payload.mode !== 'lock') {
      this.#report(`holds: ${digest} is locked, and is no lock`);
      return;
    }
    const sums = new Map<string, bigint>();
    for (const { from, to, asset, amount } of payload.legs) {
      const minor = parseAmount(amount, this.#assets.get(asset)?.decimals ?? 0) ?? 0n;
      for (const [party, own] of [
        [from, 0n - minor],
        [to, minor],
      ] as const)
        sums.set(`${party}/${asset}`, (sums.get(`${party}/${asset}`) ?? 0n) + own);
    }
    for (const [name, sum] of sums) {
      if (sum >= 0n) continue;
      this.#held.set(name, (this.#held.get(name) ?? 0n) - by * sum);
      touched.set(name, digest);
    }
  }

  /** The legs that a settlement replaces are those of the part that is next there, and none that has settled. */
  #amend({ settlement, part, replaces, legs }: Amends, height: number): void {
    const payload = this.#payload(settlement);
    const linked = payload?.kind === 'settle' && payload.mode === 'queue' ? (payload.linked ?? []) : [];
    const name = `${settlement} ${part}`;
    const before = this.#amended.get(name) ?? this.#lotsLeft(payload, part) ?? linked[part - 2]?.legs ?? [];
    const code = this.#codes.get(settlement);
    if (code === undefined || !OPEN.has(code) || this.#parts.get(settlement) !== part - 1)
      this.#report(`amendment: part ${part} of ${settlement} was not next at height ${height}`);
    if (JSON.stringify(this.#minor(before)) !== JSON.stringify(this.#minor(replaces)))
      this.#report(`amendment: part ${part} of ${settlement} had other legs at height ${height}`);
    this.#amended.set(name, legs);
  }

  /** Of what comes in lots the legs of those that are left before a part, or null. */
  #lotsLeft(payload: Payload | null, part: number): readonly Leg[] | null {
    if (payload?.kind !== 'settle' || payload.mode !== 'queue' || payload.lots === undefined) return null;
    const { lots } = payload;
    return payload.legs.map((leg) => {
      const decimals = this.#assets.get(leg.asset)?.decimals ?? 0;
      const minor = parseAmount(leg.amount, decimals) ?? 0n;
      return { ...leg, amount: formatAmount((minor / BigInt(lots)) * BigInt(lots - part + 1), decimals) };
    });
  }

  /** Amounts are texts, and of some there are several. */
  #minor(legs: readonly Leg[]): readonly (readonly string[])[] {
    return legs.map(({ from, to, asset, amount }) => {
      const minor = parseAmount(amount, this.#assets.get(asset)?.decimals ?? 0);
      return [from, to, asset, `${minor}`];
    });
  }

  /** What an account held once the block of that height was final; null for an asset that nobody defined. */
  balanceAt(height: number, party: string, asset: string): string | null {
    const decimals = this.#assets.get(asset)?.decimals;
    if (decimals === undefined) return null;
    const past = this.#past.get(`${party}/${asset}`) ?? [];
    return formatAmount(past.findLast((one) => one.height <= height)?.balance ?? 0n, decimals);
  }

  #move(party: string, asset: string, by: bigint): string {
    const name = `${party}/${asset}`;
    this.#balances.set(name, (this.#balances.get(name) ?? 0n) + by);
    return name;
  }

  #bound(name: string, digest: string, height: number): void {
    const [party, code] = name.split('/') as [string, string];
    const balance = this.#balances.get(name) ?? 0n;
    const held = this.#held.get(name) ?? 0n;
    const asset = this.#assets.get(code);
    if (party !== asset?.issuer && balance < held)
      this.#report(
        `floor: ${party} holds ${balance} of ${code}, ${held} of it for locks, after ${digest} at height ${height}`,
      );
    if (party === asset?.issuer && balance - held < -asset.cap)
      this.#report(
        `cap: ${-balance} of ${code} circulates after ${digest} at height ${height}, the cap being ${asset.cap}`,
      );
  }

  /** Every balance of a node's state is what the legs make it, and each asset sums to zero. */
  compare(state: Accounts, height: number, node: number): void {
    const parties = state.participants().map(({ party }) => party);
    for (const { asset, issuer, cap } of state.assets()) {
      let sum = 0n;
      for (const party of parties) {
        const balance = state.account(party, asset)?.balance ?? 0n;
        sum += balance;
        const own = this.#balances.get(`${party}/${asset}`) ?? 0n;
        if (own !== balance)
          this.#report(
            `all or none: ${party} has ${balance} of ${asset} on node ${node} at height ${height}; the legs settled make ${own}`,
          );
        if (party === issuer ? balance < -cap : balance < 0n)
          this.#report(`floor: ${party} holds ${balance} of ${asset} on node ${node} at height ${height}`);
      }
      if (sum !== 0n) this.#report(`conservation: ${asset} sums to ${sum} on node ${node} at height ${height}`);
    }
  }
}
