/** A thread that answers what-ifs in the order in which they come, and knows nothing else. */
import { parentPort } from 'node:worker_threads';
import { type WhatIfQuestion, whatIf } from '../../ledger/queue/whatif.js';
import { assert } from '../../protocol/types.js';

const port = parentPort;
assert(port !== null, 'this file runs as a thread');

port.on('message', (question: WhatIfQuestion) => port.postMessage(whatIf(question)));
