import { createHash, createPublicKey, verify as nodeVerify } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { FlattenedSign, GeneralSign, generalVerify, importJWK } from 'jose';
import t from 'tap';
import { fromBase64url, toBase64url } from './base64url.js';
import { canonicalBytes, type Json } from './canonical.js';
import { inCheckout } from './checkout.test-helper.js';
import { toHex, utf8, Writer } from './codec.js';
import { generateKey, jwkOf, publicKeyOf, signEd25519, signEs256, thumbprint, verifyReference } from './crypto.js';
import {
  decodeItem,
  encodeItem,
  type Instruction,
  instructionDigest,
  listLeaf,
  mergeSignatures,
  parseInstruction,
  type SignatureEntry,
  toJws,
} from './instruction.js';
import {
  type JwsAlg,
  type JwsType,
  keyAlgOf,
  listStatement,
  parseJws,
  possessionStatement,
  protectedTextOf,
  signingInput,
  voteKeyStatement,
} from './jws.js';
import {
  INSTRUCTION_JSON_BYTES_MAX,
  ITEM_BYTES_MAX,
  KEYS_PER_PARTY_MAX,
  LEGS_MAX,
  PAYLOAD_BYTES_MAX,
  SIGNATURES_MAX,
  VALIDATORS_MAX,
} from './limits.js';
import { merklePath, merkleRoot } from './merkle.js';
import type { Jwk } from './payload.js';
import { fc } from './property.test-helper.js';
import { INSTRUCTION_CODES, type InstructionCode } from './refusal.js';
import type { Bic, NetworkId } from './types.js';

type Key = ReturnType<typeof generateKey>;
const seeded = (seed: number) => (length: number) =>
  Uint8Array.from({ length }, (_, at) => (seed * 37 + at * 11 + 5) & 0xff);
const ed = generateKey('Ed25519', seeded(1));
const ec = generateKey('ES256', seeded(2));
const rawSign = (key: Key, message: Uint8Array) =>
  key.alg === 'Ed25519' ? signEd25519(key.secret, message) : signEs256(key.secret, message);

const NETWORK = 'ab'.repeat(32) as NetworkId;
const LEI = '5493001KJTIIGC8Y1R12';
const common = {
  network: NETWORK,
  initiator: 'HSBCHKHHXXX',
  id: '123e4567-e89b-42d3-a456-426614174000',
  issued: '2025-11-22T03:00:00Z',
  expires: '2025-11-22T04:00:00.000Z',
};
const settle = {
  ...common,
  kind: 'settle',
  mode: 'gross',
  legs: [
    { from: 'HSBCHKHHXXX', to: 'BKKBTHBKXXX', asset: 'HKD', amount: '1000.00' },
    { from: 'BKKBTHBKXXX', to: 'HSBCHKHHXXX', asset: 'THB', amount: '4321.5' },
  ],
  cancelUntil: '2025-11-22T03:30:00Z',
  reference: '0f'.repeat(32),
};
/** Times of a day from 03:00, when it is issued; it expires at 04:00. */
const queue = {
  ...settle,
  mode: 'queue',
  priority: 'high',
  notBefore: '2025-11-22T05:00:00Z',
  cancelUntil: '2025-11-22T03:30:00Z',
  cutoff: '2025-11-22T04:30:00Z',
  settleBy: '2025-11-22T16:00:00Z',
};
const lock = { ...settle, mode: 'lock', hash: 'ef'.repeat(32), lockUntil: '2025-11-29T03:00:00Z' };
const PART = { legs: queue.legs, notBefore: '2025-11-22T17:00:00Z', settleBy: '2025-11-22T18:00:00Z' };
const LOCKS: readonly (readonly [InstructionCode, string, string, Readonly<Record<string, Json>>])[] = [
  ['dates_out_of_order', '/lockUntil', 'a lock not after its consents', { lockUntil: '2025-11-22T03:30:00Z' }],
  ['dates_out_of_order', '/lockUntil', 'a lock past seven days', { lockUntil: '2025-11-29T03:00:00.001Z' }],
  ['dates_out_of_order', '/cancelUntil', 'cancelUntil of a lock', { cancelUntil: '2025-11-22T03:00:00Z' }],
  ['malformed_time', '/lockUntil', 'no day of the calendar', { lockUntil: '2025-11-31T03:00:00Z' }],
  ['malformed_payload', '/hash', 'a short hash', { hash: 'ef'.repeat(31) }],
  ['malformed_payload', '/linked', 'parts that follow a lock', { linked: [] }],
  ['malformed_payload', '/settleBy', 'a lock in the queue', { settleBy: '2025-11-22T16:00:00Z' }],
];
const part = (changes: Readonly<Record<string, Json>>): Json => ({ ...PART, ...changes });
const DATES: readonly (readonly [
  pointer: string,
  says: string,
  dates: Readonly<Record<string, string | undefined>>,
])[] = [
  ['/settleBy', 'settleBy not after issued', { settleBy: '2025-11-22T03:00:00Z' }],
  ['/settleBy', 'settleBy more than 400 days on', { settleBy: '2026-12-27T03:00:00.001Z' }],
  ['/cancelUntil', 'cancelUntil not after issued', { cancelUntil: '2025-11-22T03:00:00Z' }],
  ['/cutoff', 'the cut-offs the wrong way round', { cutoff: '2025-11-22T03:29:59.999Z' }],
  [
    '/cutoff',
    'a cut-off before expires, with no first one',
    { cancelUntil: undefined, cutoff: '2025-11-22T03:59:00Z' },
  ],
  ['/cutoff', 'the second cut-off past settleBy', { cutoff: '2025-11-22T16:00:00.001Z' }],
  ['/cancelUntil', 'the first past settleBy', { cutoff: undefined, cancelUntil: '2025-11-22T16:00:00.001Z' }],
  ['/notBefore', 'notBefore with settleBy', { notBefore: '2025-11-22T16:00:00Z' }],
];
const possession = (key: Key, party = 'BKKBTHBKXXX', alg?: JwsAlg) => {
  const text = protectedTextOf({ alg: alg ?? key.alg, kid: key.kid, typ: 'causeway-possession+json' });
  return {
    protected: text,
    signature: toBase64url(rawSign(key, signingInput(text, possessionStatement(NETWORK, party as Bic, key.kid)))),
  };
};
const newKey = (key: Key) => ({ jwk: key.jwk, possession: possession(key) });
const admit = {
  ...common,
  kind: 'participant',
  action: 'admit',
  party: 'BKKBTHBKXXX',
  name: 'ธนาคารกรุงเทพ',
  lei: LEI,
  jurisdiction: 'TH',
  keys: [newKey(ed), newKey(ec)],
  threshold: 2,
};
const asset = {
  ...common,
  kind: 'asset',
  asset: 'HKD',
  class: 'wcbdc',
  name: 'Hong Kong dollar',
  issuer: 'HKMAHKHHXXX',
  jurisdiction: 'HK',
  decimals: 2,
  cap: '1000000',
};
/** A member with a new vote key, and one that keeps its own. */
const added = { party: 'BKKBTHBKXXX', voteKey: toHex(ed.key), networkKey: '22'.repeat(32) };
const kept = { party: 'HSBCHKHHXXX', voteKey: '33'.repeat(32), networkKey: '44'.repeat(32) };
const voteProof = toHex(
  signEd25519(ed.secret, voteKeyStatement(NETWORK, { party: added.party as Bic, voteKey: added.voteKey })),
);
const govern = {
  ...common,
  kind: 'govern',
  change: { type: 'validators', validators: [kept, { ...added, possession: voteProof }] },
};
const governing = (...validators: readonly object[]) =>
  general({ ...govern, change: { type: 'validators', validators: validators as Json[] } });
