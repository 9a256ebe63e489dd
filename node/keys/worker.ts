/** A thread of the verifier pool: answers parcels in the order in which they come, and knows nothing else. */
import { parentPort } from 'node:worker_threads';
import { assert } from '../../protocol/types.js';
import { createNativeCheck } from './native.js';
import { answer } from './wire.js';

const port = parentPort;
assert(port !== null, 'this file runs as a thread');
const check = createNativeCheck();

port.on('message', (parcel: ArrayBuffer) => {
  const out = answer(parcel, check);
  port.postMessage(out, [out.buffer]);
});
