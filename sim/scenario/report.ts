/**
 * A run as one page of HTML, made from the run alone: for who decides first, whether it held, what was done and what came
 * of it; for who wants to know more, charts with their tables, every figure, and the whole run as JSON.
 */
import { figureHtml, pageOf, tableOf } from '../report/page.js';
import { escaped } from '../report/shapes.js';
import { counted, duration, grouped, listed } from '../report/words.js';
import { liquidityFiguresOf, timeFiguresOf } from './charts.js';
import { faultMapsHtml, mapHtml } from './map.js';
import { MEANINGS } from './meanings.js';
import type { Expectation, Run } from './play.js';
import { RUN_STYLE } from './style.js';
import { timelineHtml } from './timeline.js';
import { waitWords } from './waits.js';

/** The whole page: the same run gives the same bytes. */
export function reportOf(run: Run): string {
  const { scenario, world, seed } = run;
  const body = `<header>
<p class="kind">Scenario · ${WORLDS[world]} · seed ${seed}</p>
<h1>${escaped(scenario.title)}</h1>
${verdictHtml(run)}
</header>
<main>
${[
  section('What was done, and what came of it', storyHtml(run)),
  section('What was expected', expectationsHtml(run)),
  section('What must hold in every run', checksHtml(run)),
  section('Faults', timelineHtml(run)),
  section(
    'Over time',
    timeFiguresOf(run)
      .map((figure) => figureHtml(figure, 3, false))
      .join('\n'),
  ),
  section('Settled, by asset', assetsHtml(run)),
  section('Liquidity', liquidityHtml(run)),
  section('Who waits for what', waitsHtml(run)),
  section('Jurisdictions and links', placesHtml(run)),
  section('Beside published figures', publishedHtml(run)),
  section('All figures', figuresHtml(run)),
].join('\n')}
</main>
<footer>
<p class="about">Scenario <code>${escaped(scenario.name)}</code>, ${WORLDS[world]}, seed ${seed}. This page needs no network. It holds the whole
run as JSON (<code>${run.format}</code>), in its element <code>#run</code>.</p>
</footer>
<script type="application/json" id="run">${jsonOf(run)}</script>`;
  return pageOf({
    title: `${scenario.title} – ${run.failed.length === 0 ? 'holds' : 'failed'}`,
    style: RUN_STYLE,
    body,
  });
}

const WAITS_SHOWN_MAX = 100;

const WORLDS = {
  virtual: 'virtual world',
  processes: 'processes of one machine',
  containers: 'containers',
} as const satisfies Record<Run['world'], string>;
const LINKS = {
  lan: 'links with nothing wrong',
  wan: 'links by the distance',
  poor: 'links by the distance, with loss and jitter',
} as const satisfies Record<Run['scenario']['profile'], string>;

const CLASSES = {
  wcbdc: 'central bank money',
  deposit: 'deposits',
  stablecoin: 'stablecoin',
  security: 'security',
  commodity: 'commodity',
} as const satisfies Record<Run['assets'][number]['class'], string>;

const section = (title: string, inner: string): string =>
  inner === '' ? '' : `<section>\n<h2>${title}</h2>\n${inner}\n</section>`;

/** No text in it can end the element that holds it. */
const jsonOf = (run: Run): string => JSON.stringify(run).replaceAll('<', '\\u003c');

/** A tick or a cross, with its word for who does not see it. */
const sign = (holds: boolean): string =>
  `<svg class="sign ${holds ? 'holds' : 'fails'}" viewBox="0 0 20 20" width="20" height="20" role="img" aria-label="${holds ? 'holds' : 'fails'}">` +
  (holds ? '<path d="M4 10.5 8.5 15 16.5 5.5"/>' : '<path d="M5 5 15 15M15 5 5 15"/>') +
  '</svg>';

function verdictHtml({ verdicts, expectations, failed, sabotage }: Run): string {
  const holds = failed.length === 0;
  const broken = [
    ...verdicts.flatMap(({ check, says, violations }) => (violations.length > 0 ? [[check, says] as const] : [])),
    ...expectations.flatMap(({ figure, why, holds }) => (holds ? [] : [[figure, why] as const])),
  ].map(([name, says]) => `<li><strong>${escaped(name)}</strong>: ${escaped(says)}</li>`);
  const [checks, met] = [
    verdicts.filter(({ violations }) => violations.length === 0).length,
    expectations.filter(({ holds }) => holds).length,
  ];
  const of = `${checks} of ${counted(verdicts.length, 'check')} and ${met} of ${counted(expectations.length, 'expectation')} hold.`;
  const spoiled = sabotage === null ? '' : `<p>${escaped(spoiledText(sabotage, failed))}</p>`;
  return `<div class="verdict ${holds ? 'holds' : 'fails'}">
${sign(holds)}
<div>
<p class="says">${holds ? 'It holds: every rule was kept, and all came as expected.' : 'It failed. This does not hold:'}</p>
${holds ? '' : `<ul>${broken.join('\n')}</ul>`}
<p>${of}</p>
${spoiled}
</div>
</div>`;
}

