/** Settlements in mode `lock` (SPEC, Locks): held, revealed, lapsed, cancelled. */

import t from 'tap';
import { fromHex, toHex } from '../../protocol/codec.js';
import { hashOf } from '../../protocol/hash.js';
import { OPEN_SETTLEMENTS_PER_PARTY_MAX, TRIGGERS_PER_BLOCK_MAX } from '../../protocol/limits.js';
import { fc } from '../../protocol/property.test-helper.js';
import type { Bic } from '../../protocol/types.js';
import { formatAmount, formatTime } from '../../protocol/values.js';
import { type Applied, applyBlock, type Ordered } from '../apply.js';
import { decodeEntry, encodeEntry } from '../codecs.js';
import { accountName, type Lock } from '../entries.js';
import {
  ALFA,
  BETA,
  BOTH,
  type Book,
  codes,
  codesOf,
  ECBB,
  funded,
  GAMA,
  HKMA,
  HOUR,
  hash,
  kidsOf,
  member,
  signedBy,
  uuid,
} from '../samples.test-helper.js';
import { State } from '../state.js';

const PREIMAGE = hash('preimage');
const HASH = hashOf(fromHex(PREIMAGE));
const legsOf = (book: Book, amount = '100') => [book.leg(ALFA, BETA, amount), book.leg(BETA, GAMA, amount, 'THB')];

/** ALFA pays BETA, and BETA pays GAMA in THB, once the preimage is known: consents count for an hour, the lock for two. */
function lock(book: Book, signers: readonly string[] = [ALFA, BETA], more: Record<string, unknown> = {}): Ordered {
  const lockUntil = formatTime(book.time + 2 * HOUR);
  return book.settle(ALFA, legsOf(book), signers, { mode: 'lock', hash: HASH, lockUntil, ...more });
}
function locked(book: Book, more: Record<string, unknown> = {}): Ordered {
  const item = lock(book, [ALFA, BETA], more);
  book.block(item);
  return item;
}
const reveal = (book: Book, { instruction }: Ordered, by: string = BETA, preimage: string = PREIMAGE): Ordered =>
  book.order({ kind: 'reveal', initiator: by, settlement: instruction.digest, preimage });
const leave = (book: Book, by: string, { instruction }: Ordered, kind: 'cancel' | 'withdraw' | 'consent' = 'cancel') =>
  book.order({ kind, initiator: by, settlement: instruction.digest });
const held = (book: Book, party: string, asset = 'HKD'): bigint => book.state.locks.held(accountName(party, asset));
/** To a second past the end of a lock that was made at the book's time less `ago`. */
const past = (book: Book, by: number, ago = 1000): Applied => {
  book.proposer = by;
  return book.pass(2 * HOUR - ago + 1000);
};

