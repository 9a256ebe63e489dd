/** Each checker sees what it is there for, and holds nothing against who did nothing. */
import t from 'tap';
import {
  batchDigest,
  batchSigningBytes,
  blockId,
  encodeBatch,
  laneStart,
  voteSigningBytes,
} from '../../protocol/block.js';
import { encodeMessage } from '../../protocol/envelope.js';
import { BLOCK_BATCHES_MAX, BLOCK_ITEMS_MAX, VIEWS_AHEAD_MAX } from '../../protocol/limits.js';
import type {
  Ballot,
  Batch,
  BlockHeader,
  InstructionDigest,
  SignedBatch,
  Validator,
  ValidatorIndex,
  Vote,
} from '../../protocol/types.js';
import { Checkers } from '../checkers.js';
import { cheapSigner } from '../crypto.js';
import { Stage } from '../stage.test-helper.js';
import { simGenesis } from '../workload.js';
import { Agreement } from './agreement.js';
import { Grounds } from './grounds.js';
import { type Exchange, History } from './history.js';
import { SETTLE_MS_MAX, viewsToSettle } from './liveness.js';
import { Outcomes } from './outcomes.js';
import { type Answer, Reads } from './reads.js';
import { cheapFact } from './signatures.js';
import { storedBlock } from './stored.js';
import type { CheckerOptions, Committed, Watched } from './watched.js';

const hash = (digit: string): string => digit.repeat(64);
const LIAR = 3;
const HONEST: CheckerOptions = { honest: (node) => node !== LIAR };
const DIGEST = hash('d') as InstructionDigest;
const GENESIS = simGenesis(0);
const NAME = 'ALFAHKHHXXX/1';

interface Shape {
  readonly height?: number;
  readonly root?: string;
  readonly view?: number;
  readonly time?: number;
  readonly status?: object;
  readonly pending?: boolean;
  readonly rounds?: number;
  readonly waiting?: number;
  readonly halted?: string;
  readonly shown?: readonly number[];
}

/** As much of a node as the checkers look at. */
function node(self: number, shape: Shape = {}): Watched {
  const { height = 1, root = hash('e'), view = 1, time = 0, status = { status: 'unknown' }, pending = false } = shape;
  const rounds = Array.from({ length: shape.rounds ?? 1 }, (_, at) => [
    at,
    {
      view: at,
      votes: { notarize: new Map(), nullify: new Map(), finalize: new Map() },
      shown: new Set(shape.shown ?? []),
    },
  ]) as unknown as [number, object][];
  const replica = {
    halted: shape.halted ?? null,
    evidence: 0,
    config: { own: `key${self}` },
    members: { self, size: 4, set: GENESIS.validators },
    core: { view, final: { view: 0 }, rounds: new Map(rounds) },
    chain: { size: 0, final: { id: hash('b'), root, header: { height, time, cut: [] } } },
    lanes: { unorderedCounts: () => [0] },
    admission: { isPending: () => pending, waiting: shape.waiting ?? 0 },
  };
  const service = { status: () => Promise.resolve(status), receipt: () => Promise.resolve(null) };
  return { self, running: { replica, service, bus: { punished: [] } } } as unknown as Watched;
}

function final(height: number, { id = hash('b'), root = hash('e'), code = '' } = {}): Committed {
  const told = { digest: DIGEST, code, height, time: height, initiator: NAME.slice(0, 11), id: '1', kind: 'settle' };
  const receipts = code === '' ? [] : [told];
  return {
    block: { id, header: { height, time: height } },
    executed: { root, receipts, lanes: [] },
  } as unknown as Committed;
}

const disk = (durable: boolean) => ({ holds: () => durable });
const kinds = (violations: readonly string[]): string[] => violations.map((text) => text.slice(0, text.indexOf(':')));

