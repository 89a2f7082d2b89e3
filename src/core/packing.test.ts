import { describe, expect, it } from "vitest";
import { packShared } from "./packing.ts";

/** Items as [domain, load] or [domain, load, current bin]. */
function check(bins: number, items: readonly (readonly [domain: number, load: number, current?: number])[]) {
  return packShared(
    bins,
    items.map(([domain, load, current = -1]) => ({ domain, load, current })),
  );
}

describe("packShared()", () => {
  it.each([
    {
      why: "the heaviest apart",
      bins: 2,
      items: [
        [0, 600],
        [1, 600],
        [2, 400],
        [3, 400],
      ],
      binOf: [0, 1, 0, 1],
    },
    {
      why: "B-28: siblings never meet",
      bins: 2,
      items: [
        [0, 500],
        [0, 500],
        [1, 100],
      ],
      binOf: [0, 1, 0],
    },
    {
      why: "whoever is somewhere stays there",
      bins: 2,
      items: [
        [0, 500, 1],
        [1, 500, 0],
      ],
      binOf: [1, 0],
    },
    {
      why: "unless the load would be less even",
      bins: 2,
      items: [
        [0, 500, 0],
        [1, 500, 0],
      ],
      binOf: [1, 0],
    },
    {
      why: "not for a twentieth of a pCPU",
      bins: 2,
      items: [
        [0, 500, 0],
        [1, 480, 1],
        [2, 40, 0],
      ],
      binOf: [0, 1, 0],
    },
    {
      why: "and then no more move than it takes",
      bins: 3,
      items: [
        [0, 500, 0],
        [1, 400, 0],
        [2, 300, 1],
        [3, 100, 2],
      ],
      binOf: [0, 2, 1, 2],
    },
    { why: "nobody", bins: 0, items: [], binOf: [] },
  ] as const)("$why", ({ bins, items, binOf }) => {
    expect(check(bins, items)).toEqual(binOf);
  });
});
