/** Figures 10 and 11: two Phoenix programs in two equal VMs, on Xen and on KVM. */
import type { Finding } from "../claim.ts";
import type { Experiment } from "../experiment.ts";
import { kernelPicture, mainGroups, timePicture } from "../main_cells.ts";
import { PHOENIX, type Platform } from "../platforms.ts";
import { paired } from "../reductions.ts";
import { byAffinity, byVcpuBal, kernel } from "./parsec.ts";

interface Published {
  readonly figure: string;
  readonly platform: Platform;
  readonly ids: Readonly<Record<(typeof PHOENIX)[number], string>>;
  readonly reductions: Readonly<Record<(typeof PHOENIX)[number], number>>;
  readonly factors: Readonly<Record<(typeof PHOENIX)[number], number>>;
}

function phoenix({ figure, platform, ids, reductions, factors }: Published): Experiment {
  return {
    figure,
    title: `Figure ${figure}. Phoenix on ${platform === "xen" ? "Xen" : "KVM"}`,
    text: "Programs that do not scale gain twice from fewer vCPUs: no double scheduling, and fewer threads that fight for the kernel's memory locks.",
    groups: (setting) => mainGroups(setting, PHOENIX, platform),
    show: (results) => {
      const found: Record<string, Finding> = {};
      for (const program of PHOENIX) {
        found[ids[program]] = paired(byVcpuBal(results, program, platform));
        found[`${ids[program]}.kernel`] = kernel(results, program, platform);
        found[`V-B27.${program}.${platform}`] = paired(byAffinity(results, program, platform));
      }
      const programs = PHOENIX;
      return {
        found,
        plots: [
          timePicture(results, { name: `figure-${figure}`, programs, platform, published: reductions }),
          kernelPicture(results, { name: `figure-${figure}-kernel`, programs, platform, published: factors }),
        ],
      };
    },
  };
}

export const figure10: Experiment = phoenix({
  figure: "10",
  platform: "xen",
  ids: { histogram: "V-B23", wordcount: "V-B24" },
  reductions: { histogram: 52.7, wordcount: 57.9 },
  factors: { histogram: 3.0, wordcount: 10.4 },
});

export const figure11: Experiment = phoenix({
  figure: "11",
  platform: "kvm",
  ids: { histogram: "V-B25", wordcount: "V-B26" },
  reductions: { histogram: 54.4, wordcount: 63.8 },
  factors: { histogram: 4.0, wordcount: 7.3 },
});
