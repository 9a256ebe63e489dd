import t from 'tap';
import { hashPairs } from '../protocol/hash.js';
import { PRIORITIES } from '../protocol/payload.js';
import { fc } from '../protocol/property.test-helper.js';
import { unreachable } from '../protocol/types.js';
import { formatTime } from '../protocol/values.js';
import { applyBlock, type Ordered } from './apply.js';
import {
  ALFA,
  BETA,
  BOTH,
  type Book,
  codes,
  funded,
  GAMA,
  HKMA,
  HOUR,
  keyAt,
  kidsOf,
  newKey,
  order,
} from './samples.test-helper.js';
import { State } from './state.js';

const PARTIES = [HKMA, BOTH, ALFA, BETA, GAMA] as const;
const ASSETS = ['HKD', 'THB'] as const;
const RUNS = { numRuns: 80 };

/** A move in a made-up history; numbers pick parties, assets and earlier instructions, so that shrinking keeps sense. */
type Move =
  | {
      readonly do: 'settle';
      readonly initiator: number;
      readonly legs: readonly (readonly [number, number, number, number])[];
      readonly signers: number;
      /** Mode `queue`: how urgent, and how many seconds from now on it may settle, and until when. */
      readonly queue?: { readonly priority: number; readonly from: number; readonly to: number } | null;
    }
  | { readonly do: 'consent' | 'withdraw' | 'cancel'; readonly initiator: number; readonly of: number }
  | { readonly do: 'reprioritise'; readonly initiator: number; readonly of: number; readonly priority: number }
  | { readonly do: 'suspend' | 'reinstate'; readonly party: number }
  | { readonly do: 'key'; readonly party: number; readonly adds: boolean }
  | { readonly do: 'repeat'; readonly of: number; readonly signers: number };

const party = fc.nat({ max: PARTIES.length - 1 });
const leg = fc.tuple(party, party, fc.nat({ max: 1 }), fc.integer({ min: 1, max: 150_000 }));
const priority = fc.nat({ max: 2 });
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      initiator: party,
      legs: fc.array(leg, { minLength: 1, maxLength: 4 }),
      signers: fc.nat({ max: 31 }),
      queue: fc.option(fc.record({ priority, from: fc.nat({ max: 9 }), to: fc.constantFrom(10, 3000, 90_000) }), {
        freq: 3,
      }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('reprioritise' as const),
      initiator: party,
      of: fc.nat({ max: 20 }),
      priority,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('consent' as const, 'withdraw' as const, 'consent' as const, 'cancel' as const),
      initiator: party,
      of: fc.nat({ max: 20 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('suspend' as const, 'reinstate' as const), party }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('key' as const), party, adds: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('repeat' as const), of: fc.nat({ max: 20 }), signers: fc.nat({ max: 31 }) }),
  },
);
const block = fc.record({
  moves: fc.array(fc.tuple(move, fc.nat({ max: 2 })), { maxLength: 10 }),
  afterMs: fc.constantFrom(1, 1000, 1000, 1000, HOUR / 2, 20 * HOUR),
});
const history = fc.array(block, { minLength: 1, maxLength: 10 });
type Block = { readonly moves: readonly (readonly [Move, number])[]; readonly afterMs: number };

const some = (bits: number): string[] => PARTIES.filter((_, at) => (bits >> at) & 1);

/** Makes instructions of moves; `past` holds those made so far, newest last. */
function instruct(time: number, made: Move, past: Ordered[]): Ordered | null {
  const earlier = (of: number): Ordered | undefined => past.at(-1 - of);
  const item = (): Ordered | null => {
    switch (made.do) {
      case 'settle': {
        const legs = made.legs
          .filter(([from, to]) => from !== to)
          .map(([from, to, asset, minor]) => ({
            from: PARTIES[from]!,
            to: PARTIES[to]!,
            asset: ASSETS[asset]!,
            amount: `${Math.floor(minor / 100)}.${String(minor % 100).padStart(2, '0')}`,
          }));
        if (legs.length === 0) return null;
        const initiator = PARTIES[made.initiator]!;
        const { queue = null } = made;
        const at = (seconds: number): string => formatTime(time + 1000 * seconds);
        const terms =
          queue === null
            ? { mode: 'gross' }
            : {
                mode: 'queue',
                priority: PRIORITIES[queue.priority]!,
                notBefore: at(queue.from),
                cancelUntil: at(2),
                cutoff: at(5),
                settleBy: at(queue.to),
              };
        return order(time, { kind: 'settle', initiator, legs, ...terms }, kidsOf(initiator, ...some(made.signers)));
      }
      case 'consent':
      case 'withdraw':
      case 'cancel': {
        const settlement = earlier(made.of)?.instruction.digest;
        return settlement === undefined
          ? null
          : order(time, { kind: made.do, initiator: PARTIES[made.initiator]!, settlement });
      }
      case 'reprioritise': {
        const settlement = earlier(made.of)?.instruction.digest;
        const asked = {
          kind: 'reprioritise',
          initiator: PARTIES[made.initiator]!,
          priority: PRIORITIES[made.priority]!,
        };
        return settlement === undefined ? null : order(time, { ...asked, kind: 'reprioritise', settlement });
      }
      case 'suspend':
      case 'reinstate':
        return order(time, {
          kind: 'participant',
          action: made.do,
          initiator: PARTIES[made.party] === BETA ? BOTH : HKMA,
          party: PARTIES[made.party]!,
        });
      case 'key': {
        const of = PARTIES[made.party]!;
        const common = { kind: 'key', initiator: of, party: of } as const;
        return made.adds
          ? order(time, { ...common, action: 'add', keys: [newKey(of, 1)] })
          : order(time, { ...common, action: 'revoke', kid: keyAt(of).kid });
      }
      case 'repeat': {
        const again = earlier(made.of);
        return again === undefined ? null : { ...again, signed: kidsOf(...some(made.signers)) };
      }
      default:
        return unreachable(made);
    }
  };
  const ordered = item();
  if (ordered !== null && made.do !== 'repeat') past.push(ordered);
  return ordered;
}

