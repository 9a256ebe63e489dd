import t from 'tap';
import {
  AMOUNT_MINOR_MAX,
  KEYS_PER_PARTY_MAX,
  OPEN_SETTLEMENTS_PER_PARTY_MAX,
  TRIGGERS_PER_BLOCK_MAX,
  WAITING_PER_PARTY_MAX,
} from '../protocol/limits.js';
import { merkleRoot } from '../protocol/merkle.js';
import { formatAmount, formatTime } from '../protocol/values.js';
import type { Ordered } from './apply.js';
import { CODE_BYTES, codeOfByte, finalityOf, isEffective, RESULT_CODES, SILENT_CODES } from './codes.js';
import { accountName } from './entries.js';
import { decodeReceipt, encodeReceipt, packedLeaves, packReceipts, receiptLeaf, unpackReceipts } from './receipt.js';
import { screen } from './rights.js';
import {
  ALFA,
  BETA,
  BOTH,
  Book,
  bic,
  codes,
  codesOf,
  funded,
  GAMA,
  HKMA,
  HOUR,
  hash,
  keyAt,
  newKey,
  signedBy,
  uuid,
} from './samples.test-helper.js';
import { missingConsents } from './settlement/consent.js';
import { State, verifyStateProof } from './state.js';
import { byCodeUnit } from './table.js';

interface Row {
  readonly code: string;
  readonly says: string;
  /** Prepares the book, and gives the instruction whose receipts in its block are `then` (by default the code alone). */
  readonly given: (book: Book) => Ordered;
  readonly then?: readonly string[];
}
/** Those that queue/queue.test.ts has the rows of. */
const QUEUE_CODES = [
  'not_queued',
  'already_bound',
  'irrevocable',
  'queue_full',
  'scheduled',
  'queued',
  'cancelled',
  'cancel_agreed',
  'part_settled',
  'part_lapsed',
  'part_cancelled',
  'value_date_closed',
];
/** Those that queue/offer.test.ts has the rows of. */
const OFFER_CODES = ['too_many_offers', 'used', 'not_used'];
/** That queue/lots.test.ts has the row of. */
const LOT_CODES = ['lots_uneven'];
/** Those that settlement/lock.test.ts has the rows of. */
const LOCK_CODES = ['not_locked', 'wrong_preimage', 'hash_revealed', 'locked', 'revealed'];
/** Those that settlement/matching.test.ts has the rows of. */
const MATCHING_CODES = ['party_mismatch', 'asset_mismatch', 'amount_mismatch', 'date_mismatch'];
/** Those that settlement/amendment.test.ts has the rows of. */
const AMENDMENT_CODES = ['part_gone', 'amended'];
/** Those that succession/change.test.ts has the rows of. */
const CHANGE_CODES = [
  'unknown_change',
  'already_ready',
  'change_pending',
  'change_empty',
  'key_in_use',
  'approved',
  'displaced',
  'ready',
];
const NOBODY = bic('nobo');
/** In HKD, one minor unit past the most. */
const FAR = formatAmount(AMOUNT_MINOR_MAX + 1n, 2);
const suspend = (book: Book, party: string, action = 'suspend') =>
  book.order({ kind: 'participant', action, initiator: party === BETA ? BOTH : HKMA, party });
const proposed = (book: Book, legs = [book.leg(ALFA, BETA, '1'), book.leg(BETA, ALFA, '1', 'THB')]) => {
  const pvp = book.settle(ALFA, legs);
  book.block(pvp);
  return pvp;
};
const name = (book: Book, kind: 'consent' | 'withdraw', initiator: string, settlement: string) =>
  book.order({ kind, initiator, settlement });
const keyAdd = (book: Book, party: string, from: number, count = 1) =>
  book.order({
    kind: 'key',
    action: 'add',
    initiator: party,
    party,
    keys: Array.from({ length: count }, (_, at) => newKey(party, from + at)),
  });

