import t from 'tap';
import { validatorSet } from '../../protocol/block.js';
import { toHex } from '../../protocol/codec.js';
import { hashOf } from '../../protocol/hash.js';
import { KEYS_PER_PARTY_MAX, WAITING_PER_PARTY_MAX } from '../../protocol/limits.js';
import { fc } from '../../protocol/property.test-helper.js';
import type { Bic, Epoch, PeerKey } from '../../protocol/types.js';
import type { Ordered } from '../apply.js';
import { encodeEntry } from '../codecs.js';
import { memberName } from '../entries.js';
import { encodeReceipt } from '../receipt.js';
import { recordAgainst, screen } from '../rights.js';
import {
  ALFA,
  AUTHORITIES,
  BETA,
  BOTH,
  Book,
  codes,
  codesOf,
  ECBB,
  funded,
  GAMA,
  HKMA,
  HOUR,
  hash,
  keyAt,
  MEMBERS,
  member,
  newKey,
  nodeKeyAt,
  order,
  SAMA,
  signedBy,
  uuid,
  voteKeyAt,
} from '../samples.test-helper.js';
import { State, verifyStateProof } from '../state.js';

const WEEK = 7 * 24 * HOUR;
const BOTH_SIGN = [HKMA, BOTH];
/** Four members and a fifth, whose vote key and node are new. */
const FIVE = [...MEMBERS, member(ALFA)];
/** A book whose fifth party has its node registered. */
const withNode = (): Book => {
  const book = funded();
  book.block(book.addNode(ALFA));
  return book;
};
const named = (book: Book, kind: 'consent' | 'withdraw', initiator: string, change: Ordered) =>
  book.order({ kind, initiator, settlement: change.instruction.digest });
const revoke = (book: Book, initiator: string, party: string, kid: string) =>
  book.order({ kind: 'key', action: 'revoke', initiator, party, kid });
/** Asks for FIVE, with as many signatures as given, in a block of its own. */
const asked = (book: Book, signers: readonly string[] = [HKMA]): Ordered => {
  const change = book.govern(HKMA, FIVE, signers);
  book.block(change);
  return change;
};
const approved = (book: Book): Ordered => asked(book, BOTH_SIGN);

