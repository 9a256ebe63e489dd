/** Who acts on a local network: central banks with their authorities' keys, and two commercial banks with keys of their own. */
import { createPrivateKey } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type InstructionSigner, keySigner } from '../../node/api/signing.js';
import { fromBase64url } from '../../protocol/base64url.js';
import type { Jwk } from '../../protocol/payload.js';
import { assert } from '../../protocol/types.js';
import type { Jurisdiction, LocalNetwork } from './network.js';
import { askCli } from './processes.js';

export interface Bank {
  readonly party: string;
  readonly name: string;
  readonly lei: string;
  readonly jurisdiction: Jurisdiction;
  readonly signer: InstructionSigner & { readonly jwk: Jwk };
}

/** The LEIs are made up; their check digits hold. One bank has a P-256 key, as HSMs make them, the other Ed25519. */
const HSBC = {
  party: 'HSBCHKHHXXX',
  name: 'HSBC Hong Kong',
  lei: '98450000BANKHSBCHK93',
  jurisdiction: 'HK',
  alg: 'ES256',
} as const;
const BANGKOK = {
  party: 'BKKBTHBKXXX',
  name: 'Bangkok Bank',
  lei: '98450000BANKBKKBTH81',
  jurisdiction: 'TH',
  alg: 'Ed25519',
} as const;

/** The key of a jurisdiction's authority. */
export const authorityOf = (network: LocalNetwork, jurisdiction: Jurisdiction): InstructionSigner =>
  signerOf(join(network.member(jurisdiction).folder, 'keys', 'authority.pem'));

/** Both banks, with keys made when there are none yet. */
export async function openBanks(network: LocalNetwork): Promise<readonly [Bank, Bank]> {
  return Promise.all([openBank(network, HSBC), openBank(network, BANGKOK)]);
}

async function openBank(network: LocalNetwork, { alg, ...bank }: typeof HSBC | typeof BANGKOK): Promise<Bank> {
  const file = keyFileOf(network, bank.party);
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    await askCli('keys', 'generate', '--out', file, '--alg', alg);
  }
  return { ...bank, signer: signerOf(file) };
}

export const keyFileOf = (network: LocalNetwork, party: string): string => join(network.dir, 'banks', `${party}.pem`);

function signerOf(file: string): InstructionSigner & { readonly jwk: Jwk } {
  const { crv, d = '' } = createPrivateKey(readFileSync(file)).export({ format: 'jwk' });
  const secret = fromBase64url(d);
  assert(secret?.length === 32, 'a key file holds a secret of 32 bytes');
  return keySigner(crv === 'P-256' ? 'ES256' : 'Ed25519', secret);
}