const ROWS: readonly Row[] = [
  { code: 'unknown_asset', says: 'a leg in what is not defined', given: (b) => b.pay(ALFA, BETA, '1', 'USD') },
  { code: 'unknown_party', says: 'a leg to nobody', given: (b) => b.pay(ALFA, NOBODY, '1') },
  { code: 'unknown_party', says: 'a suspension of nobody', given: (b) => suspend(b, NOBODY) },
  {
    code: 'unknown_party',
    says: 'an asset of an issuer that is nobody',
    given: (b) => b.asset('GOLDX', ALFA, { class: 'commodity', issuer: NOBODY }, ALFA, HKMA),
  },
  {
    code: 'party_suspended',
    says: 'a leg to a suspended party',
    given: (b) => (b.block(suspend(b, GAMA)), b.pay(ALFA, GAMA, '1')),
  },
  {
    code: 'party_suspended',
    says: 'begun by a suspended party',
    given: (b) => (b.block(suspend(b, ALFA)), b.pay(ALFA, BETA, '1')),
  },
  {
    code: 'party_suspended',
    says: 'consented by a suspended party',
    given: (b) => {
      const pvp = proposed(b);
      b.block(suspend(b, BETA));
      return name(b, 'consent', BETA, pvp.instruction.digest);
    },
  },
  {
    code: 'party_suspended',
    says: 'a key added by a suspended party',
    given: (b) => (b.block(suspend(b, ALFA)), keyAdd(b, ALFA, 1)),
  },
  {
    code: 'forbidden',
    says: 'an admission by who is no authority',
    given: (b) => b.admit(NOBODY, 'HK', { initiator: ALFA }),
  },
  {
    code: 'forbidden',
    says: 'a suspension by another jurisdiction',
    given: (b) => b.order({ kind: 'participant', action: 'suspend', initiator: BOTH, party: ALFA }),
  },
  { code: 'forbidden', says: 'a suspension of an authority', given: (b) => suspend(b, HKMA) },
  {
    code: 'forbidden',
    says: "a key of another's",
    given: (b) => b.order({ kind: 'key', action: 'threshold', initiator: GAMA, party: ALFA, threshold: 1 }),
  },
  { code: 'forbidden', says: 'central bank money of a bank', given: (b) => b.asset('USD', ALFA, {}, ALFA, HKMA) },
  {
    code: 'forbidden',
    says: 'a cap set by the issuer that is not the authority',
    given: (b) => (b.block(deposit(b)), deposit(b, { cap: '7.00' })),
  },
  {
    code: 'forbidden',
    says: 'a name changed by the authority that is not the issuer',
    given: (b) => (b.block(deposit(b)), deposit(b, { name: 'New', initiator: HKMA })),
  },
  { code: 'not_a_party', says: 'payment of others', given: (b) => b.settle(GAMA, [b.leg(ALFA, BETA, '1')]) },
  {
    code: 'not_a_party',
    says: "withdrawal from others' settlement",
    given: (b) => name(b, 'withdraw', GAMA, proposed(b).instruction.digest),
  },
  {
    code: 'settlement_closed',
    says: 'withdrawal from what has settled',
    given: (b) => {
      const pay = b.pay(ALFA, BETA, '1');
      b.block(pay);
      return name(b, 'withdraw', ALFA, pay.instruction.digest);
    },
  },
  {
    code: 'settlement_closed',
    says: 'consent past cancelUntil, before its trigger',
    given: (b) => {
      const pvp = b.settle(ALFA, [b.leg(ALFA, BETA, '1'), b.leg(BETA, ALFA, '1', 'THB')], [ALFA], {
        cancelUntil: formatTime(b.time + 1500),
      });
      b.block(pvp);
      return name(b, 'consent', BETA, pvp.instruction.digest);
    },
  },
  {
    code: 'consent_not_required',
    says: 'consent of who is only credited',
    given: (b) =>
      name(b, 'consent', GAMA, proposed(b, [b.leg(ALFA, GAMA, '1'), b.leg(BETA, ALFA, '1')]).instruction.digest),
  },
  {
    code: 'already_consented',
    says: 'consent once more',
    given: (b) => name(b, 'consent', ALFA, proposed(b).instruction.digest),
  },
  {
    code: 'already_waiting',
    says: 'a second consent to what has not come',
    given: (b) => (b.block(name(b, 'consent', BETA, hash('later'))), name(b, 'consent', BETA, hash('later'))),
  },
  {
    code: 'too_many_waiting',
    says: 'more waiting than a party may have',
    given: (b) => {
      b.block(
        ...Array.from({ length: WAITING_PER_PARTY_MAX }, (_, at) => name(b, 'consent', BETA, hash(`later ${at}`))),
      );
      return name(b, 'withdraw', BETA, hash('one more'));
    },
  },
  { code: 'party_exists', says: 'admitted twice', given: (b) => b.admit(ALFA, 'HK', { keys: [newKey(ALFA, 5)] }) },
  {
    code: 'asset_code_reserved',
    says: 'three letters for a deposit',
    given: (b) => b.asset('XYZ', ALFA, { class: 'deposit' }, ALFA, HKMA),
  },
  { code: 'asset_not_iso4217', says: 'central bank money without its code', given: (b) => b.asset('HKDX', HKMA) },
  { code: 'asset_not_iso4217', says: "decimals that are not ISO's", given: (b) => b.asset('JPY', HKMA) },
  { code: 'asset_fixed_member', says: 'other decimals', given: (b) => b.asset('HKD', HKMA, { decimals: 3 }) },
  { code: 'amount_precision', says: 'a third decimal of HKD', given: (b) => b.pay(ALFA, BETA, '1.001') },
  { code: 'amount_precision', says: 'a cap of three decimals', given: (b) => b.asset('CNY', HKMA, { cap: '1.001' }) },
  { code: 'amount_too_large', says: 'more than an amount can be', given: (b) => b.pay(ALFA, BETA, FAR) },
  {
    code: 'cap_below_circulating',
    says: 'a cap under what circulates',
    given: (b) => b.asset('HKD', HKMA, { cap: '1999.99' }),
  },
  { code: 'possession_unproven', says: 'a key without proof', given: (b) => ({ ...b.admit(NOBODY), possessed: [] }) },
  { code: 'key_taken', says: "another's key", given: (b) => b.admit(NOBODY, 'HK', { keys: [newKey(ALFA)] }) },
  {
    code: 'key_taken',
    says: 'a key that was revoked',
    given: (b) => {
      b.block(keyAdd(b, ALFA, 1));
      b.block(b.order({ kind: 'key', action: 'revoke', initiator: ALFA, party: ALFA, kid: keyAt(ALFA, 1).kid }));
      return keyAdd(b, ALFA, 1);
    },
  },
  {
    code: 'too_many_keys',
    says: 'a key past the bound',
    given: (b) => (b.block(keyAdd(b, ALFA, 1, KEYS_PER_PARTY_MAX - 1)), keyAdd(b, ALFA, KEYS_PER_PARTY_MAX)),
  },
  {
    code: 'unknown_key',
    says: "revocation of another's key",
    given: (b) => b.order({ kind: 'key', action: 'revoke', initiator: ALFA, party: ALFA, kid: keyAt(BETA).kid }),
  },
  {
    code: 'threshold_out_of_reach',
    says: 'the last key',
    given: (b) => b.order({ kind: 'key', action: 'revoke', initiator: ALFA, party: ALFA, kid: keyAt(ALFA).kid }),
  },
  {
    code: 'threshold_out_of_reach',
    says: 'two of one',
    given: (b) => b.order({ kind: 'key', action: 'threshold', initiator: ALFA, party: ALFA, threshold: 2 }),
  },
  {
    code: 'lapsed',
    says: 'ordered after its cancelUntil',
    given: (b) => b.settle(ALFA, [b.leg(ALFA, BETA, '1')], [ALFA], { cancelUntil: formatTime(b.time + 999) }),
  },
  { code: 'insufficient_funds', says: 'more than there is', given: (b) => b.pay(ALFA, BETA, '1000.01') },
  { code: 'insufficient_funds', says: 'an asset that one never had', given: (b) => b.pay(GAMA, BETA, '0.01') },
  { code: 'cap_exceeded', says: 'issuance past the cap', given: (b) => b.pay(HKMA, ALFA, '998000.01') },
  {
    code: 'proposed',
    says: 'a PvP with one signature',
    given: (b) => b.settle(ALFA, [b.leg(ALFA, BETA, '1'), b.leg(BETA, ALFA, '1', 'THB')]),
  },
  { code: 'waiting', says: 'consent to what has not come', given: (b) => name(b, 'consent', BETA, hash('later')) },
  {
    code: 'withdrawn',
    says: 'a party leaves',
    given: (b) => name(b, 'withdraw', BETA, proposed(b).instruction.digest),
  },
  {
    code: 'consented',
    says: 'the last consent',
    given: (b) => name(b, 'consent', BETA, proposed(b).instruction.digest),
  },
  { code: 'applied', says: 'a bank admitted', given: (b) => b.admit(NOBODY) },
  { code: 'applied', says: 'a deposit defined', given: (b) => deposit(b) },
  { code: 'applied', says: 'a cap raised', given: (b) => b.asset('HKD', HKMA, { cap: '5000000' }) },
  {
    code: 'applied',
    says: 'a lost key replaced by the authority',
    given: (b) => ({
      ...keyAdd(b, ALFA, 1),
      ...b.order({ kind: 'key', action: 'add', initiator: HKMA, party: ALFA, keys: [newKey(ALFA, 1)] }),
    }),
  },
  { code: 'settled', says: 'a payment', given: (b) => b.pay(ALFA, BETA, '1000') },
  { code: 'settled', says: 'issuance to the cap', given: (b) => b.pay(HKMA, ALFA, '998000') },
  { code: 'settled', says: 'redemption', given: (b) => b.pay(ALFA, HKMA, '1000') },
  {
    code: 'settled',
    says: 'what is paid with what comes in',
    given: (b) => b.settle(ALFA, [b.leg(ALFA, GAMA, '500'), b.leg(GAMA, BETA, '500')], [ALFA, GAMA]),
  },
  {
    code: 'settled',
    says: 'a PvP with both signatures',
    given: (b) => b.settle(ALFA, [b.leg(ALFA, BETA, '1'), b.leg(BETA, ALFA, '1', 'THB')], [ALFA, BETA]),
  },
];
function deposit(book: Book, more: object = {}): Ordered {
  return book.asset('ALFA.HKD', ALFA, { class: 'deposit', ...more }, ALFA, HKMA);
}

