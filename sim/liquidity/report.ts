/** The study as one page of HTML. */
import { figureHtml, pageOf } from '../report/page.js';
import { escaped } from '../report/shapes.js';
import type { Gap } from './exact.js';
import { figuresOf, PUBLISHED, percent } from './figures.js';
import { EXPLAINED, MECHANISMS } from './mechanisms.js';
import type { Study } from './study.js';
import { type Parameters, TICK_MINUTES, TICKS } from './traffic.js';

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
  const body = `<main>
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
${figuresOf(study, gap)
  .map((figure) => figureHtml(figure, 2, true))
  .join('\n')}
<h2>Published figures</h2>
<p class="about">Of other systems and other traffic, drawn only to show of what size such figures are.</p>
<ul>
${PUBLISHED.map(({ says, source }) => `<li>${escaped(says)} (${escaped(source)})</li>`).join('\n')}
</ul>
</main>`;
  return pageOf({ title: `Liquidity against delay, seed ${parameters.seed}`, body });
}
