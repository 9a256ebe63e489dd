/** Certificates, hand-overs and bundles: what verifies, and that nothing bent or made up does. */

import sodium from 'sodium-native';
import t from 'tap';
import { toBase64url } from './base64url.js';
import { resultRoot, validatorSet, voteSigningBytes } from './block.js';
import { type Bundle, encodeBundle, verifyBundle } from './bundle.js';
import { canonicalBytes } from './canonical.js';
import {
  type ChangeHandOver,
  certificateChecks,
  type Finalization,
  handOverSigningBytes,
  judgeSigners,
  type SignatureJudge,
  type Signatures,
  validatorsStateValue,
  verifyCertificate,
  verifyHandOver,
} from './certificate.js';
import { fromHex, toHex, utf8 } from './codec.js';
import { publicKeyOfSecret, signEd25519, verifyReference } from './crypto.js';
import { concat, hashOf, hashPairs, TAGS, taggedHash } from './hash.js';
import { merklePath, merkleRoot } from './merkle.js';
import { fc } from './property.test-helper.js';
import { pathBit, stateLeaf, statePath, stateValueHash, VALIDATORS_STATE_KEY } from './stateproof.js';
import type {
  Ballot,
  Bic,
  BlockId,
  Epoch,
  Hash,
  NetworkId,
  PeerKey,
  Root,
  ValidatorIndex,
  ValidatorSet,
  View,
} from './types.js';

const hash = (name: string): Hash => hashOf(utf8(name));
const root = (name: string): Root => hash(name) as Hash & Root;
const network = hash('network') as NetworkId;

/** Native code, since thousands of checks are made here; `verifyReference` has its turn in one test. */
const check: SignatureJudge = ({ key, message, signature }) =>
  signature.length === 64 &&
  sodium.crypto_sign_verify_detached(Buffer.from(signature), Buffer.from(message), Buffer.from(key));

interface Members {
  readonly set: ValidatorSet;
  readonly secrets: readonly Uint8Array[];
}
function members(epoch: number, names: readonly string[]): Members {
  const secrets = names.map((name) => fromHex(hash(`vote key of ${name}`)));
  const validators = names.map((name, i) => ({
    party: `CB${name}XXXXXXX` as Bic,
    voteKey: toHex(publicKeyOfSecret('Ed25519', secrets[i] as Uint8Array)),
    networkKey: toHex(publicKeyOfSecret('Ed25519', fromHex(hash(`network key of ${name}`)))) as PeerKey,
  }));
  return { set: validatorSet(epoch as Epoch, validators), secrets };
}
const sign = ({ secrets }: Members, signers: readonly number[], message: Uint8Array): Signatures =>
  signers.map((signer) => ({
    signer: signer as ValidatorIndex,
    signature: signEd25519(secrets[signer] as Uint8Array, message),
  }));
const finalize = (view: number, block: string, of: Root): Finalization['ballot'] => ({
  kind: 'finalize',
  view: view as View,
  block: hash(block) as BlockId,
  root: of,
});
const certify = (by: Members, signers: readonly number[], ballot: Finalization['ballot']): Finalization => ({
  ballot,
  signatures: sign(by, signers, voteSigningBytes(network, by.set, ballot)),
});

const before = members(0, ['HK', 'CN', 'TH', 'AE']);
const after = members(1, ['CN', 'TH', 'AE', 'SG', 'ID']);
const AFTER_QUORUM = [0, 1, 3, 4];
const strangers = members(0, ['XA', 'XB', 'XC', 'XD']);

