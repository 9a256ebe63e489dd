/** Support of the ledger's tests: banks, instructions without real signatures, and a ledger with a disk in memory. */
import { validatorSet } from '../protocol/block.js';
import { canonicalBytes, type Json } from '../protocol/canonical.js';
import { fromHex, toHex } from '../protocol/codec.js';
import { generateKey, type PublicKey, publicKeyOf } from '../protocol/crypto.js';
import { hashOf } from '../protocol/hash.js';
import { ed25519Thumbprint, type Instruction, instructionDigest } from '../protocol/instruction.js';
import type { Jwk, Payload } from '../protocol/payload.js';
import type {
  Bic,
  Epoch,
  Hash,
  Height,
  Jurisdiction,
  NetworkId,
  Thumbprint,
  TimestampMs,
  Validator,
  ValidatorIndex,
} from '../protocol/types.js';
import { formatTime } from '../protocol/values.js';
import { type Applied, applyBlock, type Ordered } from './apply.js';
import { forgotten } from './memory.js';
import type { At } from './posting.js';
import { type Changes, type Recall, State } from './state.js';

const NETWORK = 'ab'.repeat(32) as NetworkId;
const START = 1_800_000_000_000;
export const HOUR = 3_600_000;
const SKEW_MS = 2_000;

export interface Key {
  readonly kid: Thumbprint;
  readonly jwk: Jwk;
  readonly key: Uint8Array;
}

/** Keys are derived from a name, so that every run has the same. */
function keyOf(name: string): Key {
  const { kid, jwk, key } = generateKey('Ed25519', () => fromHex(hashOf(new TextEncoder().encode(name))));
  return { kid, jwk, key };
}

export const bic = (name: string): Bic => `${name.toUpperCase().padEnd(4, 'X').slice(0, 4)}HKHHXXX` as Bic;
export const HKMA = bic('hkma');
export const BOTH = bic('both');
const keys = new Map<string, Key>();
/** The `at`-th key of a party. */
export function keyAt(party: string, at = 0): Key {
  const name = `${party}${at}`;
  const key = keys.get(name) ?? keyOf(name);
  keys.set(name, key);
  return key;
}

/** The `at`-th vote key of a party, and the `at`-th key of a node of it. */
export const voteKeyAt = (party: string, at = 0): Key => keyAt(`${party}vote`, at);
export const nodeKeyAt = (party: string, at = 0): Key => keyAt(`${party}node`, at);
/** A member of a set, by the serial numbers of its keys. */
export const member = (party: string, vote = 0, node = 0): Validator => ({
  party: party as Bic,
  voteKey: toHex(voteKeyAt(party, vote).key),
  networkKey: toHex(nodeKeyAt(party, node).key) as Validator['networkKey'],
});
export const ECBB = bic('ecbb');
export const SAMA = bic('sama');
/** The set of the genesis: two authorities, and two parties that the ledger knows by their nodes alone. */
export const MEMBERS: readonly Validator[] = [HKMA, BOTH, ECBB, SAMA].map((party) => member(party));

export const AUTHORITIES: readonly (readonly [Bic, string])[] = [
  [HKMA, 'HK'],
  [BOTH, 'TH'],
];

/** A disk in memory: what `Changes` wrote. */
class Disk implements Recall {
  readonly state = new Map<string, Uint8Array>();
  readonly ids = new Map<string, Uint8Array>();

  get(key: Uint8Array): Uint8Array | undefined {
    return this.ids.get(toHex(key));
  }

  write({ state, ids, expired }: Changes): void {
    for (const { key, value } of state) {
      if (value === null) this.state.delete(toHex(key));
      else this.state.set(toHex(key), value);
    }
    for (const { key, value } of ids) this.ids.set(toHex(key), value);
    if (expired === null) return;
    const [from, to] = [toHex(expired.from), toHex(expired.to)];
    for (const [name, list] of [...this.ids].filter(([name]) => name >= from && name < to)) {
      for (const key of forgotten(fromHex(name), list, this)) this.ids.delete(toHex(key));
    }
  }

  copy(): Disk {
    const copy = new Disk();
    for (const [key, value] of this.state) copy.state.set(key, value);
    for (const [key, value] of this.ids) copy.ids.set(key, value);
    return copy;
  }

  entries(): [Uint8Array, Uint8Array][] {
    return [...this.state].map(([key, value]) => [fromHex(key), value]);
  }
}

export type Draft = { readonly [member: string]: Json | undefined } & {
  readonly kind: Payload['kind'];
  readonly initiator: string;
};
let serial = 0;
export const uuid = (at: number = ++serial): string => `00000000-0000-4000-8000-${at.toString(16).padStart(12, '0')}`;

