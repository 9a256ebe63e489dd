/** Simplex under arbitrary order, loss, duplication and f liars: agreement on every prefix, and progress once messages flow. */

import t from 'tap';
import { fc } from '../property.test-helper.js';
import {
  type Ballot,
  type BlockId,
  type Certificate,
  faultsMax,
  quorum,
  type Root,
  type TimestampMs,
  type ValidatorIndex,
  type View,
  type Vote,
} from '../types.js';
import {
  type BlockRef,
  type Core,
  certificatesBetween,
  deadline,
  type Effect,
  type Input,
  leaderOf,
  newCore,
  ownVotes,
  type Restored,
  resume,
  step,
} from './core.js';

const GENESIS = 'genesis' as BlockId;
const anchor = { view: 0 as View, block: GENESIS, root: 'root:genesis' as Root, certificate: null };
const signature = new Uint8Array(64);
const rootOf = (block: BlockId): Root => `root:${block}` as Root;

/** mulberry32: a small generator, so that a seed replays a run. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Message =
  | { type: 'proposal'; block: BlockRef; vote: Vote }
  | { type: 'vote'; vote: Vote }
  | { type: 'certificate'; certificate: Certificate }
  | { type: 'request'; from: View; until: View };

interface Replica {
  core: Core;
  readonly final: Map<View, { block: BlockId; root: Root }>;
  /** What its log holds: ballots and certificates survive a crash. */
  readonly log: { votes: Vote[]; certificates: Certificate[] };
}

interface Sent {
  readonly from: number;
  readonly to: number;
  readonly message: Message;
}

/** A little network of cores. Liars hold the highest indices; they are played by the world, which knows everything. */
class World {
  readonly replicas: Replica[];
  readonly blocks = new Map<BlockId, BlockRef>();
  readonly queue: Sent[] = [];
  readonly violations: string[] = [];
  now = 0;
  /** Whether there is always something to order. */
  busy = false;
  readonly #n: number;
  readonly #honest: number;
  readonly #random: (below: number) => number;

  constructor(n: number, liars: number, random: (below: number) => number) {
    this.#n = n;
    this.#honest = n - liars;
    this.#random = random;
    this.replicas = Array.from(
      { length: this.#honest },
      (_, self): Replica => ({
        core: this.#core(self, { final: anchor, votes: [], certificates: [] }),
        final: new Map(),
        log: { votes: [], certificates: [] },
      }),
    );
  }

  #core(self: number, restored: Restored): Core {
    return newCore({ n: this.#n, self: self as ValidatorIndex, deltaMs: 100, deltaMaxMs: 1600 }, restored);
  }

  input(self: number, input: Input): void {
    const replica = this.replicas[self] as Replica;
    this.#perform(self, step(replica.core, input, this.now));
    if (this.busy && !replica.core.work) this.input(self, { type: 'work', has: true });
  }

  #perform(self: number, effects: Effect[]): void {
    const replica = this.replicas[self] as Replica;
    for (const effect of effects) {
      switch (effect.type) {
        case 'cast':
          this.#cast(self, effect.ballot);
          break;
        case 'build': {
          const { view, parent, parentView } = effect;
          const block = this.block(view, parent, parentView, self, `${this.#random(1000)}`);
          this.input(self, { type: 'built', block });
          break;
        }
        case 'validate':
          this.input(self, { type: 'validated', view: effect.block.view, block: effect.block.id, valid: true });
          break;
        case 'apply':
          this.input(self, { type: 'applied', view: effect.view, block: effect.block, root: rootOf(effect.block) });
          break;
        case 'certified':
          replica.log.certificates.push(effect.certificate);
          this.send(self, { type: 'certificate', certificate: effect.certificate });
          break;
        case 'finalized': {
          const { ballot } = effect.certificate;
          if (ballot.kind === 'finalize') replica.final.set(ballot.view, ballot);
          break;
        }
        case 'repeat':
          for (const vote of effect.votes) this.#sendVote(self, vote);
          for (const certificate of effect.certificates) this.send(self, { type: 'certificate', certificate });
          break;
        case 'answer':
          for (const certificate of effect.certificates)
            this.send(self, { type: 'certificate', certificate }, effect.to);
          break;
        case 'request':
          this.send(self, { type: 'request', from: effect.from, until: effect.until }, effect.to ?? undefined);
          break;
        case 'halt':
          this.violations.push(`${self} halted: ${effect.detail}`);
          break;
        case 'evidence':
          if (effect.first.signer < this.#honest)
            this.violations.push(`evidence against honest ${effect.first.signer}`);
          break;
      }
    }
  }

  #cast(self: number, ballot: Ballot): void {
    const vote: Vote = { ballot, signer: self as ValidatorIndex, signature };
    const replica = this.replicas[self] as Replica;
    replica.log.votes.push(vote);
    this.#sendVote(self, vote);
    this.input(self, { type: 'vote', vote });
  }

  #sendVote(self: number, vote: Vote): void {
    const block = vote.ballot.kind === 'notarize' ? this.blocks.get(vote.ballot.block) : undefined;
    if (block?.proposer === self) this.send(self, { type: 'proposal', block, vote });
    else this.send(self, { type: 'vote', vote });
  }

