/** The set of validators changes while payments flow: it grows, shrinks, is replaced, and nothing that was answered for is lost. */
import t from 'tap';
import { voteSigningBytes } from '../protocol/block.js';
import { encodeMessage } from '../protocol/envelope.js';
import type { Ballot, Validator, ValidatorIndex, ValidatorSet } from '../protocol/types.js';
import { cheapSigner } from './crypto.js';
import { Stage, spareKeyOf } from './stage.test-helper.js';
import { hexKey } from './workload/parties.js';

t.test('4, then 7, then 5 validators, while payments flow', async (t) => {
  const stage = new Stage(21);
  const epochs = (): string => `epochs ${stage.nodes.map(stage.epochOf).join()}`;
  await stage.open();
  for (const i of [0, 1, 2]) {
    await stage.registerNode(i);
    const node = stage.join(i);
    await stage.until(() => stage.node(0).running?.replica.chain.final.state.nodeKeys().length === 5 + i);
    await node.start();
  }
  const all = [0, 1, 2, 3, 4, 5, 6];
  await stage.govern(all, [0, 1, 2, 3]);
  t.ok(await stage.until(() => stage.nodes.every((node) => stage.epochOf(node) === 1)), epochs());
  await stage.until(() => false, 5);
  t.strictSame(
    stage.nodes.map(({ running }) => running?.replica.members.size),
    all.map(() => 7),
  );
  await stage.govern([2, 3, 4, 5, 6], all);
  t.ok(await stage.until(() => stage.nodes.every((node) => stage.epochOf(node) === 2)), epochs());
  t.strictSame(
    stage.nodes.map(({ running }) => running?.replica.members.self),
    [null, null, 0, 1, 2, 3, 4],
    'a removed one follows',
  );
  await stage.until(() => false, 5);
  t.ok(await stage.settle(), 'all that was answered for is final');
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
  t.ok(stage.checkers.acknowledged.length > 100);
});

t.test(
  'a standby takes over from a validator that is gone, and the end of an epoch survives crashes of all',
  async (t) => {
    const stage = new Stage(22);
    await stage.open();
    await stage.registerNode(0);
    const standby = stage.join(0);
    await stage.until(() => stage.node(0).running?.replica.chain.final.state.nodeKeys().length === 5);
    await standby.start();
    stage.node(3).crash();
    const [lost] = stage.nodes.splice(3, 1);
    await stage.govern([0, 1, 2, 4], [0, 1, 2, 3]);
    // Whoever comes to the epoch's end is cut off there, at a moment that differs for each.
    let at = 0;
    const isOver = (): boolean => stage.nodes.some((node) => stage.epochOf(node) === 1);
    while (!isOver() && at < 600) {
      at += 1;
      await stage.until(isOver, 0.1);
    }
    for (const node of stage.nodes) node.crash(at % 2 === 0 ? 'power' : 'kill');
    for (const node of stage.nodes) await node.start();
    t.ok(
      await stage.until(() => stage.nodes.every((node) => stage.epochOf(node) === 1)),
      stage.nodes.map(stage.epochOf).join(),
    );
    t.equal(standby.running?.replica.members.self, 3);
    await stage.until(() => false, 5);
    t.ok(await stage.settle(), 'all that was answered for is final');
    await stage.checkers.atEnd(stage.nodes);
    t.strictSame(stage.checkers.violations, []);
    t.equal(lost?.running, null);
  },
);

t.test('vote keys of validators that are well are renewed while payments flow', async (t) => {
  const stage = new Stage(23);
  await stage.open();
  const all = [0, 1, 2, 3];
  const renewed: number[] = [];
  for (const [epoch, now] of [[1], [0, 3], [2]].entries()) {
    await stage.govern(all, all, [...renewed, ...now]);
    renewed.push(...now);
    const isThere = (): boolean => stage.nodes.every((node) => stage.epochOf(node) === epoch + 1);
    t.ok(await stage.until(isThere), stage.nodes.map(stage.epochOf).join());
    await stage.until(() => false, 3);
    t.strictSame(
      stage.nodes.map(({ running }) => running?.replica.members.voteKey),
      all.map((at) => hexKey(renewed.includes(at) ? spareKeyOf(at) : 2 * at)),
    );
  }
  // Each in turn is down, and then all the others' votes are needed.
  for (const at of all) {
    stage.node(at).crash();
    const other = stage.node((at + 1) % 4);
    const before = stage.heightOf(other);
    t.ok(await stage.until(() => stage.heightOf(other) > before + 5), `without ${at}`);
    await stage.node(at).start();
  }
  t.ok(await stage.settle(), 'all that was answered for is final');
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
});