t.test('one block and root at a height, made final once', (t) => {
  const judge = (...told: readonly (readonly [number, Committed])[]): string[] => {
    const checkers = new Checkers(HONEST);
    for (const [self, committed] of told) checkers.onFinal(node(self), committed);
    return kinds(checkers.violations);
  };
  t.strictSame(judge([0, final(1)], [1, final(1)], [0, final(2)]), []);
  t.strictSame(judge([0, final(1)], [1, final(1, { id: hash('c') })]), ['disagreement']);
  t.strictSame(judge([0, final(1)], [1, final(1, { root: hash('f') })]), ['disagreement']);
  t.strictSame(judge([0, final(1)], [0, final(2)], [0, final(2)]), ['undone'], 'a restart that forgot what was final');
  t.strictSame(judge([0, final(1)], [LIAR, final(1, { id: hash('c') })]), [], 'a liar finds what it likes');
  const wiped = new Checkers();
  wiped.onFinal(node(0), final(2));
  wiped.wiped(node(0));
  wiped.onFinal(node(0), final(1));
  t.strictSame(wiped.violations, []);
  t.end();
});

t.test('votes of a key do not contradict each other, and nothing is said before it is durable', (t) => {
  const vote = (ballot: object): Uint8Array =>
    encodeMessage({
      epoch: 0,
      type: 'vote',
      vote: {
        ballot: { view: 7, block: null, root: null, ...ballot } as unknown as Ballot,
        signer: 1,
        signature: new Uint8Array(64),
      } as unknown as Vote,
    } as unknown as Parameters<typeof encodeMessage>[0]);
  const notarize = (digit: string): Uint8Array => vote({ kind: 'notarize', block: hash(digit) });
  const finalize = (digit: string): Uint8Array => vote({ kind: 'finalize', block: hash('a'), root: hash(digit) });
  const nullify = vote({ kind: 'nullify' });
  const judge = (frames: readonly Uint8Array[], durable = true, self = 1, options = HONEST): string[] => {
    const checkers = new Checkers(options);
    for (const frame of frames) checkers.onSend(node(self), disk(durable), frame);
    return kinds(checkers.violations);
  };
  t.strictSame(judge([notarize('a'), notarize('a'), nullify, nullify]), []);
  t.strictSame(judge([notarize('a'), finalize('a')]), []);
  t.strictSame(judge([notarize('a'), notarize('b')]), ['equivocation']);
  t.strictSame(judge([finalize('a'), finalize('b')]), ['equivocation'], 'two roots');
  t.strictSame(judge([finalize('a'), nullify]), ['equivocation']);
  t.strictSame(judge([nullify, finalize('a')]), ['equivocation']);
  t.strictSame(judge([nullify, notarize('a')]), ['equivocation']);
  t.strictSame(judge([notarize('a')], false), ['unsynced']);
  t.strictSame(judge([notarize('a'), notarize('b')], true, 2), [], 'what another signed is only passed on');
  t.strictSame(judge([notarize('a'), notarize('b')], false, 1, { honest: () => false }), []);

  const batch = { author: 1, epoch: 0, incarnation: 0, number: 1, previous: hash('0'), items: [] } as unknown as Batch;
  const signed = { bytes: encodeBatch(batch), signature: new Uint8Array(64) };
  const sent = encodeMessage({ epoch: 0, type: 'batch', ...signed } as unknown as Parameters<typeof encodeMessage>[0]);
  const point = { ...laneStart(0), number: 1, digest: hash('5') as SignedBatch['digest'] };
  const held = encodeMessage({
    epoch: 0,
    type: 'held',
    lanes: [laneStart(0), point, laneStart(0), laneStart(0)],
    finalHeight: 0,
  } as unknown as Parameters<typeof encodeMessage>[0]);
  t.strictSame(judge([sent]), []);
  t.strictSame(judge([sent], false), ['unsynced']);
  const checkers = new Checkers();
  checkers.onSend(node(1), disk(true), sent);
  checkers.onSend(node(0), disk(true), held);
  t.strictSame(checkers.violations, []);
  checkers.onSend(node(2), disk(false), held);
  t.strictSame(kinds(checkers.violations), ['unsynced'], 'a batch counted as held before it is stored');
  t.end();
});

