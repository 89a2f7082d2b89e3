/**
 * The `<shares>` of a domain that names none, which decides what a number there means: libvirt hands it to the kernel as it
 * stands, as cpu.shares to version 1 of control groups (2 to 262144) and as cpu.weight to version 2 (1 to 10000). Sources:
 * libvirt's "Domain XML format"; seen with libvirt 9.0.
 */
import { readFileSync } from "node:fs";

const VERSION_1 = 1_024;
const VERSION_2 = 100;

/** `cgroup`: the text of any /proc/PID/cgroup; a line of version 1 names its controllers, all processes have the same ones. */
export function defaultShares(cgroup: string): number {
  const controllers = cgroup.split("\n").flatMap((line) => line.split(":")[1]?.split(",") ?? []);
  return controllers.includes("cpu") ? VERSION_1 : VERSION_2;
}

export function defaultSharesHere(): number {
  return defaultShares(readFileSync("/proc/self/cgroup", "utf8"));
}

/** Of a host that cannot be looked at: version 2, which distributions have had for years. */
export const DEFAULT_SHARES_ELSEWHERE = VERSION_2;
