/** Figure 2: two programs on one VM that grows from 1 to 12 cores. Calibration knows this figure's shape. */
import { curves } from "../../plot/curves.ts";
import { mapped, meanEstimate, pairedRatio } from "../../statistics/estimate.ts";
import type { Finding } from "../claim.ts";
import type { Experiment } from "../experiment.ts";
import { alone, aloneId, PHOENIX, PLATFORMS, type Platform, type Program } from "../platforms.ts";
import type { Results } from "../results.ts";

export const FIGURE2_CORES = [1, 2, 3, 4, 5, 6, 8, 10, 12] as const;

export const figure2: Experiment = {
  figure: "2",
  title: "Figure 2. Scalability of histogram and wordcount",
  text: "Both programs fault in a mapped file page by page, under the kernel's memory locks: beyond three cores, more cores do not help, and twelve are slower than six. The work of this figure is calibrated, so that it is no evidence. A VM alone meets little host scheduling: both hosts give nearly the same curves.",
  groups: (setting) =>
    PLATFORMS.flatMap((platform) =>
      PHOENIX.map((program) => ({
        cells: FIGURE2_CORES.map((cores) => alone(setting, program, platform, cores)),
        pairs: [[aloneId(program, platform, 12), aloneId(program, platform, 6)]] as const,
      })),
    ),
  show: (results) => {
    const found: Record<string, Finding> = {};
    for (const platform of PLATFORMS) {
      for (const program of PHOENIX) {
        found[`V-B5.${program}.${platform}`] = { estimate: bestCount(results, program, platform) };
        const slower = pairedRatio(
          results.times(aloneId(program, platform, 12)),
          results.times(aloneId(program, platform, 6)),
        );
        found[`V-B6.${program}.${platform}`] = { estimate: mapped(slower, (ratio) => 100 * (ratio - 1)) };
      }
    }
    return { found, plots: [picture(results)] };
  },
};

/** The number of cores with the shortest time, per replication. */
function bestCount(results: Results, program: Program, platform: Platform) {
  const times = FIGURE2_CORES.map((cores) => results.times(aloneId(program, platform, cores)));
  const best = times[0]!.map((_, r) => {
    const each = times.map((of) => of[r]!);
    return FIGURE2_CORES[each.indexOf(Math.min(...each))]!;
  });
  return meanEstimate(best);
}

function picture(results: Results) {
  return curves({
    name: "figure-2",
    title: "Speed-up of one VM, by its number of cores",
    axis: "speed-up over one core",
    across: "cores (vCPUs, each with a core of its own)",
    curves: PLATFORMS.flatMap((platform) =>
      PHOENIX.map((program) => ({
        series: `${program} on ${platform === "xen" ? "Xen" : "KVM"}`,
        isDashed: platform === "kvm",
        points: FIGURE2_CORES.map((cores) => ({
          x: cores,
          estimate: pairedRatio(
            results.times(aloneId(program, platform, 1)),
            results.times(aloneId(program, platform, cores)),
          ),
        })),
      })),
    ),
  });
}