interface Row {
  readonly code: string;
  readonly says: string;
  readonly given: (book: Book) => Ordered;
}
const ROWS: readonly Row[] = [
  { code: 'forbidden', says: 'a change asked for by a bank', given: (b) => b.govern(ALFA, FIVE, [ALFA, ...BOTH_SIGN]) },
  { code: 'forbidden', says: 'a bank that asks while one is open', given: (b) => (asked(b), b.govern(ALFA, FIVE)) },
  {
    code: 'forbidden',
    says: 'ready of no member',
    given: (b) => (b.block(b.addNode(GAMA)), b.ready(GAMA, approved(b))),
  },
  {
    code: 'forbidden',
    says: "ready by another node of the member's",
    given: (b) => (b.block(b.addNode(ALFA, 1)), b.ready(ALFA, approved(b), 1)),
  },
  { code: 'not_a_party', says: 'withdrawal by another authority', given: (b) => named(b, 'withdraw', BOTH, asked(b)) },
  {
    code: 'settlement_closed',
    says: 'consent to what was withdrawn',
    given: (b) => {
      const change = asked(b);
      b.block(named(b, 'withdraw', HKMA, change));
      return named(b, 'consent', BOTH, change);
    },
  },
  {
    code: 'settlement_closed',
    says: 'consent to what was refused',
    given: (b) => {
      const empty = b.govern(HKMA, MEMBERS);
      b.block(empty);
      return named(b, 'consent', BOTH, empty);
    },
  },
  { code: 'unknown_change', says: 'ready for nothing known', given: (b) => b.ready(ALFA, b.govern(HKMA, FIVE)) },
  { code: 'unknown_change', says: 'ready before it is approved', given: (b) => b.ready(ALFA, asked(b)) },
  {
    code: 'unknown_change',
    says: 'ready for what was withdrawn',
    given: (b) => {
      const change = approved(b);
      b.block(named(b, 'withdraw', HKMA, change));
      return b.ready(ALFA, change);
    },
  },
  { code: 'consent_not_required', says: 'consent of a bank', given: (b) => named(b, 'consent', ALFA, asked(b)) },
  { code: 'already_consented', says: 'consent once more', given: (b) => named(b, 'consent', HKMA, asked(b)) },
  {
    code: 'already_ready',
    says: 'ready once more',
    given: (b) => {
      const change = approved(b);
      b.block(b.ready(ALFA, change));
      return b.ready(ALFA, change);
    },
  },
  { code: 'change_pending', says: 'a second change', given: (b) => (approved(b), b.govern(BOTH, [member(HKMA)])) },
  { code: 'change_pending', says: 'and were it empty', given: (b) => (approved(b), b.govern(BOTH, MEMBERS)) },
  { code: 'change_empty', says: 'the set that there is', given: (b) => b.govern(HKMA, MEMBERS, BOTH_SIGN) },
  {
    code: 'possession_unproven',
    says: 'a vote key whose proof does not hold',
    given: (b) => ({ ...b.govern(HKMA, FIVE), possessed: [] }),
  },
  {
    code: 'possession_unproven',
    says: 'a new vote key without a proof',
    given: (b) =>
      b.order({ kind: 'govern', initiator: HKMA, change: { type: 'validators', validators: [{ ...member(ALFA) }] } }),
  },
  {
    code: 'possession_unproven',
    says: "another's current vote key as one's own",
    given: (b) => b.govern(HKMA, [{ ...member(ALFA), voteKey: member(SAMA).voteKey }]),
  },
  {
    code: 'key_taken',
    says: 'that, with a proof',
    given: (b) => {
      const validators = [{ ...member(ALFA), voteKey: member(SAMA).voteKey, possession: '00'.repeat(64) }];
      return b.order({ kind: 'govern', initiator: HKMA, change: { type: 'validators', validators } });
    },
  },
  {
    code: 'key_taken',
    says: "a vote key that is somebody's node's",
    given: (b) => b.govern(HKMA, [{ ...member(ALFA), voteKey: member(SAMA).networkKey }]),
  },
  {
    code: 'key_taken',
    says: 'a vote key that signs for a bank, revoked meanwhile',
    given: (b) => {
      b.block(b.order({ kind: 'key', action: 'add', initiator: GAMA, party: GAMA, keys: [newKey(`${ALFA}vote`)] }));
      b.block(revoke(b, GAMA, GAMA, voteKeyAt(ALFA).kid));
      return b.govern(HKMA, FIVE);
    },
  },
  {
    code: 'key_taken',
    says: 'a vote key in charge registered by a bank',
    given: (b) => b.order({ kind: 'key', action: 'add', initiator: GAMA, party: GAMA, keys: [newKey(`${SAMA}vote`)] }),
  },
  {
    code: 'key_taken',
    says: 'a vote key that an open change names, as a node',
    given: (b) => (asked(b), nodeOf(b, GAMA, `${ALFA}vote`)),
  },
  { code: 'key_taken', says: "another's node", given: (b) => nodeOf(b, GAMA, `${ALFA}node`) },
  {
    code: 'too_many_keys',
    says: 'a node past the bound',
    given: (b) => (b.block(b.addNode(ALFA, 1, KEYS_PER_PARTY_MAX - 1)), b.addNode(ALFA, KEYS_PER_PARTY_MAX)),
  },
  {
    code: 'unknown_key',
    says: "another's node for a member",
    given: (b) => b.govern(HKMA, [{ ...member(GAMA), networkKey: member(ALFA).networkKey }]),
  },
  { code: 'unknown_key', says: 'a node not registered', given: (b) => b.govern(HKMA, [member(GAMA)]) },
  {
    code: 'unknown_key',
    says: 'an instruction key as a node',
    given: (b) => b.govern(HKMA, [{ ...member(GAMA), networkKey: keyHex(GAMA) }]),
  },
  {
    code: 'unknown_key',
    says: 'a revoked node',
    given: (b) => (b.block(revoke(b, ALFA, ALFA, nodeKeyAt(ALFA).kid)), b.govern(HKMA, FIVE)),
  },
  { code: 'key_in_use', says: "a validator's node", given: (b) => revoke(b, HKMA, HKMA, nodeKeyAt(HKMA).kid) },
  { code: 'proposed', says: 'a change with one authority of two', given: (b) => b.govern(HKMA, FIVE) },
  { code: 'approved', says: 'a change with both', given: (b) => b.govern(HKMA, FIVE, BOTH_SIGN) },
  { code: 'consented', says: 'the last consent', given: (b) => named(b, 'consent', BOTH, asked(b)) },
  { code: 'withdrawn', says: 'its initiator takes it back', given: (b) => named(b, 'withdraw', HKMA, approved(b)) },
  { code: 'ready', says: 'the new member is ready', given: (b) => b.ready(ALFA, approved(b)) },
  {
    code: 'ready',
    says: 'of a suspended party too: it is no act of the party',
    given: (b) => {
      const change = approved(b);
      b.block(b.order({ kind: 'participant', action: 'suspend', initiator: HKMA, party: ALFA }));
      return b.ready(ALFA, change);
    },
  },
  { code: 'applied', says: 'a node registered', given: (b) => b.addNode(ALFA, 1) },
  {
    code: 'applied',
    says: 'a node put out of use by the authority, while a change names it',
    given: (b) => (approved(b), revoke(b, HKMA, ALFA, nodeKeyAt(ALFA).kid)),
  },
];
/** A node's key under any name. */
function nodeOf(book: Book, party: string, key: string): Ordered {
  return book.order({ kind: 'key', action: 'node', initiator: party, party, keys: [newKey(key)] });
}
const keyHex = (party: string): PeerKey => toHex(keyAt(party).key) as PeerKey;

