/** Whether a guest's vCPUs do work, from how long their threads have run, look by look. */
import type { Nanoseconds, VcpuIndex } from "../../core/units.ts";
import type { VcpuRunTime } from "./guest_channel.ts";

/** `vcpus`: the totals at this look. What was not seen before has rested until now, but for all that it ran. */
export function lookAtWork(before: WorkSeen | null, vcpus: readonly VcpuRunTime[]): WorkSeen {
  const works = vcpus.some(({ vcpu, runNs }) => AT_REST_NS_MAX < runNs - (before?.totals.get(vcpu) ?? 0));
  return {
    totals: new Map(vcpus.map(({ vcpu, runNs }) => [vcpu, runNs])),
    works,
    matters: before === null || works || before.works,
  };
}

export interface WorkSeen {
  readonly totals: ReadonlyMap<VcpuIndex, Nanoseconds>;
  readonly works: boolean;
  /** It works, or has just ceased to. */
  readonly matters: boolean;
}

/** Between two looks, which are some three seconds apart. An emulated guest that idles takes half of it. */
const AT_REST_NS_MAX: Nanoseconds = 100_000_000;