/** A state of two entries, `validators` among them: its root, and the siblings of that entry. */
function stateNaming(set: ValidatorSet): { readonly stateRoot: Root; readonly siblings: Hash[] } {
  const path = statePath(VALIDATORS_STATE_KEY);
  const leaf = stateLeaf(path, stateValueHash(validatorsStateValue(set)));
  const bit = pathBit(fromHex(path), 0);
  // Another entry that stands in the other half of the tree.
  const key = Array.from({ length: 20 }, (_, i) => utf8(`account ${i}`)).find(
    (k) => pathBit(fromHex(statePath(k)), 0) !== bit,
  ) as Uint8Array;
  const other = stateLeaf(statePath(key), stateValueHash(utf8('1')));
  const pair = bit === 0 ? [leaf, other] : [other, leaf];
  return { stateRoot: toHex(hashPairs(concat(...pair.map(fromHex)))) as Hash & Root, siblings: [other] };
}

/** The hand-over from `before` to `after`, or a wrong one where parts are replaced. */
function handOver(
  change: {
    old?: Members;
    next?: Members;
    named?: ValidatorSet;
    oldSigners?: number[];
    newSigners?: number[];
    stated?: string;
    by?: Members;
  } = {},
): ChangeHandOver {
  const {
    old = before,
    next = after,
    named = next.set,
    oldSigners = [0, 1, 2],
    newSigners = AFTER_QUORUM,
    stated = 'B',
    by = next,
  } = change;
  const { stateRoot, siblings } = stateNaming(named);
  const opening = { parentResultRoot: root('before B'), receiptsRoot: root('receipts of B'), stateRoot };
  const finalized = resultRoot(opening.parentResultRoot, opening.receiptsRoot, stateRoot);
  const block = hash('B') as BlockId;
  return {
    kind: 'change',
    set: next.set,
    block,
    finalization: certify(old, oldSigners, finalize(40, 'closing block after B', finalized)),
    opening,
    siblings,
    statements: sign(by, newSigners, handOverSigningBytes(network, next.set, hash(stated) as BlockId, finalized)),
  };
}

const receipt = utf8('a receipt: its layout is the ledger’s');
const leaves = ['a', 'b', 'c', 'd']
  .map((name) => taggedHash(TAGS.receipt, utf8(name)))
  .concat(taggedHash(TAGS.receipt, receipt), hash('f'));

/** A receipt with a chain of two blocks after it, certified in epoch 1; `at` is its place in its block. */
function sample(
  at = 4,
  certificate: (root: Root) => Finalization = (of) => certify(after, AFTER_QUORUM, finalize(7, 'certified', of)),
  handOvers = [handOver()],
): Bundle {
  const list = leaves.toSpliced(4, 1).toSpliced(at, 0, leaves[4] as Hash);
  const block = { parentResultRoot: root('parent'), stateRoot: root('state') };
  const chain = [1, 2].map((i) => ({ receiptsRoot: root(`receipts ${i}`), stateRoot: root(`state ${i}`) }));
  const own = resultRoot(block.parentResultRoot, merkleRoot(list), block.stateRoot);
  const certified = chain.reduce<Root>((parent, next) => resultRoot(parent, next.receiptsRoot, next.stateRoot), own);
  const path = merklePath(list, at);
  return encodeBundle({
    network,
    receipt,
    path,
    block,
    chain,
    epoch: handOvers.length as Epoch,
    certificate: certificate(certified),
    handOvers,
  });
}
const trusted = { network, validators: before.set };
const codeOf = (input: unknown): string => {
  const verdict = verifyBundle(input, trusted, check);
  return verdict.ok ? 'ok' : verdict.code;
};

