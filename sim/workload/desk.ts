/** What a bank of the virtual world has on its desk: its keys, what it sent, what it may answer. */
import {
  buildInstruction,
  type InstructionSigner,
  type PayloadFields,
  proveKey,
  signInstruction,
} from '../../node/api/signing.js';
import { toBase64url } from '../../protocol/base64url.js';
import { utf8 } from '../../protocol/codec.js';
import type { Genesis } from '../../protocol/genesis.js';
import { type Instruction, type JwsJson, listLeaf, parseInstruction } from '../../protocol/instruction.js';
import { listStatement, protectedTextOf, signingInput } from '../../protocol/jws.js';
import { merklePath, merkleRoot } from '../../protocol/merkle.js';
import { timeScaleOf } from '../../protocol/networktime.js';
import type { NewKey } from '../../protocol/payload.js';
import { assert } from '../../protocol/types.js';
import { formatTime } from '../../protocol/values.js';
import type { SimKey } from '../crypto.js';
import type { Random } from '../random.js';
import { type Jurisdiction, laterKey, newcomersOf, partyKey, startOf } from './parties.js';

/** What a workload takes from its world. */
export interface Surroundings {
  readonly random: Random;
  /** The network's time. */
  readonly nowMs: number;
  /** Whether signatures are made with the keys' secrets. */
  readonly realSignatures?: boolean;
}

/** The keys that a party believes to have, and the threshold that it believes to be under. */
interface Ring {
  keys: SimKey[];
  threshold: number;
}

export interface LegFields {
  readonly from: string;
  readonly to: string;
  readonly asset: string;
  readonly amount: string;
}

/** A settlement that not all have consented to. */
interface Proposal {
  readonly jws: JwsJson;
  readonly missing: readonly string[];
}

/** A settlement that may be locked, and what settles it. */
interface Held {
  readonly jws: JwsJson;
  readonly preimage: string;
}
/** A repo whose collateral may be changed. */
export interface Loan {
  readonly jws: JwsJson;
  readonly borrower: string;
  readonly lender: string;
  /** Of the part that is still to settle, as those who made the last change believe: what goes back, and the cash. */
  legs: readonly LegFields[];
}

/** How much of the past is remembered, to be repeated and answered. */
const SENT_MAX = 200;
const PROPOSALS_MAX = 40;

export class Desk {
  readonly network: string;
  readonly genesis: Genesis;
  readonly jurisdictions: readonly Jurisdiction[];
  readonly #around: Surroundings;
  readonly #rings = new Map<string, Ring>();
  readonly #admitted: string[] = [];
  readonly #sent: JwsJson[] = [];
  readonly #proposals: Proposal[] = [];
  readonly #queued: JwsJson[] = [];
  readonly #locked: Held[] = [];
  readonly #loans: Loan[] = [];
  /** By how much the clock of who signs now is ahead. */
  clockAheadMs = 0;
  #made = 0;

  constructor(around: Surroundings, genesis: Genesis, jurisdictions: readonly Jurisdiction[]) {
    this.#around = around;
    this.network = genesis.network;
    this.genesis = genesis;
    this.jurisdictions = jurisdictions;
  }

  get random(): Random {
    return this.#around.random;
  }
  get nowMs(): number {
    return this.#around.nowMs;
  }