t.test('a row for each code of nodes and changes', (t) => {
  for (const { code, says, given } of ROWS) {
    const book = withNode();
    const ordered = given(book);
    const [members, epoch] = [book.state.members(), book.state.validators.epoch];
    t.same(codesOf(book.block(ordered), ordered), [code], `${code}: ${says}`);
    t.same(codes(book.block(ordered)), [], 'and once more it has no effect');
    t.same([book.state.members(), book.state.validators.epoch], [members, epoch], 'and no set comes in by itself');
    t.equal(State.load(book.disk.entries(), book.disk).root, book.state.root, 'and it is all on the disk');
  }
  t.end();
});

t.test(
  'four, five, three: a set comes in at the end of its block, and everything else of that block is settled',
  (t) => {
    const book = withNode();
    const change = book.govern(HKMA, FIVE);
    t.same(codes(book.block(named(book, 'consent', BOTH, change))), ['waiting'], 'a consent may come first');
    t.same(codes(book.block(change)), ['consented', 'approved'], 'and counts when the change comes, in its block');
    t.match(book.state.openChange(), { digest: change.instruction.digest, approved: true, members: FIVE, ready: [] });
    const nodes = book.state.nodeKeys();
    t.same(
      codes(book.block(book.ready(HKMA, change), book.ready(BOTH, change), book.ready(ECBB, change))),
      Array(3).fill('ready'),
    );
    t.same(codes(book.block(book.ready(SAMA, change))), ['ready']);
    t.equal(book.state.validators.epoch, 0, 'a quorum without the one whose vote key is new is none');
    t.equal(book.state.nodeKeys(), nodes, 'no node came or went');

    const last = book.ready(ALFA, change);
    const pay = book.pay(ALFA, BETA, '1');
    const applied = book.lanes([[last], [pay], [book.pay(BETA, ALFA, '2')]]);
    t.same(codes(applied), ['settled', 'settled', 'ready', 'applied'], 'the change is last, whatever lane it is in');
    t.same(applied.receipts.at(-1)?.digest, change.instruction.digest);
    const { epoch, digest } = validatorSet(1 as Epoch, FIVE);
    t.same(book.state.validators, { epoch, digest });
    t.same(book.state.members(), FIVE);
    t.equal(book.state.openChange(), null);
    t.equal(book.state.nextTrigger(), Math.ceil(book.state.nextTrigger()! / HOUR) * HOUR, 'only ids are due');
    const proof = book.state.prove('validators', '');
    t.ok(proof.value !== null && verifyStateProof(book.state.root, proof), 'as hand-overs prove it');
    t.same(codes(book.block(book.ready(SAMA, change))), ['unknown_change'], 'it is over');
    t.same(codes(book.block(named(book, 'withdraw', HKMA, change))), ['settlement_closed']);

    // The fifth goes again and two with it; nobody has a new vote key, so a quorum of three is enough.
    const three = [member(BOTH), member(HKMA), member(ECBB)];
    const fewer = book.govern(BOTH, three, BOTH_SIGN);
    t.same(codes(book.block(fewer)), ['approved']);
    t.same(codes(book.block(revoke(book, HKMA, ALFA, nodeKeyAt(ALFA).kid))), ['key_in_use'], 'still a validator');
    const end = book.block(book.ready(HKMA, fewer), book.ready(BOTH, fewer), book.ready(ECBB, fewer));
    t.same(codes(end), ['ready', 'ready', 'ready', 'applied']);
    t.same(book.state.members(), three, 'in their new order');
    t.equal(book.state.prove('members', memberName(3)).value, null);
    t.equal(book.state.validators.epoch, 2);
    t.ok(
      book.state.nodeKeys().some(({ key }) => key === member(ALFA).networkKey),
      'who left may follow',
    );
    t.same(codes(book.block(revoke(book, HKMA, ALFA, nodeKeyAt(ALFA).kid))), ['applied'], 'until its key is revoked');
    t.notOk(book.state.nodeKeys().some(({ key }) => key === member(ALFA).networkKey));

    // Whose vote key was in a set once does not come back with it.
    book.block(book.addNode(ALFA, 1));
    t.same(codes(book.block(book.govern(HKMA, [...three, member(ALFA, 0, 1)]))), ['key_taken']);
    t.same(codes(book.block(book.govern(HKMA, [...three, member(ALFA, 1, 1)], BOTH_SIGN))), ['approved']);
    t.equal(State.load(book.disk.entries(), book.disk).root, book.state.root);
    t.end();
  },
);

