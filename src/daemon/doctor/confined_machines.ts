/** Control groups of virtual machines to which fewer pCPUs are left than there are, of either version. */
import { CPUSETS_2, cpusets1 } from "../../hypervisor/linux/cpuset_files.ts";

export interface ConfinedMachines {
  readonly cgroup: string;
  /** In the kernel's words: "0-1". */
  readonly pcpus: string;
}

/** Where libvirt and systemd put virtual machines. */
const MACHINE_CGROUPS = ["machine.slice", "machine", "libvirt"];

/** `read`: a file's text; empty where there is none. */
export function confinedMachines(read: (path: string) => string): readonly ConfinedMachines[] {
  return [...CPUSETS_2, cpusets1("cpuset")].flatMap(({ mount, file }) => {
    const all = read(`${mount}/${file}`).trim();
    return MACHINE_CGROUPS.flatMap((cgroup) => {
      const pcpus = read(`${mount}/${cgroup}/${file}`).trim();
      return pcpus === "" || pcpus === all ? [] : [{ cgroup, pcpus }];
    });
  });
}
