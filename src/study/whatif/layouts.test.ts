/** Where a host that leaves vCPUs where they are has them, and what that does to guests. */
import { describe, expect, test } from "vitest";
import { NOTHING_SEEN } from "./known_host.ts";
import { truthOf } from "./known_host_suite.ts";
import { type LayoutDomain, layoutChanges, STRETCH_NS } from "./layouts.ts";

const STRETCHES = 200;

function two(stacking: number, pins: readonly (readonly number[])[]): LayoutDomain[] {
  return ["a", "b"].map((name) => ({ name, pins, stacking }));
}

function changesOf(domains: readonly LayoutDomain[], pcpus = 2) {
  return layoutChanges(domains, { pcpus, untilNs: STRETCHES * STRETCH_NS, key: 1 });
}

const ANYWHERE = [
  [0, 1],
  [0, 1],
];

describe("layouts", () => {
  test.each([0, 0.3, 0.8, 1])("of two vCPUs, stacked for the part %d of the time", (stacking) => {
    const changes = changesOf(two(stacking, ANYWHERE)).filter(({ domain }) => domain === "a");
    expect(changes).toHaveLength(STRETCHES);
    const stacked = changes.filter(({ pins }) => pins![0]![0] === pins![1]![0]).length;
    expect(Math.abs(stacked / STRETCHES - stacking)).toBeLessThan(0.08);
  });

  test("every pCPU has as many vCPUs as the others, also where guests are stacked", () => {
    const changes = changesOf(two(0.5, ANYWHERE));
    for (let stretch = 0; stretch < STRETCHES; stretch++) {
      const here = changes
        .filter(({ at }) => at === stretch * STRETCH_NS)
        .flatMap(({ pins }) => pins!.flat());
      expect(here.filter((pcpu) => pcpu === 0)).toHaveLength(2);
    }
  });

  test("four vCPUs of which half are stacked run on two or three pCPUs of four", () => {
    const pins = Array.from({ length: 4 }, () => [0, 1, 2, 3]);
    const used = changesOf([{ name: "a", pins, stacking: 0.5 }], 4).map(
      ({ pins }) => new Set(pins!.flat()).size,
    );
    expect(new Set(used)).toEqual(new Set([2, 3]));
  });

  test("who is pinned to one pCPU stays, and nobody is put where it must not run", () => {
    expect(changesOf(two(1, [[0], [1]]))).toEqual([]);
    for (const { pins } of changesOf([{ name: "a", pins: [[0], [1, 2], [1, 2]], stacking: 0.5 }], 4)) {
      expect(pins![0]).toEqual([0]);
      for (const own of pins!.slice(1)) expect([[1], [2]]).toContainEqual(own);
    }
  });

  test("equal keys give equal layouts", () => {
    expect(changesOf(two(0.5, ANYWHERE))).toEqual(changesOf(two(0.5, ANYWHERE)));
  });
});

describe("a host that leaves vCPUs where they are", () => {
  const spinner = { meeting: "spin-barrier", workNs: 20_000 } as const;
  const LOOKS = { ...NOTHING_SEEN, spinning: true, stacking: true };

  test("shows how far it stacks them, and siblings that spin for each other lose by it", () => {
    const [apart, stacked] = [0, 0.9].map((stacking) =>
      truthOf({ ...spinner, stacking }, { host: { staying: true, pauseLoopExits: false }, sees: LOOKS }),
    );
    expect(apart!.before[0]!.stacking).toBeLessThan(0.2);
    expect(stacked!.before[0]!.stacking).toBeGreaterThan(0.7);
    expect(stacked!.gain).toBeGreaterThan(3 * apart!.gain);
  });

  test("one that balances does not stack siblings that never sleep", () => {
    const { before } = truthOf(
      { ...spinner, stacking: 0.9 },
      { host: { pauseLoopExits: false }, sees: LOOKS },
    );
    expect(before[0]!.stacking).toBeLessThan(0.2);
  });
});