/** A block's header, and the batches of lane 1 that it orders. */
const headerOf = (view: number, { parent = hash('0'), parentView = 0, batches = 0, batch = hash('0') } = {}) =>
  ({
    network: GENESIS.network,
    epoch: 0,
    view,
    height: view,
    parent,
    parentView,
    cut: GENESIS.validators.validators.map((_, lane) =>
      lane === 1 && batches > 0 ? { incarnation: 0, number: batches, digest: batch } : laneStart(0),
    ),
    time: view,
    proposer: view % 4,
  }) as unknown as BlockHeader;

const framed = (message: object): Uint8Array =>
  encodeMessage({ epoch: 0, ...message } as unknown as Parameters<typeof encodeMessage>[0]);

async function signedVote(signer: number, ballot: object): Promise<Vote> {
  const { network, validators: set } = GENESIS;
  const { voteKey, networkKey } = set.validators[signer] as Validator;
  const whole = { block: null, root: null, ...ballot } as unknown as Ballot;
  const bytes = voteSigningBytes(network, set, whole);
  const signature = await cheapSigner({ voteKeys: [voteKey], networkKey }).vote(bytes, voteKey);
  return { ballot: whole, signer: signer as ValidatorIndex, signature };
}

t.test('a vote has a quorum behind it, and a certificate that is passed on holds', async (t) => {
  const first = headerOf(1);
  const block = blockId(first);
  type Said = readonly [self: number, message: object];
  const votes = (ballot: object, ...signers: readonly number[]): Promise<Said[]> =>
    Promise.all(
      signers.map(async (signer): Promise<Said> => [signer, { type: 'vote', vote: await signedVote(signer, ballot) }]),
    );
  const proposed = async (header: BlockHeader): Promise<Said> => {
    const vote = await signedVote(header.proposer, { kind: 'notarize', view: header.view, block: blockId(header) });
    return [header.proposer, { type: 'proposal', proposal: { header, id: blockId(header), vote } }];
  };
  const judge = (said: readonly (readonly Said[])[], options: CheckerOptions = HONEST): string[] => {
    const checkers = new Checkers({ ...options, genesis: GENESIS, signatures: cheapFact });
    for (const [self, message] of said.flat()) checkers.onSend(node(self), disk(true), framed(message));
    return kinds(checkers.violations);
  };
  const proposal = await proposed(first);
  const notarized = await votes({ kind: 'notarize', view: 1, block }, 0, 2);
  const finalize = (signer: number) => votes({ kind: 'finalize', view: 1, block, root: hash('e') }, signer);
  t.strictSame(judge([[proposal], notarized, await finalize(2)]), []);
  t.strictSame(judge([[proposal], await finalize(1)]), ['grounds'], 'its own vote and that of the liar are two');
  t.strictSame(judge([[proposal], notarized.slice(0, 1), await finalize(0)]), [], 'the liar may have voted');
  t.strictSame(judge([[proposal], notarized.slice(0, 1), await finalize(0)], {}), ['grounds'], 'nobody lies');

  const onIt = await proposed(headerOf(2, { parent: block, parentView: 1 }));
  t.strictSame(judge([[proposal], notarized, [onIt]]), []);
  t.strictSame(judge([[proposal, onIt]], {}), ['grounds'], 'over a parent that is not notarized');
  const past = await proposed(headerOf(4, { parent: block, parentView: 1 }));
  const nullified = async (view: number) => votes({ kind: 'nullify', view }, 1, 2);
  t.strictSame(judge([[proposal], notarized, await nullified(2), await nullified(3), [past]]), []);
  t.strictSame(
    judge([[proposal], notarized, await nullified(2), [past]]),
    ['grounds'],
    'past a view that has not ended',
  );

  const certificate = async (signers: readonly number[], ballot: object = { kind: 'nullify', view: 3 }) => {
    const all = await Promise.all(signers.map((signer) => signedVote(signer, { kind: 'nullify', view: 3 })));
    const signatures = all.map(({ signer, signature }) => ({ signer, signature }));
    return { ballot: { block: null, root: null, ...ballot }, signatures };
  };
  const passesOn = async (self: number, ...of: Parameters<typeof certificate>): Promise<readonly Said[]> => [
    [self, { type: 'certificate', certificate: await certificate(...of) }],
  ];
  t.strictSame(judge([await passesOn(0, [0, 1, 3])]), []);
  t.strictSame(judge([await passesOn(0, [0, 1])]), ['grounds'], 'too short');
  t.strictSame(judge([await passesOn(0, [0, 1, 1])]), ['grounds'], 'a signer twice');
  t.strictSame(judge([await passesOn(0, [0, 1, 2], { kind: 'nullify', view: 4 })]), ['grounds'], 'of another ballot');
  t.strictSame(judge([await passesOn(LIAR, [0, 1])]), [], 'a liar passes on what it likes');
  const last = { type: 'final', headers: [first], certificate: await certificate([0, 1]) };
  t.strictSame(judge([[[0, last]]]), ['grounds']);
});

