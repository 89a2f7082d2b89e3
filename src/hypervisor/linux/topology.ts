/**
 * The host's pCPUs from sysfs. Each core and each last-level cache is named after its lowest pCPU, so that the
 * numbers are unique on the host whatever the firmware counted. A machine that hides its caches (many VMs do) has
 * one last-level cache per package, for that is the better guess; one that hides its nodes has node 0.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Pcpu } from "../../core/model.ts";
import type { NodeId, PcpuId } from "../../core/units.ts";
import { parseCpuList } from "./cpu_list.ts";
import { type KeptFile, keepOpen } from "./kept_file.ts";

/** A tree of small text files; `null` for what is not there. Paths are relative to /sys/devices/system. */
export interface SysTree {
  read(path: string): string | null;
  list(path: string): readonly string[];
}

/** Ordered by id. An offline pCPU has no topology: it stands alone, in the first cache and node. */
export function readTopology(tree: SysTree): Pcpu[] {
  const online = cpuList(tree, "cpu/online") ?? cpuList(tree, "cpu/present") ?? [];
  const present = cpuList(tree, "cpu/present") ?? online;
  const nodes = readNodes(tree);
  return present.map((id) => {
    const isOnline = online.includes(id);
    return {
      id,
      core: isOnline
        ? lowest(tree, id, ["topology/core_cpus_list", "topology/thread_siblings_list"], id)
        : id,
      llc: isOnline ? lastLevelCache(tree, id) : 0,
      node: nodes.get(id) ?? 0,
      online: isOnline,
    };
  });
}

/** Changes whenever a pCPU of this host comes or goes: cheap enough to read at every observation. */
export function hostTopologyStamp(): string {
  stampFiles ??= ["present", "online"].map((list) => keepOpen(`${SYSTEM_PATH}/cpu/${list}`));
  return stampFiles.map((file) => file.read()).join("|");
}

let stampFiles: readonly KeptFile[] | null = null;
const SYSTEM_PATH = "/sys/devices/system";

export const hostSysTree: SysTree = {
  read(path) {
    try {
      return readFileSync(`${SYSTEM_PATH}/${path}`, "utf8");
    } catch {
      return null;
    }
  },
  list(path) {
    try {
      return readdirSync(`${SYSTEM_PATH}/${path}`).sort();
    } catch {
      return [];
    }
  },
};

function lastLevelCache(tree: SysTree, id: PcpuId): number {
  const caches = tree
    .list(`cpu/cpu${id}/cache`)
    .filter((name) => /^index\d+$/.test(name))
    .map((name) => ({
      level: Number(tree.read(`cpu/cpu${id}/cache/${name}/level`) ?? Number.NaN),
      type: tree.read(`cpu/cpu${id}/cache/${name}/type`)?.trim(),
      sharedBy: cpuList(tree, `cpu/cpu${id}/cache/${name}/shared_cpu_list`)?.[0],
    }))
    .filter(
      ({ level, type, sharedBy }) =>
        Number.isInteger(level) && type !== "Instruction" && sharedBy !== undefined,
    )
    .sort((a, b) => b.level - a.level);
  return (
    caches[0]?.sharedBy ?? lowest(tree, id, ["topology/package_cpus_list", "topology/core_siblings_list"], 0)
  );
}

function readNodes(tree: SysTree): Map<PcpuId, NodeId> {
  const nodeOf = new Map<PcpuId, NodeId>();
  for (const name of tree.list("node")) {
    const match = /^node(\d+)$/.exec(name);
    if (match === null) continue;
    for (const id of cpuList(tree, `node/${name}/cpulist`) ?? []) nodeOf.set(id, Number(match[1]));
  }
  return nodeOf;
}

/** The lowest pCPU in the first of these lists that is there. */
function lowest(tree: SysTree, id: PcpuId, names: readonly string[], otherwise: number): number {
  for (const name of names) {
    const first = cpuList(tree, `cpu/cpu${id}/${name}`)?.[0];
    if (first !== undefined) return first;
  }
  return otherwise;
}

function cpuList(tree: SysTree, path: string): number[] | null {
  const text = tree.read(path);
  return text === null ? null : parseCpuList(text);
}
