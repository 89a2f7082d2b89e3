/**
 * The pCPUs that a machine's control group lets it run on at all. libvirt keeps a group for each machine, and below it
 * one for each vCPU, which it rewrites with every pin; what somebody else set stands in the machine's own group or above
 * it, and no pin reaches beyond that. Both versions of cgroups; sources: cgroups(7), libvirt's "Control Groups Resource
 * Management".
 */
import { readFileSync } from "node:fs";
import type { PcpuId } from "../../core/units.ts";
import { parseCpuList } from "../linux/cpu_list.ts";

export interface Ceiling {
  /** For messages: the group's folder. */
  readonly group: string;
  readonly pcpus: readonly PcpuId[];
}

/** `null` where no cpuset bounds it, or none can be read. */
export function cpusetCeiling(thread: number): Ceiling | null {
  const groups = machineGroups(readFile(`/proc/${thread}/cgroup`) ?? "");
  for (const { folder, file } of groups) {
    const pcpus = parseCpuList(readFile(`${folder}/${file}`) ?? "");
    if (pcpus !== null && pcpus.length > 0) return { group: folder, pcpus };
  }
  return null;
}

/** Where to look, from the text of /proc/PID/cgroup: the machine's own group in each hierarchy with cpusets. */
export function machineGroups(text: string): { readonly folder: string; readonly file: string }[] {
  return text.split("\n").flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    const machine = path.replace(/\/(vcpu\d+|emulator|iothread\d+)$/, "").replace(/\/(libvirt)?$/, "");
    if (controllers === "") {
      // A machine with both versions has the second one's hierarchy, then without cpusets, in a folder of its own.
      return [{ folder: `/sys/fs/cgroup${machine}`, file: "cpuset.cpus.effective" }];
    }
    if (!controllers.split(",").includes("cpuset")) return [];
    return [...new Set(["cpuset", controllers])].map((mount) => ({
      folder: `/sys/fs/cgroup/${mount}${machine}`,
      file: "cpuset.effective_cpus",
    }));
  });
}

function readFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