const payloads: readonly Json[] = [
  settle,
  { ...common, kind: 'consent', settlement: 'cd'.repeat(32) },
  { ...common, kind: 'withdraw', settlement: 'cd'.repeat(32) },
  lock,
  { ...common, kind: 'reveal', settlement: 'cd'.repeat(32), preimage: 'ab'.repeat(32) },
  asset,
  admit,
  { ...common, kind: 'participant', action: 'suspend', party: 'BKKBTHBKXXX' },
  { ...common, kind: 'participant', action: 'reinstate', party: 'BKKBTHBKXXX' },
  { ...common, kind: 'key', action: 'add', party: 'BKKBTHBKXXX', keys: [newKey(ec)] },
  { ...common, kind: 'key', action: 'node', party: 'BKKBTHBKXXX', keys: [newKey(ed)] },
  { ...common, kind: 'key', action: 'revoke', party: 'BKKBTHBKXXX', kid: ec.kid },
  { ...common, kind: 'key', action: 'threshold', party: 'BKKBTHBKXXX', threshold: 3 },
  govern,
  { ...common, kind: 'ready', change: 'cd'.repeat(32) },
];

interface Signature {
  protected: string;
  signature: string;
  list?: Json;
}
const signText = (payloadText: string, key: Key, alg: JwsAlg = key.alg, typ: JwsType = 'causeway+json'): Signature => {
  const text = protectedTextOf({ alg, kid: key.kid, typ });
  return { protected: text, signature: toBase64url(rawSign(key, signingInput(text, payloadText))) };
};
const bytesOf = (value: unknown): Uint8Array => utf8(JSON.stringify(value));
const textOf = (payload: Json): string => toBase64url(canonicalBytes(payload));
const general = (payload: Json, ...signatures: Signature[]) => ({
  payload: textOf(payload),
  signatures: signatures.length > 0 ? signatures : [signText(textOf(payload), ed)],
});
const good = general(settle, signText(textOf(settle), ec), signText(textOf(settle), ed, 'EdDSA'));
const goodBytes = bytesOf(good);

function parsed(body: Uint8Array): Instruction {
  const read = parseInstruction(body);
  if (!read.ok) throw new Error(`${read.code} ${read.pointer} ${read.detail}`);
  return read.instruction;
}
const keyOf = (kid: string): Key | undefined => [ed, ec].find((key) => key.kid === kid);
function verified({ alg, kid, signingInput: message, signature }: SignatureEntry): boolean {
  const key = keyOf(kid);
  return (
    key !== undefined &&
    key.alg === keyAlgOf(alg) &&
    verifyReference({ alg: key.alg, key: key.key, message, signature })
  );
}
/** The same verdict for keys as good as these, fast enough for thousands. */
const nodeKeys = new Map([ed, ec].map(({ kid, jwk }) => [kid, createPublicKey({ key: jwk, format: 'jwk' })]));
function verifiedFast({ alg, kid, signingInput: message, signature }: SignatureEntry): boolean {
  const key = nodeKeys.get(kid);
  if (key === undefined || keyOf(kid)?.alg !== keyAlgOf(alg)) return false;
  return nodeVerify(
    keyAlgOf(alg) === 'ES256' ? 'sha256' : null,
    message,
    { key, dsaEncoding: 'ieee-p1363' },
    signature,
  );
}
const headed = (header: unknown): Json => ({
  payload: textOf(settle),
  protected: toBase64url(typeof header === 'string' ? utf8(header) : bytesOf(header)),
  signature: toBase64url(new Uint8Array(64)),
});
const header = { alg: 'ES256', kid: ec.kid, typ: 'causeway+json' };
const legs = (leg: object) => general({ ...settle, legs: [{ ...settle.legs[0], ...leg }] });
const admission = (members: object) => general({ ...admit, ...members });
/** A key that is no good point: its possession is named for it, since form is judged before points are. */
const badPoint = (jwk: Jwk) =>
  keyed({ jwk, possession: possession({ ...(jwk.kty === 'EC' ? ec : ed), kid: thumbprint(jwk) }) });
const keyed = (members: object) => admission({ threshold: 1, keys: [{ ...newKey(ec), ...members }] });

/** A list of instructions, signed once; each travels with its path. */
function list(count: number) {
  const items = Array.from({ length: count }, (_, n) => ({
    ...settle,
    id: `123e4567-e89b-42d3-a456-${String(n).padStart(12, '0')}`,
  }));
  const leaves = items.map((item) => listLeaf(instructionDigest(canonicalBytes(item))));
  const signature = signText(listStatement(NETWORK, count, merkleRoot(leaves)), ec, 'ES256', 'causeway-list+json');
  return items.map((item, index) => ({
    payload: textOf(item),
    signatures: [{ ...signature, list: { index, count, path: [...merklePath(leaves, index).siblings] } }],
  }));
}
const listed = list(5)[3] as ReturnType<typeof list>[number];
const listWith = (members: object) => ({
  ...listed,
  signatures: [{ ...listed.signatures[0], list: { ...listed.signatures[0]?.list, ...members } }],
});

