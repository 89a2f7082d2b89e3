/** Load that is bound to one virtual NUMA node of a lab guest, and where it and its vCPU are seen to run. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import type { Guest } from "../../lab/guest.ts";

/**
 * A cpuset of the vCPUs of node 1. It names them whether they are online or not, so what is in it uses a vCPU of the
 * node as soon as that comes, as a container does that is bound to a node.
 */
export const PREPARE_NODE = [
  "echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control",
  "mkdir -p /sys/fs/cgroup/node1",
  "echo 0-1 > /sys/fs/cgroup/node1/cpuset.cpus",
].join(" && ");

/** As many threads as the node has vCPUs; until it is stopped. */
export const BOUND_LOAD =
  "echo $$ > /sys/fs/cgroup/node1/cgroup.procs && exec /lab/load compute --for 600 --threads 2";

export interface ThreadWatch {
  /** Since when the vCPU has run, had it not paused since (so rather too late); `null`: not for long enough to tell. */
  runningSince(now: number): Promise<number | null>;
}

/** Coming online takes some tens of milliseconds of work; only load makes a vCPU run for so much more at once. */
const STEADY_MS = 150;
/** In so much time, since the emulator and this program take their part of two pCPUs. */
const WITHIN_MS = 400;

export function watchThread(guest: Guest, vcpu: number): ThreadWatch {
  let tid: number | null = null;
  let samples: { readonly at: number; readonly runMs: number }[] = [];
  return {
    async runningSince(now) {
      tid ??= await threadOf(guest, vcpu);
      const runMs = tid === null ? null : runMsOf(guest.pid, tid);
      if (runMs === null) return null;
      samples.push({ at: now, runMs });
      samples = samples.filter(({ at }) => now - WITHIN_MS <= at);
      return STEADY_MS <= runMs - samples[0]!.runMs ? now - STEADY_MS : null;
    },
  };
}

const QUERY_CPUS = z.array(
  z.object({ "thread-id": z.number(), props: z.object({ "core-id": z.number(), "socket-id": z.number() }) }),
);

/** By its place, for QEMU's own numbers need not be the guest's; `null`: not plugged. vCPUs 0 and 1 are in socket 0. */
async function threadOf(guest: Guest, vcpu: number): Promise<number | null> {
  const cpus = QUERY_CPUS.parse(await (await guest.monitor()).execute("query-cpus-fast"));
  return (
    cpus.find(({ props }) => props["socket-id"] === 0 && props["core-id"] === vcpu)?.["thread-id"] ?? null
  );
}

/** By the host's kernel, to the nanosecond; `null`: the thread is gone. */
function runMsOf(pid: number, tid: number): number | null {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, "latin1").split(" ")[0]) / 1e6;
  } catch {
    return null;
  }
}

/** Where the vCPU's thread may run on the host, and on which vCPUs the guest's kernel last ran the load's threads. */
export async function bindingOf(
  guest: Guest,
  vcpu: number,
): Promise<{ readonly pins: string; readonly loadOn: readonly number[] }> {
  const tid = await threadOf(guest, vcpu);
  const status = readFileSync(`/proc/${guest.pid}/task/${tid}/status`, "latin1");
  const printed = await guest.output(["sh", "-c", "cat /proc/$(pidof load)/task/*/stat"]);
  const vcpus = printed.split("\n").flatMap((line) => {
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "R" ? [Number(fields[PROCESSOR])] : [];
  });
  return {
    pins: /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "unknown",
    loadOn: [...new Set(vcpus)].sort((a, b) => a - b),
  };
}

/** The place of `processor` in /proc/PID/stat, counted from the state. */
const PROCESSOR = 36;

export interface AgentUsage {
  readonly runMs: number;
  readonly atSeconds: number;
  readonly rssBytes: number;
}

/** By the guest's own kernel: time on a vCPU, to the nanosecond, and resident memory. */
export async function agentUsage(guest: Guest): Promise<AgentUsage> {
  const script = "p=$(pidof vbal-agent); cat /proc/uptime /proc/$p/schedstat /proc/$p/status";
  const printed = await guest.output(["sh", "-c", script]);
  const [uptime, schedstat] = printed.split("\n");
  return {
    runMs: Number(schedstat?.split(" ")[0]) / 1e6,
    atSeconds: Number(uptime?.split(" ")[0]),
    rssBytes: 1024 * Number(/^VmRSS:\s*(\d+) kB$/m.exec(printed)?.[1]),
  };
}