t.test('all of it in one block has one receipt', (t) => {
  const book = withNode();
  // The one member keeps its vote key: its own word is a quorum.
  const change = book.govern(HKMA, [member(BOTH)]);
  const all = book.block(change, named(book, 'consent', BOTH, change), book.ready(BOTH, change));
  t.same(codesOf(all, change), ['applied']);
  t.same(codes(all), ['consented', 'ready', 'applied']);
  t.same(book.state.members(), [member(BOTH)]);
  const gone = book.govern(HKMA, [member(BOTH), member(ALFA)]);
  const both = book.block(gone, named(book, 'withdraw', HKMA, gone), named(book, 'consent', BOTH, gone));
  t.same(codes(both), ['withdrawn', 'withdrawn', 'settlement_closed']);
  const first = book.govern(HKMA, [member(BOTH), { ...member(ALFA), voteKey: member(ALFA, 1).voteKey }]);
  t.same(codes(book.block(named(book, 'withdraw', HKMA, first), named(book, 'consent', BOTH, first))), [
    'waiting',
    'waiting',
  ]);
  t.same(
    codes(book.block(first)),
    ['withdrawn', 'withdrawn', 'settlement_closed'],
    'what waited is heeded in the same order',
  );
  const [one, two] = [book.govern(HKMA, [member(ALFA)]), book.govern(BOTH, [member(ALFA)])];
  t.same(codes(book.block(one, two)), ['proposed'], 'one at a time; the other leaves no trace');
  const empty = book.govern(BOTH, [...book.state.members()], BOTH_SIGN);
  t.same(codes(book.block(empty)), ['change_empty'], 'what is refused takes the place of nothing');
  const agreed = book.govern(BOTH, [member(ALFA)], BOTH_SIGN, { id: two.instruction.payload.id });
  const instead = book.block(agreed, named(book, 'withdraw', HKMA, one));
  t.same(codes(instead), ['displaced', 'settlement_closed', 'approved'], 'what a quorum has signed takes its place');
  t.match(book.state.openChange(), { digest: agreed.instruction.digest, approved: true });
  t.same(
    codes(book.block(book.govern(HKMA, [member(GAMA)], BOTH_SIGN))),
    ['change_pending'],
    'what is approved gives way to nothing',
  );
  t.equal(State.load(book.disk.entries(), book.disk).root, book.state.root);

  const other = withNode();
  const open = other.govern(HKMA, FIVE);
  const { id } = open.instruction.payload;
  const again = other.order({ kind: 'consent', initiator: HKMA, settlement: hash('later'), id });
  t.same(codes(other.block(open, again)), ['proposed'], 'its id is used up at once');
  const refused = other.govern(HKMA, MEMBERS, BOTH_SIGN);
  t.same(codes(other.block(named(other, 'consent', BOTH, refused))), ['waiting']);
  t.same(codes(other.block(refused)), ['change_empty', 'settlement_closed'], 'nothing waits for what was refused');
  const [early, late] = [other.govern(HKMA, [member(ALFA)], BOTH_SIGN), other.govern(BOTH, FIVE, BOTH_SIGN)];
  t.same(codes(other.block(named(other, 'consent', BOTH, early))), ['waiting']);
  t.same(
    codes(other.block(early, late)),
    ['displaced', 'displaced', 'settlement_closed', 'approved'],
    'nor for what gave way in its own block',
  );
  t.end();
});

