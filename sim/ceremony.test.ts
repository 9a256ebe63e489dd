/**
 * More than f validators are lost for good: the survivors stall, are surveyed from their disks, the authorities sign a
 * restart, machines with new keys take the empty places, and nothing that was final or answered for is lost.
 */
import t from 'tap';
import { noMetrics } from '../node/metrics/none.js';
import type { Bus, Ports } from '../node/ports.js';
import { recordsOf } from '../node/replica/findings.js';
import { takeSurvey } from '../node/replica/survey.js';
import { validatorSet, voteSigningBytes } from '../protocol/block.js';
import { verifyBundle } from '../protocol/bundle.js';
import type { SignatureJudge } from '../protocol/certificate.js';
import { utf8 } from '../protocol/codec.js';
import { decodeMessage } from '../protocol/envelope.js';
import type { Genesis } from '../protocol/genesis.js';
import { hashPairs } from '../protocol/hash.js';
import type { JwsJson } from '../protocol/instruction.js';
import {
  encodeRestartFile,
  parseRestartFile,
  type RestartFile,
  restartProtected,
  restartSigningInput,
} from '../protocol/restart.js';
import { encodeSurvey, parseSurvey, proposeRestart, type Survey } from '../protocol/survey.js';
import type {
  BlockId,
  Certificate,
  Epoch,
  NetworkId,
  PeerKey,
  TimestampMs,
  Validator,
  ValidatorIndex,
  View,
} from '../protocol/types.js';
import { cheapFact } from './checkers/signatures.js';
import { Checkers } from './checkers.js';
import { cheapSigner, cheapVerifier } from './crypto.js';
import { auditOf, copiesOf, storeOf } from './diskcopies.test-helper.js';
import { SimNode } from './node.js';
import { Desk } from './workload/desk.js';
import { hexKey, jurisdictionsOf } from './workload/parties.js';
import { readJws, simGenesis, Workload } from './workload.js';
import { World } from './world.js';

const judge: SignatureJudge = ({ alg, key, message, signature }) => cheapFact({ alg, key, message, signature });
/** Numbers of keys that no party of the world has. */
const SPARE_KEYS = 60;

class Stage {
  readonly world: World;
  readonly genesis: Genesis;
  readonly checkers: Checkers;
  readonly nodes: SimNode[];
  readonly desk: Desk;
  /** No vote to finalize reaches anybody: blocks are notarized one after another, and none becomes final. */
  isFinalityLost = false;
  readonly #workload: Workload;
  #sent = 0;

