/** The parts of the bench. The whole of it, short, is a step of `.ci/run`. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { keySigner } from '../../node/api/signing.js';
import { utf8 } from '../../protocol/codec.js';
import { rawKeyOf, verifyReference } from '../../protocol/crypto.js';
import { hashOf } from '../../protocol/hash.js';
import { parseInstruction } from '../../protocol/instruction.js';
import { percentileOf } from '../percentile.js';
import { type BenchBank, checksOf, httpPost, SCENARIOS, SIGNATURES, Traffic } from './traffic.js';
import { valueOf } from './world.js';

const banks = ['A', 'B', 'C', 'D'].map(
  (letter, node): BenchBank => ({ party: `BNK${letter}HK22XXX`, node, seed: randomBytes(32) }),
);

for (const scenario of SCENARIOS) {
  t.test(`what is sent as ${scenario} is what a bank would send`, async (t) => {
    const traffic = new Traffic(hashOf(utf8('network')), banks);
    const digests = new Set<string>();
    for (let i = 0; i < 13; i++) {
      const request = await traffic.next(scenario);
      digests.add(request.digest);
      const text = new TextDecoder().decode(httpPost(request));
      const [head = '', body = ''] = text.split('\r\n\r\n');
      t.match(head, new RegExp(`content-length: ${body.length}$`));
      const read = parseInstruction(utf8(body));
      if (!read.ok) throw new Error(read.detail);
      const { digest, payload, signatures } = read.instruction;
      t.equal(digest, request.digest);
      if (payload.kind !== 'settle') throw new Error('the bench settles');
      const debited = payload.legs.map(({ from }) => banks.find(({ party }) => party === from) as BenchBank);
      t.equal(debited[0]?.node, request.node, 'a bank submits to its own central bank');
      t.ok(payload.legs.every(({ from, to }) => from !== to));
      t.equal(signatures.length, SIGNATURES[scenario]);
      checksOf(request).forEach(({ message, signature }, at) => {
        const key = rawKeyOf(keySigner('Ed25519', debited[at]?.seed as Uint8Array).jwk);
        t.ok(key.ok && verifyReference({ alg: key.alg, key: key.key, message, signature }), 'whom a leg debits signs');
      });
    }
    t.equal(digests.size, 13, 'each is another');
  });
}

t.test('figures', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at);
  t.same(
    [percentileOf(hundred, 0.5), percentileOf(hundred, 0.99), percentileOf([7], 0.5), percentileOf([], 0.5)],
    [50, 99, 7, null],
  );
  t.equal(valueOf('# HELP x_total x\nx_totals 1\nx_total 41.5\n', 'x_total'), 41.5);
  t.throws(() => valueOf('x_total 1', 'y_total'));
});
