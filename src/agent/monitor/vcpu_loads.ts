/**
 * The ten quantities of each vCPU over one interval, from counters of the kernel read at its two ends.
 *
 * Runnable threads need no sampling: by Little's law the average number waiting is the waiting time accumulated in the
 * interval divided by its length, and the number running is the part of it in which the vCPU was not idle. A spike
 * that one look would catch, or the sampler itself, hardly moves such an average (pitfall 11).
 *
 * The kernel counts switches to threads per vCPU and switches in all per guest; what is missing is how often each
 * vCPU went idle, and which switches were within one process. Both come from a traced part of the interval
 * (switch_trace.ts), whose shares are applied to the exact totals.
 */

import type { Quantity } from "./measure.ts";
import { type SwitchCounts, type SwitchKinds, switchesOf } from "./switch_kinds.ts";
import { absent, atLeast, known, type Reading, type VcpuLoad } from "./vcpu_load.ts";

export function vcpuLoads(interval: Interval): readonly VcpuLoad[] {
  const { before, after } = interval;
  const seconds = (after.atMs - before.atMs) / MS_PER_SECOND;
  const deltas = after.vcpus.flatMap((now): Delta[] => {
    const then = before.vcpus.find(({ vcpu }) => vcpu === now.vcpu);
    return then === undefined ? [] : [deltaOf(then, now)];
  });
  if (seconds <= 0) return [];
  const counts = switchesOf({
    arrivals: new Map(deltas.map(({ vcpu, arrivals }) => [vcpu, arrivals])),
    total: after.switches - before.switches,
    kinds: interval.kinds,
  });
  return deltas.map((delta) => loadOf(delta, { interval, seconds, counts }));
}

export interface Interval {
  readonly before: Counters;
  readonly after: Counters;
  /** What the traced part of the interval showed, or why nothing was traced. */
  readonly kinds: SwitchKinds | string;
  readonly cost: SwitchCost | string;
  readonly groups: ReadonlyMap<number, RunnableGroups> | string;
  readonly nodeOf: (vcpu: number) => number;
  /** What the host says of each vCPU's thread; without it the guest's own clock must do. */
  readonly host: HostTimes | null;
  /** Cycles per second of a physical processor; `null` where nobody tells. */
  readonly hz: number | null;
  /** What the monitor itself used in the interval. */
  readonly self: { readonly vcpu: number; readonly runNs: number; readonly waitNs: number };
}

/** The kernel's counters at one moment, ascending by vCPU. */
export interface Counters {
  readonly atMs: number;
  /** Context switches of all vCPUs since boot. */
  readonly switches: number;
  readonly vcpus: readonly VcpuCounters[];
}

/** Since boot. */
export interface VcpuCounters {
  readonly vcpu: number;
  readonly idleNs: number;
  readonly stealNs: number;
  /** Threads' waiting time on this run queue. */
  readonly waitNs: number;
  /** Switches to a thread, that is, not to idle. `null` with `waitNs` 0: this kernel has no schedstat. */
  readonly arrivals: number | null;
}

/** The direct cost of one switch in nanoseconds, as calibrated on this guest. */
export interface SwitchCost {
  readonly sameProcessNs: number;
  readonly otherProcessNs: number;
  readonly how: string;
}

/** Average numbers over the interval. */
export interface RunnableGroups {
  /** Threads that were identified: what the other two numbers are made of. */
  readonly threads: number;
  readonly processes: number;
  readonly applications: number;
  readonly source: string;
}

export interface HostTimes {
  /** How long each vCPU's thread ran on the host within the interval. */
  readonly runNs: ReadonlyMap<number, number>;
}

interface Delta {
  readonly vcpu: number;
  readonly idleNs: number;
  readonly stealNs: number;
  readonly waitNs: number;
  readonly arrivals: number | null;
}

const MS_PER_SECOND = 1_000;
const NS_PER_SECOND = 1_000_000_000;
const NO_SCHEDSTAT = "This kernel has no /proc/schedstat (CONFIG_SCHEDSTATS)";

function deltaOf(then: VcpuCounters, now: VcpuCounters): Delta {
  return {
    vcpu: now.vcpu,
    // Some kernels let the idle time step back by a tick.
    idleNs: Math.max(0, now.idleNs - then.idleNs),
    stealNs: Math.max(0, now.stealNs - then.stealNs),
    waitNs: Math.max(0, now.waitNs - then.waitNs),
    arrivals:
      then.arrivals === null || now.arrivals === null ? null : Math.max(0, now.arrivals - then.arrivals),
  };
}

interface Context {
  readonly interval: Interval;
  readonly seconds: number;
  readonly counts: ReadonlyMap<number, SwitchCounts>;
}

