/** Every lie of the table, told in a running network: honest nodes agree, lose nothing, are not blamed, and go on. */
import t from 'tap';
import { utf8 } from '../../protocol/codec.js';
import type { InstructionDigest } from '../../protocol/types.js';
import { Random } from '../random.js';
import { readJws } from '../workload.js';
import { HEADER_LIES } from './forge.js';
import { LIES } from './lies.js';
import { Trial } from './trial.test-helper.js';

const NAMES = [...LIES.keys()];
/** Told to nodes that are no validators: these need one. */
const TO_PARTICIPANTS: readonly string[] = ['drops_submissions', 'ignores_submissions', 'ignores_followers'];
/** More rounds of business until a lie, which waits for its moment, was told. */
const ROUNDS_MAX = 20;

/** Of its own, so that a further lie changes no other's. */
const seedOf = (name: string): number => utf8(name).reduce((sum, byte) => (31 * sum + byte) % 9_973, 7);

for (const [place, [name, { does }]] of [...LIES].entries()) {
  t.test(`${name}: ${does}`, async (t) => {
    const trial = new Trial({
      seed: seedOf(name),
      liars: [place % 4],
      hasParticipant: TO_PARTICIPANTS.includes(name),
    });
    await trial.open();
    trial.tell([name]);
    await trial.work(14);
    await trial.hardship(8);
    for (let round = 0; round < ROUNDS_MAX && !trial.world.situations.has(`lie_${name}`); round++)
      await trial.hardship(8);
    await trial.settle();
    t.strictSame(await trial.verdict(), []);
    t.ok(trial.world.situations.has(`lie_${name}`), 'the lie was told');
    t.ok(trial.taken.length > 15, 'the network was at work');
  });
}

t.test('every wrong header of the table in turn: none is ever final', async (t) => {
  const trial = new Trial({ seed: 4, liars: [1] });
  await trial.open();
  trial.tell(['bad_header']);
  const peers = trial.honest.length;
  const all = Object.keys(HEADER_LIES).length * peers;
  while ((trial.world.situations.get('lie_bad_header') ?? 0) < all) await trial.work(20);
  await trial.settle();
  t.strictSame(await trial.verdict(), []);
});

t.test('several lies at once, of two among seven, begun and ended as the seed has it', async (t) => {
  for (const seed of [1, 2]) {
    const random = new Random(seed);
    const trial = new Trial({ seed, validators: 7, liars: [seed % 7, (seed + 3) % 7] });
    await trial.open();
    for (let turn = 0; turn < 3; turn++) {
      const lies = Array.from({ length: random.between(2, 8) }, () => random.pick(NAMES));
      trial.tell(lies);
      await trial.hardship(12);
      trial.tell(lies.slice(1), false);
    }
    await trial.settle();
    t.strictSame(await trial.verdict(), [], `seed ${seed}`);
  }
});

t.test('twins: one key on two machines, each with a part of the network', async (t) => {
  for (const seed of [1, 2]) {
    const trial = new Trial({ seed, liars: [seed], areTwins: true });
    await trial.open();
    await trial.work(25);
    await trial.hardship(12);
    await trial.settle();
    t.strictSame(await trial.verdict(), [], `seed ${seed}`);
    t.ok(trial.world.situations.has('lie_twins'));
  }
});

t.test(
  'a leader that censors one author: what that one takes in is final within three rounds of leaders',
  async (t) => {
    const trial = new Trial({ seed: 5, liars: [3] });
    await trial.open();
    trial.tell(['censoring_leader']);
    const [liar] = trial.liars;
    const victim = trial.honest.find(({ self }) => self === liar?.victim());
    if (victim === undefined) throw new Error('a censor has somebody in mind');
    for (let i = 0; i < 20; i++) {
      const begun = trial.view;
      const before = trial.taken.length;
      trial.submit(victim, readJws(await trial.workload.next()));
      await trial.settle();
      // Some are refused at the door, and prove nothing.
      if (trial.taken.length > before) t.ok(trial.view - begun <= 3 * 4, `${trial.view - begun} views`);
    }
    t.ok(trial.taken.length > 10 && trial.world.situations.has('lie_censoring_leader'));
    t.strictSame(await trial.verdict(), []);
  },
);