t.test('a change lapses, and counts by block time whether its trigger ran or not', (t) => {
  const book = withNode();
  const change = approved(book);
  const end = change.instruction.expiresMs + WEEK;
  t.equal(book.state.openChange()?.openUntil, end);
  book.pass(end - book.time - 1);
  t.same(codes(book.try([[book.ready(ALFA, change)]], 1)), ['ready'], 'at its very end it counts');
  t.same(codes(book.try([], 1)), []);
  book.state = State.load(book.disk.entries(), book.disk);
  const over = book.try([[book.ready(ALFA, change), named(book, 'consent', BOTH, change)]], 2);
  t.same(codes(over), ['lapsed', 'settlement_closed', 'unknown_change']);
  book.pass(2);
  t.equal(book.state.openChange(), null);
  t.same(book.state.validators.epoch, 0);
  t.same(codes(book.block(change)), [], 'its id stays used');
  t.same(
    codes(book.block(book.govern(HKMA, FIVE))),
    ['proposed'],
    'another may be asked for, with the same new vote key',
  );
  t.end();
});

t.test('a change that is over when a thousand other things are due before it', (t) => {
  const late = () => {
    const book = withNode();
    const change = approved(book);
    const waits = (party: string, count: number) =>
      Array.from({ length: count }, (_, at) =>
        book.order({ kind: 'consent', initiator: party, settlement: hash(`later ${at}`) }),
      );
    book.block(...waits(ALFA, WAITING_PER_PARTY_MAX), ...waits(BETA, 10));
    return { book, change, afterMs: change.instruction.expiresMs + WEEK + 1 - book.time };
  };
  const { book, change, afterMs } = late();
  const ends = (applied: ReturnType<Book['try']>) => codes(applied).filter((code) => code !== 'unmatched');
  // Instructions of the block's own time, since those made now have expired by then.
  book.time += afterMs;
  const ready = book.ready(ALFA, change);
  const names = [named(book, 'consent', BOTH, change), named(book, 'withdraw', HKMA, change)];
  const next = book.govern(HKMA, FIVE);
  book.time -= afterMs;
  t.same(ends(book.try([[ready]], afterMs)), ['unknown_change'], 'its trigger has not run');
  t.same(ends(book.try([names], afterMs)), ['settlement_closed', 'settlement_closed']);
  t.same(ends(book.lanes([[next]], afterMs)), ['lapsed', 'proposed'], 'another has room');
  t.equal(book.state.openChange()?.digest, next.instruction.digest);
  t.same(ends(book.pass(1000)), [], 'and the end of the first does not come again');
  t.end();
});

t.test('who must agree: a quorum of all authorities, each by its own threshold', (t) => {
  const more = [...AUTHORITIES, [ECBB, 'DE'], [SAMA, 'SA']] as const;
  const small = [member(HKMA)];
  const book = new Book(more);
  const change = book.govern(HKMA, small, [HKMA, BOTH]);
  t.same(codes(book.block(change)), ['proposed'], 'two of four');
  t.same(
    codes(book.block(signedBy(change, keyAt(ALFA).kid, nodeKeyAt(ECBB).kid))),
    [],
    'keys of nobody and of nodes are none',
  );
  t.same(codes(book.block(signedBy(change, keyAt(ECBB).kid))), ['approved'], 'a copy adds a signature: three of four');
  t.same(codes(book.block(signedBy(change, keyAt(SAMA).kid))), [], 'approved once');

  const careful = new Book(more);
  careful.block(
    careful.order({ kind: 'key', action: 'add', initiator: ECBB, party: ECBB, keys: [newKey(ECBB, 1)] }),
    careful.order({ kind: 'key', action: 'threshold', initiator: ECBB, party: ECBB, threshold: 2 }),
  );
  const asks = careful.govern(HKMA, small, [HKMA, BOTH, ECBB]);
  t.same(
    codes(careful.block(asks)),
    ['applied', 'applied', 'proposed'].slice(2),
    'one key of an authority that needs two',
  );
  t.end();
});