t.test('what is ordered from a lane its author has signed', async (t) => {
  const { network, validators: set } = GENESIS;
  const judge = async (place: number): Promise<string[]> => {
    const violations: string[] = [];
    const options = { genesis: GENESIS, signatures: cheapFact };
    const grounds = new Grounds((violation) => violations.push(violation), options, new Map());
    const batch = {
      author: 1,
      epoch: 0,
      incarnation: 0,
      number: 1,
      previous: hash('0'),
      items: [],
    } as unknown as Batch;
    const bytes = encodeBatch(batch);
    const { networkKey } = set.validators[place] as Validator;
    const signer = cheapSigner({ voteKeys: [], networkKey });
    const signature = await signer.network(batchSigningBytes(network, batchDigest(bytes)));
    const executed = { lanes: [[], [{ batch, bytes, signature }]] };
    grounds.onFinal(node(0), { block: { header: headerOf(1) }, executed } as unknown as Committed);
    return kinds(violations);
  };
  t.strictSame(await judge(1), []);
  t.strictSame(await judge(2), ['grounds']);
});

t.test('a final block is read off the disk of the node that made it final, unless that is damaged', async (t) => {
  const stage = new Stage(1);
  await stage.open();
  const { disk } = stage.node(0);
  const height = stage.heightOf(stage.node(0));
  const blocks = Array.from({ length: height }, (_, at) => storedBlock(disk, at + 1));
  t.strictSame(
    blocks.map((block) => block?.height),
    Array.from({ length: height }, (_, at) => at + 1),
  );
  t.ok(blocks.some((block) => (block?.lanes.flat().length ?? 0) > 0));
  t.equal(storedBlock(disk, height + 1), null);
  const table = disk.table('blocks');
  for (let at = 0; at < table.size; at++) {
    const [key, value] = table.at(at);
    table.set(
      key,
      value.map((byte, i) => (i === 40 ? byte ^ 1 : byte)),
    );
  }
  t.equal(storedBlock(disk, height), null);
});