  block(view: View, parent: BlockId, parentView: View, proposer: number, salt: string): BlockRef {
    const id = `${view}<${parentView}:${proposer}:${salt}` as BlockId;
    const block = { id, view, parent, parentView, proposer: proposer as ValidatorIndex };
    const known = this.blocks.get(id);
    if (known) return known;
    this.blocks.set(id, block);
    return block;
  }

  send(from: number, message: Message, to?: number): void {
    for (let peer = 0; peer < this.#honest; peer++) {
      if (peer !== from && (to === undefined || to === peer)) this.queue.push({ from, to: peer, message });
    }
  }

  deliver(at: number): void {
    const last = this.queue.length - 1;
    const [item] = [this.queue[at]];
    this.queue[at] = this.queue[last] as (typeof this.queue)[number];
    this.queue.pop();
    if (item !== undefined) this.take(item);
  }

  /** A message arrives that is in the queue no more. */
  take(item: Sent): void {
    if (item.message.type === 'request') {
      const { core } = this.replicas[item.to] as Replica;
      const { from, until } = item.message;
      for (const certificate of certificatesBetween(core, from, until, 64)) {
        this.send(item.to, { type: 'certificate', certificate }, item.from);
      }
      return;
    }
    this.input(item.to, item.message);
  }

  tick(self: number): void {
    this.input(self, { type: 'tick' });
  }

  /** A crash: memory is gone, the log stays. */
  restart(self: number): void {
    const replica = this.replicas[self] as Replica;
    replica.core = this.#core(self, { final: anchor, ...replica.log });
    this.#perform(self, resume(replica.core));
    for (const vote of ownVotes(replica.core)) this.#sendVote(self, vote);
    this.input(self, { type: 'work', has: true });
  }