/** Facts hold against the parent state: signatures of keys that it does not hold are none. */
const factual = (state: State, ordered: Ordered): Ordered => ({
  ...ordered,
  signed: ordered.signed.filter((kid) => state.publicKey(kid) !== undefined),
});

function lanesOf({ moves }: Block, book: Book, past: Ordered[], afterMs: number): (Ordered | null)[][] {
  const lanes: (Ordered | null)[][] = [[], [], []];
  for (const [made, lane] of moves) {
    const ordered = instruct(book.time + afterMs, made, past);
    lanes[lane]?.push(ordered === null ? null : factual(book.state, ordered));
  }
  return lanes;
}

function checkBooks(state: State): void {
  for (const asset of state.assets()) {
    let sum = 0n;
    for (const { party: name } of state.participants()) {
      const balance = state.account(name, asset.asset)?.balance ?? 0n;
      sum += balance;
      const floor = name === asset.issuer ? 0n - asset.cap : 0n;
      if (balance < floor) throw new Error(`${name} is below its floor in ${asset.asset}`);
    }
    if (sum !== 0n) throw new Error(`${asset.asset} sums to ${sum}`);
  }
}

t.test('conservation, floors, and one root from the same inputs: over restarts, and whatever the branches', (t) => {
  let settled = 0;
  fc.assert(
    fc.property(history, fc.nat({ max: 255 }), (blocks, restarts) => {
      const book = funded();
      const past: Ordered[] = [];
      for (const [at, each] of blocks.entries()) {
        const lanes = lanesOf(each, book, past, each.afterMs);
        book.try(
          lanes.map((lane) => [...lane].reverse()),
          each.afterMs,
        );
        const reloaded = State.load(book.disk.entries(), book.disk, hashPairs);
        if (reloaded.root !== book.state.root) throw new Error('a restart changes the root');
        if ((restarts >> at) & 1) book.state = reloaded;
        const from = (restarts >> at) & 1 ? book.state : reloaded;
        const again = applyBlock(from, book.next(each.afterMs), lanes);
        const applied = book.lanes(lanes, each.afterMs);
        checkBooks(applied.state);
        if (again.stateRoot !== applied.stateRoot || again.receiptsRoot !== applied.receiptsRoot)
          throw new Error('the same inputs, another root');
        settled += codes(applied).filter((code) => code === 'settled').length;
      }
    }),
    RUNS,
  );
  t.ok(settled > 20, `histories settle something (${settled})`);
  t.end();
});

t.test('unfinalized blocks on branches: a chain applied ahead of commits is the chain applied block by block', (t) => {
  fc.assert(
    fc.property(history, (blocks) => {
      const [slow, fast] = [funded(), funded()];
      const past: Ordered[] = [];
      const ahead: State[] = [];
      for (const each of blocks.slice(0, 6)) {
        // Facts come from the parent, which for `fast` is not committed.
        const lanes = lanesOf(each, slow, past, each.afterMs);
        const at = slow.next(each.afterMs);
        const parent = ahead.at(-1) ?? fast.state;
        const applied = applyBlock(parent, at, lanes);
        applyBlock(parent, at, [...lanes].reverse());
        ahead.push(applied.state);
        if (slow.lanes(lanes, each.afterMs).stateRoot !== applied.stateRoot)
          throw new Error('an uncommitted parent changes the outcome');
      }
      for (const state of ahead) fast.commit(state);
      if (State.load(fast.disk.entries(), fast.disk).root !== slow.state.root)
        throw new Error('what was written is not the state');
    }),
    RUNS,
  );
  t.end();
});

