/** Restarts and surveys: what holds, and that nothing bent, made up or left out does. */
import sodium from 'sodium-native';
import t from 'tap';
import { blockId, laneStart, resultRoot, validatorSet, voteSigningBytes } from './block.js';
import { encodeBundle, verifyBundle } from './bundle.js';
import {
  type ChangeHandOver,
  handOverSigningBytes,
  type RestartHandOver,
  restartHandOver,
  type SignatureJudge,
  type Signatures,
  verifyHandOver,
} from './certificate.js';
import { fromHex, toHex, utf8 } from './codec.js';
import { generateKey, signEd25519, signEs256, verifyReference } from './crypto.js';
import { decodeHandOver, encodeHandOver } from './handover.js';
import { hashOf, TAGS, taggedHash } from './hash.js';
import { merklePath, merkleRoot } from './merkle.js';
import {
  encodeRestartFile,
  parseRestartFile,
  type Restart,
  type RestartAuthority,
  restartProtected,
  restartSigningInput,
  statementBytes,
} from './restart.js';
import { encodeSurvey, parseSurvey, proposeRestart, type Survey } from './survey.js';
import type {
  Ballot,
  Bic,
  BlockHeader,
  BlockId,
  Certificate,
  Epoch,
  Hash,
  Height,
  NetworkId,
  PeerKey,
  Root,
  TimestampMs,
  ValidatorIndex,
  ValidatorSet,
  View,
} from './types.js';

const hash = (name: string): Hash => hashOf(utf8(name));
const root = (name: string): Root => hash(name) as Hash & Root;
const network = hash('network') as NetworkId;

/** Ed25519 in native code, since there are many; ES256 by the reference. */
const check: SignatureJudge = (owed) =>
  owed.alg === 'ES256'
    ? verifyReference(owed)
    : owed.signature.length === 64 &&
      sodium.crypto_sign_verify_detached(Buffer.from(owed.signature), Buffer.from(owed.message), Buffer.from(owed.key));

const seedOf = (name: string): Uint8Array => fromHex(hash(name));
const key = (name: string) => generateKey('Ed25519', () => seedOf(name));
interface Members {
  readonly set: ValidatorSet;
  readonly secrets: readonly Uint8Array[];
}
function members(epoch: number, names: readonly string[]): Members {
  const votes = names.map((name) => key(`vote key of ${name}`));
  const validators = names.map((name, i) => ({
    party: `CB${name.slice(0, 2)}XXXXXXX` as Bic,
    voteKey: toHex(votes[i]?.key as Uint8Array),
    networkKey: toHex(key(`network key of ${name}`).key) as PeerKey,
  }));
  return { set: validatorSet(epoch as Epoch, validators), secrets: votes.map(({ secret }) => secret) };
}
const sign = ({ secrets }: Members, signers: readonly number[], message: Uint8Array): Signatures =>
  signers.map((signer) => ({
    signer: signer as ValidatorIndex,
    signature: signEd25519(secrets[signer] as Uint8Array, message),
  }));
const certify = (by: Members, signers: readonly number[], ballot: Ballot): Certificate => ({
  ballot,
  signatures: sign(by, signers, voteSigningBytes(network, by.set, ballot)),
});

const before = members(0, ['HK', 'CN', 'TH', 'AE']);
const after = members(1, ['HK', 'CN', 'TH new', 'AE new']);

/** Four authorities; the second signs with two of its three keys, one of them P-256. */
const KEYS = [['a0'], ['b0', 'b1', 'b2'], ['c0'], ['d0']].map((names) =>
  names.map((name) => (name === 'b1' ? generateKey('ES256', (length) => new Uint8Array(length).fill(7)) : key(name))),
);
const authorities: RestartAuthority[] = KEYS.map((keys, i) => ({
  party: `AU${i}`,
  threshold: keys.length > 1 ? 2 : 1,
  keys: keys.map(({ jwk }) => jwk),
}));
type AuthorityKey = (typeof KEYS)[number][number];
const [a0, b0, b1, , c0, d0] = KEYS.flat() as [
  AuthorityKey,
  AuthorityKey,
  AuthorityKey,
  AuthorityKey,
  AuthorityKey,
  AuthorityKey,
];

