/** The banks of the bench and what they send: payments of one leg, PvP of two, signed before any clock starts. */
import sodium from 'sodium-native';
import {
  buildInstruction,
  type InstructionSigner,
  keySigner,
  type PayloadFields,
  signInstruction,
} from '../../node/api/signing.js';
import { fromBase64url } from '../../protocol/base64url.js';
import { utf8 } from '../../protocol/codec.js';
import type { JwsJson } from '../../protocol/instruction.js';
import { signingInput } from '../../protocol/jws.js';
import { assert } from '../../protocol/types.js';

export const SCENARIOS = ['payments', 'pvp'] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** Signatures on one instruction: a payment's debtor; both debtors of a PvP. */
export const SIGNATURES: Readonly<Record<Scenario, number>> = { payments: 1, pvp: 2 };

/** What a bank is, as it travels to the threads that sign for it. */
export interface BenchBank {
  readonly party: string;
  /** The place of its central bank's validator, to which it submits. */
  readonly node: number;
  /** An Ed25519 seed, made for one run. */
  readonly seed: Uint8Array;
}

/** One instruction ready to be sent. */
export interface Request {
  readonly node: number;
  readonly digest: string;
  readonly jws: JwsJson;
}

/** As the SDK's own signer, in native code: a load is signed in seconds, not in minutes. */
function nativeSigner(seed: Uint8Array): InstructionSigner {
  const { kid, alg } = keySigner('Ed25519', seed);
  const [key, secret] = [Buffer.alloc(32), Buffer.alloc(64)];
  sodium.crypto_sign_seed_keypair(key, secret, Buffer.from(seed));
  const sign = async (bytes: Uint8Array): Promise<Uint8Array> => {
    const signature = Buffer.alloc(64);
    sodium.crypto_sign_detached(signature, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), secret);
    return signature;
  };
  return { kid, alg, sign };
}

/** A source of instructions: every bank in turn pays every other, a unit at most, so that none runs dry. */
export class Traffic {
  readonly #network: string;
  readonly #banks: readonly (BenchBank & { readonly signer: InstructionSigner })[];
  #made = 0;

  constructor(network: string, banks: readonly BenchBank[]) {
    assert(banks.length > 1, 'a payment has two banks');
    this.#network = network;
    this.#banks = banks.map((bank) => ({ ...bank, signer: nativeSigner(bank.seed) }));
  }

  /** The next instruction, signed by whoever is debited. */
  async next(scenario: Scenario): Promise<Request> {
    const count = this.#banks.length;
    const turn = this.#made++;
    const payer = this.#bank(turn);
    const payee = this.#bank(turn + 1 + (Math.floor(turn / count) % (count - 1)));
    const amount = `0.${String((turn % 99) + 1).padStart(2, '0')}`;
    const hkd = { from: payer.party, to: payee.party, asset: 'HKD', amount };
    const thb = { from: payee.party, to: payer.party, asset: 'THB', amount };
    const fields: PayloadFields = {
      kind: 'settle',
      mode: 'gross',
      network: this.#network,
      initiator: payer.party,
      legs: scenario === 'pvp' ? [hkd, thb] : [hkd],
    };
    const built = buildInstruction(fields);
    const signers = scenario === 'pvp' ? [payer.signer, payee.signer] : [payer.signer];
    return { node: payer.node, digest: built.digest, jws: await signInstruction(built, signers) };
  }

  #bank(at: number): BenchBank & { readonly signer: InstructionSigner } {
    const bank = this.#banks[at % this.#banks.length];
    assert(bank !== undefined, 'banks come round');
    return bank;
  }
}

/** A request's bytes on the wire, as HTTP/1.1 has them. */
export function httpPost({ jws }: Request): Uint8Array {
  const body = utf8(JSON.stringify(jws));
  const head = utf8(
    `POST /v1/instructions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/jose+json\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

export const httpWaitFinal = (digest: string, timeoutMs: number): string =>
  `GET /v1/instructions/${digest}?wait=final&timeoutMs=${timeoutMs} HTTP/1.1\r\nhost: bench\r\n\r\n`;

/** What a validator checks for one instruction: each signature with the message that it signs. */
export function checksOf({
  jws,
}: Request): readonly { readonly message: Uint8Array; readonly signature: Uint8Array }[] {
  return jws.signatures.map((signed) => {
    const signature = fromBase64url(signed.signature);
    assert(signature !== null, 'the SDK writes base64url');
    return { message: signingInput(signed.protected, jws.payload), signature };
  });
}