function loadOf(delta: Delta, { interval, seconds, counts }: Context): VcpuLoad {
  const ns = seconds * NS_PER_SECOND;
  const own = interval.self.vcpu === delta.vcpu ? interval.self : NOTHING;
  const hostNs = interval.host?.runNs.get(delta.vcpu);
  const guestNs = Math.max(0, ns - delta.idleNs - delta.stealNs);
  const consumed = known(
    hostNs ?? guestNs,
    hostNs === undefined ? "guest-visible time (/proc/stat)" : "run time of the vCPU's thread on the host",
  );
  const waiting = delta.arrivals === null ? null : Math.max(0, delta.waitNs - own.waitNs) / ns;
  const running = Math.max(0, Math.min(1, 1 - (delta.idleNs + own.runNs) / ns));
  const count = counts.get(delta.vcpu);
  const rate = (kind: "inAll" | "sameProcess" | "otherProcess"): Reading => {
    const counted = count?.[kind] ?? absent(NO_SCHEDSTAT);
    return counted.value === null
      ? absent(counted.why, atLeast(counted) / seconds)
      : known(counted.value / seconds, counted.source);
  };
  const same = rate("sameProcess");
  const other = rate("otherProcess");
  const perSecond = consumed.value === null ? 0 : consumed.value / seconds;
  const between = (count?.between ?? 0) / seconds;
  const shares = switchShares({ same, other, between, cost: interval.cost, consumedNsPerSecond: perSecond });
  const readings: Record<Quantity, Reading> = {
    cycles: cyclesOf(consumed, seconds, interval.hz),
    switches: rate("inAll"),
    "switches-same-process": same,
    "switches-other-process": other,
    ...shares,
    "runnable-threads":
      waiting === null
        ? absent(NO_SCHEDSTAT)
        : known(running + waiting, "/proc/schedstat waiting, /proc/stat running"),
    ...groupsOf(interval.groups, { vcpu: delta.vcpu, threads: waiting === null ? 0 : running + waiting }),
  };
  return { vcpu: delta.vcpu, node: interval.nodeOf(delta.vcpu), readings, waiting };
}

const NOTHING = { runNs: 0, waitNs: 0 };

function cyclesOf(consumed: Reading, seconds: number, hz: number | null): Reading {
  if (consumed.value === null) return consumed;
  if (hz === null)
    return absent("Nobody tells the physical processor's frequency (/proc/cpuinfo has no MHz)");
  return known(
    (consumed.value / seconds / NS_PER_SECOND) * hz,
    `${consumed.source} x ${Math.round(hz / 1e6)} MHz`,
  );
}

/** P-29..P-31, in percent of what the vCPU consumed; switches to and from idle cost nobody anything. */
function switchShares(of: {
  readonly same: Reading;
  readonly other: Reading;
  /** Of either kind, so many a second at least. */
  readonly between: number;
  readonly cost: SwitchCost | string;
  readonly consumedNsPerSecond: number;
}): Readonly<Record<"switch-share" | "switch-share-same-process" | "switch-share-other-process", Reading>> {
  const { same, other, between, cost, consumedNsPerSecond } = of;
  if (typeof cost === "string") {
    const none = absent(cost);
    return {
      "switch-share": none,
      "switch-share-same-process": none,
      "switch-share-other-process": none,
    };
  }
  const percentOf = (spent: number): number =>
    spent === 0 ? 0 : Math.min(PERCENT, (PERCENT * spent) / Math.max(spent, consumedNsPerSecond));
  const share = (switches: Reading, costNs: number): Reading => {
    const percent = percentOf(atLeast(switches) * costNs);
    return switches.value === null
      ? absent(switches.why, percent)
      : known(percent, `${switches.source}; ${cost.how}`);
  };
  const a = share(same, cost.sameProcessNs);
  const b = share(other, cost.otherProcessNs);
  // Whatever kind they are of, each costs at least what the cheaper kind does.
  const least = percentOf(between * Math.min(cost.sameProcessNs, cost.otherProcessNs));
  const both =
    a.value === null
      ? absent(a.why, least)
      : b.value === null
        ? absent(b.why, least)
        : known(Math.min(PERCENT, a.value + b.value), a.source);
  return { "switch-share": both, "switch-share-same-process": a, "switch-share-other-process": b };
}

const PERCENT = 100;

function groupsOf(
  groups: Interval["groups"],
  { vcpu, threads }: { readonly vcpu: number; readonly threads: number },
): Readonly<Record<"runnable-processes" | "runnable-applications", Reading>> {
  const found = typeof groups === "string" ? null : (groups.get(vcpu) ?? NOBODY);
  const why =
    found === null
      ? `${groups as string}`
      : IDENTIFIED_MIN * threads - UNSEEN_THREADS <= found.threads
        ? null
        : `Only ${found.threads.toFixed(1)} of ${threads.toFixed(1)} runnable threads are identified`;
  if (found === null || why !== null) {
    const none = absent(why ?? "");
    return { "runnable-processes": none, "runnable-applications": none };
  }
  return {
    "runnable-processes": known(found.processes, found.source),
    "runnable-applications": known(found.applications, found.source),
  };
}

const NOBODY: RunnableGroups = { threads: 0, processes: 0, applications: 0, source: "Trace: no thread seen" };
/** The identified threads must make up most of those that the counters show, but for kernel threads that flit by. */
const IDENTIFIED_MIN = 0.7;
const UNSEEN_THREADS = 0.1;