/** Blocks 1 to 4 of epoch 0, of views 1, 2, 4 and 5. */
const headers: BlockHeader[] = [];
for (const [i, view] of [1, 2, 4, 5].entries()) {
  const parent = headers.at(-1);
  headers.push({
    network,
    epoch: 0 as Epoch,
    view: view as View,
    height: (i + 1) as Height,
    parent: parent === undefined ? (hash('genesis') as BlockId) : blockId(parent),
    parentView: (parent?.view ?? 0) as View,
    cut: before.set.validators.map(() => laneStart(0)),
    time: (1000 + i) as TimestampMs,
    proposer: (view % 4) as ValidatorIndex,
  });
}
const idAt = (height: number): BlockId => blockId(headers[height - 1] as BlockHeader);
const viewAt = (height: number): View => (headers[height - 1] as BlockHeader).view;
const notarized = (height: number, signers = [0, 1, 2], by = before): Certificate =>
  certify(by, signers, { kind: 'notarize', view: viewAt(height), block: idAt(height), root: null });
const finalized = (height: number, signers = [0, 1, 3]) =>
  certify(before, signers, {
    kind: 'finalize',
    view: viewAt(height),
    block: idAt(height),
    root: root(`root ${height}`),
  }) as NonNullable<Survey['final']['certificate']>;

const last = { epoch: 0 as Epoch, view: viewAt(4), height: 4 as Height, block: idAt(4), root: root('root 4') };

/** A restart over block 4, or a wrong one where parts are replaced; `signers` sign what it says in the end. */
function restart(change: Partial<Restart> = {}, signers: readonly AuthorityKey[] = [a0, b0, b1, d0]): Restart {
  const said = { network, set: after.set, last, certificate: notarized(4), signatures: [], ...change };
  const signatures = signers.map(({ alg, kid, secret }) => {
    const name = alg === 'ES256' ? 'ES256' : 'EdDSA';
    const protectedText = restartProtected(name, kid);
    const message = restartSigningInput(said, protectedText);
    const signature = alg === 'ES256' ? signEs256(secret, message) : signEd25519(secret, message);
    return { protectedText, alg: name, kid, signature } as const;
  });
  return { ...said, signatures: change.signatures ?? signatures };
}
const stated = (made: Restart, signers = [0, 1, 3], by = after, block = made.last.block): RestartHandOver =>
  restartHandOver(made, sign(by, signers, handOverSigningBytes(network, made.set, block, made.last.root)));
const trust = { network, set: before.set, authorities };
const verdictOf = (made: RestartHandOver, more: Partial<Parameters<typeof verifyHandOver>[1]> = {}): string => {
  const verdict = verifyHandOver(made, { ...trust, ...more }, check);
  return verdict.ok ? 'ok' : verdict.code;
};