t.test('a block that was read off a disk is judged once somebody tells of it', async (t) => {
  const stage = new Stage(1);
  const told: (readonly [Watched, Committed])[] = [];
  stage.checkers.onFinal = (watched, committed) => {
    if (watched.self === 0) told.push([watched, committed]);
  };
  await stage.open();
  const late = told.findIndex(([, { executed }]) => executed.receipts.length > 1);
  const judge = (change: (committed: Committed) => Committed): string[] => {
    const violations: string[] = [];
    const options = { genesis: stage.genesis, signatures: cheapFact };
    const outcomes = new Outcomes((violation) => violations.push(violation), options);
    const [node, committed] = told[late] as (typeof told)[number];
    for (const one of [...told.slice(0, late), ...told.slice(late + 1)]) outcomes.onFinal(...one);
    outcomes.onFinal(node, change(committed));
    outcomes.atEnd([node]);
    return kinds(violations);
  };
  t.strictSame(
    judge((committed) => committed),
    [],
  );
  t.strictSame(
    judge(({ block, executed }) => ({ block, executed: { ...executed, receipts: executed.receipts.slice(1) } })),
    ['outcome'],
  );
});

t.test('who votes for a block holds what it orders', (t) => {
  const batch = { author: 1, epoch: 0, incarnation: 0, number: 1, previous: hash('0'), items: [] } as unknown as Batch;
  const bytes = encodeBatch(batch);
  const parent = headerOf(1);
  const header = headerOf(2, { parent: blockId(parent), parentView: 1, batches: 1, batch: batchDigest(bytes) });
  const signature = new Uint8Array(64);
  const propose = (made: BlockHeader, signer: number): Uint8Array => {
    const vote = { ballot: { kind: 'notarize', view: made.view, block: blockId(made), root: null }, signer, signature };
    return framed({ type: 'proposal', proposal: { header: made, id: blockId(made), vote } });
  };
  const judge = (holds: (table: string) => boolean): string[] => {
    const checkers = new Checkers(HONEST);
    checkers.onSend(node(1), disk(true), framed({ type: 'batch', bytes, signature }));
    checkers.onSend(node(LIAR), disk(true), propose(parent, LIAR));
    checkers.onSend(node(2), { holds }, propose(header, 2));
    return kinds(checkers.violations);
  };
  t.strictSame(
    judge(() => true),
    [],
  );
  t.strictSame(
    judge((table) => table === 'votes'),
    ['unsynced'],
  );
  t.end();
});

t.test('a block orders what its bounds allow', (t) => {
  const judge = (batches: number, items: number, signatures = 1): string[] => {
    const checkers = new Checkers();
    const item = { instruction: { signatures: Array.from({ length: signatures }, () => ({})) } };
    const lane = Array.from({ length: batches }, () => ({
      batch: { items: [] },
      items: Array.from({ length: items }, () => item),
    }));
    const { block, executed } = final(1);
    checkers.onFinal(node(0), { block, executed: { ...executed, lanes: [lane] } } as unknown as Committed);
    return kinds(checkers.violations);
  };
  t.strictSame(judge(BLOCK_BATCHES_MAX, 1), []);
  t.strictSame(judge(BLOCK_BATCHES_MAX + 1, 1), ['bounds']);
  t.strictSame(judge(1, BLOCK_ITEMS_MAX), []);
  t.strictSame(judge(1, BLOCK_ITEMS_MAX + 1), ['bounds']);
  t.strictSame(judge(5, 1_000, 8), []);
  t.strictSame(judge(5, 1_000, 9), ['bounds']);
  t.end();
});

