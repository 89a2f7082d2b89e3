import { expect, test } from "vitest";
import { cpusetCeiling, machineGroups } from "./cpuset_ceiling.ts";

test.each([
  [
    "version 2, as systemd and libvirt make it",
    "0::/machine.slice/machine-qemu\\x2d1\\x2da.scope/libvirt/vcpu0\n",
    [
      "/sys/fs/cgroup/machine.slice/machine-qemu\\x2d1\\x2da.scope/cpuset.cpus.effective",
      "/sys/fs/cgroup/machine.slice/cpuset.cpus.effective",
      "/sys/fs/cgroup/cpuset.cpus.effective",
      "/sys/fs/cgroup/unified/machine.slice/machine-qemu\\x2d1\\x2da.scope/cpuset.cpus.effective",
      "/sys/fs/cgroup/unified/machine.slice/cpuset.cpus.effective",
      "/sys/fs/cgroup/unified/cpuset.cpus.effective",
    ],
  ],
  [
    "version 1, without systemd (pitfall 14)",
    "9:name=systemd:/\n3:cpuset:/machine/qemu-1-a.libvirt-qemu/emulator\n1:cpu,cpuacct:/machine/x\n0::/\n",
    [
      "/sys/fs/cgroup/cpuset/machine/qemu-1-a.libvirt-qemu/cpuset.effective_cpus",
      "/sys/fs/cgroup/cpuset.cpus.effective",
      "/sys/fs/cgroup/unified/cpuset.cpus.effective",
    ],
  ],
  ["nothing readable", "", []],
])("the machine's own group: %s", (_, text, expected) => {
  expect(machineGroups(text).map(({ folder, file }) => `${folder}/${file}`)).toEqual(expected);
});

test("a thread that is gone has no ceiling", () => {
  expect(cpusetCeiling(2 ** 30)).toBeNull();
});
