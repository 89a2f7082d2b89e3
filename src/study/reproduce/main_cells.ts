/** The paper's main runs (B-38..B-41), and the pictures that its Figures 6 to 11 share. */
import { bars } from "../plot/bars.ts";
import type { Plot } from "../plot/plot.ts";
import { geometricEstimate, mapped, pairedRatio } from "../statistics/estimate.ts";
import type { Group } from "./collect.ts";
import {
  idOf,
  PLAIN_NAME,
  type Platform,
  POLICIES,
  type Policy,
  type Program,
  type Setting,
  twoVms,
} from "./platforms.ts";
import { kernelFactor } from "./reductions.ts";
import type { Results } from "./results.ts";

export function mainGroups(setting: Setting, programs: readonly Program[], platform: Platform): Group[] {
  return programs.map((program) => ({
    cells: POLICIES.map((policy) => twoVms(setting, program, platform, policy)),
    pairs: [
      [idOf(program, platform, "vcpu-bal"), idOf(program, platform, "plain")],
      [idOf(program, platform, "affinity"), idOf(program, platform, "plain")],
    ],
  }));
}

interface PictureOptions {
  readonly name: string;
  readonly programs: readonly Program[];
  readonly platform: Platform;
  /** By program: the published reduction in percent, or factor. */
  readonly published: Readonly<Partial<Record<Program, number>>>;
}

/** As a legend says it; the plain scheduler has a name on each platform. */
const POLICY_NAME: Readonly<Record<Policy, string | null>> = {
  plain: null,
  affinity: "affinity",
  "vcpu-bal": "VCPU-Bal",
};

/** Normalised execution time: the plain scheduler is 1. */
export function timePicture(results: Results, { name, programs, platform, published }: PictureOptions): Plot {
  const seriesOf = (policy: Policy): string => POLICY_NAME[policy] ?? PLAIN_NAME[platform];
  return bars({
    name,
    title: `Execution time on ${platform === "xen" ? "Xen" : "KVM"}, two VMs`,
    axis: `normalised, ${PLAIN_NAME[platform]} = 1`,
    groups: programs,
    series: POLICIES.map(seriesOf),
    reference: 1,
    bars: programs.flatMap((program) =>
      POLICIES.map((policy) => {
        const plain = results.times(idOf(program, platform, "plain"));
        const own = geometricEstimate(plain);
        const reduction = published[program];
        return {
          group: program,
          series: seriesOf(policy),
          estimate:
            policy === "plain"
              ? mapped(own, (value) => value / own.value)
              : pairedRatio(results.times(idOf(program, platform, policy)), plain),
          ...(policy === "vcpu-bal" && reduction !== undefined ? { published: 1 - reduction / 100 } : {}),
        };
      }),
    ),
  });
}

/** How many times more kernel time the plain scheduler costs. */
export function kernelPicture(
  results: Results,
  { name, programs, platform, published }: PictureOptions,
): Plot {
  return bars({
    name,
    title: `Guest kernel time on ${platform === "xen" ? "Xen" : "KVM"}`,
    axis: "times VCPU-Bal's kernel time (log)",
    groups: programs,
    series: [PLAIN_NAME[platform], "affinity"],
    isLog: true,
    reference: 1,
    bars: programs.flatMap((program) =>
      (["plain", "affinity"] as const).map((policy) => {
        const factor = published[program];
        return {
          group: program,
          series: policy === "plain" ? PLAIN_NAME[platform] : policy,
          estimate: kernelFactor(
            results,
            idOf(program, platform, policy),
            idOf(program, platform, "vcpu-bal"),
          ),
          ...(policy === "plain" && factor !== undefined ? { published: factor } : {}),
        };
      }),
    ),
  });
}