interface Row {
  readonly code: string;
  readonly says: string;
  readonly given: (book: Book) => Ordered;
  readonly then?: readonly string[];
}
const ROWS: readonly Row[] = [
  { code: 'locked', says: 'every consent is there, and what it debits is', given: (b) => lock(b) },
  { code: 'proposed', says: 'a consent is lacking', given: (b) => lock(b, [ALFA]) },
  {
    code: 'insufficient_funds',
    says: 'what it debits is not there when it is bound',
    given: (b) => (b.block(b.pay(ALFA, GAMA, '950')), lock(b)),
  },
  {
    code: 'insufficient_funds',
    says: 'what it debits is held already',
    given: (b) => (locked(b), lock(b, [ALFA, BETA], { legs: legsOf(b, '950'), hash: hash('another') })),
  },
  {
    code: 'cap_exceeded',
    says: 'the issuer may not issue so much',
    given: (b) =>
      b.settle(HKMA, [b.leg(HKMA, ALFA, '999999')], [HKMA], {
        mode: 'lock',
        hash: HASH,
        lockUntil: formatTime(b.time + 2 * HOUR),
      }),
  },
  {
    code: 'party_suspended',
    says: 'a party that only receives is suspended when the last consent comes',
    given: (b) => {
      const item = lock(b, [ALFA]);
      b.block(item);
      b.block(b.order({ kind: 'participant', action: 'suspend', initiator: HKMA, party: GAMA }));
      return signedBy(item, ...kidsOf(BETA));
    },
  },
  {
    code: 'hash_revealed',
    says: 'a lock whose preimage is known',
    given: (b) => {
      const item = locked(b);
      b.block(reveal(b, item));
      return lock(b);
    },
  },
  { code: 'revealed', says: 'by a party', given: (b) => reveal(b, locked(b)) },
  { code: 'revealed', says: 'by a participant that is no party', given: (b) => reveal(b, locked(b), HKMA) },
  {
    code: 'revealed',
    says: 'by a suspended one',
    given: (b) => {
      const item = locked(b);
      b.block(b.order({ kind: 'participant', action: 'suspend', initiator: BOTH, party: BETA }));
      return reveal(b, item);
    },
  },
  { code: 'wrong_preimage', says: 'another preimage', given: (b) => reveal(b, locked(b), BETA, hash('wrong')) },
  { code: 'wrong_preimage', says: 'the hash itself', given: (b) => reveal(b, locked(b), BETA, HASH) },
  {
    code: 'not_locked',
    says: 'nothing of that digest',
    given: (b) => b.order({ kind: 'reveal', initiator: ALFA, settlement: hash('none'), preimage: PREIMAGE }),
  },
  {
    code: 'not_locked',
    says: 'a lock that lacks a consent',
    given: (b) => {
      const item = lock(b, [ALFA]);
      b.block(item);
      return reveal(b, item);
    },
  },
  {
    code: 'not_locked',
    says: 'a settlement of another mode',
    given: (b) => {
      const item = b.settle(ALFA, legsOf(b), [ALFA]);
      b.block(item);
      return reveal(b, item);
    },
  },
  {
    code: 'settlement_closed',
    says: 'a second reveal',
    given: (b) => {
      const item = locked(b);
      b.block(reveal(b, item));
      return reveal(b, item, ALFA);
    },
  },
  {
    code: 'settlement_closed',
    says: 'a reveal of what has lapsed',
    given: (b) => {
      const item = locked(b);
      past(b, 0);
      past(b, 1);
      return reveal(b, item);
    },
  },
  { code: 'already_bound', says: 'a withdrawal', given: (b) => leave(b, ALFA, locked(b), 'withdraw') },
  { code: 'already_consented', says: 'another consent', given: (b) => leave(b, ALFA, locked(b), 'consent') },
  { code: 'consent_not_required', says: 'who only receives', given: (b) => leave(b, GAMA, locked(b), 'consent') },
  { code: 'not_a_party', says: 'a cancellation by a stranger', given: (b) => leave(b, HKMA, locked(b)) },
  { code: 'cancel_agreed', says: 'a cancellation by one party', given: (b) => leave(b, ALFA, locked(b)) },
  {
    code: 'already_consented',
    says: 'that party again',
    given: (b) => {
      const item = locked(b);
      b.block(leave(b, ALFA, item));
      return leave(b, ALFA, item);
    },
  },
  {
    code: 'cancelled',
    says: 'the last party to cancel',
    given: (b) => {
      const item = locked(b);
      b.block(leave(b, ALFA, item), leave(b, BETA, item));
      return leave(b, GAMA, item);
    },
  },
  {
    code: 'cancelled',
    says: 'a party alone while a consent is lacking',
    given: (b) => {
      const item = lock(b, [ALFA]);
      b.block(item);
      return leave(b, GAMA, item);
    },
  },
  {
    code: 'settlement_closed',
    says: 'a cancellation past its end, though it is open to its preimage',
    given: (b) => {
      const item = locked(b);
      past(b, 0);
      return leave(b, ALFA, item);
    },
  },
  {
    code: 'not_queued',
    says: 'a lock has no place in the queue',
    given: (b) => {
      const settlement = locked(b).instruction.digest;
      return b.order({ kind: 'reprioritise', initiator: ALFA, settlement, priority: 'high' });
    },
  },
  {
    code: 'cap_below_circulating',
    says: 'a cap below what circulates and what is held to be issued',
    given: (b) => {
      const lockUntil = formatTime(b.time + 2 * HOUR);
      b.block(b.settle(HKMA, [b.leg(HKMA, ALFA, '10')], [HKMA], { mode: 'lock', hash: HASH, lockUntil }));
      return b.asset('HKD', HKMA, { cap: '2009.99' });
    },
  },
];

