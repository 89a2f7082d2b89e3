import { describe, expect, it } from "vitest";
import type { Rounding } from "./policy.ts";
import { type Stake, wholePcpus } from "./target.ts";

interface Case {
  readonly why: string;
  readonly pcpus: number;
  readonly rounding?: Rounding;
  readonly stakes: readonly Partial<Stake>[];
  /** For each stake its pCPUs of its own, a plus, and its shared vCPUs; then the shared and the floating pCPUs. */
  readonly grants: string;
}

function check({ pcpus, rounding = "largest-remainder", stakes }: Case): string {
  const full = stakes.map(
    (stake): Stake => ({
      entitlement: 0,
      reservation: 0,
      cap: null,
      vcpusMin: 1,
      vcpusMax: 64,
      floats: false,
      ...stake,
    }),
  );
  const { grants, sharedPcpus, floatingPcpus } = wholePcpus(pcpus, rounding, full);
  const each = grants.map(({ own, shared, floats, target }) => (floats ? `~${target}` : `${own}+${shared}`));
  return [...each, `| ${sharedPcpus} ${floatingPcpus}`].join(" ");
}

const due = (...entitlements: number[]) => entitlements.map((entitlement) => ({ entitlement }));

describe("wholePcpus()", () => {
  it.each<Case>([
    { why: "whole parts stay", pcpus: 12, stakes: due(8000, 4000), grants: "8+0 4+0 | 0 0" },
    {
      why: "B-21: the largest remainder",
      pcpus: 12,
      stakes: due(5142, 5142, 1716),
      grants: "5+0 5+0 2+0 | 0 0",
    },
    { why: "a tie goes to the first", pcpus: 5, stakes: due(2500, 2500), grants: "3+0 2+0 | 0 0" },
    {
      why: "floor leaves the rest idle",
      pcpus: 5,
      rounding: "floor",
      stakes: due(2500, 2500),
      grants: "2+0 2+0 | 0 0",
    },
    {
      why: "ceil: the fractional vCPUs share",
      pcpus: 5,
      rounding: "ceil",
      stakes: due(2500, 2500),
      grants: "2+1 2+1 | 1 0",
    },
    { why: "nobody below one", pcpus: 4, stakes: due(3600, 400), grants: "3+0 1+0 | 0 0" },
    {
      why: "pitfall 3: vCPUs min",
      pcpus: 4,
      stakes: [{ entitlement: 3000 }, { entitlement: 1000, vcpusMin: 2 }],
      grants: "0+3 0+2 | 4 0",
    },
    {
      why: "more domains than pCPUs share",
      pcpus: 2,
      stakes: due(667, 667, 666),
      grants: "0+1 0+1 0+1 | 2 0",
    },
    {
      why: "small ones share rather than take a whole pCPU from a big one",
      pcpus: 4,
      stakes: due(3600, 80, 80, 80, 80, 80),
      grants: "3+0 0+1 0+1 0+1 0+1 0+1 | 1 0",
    },
    {
      why: "a reservation is rounded up where it fits",
      pcpus: 4,
      stakes: [{ entitlement: 1500, reservation: 1500 }, { entitlement: 2500 }],
      grants: "2+0 2+0 | 0 0",
    },
    {
      why: "a cap is rounded down",
      pcpus: 4,
      stakes: [{ entitlement: 1500, cap: 1500 }, { entitlement: 2500 }],
      grants: "1+0 3+0 | 0 0",
    },
    { why: "vCPUs max", pcpus: 8, stakes: [{ entitlement: 2000, vcpusMax: 2 }], grants: "2+0 | 0 0" },
    {
      why: "floating domains have pCPUs in common",
      pcpus: 4,
      stakes: [
        { entitlement: 2000 },
        { entitlement: 1000, floats: true },
        { entitlement: 1000, floats: true },
      ],
      grants: "2+0 ~1 ~1 | 0 2",
    },
    {
      why: "no room for a floating set: they share like the others",
      pcpus: 1,
      stakes: [{ entitlement: 500 }, { entitlement: 500, floats: true }],
      grants: "0+1 0+1 | 1 0",
    },
    {
      why: "vCPUs min above the pool",
      pcpus: 2,
      stakes: [{ entitlement: 2000, vcpusMin: 3 }],
      grants: "2+0 | 0 0",
    },
    { why: "nobody", pcpus: 4, stakes: [], grants: "| 0 0" },
  ])("$why", (testCase) => {
    expect(check(testCase)).toBe(testCase.grants);
  });
});
