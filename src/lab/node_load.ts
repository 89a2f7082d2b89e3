/** Load that is bound to one virtual NUMA node of a guest, and where it and its vCPU are seen to run. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import type { Guest } from "./guest.ts";

/**
 * A cpuset of vCPUs 0 and 1, which are a node. It names them whether they are online or not, so what is in it uses a vCPU of the
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

const QUERY_CPUS = z.array(
  z.object({ "thread-id": z.number(), props: z.object({ "core-id": z.number(), "socket-id": z.number() }) }),
);

/** By its place, for QEMU's own numbers need not be the guest's; `null`: not plugged. vCPUs 0 and 1 are in socket 0. */
export async function threadOf(guest: Guest, vcpu: number): Promise<number | null> {
  const cpus = QUERY_CPUS.parse(await (await guest.monitor()).execute("query-cpus-fast"));
  return (
    cpus.find(({ props }) => props["socket-id"] === 0 && props["core-id"] === vcpu)?.["thread-id"] ?? null
  );
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