function spoiledText({ about, breaks }: NonNullable<Run['sabotage']>, failed: readonly string[]): string {
  const isSo = JSON.stringify([...new Set(breaks)].sort()) === JSON.stringify([...new Set(failed)].sort());
  return (
    `It was spoiled on purpose: ${about}. ${listed(breaks)} must fail then, and nothing else: ` +
    `${isSo ? 'so it is, which shows that the scenario can fail' : 'and that is not so'}.`
  );
}

function storyHtml(run: Run): string {
  const { scenario, seats, figures, lastedMs, timeline, banks } = run;
  const figure = (name: string): number => figures[name] ?? 0;
  const validators = seats.filter(({ isValidator }) => isValidator).length;
  const guests = seats.length - validators;
  const nodes = `${counted(validators, 'validator')}${guests === 0 ? '' : ` and ${counted(guests, 'node')} of banks`}`;
  const done =
    `${nodes} ran the ledger, with ${LINKS[scenario.profile]}. In ${duration(lastedMs)}, ${counted(banks, 'bank')} and the issuers sent ` +
    `${counted(figure('sent'), 'instruction')}; ${timeline.length === 0 ? 'no fault was' : `${counted(timeline.length, 'fault')} ${timeline.length === 1 ? 'was' : 'were'}`} done to the network meanwhile.`;
  const came =
    `${counted(figure('settled'), 'settlement')} became final: ${counted(figure('exchanges'), 'exchange or bundle', 'exchanges and bundles')}, all legs or none, ` +
    `${counted(figure('payments'), 'payment')}, ${counted(figure('issues'), 'issue')} and ${counted(figure('redemptions'), 'redemption')}. ${orNone(figure('lapsed'))} lapsed, ${orNone(figure('rejected'))} ended otherwise without effect, and ` +
    `${orNone(figure('refused'))} of the instructions ${figure('refused') === 1 ? 'was' : 'were'} turned away before.`;
  const time = (name: string): string => (figures[name] === undefined ? '–' : duration(figures[name]));
  const cards = [
    ['Settled', grouped(figure('settled'))],
    ['Final within, half of all', time('finalityP50Ms')],
    ['Final within, 99 of 100', time('finalityP99Ms')],
    ['Longest wait for a receipt', time('longestPauseMs')],
    ['Waiting at once, at most', grouped(figure('waitingMost'))],
    ['Blocks', grouped(figure('blocks'))],
  ] as const;
  return `<p>${escaped(scenario.about)}</p>
${scenario.source === null ? '' : `<p class="about">The case: ${escaped(scenario.source)}</p>`}
<dl class="cards">
${cards.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('\n')}
</dl>
<p>${escaped(done)}</p>
<p>${escaped(came)}</p>`;
}

const orNone = (count: number): string => (count === 0 ? 'none' : grouped(count));

/** A figure as it is, with its unit where its name has one. */
const shown = (figure: string, value: number): string => `${grouped(value)}${figure.endsWith('Ms') ? ' ms' : ''}`;

/** What was asked of a figure, as `at least 3`. */
function boundsOf({ figure, least, most }: Expectation): string {
  const of = (value: number): string => shown(figure, value);
  if (least !== null && most !== null) return least === most ? `exactly ${of(least)}` : `${of(least)} to ${of(most)}`;
  if (least !== null) return `at least ${of(least)}`;
  return most === null ? 'any' : `at most ${of(most)}`;
}

function expectationsHtml({ expectations }: Run): string {
  const items = expectations.map((each) => {
    const { figure, got, holds, why } = each;
    return `<li>${sign(holds)}<div><p>${escaped(why)}</p>
<p class="about"><code>${escaped(figure)}</code> was to be ${boundsOf(each)}, and was <strong>${got === null ? 'not there' : shown(figure, got)}</strong>${holds ? '' : ': it fails'}</p></div></li>`;
  });
  return `<ul class="verdicts">\n${items.join('\n')}\n</ul>`;
}

function checksHtml({ verdicts }: Run): string {
  const items = verdicts.map(({ check, says, judged, violations }) => {
    const found = violations.map((each) => `<li>${escaped(each)}</li>`).join('\n');
    return `<li>${sign(violations.length === 0)}<div><p><strong>${escaped(check)}</strong>: ${escaped(says)}</p>
<p class="about">${grouped(judged)} judged, ${counted(violations.length, 'violation')}</p>${found === '' ? '' : `\n<ul class="violations">${found}</ul>`}</div></li>`;
  });
  return `<p class="about">Judged after the run by what the nodes answered to those who asked; the blocks were executed once more by other code.</p>
<ul class="verdicts">\n${items.join('\n')}\n</ul>`;
}

