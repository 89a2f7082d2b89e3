import { describe, expect, it } from "vitest";
import { type Claim, entitlements } from "./entitlement.ts";

function check(capacity: number, claims: readonly Partial<Claim>[]) {
  const full = claims.map(
    (claim, index): Claim => ({
      id: `vm${index}`,
      weight: 256,
      reservation: 0,
      cap: null,
      vcpus: 64,
      ...claim,
    }),
  );
  return entitlements(capacity, full).map(({ entitlement, reasons }) => [
    entitlement,
    ...reasons.map(({ code }) => code).filter((code) => code !== "share"),
  ]);
}

describe("entitlements()", () => {
  it.each<{ why: string; capacity: number; claims: Partial<Claim>[]; due: (number | string)[][] }>([
    {
      why: "B-6: weights 512 and 256",
      capacity: 12_000,
      claims: [{ weight: 512 }, {}],
      due: [[8000], [4000]],
    },
    {
      why: "an infeasible weight is divided again",
      capacity: 12_000,
      claims: [{ weight: 512, vcpus: 6 }, {}],
      due: [
        [6000, "lowered-to-vcpus"],
        [6000, "surplus-from-others"],
      ],
    },
    {
      why: "a cap is a ceiling",
      capacity: 4000,
      claims: [{ cap: 500 }, {}],
      due: [
        [500, "lowered-to-cap"],
        [3500, "surplus-from-others"],
      ],
    },
    {
      why: "a reservation is a floor",
      capacity: 4000,
      claims: [{ weight: 1, reservation: 2000 }, { weight: 1000 }],
      due: [
        [2000, "raised-to-reservation"],
        [2000, "lowered-for-reservations"],
      ],
    },
    {
      why: "reservations beyond the capacity are scaled, and say so",
      capacity: 4000,
      claims: [{ reservation: 6000 }, { reservation: 2000 }, {}],
      due: [
        [3000, "reservations-exceed-capacity"],
        [1000, "reservations-exceed-capacity"],
        [0, "reservations-exceed-capacity"],
      ],
    },
    {
      why: "a milli-pCPU that cannot be divided goes to the lowest id",
      capacity: 1000,
      claims: [{}, {}, {}],
      due: [[334], [333], [333]],
    },
    {
      why: "X-6: the weight is the domain's, not each vCPU's",
      capacity: 4000,
      claims: [{ vcpus: 12 }, { vcpus: 4 }],
      due: [[2000], [2000]],
    },
    {
      why: "pitfall 25: without weights all are equal",
      capacity: 3000,
      claims: [{}, {}, {}],
      due: [[1000], [1000], [1000]],
    },
    { why: "nobody", capacity: 4000, claims: [], due: [] },
  ])("$why", ({ capacity, claims, due }) => {
    expect(check(capacity, claims)).toEqual(due);
  });
});