t.test('a change does not execute onto a node that was put out of use', (t) => {
  const book = withNode();
  const change = approved(book);
  book.block(...[HKMA, BOTH, ECBB].map((party) => book.ready(party, change)));
  const last = book.ready(ALFA, change);
  t.same(
    codes(book.block(last, revoke(book, ALFA, ALFA, nodeKeyAt(ALFA).kid))),
    ['applied'],
    'its own word dies with it',
  );
  t.same(codes(book.block(book.ready(SAMA, change))), ['ready']);
  t.equal(book.state.validators.epoch, 0);

  // A member that keeps its vote key, and whose next node is revoked after it spoke, stops the change too.
  const other = withNode();
  other.block(other.addNode(HKMA, 1));
  const rotated = other.govern(HKMA, [member(HKMA, 0, 1), member(BOTH), member(ECBB), member(SAMA)], BOTH_SIGN);
  t.same(codes(other.block(rotated)), ['approved']);
  other.block(
    other.ready(HKMA, rotated, 1),
    other.ready(BOTH, rotated),
    revoke(other, HKMA, GAMA, hash('x').slice(0, 43)),
  );
  t.same(codes(other.block(other.ready(HKMA, rotated))), ['forbidden'], 'its old node is not the one named');
  t.same(codes(other.block(revoke(other, HKMA, HKMA, nodeKeyAt(HKMA, 1).kid))), ['applied']);
  t.same(codes(other.block(other.ready(ECBB, rotated), other.ready(SAMA, rotated))), ['ready', 'ready']);
  t.equal(other.state.validators.epoch, 0, 'a quorum, and one node dead: it waits for its end');
  t.end();
});

t.test('a node key signs ready, and nothing else', (t) => {
  const book = withNode();
  const node = nodeKeyAt(ALFA).kid;
  t.ok(book.state.publicKey(node), 'its signatures can be checked');
  const pvp = book.settle(BETA, [book.leg(BETA, ALFA, '1'), book.leg(ALFA, BETA, '1', 'THB')]);
  const silent: readonly (readonly [string, Ordered])[] = [
    ['a payment', signedBy(book.pay(ALFA, BETA, '1'), node)],
    [
      'a consent that waits',
      signedBy(book.order({ kind: 'consent', initiator: ALFA, settlement: hash('later') }), node),
    ],
    [
      'a key',
      signedBy(book.order({ kind: 'key', action: 'add', initiator: ALFA, party: ALFA, keys: [newKey(ALFA, 1)] }), node),
    ],
    ['its own revocation', signedBy(revoke(book, ALFA, ALFA, node), node)],
    ["an authority's change", signedBy(book.govern(HKMA, FIVE), nodeKeyAt(HKMA).kid)],
  ];
  for (const [says, ordered] of silent) t.same(codes(book.block(ordered)), [], says);
  t.same(codes(book.block(pvp)), ['proposed']);
  const before = book.state.root;
  const traced = book.try([[signedBy(pvp, node)]]);
  t.equal(traced.stateRoot, book.try([]).stateRoot, 'not even a trace in the settlement it would consent to');
  t.equal(book.state.root, before);
  book.block(book.order({ kind: 'key', action: 'add', initiator: ALFA, party: ALFA, keys: [newKey(ALFA, 1)] }));
  book.block(book.order({ kind: 'key', action: 'threshold', initiator: ALFA, party: ALFA, threshold: 2 }));
  t.same(
    codes(book.block(signedBy(book.pay(ALFA, BETA, '1'), keyAt(ALFA).kid, node))),
    [],
    'it does not count to a threshold',
  );
  const waits = signedBy(
    book.order({ kind: 'consent', initiator: ALFA, settlement: hash('later') }),
    keyAt(ALFA).kid,
    keyAt(ALFA, 1).kid,
    node,
  );
  t.same(codes(book.block(waits)), ['waiting']);
  t.same(book.state.tables.waiting.get(hash('later'))?.items[0]?.kids, [keyAt(ALFA).kid, keyAt(ALFA, 1).kid]);

  const change = approved(book);
  const own = book.ready(ALFA, change);
  t.same(
    codes(book.block(signedBy(own, keyAt(ALFA).kid, keyAt(ALFA, 1).kid))),
    [],
    "ready by the party's own keys is unsigned",
  );
  t.same(codes(book.block(signedBy(own, nodeKeyAt(BETA).kid, nodeKeyAt(HKMA).kid))), [], "and by others' nodes");
  // Who holds a node key sees its bank's payments, and must not use up their ids before they are ordered.
  const pay = signedBy(book.pay(ALFA, BETA, '1'), keyAt(ALFA).kid, keyAt(ALFA, 1).kid);
  const { id } = pay.instruction.payload;
  const squatter = order(book.time, { kind: 'ready', initiator: ALFA, change: change.instruction.digest, id }, [node]);
  t.same(codes(book.block(squatter)), ['ready']);
  t.match(recordAgainst(book.state, book.time as never, squatter.instruction.payload), { code: 'ready' });
  t.equal(screen({ parent: book.state, state: book.state }, book.time as never, squatter), 'repeat');
  t.same(codes(book.block(pay)), ['settled'], 'a ready under the same id is not in the way');
  t.same(codes(book.block(squatter, pay)), [], 'and each has had its effect');
  t.same(
    codes(book.block(order(book.time, { kind: 'ready', initiator: ALFA, change: hash('x'), id }, [node]))),
    [],
    'nor does another take the id back',
  );
  t.end();
});