  /** A liar says something it may not: any ballot, to anyone, and proposals that differ by listener. */
  lie(): void {
    const liar = (this.#honest + this.#random(this.#n - this.#honest)) as ValidatorIndex;
    const { core } = this.replicas[this.#random(this.#honest)] as Replica;
    const view = Math.max(1, core.view + this.#random(4) - 2) as View;
    const to = this.#random(this.#honest);
    const known = [...this.blocks.values()].filter((block) => block.view === view);
    const some = known[this.#random(Math.max(1, known.length))];
    const choice = this.#random(4);
    if (choice === 0) this.send(liar, vote({ kind: 'nullify', view, block: null, root: null }), to);
    else if (choice === 1 && some) this.send(liar, vote({ kind: 'notarize', view, block: some.id, root: null }), to);
    else if (choice === 2 && some) {
      const root = this.#random(2) ? rootOf(some.id) : ('root:lie' as Root);
      this.send(liar, vote({ kind: 'finalize', view, block: some.id, root }), to);
    } else if (leaderOf(view, this.#n) === liar) {
      const parents = [{ id: GENESIS, view: 0 as View }, ...this.blocks.values()].filter((block) => block.view < view);
      const parent = parents[this.#random(parents.length)] as { id: BlockId; view: View };
      const block = this.block(view, parent.id, parent.view, liar, `lie${this.#random(3)}`);
      const { vote: ballot } = vote({ kind: 'notarize', view, block: block.id, root: null });
      this.send(liar, { type: 'proposal', block, vote: ballot }, to);
    }
    function vote(ballot: Ballot): { type: 'vote'; vote: Vote } {
      return { type: 'vote', vote: { ballot, signer: liar, signature } };
    }
  }

  /** Every final block is on one chain, with its one root. */
  agreement(): string[] {
    const finals = this.replicas.flatMap((replica) => [...replica.final.values()]);
    const chains = finals.map(({ block }) => this.#ancestors(block)).sort((a, b) => b.length - a.length);
    const longest = new Set(chains[0] ?? []);
    const forks = finals.filter(({ block }) => !longest.has(block)).map(({ block }) => `fork at ${block}`);
    const roots = finals.filter(({ block, root }) => root !== rootOf(block)).map(({ block }) => `root of ${block}`);
    return [...this.violations, ...forks, ...roots];
  }

  #ancestors(block: BlockId): BlockId[] {
    const out = [block];
    for (let at = this.blocks.get(block); at !== undefined; at = this.blocks.get(at.parent)) out.push(at.parent);
    return out;
  }

  lowestFinal(): number {
    return Math.min(...this.replicas.map((replica) => replica.core.final.view));
  }
}

function chaos(world: World, random: (below: number) => number, liars: number, steps: number): void {
  for (let i = 0; i < steps; i++) {
    const choice = random(100);
    if (choice < 70 && world.queue.length > 0) {
      const at = random(world.queue.length);
      const item = world.queue[at] as (typeof world.queue)[number];
      if (random(10) === 0) world.queue.push(item);
      if (random(5) > 0) world.deliver(at);
      else world.queue.splice(at, 1);
    } else if (choice < 80 && liars > 0) world.lie();
    else if (choice < 82) world.restart(random(world.replicas.length));
    else {
      world.now += random(60);
      world.tick(random(world.replicas.length));
    }
  }
}

/** Messages flow in order, and time passes only when there are none. */
function calm(world: World, goal: number): boolean {
  for (let rounds = 0; rounds < 400 && world.lowestFinal() < goal; rounds++) {
    for (let left = 5000; left > 0 && world.queue.length > 0; ) {
      const burst = world.queue.splice(0, left);
      left -= burst.length;
      for (const item of burst) world.take(item);
    }
    world.now += 20;
    world.replicas.forEach((_, self) => world.tick(self));
  }
  return world.lowestFinal() >= goal;
}

for (const n of [4, 7, 10]) {
  t.test(`n = ${n}: agreement under chaos with ${faultsMax(n)} liars, progress after it`, async (t) => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: faultsMax(n) }), (seed, liars) => {
        const random = generator(seed);
        const world = new World(n, liars, random);
        world.busy = true;
        world.replicas.forEach((_, self) => world.tick(self));
        chaos(world, random, liars, 150 * n);
        const goal = Math.max(...world.replicas.map((replica) => replica.core.view)) + 2 * n;
        const moved = calm(world, goal);
        const violations = world.agreement();
        if (violations.length > 0) throw new Error(violations.join('; '));
        if (!moved)
          throw new Error(`no progress: ${world.replicas.map((r) => `${r.core.view}/${r.core.final.view}`).join(' ')}`);
      }),
      { numRuns: n === 4 ? 150 : 60 },
    );
    t.pass('every run agreed and moved on');
  });
}

t.test(
  'the good case: a block is final three delays after it is proposed, and an idle network falls silent',
  async (t) => {
    const world = new World(4, 0, generator(1));
    world.input(1, { type: 'work', has: true });
    t.equal(deadline((world.replicas[0] as Replica).core), null, 'without work no timers run');
    const leader = world.replicas[1] as Replica;
    t.equal(
      leader.core.rounds.get(1 as View)?.cast.notarize,
      world.blocks.keys().next().value,
      'the leader of view 1 proposes at once',
    );
    let delays = 0;
    while (leader.core.final.view === 0 && delays < 10) {
      const wave = world.queue.splice(0);
      for (const item of wave) {
        world.queue.push(item);
        world.deliver(world.queue.length - 1);
      }
      delays += 1;
      if (delays === 1) world.input(1, { type: 'work', has: false });
    }
    t.equal(delays, 3, 'proposal, notarize, finalize');
    while (world.queue.length > 0) world.deliver(0);
    t.strictSame(
      world.replicas.map(({ core }) => deadline(core)),
      [null, null, null, null],
      'no timers once all is final',
    );
    t.equal(quorum(4), 3);
  },
);

t.test('rules of one view', async (t) => {
  const cast = (effects: Effect[]): string[] =>
    effects.flatMap((effect) => (effect.type === 'cast' ? [`${effect.ballot.kind}(${effect.ballot.view})`] : []));
  const block: BlockRef = {
    id: 'b1' as BlockId,
    view: 1 as View,
    parent: GENESIS,
    parentView: 0 as View,
    proposer: 1 as ValidatorIndex,
  };
  const vote = (signer: number, ballot: Ballot): Vote => ({ ballot, signer: signer as ValidatorIndex, signature });
  const notarize = (id: BlockId, view = 1): Ballot => ({ kind: 'notarize', view: view as View, block: id, root: null });
  const nullify = (view = 1): Ballot => ({ kind: 'nullify', view: view as View, block: null, root: null });
  const fresh = (): Core =>
    newCore(
      { n: 4, self: 0 as ValidatorIndex, deltaMs: 100, deltaMaxMs: 800 },
      { final: anchor, votes: [], certificates: [] },
    );
  const at = (now: number): TimestampMs => now as TimestampMs;

  t.test('one notarize a view, and none for a second proposal', async (t) => {
    const core = fresh();
    step(core, { type: 'proposal', block, vote: vote(1, notarize(block.id)) }, at(0));
    t.strictSame(cast(step(core, { type: 'validated', view: block.view, block: block.id, valid: true }, at(0))), [
      'notarize(1)',
    ]);
    const other = { ...block, id: 'b2' as BlockId };
    const effects = step(core, { type: 'proposal', block: other, vote: vote(1, notarize(other.id)) }, at(1));
    t.strictSame(
      effects.map((effect) => effect.type),
      ['evidence'],
      'the leader is shown to have equivocated',
    );
  });
  t.test('a proposal is not voted for after nullify, nor a view nullified after finalize', async (t) => {
    const core = fresh();
    step(core, { type: 'work', has: true }, at(0));
    t.strictSame(cast(step(core, { type: 'tick' }, at(200))), ['nullify(1)']);
    t.strictSame(
      step(core, { type: 'proposal', block, vote: vote(1, notarize(block.id)) }, at(201)),
      [],
      'not even looked at',
    );
    const late = fresh();
    const certificate = { ballot: notarize(block.id), signatures: [] };
    step(late, { type: 'certificate', certificate }, at(0));
    t.strictSame(
      cast(step(late, { type: 'applied', view: block.view, block: block.id, root: rootOf(block.id) }, at(0))),
      ['finalize(1)'],
    );
    t.equal(late.view, 2, 'the notarization led on');
    const again = fresh();
    step(again, { type: 'work', has: true }, at(0));
    step(again, { type: 'tick' }, at(300));
    step(again, { type: 'certificate', certificate }, at(301));
    t.strictSame(
      cast(step(again, { type: 'applied', view: block.view, block: block.id, root: rootOf(block.id) }, at(302))),
      [],
      'no finalize after nullify',
    );
  });
  t.test('an invalid proposal, or one on a parent before the last final block, is nullified at once', async (t) => {
    const core = fresh();
    step(core, { type: 'proposal', block, vote: vote(1, notarize(block.id)) }, at(0));
    t.strictSame(cast(step(core, { type: 'validated', view: block.view, block: block.id, valid: false }, at(0))), [
      'nullify(1)',
    ]);
    const backwards = fresh();
    const self = { ...block, parentView: 1 as View };
    t.strictSame(cast(step(backwards, { type: 'proposal', block: self, vote: vote(1, notarize(block.id)) }, at(0))), [
      'nullify(1)',
    ]);
  });
  t.test('a skipped view must be nullified: what is missing is asked for', async (t) => {
    const core = fresh();
    step(core, { type: 'certificate', certificate: { ballot: nullify(2), signatures: [] } }, at(0));
    const third = { ...block, id: 'b3' as BlockId, view: 3 as View, proposer: 3 as ValidatorIndex };
    const effects = step(core, { type: 'proposal', block: third, vote: vote(3, notarize(third.id, 3)) }, at(0));
    t.match(effects, [{ type: 'request', to: 3, from: 1, until: 2 }]);
    const more = step(core, { type: 'certificate', certificate: { ballot: nullify(1), signatures: [] } }, at(1));
    t.ok(
      more.some((effect) => effect.type === 'validate'),
      'and then it is looked at',
    );
  });
  t.test('a quorum that is not of one ballot certifies nothing', async (t) => {
    const core = fresh();
    const effects = [1, 2, 3].flatMap((signer) =>
      step(core, { type: 'vote', vote: vote(signer, notarize(`b${signer}` as BlockId)) }, at(0)),
    );
    t.notOk(effects.some((effect) => effect.type === 'certified'));
  });
  t.test('f + 1 other roots for the block halt the node, f do not', async (t) => {
    const core = fresh();
    step(core, { type: 'certificate', certificate: { ballot: notarize(block.id), signatures: [] } }, at(0));
    step(core, { type: 'applied', view: block.view, block: block.id, root: rootOf(block.id) }, at(0));
    const lie = (signer: number): Effect[] =>
      step(
        core,
        {
          type: 'vote',
          vote: vote(signer, { kind: 'finalize', view: block.view, block: block.id, root: `r${signer}` as Root }),
        },
        at(0),
      );
    t.notOk(lie(1).some((effect) => effect.type === 'halt'));
    t.ok(lie(2).some((effect) => effect.type === 'halt'));
  });
  t.test('a restart keeps what was cast', async (t) => {
    const certificate = { ballot: notarize(block.id), signatures: [] };
    const mine = vote(0, { kind: 'finalize', view: block.view, block: block.id, root: rootOf(block.id) });
    const config = { n: 4, self: 0 as ValidatorIndex, deltaMs: 100, deltaMaxMs: 800 };
    const core = newCore(config, { final: anchor, votes: [mine], certificates: [certificate] });
    t.equal(core.view, 2);
    t.match(resume(core), [{ type: 'apply', view: 1, block: block.id }]);
    t.strictSame(
      cast(step(core, { type: 'applied', view: block.view, block: block.id, root: rootOf(block.id) }, at(0))),
      [],
      'not cast twice',
    );
    t.strictSame(ownVotes(core), [mine]);
  });
});
