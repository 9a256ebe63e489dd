import { createPublicKey, verify as nodeVerify } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { sha512 } from '@noble/hashes/sha2.js';
import sodium from 'sodium-native';
import t, { type Test } from 'tap';
import { fromBase64url, toBase64url } from './base64url.js';
import { inCheckout } from './checkout.test-helper.js';
import { fromHex, toHex, utf8 } from './codec.js';
import {
  generateKey,
  jwkOf,
  type KeyAlg,
  publicKeyOf,
  publicKeyOfSecret,
  signEd25519,
  signEs256,
  thumbprint,
  verifyReference,
} from './crypto.js';
import { concat } from './hash.js';
import type { Jwk } from './payload.js';
import { fc } from './property.test-helper.js';

const DATA = pathToFileURL(inCheckout('../shared/data/'));
const published = existsSync(DATA) ? {} : { skip: 'NOT RUN: the folder of published vectors is absent' };
const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, DATA), 'utf8'));
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const decoded = (text: string): Uint8Array => fromBase64url(text) as Uint8Array;
const okp = (key: Uint8Array): Jwk => jwkOf({ alg: 'Ed25519', key });

interface Check {
  readonly alg: KeyAlg;
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** libsodium's verdict, as a node takes it: lengths checked first (sodium-native reads the first 64 bytes of more), and anything but true a refusal. */
function verifySodium({ key, message, signature }: Check): boolean {
  if (signature.length !== 64) return false;
  try {
    return sodium.crypto_sign_verify_detached(Buffer.from(signature), Buffer.from(message), Buffer.from(key));
  } catch {
    return false;
  }
}

function verifyNode({ key, message, signature }: Check): boolean {
  try {
    const jwk = { kty: 'EC', crv: 'P-256', x: toBase64url(key.subarray(0, 32)), y: toBase64url(key.subarray(32)) };
    return nodeVerify(
      'sha256',
      message,
      { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
      signature,
    );
  } catch {
    return false;
  }
}

/** The rule's verdict, after making sure that the native library gives the same. */
function verdict(t: Test, check: Check, name: string): boolean {
  const rule = verifyReference(check);
  const native = check.alg === 'Ed25519' ? verifySodium(check) : verifyNode(check);
  if (rule !== native) t.fail(`${name}: the rule says ${rule}, the native library ${native}`);
  return rule;
}

t.test('RFC 8032, section 7.1', async (t) => {
  const rows = [
    [
      '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      '',
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ],
    [
      '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      '72',
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ],
    [
      'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
      'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
      'af82',
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    ],
    [
      '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
      'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
      'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
    ],
  ] as const;
  for (const [secret, publicKey, message, signature] of rows) {
    const key = publicKeyOfSecret('Ed25519', bytes(secret));
    t.equal(toHex(key), publicKey);
    t.equal(toHex(signEd25519(bytes(secret), bytes(message))), signature);
    t.equal(verdict(t, { alg: 'Ed25519', key, message: bytes(message), signature: bytes(signature) }, publicKey), true);
    t.match(publicKeyOf(okp(key)), { ok: true, alg: 'Ed25519', key });
  }
});

t.test('RFC 7515, appendix A.3, and RFC 8037, appendix A', async (t) => {
  const ec: Jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  };
  const ecKey = publicKeyOf(ec);
  if (!ecKey.ok) throw new Error('the key of RFC 7515 is one');
  const ecInput = utf8(
    'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ',
  );
  const ecSignature = decoded('DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q');
  t.equal(verdict(t, { ...ecKey, message: ecInput, signature: ecSignature }, 'A.3'), true);
  t.same(jwkOf(ecKey), ec);

  const secret = decoded('nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A');
  const ed: Jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
  t.same(okp(publicKeyOfSecret('Ed25519', secret)), ed);
  t.equal(thumbprint(ed), 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  const edInput = utf8('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc');
  t.equal(
    toBase64url(signEd25519(secret, edInput)),
    'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg',
  );
});

t.test('RFC 6979, appendix A.2.5: ES256 has no randomness', async (t) => {
  const signature = signEs256(
    bytes('c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721'),
    utf8('sample'),
  );
  t.equal(
    toHex(signature),
    'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8',
  );
});

interface Wycheproof {
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string; readonly uncompressed: string };
    readonly tests: readonly {
      readonly tcId: number;
      readonly comment: string;
      readonly msg: string;
      readonly sig: string;
      readonly result: string;
    }[];
  }[];
}