t.test('what was answered 202 has one end, is pending, or has expired', async (t) => {
  const EXPIRES = 100;
  const judge = async (status: object, { code = '', time = 0, height = 1, wiped = false } = {}): Promise<string[]> => {
    const checkers = new Checkers();
    checkers.acknowledged.push({ digest: DIGEST, name: NAME, node: 0, expiresMs: EXPIRES });
    if (wiped) checkers.wiped(node(0));
    checkers.onFinal(node(1), final(1, { code }));
    await checkers.atEnd([node(0, { status, time, height }), node(1, { time })]);
    return kinds(checkers.violations);
  };
  const end = (code: string) => ({ status: 'final', code, height: 1, time: 1 });
  t.strictSame(await judge({ status: 'pending', code: null }), []);
  t.strictSame(await judge(end('settled'), { code: 'settled' }), []);
  t.strictSame(await judge({ status: 'unknown' }), ['202']);
  t.strictSame(await judge({ status: 'unknown' }, { wiped: true }), [], 'of a lost disk nothing is owed');
  t.strictSame(await judge({ status: 'unknown' }, { code: 'settled' }), ['202']);
  t.strictSame(await judge(end('insufficient_funds'), { code: 'settled' }), ['202']);
  const proposed = { status: 'pending', code: 'proposed' };
  t.strictSame(await judge(proposed, { code: 'settled' }), ['202']);
  t.strictSame(await judge(proposed, { code: 'settled', height: 0 }), [], 'it has not heard of the block yet');
  t.strictSame(await judge(end('expired'), { time: EXPIRES + 1 }), []);
  t.strictSame(await judge(end('expired'), { time: EXPIRES }), ['202'], 'not before final block time has passed it');
  t.strictSame(await judge(end('duplicate_id')), ['202'], 'nobody else has used the id');

  const shown = new Checkers(HONEST);
  const settled = { status: 'final', code: 'settled', height: 1, time: 1 } as unknown as Parameters<
    Checkers['onShown']
  >[2];
  shown.onShown(node(0), DIGEST, settled);
  shown.onShown(node(LIAR), DIGEST, { ...settled, code: 'lapsed' } as typeof settled);
  shown.onShown(node(1, { height: 0 }), DIGEST, { status: 'unknown' });
  t.strictSame(shown.violations, []);
  shown.onShown(node(1), DIGEST, { ...settled, code: 'lapsed' } as typeof settled);
  shown.onShown(node(0), DIGEST, { status: 'unknown' });
  t.strictSame(kinds(shown.violations), ['undone', 'undone']);

  const forgetful = new Checkers({ ...HONEST, forgetsAfterMs: 100 });
  forgetful.acknowledged.push({ digest: DIGEST, name: NAME, node: 0, expiresMs: EXPIRES });
  forgetful.onShown(node(0, { time: EXPIRES + 100 }), DIGEST, { status: 'unknown' });
  t.strictSame(kinds(forgetful.violations), ['202'], 'not a moment earlier');
  forgetful.onShown(node(0), DIGEST, { ...settled, code: 'expired' } as typeof settled);
  forgetful.onShown(node(0, { time: EXPIRES + 100 }), DIGEST, { status: 'unknown' });
  t.strictSame(kinds(forgetful.violations), ['202', 'undone']);
  forgetful.onShown(node(0, { time: EXPIRES + 101 }), DIGEST, { status: 'unknown' });
  await forgetful.atEnd([node(0, { time: EXPIRES + 101 })]);
  t.equal(forgetful.violations.length, 2, 'after its end and the time that nodes remember');
});

t.test('liveness in views and in time, and bounds', async (t) => {
  const judge = (views: number, ms: number): string[] => {
    const checkers = new Checkers(HONEST);
    checkers.acknowledged.push({ digest: DIGEST, name: NAME, node: 0, expiresMs: 0 });
    checkers.onHealed(1000, [node(0, { view: 10 }), node(LIAR, { view: 1 })]);
    const late = node(0, { view: 10 + views, pending: true });
    t.notOk(checkers.isSettled([late, node(LIAR)], 1000 + ms));
    t.notOk(checkers.isSettled([late, node(LIAR)], 1001 + ms), 'told once');
    return kinds(checkers.violations);
  };
  t.strictSame(judge(viewsToSettle(4), SETTLE_MS_MAX - 1), []);
  t.strictSame(judge(viewsToSettle(4) + 1, 1), ['liveness']);
  t.strictSame(judge(1, SETTLE_MS_MAX + 1), ['liveness']);
  const fine = new Checkers();
  fine.onHealed(0, [node(0)]);
  t.ok(fine.isSettled([node(0, { view: 5 })], 10));
  t.strictSame([fine.viewsToSettle, fine.violations], [[4], []]);

  const standing = async (...nodes: readonly Watched[]): Promise<string[]> => {
    const checkers = new Checkers(HONEST);
    await checkers.atEnd(nodes);
    return kinds(checkers.violations);
  };
  t.strictSame(await standing(node(0), { self: LIAR, running: null }), []);
  t.strictSame(await standing({ self: 0, running: null }), ['down']);
  t.strictSame(await standing(node(0, { halted: 'state_divergence' })), ['halted']);
  t.strictSame(await standing(node(0, { shown: [LIAR] }), node(1)), [], 'evidence against a liar is no fault');
  t.strictSame(await standing(node(0, { shown: [1] }), node(1)), ['evidence']);
  t.strictSame(await standing(node(0, { rounds: VIEWS_AHEAD_MAX + 3 })), ['bounds']);
  t.strictSame(await standing(node(0, { waiting: 10_001 })), ['bounds']);
});

