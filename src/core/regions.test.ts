import { describe, expect, it } from "vitest";
import { hostTopology } from "./host_topology.ts";
import { chooseRegions } from "./regions.ts";
import { flatHost, type HostShape, hostOf } from "./sample_host.ts";

interface Case {
  readonly why: string;
  readonly shape: HostShape | number;
  /** Each party's size, the pCPUs it holds, and its node. */
  readonly parties: readonly {
    readonly size: number;
    readonly held?: readonly number[];
    readonly node?: number;
  }[];
  readonly regions: readonly (readonly number[])[];
}

function check({ shape, parties }: Case): number[][] {
  const topology = hostTopology(typeof shape === "number" ? flatHost(shape) : hostOf(shape));
  return chooseRegions(
    topology,
    parties.map(({ size, held = [], node = null }) => ({
      size,
      node,
      held: new Map(held.map((at) => [at, 1])),
    })),
  );
}

const twoNodes = { pcpus: 8, perNode: 4, perLlc: 4, perCore: 1 };
const smt = { pcpus: 8, perNode: 8, perLlc: 8, perCore: 2 };

describe("chooseRegions()", () => {
  it.each<Case>([
    {
      why: "B-7: lowest ids in order",
      shape: 12,
      parties: [{ size: 8 }, { size: 4 }],
      regions: [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [8, 9, 10, 11],
      ],
    },
    {
      why: "an arrival takes what is free and moves nobody",
      shape: 6,
      parties: [{ size: 2, held: [0, 1] }, { size: 2, held: [3, 4] }, { size: 2 }],
      regions: [
        [0, 1],
        [3, 4],
        [2, 5],
      ],
    },
    {
      why: "a departure's pCPUs go to those who grow",
      shape: 6,
      parties: [
        { size: 4, held: [0, 1] },
        { size: 2, held: [4, 5] },
      ],
      regions: [
        [0, 1, 2, 3],
        [4, 5],
      ],
    },
    {
      why: "as few nodes as possible",
      shape: twoNodes,
      parties: [{ size: 3 }, { size: 4 }, { size: 1 }],
      regions: [[0, 1, 2], [4, 5, 6, 7], [3]],
    },
    {
      why: "the node that the policy names",
      shape: twoNodes,
      parties: [{ size: 3 }, { size: 2, node: 0 }],
      regions: [
        [4, 5, 6],
        [0, 1],
      ],
    },
    {
      why: "a node that is too small is filled first",
      shape: twoNodes,
      parties: [{ size: 5, node: 1 }],
      regions: [[0, 4, 5, 6, 7]],
    },
    {
      why: "pitfall 24: no core is split when counts allow",
      shape: smt,
      parties: [{ size: 3 }, { size: 3 }],
      regions: [
        [0, 1, 2],
        [4, 5, 6],
      ],
    },
    {
      why: "pitfall 22: and as few as possible otherwise",
      shape: smt,
      parties: [{ size: 3 }, { size: 3 }, { size: 2 }],
      regions: [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7],
      ],
    },
    {
      why: "both would stay on a pCPU that one may keep",
      shape: 3,
      parties: [
        { size: 1, held: [1] },
        { size: 1, held: [1] },
      ],
      regions: [[1], [0]],
    },
  ])("$why", (testCase) => {
    expect(check(testCase)).toEqual(testCase.regions);
  });
});