t.test('Wycheproof: the rule, libsodium and node:crypto on every vector', published, async (t) => {
  const files: readonly (readonly [string, KeyAlg, number])[] = [
    ['wycheproof/ed25519_test.json', 'Ed25519', 150],
    ['wycheproof/ecdsa_secp256r1_sha256_p1363_test.json', 'ES256', 260],
  ];
  for (const [file, alg, least] of files) {
    let seen = 0;
    for (const { publicKey, tests } of (read(file) as Wycheproof).testGroups) {
      const key = alg === 'Ed25519' ? bytes(publicKey.pk) : bytes(publicKey.uncompressed).subarray(1);
      for (const { tcId, comment, msg, sig, result } of tests) {
        seen++;
        const accepted = verdict(t, { alg, key, message: bytes(msg), signature: bytes(sig) }, `${file} ${tcId}`);
        if (accepted !== (result === 'valid')) t.fail(`${file} ${tcId} ${comment}: ${result}`);
      }
    }
    t.ok(seen >= least, `${file}: ${seen} vectors`);
  }
});

t.test("twelve signatures on which libraries differ ('Taming the many EdDSAs')", published, async (t) => {
  const cases = read('ed25519-speccheck/cases.json') as readonly {
    message: string;
    pub_key: string;
    signature: string;
  }[];
  // Only case 3 is accepted: a key with a small component that happens to vanish. Such a key is never registered.
  const registrable = cases.map(({ pub_key }) => publicKeyOf(okp(bytes(pub_key))).ok);
  const accepted = cases.map(({ message, pub_key, signature }, index) =>
    verdict(
      t,
      { alg: 'Ed25519', key: bytes(pub_key), message: bytes(message), signature: bytes(signature) },
      `case ${index}`,
    ),
  );
  t.same(
    accepted.flatMap((yes, index) => (yes ? [index] : [])),
    [3],
  );
  t.same(
    accepted.flatMap((yes, index) => (yes && registrable[index] === true ? [index] : [])),
    [],
  );
  t.equal(cases.length, 12);
});

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;
/** A point of order eight (ePrint 2020/1244, table 6). */
const TORSION = Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a');
const torsion = (times: number) => (times === 0 ? Point.ZERO : TORSION.multiply(BigInt(times)));
const le = (value: bigint): Uint8Array => fromHex(value.toString(16).padStart(64, '0')).reverse();
const fromLe = (data: Uint8Array): bigint => BigInt(`0x${Buffer.from(data).reverse().toString('hex')}`);

/** A signature whose R is [r]B plus a small point, by a key [a]B plus a small point: right up to the small group. */
function crafted(a: bigint, keyTorsion: number, r: bigint, torsionOfR: number, message: Uint8Array): Check {
  const base = (scalar: bigint) => (scalar === 0n ? Point.ZERO : Point.BASE.multiply(scalar));
  const key = base(a).add(torsion(keyTorsion)).toBytes();
  const encodedR = base(r).add(torsion(torsionOfR)).toBytes();
  const k = fromLe(sha512(concat(encodedR, key, message))) % ORDER;
  return { alg: 'Ed25519', key, message, signature: concat(encodedR, le((r + k * a) % ORDER)) };
}

t.test('small and mixed order: the rule and libsodium agree, and registration keeps mixed keys out', async (t) => {
  const seen = { prime: 0, mixedR: 0, smallR: 0, smallA: 0, mixedA: 0, mixedAAccepted: 0 };
  for (let n = 0; n < 24; n++) {
    const message = Uint8Array.of(n);
    const small = n % 8;
    if (verdict(t, crafted(1234n, 0, 77n, 0, message), 'prime')) seen.prime++;
    if (verdict(t, crafted(1234n, 0, 77n, 1 + (n % 7), message), 'mixed R')) seen.mixedR++;
    if (verdict(t, crafted(1234n, 0, 0n, small, message), 'small R')) seen.smallR++;
    if (verdict(t, crafted(0n, small, 77n, 0, message), 'small A')) seen.smallA++;
    const mixed = crafted(1234n, 1 + (n % 7), 77n, 0, message);
    if (verdict(t, mixed, 'mixed A')) seen.mixedAAccepted++;
    if (publicKeyOf(okp(mixed.key)).ok) seen.mixedA++;
  }
  t.match(seen, { prime: 24, mixedR: 0, smallR: 0, smallA: 0, mixedA: 0 });
  t.ok(
    seen.mixedAAccepted > 0,
    'a mixed key does sign now and then, and both say so: what keeps it out is registration',
  );
});