  constructor(seed: number, validators = 4) {
    this.world = new World(seed);
    this.genesis = simGenesis(this.world.nowMs - 1000, validators);
    this.checkers = new Checkers({ genesis: this.genesis, signatures: cheapFact });
    this.nodes = Array.from({ length: validators }, (_, self) => this.#made(self as ValidatorIndex));
    this.desk = new Desk(this.world, this.genesis, jurisdictionsOf(validators));
    this.#workload = new Workload(this.world, this.genesis, 'light');
  }

  #made(who: ConstructorParameters<typeof SimNode>[2]): SimNode {
    return new SimNode(this.world, this.genesis, who, this.checkers, { wrap: (ports) => this.#wrapped(ports) });
  }

  #wrapped(ports: Ports): Ports {
    const { bus } = ports;
    const send: Bus['send'] = (to, purpose, frame) => {
      const message = decodeMessage(frame);
      const isLost = this.isFinalityLost && message?.type === 'vote' && message.vote.ballot.kind === 'finalize';
      if (!isLost) bus.send(to, purpose, frame);
    };
    return {
      ...ports,
      bus: {
        send,
        onFrame: (handler) => bus.onFrame(handler),
        onPeer: (handler) => bus.onPeer(handler),
        punish: (peer, reason) => bus.punish(peer, reason),
        allow: (peers) => bus.allow(peers),
        peers: () => bus.peers(),
      },
    };
  }

  /** A machine with new keys in the place of a lost one. */
  replace(place: number): SimNode {
    const { party } = this.member(place);
    const [voteKeys, networkKey] = [[hexKey(SPARE_KEYS + 2 * place)], hexKey(SPARE_KEYS + 2 * place + 1) as PeerKey];
    const node = this.#made({ self: this.nodes.length, party, voteKeys, networkKey });
    this.nodes.push(node);
    return node;
  }
  member(place: number): Validator {
    return this.genesis.validators.validators[place] as Validator;
  }
  /** The next set: the same, but for the places that are lost. */
  next(lost: readonly number[]): Validator[] {
    return this.genesis.validators.validators.map((member, place) =>
      lost.includes(place)
        ? {
            party: member.party,
            voteKey: hexKey(SPARE_KEYS + 2 * place),
            networkKey: hexKey(SPARE_KEYS + 2 * place + 1) as PeerKey,
          }
        : member,
    );
  }

  submit(node: SimNode, jws: JwsJson): void {
    const { payload, expiresMs } = readJws(jws);
    void node.handle('submitInstruction', { body: utf8(JSON.stringify(jws)) }).then((answer) => {
      if (answer?.ok !== true) return;
      const name = `${payload.initiator}/${payload.id}`;
      this.checkers.acknowledged.push({ digest: answer.value.digest as never, name, node: node.self, expiresMs });
    });
  }

  async open(): Promise<void> {
    for (const node of this.nodes) node.boot();
    await this.world.run(this.world.nowMs + 5000);
    for (const stage of await this.#workload.opening()) {
      for (const jws of stage) this.submit(this.nodes[0] as SimNode, jws);
      await this.world.run(this.world.nowMs + 3000);
    }
  }

  /** So many seconds of payments at all nodes that are up. */
  async play(seconds: number, done: () => boolean = () => false): Promise<boolean> {
    const end = this.world.nowMs + 1000 * seconds;
    while (this.world.nowMs < end && !done()) {
      const up = this.nodes.filter(({ running }) => running !== null);
      for (let i = 0; i < 3 && up.length > 0; i++) {
        this.#sent += 1;
        this.submit(up[this.#sent % up.length] as SimNode, await this.#workload.next());
      }
      await this.world.run(this.world.nowMs + 100);
    }
    return done();
  }

  /** Machines burn down, all at once and in the middle of the work. */
  lose(places: readonly number[]): void {
    for (const place of places) {
      const node = this.nodes[place] as SimNode;
      node.crash();
      node.wipe({ mark: true });
      this.checkers.wiped(node);
    }
  }

  height({ running }: SimNode): number {
    return running?.replica.chain.final.header.height ?? -1;
  }

  /** As `causeway restart survey` makes it and `propose` reads it. */
  async survey(node: SimNode, others: readonly Survey[] = []): Promise<Survey> {
    const clock = {
      now: () => this.world.nowMs as TimestampMs,
      elapsed: () => this.world.nowMs,
      after: () => () => {},
    };
    const { genesis } = this;
    const parts = { store: storeOf(node.disk), clock, genesis, hasher: hashPairs, verifier: cheapVerifier };
    const surveyed = await takeSurvey({ ...parts, metrics: noMetrics, others });
    if (!surveyed.ok) throw new Error(surveyed.detail);
    const parsed = parseSurvey(encodeSurvey(surveyed.survey));
    if (!parsed.ok) throw new Error(`${parsed.code} ${parsed.pointer} ${parsed.detail}`);
    return parsed.survey;
  }

  propose(surveys: readonly Survey[], next: readonly Validator[]): ReturnType<typeof proposeRestart> {
    const { network, validators, authorities } = this.genesis;
    return proposeRestart(surveys, next, { network, validators, authorities }, judge);
  }

  /** Signed by these authorities, through the file. */
  async sign({ restart, headers }: RestartFile, parties: readonly string[]): Promise<RestartFile> {
    const signatures = await Promise.all(
      this.desk.signersOf(parties).map(async (signer) => {
        const { alg, kid } = signer;
        const protectedText = restartProtected(alg, kid);
        const signature = await signer.sign(restartSigningInput(restart, protectedText));
        return { protectedText, alg, kid: kid as never, signature };
      }),
    );
    const parsed = parseRestartFile(encodeRestartFile({ restart: { ...restart, signatures }, headers }));
    if (!parsed.ok) throw new Error(`${parsed.code} ${parsed.pointer} ${parsed.detail}`);
    return parsed.file;
  }

  /** A notarization by the first three of the genesis set. */
  async notarized({ view, block }: { readonly view: View; readonly block: BlockId }): Promise<Certificate> {
    const { network, validators: set } = this.genesis;
    const ballot = { kind: 'notarize', view, block, root: null } as const;
    const signatures = [0, 1, 2].map(async (place) => {
      const { voteKey, networkKey } = this.member(place);
      const signature = await cheapSigner({ voteKeys: [voteKey], networkKey }).vote(
        voteSigningBytes(network, set, ballot),
        voteKey,
      );
      return { signer: place as ValidatorIndex, signature };
    });
    return { ballot, signatures: await Promise.all(signatures) };
  }

  get authorities(): readonly string[] {
    return this.genesis.authorities.map(({ party }) => party);
  }
}

const epochOf = (node: SimNode): number => node.running?.replica.members.set.epoch ?? -1;

interface Losses {
  readonly seed: number;
  readonly validators: number;
  readonly lost: readonly number[];
}

for (const { seed, validators, lost } of [
  { seed: 1, validators: 4, lost: [0, 3] },
  { seed: 2, validators: 7, lost: [0, 2, 5] },
] satisfies Losses[]) {
  t.test(`${lost.length} of ${validators} are lost for good, and the network goes on`, async (t) => {
    const stage = new Stage(seed, validators);
    await stage.open();
    await stage.play(3);
    stage.isFinalityLost = true;
    await stage.play(1);
    const isNotarized = stage.nodes.some(({ running }) => (running?.replica.chain.size ?? 0) > 0);
    t.ok(isNotarized, 'blocks are notarized, and none of them becomes final');
    stage.lose(lost);
    stage.isFinalityLost = false;
    const survivors = stage.nodes.filter((_, place) => !lost.includes(place));
    await stage.play(1);
    const before = survivors.map((node) => stage.height(node));
    await stage.play(8);
    t.strictSame(
      survivors.map((node) => stage.height(node)),
      before,
      'nothing becomes final any more',
    );
    const taken = stage.checkers.acknowledged.length;

    for (const node of survivors) await node.stop();
    const first = await Promise.all(survivors.map((node) => stage.survey(node)));
    const surveys = await Promise.all(survivors.map((node) => stage.survey(node, first)));
    const proposed = stage.propose(surveys, stage.next(lost));
    if (!proposed.ok) throw new Error(`${proposed.code} ${proposed.detail}`);
    const { last, certificate } = proposed.file.restart;
    t.equal(certificate?.ballot.kind, 'notarize', 'a block that only survivors know to be notarized');
    t.ok(last.height >= Math.max(...before), 'it goes on from no earlier block than any that is final');
    const file = await stage.sign(proposed.file, stage.authorities.slice(1));

    for (const place of lost) stage.replace(place).restart = file;
    for (const node of survivors) node.restart = file;
    const live = stage.nodes.filter((_, place) => !lost.includes(place));
    const copies = survivors.map((node) => copiesOf(node.disk, Number.POSITIVE_INFINITY));
    for (const node of live) node.boot();
    t.ok(await stage.play(40, () => live.every((node) => epochOf(node) === 1)), `epochs ${live.map(epochOf).join()}`);
    t.equal(
      live.map(({ running }) => running?.replica.halted ?? null).find((halted) => halted !== null),
      undefined,
    );
    const began = Math.max(...live.map((node) => stage.height(node)));
    await stage.play(10);
    t.ok(Math.min(...live.map((node) => stage.height(node))) > began + 5, 'blocks become final again');
    const ends = new Set<string>();
    for (const disk of copies.flatMap((each) => each.slice(0, 4))) {
      const told = await auditOf(recordsOf(storeOf(disk)), stage.genesis);
      const isFirst = told.final?.epoch === 1 && told.final.view === 0;
      const says = `epoch ${told.final?.epoch}, ${isFirst ? 'its first block' : 'a block'}`;
      if (told.final?.root === last.root) ends.add('the last block');
      if (isFirst) ends.add('the first of the next epoch');
      // Of the first block of the new epoch the next one shows what it made of the state.
      t.strictSame(
        told.findings.map(({ code }) => code),
        isFirst ? ['not_certified'] : [],
        says,
      );
    }
    t.equal(ends.size, 2, 'a backup of either moment was met');

    let settled = false;
    for (let second = 0; second < 180 && !settled; second++) {
      await stage.world.run(stage.world.nowMs + 1000);
      settled = stage.checkers.isSettled(live, stage.world.nowMs);
    }
    t.ok(settled, 'all that was answered for is final');
    await stage.checkers.atEnd(live);
    t.strictSame(stage.checkers.violations, []);
    t.ok(taken > 100 && stage.checkers.acknowledged.length > taken);

    // A receipt of the new epoch holds with the genesis file alone.
    const bundle = await proofOf(stage, live[0] as SimNode, (receiptEpoch) => receiptEpoch === 1);
    const proven = verifyBundle(bundle, stage.genesis, judge);
    t.match(proven, { ok: true, epoch: 1 });
  });
}

t.test('what is no true end of the epoch is refused', async (t) => {
  const stage = new Stage(3);
  await stage.open();
  await stage.play(2);
  const lost = [1, 2];
  const [kept, left] = [stage.nodes[0] as SimNode, stage.nodes[3] as SimNode];
  // One survivor is cut off and lags; the other goes on with those that are lost afterwards.
  for (const { key } of stage.nodes.slice(1)) stage.world.cutOneWay(key, kept.key);
  const stood = stage.height(kept);
  await stage.play(20, () => stage.height(left) > stood + 5);
  // What is under way becomes final, and nothing comes after it.
  await stage.world.run(stage.world.nowMs + 3000);
  stage.lose(lost);
  stage.world.heal();
  await kept.stop();
  await left.stop();
  const [behind, ahead] = [await stage.survey(kept), await stage.survey(left)];
  const next = stage.next(lost);
  const made = (surveys: readonly Survey[]): RestartFile => {
    const proposed = stage.propose(surveys, next);
    if (!proposed.ok) throw new Error(`${proposed.code} ${proposed.detail}`);
    return proposed.file;
  };
  const { authorities } = stage;
  t.equal(made([behind, ahead]).restart.certificate?.ballot.kind, 'finalize', 'the root is certified too');
  const good = await stage.sign(made([behind, ahead]), authorities);

  /** What becomes of a node that is given the file: how it ends, or why it halts, or the epoch that it comes to. */
  const told = async (node: SimNode, file: RestartFile): Promise<string> => {
    const copy = node.fork({ name: 'trial' });
    copy.restart = file;
    copy.boot();
    const isDecided = (): boolean => !copy.isUp || copy.running?.replica.halted != null || epochOf(copy) === 1;
    await stage.world.run(stage.world.nowMs + 20_000, isDecided);
    const halted = copy.running?.replica.halted ?? copy.exits.at(-1)?.detail ?? `epoch ${epochOf(copy)}`;
    await copy.stop();
    return halted;
  };
  const changed = (change: Partial<RestartFile['restart']>): RestartFile => {
    const { restart, headers } = made([behind, ahead]);
    return { restart: { ...restart, ...change }, headers };
  };
  const bare = (change: Partial<RestartFile['restart']>): RestartFile => ({ ...changed(change), headers: [] });
  const { last, set } = good.restart;
  const another = { ...last, root: '7'.repeat(64) as typeof last.root };
  const later = { last: { ...last, epoch: 1 as Epoch }, set: validatorSet(2 as Epoch, set.validators) };
  const oldKey = [next[0], { ...next[1], voteKey: stage.member(1).voteKey }, next[2], next[3]] as Validator[];
  const otherKey = [next[0], { ...next[1], voteKey: stage.member(2).voteKey }, next[2], next[3]] as Validator[];
  const epoch1 = (validators: readonly Validator[]) => validatorSet(1 as Epoch, validators);
  const ends = new Set<string>();
  let crashes = 0;
  const rows: [string, RegExp, RestartFile][] = [
    ['as it should be', /^epoch 1$/, good],
    [
      'with an old key of the same member',
      /^epoch 1$/,
      await stage.sign(changed({ set: epoch1(oldKey) }), authorities),
    ],
    ['that leaves a survivor out', /restart_behind/, await stage.sign(made([behind]), authorities)],
    [
      'with another root',
      /state_divergence/,
      await stage.sign(changed({ last: another, certificate: await stage.notarized(last) }), authorities),
    ],
    [
      'with another root than was certified',
      /bad_signature/,
      await stage.sign(changed({ last: another }), authorities),
    ],
    ['that two of four have signed', /no_authority_quorum/, await stage.sign(changed({}), authorities.slice(0, 2))],
    ['that nobody has signed', /no_authority_quorum/, changed({})],
    ['signed by a bank', /unknown_authority_key/, await stage.sign(changed({}), [...authorities, 'ALFAHKHHXXX'])],
    [
      'with signatures of another statement',
      /bad_authority_signature/,
      changed({ signatures: (await stage.sign(changed({ last: another }), authorities)).restart.signatures }),
    ],
    ["with another member's old key", /key_taken/, await stage.sign(changed({ set: epoch1(otherKey) }), authorities)],
    ['for a later epoch, which must wait', /^epoch 0$/, await stage.sign(bare(later), authorities)],
    [
      'over a block that nobody notarized',
      /bad_signature/,
      await stage.sign(
        bare({ last: { ...last, view: (last.view + 1) as View, block: '8'.repeat(64) as BlockId } }),
        authorities,
      ),
    ],
    [
      'of another network',
      /wrong_network/,
      await stage.sign(bare({ network: '9'.repeat(64) as NetworkId }), authorities),
    ],
  ];
  for (const [name, expected, file] of rows) t.match(await told(left, file), expected, `a statement ${name}`);

  // Who was surveyed votes no more in that epoch, without a file too.
  const silent = left.fork({ name: 'silent' });
  await silent.start();
  t.equal(silent.running?.replica.members.voteKey, null);
  await silent.stop();
  for (let calls = 1; calls <= 24; calls++) {
    const trial = left.fork({ name: `crashes ${calls}` });
    trial.restart = good;
    trial.boot();
    trial.crashAt(null, 2 * calls, calls % 2 === 0 ? 'power' : 'kill');
    await stage.world.run(stage.world.nowMs + 2000, () => !trial.isUp || epochOf(trial) === 1);
    if (!trial.isUp) {
      crashes += 1;
      // Half of them go on without the file, if they had come far enough to know by themselves.
      trial.restart = calls % 4 < 2 ? good : null;
      await trial.start();
      await stage.world.run(stage.world.nowMs + 2000, () => epochOf(trial) === 1);
    }
    const { replica } = trial.running ?? {};
    const isWaiting = trial.restart === null && epochOf(trial) === 0 && replica?.members.voteKey === null;
    t.ok(replica?.halted === null && (epochOf(trial) === 1 || isWaiting), `after a crash at ${calls}`);
    if (epochOf(trial) === 1) ends.add(replica?.chain.final.root ?? '');
    await trial.stop();
  }
  t.equal(ends.size, 1, 'whenever it crashes, it comes to the same');
  t.ok(crashes >= 12, `${crashes} crashes`);

  // The real thing, and then the same file again, and another one of the same epoch.
  const live = [kept, left, ...lost.map((place) => stage.replace(place))];
  for (const node of live) {
    node.restart = good;
    node.boot();
  }
  t.ok(await stage.play(40, () => live.every((node) => epochOf(node) === 1)), `epochs ${live.map(epochOf).join()}`);
  await left.stop();
  t.match(await told(left, good), /^epoch 1$/, 'the same file again is passed over');
  const rival = await stage.sign(changed({ set: epoch1(oldKey) }), authorities);
  t.match(await told(left, rival), /restart_behind/, 'another one of an epoch that has begun');
});

/** The bundle of an instruction that was certified in an epoch that fits. */
async function proofOf(stage: Stage, node: SimNode, fits: (epoch: number) => boolean): Promise<object> {
  for (const { digest } of [...stage.checkers.acknowledged].reverse()) {
    const bundle = await node.running?.service.receipt(digest);
    if (bundle && typeof bundle === 'object' && 'certificate' in bundle) {
      if (fits((bundle.certificate as { epoch: number }).epoch)) return bundle;
    }
  }
  throw new Error('no receipt fits');
}