t.test('a row for each code and transition of a lock', (t) => {
  for (const { code, says, given } of ROWS) {
    const book = funded();
    const ordered = given(book);
    t.same(codesOf(book.block(ordered), ordered), [code], `${code}: ${says}`);
  }
  t.end();
});

t.test('what is locked stays in the balance and is nobody else’s; its preimage moves all of it at once', (t) => {
  const book = funded();
  const item = locked(book);
  t.equal(held(book, ALFA), 10_000n);
  t.equal(held(book, BETA, 'THB'), 10_000n);
  t.equal(held(book, BETA), 0n, 'what is to come is not there');
  t.equal(book.balance(ALFA), 100_000n);
  t.same(codes(book.block(book.pay(ALFA, GAMA, '900.01'))), ['insufficient_funds']);
  t.same(codes(book.block(book.pay(ALFA, GAMA, '900'))), ['settled'], 'the rest is free');
  t.equal(book.state.standingOf(book.state.openSettlement(item.instruction.digest)!), 'locked');
  t.same(codes(book.block(reveal(book, item))), ['revealed', 'settled']);
  t.same([book.balance(ALFA), book.balance(BETA), book.balance(GAMA, 'THB')], [0n, 110_000n, 10_000n]);
  t.same([held(book, ALFA), held(book, BETA, 'THB')], [0n, 0n]);
  t.equal(book.state.openSettlement(item.instruction.digest), undefined);
  t.end();
});

t.test('one receipt in a block: locked and revealed in the same one it is settled', (t) => {
  const book = funded();
  const item = lock(book);
  t.same(codes(book.block(item, reveal(book, item))), ['revealed', 'settled']);
  t.end();
});

t.test('a lapse by consents is that of any other', (t) => {
  const book = funded();
  const item = lock(book, [ALFA]);
  book.block(item);
  t.same(codes(book.pass(HOUR + 1000)), ['lapsed']);
  t.same(codesOf(book.block(reveal(book, item)), item), []);
  t.end();
});

t.test('its end waits for f + 1 proposers, and until then its preimage counts', (t) => {
  const book = funded();
  const item = locked(book);
  t.same(codes(past(book, 2)), [], 'the first past its end');
  for (let count = 0; count < 5; count++)
    t.same(codes(book.pass(HOUR)), [], 'whatever the one leader says of the time');
  t.ok((book.state.nextTrigger() as number) <= book.time, 'so there is work for the next leader');
  const other = book.fork();
  other.proposer = 3;
  t.same(codes(other.block(reveal(other, item))), ['revealed', 'settled'], 'the second may still bring it');
  t.equal(other.state.nextTrigger() === null || (other.state.nextTrigger() as number) > other.time, true);
  book.proposer = 3;
  t.same(codes(book.pass(1000)), ['lapsed']);
  t.equal(held(book, ALFA), 0n);
  t.same(book.state.tables.proposers.entries(), [], 'and nothing is kept of it');
  t.same(codes(book.block(reveal(book, item))), ['settlement_closed']);
  t.end();
});

t.test('a block at the end itself is not past it', (t) => {
  const book = funded();
  locked(book);
  book.pass(2 * HOUR - 1000);
  t.same(book.state.tables.proposers.entries(), []);
  book.proposer = 0;
  book.pass(1);
  t.same(book.state.tables.proposers.entries(), [['000', { time: book.time }]]);
  t.end();
});

