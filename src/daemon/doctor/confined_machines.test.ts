import { expect, test } from "vitest";
import { confinedMachines } from "./confined_machines.ts";

test.each<[string, Readonly<Record<string, string>>, unknown[]]>([
  [
    "version 2: AllowedCPUs= of machine.slice",
    { "cpuset.cpus.effective": "0-3\n", "machine.slice/cpuset.cpus.effective": "0-1\n" },
    [{ cgroup: "machine.slice", pcpus: "0-1" }],
  ],
  [
    "version 1, where libvirt writes a cpuset into its folder even where nobody narrows it",
    { "cpuset/cpuset.effective_cpus": "0-3\n", "cpuset/machine/cpuset.effective_cpus": "0-3\n" },
    [],
  ],
  [
    "version 1, narrowed (pitfall 14)",
    { "cpuset/cpuset.effective_cpus": "0-3\n", "cpuset/machine/cpuset.effective_cpus": "2\n" },
    [{ cgroup: "machine", pcpus: "2" }],
  ],
  [
    "version 2 beside version 1, and it has the cpusets",
    { "unified/cpuset.cpus.effective": "0-3\n", "unified/machine/cpuset.cpus.effective": "0\n" },
    [{ cgroup: "machine", pcpus: "0" }],
  ],
  ["no control groups", {}, []],
])("%s", (_, files, expected) => {
  const read = (path: string) => files[path.replace("/sys/fs/cgroup/", "")] ?? "";
  expect(confinedMachines(read)).toEqual(expected);
});
