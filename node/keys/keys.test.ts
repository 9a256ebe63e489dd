/** The verifier pool against the rule it must keep, its lanes and its deaths; the signer; key files. */

import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import t from 'tap';
import { fromBase64url } from '../../protocol/base64url.js';
import { batchDigest, batchSigningBytes } from '../../protocol/block.js';
import { inCheckout, startPlainly } from '../../protocol/checkout.test-helper.js';
import { fromHex, toHex, utf8 } from '../../protocol/codec.js';
import {
  type KeyAlg,
  publicKeyOf,
  publicKeyOfSecret,
  signEd25519,
  signEs256,
  thumbprint,
  verifyReference,
} from '../../protocol/crypto.js';
import { hashOf } from '../../protocol/hash.js';
import { fc } from '../../protocol/property.test-helper.js';
import type { NetworkId } from '../../protocol/types.js';
import type { SignatureCheck } from '../ports.js';
import { createKeyFile, loadBankKey, loadSeed } from './files.js';
import { isTooOpen } from './mode.js';
import { createNativeCheck } from './native.js';
import { createSigner, publicKeyOfSeed } from './signer.js';
import { createVerifier } from './verifier.js';
import { wellFormed } from './wire.js';

const SHARED = pathToFileURL(inCheckout('../shared/data/'));
const hexBytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const secretOf = (name: string): Uint8Array => fromHex(hashOf(utf8(name)));
const ALGORITHMS: readonly KeyAlg[] = ['Ed25519', 'ES256'];

function checkOf(alg: KeyAlg, name: string, message = utf8(`message of ${name}`)): SignatureCheck {
  const secret = secretOf(name);
  const sign = alg === 'Ed25519' ? signEd25519 : signEs256;
  return { alg, key: publicKeyOfSecret(alg, secret), message, signature: sign(secret, message) };
}
const samples = Array.from({ length: 24 }, (_, i) => checkOf(ALGORITHMS[i % 2] as KeyAlg, `sample ${i}`));
const bent = (check: SignatureCheck): SignatureCheck => ({ ...check, message: utf8('another message') });

/** One pool for the tests that need nothing of their own: a thread takes a second to load from source. */
const pool = createVerifier({ threads: 2 });
t.teardown(() => pool.close());

interface Wycheproof {
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk?: string; readonly uncompressed?: string };
    readonly tests: readonly { readonly msg: string; readonly sig: string; readonly result: string }[];
  }[];
}
/** The published cases, with the verdict that Wycheproof states where it states one. */
function published(): { readonly check: SignatureCheck; readonly stated: boolean | null }[] {
  const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, SHARED), 'utf8'));
  const wycheproof = (name: string, alg: KeyAlg) =>
    (read(`wycheproof/${name}`) as Wycheproof).testGroups.flatMap(({ publicKey, tests }) => {
      const key = hexBytes(publicKey.pk ?? (publicKey.uncompressed as string).slice(2));
      return tests.map(({ msg, sig, result }) => ({
        check: { alg, key, message: hexBytes(msg), signature: hexBytes(sig) },
        stated: result === 'valid',
      }));
    });
  const cases = (read('ed25519-speccheck/cases.json') as { message: string; pub_key: string; signature: string }[]).map(
    (c) => ({
      check: {
        alg: 'Ed25519' as const,
        key: hexBytes(c.pub_key),
        message: hexBytes(c.message),
        signature: hexBytes(c.signature),
      },
      stated: null,
    }),
  );
  return [
    ...wycheproof('ed25519_test.json', 'Ed25519'),
    ...wycheproof('ecdsa_secp256r1_sha256_p1363_test.json', 'ES256'),
    ...cases,
  ];
}