t.test(
  'the say passes by a restart only as a quorum of the authorities signed it, over a block that the old set certified',
  (t) => {
    const good = restart();
    const rows: [string, string, RestartHandOver][] = [
      ['as it was signed', 'ok', stated(good)],
      ['over a final block', 'ok', stated(restart({ certificate: finalized(4) }))],
      ['signed by all', 'ok', stated(restart({}, [a0, b0, b1, c0, d0]))],
      ['where nothing was notarized', 'ok', stated(restart({ last: { ...last, view: 0 as View }, certificate: null }))],
      ['of another network', 'wrong_network', stated(restart({ network: hash('x') as NetworkId }))],
      ['that skips an epoch', 'wrong_epoch', stated(restart({ set: validatorSet(2 as Epoch, after.set.validators) }))],
      ['over a block of another epoch', 'wrong_epoch', stated(restart({ last: { ...last, epoch: 1 as Epoch } }))],
      ['without its certificate', 'wrong_certificate', stated(restart({ certificate: null }))],
      ['with one too few votes', 'no_quorum', stated(restart({ certificate: notarized(4, [0, 1]) }))],
      ['with a vote twice', 'signers_not_ascending', stated(restart({ certificate: notarized(4, [0, 1, 1]) }))],
      ["with strangers' votes", 'bad_signature', stated(restart({ certificate: notarized(4, [0, 1, 2], after) }))],
      ['by two authorities', 'no_authority_quorum', stated(restart({}, [a0, d0]))],
      ['by three, one of them with one key of two', 'no_authority_quorum', stated(restart({}, [a0, b0, d0]))],
      ['by nobody', 'no_authority_quorum', stated(restart({}, []))],
      ['with a key twice', 'duplicate_signer', stated(restart({}, [a0, b0, b0, d0]))],
      ['with a key of nobody', 'unknown_authority_key', stated(restart({}, [a0, b0, b1, d0, key('z')]))],
      [
        'with signatures of another one',
        'bad_authority_signature',
        stated(restart({ signatures: restart({ last: { ...last, root: root('x') } }).signatures })),
      ],
      [
        'with signatures under the wrong names',
        'bad_authority_signature',
        stated(
          restart({
            signatures: good.signatures.map((one, i) => ({
              ...one,
              signature: good.signatures[(i + 1) % 4]?.signature as Uint8Array,
            })),
          }),
        ),
      ],
      ['that too few of the new set take up', 'no_quorum', stated(good, [0, 1])],
      ['that the old set takes up', 'bad_signature', stated(good, [0, 1, 3], before)],
      ['that the new set takes up elsewhere', 'bad_signature', stated(good, [0, 1, 3], after, idAt(3))],
    ];
    for (const [name, expected, made] of rows) t.equal(verdictOf(made), expected, `a restart ${name}`);
    t.equal(verdictOf(stated(good), { authorities: [] }), 'unknown_authority_key', 'without authorities none counts');
    const rotated = authorities.with(3, { party: 'AU3', threshold: 1, keys: [key('d1').jwk] });
    t.equal(verdictOf(stated(good), { authorities: rotated }), 'unknown_authority_key', 'a key that was changed since');
    t.equal(verdictOf(stated(good), { authorities: rotated, vouched: [good] }), 'ok', 'the holder has the file');
    const other = restart({ last: { ...last, root: root('x') } });
    t.equal(
      verdictOf(stated(good), { authorities: rotated, vouched: [other] }),
      'unknown_authority_key',
      'another file',
    );
    t.equal(verdictOf(stated(good), { set: after.set }), 'wrong_epoch', 'replayed in a later epoch');
    t.end();
  },
);

/** A receipt of epoch 1 that is certified over the restart. */
const receipt = utf8('a receipt of the new epoch');
function bundle(handOver: RestartHandOver | ChangeHandOver) {
  const leaf = taggedHash(TAGS.receipt, receipt);
  const block = { parentResultRoot: root('parent'), stateRoot: root('state') };
  const certified = resultRoot(block.parentResultRoot, merkleRoot([leaf]), block.stateRoot);
  const ballot = { kind: 'finalize', view: 7 as View, block: hash('b') as BlockId, root: certified } as const;
  return encodeBundle({
    network,
    receipt,
    path: merklePath([leaf], 0),
    block,
    chain: [],
    epoch: 1 as Epoch,
    certificate: certify(after, [0, 1, 2], ballot) as Parameters<typeof encodeBundle>[0]['certificate'],
    handOvers: [handOver],
  });
}

/** Every value that differs in one place. */
function* bent(value: unknown): Generator {
  if (typeof value === 'number') yield* [value + 1, value - 1];
  else if (typeof value === 'string') {
    for (let i = 0; i < value.length; i += 5) {
      const digit = value[i] as string;
      yield value.slice(0, i) +
        (digit === 'a' ? 'b' : digit === 'A' ? 'B' : /[A-Z]/.test(digit) ? 'A' : 'a') +
        value.slice(i + 1);
    }
    yield value.slice(1);
  } else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      yield value.toSpliced(i, 1);
      yield value.toSpliced(i, 0, item);
      for (const change of bent(item)) yield value.with(i, change);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [i, [name, item]] of Object.entries(value as Record<string, unknown>).entries()) {
      yield Object.fromEntries(Object.entries(value).toSpliced(i, 1));
      for (const change of bent(item)) yield { ...value, [name]: change };
    }
  }
}