t.test('a certificate is a quorum of distinct signers, ascending, all of whose signatures hold', (t) => {
  const ballot = finalize(3, 'block', root('root'));
  const good = certify(before, [0, 1, 3], ballot);
  const signatures = (signers: number[], by = before, message = voteSigningBytes(network, before.set, ballot)) =>
    sign(by, signers, message);
  const notarize: Ballot = { kind: 'notarize', view: ballot.view, block: ballot.block, root: null };
  const [first, second, third] = good.signatures as [Signatures[0], Signatures[0], Signatures[0]];
  const swapped = [{ ...first, signature: second.signature }, { ...second, signature: first.signature }, third];
  const rows: [string, string, Finalization][] = [
    ['three of four', 'ok', good],
    ['all four', 'ok', certify(before, [0, 1, 2, 3], ballot)],
    ['two of four', 'no_quorum', certify(before, [0, 1], ballot)],
    ['none', 'no_quorum', { ballot, signatures: [] }],
    ['one thrice', 'signers_not_ascending', certify(before, [1, 1, 1], ballot)],
    ['descending', 'signers_not_ascending', certify(before, [3, 1, 0], ballot)],
    [
      'a signer below 0',
      'signers_not_ascending',
      { ballot, signatures: [{ ...first, signer: -1 as ValidatorIndex }, second, third] },
    ],
    [
      'a fifth signer',
      'unknown_signer',
      { ballot, signatures: [first, second, { ...third, signer: 4 as ValidatorIndex }] },
    ],
    ['another view', 'bad_signature', { ...good, ballot: finalize(4, 'block', root('root')) }],
    ['another block', 'bad_signature', { ...good, ballot: finalize(3, 'other', root('root')) }],
    ['another root', 'bad_signature', { ...good, ballot: finalize(3, 'block', root('other')) }],
    [
      'notarize votes passed off as finalize votes',
      'bad_signature',
      { ballot, signatures: signatures([0, 1, 3], before, voteSigningBytes(network, before.set, notarize)) },
    ],
    [
      'votes of another network',
      'bad_signature',
      {
        ballot,
        signatures: signatures([0, 1, 3], before, voteSigningBytes(hash('x') as NetworkId, before.set, ballot)),
      },
    ],
    [
      'votes of another epoch',
      'bad_signature',
      {
        ballot,
        signatures: signatures(
          [0, 1, 3],
          before,
          voteSigningBytes(network, { ...before.set, epoch: 1 as Epoch }, ballot),
        ),
      },
    ],
    ["strangers' keys", 'bad_signature', { ballot, signatures: signatures([0, 1, 3], strangers) }],
    ['signatures under the wrong names', 'bad_signature', { ballot, signatures: swapped }],
    [
      'one bad among four',
      'bad_signature',
      { ballot, signatures: [...signatures([0, 1, 2]), { signer: 3 as ValidatorIndex, signature: first.signature }] },
    ],
    [
      'a short signature',
      'bad_signature',
      { ballot, signatures: [first, second, { ...third, signature: third.signature.slice(1) }] },
    ],
  ];
  for (const [name, expected, certificate] of rows) {
    const verdict = verifyCertificate(certificate, { network, set: before.set }, check);
    t.equal(verdict.ok ? 'ok' : verdict.code, expected, name);
    // The checks made one by one elsewhere come to the same.
    const apart =
      judgeSigners(certificate.signatures, before.set)?.code ??
      (certificateChecks(certificate, network, before.set).every(check) ? 'ok' : 'bad_signature');
    t.equal(apart, expected, `${name}, checked apart`);
  }
  t.end();
});

