/** The page of a run: all that the run says stands on it, nothing on it runs or is loaded, and it holds the run itself. */
import t from 'tap';
import { STORM } from '../browser/storm.js';
import { escaped } from '../report/shapes.js';
import { counted, duration, grouped, listed, short } from '../report/words.js';
import { runScenario } from './command.js';
import { momentsOf } from './condition.js';
import type { Run } from './play.js';
import { reportOf } from './report.js';
import { numbered, wordsOf } from './timeline.js';

t.setTimeout(120_000);

const played = await runScenario(STORM, { world: 'virtual', seed: 1, image: '', nextImage: '' }, () => undefined);
if (typeof played === 'string') throw new Error(played);
const run: Run = played;
const page = reportOf(run);

/** The run as the page holds it. */
const embedded = (page: string): unknown =>
  JSON.parse((/<script type="application\/json" id="run">(.*)<\/script>/.exec(page) as RegExpExecArray)[1] as string);

t.test('who waits for what stands on it', (t) => {
  const wait = { digest: 'ab'.repeat(32), act: 'trades<', payers: ['HK-1', 'TH-2'], legs: [] };
  const lacking = [{ player: 'TH-2', asset: 'THB', amount: '12.50' }];
  const told = reportOf({
    ...run,
    waits: [
      { ...wait, lacking },
      { ...wait, lacking: [] },
    ],
  });
  for (const text of [
    '2 settlements stood in queues',
    'trades&lt;',
    'HK-1, TH-2',
    '12.50 THB more of TH-2',
    'what goes before it',
  ])
    t.ok(told.includes(text), text);
  t.notOk(reportOf({ ...run, waits: [] }).includes('Who waits for what'));
  t.end();
});

t.test('every verdict, expectation, fault, asset and published figure stands on it', async (t) => {
  t.strictSame(run.failed, ['nobody.settled'], JSON.stringify(run.verdicts.flatMap((each) => each.violations)));
  t.equal(run.verdicts.length, 9);
  for (const { check, says, judged } of run.verdicts)
    for (const text of [`<strong>${check}</strong>`, escaped(says), `${grouped(judged)} judged`])
      t.ok(page.includes(text), text);
  for (const { figure, why, got } of run.expectations)
    for (const text of [`<code>${figure}</code>`, escaped(why), `<strong>${got === null ? 'not there' : grouped(got)}`])
      t.ok(page.includes(text), text);
  t.equal(run.timeline.length, STORM.faults?.length);
  for (const { asked, says } of run.timeline)
    for (const text of [escaped(says), escaped(wordsOf(asked))]) t.ok(page.includes(text), text);
  for (const { asset, settled, issued } of run.assets)
    for (const text of [`<th scope="row">${asset}<`, `<td>${grouped(settled)}</td>`, `<td>${grouped(issued)}</td>`])
      t.ok(page.includes(text), text);
  for (const { says, source, value, ours } of run.published)
    for (const text of [escaped(says), escaped(source), grouped(value), ours === null ? 'none' : grouped(ours)])
      t.ok(page.includes(text), text);
  for (const [name, value] of Object.entries(run.figures))
    t.ok(page.includes(`<td>${name}</td><td>${grouped(value)}`), name);
  for (const { name, title } of run.seats) t.ok(page.includes(`<td>${name}</td><td>${escaped(title)}</td>`), name);
});

t.test('violations, and what was spoiled on purpose', async (t) => {
  const [first, ...others] = run.verdicts;
  t.ok(first);
  const violations = ['block 7 is <b>not</b> block 7', 'nor is 8'];
  const spoiled = { ...run, verdicts: [{ ...(first as Run['verdicts'][number]), violations }, ...others] };
  const failed = ['agreement', 'nobody.settled'];
  const bad = reportOf({ ...spoiled, failed });
  t.match(bad, 'It failed.');
  for (const text of [
    '<li><strong>agreement</strong>: ',
    '<li><strong>nobody.settled</strong>: a figure that no run has',
  ])
    t.ok(bad.includes(text), text);
  t.match(bad, '8 of 9 checks and 2 of 3 expectations hold.');
  for (const text of violations) t.ok(bad.includes(`<li>${escaped(text)}</li>`), text);
  const sabotage = { about: 'nobody <pays>', breaks: ['nobody.settled', 'agreement'] };
  t.match(reportOf({ ...spoiled, failed, sabotage }), 'nobody &lt;pays&gt;. nobody.settled and agreement must fail');
  t.match(reportOf({ ...spoiled, failed, sabotage }), 'so it is');
  t.match(reportOf({ ...spoiled, failed: ['agreement'], sabotage }), 'and that is not so');
  t.match(reportOf({ ...run, failed: [] }), 'It holds: every rule was kept');
});

