/** Where the kernel shows the cpusets of control groups; sources: cgroups(7), cpuset(7). */

/** A hierarchy of groups, and the file in each of its groups that names the pCPUs which are left to it. */
export interface CpusetFiles {
  readonly mount: string;
  readonly file: string;
}

const ROOT = "/sys/fs/cgroup";

/** Version 2 alone, and in a folder of its own where version 1 is mounted, too; there it seldom has the cpusets. */
export const CPUSETS_2: readonly CpusetFiles[] = [ROOT, `${ROOT}/unified`].map((mount) => ({
  mount,
  file: "cpuset.cpus.effective",
}));

/** `name`: of the mount, which is its controllers', or "cpuset" by a link. */
export function cpusets1(name: string): CpusetFiles {
  return { mount: `${ROOT}/${name}`, file: "cpuset.effective_cpus" };
}