function assetsHtml({ assets }: Run): string {
  const most = Math.max(1, ...assets.map(({ settlements }) => settlements));
  const rows = assets.map(({ asset, class: kind, issuer, settlements, settled, issued }) => {
    const share = Math.round((1_000 * settlements) / most) / 10;
    const bar = `<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="bar s0" width="${share}" height="8"/></svg>`;
    return `<tr><th scope="row">${escaped(asset)}<br><span class="about">${CLASSES[kind]} of ${escaped(issuer)}</span></th><td>${grouped(settlements)}${bar}</td><td>${grouped(settled)}</td><td>${grouped(issued)}</td></tr>`;
  });
  return `<p class="about">Settlements with a leg in the asset, what their legs moved, and what is in circulation at the end; in major units.</p>
<div class="scroll" role="region" tabindex="0" aria-label="Settled, by asset"><table class="assets">
<thead><tr><th scope="col">Asset</th><th scope="col">Settlements</th><th scope="col">Moved</th><th scope="col">In circulation</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></div>`;
}

function liquidityHtml(run: Run): string {
  const figures = liquidityFiguresOf(run);
  if (figures.length === 0) return '';
  return `<p class="about">What banks had in sum, and what waited for it, in major units of each asset.</p>
<div class="multiples">
${figures.map((figure) => figureHtml(figure, 3, false)).join('\n')}
</div>`;
}

function placesHtml(run: Run): string {
  const { seats, links } = run;
  const nodes = seats.map(({ name, title, isValidator, place, height }) => [
    name,
    title,
    isValidator ? 'validator' : 'follows',
    place,
    String(height),
  ]);
  const times = links.map(({ between, latencyMs }) => [
    between.join(' – '),
    latencyMs === null ? 'none' : `${latencyMs} ms`,
  ]);
  const maps = faultMapsHtml(run);
  return `<p class="about">Each time is one way, by the distance; + counts the nodes of banks beside the validator.</p>
<div class="chart">${mapHtml(run)}</div>
${maps === '' ? '' : `<h3>When faults began</h3>\n<p class="about">A cross is a node that is out, a ring one with something wrong; a broken line with a cross lets nothing pass, a dotted one is slow.</p>\n${maps}`}
<details><summary>Nodes and links as tables</summary>
${tableOf('Nodes', ['node', 'of', 'role', 'place', 'height at the end'], nodes)}
${times.length === 0 ? '' : tableOf('Links', ['between', 'one way'], times)}
</details>`;
}

/** What was left in queues when the business day was over; every payer still has its principal. */
function waitsHtml({ waits }: Run): string {
  if (waits.length === 0) return '';
  const rows = waits
    .slice(0, WAITS_SHOWN_MAX)
    .map(waitWords)
    .map(({ act, who, what }) => [act, who, what]);
  const more = waits.length - rows.length;
  return `<p class="about">When the business day was over ${counted(waits.length, 'settlement')} stood in queues. Who was to pay in them has what it was to pay.</p>
${tableOf('Who waits for what', ['act', 'who pays', 'waits for'], rows)}${more > 0 ? `<p class="about">And ${counted(more, 'more')}, in the JSON.</p>` : ''}`;
}

function publishedHtml({ published }: Run): string {
  if (published.length === 0) return '';
  const items = published.map(({ figure, value, ours, says, source }) => {
    const most = Math.max(value, ours ?? 0, Number.MIN_VALUE);
    const bar = (name: string, amount: number | null, number: number): string =>
      `<div><dt>${name}</dt><dd>${amount === null ? 'none' : shown(figure, amount)}<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="bar s${number}" width="${Math.round((1_000 * Math.max(0, amount ?? 0)) / most) / 10}" height="8"/></svg></dd></div>`;
    return `<li><p><strong>${escaped(MEANINGS[figure] ?? figure)}</strong> <code>${escaped(figure)}</code></p>
<dl>${bar('Here', ours, 0)}${bar('Published', value, 3)}</dl>
<p class="about">${escaped(says)} (${escaped(source)})</p></li>`;
  });
  return `<p class="about">Of other systems, other machines and other traffic: to see of what size such figures are. Nothing is expected of them.</p>
<ul class="published">\n${items.join('\n')}\n</ul>`;
}

function figuresHtml({ figures }: Run): string {
  const rows = Object.entries(figures).map(([name, value]) => [name, shown(name, value), MEANINGS[name] ?? '']);
  return `<p class="about">Those with a name before the point are of the acts of that name.</p>
<details><summary>${counted(rows.length, 'figure')}</summary>${tableOf('All figures', ['figure', 'value', 'what'], rows)}</details>`;
}