t.test('each lock waits for proposers past its own end', (t) => {
  const book = funded();
  const late = formatTime(book.time + 3 * HOUR);
  book.block(lock(book), lock(book, [ALFA, BETA], { lockUntil: late }));
  past(book, 0);
  t.same(codes(past(book, 1)), ['lapsed'], 'the second is not over yet, or has had one block only');
  t.same(book.state.tables.proposers.entries().length, 2, 'what has been heard is kept for the other');
  book.proposer = 1;
  t.same(codes(book.pass(HOUR)), []);
  book.proposer = 0;
  t.same(codes(book.pass(1)), ['lapsed']);
  t.end();
});

t.test('another set begins anew with its proposers', (t) => {
  const book = funded();
  locked(book);
  past(book, 0);
  const next = [HKMA, BOTH, ECBB].map((party) => member(party));
  const change = book.govern(HKMA, next, [HKMA, BOTH]);
  book.block(change);
  t.equal(book.state.tables.proposers.entries().length, 1);
  const applied = book.block(...[HKMA, BOTH, ECBB].map((party) => book.ready(party, change)));
  t.match(codes(applied), ['ready', 'ready', 'ready', 'applied']);
  t.same(book.state.tables.proposers.entries(), [], 'a place is another party’s now');
  book.proposer = 0;
  t.same(codes(book.pass(1)), ['lapsed'], 'and of three, one proposer is enough');
  t.end();
});

t.test('many locks lapse block by block, and hold up nothing else', (t) => {
  const book = funded();
  const legs = [book.leg(ALFA, BETA, '0.01')];
  const lockUntil = formatTime(book.time + 2 * HOUR);
  const many = TRIGGERS_PER_BLOCK_MAX + 5;
  const items = Array.from({ length: many }, () =>
    book.settle(ALFA, legs, [ALFA], { mode: 'lock', hash: HASH, lockUntil }),
  );
  book.block(...items);
  t.equal(held(book, ALFA), BigInt(many));
  const other = book.settle(BETA, legsOf(book), [BETA], { expires: formatTime(book.time + HOUR) });
  book.block(other);
  t.same(codesOf(past(book, 0, 2000), other), ['lapsed'], 'a lapse for want of consents');
  book.proposer = 1;
  t.equal(codes(book.pass(1000)).length, TRIGGERS_PER_BLOCK_MAX);
  t.ok((book.state.nextTrigger() as number) <= book.time);
  t.equal(codes(book.pass(1)).length, 5, 'the rest needs no others');
  t.equal(held(book, ALFA), 0n);
  t.end();
});

t.test('what a lock gives back lets the queue go on', (t) => {
  const waits = (book: Book): [Ordered, Ordered] => {
    const item = locked(book);
    const queued = book.queue(ALFA, [book.leg(ALFA, GAMA, '950')]);
    t.same(codes(book.block(queued)), ['queued']);
    t.same(codes(book.pass(1000)), [], 'what is held is not there for a pass');
    return [item, queued];
  };
  const cancelled = funded();
  const [item, queued] = waits(cancelled);
  cancelled.block(leave(cancelled, ALFA, item), leave(cancelled, BETA, item));
  t.same(codesOf(cancelled.block(leave(cancelled, GAMA, item)), queued), ['settled']);
  const lapsed = funded();
  const [, other] = waits(lapsed);
  past(lapsed, 0, 3000);
  lapsed.proposer = 1;
  t.same(codesOf(lapsed.pass(1000), other), ['settled']);
  t.end();
});

t.test('a hash is remembered past the end of its lock, and no longer', (t) => {
  const book = funded();
  const item = locked(book);
  book.block(reveal(book, item));
  book.pass(24 * HOUR);
  t.same(codes(book.block(lock(book))), ['hash_revealed']);
  book.pass(27 * HOUR);
  const again = lock(book);
  t.same(codes(book.block(again)), ['locked']);
  t.same(codes(book.block(leave(book, ALFA, again, 'withdraw'))), ['already_bound']);
  t.end();
});