t.test('the say passes only where the old set finalized a state that names the new one', (t) => {
  const honest = handOver();
  const third = members(2, ['CN', 'TH', 'SG', 'ID']);
  const rows: [string, string, ChangeHandOver][] = [
    ['the say as it passed', 'ok', honest],
    [
      'a set made up by strangers, who sign as both',
      'bad_signature',
      handOver({ old: strangers, next: members(1, ['XA', 'XB', 'XC', 'XD']), newSigners: [0, 1, 2] }),
    ],
    [
      'a made-up set under a finalized state that names another',
      'unproven_set',
      handOver({ next: members(1, ['XA', 'XB', 'XC', 'XD']), named: after.set, newSigners: [0, 1, 2] }),
    ],
    ['a finalized state that still names the old set', 'unproven_set', handOver({ named: before.set })],
    [
      'the new set in another order',
      'unproven_set',
      handOver({ next: members(1, ['SG', 'CN', 'TH', 'AE', 'ID']), named: after.set }),
    ],
    ['an epoch skipped', 'wrong_epoch', handOver({ next: third, newSigners: [0, 1, 2] })],
    ['the same epoch again', 'wrong_epoch', handOver({ next: before, newSigners: [0, 1, 2] })],
    ['too few of the old set', 'no_quorum', handOver({ oldSigners: [0, 1] })],
    ['too few of the new set', 'no_quorum', handOver({ newSigners: [0, 1, 3] })],
    [
      "statements by the old set's members, for the new",
      'bad_signature',
      handOver({ by: { set: after.set, secrets: [...before.secrets, ...before.secrets] } }),
    ],
    ['statements about another block', 'bad_signature', handOver({ stated: 'C' })],
    [
      'an opening of another root',
      'wrong_root',
      { ...honest, opening: { ...honest.opening, stateRoot: stateNaming(third.set).stateRoot } },
    ],
    ['a proof of a deeper tree', 'unproven_set', { ...honest, siblings: [...honest.siblings, hash('x')] }],
    [
      'a finalization of another root',
      'wrong_root',
      { ...honest, finalization: certify(before, [0, 1, 2], finalize(40, 'B', root('other'))) },
    ],
  ];
  for (const [name, expected, made] of rows) {
    const verdict = verifyHandOver(made, { network, set: before.set }, check);
    t.equal(verdict.ok ? 'ok' : verdict.code, expected, name);
  }
  t.end();
});

t.test('a bundle verifies in its epoch, over a hand-over, and from a checkpoint', (t) => {
  for (let at = 0; at < leaves.length; at++)
    t.equal(codeOf(sample(at)), 'ok', `a receipt at place ${at} of ${leaves.length}`);
  const early = sample(2, (of) => certify(before, [1, 2, 3], finalize(9, 'certified', of)), []);
  t.equal(codeOf(early), 'ok', 'in epoch 0 without hand-overs');
  t.equal(codeOf(utf8(JSON.stringify(early, null, 2))), 'ok', 'its bytes, spaced');
  t.ok(verifyBundle(sample(), trusted, verifyReference).ok, 'with the reference in place of native code');
  const { handOvers: _, ...rest } = sample();
  const short = { ...rest, handOvers: [] };
  t.equal(codeOf(short), 'wrong_epoch', 'without its hand-over it leads nowhere from genesis');
  const verdict = verifyBundle(short, { network, validators: after.set }, check);
  t.match(
    verdict,
    { ok: true, epoch: 1, view: 7, block: hash('certified'), blocksAfter: 2, signers: AFTER_QUORUM, receipt },
    'from the set of epoch 1 as a checkpoint',
  );
  t.end();
});

t.test('made-up bundles are refused', (t) => {
  const good = sample();
  const text = JSON.stringify(good);
  const made = sample(4, (of) => certify(strangers, [0, 1, 2], finalize(7, 'certified', of)), []);
  const rows: [string, string, unknown][] = [
    ['no object', 'malformed', null],
    ['a list', 'malformed', [good]],
    ['another format', 'malformed', { ...good, format: 'causeway-receipt/2' }],
    ['a member more', 'malformed', { ...good, height: 7 }],
    ['its members as a prototype', 'malformed', utf8(`{"__proto__":${text}}`)],
    ['a deep value', 'malformed', utf8(`${'['.repeat(200_000)}${']'.repeat(200_000)}`)],
    ['bytes that are no JSON', 'malformed_json', utf8(text.slice(1))],
    ['bytes that are no UTF-8', 'malformed_json', concat(utf8(text), Uint8Array.of(0xff))],
    ['a member twice', 'malformed_json', utf8(`{"network":"${hash('x')}",${text.slice(1)}`)],
    ['too many bytes', 'too_large', utf8(text + ' '.repeat(4 * 1024 * 1024))],
    ['another network', 'wrong_network', { ...good, network: hash('x') }],
    ["strangers' certificate", 'bad_signature', made],
    [
      "the old set's certificate after its time",
      'wrong_epoch',
      { ...good, certificate: { ...good.certificate, epoch: 0 } },
    ],
    ['the hand-over twice', 'wrong_epoch', { ...good, handOvers: [...good.handOvers, ...good.handOvers] }],
    ['another receipt', 'wrong_root', { ...good, receipt: toBase64url(utf8('another')) }],
    [
      'an inner node passed off as a receipt',
      'wrong_root',
      {
        ...good,
        receipt: toBase64url(fromHex(hashOf(concat(...leaves.slice(0, 2).map(fromHex))))),
        path: good.path.slice(1),
      },
    ],
    ['too long a path', 'malformed', { ...good, path: Array.from({ length: 33 }, () => good.path[0]) }],
  ];
  for (const [name, expected, input] of rows) t.equal(codeOf(input), expected, name);
  t.end();
});

