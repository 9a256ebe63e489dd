/** The rules with one of them broken: a patched copy of the production files in a folder of its own, never a hook in the product. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformSync } from 'esbuild';
import { inCheckout } from '../../protocol/checkout.test-helper.js';
import { assert } from '../../protocol/types.js';
import type { Rules } from './local.js';

interface Mutant {
  readonly name: string;
  /** Who lies in the configuration that is to find it. */
  readonly liar: number;
  readonly views: number;
  readonly restartsMax: number;
  /** What the model check says of it. */
  readonly shows: RegExp;
  readonly file: 'bft/core.ts' | 'bft/round.ts' | 'types.ts';
  /** Texts that stand once in the file, with what replaces them. */
  readonly edits: readonly (readonly [find: string, replace: string])[];
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a quorum is one vote less',
    liar: 1,
    views: 1,
    restartsMax: 0,
    shows: /1a and 1b are both notarized in view 1/,
    file: 'types.ts',
    edits: [['=> n - faultsMax(n);', '=> n - faultsMax(n) - 1;']],
  },
  {
    name: 'f + 1 nullify votes are a nullification',
    liar: 0,
    views: 1,
    restartsMax: 0,
    shows: /1a is final in view 1, which is nullified/,
    file: 'bft/core.ts',
    edits: [
      [
        'certify(round, vote.ballot, quorum(core.config.n))',
        "certify(round, vote.ballot, vote.ballot.kind === 'nullify' ? faultsMax(core.config.n) + 1 : quorum(core.config.n))",
      ],
    ],
  },
  {
    name: 'votes for different blocks make one certificate',
    liar: 1,
    views: 1,
    restartsMax: 0,
    shows: /1a and 1b are both notarized in view 1/,
    file: 'bft/round.ts',
    edits: [
      ['a.view === b.view && a.block === b.block && a.root === b.root', 'a.view === b.view && a.root === b.root'],
    ],
  },
  {
    name: 'votes for different roots make one certificate',
    liar: 0,
    views: 1,
    restartsMax: 0,
    shows: /wrong root\) is certified/,
    file: 'bft/round.ts',
    edits: [
      ['a.view === b.view && a.block === b.block && a.root === b.root', 'a.view === b.view && a.block === b.block'],
    ],
  },
  {
    name: 'a second proposal of a view is voted for too',
    liar: 1,
    views: 1,
    restartsMax: 0,
    shows: /signs notarize\(1, 1a\) and notarize\(1, 1b\)/,
    file: 'bft/core.ts',
    edits: [
      [
        'if (round.proposal === null && leader !== core.config.self) round.proposal = block;',
        `if (leader !== core.config.self && round.proposal?.id !== block.id) {
           round.proposal = block;
           round.verdict = 'none';
           round.cast.notarize = null;
         }`,
      ],
    ],
  },
  {
    name: 'finalize after nullify',
    liar: 0,
    views: 1,
    restartsMax: 0,
    shows: /signs finalize\(1, 1a\) and nullify\(1\)/,
    file: 'bft/core.ts',
    edits: [
      [
        'if (core.config.self === null || round.cast.nullify || round.cast.finalize !== null) return;\n  round.cast.finalize =',
        'if (core.config.self === null || round.cast.finalize !== null) return;\n  round.cast.finalize =',
      ],
    ],
  },
  {
    name: 'nullify after finalize',
    liar: 0,
    views: 1,
    restartsMax: 1,
    shows: /signs finalize\(1, 1a\) and nullify\(1\)/,
    file: 'bft/core.ts',
    edits: [
      [
        'if (core.config.self === null || round.cast.nullify || round.cast.finalize !== null) return;\n  round.cast.nullify = true;',
        'if (core.config.self === null || round.cast.nullify) return;\n  round.cast.nullify = true;',
      ],
    ],
  },
  {
    name: 'the notarized block of the parent view is not compared with the parent',
    liar: 2,
    views: 2,
    restartsMax: 0,
    shows: /2x-1a is notarized, and its parent is not in view 0/,
    file: 'bft/core.ts',
    edits: [['if (parent !== proposal.parent) {', 'if (parent === null) {']],
  },
  {
    name: 'the parent need not be notarized',
    liar: 2,
    views: 2,
    restartsMax: 0,
    shows: /is notarized, and its parent is not in view 1/,
    file: 'bft/core.ts',
    edits: [
      [
        'const parent = notarizedIn(core, proposal.parentView);',
        'const parent = notarizedIn(core, proposal.parentView) ?? proposal.parent;',
      ],
    ],
  },
  {
    name: 'skipped views need not be nullified',
    liar: 2,
    views: 2,
    restartsMax: 0,
    shows: /2a is notarized, and view 1 before it is not nullified/,
    file: 'bft/core.ts',
    edits: [['if (parent === null || missing !== null) {\n    if (!round', 'if (parent === null) {\n    if (!round']],
  },
  {
    name: 'the first skipped view need not be nullified',
    liar: 2,
    views: 2,
    restartsMax: 0,
    shows: /2a is notarized, and view 1 before it is not nullified/,
    file: 'bft/core.ts',
    edits: [['let between = parentView + 1;', 'let between = parentView + 2;']],
  },
  {
    name: 'a notarized view counts as nullified',
    liar: 2,
    views: 2,
    restartsMax: 0,
    shows: /2a is notarized, and view 1 before it is not nullified/,
    file: 'bft/core.ts',
    edits: [
      [
        '(core.rounds.get(between as View)?.nullification ?? null) === null',
        '(core.rounds.get(between as View)?.nullification ?? core.rounds.get(between as View)?.notarization ?? null) === null',
      ],
    ],
  },
  {
    name: 'notarize votes are forgotten on restart',
    liar: 1,
    views: 1,
    restartsMax: 1,
    shows: /signs notarize\(1, 1a\) and notarize\(1, 1b\)/,
    file: 'bft/core.ts',
    edits: [
      [
        "if (ballot.kind === 'notarize') round.cast.notarize = ballot.block;\n",
        "if (ballot.kind === 'notarize') continue;\n",
      ],
    ],
  },
  {
    name: 'nullify votes are forgotten on restart',
    liar: 0,
    views: 1,
    restartsMax: 1,
    shows: /signs finalize\(1, 1\w\) and nullify\(1\)/,
    file: 'bft/core.ts',
    edits: [
      [
        "else if (ballot.kind === 'nullify') round.cast.nullify = true;",
        "else if (ballot.kind === 'nullify') continue;",
      ],
    ],
  },
  {
    name: 'finalize votes are forgotten on restart',
    liar: 0,
    views: 1,
    restartsMax: 1,
    shows: /signs finalize\(1, 1a\) and nullify\(1\)/,
    file: 'bft/core.ts',
    edits: [['else round.cast.finalize = { block: ballot.block, root: ballot.root };\n    if', 'if']],
  },
];

const protocol = inCheckout('protocol');

/** Loads a broken copy. Call `end` when done with all of them. */
export function mutants(): { readonly load: (mutant: Mutant) => Promise<Rules>; readonly end: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-model-'));
  let copies = 0;
  return {
    load: async ({ name, file, edits }) => {
      const copy = join(folder, `${copies++}`);
      mkdirSync(join(copy, 'protocol/bft'), { recursive: true });
      writeFileSync(join(copy, 'package.json'), '{"type":"module"}');
      for (const part of ['bft/core.ts', 'bft/round.ts', 'bft/pacemaker.ts', 'types.ts', 'limits.ts']) {
        let text = readFileSync(join(protocol, part), 'utf8');
        for (const [find, replace] of part === file ? edits : []) {
          assert(text.split(find).length === 2, `the text of "${name}" stands once in ${file}`);
          text = text.replace(find, () => replace);
        }
        const { code } = transformSync(text, { loader: 'ts' });
        writeFileSync(join(copy, 'protocol', part.replace(/ts$/, 'js')), code);
      }
      return (await import(pathToFileURL(join(copy, 'protocol/bft/core.js')).href)) as Rules;
    },
    end: () => rmSync(folder, { recursive: true, force: true }),
  };
}