t.test('a row for each result code', (t) => {
  const seen = new Set<string>([
    'too_many_open',
    'unmatched',
    ...CHANGE_CODES,
    ...QUEUE_CODES,
    ...OFFER_CODES,
    ...LOT_CODES,
    ...LOCK_CODES,
    ...AMENDMENT_CODES,
    ...MATCHING_CODES,
  ]);
  for (const { code, says, given, then = [code] } of ROWS) {
    seen.add(code);
    const book = funded();
    const ordered = given(book);
    const before = book.state.account(ALFA, 'HKD')?.balance;
    const applied = book.block(ordered);
    t.same(codesOf(applied, ordered), then, `${code}: ${says}`);
    const kind = ordered.instruction.payload.kind;
    if (!isEffective(code as 'settled') || kind === 'key')
      t.equal(book.state.account(ALFA, 'HKD')?.balance, before, `${code} moves nothing`);
    const record = book.state.record(
      ordered.instruction.payload.initiator as typeof ALFA,
      ordered.instruction.payload.id as never,
    );
    t.match(record, { code: then.at(-1), digest: ordered.instruction.digest }, 'and is remembered');
    t.same(
      codes(book.block(ordered)).filter((each) => each !== 'lapsed'),
      [],
      'and once more it has no effect',
    );
  }
  t.same(
    RESULT_CODES.filter((code) => !seen.has(code)),
    [],
    'no code is without its row',
  );
  for (const code of RESULT_CODES) t.equal(codeOfByte(CODE_BYTES[code]), code);
  t.same(
    RESULT_CODES.filter((code) => finalityOf(code) === 'open'),
    ['proposed', 'approved', 'waiting', 'scheduled', 'queued', 'locked', 'part_settled', 'amended'],
  );
  t.end();
});

