/**
 * A probe tests an explanation: it changes the one thing that the explanation blames, in the cells of the experiment that
 * the claim belongs to, and is run like them. What comes out is never the prediction; it says whether the reason holds.
 */
import { parse } from "yaml";
import { z } from "zod";
import { override } from "../sweep/override.ts";
import { type Cell, cell } from "./cell.ts";
import type { Claim } from "./claim.ts";
import type { Group } from "./collect.ts";

export interface Probe {
  readonly id: string;
  /** The claims that it explains; their experiments are run with the change. */
  readonly claims: readonly string[];
  /** What is changed, to stand after "with". */
  readonly with: string;
  readonly changes: readonly Change[];
}

export interface Change {
  /** The ids of the cells that are changed: "streamcluster/kvm/*"; all cells of the experiment when absent. */
  readonly cells?: string;
  /** Fields of the scenario, as in a study file: `machine.costs.ipiSend: 0`. A domain that a cell has not is left out there. */
  readonly set: Readonly<Record<string, unknown>>;
}

const FILE: z.ZodType<{ readonly probes: readonly Probe[] }> = z.strictObject({
  probes: z.array(
    z.strictObject({
      id: z.string(),
      claims: z.array(z.string()).min(1),
      with: z.string(),
      changes: z
        .array(z.strictObject({ cells: z.string().exactOptional(), set: z.record(z.string(), z.unknown()) }))
        .min(1),
    }),
  ),
});

/** studies/probes.yaml */
export function parseProbes(text: string): readonly Probe[] {
  return FILE.parse(parse(text)).probes;
}

/** The groups with the probe's change. Cells that it leaves as they are keep their runs. Throws when it changes nothing. */
export function probed(probe: Probe, groups: readonly Group[]): Group[] {
  const changed = new Set<string>();
  const result = groups.map(({ cells, pairs }) => ({
    pairs,
    cells: cells.map((own) => {
      const other = changedCell(probe, own);
      if (other === null) return own;
      changed.add(own.id);
      return other;
    }),
  }));
  if (changed.size === 0) throw new Error(`The probe ${probe.id} changes no cell of its experiment`);
  return result;
}

function changedCell({ id, changes }: Probe, own: Cell): Cell | null {
  const world = structuredClone(own.written) as Record<string, unknown>;
  let didChange = false;
  for (const { cells, set } of changes) {
    if (cells !== undefined && !matches(cells, own.id)) continue;
    for (const [field, value] of Object.entries(set)) {
      const done = override(world, field, structuredClone(value));
      if ("places" in done) didChange = true;
      else if (!field.startsWith("domains."))
        throw new Error(`The probe ${id} in ${own.id}: ${done.blocked}`);
    }
  }
  return didChange ? cell(own.id, world) : null;
}

/** `*` stands for anything, `|` between alternatives. */
function matches(pattern: string, id: string): boolean {
  return pattern.split("|").some((one) => {
    const parts = one.split("*").map((part) => part.replaceAll(/[$()+.?[\\\]^{|}]/g, "\\$&"));
    return new RegExp(`^${parts.join(".*")}$`).test(id);
  });
}

/**
 * What a probe says of the reason. `confirmed`: with the change the whole interval lies in the band. `partly`: at least a
 * quarter of what sticks out of it is gone. `refuted`: less than that.
 */
export type Outcome = "confirmed" | "partly" | "refuted";

export interface Tested {
  readonly probe: string;
  readonly with: string;
  readonly predicted: number | null;
  readonly ci95: Claim["ci95"];
  readonly outcome: Outcome;
}

export function outcomeOf(before: Claim, after: Claim): Outcome {
  if (after.inside === true) return "confirmed";
  return outside(after) <= PARTLY * outside(before) ? "partly" : "refuted";
}

const PARTLY = 0.75;

/** How far the interval sticks out of the band, at the end that does so the most. */
function outside({ predicted, ci95, band: [low, high] }: Claim): number {
  if (predicted === null) return Number.POSITIVE_INFINITY;
  const [from, to] = ci95 ?? [predicted, predicted];
  return Math.max(0, (low ?? Number.NEGATIVE_INFINITY) - from, to - (high ?? Number.POSITIVE_INFINITY));
}