t.test('what an interface shows of final state is that of the height it names', (t) => {
  const reads = (ask: (checkers: Checkers) => void): string[] => {
    const checkers = new Checkers(HONEST);
    checkers.onFinal(node(0), final(1));
    ask(checkers);
    return kinds(checkers.violations);
  };
  const block = (id: string, resultRoot = hash('e')) =>
    ({ ok: true, value: { height: 1, id, resultRoot } }) as unknown as Answer<'getBlock'>;
  const refused = (code: string) => ({ ok: false, problem: { code } }) as unknown as Answer<'getBlock'>;
  t.strictSame(
    reads((checkers) => checkers.onBlock(node(1), 1, block(hash('b')))),
    [],
  );
  t.strictSame(
    reads((checkers) => checkers.onBlock(node(1), 1, block(hash('c')))),
    ['disagreement'],
  );
  t.strictSame(
    reads((checkers) => checkers.onBlock(node(1), 1, block(hash('b'), hash('f')))),
    ['disagreement'],
  );
  t.strictSame(
    reads((checkers) => checkers.onBlock(node(LIAR), 1, block(hash('c')))),
    [],
  );
  t.strictSame(
    reads((checkers) => checkers.onBlock(node(1), 1, refused('unknown_block'))),
    [],
  );
  t.strictSame(
    reads((checkers) => checkers.onBlock(node(1), 1, refused('overloaded'))),
    ['read'],
  );

  const found: string[] = [];
  const legs = { balanceAt: (height: number) => (height === 1 ? '5.00' : null) } as unknown as Outcomes;
  const balances = new Reads((violation) => found.push(violation), new Agreement(() => {}), legs);
  const shown = (height: number, balance: string) =>
    ({
      ok: true,
      value: { party: 'ALFAHKHHXXX', height, balances: [{ asset: 'HKD', balance }] },
    }) as unknown as Answer<'getBalances'>;
  balances.onBalances(0, 'ALFAHKHHXXX', shown(1, '5.00'));
  balances.onBalances(0, 'ALFAHKHHXXX', shown(2, '6.00'));
  t.strictSame(found, [], 'as the legs make it, or of a height that nobody has told of');
  balances.onBalances(0, 'ALFAHKHHXXX', shown(1, '4.99'));
  t.match(found, [/^read: node 0 shows 4.99 of HKD for ALFAHKHHXXX at height 1; the legs make 5.00$/]);
  t.end();
});

