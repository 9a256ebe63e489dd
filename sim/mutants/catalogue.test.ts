/** The catalogue fits the sources: each bug can be planted, changes something, and one of them is found. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { planOf } from '../fuzz/mix.js';
import { Thread } from '../fuzz/thread.js';
import { MUTANTS } from './catalogue.js';
import { changedBy, plantIn, ROOT } from './command.js';
import { planted } from './mutant.js';

t.test('every text to be replaced occurs exactly once', (t) => {
  t.ok(MUTANTS.length >= 40);
  t.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length, 'names are unique');
  for (const mutant of MUTANTS) {
    t.doesNotThrow(() => {
      for (const [file, text] of changedBy(mutant)) t.not(text, readFileSync(join(ROOT, file), 'utf8'));
    }, mutant.name);
  }
  t.end();
});

t.test('a text that is not there, or twice, is refused', (t) => {
  const edit = { file: 'a.ts', find: 'x = 1;', replace: 'x = 2;' };
  t.equal(planted('const x = 1; const y = 1;', edit), 'const x = 2; const y = 1;');
  t.throws(() => planted('const x = 2;', edit), /is not there/);
  t.throws(() => planted('x = 1; x = 1;', edit), /more than once/);
  t.end();
});

t.test('a planted bug is found, and the sources stay as they are', async (t) => {
  const mutant = MUTANTS.find(({ name }) => name === 'half_a_settlement_posted');
  t.ok(mutant);
  if (mutant === undefined) return;
  const before = [...changedBy(mutant).keys()].map((file) => readFileSync(join(ROOT, file), 'utf8'));
  const folder = t.testdir();
  const outfile = await plantIn(join(folder, 'bundles'), mutant);
  t.ok(existsSync(outfile));
  const thread = new Thread(pathToFileURL(outfile));
  const { violations } = await thread.run({ ...planOf(1), steps: [] });
  await thread.close();
  t.match(violations[0], /all or none|outcome/);
  t.strictSame(
    [...changedBy(mutant).keys()].map((file) => readFileSync(join(ROOT, file), 'utf8')),
    before,
  );
});
