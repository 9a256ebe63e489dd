/** The signer port: a validator's own Ed25519 keys, held in memory. */
import { Buffer } from 'node:buffer';
import sodium from 'sodium-native';
import { toHex } from '../../protocol/codec.js';
import { assert, type Hash } from '../../protocol/types.js';
import type { Signer } from '../ports.js';
import { bufferOf } from './native.js';

/** Signs votes with the one key and batches with the other. Both seeds have 32 bytes, and they differ. */
export function createSigner({
  voteSeed,
  networkSeed,
}: {
  readonly voteSeed: Uint8Array;
  readonly networkSeed: Uint8Array;
}): Signer {
  assert(Buffer.compare(voteSeed, networkSeed) !== 0, 'the vote key signs nothing but votes');
  const voteKey = keyPairOf(voteSeed);
  const networkKey = keyPairOf(networkSeed);
  return {
    vote: (bytes) => Promise.resolve(signWith(voteKey.secret, bytes)),
    network: (bytes) => Promise.resolve(signWith(networkKey.secret, bytes)),
  };
}

/** The public key of a seed, as the genesis file lists it. */
export const publicKeyOfSeed = (seed: Uint8Array): Hash => toHex(keyPairOf(seed).publicKey);

function keyPairOf(seed: Uint8Array): { readonly publicKey: Buffer; readonly secret: Buffer } {
  assert(seed.length === sodium.crypto_sign_SEEDBYTES, 'a seed has 32 bytes');
  const publicKey = Buffer.alloc(sodium.crypto_sign_PUBLICKEYBYTES);
  const secret = Buffer.alloc(sodium.crypto_sign_SECRETKEYBYTES);
  sodium.crypto_sign_seed_keypair(publicKey, secret, bufferOf(seed));
  return { publicKey, secret };
}

function signWith(secret: Buffer, bytes: Uint8Array): Uint8Array {
  const signature = Buffer.alloc(sodium.crypto_sign_BYTES);
  sodium.crypto_sign_detached(signature, bufferOf(bytes), secret);
  return new Uint8Array(signature);
}