/** An instruction signed by `signers`' keys; by default by the initiator's first key. */
export function order(
  time: number,
  draft: Draft,
  signed: readonly Thumbprint[] = [keyAt(draft.initiator).kid],
): Ordered {
  const issuedMs = (draft['issued'] === undefined ? time - 1000 : Date.parse(draft['issued'] as string)) as TimestampMs;
  const expiresMs = (
    draft['expires'] === undefined ? time + HOUR : Date.parse(draft['expires'] as string)
  ) as TimestampMs;
  const common = { network: NETWORK, id: uuid(), issued: formatTime(issuedMs), expires: formatTime(expiresMs) };
  const payload = { ...common, ...draft } as unknown as Payload;
  const payloadBytes = canonicalBytes(payload);
  const possessions = newKeysOf(payload).map(({ kid, alg, key }) => ({
    kid,
    alg,
    key,
    signingInput: new Uint8Array(),
    signature: new Uint8Array(64),
  }));
  const digest = instructionDigest(payloadBytes);
  const instruction: Instruction = { digest, payload, payloadBytes, issuedMs, expiresMs, signatures: [], possessions };
  return { instruction, signed, possessed: possessions.map(({ kid }) => kid) };
}

/** The keys that come with a proof, in their order. */
function newKeysOf(payload: Payload): (PublicKey & { readonly kid: Thumbprint })[] {
  if (payload.kind === 'govern') {
    return payload.change.validators
      .filter(({ possession }) => possession !== undefined)
      .map(({ voteKey }) => ({ alg: 'Ed25519', key: fromHex(voteKey), kid: ed25519Thumbprint(fromHex(voteKey)) }));
  }
  return ('keys' in payload ? payload.keys : []).map(({ jwk }) => {
    const key = publicKeyOf(jwk);
    if (!key.ok) throw new Error(key.detail);
    return key;
  });
}

export const kidsOf = (...parties: readonly string[]): Thumbprint[] => parties.map((party) => keyAt(party).kid);
export const newKey = (party: string, at = 0): Json => ({
  jwk: { ...keyAt(party, at).jwk },
  possession: { protected: 'AA', signature: 'AA' },
});

/** The same item with other facts. */
export const signedBy = (ordered: Ordered, ...kids: readonly Thumbprint[]): Ordered => ({ ...ordered, signed: kids });

/** A ledger, of two authorities (HK, TH) unless told, that goes on block by block, one second each unless told. */
export class Book {
  disk = new Disk();
  state: State;
  height = 0;
  time = START;
  /** Whose the next blocks are; by default everybody's in turn. */
  proposer: number | null = null;

  constructor(authorities: readonly (readonly [Bic, string])[] = AUTHORITIES) {
    this.state = State.genesis(
      {
        network: NETWORK,
        created: START as TimestampMs,
        skewMs: SKEW_MS,
        validators: validatorSet(0 as Epoch, MEMBERS),
        authorities: authorities.map(([party, jurisdiction]) => ({
          party,
          name: `Authority of ${jurisdiction}`,
          lei: '5493001KJTIIGC8Y1R12',
          jurisdiction: jurisdiction as Jurisdiction,
          threshold: 1,
          keys: [keyAt(party).jwk],
        })),
      },
      this.disk,
    );
    this.commit(this.state);
  }

  /** The same ledger once more, on a disk of its own. */
  fork(): Book {
    const copy = Object.assign(Object.create(Book.prototype) as Book, {
      disk: this.disk.copy(),
      height: this.height,
      time: this.time,
      proposer: this.proposer,
    });
    copy.state = State.load(copy.disk.entries(), copy.disk);
    return copy;
  }

  /** The block after the last committed one, not committed. */
  try(lanes: readonly (readonly (Ordered | null)[])[], afterMs = 1000): Applied {
    return applyBlock(this.state, this.next(afterMs), lanes);
  }
  /** Where the next block would stand. */
  next(afterMs = 1000): At {
    const height = (this.height + 1) as Height;
    const proposer = (this.proposer ?? height % this.state.members().length) as ValidatorIndex;
    return { height, time: (this.time + afterMs) as TimestampMs, proposer };
  }

  /** Applies and commits a block of one lane. */
  block(...items: readonly Ordered[]): Applied {
    return this.lanes([items]);
  }
  lanes(lanes: readonly (readonly (Ordered | null)[])[], afterMs = 1000): Applied {
    const applied = this.try(lanes, afterMs);
    this.height += 1;
    this.time += afterMs;
    this.commit(applied.state);
    return applied;
  }
  /** An empty block so much later. */
  pass(afterMs: number): Applied {
    return this.lanes([], afterMs);
  }

  commit(state: State): void {
    this.disk.write(state.changes());
    state.commit();
    this.state = state;
  }

