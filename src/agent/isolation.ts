/**
 * The HLT way of taking a vCPU (B-10..B-13): its tasks and movable interrupts leave, so that it idles in HLT and the
 * hypervisor no longer finds it runnable; it stays online and visible, and so still gets inter-processor interrupts.
 *
 * The means is an isolated partition of cgroup v2: the vCPUs in it leave the root's cpuset, hence every task's, and
 * the guest scheduler's domains. Of the ways measured in a real guest it is the only one that needs no task to be
 * moved to another group and whose two directions both take under a millisecond (shrinking a cpuset that holds all
 * tasks: 10 ms, and it rearranges the administrator's groups).
 */
import type { Platform } from "./platform.ts";
import { formatVcpuList, parseVcpuList } from "./vcpu_list.ts";

/** Makes exactly these the isolated vCPUs. `null` when the kernel confirms it, else its reason. */
export function isolate(platform: Platform, vcpus: readonly number[]): string | null {
  if (vcpus.length === 0) return endPartition(platform);
  const had = platform.readFile(`${PARTITION}/cpuset.cpus.partition`);
  if (had === null) {
    const why = makePartition(platform);
    if (why !== null) return why;
  }
  const list = formatVcpuList(vcpus);
  const why =
    platform.writeFile(`${PARTITION}/cpuset.cpus`, list) ??
    (had?.trim() === "isolated"
      ? null
      : platform.writeFile(`${PARTITION}/cpuset.cpus.partition`, "isolated"));
  if (why !== null) return `The kernel did not isolate ${list}: ${why}`;
  const state = (platform.readFile(`${PARTITION}/cpuset.cpus.partition`) ?? "").trim();
  return state === "isolated" ? null : `The kernel did not isolate ${list}: ${state}`;
}

/** The vCPUs that are isolated now, by this agent or an earlier life of it. */
export function isolatedVcpus(platform: Platform): readonly number[] {
  const state = platform.readFile(`${PARTITION}/cpuset.cpus.partition`);
  if (state?.trim() !== "isolated") return [];
  return parseVcpuList(platform.readFile(`${PARTITION}/cpuset.cpus.effective`));
}

/** Isolated partitions came with Linux 6.1; without cgroup v2 and its cpuset controller there are none. */
export function canIsolate(platform: Platform): boolean {
  const controllers = (platform.readFile(`${CGROUP_ROOT}/cgroup.controllers`) ?? "").trim().split(" ");
  const [major = 0, minor = 0] = (platform.readFile("/proc/sys/kernel/osrelease") ?? "")
    .split(".")
    .map(Number);
  return controllers.includes("cpuset") && (major > 6 || (major === 6 && minor >= 1));
}

export const CGROUP_ROOT = "/sys/fs/cgroup";
export const PARTITION_NAME = "vbal-isolated";
const PARTITION = `${CGROUP_ROOT}/${PARTITION_NAME}`;

function makePartition(platform: Platform): string | null {
  const enabled = (platform.readFile(`${CGROUP_ROOT}/cgroup.subtree_control`) ?? "").trim().split(" ");
  if (!enabled.includes("cpuset")) {
    const why = platform.writeFile(`${CGROUP_ROOT}/cgroup.subtree_control`, "+cpuset");
    if (why !== null) return `The cpuset controller cannot be enabled in ${CGROUP_ROOT}: ${why}`;
  }
  const why = platform.makeDirectory(PARTITION);
  return why === null ? null : `${PARTITION} cannot be made: ${why}`;
}

/** The cpuset controller stays enabled: another program may have come to rely on it since. */
function endPartition(platform: Platform): string | null {
  if (platform.readFile(`${PARTITION}/cpuset.cpus.partition`) === null) return null;
  const why =
    platform.writeFile(`${PARTITION}/cpuset.cpus.partition`, "member") ?? platform.remove(PARTITION);
  return why === null ? null : `${PARTITION} cannot be removed: ${why}`;
}