t.test('what leaves no trace: no receipt, no record', (t) => {
  const book = funded();
  const pay = book.pay(ALFA, BETA, '1');
  const settled = book.pay(ALFA, BETA, '2');
  book.block(settled);
  const another = book.settle(ALFA, [book.leg(ALFA, BETA, '3')], [ALFA], { id: settled.instruction.payload.id });
  const early = book.settle(ALFA, [book.leg(ALFA, BETA, '4')], [ALFA], { issued: formatTime(book.time + 60_000) });
  const rows: Record<(typeof SILENT_CODES)[number], Ordered> = {
    wrong_network: book.settle(ALFA, [book.leg(ALFA, BETA, '1')], [ALFA], { network: hash('other') }),
    repeat: settled,
    duplicate_id: another,
    expired: book.settle(ALFA, [book.leg(ALFA, BETA, '1')], [ALFA], { expires: formatTime(book.time + 999) }),
    not_yet_valid: early,
    initiator_signature_missing: signedBy(pay, keyAt(BETA).kid),
    authority_signature_missing: signedBy(deposit(book), keyAt(ALFA).kid),
  };
  for (const code of SILENT_CODES) {
    const ordered = rows[code];
    const at = (book.time + 1000) as Parameters<typeof screen>[1];
    t.equal(screen({ parent: book.state, state: book.state }, at, ordered), code);
    const root = book.state.root;
    t.same(codes(book.block(ordered)), [], `${code} has no receipt`);
    t.equal(book.state.root, root, 'and leaves the state as it was');
  }
  t.same(codesOf(book.block(pay), pay), ['settled'], 'the same with its signature has its effect');
  while (book.time < early.instruction.issuedMs) book.block();
  t.same(codesOf(book.block(early), early), ['settled'], 'the same in its time');
  const stranger = { ...book.pay(NOBODY, ALFA, '1'), signed: [keyAt(NOBODY).kid] };
  t.same(codes(book.block(stranger)), [], 'an unknown initiator has no effect');
  t.end();
});

