/** What is asked of whom, and how often. */
import t from 'tap';
import { laneStart } from '../../protocol/block.js';
import type { Message } from '../../protocol/envelope.js';
import type { BatchDigest, Height, LanePoint, PeerKey, ValidatorIndex } from '../../protocol/types.js';
import type { Committed } from './block.js';
import { Budget } from './budget.js';
import { Corrupt } from './checked.js';
import { Fetch } from './fetch.js';
import { SET, TestClock } from './ledgerstore.test-helper.js';
import { Members } from './members.js';
import { MemoryStore } from './memorystore.test-helper.js';

const DELTA_MS = 100;
const LANE = 2 as ValidatorIndex;
const WANTED: LanePoint = { incarnation: 0, number: 7, digest: 'd'.repeat(64) as BatchDigest };
const [own, ...others] = SET.validators.map(({ networkKey }) => networkKey) as [PeerKey, ...PeerKey[]];

/** A node that lacks batches of a lane, which these members say that they hold. */
function lacking(claimants: readonly PeerKey[]): {
  readonly fetch: Fetch;
  readonly store: MemoryStore;
  readonly asked: PeerKey[];
  /** All else that it said to one peer. */
  readonly said: Message[];
  readonly damaged: Corrupt[];
  readonly pass: (ms: number) => void;
} {
  const clock = new TestClock();
  const asked: PeerKey[] = [];
  const said: Message[] = [];
  const damaged: Corrupt[] = [];
  const members = new Members(SET, own, []);
  const final = { header: { height: 3 as Height } };
  const parts = {
    clock,
    members,
    deltaMs: DELTA_MS,
    store: new MemoryStore(),
    bus: {},
    core: {},
    chain: { final, wants: { blocks: new Map(), batches: new Map([[LANE, { after: laneStart(0), point: WANTED }]]) } },
    lanes: {
      heldBy: (_: ValidatorIndex, place: ValidatorIndex) =>
        claimants.some((peer) => members.placeOf(peer) === place) ? WANTED : laneStart(0),
      tips: () => [],
    },
    send: (to: PeerKey | null, _: string, message: Message) => {
      if (to !== null && message.type === 'wantBatches') asked.push(to);
      if (to !== null && message.type !== 'wantBatches') said.push(message);
    },
    budget: new Budget(clock),
    onDamage: (corrupt: Corrupt) => void damaged.push(corrupt),
  };
  const fetch = new Fetch(parts as unknown as ConstructorParameters<typeof Fetch>[0]);
  const pass = (ms: number): void => {
    clock.ms += ms;
  };
  return { fetch, store: parts.store, asked, said, damaged, pass };
}

t.test('batches are asked in turn of one who says that it holds them and of one of the others', (t) => {
  const [first, liar, last] = others as [PeerKey, PeerKey, PeerKey];
  const { fetch, asked, pass } = lacking([liar]);
  fetch.ask();
  fetch.ask();
  t.strictSame(asked, [liar], 'once in a Δ');
  for (let again = 0; again < 3; again++) {
    pass(DELTA_MS);
    fetch.ask();
  }
  t.strictSame(asked, [liar, first, liar, last]);
  t.end();
});

t.test('batches that nobody says it holds are asked of everybody in turn', (t) => {
  const { fetch, asked, pass } = lacking([]);
  for (let again = 0; again < 4; again++) {
    fetch.ask();
    pass(DELTA_MS);
  }
  t.strictSame(asked, [...others, others[0]]);
  t.end();
});

t.test(
  'who asks for a final block that is let go here is told so, and who asks for one to come is not answered',
  (t) => {
    const { fetch, said } = lacking([]);
    const [peer] = others as [PeerKey];
    for (const from of [2, 3, 4]) fetch.answer(peer, { type: 'wantFinal', from: from as Height, epoch: SET.epoch });
    t.strictSame(said, [
      { type: 'gone', height: 2 },
      { type: 'gone', height: 3 },
    ]);
    t.end();
  },
);

t.test('a final block whose record is damaged by the time it is told of ends nothing', (t) => {
  const { fetch, store, said, damaged } = lacking([]);
  const [peer] = others as [PeerKey];
  fetch.answer(peer, { type: 'follow', push: true, height: 3 as Height, epoch: SET.epoch });
  said.length = 0;
  store.get = (table, key) => {
    throw new Corrupt(table, key);
  };
  const committed = { block: { header: { height: 4 } }, executed: { lanes: [] } } as unknown as Committed;
  fetch.push([committed]);
  t.strictSame([damaged.map(({ table }) => table), said], [['blocks'], []], 'it is told, and mended');
  t.end();
});
