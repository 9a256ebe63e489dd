/** The study as one page of HTML: it needs no network and no script, and can be read from a disk in ten years. */
import { drawings, escaped, sample } from './chart.js';
import type { Gap } from './exact.js';
import { type Figure, figuresOf, PUBLISHED, percent } from './figures.js';
import { EXPLAINED, MECHANISMS } from './mechanisms.js';
import type { Study } from './study.js';
import { type Parameters, TICK_MINUTES, TICKS } from './traffic.js';

const STYLE = `
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1f24; --faint: #57606a; --rule: #d0d7de; --grid: #e6e9ed;
  --s0: #57606a; --s1: #a8530a; --s2: #0059b3; --s3: #0a7a4b; --reference: #a3195b; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e6e9ed; --faint: #a3adb8; --rule: #3a424c;
  --grid: #272e36; --s0: #a3adb8; --s1: #f0a35a; --s2: #6cb2ff; --s3: #4fcf95; --reference: #ff8fbf; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 54rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 0 0 .25rem; }
p { margin: .25rem 0 .75rem; }
.about { color: var(--faint); font-size: .9rem; }
code { font: .85rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: .75rem 0; }
dt { font-weight: 600; } dd { margin: 0; }
figure { margin: 2.5rem 0 0; border-top: 1px solid var(--rule); padding-top: 1.25rem; }
figure svg { display: block; width: 100%; height: auto; }
.narrow { display: none; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; list-style: none; margin: .25rem 0 .5rem; padding: 0; font-size: .9rem; }
.legend .sample { display: inline-block; width: 34px; height: 12px; margin-right: .35rem; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg text.reference-label { fill: var(--reference); paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
.grid { stroke: var(--grid); } .axis { stroke: var(--faint); }
.reference { stroke: var(--reference); stroke-dasharray: 5 4; stroke-width: 1.5; }
.line { fill: none; stroke-width: 2; }
.mark { stroke: var(--paper); stroke-width: 1; }
${MECHANISMS.map((_, at) => `.line.s${at} { stroke: var(--s${at}); } .mark.s${at}, .bar.s${at} { fill: var(--s${at}); }`).join('\n')}
details { margin-top: .5rem; } summary { cursor: pointer; font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; margin-top: .5rem; }
th, td { border-bottom: 1px solid var(--rule); padding: .2rem .8rem .2rem 0; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
@media (max-width: 640px) { .narrow { display: block; } .wide { display: none; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; }
  table { font-size: .78rem; } th, td { padding-right: .5rem; } }
`;

/** The command that makes the same study again. */
export const commandOf = (parameters: Parameters, isQuick: boolean): string => {
  const { seed, banks, currencies, instructions, pvpPercent, valueDatedPercent, urgentPercent, highPercent, order } =
    parameters;
  return (
    `npm run sim -- liquidity${isQuick ? ' --quick' : ''} --seed ${seed} --banks ${banks} --currencies ${currencies} ` +
    `--instructions ${instructions} --pvp ${pvpPercent} --value-dated ${valueDatedPercent} --urgent ${urgentPercent} ` +
    `--high ${highPercent} --order ${order}`
  );
};

/** The whole page. */
export function reportOf(study: Study, gap: Gap, command: string): string {
  const { parameters, worth, grossNeed, lowerBound } = study;
  const share = (amount: string): string => percent(Number(amount) / Number(worth));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Liquidity against delay, seed ${parameters.seed}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Liquidity against delay</h1>
<p>One day of made-up interbank traffic, settled with more or less liquidity under four mechanisms:
${parameters.instructions} instructions between ${parameters.banks} banks in ${parameters.currencies} currencies over
${(TICKS * TICK_MINUTES) / 60} hours, ${parameters.pvpPercent} % of them PvP, ${parameters.valueDatedPercent} % value-dated,
${parameters.urgentPercent} % urgent and ${parameters.highPercent} % high where they are small; order ${parameters.order}.</p>
<p>Seed ${parameters.seed}. The same again: <code>${escaped(command)}</code></p>
<dl>
${MECHANISMS.map((name) => `<dt>${name}</dt><dd>${escaped(EXPLAINED[name])}</dd>`).join('\n')}
<dt>gross need</dt><dd>with which all settles gross the moment it is due: ${share(grossNeed)} of the value</dd>
<dt>lower bound</dt><dd>what accounts pay over the day beyond what they receive, without which not all can settle: ${share(lowerBound)} of the value</dd>
</dl>
<p>Over a day a mechanism that settles more at one moment may settle less later, since what it has spent is gone; curves may
cross and need not fall everywhere. One seed is one day: run others before you believe a difference.</p>
${figuresOf(study, gap).map(figureHtml).join('\n')}
<h2>Published figures</h2>
<p class="about">Of other systems and other traffic, drawn only to show of what size such figures are.</p>
<ul>
${PUBLISHED.map(({ says, source }) => `<li>${escaped(says)} (${escaped(source)})</li>`).join('\n')}
</ul>
</body>
</html>
`;
}

function figureHtml({ chart, about, head, rows }: Figure): string {
  const legend = chart.series.map(({ name }, at) => `<li>${sample(at)}${escaped(name)}</li>`).join('');
  const headings = head.map((cell) => `<th scope="col">${escaped(cell)}</th>`).join('');
  const lines = rows.map((row) => `<tr>${row.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`).join('\n');
  return `<figure>
<h2>${escaped(chart.title)}</h2>
<p class="about">${escaped(about)}</p>
<ul class="legend">${legend}</ul>
${drawings(chart)}
<details open><summary>As a table</summary><div class="scroll"><table>
<thead><tr>${headings}</tr></thead>
<tbody>
${lines}
</tbody></table></div></details>
</figure>`;
}
