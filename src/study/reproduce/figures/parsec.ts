/** Figures 6 to 9: four PARSEC programs in two equal VMs, on Xen and on KVM. */
import { meanEstimate } from "../../statistics/estimate.ts";
import type { Finding } from "../claim.ts";
import type { Experiment } from "../experiment.ts";
import { kernelPicture, mainGroups, timePicture } from "../main_cells.ts";
import { idOf, PARSEC, type Platform, type Program } from "../platforms.ts";
import { highest, kernelFactor, lowest, meanOf, paired, reduction } from "../reductions.ts";
import type { Results } from "../results.ts";

export const figure6: Experiment = {
  figure: "6",
  title: "Figure 6. PARSEC on Xen: execution time",
  text: "Two VMs with the same program: both with 12 vCPUs under credit, the same pinned (affinity), or each with 6 vCPUs on cores of its own (VCPU-Bal, set by hand as in the paper).",
  groups: (setting) => mainGroups(setting, PARSEC, "xen"),
  show: (results) => {
    const gain = (program: Program) => byVcpuBal(results, program, "xen");
    const all = PARSEC.map(gain);
    const slower = PARSEC.filter((program) => byAffinity(results, program, "xen").value < 0).length;
    return {
      found: {
        "V-B7": { estimate: meanOf([gain("dedup"), gain("swaptions"), gain("streamcluster")]) },
        "V-B8": { estimate: highest(all) },
        "V-B9": { estimate: meanOf(all) },
        "V-B9.min": { estimate: lowest(all) },
        "V-B10": paired(gain("canneal")),
        "V-B14": { estimate: { value: slower } },
      },
      plots: [
        timePicture(results, {
          name: "figure-6",
          programs: PARSEC,
          platform: "xen",
          published: { canneal: 1.5 },
        }),
      ],
    };
  },
};

export const figure7: Experiment = {
  figure: "7",
  title: "Figure 7. PARSEC on Xen: guest kernel time",
  text: "What a guest that is blind to steal time books as its kernel's: spinning for preempted siblings, and being preempted in the kernel.",
  groups: figure6.groups,
  show: (results) => ({
    found: {
      "V-B11": kernel(results, "dedup", "xen"),
      "V-B12": kernel(results, "swaptions", "xen"),
      "V-B13": kernel(results, "streamcluster", "xen"),
      "V-B21": spinning(results, "canneal", "xen"),
    },
    plots: [
      kernelPicture(results, {
        name: "figure-7",
        programs: PARSEC,
        platform: "xen",
        published: { dedup: 3.3, swaptions: 458.1, streamcluster: 27.9 },
      }),
    ],
  }),
};

export const figure8: Experiment = {
  figure: "8",
  title: "Figure 8. PARSEC on KVM: execution time",
  text: "As Figure 6, under CFS. The paper gives the range and the mean of the four, not the single bars.",
  groups: (setting) => mainGroups(setting, PARSEC, "kvm"),
  show: (results) => {
    const all = PARSEC.map((program) => byVcpuBal(results, program, "kvm"));
    const found: Record<string, Finding> = {
      "V-B15": { estimate: meanOf(all) },
      "V-B16.min": { estimate: lowest(all) },
      "V-B16.max": { estimate: highest(all) },
      "V-B20": spinning(results, "canneal", "kvm"),
    };
    for (const program of PARSEC) found[`V-B22.${program}`] = paired(byAffinity(results, program, "kvm"));
    return {
      found,
      plots: [timePicture(results, { name: "figure-8", programs: PARSEC, platform: "kvm", published: {} })],
    };
  },
};

export const figure9: Experiment = {
  figure: "9",
  title: "Figure 9. PARSEC on KVM: guest kernel time",
  text: "As Figure 7, under CFS, whose shorter slices let a preempted sibling come back sooner.",
  groups: figure8.groups,
  show: (results) => ({
    found: {
      "V-B17": kernel(results, "dedup", "kvm"),
      "V-B18": kernel(results, "swaptions", "kvm"),
      "V-B19": kernel(results, "streamcluster", "kvm"),
    },
    plots: [
      kernelPicture(results, {
        name: "figure-9",
        programs: PARSEC,
        platform: "kvm",
        published: { dedup: 6.5, swaptions: 241.8, streamcluster: 6.5 },
      }),
    ],
  }),
};

export function byVcpuBal(results: Results, program: Program, platform: Platform) {
  return reduction(results, idOf(program, platform, "plain"), idOf(program, platform, "vcpu-bal"));
}

export function byAffinity(results: Results, program: Program, platform: Platform) {
  return reduction(results, idOf(program, platform, "plain"), idOf(program, platform, "affinity"));
}

export function kernel(results: Results, program: Program, platform: Platform): Finding {
  return paired(kernelFactor(results, idOf(program, platform, "plain"), idOf(program, platform, "vcpu-bal")));
}

const SPINS = [
  "spin",
  "spin-holder-preempted",
  "spin-waiter-preempted",
  "spin-barrier",
  "spin-ipi",
  "spin-ipi-preempted",
];

/** Of the time of the first VM's vCPUs on a pCPU, the part that its threads spin, in percent. */
export function spinPart(results: Results, id: string, causes: readonly string[] = SPINS) {
  const running = results.column(id, "domains.vm1.runningNs");
  const spins = causes.map((cause) => results.column(id, `domains.vm1.causesNs.${cause}`));
  return meanEstimate(running.map((ns, r) => (100 * spins.reduce((sum, each) => sum + each[r]!, 0)) / ns));
}

function spinning(results: Results, program: Program, platform: Platform): Finding {
  return { estimate: spinPart(results, idOf(program, platform, "plain")) };
}