/** Every value that differs from `value` in one place: a character, a number, an item or a member dropped or moved. */
function* bent(value: unknown): Generator {
  if (typeof value === 'number') yield* [value + 1, value - 1, String(value)];
  if (typeof value === 'string') {
    for (let i = 0; i < value.length; i++) {
      const other = /[0-8]/.test(value[i] as string)
        ? String(Number(value[i]) + 1)
        : value[i] === 'a'
          ? 'b'
          : value[i] === 'A'
            ? 'B'
            : /[A-Z]/.test(value[i] as string)
              ? 'A'
              : 'a';
      yield value.slice(0, i) + other + value.slice(i + 1);
    }
    yield* [value.slice(1), `${value}0`, null];
  } else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      yield value.toSpliced(i, 1);
      yield value.toSpliced(i, 0, item);
      if (i > 0) yield value.toSpliced(i - 1, 2, item, value[i - 1]);
      for (const change of bent(item)) yield value.with(i, change);
    }
  } else if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value as Record<string, unknown>);
    for (const [i, [name, item]] of members.entries()) {
      yield Object.fromEntries(members.toSpliced(i, 1));
      yield { ...value, [`${name}s`]: item };
      for (const change of bent(item)) yield { ...value, [name]: change };
    }
  }
}

t.test('whatever part of a bundle is bent, it is refused', (t) => {
  const good = sample();
  const text = JSON.stringify(good);
  const accepted = [];
  let count = 0;
  for (const change of bent(good)) {
    count++;
    if (JSON.stringify(change) !== text && codeOf(change) === 'ok') accepted.push(change);
  }
  t.ok(count > 2_000, `${count} changes were tried`);
  t.same(accepted, [], 'none of them verifies');
  t.end();
});

t.test('no bytes make it throw', (t) => {
  const bytes = utf8(JSON.stringify(sample()));
  const edit = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
      const changed = bytes.slice();
      for (const [at, byte] of edits) changed[at] = byte;
      return hashOf(changed) === hashOf(bytes) || codeOf(changed) !== 'ok';
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test('golden: a change of format changes these', (t) => {
  t.equal(
    hashOf(handOverSigningBytes(network, after.set, hash('B') as BlockId, root('r'))),
    'd4c1419028fa2573884ad3239296d637d5541489408eb95733ab4ed9738ce7f7',
    'what a new set signs',
  );
  t.equal(
    toHex(validatorsStateValue(after.set)),
    '0000000000000001fcac11e70e92ae191f5ee099b688ca429fdde59d7a1f9da252c3646ae17c2baa',
    'the entry `validators`',
  );
  t.equal(
    hashOf(canonicalBytes(sample())),
    '2c1717778e5e7a79dc0747a47d0f71391eb343a2a0de474484b83c1912199d96',
    'a bundle',
  );
  t.end();
});
