/** Banks of the virtual world: they are admitted, funded, pay each other, settle PvP, repeat themselves, and send nonsense. */
import { buildInstruction, type PayloadFields, proveKey, signInstruction } from '../node/api/signing.js';
import { canonicalBytes } from '../protocol/canonical.js';
import { utf8 } from '../protocol/codec.js';
import { type Genesis, type GenesisFile, parseGenesis } from '../protocol/genesis.js';
import { type Instruction, type JwsJson, parseInstruction } from '../protocol/instruction.js';
import { assert, type Hash } from '../protocol/types.js';
import { type SimKey, simKey } from './crypto.js';
import type { World } from './world.js';

const JURISDICTIONS = [
  { code: 'HK', authority: 'HKMAHKHHXXX', currency: 'HKD', decimals: 2, banks: ['ALFAHKHHXXX', 'BETAHKHHXXX'] },
  { code: 'CN', authority: 'PBOCCNBJXXX', currency: 'CNY', decimals: 2, banks: ['GAMACNBJXXX'] },
  { code: 'TH', authority: 'BOTHTHBKXXX', currency: 'THB', decimals: 2, banks: ['DELTTHBKXXX', 'EPSITHBKXXX'] },
  { code: 'AE', authority: 'CBAUAEAAXXX', currency: 'AED', decimals: 2, banks: ['ZETAAEAAXXX'] },
] as const;

const LEI = '5493001KJTIIGC8Y1R12';
const PARTIES: readonly string[] = JURISDICTIONS.flatMap(({ authority, banks }) => [authority, ...banks]);
const BANKS: readonly string[] = JURISDICTIONS.flatMap(({ banks }) => [...banks]);

/** Validator keys are 0..2n - 1, then one key for each party. */
const keyOf = (party: string): SimKey => simKey(100 + PARTIES.indexOf(party));
const hexKey = (index: number): Hash =>
  [...simKey(index).key].map((byte) => byte.toString(16).padStart(2, '0')).join('') as Hash;

/** A network of four central banks, each of which runs a validator. */
export function simGenesis(createdMs: number): Genesis {
  const file: GenesisFile = {
    format: 'causeway-genesis/1',
    name: 'simulated',
    created: new Date(createdMs).toISOString(),
    parameters: { skewMs: 2000 },
    authorities: JURISDICTIONS.map(({ code, authority }) => ({
      party: authority,
      name: authority,
      lei: LEI,
      jurisdiction: code,
      threshold: 1,
      keys: [keyOf(authority).jwk],
    })),
    validators: JURISDICTIONS.map(({ authority }, i) => ({
      party: authority,
      voteKey: hexKey(2 * i),
      networkKey: hexKey(2 * i + 1),
    })),
  };
  const parsed = parseGenesis(canonicalBytes(file));
  assert(parsed.ok, `the world's genesis is good: ${JSON.stringify(parsed.ok ? '' : parsed)}`);
  return parsed.genesis;
}

export class Workload {
  readonly #world: World;
  readonly #genesis: Genesis;
  readonly #sent: JwsJson[] = [];

  constructor(world: World, genesis: Genesis) {
    this.#world = world;
    this.#genesis = genesis;
  }

  async #make(fields: object, signers: readonly string[]): Promise<JwsJson> {
    const { random, nowMs } = this.#world;
    const network = this.#genesis.network;
    const built = buildInstruction({ network, id: random.uuid(), ...fields } as unknown as PayloadFields, { nowMs });
    return signInstruction(
      built,
      signers.map((party) => keyOf(party).signer),
    );
  }

  /** What opens a network for business: assets, banks, money. Each stage needs the one before it to be final. */
  async opening(): Promise<JwsJson[][]> {
    const assets: JwsJson[] = [];
    const banks: JwsJson[] = [];
    const money: JwsJson[] = [];
    for (const { code, authority, currency, decimals, banks: own } of JURISDICTIONS) {
      const asset = {
        kind: 'asset',
        asset: currency,
        class: 'wcbdc',
        name: currency,
        issuer: authority,
        jurisdiction: code,
        decimals,
        cap: '1000000000',
      };
      assets.push(await this.#make({ initiator: authority, ...asset }, [authority]));
      for (const party of own) {
        const { jwk, signer } = keyOf(party);
        const keys = [await proveKey({ network: this.#genesis.network, party, jwk }, signer)];
        const admission = {
          kind: 'participant',
          action: 'admit',
          party,
          name: party,
          lei: LEI,
          jurisdiction: code,
          keys,
          threshold: 1,
        };
        banks.push(await this.#make({ initiator: authority, ...admission }, [authority]));
      }
      for (const party of BANKS) {
        const legs = [{ from: authority, to: party, asset: currency, amount: '10000' }];
        money.push(await this.#make({ initiator: authority, kind: 'settle', mode: 'gross', legs }, [authority]));
      }
    }
    return [assets, banks, money];
  }

  /** Something a bank might send. */
  async next(): Promise<JwsJson> {
    const { random } = this.#world;
    const before = this.#sent.length > 0 ? random.pick(this.#sent) : null;
    const choice = random.between(0, 99);
    if (before !== null && choice < 10) return before;
    const jws = await this.#fresh(choice, before);
    this.#sent.push(jws);
    return jws;
  }

  async #fresh(choice: number, before: JwsJson | null): Promise<JwsJson> {
    const { random } = this.#world;
    const [a, b] = this.#two(BANKS);
    const [x, y] = this.#two(JURISDICTIONS.map(({ currency }) => currency));
    const amount = (): string => `${random.between(0, 9000)}.${random.between(10, 99)}`;
    const payment = [{ from: a, to: b, asset: x, amount: amount() }];
    const pvp = [...payment, { from: b, to: a, asset: y, amount: amount() }];
    const settle = { initiator: a, kind: 'settle', mode: 'gross' };
    if (choice < 45) return this.#make({ ...settle, legs: payment }, [a]);
    if (choice < 70) return this.#make({ ...settle, legs: pvp }, [a, b]);
    if (choice < 80) return this.#make({ ...settle, legs: pvp }, [a]);
    const named = before === null ? 'f'.repeat(64) : digestOfJws(before);
    if (choice < 90) return this.#make({ initiator: b, kind: 'consent', settlement: named }, [b]);
    if (choice < 94) return this.#make({ initiator: b, kind: 'withdraw', settlement: named }, [b]);
    if (choice < 97 && before !== null) {
      // Another payload under an id that was used: only one of the two may ever count.
      const { payload } = readJws(before);
      const { initiator, id } = payload;
      return this.#make(
        {
          initiator,
          id,
          kind: 'settle',
          mode: 'gross',
          legs: payment.map((leg) => ({ ...leg, from: initiator, to: a === initiator ? b : a })),
        },
        [initiator],
      );
    }
    return this.#make({ ...settle, legs: payment }, [b]);
  }

  #two<T>(items: readonly T[]): [T, T] {
    const first = this.#world.random.pick(items);
    return [first, this.#world.random.pick(items.filter((item) => item !== first))];
  }
}

export function readJws(jws: JwsJson): Instruction {
  const read = parseInstruction(utf8(JSON.stringify(jws)));
  assert(read.ok, `the workload makes instructions of good form: ${JSON.stringify(read)}`);
  return read.instruction;
}
const digestOfJws = (jws: JwsJson): string => readJws(jws).digest;
