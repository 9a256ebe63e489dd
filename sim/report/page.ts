/** A report as one file of HTML: it needs no network and no script, and can be read from a disk in ten years. */
import { createHash } from 'node:crypto';
import { type Chart, drawings, smallDrawing } from './chart.js';
import { escaped, sample } from './shapes.js';

/** A chart with the table of what it draws. */
export interface Figure {
  readonly chart: Chart;
  readonly about: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Whether it is small, and stands beside others. */
  readonly isSmall?: boolean;
}

const STYLE = `
:root { color-scheme: light dark; --paper: #ffffff; --panel: #f5f7f9; --ink: #1b1f24; --faint: #57606a; --rule: #d0d7de;
  --grid: #e6e9ed; --s0: #57606a; --s1: #a8530a; --s2: #0059b3; --s3: #0a7a4b; --reference: #a3195b; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #14181d; --panel: #1b2128; --ink: #e6e9ed; --faint: #a3adb8;
  --rule: #3a424c; --grid: #272e36; --s0: #a3adb8; --s1: #f0a35a; --s2: #6cb2ff; --s3: #4fcf95; --reference: #ff8fbf; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 54rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; }
h2, h3 { font-size: 1.15rem; line-height: 1.3; margin: 0 0 .25rem; }
p { margin: .25rem 0 .75rem; }
.about { color: var(--faint); font-size: .9rem; }
code { font: .85rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: .75rem 0; }
dt { font-weight: 600; } dd { margin: 0; }
figure { margin: 2.5rem 0 0; border-top: 1px solid var(--rule); padding-top: 1.25rem; break-inside: avoid; }
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
${[0, 1, 2, 3].map((at) => `.line.s${at} { stroke: var(--s${at}); } .mark.s${at}, .bar.s${at} { fill: var(--s${at}); }`).join('\n')}
details { margin-top: .5rem; } summary { cursor: pointer; font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; margin-top: .5rem; }
th, td { border-bottom: 1px solid var(--rule); padding: .2rem .8rem .2rem 0; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
@media (max-width: 640px) { .narrow { display: block; } .wide { display: none; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; }
  table { font-size: .78rem; } th, td { padding-right: .5rem; } }
@media print { body { max-width: none; padding: 0; } }
`;

/** The whole page; `style` stands after what all reports have. Nothing can be loaded or run from it. */
export function pageOf({
  title,
  style = '',
  body,
}: {
  readonly title: string;
  readonly style?: string;
  readonly body: string;
}): string {
  const all = STYLE + style;
  const hash = createHash('sha256').update(all).digest('base64');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${all}</style>
</head>
<body>
${body}
</body>
</html>
`;
}

/** A table that can be moved within the page where it is wider. */
export function tableOf(label: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const headings = head.map((cell) => `<th scope="col">${escaped(cell)}</th>`).join('');
  const lines = rows.map((row) => `<tr>${row.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`).join('\n');
  return `<div class="scroll" role="region" tabindex="0" aria-label="${escaped(label)}"><table>
<thead><tr>${headings}</tr></thead>
<tbody>
${lines}
</tbody></table></div>`;
}

/** With its heading, `level` deep, its legend and its table, which is open at once where `isOpen`. */
export function figureHtml({ chart, about, head, rows, isSmall }: Figure, level: 2 | 3, isOpen: boolean): string {
  const legend = chart.series.map((each, at) => {
    const isColumn = 'shape' in each && each.shape === 'columns';
    return `<li>${sample(at, isColumn)}${escaped(each.name)}</li>`;
  });
  return `<figure>
<h${level}>${escaped(chart.title)}</h${level}>
<p class="about">${escaped(about)}</p>
<ul class="legend">${legend.join('')}</ul>
${isSmall === true ? smallDrawing(chart) : drawings(chart)}
<details${isOpen ? ' open' : ''}><summary>As a table</summary>${tableOf(`${chart.title}, as a table`, head, rows)}</details>
</figure>`;
}