t.test('the pool says what the rule says, in order', async (t) => {
  const mixed = samples.flatMap((check) => [check, bent(check)]);
  t.same(await pool.verify([]), [], 'nothing');
  t.same(
    await pool.verify(mixed),
    mixed.map((_, i) => i % 2 === 0),
    'good and bad in turn',
  );
  const many = Array.from({ length: 1_000 }, (_, i) => mixed[(i * 7) % mixed.length] as SignatureCheck);
  t.same(
    await pool.verify(many),
    many.map((check) => mixed.indexOf(check) % 2 === 0),
    'a thousand',
  );
  const together = await Promise.all(mixed.map((check) => pool.verify([check])));
  t.same(
    together.flat(),
    mixed.map((_, i) => i % 2 === 0),
    'many calls of one turn',
  );
  const shared = new Uint8Array(new SharedArrayBuffer(5));
  shared.set(utf8('hello'));
  t.same(
    await pool.verify([{ ...checkOf('Ed25519', 'x', utf8('hello')), message: shared }]),
    [true],
    'a message in shared memory',
  );
  const [good] = samples as [SignatureCheck];
  const wrongSizes = [0, 31, 33].flatMap((size) => [
    { ...good, key: new Uint8Array(size) },
    { ...good, signature: new Uint8Array(2 * size) },
  ]);
  t.same(
    await pool.verify([...wrongSizes, good]),
    [...wrongSizes.map(() => false), true],
    'sizes that no key or signature has',
  );
  t.equal(pool.queueLength(), 0, 'nothing waits any more');
});

t.test(
  'published cases',
  { skip: existsSync(SHARED) ? false : 'SKIPPED: the published vectors are not on this machine' },
  async (t) => {
    const cases = published();
    t.ok(cases.length > 400, `${cases.length} cases`);
    const verdicts = await pool.verify(cases.map(({ check }) => check));
    const against = cases.filter(({ stated }, i) => stated !== null && verdicts[i] !== stated);
    t.same(
      against.map(({ check }) => toHex(check.signature)),
      [],
      'Wycheproof agrees',
    );
    const differing = cases.filter(({ check }, i) => verdicts[i] !== verifyReference(check));
    t.same(
      differing.map(({ check }) => toHex(check.signature)),
      [],
      'the reference agrees, on weak keys too',
    );
  },
);

t.test('native code and the reference agree however a check is bent', (t) => {
  const native = createNativeCheck();
  const edit = fc.record({
    part: fc.constantFrom('key' as const, 'message' as const, 'signature' as const),
    at: fc.nat(63),
    bit: fc.nat(7),
  });
  fc.assert(
    fc.property(fc.nat(samples.length - 1), fc.array(edit, { maxLength: 2 }), (which, edits) => {
      const check = samples[which] as SignatureCheck;
      const parts = { key: check.key.slice(), message: check.message.slice(), signature: check.signature.slice() };
      for (const { part, at, bit } of edits) {
        const bytes = parts[part];
        const place = at % bytes.length;
        bytes[place] = (bytes[place] as number) ^ (1 << bit);
      }
      return native({ ...check, ...parts }) === verifyReference({ ...check, ...parts });
    }),
    { numRuns: 150 },
  );
  const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const scalar = (value: bigint): Uint8Array => hexBytes(value.toString(16).padStart(64, '0'));
  const good = checkOf('ES256', 'either s');
  const r = good.signature.subarray(0, 32);
  const s = BigInt(`0x${toHex(good.signature.subarray(32))}`);
  const rows: [string, boolean, Uint8Array][] = [
    ['as signed', true, good.signature],
    ['the other s', true, Buffer.concat([r, scalar(n - s)])],
    ['r of zero', false, Buffer.concat([scalar(0n), scalar(s)])],
    ['s of zero', false, Buffer.concat([r, scalar(0n)])],
    ['s of n', false, Buffer.concat([r, scalar(n)])],
    ['r of n', false, Buffer.concat([scalar(n), scalar(s)])],
  ];
  for (const [name, expected, signature] of rows) {
    t.equal(native({ ...good, signature }), expected, name);
    t.equal(verifyReference({ ...good, signature }), expected, `${name}, by the reference`);
  }
  t.notOk(native({ ...good, key: new Uint8Array(64) }), 'a key off the curve');
  t.notOk(native({ ...good, key: new Uint8Array(64) }), 'a key off the curve, remembered');
  t.notOk(wellFormed({ ...good, alg: 'Ed25519' }), 'a key of the other algorithm');
  t.end();
});

