/** The validation plan's own table of acceptance (V4): each criterion, met or not, and by which claims. */
import { short } from "../plot/verdicts.ts";
import type { Claim } from "./claim.ts";
import { renderInterval } from "./claim_text.ts";

export interface PlanRow {
  readonly criterion: string;
  readonly asked: string;
  readonly found: string;
  readonly isMet: boolean;
  /** The claims that are out, where their reasons stand. */
  readonly out: readonly string[];
}

interface Criterion {
  readonly criterion: string;
  readonly asked: string;
  readonly claims: readonly string[];
}

const CRITERIA: readonly Criterion[] = [
  {
    criterion: "sign of each (program, platform) effect, dead zone 3 %",
    asked: "90 % of the points or more",
    claims: ["V4-sign"],
  },
  {
    criterion: "rank of the programs by gain",
    asked: "Spearman's correlation 0.8 or more",
    claims: ["V4-rank"],
  },
  {
    criterion: "normalised time per point, median error",
    asked: "10 % or less",
    claims: ["V4-time-median"],
  },
  { criterion: "the same, 90th percentile", asked: "25 % or less", claims: ["V4-time-p90"] },
  { criterion: "the same, largest", asked: "40 % or less", claims: ["V4-time-max"] },
  {
    criterion: "range of VCPU-Bal's gain, Xen and KVM",
    asked: "each end within 10 points",
    claims: ["V-B28.min", "V-B28.max", "V-B29.min", "V-B29.max"],
  },
  {
    criterion: "mean gain (the paper's means)",
    asked: "within 7 points",
    claims: ["V-B7", "V-B9", "V-B15"],
  },
  {
    criterion: "inflation of kernel time",
    asked: "within a factor 1.5, all of them",
    claims: ["V4-kernel"],
  },
  {
    criterion: "counts of interrupts where given",
    asked: "within a factor 3",
    claims: ["V-V17", "V-V18"],
  },
  {
    criterion: "best number of vCPUs per scenario",
    asked: "within 1 in 80 % or more",
    claims: ["V4-best-count"],
  },
  {
    criterion: "FlexCore, first predicted before it was compared; the model has changed since: mean and ends",
    asked: "mean within 10 points, ends within 12",
    claims: ["V-F1", "V-F2.min", "V-F2.max"],
  },
  {
    criterion: "hold-out with hotplug paid, against the same model's static form",
    asked: "below it",
    claims: ["V4-below-oracle"],
  },
];

/** Empty when the report has not all the claims: parts of a figure say nothing of the whole. */
export function planSummary(claims: readonly Claim[]): PlanRow[] {
  const byId = new Map(claims.map((claim) => [claim.id, claim]));
  if (CRITERIA.some((each) => each.claims.some((id) => !byId.has(id)))) return [];
  return CRITERIA.map(({ criterion, asked, claims: ids }): PlanRow => {
    const own = ids.map((id) => byId.get(id)!);
    const out = own.filter(({ inside }) => inside !== true).map(({ id }) => id);
    return { criterion, asked, found: own.map(renderFound).join("; "), isMet: out.length === 0, out };
  });
}

function renderFound(claim: Claim): string {
  const interval = renderInterval(claim);
  const range = interval === "" ? "" : ` (${interval})`;
  return `${claim.id}: ${short(claim.predicted)}${range}`;
}

/** "met", or "not met: see V-B28.min" */
export function renderMet({ isMet, out }: PlanRow): string {
  return isMet ? "met" : `not met: ${out.join(", ")}`;
}