t.test('the digest of a settlement is no hash that was revealed, nor the other way round', (t) => {
  const book = funded();
  const item = locked(book);
  book.block(reveal(book, item));
  t.same(codes(book.block(lock(book, [ALFA, BETA], { hash: item.instruction.digest }))), ['locked']);
  const named = book.order({ kind: 'consent', initiator: ALFA, settlement: HASH });
  t.same(codes(book.block(named)), ['waiting']);
  t.end();
});

t.test('another lock of the same hash is its own', (t) => {
  const book = funded();
  const [one, two] = [lock(book), lock(book)];
  book.block(one, two);
  t.same(codes(book.block(reveal(book, one))), ['revealed', 'settled']);
  t.equal(held(book, ALFA), 10_000n);
  t.same(codes(book.block(reveal(book, two, GAMA))), ['revealed', 'settled']);
  t.end();
});

t.test('locks count among what a party has open', (t) => {
  const book = funded();
  const item = lock(book);
  book.state.counts.open.freeze();
  const full = book.state.child();
  full.counts.open.set(ALFA, OPEN_SETTLEMENTS_PER_PARTY_MAX);
  full.seal(1 as never);
  t.same(codesOf(applyBlock(full, book.next(), [[item]]), item), ['too_many_open']);
  locked(book);
  t.equal(book.state.counts.open.get(ALFA), 1);
  t.equal(book.state.counts.openMovements.get(ALFA), 4);
  t.end();
});

t.test('a lock is written and read as it is', (t) => {
  const book = funded();
  const item = locked(book);
  const settlement = book.state.openSettlement(item.instruction.digest)!;
  for (const leaving of [null, [], [ALFA, BETA]] satisfies (readonly Bic[] | null)[]) {
    const value = { ...settlement, lock: { ...(settlement.lock as Lock), leaving } };
    t.same(decodeEntry('settlements', item.instruction.digest, encodeEntry('settlements', value)), value);
  }
  t.end();
});

t.test('golden hashes: a change of format is a decision (ARCHITECTURE.md)', (t) => {
  const book = funded();
  const item = lock(book, [ALFA, BETA], {
    id: uuid(1),
    issued: formatTime(book.time),
    expires: formatTime(book.time + HOUR),
  });
  book.block(item);
  const settlement = book.state.openSettlement(item.instruction.digest)!;
  t.equal(
    hashOf(encodeEntry('settlements', settlement)),
    '0e95acad47be982a0aac77e34d6d4de1c9a1d630d97afb24f67d23f1f5920daa',
  );
  t.equal(toHex(encodeEntry('proposers', { time: 1_800_000_000_000 as never })), '000001a3185c5000');
  t.end();
});

t.test('a hash that has become known since is no lock any more when the last consent comes', (t) => {
  const book = funded();
  book.block(book.pay(HKMA, GAMA, '10'));
  const dates = { mode: 'lock', hash: HASH, lockUntil: formatTime(book.time + 3 * HOUR) };
  const old = book.settle(BETA, [book.leg(ALFA, BETA, '10')], [BETA], dates);
  const other = book.settle(GAMA, [book.leg(GAMA, BETA, '10')], [GAMA], dates);
  t.same(codes(book.block(old, other)), ['locked', 'proposed'].reverse());
  const { digest } = other.instruction;
  t.same(codes(book.block(book.order({ kind: 'reveal', initiator: BETA, settlement: digest, preimage: PREIMAGE }))), [
    'revealed',
    'settled',
  ]);
  const consent = book.order({ kind: 'consent', initiator: ALFA, settlement: old.instruction.digest });
  t.same(codes(book.block(consent)), ['consented', 'hash_revealed']);
  t.equal(book.balance(ALFA), 100_000n);
  t.end();
});