t.test("a batch's digest and its author's signature", async (t) => {
  const network = hashOf(utf8('network')) as NetworkId;
  const bytes = new Uint8Array(1024 * 1024).fill(7);
  const signer = createSigner({ voteSeeds: [secretOf('vote')], networkSeed: secretOf('network') });
  const signature = await signer.network(batchSigningBytes(network, batchDigest(bytes)));
  const key = fromHex(publicKeyOfSeed(secretOf('network')));
  const digest = batchDigest(bytes);
  t.same(await pool.batch({ network, key, bytes, signature }), { digest, valid: true });
  t.equal(bytes.length, 1024 * 1024, "the caller's bytes stay its own");
  t.same(
    await pool.batch({ network, key: fromHex(publicKeyOfSeed(secretOf('vote'))), bytes, signature }),
    { digest, valid: false },
    "another's key",
  );
  t.same(
    await pool.batch({ network: digest as string as NetworkId, key, bytes, signature }),
    { digest, valid: false },
    'another network',
  );
  const empty = await pool.batch({ network, key, bytes: new Uint8Array(0), signature });
  t.same(empty, { digest: batchDigest(new Uint8Array(0)), valid: false }, 'other bytes');
  await t.rejects(
    async () => pool.batch({ network, key, bytes, signature: new Uint8Array(3) }),
    'a signature of another size is a bug of the caller',
  );
});

t.test('votes and batches go ahead of bulk, and the door comes last', async (t) => {
  const single = createVerifier({ threads: 1 });
  t.teardown(() => single.close());
  const done: string[] = [];
  const note = (name: string) => () => void done.push(name);
  const bulk = Array.from({ length: 1_000 }, (_, i) => samples[i % samples.length] as SignatureCheck);
  const first = samples.slice(0, 3);
  const network = hashOf(utf8('network')) as NetworkId;
  const calls = [
    single.verify(first, { urgency: 'door' }).then(note('door')),
    single.verify(bulk, { urgency: 'lane' }).then(note('lane')),
    single
      .batch({ network, key: new Uint8Array(32), bytes: new Uint8Array(9), signature: new Uint8Array(64) })
      .then(note('batch')),
    single.verify(first).then(note('vote')),
  ];
  t.equal(single.queueLength(), 1_007, 'all of them wait');
  await Promise.all(calls);
  t.same(done, ['vote', 'batch', 'door', 'lane'], 'the door has its turn before all of the lane is done');
});

