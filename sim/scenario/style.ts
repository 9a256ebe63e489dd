/** What the page of a run looks like, after what all reports have. */
export const RUN_STYLE = `
:root { --s0: #0059b3; --s1: #a8530a; --s2: #0a7a4b; --s3: #57606a; --good: #0a6b3f; --good-paper: #e9f6ef;
  --bad: #b3201f; --bad-paper: #fdeeee; --band: #d9770622; --band-edge: #b45309; --fault: #b45309; --on-fault: #ffffff; }
@media screen and (prefers-color-scheme: dark) { :root { --s0: #6cb2ff; --s1: #f0a35a; --s2: #4fcf95; --s3: #a3adb8; --good: #5fd6a0;
  --good-paper: #12291f; --bad: #ff8f8a; --bad-paper: #331a1b; --band: #f0a35a2e; --band-edge: #f0a35a; --fault: #f0a35a;
  --on-fault: #1b1206; } }
body { max-width: 58rem; }
h1 { font-size: 1.9rem; margin-bottom: 1rem; text-wrap: balance; }
h2 { font-size: 1.3rem; margin: 0 0 .6rem; }
h3 { margin-top: 1.5rem; } figure h3 { margin-top: 0; }
section { margin-top: 2.75rem; border-top: 2px solid var(--rule); padding-top: 1.1rem; }
.kind { margin: 0 0 .4rem; color: var(--faint); font-size: .85rem; }
.verdict { display: flex; gap: .9rem; padding: 1rem 1.1rem; border-radius: 8px; border: 1px solid; border-left-width: 6px; }
.verdict.holds { background: var(--good-paper); border-color: var(--good); }
.verdict.fails { background: var(--bad-paper); border-color: var(--bad); }
.verdict ul { margin: .4rem 0; padding-left: 1.1rem; }
.verdict p { margin: 0; } .verdict p + p { margin-top: .3rem; }
.verdict .says { font-size: 1.2rem; font-weight: 600; line-height: 1.35; }
.sign { flex: none; fill: none; stroke-width: 3; stroke-linecap: round; stroke-linejoin: round; margin-top: .15rem; }
.verdict .sign { width: 30px; height: 30px; margin-top: 0; }
.sign.holds { stroke: var(--good); } .sign.fails { stroke: var(--bad); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.2rem, 1fr)); gap: .6rem; margin: 1.1rem 0; }
.cards div { background: var(--panel); border: 1px solid var(--rule); border-radius: 6px; padding: .6rem .75rem; display: flex;
  flex-direction: column; justify-content: space-between; }
.cards dt { font-weight: 400; font-size: .82rem; line-height: 1.3; color: var(--faint); }
.cards dd { font-size: 1.35rem; font-weight: 600; margin: .2rem 0 0; font-variant-numeric: tabular-nums; }
.verdicts { list-style: none; margin: 0; padding: 0; }
.verdicts > li { display: flex; gap: .7rem; padding: .5rem 0; border-bottom: 1px solid var(--rule); break-inside: avoid; }
.verdicts > li:last-child { border-bottom: 0; }
.verdicts div { min-width: 0; } .verdicts p { margin: 0; }
.verdicts p:first-child::first-letter { text-transform: uppercase; }
.violations { margin: .4rem 0 0; padding-left: 1.1rem; color: var(--bad); font-size: .9rem; }
.faults { margin: 1rem 0 0; padding-left: 2rem; } .faults li { margin-bottom: .5rem; }
.faults li::marker { font-weight: 700; color: var(--fault); }
.chart svg { display: block; width: 100%; height: auto; }
figure { margin-top: 1.6rem; border-top: 0; padding-top: 0; }
.multiples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); gap: .5rem 1.5rem; }
.multiples figure { min-width: 0; }
.multiples svg:not(.sample) { max-width: 27rem; }
.band-fill { fill: var(--band); } .band { fill: transparent; stroke: var(--band-edge); stroke-dasharray: 2 2; stroke-width: .6; }
svg text.band-label { font-size: 11px; font-weight: 700; fill: var(--fault); }
.fault { fill: var(--fault); } svg text.fault-label { fill: var(--on-fault); font-weight: 700; }
.map { border: 1px solid var(--rule); border-radius: 6px; }
.sea { fill: var(--panel); }
svg text.degrees { fill: var(--faint); font-size: 10px; paint-order: stroke; stroke: var(--panel); stroke-width: 3px; }
svg text.place { font-weight: 600; paint-order: stroke; stroke: var(--panel); stroke-width: 4px; stroke-linejoin: round; }
svg text.latency { font-size: 11px; paint-order: stroke; stroke: var(--panel); stroke-width: 5px; stroke-linejoin: round; }
.leader { stroke: var(--faint); stroke-width: .8; }
.link { fill: none; stroke: var(--s3); stroke-width: 1.2; }
.link.cut { stroke: var(--bad); stroke-width: 1.8; stroke-dasharray: 6 5; }
.link.slow { stroke: var(--fault); stroke-width: 2.4; stroke-dasharray: 1.5 4; stroke-linecap: round; }
.link.out { stroke: var(--rule); stroke-dasharray: 2 4; }
.cross { fill: none; stroke-linecap: round; stroke: var(--bad); stroke-width: 2.6; }
.spot { stroke-width: 2.2; } .spot.well { fill: var(--s0); stroke: var(--panel); }
.spot.wrong { fill: var(--panel); stroke: var(--fault); }
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15.5rem), 1fr)); gap: 1rem; list-style: none;
  margin: .75rem 0; padding: 0; }
.maps li { break-inside: avoid; } .maps p { font-size: .85rem; line-height: 1.4; margin: .35rem 0 0; }
.maps svg { display: block; width: 100%; height: auto; }
.assets { width: 100%; } .assets th[scope=row] { font-weight: 600; } .assets .about { font-weight: 400; font-size: .8rem; }
.assets td { vertical-align: top; }
.share { display: block; width: 100%; min-width: 4rem; height: 6px; margin-top: .35rem; background: var(--grid); border-radius: 3px; }
.bar.s0 { fill: var(--s0); }
.published { list-style: none; margin: 0; padding: 0; } .published li { padding: .7rem 0; border-bottom: 1px solid var(--rule); }
.published dl { grid-template-columns: 1fr 1fr; gap: .25rem 1.5rem; margin: .4rem 0; } .published p { margin: 0; }
footer { margin-top: 3rem; border-top: 2px solid var(--rule); padding-top: .75rem; }
@media (max-width: 640px) { h1 { font-size: 1.5rem; } .published dl { grid-template-columns: 1fr; } }
@media print { section { break-inside: auto; } .verdict, .cards div { break-inside: avoid; } }
`;