t.test('every kind is read, goes through a lane and comes back', async (t) => {
  for (const payload of payloads) {
    const instruction = parsed(bytesOf(general(payload)));
    t.same(instruction.payload, payload);
    t.equal(
      instruction.digest,
      createHash('sha256').update('causeway/instruction/1\0').update(canonicalBytes(payload)).digest('hex'),
    );
    t.same(decodeItem(encodeItem(instruction)), { ok: true, instruction });
    t.same(parsed(bytesOf(toJws(instruction))), instruction);
    t.ok(instruction.signatures.every(verified));
    t.ok(
      instruction.possessions.every(({ alg, key, signingInput: message, signature }) =>
        verifyReference({ alg, key, message, signature }),
      ),
    );
  }
  t.equal(parsed(goodBytes).issuedMs, Date.UTC(2025, 10, 22, 3));
  t.equal(parsed(goodBytes).expiresMs, Date.UTC(2025, 10, 22, 4));
  t.same(
    parsed(bytesOf(admission({}))).possessions.map(({ kid, alg }) => [kid, alg]),
    [
      [ed.kid, 'Ed25519'],
      [ec.kid, 'ES256'],
    ],
  );
  const [voting, ...others] = parsed(bytesOf(general(govern))).possessions;
  t.same([voting?.kid, others], [ed.kid, []], 'a vote key that is kept comes without a proof');
  t.equal(
    toHex(voting?.signingInput ?? new Uint8Array()),
    toHex(utf8('causeway/vote-key/1\0')) + NETWORK + '0000000b' + toHex(utf8(added.party)) + added.voteKey,
  );
  const elsewhere = parsed(bytesOf(governing({ ...added, party: 'HSBCHKHHXXX', possession: voteProof })));
  t.notOk(
    elsewhere.possessions.some(({ alg, key, signingInput: message, signature }) =>
      verifyReference({ alg, key, message, signature }),
    ),
    'a proof is for one party',
  );
  const renamed = admission({
    keys: [{ ...newKey(ed), possession: possession(ed, 'BKKBTHBKXXX', 'EdDSA') }],
    threshold: 1,
  });
  t.equal(parsed(bytesOf(renamed)).possessions.length, 1, 'a possession may say EdDSA');
});

t.test('space between tokens and the order of members around the payload are free', async (t) => {
  const spaced = `\n ${JSON.stringify({ signatures: good.signatures.map(({ protected: text, signature }) => ({ signature, protected: text })), payload: good.payload }, null, '\t')} \r\n`;
  t.same(parsed(utf8(spaced)), parsed(goodBytes));
  const other = toBase64url(utf8(` {"typ":"causeway+json",\n "kid":"${ec.kid}", "alg":"ES256"}`));
  t.equal(
    parsed(bytesOf({ payload: good.payload, protected: other, signature: toBase64url(new Uint8Array(64)) }))
      .signatures[0]?.protectedText,
    other,
  );
  const [only] = good.signatures;
  t.same(
    parsed(bytesOf({ payload: good.payload, ...only })),
    parsed(bytesOf({ payload: good.payload, signatures: [only] })),
    'flattened is general with one',
  );
});

type Row = readonly [code: InstructionCode, pointer: string, name: string, body: unknown];
/** The queued settlement with other members, and without those that are undefined. */
const leg = settle.legs[0] as Json;
const consenting = (terms: Json) => general({ ...common, kind: 'consent', settlement: 'ab'.repeat(32), terms });
const liquidity = (limits: Json) =>
  general({
    ...common,
    kind: 'liquidity',
    asset: 'HKD',
    order: 'bypass',
    reserved: { urgent: '0', high: '0' },
    limits,
  });