t.test('the nodes that take part: each once, ascending, and found again on the disk', (t) => {
  const book = withNode();
  const keys = book.state.nodeKeys().map(({ key }) => key);
  t.same(
    keys,
    [...new Set(keys)].sort((a, b) => (a < b ? -1 : 1)),
  );
  t.same(new Set(keys), new Set(FIVE.map(({ networkKey }) => networkKey)));
  const loaded = State.load(book.disk.entries(), book.disk);
  t.same(loaded.nodeKeys(), book.state.nodeKeys());
  t.equal(loaded.counts.nodes.get(ALFA), 1);
  approved(book);
  t.same(State.load(book.disk.entries(), book.disk).openChange(), book.state.openChange());
  t.equal(State.load(book.disk.entries(), book.disk).nextTrigger(), book.state.nextTrigger());
  t.same(book.state.openChange()?.consents, [keyAt(HKMA).kid, keyAt(BOTH).kid]);
  t.end();
});

/** A move in a history of changes; numbers pick sets, parties and earlier changes. */
type Move =
  | { readonly do: 'govern'; readonly by: number; readonly set: number; readonly keys: number; readonly both: boolean }
  | { readonly do: 'consent' | 'withdraw' | 'ready'; readonly by: number; readonly of: number }
  | { readonly do: 'revoke' | 'pay' | 'all ready'; readonly by: number; readonly of: number };
const POOL = [HKMA, BOTH, ECBB, SAMA, ALFA] as const;
const small = (max: number) => fc.nat({ max });
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('govern' as const),
      by: small(1),
      set: fc.integer({ min: 1, max: 31 }),
      keys: small(9),
      both: fc.constantFrom(true, true, false),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('ready' as const, 'ready' as const, 'consent' as const, 'withdraw' as const),
      by: small(4),
      of: small(1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('revoke' as const, 'pay' as const, 'all ready' as const, 'all ready' as const),
      by: small(4),
      of: small(2),
    }),
  },
);

t.test(
  'whatever is asked: epochs go one by one, each set reaches itself, no vote key returns, and money stays as it was',
  (t) => {
    let changes = 0;
    const history = fc.array(
      fc.record({
        moves: fc.array(move, { maxLength: 9 }),
        afterMs: fc.constantFrom(...Array<number>(9).fill(1000), 30 * HOUR, WEEK + HOUR),
      }),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(history, fc.nat({ max: 0xfff }), (blocks, restarts) => {
        const book = withNode();
        const past: Ordered[] = [];
        const retired = new Set<string>();
        for (const [at, { moves, afterMs }] of blocks.entries()) {
          if ((restarts >> at) & 1) book.state = State.load(book.disk.entries(), book.disk);
          const before = { ...book.state.validators, members: book.state.members() };
          const items = moves.flatMap((each) => instruct(book, each, past, afterMs));
          const twice = book.try([items], afterMs).stateRoot;
          const applied = book.lanes([items], afterMs);
          if (applied.stateRoot !== twice) throw new Error('the same inputs, another root');
          checkSet(book.state);
          const step = book.state.validators.epoch - before.epoch;
          const executed = applied.receipts.filter(({ kind, code }) => kind === 'govern' && code === 'applied').length;
          if (step !== executed || step > 1) throw new Error(`the epoch goes on by ${step} with ${executed} changes`);
          if (step === 0 && before.digest !== book.state.validators.digest) throw new Error('a set without an epoch');
          const now = new Set(book.state.members().map(({ voteKey }) => voteKey as string));
          for (const { voteKey } of before.members) if (!now.has(voteKey)) retired.add(voteKey);
          if ([...now].some((key) => retired.has(key))) throw new Error('a vote key came back');
          if (book.balance(HKMA) + book.balance(ALFA) + book.balance(BETA) !== 0n)
            throw new Error('HKD does not sum to zero');
          changes += step;
        }
      }),
      { numRuns: 100 },
    );
    t.ok(changes > 20, `histories change sets (${changes})`);
    t.end();
  },
);