interface Act {
  readonly do: 'lock' | 'reveal' | 'wrong' | 'cancel' | 'pay' | 'queue';
  readonly of: number;
  readonly by: number;
  readonly minor: number;
}
const BANKS = [ALFA, BETA, GAMA, HKMA] as const;
const act = fc.record({
  do: fc.constantFrom<Act['do']>('lock', 'lock', 'reveal', 'wrong', 'cancel', 'pay', 'queue'),
  of: fc.nat({ max: 5 }),
  by: fc.nat({ max: 3 }),
  minor: fc.integer({ min: 1, max: 80_000 }),
});
const steps = fc.array(
  fc.record({
    acts: fc.array(act, { maxLength: 6 }),
    afterMs: fc.constantFrom(1000, 1000, HOUR, 2 * HOUR),
    proposer: fc.nat({ max: 3 }),
  }),
  { minLength: 1, maxLength: 12 },
);

function made(book: Book, { do: what, of, by, minor }: Act, locks: Ordered[]): Ordered | null {
  const party = BANKS[by] as Bic;
  const [from, to] = [party, BANKS[(by + 1) % 4] as Bic];
  const legs = [book.leg(from, to, formatAmount(BigInt(minor), 2)), book.leg(to, from, '1')];
  const settlement = locks.at(-1 - of);
  switch (what) {
    case 'lock': {
      const lockUntil = formatTime(book.time + 2 * HOUR);
      const item = book.settle(from, legs, [from, to], { mode: 'lock', hash: HASH, lockUntil });
      locks.push(item);
      return item;
    }
    case 'pay':
      return book.settle(from, legs, [from, to]);
    case 'queue':
      return book.queue(from, legs, [from, to]);
    case 'cancel':
      return settlement === undefined ? null : leave(book, party, settlement);
    default:
      return settlement === undefined ? null : reveal(book, settlement, party, what === 'wrong' ? HASH : PREIMAGE);
  }
}

/** What is held is what is locked, and nobody has spent it. */
function checkHolds(state: State): void {
  for (const asset of state.assets()) {
    let sum = 0n;
    for (const { party } of state.participants()) {
      const name = accountName(party, asset.asset);
      const balance = state.account(party, asset.asset)?.balance ?? 0n;
      const floor = party === asset.issuer ? 0n - asset.cap : 0n;
      if (balance - state.locks.held(name) < floor) throw new Error(`what ${name} holds for locks was spent`);
      sum += balance;
    }
    if (sum !== 0n) throw new Error('money came or went');
  }
}

t.test('what is held is never spent, nothing comes or goes, and a restart gives the same holds', (t) => {
  const met = new Map<string, number>();
  fc.assert(
    fc.property(steps, (blocks) => {
      const book = funded();
      const locks: Ordered[] = [];
      for (const { acts, afterMs, proposer } of blocks) {
        const items = acts.map((each) => made(book, each, locks)).filter((item) => item !== null);
        const loaded = State.load(book.disk.entries(), book.disk);
        if (loaded.nextTrigger() !== book.state.nextTrigger()) throw new Error('a restart forgets what is due');
        book.proposer = proposer;
        const again = applyBlock(loaded, book.next(afterMs), [items]);
        const applied = book.lanes([items], afterMs);
        if (again.stateRoot !== applied.stateRoot || again.receiptsRoot !== applied.receiptsRoot)
          throw new Error('after a restart another root');
        checkHolds(applied.state);
        for (const { party } of applied.state.participants())
          for (const { asset } of applied.state.assets()) {
            const name = accountName(party, asset);
            if (again.state.locks.held(name) !== applied.state.locks.held(name)) throw new Error('other holds');
          }
        for (const code of codes(applied)) met.set(code, (met.get(code) ?? 0) + 1);
      }
    }),
    { numRuns: 150 },
  );
  for (const code of ['locked', 'revealed', 'wrong_preimage', 'lapsed', 'cancelled', 'insufficient_funds'])
    t.ok((met.get(code) ?? 0) > 3, `${code} is met (${met.get(code)})`);
  t.end();
});