t.test('encodings', async (t) => {
  const good = crafted(5n, 0, 6n, 0, utf8('m'));
  const s = fromLe(good.signature.subarray(32));
  const rows: readonly (readonly [string, Check])[] = [
    ['S plus the order', { ...good, signature: concat(good.signature.subarray(0, 32), le(s + ORDER)) }],
    ['another message', { ...good, message: utf8('n') }],
    ['63 bytes', { ...good, signature: good.signature.subarray(0, 63) }],
    ['65 bytes', { ...good, signature: concat(good.signature, Uint8Array.of(0)) }],
    ['an empty key', { ...good, key: new Uint8Array() }],
    ['a key of 33 bytes', { ...good, key: concat(good.key, Uint8Array.of(0)) }],
    ['y above the field in A', { ...good, key: le((1n << 255n) - 18n) }],
    ['y above the field in R', { ...good, signature: concat(le((1n << 255n) - 18n), good.signature.subarray(32)) }],
  ];
  t.equal(verdict(t, good, 'good'), true);
  for (const [name, check] of rows) t.equal(verdict(t, check, name), false, name);

  const key = generateKey('ES256', (length) => new Uint8Array(length).fill(9));
  const check: Check = { alg: 'ES256', key: key.key, message: utf8('m'), signature: signEs256(key.secret, utf8('m')) };
  const n = p256.Point.Fn.ORDER;
  const be = (value: bigint) => le(value).reverse();
  const [r, other] = [check.signature.subarray(0, 32), n - BigInt(`0x${toHex(check.signature.subarray(32))}`)];
  t.equal(verdict(t, check, 'one s'), true);
  t.equal(verdict(t, { ...check, signature: concat(r, be(other)) }, 'the other s'), true, 'either s is accepted');
  for (const [name, signature] of [
    ['r = 0', concat(be(0n), r)],
    ['s = 0', concat(r, be(0n))],
    ['s = n', concat(r, be(n))],
    ['r = n', concat(be(n), be(other))],
    ['s + n', concat(r, be((1n << 256n) - 1n))],
  ] as const) {
    t.equal(verdict(t, { ...check, signature }, name), false, name);
  }
  t.equal(verdict(t, { ...check, key: check.key.subarray(1) }, 'key of 63 bytes'), false);
  t.equal(verdict(t, { ...check, key: new Uint8Array(64) }, 'key of zeros'), false);
});

t.test('what may be registered', async (t) => {
  const p = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
  const good = publicKeyOf({
    kty: 'EC',
    crv: 'P-256',
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  });
  t.equal(good.ok, true);
  const be = (value: bigint) => toBase64url(le(value).reverse());
  const x = 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU';
  const ec = (jwkX: string, y: string): Jwk => ({ kty: 'EC', crv: 'P-256', x: jwkX, y });
  const ed = (hex: string): Jwk => okp(bytes(hex));
  const small = Array.from(
    { length: 8 },
    (_, times) => ['weak_key', `small order, ${times} times`, okp(torsion(times).toBytes())] as const,
  );
  const rows: readonly (readonly [string, string, Jwk])[] = [
    ...small,
    ['weak_key', 'mixed order', okp(Point.BASE.add(TORSION).toBytes())],
    ['malformed_key', 'identity, with the sign bit', ed(`01${'00'.repeat(30)}80`)],
    ['malformed_key', 'y = p + 1, the identity again', ed(`ee${'ff'.repeat(30)}7f`)],
    ['malformed_key', 'y = p', ed(`ed${'ff'.repeat(30)}7f`)],
    ['malformed_key', 'off the curve', ed(`02${'00'.repeat(31)}`)],
    ['malformed_key', '31 bytes', ed('01'.repeat(31))],
    ['malformed_key', 'padded', { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=' }],
    ['malformed_key', 'stray bits', { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp' }],
    ['malformed_key', 'x above the field', ec(be(p + 5n), be(1n))],
    ['malformed_key', 'zeros', ec(be(0n), be(0n))],
    ['malformed_key', 'off the curve', ec(x, x)],
    ['malformed_key', 'a short y', ec(x, 'AAAA')],
  ];
  for (const [code, name, jwk] of rows) t.match(publicKeyOf(jwk), { ok: false, code }, name);
});

t.test('keys made here sign, and no other bytes pass', async (t) => {
  const seeded = (seed: number) => (length: number) =>
    Uint8Array.from({ length }, (_, at) => (seed * 31 + at * 7) & 0xff);
  fc.assert(
    fc.property(
      fc.constantFrom<KeyAlg>('Ed25519', 'ES256'),
      fc.nat({ max: 255 }),
      fc.uint8Array({ maxLength: 200 }),
      fc.nat({ max: 511 }),
      (alg, seed, message, bit) => {
        const { key, secret, jwk, kid } = generateKey(alg, seeded(seed));
        const signature = alg === 'Ed25519' ? signEd25519(secret, message) : signEs256(secret, message);
        const flipped = signature.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        const registered = publicKeyOf(jwk);
        t.match(registered, { ok: true, alg, key, kid });
        return (
          verdict(t, { alg, key, message, signature }, 'own') &&
          !verdict(t, { alg, key, message, signature: flipped }, 'flipped')
        );
      },
    ),
    { numRuns: 60 },
  );
});
