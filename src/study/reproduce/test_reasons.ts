/** Runs the probes of those claims that are out of their bands, and says of each what came of it. */
import type { Claim } from "./claim.ts";
import { judge } from "./claim.ts";
import { type CollectOptions, collect } from "./collect.ts";
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

/** By the id of the claim: the outcomes, in the order of the probes. */
export async function testReasons(
  judged: readonly Judged[],
  { probes, setting, how }: How,
): Promise<ReadonlyMap<string, readonly Tested[]>> {
  const all = new Map<string, Tested[]>();
  for (const probe of probes) {
    for (const { experiment, claims } of judged) {
      const out = claims.filter(({ id, inside }) => inside === false && probe.claims.includes(id));
      if (out.length === 0) continue;
      const results = await collect(merged(probed(probe, experiment.groups(setting))), how);
      const { found } = experiment.show(results, setting);
      for (const claim of out) {
        const after = judge(claim, found[claim.id] ?? { estimate: null });
        const { predicted, ci95 } = after;
        const tested = {
          probe: probe.id,
          with: probe.with,
          predicted,
          ci95,
          outcome: outcomeOf(claim, after),
        };
        all.set(claim.id, [...(all.get(claim.id) ?? []), tested]);
      }
    }
  }
  return all;
}