t.test('a thread that dies is replaced and its work done again; a pool that cannot go on says so', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-verifier-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  // A thread that works as long as the file `alive` stands, and else dies on its first parcel.
  const script = join(folder, 'worker.mjs');
  const alive = join(folder, 'alive');
  const built = (name: string): string => JSON.stringify(pathToFileURL(inCheckout(`dist/node/keys/${name}.js`)).href);
  startPlainly();
  writeFileSync(
    script,
    `import { existsSync, writeFileSync } from 'node:fs';
     import { parentPort } from 'node:worker_threads';
     import { answer } from ${built('wire')};
     import { createNativeCheck } from ${built('native')};
     const check = createNativeCheck();
     parentPort.on('message', (parcel) => {
       if (!existsSync(${JSON.stringify(alive)})) { writeFileSync(${JSON.stringify(alive)}, ''); process.exit(3); }
       parentPort.postMessage(answer(parcel, check));
     });`,
  );
  const mortal = createVerifier({ threads: 1, workerUrl: pathToFileURL(script) });
  const verdicts = await mortal.verify(samples.map((check, i) => (i % 3 === 0 ? bent(check) : check)));
  t.same(
    verdicts,
    samples.map((_, i) => i % 3 !== 0),
    'every verdict is there, from the second thread',
  );
  await mortal.close();
  await t.rejects(mortal.verify(samples), /closed/, 'a closed pool takes nothing');

  const hopeless = createVerifier({ threads: 2, workerUrl: pathToFileURL(join(folder, 'missing.mjs')) });
  await t.rejects(hopeless.verify(samples), /died 3 times in a row/, 'what waits is rejected');
  await t.rejects(hopeless.verify(samples), /died 3 times in a row/, 'and so is what comes later');
  t.equal(hopeless.queueLength(), 0);
  await hopeless.close();

  const closing = createVerifier({ threads: 1 });
  const waiting = t.rejects(closing.verify(samples), /closed/, 'closing rejects what waits');
  await closing.close();
  await waiting;
});

t.test('the signer signs each thing with its own key', async (t) => {
  const [voteSeed, nextSeed, networkSeed] = [secretOf('vote'), secretOf('next'), secretOf('network')];
  const signer = createSigner({ voteSeeds: [voteSeed, nextSeed], networkSeed });
  const message = utf8('a vote');
  const keyOf = (seed: Uint8Array) => toHex(publicKeyOfSecret('Ed25519', seed));
  t.same(signer.voteKeys, [keyOf(voteSeed), keyOf(nextSeed)]);
  t.same(await signer.vote(message, keyOf(voteSeed)), signEd25519(voteSeed, message));
  t.same(await signer.vote(message, keyOf(nextSeed)), signEd25519(nextSeed, message), "the next epoch's");
  t.throws(() => signer.vote(message, keyOf(networkSeed)), /a key that it holds/);
  t.same(await signer.network(message), signEd25519(networkSeed, message));
  t.equal(publicKeyOfSeed(voteSeed), toHex(publicKeyOfSecret('Ed25519', voteSeed)));
  t.throws(() => createSigner({ voteSeeds: [voteSeed], networkSeed: voteSeed.slice() }), /signs nothing but votes/);
  t.throws(() => createSigner({ voteSeeds: [voteSeed.slice(1)], networkSeed }), /32 bytes/);
});