t.test('a new validator joins from a snapshot, and votes', async (t) => {
  const stage = new Stage(24, { snapshotBlocks: 12 });
  await stage.open();
  t.ok(await stage.until(() => stage.heightOf(stage.node(0)) > 40));
  await stage.registerNode(0);
  const joiner = stage.join(0);
  await stage.until(() => stage.node(0).running?.replica.chain.final.state.nodeKeys().length === 5);
  await joiner.start();
  await stage.govern([0, 1, 2, 4], [0, 1, 2, 3]);
  t.ok(await stage.until(() => stage.epochOf(joiner) === 1), 'it is a member');
  t.equal(await joiner.running?.service.block(5), null, 'of old blocks it has none');
  t.not(await stage.node(0).running?.service.block(5), null);
  stage.node(1).crash();
  const before = stage.heightOf(joiner);
  t.ok(await stage.until(() => stage.heightOf(joiner) > before + 5), 'its vote is needed, and given');
  await stage.node(1).start();
  t.ok(await stage.settle(), 'all that was answered for is final');
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
});

t.test('a removed validator stops counting at once, whatever it goes on signing, and whoever brings it', async (t) => {
  const stage = new Stage(27);
  await stage.open();
  await stage.registerNode(0);
  const joiner = stage.join(0);
  await stage.until(() => stage.node(0).running?.replica.chain.final.state.nodeKeys().length === 5);
  await joiner.start();
  const { networkKey, voteKey } = stage.genesis.validators.validators[3] as Validator;
  const signer = cheapSigner({ voteKeys: [voteKey], networkKey });
  await stage.govern([0, 1, 2, 4], [0, 1, 2, 3]);
  t.ok(await stage.until(() => stage.nodes.every((node) => stage.epochOf(node) === 1)));
  const [first, accomplice, other] = [stage.node(0), stage.node(1), stage.node(2)];
  for (const node of [accomplice, other]) node.crash();
  const before = stage.heightOf(first);
  let sent = 0;
  const { network } = stage.genesis;
  const vote = async (ballot: Ballot): Promise<void> => {
    const set = first.running?.replica.members.set as ValidatorSet;
    const signature = await signer.vote(voteSigningBytes(network, set, ballot), voteKey);
    for (const place of set.validators.keys()) {
      const frame = encodeMessage({
        epoch: set.epoch,
        type: 'vote',
        vote: { ballot, signer: place as ValidatorIndex, signature },
      });
      // It sends them itself, and has one bring them that lies for it.
      for (const from of [networkKey, accomplice.key]) {
        for (const { running } of [first, joiner]) running?.bus.receive(from, 'consensus', frame);
        sent += 1;
      }
    }
  };
  const said = (): Ballot[] =>
    [...(first.running?.replica.core.rounds.values() ?? [])].flatMap(({ votes }) =>
      [...votes.notarize.values(), ...votes.nullify.values(), ...votes.finalize.values()].map(({ ballot }) => ballot),
    );
  for (let times = 0; times < 20; times++) {
    await stage.until(() => false, 0.5);
    for (const ballot of said()) await vote(ballot);
  }
  t.ok(sent > 100, `${sent} forged votes`);
  t.equal(stage.heightOf(first), before, 'two of four are no quorum with it');
  for (const node of [accomplice, other]) await node.start();
  t.ok(await stage.settle(), 'all that was answered for is final');
  await stage.checkers.atEnd(stage.nodes);
  // It is held against the one that brought them, and nothing else against anybody.
  const others = stage.checkers.violations.filter((violation) => !violation.includes(` punished ${accomplice.key}: `));
  t.strictSame(others, []);
  t.ok(stage.checkers.violations.length > 0, 'it was noticed');
});

t.test('who is away for two changes of the set fetches its way to the last', async (t) => {
  const stage = new Stage(25);
  await stage.open();
  const all = [0, 1, 2, 3];
  const away = stage.node(3);
  away.crash();
  for (const [epoch, now] of [[0], [0, 1]].entries()) {
    await stage.govern(all, all, now);
    t.ok(await stage.until(() => all.slice(0, 3).every((at) => stage.epochOf(stage.node(at)) === epoch + 1)));
  }
  await away.start();
  t.equal(stage.epochOf(away), 0);
  t.ok(await stage.until(() => stage.epochOf(away) === 2));
  t.not(await away.running?.service.block(stage.heightOf(away) - 1), null, 'by blocks, not by a snapshot');
  t.ok(await stage.settle(), 'all that was answered for is final');
  await stage.checkers.atEnd(stage.nodes);
  t.strictSame(stage.checkers.violations, []);
});
