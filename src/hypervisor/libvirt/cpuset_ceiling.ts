/**
 * The pCPUs that a machine's control group lets it run on at all. libvirt keeps a group for each machine, and below it
 * one for each vCPU, which it rewrites with every pin; what somebody else set stands in the machine's own group or above
 * it, and no pin reaches beyond that. Both versions of cgroups; sources: cgroups(7), libvirt's "Control Groups Resource
 * Management".
 */
import { readFileSync } from "node:fs";
import type { PcpuId } from "../../core/units.ts";
import { parseCpuList } from "../linux/cpu_list.ts";
import { CPUSETS_2, cpusets1 } from "../linux/cpuset_files.ts";

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

/** Where to look, in this order, from the text of /proc/PID/cgroup: the machine's own group in each hierarchy with cpusets. */
export function machineGroups(text: string): { readonly folder: string; readonly file: string }[] {
  return text.split("\n").flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    const machine = path.replace(/\/(vcpu\d+|emulator|iothread\d+)$/, "").replace(/\/(libvirt)?$/, "");
    if (controllers === "") {
      // Where a group was given no cpuset of its own, the next above it that was holds for it.
      return CPUSETS_2.flatMap(({ mount, file }) =>
        upwards(machine).map((group) => ({ folder: `${mount}${group}`, file })),
      );
    }
    if (!controllers.split(",").includes("cpuset")) return [];
    return [...new Set(["cpuset", controllers])].map((name) => {
      const { mount, file } = cpusets1(name);
      return { folder: `${mount}${machine}`, file };
    });
  });
}

/** "/a/b", "/a", "". */
function upwards(path: string): string[] {
  return path === "" ? [""] : [path, ...upwards(path.slice(0, path.lastIndexOf("/")))];
}

function readFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