t.test('a receipt is proven over a restart, and by nothing bent', (t) => {
  const trusted = { network, validators: before.set, authorities };
  const good = bundle(stated(restart({}, [a0, c0, d0])));
  t.match(verifyBundle(utf8(JSON.stringify(good)), trusted, check), { ok: true, epoch: 1, receipt });
  t.match(verifyBundle(good, { network, validators: before.set }, check), {
    code: 'unknown_authority_key',
    pointer: '/handOvers/0',
  });
  const accepted = [];
  let count = 0;
  for (const change of bent(good.handOvers[0])) {
    count++;
    const same = JSON.stringify(change) === JSON.stringify(good.handOvers[0]);
    const verdict = same ? null : verifyBundle({ ...good, handOvers: [change] }, trusted, check);
    if (verdict?.ok === true) accepted.push(change);
  }
  t.ok(count > 300, `${count} changes were tried`);
  t.same(accepted, [], 'none of them verifies');
  t.end();
});

t.test('as bytes it is one thing only', (t) => {
  const good = stated(restart());
  const bytes = encodeHandOver(good);
  t.same(decodeHandOver(bytes), good);
  t.equal(decodeHandOver(bytes.slice(0, -1)), null, 'cut short');
  t.equal(decodeHandOver(Uint8Array.of(2, ...bytes.slice(1))), null, 'of an unknown kind');
  const text = new TextDecoder().decode(statementBytes(good.restart));
  const moved = bytes.slice();
  moved.set(utf8(text.replace('"epoch":1', '"epoch":7')), 5);
  t.equal(decodeHandOver(moved), null, 'epochs that do not fit');
  t.equal(
    hashOf(statementBytes(good.restart)),
    '4846d58cafa738895ea8c10db8bbb81eb14dec4664b0d549ec875e616562809d',
    'golden: what authorities sign',
  );
  t.end();
});

t.test('a restart file is read strictly', (t) => {
  const file = { restart: restart(), headers: headers.slice(2) };
  const bytes = encodeRestartFile(file);
  const read = parseRestartFile(bytes);
  t.same(read, { ok: true, file });
  type Text = Record<string, unknown>;
  const json = JSON.parse(new TextDecoder().decode(bytes)) as {
    statement: { validators: [Text, Text, ...Text[]] };
    headers: unknown[];
    signatures: Text[];
  };
  const codeOf = (value: unknown): string => {
    const parsed = parseRestartFile(utf8(JSON.stringify(value)));
    return parsed.ok ? 'ok' : `${parsed.code} ${parsed.pointer}`;
  };
  const said = (change: object) => ({ ...json, statement: { ...json.statement, ...change } });
  const [first, second, ...rest] = json.statement.validators;
  const rows: [string, string, unknown][] = [
    ['a member more', 'malformed /more', { ...json, more: 1 }],
    ['no statement', 'malformed /statement', { signatures: [], headers: [] }],
    ['another format', 'malformed /statement/format', said({ format: 'causeway-restart/2' })],
    ['epochs that do not follow', 'malformed /statement/epoch', said({ epoch: 2 })],
    ['a header left out', 'malformed /headers', { ...json, headers: json.headers.slice(0, 1) }],
    ['headers in disorder', 'malformed /headers/1', { ...json, headers: [...json.headers].reverse() }],
    [
      'a party twice',
      'duplicate_party /statement/validators/1/party',
      said({ validators: [first, { ...second, party: first['party'] }, ...rest] }),
    ],
    [
      'a key twice',
      'duplicate_key /statement/validators/1/voteKey',
      said({ validators: [first, { ...second, voteKey: first['networkKey'] }, ...rest] }),
    ],
    [
      'a key that is no point',
      'malformed_key /statement/validators/0/voteKey',
      said({ validators: [{ ...first, voteKey: 'f'.repeat(64) }, second, ...rest] }),
    ],
    [
      'a weak key',
      'weak_key /statement/validators/0/voteKey',
      said({ validators: [{ ...first, voteKey: `01${'0'.repeat(62)}` }, second, ...rest] }),
    ],
    [
      "an instruction's signature",
      'malformed /signatures/0/protected',
      { ...json, signatures: [{ ...json.signatures[0], protected: 'eyJhbGciOiJFZERTQSJ9' }] },
    ],
  ];
  for (const [name, expected, value] of rows) t.equal(codeOf(value), expected, name);
  t.match(parseRestartFile(utf8('{')), { code: 'malformed_json' });
  t.end();
});