t.test('what testers write runs nowhere, and nothing is loaded', async (t) => {
  t.notMatch(page, /<img|onerror="|<\/script><script>|<script>/, 'names and texts are escaped');
  t.equal(page.split('<script').length, 2, 'one element of data, and no script');
  t.notMatch(page, /<[^>]*\s(src|href)=|url\(|@import|NaN|Infinity|undefined/, 'nothing from elsewhere, and no hole');
  t.match(page, /Content-Security-Policy" content="default-src 'none'; style-src 'sha256-/);
});

t.test('it holds the run, and the same run is the same bytes', async (t) => {
  t.strictSame(embedded(page), JSON.parse(JSON.stringify(run)));
  t.equal(reportOf(JSON.parse(JSON.stringify(run)) as Run), page);
});

t.test('series add up to what the figures say', async (t) => {
  const sum = (of: (series: Run['series'][number]) => number): number =>
    run.series.reduce((total, each) => total + of(each), 0);
  t.ok(sum(({ settled }) => settled) <= (run.figures['settled'] ?? 0) && sum(({ settled }) => settled) > 0);
  t.equal(sum(({ blocks }) => blocks) > 0, true);
  for (const { asset, settled } of run.assets)
    t.ok(sum(({ assets }) => assets[asset]?.settled ?? 0) <= Number(settled) + 1e-6, asset);
  const aed = run.series.map(({ assets }) => assets['AED']?.issued);
  t.strictSame([aed[0], aed.at(-1)], [100, 10_100], 'from what the opening gave to what was issued since');
  t.ok(run.series.some(({ waiting }) => waiting > 0) && run.series.some(({ nullified }) => nullified > 0));
});

t.test('each time at which a fault began has its map, and marks what it did', async (t) => {
  const moments = momentsOf(numbered(run));
  t.equal(page.split('aria-label="At ').length - 1, moments.length);
  for (const mark of ['link cut', 'link slow', 'link out', 'cross out', 'AE-1 lost', 'TH wrong clock', 'AE censors'])
    t.ok(page.includes(mark), mark);
  const latency = run.links.find(({ between }) => between.join() === 'HK,CN')?.latencyMs;
  t.ok(page.includes(`HK – CN: ${duration(latency as number)} one way`));
});

t.test('a run without faults, without published figures, of one place', async (t) => {
  const [seat] = run.seats;
  const calm: Run = { ...run, timeline: [], published: [], links: [], seats: [seat as Run['seats'][number]] };
  const page = reportOf(calm);
  t.match(page, 'No fault was done');
  t.notMatch(page, /When faults began|Beside published|NaN|Infinity|undefined/);
});

t.test('numbers as people read them', async (t) => {
  t.strictSame([254.4, 1_250, 59_990, 125_000, 12_000_000].map(duration), [
    '254 ms',
    '1.25 s',
    '59.99 s',
    '2 min 5 s',
    '3 h 20 min',
  ]);
  t.strictSame(['1234567.50', 999, -12_345].map(grouped), ['1\u202f234\u202f567.50', '999', '-12\u202f345']);
  t.strictSame([0.5, 950, 12_000, 1_500_000, 3e9].map(short), ['0.5', '950', '12 k', '1.5 M', '3 bn']);
  t.strictSame([counted(1, 'fault'), counted(3, 'fault')], ['1 fault', '3 faults']);
  t.equal(listed(['a', 'b', 'c']), 'a, b and c');
});