t.test('the life of a settlement', (t) => {
  const book = funded();
  const pvp = proposed(book);
  const { digest } = pvp.instruction;
  t.same(missingConsents(book.state, book.state.openSettlement(digest)!), [BETA]);
  t.same(codes(book.block(name(book, 'consent', BETA, digest))), ['consented', 'settled']);
  t.same(
    [book.balance(ALFA), book.balance(BETA), book.balance(ALFA, 'THB'), book.balance(BETA, 'THB')],
    [99900n, 100100n, 100100n, 99900n],
  );
  t.equal(book.state.openSettlement(digest), undefined);
  t.equal(book.state.record(ALFA, pvp.instruction.payload.id as never)?.code, 'settled');

  const second = proposed(book);
  t.same(
    codes(book.block(signedBy(second, keyAt(BETA).kid))),
    ['settled'],
    'a copy with the other signature alone adds it',
  );

  const third = proposed(book);
  const usedAt = book.time;
  t.same(codes(book.pass(HOUR - 1001)), [], 'until its cut-off it stands');
  t.same(codes(book.pass(2)), ['lapsed'], 'past it, it lapses by itself');
  const ended = book.state.record(ALFA, third.instruction.payload.id as never);
  t.match(ended, { since: usedAt, time: book.time }, 'its id has been used since it was proposed');
  t.ok(book.time > usedAt);
  t.same(codesOf(book.block(name(book, 'consent', BETA, third.instruction.digest)), third), []);

  const fourth = proposed(book);
  const withdraw = name(book, 'withdraw', ALFA, fourth.instruction.digest);
  const late = name(book, 'consent', BETA, fourth.instruction.digest);
  const applied = book.block(late, withdraw);
  t.same(
    codes(applied),
    ['withdrawn', 'withdrawn', 'settlement_closed'],
    'a withdrawal comes before the consents of its block',
  );
  t.end();
});