t.test('surveys lead to the highest notarized block, or to a refusal', (t) => {
  const surveyed = (change: Partial<Survey> = {}): Survey => ({
    network,
    set: before.set,
    handOvers: [],
    final: { view: viewAt(2), height: 2 as Height, block: idAt(2), root: root('root 2'), certificate: finalized(2) },
    headers: headers.slice(2),
    notarization: notarized(4),
    root: root('root 4'),
    restored: null,
    ...change,
  });
  const low = surveyed({
    final: { view: viewAt(1), height: 1 as Height, block: idAt(1), root: root('root 1'), certificate: finalized(1) },
    headers: headers.slice(1, 3),
    notarization: notarized(3),
    root: root('root 3'),
  });
  t.same(parseSurvey(encodeSurvey(low)), { ok: true, survey: low });
  const restored = surveyed({ restored: { epoch: 0 as Epoch, height: 2 as Height } });
  t.same(parseSurvey(encodeSurvey(restored)), { ok: true, survey: restored }, 'of a restored backup it is told');
  const trusted = { network, validators: before.set, authorities };
  const proposeBy = (surveys: readonly Survey[], next = after.set.validators) =>
    proposeRestart(surveys, next, trusted, check);
  for (const surveys of [
    [surveyed(), low],
    [low, surveyed()],
    [low, surveyed({ headers: headers.slice(3) })],
  ]) {
    t.match(proposeBy(surveys), { ok: true, file: { restart: { last, certificate: notarized(4), signatures: [] } } });
  }
  const proposed = proposeBy([low, surveyed()]);
  t.same(proposed.ok ? proposed.file.headers : [], headers.slice(2), 'from the highest final block on');
  t.match(proposeBy([surveyed({ notarization: null, headers: [], root: root('root 2') })]), {
    file: { restart: { last: { height: 2, view: 2, root: root('root 2') }, certificate: finalized(2) }, headers: [] },
  });
  const above = { view: viewAt(3), height: 3 as Height, block: hash('rival') as BlockId, root: root('rival') };
  const rival = certify(before, [0, 1, 2], { kind: 'finalize', ...above }) as NonNullable<
    Survey['final']['certificate']
  >;
  const stranger = members(0, ['XA', 'XB', 'XC', 'XD']);
  const rows: [string, string, readonly Survey[], typeof after.set.validators?][] = [
    ['none at all', 'no_survey', []],
    ['a gap in the way', 'missing_header', [surveyed({ headers: headers.slice(3) })]],
    ['no root', 'not_executed', [surveyed({ root: null }), low]],
    ['two roots', 'state_divergence', [surveyed(), surveyed({ root: root('other') })]],
    [
      'a final block beside the way',
      'restart_behind',
      [surveyed(), surveyed({ final: { ...above, certificate: rival } })],
    ],
    ['another network', 'wrong_network', [surveyed({ network: hash('x') as NetworkId })]],
    ['a set of strangers', 'unproven_set', [surveyed({ set: stranger.set })]],
    ['too few votes', 'no_quorum', [surveyed({ notarization: notarized(4, [0, 1]) })]],
    ['false votes', 'bad_signature', [surveyed({ notarization: notarized(4, [0, 1, 2], after) })]],
    [
      'a final block without its certificate',
      'wrong_certificate',
      [surveyed({ final: { ...low.final, certificate: null } })],
    ],
    [
      'a header of another epoch',
      'wrong_epoch',
      [surveyed({ headers: [{ ...(headers[3] as BlockHeader), epoch: 1 as Epoch }] })],
    ],
    [
      'a next set with a party twice',
      'duplicate_party',
      [surveyed()],
      [after.set.validators[0], after.set.validators[0]] as typeof after.set.validators,
    ],
  ];
  for (const [name, expected, surveys, next] of rows) {
    const verdict = proposeBy(surveys, next);
    t.equal(verdict.ok ? 'ok' : verdict.code, expected, name);
  }
  t.end();
});