t.test('all legs or none', (t) => {
  fc.assert(
    fc.property(fc.array(leg, { minLength: 1, maxLength: 6 }), (legs) => {
      const book = funded();
      const ordered = instruct(book.time, { do: 'settle', initiator: legs[0]?.[0] ?? 0, legs, signers: 31 }, []);
      if (ordered === null) return;
      const expected = new Map<string, bigint>();
      for (const name of PARTIES) for (const asset of ASSETS) expected.set(name + asset, book.balance(name, asset));
      const [code] = codes(book.block(ordered));
      if (code === 'settled') {
        for (const [from, to, asset, minor] of legs.filter(([a, b]) => a !== b)) {
          const [debit, credit] = [PARTIES[from]! + ASSETS[asset]!, PARTIES[to]! + ASSETS[asset]!];
          expected.set(debit, expected.get(debit)! - BigInt(minor));
          expected.set(credit, expected.get(credit)! + BigInt(minor));
        }
      }
      for (const name of PARTIES)
        for (const asset of ASSETS)
          if (book.balance(name, asset) !== expected.get(name + asset)) throw new Error('legs apart');
    }),
    { numRuns: 100 },
  );
  t.end();
});

t.test('a replay has no effect, and a relay can only add valid consents', (t) => {
  fc.assert(
    fc.property(history, fc.array(fc.nat({ max: 31 }), { minLength: 1, maxLength: 4 }), (blocks, masks) => {
      const book = funded();
      const past: Ordered[] = [];
      const seen: Ordered[] = [];
      for (const each of blocks) {
        const lanes = lanesOf(each, book, past, each.afterMs);
        book.lanes(lanes, each.afterMs);
        seen.push(...lanes.flat().filter((ordered) => ordered !== null));
      }
      // Everything that was final once more, with whatever signatures: nothing moves, nothing is recorded.
      const final = seen.filter(({ instruction }) => {
        const record = book.state.record(instruction.payload.initiator as typeof ALFA, instruction.payload.id as never);
        return record !== undefined && book.state.openSettlement(instruction.digest) === undefined;
      });
      const replay = final.map((ordered, at) =>
        factual(book.state, { ...ordered, signed: kidsOf(...some(masks[at % masks.length]!)) }),
      );
      const before = book.state.root;
      const without = book.try([], 1);
      const applied = book.try([replay], 1);
      if (applied.receipts.length !== without.receipts.length || applied.stateRoot !== without.stateRoot)
        throw new Error('a replay has an effect');
      if (book.state.root !== before) throw new Error('trying a block changes its parent');
    }),
    RUNS,
  );
  fc.assert(
    fc.property(
      fc.array(leg, { minLength: 1, maxLength: 4 }),
      fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }),
      fc.nat({ max: 31 }),
      (legs, shuffled, stripped) => {
        // Whether the signatures come together, stripped and then one by one, or in any order, what settles is the same.
        const initiator = legs[0]![0];
        const made: Move = { do: 'settle', initiator, legs, signers: 31 };
        const [whole, split] = [funded(), funded()];
        const ordered = instruct(whole.time, made, []);
        if (ordered === null) return;
        whole.block(ordered);
        const name = PARTIES[initiator]!;
        split.block({ ...ordered, signed: kidsOf(...some(stripped)).filter((kid) => kid !== keyAt(name).kid) });
        split.block({ ...ordered, signed: kidsOf(name) });
        for (const at of shuffled) split.block({ ...ordered, signed: kidsOf(PARTIES[at]!) });
        for (const of of PARTIES)
          for (const asset of ASSETS)
            if (whole.balance(of, asset) !== split.balance(of, asset)) throw new Error('a relay changed the outcome');
      },
    ),
    RUNS,
  );
  t.end();
});

t.test('lane order does not matter to what touches different accounts', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200_000 }), fc.integer({ min: 1, max: 200_000 }), (a, b) => {
      const amount = (minor: number) => `${Math.floor(minor / 100)}.${String(minor % 100).padStart(2, '0')}`;
      const book = funded();
      const one = book.pay(ALFA, GAMA, amount(a));
      const two = book.pay(BETA, HKMA, amount(b), 'THB');
      const ab = book.try([[one], [two]]);
      const ba = book.try([[two], [one]]);
      const balances = (state: State) => PARTIES.map((name) => state.balances(name).map(({ balance }) => balance));
      t.same(balances(ab.state), balances(ba.state));
    }),
    { numRuns: 20 },
  );
  t.end();
});