t.test('what names a settlement that has not come waits for it', (t) => {
  const book = funded();
  const legs = [book.leg(ALFA, BETA, '1'), book.leg(BETA, ALFA, '1', 'THB')];
  const pvp = book.settle(ALFA, legs);
  const consent = name(book, 'consent', BETA, pvp.instruction.digest);
  t.same(codes(book.block(consent)), ['waiting']);
  t.same(codes(book.block(pvp)), ['consented', 'settled']);

  const left = book.settle(ALFA, legs);
  book.block(
    name(book, 'withdraw', BETA, left.instruction.digest),
    name(book, 'consent', BETA, left.instruction.digest),
    name(book, 'consent', GAMA, left.instruction.digest),
  );
  t.same(codes(book.block(left)), ['withdrawn', 'withdrawn', 'settlement_closed', 'settlement_closed']);

  const refused = book.settle(ALFA, [book.leg(ALFA, BETA, '1.001')]);
  book.block(name(book, 'consent', BETA, refused.instruction.digest));
  t.same(codes(book.block(refused)), ['amount_precision', 'settlement_closed']);

  const never = name(book, 'consent', BETA, hash('never'));
  book.block(never);
  t.same(codes(book.pass(HOUR + 1)), ['unmatched'], 'it ends with its own expires');
  t.equal(book.state.nextTrigger() !== null, true, 'ids are still to be forgotten');

  const voided = book.settle(ALFA, legs);
  book.block(keyAdd(book, BETA, 1));
  book.block(name(book, 'consent', BETA, voided.instruction.digest));
  book.block(book.order({ kind: 'key', action: 'revoke', initiator: BETA, party: BETA, kid: keyAt(BETA).kid }));
  t.same(codes(book.block(voided)), ['unknown_key', 'proposed'], 'a consent by a key revoked meanwhile is void');
  t.end();
});