t.test('the history of what clients saw', (t) => {
  const at = (sentAt: number, said: object, client = 'c', name = 'n0'): Exchange =>
    ({ sentAt, at: sentAt + 1, client, node: name, ...said }) as unknown as Exchange;
  const judge = (...exchanges: readonly Exchange[]): string[] => {
    const history = new History();
    for (const exchange of exchanges) history.add(exchange);
    return kinds(history.violations);
  };
  const head = (height: number, time = height) => ({ request: { type: 'head' }, response: { height, time } });
  t.strictSame(
    judge(at(0, head(5)), at(2, head(5)), at(4, head(6)), at(6, head(1), 'c', 'n1'), at(6, head(5), 'other')),
    [],
  );
  t.strictSame(judge(at(0, head(5)), at(2, head(4))), ['undone']);
  t.strictSame(judge(at(0, head(5)), at(0, head(4))), [], 'two reads under way at once have no order');

  const status = (response: object) => ({ request: { type: 'status', digest: DIGEST }, response });
  const settled = { status: 'final', code: 'settled', height: 3 };
  t.strictSame(
    judge(at(0, status(settled)), at(2, status(settled), 'c', 'n1'), at(4, status({ status: 'pending' }), 'c', 'n2')),
    [],
  );
  t.strictSame(judge(at(0, status(settled)), at(2, status({ ...settled, code: 'lapsed' }), 'c', 'n1')), ['undone']);
  t.strictSame(judge(at(0, status(settled)), at(2, status({ status: 'pending' }), 'other')), ['undone']);
  const submit = {
    request: { type: 'submit', digest: DIGEST, name: NAME, expiresMs: 100 },
    response: { accepted: true },
  };
  t.strictSame(judge(at(0, submit), at(2, status({ status: 'unknown' }))), ['202']);
  t.strictSame(
    judge(at(0, submit), at(2, status({ status: 'unknown' }), 'c', 'n1')),
    [],
    'another node need not know it yet',
  );

  const block = (id: string) => ({ request: { type: 'block', height: 3 }, response: { id, resultRoot: hash('e') } });
  t.strictSame(judge(at(0, block('x')), at(2, block('x'), 'c', 'n1')), []);
  t.strictSame(judge(at(0, block('x')), at(2, block('y'), 'c', 'n1')), ['disagreement']);

  const page = (issued: string, held: string, circulating = '10.00', cap = '20') => [
    at(0, { request: { type: 'participants' }, response: { height: 3, parties: ['HKMA', 'ALFA'] } }),
    at(2, {
      request: { type: 'assets' },
      response: { height: 3, assets: [{ asset: 'HKD', issuer: 'HKMA', cap, circulating }] },
    }),
    at(4, { request: { type: 'balances', party: 'HKMA' }, response: { height: 3, balances: { HKD: issued } } }),
    at(6, { request: { type: 'balances', party: 'ALFA' }, response: { height: 3, balances: { HKD: held } } }),
  ];
  t.strictSame(judge(...page('-10.00', '10.00')), []);
  t.strictSame(judge(...page('-10.00', '10.01')), ['conservation']);
  t.strictSame(judge(...page('10.00', '-10.00', '-10.00')), ['floor']);
  t.strictSame(judge(...page('-10.00', '10.00', '10.00', '9.99')), ['floor'], 'above the cap');
  t.strictSame(judge(...page('-10.00', '10.00', '9.00')), ['conservation'], 'what is said to circulate');
  const again = { request: { type: 'balances', party: 'ALFA' }, response: { height: 3, balances: { HKD: '9.00' } } };
  t.ok(judge(...page('-10.00', '10.00'), at(8, again, 'c', 'n1')).includes('disagreement'));

  const end = (response: object | null, time: number, wiped = false): string[] => {
    const history = new History();
    history.add(at(0, submit));
    history.add(at(2, head(3, time)));
    if (wiped) history.wiped('n0');
    history.atEnd(new Map([['n0', new Map(response === null ? [] : [[DIGEST as string, response as never]])]]));
    return kinds(history.violations);
  };
  t.strictSame(end(settled, 50), []);
  t.strictSame(end({ status: 'unknown' }, 50), ['202']);
  t.strictSame(end({ status: 'unknown' }, 50, true), []);
  t.strictSame(end(null, 50), ['202'], 'it must be asked for');
  t.strictSame(end({ status: 'final', code: 'expired', height: 3 }, 101), []);
  t.strictSame(end({ status: 'final', code: 'expired', height: 3 }, 100), ['202']);
  t.end();
});