t.test('a leader that dates its blocks back ends nothing that is issued after them', async (t) => {
  for (const seed of [11, 12, 13, 14, 15, 16]) {
    const trial = new Trial({ seed, liars: [seed % 4] });
    await trial.open();
    trial.tell(['dates_back']);
    for (let i = 0; i < 6; i++) {
      // Longer than what signing code dates a payload back: right after the last block it is not issued yet.
      await trial.world.run(trial.world.nowMs + 8_000);
      trial.submit(trial.world.random.pick(trial.honest), readJws(await trial.workload.next()));
      await trial.settle();
      const { node, instruction } = trial.taken.at(-1) ?? {};
      const status = await node?.running?.service.status(instruction?.digest as InstructionDigest);
      // What is ordered without a trace stays pending, without a code.
      t.not(status !== undefined && 'code' in status && status.code, null, JSON.stringify(status));
    }
    t.ok(trial.world.situations.has('lie_dates_back'));
    t.strictSame(await trial.verdict(), []);
  }
});

t.test('an author that censors one bank: by way of an honest validator it gets in', async (t) => {
  const trial = new Trial({ seed: 6, liars: [0] });
  await trial.open();
  trial.tell(['censoring_author']);
  const [lying] = trial.lying;
  if (lying === undefined) throw new Error('the trial has a liar');
  for (let i = 0; i < 20; i++) {
    const instruction = readJws(await trial.workload.next());
    trial.submit(lying, instruction);
    await trial.world.run(trial.world.nowMs + 2_000);
    const begun = trial.view;
    trial.submit(trial.world.random.pick(trial.honest), instruction);
    await trial.settle();
    t.ok(trial.view - begun <= 3 * 4, `${trial.view - begun} views`);
  }
  t.ok(trial.taken.length > 10 && trial.world.situations.has('lie_censoring_author'));
  t.strictSame(await trial.verdict(), []);
});

t.test('a liar that nullifies without end keeps no idle network at work', async (t) => {
  const trial = new Trial({ seed: 7, liars: [2] });
  await trial.open();
  await trial.world.run(trial.world.nowMs + 10_000);
  trial.tell(['nullifies_everything', 'wrong_held', 'stale_replays']);
  const begun = trial.view;
  await trial.world.run(trial.world.nowMs + 600_000);
  // A heartbeat is due every 20 s in the simulated network, and makes a block of a few views.
  t.ok(trial.view - begun < 200, `${trial.view - begun} views in ten minutes`);
  t.strictSame(await trial.verdict(), []);
});

t.test('an author that dates ahead, in one incarnation after another, keeps no idle network at work', async (t) => {
  for (const seed of [8, 9, 10]) {
    const trial = new Trial({ seed, liars: [2] });
    await trial.open();
    trial.tell(['dates_ahead', 'new_incarnations', 'forked_lane']);
    const [lying] = trial.lying;
    if (lying === undefined) throw new Error('the trial has a liar');
    for (let i = 0; i < 30; i++) {
      trial.submit(lying, readJws(await trial.workload.next()));
      trial.submit(trial.world.random.pick(trial.honest), readJws(await trial.workload.next()));
      await trial.world.run(trial.world.nowMs + 500);
    }
    t.ok(trial.world.situations.has('lie_dates_ahead'));
    const begun = trial.view;
    await trial.world.run(trial.world.nowMs + 300_000);
    t.ok(trial.view - begun < 100, `${trial.view - begun} views in five minutes`);
    t.strictSame(await trial.verdict(), []);
  }
});
