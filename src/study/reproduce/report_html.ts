/** The report as one HTML page without scripts: reads on a phone, prints on paper, opens in twenty years. */

import type { Plot } from "../plot/plot.ts";
import { sensitivityPlots } from "../plot/sensitivity_plots.ts";
import { escaped } from "../plot/svg.ts";
import { short } from "../plot/verdicts.ts";
import type { Sensitivity } from "../sensitivity/sensitivity.ts";
import type { BandFile } from "./bands.ts";
import type { Claim } from "./claim.ts";
import { renderBand, renderInterval, renderTested, score } from "./claim_text.ts";
import { planSummary, renderMet } from "./plan_summary.ts";
import type { Report, Section } from "./reproduce.ts";

export interface About {
  readonly version: string;
  readonly bands: BandFile;
  /** Null when nobody has asked yet. */
  readonly sensitivity: Sensitivity | null;
}

export function reportHtml(report: Report, about: About): string {
  const { sections, claims, mode } = report;
  const { bands, version, sensitivity } = about;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>vbal: the evaluation, reproduced</title>
<style>${CSS}</style>
</head>
<body>
<header>
<h1>The evaluation of VCPU-Bal, reproduced by simulation</h1>
<p class="score">${escaped(score(claims))}</p>
<p>Every claim has an acceptance band that was written down before it was first computed, for the figures before any parameter
was fitted (studies/bands.yaml). A claim is met when the whole 95 % interval of the prediction lies in the band. What is marked
<em>calibrated</em> was fitted on single VMs and is no evidence; an <em>input</em> is a constant of the model. vbal
${escaped(version)}, ${mode} mode${mode === "quick" ? ": a first look; the full mode has narrower intervals" : ""}.</p>
<nav>${sections.map(({ experiment }) => `<a href="#${idOf(experiment.figure)}">${escaped(experiment.title)}</a>`).join("")}</nav>
</header>
${planHtml(claims)}
${sections.map(sectionHtml).join("\n")}
${sensitivity === null ? "" : sensitivityHtml(sensitivity)}
${sections.length > 1 ? outside(claims) : ""}
<section>
<h2>Published numbers that the model does not speak of</h2>
<div class="wide"><table><thead><tr><th>id</th><th>what</th><th>published</th><th>why not</th></tr></thead><tbody>
${bands.unmodelled.map(({ id, what, published, why }) => `<tr><td>${escaped(id)}</td><td>${escaped(what)}</td><td>${escaped(published)}</td><td>${escaped(why)}</td></tr>`).join("\n")}
</tbody></table></div>
</section>
</body>
</html>
`;
}

function sensitivityHtml(sensitivity: Sensitivity): string {
  return `<section id="sensitivity">
<h2>On what the gain hangs</h2>
<p>What VCPU-Bal takes off the execution time of swaptions, streamcluster and histogram on Xen, in percent, when one constant
at a time is half or twice what we use; and Sobol's indices of those that matter most by Morris' screening. A point is two replications: below about two points
of the tornado is noise, and Sobol's intervals are as wide as they are drawn.</p>
<div class="plots">${figuresHtml(sensitivityPlots(sensitivity))}</div>
</section>`;
}

function figuresHtml(plots: readonly Plot[]): string {
  return plots
    .map(
      ({ name, svg }) =>
        `<figure id="${escaped(name)}">${svg}<figcaption><a href="${escaped(name)}.csv">numbers</a> · <a href="${escaped(name)}.png">PNG</a></figcaption></figure>`,
    )
    .join("\n");
}

function sectionHtml({ experiment, claims, plots }: Section): string {
  return `<section id="${idOf(experiment.figure)}">
<h2>${escaped(experiment.title)}</h2>
<p>${escaped(experiment.text)}</p>
<div class="plots">${figuresHtml(plots)}</div>
<details><summary>${escaped(score(claims))}: the numbers</summary>
<div class="wide"><table>
<thead><tr>${TITLES.map((title) => `<th>${title}</th>`).join("")}</tr></thead><tbody>
${claims.map(rowHtml).join("\n")}
</tbody></table></div></details>
</section>`;
}

const TITLES = ["id", "claim", "published", "predicted", "95 % interval", "band", "verdict", "note"];

function rowHtml(claim: Claim): string {
  const { id, what, unit, published, predicted, role, note } = claim;
  const cells = [
    id,
    `${what} (${unit})`,
    String(published),
    short(predicted),
    renderInterval(claim),
    renderBand(claim),
  ];
  return `<tr>${cells.map((text) => `<td>${escaped(text)}</td>`).join("")}${verdictCell(claim)}<td class="why">${escaped(role === "prediction" ? note : `${role}. ${note}`)}</td></tr>`;
}

function verdictCell({ inside }: Claim): string {
  if (inside === null) return "<td>input</td>";
  return inside ? '<td class="in">in</td>' : '<td class="out">out</td>';
}

function outside(claims: readonly Claim[]): string {
  const out = claims.filter(({ inside }) => inside === false);
  return `<section id="outside">
<h2>What falls out of its band</h2>
<p>A reason is tested where a probe changes the one thing that it blames and runs the cell again (studies/probes.yaml):
<em>confirmed</em> when the whole interval then lies in the band, <em>partly</em> when at least a quarter of what stuck out
is gone, <em>refuted</em> otherwise.</p>
<div class="wide"><table><thead><tr><th>id</th><th>claim</th><th>published</th><th>predicted</th><th>band</th><th>likely why</th><th>tested</th></tr></thead><tbody>
${out
  .map(
    (claim) =>
      `<tr><td>${escaped(claim.id)}</td><td>${escaped(claim.what)}</td><td>${escaped(String(claim.published))}</td><td class="out">${short(claim.predicted)}</td><td>${escaped(renderBand(claim))}</td><td class="why">${escaped(claim.note)}</td><td class="why">${escaped(renderTested(claim))}</td></tr>`,
  )
  .join("\n")}
</tbody></table></div>
</section>`;
}

/** The acceptance table of the validation plan, when all its claims are there. */
function planHtml(claims: readonly Claim[]): string {
  const rows = planSummary(claims);
  if (rows.length === 0) return "";
  return `<section id="plan">
<h2>The plan's criteria</h2>
<div class="wide"><table><thead><tr><th>criterion</th><th>asked</th><th>found</th><th>verdict</th></tr></thead><tbody>
${rows.map((row) => `<tr><td>${escaped(row.criterion)}</td><td>${escaped(row.asked)}</td><td>${escaped(row.found)}</td><td class="${row.isMet ? "in" : "out"}">${escaped(renderMet(row))}</td></tr>`).join("\n")}
</tbody></table></div>
</section>`;
}

function idOf(figure: string): string {
  return `e-${figure}`;
}

const CSS = `
:root { color-scheme: light; }
body { font: 16px/1.5 "DejaVu Sans", Verdana, sans-serif; color: #1b1f24; background: #fff; margin: 0 auto; max-width: 62rem; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2.2rem; border-top: 1px solid #dfe3e8; padding-top: 1rem; }
.score { font-size: 1.15rem; font-weight: bold; }
nav { display: flex; flex-wrap: wrap; gap: .3rem .9rem; font-size: .85rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 1rem; align-items: start; }
figure { margin: 0; border: 1px solid #dfe3e8; break-inside: avoid; }
figure svg { display: block; height: auto; } figcaption { font-size: .75rem; padding: .2rem .6rem; color: #5b6570; }
.wide { overflow-x: auto; } .why { min-width: 11rem; }
td:first-child { white-space: nowrap; } td:nth-child(2) { min-width: 9rem; }
table { border-collapse: collapse; font-size: .8rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-bottom: 1px solid #dfe3e8; }
.in { color: #1d7a4f; font-weight: bold; } .out { color: #b3261e; font-weight: bold; }
summary { cursor: pointer; font-size: .9rem; margin: .6rem 0; } a { color: #1f5f99; }
@media print {
details::details-content { display: block; content-visibility: visible; }
table { font-size: 7.5pt; } .why, td:nth-child(2) { min-width: 0; } tr { break-inside: avoid; }
body { max-width: none; font-size: 10pt; } nav { display: none; } details { display: block; } .plots { grid-template-columns: 1fr 1fr; } }
`;