t.test('keys, thresholds and the order within a block', (t) => {
  const book = funded();
  const [first, second] = [keyAt(ALFA).kid, keyAt(ALFA, 1).kid];
  const pay = book.pay(ALFA, BETA, '1');
  t.same(
    codes(book.block(keyAdd(book, ALFA, 1), signedBy(pay, second))),
    ['applied'],
    'a key does not count in the block that registers it',
  );
  t.same(codes(book.block(signedBy(pay, second))), ['settled'], 'and counts in the next');
  book.block(book.order({ kind: 'key', action: 'threshold', initiator: ALFA, party: ALFA, threshold: 2 }));
  const both = book.pay(ALFA, BETA, '1');
  t.same(codes(book.block(signedBy(both, first), signedBy(both, first, first))), [], 'one key twice is one key');
  t.same(codes(book.block(signedBy(both, first, second))), ['settled'], 'two of two');

  const pvp = signedBy(book.settle(ALFA, [book.leg(ALFA, BETA, '1'), book.leg(BETA, ALFA, '1', 'THB')]), first, second);
  book.block(pvp);
  const down = signedBy(
    book.order({ kind: 'key', action: 'threshold', initiator: ALFA, party: ALFA, threshold: 1 }),
    first,
    second,
  );
  book.block(down);
  const revoke = book.order({ kind: 'key', action: 'revoke', initiator: ALFA, party: ALFA, kid: second });
  const dead = signedBy(book.pay(ALFA, BETA, '1'), second);
  t.same(
    codes(book.block(dead, revoke)),
    ['applied'],
    'a revocation counts in its own block, wherever it stands there',
  );
  t.same(codes(book.block(signedBy(pvp, keyAt(BETA).kid))), ['settled'], 'consent by the key that is left holds');

  const open = proposed(book);
  const stop = suspend(book, BETA);
  const consent = name(book, 'consent', BETA, open.instruction.digest);
  t.same(
    codes(book.lanes([[consent], [stop]])),
    ['applied', 'party_suspended'],
    'a suspension comes before consents, in any lane',
  );
  t.same(codes(book.block(signedBy(open, keyAt(BETA).kid))), [], 'the signature of a suspended party does not count');
  book.block(suspend(book, BETA, 'reinstate'));
  t.same(codes(book.block(signedBy(open, keyAt(BETA).kid))), ['settled']);

  // The balance covers one of two payments: the lane that comes first wins.
  const rotated = [0, 1].map((parity) => {
    if (book.height % 2 !== parity) book.pass(1000);
    const [a, b] = [book.pay(ALFA, GAMA, '600'), book.pay(ALFA, GAMA, '600')];
    return codesOf(book.try([[a], [b]]), a)[0] ?? 'none';
  });
  t.same(
    rotated.sort(byCodeUnit),
    ['insufficient_funds', 'settled'],
    'the first lane is the height modulo their number',
  );
  t.end();
});

t.test('bounds: open settlements of a party, triggers of a block', (t) => {
  const book = funded();
  const legs = [book.leg(BETA, ALFA, '1')];
  const cancelUntil = formatTime(book.time + 30_000);
  for (let left = OPEN_SETTLEMENTS_PER_PARTY_MAX; left > 0; left -= 5000) {
    book.block(...Array.from({ length: 5000 }, () => book.settle(ALFA, legs, [ALFA], { cancelUntil })));
  }
  const more = book.settle(ALFA, legs);
  t.same(codes(book.block(more, book.pay(ALFA, BETA, '1'), book.settle(GAMA, [book.leg(BETA, GAMA, '1')]))), [
    'settled',
    'too_many_open',
    'proposed',
  ]);
  const reloaded = State.load(book.disk.entries(), book.disk);
  t.equal(reloaded.counts.open.get(ALFA), OPEN_SETTLEMENTS_PER_PARTY_MAX, 'the count is the same after a restart');
  t.equal(reloaded.nextTrigger(), book.state.nextTrigger());
  t.equal(book.pass(60_000).receipts.length, TRIGGERS_PER_BLOCK_MAX, 'lapses come in portions');
  t.equal(book.pass(1).receipts.length, TRIGGERS_PER_BLOCK_MAX);
  t.end();
});

t.test('ids are forgotten in time, on the disk as well', (t) => {
  const book = funded();
  const pay = book.pay(ALFA, BETA, '1');
  book.block(pay);
  const before = book.disk.ids.size;
  const { until } = book.state.record(ALFA, pay.instruction.payload.id as never)!;
  t.equal(until, pay.instruction.expiresMs + 24 * HOUR + 2000);
  const reuse = () => book.settle(ALFA, [book.leg(ALFA, BETA, '2')], [ALFA], { id: pay.instruction.payload.id });
  book.pass(until - book.time - 1000);
  t.same(codes(book.block(reuse())), [], 'to the last millisecond another payload under the id is refused');
  t.same(codes(book.block(reuse())), ['settled'], 'then the id is free again');
  book.pass(30 * HOUR);
  t.ok(book.disk.ids.size < before, 'old buckets are gone');
  book.pass(30 * HOUR);
  t.equal(book.disk.ids.size, 0, 'and at last all of them');
  t.equal(book.state.nextTrigger(), null);
  t.end();
});

