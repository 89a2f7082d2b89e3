/** Runs the probes of those claims that are out of their bands, and says of each what came of it. */
import type { Claim } from "./claim.ts";
import { judge } from "./claim.ts";
import { type CollectOptions, collect, type Group } from "./collect.ts";
import type { Experiment } from "./experiment.ts";
import { merged } from "./merged.ts";
import type { Setting } from "./platforms.ts";
import { outcomeOf, type Probe, probed, type Tested } from "./probe.ts";

interface Judged {
  readonly experiment: Experiment;
  readonly claims: readonly Claim[];
}

interface How {
  readonly probes: readonly Probe[];
  readonly setting: Setting;
  readonly how: CollectOptions;
}

/** By the id of the claim: the outcomes, in the order of the probes. All probes' runs are made together, so that no worker waits. */
export async function testReasons(
  judged: readonly Judged[],
  { probes, setting, how }: How,
): Promise<ReadonlyMap<string, readonly Tested[]>> {
  const jobs = probes.flatMap((probe) =>
    judged.flatMap(({ experiment, claims }) => {
      const out = claims.filter(({ id, inside }) => inside === false && probe.claims.includes(id));
      return out.length === 0
        ? []
        : [{ probe, experiment, out, prefix: `${probe.id}:${experiment.figure}:` }];
    }),
  );
  const groups = jobs.flatMap(({ probe, experiment, prefix }) =>
    merged(probed(probe, experiment.groups(setting))).map((group) => named(prefix, group)),
  );
  // A verdict needs no narrow interval, and a wide one makes it harder to confirm anything.
  const precision = { ...how.precision, cap: how.precision.pilot };
  const results = await collect(groups, { ...how, precision });
  const all = new Map<string, Tested[]>();
  for (const { probe, experiment, out, prefix } of jobs) {
    const { found } = experiment.show(results.under(prefix), setting);
    for (const claim of out) {
      const after = judge(claim, found[claim.id] ?? { estimate: null });
      const { predicted, ci95 } = after;
      const tested = { probe: probe.id, with: probe.with, predicted, ci95, outcome: outcomeOf(claim, after) };
      all.set(claim.id, [...(all.get(claim.id) ?? []), tested]);
    }
  }
  return all;
}

/** The same comparisons, apart from those of other probes. */
function named(prefix: string, { cells, pairs }: Group): Group {
  return {
    cells: cells.map((each) => ({ ...each, id: `${prefix}${each.id}` })),
    pairs: pairs.map(([a, b]) => [`${prefix}${a}`, `${prefix}${b}`] as const),
  };
}
