/** A thread that does nothing but check signatures of a bench's instructions, for as long as it is told. */
import { parentPort, workerData } from 'node:worker_threads';
import sodium from 'sodium-native';
import { assert } from '../../protocol/types.js';
import { type BenchBank, checksOf, type Scenario, Traffic } from './traffic.js';

export interface BareLoopData {
  readonly network: string;
  readonly banks: readonly BenchBank[];
  readonly scenario: Scenario;
  readonly durationMs: number;
}
/** First `ready`, and once it is told to go, the checks made in how many milliseconds. */
export type BareLoopAnswer = 'ready' | { readonly checks: number; readonly elapsedMs: number };

const SAMPLES = 256;
const { network, banks, scenario, durationMs } = workerData as BareLoopData;
const port = parentPort;
assert(port !== null, 'this file runs as a thread');

const traffic = new Traffic(network, banks);
const keys = new Map(banks.map(({ party, seed }) => [party, publicKey(seed)]));
const checks: { readonly key: Buffer; readonly message: Buffer; readonly signature: Buffer }[] = [];
while (checks.length < SAMPLES) {
  const request = await traffic.next(scenario);
  const payload = JSON.parse(Buffer.from(request.jws.payload, 'base64url').toString()) as { legs: { from: string }[] };
  checksOf(request).forEach(({ message, signature }, i) => {
    const key = keys.get(payload.legs[i]?.from ?? '');
    assert(key !== undefined, 'each leg is signed by whom it debits');
    checks.push({ key, message: Buffer.from(message), signature: Buffer.from(signature) });
  });
}

function publicKey(seed: Uint8Array): Buffer {
  const [key, secret] = [Buffer.alloc(32), Buffer.alloc(64)];
  sodium.crypto_sign_seed_keypair(key, secret, Buffer.from(seed));
  return key;
}

port.once('message', () => {
  const started = performance.now();
  let made = 0;
  while (performance.now() - started < durationMs) {
    for (const { key, message, signature } of checks) {
      assert(sodium.crypto_sign_verify_detached(signature, message, key), 'the bench signs well');
    }
    made += checks.length;
  }
  port.postMessage({ checks: made, elapsedMs: performance.now() - started } satisfies BareLoopAnswer);
});
port.postMessage('ready' satisfies BareLoopAnswer);
