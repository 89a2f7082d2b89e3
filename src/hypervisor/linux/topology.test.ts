import { describe, expect, test } from "vitest";
import { parseCpuList } from "./cpu_list.ts";
import { hostSysTree, readTopology, type SysTree } from "./topology.ts";

/** A tree from path to text, as captured from a machine and cut down to what is read. */
function treeOf(files: Record<string, string>): SysTree {
  const paths = Object.keys(files);
  return {
    read: (path) => files[path] ?? null,
    list: (folder) => [
      ...new Set(
        paths
          .filter((path) => path.startsWith(`${folder}/`))
          .map((path) => path.slice(folder.length + 1).split("/")[0]!),
      ),
    ],
  };
}

/** The files of one pCPU: who shares its core, and the caches as [level, type, shared by]. */
function cpu(id: number, core: string, caches: readonly [number, string, string][]): Record<string, string> {
  const files: Record<string, string> = { [`cpu/cpu${id}/topology/core_cpus_list`]: `${core}\n` };
  for (const [index, [level, type, sharedBy]] of caches.entries()) {
    files[`cpu/cpu${id}/cache/index${index}/level`] = `${level}\n`;
    files[`cpu/cpu${id}/cache/index${index}/type`] = `${type}\n`;
    files[`cpu/cpu${id}/cache/index${index}/shared_cpu_list`] = `${sharedBy}\n`;
  }
  return files;
}

/** [id, core, llc, node], with a minus where it is offline. */
function rows(tree: SysTree): string[] {
  return readTopology(tree).map(
    ({ id, core, llc, node, online }) => `${id}: ${core} ${llc} ${node}${online ? "" : " offline"}`,
  );
}

describe("topology", () => {
  test("pitfall 24: SMT siblings two apart, one shared cache, the instruction cache does not count", () => {
    const tree = treeOf({
      "cpu/present": "0-3\n",
      "cpu/online": "0-3\n",
      "node/online": "0\n",
      "node/node0/cpulist": "0-3\n",
      ...cpu(0, "0,2", [
        [1, "Data", "0,2"],
        [1, "Instruction", "0,2"],
        [3, "Unified", "0-3"],
      ]),
      ...cpu(1, "1,3", [
        [1, "Data", "1,3"],
        [1, "Instruction", "1,3"],
        [3, "Unified", "0-3"],
      ]),
      ...cpu(2, "0,2", [
        [1, "Data", "0,2"],
        [1, "Instruction", "0,2"],
        [3, "Unified", "0-3"],
      ]),
      ...cpu(3, "1,3", [
        [1, "Data", "1,3"],
        [1, "Instruction", "1,3"],
        [3, "Unified", "0-3"],
      ]),
    });
    expect(rows(tree)).toEqual(["0: 0 0 0", "1: 1 0 0", "2: 0 0 0", "3: 1 0 0"]);
  });

  test("two nodes with a cache each, pCPUs dealt out in turn", () => {
    const tree = treeOf({
      "cpu/present": "0-3",
      "cpu/online": "0-3",
      "node/node0/cpulist": "0,2",
      "node/node1/cpulist": "1,3",
      ...cpu(0, "0", [
        [2, "Unified", "0"],
        [3, "Unified", "0,2"],
      ]),
      ...cpu(1, "1", [
        [2, "Unified", "1"],
        [3, "Unified", "1,3"],
      ]),
      ...cpu(2, "2", [
        [2, "Unified", "2"],
        [3, "Unified", "0,2"],
      ]),
      ...cpu(3, "3", [
        [2, "Unified", "3"],
        [3, "Unified", "1,3"],
      ]),
    });
    expect(rows(tree)).toEqual(["0: 0 0 0", "1: 1 1 1", "2: 2 0 0", "3: 3 1 1"]);
  });

  test("a VM that shows no caches: one per package", () => {
    const tree = treeOf({
      "cpu/present": "0-1",
      "cpu/online": "0-1",
      "cpu/cpu0/topology/thread_siblings_list": "0",
      "cpu/cpu0/topology/core_siblings_list": "0",
      "cpu/cpu1/topology/thread_siblings_list": "1",
      "cpu/cpu1/topology/core_siblings_list": "1",
    });
    expect(rows(tree)).toEqual(["0: 0 0 0", "1: 1 1 0"]);
  });

  test("nothing but a list of pCPUs", () => {
    expect(rows(treeOf({ "cpu/online": "0-1" }))).toEqual(["0: 0 0 0", "1: 1 0 0"]);
  });

  test("an offline pCPU is listed and stands alone", () => {
    const tree = treeOf({
      "cpu/present": "0-2",
      "cpu/online": "0,2",
      "node/node0/cpulist": "0,2",
      ...cpu(0, "0", [[3, "Unified", "0,2"]]),
      ...cpu(2, "2", [[3, "Unified", "0,2"]]),
    });
    expect(rows(tree)).toEqual(["0: 0 0 0", "1: 1 0 0 offline", "2: 2 0 0"]);
  });

  test.runIf(process.platform === "linux")("this machine's own tree gives at least one pCPU", () => {
    expect(readTopology(hostSysTree).filter((pcpu) => pcpu.online).length).toBeGreaterThan(0);
  });
});

test.each<[string, number[] | null]>([
  ["0-3,8\n", [0, 1, 2, 3, 8]],
  ["", []],
  ["\n", []],
  ["7", [7]],
  ["2,0-1", [0, 1, 2]],
  ["3-1", null],
  ["0-", null],
  ["zero", null],
  ["0-4000000000", null],
])("the list %j is %j", (text, expected) => {
  expect(parseCpuList(text)).toEqual(expected);
});
