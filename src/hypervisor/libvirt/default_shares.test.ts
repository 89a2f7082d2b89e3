import { expect, test } from "vitest";
import { defaultShares } from "./default_shares.ts";

test.each([
  ["version 2", "0::/system.slice/libvirtd.service\n", 100],
  ["version 1", "9:name=systemd:/\n3:cpuset:/\n1:cpu,cpuacct:/machine/x\n0::/\n", 1_024],
  ["both, and version 2 has the cpu controller", "4:memory:/\n2:cpuacct:/\n0::/machine/x\n", 100],
  ["a path with the name of a controller is none", "0::/cpu\n", 100],
])("%s", (_, cgroup, shares) => {
  expect(defaultShares(cgroup)).toBe(shares);
});
