/** What the doctor reads of the host, so that its judgement (host_checks.ts) needs no host. Nothing here throws. */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { dirname, join } from "node:path";
import type { Pcpu } from "../../core/model.ts";
import type { PcpuId } from "../../core/units.ts";
import { parseCpuList } from "../../hypervisor/linux/cpu_list.ts";
import { hostSysTree, readTopology } from "../../hypervisor/linux/topology.ts";
import { type ConfinedMachines, confinedMachines } from "./confined_machines.ts";

export interface HostFacts {
  readonly platform: string;
  readonly kernel: string;
  readonly node: string;
  readonly pcpus: readonly Pcpu[];
  /** Where this process may run; `null` where the kernel does not say. */
  readonly allowed: readonly PcpuId[] | null;
  /** It may set the affinity of others' threads. */
  readonly mayPin: boolean;
  /** The kernel tells how long a thread waited for a pCPU. */
  readonly hasSchedstat: boolean;
  readonly cgroup: "v2" | "v1" | "none";
  readonly confined: readonly ConfinedMachines[];
  /** The kernel moves memory and threads between nodes by itself. */
  readonly numaBalancing: boolean;
  /** pCPUs that the kernel's command line takes from the scheduler. */
  readonly isolated: readonly PcpuId[];
  /** Names of programs that run, each once. */
  readonly programs: ReadonlySet<string>;
  /** Processes of QEMU. */
  readonly qemus: number;
}

export function readHostFacts(): HostFacts {
  const processes = readProcesses();
  return {
    platform: process.platform,
    kernel: release(),
    node: process.versions.node,
    pcpus: readTopology(hostSysTree),
    allowed: listIn(/^Cpus_allowed_list:\s*(\S+)/m, text("/proc/self/status")),
    mayPin: mayPin(text("/proc/self/status")),
    hasSchedstat: existsSync("/proc/self/schedstat"),
    cgroup: existsSync(join(CGROUPS, "cgroup.controllers")) ? "v2" : existsSync(CGROUPS) ? "v1" : "none",
    confined: confinedMachines(text),
    numaBalancing: text("/proc/sys/kernel/numa_balancing").trim() === "1",
    isolated: listIn(/\bisolcpus=(?:[a-z_]+,)*([\d,-]+)/, text("/proc/cmdline")) ?? [],
    programs: new Set(processes),
    qemus: processes.filter((name) => name.startsWith("qemu-system") || name === "qemu-kvm").length,
  };
}

/** Whether a file could be made there: the folder, or the nearest one above it that exists, can be written. */
export function isWritable(path: string): boolean {
  let folder = dirname(path);
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder);
  try {
    accessSync(existsSync(path) ? path : folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const CGROUPS = "/sys/fs/cgroup";
/** linux/capability.h */
const CAP_SYS_NICE = 23n;

function mayPin(status: string): boolean {
  const held = /^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1];
  return held !== undefined && ((BigInt(`0x${held}`) >> CAP_SYS_NICE) & 1n) === 1n;
}

function listIn(pattern: RegExp, from: string): readonly PcpuId[] | null {
  const found = pattern.exec(from)?.[1];
  return found === undefined ? null : parseCpuList(found);
}

function readProcesses(): string[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => text(`/proc/${pid}/comm`).trim())
      .filter((name) => name !== "");
  } catch {
    return [];
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
