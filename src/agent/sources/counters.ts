/** The kernel's counters that cost next to nothing to read: two files, whatever the guest does. */
import type { Counters, VcpuCounters } from "../monitor/vcpu_loads.ts";
import type { Platform } from "../platform.ts";

export function readCounters(platform: Platform): Counters {
  const queues = runQueues(platform.readFile("/proc/schedstat") ?? "");
  const { switches, times } = processorTimes(platform.readFile("/proc/stat") ?? "");
  return {
    atMs: platform.nowMs(),
    switches,
    vcpus: times.map(({ vcpu, idleNs, stealNs }): VcpuCounters => {
      const queue = queues.get(vcpu);
      return { vcpu, idleNs, stealNs, waitNs: queue?.waitNs ?? 0, arrivals: queue?.arrivals ?? null };
    }),
  };
}

/** Of the agent itself: how long it ran and waited, and on which vCPU it was last. */
export function readSelf(platform: Platform): SelfCounters {
  const [runNs = 0, waitNs = 0] = (platform.readFile("/proc/self/schedstat") ?? "")
    .trim()
    .split(" ")
    .map(Number);
  const stat = platform.readFile("/proc/self/stat") ?? "";
  return {
    runNs,
    waitNs,
    vcpu: Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[PROCESSOR_FIELD] ?? -1),
  };
}

export interface SelfCounters {
  readonly runNs: number;
  readonly waitNs: number;
  readonly vcpu: number;
}

/** Field 39 of /proc/N/stat, counted from behind the name. */
const PROCESSOR_FIELD = 36;

/** /proc/schedstat: the last two numbers of a vCPU's line are waiting time in nanoseconds and switches to threads. */
function runQueues(
  text: string,
): ReadonlyMap<number, { readonly waitNs: number; readonly arrivals: number }> {
  const found = new Map<number, { waitNs: number; arrivals: number }>();
  for (const line of text.split("\n")) {
    if (!line.startsWith("cpu")) continue;
    const words = line.split(" ");
    const [waitNs, arrivals] = [Number(words[8]), Number(words[9])];
    if (Number.isFinite(waitNs) && Number.isFinite(arrivals)) {
      found.set(Number(words[0]!.slice("cpu".length)), { waitNs, arrivals });
    }
  }
  return found;
}

/** /proc/stat lists only the vCPUs that are online, ascending. */
function processorTimes(text: string): {
  readonly switches: number;
  readonly times: readonly { readonly vcpu: number; readonly idleNs: number; readonly stealNs: number }[];
} {
  let switches = 0;
  const times: { vcpu: number; idleNs: number; stealNs: number }[] = [];
  for (const line of text.split("\n")) {
    const words = line.split(" ");
    const name = words[0]!;
    if (name === "ctxt") switches = Number(words[1]);
    else if (/^cpu\d/.test(name)) {
      const idleNs = (Number(words[4]) + Number(words[5])) * NS_PER_TICK;
      times.push({ vcpu: Number(name.slice("cpu".length)), idleNs, stealNs: Number(words[8]) * NS_PER_TICK });
    }
  }
  return { switches, times };
}

/** The kernel tells these times in hundredths of a second (USER_HZ is 100 on every architecture that matters). */
const NS_PER_TICK = 10_000_000;
