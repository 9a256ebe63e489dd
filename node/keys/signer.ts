/** The signer port: a validator's own Ed25519 keys, held in memory. */
import { Buffer } from 'node:buffer';
import sodium from 'sodium-native';
import { toHex } from '../../protocol/codec.js';
import { assert, type Hash } from '../../protocol/types.js';
import type { Signer } from '../ports.js';
import { bufferOf } from './native.js';

/** Signs votes with vote keys, and what the node says with its network key. All seeds have 32 bytes, and they differ. */
export function createSigner({
  voteSeeds,
  networkSeed,
}: {
  readonly voteSeeds: readonly Uint8Array[];
  readonly networkSeed: Uint8Array;
}): Signer {
  const networkKey = keyPairOf(networkSeed);
  const votes = new Map(
    voteSeeds.map((seed) => {
      assert(Buffer.compare(seed, networkSeed) !== 0, 'a vote key signs nothing but votes');
      const { publicKey, secret } = keyPairOf(seed);
      return [toHex(publicKey), secret];
    }),
  );
  return {
    voteKeys: [...votes.keys()],
    vote: (bytes, key) => {
      const secret = votes.get(key);
      assert(secret !== undefined, 'a node votes with a key that it holds');
      return Promise.resolve(signWith(secret, bytes));
    },
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