function instruct(book: Book, made: Move, past: Ordered[], afterMs: number): Ordered[] {
  const { time } = book;
  // Instructions are made for the block's own time.
  book.time += afterMs;
  const change = made.do === 'govern' ? undefined : changeOf(book, past, made.of);
  const orders =
    made.do === 'all ready' && change !== undefined
      ? POOL.map((party) => book.ready(party, change))
      : [draft(book, made, past)];
  book.time = time;
  if (made.do === 'govern') past.unshift(...orders);
  return orders.map((each) => ({
    ...each,
    signed: each.signed.filter((kid) => book.state.publicKey(kid) !== undefined),
  }));
}

/** The open change, or another one asked for before. */
function changeOf(book: Book, past: readonly Ordered[], of: number): Ordered | undefined {
  const open = book.state.openChange()?.digest;
  return past.find(({ instruction }) => of === 0 && instruction.digest === open) ?? past[of];
}

function draft(book: Book, made: Move, past: Ordered[]): Ordered {
  const party = POOL[made.by] as Bic;
  if (made.do === 'govern') {
    const next = POOL.filter((_, at) => (made.set >> at) & 1).map((each) => member(each, made.keys, 0));
    return book.govern(party, next, made.both ? BOTH_SIGN : [party]);
  }
  const change = changeOf(book, past, made.of);
  if (made.do === 'revoke') return revoke(book, party === ALFA ? ALFA : HKMA, party, nodeKeyAt(party, made.of).kid);
  if (made.do === 'pay' || made.do === 'all ready' || change === undefined) return book.pay(ALFA, BETA, '0.01');
  return made.do === 'ready' ? book.ready(party, change) : named(book, made.do, party, change);
}

function checkSet(state: State): void {
  const members = state.members();
  const { epoch, digest } = state.validators;
  if (validatorSet(epoch, members).digest !== digest) throw new Error('the digest is not that of the members');
  const nodes = state.nodeKeys();
  for (const { party, voteKey, networkKey } of members) {
    if (!nodes.some((node) => node.key === networkKey && node.party === party))
      throw new Error('a member without a node');
    if (state.tables.voteKeys.get(voteKey)?.party !== party) throw new Error('a vote key that is not remembered');
  }
  if (state.tables.changes.entries().length > 1) throw new Error('two open changes');
}

t.test('golden: the entries of sets and changes, and the receipts of their kinds', (t) => {
  const book = withNode();
  const fixed = { id: uuid(0xe001), issued: '2027-01-15T08:00:00.000Z', expires: '2027-01-15T09:00:00.000Z' };
  const change = book.govern(HKMA, FIVE, BOTH_SIGN, fixed);
  book.block(change);
  book.block(book.ready(SAMA, change));
  const open = book.state.openChange();
  if (open === null) throw new Error('it is open');
  const entries = {
    change: encodeEntry('changes', open),
    member: encodeEntry('members', member(HKMA)),
    voteKey: encodeEntry('voteKeys', { party: HKMA }),
    node: encodeEntry('keys', book.state.key(nodeKeyAt(HKMA).kid) as never),
    govern: encodeReceipt({ ...open, code: 'approved', height: 7 as never, time: 8 as never }),
    ready: encodeReceipt({ ...open, kind: 'ready', code: 'ready', height: 7 as never, time: 8 as never }),
  };
  t.same(Object.fromEntries(Object.entries(entries).map(([name, bytes]) => [name, hashOf(bytes)])), {
    change: '7dcd77acc329a641ca5d78cd551a34c0a4663a8d0ff5e5f75842aed7e741388c',
    member: '5a9b10263fe67829872b656a1dbf51073a91e144826d1360a344209851e75b7c',
    voteKey: 'f0582b98871505801289474f6ce0982f3785688e9846a0d30e9c6527852ddce6',
    node: 'd91ba7a05b476dbc2b2f62748cd9838bc432aceb51214d2b9df07a68c5027cc0',
    govern: '70a2725dc6059acc848b3d6ea7eb4d4a1db954d261bfbaa9c3a786b5674f21a3',
    ready: 'd8c3130ec26075c14c63532f2527d7898044f5159e8977b81d2f2acd11ae1d02',
  });
  t.end();
});
