/** The rules of consensus in every interleaving of a small network; and that a broken rule is found. */
import t from 'tap';
import type { Input } from '../../protocol/bft/core.js';
import * as production from '../../protocol/bft/core.js';
import type { Ballot, BlockId, View } from '../../protocol/types.js';
import { type Bounds, explore } from './explore.js';
import {
  blockOf,
  certificateOf,
  firstLocal,
  GENESIS,
  type Happening,
  happen,
  keyOf,
  type Local,
  ownHappenings,
  type Rules,
  rootOf,
  textOf,
  voteOf,
} from './local.js';
import { MUTANTS, mutants } from './mutants.test-helper.js';
import { stall } from './progress.js';

const BOUNDS = { restartsMax: 0, statesMax: 100_000, continuedEvery: 100 };

const CONFIGURATIONS: readonly Bounds[] = [
  ...[0, 1, 2, 3].map((liar) => ({ ...BOUNDS, liar, views: 1, restartsMax: 1 })),
  ...[0, 2].map((liar) => ({ ...BOUNDS, liar, views: 2 })),
];

const block = (id: string): BlockId => id as BlockId;
/** Of two views, without any that contradict each other. */
const SOME_BALLOTS: readonly Ballot[] = [
  { kind: 'notarize', view: 1 as View, block: block('1a'), root: null },
  { kind: 'nullify', view: 1 as View, block: null, root: null },
  { kind: 'notarize', view: 2 as View, block: block('2a'), root: null },
  { kind: 'finalize', view: 2 as View, block: block('2a'), root: rootOf(block('2a')) },
];

/** What may become of a node, if anything: the key of each state after, and the votes on the way. */
const futures = (local: Local, messages: readonly Happening[]): string[] => {
  const all: Happening[] = [...messages, { type: 'timeout' }, { type: 'work' }, { type: 'restart', log: 'lost' }];
  for (const own of ownHappenings(local, production, 2)) if (own.type === 'applied') all.push(own);
  const found = all.flatMap((happening) => {
    const { local: after, casts, wrong } = happen(production, local, happening);
    const isNothing = keyOf(after) === keyOf(local) && casts.length === 0 && wrong === null;
    return isNothing ? [] : [[keyOf(after), ...casts.map(textOf), wrong].join(' ')];
  });
  return [...new Set(found)].sort((a, b) => (a < b ? -1 : 1));
};

t.test('no interleaving contradicts what SPEC says of certificates, and honest nodes always go on', async (t) => {
  for (const bounds of CONFIGURATIONS) {
    const { states, continued, aloneStates, isExhausted, violation } = explore(production, bounds);
    const { liar, views, restartsMax } = bounds;
    t.equal(violation, null, `${liar} lies, ${views} views, ${restartsMax} restarts`);
    t.ok(isExhausted && aloneStates > 100 && continued > 0, `${states} states, and no more`);
  }
});

t.test('the same model has the same states', async (t) => {
  const { states, transitions } = explore(production, { ...BOUNDS, liar: 1, views: 1 });
  const again = explore(production, { ...BOUNDS, liar: 1, views: 1 });
  t.strictSame([again.states, again.transitions], [states, transitions]);
});

t.test('nodes that the model takes for the same go on the same', async (t) => {
  const messages = SOME_BALLOTS.flatMap((ballot, i): Happening[] => {
    const certificate = certificateOf(ballot, [0, 1, 2]);
    const told: Happening = { type: 'message', id: 2 * i, text: '', input: { type: 'certificate', certificate } };
    if (ballot.kind !== 'notarize') return [told];
    const block = blockOf(ballot.view, ballot.block.slice(1, 2), GENESIS, 0);
    const input: Input = { type: 'proposal', block, vote: voteOf(ballot, block.proposer) };
    return [told, { type: 'message', id: 2 * i + 1, text: '', input }];
  });
  const reached = new Map<string, { readonly first: Local; more: number }>();
  const open = [firstLocal(production, 3)];
  const different: string[] = [];
  let compared = 0;
  for (const local of open) {
    const known = reached.get(keyOf(local));
    if (known !== undefined) {
      // One other way to the same state tells whether its key hides anything.
      if (known.more++ > 2) continue;
      compared += 1;
      const [here, there] = [futures(local, messages), futures(known.first, messages)];
      if (here.join('\n') !== there.join('\n')) different.push(keyOf(local));
      continue;
    }
    reached.set(keyOf(local), { first: local, more: 0 });
    const restarts: Happening[] = local.restarts > 0 ? [] : [{ type: 'restart', log: 'lost' }];
    for (const happening of [...ownHappenings(local, production, 2), ...messages, ...restarts]) {
      const { local: after, wrong } = happen(production, local, happening);
      if (wrong === null) open.push(after);
    }
  }
  t.strictSame(different, []);
  t.ok(compared > 500 && reached.size > 500, `${reached.size} states, ${compared} compared`);
});

t.test('a bound of states is kept, and said', async (t) => {
  const { isExhausted, states } = explore(production, { ...BOUNDS, liar: 1, views: 3, statesMax: 200 });
  t.notOk(isExhausted);
  t.ok(states < 300);
});

t.test('every broken rule is found, with the shortest history that shows it', async (t) => {
  const { load, end } = mutants();
  t.teardown(end);
  for (const mutant of MUTANTS) {
    const { name, liar, views, restartsMax } = mutant;
    const rules = await load(mutant);
    const { violation } = explore(rules, { liar, views, restartsMax, statesMax: 50_000, continuedEvery: 1_000_000 });
    t.ok(violation, name);
    t.match(violation?.what, mutant.shows, name);
    t.ok((violation?.trace.length ?? 0) > 0, 'with its history');
    for (const line of violation?.trace ?? []) t.comment(line);
  }
});

t.test('nodes that cannot go on are noticed', async (t) => {
  const silent: Rules = {
    ...production,
    step: (core, input, now) => production.step(core, input, now).filter(({ type }) => type !== 'cast'),
  };
  const locals = [0, 2, 3].map((self) => firstLocal(silent, self));
  t.match(stall(silent, locals), /nothing becomes final/);
  t.equal(stall(production, locals), null);
  const late = locals.map((local) => happen(production, local, { type: 'timeout' }).local);
  t.equal(stall(production, late), null, 'nor does it matter that all gave up on the view');
});