  get banks(): readonly string[] {
    return [...this.jurisdictions.flatMap(({ banks }) => [...banks]), ...this.#admitted];
  }
  get currencies(): readonly string[] {
    return this.jurisdictions.map(({ currency }) => currency);
  }
  decimalsOf(asset: string): number {
    return this.jurisdictions.find(({ currency }) => currency === asset)?.decimals ?? 2;
  }
  authorityOver(party: string): string {
    const home = this.jurisdictions.find(({ code }) => code === party.slice(4, 6));
    assert(home !== undefined, `${party} lives somewhere`);
    return home.authority;
  }

  ring(party: string): Ring {
    const known = this.#rings.get(party);
    if (known !== undefined) return known;
    const { keys, threshold } = startOf(party);
    const ring = { keys: Array.from({ length: keys }, (_, slot) => partyKey(party, slot)), threshold };
    this.#rings.set(party, ring);
    return ring;
  }

  /** A key that nobody had before. */
  freshKey(): SimKey {
    this.#made += 1;
    return laterKey(this.#made);
  }

  signerOf({ signer, realSigner }: SimKey): InstructionSigner {
    return this.#around.realSignatures === true ? realSigner : signer;
  }

  prove(party: string, key: SimKey): Promise<NewKey> {
    return proveKey({ network: this.network, party, jwk: key.jwk }, this.signerOf(key));
  }

  /** The next bank that is not admitted yet, with its authority; null when all are. */
  newcomer(): { readonly party: string; readonly home: Jurisdiction } | null {
    for (const home of this.jurisdictions) {
      const party = newcomersOf(home).find((name) => !this.#admitted.includes(name));
      if (party !== undefined) {
        this.#admitted.push(party);
        return { party, home };
      }
    }
    return null;
  }

  /** As many keys of each party as its threshold asks for. */
  signersOf(parties: readonly string[]): InstructionSigner[] {
    return parties.flatMap((party) => {
      const { keys, threshold } = this.ring(party);
      const first = this.random.between(0, keys.length - 1);
      return [...keys.slice(first), ...keys.slice(0, first)].slice(0, threshold).map((key) => this.signerOf(key));
    });
  }

  /** An instruction signed for these parties. Fields may set id and times; `validityMs` the time from issue to expiry. */
  async make(fields: object, signers: readonly string[], validityMs?: number): Promise<JwsJson> {
    return signInstruction(this.build(fields, validityMs), this.signersOf(signers));
  }

  build(fields: object, validityMs?: number): ReturnType<typeof buildInstruction> {
    return buildInstruction({ network: this.network, id: this.random.uuid(), ...fields } as unknown as PayloadFields, {
      nowMs: this.nowMs + this.clockAheadMs,
      timeScale: timeScaleOf(this.genesis),
      ...(validityMs !== undefined && { validityMs }),
    });
  }

  /** Several instructions of one party under one signature over their list. */
  async signList(
    party: string,
    payloads: readonly Uint8Array[],
    digests: readonly Instruction['digest'][],
  ): Promise<JwsJson[]> {
    const leaves = digests.map(listLeaf);
    const statement = listStatement(this.network as Genesis['network'], leaves.length, merkleRoot(leaves));
    const signatures = await Promise.all(
      this.signersOf([party]).map(async (signer) => {
        const header = protectedTextOf({ alg: signer.alg, kid: signer.kid, typ: 'causeway-list+json' });
        const signature = await signer.sign(signingInput(header, statement));
        return { protected: header, signature: toBase64url(signature) };
      }),
    );
    return payloads.map((payload, index) => {
      const list = { index, count: leaves.length, path: merklePath(leaves, index).siblings };
      return { payload: toBase64url(payload), signatures: signatures.map((signature) => ({ ...signature, list })) };
    });
  }

  /** RFC 3339, so many milliseconds from now. */
  inMs(ms: number): string {
    return formatTime(this.nowMs + ms);
  }

  two<T>(items: readonly T[]): [T, T] {
    const first = this.random.pick(items);
    return [first, this.random.pick(items.filter((item) => item !== first))];
  }

  /** A decimal amount between two whole numbers of major units. */
  amount(asset: string, least: number, most: number): string {
    const whole = this.random.between(least, most);
    const decimals = this.decimalsOf(asset);
    const fraction = this.random.between(1, 9).toString().padStart(decimals, '0');
    return decimals === 0 ? `${Math.max(1, whole)}` : `${whole}.${fraction}`;
  }

  sent(jws: JwsJson): void {
    this.#sent.push(jws);
    if (this.#sent.length > SENT_MAX) this.#sent.shift();
  }
  before(): JwsJson | null {
    return this.#sent.length === 0 ? null : this.random.pick(this.#sent);
  }
  proposed(jws: JwsJson, missing: readonly string[]): void {
    this.#proposals.push({ jws, missing });
    if (this.#proposals.length > PROPOSALS_MAX) this.#proposals.shift();
  }
  /** That a settlement was sent which may wait in the queue. */
  queued(jws: JwsJson): void {
    this.#queued.push(jws);
    if (this.#queued.length > PROPOSALS_MAX) this.#queued.shift();
  }
  inQueue(): JwsJson | null {
    return this.#queued.length === 0 ? null : this.random.pick(this.#queued);
  }
  /** That a settlement was sent which waits for this preimage. */
  locked(jws: JwsJson, preimage: string): void {
    this.#locked.push({ jws, preimage });
    if (this.#locked.length > PROPOSALS_MAX) this.#locked.shift();
  }
  lock(): Held | null {
    return this.#locked.length === 0 ? null : this.random.pick(this.#locked);
  }
  lent(loan: Loan): void {
    this.#loans.push(loan);
    if (this.#loans.length > PROPOSALS_MAX) this.#loans.shift();
  }
  loan(): Loan | null {
    return this.#loans.length === 0 ? null : this.random.pick(this.#loans);
  }
  proposal(): Proposal | null {
    return this.#proposals.length === 0 ? null : this.random.pick(this.#proposals);
  }
}

export function readJws(jws: JwsJson): Instruction {
  const read = parseInstruction(utf8(JSON.stringify(jws)));
  // The text is made either way, and an instruction is long.
  assert(read.ok, `the workload makes instructions of good form: ${read.ok ? '' : JSON.stringify(read)}`);
  return read.instruction;
}