  order(draft: Draft, ...signers: readonly string[]): Ordered {
    return order(this.time, draft, signers.length === 0 ? undefined : kidsOf(...signers));
  }
  leg(from: string, to: string, amount: string, asset = 'HKD'): Json {
    return { from, to, asset, amount };
  }
  settle(
    initiator: string,
    legs: readonly Json[],
    signers: readonly string[] = [initiator],
    more: Partial<Draft> = {},
  ): Ordered {
    return this.order({ kind: 'settle', initiator, mode: 'gross', legs: [...legs], ...more }, ...signers);
  }
  /** In mode `queue`, to settle within a day unless told. */
  queue(
    initiator: string,
    legs: readonly Json[],
    signers: readonly string[] = [initiator],
    more: Partial<Draft> = {},
  ): Ordered {
    const settleBy = formatTime(this.time + 24 * HOUR);
    return this.settle(initiator, legs, signers, { mode: 'queue', settleBy, ...more });
  }
  pay(from: string, to: string, amount: string, asset = 'HKD'): Ordered {
    return this.settle(from, [this.leg(from, to, amount, asset)]);
  }
  admit(party: string, jurisdiction = 'HK', more: Partial<Draft> = {}): Ordered {
    const initiator = jurisdiction === 'HK' ? HKMA : BOTH;
    const draft = {
      kind: 'participant',
      action: 'admit',
      initiator,
      party,
      name: `Bank ${party}`,
      lei: '5493001KJTIIGC8Y1R12',
      jurisdiction,
    } as const;
    return this.order({ ...draft, keys: [newKey(party)], threshold: 1, ...more });
  }
  asset(code: string, initiator: string, more: Partial<Draft> = {}, ...signers: readonly string[]): Ordered {
    const draft = {
      kind: 'asset',
      initiator,
      asset: code,
      class: 'wcbdc',
      name: code,
      issuer: initiator,
      decimals: 2,
      cap: '1000000.00',
    } as const;
    return this.order({ ...draft, jurisdiction: initiator === BOTH ? 'TH' : 'HK', ...more }, ...signers);
  }
  /** Asks for a set. A vote key that its member does not have now comes with a proof. */
  govern(
    initiator: string,
    next: readonly Validator[],
    signers: readonly string[] = [initiator],
    more: Partial<Draft> = {},
  ): Ordered {
    const current = this.state.members();
    const validators = next.map((each) => ({
      ...each,
      ...(current.some(({ voteKey }) => voteKey === each.voteKey) ? {} : { possession: '00'.repeat(64) }),
    }));
    return this.order({ kind: 'govern', initiator, change: { type: 'validators', validators }, ...more }, ...signers);
  }
  /** A node says that it is ready, by its own key. */
  ready(party: string, change: Ordered, node = 0): Ordered {
    const draft = { kind: 'ready', initiator: party, change: change.instruction.digest } as const;
    return order(this.time, draft, [nodeKeyAt(party, node).kid]);
  }
  /** Registers nodes' keys for a party. */
  addNode(party: string, from = 0, count = 1): Ordered {
    const keys = Array.from({ length: count }, (_, at) => newKey(`${party}node`, from + at));
    return this.order({ kind: 'key', action: 'node', initiator: party, party, keys });
  }
  balance(party: string, asset = 'HKD'): bigint {
    return this.state.account(party, asset)?.balance ?? 0n;
  }
}

export const ALFA = bic('alfa');
export const BETA = bic('beta');
export const GAMA = bic('gama');

/** A book with HKD and THB, three banks, and 1,000.00 of each at ALFA and BETA. */
export function funded(): Book {
  template ??= fundedAfresh();
  return template.fork();
}
let template: Book | null = null;

function fundedAfresh(): Book {
  const book = new Book();
  book.block(
    book.asset('HKD', HKMA),
    book.asset('THB', BOTH),
    book.admit(ALFA),
    book.admit(BETA, 'TH'),
    book.admit(GAMA),
  );
  book.block(
    book.pay(HKMA, ALFA, '1000'),
    book.pay(HKMA, BETA, '1000'),
    book.pay(BOTH, ALFA, '1000', 'THB'),
    book.pay(BOTH, BETA, '1000', 'THB'),
  );
  return book;
}

/** The codes of a block's receipts, in their order. */
export const codes = (applied: Applied): string[] => applied.receipts.map((receipt) => receipt.code);
export const codesOf = (applied: Applied, { instruction }: Ordered): string[] =>
  applied.receipts.filter((receipt) => receipt.digest === instruction.digest).map((receipt) => receipt.code);
export const hash = (text: string): Hash => hashOf(new TextEncoder().encode(text));