const queued = (changes: Readonly<Record<string, Json | undefined>>) =>
  general(
    Object.fromEntries(
      Object.entries({ ...queue, ...changes }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
  );

/** The far legs of another settlement. */
const AMENDS = { settlement: '0e'.repeat(32), part: 2, replaces: settle.legs, legs: settle.legs };
const amending = (changes: Readonly<Record<string, Json>>) => general({ ...settle, amends: { ...AMENDS, ...changes } });

const onDay = (changes: Readonly<Record<string, Json | undefined>>) =>
  queued({
    notBefore: undefined,
    settleBy: undefined,
    cancelUntil: undefined,
    cutoff: undefined,
    valueDate: '2025-11-24',
    ...changes,
  });
const DAY = { date: '2025-11-24', open: '2025-11-24T00:30:00Z', close: '2025-11-24T09:30:00Z' };
const calendar = (days: readonly Partial<typeof DAY>[]) =>
  general({ ...common, kind: 'calendar', asset: 'HKD', zone: 'UTC', days: days.map((day) => ({ ...DAY, ...day })) });

const solver = { ...common, kind: 'participant', action: 'solver', party: 'BKKBTHBKXXX', solver: true };

const rows: readonly Row[] = [
  ['malformed_payload', '/solver', 'neither true nor false', general({ ...solver, solver: 'yes' })],
  ['malformed_payload', '/colour', 'an unknown member behind true or false', general({ ...solver, colour: 1 })],
  ['malformed_payload', '/change/validators', 'a set of nobody', governing()],
  [
    'malformed_payload',
    '/change/validators',
    'a set past its bound',
    governing(...Array.from({ length: VALIDATORS_MAX + 1 }, () => ({}))),
  ],
  [
    'malformed_payload',
    '/change/validators/1/party',
    'a party twice',
    governing(kept, { ...added, party: kept.party }),
  ],
  ['malformed_payload', '/change/type', 'a change of something else', general({ ...govern, change: { type: 'skew' } })],
  [
    'malformed_payload',
    '/change',
    'ready for no digest',
    general({ ...common, kind: 'ready', change: 'AB'.repeat(32) }),
  ],
  ['malformed_party', '/change/validators/0/party', 'a member that is none', governing({ ...kept, party: 'HSBC' })],
  [
    'malformed_key',
    '/change/validators/0/voteKey',
    'a vote key in capitals',
    governing({ ...kept, voteKey: 'AB'.repeat(32) }),
  ],
  [
    'duplicate_key',
    '/change/validators/1/voteKey',
    'a vote key twice',
    governing(kept, { ...added, voteKey: kept.voteKey }),
  ],
  [
    'duplicate_key',
    '/change/validators/0/networkKey',
    'a key for voting and for the network',
    governing({ ...kept, networkKey: kept.voteKey }),
  ],
  [
    'malformed_possession',
    '/change/validators/0/possession',
    'a proof of 63 bytes',
    governing({ ...added, possession: voteProof.slice(2) }),
  ],
  [
    'malformed_key',
    '/keys/0/jwk/kty',
    'a node key of another kind',
    general({ ...common, kind: 'key', action: 'node', party: 'BKKBTHBKXXX', keys: [newKey(ec)] }),
  ],
  ['too_large', '', 'a body past its bound', new Uint8Array(INSTRUCTION_JSON_BYTES_MAX + 1)],
  [
    'too_large',
    '/payload',
    'a payload past its bound',
    { payload: toBase64url(new Uint8Array(PAYLOAD_BYTES_MAX + 1)), signatures: good.signatures },
  ],
  ['malformed_json', '', 'compact serialization', utf8(`${signText(good.payload, ec).protected}.${good.payload}.AAAA`)],
  ['malformed_json', '', 'not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d)],
  ['malformed_json', '', 'a byte order mark', utf8(`\ufeff${JSON.stringify(good)}`)],
  ['malformed_json', '', 'nothing', new Uint8Array()],
  [
    'malformed_json',
    '',
    'a member twice',
    utf8(JSON.stringify(good).replace('{"payload"', '{"payload":"AAAA","payload"')),
  ],
  ['malformed_json', '', 'an escape', utf8(JSON.stringify(good).replace('"payload":"e', '"payload":"\\u0065'))],
  ['malformed_json', '', 'a number in another form', utf8(JSON.stringify(listed).replace('"index":3', '"index":3.0'))],
  ['malformed_jws', '', 'an array', []],
  ['malformed_jws', '/header', 'an unprotected header', { ...good, header: {} }],
  [
    'malformed_jws',
    '/signatures/0/header',
    'an unprotected header of a signature',
    { ...good, signatures: [{ ...good.signatures[0], header: { alg: 'ES256' } }] },
  ],
  ['malformed_jws', '/protected', 'both serializations at once', { ...good, ...good.signatures[0] }],
  ['malformed_jws', '/payload', 'no payload', { signatures: good.signatures }],
  ['malformed_jws', '/payload', 'padding', { ...good, payload: `${good.payload}=` }],
  ['malformed_jws', '/payload', 'stray bits', { ...good, payload: 'AB' }],
  ['malformed_jws', '/payload', 'a payload that is no string', { ...good, payload: { a: 1 } }],
  ['malformed_jws', '/protected', 'neither serialization', { payload: good.payload }],
  ['malformed_jws', '/signatures', 'no signature', { ...good, signatures: [] }],
  [
    'malformed_jws',
    '/signatures/0/signature',
    'space in base64url',
    { ...good, signatures: [{ ...good.signatures[0], signature: 'AA AA' }] },
  ],
  ['malformed_jws', '/signatures/0/list/path', 'a path of no hashes', listWith({ path: ['A'.repeat(64)] })],
  [
    'too_many_signatures',
    '/signatures',
    'a seventeenth signature',
    { ...good, signatures: Array.from({ length: SIGNATURES_MAX + 1 }, () => good.signatures[0]) },
  ],
  ['malformed_header', '/protected', 'a header that is no JSON', headed('x')],
  ['malformed_header', '/protected', 'b64', headed({ ...header, b64: false, crit: ['b64'] })],
  ['malformed_header', '/protected', 'a key in the header', headed({ ...header, jwk: ec.jwk })],
  ['malformed_header', '/protected', 'no kid', headed({ alg: 'ES256', typ: 'causeway+json' })],
  ['malformed_header', '/protected', 'a kid with stray bits', headed({ ...header, kid: `${'A'.repeat(42)}B` })],
  ['malformed_header', '/protected', 'another typ', headed({ ...header, typ: 'JWT' })],
  [
    'malformed_header',
    '/protected',
    'alg twice',
    headed(`{"alg":"ES256","alg":"ES256","kid":"${ec.kid}","typ":"causeway+json"}`),
  ],
  [
    'malformed_header',
    '/protected',
    'an escape',
    headed(`{"alg":"ES25\\u0036","kid":"${ec.kid}","typ":"causeway+json"}`),
  ],
  ['malformed_header', '/protected', 'a number for alg', headed({ ...header, alg: 7 })],
  [
    'malformed_header',
    '/protected',
    'too long',
    headed(`{"alg":"ES256",${' '.repeat(200)}"kid":"${ec.kid}","typ":"causeway+json"}`),
  ],
  ['unsupported_alg', '/protected', 'none', headed({ alg: 'none' })],
  ['unsupported_alg', '/protected', 'HS256', headed({ ...header, alg: 'HS256' })],
  ['unsupported_alg', '/protected', 'ES384', headed({ ...header, alg: 'ES384' })],
  ['unsupported_alg', '/protected', 'a name of Object.prototype', headed({ ...header, alg: 'toString' })],
  [
    'malformed_signature',
    '/signatures/0/signature',
    '63 bytes',
    { ...good, signatures: [{ ...good.signatures[0], signature: toBase64url(new Uint8Array(63)) }] },
  ],
  [
    'malformed_signature',
    '/signatures/1/signature',
    'DER',
    {
      ...good,
      signatures: [good.signatures[0], { ...good.signatures[1], signature: toBase64url(new Uint8Array(71)) }],
    },
  ],
  [
    'duplicate_signer',
    '/signatures/1',
    'one key twice',
    general(settle, signText(textOf(settle), ed, 'EdDSA'), signText(textOf(settle), ed, 'Ed25519')),
  ],
  [
    'not_canonical',
    '',
    'a space in the payload',
    { payload: toBase64url(utf8(JSON.stringify(settle, null, 1))), signatures: good.signatures },
  ],
  [
    'not_canonical',
    '',
    'a payload that is no JSON',
    { payload: toBase64url(utf8('hello')), signatures: good.signatures },
  ],
  ['unknown_kind', '/kind', 'a kind of tomorrow', general({ ...common, kind: 'netting' })],
  ['unknown_kind', '/kind', 'a name of Object.prototype', general({ ...common, kind: 'constructor' })],
  ['malformed_payload', '/kind', 'no kind', general(common)],
  ['malformed_payload', '', 'an array', general([])],
  ['malformed_payload', '/memo', 'an unknown member', general({ ...settle, memo: 'x' })],
  ['malformed_payload', '/mode', 'another mode', general({ ...settle, mode: 'net' })],
  ['malformed_payload', '/settleBy', 'in the queue for ever', queued({ settleBy: undefined })],
  ['malformed_payload', '/priority', 'another priority', queued({ priority: 'low' })],
  ['malformed_payload', '/priority', 'a priority where nothing waits', general({ ...settle, priority: 'high' })],
  ['malformed_time', '/notBefore', 'notBefore of no day', queued({ notBefore: '2025-11-31T03:00:00Z' })],
  ...DATES.map(([pointer, name, dates]) => ['dates_out_of_order', pointer, name, queued(dates)] as const),
  ['malformed_payload', '/lots', 'parts, and lots too', queued({ lots: 2, linked: [part({})] })],
  ['malformed_payload', '/lots', 'one lot', queued({ lots: 1 })],
  ['malformed_payload', '/lots', 'too many lots', queued({ lots: 101 })],
  [
    'malformed_time',
    '/terms/0/settleBy',
    'terms with a day that is none',
    consenting([{ legs: [leg], settleBy: '2025-11-31T03:00:00Z' }]),
  ],
  [
    'malformed_amount',
    '/terms/0/legs/0/amount',
    'terms with a leg of nothing',
    consenting([{ legs: [{ ...settle.legs[0], amount: '0' }] }]),
  ],
  [
    'malformed_payload',
    '/terms',
    'terms with too many legs',
    consenting([{ legs: Array(40).fill(leg) }, { legs: Array(25).fill(leg) }]),
  ],
  ['malformed_payload', '/limits', 'limits that are none', liquidity({})],
  ['malformed_amount', '/limits/multilateral', 'a limit below zero', liquidity({ multilateral: '-1' })],
  [
    'malformed_party',
    '/limits/bilateral/1/to',
    'limits that do not ascend',
    liquidity({ bilateral: ['ICBKCNBJXXX', 'BKKBTHBKXXX'].map((to) => ({ to, amount: '1' })) }),
  ],
  [
    'malformed_party',
    '/limits/bilateral/1/to',
    'two limits to one party',
    liquidity({ bilateral: ['ICBKCNBJXXX', 'ICBKCNBJXXX'].map((to) => ({ to, amount: '1' })) }),
  ],
  [
    'malformed_party',
    '/limits/bilateral/0/to',
    'a limit to oneself',
    liquidity({ bilateral: [{ to: common.initiator, amount: '1' }] }),
  ],
  ['malformed_payload', '/settlements', 'an offer of nothing', general({ ...common, kind: 'offer', settlements: [] })],
  [
    'malformed_payload',
    '/settlements/1',
    'an offer of one thing twice',
    general({ ...common, kind: 'offer', settlements: ['ab'.repeat(32), 'ab'.repeat(32)] }),
  ],
  ...LOCKS.map(([code, pointer, name, members]) => [code, pointer, name, general({ ...lock, ...members })] as const),
  [
    'dates_out_of_order',
    '/linked/0/notBefore',
    'a part that may come before the one before',
    queued({ linked: [part({ notBefore: queue.settleBy })] }),
  ],
  [
    'dates_out_of_order',
    '/linked/0/settleBy',
    'a part of no time',
    queued({ linked: [part({ settleBy: PART.notBefore })] }),
  ],
  [
    'dates_out_of_order',
    '/linked/1/notBefore',
    'the second before the first is over',
    queued({ linked: [part({}), part({})] }),
  ],
  [
    'dates_out_of_order',
    '/linked/0/settleBy',
    'more than 400 days on',
    queued({ linked: [part({ settleBy: '2026-12-27T03:00:00.001Z' })] }),
  ],
  [
    'malformed_time',
    '/linked/0/notBefore',
    'of no day',
    queued({ linked: [part({ notBefore: '2025-11-31T03:00:00Z' })] }),
  ],
  ['malformed_payload', '/linked', 'no parts', queued({ linked: [] })],
  ['malformed_payload', '/linked', 'four parts', queued({ linked: [part({}), part({}), part({}), part({})] })],
  [
    'malformed_payload',
    '/linked',
    'more legs in all than there may be',
    queued({ linked: [part({ legs: Array.from({ length: 63 }, () => queue.legs[0] as Json) })] }),
  ],
  [
    'malformed_leg',
    '/linked/0/legs/0/to',
    'a leg to oneself',
    queued({ linked: [part({ legs: [{ ...queue.legs[0], to: 'HSBCHKHHXXX' }] })] }),
  ],
  ['malformed_payload', '/amends/part', 'an amendment of a first part', amending({ part: 1 })],
  ['malformed_payload', '/amends/part', 'an amendment past the last lot', amending({ part: 101 })],
  ['malformed_payload', '/amends/replaces', 'an amendment of no legs', amending({ replaces: [] })],
  ['malformed_payload', '/amends/legs', 'an amendment that leaves no legs', amending({ legs: [] })],
  ['malformed_payload', '/amends/settlement', 'an amendment of an id', amending({ settlement: settle.id })],
  ['malformed_payload', '/amends', 'an amendment in mode queue', queued({ amends: AMENDS })],
  [
    'malformed_payload',
    '/amends',
    'more legs in all than there may be',
    amending({ legs: Array.from({ length: 61 }, () => settle.legs[0] as Json) }),
  ],
  [
    'malformed_leg',
    '/amends/replaces/0/to',
    'a leg to oneself',
    amending({ replaces: [{ ...settle.legs[0], to: settle.legs[0]?.from as string }] }),
  ],
  ['malformed_amount', '/amends/legs/0/amount', 'nothing', amending({ legs: [{ ...settle.legs[0], amount: '0.00' }] })],
  ['malformed_payload', '/valueDate', 'a value date and a time', queued({ valueDate: '2025-11-24' })],
  ['malformed_time', '/valueDate', 'a value date of no month', onDay({ valueDate: '2025-13-01' })],
  ['dates_out_of_order', '/valueDate', 'a value date that is over', onDay({ valueDate: '2025-11-20' })],
  ['dates_out_of_order', '/valueDate', 'a value date too far', onDay({ valueDate: '2026-12-29' })],
  ['malformed_payload', '/linked/0/settleBy', 'a part of no time at all', onDay({ linked: [{ legs: queue.legs }] })],
  ['malformed_time', '/days/0/date', 'a day that is none', calendar([{ date: '2025-02-30' }])],
  ['malformed_time', '/days/0/open', 'a time that is none', calendar([{ open: '2025-11-24T25:00:00Z' }])],
  ['malformed_time', '/days/0/close', 'a time that is none', calendar([{ close: '2025-11-24T25:00:00Z' }])],
  ['dates_out_of_order', '/days/1/date', 'a day twice', calendar([{}, {}])],
  ['dates_out_of_order', '/days/0/date', 'more than 800 days on', calendar([{ date: '2028-02-01' }])],
  ['dates_out_of_order', '/days/0/open', 'opens two days before', calendar([{ open: '2025-11-22T23:59:59Z' }])],
  ['dates_out_of_order', '/days/0/close', 'closes when it opens', calendar([{ close: DAY.open }])],
  ['dates_out_of_order', '/days/0/close', 'closes two days later', calendar([{ close: '2025-11-26T00:00:00Z' }])],
  [
    'malformed_payload',
    '/days',
    'no days',
    general({ ...common, kind: 'calendar', asset: 'HKD', zone: 'UTC', days: [] }),
  ],
  [
    'dates_out_of_order',
    '/cancelUntil',
    'gross: not after issued',
    general({ ...settle, cancelUntil: '2025-11-22T03:00:00Z' }),
  ],
  [
    'dates_out_of_order',
    '/cancelUntil',
    'gross: more than a day past expires',
    general({ ...settle, cancelUntil: '2025-11-23T04:00:00.001Z' }),
  ],
  ['malformed_payload', '/legs', 'no legs', general({ ...settle, legs: [] })],
  [
    'malformed_payload',
    '/legs',
    'too many legs',
    general({ ...settle, legs: Array.from({ length: LEGS_MAX + 1 }, () => settle.legs[0]) } as Json),
  ],
  [
    'malformed_payload',
    '/legs/0/amount',
    'a leg without amount',
    general({ ...settle, legs: [{ from: 'HSBCHKHHXXX', to: 'BKKBTHBKXXX', asset: 'HKD' }] }),
  ],
  [
    'malformed_payload',
    '/__proto__',
    'a member named __proto__',
    {
      ...good,
      payload: toBase64url(
        utf8(new TextDecoder().decode(canonicalBytes(settle)).replace('{', '{"__proto__":{"mode":"gross"},')),
      ),
    },
  ],
  [
    'malformed_payload',
    '/action',
    'an unknown action',
    general({ ...common, kind: 'key', action: 'rotate', party: 'BKKBTHBKXXX' }),
  ],
  ['malformed_payload', '/network', 'a network in capitals', general({ ...settle, network: 'AB'.repeat(32) })],
  ['malformed_payload', '/name', 'a control character in a name', general({ ...asset, name: 'a\nb' })],
  ['malformed_payload', '/name', '141 characters', general({ ...asset, name: '𝒩'.repeat(141) })],
  ['malformed_payload', '/decimals', 'decimals as text', general({ ...asset, decimals: '2' })],
  ['malformed_id', '/id', 'an id in capitals', general({ ...settle, id: common.id.toUpperCase() })],
  ['malformed_party', '/legs/0/to', 'a BIC of eight', legs({ to: 'BKKBTHBK' })],
  ['malformed_party', '/initiator', 'a BIC in small letters', general({ ...settle, initiator: 'hsbchkhhxxx' })],
  ['malformed_asset', '/legs/0/asset', 'an asset in small letters', legs({ asset: 'hkd' })],
  ['malformed_amount', '/legs/0/amount', 'a number', legs({ amount: 10 })],
  ['malformed_amount', '/legs/0/amount', 'a comma', legs({ amount: '1,50' })],
  ['malformed_amount', '/legs/0/amount', 'a sign', legs({ amount: '-1' })],
  ['malformed_amount', '/legs/0/amount', 'an exponent', legs({ amount: '1e3' })],
  ['malformed_amount', '/legs/0/amount', 'a leading zero', legs({ amount: '01' })],
  ['malformed_amount', '/legs/0/amount', 'zero', legs({ amount: '0.00' })],
  ['malformed_amount', '/cap', 'more decimals than the asset has', general({ ...asset, cap: '1.001' })],
  ['malformed_time', '/issued', 'an offset', general({ ...settle, issued: '2025-11-22T03:00:00+00:00' })],
  ['malformed_time', '/issued', 'a day that is none', general({ ...settle, issued: '2025-02-29T03:00:00Z' })],
  ['malformed_time', '/expires', 'a leap second', general({ ...settle, expires: '2025-11-22T03:59:60Z' })],
  ['malformed_time', '/expires', 'expires with issued', general({ ...settle, expires: settle.issued })],
  [
    'malformed_time',
    '/cancelUntil',
    'cancelUntil of no day',
    general({ ...settle, cancelUntil: '2025-11-31T03:00:00Z' }),
  ],
  [
    'validity_too_long',
    '/expires',
    'a millisecond past 24 hours',
    general({ ...settle, expires: '2025-11-23T03:00:00.001Z' }),
  ],
  ['malformed_leg', '/legs/0/to', 'a leg to oneself', legs({ to: 'HSBCHKHHXXX' })],
  ['malformed_lei', '/lei', 'check digits', admission({ lei: '5493001KJTIIGC8Y1R13' })],
  ['malformed_lei', '/lei', 'the form', admission({ lei: 'x' })],
  ['malformed_key', '/keys/0/jwk', 'off the curve', badPoint({ ...ec.jwk, y: ed.jwk.x } as Jwk)],
  ['malformed_key', '/keys/0/jwk/crv', 'another curve', keyed({ jwk: { ...ec.jwk, crv: 'P-384' } })],
  ['malformed_key', '/keys/0/jwk/x', 'an RSA-sized x', keyed({ jwk: { ...ed.jwk, x: 'A'.repeat(342) } })],
  ['malformed_payload', '/keys/0/jwk/d', 'a private key', keyed({ jwk: { ...ed.jwk, d: ed.jwk.x } })],
  [
    'weak_key',
    '/keys/0/jwk',
    'the identity',
    badPoint(jwkOf({ alg: 'Ed25519', key: Uint8Array.from({ length: 32 }, (_, at) => (at === 0 ? 1 : 0)) })),
  ],
  ['duplicate_key', '/keys/1/jwk', 'a key twice', admission({ keys: [newKey(ed), newKey(ed)] })],
  ['malformed_possession', '/keys/0/possession/protected', "another key's", keyed({ possession: possession(ed) })],
  [
    'malformed_possession',
    '/keys/0/possession/protected',
    'another algorithm',
    keyed({
      possession: {
        ...possession(ec),
        protected: protectedTextOf({ alg: 'EdDSA', kid: ec.kid, typ: 'causeway-possession+json' }),
      },
    }),
  ],
  [
    'malformed_possession',
    '/keys/0/possession/protected',
    'another typ',
    keyed({
      possession: {
        ...possession(ec),
        protected: protectedTextOf({ alg: 'ES256', kid: ec.kid, typ: 'causeway+json' }),
      },
    }),
  ],
  [
    'malformed_possession',
    '/keys/0/possession/signature',
    'a short signature',
    keyed({ possession: { ...possession(ec), signature: 'AAAA' } }),
  ],
  ['malformed_threshold', '/threshold', 'more than the keys', admission({ threshold: 3 })],
  ['malformed_threshold', '/threshold', 'zero', admission({ threshold: 0 })],
  [
    'malformed_threshold',
    '/threshold',
    'more than a party may have',
    general({ ...common, kind: 'key', action: 'threshold', party: 'BKKBTHBKXXX', threshold: KEYS_PER_PARTY_MAX + 1 }),
  ],
  [
    'malformed_list',
    '/signatures/0',
    'a list without its typ',
    { ...good, signatures: [{ ...good.signatures[0], list: { index: 0, count: 1, path: [] } }] },
  ],
  [
    'malformed_list',
    '/signatures/0',
    'the typ without a list',
    general(settle, signText(textOf(settle), ec, 'ES256', 'causeway-list+json')),
  ],
  [
    'malformed_list',
    '/signatures/0',
    "a possession's typ",
    general(settle, signText(textOf(settle), ec, 'ES256', 'causeway-possession+json')),
  ],
  ['malformed_list', '/signatures/0', 'a path too short', listWith({ path: [] })],
  ['malformed_list', '/signatures/0', 'an index past the count', listWith({ index: 5 })],
  ['malformed_list', '/signatures/0', 'a count past the bound', listWith({ count: 2 ** 20 + 1 })],
];

t.test('refusals: a row for each', async (t) => {
  const used = new Set<string>(['malformed_item']);
  for (const [code, pointer, name, body] of rows) {
    used.add(code);
    const read = parseInstruction(body instanceof Uint8Array ? body : bytesOf(body));
    t.match(read, { ok: false, code, pointer }, `${code}: ${name}`);
    t.ok(!read.ok && read.detail.length > 5 && !read.detail.includes('undefined'), !read.ok ? read.detail : 'refused');
  }
  t.same(
    [...INSTRUCTION_CODES].filter((code) => !used.has(code)),
    [],
    'every code has a row',
  );
});

t.test('items: refusals of their own, and all of the others', async (t) => {
  const instruction = parsed(goodBytes);
  const item = encodeItem(instruction);
  const items: readonly (readonly [InstructionCode, string, Uint8Array])[] = [
    ['too_large', 'past the bound', new Uint8Array(ITEM_BYTES_MAX + 1)],
    ['malformed_item', 'nothing', new Uint8Array()],
    ['malformed_item', 'cut short', item.subarray(0, -1)],
    ['malformed_item', 'a byte more', Uint8Array.from([...item, 0])],
    ['malformed_item', 'a flag that is none', Uint8Array.from([...item.subarray(0, -1), 2])],
    ['malformed_item', 'no signatures', encodeItem({ ...instruction, signatures: [] })],
    [
      'duplicate_signer',
      'one key twice',
      encodeItem({
        ...instruction,
        signatures: [instruction.signatures[0] as SignatureEntry, instruction.signatures[0] as SignatureEntry],
      }),
    ],
    ['not_canonical', 'another payload', encodeItem({ ...instruction, payloadBytes: utf8('{}\n') })],
    [
      'unsupported_alg',
      'none',
      new Writer()
        .bytes(canonicalBytes(settle))
        .list([0], (w) => w.bytes(utf8('{"alg":"none"}')).raw(new Uint8Array(64)).u8(0))
        .finish(),
    ],
  ];
  for (const [code, name, bytes] of items) t.match(decodeItem(bytes), { ok: false, code }, `${code}: ${name}`);
  // Whatever the door refuses in a payload, a lane refuses too.
  let compared = 0;
  for (const [code, pointer, name, body] of rows) {
    if (body instanceof Uint8Array) continue;
    const jws = parseJws(bytesOf(body));
    if (!jws.ok) continue;
    compared++;
    const signatures = jws.jws.signatures.map((raw) => ({
      ...raw,
      alg: raw.header.alg,
      kid: raw.header.kid,
      signingInput: new Uint8Array(),
      list: raw.list && { path: raw.list },
    }));
    // A bad point is left to the check of its possession, off the main thread (SPEC, Acceptance).
    const isPoint = ['malformed_key', 'weak_key'].includes(code) && pointer === '/keys/0/jwk';
    const item = decodeItem(encodeItem({ payloadBytes: jws.jws.payloadBytes, signatures }));
    t.match(item, isPoint ? { ok: true } : { ok: false, code, pointer }, `${code}: ${name}`);
  }
  t.ok(compared > 40);
  // An instruction owns its bytes: the batch it came in may be overwritten.
  const batch = Buffer.concat([Buffer.from([1, 2, 3]), item]);
  const read = decodeItem(batch.subarray(3));
  batch.fill(0);
  t.same(read, { ok: true, instruction });
});

t.test('one signature over a list', async (t) => {
  for (const count of [1, 2, 5, 8, 13]) {
    const instructions = list(count).map((jws) => parsed(bytesOf(jws)));
    t.ok(
      instructions.every(({ signatures }) => signatures.every(verified)),
      `${count} instructions`,
    );
    t.equal(new Set(instructions.map(({ digest }) => digest)).size, count);
    for (const instruction of instructions) t.same(decodeItem(encodeItem(instruction)), { ok: true, instruction });
  }
  const flattened = { payload: listed.payload, ...listed.signatures[0] };
  t.same(parsed(bytesOf(flattened)), parsed(bytesOf(listed)));
  // A path that leads elsewhere leaves the form intact and the signature wrong.
  t.notOk(verified(parsed(bytesOf(listWith({ index: 2 }))).signatures[0] as SignatureEntry));
  t.notOk(verified(parsed(bytesOf({ ...listed, payload: textOf(settle) })).signatures[0] as SignatureEntry));
});

t.test('signatures of two copies are merged', async (t) => {
  const a = parsed(bytesOf(general(settle, signText(textOf(settle), ec))));
  const b = parsed(goodBytes);
  t.same(
    mergeSignatures(a, b).signatures.map(({ kid }) => kid),
    [ec.kid, ed.kid],
  );
  t.equal(mergeSignatures(a, b).signatures[0], a.signatures[0]);
  t.same(mergeSignatures(b, a), b);
  const many = {
    ...a,
    signatures: Array.from({ length: SIGNATURES_MAX }, (_, n) => ({
      ...(a.signatures[0] as SignatureEntry),
      kid: `${n}` as never,
    })),
  };
  t.equal(mergeSignatures(many, b).signatures.length, SIGNATURES_MAX);
  t.throws(() => mergeSignatures(a, parsed(bytesOf(general(asset)))));
});

t.test('what a stock JOSE library signs is read, and what we write it verifies', async (t) => {
  const pick = { ES256: ec, EdDSA: ed, Ed25519: ed } as const;
  const privateKey = async (alg: JwsAlg) => importJWK({ ...pick[alg].jwk, d: toBase64url(pick[alg].secret) }, alg);
  const amount = fc
    .tuple(fc.nat(), fc.integer({ min: 1, max: 99 }))
    .map(([major, minor]) => `${major}.${String(minor).padStart(2, '0')}`);
  const arbitrary = fc.record({
    alg: fc.constantFrom<JwsAlg>('ES256', 'EdDSA', 'Ed25519'),
    id: fc.uuid(),
    amount,
    count: fc.integer({ min: 1, max: 5 }),
    flat: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(arbitrary, async ({ alg, id, amount: of, count, flat }) => {
      const payload = {
        ...settle,
        id,
        legs: Array.from({ length: count }, () => ({ ...settle.legs[0], amount: of })),
      } as Json;
      const protectedHeader = { alg, kid: pick[alg].kid, typ: 'causeway+json' };
      const bytes = canonicalBytes(payload);
      const key = await privateKey(alg);
      const jws = flat
        ? await new FlattenedSign(bytes).setProtectedHeader(protectedHeader).sign(key)
        : await new GeneralSign(bytes).addSignature(key).setProtectedHeader(protectedHeader).sign();
      const instruction = parsed(bytesOf(jws));
      t.same(instruction.payload, payload);
      return instruction.signatures.every(verified);
    }),
    { numRuns: 25 },
  );
  const jws = structuredClone(toJws(parsed(goodBytes))) as Parameters<typeof generalVerify>[0];
  const { payload } = await generalVerify(jws, async ({ kid }) =>
    importJWK(keyOf(kid as string)?.jwk as object, 'ES256'),
  );
  t.same(new Uint8Array(payload), canonicalBytes(settle));
});

t.test('no byte of a JWS or an item can be changed unnoticed', async (t) => {
  const original = parsed(goodBytes);
  const meaning = ({ digest, payload, signatures }: Instruction) =>
    JSON.stringify({ digest, payload, kids: signatures.filter(verifiedFast).map(({ kid }) => kid) });
  const known = meaning(original);
  const same = (read: ReturnType<typeof parseInstruction>): 'refused' | 'other' | 'weaker' | 'same' | 'FORGED' => {
    if (!read.ok) return 'refused';
    if (read.instruction.digest !== original.digest)
      return read.instruction.signatures.some(verifiedFast) ? 'FORGED' : 'other';
    if (JSON.stringify(read.instruction.payload) !== JSON.stringify(original.payload)) return 'FORGED';
    if (JSON.stringify(toJws(read.instruction)) === JSON.stringify(toJws(original))) return 'same';
    // The same payload with a signature changed: that signature no longer counts, and no other came in.
    const left = meaning(read.instruction);
    return left !== known && read.instruction.signatures.filter(verifiedFast).length < 2 ? 'weaker' : 'FORGED';
  };
  const item = encodeItem(original);
  const seen: Record<string, number> = { refused: 0, other: 0, weaker: 0, same: 0, FORGED: 0 };
  const mutate = (bytes: Uint8Array, at: number, to: number, read: typeof parseInstruction) => {
    const mutated = bytes.slice();
    mutated[at] = to;
    const outcome = same(read(mutated));
    seen[outcome] = (seen[outcome] as number) + 1;
    if (outcome === 'FORGED') t.fail(`byte ${at} as ${to}`);
  };
  // The low bits walk through base64url's alphabet; the high one leaves ASCII; 0x20 is the space that a parser may skip.
  for (let at = 0; at < goodBytes.length; at++)
    for (const to of [(goodBytes[at] as number) ^ 1, (goodBytes[at] as number) ^ 0x80, 0x20])
      mutate(goodBytes, at, to, parseInstruction);
  for (let at = 0; at < item.length; at++)
    for (const to of [(item[at] as number) ^ 1, (item[at] as number) ^ 0x20]) mutate(item, at, to, decodeItem);
  t.equal(seen['FORGED'], 0);
  t.equal(seen['same'], 0);
  t.ok(
    (seen['refused'] as number) > 2000 && (seen['weaker'] as number) > 200 && (seen['other'] as number) > 50,
    JSON.stringify(seen),
  );
});

t.test('random bytes and random JSON are refused, never thrown on', async () => {
  const nasty = fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.record({ payload: fc.oneof(fc.string(), fc.base64String()), signatures: fc.jsonValue() }),
    fc.record({ payload: fc.constant(good.payload), protected: fc.string(), signature: fc.string() }),
  );
  fc.assert(
    fc.property(nasty, (value) => !parseInstruction(bytesOf(value)).ok),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => !parseInstruction(bytes).ok && !decodeItem(bytes).ok),
    { numRuns: 300 },
  );
  const bent = fc.tuple(
    fc.constantFrom(...payloads),
    fc.constantFrom('legs', 'keys', 'kind', 'action', 'jwk', 'party', 'name', 'cap', 'lei', 'issued', 'x'),
    fc.jsonValue({ maxDepth: 3 }),
  );
  fc.assert(
    fc.property(bent, ([payload, member, value]) => {
      const body = general({ ...(payload as object), [member]: value } as Json);
      const read = parseInstruction(bytesOf(body));
      return read.ok ? member !== 'x' && member !== 'jwk' : read.detail.length > 5;
    }),
    { numRuns: 300 },
  );
});

const DATA = inCheckout('../shared/data/wycheproof/json_web_signature_test.json');
t.test(
  'Wycheproof JSON Web Signature',
  existsSync(DATA) ? {} : { skip: 'NOT RUN: the folder of published vectors is absent' },
  async (t) => {
    const file = JSON.parse(readFileSync(DATA, 'utf8')) as {
      testGroups: { public?: Record<string, string>; tests: { tcId: number; jws: string; result: string }[] }[];
    };
    let [seen, signatures] = [0, 0];
    for (const { public: jwk, tests } of file.testGroups) {
      const key =
        jwk?.['crv'] === 'P-256'
          ? publicKeyOf({ kty: 'EC', crv: 'P-256', x: jwk['x'] as string, y: jwk['y'] as string })
          : null;
      for (const { tcId, jws, result } of tests) {
        seen++;
        const [protectedText = '', payload = '', signature = '', ...rest] = jws.split('.');
        // None of them is an instruction: as they are, and laid out as flattened JSON serialization.
        if (
          parseInstruction(utf8(jws)).ok ||
          parseInstruction(bytesOf({ payload, protected: protectedText, signature })).ok
        )
          t.fail(`${tcId} is read as an instruction`);
        if (key?.ok !== true || jwk?.['alg'] !== 'ES256' || jwk['use'] !== 'sig') continue;
        const raw = fromBase64url(signature);
        const accepted =
          raw !== null &&
          rest.length === 0 &&
          /ES256/.test(Buffer.from(protectedText, 'base64url').toString()) &&
          verifyReference({ ...key, message: signingInput(protectedText, payload), signature: raw });
        // Headers are the envelope's to refuse; the signature rule has to take the good ones and none with a bad signature.
        if (result === 'valid' && !accepted) t.fail(`${tcId} is valid`);
        signatures++;
      }
    }
    t.ok(seen > 390 && signatures > 20, `${seen} vectors, ${signatures} of ES256`);
  },
);

t.test('golden hashes: a change of format is a decision (ARCHITECTURE.md)', async (t) => {
  const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  const instruction = parsed(goodBytes);
  t.equal(ed.kid, '1EhyNLhTm71LC8x3JiqYDTEFVfljv3mTa6w_F70cyO8');
  t.equal(instruction.digest, '0c8465830e4c10430e288d2ee6b46210bbc132e6bd36f20612b07a9cf6019fa6');
  t.equal(sha(goodBytes), '835d933ab22aea7e84be7923392d060e78e5da3edcbb46b676de4feb7818e217');
  t.equal(sha(encodeItem(instruction)), '75f04fa0f2ca091918bfe72c5192361d250fe2d5da49c43488be5c39132e5705');
  t.equal(sha(encodeItem(parsed(bytesOf(listed)))), '042bf70f37adf6ee1e841cd65f3afda6ed875bcc49e6698a616d3c24b4dcb9f8');
  t.equal(parsed(bytesOf(general(govern))).digest, '1c16d793ae531842c3da73e87628943dce3246167101dc9710c4a0a8ddc822ce');
  t.equal(parsed(bytesOf(admission({}))).digest, '080547351bdf3401a0472429c34b3da0e7ddf50235002c7c464e0acbf8838026');
});