t.test('key files', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-keys-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = (name: string): string => join(folder, name);

  for (const alg of ALGORITHMS) {
    const file = path(`${alg}.pem`);
    const made = createKeyFile(file, alg);
    if (!made.ok) throw new Error(made.detail);
    t.equal(statSync(file).mode & 0o777, 0o600, 'only its owner reads it');
    t.match(createKeyFile(file, alg), { ok: false, code: 'exists' }, 'it is never overwritten');
    const loaded = loadBankKey(file);
    if (!loaded.ok) throw new Error(loaded.detail);
    const { key } = loaded;
    t.match(key, { alg: alg === 'ES256' ? 'ES256' : 'EdDSA', kid: thumbprint(made.jwk), jwk: made.jwk });
    const read = publicKeyOf(key.jwk);
    if (!read.ok) throw new Error(read.detail);
    const signature = await key.sign(utf8('an instruction'));
    t.equal(signature.length, 64);
    t.ok(
      verifyReference({ alg: read.alg, key: read.key, message: utf8('an instruction'), signature }),
      `${alg} signs by the rule`,
    );
  }
  const seed = loadSeed(path('Ed25519.pem'));
  if (!seed.ok) throw new Error(seed.detail);
  t.equal(seed.publicKey, publicKeyOfSeed(seed.seed), 'a seed with its public key');
  const bank = loadBankKey(path('Ed25519.pem'));
  t.ok(
    bank.ok && bank.key.jwk.x !== undefined && toHex(fromBase64url(bank.key.jwk.x) as Uint8Array) === seed.publicKey,
  );

  writeFileSync(path('open.pem'), readFileSync(path('Ed25519.pem')), { mode: 0o644 });
  chmodSync(path('open.pem'), 0o640);
  writeFileSync(path('text.pem'), 'no key', { mode: 0o600 });
  writeFileSync(path('huge.pem'), 'x'.repeat(5_000), { mode: 0o600 });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'pem', type: 'pkcs8' });
  writeFileSync(path('rsa.pem'), rsa, { mode: 0o600 });
  const rows: [string, (path: string) => { ok: boolean }, string, RegExp][] = [
    ['open.pem', loadSeed, 'too_open', /mode 640.*chmod 600 /],
    ['open.pem', loadBankKey, 'too_open', /chmod 600 /],
    ['absent.pem', loadSeed, 'missing', /does not exist/],
    ['text.pem', loadSeed, 'malformed', /PKCS#8/],
    ['huge.pem', loadSeed, 'malformed', /5000 bytes/],
    ['rsa.pem', loadBankKey, 'malformed', /Ed25519 or P-256/],
    ['ES256.pem', loadSeed, 'malformed', /Ed25519/],
    ['', loadSeed, 'too_open', /./],
    ['absent/key.pem', (file) => createKeyFile(file, 'Ed25519'), 'unwritable', /folder/],
  ];
  chmodSync(folder, 0o755);
  for (const [name, load, code, detail] of rows)
    t.match(load(path(name)), { ok: false, code, detail }, `${name} ${code}`);
  chmodSync(folder, 0o700);
  t.match(loadSeed(folder), { ok: false, code: 'unreadable' }, 'a folder is no key file');
});

t.test('a key that is to be registered must be of prime order, even where its signature holds', async (t) => {
  const { Point } = ed25519;
  const order = Point.Fn.ORDER;
  const torsion = Point.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05');
  const secret = 7n;
  const key = Point.BASE.multiply(secret).add(torsion).toBytes();
  const message = utf8('a key of mixed order');
  // Of the nonces some make the challenge a multiple of eight: then the torsion drops out of the equation.
  for (let nonce = 1n; ; nonce++) {
    const r = Point.BASE.multiply(nonce).toBytes();
    const k =
      BigInt(
        `0x${Buffer.from(sha512(Buffer.concat([r, key, message])))
          .reverse()
          .toString('hex')}`,
      ) % order;
    if (k % 8n !== 0n) continue;
    const s = Buffer.from(((nonce + k * secret) % order).toString(16).padStart(64, '0'), 'hex').reverse();
    const check: SignatureCheck = { alg: 'Ed25519', key, message, signature: Buffer.concat([r, s]) };
    t.same(await pool.verify([check, { ...check, registers: true }]), [true, false]);
    break;
  }
  const good = samples.map((sample) => ({ ...sample, registers: true }));
  t.same(
    await pool.verify(good),
    good.map(() => true),
    'keys of prime order may be',
  );
});

t.test('who else may read a key', (t) => {
  const cases = [
    [0o600, 1000, 1000, false, 'its owner alone'],
    [0o400, 1000, 1000, false, 'and only to read'],
    [0o640, 1000, 1000, true, 'a group, of its own file'],
    [0o440, 0, 1000, false, 'a group that root has given it to'],
    [0o640, 0, 1000, false, 'which root may write, and the group not'],
    [0o660, 0, 1000, true, 'a group that may write'],
    [0o444, 0, 1000, true, 'everybody'],
    [0o440, 0, 0, true, 'a group, of the file of root that is itself root'],
    [0o440, 1001, 1000, true, 'a group that somebody else has given it to'],
    [0o100644, 1000, null, false, 'where there are no such bits'],
  ] as const;
  for (const [mode, uid, self, tooOpen, name] of cases) t.equal(isTooOpen({ mode, uid }, self), tooOpen, name);
  t.end();
});