t.test('receipts and proofs', (t) => {
  const book = funded();
  const applied = book.block(book.pay(ALFA, BETA, '1'), book.pay(ALFA, GAMA, '1'), book.pay(ALFA, BETA, '100000'));
  const packed = packReceipts(applied.receipts);
  t.same(unpackReceipts(packed), applied.receipts);
  t.same(
    packedLeaves(packed),
    applied.receipts.map((receipt) => receiptLeaf(encodeReceipt(receipt))),
  );
  for (const receipt of applied.receipts) t.same(decodeReceipt(encodeReceipt(receipt)), receipt);
  t.equal(applied.receiptsRoot, merkleRoot(applied.receipts.map((receipt) => receiptLeaf(encodeReceipt(receipt)))));
  const bytes = encodeReceipt(applied.receipts[0]!);
  for (const [at, wrong] of [
    [0, 2],
    [60, 99],
    [61, 0],
    [61, 255],
  ] as const)
    t.equal(decodeReceipt(Uint8Array.from(bytes, (byte, i) => (i === at ? wrong : byte))), null);
  t.equal(decodeReceipt(bytes.subarray(1)), null);
  t.equal(unpackReceipts(bytes), null);

  const presence = book.state.prove('accounts', accountName(GAMA, 'HKD'));
  const absence = book.state.prove('accounts', accountName(GAMA, 'THB'));
  t.ok(verifyStateProof(book.state.root, presence));
  t.ok(verifyStateProof(book.state.root, absence));
  t.not(presence.value, null);
  t.equal(absence.value, null);
  t.notOk(verifyStateProof(book.state.root, { ...presence, value: new Uint8Array(88) }));
  t.notOk(verifyStateProof(book.state.root, { ...absence, key: presence.key }));

  t.equal(
    book.state.account(ALFA, 'HKD')?.counter,
    3,
    'a counter for the receipts that moved it, a refusal not among them',
  );
  t.equal(book.state.publicKey(keyAt(ALFA).kid)?.alg, 'Ed25519');
  t.same(
    book.state.balances(ALFA).map(({ asset, balance }) => [asset, balance]),
    [
      ['HKD', 99800n],
      ['THB', 100000n],
    ],
  );
  t.same(
    book.state.participants().map(({ party }) => party),
    [ALFA, BETA, BOTH, GAMA, HKMA].sort(),
  );
  t.equal(book.state.circulating({ asset: 'HKD' as never, issuer: HKMA }), 200000n);
  t.end();
});

t.test('golden: the same history gives the same roots for ever', (t) => {
  const book = new Book();
  t.equal(book.state.root, '323af4f1e234111877d88406965a61eeaba669a9e13adf5842af0689a0b6f667');
  const fixed = (at: number) => ({ id: uuid(0xf000 + at) });
  book.block(book.asset('HKD', HKMA, fixed(1)), book.admit(ALFA, 'HK', fixed(2)), book.admit(BETA, 'TH', fixed(3)));
  const applied = book.block(
    book.settle(HKMA, [book.leg(HKMA, ALFA, '1000.5')], [HKMA], fixed(4)),
    book.settle(ALFA, [book.leg(ALFA, BETA, '1'), book.leg(BETA, ALFA, '2')], [ALFA], fixed(5)),
    book.order({ kind: 'consent', initiator: BETA, settlement: hash('golden'), ...fixed(6) }),
  );
  t.same(codes(applied), ['settled', 'waiting', 'proposed']);
  t.equal(applied.stateRoot, 'da9fe385254ffeca09235d98b8a0ef26051c4e640fad169f6a4994fa264e52b8');
  t.equal(applied.receiptsRoot, 'bb8836042342acfe49809887f3baf3509efa967675349f576588693f30c35b40');
  t.end();
});
