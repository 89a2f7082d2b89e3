/** Figure 1: what a second equal VM does to streamcluster. */
import { bars } from "../../plot/bars.ts";
import { geometricEstimate, mapped, pairedRatio } from "../../statistics/estimate.ts";
import type { Experiment } from "../experiment.ts";
import { alone, aloneId, idOf, PLATFORMS, type Platform, twoVms } from "../platforms.ts";
import { paired } from "../reductions.ts";
import type { Results } from "../results.ts";

const TWO = (platform: Platform): string => idOf("streamcluster", platform, "plain");
const ONE = (platform: Platform): string => aloneId("streamcluster", platform, 12);

const PUBLISHED = {
  time: { kvm: 2.6, xen: 2.1 },
  kernel: { kvm: 5.2, xen: 16.7 },
} as const;

export const figure1: Experiment = {
  figure: "1",
  title: "Figure 1. Two VMs of 12 vCPUs on 12 cores, against one",
  text: "A second VM halves what the first can have, so twice the time would be fair. What exceeds it is double scheduling: vCPUs are preempted while others spin for them.",
  groups: (setting) =>
    PLATFORMS.map((platform) => ({
      cells: [
        alone(setting, "streamcluster", platform, 12),
        twoVms(setting, "streamcluster", platform, "plain"),
      ],
      pairs: [[TWO(platform), ONE(platform)]],
    })),
  show: (results) => {
    const time = (platform: Platform) =>
      pairedRatio(results.times(TWO(platform)), results.times(ONE(platform)));
    const kernel = (platform: Platform) =>
      pairedRatio(results.kernelTimes(TWO(platform)), results.kernelTimes(ONE(platform)));
    return {
      found: {
        "V-B1": paired(time("kvm")),
        "V-B2": paired(time("xen")),
        "V-B3": paired(kernel("kvm")),
        "V-B4": paired(kernel("xen")),
      },
      plots: [
        picture(results, "time", "execution time, one VM = 1"),
        picture(results, "kernel", "guest kernel time, one VM = 1 (log)"),
      ],
    };
  },
};

function picture(results: Results, what: "time" | "kernel", axis: string) {
  const values = (id: string): number[] => (what === "time" ? results.times(id) : results.kernelTimes(id));
  return bars({
    name: `figure-1-${what}`,
    title: `streamcluster: ${what === "time" ? "execution time" : "guest kernel time"}`,
    axis,
    groups: ["KVM", "Xen"],
    series: ["alone", "plain"],
    isLog: what === "kernel",
    reference: what === "time" ? 2 : 1,
    bars: (["kvm", "xen"] as const).flatMap((platform) => {
      const group = platform === "kvm" ? "KVM" : "Xen";
      const one = geometricEstimate(values(ONE(platform)));
      return [
        { group, series: "alone", estimate: mapped(one, (value) => value / one.value) },
        {
          group,
          series: "plain",
          estimate: pairedRatio(values(TWO(platform)), values(ONE(platform))),
          published: PUBLISHED[what][platform],
        },
      ];
    }),
  });
}
